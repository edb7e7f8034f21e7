"""How sure a difference between two models is: a paired bootstrap over blocks of time, noise of training apart.

The draws and the intervals are those of `models.validation.bootstrap`.

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
from numpy.typing import NDArray

from models.validation.bootstrap import METRICS, BlockUnit, block_unit, blocks, interval, redrawn_figures, redraws

__all__ = [
    "BETTER",
    "JUDGED",
    "LEVELS",
    "METRICS",
    "BlockUnit",
    "Difference",
    "block_unit",
    "blocks",
    "differences",
    "interval",
    "redrawn_figures",
    "redraws",
    "verdict",
]

Floats = NDArray[np.float64]
Verdict = Literal["helps", "hurts", "both", "unclear"]

# More is better of the first two, less of the others.
BETTER: Final[dict[str, int]] = {"auc": 1, "average_precision": 1, "brier": -1, "ece": -1}
# What a verdict goes by. The calibration error is shown beside it: bins make it noisy, and Brier counts it too.
JUDGED: Final = ("auc", "average_precision", "brier")
LEVELS: Final = (0.9, 0.95)


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


def verdict(found: dict[str, Difference], level: float = 0.95) -> Verdict:
    """Whether something helps: of the figures in `JUDGED`, some get surely better and none surely worse."""
    sides = {BETTER[name] * found[name].side(level) for name in JUDGED}
    if 1 in sides:
        return "both" if -1 in sides else "helps"
    return "hurts" if -1 in sides else "unclear"
