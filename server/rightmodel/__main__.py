"""`rightmodel` and `python -m rightmodel`."""

from rightmodel.surfaces.cli import main

if __name__ == "__main__":
    main()
