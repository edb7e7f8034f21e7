"""Laws of remaining time: no crossings, no contradiction with the late risk, and nothing from the future."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.remaining_time import DeadlineShape, Distribution, RemainingTime, coherent
from models.remaining_time.censoring import masses
from models.remaining_time.rolling import AdaptiveLevels, History, refit_moments, rolling_distributions

Floats = NDArray[np.float64]
LEVELS = np.array([0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975])
ASKED = np.array([0.001, 0.025, 0.1, 0.3, 0.5, 0.5001, 0.8, 0.9, 0.975, 0.999])
seeds = st.integers(0, 10_000)


def curves(seed: int, n: int = 6) -> Distribution:
    """Random curves, some with knots that coincide, some that start at zero."""
    rng = np.random.default_rng(seed)
    steps = rng.exponential(0.5, (n, len(LEVELS))) * (rng.random((n, len(LEVELS))) < 0.8)
    return Distribution(LEVELS, np.cumsum(steps, axis=1), 3600.0)


def risks(seed: int, n: int = 6) -> tuple[Floats, Floats]:
    """Deadlines ahead, and late risks, certain ones among them."""
    rng = np.random.default_rng(seed + 1)
    p = rng.choice([0.0, 0.1, 0.5, 1.0, np.nan], n)
    return rng.exponential(3600 * 10, n) + 1e-3, np.where(np.isnan(p), rng.random(n), p)


@given(seeds, seeds)
def test_levels_never_cross_and_survival_inverts(seed: int, other: int) -> None:
    """Quantiles do not fall with the level; P(remaining <= quantile) reaches the level, and falls short just before."""
    for found in (curves(seed), coherent(curves(seed), *risks(other))):
        q = found.quantile(ASKED)
        assert np.all(np.diff(q, axis=1) >= 0)
        assert np.all(q >= 0)
        for j, level in enumerate(ASKED):
            # Where nearly nothing lies beyond a deadline, a level there is known to few digits.
            assert np.all(found.cdf(q[:, j] * (1 + 1e-9) + 1e-9) >= level - 1e-4)


@given(seeds, seeds)
def test_no_contradiction_with_the_late_risk(seed: int, other: int) -> None:
    """P(remaining > deadline) is the risk, and a quantile lies beyond the deadline iff the risk exceeds 1 - level."""
    due, p = risks(other)
    plain = coherent(curves(seed), due, p)
    rng = np.random.default_rng(other)
    shape = DeadlineShape.fit(plain, rng.exponential(3600 * 10, len(plain)))
    for found in (plain, shape.apply(plain)):
        held = np.clip(p, 1e-6, 1 - 1e-6)
        assert np.allclose(found.survival(due), held, atol=1e-12)
        beyond = found.quantile(ASKED) > due[:, None]
        clear = np.abs(held[:, None] - (1 - ASKED)) > 1e-12
        assert np.array_equal(beyond[clear], (held[:, None] > 1 - ASKED)[clear])
        lower, upper = found.interval(0.8)
        clear = (np.abs(held - 0.1) > 1e-12) & (np.abs(held - 0.9) > 1e-12)
        assert np.array_equal((upper > due)[clear], (held > 0.1)[clear])
        assert np.array_equal((lower > due)[clear], (held > 0.9)[clear])


@given(seeds, seeds)
def test_the_warp_keeps_the_shape_on_either_side(seed: int, other: int) -> None:
    """Given the side of the deadline, probabilities are what they were: least divergence."""
    due, p = risks(other)
    plain, bent = curves(seed), coherent(curves(seed), due, p)
    u, v = np.clip(plain.cdf(due), 1e-12, 1 - 1e-12), 1 - np.clip(p, 1e-6, 1 - 1e-6)
    half = due / 2
    assert np.allclose(bent.cdf(half) / v, np.minimum(plain.cdf(half) / u, 1.0), atol=1e-9)


@given(seeds, seeds)
def test_agreeing_already_changes_nothing(seed: int, other: int) -> None:
    """The risk that the curve gives itself leaves it where it is."""
    due, _ = risks(other)
    plain = curves(seed)
    same = coherent(plain, due, plain.survival(due))
    assert np.allclose(same.cdf(due * 0.7), plain.cdf(due * 0.7), atol=1e-5)


@given(seeds, st.integers(2, 40))
def test_kaplan_meier_without_censoring_is_counting(seed: int, n: int) -> None:
    """Without open cases every row has its own weight; with them no mass appears or is lost before the last."""
    rng = np.random.default_rng(seed)
    value, censored = rng.integers(0, 9, n).astype(float), rng.random(n) < 0.4
    assert np.allclose(masses(value, np.zeros(n, bool)), 1 / n)
    mass = masses(value, censored)
    assert np.all(mass[censored] == 0)
    last_ends = not censored[value == value.max()].any()
    assert mass.sum() <= 1 + 1e-12
    assert (abs(mass.sum() - 1) < 1e-9) == last_ends


def history(seed: int, n: int = 240) -> History:
    """Landmarks over time; a fifth of the cases is still open at the end."""
    rng = np.random.default_rng(seed)
    at = np.sort(rng.integers(0, 10_000, n)).astype(np.int64)
    y = np.round(rng.exponential(1500, n))
    case = rng.permutation(np.repeat(np.arange(n // 2), 2))
    known = at + y.astype(np.int64)
    return History(rng.normal(size=(n, 2)), y, at, known, case, rng.random(n) < 0.2)


def changed_after(told: History, moment: int, seed: int) -> History:
    """Everything that became known at or after a moment is other; what was known before is the same."""
    rng = np.random.default_rng(seed)
    n = len(told.y)
    later, unknown = told.at >= moment, told.known_at >= moment
    # A wait that was still going on at the moment goes on at least to it.
    y = np.where(later, rng.exponential(900, n), np.where(unknown, moment - told.at + rng.exponential(900, n), told.y))
    known = np.where(unknown, np.maximum(told.at + np.ceil(y).astype(np.int64), moment), told.known_at)
    X = np.where(later[:, None], rng.normal(size=told.X.shape), told.X)
    flipped = np.where(unknown, rng.random(n) < 0.5, told.censored)
    return History(X, y, told.at, known, told.groups, flipped)


@settings(max_examples=8, deadline=None)
@given(seeds, st.sampled_from([4000, 6500, 9000]))
def test_nothing_known_after_the_cut_changes_a_bit(seed: int, cut: int) -> None:
    """A model of what was known before a moment is the same file, whatever came at or after it."""
    told = history(seed)
    files = []
    for one in (told, changed_after(told, cut, seed + 1)):
        X, rest = one.before(cut)
        files.append(RemainingTime(rounds=6).fit(X, rest.pop("y"), **rest).to_files())
    assert files[0] == files[1]


@settings(max_examples=6, deadline=None)
@given(seeds, st.integers(5500, 9500))
def test_rolling_sees_only_the_past(seed: int, moment: int) -> None:
    """Refitted and adapted intervals of landmarks before a moment do not know what came at or after it."""
    told = history(seed)
    rows = np.flatnonzero(told.at >= 5000)
    moments = refit_moments(told.at[rows], 2)
    seen = []
    for one in (told, changed_after(told, moment, seed + 1)):
        found = rolling_distributions(lambda: RemainingTime(rounds=4), one, rows, moments)
        for asked, curve in found:
            early = told.at[asked] < moment
            lower, upper, level = AdaptiveLevels(0.8, step=0.05).intervals(
                curve, one.y[asked], one.at[asked], one.known_at[asked], one.censored[asked]
            )
            seen.append(np.concatenate([lower[early], upper[early], level[early], curve.median()[early]]))
    half = len(seen) // 2
    assert all(np.array_equal(a, b) for a, b in zip(seen[:half], seen[half:], strict=True))


@settings(max_examples=5, deadline=None)
@given(seeds)
def test_cases_are_never_on_both_sides(seed: int) -> None:
    """A case that learns does not conformalise, and none that learns began after one that checks it."""
    from models.remaining_time.parts import parts_by_time
    from models.remaining_time.stack import Rows

    told = history(seed)
    n = len(told.y)
    rows = Rows(told.X, np.zeros(n), told.y, told.censored, np.ones(n), told.at, told.groups)
    parts = parts_by_time(rows, told.known_at, 0.2)
    assert parts.conform is not None
    assert parts.judge is not None
    assert parts.before_judge is not None
    for learns, checks in ((parts.learn, parts.conform), (parts.before_judge, parts.judge)):
        assert not set(learns.groups) & set(checks.groups)
        assert learns.at.max() < checks.at.min()
        assert np.all(learns.at + learns.y <= checks.at.min() + 1e-9)
