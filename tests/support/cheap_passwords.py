"""Password hashing a hundred times faster, for tests that are not about hashing."""

from collections.abc import Callable

from backend.auth import passwords


def hash_cheaply(replace: Callable[[object, str, object], None] = setattr) -> None:
    """Replace production's parameters in this process.

    :param replace: sets an attribute; pytest's `monkeypatch.setattr` undoes it after a test
    """
    cheap = passwords.context.copy(argon2__rounds=1, argon2__memory_cost=8)
    replace(passwords, "context", cheap)
    replace(passwords, "HASH_FOR_UNKNOWN_EMAIL", cheap.hash("nobody's password"))
