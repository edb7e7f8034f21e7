"""Drift: the stability index by hand, its noise, what was told against what came, and nothing of the future."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import ModelError
from models.drift import Bins, Material, Move, stability_index, told_against_came
from models.drift.bins import ALPHA, SMALLEST, chance_limit, expected_by_chance, level_of
from models.drift.material import is_of_the_city
from models.drift.told import wilson


@pytest.mark.parametrize(
    ("today", "before", "expected"),
    [
        # (0.6 - 0.5) ln(0.6 / 0.5) + (0.4 - 0.5) ln(0.4 / 0.5) = 0.1 (0.182322 + 0.223144)
        ([60, 40], [50, 50], 0.0405465),
        # 0.2 ln 3 + (-0.2) ln(1/3) of shares 0.3, 0.1 and 0.1, 0.3; the third bin adds nothing
        ([30, 10, 60], [10, 30, 60], 0.4 * np.log(3)),
        # An empty bin: half a case for each. (10.5, 0.5, 10.5) of 21.5 against (7.5, 7.5, 6.5) of 21.5
        ([10, 0, 10], [7, 7, 6], (3 * np.log(10.5 / 7.5) - 7 * np.log(0.5 / 7.5) + 4 * np.log(10.5 / 6.5)) / 21.5),
        # A bin that is empty in both is none.
        ([60, 40, 0], [50, 50, 0], 0.0405465),
    ],
)
def test_the_index_is_what_it_is_by_hand(today, before, expected):
    """The sum over bins of (p - q) ln(p / q)."""
    assert stability_index(np.array(today), np.array(before)) == pytest.approx(expected, abs=1e-6)


@given(st.lists(st.integers(1, 500), min_size=2, max_size=12))
def test_the_index_of_the_same_counts_is_nothing(counts):
    """Exactly 0, and it is never below; the same both ways round."""
    here = np.array(counts)
    assert stability_index(here, here) == 0.0
    other = here[::-1].copy()
    assert stability_index(here, other) >= 0
    assert stability_index(here, other) == pytest.approx(stability_index(other, here))


def test_its_mean_by_chance_is_that_of_the_law():
    """(k - 1)(1/n + 1/m), and of 4,000 draws with no change."""
    rng = np.random.default_rng(1)
    share = np.array([0.1, 0.2, 0.3, 0.4])
    drawn = [stability_index(rng.multinomial(400, share), rng.multinomial(1000, share)) for _ in range(4000)]
    expected = expected_by_chance(np.array([40, 80, 120, 160]), np.array([100, 200, 300, 400]))
    assert expected == pytest.approx(3 * (1 / 400 + 1 / 1000))
    assert np.mean(drawn) == pytest.approx(expected, rel=0.05)
    limit = chance_limit(np.array([40, 80, 120, 160]), np.array([100, 200, 300, 400]), 1.0, 0.05)
    assert np.mean(np.array(drawn) > limit) == pytest.approx(0.05, abs=0.012)


def test_nothing_is_called_moved_without_a_move():
    """In at least 99 of 100 of 2,000 draws, whatever the values are like and however few cases there are."""
    rng = np.random.default_rng(2)
    kinds = [
        lambda n: rng.normal(size=n),
        lambda n: rng.poisson(0.3, n).astype(float),
        lambda n: np.where(rng.random(n) < 0.3, np.nan, rng.exponential(size=n)),
        lambda n: (rng.random(n) < 0.05).astype(float),
    ]
    false = 0
    for draw in range(2000):
        make = kinds[draw % 4]
        before, today = make(400), make((50, 80, 200, 600)[draw // 4 % 4])
        bins = Bins.of(before)
        assert bins is not None
        false += Move.between("any", bins, today, cases=400, tests=1).level in ("moved", "moved_much")
    assert false <= 20


@pytest.mark.parametrize(("shift", "level"), [(0.0, "stable"), (0.45, "moved"), (1.2, "moved_much")])
def test_a_move_is_found(shift, level):
    """By the customary limits, once it is beyond chance."""
    rng = np.random.default_rng(3)
    bins = Bins.of(rng.normal(size=3000))
    assert bins is not None
    found = Move.between("any", bins, rng.normal(shift, size=1500), cases=3000, tests=80)
    assert found.level == level


def test_a_move_within_what_was_usual_is_none():
    """Weeks that always lay apart say nothing of today."""
    rng = np.random.default_rng(4)
    weeks = np.repeat(np.arange(10), 200)
    values = rng.normal(size=2000) + np.where(weeks % 2 == 0, 1.0, -1.0)
    apart, together = Bins.of(values, weeks), Bins.of(values)
    assert apart is not None
    assert together is not None
    today = rng.normal(1.0, size=400)
    assert apart.usual > 0.3
    assert Move.between("any", together, today, cases=2000, tests=1).level == "moved_much"
    assert Move.between("any", apart, today, cases=2000, tests=1).level == "stable"


def test_too_few_cases_say_nothing():
    """No index, no level."""
    bins = Bins.of(np.arange(500.0))
    assert bins is not None
    found = Move.between("any", bins, np.arange(49.0), cases=500, tests=1)
    assert (found.index, found.level) == (None, "unknown")
    assert Bins.of(np.arange(49.0)) is None
    assert level_of(0.3, 0.1, None) == "unknown"


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(st.floats(-1e6, 1e6), st.just(float("nan")), st.integers(0, 3)), min_size=60, max_size=300))
def test_no_bin_tells_of_a_case(values):
    """Ten cases or more in each, the missing too, and edges of three digits."""
    found = Bins.of(np.array(values, dtype=float))
    if found is None:
        return
    assert min(found.counts) >= SMALLEST
    assert found.missing == 0 or found.missing >= SMALLEST
    for edge in found.edges:
        assert edge == pytest.approx(float(f"{edge:.3g}"), rel=1e-9, abs=1e-300)
    assert Bins.from_dict(json.loads(json.dumps(found.as_dict()))) == found


@pytest.mark.parametrize(
    "change",
    [{"counts": [9, 400]}, {"edges": [2.0, 1.0], "counts": [50, 50, 50]}, {"missing": 3}, {"counts": [50]}],
)
def test_damaged_bins_are_refused(change):
    """Small cells and edges that do not ascend are no bins."""
    told = {"edges": [1.0], "counts": [50, 50], "missing": 0, "usual": 0.0, **change}
    with pytest.raises(ModelError, match="Expected bins with ascending edges and 10 cases or more in each"):
        Bins.from_dict(told)


@pytest.mark.parametrize("data", [b"{}", b"no json", b'{"format": 1, "cases": 5}', b'{"format": 1, "cases": NaN}'])
def test_damaged_material_is_refused(data):
    """Nothing of it is believed."""
    with pytest.raises(ModelError, match=r"Expected a whole material\.json"):
        Material.from_file(data)


def test_material_of_another_format_is_refused():
    """Saying which."""
    with pytest.raises(ModelError, match="Expected material of format 1, got 7"):
        Material.from_file(b'{"format": 7}')


def test_what_was_told_is_held_against_what_came():
    """By hand: 60 cases with two rows each, told 0.2, of whom 12 came; each case counts once."""
    told, came = np.full(120, 0.2), np.repeat((np.arange(60) < 12).astype(float), 2)
    found = told_against_came(told, came, np.repeat(np.arange(60), 2))
    assert (found.cases, found.told, found.came) == (60, pytest.approx(0.2), pytest.approx(0.2))
    assert (found.lower, found.upper) == pytest.approx(wilson(0.2, 60))
    assert found.holds is True
    wrong = told_against_came(np.full(60, 0.05), came[::2], np.arange(60))
    assert wrong.holds is False
    assert wrong.gap is not None
    assert wrong.gap_by_chance is not None
    assert wrong.gap > wrong.gap_by_chance


def test_of_few_mature_cases_only_their_number_is_told():
    """Forty-nine say nothing, however many rows they have."""
    found = told_against_came(np.full(490, 0.3), np.zeros(490), np.repeat(np.arange(49), 10))
    assert found.cases == 49
    assert (found.told, found.came, found.holds, found.gap) == (None, None, None, None)


def test_honest_risks_hold_in_nineteen_of_twenty():
    """The interval and the gap by chance have the level that they say."""
    rng = np.random.default_rng(5)
    holds = within = 0
    for _ in range(300):
        told = rng.beta(2, 5, 200)
        found = told_against_came(told, (rng.random(200) < told).astype(float), np.arange(200))
        holds += found.holds is True
        within += found.gap is not None and found.gap_by_chance is not None and found.gap <= found.gap_by_chance
    # The share varies less than a binomial of one rate: the interval is wide enough, never too narrow.
    assert holds >= 280
    assert within >= 275


def test_the_level_leaves_room_for_many_scorings():
    """One scoring of two hundred calls something moved where nothing has."""
    assert ALPHA == 0.005


def test_a_measure_that_was_always_the_same_is_not_called_stable():
    """60 zeros then and 60 now lie in one bin: the index is 0 whatever they do. With ten missing there are two bins."""
    same = Bins.of(np.zeros(60))
    assert same is not None
    assert (same.edges, same.counts) == ((), (60,))
    move = Move.between("x", same, np.zeros(60), cases=60, tests=1)
    assert (move.index, move.level) == (None, "unknown")
    partly = Bins.of(np.array([0.0] * 50 + [np.nan] * 50))
    assert partly is not None
    # Shares 0.9, 0.1 and 0.5, 0.5: 0.4 ln 1.8 - 0.4 ln 0.2 = 0.4 ln 9.
    moved = Move.between("x", partly, np.array([0.0] * 90 + [np.nan] * 10), cases=100, tests=1)
    assert moved.index == pytest.approx(0.4 * np.log(9))
    assert moved.level == "moved_much"


def test_a_number_of_the_whole_city_is_told_from_one_of_cases():
    """One value on each of three mornings, and not always the same."""
    mornings = np.repeat([1, 2, 3], 4)
    city = np.repeat([5.0, 6.0, 7.0], 4)
    assert is_of_the_city(city, mornings)
    assert is_of_the_city(np.repeat([5.0, np.nan, 7.0], 4), mornings)
    one_differs = city.copy()
    one_differs[0] = 4.0
    assert not is_of_the_city(one_differs, mornings)
    missing = city.copy()
    missing[0] = np.nan
    assert not is_of_the_city(missing, mornings)
    # Always the same number is a constant, and a single row a morning is no sign.
    assert not is_of_the_city(np.full(12, 5.0), mornings)
    assert not is_of_the_city(np.arange(12.0), np.arange(12))
