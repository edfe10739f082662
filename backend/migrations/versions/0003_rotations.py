"""Rotations of a sign-in, in its own row

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Keep the times of a sign-in's rotations in its row, so that a refresh is one statement.

    The version before does not know the column, and works: it has a default.
    """
    op.add_column(
        "refresh_tokens",
        sa.Column("rotations", sa.ARRAY(sa.DateTime(timezone=True)), server_default=sa.text("'{}'"), nullable=False),
    )


def downgrade() -> None:
    """Drop the column: the limit on refreshes starts again from zero."""
    op.drop_column("refresh_tokens", "rotations")
