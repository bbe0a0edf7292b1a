"""`rightmodel usage`: `report` has the figures, `sections` words them, the rest renders."""
