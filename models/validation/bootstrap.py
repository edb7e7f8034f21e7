"""How sure a figure is: a bootstrap over blocks of time.

Cases of one week share what the week was like, so whole blocks are drawn and not cases. All models are judged on the
same draws, so what makes a draw hard for all cancels in a difference. Figures are worked out for every draw as
`models.evaluate` defines them, but of weighted rows: all but a few sums by block are worked out once, and every draw is
then a matrix product.

With few blocks the plain percentile interval is too narrow. Here its levels are moved outwards, as the t distribution
and the small-sample factor ask for (the "expanded" percentile interval of Hesterberg 2015, The American Statistician
69:371, section 3.5).

What an interval does not cover is another history to learn from: the model is taken as it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from models.evaluate import ECE_BINS

Floats = NDArray[np.float64]
Int64s = NDArray[np.int64]
BlockUnit = Literal["week", "day"]

METRICS: Final = ("auc", "average_precision", "brier", "ece")

_FEWEST_WEEKS: Final = 8
_A_MONDAY: Final = pd.Timestamp("1970-01-05")
_AT_ONCE: Final = 100
# Sums by distinct probability and block are made for so many cells at a time (32 MB).
_CELLS: Final = 4_000_000


def block_unit(moments: Int64s, time_zone: str) -> BlockUnit:
    """Weeks, or days where the moments lie in fewer than eight weeks: of so few, no draw tells anything."""
    return "week" if len(np.unique(blocks(moments, time_zone, "week"))) >= _FEWEST_WEEKS else "day"


def blocks(moments: Int64s, time_zone: str, unit: BlockUnit) -> Int64s:
    """The local week (from Monday) or day in which each moment lies, (n,), counted from 5 January 1970.

    `moments` are int64 seconds in UTC.
    """
    local = pd.to_datetime(pd.Series(moments), unit="s", utc=True).dt.tz_convert(time_zone).dt.tz_localize(None)
    days = (local.dt.normalize() - _A_MONDAY).dt.days.to_numpy("int64")
    return np.asarray(days // 7 if unit == "week" else days, dtype=np.int64)


def redraws(n_blocks: int, replications: int, seed: int) -> Floats:
    """How often each block is in each draw, (replications + 1, n_blocks); the first row is the sample itself."""
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(n_blocks, np.full(n_blocks, 1 / n_blocks), size=replications)
    return np.vstack([np.ones(n_blocks), drawn])


def interval(drawn: Floats, n_blocks: int, level: float) -> tuple[float, float]:
    """The expanded percentile interval of draws, (r,), that were made from `n_blocks` blocks, two at least."""
    reach = np.sqrt(n_blocks / (n_blocks - 1)) * stats.t.ppf((1 + level) / 2, n_blocks - 1)
    tail = float(stats.norm.cdf(-reach))
    low, high = np.quantile(drawn, [tail, 1 - tail])
    return float(low), float(high)


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
        NaN for AUC and average precision of a draw with one outcome only. The bins of the calibration error hold
        equal weight in the sample, and are the same in every draw.
    """
    w = np.ones(len(outcome)) if weight is None else weight
    ranked = Ranked.of(outcome, probability, block, counts.shape[1], w)
    of_block = counts @ block_sums(block, w, counts.shape[1])
    squares = block_sums(block, w * (outcome - probability) ** 2, counts.shape[1])
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            "auc": ranked.auc(counts),
            "average_precision": ranked.average_precision(counts),
            "brier": counts @ squares / of_block,
            "ece": _calibration_error(outcome, probability, w, block, counts) / of_block,
        }


def block_sums(block: Int64s, value: Floats, n_blocks: int) -> Floats:
    """Sums of values, (n,), by block: (n_blocks,)."""
    return np.bincount(block, weights=value, minlength=n_blocks).astype(np.float64)


