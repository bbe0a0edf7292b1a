"""What `rightmodel rehearse` is made of: twins of the user's providers, a run, what came of it."""
