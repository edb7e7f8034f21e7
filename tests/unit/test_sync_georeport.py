"""Fetching from Open311 GeoReport v2: windows, pages, caps, states, and closings that nobody dated."""

from __future__ import annotations

import json
from datetime import date, datetime

import pytest

from data.errors import FileFormatError, InputError, PersonalDataError
from data.event_log import NEVER, fold_cases
from data.observation import observed_until
from tests.support import portals
from tests.support.portals import GeoReportPortal, georeport_mapping, request, status
from tests.support.sync_runs import DAY, NOON, World, events_of, open_keyed, spooled


@pytest.fixture
def portal():
    server = GeoReportPortal(
        rows=[request(n, opened=f"2024-0{1 + n % 3}-0{1 + n % 9}T09:00:00-05:00") for n in range(9)]
    )
    with server.serving():
        yield server


@pytest.fixture
def path(tmp_path):
    return tmp_path / "heed.db"


@pytest.fixture
def store(path):
    with open_keyed(path) as opened:
        yield opened


def cases(store):
    return fold_cases(store.read_events())


@pytest.mark.parametrize("form", ["json", "xml"])
def test_the_first_sync_brings_every_request_once(portal, store, path, form):
    """In both formats: every request, no text, no address, no place."""
    report = World().sync(store, georeport_mapping(portal, f'format = "{form}"\n'))
    assert report.rows == 9
    found = cases(store)
    assert len(found) == 9
    assert set(found["category"]) == {"Street light"}
    assert set(found["office"]) == {"Works"}
    assert spooled(path) == []


def test_no_question_spans_more_than_90_days(portal, store):
    """The server would refuse it; windows are asked for one after the other."""
    World().sync(store, georeport_mapping(portal, "window_days = 90\n", ("first = 2024-01-01", "first = 2023-01-01")))
    asked = [question for question in portal.asked if "/requests" in question]
    assert len(asked) == 5
    assert len(cases(store)) == 9


def test_an_answer_that_is_cut_off_splits_the_window(portal, store):
    """A full answer may hide rows: halved until none is full."""
    portal.cap = 2
    World().sync(store, georeport_mapping(portal, "cap = 2\n"))
    assert len(cases(store)) == 9


def test_a_server_that_cuts_off_within_a_minute_is_told(portal, store):
    """Nothing can split a minute further."""
    portal.rows = [request(n, opened="2024-03-01T09:00:00-05:00") for n in range(5)]
    portal.cap = 2
    with pytest.raises(FileFormatError, match="one minute of requests fills a whole answer"):
        World().sync(store, georeport_mapping(portal, "cap = 2\n"))
    assert len(store.read_events()) == 0


def test_a_server_that_ignores_the_dates_is_found_out(portal, store):
    """Requests of other days than asked for: the fetch could never be complete."""
    portal.heeds_dates = False
    with pytest.raises(FileFormatError, match="It does not heed start_date and end_date"):
        World().sync(store, georeport_mapping(portal, "window_days = 7\n"))


def test_pages_are_read_to_the_end(portal, store):
    """With page and page_size, whatever size the server really gives."""
    portal.paged = True
    portal.own_page_size = 2
    World().sync(store, georeport_mapping(portal, "page_size = 4\nwindow_days = 90\n"))
    assert len(cases(store)) == 9


def test_a_server_that_knows_no_pages_is_split_instead(portal, store):
    """The first page again and again, and full: the window is halved."""
    portal.cap = 3
    World().sync(store, georeport_mapping(portal, "page_size = 3\nwindow_days = 90\n"))
    assert len(cases(store)) == 9


def test_each_state_is_asked_for_where_the_mapping_says_so(portal, store):
    """For servers that hide closed requests otherwise."""
    World().sync(store, georeport_mapping(portal, 'status = ["open", "closed"]\nwindow_days = 90\n'))
    asked = [question for question in portal.asked if "/requests" in question]
    assert sum("status=open" in question for question in asked) == len(asked) / 2
    assert len(cases(store)) == 9


