"""HTTP to providers: client and pool, error classification, repairs, discovery."""
