"""Which mornings teach is settled by what was known at them."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from features.some_mornings import some_mornings


def mornings(n: int, seed: int = 1) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(rng.integers(1_600_000_000, 1_700_000_000, (n, 4)))
    frame.columns = pd.Index(["landmark_at", "opened_at", "due_at", "opened_known_at"])
    return frame.assign(kind=np.where(np.arange(n) % 3 == 0, "opening", "morning"))


@given(st.integers(0, 10**6), st.permutations(range(50)))
def test_neither_order_nor_names_settle_it(seed, order):
    """The same landmarks in another order, of cases called otherwise, are taken alike."""
    frame = mornings(50, seed)
    taken = some_mornings(frame, 10)
    shuffled = frame.iloc[order].assign(case_id="x").reset_index(drop=True)
    assert (some_mornings(shuffled, 10) == taken[order]).all()


def test_about_as_many_as_asked_are_taken_and_every_opening():
    """The share is that of a fair draw: 2,000 of 20,000 to within four standard errors."""
    frame = mornings(30_000)
    taken = some_mornings(frame, 2_000)
    morning = (frame["kind"] == "morning").to_numpy()
    assert taken[~morning].all()
    assert abs(taken[morning].sum() - 2_000) < 4 * np.sqrt(2_000)


def test_whether_a_morning_is_taken_has_nothing_to_do_with_its_neighbour():
    """Days that follow each other are taken as independently as any two."""
    days = np.arange(40_000)
    frame = pd.DataFrame({"landmark_at": 1_600_000_000 + 86_400 * days, "opened_at": 1_500_000_000, "due_at": 1 << 40})
    taken = some_mornings(frame.assign(opened_known_at=1_500_000_000, kind="morning"), 20_000)
    assert abs(np.corrcoef(taken[1:], taken[:-1])[0, 1]) < 4 / np.sqrt(len(days))


def test_where_there_are_no_more_all_are_taken():
    """A short history keeps every morning."""
    assert some_mornings(mornings(30), 1_000).all()
