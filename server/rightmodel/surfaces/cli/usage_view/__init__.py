"""What `rightmodel usage` shows: gathered in `picture`, drawn by `terminal`, `rows` and `page`."""
