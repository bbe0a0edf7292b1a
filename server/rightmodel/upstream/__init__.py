"""HTTP to providers: connections, errors, retry-after, discovery."""
