"""What is no longer needed goes, on either engine; what is shown and what figures stand on stays as it is."""

from __future__ import annotations

import json
import shutil
import sys
from contextlib import ExitStack

import pandas as pd
import pytest
from hypothesis import Phase, given
from hypothesis import settings as profile
from hypothesis import strategies as st
from sqlalchemy import delete, func, insert, select

from data import tables
from data.schema import EVENT_COLUMNS
from data.store import ImportRun, Store
from data.store_audit import SEAL, Head, verify
from service import cli
from service.reads import Reads, load
from service.retention import Limits, retain
from service.settings import Settings
from tests.support.audit_trails import add, rows_of
from tests.support.exports import fresh_schema
from tests.support.service_store import AS_OF, DAY, fill, small_store

NOW = AS_OF + 3_600
KEEPS = Settings(retain_risks_days=30, retain_jobs_days=10, retain_audit_days=60, idempotency_hours=24)
STAYS = (
    "event",
    "pressure",
    "signal",
    "signal_week",
    "signal_outcome",
    "signal_review",
    "source",
    "import_run",
    "area",
)


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request, tmp_path):
    """A store on each engine with four scorings, jobs, answered requests and a trail, some of each old."""
    with ExitStack() as stack:
        if request.param == "sqlite":
            url = str(tmp_path / "heed.db")
        else:
            url = stack.enter_context(fresh_schema(request.getfixturevalue("postgres_url")))
        opened = stack.enter_context(Store.open(url, create=True))
        fill(opened, cases=30)
        _only_the_newest(opened)
        for days in (45, 29, 10):
            _score_before(opened, days)
        with opened.writing() as connection:
            connection.execute(insert(tables.job), _jobs())
            connection.execute(insert(tables.idempotent_request), _requests())
        add(opened, 5, now=NOW - 70 * DAY)
        add(opened, 5, now=NOW - 5 * DAY)
        yield opened


def _only_the_newest(store: Store) -> None:
    with store.writing() as connection:
        for table in (tables.risk, tables.remaining_time):
            connection.execute(delete(table).where(table.c.as_of != AS_OF))


def _score_before(store: Store, days: int) -> None:
    """A scoring as of so many days before the newest, of every case that there is."""
    newest, times = store.read_risks(AS_OF), store.read_remaining_times(AS_OF)
    store.write_risks(newest.assign(as_of=AS_OF - days * DAY))
    store.write_remaining_times(times.assign(as_of=AS_OF - days * DAY))


def _jobs() -> list[dict]:
    same = {
        "kind": "score",
        "arguments": "{}",
        "created_by": "local",
        "not_before": 0,
        "attempts": 1,
        "cancel_asked": 0,
    }
    states = [("done", 11), ("failed", 11), ("cancelled", None), ("done", 9), ("queued", None), ("running", None)]
    return [
        {
            **same,
            "job_id": f"j{number}",
            "state": state,
            "created_at": NOW - 12 * DAY,
            "finished_at": None if ended is None else NOW - ended * DAY,
        }
        for number, (state, ended) in enumerate(states)
    ]


def _requests() -> list[dict]:
    same = {"actor": "key:1f", "request_sha256": "0" * 64, "attempt": "a"}
    times = [(25, 24), (25, -1), (23, 22)]
    return [
        {
            **same,
            "idempotency_key": str(number),
            "started_at": NOW - hours * 3600,
            "lease_until": NOW - until * 3600,
        }
        for number, (hours, until) in enumerate(times)
    ]


def _close(store: Store, cases: list[str], days: int, kind: str = "closed") -> None:
    """Close cases so many days ago, as a later look shows."""
    at = NOW - days * DAY
    rows = [{"case_id": case, "kind": kind, "at": at, "known_at": at} for case in cases]
    events = pd.DataFrame(rows, columns=[*EVENT_COLUMNS])
    types = {name: "int64" if name in ("at", "known_at") else "str" for name in EVENT_COLUMNS if name != "due_at"}
    run = ImportRun(
        source="simulated",
        time_zone="Asia/Shanghai",
        known_at_opening=(),
        file_name="later.csv",
        file_sha256=f"{kind}{days}",
        extracted_at=NOW,
    )
    store.add_events(run, events.astype({**types, "due_at": "Int64"}))


