"""The vocabulary of the package: plain data and errors, without I/O."""
