"""Venn-Abers: two isotonic fits, one as if the case at hand had failed and one as if it had not.

One of the two, p0 or p1, is perfectly calibrated whatever the distribution, as long as cases are exchangeable; what is
told lies between them. A model file holds the two step functions as plain numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Final, Self

import numpy as np

from models.calibration.band import Band
from models.calibration.calibrator import Floats, WithInterval
from models.calibration.identity import band_from
from models.calibration.isotonic import check_steps

_EXACT_UP_TO: Final = 50_000


@dataclass(frozen=True, slots=True)
class VennAbers(WithInterval):
    """The inductive Venn-Abers predictor: probability = p1 / (1 - p0 + p1), the one of least regret in log loss.

    p0 and p1 never fall in the score, and what is told rises with both, so it never falls either.

    Attributes
    ----------
    at0, value0 : p0 is `value0[i]` for i scores of `at0` at or below the score; (k0,) and (k0 + 1,)
    at1, value1 : p1 is `value1[i]` for i scores of `at1` strictly below the score; (k1,) and (k1 + 1,)
    n : cases it was fitted on
    band : see `models.calibration.band`

    References
    ----------
    Vovk, V., Petej, I. and Fedorova, V. (2015). Large-scale probabilistic predictors with and without guarantees of
    validity. NeurIPS. MAPIE's `VennAbersCalibrator` is the reference that the tests compare with.
    """

    name: ClassVar[str] = "venn_abers"
    at0: tuple[float, ...] = ()
    value0: tuple[float, ...] = (0.0,)
    at1: tuple[float, ...] = ()
    value1: tuple[float, ...] = (1.0,)
    n: int = 0
    band: Band | None = None

    def __post_init__(self) -> None:
        check_steps(self.at0, self.value0, len(self.at0) + 1)
        check_steps(self.at1, self.value1, len(self.at1) + 1)

    @classmethod
    def fit(cls, score: Floats, outcome: Floats, *, weight: Floats | None = None, band: Band | None = None) -> Self:
        """Fit to m cases, m > 0; the case at hand counts as one of weight 1."""
        if weight is not None:
            score, outcome, weight = score[weight > 0], outcome[weight > 0], weight[weight > 0]
        n = len(score)
        believed = np.ones(n) if weight is None else weight
        # Many scores are told apart to a thousandth only, which no probability shows.
        at, position = np.unique(np.round(score, 3) if n > _EXACT_UP_TO else score, return_inverse=True)
        count = np.bincount(position, weights=believed).astype(np.float64)
        failed = np.bincount(position, weights=believed * outcome).astype(np.float64)
        # Failing is the mirror image of not failing at the mirrored score.
        p1 = _as_if_failed(count, failed)
        p0 = 1.0 - _as_if_failed(count[::-1], (count - failed)[::-1])[::-1]
        at0, value0 = _only_steps(at, p0)
        at1, value1 = _only_steps(at, p1)
        return cls(at0=at0, value0=value0, at1=at1, value1=value1, n=n, band=band)

    def both(self, score: Floats) -> tuple[Floats, Floats]:
        """p0 and p1, (n,) each; NaN for a score that is NaN."""
        score = np.asarray(score, dtype=np.float64)
        p0 = np.array(self.value0)[np.searchsorted(np.array(self.at0), score, "right")]
        p1 = np.array(self.value1)[np.searchsorted(np.array(self.at1), score, "left")]
        unknown = np.isnan(score)
        return np.where(unknown, np.nan, p0), np.where(unknown, np.nan, p1)

    def probability(self, score: Floats) -> Floats:
        """Calibrated probabilities, elementwise."""
        p0, p1 = self.both(score)
        return np.asarray(p1 / (1 - p0 + p1), dtype=np.float64)

    def _told(self, score: Floats) -> tuple[Floats, Floats]:
        """The interval contains p0 and p1 as well."""
        return self.both(score)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        own = {name: list(getattr(self, name)) for name in ("at0", "value0", "at1", "value1")}
        return {"name": self.name, **own, "n": self.n, **self._band_dict()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """What `as_dict` gave.

        Raises
        ------
        ModelError
            If p0 or p1 falls somewhere.
        """
        steps = {name: tuple(map(float, values[name])) for name in ("at0", "value0", "at1", "value1")}
        return cls(**steps, n=int(values["n"]), band=band_from(values))


def _as_if_failed(count: Floats, failed: Floats) -> Floats:
    """p1 of a case with i of k rising scores strictly below it, for i from 0 to k: (k + 1,).

    It is the slope, over the case's own step (1, 1), of the greatest convex minorant of the points (cumulated count,
    cumulated failures). Going up, the last corner before the case stays until a point falls under the line.
    """
    x, y = np.append(0.0, np.cumsum(count)).tolist(), np.append(0.0, np.cumsum(failed)).tolist()
    k = len(count)
    following = _hull(x, y)
    corner, slope = 0, _tangent(x, y, following, 0) if k else 1.0
    value = [slope] * (k + 1)
    for i in range(1, k):
        if y[i] < y[corner] + (x[i] - x[corner]) * slope:
            corner, slope = i, _tangent(x, y, following, i)
        value[i] = slope
    # Above all scores it is alone, and has failed.
    value[k] = 1.0
    return np.array(value)


def _hull(x: list[float], y: list[float]) -> list[int]:
    """The next corner after each point on the lower hull of the points from there on."""
    following = [len(x) - 1] * len(x)
    stack = [len(x) - 1]
    for i in range(len(x) - 2, -1, -1):
        while len(stack) > 1 and (y[stack[-1]] - y[i]) * (x[stack[-2]] - x[i]) >= (y[stack[-2]] - y[i]) * (
            x[stack[-1]] - x[i]
        ):
            stack.pop()
        following[i] = stack[-1]
        stack.append(i)
    return following


def _tangent(x: list[float], y: list[float], following: list[int], i: int) -> float:
    """The least slope from point i to the points after it, these shifted by the case's own step (1, 1)."""
    at, height = x[i] - 1, y[i] - 1
    j = i + 1
    slope = (y[j] - height) / (x[j] - at)
    while following[j] > j:
        j = following[j]
        lower = (y[j] - height) / (x[j] - at)
        if lower > slope:
            break
        slope = lower
    return slope


def _only_steps(at: Floats, value: Floats) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Leave out scores at which nothing changes; rounding never makes a step down."""
    value = np.clip(np.maximum.accumulate(value), 0.0, 1.0)  # rounding may leave the unit interval
    changed = np.flatnonzero(np.diff(value) > 0)
    return tuple(map(float, at[changed])), tuple(map(float, value[np.append(0, changed + 1)]))
