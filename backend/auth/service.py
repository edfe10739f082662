"""The rules of accounts and sign-ins. Nothing here knows of HTTP requests.

What a refusal changes (a charged limit, a revocation) is committed before the refusal is raised. No transaction is open
while a password is hashed.
"""

import math
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Row

from backend.auth import passwords, rate_limits, statements
from backend.auth.rate_limits import Limit, Window
from backend.auth.schemas import AuthResponse, UserPublic
from backend.auth.tokens import Claims, InvalidToken, Kind, Tokens
from backend.database.transactions import Database
from backend.errors import Conflict, NotAuthenticated, RateLimited
from backend.settings import Settings
from backend.telemetry import count, logger


class WrongCredentials(NotAuthenticated):
    """Unknown e-mail or wrong password. One sentence for both, so that it does not disclose who has an account."""

    message = "The e-mail or the password is wrong."


class EmailTaken(Conflict):
    """There is an account with this e-mail already (FR-032)."""

    message = "There is an account with this e-mail already. Please sign in."


@dataclass(frozen=True)
class AuthService:
    """Sign-up, sign-in, refresh and sign-out."""

    settings: Settings
    tokens: Tokens
    database: Database

    def sign_up(self, *, email: str, password: str, name: str, address: str | None) -> AuthResponse:
        """Create an account and sign it in (FR-001).

        :param address: the client's IP address
        :raises RateLimited: too many sign-ups from this address
        :raises EmailTaken: there is an account already; of two concurrent sign-ups the later one gets this
        """
        window = self._sign_up_limits(email, address)
        account = {"email": email, "name": name, "known_key": window.known_key, "lifetime": self._lifetime}
        with self.database.conversation() as database:
            [charged] = database.run(statements.CHARGE_LIMITS, window.parameters)
            if not charged.is_charged:
                raise self._rate_limited(charged.wait)
            password_hash = passwords.hash_password(password)
            created = database.run(statements.CREATE_ACCOUNT, {**account, "password_hash": password_hash})
        if not created:
            raise EmailTaken
        return self._response(created[0])

    def sign_in(self, *, email: str, password: str, address: str | None) -> AuthResponse:
        """Check credentials and open a sign-in (FR-006).

        Wrong passwords are counted, and a right one if a limit has filled up meanwhile. The limits are checked before
        hashing, so that a refusal costs no CPU time. They are checked again after hashing, so that concurrent guesses
        cannot exceed them together.

        :raises RateLimited: too many wrong passwords
        :raises WrongCredentials: after the same work for an unknown e-mail as for a wrong password
        """
        window = self._wrong_password_limits(email, address)
        with self.database.conversation() as database:
            [asked] = database.read(statements.CHECK_LIMITS_AND_FIND_ACCOUNT, {**window.parameters, "email": email})
            if asked.wait is not None:
                raise self._rate_limited(asked.wait)
            verified = {"user_id": asked.user_id, "password_hash": asked.password_hash}
            is_right = passwords.verify_password(password, asked.password_hash)
            sign_in = {"is_right": is_right, "lifetime": self._lifetime, "sign_ins": self.settings.sign_ins_per_account}
            decision = {**window.parameters, **verified, **sign_in}
            [decided] = database.run(statements.DECIDE_SIGN_IN, decision, check=window.turn(is_right=is_right))
            # Only now: a refusal must not take longer for a right password than for a wrong one.
            if decided.sign_in_id is not None and passwords.needs_rehash(asked.password_hash):
                database.run(statements.REPLACE_HASH, {**verified, "new_hash": passwords.hash_password(password)})
        if decided.sign_in_id is not None:
            return self._response(decided)
        # Charging waits for its turn, and may find room where there was none when the statement began.
        is_refused = decided.wait is not None if is_right else not decided.is_charged
        if is_refused:
            raise self._rate_limited(decided.wait)
        raise WrongCredentials

    def refresh(self, *, refresh_token: str) -> AuthResponse:
        """Exchange a refresh token for a new pair (FR-011). The old one is then spent, except within the leeway.

        :raises NotAuthenticated: it is not a refresh token, its sign-in has ended, or it was used before. In the last
            case the whole sign-in is revoked, because one of the two clients that used the token is not its owner
        :raises RateLimited: too many refreshes of this sign-in
        """
        claims = self._verified(refresh_token, Kind.REFRESH)
        presented = {
            "sign_in_id": claims.sid,
            "user_id": claims.user_id,
            "jti": claims.jti,
            "successor": uuid4(),
            "lifetime": self._lifetime,
            "leeway": timedelta(seconds=self.settings.refresh_reuse_leeway_seconds),
            "limit": self.settings.refreshes_per_sign_in,
            "window": self.settings.refresh_window_seconds,
        }
        rows = self.database.run(statements.ROTATE, presented)
        if not rows:
            raise NotAuthenticated
        [rotated] = rows
        if rotated.is_reuse:
            logger.warning("Refresh token reused; sign-in revoked", user_id=claims.user_id, sign_in_id=claims.sid)
            count("RefreshTokenReuse")
            raise NotAuthenticated
        if rotated.is_refused:
            raise self._rate_limited(rotated.wait)
        return self._response(rotated)

    def sign_out(self, token: str, kind: Kind) -> UUID:
        """End the sign-in of a token: neither of its tokens works from here on (FR-012). Gives the user's id.

        :param token: an access token, or any refresh token of the sign-in, also one that is spent (RFC 7009)
        :raises NotAuthenticated: the token is not valid, or its sign-in had ended already
        """
        claims = self._verified(token, kind)
        if not self.database.run(statements.SIGN_OUT, {"sign_in_id": claims.sid, "user_id": claims.user_id}):
            raise NotAuthenticated
        return claims.user_id

    def _verified(self, token: str, kind: Kind) -> Claims:
        try:
            return self.tokens.verify(token, kind)
        except InvalidToken:
            raise NotAuthenticated from None

    @property
    def _lifetime(self) -> timedelta:
        return timedelta(days=self.settings.refresh_token_expire_days)

    def _sign_up_limits(self, email: str, address: str | None) -> Window:
        settings = self.settings
        limits = rate_limits.limits_per_address("sign-ups", address, settings.signups_per_address)
        return self._window(settings.signup_window_seconds, limits, email, address)

    def _wrong_password_limits(self, email: str, address: str | None) -> Window:
        """The limits on wrong passwords. Unknown e-mails count too, or the limits would disclose which are known."""
        settings = self.settings
        here = Limit(
            "guesses per account and address",
            _account_at(email, address),
            settings.signin_failures_per_account_and_address,
        )
        by_address = rate_limits.limits_per_address("guesses", address, settings.signin_failures_per_address)
        account = Limit("guesses per account", email, settings.signin_failures_per_account)
        return self._window(settings.signin_window_seconds, [here, *by_address], email, address, waived=account)

    def _window(
        self, seconds: int, limits: list[Limit], email: str, address: str | None, waived: Limit | None = None
    ) -> Window:
        secret = self.settings.better_auth_secret.get_secret_value()
        return rate_limits.window(secret, seconds, limits, waived=waived, known=_account_at(email, address))

    def _rate_limited(self, wait: timedelta | None) -> RateLimited:
        """The refusal, counted.

        :param wait: until there is room again; None if the limit filled up after that was computed
        """
        count("RateLimited")
        return RateLimited(max(1, math.ceil((wait or timedelta()).total_seconds())))

    def _response(self, sign_in: Row[Any]) -> AuthResponse:
        owner = {"user_id": sign_in.user_id, "sign_in_id": sign_in.sign_in_id}
        now, lasts = int(time.time()), self.settings.access_token_expire_minutes * 60
        return AuthResponse(
            user=UserPublic(id=sign_in.user_id, email=sign_in.email, name=sign_in.name, created_at=sign_in.created_at),
            access_token=self.tokens.sign(Kind.ACCESS, **owner, issued_at=now, expires_at=now + lasts),
            refresh_token=self.tokens.sign(
                Kind.REFRESH,
                **owner,
                token_id=sign_in.current_jti,
                issued_at=int(sign_in.rotated_at.timestamp()),
                expires_at=int(sign_in.expires_at.timestamp()),
            ),
            token_type="bearer",  # noqa: S106
            expires_in=lasts,
        )


def _account_at(email: str, address: str | None) -> str:
    return f"{email}\0{rate_limits.network(address)}"
