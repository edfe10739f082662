"""`make start`: the API on this machine with everything that it needs, until Ctrl-C."""
