"""False discoveries over a whole life of tests: hand-worked levels, what is spent, and what is realised."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy import special

from data.errors import InputError, UsageError
from models.signals.online_fdr import Addis, BatchBH, LordPlusPlus, Saffron, lifetime_spending, spending

ALL = (LordPlusPlus(), Saffron(), Addis(), BatchBH())
FIRST = 1.0 / special.zeta(1.6, 1)
SECOND, THIRD = FIRST * 2**-1.6, FIRST * 3**-1.6


def test_the_shares_of_an_allowance_sum_to_one():
    """Over a million tests to all but what an integral says is left; before the allowance there is nothing."""
    shares = spending(np.arange(1.0, 1e6 + 1))
    assert shares.sum() + FIRST * (1e6 + 0.5) ** -0.6 / 0.6 == pytest.approx(1.0, abs=1e-9)
    assert spending(np.array([0.0, -3.0])).tolist() == [0.0, 0.0]
    assert sum(lifetime_spending(week, 0.1) for week in range(1000)) < 0.1


def test_lord_by_hand():
    """The start is spent along the shares; the first discovery earns the rest of alpha, the second all of it."""
    _, step = LordPlusPlus(alpha=0.1, start=0.04).step(np.array([1.0, 0.0, 0.0, 1.0]))
    fourth = FIRST * 4**-1.6
    expected = [0.04 * FIRST, 0.04 * SECOND, 0.04 * THIRD + 0.06 * FIRST, 0.04 * fourth + 0.06 * SECOND + 0.1 * FIRST]
    np.testing.assert_allclose(step.level, expected, rtol=1e-12)
    assert step.rejected.tolist() == [False, True, True, False]


def test_saffron_by_hand():
    """Candidates cost nothing: the second test gets the first's share again."""
    _, step = Saffron(alpha=0.1, start=0.04, candidate=0.5).step(np.array([0.4, 0.9, 0.9, 0.0, 0.9]))
    budget = [0.04 * FIRST, 0.04 * FIRST, 0.04 * SECOND, 0.04 * THIRD, 0.04 * THIRD + 0.06 * FIRST]
    np.testing.assert_allclose(step.level, 0.5 * np.array(budget), rtol=1e-12)
    assert step.rejected.tolist() == [False, False, False, True, False]


def test_addis_by_hand():
    """P-values above the discard line cost nothing either; those between cost one share."""
    _, step = Addis(alpha=0.1, start=0.04, candidate=0.25, discard=0.5).step(np.array([0.9, 0.2, 0.3, 1.0, 0.0]))
    budget = [0.04 * FIRST, 0.04 * FIRST, 0.04 * FIRST, 0.04 * SECOND, 0.04 * SECOND]
    np.testing.assert_allclose(step.level, 0.25 * np.array(budget), rtol=1e-12)


def test_batches_by_hand():
    """The second batch may use what is allowed by then, less what the first has at risk, more for its discoveries."""
    first = np.array([0.0, 0.001, 0.5, 0.9])
    state, step = BatchBH(alpha=0.1).step(first)
    level = 0.1 * FIRST
    np.testing.assert_allclose(step.level, level)
    assert step.rejected.tolist() == [True, True, False, False]
    # Had the largest been 0 too, three would have been rejected.
    at_risk = level * 3 / 3
    expected = (0.1 * (FIRST + SECOND) - at_risk) * (10 + 2) / 10
    assert state.next_level(10) == pytest.approx(expected)
    _, second = state.step(np.full(10, 0.9))
    np.testing.assert_allclose(second.level, expected)
    assert not second.rejected.any()


@pytest.mark.parametrize("state", ALL, ids=lambda one: type(one).__name__)
def test_what_it_believes_to_risk_never_exceeds_alpha(state):
    """Sum of levels (of those paid for) over discoveries, as each procedure estimates it, stays within alpha."""
    rng = np.random.default_rng(1)
    for _ in range(20):
        levels, rejections, p_all = [], 0, []
        after = state
        for _ in range(12):
            p = np.where(rng.uniform(size=30) < 0.2, rng.beta(0.1, 30.0, 30), rng.uniform(size=30))
            after, step = after.step(p)
            levels.append(step.level)
            rejections += int(step.rejected.sum())
            p_all.append(p)
        level, p = np.concatenate(levels), np.concatenate(p_all)
        risk = {
            "LordPlusPlus": level.sum(),
            "Saffron": (level * (p > 0.5)).sum() / 0.5,
            "Addis": (level * ((p > 0.25) & (p <= 0.5))).sum() / 0.25,
            "BatchBH": 0.0,
        }[type(state).__name__]
        assert risk / max(rejections, 1) <= 0.1 + 1e-12
        if isinstance(after, BatchBH):
            total = sum(after.rejections)
            parts = zip(after.levels, after.augmented, after.rejections, strict=True)
            assert sum(a * m / max(m + total - r, 1) for a, m, r in parts) <= 0.1 + 1e-12


