"""The features of a case's progress, worked out by hand at each of its landmarks."""

from __future__ import annotations

import numpy as np
import pytest

from data.boundary import violations
from data.schema import EventKind
from features.landmarks import landmarks
from features.progress import PROGRESS, PROGRESS_FEATURES
from tests.support.logs import event_frame

# 2023-11-15 06:13:20 in Shanghai.
T = 1_700_000_000
HOUR, DAY = 3600, 86_400
NAN = np.nan


def _landmarks(*rows, **options):
    log = event_frame([{"case_id": "c1", "known_at": row["at"], **row} for row in rows])
    chosen = {"kinds": ["opening", "event"], "as_of": T + 30 * DAY, **options}
    return landmarks(log, time_zone="Asia/Shanghai", **chosen)


def _values(name, found):
    return PROGRESS[name](found)


STORY = (
    {"kind": "opened", "at": T - HOUR, "known_at": T, "office": "north"},
    {"kind": "transferred", "at": T + HOUR, "known_at": T + 2 * HOUR, "office": "south"},
    {"kind": "paused", "at": T + 4 * HOUR},
    {"kind": "replied", "at": T + 6 * HOUR},
    {"kind": "resumed", "at": T + 9 * HOUR},
    {"kind": "handed_up", "at": T + 10 * HOUR, "office": "north"},
    {"kind": "closed", "at": T + 12 * HOUR},
    {"kind": "reopened", "at": T + 20 * HOUR, "due_at": T + 3 * DAY},
    {"kind": "amended", "at": T + 22 * HOUR, "due_at": T + 4 * DAY},
)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("hours_since_opening", [1, 3, 5, 7, 10, 11, 13, 21, 23]),
        ("hours_since_last_event", [0] * 9),
        ("events_so_far", [1, 2, 3, 4, 5, 6, 7, 8, 9]),
        ("is_open", [1, 1, 1, 1, 1, 1, 0, 1, 1]),
        ("times_handed_over", [0, 1, 1, 1, 1, 2, 2, 2, 2]),
        ("times_handed_up", [0, 0, 0, 0, 0, 1, 1, 1, 1]),
        ("times_returned", [0, 0, 0, 0, 0, 1, 1, 1, 1]),
        ("hours_at_office", [1, 1, 3, 5, 8, 0, 2, 10, 12]),
        ("times_reopened", [0, 0, 0, 0, 0, 0, 0, 1, 1]),
        ("hours_since_reopening", [NAN, NAN, NAN, NAN, NAN, NAN, NAN, 0, 2]),
        ("times_replied", [0, 0, 0, 1, 1, 1, 1, 1, 1]),
        ("times_paused", [0, 0, 1, 1, 1, 1, 1, 1, 1]),
        ("hours_paused", [0, 0, 0, 2, 5, 5, 5, 5, 5]),
        ("is_paused", [0, 0, 1, 1, 0, 0, 0, 0, 0]),
        ("promise_changes", [0, 0, 0, 0, 0, 0, 0, 0, 1]),
        ("last_step_opened", [1, 0, 0, 0, 0, 0, 0, 0, 0]),
        ("last_step_handed_up", [0, 0, 0, 0, 0, 1, 0, 0, 0]),
        ("last_step_closed", [0, 0, 0, 0, 0, 0, 1, 0, 0]),
        ("last_step_amended", [0, 0, 0, 0, 0, 0, 0, 0, 1]),
    ],
)
def test_progress_is_what_the_events_so_far_say(name, expected):
    """Each feature at the opening and after each of eight events."""
    values = _values(name, _landmarks(*STORY))
    assert values.dtype == np.float64
    np.testing.assert_array_equal(values, expected)


def test_time_passes_between_events():
    """The next morning nothing new is known, and age, silence and a running pause have grown."""
    story = (
        {"kind": "opened", "at": T, "office": "north"},
        {"kind": "paused", "at": T + HOUR, "known_at": T + 3 * HOUR},
    )
    found = _landmarks(*story, kinds=["morning"], as_of=T + 3 * DAY)
    later = (found["landmark_at"].to_numpy("int64") - T) / HOUR
    assert len(later) == 3
    # The first morning lies 47 minutes after the opening: the pause is not known yet.
    np.testing.assert_array_equal(_values("hours_since_opening", found), later)
    np.testing.assert_array_equal(_values("hours_since_last_event", found), later - [0, 3, 3])
    np.testing.assert_array_equal(_values("hours_paused", found), [0, later[1] - 1, later[2] - 1])
    np.testing.assert_array_equal(_values("hours_at_office", found), later)


def test_a_case_that_no_office_has_yet_has_been_at_none():
    """Null, not zero."""
    found = _landmarks({"kind": "opened", "at": T}, {"kind": "assigned", "at": T + HOUR, "office": "north"})
    np.testing.assert_array_equal(_values("hours_at_office", found), [NAN, 0])


def test_at_each_landmark_one_step_is_the_last():
    """Exactly one of the flags is set, for every kind of event that can be the last at a landmark."""
    found = _landmarks(*STORY, {"kind": "assigned", "at": T + 30 * HOUR, "office": "south"})
    flags = [PROGRESS[name](found) for name in PROGRESS if name.startswith("last_step_")]
    np.testing.assert_array_equal(np.sum(flags, axis=0), np.ones(10))
    assert len(flags) == len(EventKind) - 2


def test_every_feature_is_declared_once_with_its_formula():
    """Names, families and words; nothing that the boundary refuses."""
    names = [feature.name for feature in PROGRESS_FEATURES]
    assert names == list(PROGRESS)
    assert len(set(names)) == len(names)
    assert {feature.family for feature in PROGRESS_FEATURES} == {"progress"}
    assert not violations("progress", names)
    assert not violations("progress", [word for one in PROGRESS_FEATURES for word in (one.label_zh, one.label_en)])


def test_what_is_called_never_null_never_is():
    """At an opening that says nothing but that it happened."""
    found = _landmarks({"kind": "opened", "at": T})
    for feature in PROGRESS_FEATURES:
        assert np.isnan(PROGRESS[feature.name](found)).any() == (feature.null != "never null"), feature.name
