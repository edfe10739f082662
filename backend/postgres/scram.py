"""SCRAM-SHA-256: proves to the server that we know the password, and makes the server prove that it does too.

RFC 5802 and RFC 7677; the names are theirs. Hashing the password takes as long as a TLS handshake. The result depends
on the password and the server's salt alone, and a client may keep it (RFC 5802, 5.1): it is kept in this process.
"""

import hashlib
import hmac
import re
import secrets
from base64 import b64decode, b64encode
from functools import lru_cache

PLAIN, PLUS = "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"
MOST_ITERATIONS = 1_000_000
"""Takes about 0.3 s. PostgreSQL's default is 4096; a server that asks for more than this only wants to delay us."""
SALTS_AT_ONCE = 8
"""A server has one salt for a login. A pooler that was given the password itself makes a new one for each login."""

SERVER_FIRST = re.compile(rb"r=([!-+\--~]+),s=([A-Za-z0-9+/]+={0,2}),i=([1-9][0-9]{0,8})(?:,.*)?")


class NotProven(Exception):
    """The server does not know the password, or does not keep to the protocol."""


class Scram:
    """One login.

    :param binding: the hash of the server's certificate for SCRAM-SHA-256-PLUS; None for SCRAM-SHA-256. Then the GS2
        flag is `n`, as if we could not bind: Neon's proxy refuses `y`
    """

    def __init__(self, password: str, binding: bytes | None = None) -> None:
        self.mechanism = PLAIN if binding is None else PLUS
        self._password = password
        self._binding = binding or b""
        self._gs2_header = b"n,," if binding is None else b"p=tls-server-end-point,,"
        self._nonce = secrets.token_urlsafe(18).encode()
        self._first_bare = b"n=,r=" + self._nonce
        self.client_first = self._gs2_header + self._first_bare

    def client_final(self, server_first: bytes) -> bytes:
        """The answer to the server's challenge, with our proof.

        :raises NotProven: it is no challenge, not one to our message, or one that would keep us busy
        """
        challenge = SERVER_FIRST.fullmatch(server_first)
        if challenge is None:
            raise NotProven
        nonce, salt, iterations = challenge[1], challenge[2], int(challenge[3])
        if not nonce.startswith(self._nonce) or nonce == self._nonce or iterations > MOST_ITERATIONS:
            raise NotProven
        try:
            client_key, server_key = _keys(self._password, b64decode(salt, validate=True), iterations)
        except ValueError:
            raise NotProven from None
        without_proof = b"c=" + b64encode(self._gs2_header + self._binding) + b",r=" + nonce
        auth_message = b",".join((self._first_bare, server_first, without_proof))
        client_signature = hmac.digest(hashlib.sha256(client_key).digest(), auth_message, "sha256")
        proof = bytes(key ^ sign for key, sign in zip(client_key, client_signature, strict=True))
        self._server_final = b"v=" + b64encode(hmac.digest(server_key, auth_message, "sha256"))
        return without_proof + b",p=" + b64encode(proof)

    def check(self, server_final: bytes) -> None:
        """Check the server's proof.

        :raises NotProven: it is not the one of a server that knows the password
        """
        if not hmac.compare_digest(server_final, self._server_final):
            raise NotProven


@lru_cache(SALTS_AT_ONCE)
def _keys(password: str, salt: bytes, iterations: int) -> tuple[bytes, bytes]:
    """ClientKey and ServerKey (RFC 5802, 3)."""
    salted = hashlib.pbkdf2_hmac("sha256", normalized(password), salt, iterations)
    return hmac.digest(salted, b"Client Key", "sha256"), hmac.digest(salted, b"Server Key", "sha256")


def normalized(password: str) -> bytes:
    """The password as PostgreSQL and libpq hash it: ASCII as it is, all else by `saslprep.py`."""
    if password.isascii():
        return password.encode()
    from backend.postgres.saslprep import saslprep  # its tables cost a cold start, and few passwords need them

    return saslprep(password)
