"""Hashes and verifies passwords, so that a stolen table discloses no password (FR-004, NFR-001, SC-016).

argon2id with time cost 12 meets "argon2 with minimum cost factor of 12" in either reading, and 19 MiB is OWASP's
choice. Passwords are hashed as they are: nothing is stripped, normalised or truncated.
"""

from passlib.context import CryptContext

context = CryptContext(
    schemes=["argon2"], argon2__type="ID", argon2__rounds=12, argon2__memory_cost=19456, argon2__parallelism=1
)

HASH_FOR_UNKNOWN_EMAIL = (
    "$argon2id$v=19$m=19456,t=12,p=1$/p9T6h1DiDGGsPZ+r5WSsg$GuQH3XyqIFomwk1wSfmhFcF9yiaY/VI7XKqg8aJnhcI"
)
"""The hash of a random password that was not kept, with the parameters above. The password for an unknown e-mail is
verified against it, so that it takes as long as a wrong password. It is a constant, because computing it on first use
would make that answer slower and so disclose that the e-mail is unknown."""


def hash_password(password: str) -> str:
    """The hash to store. Takes about 0.2 s of CPU."""
    return str(context.hash(password))


def verify_password(password: str, stored_hash: str | None) -> bool:
    """Whether the password is right. Without a stored hash (None) it takes the same time, and the result is False."""
    is_right = bool(context.verify(password, stored_hash or HASH_FOR_UNKNOWN_EMAIL))
    return is_right and stored_hash is not None


def needs_rehash(stored_hash: str) -> bool:
    """Whether the hash was made with other parameters than today's."""
    return bool(context.needs_update(stored_hash))
