"""Promises made at import, where the source names no deadline: once, and never rewritten."""

from __future__ import annotations

from contextlib import ExitStack

import pandas as pd
import pytest

from data.errors import UsageError
from data.event_log import NEVER, fold_cases
from data.import_cases import import_file
from data.mapping import parse_mapping
from data.replay import Replay
from data.service_clock_store import read_clock
from data.store import Store
from tests.support.exports import LOG, ROW, TOWN, fresh_schema, log, utc, write_rows

NO_DUE = parse_mapping(TOWN.replace('[columns.due]\nfield = "due_at"\nat = "opened"\n', "").encode(), "town.toml")
TEN_DAYS = """
[about]
name = "town"
title = "Town"
title_zh = "镇"
[calendars.office]
title = "Weekdays"
time_zone = "America/New_York"
first_year = 2024
last_year = 2024
[calendars.office.weekly]
monday-friday = ["09:00-17:00"]
[clocks.resolve]
starts = ["opened", "reopened"]
stops = ["closed"]
while_paused = "stands"
hand_over = "goes_on"
[[standards]]
amount = 10
unit = "working_days"
[[standards]]
category = "Drain"
amount = 5
unit = "working_days"
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request, tmp_path):
    with ExitStack() as stack:
        url = str(tmp_path / "heed.db")
        if request.param == "postgresql":
            url = stack.enter_context(fresh_schema(request.getfixturevalue("postgres_url")))
        yield stack.enter_context(Store.open(url, create=True))


@pytest.fixture
def standards(tmp_path):
    path = tmp_path / "town_standards.toml"
    path.write_text(TEN_DAYS, encoding="utf-8")
    return path


def export(path, *rows):
    """An export without deadlines."""
    full = [{**ROW, "number": str(place), **row} for place, row in enumerate(rows, start=1)]
    return write_rows(path, [{name: row[name] for name in row if name != "due"} for row in full])


def test_each_case_gets_the_promise_of_its_category(store, standards, tmp_path):
    """Opened on Friday 1 March 2024: ten working days end on the 15th at 17:00, a drain's five on the 8th."""
    import_file(store, export(tmp_path / "a.csv", {}, {"kind": "Drain"}), NO_DUE, standards=standards)
    cases = fold_cases(store.read_events()).set_index("category")
    assert cases.loc["Street light", "due_at_opening"] == utc("2024-03-15 17:00")
    assert cases.loc["Drain", "due_at_opening"] == utc("2024-03-08 17:00")
    kept = read_clock(store, "town")
    assert kept is not None
    assert kept.text == TEN_DAYS


def test_a_promise_is_never_rewritten(store, standards, tmp_path):
    """New standards hold for new cases: what was promised stays, and so does every answer about the past."""
    first = [{"closed": ""}, {"kind": "Drain", "closed": ""}]
    import_file(store, export(tmp_path / "a.csv", *first), NO_DUE, standards=standards)
    before = store.read_events()
    answer = Replay.at(store, utc("2024-03-01 12:00")).events()
    standards.write_text(TEN_DAYS.replace("amount = 10", "amount = 2"), encoding="utf-8")
    later = [*first, {"opened": "2024-03-04 09:00:00", "closed": ""}]
    told = import_file(store, export(tmp_path / "b.csv", *later), NO_DUE, standards=standards)
    # Its opening, and the office that the export names.
    assert told.events_added == 2
    after = store.read_events()
    pd.testing.assert_frame_equal(after[after["case_id"].isin(set(before["case_id"]))].reset_index(drop=True), before)
    pd.testing.assert_frame_equal(Replay.at(store, utc("2024-03-01 12:00")).events(), answer)
    new = fold_cases(after[~after["case_id"].isin(set(before["case_id"]))])
    assert new["due_at_opening"].tolist() == [utc("2024-03-06 17:00")]


def test_the_kept_standards_hold_for_later_imports(store, standards, tmp_path):
    """What was given once need not be given again, and the same call is answered at once."""
    import_file(store, export(tmp_path / "a.csv", {}), NO_DUE, standards=standards)
    import_file(store, export(tmp_path / "b.csv", {"number": "7"}), NO_DUE)
    assert (fold_cases(store.read_events())["due_at"] == utc("2024-03-15 17:00")).all()
    assert import_file(store, tmp_path / "a.csv", NO_DUE, standards=standards).import_id is None


def test_a_deadline_of_the_source_stays(store, standards, tmp_path):
    """The file's own deadline wins; without one, and without standards, nothing is promised."""
    path = write_rows(tmp_path / "a.csv", [{**ROW}, {**ROW, "number": "2", "due": ""}])
    import_file(store, path, parse_mapping(TOWN.encode(), "town.toml"), standards=standards)
    assert sorted(fold_cases(store.read_events())["due_at"]) == [utc("2024-03-08 09:00"), utc("2024-03-15 17:00")]


def test_without_standards_nothing_is_promised(store, tmp_path):
    """No column and no standards: no deadline."""
    import_file(store, export(tmp_path / "a.csv", {}), NO_DUE)
    assert (fold_cases(store.read_events())["due_at"] == NEVER).all()


def test_a_pause_moves_the_deadline_when_it_ends(store, standards, tmp_path):
    """A week's pause adds its five working days, as an event known at its end; before it the promise stands."""
    rows = [
        {"case": "1", "what": "opened", "at": "2024-03-01 22:00:00", "type": "Lamp"},
        {"case": "1", "what": "paused", "at": "2024-03-04 22:00:00", "type": ""},
        {"case": "1", "what": "resumed", "at": "2024-03-11 22:00:00", "type": ""},
    ]
    mapping = log(("Asia/Shanghai", "America/New_York"))
    assert 'field = "due_at"' in LOG
    import_file(store, write_rows(tmp_path / "log.csv", rows), mapping, standards=standards)
    events = store.read_events()
    assert events["kind"].tolist() == ["opened", "paused", "amended", "resumed"]
    assert events["due_at"].dropna().tolist() == [utc("2024-03-15 17:00"), utc("2024-03-22 17:00")]
    assert fold_cases(store.read_events(as_of=utc("2024-03-11 22:00:00")))["due_at"].tolist() == [
        utc("2024-03-15 17:00")
    ]


def test_standards_that_are_not_there(store, tmp_path):
    """A wrong name is a wrong call, and nothing is stored."""
    with pytest.raises(UsageError, match="There are no service standards 'nobody'"):
        import_file(store, export(tmp_path / "a.csv", {}), NO_DUE, standards="nobody")
    assert store.read_events().empty
