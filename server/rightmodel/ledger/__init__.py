"""The ledger: attempts, calls, costs, budgets, outcomes, and the ratings learned from them.

`Ledger` is its interface to the other packages; `Store` is the interface of its databases.
"""
