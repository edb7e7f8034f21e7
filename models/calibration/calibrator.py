"""What every calibrator can do, and the interval that all of them share."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from data.errors import ModelError
from models.calibration.band import Band

Floats = NDArray[np.float64]


@runtime_checkable
class Calibrator(Protocol):
    """A never-falling curve from scores in log-odds to probabilities; frozen, and nothing but plain numbers.

    Attributes
    ----------
    name : how `calibrator_from_dict` finds the class again
    n : cases it was fitted on
    """

    @property
    def name(self) -> str:
        """How `calibrator_from_dict` finds the class again."""

    @property
    def n(self) -> int:
        """Cases it was fitted on."""

    def probability(self, score: Floats) -> Floats:
        """Calibrated probabilities (n,) of scores (n,) in log-odds."""

    def interval(self, score: Floats, level: float) -> tuple[Floats, Floats]:
        """Limits (lower, upper), each (n,), between which the true share of failures lies; `level` as 0.8."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; `calibrator_from_dict` gives back an equal object."""


class WithInterval:
    """The interval of a calibrator with a `band`: the band's, and never without the probability that is told."""

    __slots__ = ()

    band: Band | None

    def probability(self, score: Floats) -> Floats:
        """Calibrated probabilities, elementwise."""
        raise NotImplementedError

    def interval(self, score: Floats, level: float) -> tuple[Floats, Floats]:
        """Limits between which the share of failures lies: of cases of one kind in one week, with this score.

        Of all cases with this score where the calibration was told no kinds.

        Parameters
        ----------
        score : (n,) log-odds
        level : share of repetitions in which the limits hold, over 0 and under 1; 0.8 for 80 %

        Returns
        -------
        lower, upper : (n,) each; the probability told lies between them

        Raises
        ------
        ModelError
            If the calibrator was fitted without one (by `Calibration.fit`, or by an earlier version).
        UsageError
            If the level is not between 0 and 1.
        """
        if self.band is None:
            raise ModelError(
                "Expected a calibration with an interval, and this one has none. "
                "Fit it with `choose_calibration`, or train the model again."
            )
        score = np.asarray(score, dtype=np.float64)
        lower, upper = self.band.limits(score, level)
        low, high = self._told(score)
        return np.minimum(expit(lower), low), np.maximum(expit(upper), high)

    def _told(self, score: Floats) -> tuple[Floats, Floats]:
        """What the interval must contain in any case."""
        told = self.probability(score)
        return told, told

    def _band_dict(self) -> dict[str, Any]:
        return {} if self.band is None else {"band": self.band.as_dict()}
