"""Each person's own tasks."""
