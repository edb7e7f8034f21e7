"""A calibration that follows the service while outcomes come in.

The error that no frozen calibration mends is drift: the level of failures moves, and every risk is off with it. Here
level and slope of the log-odds walk at random, and each day's newly settled outcomes move what is believed of them: a
Bayesian logistic regression with a forgetting prior, one Laplace step (Newton to the mode) per day. How fast they walk
is not known, so several speeds run side by side, among them one that never moves; each is weighed by how well it had
told what has settled since (the aggregating algorithm of Vovk, for log loss). In the long run the mixture costs no more
than the best of them, up to a constant: where nothing drifts, that is the frozen one.

Three things are easily got wrong:

- *Settled is not the same as known.* At any moment what is known over-represents what ended quickly, and quick ends
  are mostly good ones: taken as they come, they make every risk too low (or too high, where a failure is known first).
  An outcome counts only when nine in ten landmarks of its age are known, whatever became of it (`settles_after`); the
  slow tenth counts when it comes. Outcomes that carry a maturity of their own (`features.outcomes`) are known for every
  case alike from then on, and need no such wait.
- *Rows are not evidence one by one.* Landmarks of one case share its fate and cases of one week its luck: the
  likelihood is divided by `design`, how many rows weigh as much as one independent row.
- *Nothing looks ahead.* The belief at a landmark is made of what had settled before its day (UTC) began.

References
----------
West, M., Harrison, J. and Migon, H. (1985). Dynamic generalized linear models and Bayesian forecasting. JASA 80.
Vovk, V. (1990). Aggregating strategies. COLT.
McCormick, T., Raftery, A., Madigan, D. and Burd, R. (2012). Dynamic logistic regression and dynamic model averaging for
binary classification. Biometrics 68.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from data.errors import UsageError
from models.calibration.blocks import WEEK

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_DAY: Final = 86_400
# Speeds of the walk: standard deviations per day of level and slope, and what is believed at the beginning. The first
# never moves; the last may turn the level by half a unit of log-odds in a month.
_LEVEL_WALK: Final = np.array([0.0, 0.0, 0.01, 0.01, 0.03, 0.03, 0.1])
_SLOPE_WALK: Final = np.array([0.0, 0.0, 0.0, 0.0025, 0.0, 0.0075, 0.02])
_LEVEL_START: Final = np.array([1e-6, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5])
_SLOPE_START: Final = np.array([1e-6, 0.2, 1e-6, 0.2, 1e-6, 0.2, 0.2])
_PRIOR: Final = np.array([0.4, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1])
_SLOPES: Final = (0.2, 3.0)
_SETTLED_SHARE: Final = 0.9
# Weeks with less variance than this (cases times p(1-p)) say nothing of how weeks differ.
_LEAST_OF_A_WEEK: Final = 0.5


@dataclass(frozen=True, slots=True)
class RollingCalibration:
    """What has to be known beforehand of how outcomes come in.

    Attributes
    ----------
    settles_after : seconds after a landmark from which its outcome counts, if it is known by then; 0 for outcomes that
        are known for every case alike
    design : rows that weigh as much as one independent row, 1 or more
    """

    settles_after: int = 0
    design: float = 1.0

    @classmethod
    def fit(
        cls,
        score: Floats,
        outcome: Floats,
        *,
        at: Ints,
        known_at: Ints,
        groups: NDArray[Any] | None = None,
        alike: bool = False,
    ) -> Self:
        """Learn from m past landmarks how long outcomes take and how much alike rows are.

        Parameters
        ----------
        score : (m,) log-odds as they were, or would have been, told at the time: of a model that had not seen them
        outcome : (m,) of 0 and 1
        at, known_at : (m,) seconds in UTC, of the landmark and from when the outcome was known
        groups : (m,) codes of cases; every row is its own when None
        alike : whether `known_at` is a maturity, told by the landmark alone and not by what became of the case
        """
        if len(score) == 0:
            return cls()
        wait = 0 if alike else int(np.quantile(np.maximum(known_at - at, 0), _SETTLED_SHARE))
        rows = 1.0 if groups is None else len(score) / len(np.unique(groups))
        return cls(settles_after=wait, design=max(rows, _unrest(score, outcome, at)))

    def follow(
        self,
        *,
        known_score: Floats,
        known_outcome: Floats,
        known_at: Ints,
        known_asked_at: Ints | None = None,
    ) -> Followed:
        """Believe what k outcomes say, each from the day after it has settled.

        Parameters
        ----------
        known_score : (k,) log-odds that were told at the landmark, before any recalibration
        known_outcome : (k,) of 0 and 1; NaN where it is not known yet
        known_at : (k,) seconds in UTC from which the outcome was known
        known_asked_at : (k,) seconds in UTC of the landmark; without it, outcomes count as soon as they are known, and
            speeds are weighed as if they had been asked then

        Raises
        ------
        UsageError
            If lengths differ, or an outcome is no 0, 1 or NaN.
        """
        asked = known_at if known_asked_at is None else known_asked_at
        score, outcome = np.asarray(known_score, dtype=np.float64), np.asarray(known_outcome, dtype=np.float64)
        if not len(score) == len(outcome) == len(known_at) == len(asked):
            raise UsageError("Expected one outcome and one moment per known score, got different numbers of them.")
        known = np.isfinite(outcome) & np.isfinite(score)
        if not np.isin(outcome[known], (0, 1)).all():
            raise UsageError("Expected outcomes of 0 and 1, and NaN where they are not known yet.")
        wait = 0 if known_asked_at is None else self.settles_after
        settled = np.maximum(np.asarray(known_at)[known], np.asarray(asked)[known] + wait)
        return _follow(score[known], outcome[known], np.asarray(asked)[known], settled, self.design)

    def recalibrate(
        self,
        score: Floats,
        at: Ints,
        *,
        known_score: Floats,
        known_outcome: Floats,
        known_at: Ints,
        known_asked_at: Ints | None = None,
    ) -> Floats:
        """Probabilities (n,) of n landmarks with scores (n,) in log-odds, asked at seconds in UTC (n,).

        Each is made of what had settled before its day began; what is known later changes nothing, to the bit. For the
        other parameters see `follow`.
        """
        followed = self.follow(
            known_score=known_score, known_outcome=known_outcome, known_at=known_at, known_asked_at=known_asked_at
        )
        return followed.probability(score, at)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"settles_after": self.settles_after, "design": self.design}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """What `as_dict` gave."""
        return cls(settles_after=int(values["settles_after"]), design=float(values["design"]))


@dataclass(frozen=True, slots=True)
class Followed:
    """What was believed from day to day.

    Attributes
    ----------
    day : (d,) days since 1970 (UTC) from whose beginning a belief held; before the first, scores are left alone
    belief : (d + 1, speeds, 2) level and slope of each speed; the first row is the beginning
    weight : (d + 1, speeds) of each speed; rows sum to 1
    """

    day: Ints
    belief: Floats
    weight: Floats

    def probability(self, score: Floats, at: Ints) -> Floats:
        """Recalibrated probabilities (n,), never falling in the score at any one moment."""
        row = np.searchsorted(self.day, np.asarray(at) // _DAY, "right")
        theta = self.belief[row]
        told = expit(theta[:, :, 0] + theta[:, :, 1] * np.asarray(score, dtype=np.float64)[:, None])
        return np.asarray((self.weight[row] * told).sum(axis=1), dtype=np.float64)

    def level(self, at: Ints) -> Floats:
        """How far a score of 0 is moved at each moment (n,), in log-odds: the drift of the level."""
        told = self.probability(np.zeros(len(at)), at)
        return np.asarray(np.log(told) - np.log1p(-told))


def _follow(score: Floats, outcome: Floats, asked: Ints, settled: Ints, design: float) -> Followed:
    """Go through the days on which something settled."""
    from_day = settled // _DAY + 1
    order = np.argsort(from_day, kind="stable")
    days, starts = np.unique(from_day[order], return_index=True)
    told_by = np.searchsorted(days, asked // _DAY, "right")
    speeds = len(_PRIOR)
    belief = np.zeros((len(days) + 1, speeds, 2))
    belief[:, :, 1] = 1.0
    weight = np.tile(_PRIOR, (len(days) + 1, 1))
    covariance = np.zeros((speeds, 2, 2))
    covariance[:, 0, 0], covariance[:, 1, 1] = _LEVEL_START**2, _SLOPE_START**2
    for n, rows in enumerate(np.split(order, starts[1:]) if len(days) else []):
        # The walk begins with the first day on which anything settled.
        passed = float(days[n] - days[n - 1]) if n else 0.0
        covariance[:, 0, 0] += passed * _LEVEL_WALK**2
        covariance[:, 1, 1] += passed * _SLOPE_WALK**2
        belief[n + 1], covariance = _learn(belief[n], covariance, score[rows], outcome[rows], design)
        # A speed is judged by what it told at the landmark, not by what it has learned since.
        weight[n + 1] = _weigh(weight[n], belief[told_by[rows]], score[rows], outcome[rows], design)
    return Followed(np.asarray(days, dtype=np.int64), belief, weight)


def _learn(theta: Floats, covariance: Floats, score: Floats, outcome: Floats, design: float) -> tuple[Floats, Floats]:
    """One Laplace step of all speeds at once: the mode of prior and likelihood (speeds, 2), and its covariance."""
    precision = np.linalg.inv(covariance)
    columns = np.column_stack((np.ones(len(score)), score))
    mode = theta
    hessian = precision
    for _ in range(8):
        p = expit(mode @ columns.T)
        gradient = (outcome - p) @ columns / design - np.einsum("kij,kj->ki", precision, mode - theta)
        hessian = precision + np.einsum("km,mi,mj->kij", p * (1 - p) / design, columns, columns)
        # Bounded, so that a day of surprises doesn't overshoot.
        step = np.clip(np.linalg.solve(hessian, gradient[:, :, None])[:, :, 0], -1.0, 1.0)
        mode = mode + step
        if np.abs(step).max() < 1e-7:
            break
    mode[:, 1] = np.clip(mode[:, 1], *_SLOPES)
    return mode, np.linalg.inv(hessian)


def _weigh(weight: Floats, theta: Floats, score: Floats, outcome: Floats, design: float) -> Floats:
    """Weights of the speeds after m outcomes, of which `theta` (m, speeds, 2) had told."""
    eta = theta[:, :, 0] + theta[:, :, 1] * score[:, None]
    gained = (outcome[:, None] * eta - np.logaddexp(0, eta)).sum(axis=0) / design
    # None ever dies out: a service that was calm for years may begin to drift.
    log = np.log(np.maximum(weight, 1e-12)) + gained
    grown = np.exp(log - log.max())
    return np.asarray(grown / grown.sum())


def _unrest(score: Floats, outcome: Floats, at: Ints) -> float:
    """How much more neighbouring weeks differ than independent rows would, 1 if not; a slow drift does not count."""
    week = np.unique(np.asarray(at) // WEEK, return_inverse=True)[1]
    p = expit(score)
    variance = np.bincount(week, weights=p * (1 - p))
    away = np.bincount(week, weights=outcome - p)
    enough = variance > _LEAST_OF_A_WEEK
    if enough.sum() < 5:
        return 1.0
    standard = away[enough] / np.sqrt(variance[enough])
    return max(1.0, float(np.mean(np.diff(standard) ** 2) / 2))
