"""Counts made ready for detection, and channels that are new."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from data.errors import NotEnoughDataError
from models.signals import weekly_counts
from models.signals.channels import settled_counts
from models.signals.traps import NOTE_COLUMNS, prepared_counts
from tests.support import traps
from tests.support.weekly import WEEK, weekly, world


@pytest.fixture(scope="module")
def city():
    return world(np.random.default_rng(4), areas=8, categories=5, weeks=40, level=4.0, dispersion=(1.0, 1.5))


def ready(staged: traps.Staged, scene: traps.Stage):
    return prepared_counts(staged.cases, as_of=scene.as_of, time_zone="UTC")


def test_a_record_without_traps_is_counted_as_ever(city):
    """Not a count differs, all weeks are recorded, and there is nothing to note."""
    scene = traps.stage(city, 0, seed=1)
    found = ready(traps.nothing(scene), scene)
    plain = weekly_counts(scene.cases, as_of=scene.as_of, time_zone="UTC")
    np.testing.assert_array_equal(found.counts.matrix, plain.matrix)
    assert found.counts.recorded is None
    assert found.settled is None
    assert found.notes.empty
    assert tuple(found.notes.columns) == NOTE_COLUMNS


@pytest.mark.parametrize(
    ("trap", "code"),
    [
        (traps.doubled_load, "copies"),
        (traps.missing_week, "missing_days"),
        (traps.partial_week, "missing_days"),
        (traps.burst_of_months, "bulk_import"),
        (traps.backlog_of_an_area, "bulk_import"),
        (traps.category_stops, "stopped"),
        (traps.category_area_by_area, "joined"),
        (traps.app_everywhere, "new_channel"),
    ],
)
def test_every_trap_is_noted(city, trap, code):
    """Three weeks after it was laid the notes say what was left out."""
    scene = traps.stage(city, 3, seed=1)
    assert code in set(ready(trap(scene), scene).notes["code"])


def test_a_doubled_load_gives_the_counts_of_a_single_one(city):
    """To the last case, over all weeks."""
    scene = traps.stage(city, 5, seed=1)
    plain = weekly_counts(scene.cases, as_of=scene.as_of, time_zone="UTC")
    found = ready(traps.doubled_load(scene), scene)
    np.testing.assert_array_equal(found.counts.matrix, plain.matrix)
    assert found.notes["reports"].tolist() == [plain.matrix[-6:].sum()]


def test_the_future_changes_nothing(city):
    """Cases opened, or known, at the as-of and later: the same counts, the same weeks, the same notes."""
    scene = traps.stage(city, 12, seed=1)
    cases = traps.app_area_by_area(scene).cases
    as_of = scene.as_of - 6 * WEEK
    then = prepared_counts(cases[cases["opened_at"] < as_of].reset_index(drop=True), as_of=as_of, time_zone="UTC")
    later = prepared_counts(cases, as_of=as_of, time_zone="UTC")
    np.testing.assert_array_equal(then.counts.matrix, later.counts.matrix)
    assert (then.counts.recorded is None) == (later.counts.recorded is None)
    assert then.settled is not None
    assert later.settled is not None
    np.testing.assert_array_equal(then.settled, later.settled)
    pd.testing.assert_frame_equal(then.notes, later.notes)


def test_no_case_is_no_record():
    """As `weekly_counts` says it."""
    with pytest.raises(NotEnoughDataError):
        prepared_counts(traps.frame([], [], [], []), as_of=2**31, time_zone="UTC")


def reports(week: np.ndarray, channel: np.ndarray) -> pd.DataFrame:
    counts = weekly(np.zeros((40, 1), dtype=np.int64), np.array([0]), np.array([0]))
    return pd.DataFrame(
        {"opened_at": counts.weeks[week] + 3600, "area": "a000", "category": "c000", "channel": channel}
    )


def by_channel(**first: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Two reports a week through each channel from its first week on, and the weeks' counts."""
    parts = [reports(np.repeat(np.arange(week, 40), 2), name) for name, week in first.items()]
    rows = pd.concat(parts, ignore_index=True)
    matrix = sum((2 * (np.arange(40) >= week) for week in first.values()), np.zeros(40, dtype=np.int64))
    return rows, matrix[:, None]


def test_only_what_came_through_the_new_channel_is_set_apart():
    """An app from week 30 on; phone and web were there from the beginning."""
    rows, matrix = by_channel(phone=0, web=3, app=30)
    found = settled_counts(rows, weekly(matrix, np.array([0]), np.array([0])))
    assert found is not None
    assert found.introduced["channel"].tolist() == ["app"]
    assert found.introduced["reports"].tolist() == [20]
    np.testing.assert_array_equal(found.matrix[:, 0], matrix[:, 0] - 2 * (np.arange(40) >= 30))


def test_without_a_new_channel_nothing_is_set_apart():
    """Nor where nobody says the channel."""
    rows, matrix = by_channel(phone=0, web=5)
    counts = weekly(matrix, np.array([0]), np.array([0]))
    assert settled_counts(rows, counts) is None
    assert settled_counts(rows.assign(channel=None), counts) is None


def test_a_pilot_does_not_make_a_channel_old():
    """One report in week 2, and two a week from week 34 on."""
    rows, matrix = by_channel(phone=0, app=34)
    pilot = reports(np.array([2]), np.array(["app"], dtype=object))
    matrix[2] += 1
    found = settled_counts(pd.concat([rows, pilot], ignore_index=True), weekly(matrix, np.array([0]), np.array([0])))
    assert found is not None
    assert found.introduced["channel"].tolist() == ["app"]
