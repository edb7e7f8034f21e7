"""What the intervals of pressure promise, by repeating the experiment; `-s` prints the figures.

Units of every size are simulated: a mean of cases a day over the year, from one in three weeks to twenty, and in each
28 days a rate of their own about it. What an interval is to hold is known there: the rate behind the counts, or the
number that came.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from data.event_log import NEVER
from models.signals import pressure
from models.signals.pressure_rates import N_WEEKS, WINDOW, Flow, ratio_quantile
from tests.support.weekly import show

DAY = 86_400
AS_OF = 1_735_722_000
DAYS = np.full(N_WEEKS, 5.0)


def flow(rng: np.random.Generator, mean: np.ndarray, firmness: float) -> tuple[Flow, np.ndarray]:
    """Weekly counts about a rate of four weeks, and the true rate of the newest."""
    windows = N_WEEKS // WINDOW
    rates = mean[:, None] * rng.gamma(firmness, 1.0 / firmness, (len(mean), windows))
    weekly = rng.poisson(np.repeat(rates, WINDOW, axis=1) * DAYS).astype(float)
    return Flow.of(weekly, DAYS, np.ones(weekly.shape, dtype=bool)), rates[:, 0]


def coverage(seed: int, firmness: float, cities: int) -> pd.DataFrame:
    """Of every unit: its mean, whether intervals of its rate and of its ratio hold the truth."""
    told = []
    for city in range(cities):
        rng = np.random.default_rng([seed, city])
        mean = np.exp(rng.uniform(np.log(0.05), np.log(20.0), 300))
        (opened, true_in), (closed, true_out) = flow(rng, mean, firmness), flow(rng, mean, firmness)
        above, below = opened.now(), closed.now()
        ends = [ratio_quantile(above, below, probability) for probability in (0.1, 0.9)]
        ratio = (ends[0] <= true_in / true_out) & (true_in / true_out <= ends[1])
        rate = (below.quantile(0.1) <= true_out) & (true_out <= below.quantile(0.9))
        told.append(pd.DataFrame({"mean": mean, "rate": rate, "ratio": ratio, "firmness": closed.firmness}))
    return pd.concat(told, ignore_index=True)


@pytest.mark.parametrize("firmness", [10.0, 40.0, 200.0])
def test_intervals_of_rates_and_ratios_hold_the_truth(firmness):
    """Of 80 percent: between 77 and 84 over all 3,000 units, and 74 to 87 in each third by size (error .7 and 1.3)."""
    told = coverage(1, firmness, 10)
    thirds = pd.qcut(told["mean"], 3, labels=["small", "middle", "large"])
    by_size = told.groupby(thirds, observed=True)[["rate", "ratio"]].mean()
    show(f"\nfirmness {firmness:g}, estimated {told['firmness'].mean():.0f}; held:\n{by_size.round(3).to_string()}")
    for name in ("rate", "ratio"):
        assert 0.77 <= told[name].mean() <= 0.84
        assert by_size[name].between(0.74, 0.87).all()


def test_small_units_are_nearer_the_truth_than_their_own_counts():
    """The mean squared error of the log rate of units under a case a day is less than half of that of plain counts."""
    rng = np.random.default_rng(5)
    mean = np.exp(rng.uniform(np.log(0.1), np.log(1.0), 2000))
    counted, truth = flow(rng, mean, 40.0)
    plain = (counted.weekly[:, :WINDOW].sum(axis=1) + 0.5) / 20.0
    shrunken, own = (np.mean(np.log(one / truth) ** 2) for one in (counted.now().quantile(0.5), plain))
    show(f"\nmean squared error of the log rate: {shrunken:.3f} shrunken, {own:.3f} by the 28 days alone")
    assert shrunken < 0.5 * own


def town(rng: np.random.Generator, shared: float, units: int) -> tuple[pd.DataFrame, pd.Series, np.ndarray]:
    """A year of cases with a promise of 21 days; the calibrated probabilities, and who becomes late.

    `shared` is the correlation of two cases of one unit and fortnight.
    """
    size = rng.integers(1, 25, units)
    unit = np.repeat(np.arange(units), size * 28)
    due = AS_OF + 14 * DAY - 1 - rng.integers(0, 28 * 14 * DAY, len(unit))
    fortnight = (AS_OF + 14 * DAY - 1 - due) // (14 * DAY)
    usual = rng.beta(2, 6, units)
    mean = np.clip(usual[unit] * rng.uniform(0.5, 1.5, len(unit)), 0.01, 0.99)
    chance = mean
    if shared > 0:
        # Every case of a unit and fortnight is moved alike: one beta share, through the ranks of a uniform.
        weight = 1 / shared - 1
        moved = rng.beta(usual[:, None] * weight, (1 - usual[:, None]) * weight, (units, 28))[unit, fortnight]
        chance = np.clip(moved * mean / usual[unit], 0, 1)
    late = rng.random(len(unit)) < chance
    opened = due - 21 * DAY
    closed = np.where(late, due + 3 * DAY, due - rng.integers(1, 7 * DAY, len(unit)))
    # All that are due soon are still open at the as-of.
    soon = due >= AS_OF
    closed = np.where(soon | (closed >= AS_OF), NEVER, closed)
    frame = pd.DataFrame(
        {
            "case_id": [f"k{row}" for row in range(len(unit))],
            "area": [f"a{code:03d}" for code in unit],
            "office": "o",
            "opened_at": opened,
            "opened_known_at": opened,
            "due_at": due,
            "closed_at": closed,
            "closed_known_at": closed,
            "withdrawn_known_at": NEVER,
        }
    )
    came = np.bincount(unit[soon & late], minlength=units)
    return frame, pd.Series(mean, index=frame["case_id"]), came


@pytest.mark.parametrize("shared", [0.0, 0.1])
def test_the_number_that_becomes_late_lies_in_its_interval(shared):
    """Of 80 percent: at least 77, at most 93 (whole numbers make it more); and the expected sum is the realised one."""
    held, expected, came = [], 0.0, 0
    for seed in range(5):
        frame, probability, truth = town(np.random.default_rng([9, seed]), shared, 40)
        found = pressure(frame, as_of=AS_OF, time_zone="UTC", expected_late=probability)
        held.append((found["late_14d_low"] <= truth) & (truth <= found["late_14d_high"]))
        expected, came = expected + float(found["late_14d"].sum()), came + int(truth.sum())
    share = float(np.mean(np.concatenate(held)))
    show(f"\nlate within two weeks, shared {shared}: held {share:.3f}; expected {expected:.0f}, came {came}")
    assert 0.77 <= share <= 0.93
    assert abs(expected / came - 1.0) < 0.1
