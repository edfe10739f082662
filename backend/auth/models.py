"""Accounts, sign-ins and the hits of rate limits, as PostgreSQL keeps them."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, CheckConstraint, DateTime, Index, Text, text
from sqlmodel import Field, SQLModel

from backend.database.columns import new_id, timestamp
from backend.web.text import EMAIL_MAX_LENGTH

NAME_MAX_LENGTH = 100


class User(SQLModel, table=True):
    """A person's account."""

    __tablename__ = "users"
    __table_args__ = (
        CheckConstraint(f"char_length(email) between 3 and {EMAIL_MAX_LENGTH} and email = lower(email)", name="email"),
        CheckConstraint(f"char_length(name) between 1 and {NAME_MAX_LENGTH} and btrim(name) <> ''", name="name"),
    )

    id: UUID = new_id()
    email: str = Field(sa_type=Text, unique=True)
    password_hash: str = Field(sa_type=Text)
    name: str = Field(sa_type=Text)
    created_at: datetime = timestamp()
    updated_at: datetime = timestamp()


class RefreshToken(SQLModel, table=True):
    """One row per sign-in: which refresh token of it is current, which one came before, and whether it was revoked.

    The row is revocation state, not a session: the user's identity is in the token only.
    """

    __tablename__ = "refresh_tokens"
    __table_args__ = (Index(None, "user_id"), Index(None, "expires_at"))

    id: UUID = new_id()
    user_id: UUID = Field(foreign_key="users.id", ondelete="CASCADE")
    current_jti: UUID
    previous_jti: UUID | None = None
    rotated_at: datetime = timestamp()
    rotations: list[datetime] = Field(
        sa_type=ARRAY(DateTime(timezone=True)), sa_column_kwargs={"server_default": text("'{}'")}
    )
    """The times of its rotations within the window of `REFRESHES_PER_SIGN_IN`."""
    expires_at: datetime = timestamp(with_default=False)
    revoked_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))
    created_at: datetime = timestamp()


class RateLimit(SQLModel, table=True):
    """The times of the hits that count against one limit. `key` is an HMAC: neither e-mail nor address is stored."""

    __tablename__ = "rate_limits"
    __table_args__ = (Index(None, "expires_at"),)

    key: str = Field(sa_type=Text, primary_key=True)
    hits: list[datetime] = Field(sa_type=ARRAY(DateTime(timezone=True)))
    expires_at: datetime = timestamp(with_default=False)
