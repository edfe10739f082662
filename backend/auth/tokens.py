"""Signing and verifying tokens: the only module that touches python-jose (FR-007 to FR-010, FR-013, NFR-002).

python-jose accepts more than the contract does: numbers as text, keys that are JSON, headers it does not understand,
and it lets exceptions of other kinds through. So it verifies the signature, everything else is checked here, and
whatever goes wrong in whatever way is one thing to the caller: no valid token.
"""

import json
import time
from dataclasses import dataclass
from enum import StrEnum
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
LIFETIME_MAX_SECONDS = 366 * 24 * 3600
"""More than any setting allows: a token that claims to last longer was not made here."""


class Kind(StrEnum):
    """What a token is for. One kind is never accepted as the other."""

    ACCESS = "access"
    REFRESH = "refresh"


class InvalidToken(Exception):
    """Not a token of ours, of another kind, or no longer valid. Which of these is nobody's business."""


def _canonical_uuid(value: object) -> UUID:
    if isinstance(value, str) and str(parsed := UUID(value)) == value:
        return parsed
    raise ValueError("not a UUID as this module writes them")


CanonicalUuid = Annotated[UUID, BeforeValidator(_canonical_uuid)]


class Claims(BaseModel):
    """What a token says: whose it is, of which sign-in, which token of it, of what kind, from when until when.

    Times are whole seconds since 1970 (RFC 7519, NumericDate).
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
    """Signs with one secret, and verifies with that one and the one before it, so that changing it signs nobody out."""

    secret: str
    previous_secret: str | None = None

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
        """A token; the same arguments give the same text, byte for byte.

        :param token_id: its `jti`; a random one where nobody needs to know it again
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
        try:
            if len(token) > TOKEN_MAX_LENGTH:
                raise InvalidToken
            keys: Any = [_jwk(secret) for secret in (self.secret, self.previous_secret) if secret]
            payload = jws.verify(token, keys, algorithms=[ALGORITHM])
            signature = token.rpartition(".")[2].encode()
            if base64url_encode(base64url_decode(signature)) != signature:  # decoding skips what is not Base64
                raise InvalidToken
            if jws.get_unverified_header(token) != HEADER:  # verified by now; `crit` and all else unknown is refused
                raise InvalidToken
            claims = Claims.model_validate(json.loads(payload, object_pairs_hook=_refuse_duplicates))
        except Exception as error:  # RecursionError, TypeError, OverflowError, …: input decides what is raised
            raise InvalidToken from error
        now = time.time()
        if claims.typ != kind or not now < claims.exp <= now + LIFETIME_MAX_SECONDS:
            raise InvalidToken
        return claims


def _jwk(secret: str) -> Key:
    # As a JWK (RFC 7518, 6.4): text that is JSON python-jose takes for a set of keys, and text like PEM it refuses.
    return construct({"kty": "oct", "k": base64url_encode(secret.encode()).decode()}, ALGORITHM)


def _refuse_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("duplicate claim")
    return members
