"""From scores to probabilities: Platt scaling, believed only as far as there is evidence for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

Floats = NDArray[np.float64]

# A change of slope or level by 1 has to be worth half of this in log-likelihood. The scores are sums of records that
# are worked out strictly before each case and so follow the service by themselves, and the newest matured cases
# over-represent short promises: a few hundred of them should not move the level of all.
PRIOR_STRENGTH = 1000.0
# A slope outside would say that the ranking is noise, or a fit to a handful of cases.
_SLOPES = (0.5, 1.5)
_LEVELS = (-1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Calibration:
    """probability = expit(intercept + slope · score), with slope > 0, so that the order of cases never changes.

    Attributes
    ----------
    slope, intercept : 1 and 0 leave scores as they are
    n : cases it was fitted on
    """

    slope: float = 1.0
    intercept: float = 0.0
    n: int = 0

    @classmethod
    def fit(cls, score: Floats, outcome: Floats) -> Self:
        """Fit to m cases that are later than all that the scores were learned from.

        Penalised maximum likelihood: the prior is the identity (slope 1, intercept 0), with `PRIOR_STRENGTH`.

        Parameters
        ----------
        score : (m,) log-odds
        outcome : (m,) of 0 and 1

        References
        ----------
        Platt, J. (1999). Probabilistic outputs for support vector machines.
        """

        def loss(theta: Floats) -> tuple[float, Floats]:
            slope, intercept = theta
            eta = intercept + slope * score
            error = 1 / (1 + np.exp(-eta)) - outcome
            away = theta - np.array([1.0, 0.0])
            value = float(np.sum(np.logaddexp(0, eta) - outcome * eta) + PRIOR_STRENGTH / 2 * away @ away)
            gradient = np.array([error @ score, error.sum()]) + PRIOR_STRENGTH * away
            return value, gradient

        found = minimize(loss, np.array([1.0, 0.0]), jac=True, method="L-BFGS-B", bounds=[_SLOPES, _LEVELS])
        return cls(slope=float(found.x[0]), intercept=float(found.x[1]), n=len(score))

    def probability(self, score: Floats) -> Floats:
        """Calibrated probabilities, elementwise."""
        return np.asarray(1.0 / (1.0 + np.exp(-(self.intercept + self.slope * score))), dtype=np.float64)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"slope": self.slope, "intercept": self.intercept, "n": self.n}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """What `as_dict` gave."""
        return cls(slope=float(values["slope"]), intercept=float(values["intercept"]), n=int(values["n"]))
