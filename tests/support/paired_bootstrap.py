"""How sure a difference between two models is: a paired bootstrap over blocks of time, noise of training apart.

Cases of one week share what the week was like, so whole blocks are drawn and not cases; both models are judged on the
same draws, so what makes a draw hard for both cancels. Four figures are worked out for every draw, as
`models.evaluate.figures` defines them, but of weighted cases: AUC, average precision, Brier, ECE. All but a few sums by
block are worked out once, and every draw is then a matrix product.

With few blocks the plain percentile interval is too narrow. Here its levels are moved outwards, as the t distribution
and the small-sample factor ask for (the "expanded" percentile interval of Hesterberg 2015, The American Statistician
69:371, section 3.5).

A model that is trained again with another seed does a little better or worse, whatever its features. Every model is
trained with several seeds; a difference is the mean over them, and the spread of the difference between seeds, pooled
over all comparisons of a table, is added to the draws as a normal error of that mean. What the interval does not cover
is another history to learn from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from models.evaluate import ECE_BINS

Floats = NDArray[np.float64]
Int64s = NDArray[np.int64]
BlockUnit = Literal["week", "day"]
Verdict = Literal["helps", "hurts", "both", "unclear"]

METRICS: Final = ("auc", "average_precision", "brier", "ece")
# More is better of the first two, less of the others.
BETTER: Final[dict[str, int]] = {"auc": 1, "average_precision": 1, "brier": -1, "ece": -1}
# What a verdict goes by. The calibration error is shown beside it: bins make it noisy, and Brier counts it too.
JUDGED: Final = ("auc", "average_precision", "brier")
LEVELS: Final = (0.9, 0.95)

_FEWEST_WEEKS: Final = 8
_A_MONDAY: Final = pd.Timestamp("1970-01-05")
_AT_ONCE: Final = 100


def block_unit(moments: Int64s, time_zone: str) -> BlockUnit:
    """Weeks, or days where the moments lie in fewer than eight weeks: of so few, no draw tells anything."""
    return "week" if len(np.unique(blocks(moments, time_zone, "week"))) >= _FEWEST_WEEKS else "day"


def blocks(moments: Int64s, time_zone: str, unit: BlockUnit) -> Int64s:
    """The local week (from Monday) or day in which each moment lies, (n,), counted from 5 January 1970.

    `moments` are int64 seconds in UTC.
    """
    local = pd.to_datetime(pd.Series(moments), unit="s", utc=True).dt.tz_convert(time_zone).dt.tz_localize(None)
    days = (local.dt.normalize() - _A_MONDAY).dt.days.to_numpy("int64")
    return days // 7 if unit == "week" else days


def redraws(n_blocks: int, replications: int, seed: int) -> Floats:
    """How often each block is in each draw, (replications + 1, n_blocks); the first row is the sample itself."""
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(n_blocks, np.full(n_blocks, 1 / n_blocks), size=replications)
    return np.vstack([np.ones(n_blocks), drawn])


def redrawn_figures(
    outcome: Floats, probability: Floats, block: Int64s, counts: Floats, weight: Floats | None = None
) -> dict[str, Floats]:
    """The four figures of every draw.

    Parameters
    ----------
    outcome : (n,) of 0 and 1
    probability : (n,)
    block : (n,) place of each case's block, 0 to k - 1
    counts : (r, k) as `redraws` gives them
    weight : (n,) above 0; all the same when None

    Returns
    -------
    dict, name in `METRICS` -> (r,)
        The bins of the calibration error hold equal weight in the sample, and are the same in every draw.
    """
    w = np.ones(len(outcome)) if weight is None else weight
    _, tie = np.unique(probability, return_inverse=True)
    shape = (int(tie.max()) + 1, counts.shape[1])
    failed = _summed(shape, tie, block, w * outcome)
    every = _summed(shape, tie, block, w)
    of_block = counts @ every.sum(axis=0)
    squares = np.bincount(block, weights=w * (outcome - probability) ** 2, minlength=shape[1])
    return {
        "auc": _auc(failed, every - failed, counts),
        "average_precision": _average_precision(failed, every, counts),
        "brier": counts @ squares / of_block,
        "ece": _calibration_error(outcome, probability, w, block, _bins(every.sum(axis=1))[tie], counts) / of_block,
    }


def _summed(shape: tuple[int, int], row: Int64s, column: Int64s, value: Floats) -> Floats:
    """Sums of values by row and column."""
    flat = np.bincount(row * shape[1] + column, weights=value, minlength=shape[0] * shape[1])
    return flat.reshape(shape)


def _auc(failed: Floats, kept: Floats, counts: Floats) -> Floats:
    """From weights by distinct probability (ascending) and block: pairs of blocks are counted once for all draws."""
    below = np.cumsum(kept, axis=0) - kept / 2
    right = np.einsum("ra,ab,rb->r", counts, failed.T @ below, counts, optimize=True)
    return np.asarray(right / ((counts @ failed.sum(axis=0)) * (counts @ kept.sum(axis=0))))


def _average_precision(failed: Floats, every: Floats, counts: Floats) -> Floats:
    some = failed.any(axis=1)
    hits, shown = (np.cumsum(part[::-1], axis=0)[::-1][some] for part in (failed, every))
    found = np.empty(len(counts))
    for first in range(0, len(counts), _AT_ONCE):
        drawn = counts[first : first + _AT_ONCE].T
        here, of = hits @ drawn, shown @ drawn
        precision = np.divide(here, of, out=np.zeros_like(here), where=of > 0)
        found[first : first + _AT_ONCE] = ((failed[some] @ drawn) * precision).sum(axis=0)
    return found / (counts @ failed.sum(axis=0))


def _bins(weight: Floats) -> Int64s:
    """Bins of equal weight over distinct probabilities in ascending order; those of one value stay together."""
    middle = np.cumsum(weight) - weight / 2
    return np.minimum((middle * ECE_BINS / weight.sum()).astype(np.int64), ECE_BINS - 1)


def _calibration_error(
    outcome: Floats, probability: Floats, weight: Floats, block: Int64s, bin_of: Int64s, counts: Floats
) -> Floats:
    """Sum over bins of |failures - expected failures|, for each draw."""
    gap = _summed((ECE_BINS, counts.shape[1]), bin_of, block, weight * (outcome - probability))
    return np.asarray(np.abs(gap @ counts.T).sum(axis=0))


@dataclass(frozen=True)
class Difference:
    """A figure with something less the figure without it.

    Attributes
    ----------
    value : mean over the seeds
    intervals : level -> (low, high)
    noise : standard deviation of the difference of one training and another, pooled over the table
    """

    value: float
    intervals: dict[float, tuple[float, float]]
    noise: float

    def side(self, level: float) -> int:
        """1 if the whole interval lies above 0, -1 if below, 0 if it holds 0."""
        low, high = self.intervals[level]
        return int(low > 0) - int(high < 0)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        told = {f"interval_{round(level * 100)}": list(ends) for level, ends in self.intervals.items()}
        return {"value": self.value, **told, "noise_of_one_training": self.noise}


def differences(pairs: Sequence[tuple[Floats, Floats]], n_blocks: int, *, seed: int) -> list[Difference]:
    """What the first of each pair of models adds to the second.

    Parameters
    ----------
    pairs : of one figure, each (s, r + 1): by seed of the training and by draw, the sample itself first
    n_blocks : how many blocks were drawn from
    seed : of the noise that stands for training
    """
    gaps = [better - worse for better, worse in pairs]
    spread = [gap[:, 0].var(ddof=1) for gap in gaps if len(gap) > 1]
    noise = float(np.sqrt(np.mean(spread))) if spread else 0.0
    rng = np.random.default_rng(seed)
    found = []
    for gap in gaps:
        drawn = gap[:, 1:].mean(axis=0)
        drawn = drawn + rng.normal(0, noise / np.sqrt(len(gap)), len(drawn))
        ends = {level: interval(drawn, n_blocks, level) for level in LEVELS}
        found.append(Difference(float(gap[:, 0].mean()), ends, noise))
    return found


def interval(drawn: Floats, n_blocks: int, level: float) -> tuple[float, float]:
    """The expanded percentile interval of draws, (r,), that were made from `n_blocks` blocks."""
    reach = np.sqrt(n_blocks / (n_blocks - 1)) * stats.t.ppf((1 + level) / 2, n_blocks - 1)
    tail = float(stats.norm.cdf(-reach))
    low, high = np.quantile(drawn, [tail, 1 - tail])
    return float(low), float(high)


def verdict(found: dict[str, Difference], level: float = 0.95) -> Verdict:
    """Whether something helps: of the figures in `JUDGED`, some get surely better and none surely worse."""
    sides = {BETTER[name] * found[name].side(level) for name in JUDGED}
    if 1 in sides:
        return "both" if -1 in sides else "helps"
    return "hurts" if -1 in sides else "unclear"
