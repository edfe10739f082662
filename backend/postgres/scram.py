"""Proving the password to the server without stretching it anew for every connection.

SCRAM hashes the password some thousand times over, which takes as long as a TLS handshake. What comes out depends on
the password and on the server's salt alone, and a client may keep it (RFC 5802, section 5.1). It is kept where the
password is: in this process's memory.

This leans on scramp's internals: tests/postgres/test_scram.py tells when an upgrade changes them.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, SupportsInt

from scramp import core

SALTS_AT_ONCE = 8
"""A server has one salt for a login; a pooler that was given the password itself makes a new one each time."""

_stretch: Callable[[Any, bytes, bytes, int], bytes] = core.hi
_saslprep = lru_cache(SALTS_AT_ONCE)(core.saslprep)


@lru_cache(SALTS_AT_ONCE)
def salted_password(hash_function: Any, password: bytes, salt: bytes, iterations: int) -> bytes:
    """What RFC 5802 calls SaltedPassword, computed once."""
    return _stretch(hash_function, password, salt, iterations)


def _hi(hash_function: Any, password: bytes, salt: bytes, iterations: SupportsInt) -> bytes:
    return salted_password(hash_function, password, salt, int(iterations))


def install() -> None:
    """Have scramp remember, from here on."""
    core.hi = _hi
    core.saslprep = _saslprep
