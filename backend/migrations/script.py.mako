"""${message}

Revision ID: ${up_revision}
Revises: ${down_revision | comma,n}
"""

import sqlalchemy as sa
import sqlmodel
from alembic import op
${imports if imports else ""}

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = ${repr(branch_labels)}
depends_on = ${repr(depends_on)}


def upgrade() -> None:
    """Say what changes, and that the version before can live with it: it still serves while this one is deployed."""
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    """Undo it without losing a row, or refuse."""
    ${downgrades if downgrades else "pass"}
