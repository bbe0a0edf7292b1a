"""What happened and what it cost, kept: attempts, budgets, outcomes, and what is learned from them.

`Ledger` is what the rest of the house talks to; `Store` is what a database has to offer it.
"""
