"""Posted events: through the door, all or none, once, and never known before they came."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pandas as pd
import pytest
from sqlalchemy import select

from data import tables
from data.event_log import fold_cases
from data.import_cases import import_file
from data.mapping import parse_mapping
from data.observation import observed_until
from data.privacy import case_id
from data.schema import EVENT_FIELDS
from data.service_clock_store import set_clock
from data.store import Store
from service import posted_events
from service.event_payloads import PostedEvent
from tests.support.exports import TOWN, write_csv
from tests.support.service_writes import LATER, SOURCE, acts, filled_store, left_in, moved, opened, writer_of

STANDARDS = b"""
[about]
name = "always_open"

[calendars.desk]
time_zone = "Asia/Shanghai"
first_year = 2025
last_year = 2027

[calendars.desk.weekly]
monday-sunday = ["00:00-24:00"]

[clocks.resolve]
starts = ["opened"]
stops = ["closed"]
while_paused = "stands"
hand_over = "goes_on"

[[standards]]
amount = 72
unit = "hours"
"""


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def kept(request, tmp_path_factory):
    """A filled store on each engine, and a service on it; each test has cases of its own."""
    folder = tmp_path_factory.mktemp("events")
    with filled_store(request.param, folder, lambda: request.getfixturevalue("postgres_url")) as url:
        writer = writer_of(url)
        with Store.open(url) as store:
            yield writer, store
        writer.close()


_NUMBERS = iter(range(1, 1_000))


@pytest.fixture
def number():
    """The number of a case that no other test has."""
    return next(_NUMBERS)


def of_case(store: Store, number: int) -> pd.DataFrame:
    """The stored events of a posted case."""
    events = store.read_events(source=SOURCE)
    return events[events["case_id"] == case_id(store.case_key(), SOURCE, f"2026-{number:06d}")]


def post(writer, *events, **more):
    """Post with a key of its own."""
    return writer.post_events(*events, key=f"k{next(_NUMBERS)}", **more)


def test_events_are_stored_and_told(kept, number):
    """Counts, the moment of receipt on the clock of the city, the import and the audit trail."""
    writer, store = kept
    before, started = left_in(store), int(time.time())
    answer = post(writer, opened(number), moved(number))
    assert answer.status_code == 201, answer.text
    told = answer.json()
    known = datetime.fromisoformat(told.pop("known_at"))
    assert started <= known.timestamp() <= time.time()
    assert known.utcoffset() == pd.Timedelta(hours=8)
    assert told == {
        "source": SOURCE, "events": 2, "stored": 2, "already_stored": 0, "cases": 1, "promises": 0
    }  # fmt: skip
    after = left_in(store)
    assert {name: after[name] - before[name] for name in after} == {
        "event": 2, "import_run": 1, "audit_entry": 1, "idempotent_request": 1, "signal_review": 0,
        "case_mark": 0,
    }  # fmt: skip
    found = of_case(store, number)
    assert found["kind"].tolist() == ["opened", "transferred"]
    assert set(found["known_at"]) == {int(known.timestamp())}
    assert found["at"].tolist() == [
        int(datetime.fromisoformat(event["at"]).timestamp()) for event in (opened(), moved())
    ]
    entry = acts(store, "event.append")[-1]
    run = store.imports().iloc[-1]
    assert entry == {
        "import": int(run["import_id"]), "events": 2, "stored": 2, "already_stored": 0, "cases": 1, "promises": 0
    }  # fmt: skip
    assert run["file_name"] == "POST /v1/events"


def test_what_is_stored_is_not_stored_again(kept, number):
    """With another key, in another order, twice in one post, and saying less of the same event."""
    writer, store = kept
    post(writer, opened(number), moved(number))
    before = left_in(store)
    again = post(writer, moved(number), opened(number), opened(number, category=None, area=None))
    assert again.status_code == 200
    assert again.json()["stored"] == 0
    assert again.json()["already_stored"] == 3
    after = left_in(store)
    assert {name for name in after if after[name] != before[name]} == {"audit_entry", "idempotent_request"}
    some = post(writer, moved(number), moved(number, at="2026-03-03T08:00:00+08:00", office="O-4"))
    assert (some.status_code, some.json()["stored"], some.json()["already_stored"]) == (201, 1, 1)
    assert len(of_case(store, number)) == 3


def test_the_same_key_gives_the_same_answer(kept, number):
    """And leaves nothing, not even an entry of the trail."""
    writer, store = kept
    first = writer.post_events(opened(number), key=f"same{number}")
    before = left_in(store)
    again = writer.post_events(opened(number), key=f"same{number}")
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["idempotency-replayed"] == "true"
    assert left_in(store) == before


def test_a_post_needs_a_key(kept, number):
    """A stream of events is what is repeated after a broken connection."""
    writer, _ = kept
    answer = writer.ask("POST", "/v1/events", {"source": SOURCE, "events": [opened(number)]})
    assert answer.status_code == 400
    assert "needs the header Idempotency-Key" in answer.json()["detail"]


def test_events_attach_to_the_cases_of_imports(tmp_path):
    """A case that a file brought is closed by a post, under the number that the file calls it by; times of day with
    another offset are the same moments.
    """
    path = tmp_path / "town.db"
    with Store.open(str(path), create=True) as store:
        rows = [{"number": "2024-7", "opened": "2024-03-01 09:00:00", "closed": "", "due": "2024-03-08 09:00:00"}]
        rows[0] |= {"kind": "Drain", "village": "North", "via": "Call", "unit": "Works"}
        import_file(store, write_csv(tmp_path / "town.csv", rows), parse_mapping(TOWN.encode()))
        known = store.sources().iloc[0].to_dict()
        writer = writer_of(str(path))
        event = {
            "reference": "2024-7",
            "kind": "closed",
            "at": "2024-03-05T20:00:00+01:00",
            "closing_reason": "resolved",
        }
        body = {"source": "town", "events": [event]}
        answer = writer.ask("POST", "/v1/events", body, idempotency_key="k")
        assert answer.status_code == 201, answer.text
        case = fold_cases(store.read_events()).iloc[0]
        assert case["closed_at"] == datetime(2024, 3, 5, 19, tzinfo=UTC).timestamp()
        assert case["closing_reason"] == "resolved"
        assert case["category"] == "Drain"
        # What the source's exports show of openings, and by which mapping, stays as it was.
        assert store.sources().iloc[0].to_dict() == known
        writer.close()


def test_the_service_standards_of_the_source_make_promises(kept, number):
    """A posted opening is promised an answer as an imported one is, and a pause moves it."""
    writer, store = kept
    set_clock(store, SOURCE, STANDARDS)
    try:
        at = "2026-03-02T09:30:00+08:00"
        assert post(writer, opened(number)).status_code == 201
        first = of_case(store, number)
        start = int(datetime.fromisoformat(at).timestamp())
        assert first["due_at"].tolist() == [start + 72 * 3600]
        paused = {"reference": f"2026-{number:06d}", "kind": "paused", "at": _shown(start + 10 * 3600)}
        resumed = {**paused, "kind": "resumed", "at": _shown(start + 20 * 3600)}
        answer = post(writer, paused, resumed)
        assert answer.json()["promises"] == 1
        assert fold_cases(of_case(store, number))["due_at"].tolist() == [start + 82 * 3600]
    finally:
        with store.writing() as connection:
            connection.execute(tables.service_clock.delete())


def _shown(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()


@pytest.mark.parametrize(
    ("change", "place", "expected"),
    [
        ({"at": "2126-01-01T00:00:00Z"}, "events[1].at", "a moment no later than now"),
        ({"kind": "opened", "at": LATER}, "events[1].kind", "one opening for each case"),
        ({"at": "2026-03-02T09:29:59+08:00"}, "events[1].at", "no earlier than the opening of the case"),
        ({"reference": "never-opened"}, "events[1].kind", "whose opening is in the store or in this post"),
        ({"due_at": "2099-01-01T00:00:00Z"}, "events[1].due_at", "within three years"),
    ],
)
def test_events_that_contradict_themselves_are_refused_by_position(kept, number, change, place, expected):
    """All or none: the first event was fine, and is not stored."""
    writer, store = kept
    before = left_in(store)
    answer = post(writer, opened(number), moved(number, **change))
    assert answer.status_code == 422, answer.text
    problem = answer.json()
    assert problem["type"] == "urn:heed:problem:unfit-body"
    assert place in [error["name"] for error in problem["errors"]]
    assert expected in problem["detail"]
    assert left_in(store) == before


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"category": "张伟 13812345678"}, "events[1].category"),
        ({"area": "12 High Street, flat 3, call me"}, "events[1].area"),
        ({"office": "john.smith@example.org"}, "events[1].office"),
        ({"category_group": "He said that the drain was blocked. Please come."}, "events[1].category_group"),
        ({"reference": "110101199003074514"}, "events[1].reference"),
    ],
)
def test_what_looks_personal_is_refused_and_not_repeated(kept, number, change, place):
    """403, with the position and without the content, in the answer and in the store."""
    writer, store = kept
    before = left_in(store)
    answer = post(writer, opened(number), opened(number + 500, **change))
    assert answer.status_code == 403, answer.text
    assert place in [error["name"] for error in answer.json()["errors"]]
    assert not any(str(value) in answer.text for value in change.values())
    assert left_in(store) == before


def test_a_category_about_conduct_is_refused(kept, number):
    """There is no such type of problem here."""
    writer, _ = kept
    answer = post(writer, opened(number, category="petitioning"))
    assert answer.status_code == 403
    assert "no category about what people do" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("change", "name", "expected"),
    [
        ({"complainant": "Wang Wei"}, "events[0]", "only parameters that this address knows"),
        ({"at": 1_700_000_000}, "events[0].at", "a moment with its offset"),
        ({"at": "2026-03-02 09:30:00"}, "events[0].at", "a moment with its offset"),
        ({"at": "2026-03-02T09:30:00"}, "events[0].at", "a moment with its offset"),
        ({"at": "2026-02-30T09:30:00Z"}, "events[0].at", "a moment with its offset"),
        ({"at": "1969-12-31T23:59:59Z"}, "events[0].at", "a moment with its offset"),
        ({"kind": "petitioned"}, "events[0].kind", "one of 'opened', 'assigned'"),
        ({"channel": "gossip"}, "events[0].channel", "one of 'phone'"),
        ({"reference": ""}, "events[0].reference", "as this address describes it"),
        ({"office": "x" * 161}, "events[0].office", "at most 160 characters"),
        ({"known_at": "2020-01-01T00:00:00Z"}, "events[0]", "only parameters that this address knows"),
    ],
)
def test_a_body_of_another_form_is_refused_by_position(kept, number, change, name, expected):
    """Nothing that came is repeated."""
    writer, _ = kept
    answer = post(writer, opened(number, **change))
    assert answer.status_code == 422, answer.text
    error = answer.json()["errors"][0]
    assert (error["in"], error["name"]) == ("body", name)
    assert expected in error["expected"]
    assert "Wang" not in answer.text
    assert "complainant" not in answer.text


@pytest.mark.parametrize(
    ("more", "name", "expected"),
    [
        ({"source": "nowhere"}, "source", "a source that something was imported from"),
        ({"source": "Not a name"}, "source", "as this address describes it"),
        ({"extracted_at": "2126-01-01T00:00:00Z"}, "extracted_at", "a moment no later than now"),
        ({"events": []}, "events", "at least 1 entries"),
    ],
)
def test_the_rest_of_the_body_is_looked_at_too(kept, number, more, name, expected):
    """The source, the moment, and that there are events."""
    writer, _ = kept
    answer = post(writer, opened(number), **more)
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["name"] == name
    assert expected in answer.json()["errors"][0]["expected"]


def test_more_events_than_are_taken_are_refused(tmp_path):
    """As many as the setting says, and no more."""
    with filled_store("sqlite", tmp_path, None) as url:
        writer = writer_of(url, max_rows=2)
        assert post(writer, opened(1), opened(2)).status_code == 201
        answer = post(writer, opened(1), opened(2), opened(3))
        assert answer.status_code == 422
        assert "at most 2 events" in answer.json()["detail"]
        writer.close()


def test_the_problem_speaks_chinese(kept, number):
    """Positions stay, words change."""
    writer, _ = kept
    body = {"source": SOURCE, "events": [opened(number, at="2126-01-01T00:00:00Z")]}
    answer = writer.ask("POST", "/v1/events?lang=zh", body, idempotency_key=f"zh{number}")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["name"] == "events[0].at"
    assert answer.headers["content-language"] == "zh"


def test_numbers_of_cases_are_nowhere_in_the_store(tmp_path):
    """Not in a row, not in the file, not in its log, and not as a hash that could be guessed."""
    with filled_store("sqlite", tmp_path, None) as url:
        writer = writer_of(url)
        secret = "ZX-994417-Q"
        assert post(writer, opened(1, reference=secret)).status_code == 201
        writer.close()
        written = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
        assert secret.encode() not in written
        assert b"POST /v1/events" in written


def test_a_post_is_no_look_at_other_cases_unless_it_says_so(kept, number):
    """`extracted_at` says that whoever has no event until then had none."""
    writer, store = kept
    before = observed_until(store)
    post(writer, opened(number))
    after = observed_until(store)
    pd.testing.assert_series_equal(after.loc[before.index], before)
    moment = datetime.fromtimestamp(int(time.time()) - 1, UTC)
    post(writer, opened(number, at="2026-03-02T09:30:00+08:00"), moved(number), extracted_at=moment.isoformat())
    whole = observed_until(store)
    # A case that was heard of after that moment, in this very second, is known of until then.
    assert (whole.loc[before.index] == before.clip(lower=moment.timestamp())).all()
    assert (whole.loc[before.index] == moment.timestamp()).any()
    # Also where there is nothing new to say with it.
    later = datetime.fromtimestamp(int(time.time()), UTC)
    answer = post(writer, moved(number), extracted_at=later.isoformat())
    assert (answer.status_code, answer.json()["stored"]) == (200, 0)
    newest = observed_until(store)
    assert (newest.loc[before.index] == whole.loc[before.index].clip(lower=later.timestamp())).all()
    assert (newest.loc[before.index] == later.timestamp()).any()


def test_nothing_is_known_before_what_is_known_already(kept, number, monkeypatch):
    """Where the clock has been set back, the newest moment of the store counts."""
    writer, store = kept
    post(writer, opened(number))
    newest = store.last_known_at()
    monkeypatch.setattr(posted_events.time, "time", lambda: newest - 5_000)
    answer = post(writer, moved(number))
    assert answer.status_code == 201, answer.text
    assert datetime.fromisoformat(answer.json()["known_at"]).timestamp() == newest


@pytest.mark.parametrize("spoken", ["risk", "pressure"])
def test_nothing_is_known_before_what_was_said_already(kept, number, monkeypatch, spoken):
    """A scoring or a detection speaks of one second after the last thing known: a post of that very second, or with
    the clock set back, changes neither its answer nor the one that the next would give in its place.
    """
    writer, store = kept
    post(writer, opened(number))
    as_of = store.last_known_at() + 1
    rows = {
        "risk": {
            "case_id": "1f", "outcome": "late", "as_of": as_of, "model_version": "v", "landmark_at": as_of,
            "probability": 0.5, "band": "low", "reasons": "[]",
        },
        "pressure": {
            "as_of": as_of, "unit_kind": "area", "unit": "A-02", "backlog": 1, "inflow_28d": 1, "outflow_28d": 1,
            "overdue": 0, "level": "usual",
        },
    }  # fmt: skip
    table = tables.metadata.tables[spoken]
    with store.writing() as connection:
        connection.execute(table.insert().values(**rows[spoken]))
    before = store.read_events(as_of=as_of)
    monkeypatch.setattr(posted_events.time, "time", lambda: as_of - 5_000)
    try:
        answer = post(writer, moved(number))
        assert (answer.status_code, answer.json()["stored"]) == (201, 1)
        pd.testing.assert_frame_equal(store.read_events(as_of=as_of), before)
        assert store.last_known_at() == as_of
        # Posts of the same second go on being of it.
        post(writer, moved(number, at="2026-03-02T11:15:00+08:00"))
        assert store.last_known_at() == as_of
    finally:
        with store.writing() as connection:
            connection.execute(table.delete().where(table.c.as_of == as_of))


def test_the_body_takes_what_the_allow_list_has():
    """A field that is added there and not here, or the other way round, is seen."""
    assert {*PostedEvent.model_fields} == {*EVENT_FIELDS} - {"known_at"}


def test_the_note_of_a_post_holds_positions_and_counts_only(kept, number):
    """No reference, no category, no office."""
    writer, store = kept
    post(writer, opened(number, category="lift", office="O-2"))
    with store.reading() as connection:
        run = tables.import_run.c
        report = connection.execute(select(run.report).order_by(run.import_id.desc()).limit(1)).scalar_one()
    assert f"2026-{number:06d}" not in report
    assert "lift" not in report
    assert "O-2" not in report
