"""`heed as-of`: the same bytes whatever is imported later."""

from __future__ import annotations

import json

import pandas as pd
import pytest
from typer.testing import CliRunner

from data.errors import NotEnoughDataError, UsageError
from data.import_cases import import_file
from data.mapping import find_mapping
from data.replay import Replay
from data.store import Store
from service.as_of import answer
from service.cli import app
from service.cli.as_of import as_csv, as_json_text, moment_of
from tests.support.exports import town, utc, write_csv

FIRST = [
    {"number": "1", "closed": "2024-03-05 12:00:00", "snapshot": "2024-04-01"},
    {"number": "2", "closed": "", "snapshot": "2024-04-01"},
    {"number": "3", "closed": "", "due": "", "village": "South", "snapshot": "2024-04-01"},
]
LATER = [
    {"number": "1", "closed": "2024-03-05 12:00:00", "snapshot": "2024-06-01"},
    # Closed before the day asked about, as only the later export shows; and a case that the first had missed.
    {"number": "2", "closed": "2024-04-10 09:00:00", "snapshot": "2024-06-01"},
    {"number": "3", "closed": "", "due": "", "village": "South", "snapshot": "2024-06-01"},
    {"number": "4", "opened": "2024-04-03 09:00:00", "due": "", "closed": "", "snapshot": "2024-06-01"},
]


@pytest.fixture
def store(tmp_path):
    with Store.open(str(tmp_path / "heed.db"), create=True) as opened:
        import_file(opened, write_csv(tmp_path / "first.csv", FIRST), town())
        yield opened


def test_a_later_export_changes_no_byte(store, tmp_path):
    """The open list and the figures of 1 May stay, though the June export tells more of April."""
    asked = utc("2024-05-01")
    before = as_json_text(answer(store, asked, minimum=1))
    import_file(store, write_csv(tmp_path / "later.csv", LATER), town())
    assert as_json_text(answer(store, asked, minimum=1)) == before
    told = json.loads(before)
    assert (told["figures"]["cases"], told["figures"]["open"], told["imports"]) == (3, 2, [1])
    now = answer(store, utc("2024-06-03"), minimum=1)
    assert (now["figures"]["cases"], now["figures"]["open"], now["imports"]) == (4, 2, [1, 2])


def test_an_export_of_the_same_or_an_earlier_look_changes_no_byte(store, tmp_path):
    """A correction with no newer date and a backfill are recorded when they come in; asked of now, they count."""
    asked = utc("2024-05-01")
    before = as_json_text(answer(store, asked, minimum=1))
    corrected = [{**row, "unit": "Parks", "due": "2024-03-20 09:00:00"} for row in FIRST]
    import_file(store, write_csv(tmp_path / "same.csv", corrected), town())
    backfill = [{"number": "9", "opened": "2024-03-01 10:00:00", "closed": "", "snapshot": "2024-03-05"}]
    import_file(store, write_csv(tmp_path / "old.csv", backfill), town())
    import_file(store, write_csv(tmp_path / "turned.csv", list(reversed(FIRST))), town())
    assert as_json_text(answer(store, asked, minimum=1)) == before
    everything = Replay.at(store, store.last_known_at() + 1, everything=True).events()
    assert everything["case_id"].nunique() == 4
    assert "Parks" in set(everything["office"])


def test_the_answer_is_worked_out_by_hand(store):
    """Three cases on 1 April's export, asked of on 7 March: one closed in time, one open, one without a promise."""
    told = answer(store, utc("2024-03-07"), minimum=1)
    assert told["reconstructed"]
    assert told["figures"] == {
        "cases": 3,
        "closed": 1,
        "withdrawn_or_duplicate": 0,
        "reopened": 0,
        "open": 2,
        "open_past_deadline": 0,
        "open_without_deadline": 1,
    }
    assert [case["state"] for case in told["open_cases"]] == ["open", "no_deadline"]
    assert told["open_cases"][0]["due_at"] == "2024-03-08T09:00:00-05:00"
    assert answer(store, utc("2024-03-09"), minimum=1)["open_cases"][0]["state"] == "overdue"


def test_small_figures_of_areas_and_offices_are_withheld(store):
    """With the usual minimum, nothing under ten is said of an area or an office, in this way out as in the others."""
    told = answer(store, utc("2024-05-01"), minimum=10)
    assert all(row["backlog"] is None and "backlog" in row["withheld"] for row in told["areas"])


def test_before_the_first_case_there_is_no_answer(store):
    """A moment of which nothing is known says so instead of listing nothing."""
    with pytest.raises(NotEnoughDataError, match="No case was known at that moment"):
        answer(store, utc("2024-01-01"), minimum=1)


def test_a_number_that_no_import_has(store):
    """An unknown import is a wrong call."""
    with pytest.raises(UsageError, match="Expected the number of an import, got 7"):
        answer(store, utc("2024-05-01"), last_import=7, minimum=1)


def test_a_day_is_its_local_midnight():
    """A date begins in the zone of the offices; a moment brings its own offset."""
    assert moment_of("2024-03-01", "America/New_York") == utc("2024-03-01")
    assert moment_of("2024-03-01T08:00+08:00", "America/New_York") == utc("2024-03-01", "UTC")
    with pytest.raises(UsageError, match="DATE: expected a moment"):
        moment_of("yesterday", "UTC")


def test_the_command_writes_the_list_and_the_answer(store, tmp_path):
    """On the terminal, as JSON and as files, all from one answer; a strange file name is a wrong call."""
    call = ["--store", str(tmp_path / "heed.db"), "as-of", "2024-05-01"]
    shown = CliRunner().invoke(app, call)
    assert shown.exit_code == 0
    assert "3 cases known; 2 open" in shown.output
    written = tmp_path / "list.csv"
    assert CliRunner().invoke(app, [*call, "-o", str(written)]).exit_code == 0
    told = json.loads(CliRunner().invoke(app, [*call, "--json"]).output)
    assert written.read_bytes() == as_csv(told["open_cases"]).encode()
    assert len(pd.read_csv(written)) == 2
    assert isinstance(CliRunner().invoke(app, [*call, "-o", "list.pdf"]).exception, UsageError)


def test_the_three_snapshots_of_st_louis(real_file, tmp_path):
    """What was known on 1 March 2018 is the same before and after the exports of September and January."""
    whole = pd.read_parquet(real_file("stlouis_csb_2018_01.parquet"))
    mapping = find_mapping("stlouis")
    asked = moment_of("2018-03-01", "America/Chicago")
    with Store.open(str(tmp_path / "stl.db"), create=True) as store:
        answers = []
        for place, (_, part) in enumerate(whole.groupby("snapshot_at", sort=True)):
            path = tmp_path / f"{place}.parquet"
            part.to_parquet(path)
            import_file(store, path, mapping)
            answers.append(as_json_text(answer(store, asked, minimum=10)))
    assert answers[0] == answers[1] == answers[2]
    told = json.loads(answers[0])
    # The first snapshot covers all cases of January; 31 % of those not withdrawn were open.
    assert told["figures"]["cases"] > 8_000
    live = told["figures"]["cases"] - told["figures"]["withdrawn_or_duplicate"]
    assert 0.29 < told["figures"]["open"] / live < 0.33
