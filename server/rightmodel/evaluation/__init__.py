"""How well a manifest routes, measured on a table of outcomes; and ratings fitted to one."""
