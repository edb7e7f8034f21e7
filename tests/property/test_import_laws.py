"""Laws of the import over random rows: order, repetition and time."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from data.diff import diff_snapshots, no_state
from data.event_log import NEVER, fold_cases, known_before
from data.import_cases import import_file
from data.store import Store
from tests.support.exports import town, utc, write_csv
from tests.unit.test_import_diff import states

MAPPING = town()
SNAPSHOTS = ("2024-04-01", "2024-05-01", "2024-06-01")


@st.composite
def exports(draw, gaps: bool = True) -> list[dict[str, str]]:
    """Rows of a few cases in up to three snapshots, each possible in itself; with `gaps`, some skip one."""
    rows = []
    for case in range(draw(st.integers(1, 5))):
        opened = draw(st.integers(1, 25))
        shown = draw(st.lists(st.sampled_from(SNAPSHOTS), min_size=1, max_size=3, unique=True))
        if not gaps:
            shown = [look for look in SNAPSHOTS if min(shown) <= look <= max(shown)]
        for snapshot in shown:
            last = pd.Timestamp(snapshot)
            closed = draw(st.none() | st.integers(0, 80))
            moment = pd.Timestamp(f"2024-03-{opened:02d} 10:00") + pd.Timedelta(days=closed or 0)
            rows.append(
                {
                    "number": str(case),
                    "opened": f"2024-03-{opened:02d} 10:00:00",
                    "due": draw(st.sampled_from(["", "2024-04-15 09:00:00", "2024-05-20 09:00:00"])),
                    "closed": "" if closed is None or moment > last else str(moment),
                    "kind": draw(st.sampled_from(["Light", "Drain"])),
                    "village": draw(st.sampled_from(["North", "South", ""])),
                    "unit": draw(st.sampled_from(["Works", "Parks", ""])),
                    "outcome": draw(st.sampled_from(["", "Done", "Seen", "Double"])),
                    "snapshot": snapshot,
                }
            )
    return sorted(rows, key=lambda row: (row["snapshot"], row["number"]))


def fold_after(*files: list[dict[str, str]]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The events and the cases after importing these files in this order, in stores with the same key."""
    with tempfile.TemporaryDirectory() as folder, Store.open(f"{folder}/heed.db", create=True) as store:
        store.case_key = lambda: b"k" * 32  # type: ignore[method-assign]
        for place, rows in enumerate(files):
            if rows:
                import_file(store, write_csv(Path(folder) / f"{place}.csv", rows), MAPPING)
        events = store.read_events()
    return events, fold_cases(events)


@given(rows=exports(gaps=False), data=st.data())
@settings(max_examples=4)
def test_any_split_of_the_rows_gives_the_same_cases(rows, data):
    """One file, or its cases in two files one after the other, in either order: the fold is the same.

    Without gaps: whether a case that a snapshot leaves out was looked for is judged by the others in its
    file.
    """
    numbers = sorted({row["number"] for row in rows})
    first = set(data.draw(st.lists(st.sampled_from(numbers), unique=True)))
    parts = [row for row in rows if row["number"] in first], [row for row in rows if row["number"] not in first]
    _, whole = fold_after(rows)
    pd.testing.assert_frame_equal(fold_after(*parts)[1], whole)
    pd.testing.assert_frame_equal(fold_after(*reversed(parts))[1], whole)


@given(rows=exports())
@settings(max_examples=4)
def test_snapshots_one_by_one_give_the_same_events_as_all_at_once(rows):
    """A file per snapshot, imported in their order, tells what the file of all snapshots tells."""
    files = [[row for row in rows if row["snapshot"] == snapshot] for snapshot in SNAPSHOTS]
    events, cases = fold_after(*files)
    whole_events, whole_cases = fold_after(rows)
    pd.testing.assert_frame_equal(cases, whole_cases)
    pd.testing.assert_frame_equal(events, whole_events)


@given(rows=exports(), data=st.data())
@settings(max_examples=4)
def test_importing_again_changes_nothing(rows, data):
    """The same file, or any part of it with all its snapshots, adds nothing to what is there."""
    numbers = sorted({row["number"] for row in rows})
    some = set(data.draw(st.lists(st.sampled_from(numbers), unique=True)))
    events, _ = fold_after(rows)
    again, _ = fold_after(rows, rows, [row for row in rows if row["number"] in some])
    pd.testing.assert_frame_equal(again, events)


MOMENTS = st.integers(101, 1500)


@st.composite
def lives(draw) -> list[list[dict]]:
    """A few cases, each as looks at growing times show it."""
    looks = sorted(draw(st.lists(MOMENTS, min_size=1, max_size=4, unique=True)))
    cases = []
    for case in range(4):
        rows = []
        for seen_at in looks:
            past = st.none() | st.integers(100, seen_at)
            rows.append(
                {
                    "case_id": f"c{case}",
                    "seen_at": seen_at,
                    "closed_at": draw(past),
                    "withdrawn_at": draw(st.none() | past),
                    "due_at": draw(st.none() | MOMENTS),
                    "office": draw(st.sampled_from(["works", "parks", None])),
                    "area": draw(st.sampled_from(["north", "south", None])),
                    "closing_reason": draw(st.sampled_from(["resolved", "noted", None])),
                }
            )
        cases.append(rows)
    return cases


def seen_until(cases: list[list[dict]], looks: int) -> pd.DataFrame:
    """The events after so many looks."""
    rows = [row for case in cases for row in case[:looks]]
    return diff_snapshots(states(*rows), no_state(), MAPPING)


@given(cases=lives(), data=st.data())
@settings(max_examples=12)
def test_nothing_is_known_before_its_time(cases, data):
    """No event is known before it happens or after the look that showed it; later looks take nothing back."""
    looks = data.draw(st.integers(1, len(cases[0])))
    seen_at = cases[0][looks - 1]["seen_at"]
    events = seen_until(cases, len(cases[0]))
    assert (events["known_at"] >= events["at"]).all()
    assert (events["at"] >= 100).all()
    assert events["known_at"].max() <= cases[0][-1]["seen_at"]
    before = fold_cases(known_before(events, seen_at + 1))
    pd.testing.assert_frame_equal(before, fold_cases(seen_until(cases, looks)))


@given(cases=lives())
@settings(max_examples=12)
def test_the_log_ends_where_the_last_look_stands(cases):
    """Folded, the events give the last state that was shown: fallen away, or the last closing."""
    folded = fold_cases(seen_until(cases, len(cases[0]))).set_index("case_id")
    for place, rows in enumerate(cases):
        case, last = folded.loc[f"c{place}"], rows[-1]
        fell = last["withdrawn_at"] is not None
        assert (case["withdrawn_known_at"] != NEVER) == fell
        if not fell:
            assert case["closed_at"] == (NEVER if last["closed_at"] is None else last["closed_at"])
        offices = [row["office"] for row in rows if row["office"] is not None]
        assert (case["office"] if offices else None) == (offices[-1] if offices else None)


def test_the_extraction_moment_is_the_end_of_the_last_snapshots_day():
    """A file of snapshots knows its own moment, so splitting it does not move what was known when."""
    rows = [{"number": "1", "snapshot": "2024-04-01", "closed": ""}]
    events, _ = fold_after(rows)
    assert events["known_at"].max() == utc("2024-04-02")