def test_the_jurisdiction_is_always_named(portal, store):
    """Also for the list of services."""
    portal.jurisdiction = "town.example"
    World().sync(store, georeport_mapping(portal, 'jurisdiction_id = "town.example"\n'))
    assert all("jurisdiction_id=town.example" in question for question in portal.asked)


def test_the_list_of_services_names_what_the_rows_do_not(portal, store):
    """A request with a code only gets the name of its service."""
    for item in portal.rows:
        item["service_name"] = None
        item["service_code"] = "2"
    World().sync(store, georeport_mapping(portal))
    assert set(cases(store)["category"]) == {"Drain"}


def test_updated_datetime_is_never_a_closing(portal, store):
    """A status change between two looks is a closing known at the look, whatever was "updated" when."""
    world = World()
    mapping = georeport_mapping(portal)
    world.sync(store, mapping)
    portal.rows[3].update({"status": "closed", "updated_datetime": "2024-03-15T09:00:00-05:00"})
    world.now = NOON + DAY
    world.sync(store, mapping)
    closed = store.read_events().query("kind == 'closed'")
    assert closed[["at", "known_at"]].to_numpy().tolist() == [[NOON + DAY, NOON + DAY]]
    world.now = NOON + 2 * DAY
    portal.rows[3]["updated_datetime"] = "2024-03-16T09:00:00-05:00"
    world.sync(store, mapping)
    assert len(store.read_events().query("kind == 'closed'")) == 1
    portal.rows[3]["status"] = "open"
    world.now = NOON + 3 * DAY
    world.sync(store, mapping)
    assert (cases(store)["closed_at"] == NEVER).all()
    assert cases(store)["reopened"].sum() == 1


def test_a_request_that_was_closed_before_the_first_look_is_left_out_and_counted(portal, store):
    """Nobody can tell when it was closed; a guess would make it late."""
    portal.rows[3]["status"] = "closed"
    world = World()
    report = world.sync(store, georeport_mapping(portal))
    assert len(cases(store)) == 8
    assert any("1 requests were closed before they were first looked at" in note for note in report.notes)


def test_a_request_that_came_and_was_closed_between_two_looks_is_kept(portal, store):
    """It was closed at most as long ago as the look before: bounded as for every other case."""
    world = World()
    mapping = georeport_mapping(portal)
    world.sync(store, mapping)
    portal.rows.append(request(50, opened="2024-03-15T10:00:00-05:00", status="closed"))
    world.now = NOON + DAY
    world.sync(store, mapping)
    closed = store.read_events().query("kind == 'closed'")
    assert closed["at"].tolist() == [NOON + DAY]


def test_a_closing_that_the_server_dates_is_taken_from_it(portal, store):
    """An explicit field for the closing is mapped as any other."""
    for item in portal.rows:
        item["closed_datetime"] = None
    portal.rows[3].update({"status": "closed", "closed_datetime": "2024-03-14T09:00:00-04:00"})
    column = '[columns.closed_datetime]\nfield = "closed_at"\nat = "end"\n[leave_out]'
    World().sync(store, georeport_mapping(portal, "", ("[leave_out]", column)))
    closed = store.read_events().query("kind == 'closed'")
    assert closed["at"].tolist() == [int(datetime.fromisoformat("2024-03-14T09:00:00-04:00").timestamp())]
    assert len(cases(store)) == 9


def test_a_fetch_by_openings_is_a_look_at_those_only(portal, store):
    """Requests older than the overlap are no longer followed, and are not taken as unchanged."""
    world = World()
    mapping = georeport_mapping(portal, "overlap_days = 20\nwindow_days = 10\n")
    world.sync(store, mapping)
    world.now = NOON + 5 * DAY
    world.sync(store, mapping)
    opened = cases(store).set_index("case_id")["opened_at"]
    looked = observed_until(store)
    recent = opened >= NOON - 20 * DAY
    assert 0 < recent.sum() < len(opened)
    assert (looked[recent[recent].index] > NOON + 4 * DAY).all()
    assert (looked[recent[~recent].index] <= NOON).all()


