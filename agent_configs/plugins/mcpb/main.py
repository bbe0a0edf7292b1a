"""Runs rightmodel, which uv installs from pyproject.toml."""

from rightmodel.__main__ import main

main()
