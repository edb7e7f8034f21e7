"""Isotonic regression: the best never-falling curve, whatever its form."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar, Self

import numpy as np

from data.errors import ModelError
from models.calibration.band import Band
from models.calibration.calibrator import Floats, WithInterval
from models.calibration.identity import band_from


@dataclass(frozen=True, slots=True)
class Isotonic(WithInterval):
    """A broken line through (at, value), level beyond its ends; NaN for a score that is NaN.

    Attributes
    ----------
    at : (k,) scores, rising
    value : (k,) probabilities, never falling, never 0 or 1
    n : cases it was fitted on
    band : see `models.calibration.band`

    References
    ----------
    Zadrozny, B. and Elkan, C. (2002). Transforming classifier scores into accurate multiclass probability estimates.
    """

    name: ClassVar[str] = "isotonic"
    at: tuple[float, ...] = (0.0,)
    value: tuple[float, ...] = (0.5,)
    n: int = 0
    band: Band | None = None

    def __post_init__(self) -> None:
        check_steps(self.at, self.value, len(self.at))

    @classmethod
    def fit(cls, score: Floats, outcome: Floats, *, weight: Floats | None = None, band: Band | None = None) -> Self:
        """Fit to m cases, m > 0, by pooling adjacent violators.

        A lowest pool of k cases without a failure is told as if half a failure more had been seen in one case more, and
        the highest likewise: a sample proves nothing impossible.
        """
        from sklearn.isotonic import IsotonicRegression  # noqa: PLC0415 - for fitting only

        fitted = IsotonicRegression(y_min=0, y_max=1).fit(score, outcome, sample_weight=weight)
        at, value = fitted.X_thresholds_, fitted.y_thresholds_
        pools = fitted.predict(score)
        counted = np.ones(len(score)) if weight is None else weight
        lowest, highest = (counted[pools == edge].sum() for edge in (pools.min(), pools.max()))
        value = np.clip(value, 0.5 / (lowest + 1), 1 - 0.5 / (highest + 1))
        return cls(at=tuple(map(float, at)), value=tuple(map(float, value)), n=len(score), band=band)

    def probability(self, score: Floats) -> Floats:
        """Calibrated probabilities, elementwise."""
        return np.asarray(np.interp(score, self.at, self.value), dtype=np.float64)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        own = {"name": self.name, "at": list(self.at), "value": list(self.value), "n": self.n}
        return {**own, **self._band_dict()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """What `as_dict` gave.

        Raises
        ------
        ModelError
            If the curve falls somewhere.
        """
        return cls(
            at=tuple(map(float, values["at"])),
            value=tuple(map(float, values["value"])),
            n=int(values["n"]),
            band=band_from(values),
        )


def check_steps(at: tuple[float, ...], value: tuple[float, ...], expected: int) -> None:
    """Refuse a curve that falls: a model file is read from outside.

    Raises
    ------
    ModelError
        If there are not `expected` values, the scores do not rise, or the values fall or are no probabilities.
    """
    rises = all(low < high for low, high in pairwise(at))
    climbs = all(low <= high for low, high in pairwise(value))
    if not (value and len(value) == expected and rises and climbs and value[0] >= 0 and value[-1] <= 1):
        raise ModelError(
            "Expected the curve of a calibration to be probabilities that never fall over scores that rise, and this "
            "one is not. The model file is damaged: train again, or restore it from a copy."
        )
