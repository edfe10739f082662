"""The application as it is deployed, but for passwords that cost nothing: `app` for a server, `handler` for Lambda."""

from tests.support.cheap_passwords import hash_cheaply

hash_cheaply()

from backend.main import app, handler  # noqa: E402  # from here on, hashing is cheap

__all__ = ["app", "handler"]
