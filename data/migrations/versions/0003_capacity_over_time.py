"""The capacity of an office over time: from when on, and since when known.

The undated figure in `office` stays what it was: nobody knows from when on it held, so it is not carried over.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "office_capacity",
        sa.Column("office", sa.String(160), nullable=False),
        sa.Column("from_at", sa.BigInteger(), nullable=False),
        sa.Column("known_at", sa.BigInteger(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), nullable=True),
        sa.Column("capacity_per_day", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("office", "from_at", "known_at", name="pk_office_capacity"),
    )
