"""Which mornings teach is settled by what was known at them."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from features.landmarks import landmarks
from features.some_mornings import taken_mornings
from tests.support.logs import event_frame

DAY = 86_400


def known(n: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(1_600_000_000, 1_700_000_000, (4, n))


@given(st.integers(0, 10**6), st.permutations(range(50)))
def test_the_order_does_not_settle_it(seed, order):
    """The same mornings in another order are taken alike."""
    values = known(50, seed)
    assert (taken_mornings(values[:, order], 10) == taken_mornings(values, 10)[order]).all()


def test_about_as_many_as_asked_are_taken():
    """The share is that of a fair draw: 2,000 of 30,000 to within four standard errors."""
    assert abs(taken_mornings(known(30_000), 2_000).sum() - 2_000) < 4 * np.sqrt(2_000)


def test_whether_a_morning_is_taken_has_nothing_to_do_with_its_neighbour():
    """Days that follow each other are taken as independently as any two."""
    n = 40_000
    same = [np.full(n, moment) for moment in (1_500_000_000, 1 << 40, 1_500_000_000)]
    taken = taken_mornings([1_600_000_000 + DAY * np.arange(n), *same], n // 2)
    assert abs(np.corrcoef(taken[1:], taken[:-1])[0, 1]) < 4 / np.sqrt(n)


def test_where_there_are_no_more_all_are_taken():
    """A short history keeps every morning, and none is none."""
    assert taken_mornings(known(30), 1_000).all()
    assert len(taken_mornings(known(0), 5)) == 0


def test_landmarks_take_some_mornings_and_every_opening_and_event():
    """What is left are rows of the whole, in its order; how a case ended has no say in which."""
    rows = []
    for number in range(200):
        at = 1_700_000_000 + 3_600 * number
        closed = at + (3 + number % 40) * DAY
        rows.append({"case_id": f"c{number:03d}", "kind": "opened", "at": at, "known_at": at})
        rows.append({"case_id": f"c{number:03d}", "kind": "closed", "at": closed, "known_at": closed})
    asked = {"time_zone": "Asia/Shanghai", "as_of": 1_700_000_000 + 90 * DAY}
    whole = landmarks(event_frame(rows), **asked)
    some = landmarks(event_frame(rows), **asked, most_mornings=400)
    assert some["kind"].value_counts()[["opening", "event"]].tolist() == [200, 200]
    assert 300 < (some["kind"] == "morning").sum() < 500
    names = ["case_id", "landmark_at", "seen_until"]
    both = some[names].merge(whole[names].reset_index(), how="left", on=names)
    assert both["index"].is_monotonic_increasing
    columns = [name for name in whole if name not in ("landmark", "promise", "promise_fine")]
    same = whole.loc[both["index"], columns].reset_index(drop=True)
    pd.testing.assert_frame_equal(some[columns], same, check_dtype=False, check_categorical=False)
