"""Signs and verifies tokens; the only module that imports python-jose (FR-007 to FR-010, FR-013, NFR-002).

python-jose accepts more than the contract does: numbers as text, keys that are JSON, headers that it does not
understand. It also lets exceptions of other kinds through. So python-jose verifies only the signature, and this module
checks everything else. For the caller every failure is the same: `InvalidToken`.
"""

import json
import time
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Annotated, Any, Literal, Self
from uuid import UUID, uuid4

from jose import jws, jwt
from jose.backends.base import Key
from jose.jwk import construct
from jose.utils import base64url_decode, base64url_encode
from pydantic import BaseModel, BeforeValidator, ConfigDict, model_validator

ALGORITHM = "HS256"
HEADER = {"alg": ALGORITHM, "typ": "JWT"}
TOKEN_MAX_LENGTH = 2048
TOKENS_REMEMBERED = 1024
"""Verifying a signature takes most of the time. A token is presented many times, so the newest are remembered."""
LIFETIME_MAX_SECONDS = 366 * 24 * 3600
"""More than any setting allows: a token that claims to last longer was not issued by this API."""


class Kind(StrEnum):
    """What a token is for. One kind is never accepted as the other."""

    ACCESS = "access"
    REFRESH = "refresh"


class InvalidToken(Exception):
    """The token is not ours, is of another kind, or is no longer valid. The reason is not disclosed."""


def _canonical_uuid(value: object) -> UUID:
    if isinstance(value, str) and str(parsed := UUID(value)) == value:
        return parsed
    raise ValueError("not a UUID as this module writes them")


CanonicalUuid = Annotated[UUID, BeforeValidator(_canonical_uuid)]


class Claims(BaseModel):
    """The claims of a token (RFC 7519). `iat` and `exp` are whole seconds since 1970 (NumericDate).

    `user_id` and `sub` are the user, `sid` is the sign-in, `jti` the token itself, `typ` its kind.
    """

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    user_id: CanonicalUuid
    sub: CanonicalUuid
    sid: CanonicalUuid
    jti: CanonicalUuid
    typ: Literal["access", "refresh"]
    iat: int
    exp: int

    @model_validator(mode="after")
    def _claims_are_consistent(self) -> Self:
        if self.sub != self.user_id or not 0 < self.exp - self.iat <= LIFETIME_MAX_SECONDS:
            raise ValueError("claims contradict each other")
        return self


@dataclass(frozen=True)
class Tokens:
    """Signs tokens with the current secret, and verifies them with the current or the previous one.

    So all sign-ins stay valid when the secret changes.
    """

    secret: str = field(repr=False)
    previous_secret: str | None = field(default=None, repr=False)

    def sign(
        self,
        kind: Kind,
        *,
        user_id: UUID,
        sign_in_id: UUID,
        token_id: UUID | None = None,
        issued_at: int,
        expires_at: int,
    ) -> str:
        """A signed token; with a `token_id` the same arguments give the same text, byte for byte.

        :param token_id: the claim `jti`; random if None, for a token that is never looked up by it
        :param issued_at: seconds since 1970, like `expires_at`
        """
        claims = {
            "user_id": str(user_id),
            "sub": str(user_id),
            "sid": str(sign_in_id),
            "jti": str(token_id or uuid4()),
            "typ": kind.value,
            "iat": issued_at,
            "exp": expires_at,
        }
        return str(jwt.encode(claims, _jwk(self.secret), algorithm=ALGORITHM))

    def verify(self, token: str, kind: Kind) -> Claims:
        """The claims of a valid token of this kind.

        :raises InvalidToken: for every other input, of whatever size and shape
        """
        claims = _signed_claims(self, token)
        now = time.time()
        if claims.typ != kind or not now < claims.exp <= now + LIFETIME_MAX_SECONDS:
            raise InvalidToken
        return claims

    def signed_claims(self, token: str) -> Claims:
        """The claims of a token that has our signature, of whatever kind and age.

        :raises InvalidToken: for every other input, of whatever size and shape
        """
        try:
            if len(token) > TOKEN_MAX_LENGTH:
                raise InvalidToken
            keys: Any = [_jwk(secret) for secret in (self.secret, self.previous_secret) if secret]
            payload = jws.verify(token, keys, algorithms=[ALGORITHM])
            signature = token.rpartition(".")[2].encode()
            if base64url_encode(base64url_decode(signature)) != signature:  # decoding ignores what is not Base64
                raise InvalidToken
            if jws.get_unverified_header(token) != HEADER:  # verified by now; refuses `crit` and all else
                raise InvalidToken
            return Claims.model_validate(json.loads(payload, object_pairs_hook=_refuse_duplicates))
        except Exception as error:  # RecursionError, TypeError, OverflowError, …: input decides what is raised
            raise InvalidToken from error


@lru_cache(TOKENS_REMEMBERED)
def _signed_claims(tokens: Tokens, token: str) -> Claims:
    """`Tokens.signed_claims`, remembered. Only valid signatures are: an exception is not kept."""
    return tokens.signed_claims(token)


def _jwk(secret: str) -> Key:
    # As a JWK (RFC 7518, 6.4): python-jose would take a secret that is JSON for a key set, and refuse one like PEM.
    return construct({"kty": "oct", "k": base64url_encode(secret.encode()).decode()}, ALGORITHM)


def _refuse_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("duplicate claim")
    return members