def test_each_window_is_a_look_of_its_own(portal, store):
    """A fetch that lay unfinished for a week does not claim to have seen the first windows today."""
    mapping = georeport_mapping(portal, "window_days = 30\n")
    portal.faults.extend([None, None, status(503), status(503), status(503)])
    with pytest.raises(InputError, match="HTTP 503"):
        World().sync(store, mapping)
    report = World(now=NOON + 7 * DAY).sync(store, mapping)
    assert report.resumed
    looked = observed_until(store)
    opened = cases(store).set_index("case_id")["opened_at"]
    first = opened < datetime.fromisoformat("2024-01-31T00:00:00-05:00").timestamp()
    assert set(looked[first[first].index]) == {NOON}
    assert set(looked[first[~first].index]) == {NOON + 7 * DAY}
    looks = json.loads(store.imports()["report"].iloc[-1])["snapshots"]
    assert [look["seen_at"] for look in looks] == [NOON, NOON + 7 * DAY]


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (portals.xml_bomb, "its XML defines a document type or entities, which could expand without end"),
        (portals.page_of_html, "it is a web page, where XML was expected"),
        (portals.half_that_claims_to_be_whole, "its XML does not end or is damaged"),
        (portals.gzip_bomb, "it is larger than 2 MB"),
    ],
)
def test_xml_that_cannot_be_trusted_is_refused(portal, store, path, fault, said):
    """Bombs, web pages and halves: told, and the store is as it was; then all is well again."""
    mapping = georeport_mapping(portal, 'format = "xml"\nwindow_days = 90\n')
    portal.faults.append(None)
    portal.always = fault
    with pytest.raises(FileFormatError) as info:
        World().sync(store, mapping)
    assert said in str(info.value)
    assert len(store.read_events()) == 0
    portal.always = None
    World().sync(store, mapping)
    assert len(cases(store)) == 9


@pytest.mark.parametrize("form", ["json", "xml"])
def test_a_personal_column_that_appears_is_refused_by_name(portal, store, path, form):
    """The protocol cannot be asked for columns: what comes unasked is refused before it is kept."""
    portal.rows[4]["requester_phone"] = "617-555-0123"
    with pytest.raises(PersonalDataError) as info:
        World().sync(store, georeport_mapping(portal, f'format = "{form}"\n'))
    assert "'requester_phone': looks like a telephone number, by its name" in str(info.value)
    assert "617" not in str(info.value)
    assert spooled(path) == []
    assert len(store.read_events()) == 0


def test_free_text_never_reaches_the_disk(portal, store, path):
    """The answers hold descriptions and addresses; the spool does not."""
    portal.faults.extend([None, None, status(503), status(503), status(503)])
    with pytest.raises(InputError):
        World().sync(store, georeport_mapping(portal))
    kept = (path.with_suffix(".sync") / "open_town.part").read_text()
    assert "R-" in kept
    assert not any(word in kept for word in ("lamp", "Elm", "42.1", "updated"))


def test_a_request_without_a_number_yet_is_waited_for(portal, store):
    """A server that is still making the number gives a token: the request comes when it has one."""
    portal.rows[0]["service_request_id"] = ""
    World().sync(store, georeport_mapping(portal))
    assert len(cases(store)) == 8


def test_days_can_be_looked_at_again(portal, store):
    """--since and --until; what the server says of other days is left alone."""
    world = World()
    mapping = georeport_mapping(portal, "overlap_days = 1\n")
    first = world.sync(store, mapping)
    portal.rows[0]["status"] = "closed"
    world.now = NOON + 5 * DAY
    again = world.sync(store, mapping, since=date(2024, 1, 1), until=date(2024, 1, 20))
    assert again.watermark == first.watermark
    assert (store.read_events()["kind"] == "closed").sum() == 1


def test_syncing_again_adds_no_event(portal, store):
    """Windows overlap, and what is known is known."""
    world = World()
    mapping = georeport_mapping(portal)
    world.sync(store, mapping)
    before = events_of(store)
    world.now = NOON + DAY
    world.sync(store, mapping)
    assert events_of(store).equals(before)
