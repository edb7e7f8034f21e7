"""What stands behind signals: their weeks, what became of them, and what the weeks after showed."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name, kind in _ADDED:
        op.add_column("signal", sa.Column(name, kind, nullable=True))
    op.create_table(
        "signal_week",
        sa.Column("as_of", sa.BigInteger(), nullable=False),
        sa.Column("area", sa.String(160), nullable=False),
        sa.Column("category", sa.String(160), nullable=False),
        sa.Column("week", sa.BigInteger(), nullable=False),
        sa.Column("observed", sa.BigInteger(), nullable=True),
        sa.Column("expected", sa.Float(), nullable=True),
        sa.Column("lower", sa.Float(), nullable=True),
        sa.Column("upper", sa.Float(), nullable=True),
        sa.Column("alarm", sa.String(8), nullable=True),
        sa.Column("area_reports", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("as_of", "area", "category", "week", name="pk_signal_week"),
    )
    op.create_table(
        "signal_outcome",
        sa.Column("signal_id", sa.String(32), nullable=False),
        *_signal_key(),
        sa.Column("later", sa.String(16), nullable=False),
        sa.Column("known_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("signal_id", name="pk_signal_outcome"),
    )
    op.create_table(
        "signal_review",
        sa.Column("review_id", sa.Integer(), nullable=False),
        sa.Column("signal_id", sa.String(32), nullable=False),
        *_signal_key(),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("reason", sa.String(32), nullable=True),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("review_id", name="pk_signal_review"),
    )
    op.create_index("ix_signal_review_signal_id", "signal_review", ["signal_id"])


_ADDED: tuple[tuple[str, Any], ...] = (
    ("method_reason", sa.String(32)),
    ("weeks_of_past", sa.Integer()),
    ("category_group", sa.String(160)),
    ("level", sa.String(8)),
    ("part_kind", sa.String(8)),
    ("n_parts", sa.Integer()),
    ("parts_rising", sa.Integer()),
    ("parts_told", sa.Integer()),
    ("told", sa.Integer()),
)


def _signal_key() -> tuple[sa.Column[object], ...]:
    return (
        sa.Column("week", sa.BigInteger(), nullable=False),
        sa.Column("area", sa.String(160), nullable=False),
        sa.Column("category", sa.String(160), nullable=False),
        sa.Column("direction", sa.String(8), nullable=False),
    )
