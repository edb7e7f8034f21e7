"""The figures of probabilities, each with an interval, and differences between two models judged alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import numpy as np
import pandas as pd

from models.evaluate import SURE, calibration_line, log_odds
from models.validation.bootstrap import (
    BlockUnit,
    Ranked,
    binned,
    block_sums,
    block_unit,
    blocks,
    equal_bins,
    interval,
    redraws,
)
from models.validation.rows import Floats, Int64s, Mask, Rows

Verdict = Literal["beats", "loses", "both", "unclear"]
Draws = Mapping[str, Floats]

REPLICATIONS: Final = 1000
LEVEL: Final = 0.95
# 1: more is better, -1: less is better. The others have a best value in between, or are no merit of the model.
BETTER: Final[dict[str, int]] = {
    "auc": 1,
    "average_precision": 1,
    "brier": -1,
    "log_loss": -1,
    "ece": -1,
    "precision_at_capacity": 1,
    "recall_at_capacity": 1,
}
# What a verdict goes by. The calibration error is shown beside it: bins make it noisy, and Brier counts it too.
JUDGED: Final = ("auc", "average_precision", "brier")
# Absolute and squared gaps of bins are moved upwards by noise, in every draw once more: their draws are moved back.
_BIASED: Final = ("ece", "reliability", "resolution")
# Draws with one outcome only say nothing; more of them than this, and there is no interval.
_MOST_EMPTY: Final = 0.05


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its interval.

    Attributes
    ----------
    value : the figure of the sample; None where it has none, such as the AUC of cases that were all failed
    low, high : ends of the interval; None where there is too little to draw from (fewer than two weeks or days)
    """

    value: float | None
    low: float | None = None
    high: float | None = None

    @property
    def side(self) -> int:
        """1 if the whole interval lies above 0, -1 if below, 0 if it holds 0 or there is none."""
        if self.low is None or self.high is None:
            return 0
        return int(self.low > 0) - int(self.high < 0)

    def as_dict(self) -> dict[str, float | None]:
        """Plain values for JSON."""
        return {"value": self.value, "low": self.low, "high": self.high}


@dataclass(frozen=True)
class Bins:
    """The reliability curve: bins of equally many rows, in order of probability.

    Attributes
    ----------
    n : rows of each bin
    predicted : mean probability of each
    observed : share that failed, with its interval
    """

    n: tuple[int, ...]
    predicted: tuple[float, ...]
    observed: tuple[Estimate, ...]

    def as_dict(self) -> list[dict[str, Any]]:
        """Plain values for JSON, a bin each."""
        rows = zip(self.n, self.predicted, self.observed, strict=True)
        return [{"n": n, "predicted": said, "observed": seen.as_dict()} for n, said, seen in rows]


