"""When an event was recorded, corrections of inspections, boundaries, service clocks and the state of a sync.

The events of a case now lie side by side: the log is rebuilt with its case first in the key, and without the two
indexes that this makes needless. As in every migration, what is needed of the code of today is written out here.
"""

from __future__ import annotations

import hashlib

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# What an event says, in the order in which it is hashed.
_NUMBERS = ("at", "known_at", "due_at")
_SAID = ("kind", *_NUMBERS, "category", "category_group", "area", "channel", "office", "closing_reason")
_KEPT = ("case_id", "source", "import_id", *_SAID)
_AT_ONCE = 20_000
# Where a row stands in the old table is where it stood in its file.
_STOOD = {
    "sqlite": "event_before.rowid",
    "postgresql": "(event_before.ctid::text::point)[0]::bigint * 65536 + (event_before.ctid::text::point)[1]::bigint",
}
_WORD = (1 << 64) - 1


def upgrade() -> None:
    _runs()
    _events()
    _places()
    _new_tables()


def _runs() -> None:
    _add_filled("import_run", sa.Column("request_sha256", sa.String(64), nullable=False, server_default=""))
    op.add_column("import_run", sa.Column("newest_known_at", sa.BigInteger(), nullable=True))
    op.execute(
        "UPDATE import_run SET newest_known_at = "
        "(SELECT max(known_at) FROM event WHERE event.import_id = import_run.import_id)"
    )


def _add_filled(table: str, column: sa.Column[object]) -> None:
    """Add a column that may not be null; SQLite cannot take the default away again, and it harms nobody."""
    op.add_column(table, column)
    if op.get_bind().dialect.name == "postgresql":
        op.alter_column(table, column.name, server_default=None)


def _events() -> None:
    if op.get_bind().dialect.name == "postgresql":
        # Its index has a name of its own there, which the new key will take.
        op.drop_constraint("pk_event", "event")
    op.rename_table("event", "event_before")
    op.create_table(
        "event",
        sa.Column("case_id", sa.String(32), nullable=False),
        sa.Column("event_id", sa.String(16), nullable=False),
        sa.Column("source", sa.String(64), nullable=False),
        sa.Column("import_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("known_at", sa.BigInteger(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.Column("place", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=True),
        sa.Column("category", sa.String(160), nullable=True),
        sa.Column("category_group", sa.String(160), nullable=True),
        sa.Column("area", sa.String(160), nullable=True),
        sa.Column("channel", sa.String(16), nullable=True),
        sa.Column("office", sa.String(160), nullable=True),
        sa.Column("closing_reason", sa.String(16), nullable=True),
        sa.ForeignKeyConstraint(["import_id"], ["import_run.import_id"], name="fk_event_import_id_import_run"),
        sa.ForeignKeyConstraint(["source"], ["source.source"], name="fk_event_source_source"),
        sa.PrimaryKeyConstraint("case_id", "event_id", name="pk_event"),
        sqlite_with_rowid=False,
    )
    _copy_events()
    op.drop_table("event_before")


def _copy_events() -> None:
    """Case by case, a part at a time: a store may hold more events than fit into memory."""
    connection = op.get_bind()
    before = sa.table("event_before", *(sa.column(name) for name in ("event_id", *_KEPT)))
    run = sa.table("import_run", sa.column("import_id"), sa.column("extracted_at"))
    event = sa.table("event", *(sa.column(name) for name in ("event_id", "recorded_at", "place", *_KEPT)))
    stood: sa.Label[int] = sa.literal_column(_STOOD[connection.dialect.name]).label("place")
    place = before.c.case_id, before.c.event_id
    query = (
        sa.select(*(before.c[name] for name in ("event_id", *_KEPT)), stood, run.c.extracted_at)
        .join(run, run.c.import_id == before.c.import_id)
        .order_by(*place)
        .limit(_AT_ONCE)
    )
    rows = connection.execute(query).mappings().fetchall()
    while rows:
        connection.execute(sa.insert(event), [_renewed(dict(row)) for row in rows])
        last = sa.tuple_(sa.literal(rows[-1]["case_id"]), sa.literal(rows[-1]["event_id"]))
        rows = connection.execute(query.where(sa.tuple_(*place) > last)).mappings().fetchall()


def _renewed(row: dict[str, object]) -> dict[str, object]:
    extracted_at, known_at = int(str(row.pop("extracted_at"))), int(str(row["known_at"]))
    # The moment of the whole file is the best that is known of the look that showed an event; never before its time.
    return {**row, "recorded_at": max(extracted_at, known_at), "event_id": _event_id(row)}


def _event_id(row: dict[str, object]) -> str:
    """`data.event_names`, one event at a time."""
    name = _text_word(str(row["source"]))
    for field in _SAID:
        name = _mixed(name ^ _word(field, row[field]))
    return f"{name:016x}"


def _word(field: str, value: object) -> int:
    if value is None:
        return _WORD
    return int(str(value)) & _WORD if field in _NUMBERS else _text_word(str(value))


def _text_word(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def _mixed(word: int) -> int:
    word = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) & _WORD
    word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & _WORD
    return word ^ (word >> 31)


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
