"""What kind of work a task is, and how hard."""
