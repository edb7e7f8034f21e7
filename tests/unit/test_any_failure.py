"""The risk of any failure agrees with the risks it is made of."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from models.any_failure import AnyFailure, bounds

PARTS = arrays(
    np.float64, st.tuples(st.integers(1, 6), st.integers(1, 4)), elements=st.one_of(st.floats(0, 1), st.just(np.nan))
)


def test_a_hand_worked_value():
    """Parts .5 and .3 lie between .5 and .8; a weight of .5 is in the middle."""
    assert AnyFailure(weight=0.5).probability(np.array([[0.5, 0.3]])) == pytest.approx([0.65])
    assert AnyFailure(weight=1.0).probability(np.array([[0.9, 0.3]])) == pytest.approx([1.0])


@given(PARTS, st.floats(0, 1))
def test_it_never_contradicts_its_parts(parts, weight):
    """At least each part, at most their sum, and null only where nothing can fail any more."""
    told = AnyFailure(weight).probability(parts)
    possible = ~np.isnan(parts)
    assert (np.isnan(told) == ~possible.any(axis=1)).all()
    some = possible.any(axis=1)
    low, high = (found[some] for found in bounds(parts))
    assert (told[some] >= low).all()
    assert (told[some] <= high).all()


@given(PARTS, st.floats(0, 1), st.floats(0, 1))
def test_it_grows_where_a_part_grows(parts, weight, by):
    """So that the ends of the parts' intervals give the ends of its own."""
    more = np.minimum(parts + by * (1 - parts), 1.0)
    rule = AnyFailure(weight)
    some = ~np.isnan(parts).all(axis=1)
    assert (rule.probability(more)[some] >= rule.probability(parts)[some] - 1e-12).all()


@given(PARTS, st.floats(0, 1))
def test_the_shares_of_its_parts_add_up(parts, weight):
    """Reasons of the whole are those of the parts, each by its share."""
    rule = AnyFailure(weight)
    some = ~np.isnan(parts).all(axis=1)
    total = (rule.shares(parts) * np.nan_to_num(parts)).sum(axis=1)
    assert total[some] == pytest.approx(rule.probability(parts)[some], abs=1e-12)
    assert (rule.shares(parts)[np.isnan(parts)] == 0).all()


@pytest.mark.parametrize(("together", "expected"), [("never", 1.0), ("always", 0.0), ("independent", 0.7)])
def test_the_weight_is_found_from_what_happened(together, expected):
    """Failures that shut each other out, that come together, and that know nothing of each other."""
    rng = np.random.default_rng(1)
    parts = rng.uniform(0.1, 0.4, (20_000, 2))
    first, second = rng.random(20_000), rng.random(20_000)
    failed = {
        "never": (first < parts.sum(axis=1)),
        "always": (first < parts.max(axis=1)),
        "independent": (first < parts[:, 0]) | (second < parts[:, 1]),
    }[together]
    found = AnyFailure.fit(parts, failed.astype(float))
    assert found.weight == pytest.approx(expected, abs=0.05)
    assert found.n == 20_000


def test_where_nothing_leaves_room_for_doubt_the_usual_weight_stands():
    """One possible failure alone says nothing of how several go together."""
    assert AnyFailure.fit(np.array([[0.3, np.nan], [np.nan, 0.2]]), np.array([1.0, 0.0])) == AnyFailure()


def test_a_few_rows_hardly_move_it():
    """Three cases are an anecdote."""
    found = AnyFailure.fit(np.array([[0.4, 0.4]] * 3), np.zeros(3))
    assert 0.6 < found.weight < 0.85
    assert AnyFailure.from_dict(found.as_dict()) == found
