"""A store of an earlier heed comes up to date with all it holds."""

from __future__ import annotations

from contextlib import ExitStack

import pandas as pd
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import text

from data import migrate, tables
from data.audit_log import Act, append
from data.errors import StoreError
from data.event_log import fold_cases
from data.import_cases import import_file
from data.migrate import stored_version
from data.store import Store
from tests.support.exports import fresh_schema, town, write_csv

# More events than the migration takes at once.
MANY = [{"number": f"C{number}"} for number in range(6_700)]
ROWS = [{"number": "1"}, {"number": "2", "closed": ""}, {"number": "3", "kind": "Drain", "village": ""}, *MANY]


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request, tmp_path):
    """An empty store on each engine."""
    with ExitStack() as stack:
        if request.param == "sqlite":
            url = str(tmp_path / "heed.db")
        else:
            url = stack.enter_context(fresh_schema(request.getfixturevalue("postgres_url")))
        yield stack.enter_context(Store.open(url, create=True))


def _back_to_the_first_version(store: Store) -> None:
    """Rebuild the log as the first heed kept it, with ids of its own kind."""
    events = store.read_events()
    with store.writing() as connection:
        rows = connection.execute(text("SELECT event_id, case_id, source, import_id FROM event")).fetchall()
        runs = connection.execute(text("SELECT * FROM import_run")).mappings().fetchall()
        sources = connection.execute(text("SELECT * FROM source")).mappings().fetchall()
        said = connection.execute(text("SELECT * FROM event")).mappings().fetchall()
        key = connection.execute(text("SELECT value FROM secret WHERE name = 'case_key'")).scalar_one()
        names = [row[0] for row in connection.execute(_TABLES[connection.dialect.name])]
        if connection.dialect.name == "sqlite":
            connection.execute(text("PRAGMA defer_foreign_keys = ON"))
        for name in names:
            connection.execute(text(f'DROP TABLE "{name}"{_CASCADE[connection.dialect.name]}'))
        config = Config()
        config.set_main_option("script_location", str(migrate._FOLDER))
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.execute(text("INSERT INTO secret VALUES (:name, :value)"), {"name": "case_key", "value": key})
        _insert(connection, "source", sources)
        _insert(connection, "import_run", [{k: v for k, v in run.items() if k not in _ADDED} for run in runs])
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT setval(pg_get_serial_sequence('import_run', 'import_id'), 1)"))
        old = [{k: v for k, v in row.items() if k not in ("recorded_at", "place")} for row in said]
        _insert(connection, "event", [{**row, "event_id": f"old{n:029d}"} for n, row in enumerate(old)])
    assert len(rows) == len(events)


_TABLES = {
    "sqlite": text("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"),
    "postgresql": text("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()"),
}

_ADDED = ("request_sha256", "newest_known_at")

_CASCADE = {"sqlite": "", "postgresql": " CASCADE"}


def _insert(connection, table: str, rows) -> None:
    names = ", ".join(f'"{name}"' for name in rows[0])
    marks = ", ".join(f":{name}" for name in rows[0])
    connection.execute(text(f"INSERT INTO {table} ({names}) VALUES ({marks})"), [dict(row) for row in rows])  # noqa: S608


def test_an_older_store_comes_up_to_date(store, tmp_path):
    """Every event is there, the ids are those of today (so the same file adds nothing), and looks are dated."""
    file = write_csv(tmp_path / "town.csv", ROWS)
    told = import_file(store, file, town())
    before, ids, known = store.read_events(), _ids(store), store.last_known_at()
    _back_to_the_first_version(store)
    with store.reading() as connection:
        assert stored_version(connection) == "0001"
    store._prepare(create=True)
    pd.testing.assert_frame_equal(store.read_events(), before)
    assert _ids(store) == ids
    assert store.last_known_at() == known
    with store.reading() as connection:
        looks = connection.execute(text("SELECT DISTINCT recorded_at FROM event")).scalars().all()
        assert looks == [told.extracted_at]
        assert connection.execute(text("SELECT request_sha256 FROM import_run")).scalar_one() == ""
    again = import_file(store, file, town())
    assert again.events_added == 0
    assert len(fold_cases(store.read_events())) == len(ROWS)


def test_a_store_of_the_second_version_gets_dated_capacities(store, tmp_path):
    """Everything stays as it was; undated figures are not carried over: nobody knows from when on they held."""
    import_file(store, write_csv(tmp_path / "town.csv", ROWS[:3]), town())
    store.write_places(offices=pd.DataFrame({"office": ["W"], "capacity_per_day": [7.5]}))
    before = store.read_events()
    with store.writing() as connection:
        connection.execute(text("DROP TABLE office_capacity"))
        _back_to_the_third_version(connection)
        connection.execute(text("UPDATE alembic_version SET version_num = '0002'"))
    with pytest.raises(StoreError, match=r"Expected a store of version 0009, got 0002\. The next `heed import`"):
        store._prepare(create=False)
    store._prepare(create=True)
    pd.testing.assert_frame_equal(store.read_events(), before)
    assert store.read_offices()["capacity_per_day"].tolist() == [7.5]
    assert store.read_capacity().empty
    with store.reading() as connection:
        assert stored_version(connection) == "0009"


def test_a_store_of_the_third_version_gets_intervals(store):
    """A scoring of before keeps its risks, whose intervals nobody knows."""
    risk = {"case_id": "a", "outcome": "late", "as_of": 5, "model_version": "m", "landmark_at": 1, "probability": 0.5}
    store.write_risks(pd.DataFrame([{**risk, "band": "high", "reasons": "[]"}]))
    with store.writing() as connection:
        _back_to_the_third_version(connection)
        connection.execute(text("UPDATE alembic_version SET version_num = '0003'"))
    store._prepare(create=True)
    kept = store.read_risks()
    assert kept["probability"].tolist() == [0.5]
    assert kept[["lower", "upper"]].isna().all(axis=None)
    assert store.read_remaining_times().empty


