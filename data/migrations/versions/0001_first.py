"""The first tables.

Written out and not taken from `data.tables`: that module moves on, and a migration must go on making what it
made.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    _log()
    _places()
    _results()


def _log() -> None:
    op.create_table(
        "secret",
        sa.Column("name", sa.String(32), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_secret"),
    )
    op.create_table(
        "source",
        sa.Column("source", sa.String(64), nullable=False),
        sa.Column("time_zone", sa.String(64), nullable=False),
        sa.Column("known_at_opening", sa.Text(), nullable=False),
        sa.Column("mapping_sha256", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("source", name="pk_source"),
    )
    op.create_table(
        "import_run",
        sa.Column("import_id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("source", sa.String(64), nullable=False),
        sa.Column("file_name", sa.String(255), nullable=False),
        sa.Column("file_sha256", sa.String(64), nullable=False),
        sa.Column("mapping_sha256", sa.String(64), nullable=False),
        sa.Column("extracted_at", sa.BigInteger(), nullable=False),
        sa.Column("imported_at", sa.BigInteger(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("cases", sa.BigInteger(), nullable=False),
        sa.Column("events", sa.BigInteger(), nullable=False),
        sa.Column("report", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["source"], ["source.source"], name="fk_import_run_source_source"),
        sa.PrimaryKeyConstraint("import_id", name="pk_import_run"),
    )
    op.create_table(
        "event",
        sa.Column("event_id", sa.String(32), nullable=False),
        sa.Column("case_id", sa.String(32), nullable=False),
        sa.Column("source", sa.String(64), nullable=False),
        sa.Column("import_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("known_at", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=True),
        sa.Column("category", sa.String(160), nullable=True),
        sa.Column("category_group", sa.String(160), nullable=True),
        sa.Column("area", sa.String(160), nullable=True),
        sa.Column("channel", sa.String(16), nullable=True),
        sa.Column("office", sa.String(160), nullable=True),
        sa.Column("closing_reason", sa.String(16), nullable=True),
        sa.ForeignKeyConstraint(["import_id"], ["import_run.import_id"], name="fk_event_import_id_import_run"),
        sa.ForeignKeyConstraint(["source"], ["source.source"], name="fk_event_source_source"),
        sa.PrimaryKeyConstraint("event_id", name="pk_event"),
    )
    op.create_index("ix_event_known_at", "event", ["known_at"])
    op.create_index("ix_event_case_id_known_at", "event", ["case_id", "known_at"])


def _places() -> None:
    op.create_table(
        "area",
        sa.Column("area", sa.String(160), nullable=False),
        sa.Column("parent", sa.String(160), nullable=True),
        sa.Column("name_zh", sa.String(160), nullable=True),
        sa.Column("name_en", sa.String(160), nullable=True),
        sa.Column("population", sa.BigInteger(), nullable=True),
        sa.Column("neighbours", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("area", name="pk_area"),
    )
    op.create_table(
        "office",
        sa.Column("office", sa.String(160), nullable=False),
        sa.Column("parent", sa.String(160), nullable=True),
        sa.Column("tier", sa.String(16), nullable=True),
        sa.Column("name_zh", sa.String(160), nullable=True),
        sa.Column("name_en", sa.String(160), nullable=True),
        sa.Column("capacity_per_day", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("office", name="pk_office"),
    )
    op.create_table(
        "category",
        sa.Column("category", sa.String(160), nullable=False),
        sa.Column("name_zh", sa.String(160), nullable=True),
        sa.Column("name_en", sa.String(160), nullable=True),
        sa.PrimaryKeyConstraint("category", name="pk_category"),
    )
    op.create_table(
        "inspection",
        sa.Column("inspection_id", sa.String(32), nullable=False),
        sa.Column("area", sa.String(160), nullable=False),
        sa.Column("asset_kind", sa.String(64), nullable=False),
        sa.Column("related_category", sa.String(160), nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("known_at", sa.BigInteger(), nullable=False),
        sa.Column("severity", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("inspection_id", name="pk_inspection"),
    )


def _results() -> None:
    op.create_table(
        "risk",
        sa.Column("case_id", sa.String(32), nullable=False),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("as_of", sa.BigInteger(), nullable=False),
        sa.Column("model_version", sa.String(64), nullable=False),
        sa.Column("landmark_at", sa.BigInteger(), nullable=False),
        sa.Column("probability", sa.Float(), nullable=False),
        sa.Column("band", sa.String(8), nullable=False),
        sa.Column("reasons", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("case_id", "outcome", "as_of", name="pk_risk"),
    )
    op.create_index("ix_risk_as_of", "risk", ["as_of"])
    op.create_table(
        "signal",
        sa.Column("signal_id", sa.String(32), nullable=False),
        sa.Column("as_of", sa.BigInteger(), nullable=False),
        sa.Column("week", sa.BigInteger(), nullable=False),
        sa.Column("area", sa.String(160), nullable=False),
        sa.Column("category", sa.String(160), nullable=False),
        sa.Column("direction", sa.String(8), nullable=False),
        sa.Column("observed", sa.BigInteger(), nullable=False),
        sa.Column("expected", sa.Float(), nullable=False),
        sa.Column("lower", sa.Float(), nullable=False),
        sa.Column("upper", sa.Float(), nullable=False),
        sa.Column("p_value", sa.Float(), nullable=False),
        sa.Column("q_value", sa.Float(), nullable=False),
        sa.Column("fdr_level", sa.Float(), nullable=False),
        sa.Column("weeks_running", sa.Integer(), nullable=False),
        sa.Column("method", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("signal_id", name="pk_signal"),
        sa.UniqueConstraint(
            "as_of",
            "week",
            "area",
            "category",
            "direction",
            name="uq_signal_as_of_week_area_category_direction",
        ),
    )
    op.create_table(
        "pressure",
        sa.Column("as_of", sa.BigInteger(), nullable=False),
        sa.Column("unit_kind", sa.String(8), nullable=False),
        sa.Column("unit", sa.String(160), nullable=False),
        sa.Column("backlog", sa.BigInteger(), nullable=False),
        sa.Column("inflow_28d", sa.BigInteger(), nullable=False),
        sa.Column("outflow_28d", sa.BigInteger(), nullable=False),
        sa.Column("overdue", sa.BigInteger(), nullable=False),
        sa.Column("expected_late", sa.Float(), nullable=True),
        sa.Column("usual_backlog", sa.Float(), nullable=True),
        sa.Column("usual_low", sa.Float(), nullable=True),
        sa.Column("usual_high", sa.Float(), nullable=True),
        sa.Column("level", sa.String(8), nullable=False),
        sa.PrimaryKeyConstraint("as_of", "unit_kind", "unit", name="pk_pressure"),
    )
