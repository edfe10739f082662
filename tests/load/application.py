"""The deployed application with cheap password hashing: `app` for a server, `handler` for Lambda."""

from tests.support.cheap_passwords import hash_cheaply

hash_cheaply()

from backend.main import app, handler  # noqa: E402  # after hashing was made cheap

__all__ = ["app", "handler"]
