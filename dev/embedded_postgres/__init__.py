"""A PostgreSQL that comes with the Python packages, for `make start` and the tests."""
