"""The way to PostgreSQL: URL, connection, transaction, failures, migrations."""
