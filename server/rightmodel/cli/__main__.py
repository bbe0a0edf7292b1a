"""`python -m rightmodel.cli`."""

from rightmodel.cli import main

main()
