"""The tables of a store, once, for both engines. Times are BIGINT seconds since 1970 in UTC; nulls are allowed only
where the comment says what they mean.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

NAMING: Final = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

metadata: Final = MetaData(naming_convention=NAMING)

# By name: the key that turns references into case ids, the one that signs sessions, and a token of the newest change.
secret = Table(
    "secret",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("value", LargeBinary, nullable=False),
)

source = Table(
    "source",
    metadata,
    Column("source", String(64), primary_key=True),
    Column("time_zone", String(64), nullable=False),  # of its offices: days and weeks are cut in it
    # JSON list of keys (category, area, channel, office) that were known when a case opened.
    Column("known_at_opening", Text, nullable=False),
    Column("mapping_sha256", String(64), nullable=False),
)

import_run = Table(
    "import_run",
    metadata,
    Column("import_id", Integer, primary_key=True, autoincrement=True),
    Column("source", String(64), ForeignKey("source.source"), nullable=False),
    Column("file_name", String(255), nullable=False),
    Column("file_sha256", String(64), nullable=False),
    Column("mapping_sha256", String(64), nullable=False),
    # Of the file, the mapping and every option together: the very same import has the same. Empty: not known.
    Column("request_sha256", String(64), nullable=False),
    Column("extracted_at", BigInteger, nullable=False),
    Column("imported_at", BigInteger, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("cases", BigInteger, nullable=False),
    Column("events", BigInteger, nullable=False),
    Column("newest_known_at", BigInteger),  # the latest known_at of the events in it; null: it held none
    Column("report", Text, nullable=False),  # JSON: dropped columns, set-aside rows by reason; no contents
)

event = Table(
    "event",
    metadata,
    Column("case_id", String(32), primary_key=True),
    # A hash of the source and of everything that the event says (not of import_id, recorded_at, place): the same fact
    # can be stored once only. The case stands first, so that its events lie side by side and an import, which goes
    # through the cases in order, writes every page once.
    Column("event_id", String(16), primary_key=True),
    Column("source", String(64), ForeignKey("source.source"), nullable=False),
    Column("import_id", Integer, ForeignKey("import_run.import_id"), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("known_at", BigInteger, nullable=False),
    # The look at the source that showed it: its snapshot or extraction; or when it came in, where a look as new was
    # stored before. What had been recorded by a moment can so be told apart from what was learnt later about it.
    Column("recorded_at", BigInteger, nullable=False),
    # Where it stood in its file: of two events of one second that say otherwise, the later one holds.
    Column("place", BigInteger, nullable=False),
    # Null below: this event says nothing about it.
    Column("due_at", BigInteger),
    Column("category", String(160)),
    Column("category_group", String(160)),
    Column("area", String(160)),
    Column("channel", String(16)),
    Column("office", String(160)),
    Column("closing_reason", String(16)),
    # No index on known_at: nearly every question reads nearly all events before a moment, which a scan does faster,
    # and keeping the index up to date would take half the time of an import.
    sqlite_with_rowid=False,
)

area = Table(
    "area",
    metadata,
    Column("area", String(160), primary_key=True),
    Column("parent", String(160)),  # null: top of the tree
    Column("name_zh", String(160)),  # null: shown by its code
    Column("name_en", String(160)),
    Column("population", BigInteger),  # null: unknown
    Column("neighbours", Text, nullable=False),  # JSON list of area codes; may be empty
    Column("boundary", Text),  # GeoJSON geometry in WGS 84; null: unknown
)

office = Table(
    "office",
    metadata,
    Column("office", String(160), primary_key=True),
    Column("parent", String(160)),
    Column("tier", String(16)),
    Column("name_zh", String(160)),
    Column("name_en", String(160)),
    # Cases per working day, of no date: shown, and never what a moment is judged by; that is `office_capacity`. Null:
    # unknown.
    Column("capacity_per_day", Float),
)

# How many cases an office can answer on a working day, from a moment on; a figure of the office and of nobody in it.
# Append-only as the event log: a correction is a row of the same beginning with a later known_at (`data.capacity`).
office_capacity = Table(
    "office_capacity",
    metadata,
    # No foreign key: a file of offices replaces the offices, and what was known of their capacity stays.
    Column("office", String(160), primary_key=True),
    Column("from_at", BigInteger, primary_key=True),
    Column("known_at", BigInteger, primary_key=True),
    Column("recorded_at", BigInteger),  # when it came in; null: written directly
    Column("capacity_per_day", Float, nullable=False),
)

category = Table(
    "category",
    metadata,
    Column("category", String(160), primary_key=True),
    Column("name_zh", String(160)),
    Column("name_en", String(160)),
)

# What was found at a place or a public asset; no finding is ever about a resident. Append-only as the event log: a
# correction is a new row of the same visit with a later known_at.
inspection = Table(
    "inspection",
    metadata,
    # A hash of everything below except import_id; of recorded_at only where there is a visit.
    Column("inspection_id", String(32), primary_key=True),
    Column("source", String(64), ForeignKey("source.source")),  # null: written directly, by no import
    Column("import_id", Integer, ForeignKey("import_run.import_id")),
    Column("visit", String(32)),  # keyed hash of the source's number of the inspection; null: never corrected
    Column("asset", String(32)),  # keyed hash of the source's number of the asset; null: not told
    Column("area", String(160), nullable=False),
    Column("asset_kind", String(64), nullable=False),
    Column("related_category", String(160)),  # null: related to none
    Column("at", BigInteger, nullable=False),
    Column("known_at", BigInteger, nullable=False),
    Column("recorded_at", BigInteger),  # as in `event`; null: written directly
    Column("severity", Integer, nullable=False),  # 0 nothing found · 1 minor · 2 serious · 3 dangerous
)

risk = Table(
    "risk",
    metadata,
    Column("case_id", String(32), primary_key=True),
    Column("outcome", String(16), primary_key=True),
    Column("as_of", BigInteger, primary_key=True),
    Column("model_version", String(64), nullable=False),
    Column("landmark_at", BigInteger, nullable=False),  # the moment of the features
    Column("probability", Float, nullable=False),
    Column("band", String(8), nullable=False),  # low · medium · high
    Column("reasons", Text, nullable=False),  # JSON list, see models.reasons
    Column("lower", Float),  # the interval of the probability, at 80 percent; null of scorings before version 0004
    Column("upper", Float),
    Index(None, "as_of"),
)

# How long an open case will still wait for its answer. All in seconds after the as-of; a null upper end: without end.
remaining_time = Table(
    "remaining_time",
    metadata,
    Column("case_id", String(32), primary_key=True),
    Column("as_of", BigInteger, primary_key=True),
    Column("model_version", String(64), nullable=False),
    Column("median", Float, nullable=False),
    Column("lower_80", Float, nullable=False),
    Column("upper_80", Float),
    Column("lower_95", Float, nullable=False),
    Column("upper_95", Float),
    Index(None, "as_of"),
)

signal = Table(
    "signal",
    metadata,
    Column("signal_id", String(32), primary_key=True),
    Column("as_of", BigInteger, nullable=False),
    Column("week", BigInteger, nullable=False),  # local Monday 00:00 that the flagged week begins with
    Column("area", String(160), nullable=False),
    Column("category", String(160), nullable=False),
    Column("direction", String(8), nullable=False),  # rise · silence
    Column("observed", BigInteger, nullable=False),
    Column("expected", Float, nullable=False),
    Column("lower", Float, nullable=False),
    Column("upper", Float, nullable=False),
    Column("p_value", Float, nullable=False),
    Column("q_value", Float, nullable=False),
    Column("fdr_level", Float, nullable=False),
    Column("weeks_running", Integer, nullable=False),
    Column("method", String(64), nullable=False),
    # Null below: of a detection before these were kept.
    Column("method_reason", String(32)),
    Column("weeks_of_past", Integer),
    Column("category_group", String(160)),  # null too where the category has none
    Column("level", String(8)),  # series · sum
    Column("part_kind", String(8)),  # area · category
    Column("n_parts", Integer),  # of a sum: the areas or categories in it
    Column("parts_rising", Integer),  # of those, above their share (of a silence: below it)
    Column("parts_told", Integer),  # signals within it
    Column("told", Integer),  # 1: within the limits of signals told first
    UniqueConstraint("as_of", "week", "area", "category", "direction"),
)

# The weeks behind a signal, as they were judged one after the other; what a chart of it shows.
signal_week = Table(
    "signal_week",
    metadata,
    Column("as_of", BigInteger, primary_key=True),
    Column("area", String(160), primary_key=True),
    Column("category", String(160), primary_key=True),
    Column("week", BigInteger, primary_key=True),  # local Monday 00:00
    Column("observed", BigInteger),  # null: the week was not recorded
    Column("expected", Float),  # null: too short a past to say
    Column("lower", Float),
    Column("upper", Float),
    Column("alarm", String(8)),  # rise · silence; null: no signal that week
    Column("area_reports", BigInteger, nullable=False),  # of all types there that week; the disclosure needs it
)

# Whether what a signal told of was still there four weeks later, once that is known.
signal_outcome = Table(
    "signal_outcome",
    metadata,
    Column("signal_id", String(32), primary_key=True),
    Column("week", BigInteger, nullable=False),
    Column("area", String(160), nullable=False),
    Column("category", String(160), nullable=False),
    Column("direction", String(8), nullable=False),
    Column("later", String(16), nullable=False),  # lasted · faded
    Column("known_at", BigInteger, nullable=False),  # as-of of the detection that first could say so
)

# What became of signals: every step is kept, the newest counts. Never who took it.
signal_review = Table(
    "signal_review",
    metadata,
    Column("review_id", Integer, primary_key=True, autoincrement=True),
    Column("signal_id", String(32), nullable=False),
    Column("week", BigInteger, nullable=False),
    Column("area", String(160), nullable=False),
    Column("category", String(160), nullable=False),
    Column("direction", String(8), nullable=False),
    Column("status", String(16), nullable=False),  # checked · confirmed · dismissed · acted
    Column("reason", String(32)),  # a code, for a dismissal
    Column("recorded_at", BigInteger, nullable=False),
    Index(None, "signal_id"),
)

pressure = Table(
    "pressure",
    metadata,
    Column("as_of", BigInteger, primary_key=True),
    Column("unit_kind", String(8), primary_key=True),  # area · office
    Column("unit", String(160), primary_key=True),
    Column("backlog", BigInteger, nullable=False),
    Column("inflow_28d", BigInteger, nullable=False),
    Column("outflow_28d", BigInteger, nullable=False),
    Column("overdue", BigInteger, nullable=False),
    Column("expected_late", Float),  # of the open cases, by the risk model; null: not scored
    Column("usual_backlog", Float),  # median of its own past weeks; null: past too short
    Column("usual_low", Float),
    Column("usual_high", Float),
    Column("level", String(8), nullable=False),  # usual · raised · high · unknown, against its own past
    # Null below: nothing can be said, or measured before these were kept. Each figure with its interval at 80 percent,
    # and the range that is usual for the same unit.
    Column("due_14d", BigInteger),  # open cases with a deadline within 14 days
    *(
        Column(f"{figure}{end}", Float)
        # Days of capacity in the backlog; opened over closed in 28 days; of the cases due, those to become late.
        for figure in ("backlog_days", "flow_ratio", "late_14d")
        for end in ("", "_low", "_high", "_usual_low", "_usual_high")
    ),
)

# The promises of a source's offices and their calendars, as the TOML they were given in (`data.service_clock`).
service_clock = Table(
    "service_clock",
    metadata,
    Column("source", String(64), ForeignKey("source.source"), primary_key=True),
    Column("standards", Text, nullable=False),
    Column("sha256", String(64), nullable=False),
)

# How far a source has been fetched (`heed sync`).
sync_state = Table(
    "sync_state",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("watermark", BigInteger),  # seconds in UTC up to which all was fetched; null: nothing yet
    Column("resume", Text),  # JSON: where an unfinished fetch goes on; null: none is unfinished
    Column("columns", Text, nullable=False),  # JSON list: the columns seen last, to notice a changed schema
    Column("updated_at", BigInteger, nullable=False),
)

# Keys of programs and desks that may ask the service. The key itself is told once and never stored.
api_key = Table(
    "api_key",
    metadata,
    Column("key_id", String(16), primary_key=True),
    Column(
        "secret_sha256", String(64), nullable=False
    ),  # of 256 random bits: nothing to guess, so nothing to slow down
    Column("role", String(16), nullable=False),  # handler · analyst · dashboard · admin
    Column("offices", Text),  # JSON list of the offices whose cases it may read; null: not bound to any
    Column("purpose", String(40), nullable=False),  # a word for the desk or program, such as counter-2
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),  # null: never
    Column("revoked_at", BigInteger),  # null: still good
)

# What was read of cases and what was changed, in one chain: each entry holds the hash of the one before
# (`data.audit_log`). Append-only; retention cuts it from the front and leaves a sealed beginning.
audit_entry = Table(
    "audit_entry",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("at", BigInteger, nullable=False),
    Column("actor", String(80), nullable=False),  # key:ID, token:DIGEST, command or worker; never a name
    Column("role", String(16), nullable=False),
    Column("action", String(32), nullable=False),
    Column("target", String(160)),  # what it was done to; null: nothing in particular
    Column("detail", Text, nullable=False),  # JSON object; no contents of a case
    Column("previous_hash", String(64), nullable=False),
    Column("entry_hash", String(64), nullable=False),
)

# Writes asked for with an Idempotency-Key: what was asked, and what was answered, kept for a day.
idempotent_request = Table(
    "idempotent_request",
    metadata,
    Column("actor", String(80), primary_key=True),
    Column("idempotency_key", String(128), primary_key=True),
    Column("request_sha256", String(64), nullable=False),  # of method, path and body
    Column("started_at", BigInteger, nullable=False),
    Column("lease_until", BigInteger, nullable=False),  # after it, an unfinished one may be taken over
    Column("attempt", String(32), nullable=False),  # who holds the lease
    Column("status", Integer),  # null: in progress
    Column("headers", Text),  # JSON object
    Column("body", LargeBinary),
)

job = Table(
    "job",
    metadata,
    Column("job_id", String(32), primary_key=True),
    Column("kind", String(16), nullable=False),  # sync · score · detect · train · backtest · report · retain · backup
    Column("arguments", Text, nullable=False),  # JSON object
    Column("state", String(16), nullable=False),  # queued · running · done · failed · cancelled
    Column("created_at", BigInteger, nullable=False),
    Column("created_by", String(80), nullable=False),  # as `audit_entry.actor`
    Column("once_key", String(128), unique=True),  # a schedule and its moment: of one slot there is one job; null: none
    Column("not_before", BigInteger, nullable=False),
    Column("started_at", BigInteger),
    Column("finished_at", BigInteger),
    Column("lease_until", BigInteger),
    Column("holder", String(64)),  # the process at it
    Column("attempts", Integer, nullable=False),  # how often it was begun; a finishing attempt has to be the newest
    Column("cancel_asked", Integer, nullable=False),
    Column("step", String(64)),  # what it is doing now
    Column("steps_done", BigInteger),
    Column("steps_total", BigInteger),
    Column("result", Text),  # JSON object of a finished one
    Column("problem", Text),  # JSON object of a failed one
    Index(None, "state", "not_before"),
)

# What an office noted on a case of its own: every step is kept, the newest of a mark counts. Never who took it.
case_mark = Table(
    "case_mark",
    metadata,
    Column("mark_id", Integer, primary_key=True, autoincrement=True),
    Column("case_id", String(32), nullable=False),
    Column("mark", String(16), nullable=False),  # seen · shortlisted · acted · overridden
    Column("is_set", Integer, nullable=False),  # 0: taken back
    Column("choice", String(32)),  # a code: what was done, or how the risk was overridden; null: none belongs to it
    Column("reason", String(32)),  # a code, for an override
    Column("office", String(160)),  # that was responsible then; null: not known
    Column("recorded_at", BigInteger, nullable=False),
    # For the marks of the cases that are shown, and for the cases with a mark.
    Index(None, "case_id", "mark"),
    Index(None, "mark", "case_id"),
)

# Filters of the list of cases that a desk keeps. Codes only: a view is called by what it filters, by no text of anyone.
saved_view = Table(
    "saved_view",
    metadata,
    Column("view_id", String(32), primary_key=True),
    Column("holder", String(80), nullable=False),  # key:ID, local, or desk:DIGEST of a role and its offices; no account
    Column("filters", Text, nullable=False),  # JSON object of the filters that are set, sorted by name
    Column("created_at", BigInteger, nullable=False),
    UniqueConstraint("holder", "filters"),
)

# The echo board: of the cases raised in a block of weeks, how many were solved, how many are still open. Disclosed when
# it was counted, so that nothing here is more than what everybody may read; null: withheld, or not told of such a row.
board_count = Table(
    "board_count",
    metadata,
    Column("as_of", BigInteger, primary_key=True),  # the end of the following up
    Column("area", String(160), primary_key=True),  # "*": the whole city
    Column("category", String(160), primary_key=True),  # "*": all types; "*others": those not listed one by one
    Column("since", BigInteger, nullable=False),  # local Monday 00:00 that the weeks begin with
    Column("minimum", Integer, nullable=False),  # the smallest count that is shown
    Column("raised", BigInteger),
    Column("solved", BigInteger),  # of those raised: closed as solved, and not open again
    Column("still_open", BigInteger),
)

# How far what a model meets today is from what it learned from, and what it told from what came.
model_drift = Table(
    "model_drift",
    metadata,
    Column("as_of", BigInteger, primary_key=True),
    Column("outcome", String(16), primary_key=True),
    Column("measure", String(160), primary_key=True),  # told, or a feature: its distance from the material learned from
    Column("model_version", String(64), nullable=False),
    Column("n", BigInteger, nullable=False),  # cases behind it
    Column("value", Float),  # null: too few cases to say
    Column("lower", Float),
    Column("upper", Float),
    Column("reference", Float),  # what it is compared with; null: nothing
)