def _scorings(store: Store, table=tables.risk) -> dict[int, int]:
    """Days before the newest scoring -> cases in it."""
    count = func.count(func.distinct(table.c.case_id))
    with store.reading() as connection:
        found = connection.execute(select(table.c.as_of, count).group_by(table.c.as_of)).fetchall()
    return {(AS_OF - as_of) // DAY: number for as_of, number in found}


def _everything(store: Store, names: tuple[str, ...]) -> dict[str, list]:
    with store.reading() as connection:
        return {
            name: sorted(map(repr, connection.execute(select(tables.metadata.tables[name])).fetchall()))
            for name in names
        }


def test_superseded_scorings_go_when_they_are_old(store):
    """The newest stays, however old; those of the last days stay whole."""
    before = _everything(store, STAYS)
    told = retain(store, KEEPS, now=NOW)
    assert told.gone["risk"] == 60  # two outcomes of thirty cases
    assert told.gone["remaining_time"] == 30
    for table in (tables.risk, tables.remaining_time):
        assert _scorings(store, table) == {0: 30, 10: 30, 29: 30}
    assert _everything(store, STAYS) == before
    retain(store, KEEPS, now=NOW + 10_000 * DAY)
    assert _scorings(store) == {0: 30}
    assert _everything(store, STAYS) == before


def test_the_scoring_that_the_newest_is_compared_with_stays(store):
    """The list says what has changed since; however old the two are by now."""
    _score_before(store, days=8)
    _score_before(store, days=2)
    shown = load(store, minimum=10)
    retain(store, KEEPS, now=NOW + 10_000 * DAY)
    assert _scorings(store) == {0: 30, 2: 30}
    assert load(store, minimum=10).version == shown.version


def test_cases_that_were_closed_long_ago_go_from_later_scorings(store):
    """In which they stood because nobody knew yet; from the newest one nothing goes."""
    cases = sorted(store.read_risks()["case_id"].unique())
    _close(store, cases[:3], days=31)
    _close(store, cases[3:5], days=31, kind="withdrawn")
    _close(store, cases[5:9], days=29)
    told = retain(store, KEEPS, now=NOW)
    assert _scorings(store) == {0: 30, 10: 25, 29: 25}
    assert _scorings(store, tables.remaining_time) == {0: 30, 10: 25, 29: 25}
    assert told.gone["risk"] == 60 + 2 * 2 * 5
    left = set(store.read_risks(AS_OF - 10 * DAY)["case_id"])
    assert left == set(cases[5:])
    # Two days on: a scoring more is old, and of the four cases that were closed in time one was taken up again.
    _close(store, cases[6:7], days=28, kind="reopened")
    assert retain(store, KEEPS, now=NOW + 2 * DAY).gone["risk"] == 2 * 25 + 2 * 3
    assert set(cases[5:9]) - set(store.read_risks(AS_OF - 10 * DAY)["case_id"]) == {*cases[5:9]} - {cases[6]}


def test_finished_jobs_and_answered_requests_go(store):
    """Not what is waiting or under way, however long it has been."""
    told = retain(store, KEEPS, now=NOW)
    assert (told.gone["job"], told.gone["idempotent_request"]) == (3, 1)
    with store.reading() as connection:
        assert sorted(connection.execute(select(tables.job.c.job_id)).scalars()) == ["j3", "j4", "j5"]
        kept = connection.execute(select(tables.idempotent_request.c.idempotency_key)).scalars()
        assert sorted(kept) == ["1", "2"]


def test_the_trail_is_cut_and_sealed_and_tells_what_went(store):
    """It holds afterwards, also against a head of before."""
    last = rows_of(store)[-1]
    told = retain(store, KEEPS, now=NOW, actor="worker")
    assert told.gone["audit_entry"] == 5
    left = rows_of(store)
    assert [row["seq"] for row in left] == [6, 7, 8, 9, 10, 11, 12]
    assert [(row["actor"], row["action"]) for row in left[-2:]] == [("worker", SEAL), ("worker", "store.retain")]
    assert {row["role"] for row in left[-2:]} == {"worker"}
    assert json.loads(left[-1]["detail"]) == {"rows": told.gone}
    found = verify(store, Head(last["entry_hash"], last["seq"]))
    assert found.fault is None
    assert found.seal is not None
    assert found.seal.before == 6


def test_a_dry_run_counts_the_same_and_changes_nothing(store):
    """Row for row."""
    _close(store, sorted(store.read_risks()["case_id"].unique())[:3], days=31)
    names = tuple(tables.metadata.tables)
    before = _everything(store, names)
    dry = retain(store, KEEPS, now=NOW, dry_run=True)
    assert _everything(store, names) == before
    wet = retain(store, KEEPS, now=NOW)
    assert (dry.gone, dry.dry_run, wet.dry_run) == (wet.gone, True, False)
    assert dry.rows == sum(wet.gone.values()) == 60 + 12 + 30 + 6 + 3 + 1 + 5


def test_what_fails_half_way_takes_nothing(store, monkeypatch):
    """One transaction."""
    names = tuple(tables.metadata.tables)
    before = _everything(store, names)
    monkeypatch.setattr("service.retention.cut_front", lambda *_given, **_named: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        retain(store, KEEPS, now=NOW)
    assert _everything(store, names) == before


def test_the_service_goes_on_with_the_same_answers(tmp_path):
    """The snapshot is the same object: every finished answer and every cursor into it still holds."""
    path = small_store(tmp_path)
    with Store.open(str(path)) as store:
        _score_before(store, days=45)
        view = Reads(Settings(store_url=str(path), recheck_seconds=0))
        before = view.current()
        assert retain(store, KEEPS, now=NOW).gone["risk"] > 0
        assert view.current() is before
        view.close()


@profile(max_examples=6, phases=[Phase.generate])
@given(
    scored=st.lists(st.integers(0, 400), max_size=4),
    closed=st.dictionaries(st.integers(0, 39), st.integers(1, 300), max_size=8),
    keep=st.builds(
        Settings,
        retain_risks_days=st.integers(1, 200),
        retain_jobs_days=st.integers(1, 20),
        retain_audit_days=st.integers(30, 90),
    ),
    later=st.integers(0, 500),
)
def test_what_is_shown_and_counted_is_the_same_before_and_after(tmp_path_factory, scored, closed, keep, later):
    """Whatever was scored and closed when, however much is kept; and a second time nothing more goes."""
    path = small_store(tmp_path_factory.mktemp("retain"))
    with Store.open(str(path)) as store:
        _only_the_newest(store)
        for days in scored:
            _score_before(store, days)
        cases = sorted(store.read_risks()["case_id"].unique())
        for place, days in closed.items():
            _close(store, [cases[place]], days)
        now = NOW + later * DAY
        before, shown = _everything(store, STAYS), load(store, minimum=10)
        told = retain(store, keep, now=now)
        assert _everything(store, STAYS) == before
        after = load(store, minimum=10)
        assert (after.version, after.cases) == (shown.version, shown.cases)
        assert verify(store).fault is None
        assert min(told.gone.values()) >= 0
        old = [days for days in _scorings(store) if AS_OF - days * DAY < Limits.at(keep, now).risks]
        # The newest, and the one that the service compares it with.
        assert set(old) <= {0, *[days for days in sorted(scored) if 1 <= days <= 8][:1]}
        assert retain(store, keep, now=now).rows == 0
    shutil.rmtree(path.parent)


def test_the_command_says_what_went(tmp_path, monkeypatch, capsys):
    """To people and to machines; the settings come from the environment."""
    path = small_store(tmp_path)
    monkeypatch.setenv("HEED_RETAIN_RISKS_DAYS", "1")
    with Store.open(str(path)) as store:
        _score_before(store, days=45)
    for arguments, said in (
        (("--dry-run", "--json"), '"dry_run": true'),
        (("--dry-run",), "rows would go."),
        ((), "rows went."),
    ):
        monkeypatch.setattr(sys, "argv", ["heed", "--store", str(path), "retain", *arguments])
        with pytest.raises(SystemExit, match="0"):
            cli.main()
        assert said in capsys.readouterr().out
    with Store.open(str(path)) as store:
        assert 45 not in _scorings(store)


def test_what_was_noted_on_a_case_goes_with_its_risks(store):
    """Of cases closed long ago; never of one that is shown, of one closed lately, or of one that is open."""
    cases = sorted(store.read_risks(AS_OF)["case_id"].unique())
    _close(store, cases[:3], 40)
    _close(store, cases[3:5], 5)
    mark = {"mark": "seen", "is_set": 1, "choice": None, "reason": None, "office": None, "recorded_at": 1}
    with store.writing() as connection:
        connection.execute(insert(tables.case_mark), [{**mark, "case_id": case} for case in (*cases[:6], cases[0])])
        # The newest scoring is of those that were open then.
        for table in (tables.risk, tables.remaining_time):
            connection.execute(delete(table).where(table.c.case_id.in_(cases[:2])))
    dry = retain(store, KEEPS, now=NOW, dry_run=True)
    told = retain(store, KEEPS, now=NOW)
    assert dry.gone["case_mark"] == told.gone["case_mark"] == 3
    with store.reading() as connection:
        left = set(connection.execute(select(tables.case_mark.c.case_id)).scalars())
    assert left == set(cases[2:6])


def test_views_of_keys_that_are_gone_go(store):
    """Nobody can ask for them; those of a key that is good, or was revoked lately, and of the machine itself stay.

    Those of a role and its offices go with the audit trail of when they were saved.
    """
    view = {"filters": "{}", "created_at": 1}
    with store.writing() as connection:
        for key, revoked in (("good", None), ("late", NOW - DAY), ("old", NOW - 400 * DAY)):
            told = {"key_id": key, "secret_sha256": "0" * 64, "role": "handler", "purpose": "desk", "created_at": 1}
            connection.execute(insert(tables.api_key).values(**told, revoked_at=revoked))
        for number, holder in enumerate(("key:good", "key:late", "key:old", "local", "desk:0")):
            connection.execute(insert(tables.saved_view).values(view_id=str(number), holder=holder, **view))
        new = {**view, "created_at": NOW - DAY}
        connection.execute(insert(tables.saved_view).values(view_id="9", holder="desk:1", **new))
    dry = retain(store, KEEPS, now=NOW, dry_run=True)
    told = retain(store, KEEPS, now=NOW)
    assert dry.gone["saved_view"] == told.gone["saved_view"] == 2
    with store.reading() as connection:
        left = set(connection.execute(select(tables.saved_view.c.holder)).scalars())
    assert left == {"key:good", "key:late", "local", "desk:1"}
