"""What the pages keep: marks of offices on their cases, saved views, counts for the board, drift of the models."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "case_mark",
        sa.Column("mark_id", sa.Integer(), nullable=False, autoincrement=True),
        sa.Column("case_id", sa.String(32), nullable=False),
        sa.Column("mark", sa.String(16), nullable=False),
        sa.Column("is_set", sa.Integer(), nullable=False),
        sa.Column("choice", sa.String(32)),
        sa.Column("reason", sa.String(32)),
        sa.Column("office", sa.String(160)),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("mark_id", name="pk_case_mark"),
    )
    op.create_index("ix_case_mark_case_id_mark", "case_mark", ["case_id", "mark"])
    op.create_index("ix_case_mark_mark_case_id", "case_mark", ["mark", "case_id"])
    op.create_table(
        "saved_view",
        sa.Column("view_id", sa.String(32), nullable=False),
        sa.Column("holder", sa.String(80), nullable=False),
        sa.Column("filters", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("view_id", name="pk_saved_view"),
        sa.UniqueConstraint("holder", "filters", name="uq_saved_view_holder_filters"),
    )
    op.create_table(
        "board_count",
        sa.Column("as_of", sa.BigInteger(), nullable=False),
        sa.Column("area", sa.String(160), nullable=False),
        sa.Column("category", sa.String(160), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("minimum", sa.Integer(), nullable=False),
        sa.Column("raised", sa.BigInteger()),
        sa.Column("solved", sa.BigInteger()),
        sa.Column("still_open", sa.BigInteger()),
        sa.PrimaryKeyConstraint("as_of", "area", "category", name="pk_board_count"),
    )
    op.create_table(
        "model_drift",
        sa.Column("as_of", sa.BigInteger(), nullable=False),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("measure", sa.String(160), nullable=False),
        sa.Column("model_version", sa.String(64), nullable=False),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.Column("value", sa.Float()),
        sa.Column("lower", sa.Float()),
        sa.Column("upper", sa.Float()),
        sa.Column("reference", sa.Float()),
        sa.PrimaryKeyConstraint("as_of", "outcome", "measure", name="pk_model_drift"),
    )
