"""Programs for a developer's machine: `make start`, `invoke`, `build`, `deploy` and `openapi`. Never deployed."""
