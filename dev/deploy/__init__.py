"""`make deploy`, and the smoke test of what it has deployed."""
