"""Pressure in days of capacity, as inflow against outflow, and as what becomes late soon; each with its interval."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_FIGURES = ("backlog_days", "flow_ratio", "late_14d")


def upgrade() -> None:
    op.add_column("pressure", sa.Column("due_14d", sa.BigInteger(), nullable=True))
    for figure in _FIGURES:
        for end in ("", "_low", "_high", "_usual_low", "_usual_high"):
            op.add_column("pressure", sa.Column(f"{figure}{end}", sa.Float(), nullable=True))