def test_a_store_of_the_fourth_version_gets_the_record_of_signals(store):
    """Its signals stay; nobody has looked at them yet."""
    with store.writing() as connection:
        _back_to_the_fourth_version(connection)
        connection.execute(text("UPDATE alembic_version SET version_num = '0004'"))
    store._prepare(create=True)
    assert store.read_reviews().empty
    assert store.read_outcomes().empty
    step = {"signal_id": "s", "week": 5, "area": "a", "category": "c", "direction": "rise", "status": "checked"}
    store.add_review(pd.DataFrame([{**step, "reason": None, "recorded_at": 9}] * 2))
    assert store.read_reviews()["review_id"].tolist() == [1, 2]


def test_a_store_of_the_fifth_version_gets_pressure_with_intervals(store):
    """Its pressure stays; days, ratios and what becomes late soon are null, for nobody measured them."""
    counts = {"backlog": 9, "inflow_28d": 5, "outflow_28d": 4, "overdue": 1, "level": "usual"}
    store.write_pressure(pd.DataFrame([{"as_of": 5, "unit_kind": "area", "unit": "a", **counts}]))
    with store.writing() as connection:
        _back_to_the_fifth_version(connection)
        connection.execute(text("UPDATE alembic_version SET version_num = '0005'"))
    store._prepare(create=True)
    kept = store.read_pressure()
    assert kept["backlog"].tolist() == [9]
    assert kept[list(_PRESSURE_ADDED)].isna().all(axis=None)


def test_a_store_of_the_sixth_version_gets_what_the_service_needs(store):
    """The new tables are there and empty, and the trail can be written to at once."""
    with store.writing() as connection:
        _back_to_the_sixth_version(connection)
        connection.execute(text("UPDATE alembic_version SET version_num = '0006'"))
    store._prepare(create=True)
    with store.writing() as connection:
        append(connection, [Act("local", "admin", "store.migrate")])
        counts = [
            connection.execute(text(f"SELECT count(*) FROM {name}")).scalar_one()  # noqa: S608
            for name in ("api_key", "audit_entry", "idempotent_request", "job")
        ]
    assert counts == [0, 1, 0, 0]


def test_a_store_of_the_seventh_version_gets_what_the_pages_keep(store):
    """The new tables are there and empty, and a mark can be kept at once."""
    with store.writing() as connection:
        _back_to_the_seventh_version(connection)
        connection.execute(text("UPDATE alembic_version SET version_num = '0007'"))
    store._prepare(create=True)
    mark = {"case_id": "c", "mark": "seen", "is_set": 1, "choice": None, "reason": None, "office": None}
    with store.writing() as connection:
        connection.execute(tables.case_mark.insert(), [{**mark, "recorded_at": 1}])
        counts = [
            connection.execute(text(f"SELECT count(*) FROM {name}")).scalar_one()  # noqa: S608
            for name in _OF_THE_PAGES
        ]
    assert counts == [1, 0, 0, 0]


_OF_THE_PAGES = ("case_mark", "saved_view", "board_count", "model_drift")

_PRESSURE_ADDED = (
    "due_14d",
    *(
        f"{figure}{end}"
        for figure in ("backlog_days", "flow_ratio", "late_14d")
        for end in ("", "_low", "_high", "_usual_low", "_usual_high")
    ),
)


def _back_to_the_seventh_version(connection) -> None:
    for table in _OF_THE_PAGES:
        connection.execute(text(f"DROP TABLE {table}"))


def _back_to_the_sixth_version(connection) -> None:
    _back_to_the_seventh_version(connection)
    for table in ("api_key", "audit_entry", "idempotent_request", "job"):
        connection.execute(text(f"DROP TABLE {table}"))


def _back_to_the_fifth_version(connection) -> None:
    _back_to_the_sixth_version(connection)
    for column in _PRESSURE_ADDED:
        connection.execute(text(f'ALTER TABLE pressure DROP COLUMN "{column}"'))


def _back_to_the_fourth_version(connection) -> None:
    _back_to_the_fifth_version(connection)
    for table in ("signal_week", "signal_outcome", "signal_review"):
        connection.execute(text(f"DROP TABLE {table}"))
    for column in (
        *("method_reason", "weeks_of_past", "category_group", "level", "part_kind"),
        *("n_parts", "parts_rising", "parts_told", "told"),
    ):
        connection.execute(text(f'ALTER TABLE signal DROP COLUMN "{column}"'))


def _back_to_the_third_version(connection) -> None:
    _back_to_the_fourth_version(connection)
    connection.execute(text("DROP TABLE remaining_time"))
    for column in ("lower", "upper"):
        connection.execute(text(f'ALTER TABLE risk DROP COLUMN "{column}"'))


def _ids(store: Store) -> list[str]:
    with store.reading() as connection:
        return sorted(connection.execute(text("SELECT case_id || event_id FROM event")).scalars())


def test_a_store_of_the_eighth_version_keeps_no_view_of_an_account(store):
    """An account of an identity provider is a person's. Those of keys and of the machine itself stay."""
    with store.writing() as connection:
        for number, holder in enumerate(("token:0123456789abcdef", "key:0123456789ab", "local")):
            row = {"view_id": str(number), "holder": holder, "filters": "{}", "created_at": 1}
            _insert(connection, "saved_view", [row])
        connection.execute(text("UPDATE alembic_version SET version_num = '0008'"))
    store._prepare(create=True)
    with store.reading() as connection:
        assert set(connection.execute(text("SELECT holder FROM saved_view")).scalars()) == {"key:0123456789ab", "local"}
