"""What a developer's machine needs around the API: PostgreSQL, settings, a web server. Never deployed."""
