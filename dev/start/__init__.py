"""`make start`: runs the API on this machine, with a database and settings, until Ctrl-C."""
