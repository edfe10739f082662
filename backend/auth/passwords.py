"""Hashing passwords so that a stolen table tells nobody's (FR-004, NFR-001, SC-016).

argon2id with time cost 12 meets "argon2 with minimum cost factor of 12" in either reading, and 19 MiB is OWASP's
choice. Passwords go in as they are: nothing is stripped, normalised or truncated.
"""

from passlib.context import CryptContext

context = CryptContext(
    schemes=["argon2"], argon2__type="ID", argon2__rounds=12, argon2__memory_cost=19456, argon2__parallelism=1
)

HASH_FOR_UNKNOWN_EMAIL = (
    "$argon2id$v=19$m=19456,t=12,p=1$/p9T6h1DiDGGsPZ+r5WSsg$GuQH3XyqIFomwk1wSfmhFcF9yiaY/VI7XKqg8aJnhcI"
)
"""The hash of a random password that was thrown away, with the parameters above: what an unknown e-mail is verified
against, so that it takes as long as a wrong password. Computed once, because hashing on first use would tell."""


def hash_password(password: str) -> str:
    """The hash to store. Takes about 0.2 s of CPU."""
    return str(context.hash(password))


def verify_password(password: str, stored_hash: str | None) -> bool:
    """Whether the password is right. Nobody's password (None) takes the same time, and is never right."""
    is_right = bool(context.verify(password, stored_hash or HASH_FOR_UNKNOWN_EMAIL))
    return is_right and stored_hash is not None


def needs_rehash(stored_hash: str) -> bool:
    """Whether the hash was made with other parameters than today's."""
    return bool(context.needs_update(stored_hash))
