"""PostgreSQL's roles, by name. Migrations create them (`migrations/versions`), and grant them what they may do.

The migrations have these names as literals, because history must not change when the code does.
"""

AUTH_ROLE = "todo_auth"
"""Every transaction starts with this role: it reaches accounts, sign-ins and rate limits, and no task."""
USER_ROLE = "todo_user"
"""The check of the sign-in switches to this role: row level security shows it the tasks of one user."""
