"""The store, on both engines: all or nothing, once only, and an answer that names the remedy."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text

from data.database import _patiently, open_engine, parse_url, reading
from data.errors import StoreError, UsageError
from data.event_names import event_ids
from data.schema import EVENT_COLUMNS
from data.store import ImportRun, Store
from data.tables import metadata
from tests.support.exports import contents, fresh_schema
from tests.support.processes import quick_context


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path) -> Iterator[str]:
    """The address of an empty database of each engine."""
    if request.param == "sqlite":
        yield str(tmp_path / "heed.db")
    else:
        with fresh_schema(request.getfixturevalue("postgres_url")) as address:
            yield address


@pytest.fixture
def store(url) -> Iterator[Store]:
    with Store.open(url, create=True) as opened:
        yield opened


def events(count: int = 3, start: int = 0, kind: str = "opened") -> pd.DataFrame:
    numbers = np.arange(start, start + count)
    frame = pd.DataFrame({"case_id": [f"{n:032x}" for n in numbers], "at": numbers + 1000, "known_at": numbers + 2000})
    frame["kind"] = pd.Series([kind] * count, dtype="str")
    frame["due_at"] = pd.array([5000 if n % 2 else None for n in numbers], dtype="Int64")
    for name in EVENT_COLUMNS:
        if name not in frame:
            frame[name] = pd.Series(["北街" if name == "area" else None] * count, dtype="str")
    return frame[[*EVENT_COLUMNS]]


def run(**changes) -> ImportRun:
    values = {
        "source": "town",
        "time_zone": "Asia/Shanghai",
        "known_at_opening": ("area", "category"),
        "file_name": "a.csv",
        "file_sha256": "1",
        "extracted_at": 9000,
    }
    return ImportRun(**{**values, **changes})


def test_the_migrated_schema_is_the_metadata(store):
    """What the migrations make is what `data.tables` says, to the type and the index."""
    with store.reading() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_events_come_back_as_they_went_in(store):
    """Types, nulls and Chinese text survive both engines; the order is by known_at, at, case_id, kind."""
    result = store.add_events(run(), events(5).sample(frac=1, random_state=1))
    assert (result.events_added, result.events_known_already) == (5, 0)
    pd.testing.assert_frame_equal(store.read_events(), events(5))


def test_the_as_of_is_strict(store):
    """An event known at the as-of is not yet known."""
    store.add_events(run(), events(3))
    assert store.read_events(as_of=2001)["known_at"].tolist() == [2000]
    assert len(store.read_events(as_of=2003)) == 3


def test_the_same_file_twice_changes_nothing(store):
    """The second import adds no event and no note of itself; the store is the same to the bit."""
    store.add_events(run(), events(3))
    before = contents(store)
    result = store.add_events(run(), events(3))
    assert (result.import_id, result.events_added, result.events_known_already) == (None, 0, 3)
    for was, now in zip(before, contents(store), strict=True):
        pd.testing.assert_frame_equal(was, now)


def test_the_same_events_in_another_file_are_noted_and_not_repeated(store):
    """That nothing had changed by a later export is something known, so its import is kept."""
    store.add_events(run(), events(3))
    result = store.add_events(run(file_sha256="2", extracted_at=9999), events(4))
    assert (result.events_added, result.events_known_already) == (1, 3)
    assert store.imports()["events"].tolist() == [3, 1]
    assert store.last_known_at() == 9999


def test_a_failure_half_way_leaves_nothing(store):
    """An exception inside the transaction undoes the source, the note and every event."""
    store.add_events(run(), events(2))
    before = contents(store)

    def fail(_step: str, done: int, _total: int) -> None:
        raise RuntimeError(f"stopped after {done}")

    with pytest.raises(RuntimeError, match="stopped after 7"):
        store.add_events(run(source="other", file_sha256="2"), events(7, start=10), progress=fail)
    for was, now in zip(before, contents(store), strict=True):
        pd.testing.assert_frame_equal(was, now)


def test_event_ids_depend_on_the_source_and_on_every_field():
    """Two events share an id only if they say the same of the same source."""
    one = events(1)
    ids = {event_ids("town", one)[0], event_ids("village", one)[0]}
    for name, value in (
        ("at", 1001),
        ("known_at", 2001),
        ("due_at", 5001),
        ("area", "南街"),
        ("office", "A"),
    ):
        ids.add(event_ids("town", one.assign(**{name: value}))[0])
    ids.add(event_ids("town", one.assign(office="", area=None))[0])
    assert len(ids) == 8
    assert event_ids("town", events(1)) == event_ids("town", events(1))


def test_a_key_stays_known_at_opening_only_while_every_import_says_so(store):
    """One import or one source that shows a key only at the end takes it from the features."""
    store.add_events(run(), events(1))
    assert store.known_at_opening() == {"area", "category"}
    store.add_events(run(known_at_opening=("area", "office"), file_sha256="2"), events(1, start=1))
    assert store.known_at_opening() == {"area"}
    store.add_events(run(source="other", known_at_opening=("channel",)), events(1, start=2))
    assert store.known_at_opening() == set()


def test_sources_of_two_time_zones_have_no_common_days(store):
    """Days and weeks are cut on one wall clock."""
    store.add_events(run(), events(1))
    assert store.time_zone() == "Asia/Shanghai"
    store.add_events(run(source="other", time_zone="America/Chicago"), events(1, start=1))
    with pytest.raises(StoreError, match="one time zone, got America/Chicago, Asia/Shanghai"):
        store.time_zone()


def test_an_empty_store_says_so(store):
    """Questions that need data get the next step instead of a null."""
    for question in (store.time_zone, store.last_known_at):
        with pytest.raises(StoreError, match=r"The store is empty. Import something first"):
            question()
    assert len(store.read_events()) == 0
    assert store.read_events().dtypes.to_dict() == events().dtypes.to_dict()


def test_places_are_replaced_and_inspections_kept(store):
    """Areas, offices and categories are as last written; an inspection is a fact and stays."""
    areas = pd.DataFrame({"area": ["B", "A"], "parent": ["A", None], "neighbours": [["A"], []]})
    inspections = pd.DataFrame(
        {
            "inspection_id": ["i1", "i2"],
            "area": "A",
            "asset_kind": "drain",
            "at": [1, 5],
            "known_at": [2, 6],
            "severity": 2,
        }
    )
    store.write_places(areas, pd.DataFrame({"office": ["X"], "tier": ["town"]}), None, inspections)
    store.write_places(areas.iloc[:1], inspections=inspections.assign(severity=3))
    assert store.read_areas()["area"].tolist() == ["B"]
    assert store.read_areas()["neighbours"].tolist() == [["A"]]
    assert store.read_offices()["tier"].tolist() == ["town"]
    assert store.read_inspections(as_of=6)["severity"].tolist() == [2]
    assert len(store.read_inspections()) == 2
    assert store.read_categories().empty


def risks(as_of: int, count: int) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "case_id": [f"c{n}" for n in range(count)],
            "outcome": "late",
            "as_of": as_of,
            "model_version": "m1",
            "landmark_at": 10,
            "probability": 0.25,
            "band": "low",
            "reasons": "[]",
        }
    )


def pressure(as_of: int) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "as_of": [as_of],
            "unit_kind": "area",
            "unit": "A",
            "backlog": 3,
            "inflow_28d": 2,
            "outflow_28d": 1,
            "overdue": 0,
            "expected_late": np.nan,
            "level": "usual",
        }
    )


def test_results_of_one_as_of_replace_each_other(store):
    """Scoring twice as of the same moment leaves one set; the latest as-of is what is read."""
    store.write_risks(risks(100, 3))
    store.write_risks(risks(200, 2))
    store.write_risks(risks(200, 1))
    assert len(store.read_risks()) == 1
    assert len(store.read_risks(100)) == 3
    assert store.read_risks(150).empty
    store.write_risks(risks(200, 0), as_of=200)
    assert store.read_risks()["as_of"].tolist() == [100] * 3


def test_a_quiet_week_does_not_show_last_weeks_signals(store):
    """Without signals as of the latest pressure, the answer is none and not the older ones."""
    signal = pd.DataFrame(
        {
            "as_of": [100],
            "week": 50,
            "area": "A",
            "category": "drain",
            "direction": "rise",
            "observed": 9,
            "expected": 3.0,
            "lower": 1.0,
            "upper": 6.0,
            "p_value": 0.01,
            "q_value": 0.02,
            "fdr_level": 0.05,
            "weeks_running": 1,
            "method": "farrington",
        }
    )
    store.write_signals(signal)
    store.write_pressure(pressure(100))
    assert len(store.read_signals()) == 1
    assert store.read_signals()["signal_id"].str.len().tolist() == [32]
    store.write_pressure(pressure(200))
    assert store.read_signals().empty
    assert len(store.read_signals(100)) == 1
    assert store.read_pressure()["expected_late"].isna().tolist() == [True]


def test_the_case_key_belongs_to_the_store(url, tmp_path):
    """Opening again keeps the key; another store has another."""
    with Store.open(url, create=True) as store:
        key = store.case_key()
    with Store.open(url) as again:
        assert again.case_key() == key
    with Store.open(str(tmp_path / "other.db"), create=True) as other:
        assert len(other.case_key()) == 32
        assert other.case_key() != key


def test_an_empty_database_is_no_store(url, tmp_path):
    """Without `create` nothing is made, and the message says how to make one."""
    if url.startswith("postgresql"):
        with pytest.raises(StoreError, match=r"holds no store of heed yet. Make one with `heed import"):
            Store.open(url)
        return
    with pytest.raises(StoreError, match=r"There is no store at .*heed.db. Make one with `heed import"):
        Store.open(url)
    assert list(tmp_path.iterdir()) == []


def test_a_store_of_a_later_heed_is_left_alone(url):
    """An unknown version is refused with and without `create`."""
    with Store.open(url, create=True) as store, store.writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    for create in (False, True):
        with pytest.raises(StoreError, match=r"got 9999, which this heed does not know. Use the heed that wrote it"):
            Store.open(url, create=create)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("sqlite://", "a store in memory is gone"),
        ("mysql://root:secret@host/db", "Expected SQLite or PostgreSQL, got 'mysql'"),
        ("://root:secret@host", "'host' is not the address of a store"),
    ],
)
def test_other_addresses_are_a_wrong_call(address, message):
    """The forms that work are named, and a password is not repeated."""
    with pytest.raises(UsageError, match=message) as info:
        Store.open(address, create=True)
    assert "secret" not in str(info.value)


def test_a_file_that_is_no_store_is_refused(tmp_path):
    """A file of something else is neither read nor overwritten."""
    path = tmp_path / "notes.db"
    path.write_text("not a database at all, but long enough to look like a header " * 4)
    with pytest.raises(StoreError, match=r"The file is not a store of heed, or is damaged"):
        Store.open(str(path), create=True)
    assert path.read_text().startswith("not a database")
    with pytest.raises(StoreError, match="There is no folder"):
        Store.open(str(tmp_path / "nowhere" / "heed.db"), create=True)


def test_an_unreachable_server_is_named_without_its_password():
    """The address, the reason and the remedy, and no secret."""
    with pytest.raises(StoreError, match="Check that the server runs") as info:
        Store.open("postgresql://heed:hidden@127.0.0.1:1/heed")
    assert "hidden" not in str(info.value)


def test_database_errors_do_not_quote_rows(store):
    """What PostgreSQL says about a bad row contains the row; what heed says does not."""
    bad = events(1).assign(area="village of the secret " + "x" * 200, known_at=-(2**70), at=0)
    with pytest.raises((StoreError, OverflowError)) as info:
        store.add_events(run(), bad)
    assert "secret" not in str(info.value)


def test_a_locked_store_says_who_to_wait_for(tmp_path, monkeypatch):
    """A writer that never ends gives the next one a message, not a traceback."""
    monkeypatch.setattr("data.database.BUSY_SECONDS", 0.1)
    path = tmp_path / "heed.db"
    with Store.open(str(path), create=True) as store:
        other = sqlite3.connect(path)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match=r"locked. Another command has been writing"):
            store.add_events(run(), events(1))
        other.close()


def _import_many(url: str, source: str) -> None:
    with Store.open(url, create=True) as store:
        for part in range(5):
            store.add_events(run(source=source, file_sha256=str(part)), events(40, start=part * 40))


def test_two_imports_at_once_wait_for_each_other(url):
    """Two processes that write at the same time both succeed, and both sets of events are there."""
    context = quick_context()
    workers = [context.Process(target=_import_many, args=(url, name)) for name in ("one", "two")]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0]
    with Store.open(url) as store:
        assert len(store.read_events()) == 400
        assert len(store.read_events(source="one")) == 200


def _open_and_close(url: str, gate: threading.Barrier) -> None:
    gate.wait(timeout=60)
    for _ in range(3):
        engine = open_engine(parse_url(url))
        with reading(engine) as connection:
            connection.exec_driver_sql("SELECT 1")
        engine.dispose()


def test_a_new_file_is_opened_by_many_at_once(tmp_path):
    """SQLite refuses some of them at once and waits for nobody; all of them get in all the same."""
    for number in range(50):
        gate = threading.Barrier(8)
        with ThreadPoolExecutor(8) as threads:
            asked = [threads.submit(_open_and_close, str(tmp_path / f"{number}.db"), gate) for _ in range(8)]
            assert [each.result() for each in asked] == [None] * 8


def test_a_file_that_stays_locked_is_given_up(monkeypatch):
    """After the patience of a writer, with what SQLite said; what is no lock is not asked again."""
    monkeypatch.setattr("data.database.BUSY_SECONDS", 0.02)
    for said, most in (("database is locked", 100), ("file is not a database", 1)):
        refusing = Mock(execute=Mock(side_effect=sqlite3.OperationalError(said)))
        with pytest.raises(sqlite3.OperationalError, match=said):
            _patiently(refusing, "PRAGMA journal_mode = WAL")
        assert 1 <= refusing.execute.call_count <= most
        assert (refusing.execute.call_count > 1) is (most > 1)


def test_an_empty_text_is_no_null(store):
    """Commas, quotes, line breaks and empty texts come back as they went in, on both engines, new or not."""
    odd = ["", 'a "quoted", one', "line\nbreak", "\\N", "北街", None]
    frame = events(6).assign(area=pd.Series(odd, dtype="str"))
    store.add_events(run(), frame)
    assert [None if pd.isna(area) else area for area in store.read_events()["area"]] == odd
    # The second import of a source goes another way on PostgreSQL.
    later = events(6, start=10).assign(area=pd.Series(odd, dtype="str"))
    result = store.add_events(run(file_sha256="2"), pd.concat([later, frame]))
    assert (result.events_added, result.events_known_already) == (6, 6)
    assert [None if pd.isna(area) else area for area in store.read_events()["area"]] == odd * 2


def test_what_is_equal_in_time_comes_back_as_it_was_written(store):
    """Of two transfers in one second the later row holds, and what a later import says of that second comes last."""
    first = pd.concat([events(1), events(3, kind="transferred").assign(case_id="0" * 32, at=1500, known_at=2500)])
    first["office"] = pd.Series([None, "C", "A", "B"], index=first.index, dtype="str")
    store.add_events(run(), first)
    later = first.iloc[1:2].assign(office="0")
    store.add_events(run(file_sha256="2"), later)
    assert store.read_events()["office"].tolist()[1:] == ["C", "A", "B", "0"]


def test_the_latest_moment_counts_events_and_looks(store):
    """An event may be known after the moment of the file; a later file without events moves the end all the same."""
    store.add_events(run(extracted_at=100), events(2))
    assert store.last_known_at() == 2001
    store.add_events(run(file_sha256="2", extracted_at=5000, cases=1), events(0))
    assert store.last_known_at() == 5000


def test_progress_while_storing_is_counted_in_events(store):
    """Every part tells how many of how many events are stored."""
    told = []
    store.add_events(run(), events(3), progress=lambda *step: told.append(step))
    assert told == [("store", 3, 3)]