@pytest.mark.parametrize("state", ALL, ids=lambda one: type(one).__name__)
def test_a_state_goes_through_json_and_steps_change_nothing_behind_its_back(state):
    """The state stored and read again goes on as if nothing had happened; the old state is as it was."""
    rng = np.random.default_rng(2)
    before = state.to_dict()
    after, _ = state.step(np.concatenate([rng.uniform(size=20), [0.0, 1e-9]]))
    assert state.to_dict() == before
    again = type(state).from_dict(json.loads(json.dumps(after.to_dict())))
    assert again == after
    p = rng.uniform(size=20)
    np.testing.assert_array_equal(again.step(p)[1].level, after.step(p)[1].level)


@pytest.mark.parametrize("state", ALL, ids=lambda one: type(one).__name__)
def test_what_comes_later_changes_nothing_before(state):
    """Levels and discoveries up to a week do not depend on the weeks after it, and a test not made is no test."""
    rng = np.random.default_rng(3)
    one, two = rng.uniform(size=15) ** 3, rng.uniform(size=15)
    middle, first = state.step(one)
    with_gap = np.insert(one, 4, np.nan)
    same, gap = state.step(with_gap)
    assert same == middle
    np.testing.assert_array_equal(np.delete(gap.rejected, 4), first.rejected)
    assert np.isnan(gap.level[4])
    assert not gap.rejected[4]
    assert state.step(np.full(2, np.nan))[0] == state
    if not isinstance(state, BatchBH):
        whole, both = state.step(np.concatenate([one, two]))
        np.testing.assert_array_equal(both.level[:15], first.level)
        assert whole == middle.step(two)[0]


def realised(state, rng: np.random.Generator, weeks: int, series: int, lasting: int) -> tuple[float, float]:
    """False-discovery proportion over a life of weeks, and the share of risen series-weeks found.

    Rises begin at random, last `lasting` weeks and are found or not in each of them; nulls are uniform.
    """
    told = wrong = found = risen_weeks = 0
    left = np.zeros(series, dtype=int)
    for _ in range(weeks):
        left = np.maximum(left - 1, 0)
        left[rng.uniform(size=series) < 0.05 / lasting] = lasting
        p = np.where(left > 0, rng.beta(0.15, 30.0, series), rng.uniform(size=series))
        state, step = state.step(p)
        told += int(step.rejected.sum())
        wrong += int((step.rejected & (left == 0)).sum())
        found += int((step.rejected & (left > 0)).sum())
        risen_weeks += int((left > 0).sum())
    return wrong / max(told, 1), found / max(risen_weeks, 1)


@pytest.mark.parametrize("state", ALL, ids=lambda one: type(one).__name__)
def test_few_discoveries_of_a_life_are_false(state):
    """Over ten lives of 20 weeks, with rises that last four of them, at most a tenth false plus Monte-Carlo error."""
    rng = np.random.default_rng(4)
    runs = np.array([realised(state, rng, 20, 50, 4) for _ in range(10)])
    assert runs[:, 0].mean() <= 0.10 + 2.0 * runs[:, 0].std() / np.sqrt(10)
    assert runs[:, 1].mean() > 0.1


def test_p_values_of_rare_counts_are_not_for_addis():
    """A tenth of a case a week, nothing ever happening: LORD++ and SAFFRON keep their level, ADDIS does not.

    Over 40 lives of 300 tests; with p-values made continuous (drawn evenly within the step) ADDIS keeps it too.
    """
    rng = np.random.default_rng(5)
    counts = rng.poisson(0.1, size=(40, 300))
    p = special.gammainc(np.maximum(counts, 1e-300), 0.1)
    p[counts == 0] = 1.0
    beyond = special.gammainc(counts + 1.0, 0.1)
    even = beyond + rng.uniform(size=p.shape) * (p - beyond)

    def wrong(state, lives):
        return np.mean([state.step(life)[1].rejected.any() for life in lives])

    most = 0.10 + 2.0 * np.sqrt(0.1 * 0.9 / 40)
    assert wrong(LordPlusPlus(), p) <= most
    assert wrong(Saffron(), p) <= most
    assert wrong(Addis(), even) <= most
    assert wrong(Addis(), p) > 0.5


def test_what_cannot_be_is_refused():
    """Impossible levels and p-values are named."""
    with pytest.raises(UsageError, match="alpha must lie between 0 and 1"):
        LordPlusPlus(alpha=1.5)
    with pytest.raises(UsageError, match="start must lie above 0 and below alpha"):
        Saffron(alpha=0.1, start=0.1)
    with pytest.raises(UsageError, match="candidate must be at least alpha"):
        Saffron(candidate=0.01)
    with pytest.raises(UsageError, match="candidate < discard"):
        Addis(candidate=0.6)
    with pytest.raises(UsageError, match="alpha must lie between 0 and 1"):
        BatchBH(alpha=0.0)
    for state in ALL:
        with pytest.raises(InputError, match="number 2 is neither"):
            state.step(np.array([0.5, 1.2]))
