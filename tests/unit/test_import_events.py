"""Files that hold events themselves, one per row."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from data.errors import RowError
from data.event_log import fold_cases
from data.import_cases import import_file
from data.store import Store
from tests.support.exports import log, utc, write_rows


@pytest.fixture
def store(tmp_path) -> Iterator[Store]:
    with Store.open(str(tmp_path / "heed.db"), create=True) as opened:
        yield opened


def event(what: str, at: str, case: str = "1", **more: str) -> dict[str, str]:
    return {"case": case, "what": what, "at": f"2024-05-{at}", **more}


LIFE = [
    event("opened", "01 09:00", type="路灯", village="北街", due="2024-05-08 09:00"),
    event("assigned", "01 10:00", unit="城管"),
    event("transferred", "02 10:00", unit="住建"),
    event("closed", "03 10:00", known="2024-05-04 08:00"),
    event("reopened", "05 10:00"),
]


def test_events_go_in_as_they_are(store, tmp_path):
    """Every row is an event; without a time of its own for the knowing, it is known when it happens."""
    report = import_file(store, write_rows(tmp_path / "a.csv", LIFE), log())
    events = store.read_events()
    assert (report.rows, report.cases, report.events_added) == (5, 1, 5)
    assert events["kind"].tolist() == ["opened", "assigned", "transferred", "closed", "reopened"]
    closed = events[events["kind"] == "closed"].iloc[0]
    assert (closed["at"], closed["known_at"]) == (
        utc("2024-05-03 10:00", "Asia/Shanghai"),
        utc("2024-05-04 08:00", "Asia/Shanghai"),
    )
    case = fold_cases(events).iloc[0]
    assert (case["office"], case["reopened"], case["transfers"], case["category"]) == ("住建", 1, 1, "路灯")
    assert store.known_at_opening() == {"category", "area"}


def test_the_same_events_twice_are_the_same_events(store, tmp_path):
    """A repeated row, a repeated file and an overlapping file add nothing."""
    import_file(store, write_rows(tmp_path / "a.csv", [*LIFE, LIFE[1]]), log())
    assert import_file(store, write_rows(tmp_path / "b.csv", LIFE), log()).events_added == 0
    assert len(store.read_events()) == 5


def test_later_events_need_no_second_opening(store, tmp_path):
    """The opening may be in the store already; the keys known at opening stay as they were."""
    import_file(store, write_rows(tmp_path / "a.csv", LIFE[:2]), log())
    assert import_file(store, write_rows(tmp_path / "b.csv", LIFE[2:]), log()).events_added == 3
    assert store.known_at_opening() == {"category", "area"}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([event("closed", "03 10:00")], "column 'what', row 1: the case has no event 'opened'"),
        (
            [LIFE[0], event("opened", "02 09:00")],
            "column 'what', 2 rows: 1, 2: a case has one event 'opened'",
        ),
        ([LIFE[0], event("closed", "01 08:00")], "column 'at', row 2: it lies before the opening"),
        ([LIFE[0], event("vanished", "02 08:00")], "column 'what', row 2: expected one of opened, assigned"),
        ([LIFE[0], event("", "02 08:00")], "column 'what', row 2: every event needs its kind"),
        (
            [LIFE[0], event("closed", "03 10:00", known="2024-05-02 10:00")],
            "column 'known', row 2: nothing is known",
        ),
        ([LIFE[0], {**LIFE[1], "at": ""}], "column 'at', row 2: every event needs its time"),
        ([LIFE[0], {**LIFE[1], "case": ""}], "column 'case', row 2: every row needs the number"),
        ([{**LIFE[0], "due": "2059-01-01"}], "column 'due', row 1: it lies more than 1,095 days after 'at'"),
        ([{**LIFE[0], "due": "2024-04-01"}], "column 'due', row 1: it lies before 'at'"),
        ([{**LIFE[0], "at": "2999-04-01"}], "column 'at', row 1: it lies after the moment"),
    ],
)
def test_impossible_events_refuse_the_file(store, tmp_path, rows, message):
    """The same care as for cases: column, row, what was expected; and nothing is stored."""
    with pytest.raises(RowError, match=message):
        import_file(store, write_rows(tmp_path / "a.csv", rows), log())
    assert store.read_events().empty
    assert store.sources().empty


def test_an_opening_at_another_moment_than_the_stored_one_is_a_second_opening(store, tmp_path):
    """A case opens once, in all files together; the very same opening again is no second one."""
    import_file(store, write_rows(tmp_path / "a.csv", LIFE), log())
    rows = [LIFE[0], event("replied", "03 09:00")]
    assert import_file(store, write_rows(tmp_path / "b.csv", rows), log()).events_added == 1
    moved = [{**LIFE[0], "at": "2024-05-02 09:00"}]
    with pytest.raises(RowError, match="column 'what', row 1: a case has one event 'opened', and these have several"):
        import_file(store, write_rows(tmp_path / "c.csv", moved), log())


def test_what_is_left_of_a_case_whose_openings_were_set_aside_has_none(store, tmp_path):
    """Setting both openings aside takes the ground from the other events; they are refused, or set aside too."""
    rows = [LIFE[0], event("opened", "02 09:00"), event("closed", "04 10:00"), event("opened", "01 09:00", case="2")]
    path = write_rows(tmp_path / "a.csv", rows)
    with pytest.raises(RowError, match="column 'what', row 3: the case has no event 'opened'"):
        import_file(store, path, log(), set_aside=["second_opening"])
    report = import_file(store, path, log(), set_aside=["second_opening", "no_opening"])
    assert report.events_added == 1
    assert [(found.code, found.rows) for found in report.set_aside] == [
        ("second_opening", (1, 2)),
        ("no_opening", (3,)),
    ]
    assert len(fold_cases(store.read_events())) == 1


def test_events_of_one_second_stay_in_the_order_of_the_file(store, tmp_path):
    """Two transfers in the same minute: the office of the later row is the office."""
    rows = [
        LIFE[0],
        *(event("transferred", "02 10:00", unit=unit) for unit in ("住建", "城管", "水务")),
        *(event("transferred", "02 10:00", unit=unit, case="2") for unit in ("水务", "住建")),
        event("opened", "01 09:00", case="2"),
    ]
    import_file(store, write_rows(tmp_path / "a.csv", rows), log())
    assert sorted(fold_cases(store.read_events())["office"]) == ["住建", "水务"]


def test_events_can_be_set_aside_like_cases(store, tmp_path):
    """An event of a kind that heed does not know is left out if the caller says so."""
    rows = [*LIFE, event("vanished", "06 08:00"), event("closed", "03 10:00", case="2")]
    report = import_file(store, write_rows(tmp_path / "a.csv", rows), log(), set_aside=["unknown_value", "no_opening"])
    assert report.events_added == 5
    assert sorted(found.code for found in report.set_aside) == ["no_opening", "unknown_value"]
