"""The interval of a risk, and how long an open case will still wait for its answer."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("risk", sa.Column("lower", sa.Float(), nullable=True))
    op.add_column("risk", sa.Column("upper", sa.Float(), nullable=True))
    op.create_table(
        "remaining_time",
        sa.Column("case_id", sa.String(32), nullable=False),
        sa.Column("as_of", sa.BigInteger(), nullable=False),
        sa.Column("model_version", sa.String(64), nullable=False),
        sa.Column("median", sa.Float(), nullable=False),
        sa.Column("lower_80", sa.Float(), nullable=False),
        sa.Column("upper_80", sa.Float(), nullable=True),
        sa.Column("lower_95", sa.Float(), nullable=False),
        sa.Column("upper_95", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("case_id", "as_of", name="pk_remaining_time"),
    )
    op.create_index("ix_remaining_time_as_of", "remaining_time", ["as_of"])
