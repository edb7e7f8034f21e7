"""When an event was recorded, corrections of inspections, boundaries, service clocks and the state of a sync.

Events get new ids that begin with their case, so that the events of a case stand together in the index. As in every
migration, what is needed of the code of today is written out here.
"""

from __future__ import annotations

import hashlib
from itertools import islice

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# What an event says, in the order in which it is hashed.
_SAID = ("case_id", "kind", "at", "known_at", "due_at", "category", "category_group", "area", "channel", "office",
         "closing_reason")  # fmt: skip
_AT_ONCE = 20_000


def upgrade() -> None:
    _runs()
    _events()
    _places()
    _new_tables()


def _runs() -> None:
    _add_filled("import_run", sa.Column("request_sha256", sa.String(64), nullable=False, server_default=""))


def _events() -> None:
    _add_filled("event", sa.Column("recorded_at", sa.BigInteger(), nullable=False, server_default="0"))
    # The moment of the whole file is the best that is known of the look that showed an event; never before its time.
    op.execute(
        "UPDATE event SET recorded_at = (SELECT CASE WHEN extracted_at > known_at THEN extracted_at ELSE known_at END "
        "FROM import_run WHERE import_run.import_id = event.import_id)"
    )
    _rename_events()


def _add_filled(table: str, column: sa.Column[object]) -> None:
    """Add a column that may not be null; SQLite cannot take the default away again, and it harms nobody."""
    op.add_column(table, column)
    if op.get_bind().dialect.name == "postgresql":
        op.alter_column(table, column.name, server_default=None)


def _rename_events() -> None:
    connection = op.get_bind()
    names = ("event_id", "source", *_SAID)
    event = sa.table("event", *(sa.column(name) for name in names))
    rows = iter(connection.execute(sa.select(*(event.c[name] for name in names))).fetchall())
    rename = sa.update(event).where(event.c.event_id == sa.bindparam("old")).values(event_id=sa.bindparam("new"))
    while part := list(islice(rows, _AT_ONCE)):
        connection.execute(rename, [{"old": row[0], "new": _event_id(row[1], row[2:])} for row in part])


def _event_id(source: str, said: tuple[object, ...]) -> str:
    digest = hashlib.blake2b(source.encode(), digest_size=8)
    digest.update("\x1f".join(("", *("\x00" if value is None else str(value) for value in said))).encode())
    return str(said[0])[:16] + digest.hexdigest()


def _places() -> None:
    op.add_column("area", sa.Column("boundary", sa.Text(), nullable=True))
    with op.batch_alter_table("inspection") as batch:
        batch.add_column(sa.Column("source", sa.String(64), nullable=True))
        batch.add_column(sa.Column("import_id", sa.Integer(), nullable=True))
        batch.add_column(sa.Column("visit", sa.String(32), nullable=True))
        batch.add_column(sa.Column("asset", sa.String(32), nullable=True))
        batch.add_column(sa.Column("recorded_at", sa.BigInteger(), nullable=True))
        batch.create_foreign_key("fk_inspection_source_source", "source", ["source"], ["source"])
        batch.create_foreign_key("fk_inspection_import_id_import_run", "import_run", ["import_id"], ["import_id"])


def _new_tables() -> None:
    op.create_table(
        "service_clock",
        sa.Column("source", sa.String(64), nullable=False),
        sa.Column("standards", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.ForeignKeyConstraint(["source"], ["source.source"], name="fk_service_clock_source_source"),
        sa.PrimaryKeyConstraint("source", name="pk_service_clock"),
    )
    op.create_table(
        "sync_state",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("watermark", sa.BigInteger(), nullable=True),
        sa.Column("resume", sa.Text(), nullable=True),
        sa.Column("columns", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_sync_state"),
    )
