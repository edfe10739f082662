"""A PostgreSQL server that is installed as a Python package, for `make start` and the tests."""
