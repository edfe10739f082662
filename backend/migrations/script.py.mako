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
    """TODO: say what changes. The version before this one must work with it: it serves until this one is deployed."""
    # TODO: add what Alembic does not see: CHECK constraints, triggers, policies and grants. Each column of tasks that
    # todo_user may write is named in a grant (0002_isolation.py): a new one needs its own.
    ${upgrades if upgrades else ""}


def downgrade() -> None:
    """TODO: say how it is undone: without losing a row, or not at all (raise an error, as 0001_tables.py does)."""
    ${downgrades if downgrades else ""}
