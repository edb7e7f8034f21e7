"""Platt scaling, believed only as far as there is evidence for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Final, Self

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from models.calibration.band import Band
from models.calibration.calibrator import Floats, WithInterval
from models.calibration.identity import band_from

# A change of slope or level by 1 has to be worth half of this in log-likelihood. The scores are sums of records that
# are worked out strictly before each case and so follow the service by themselves, and the newest matured cases
# over-represent short promises: a few hundred of them should not move the level of all.
PRIOR_STRENGTH: Final = 1000.0
# A slope outside would say that the ranking is noise, or a fit to a handful of cases.
_SLOPES: Final = (0.5, 1.5)
_LEVELS: Final = (-1.0, 1.0)
# What later cases have shown to be worth having may go further.
_FREE_SLOPES: Final = (0.05, 4.0)
_FREE_LEVELS: Final = (-8.0, 8.0)


@dataclass(frozen=True, slots=True)
class Calibration(WithInterval):
    """probability = expit(intercept + slope · score), with slope > 0, so that the order of cases never changes.

    Attributes
    ----------
    slope, intercept : 1 and 0 leave scores as they are
    n : cases it was fitted on
    band : see `models.calibration.band`
    """

    name: ClassVar[str] = "platt"
    slope: float = 1.0
    intercept: float = 0.0
    n: int = 0
    band: Band | None = None

    @classmethod
    def fit(
        cls,
        score: Floats,
        outcome: Floats,
        *,
        weight: Floats | None = None,
        strength: float = PRIOR_STRENGTH,
        band: Band | None = None,
    ) -> Self:
        """Fit to m cases that are later than all that the scores were learned from.

        Penalised maximum likelihood: the prior is the identity (slope 1, intercept 0), with `strength`.

        Parameters
        ----------
        score : (m,) log-odds
        outcome : (m,) of 0 and 1
        weight : (m,) not negative; all count in full when None
        strength : of the prior, in cases; with less than `PRIOR_STRENGTH` slope and level may also go further
        band : see `models.calibration.band`

        References
        ----------
        Platt, J. (1999). Probabilistic outputs for support vector machines.
        """
        believed = np.ones(len(score)) if weight is None else weight

        def loss(theta: Floats) -> tuple[float, Floats]:
            slope, intercept = theta
            eta = intercept + slope * score
            error = believed * (expit(eta) - outcome)
            away = theta - np.array([1.0, 0.0])
            value = float(np.sum(believed * (np.logaddexp(0, eta) - outcome * eta)) + strength / 2 * away @ away)
            gradient = np.array([error @ score, error.sum()]) + strength * away
            return value, gradient

        bounds = [_SLOPES, _LEVELS] if strength >= PRIOR_STRENGTH else [_FREE_SLOPES, _FREE_LEVELS]
        found = minimize(loss, np.array([1.0, 0.0]), jac=True, method="L-BFGS-B", bounds=bounds)
        return cls(slope=float(found.x[0]), intercept=float(found.x[1]), n=len(score), band=band)

    def probability(self, score: Floats) -> Floats:
        """Calibrated probabilities, elementwise."""
        return np.asarray(expit(self.intercept + self.slope * score), dtype=np.float64)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        own = {"name": self.name, "slope": self.slope, "intercept": self.intercept, "n": self.n}
        return {**own, **self._band_dict()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """What `as_dict` gave."""
        return cls(
            slope=float(values["slope"]),
            intercept=float(values["intercept"]),
            n=int(values["n"]),
            band=band_from(values),
        )
