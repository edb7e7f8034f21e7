"""An event index in a folder: what is written once, what is refused, and what a crash leaves."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from data.errors import FileFormatError, UsageError
from features.event_index import EventIndex, IndexTerms, Queries
from features.facts import KEY_COLUMNS, Facts
from features.online import OnlineTerms
from features.terms import Term

TERM = Term("closures", "log_hours", ("office",), 10)
COUNT = Term("closures", "n", ("office",), 10)


def _facts(at: list[int], office: str = "north") -> dict[str, Facts]:
    keys = pd.DataFrame([{**dict.fromkeys(KEY_COLUMNS), "office": office}] * len(at)).astype("str")
    ones = np.ones(len(at), dtype=np.int64)
    return {"closures": Facts(np.array(at), keys, {"n": ones, "log_hours": 7 * ones})}


def _asked(index: EventIndex, at: int, office: str = "north", term: Term = TERM) -> int:
    keys = pd.DataFrame([{**dict.fromkeys(KEY_COLUMNS), "office": office}]).astype("str")
    return int(IndexTerms(index, Queries(np.array([at]), keys)).term(term)[0])


@pytest.fixture
def saved(tmp_path):
    folder = tmp_path / "index"
    EventIndex.build(_facts([100, 105, 105]), [TERM, COUNT]).save(folder)
    return folder


def test_a_day_is_one_more_segment_and_the_rest_stays(saved):
    """Saving an index that was opened and added to writes the new segment only."""
    before = {file: file.stat().st_mtime_ns for file in saved.glob("segment-0001/*")}
    EventIndex.open(saved).add(_facts([108], "south")).save(saved)
    assert {file: file.stat().st_mtime_ns for file in saved.glob("segment-0001/*")} == before
    assert sorted(path.name for path in saved.iterdir()) == ["index.json", "segment-0001", "segment-0002"]
    again = EventIndex.open(saved)
    assert (_asked(again, 110), _asked(again, 110, "south"), _asked(again, 110, "west")) == (21, 7, 0)


def test_an_index_that_was_opened_is_not_read_into_memory(saved):
    """Its arrays are views of mapped files, and none can be written to."""
    facts = EventIndex.open(saved).segments[0].sorted_facts("closures", ("office",))
    assert isinstance(facts.packed.base, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        facts.packed[0] = 1


def test_a_segment_that_was_being_written_when_the_power_failed_does_no_harm(saved):
    """A folder that the list does not name is passed over, and never written into."""
    (saved / "segment-0002").mkdir()
    (saved / "segment-0002" / "0000.packed.npy").write_bytes(b"half")
    EventIndex.open(saved).add(_facts([108])).save(saved)
    assert _asked(EventIndex.open(saved), 110) == 28
    assert (saved / "segment-0003").is_dir()


def test_merging_writes_one_segment(saved):
    """The merged index is saved beside, and answers the same."""
    EventIndex.open(saved).add(_facts([108])).merged().save(saved)
    listed = json.loads((saved / "index.json").read_text())
    assert [one["folder"] for one in listed["segments"]] == ["segment-0002"]
    assert _asked(EventIndex.open(saved), 110) == 28


def test_what_the_index_was_not_made_for_is_refused(saved):
    """Another key set would silently be answered from nothing."""
    with pytest.raises(KeyError, match="not made for closures by category"):
        _asked(EventIndex.open(saved), 110, term=Term("closures", "n", ("category",), 10))


@pytest.mark.parametrize(
    ("damage", "error", "message"),
    [
        (lambda folder: (folder / "index.json").unlink(), FileFormatError, "there is no index.json in it"),
        (lambda folder: (folder / "index.json").write_text("{"), FileFormatError, "it is not JSON"),
        (lambda folder: _relist(folder, format=9), UsageError, "expected an index of format 1, got 9"),
        (lambda folder: _relist(folder, contract="x"), UsageError, "whose facts are others. Make it anew"),
        (lambda folder: _cut(folder / "segment-0001/0000.packed.npy"), FileFormatError, "missing or cut short"),
        (lambda folder: (folder / "segment-0001/0000.packed.npy").unlink(), FileFormatError, "missing or cut short"),
        (lambda folder: np.save(folder / "segment-0001/0000.packed.npy", np.zeros(3)), FileFormatError, "of float64"),
        (lambda folder: np.save(folder / "segment-0001/0000.packed.npy", np.zeros(2, int)), FileFormatError, "3 integ"),
        (lambda folder: (folder / "segment-0001/codes.json").unlink(), FileFormatError, "cannot be read"),
        (lambda folder: _cut(folder / "segment-0001/codes.json"), FileFormatError, "codes.json: .* it is not JSON"),
    ],
)
def test_a_damaged_index_is_refused_with_what_to_do(saved, damage, error, message):
    """Each kind of damage has its sentence; none is answered from."""
    damage(saved)
    with pytest.raises(error, match=message):
        EventIndex.open(saved)


def _relist(folder, **changed):
    file = folder / "index.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changed}))


def _cut(file):
    file.write_bytes(file.read_bytes()[:-8])


def test_an_index_that_was_built_for_no_terms_is_not_saved(tmp_path):
    """What it put in order so far is not all that it can be asked, and the rest would be lost; nothing is written."""
    index = EventIndex.build(_facts([100]))
    assert _asked(index, 110) == 7
    for lose in (lambda: index.save(tmp_path / "index"), lambda: index.add(_facts([101])).merged()):
        with pytest.raises(ValueError, match="built for given terms"):
            lose()
    assert not (tmp_path / "index").exists()


def test_a_balance_that_was_taken_back_is_gone_after_merging():
    """Tables that do not count facts are netted as well."""
    facts = {"balance": Facts(_facts([100])["closures"].at, _facts([100])["closures"].keys, {"open": np.array([1])})}
    back = {"balance": Facts(facts["balance"].at, facts["balance"].keys, {"open": np.array([-1])})}
    merged = EventIndex.build(facts, [Term("balance", "open", ("office",))]).add(back).merged()
    assert len(merged.segments[0].sorted_facts("balance", ("office",)).packed) == 0


@pytest.mark.parametrize("at", [-1, 1_700_000_000_000])
def test_one_case_at_no_moment_is_refused(saved, at):
    """Milliseconds would run into the key."""
    with pytest.raises(ValueError, match="from 1970 to 2514"):
        OnlineTerms(EventIndex.open(saved), [TERM]).integers(at, {"office": "north"})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"table": "arivals"}, "Expected a measure that the facts have, got n of arivals"),
        ({"measure": "late"}, "got late of closures"),
        ({"keys": ("person",)}, "Expected keys out of .*, got person"),
        ({"window": -100}, "a window or a number above 0, got -100"),
        ({"newest": -1}, "a window or a number above 0, got -1"),
        ({"table": "balance", "measure": "last_at"}, "got last_at of balance"),
    ],
)
def test_a_term_that_no_facts_can_answer_is_refused(given, message):
    """A misspelt table would be answered with 0, and a negative window would look ahead."""
    with pytest.raises(ValueError, match=message):
        Term(**{"table": "closures", "measure": "n", "keys": (), **given})


def test_moments_beyond_the_bits_are_refused():
    """Before 1970 or after 2514 a moment would spill into the key."""
    for at in (-1, 1 << 34):
        with pytest.raises(ValueError, match="from 1970 to 2514"):
            EventIndex.build(_facts([at]), [TERM])
        with pytest.raises(ValueError, match="from 1970 to 2514"):
            _asked(EventIndex.build(_facts([5]), [TERM]), at)


def test_a_term_has_a_window_or_a_number_not_both():
    """And the moment of the newest fact has neither."""
    with pytest.raises(ValueError, match="a window or a number of newest facts"):
        Term("closures", "n", (), 10, newest=3)
    with pytest.raises(ValueError, match="Expected no window for the moment"):
        Term("arrivals", "last_at", (), 10)
