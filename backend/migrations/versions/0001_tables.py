"""Tables, constraints and indexes

Revision ID: 0001
Revises:
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = ("tasks", "refresh_tokens", "rate_limits", "users")


def upgrade() -> None:
    """Create everything that holds data."""
    # PostgreSQL has its own uuidv7() from 18 on; this one works on 16 and 17 as well. RFC 9562, 5.7: 48 bits of
    # milliseconds, then random bits, of which set_bit turns the version from 4 to 7.
    op.execute("""
        create function uuid_v7() returns uuid language sql volatile parallel safe as $$
            select encode(
                set_bit(
                    set_bit(
                        overlay(
                            uuid_send(gen_random_uuid())
                            placing substring(
                                int8send(floor(extract(epoch from clock_timestamp()) * 1000)::bigint) from 3
                            ) from 1 for 6
                        ),
                        52, 1
                    ),
                    53, 1
                ),
                'hex'
            )::uuid
        $$
    """)
    op.create_table(
        "users",
        _id(),
        sa.Column("email", sa.Text, nullable=False),
        sa.Column("password_hash", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        _timestamp("created_at"),
        _timestamp("updated_at"),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
        sa.UniqueConstraint("email", name="uq_users_email"),
        sa.CheckConstraint(
            "char_length(email) between 3 and 254 and email = lower(email)", name=op.f("ck_users_email")
        ),
        sa.CheckConstraint("char_length(name) between 1 and 100 and btrim(name) <> ''", name=op.f("ck_users_name")),
    )
    op.create_table(
        "tasks",
        _id(),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("description", sa.Text),
        sa.Column("completed", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("user_id", sa.Uuid, nullable=False),
        sa.Column("version", sa.Integer, nullable=False, server_default=sa.text("1")),
        _timestamp("created_at"),
        _timestamp("updated_at"),
        sa.PrimaryKeyConstraint("id", name="pk_tasks"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_tasks_user_id_users", ondelete="CASCADE"),
        sa.CheckConstraint("char_length(title) between 1 and 200 and btrim(title) <> ''", name=op.f("ck_tasks_title")),
        sa.CheckConstraint("char_length(description) <= 2000", name=op.f("ck_tasks_description")),
    )
    op.create_index("ix_tasks_user_id_created_at_id", "tasks", ["user_id", "created_at", "id"])
    op.create_table(
        "refresh_tokens",
        _id(),
        sa.Column("user_id", sa.Uuid, nullable=False),
        sa.Column("current_jti", sa.Uuid, nullable=False),
        sa.Column("previous_jti", sa.Uuid),
        _timestamp("rotated_at"),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True)),
        _timestamp("created_at"),
        sa.PrimaryKeyConstraint("id", name="pk_refresh_tokens"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_refresh_tokens_user_id_users", ondelete="CASCADE"),
    )
    op.create_index("ix_refresh_tokens_user_id", "refresh_tokens", ["user_id"])
    op.create_index("ix_refresh_tokens_expires_at", "refresh_tokens", ["expires_at"])
    op.create_table(
        "rate_limits",
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("hits", sa.ARRAY(sa.DateTime(timezone=True)), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_rate_limits"),
    )
    op.create_index("ix_rate_limits_expires_at", "rate_limits", ["expires_at"])


def downgrade() -> None:
    """Drop the tables, unless there are users or tasks in them."""
    connection = op.get_bind()
    for table in ("users", "tasks"):
        connection.execute(sa.text(f"lock table {table} in access exclusive mode"))
        if connection.execute(sa.text(f"select exists (select from {table})")).scalar_one():
            raise RuntimeError(f"Undoing this would lose rows: {table} is not empty. Empty it first, if that is meant.")
    for table in TABLES:
        op.drop_table(table)
    op.execute("drop function uuid_v7()")


def _id() -> sa.Column[object]:
    return sa.Column("id", sa.Uuid, nullable=False, server_default=sa.text("uuid_v7()"))


def _timestamp(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=False, server_default=sa.text("now()"))
