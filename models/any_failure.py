"""The risk of any failure, which can never contradict the risks it is made of.

Of a case whose offices may fail it in k ways with probabilities p1 … pk, the chance that at least one happens lies
between the largest of them (one failure brings the others) and their sum (they shut each other out), whatever the
failures have to do with each other (Boole 1854; Fréchet 1935). Where between, one number tells:

    P(any) = (1 - w) · max(p) + w · min(1, Σ p),      0 <= w <= 1

w is fitted to what happened on later cases than the parts were learned from. Independent failures that are rare lie
near w = 1. Since P(any) is no model of its own, it is at least each part and at most their sum at every case, it grows
where any part grows, an interval follows from those of the parts, and its reasons are theirs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

# About what independent failures give where none is frequent; worth ten failures that had room for doubt.
_USUAL_WEIGHT: Final = 0.8
_PRIOR_FAILURES: Final = 10.0
_STEPS: Final = 1001
# No probability is told as certain by the fit: one case would then decide.
_LEAST: Final = 1e-9


@dataclass(frozen=True, slots=True)
class AnyFailure:
    """How the risks of several failures make the risk of any.

    Attributes
    ----------
    weight : w above, in [0, 1]
    n : rows that it was fitted on; 0 where it is what is usual
    """

    weight: float = _USUAL_WEIGHT
    n: int = 0

    @classmethod
    def fit(cls, parts: Floats, outcome: Floats, weight: Floats | None = None) -> Self:
        """Fit w by penalised maximum likelihood to m rows that the parts were not learned from.

        The likelihood is concave in w, so the best of a fine grid is the best. The prior is a beta around the usual
        weight.

        Parameters
        ----------
        parts : (m, k) probabilities; NaN where a failure is not possible any more
        outcome : (m,) 1 if any of the possible failures happened, else 0
        weight : (m,) how much each row counts; all alike when None
        """
        low, high = bounds(parts)
        open_ = high > low
        counted = np.ones(len(low)) if weight is None else weight
        low, high, failed, counted = low[open_], high[open_], outcome[open_] == 1, counted[open_]
        if not len(low):
            return cls()
        grid = np.linspace(0.0, 1.0, _STEPS)
        likelihood = np.array([_log_likelihood((1 - w) * low + w * high, failed, counted) for w in grid])
        inner = np.clip(grid, _LEAST, 1 - _LEAST)
        prior = _PRIOR_FAILURES * (_USUAL_WEIGHT * np.log(inner) + (1 - _USUAL_WEIGHT) * np.log1p(-inner))
        return cls(float(grid[np.argmax(likelihood + prior)]), len(low))

    def probability(self, parts: Floats) -> Floats:
        """The chance of any failure, (n,); NaN where none is possible.

        `parts` (n, k), NaN where a failure is not possible. Never falls where a part grows, so the lower ends of the
        parts' intervals give its lower end, and the upper ends its upper.
        """
        low, high = bounds(parts)
        # Rounding must not set the whole below a part, or above their sum.
        return np.clip((1 - self.weight) * low + self.weight * high, low, high)

    def shares(self, parts: Floats) -> Floats:
        """What each part gives to the whole, (n, k): the whole is the row sum of `shares · parts`, to rounding.

        The largest part gives itself once more with weight 1 - w; all of them give with weight w, cut back where their
        sum is above 1. The first of equally large parts counts as the largest. 0 where a failure is not possible.
        """
        values = np.nan_to_num(parts)
        total = values.sum(axis=1)
        shares = np.where(np.isnan(parts), 0.0, self.weight / np.maximum(total, 1.0)[:, None])
        some = ~np.isnan(parts).all(axis=1)
        rows = np.flatnonzero(some)
        shares[rows, np.argmax(np.where(np.isnan(parts), -1.0, parts), axis=1)[rows]] += 1 - self.weight
        return np.asarray(shares)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"weight": self.weight, "n": self.n}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """What `as_dict` gave.

        Raises
        ------
        ValueError
            If the weight is none: outside [0, 1], or no number.
        """
        weight = float(values["weight"])
        if not 0 <= weight <= 1:
            raise ValueError(f"Expected a weight from 0 to 1, got {weight:g}.")
        return cls(weight, int(values["n"]))


def bounds(parts: Floats) -> tuple[Floats, Floats]:
    """The least and the most that the chance of any failure can be, each (n,); NaN where none is possible.

    `parts` (n, k) probabilities, NaN where a failure is not possible.
    """
    possible = ~np.isnan(parts)
    some = possible.any(axis=1)
    low = np.where(possible, parts, 0.0).max(axis=1, initial=0.0)
    high = np.minimum(np.where(possible, parts, 0.0).sum(axis=1), 1.0)
    # A sum of parts that are nearly nothing can round below the largest.
    return np.where(some, low, np.nan), np.where(some, np.maximum(low, high), np.nan)


def _log_likelihood(probability: Floats, failed: Mask, weight: Floats) -> float:
    told = np.clip(np.where(failed, probability, 1 - probability), _LEAST, None)
    return float((weight * np.log(told)).sum())
