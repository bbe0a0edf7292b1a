"""Former name of `rightmodel.routing`, kept for scripts that import from it."""
