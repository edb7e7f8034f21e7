"""What had been recorded by a moment never changes, whatever is imported later."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.import_cases import import_file
from data.replay import Replay
from data.store import Store
from tests.property.test_import_laws import MAPPING, SNAPSHOTS, exports
from tests.support.exports import fresh_schema, utc, write_csv

DAYS = [f"2024-{month:02d}-{day:02d}" for month in (3, 4, 5, 6) for day in (1, 2, 9, 20)]


def replayed(store: Store, moments: list[int], last_import: int | None = None) -> list[pd.DataFrame | pd.Series]:
    """Everything that a replay gives at these moments."""
    found: list[pd.DataFrame | pd.Series] = []
    for moment in moments:
        replay = Replay.at(store, moment, last_import=last_import)
        found += [replay.events(), replay.observed_until().sort_index()]
    return found


def same(before: list, after: list) -> None:
    for was, now in zip(before, after, strict=True):
        (pd.testing.assert_frame_equal if isinstance(was, pd.DataFrame) else pd.testing.assert_series_equal)(was, now)


@given(rows=exports(), days=st.lists(st.sampled_from(DAYS), min_size=1, max_size=3))
@settings(max_examples=8)
def test_later_looks_change_no_earlier_answer(rows, days):
    """After each export, what is asked of moments before the next one is what will be answered for ever."""
    files = [[row for row in rows if row["snapshot"] == snapshot] for snapshot in SNAPSHOTS]
    given_then: list[tuple[list[int], list]] = []
    with tempfile.TemporaryDirectory() as folder, Store.open(f"{folder}/heed.db", create=True) as store:
        for place, part in enumerate(files):
            if not part:
                continue
            import_file(store, write_csv(Path(folder) / f"{place}.csv", part), MAPPING)
            # The next look is at least a month away; a snapshot of a day knows that day to its end.
            asked = [utc(day) for day in days if utc(day) <= utc(SNAPSHOTS[place]) + 29 * 86_400]
            given_then.append((asked, replayed(store, asked)))
        for asked, before in given_then:
            same(before, replayed(store, asked))


@given(rows=exports(), data=st.data())
@settings(max_examples=6)
def test_a_numbered_replay_stays_whatever_comes_in_and_in_whatever_order(rows, data):
    """With the number of the newest import, even an older export that comes in later changes nothing."""
    order = data.draw(st.permutations(SNAPSHOTS))
    moments = [utc(day) for day in ("2024-03-20", "2024-04-20", "2024-07-01")]
    given_then: list[tuple[int, list]] = []
    with tempfile.TemporaryDirectory() as folder, Store.open(f"{folder}/heed.db", create=True) as store:
        for place, snapshot in enumerate(order):
            part = [row for row in rows if row["snapshot"] == snapshot]
            if part:
                import_file(store, write_csv(Path(folder) / f"{place}.csv", part), MAPPING)
                number = int(store.imports()["import_id"].max())
                given_then.append((number, replayed(store, moments, number)))
        for number, before in given_then:
            same(before, replayed(store, moments, number))


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_both_stores_replay_alike(engine, tmp_path, request):
    """A closing that only a later look shows is not part of an earlier answer, on either engine."""
    rows = [{"number": "1", "closed": ""}, {"number": "2", "closed": "2024-03-20 10:00:00"}]
    later = [{"number": "1", "closed": "2024-04-02 10:00:00"}, {"number": "2", "closed": "2024-03-20 10:00:00"}]
    with ExitStack() as stack:
        url = str(tmp_path / "heed.db")
        if engine == "postgresql":
            url = stack.enter_context(fresh_schema(request.getfixturevalue("postgres_url")))
        store = stack.enter_context(Store.open(url, create=True))
        for snapshot, part in (("2024-04-01", rows), ("2024-05-01", later)):
            file = write_csv(tmp_path / f"{snapshot}.csv", [{**row, "snapshot": snapshot} for row in part])
            import_file(store, file, MAPPING)
        asked = utc("2024-04-20")
        replay = Replay.at(store, asked)
        assert replay.recorded_by == asked - 1
        assert not replay.reconstructed
        assert (replay.events()["kind"] == "closed").sum() == 1
        # By the time it was known it had happened before: that is what a model may learn from, later.
        assert (store.read_events(as_of=asked)["kind"] == "closed").sum() == 2
        assert set(replay.observed_until()) == {utc("2024-04-02")}
        early = Replay.at(store, utc("2024-03-10"))
        assert early.reconstructed
        assert early.recorded_by == utc("2024-04-02")
        assert len(early.events()) == 2
