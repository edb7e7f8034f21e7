"""Intervals of a back-test in a repeated experiment: they hold the true figure about as often as they say."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from models.validation.judge import Judge
from models.validation.rows import Rows

pytestmark = pytest.mark.slow

DAY = 86_400
MONDAY = 1_600_041_600
WEEKS = 26
PER_WEEK = 60
TRIALS = 300


def _drawn(rng: np.random.Generator, weeks: int) -> tuple[Rows, np.ndarray, np.ndarray]:
    """Cases whose weeks share a shock, with what a model and a baseline say of them; some cases have several rows."""
    cases = weeks * PER_WEEK
    week = np.repeat(np.arange(weeks), PER_WEEK)
    shock = rng.normal(0, 0.5, weeks)[week]
    signal = rng.normal(size=cases)
    y = (rng.random(cases) < 1 / (1 + np.exp(-(signal - 1 + shock)))).astype(float)
    times = rng.integers(1, 4, cases)
    case = np.repeat(np.arange(cases), times)
    noise = rng.normal(0, 0.3, len(case))
    # The figures of very many weeks, which are the truth, need no blocks of their own.
    at = MONDAY + (week[case] % WEEKS * 7 + rng.integers(0, 7, len(case))) * DAY
    model = 1 / (1 + np.exp(-(signal[case] - 1 + noise)))
    baseline = 1 / (1 + np.exp(-(0.6 * signal[case] - 1 + 2 * noise)))
    table, keys = np.zeros((len(case), 1)), pd.DataFrame(index=range(len(case)))
    return Rows(table, y[case], at, at, case, keys, MONDAY + 9999 * DAY), model, baseline


def _figures(judge: Judge, model: np.ndarray, baseline: np.ndarray) -> dict:
    mine, theirs = judge.draws(model), judge.draws(baseline)
    gaps = {f"{name} against it": one for name, one in judge.differences(mine, theirs).items()}
    return {**judge.estimates(mine), **gaps, "skill": judge.skill(mine, theirs)}


@pytest.fixture(scope="module")
def coverage() -> dict[str, float]:
    """Share of the trials in which the interval of 90 % held the figure of very many weeks."""
    rng = np.random.default_rng(11)
    wide, *said = _drawn(rng, 2000)
    true = {name: one.value for name, one in _figures(Judge.of(wide, replications=1), *said).items()}
    held = dict.fromkeys(true, 0)
    for _trial in range(TRIALS):
        rows, model, baseline = _drawn(rng, WEEKS)
        found = _figures(Judge.of(rows, replications=400, level=0.9), model, baseline)
        for name, one in found.items():
            held[name] += one.low <= true[name] <= one.high
    return {name: count / TRIALS for name, count in held.items()}


PLAIN = (
    *("auc", "average_precision", "brier", "log_loss", "slope", "intercept", "uncertainty", "skill"),
    *("auc against it", "average_precision against it", "brier against it", "log_loss against it"),
)


@pytest.mark.parametrize("name", PLAIN)
def test_an_interval_holds_the_truth_as_often_as_it_says(name, coverage):
    """90 % of the trials, within what 300 trials and 26 weeks allow; weeks share shocks and cases have several rows."""
    assert 0.84 <= coverage[name] <= 0.96


def test_intervals_of_single_rows_would_be_too_narrow():
    """Where weeks share shocks, drawing rows one by one holds the true rate far too seldom; blocks are needed."""
    rng = np.random.default_rng(12)
    wide, *_said = _drawn(rng, 2000)
    true = wide.y.mean()
    held = alone = 0
    for _trial in range(TRIALS):
        rows, *_said = _drawn(rng, WEEKS)
        one = Judge.of(rows, replications=400, level=0.9).share(rows.y)
        held += one.low <= true <= one.high
        spread = 1.645 * np.sqrt(rows.y.var() / len(rows))
        alone += abs(rows.y.mean() - true) <= spread
    assert 0.84 <= held / TRIALS <= 0.96
    assert alone / TRIALS < 0.75