class Ranked:
    """Weights of failed and other rows by distinct probability (ascending) and block, made a stretch at a time.

    All stretches together are as large as rows times blocks; only one is held at once.
    """

    def __init__(self, rank: Int64s, block: Int64s, failed: Floats, kept: Floats, n_blocks: int) -> None:
        self._rank, self._block, self._failed, self._kept = rank, block, failed, kept
        self._n_ranks = int(rank[-1]) + 1 if len(rank) else 0
        self._n_blocks = n_blocks
        self._step = max(1, _CELLS // max(n_blocks, _AT_ONCE))

    @classmethod
    def of(cls, outcome: Floats, probability: Floats, block: Int64s, n_blocks: int, weight: Floats) -> Ranked:
        """Sort n rows by their probability."""
        _, rank = np.unique(probability, return_inverse=True)
        order = np.argsort(rank, kind="stable")
        failed = (weight * outcome)[order]
        return cls(rank[order].astype(np.int64), block[order], failed, weight[order] - failed, n_blocks)

    def auc(self, counts: Floats) -> Floats:
        """The area under the ROC curve of every draw, (r,): pairs of blocks are counted once for all draws."""
        pairs, below = np.zeros((self._n_blocks, self._n_blocks)), np.zeros(self._n_blocks)
        for failed, kept in self._stretches(descending=False):
            running = np.cumsum(kept, axis=0)
            pairs += failed.T @ (below + running - kept / 2)
            below = below + running[-1]
        right = np.einsum("ra,ab,rb->r", counts, pairs, counts, optimize=True)
        return np.asarray(right / ((counts @ self._total(self._failed)) * (counts @ self._total(self._kept))))

    def average_precision(self, counts: Floats) -> Floats:
        """The average precision of every draw, (r,), equal probabilities taken together."""
        found = np.zeros(len(counts))
        hits, shown = np.zeros(self._n_blocks), np.zeros(self._n_blocks)
        for failed, kept in self._stretches(descending=True):
            some = failed.any(axis=1)
            above = hits + np.cumsum(failed[::-1], axis=0)[::-1]
            every = shown + np.cumsum((failed + kept)[::-1], axis=0)[::-1]
            for first in range(0, len(counts), _AT_ONCE):
                drawn = counts[first : first + _AT_ONCE].T
                here, of = above[some] @ drawn, every[some] @ drawn
                precision = np.divide(here, of, out=np.zeros_like(here), where=of > 0)
                found[first : first + _AT_ONCE] += ((failed[some] @ drawn) * precision).sum(axis=0)
            hits, shown = above[0], every[0]
        return np.asarray(found / (counts @ self._total(self._failed)))

    def _total(self, value: Floats) -> Floats:
        return block_sums(self._block, value, self._n_blocks)

    def _stretches(self, *, descending: bool) -> Iterator[tuple[Floats, Floats]]:
        """Failed and kept weight of neighbouring probabilities, each (≤ step, n_blocks), in ascending order within."""
        starts = range(0, self._n_ranks, self._step)
        for start in reversed(starts) if descending else starts:
            stop = min(start + self._step, self._n_ranks)
            first, last = np.searchsorted(self._rank, [start, stop])
            shape = (stop - start, self._n_blocks)
            row, column = self._rank[first:last] - start, self._block[first:last]
            yield (
                _summed(shape, row, column, self._failed[first:last]),
                _summed(shape, row, column, self._kept[first:last]),
            )


def _summed(shape: tuple[int, int], row: Int64s, column: Int64s, value: Floats) -> Floats:
    """Sums of values by row and column."""
    flat = np.bincount(row * shape[1] + column, weights=value, minlength=shape[0] * shape[1])
    return np.asarray(flat.reshape(shape), dtype=np.float64)


def equal_bins(probability: Floats, weight: Floats, bins: int = ECE_BINS) -> Int64s:
    """The bin of every row, (n,), 0 to k - 1: equal weight in each, in order of probability; ties stay together."""
    _, tie = np.unique(probability, return_inverse=True)
    held = np.bincount(tie, weights=weight)
    middle = np.cumsum(held) - held / 2
    bin_of = np.minimum((middle * bins / held.sum()).astype(np.int64), bins - 1)
    return np.asarray(np.unique(bin_of[tie], return_inverse=True)[1], dtype=np.int64)


def binned(bin_of: Int64s, block: Int64s, value: Floats, n_blocks: int) -> Floats:
    """Sums of values, (n,), by bin and block: (k, n_blocks)."""
    return _summed((int(bin_of.max()) + 1, n_blocks), bin_of, block, value)


def _calibration_error(outcome: Floats, probability: Floats, weight: Floats, block: Int64s, counts: Floats) -> Floats:
    """Sum over bins of |failures - expected failures|, for each draw."""
    gap = binned(equal_bins(probability, weight), block, weight * (outcome - probability), counts.shape[1])
    return np.asarray(np.abs(gap @ counts.T).sum(axis=0))