@dataclass(frozen=True)
class Judge:
    """Judges any number of probabilities of the same n rows on the same draws.

    Blocks are local weeks, or days where the rows lie in fewer than eight weeks. All rows of a case belong to the block
    of its first: a case is drawn whole.

    Attributes
    ----------
    outcome : (n,) of 0 and 1
    weight : (n,) above 0
    unit, n_blocks : what was drawn, and from how many
    level : of the intervals
    """

    outcome: Floats
    weight: Floats
    unit: BlockUnit
    n_blocks: int
    level: float
    _block: Int64s = field(repr=False)
    _counts: Floats = field(repr=False)

    @classmethod
    def of(cls, rows: Rows, *, replications: int = REPLICATIONS, level: float = LEVEL, seed: int = 1) -> Judge:
        """A judge of n rows whose labels are all known.

        `replications` is the number of draws, `seed` that of the draws.
        """
        first = pd.Series(rows.at).groupby(rows.groups).transform("min").to_numpy("int64")
        unit = block_unit(first, rows.time_zone)
        block = np.unique(blocks(first, rows.time_zone, unit), return_inverse=True)[1].astype(np.int64)
        n_blocks = int(block.max(initial=-1)) + 1
        weight = np.ones(len(rows)) if rows.weight is None else rows.weight
        counts = redraws(n_blocks, replications, seed) if n_blocks > 1 else np.ones((1, n_blocks))
        return cls(rows.y, weight, unit, n_blocks, level, block, counts)

    def draws(self, probability: Floats) -> dict[str, Floats]:
        """The figures of every draw, the sample itself first: name -> (r + 1,); NaN where a draw has none.

        `auc`, `average_precision`, `brier`, `log_loss`, `ece`, `slope`, `intercept` (in the large), and the parts of
        the Brier score by ten bins of equal weight: `reliability`, `resolution`, `uncertainty`.
        """
        y, w = self.outcome, self.weight
        ranked = Ranked.of(y, probability, self._block, self.n_blocks, w)
        kept = np.clip(probability, SURE, 1 - SURE)
        loss = -(y * np.log(kept) + (1 - y) * np.log1p(-kept))
        with np.errstate(divide="ignore", invalid="ignore"):
            return {
                "auc": ranked.auc(self._counts),
                "average_precision": ranked.average_precision(self._counts),
                "brier": self._mean((y - probability) ** 2),
                "log_loss": self._mean(loss),
                **self._binned(probability),
                **self._line(probability),
            }

    def auc(self, probability: Floats) -> Floats:
        """The AUC of every draw, (r + 1,)."""
        ranked = Ranked.of(self.outcome, probability, self._block, self.n_blocks, self.weight)
        with np.errstate(divide="ignore", invalid="ignore"):
            return ranked.auc(self._counts)

    def attended(self, share: Floats, counts: Mask) -> dict[str, Floats]:
        """Precision and recall of what is attended, for every draw.

        Parameters
        ----------
        share : (n,) how far each row is attended, in [0, 1]
        counts : (n,) bool; rows on a list whose capacity is known
        """
        hits = self._sum(self.weight * share * self.outcome)
        taken = self._sum(self.weight * share)
        failed = self._sum(self.weight * counts * self.outcome)
        with np.errstate(divide="ignore", invalid="ignore"):
            return {"precision_at_capacity": hits / taken, "recall_at_capacity": hits / failed}

    def estimate(self, name: str, drawn: Floats) -> Estimate:
        """A figure from its draws, (r + 1,), the sample itself first."""
        value = float(drawn[0])
        if not np.isfinite(value):
            return Estimate(None)
        again = drawn[1:]
        there = again[np.isfinite(again)]
        if self.n_blocks < 2 or len(there) < (1 - _MOST_EMPTY) * len(again) or not len(there):
            return Estimate(value)
        if name in _BIASED:
            there = there - (there.mean() - value)
        low, high = interval(there, self.n_blocks, self.level)
        return Estimate(value, max(low, 0.0) if name in _BIASED else low, high)

    def estimates(self, draws: Draws) -> dict[str, Estimate]:
        """Every figure with its interval."""
        return {name: self.estimate(name, drawn) for name, drawn in draws.items()}

    def differences(self, draws: Draws, others: Draws) -> dict[str, Estimate]:
        """What a model has more of than another, figure by figure, on the same draws."""
        return {
            name: self.estimate("difference", draws[name] - others[name])
            for name in BETTER
            if name in draws and name in others
        }

    def skill(self, draws: Draws, others: Draws) -> Estimate:
        """The Brier skill score against another model: 1 perfect, 0 no better, below 0 worse."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.estimate("skill", 1 - draws["brier"] / others["brier"])

    def share(self, value: Floats) -> Estimate:
        """The weighted mean of values, (n,), with its interval."""
        return self.estimate("share", self._mean(value))

    def reliability(self, probability: Floats) -> Bins:
        """The reliability curve with intervals."""
        bin_of = equal_bins(probability, self.weight)
        held, failed, said = (
            binned(bin_of, self._block, value, self.n_blocks)
            for value in (self.weight, self.weight * self.outcome, self.weight * probability)
        )
        with np.errstate(divide="ignore", invalid="ignore"):
            drawn = (failed @ self._counts.T) / (held @ self._counts.T)
        return Bins(
            tuple(np.bincount(bin_of).tolist()),
            tuple((said.sum(axis=1) / held.sum(axis=1)).tolist()),
            tuple(self.estimate("share", row) for row in drawn),
        )

    def _sum(self, value: Floats) -> Floats:
        return np.asarray(self._counts @ block_sums(self._block, value, self.n_blocks))

    def _mean(self, value: Floats) -> Floats:
        with np.errstate(divide="ignore", invalid="ignore"):
            return self._sum(self.weight * value) / self._sum(self.weight)

    def _binned(self, probability: Floats) -> dict[str, Floats]:
        """The calibration error and the three parts of the Brier score between bins, of every draw."""
        bin_of = equal_bins(probability, self.weight)
        parts = (self.weight, self.weight * self.outcome, self.weight * probability)
        held, failed, said = (binned(bin_of, self._block, part, self.n_blocks) @ self._counts.T for part in parts)
        every = held.sum(axis=0)
        base = failed.sum(axis=0) / every
        used = np.where(held > 0, held, 1.0)
        return {
            "ece": np.abs(failed - said).sum(axis=0) / every,
            "reliability": ((failed - said) ** 2 / used).sum(axis=0) / every,
            "resolution": (held * (failed / used - base) ** 2).sum(axis=0) / every,
            "uncertainty": base * (1 - base),
        }

    def _line(self, probability: Floats) -> dict[str, Floats]:
        """Slope and intercept in the large. Draws go one Newton step from the sample's answer, which needs sums by
        block only (the one-step bootstrap of Moulton and Zeger 1991, Computational Statistics & Data Analysis 11:53).
        """
        score = log_odds(probability)
        ones = np.ones_like(score)
        inner, slope = calibration_line(self.outcome, score, self.weight)
        large, _one = calibration_line(self.outcome, score, self.weight, slope=False)
        both = self._steps(np.column_stack([ones, score]), np.array([inner, slope]), np.zeros_like(score))
        alone = self._steps(ones[:, None], np.array([large]), score)
        return {"slope": both[:, -1], "intercept": alone[:, 0]}

    def _steps(self, design: Floats, found: Floats, offset: Floats) -> Floats:
        """One Newton step of every draw from `found`, (k,): (r + 1, k). NaN where `found` is."""
        draws, size = len(self._counts), len(found)
        if not np.isfinite(found).all():
            return np.full((draws, size), np.nan)
        risk = 0.5 * (1 + np.tanh((design @ found + offset) / 2))
        gradient = np.column_stack([self._sum(self.weight * (self.outcome - risk) * part) for part in design.T])
        bend = self.weight * risk * (1 - risk)
        hessian = np.empty((draws, size, size))
        for i in range(size):
            for j in range(size):
                hessian[:, i, j] = self._sum(bend * design[:, i] * design[:, j])
        well = np.linalg.cond(hessian) < 1e12
        hessian[~well] = np.eye(size)
        moved = np.linalg.solve(hessian, gradient[:, :, None])[:, :, 0]
        moved[~well] = np.nan
        moved[0] = 0.0
        return np.asarray(found + moved)


def verdict(found: Mapping[str, Estimate]) -> Verdict:
    """Whether a model beats another, by its differences: of the figures in `JUDGED`, some are surely better and none
    surely worse. "unclear" where neither is sure, "both" where some are better and others worse.
    """
    sides = {BETTER[name] * found[name].side for name in JUDGED if name in found}
    if 1 in sides:
        return "both" if -1 in sides else "beats"
    return "loses" if -1 in sides else "unclear"
