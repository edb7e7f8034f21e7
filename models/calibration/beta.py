"""Beta calibration: two slopes, one for scores that are too bold below and one for those too bold above."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Final, Self

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from models.calibration.band import Band
from models.calibration.calibrator import Floats, WithInterval
from models.calibration.identity import band_from

_SLOPES: Final = (0.05, 4.0)
_LEVELS: Final = (-8.0, 8.0)


@dataclass(frozen=True, slots=True)
class Beta(WithInterval):
    """log-odds = level + below · log p - above · log(1 - p), where p = expit(score) and both slopes are positive.

    It is the exact curve if scores of failures and of the rest both follow beta distributions; with equal slopes it is
    Platt's, and (1, 1, 0) leaves scores as they are.

    Attributes
    ----------
    below, above, level : a, b and c of the reference
    n : cases it was fitted on
    band : see `models.calibration.band`

    References
    ----------
    Kull, M., Silva Filho, T. and Flach, P. (2017). Beta calibration: a well-founded and easily implemented improvement
    on logistic calibration for binary classifiers. AISTATS.
    """

    name: ClassVar[str] = "beta"
    below: float = 1.0
    above: float = 1.0
    level: float = 0.0
    n: int = 0
    band: Band | None = None

    @classmethod
    def fit(
        cls,
        score: Floats,
        outcome: Floats,
        *,
        weight: Floats | None = None,
        strength: float = 10.0,
        band: Band | None = None,
    ) -> Self:
        """Fit to m cases by penalised maximum likelihood; the prior is the identity, `strength` cases strong.

        Parameters
        ----------
        score : (m,) log-odds
        outcome : (m,) of 0 and 1
        weight : (m,) not negative; all count in full when None
        """
        believed = np.ones(len(score)) if weight is None else weight
        x = _columns(score)
        start = np.array([1.0, 1.0, 0.0])

        def loss(theta: Floats) -> tuple[float, Floats]:
            eta = x @ theta
            away = theta - start
            value = np.sum(believed * (np.logaddexp(0, eta) - outcome * eta)) + strength / 2 * away @ away
            return float(value), x.T @ (believed * (expit(eta) - outcome)) + strength * away

        found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[_SLOPES, _SLOPES, _LEVELS])
        below, above, level = (float(value) for value in found.x)
        return cls(below=below, above=above, level=level, n=len(score), band=band)

    def probability(self, score: Floats) -> Floats:
        """Calibrated probabilities, elementwise."""
        score = np.asarray(score, dtype=np.float64)
        # Written so that each term never falls in the score, and so neither does the sum, to the last bit.
        told: Floats = expit(self.level - self.below * np.logaddexp(0, -score) + self.above * np.logaddexp(0, score))
        return told

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        own = {"name": self.name, "below": self.below, "above": self.above, "level": self.level, "n": self.n}
        return {**own, **self._band_dict()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """What `as_dict` gave."""
        return cls(
            below=float(values["below"]),
            above=float(values["above"]),
            level=float(values["level"]),
            n=int(values["n"]),
            band=band_from(values),
        )


def _columns(score: Floats) -> Floats:
    """The columns log p, -log(1 - p) and 1, (m, 3), without ever leaving the range of floats."""
    return np.column_stack((-np.logaddexp(0, -score), np.logaddexp(0, score), np.ones(len(score))))
