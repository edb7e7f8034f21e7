"""A calibration that follows the service without waiting until outcomes have settled.

`RollingCalibration` waits until nearly all outcomes of an age are known, because those known sooner are of another
kind. Where some take years, that is to wait for ever. Here a landmark whose outcome is not known yet tells something
too: that it is *still* not known. With S₁(a) and S₀(a), the shares of failures and of the rest that are still unknown
when their case is a old (`Delays`), a landmark asked at age e and told p has the likelihood p · S₁(a) / S₁(e) +
(1 - p) · S₀(a) / S₀(e) while it waits, and p or 1 - p once it is known. Assumed is that how long an outcome takes
depends on the outcome and the age of the case, and not on the score.

A case that was asked about again has told more by then: e is its age at the newest landmark, and the log-odds of the
failure have moved by what that landmark's score is above this one's. That is the Bayes factor of all that came between,
which is the same in good years and bad; where cases turn out worse than they began, the level is off before a single
outcome is known. On ten later parts of training histories (six tasks of public event logs, one or two each) mean log
loss .426 with it, .429 without, most of the gain on one of them; calibration error .095 against .099; better on six,
worse on two. A level that moves sooner mixes risks of different weeks more: AUC over all weeks .745 against .750; at
any one moment the order is that of the score.

Level and slope of the log-odds are the mode of that likelihood (by expectation and maximisation), with evidence that is
forgotten at several speeds side by side: each is drawn towards the next slower one, the slowest, which forgets nothing,
towards the score itself, and one never moves. They are mixed as they had told what is known since (the aggregating
algorithm, log loss).

Nothing looks ahead: the belief at a landmark is made of what was asked and what was known before its day (UTC) began.

References
----------
Chapelle, O. (2014). Modeling delayed feedback in display advertising. KDD.
Vovk, V. (1990). Aggregating strategies. COLT.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from data.errors import UsageError
from models.calibration.rolling import Followed

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_DAY: Final = 86_400
# Half-lives of evidence in days, from slow to fast; the first speed never moves at all.
_HALF_LIVES: Final = (np.inf, np.inf, 365.0, 91.0, 30.0)
# What is believed of level and slope, in standard deviations around the next slower speed.
_LEVEL: Final = (1e-6, 0.5, 0.35, 0.35, 0.35)
_SLOPE: Final = (1e-6, 0.2, 0.1, 0.1, 0.1)
_PRIOR: Final = np.array([0.2, 0.3, 0.2, 0.15, 0.15])
# Cases of a week share their luck: so many weigh as one. Mean log loss on later rows of the training parts of six tasks
# of public event logs: .456 with 1 and no speed that stays, .441 with 2 and none, .434 with 3 and one, which costs calm
# logs least.
_SHARED_LUCK: Final = 3.0
_SLOPES: Final = (0.1, 3.0)
_LEVELS: Final = (-6.0, 6.0)
_GRID: Final = np.arange(-8.0, 8.01, 0.2)
_TILTS: Final = np.arange(-6.0, 6.01, 0.25)
_AGES: Final = 64
# Shares below are not told apart: nothing in the past took so long.
_RARE: Final = 0.002
# What a speed had told counts half as much after so many days: which one serves best changes too.
_JUDGED: Final = 182.0
# A history of so many days is renewed daily, a longer one more rarely: what moves in years need not be asked every day.
_RENEWALS: Final = 730
_STEPS: Final = 12
_NEVER: Final = np.iinfo(np.int64).max // 2


@dataclass(frozen=True)
class Delays:
    """How long it takes until an outcome is known.

    Attributes
    ----------
    age : (k,) seconds since a case began, rising; from 0
    log_ratio : (k,) log S₁ - log S₀ at each age: above 0 where a case that is still unknown is likelier a failure
    """

    age: Ints
    log_ratio: Floats

    @classmethod
    def learn(cls, outcome: Floats, delay: Ints) -> Self:
        """From m cases whose outcomes are all known, `delay` (m,) seconds after they began."""
        delay = np.maximum(np.asarray(delay, dtype=np.int64), 0)
        if len(delay) == 0:
            return cls(np.zeros(1, dtype=np.int64), np.zeros(1))
        age = np.unique(np.append(0, np.quantile(delay, np.linspace(0, 1, _AGES)).astype(np.int64)))
        failed, went_well = (_still(delay[outcome == value], age) for value in (1, 0))
        return cls(age, np.log(failed) - np.log(went_well))

    def tilt(self, from_age: Ints, to_age: Ints) -> Floats:
        """What waiting from one age to another adds to the log-odds of a failure, (n,)."""
        found = np.interp(to_age, self.age, self.log_ratio) - np.interp(from_age, self.age, self.log_ratio)
        return np.asarray(found, dtype=np.float64)


def _still(delay: Ints, age: Ints) -> Floats:
    more = len(delay) - np.searchsorted(np.sort(delay), age, "right")
    return np.asarray(more / max(len(delay), 1) + _RARE, dtype=np.float64)


@dataclass(frozen=True)
class DelayedCalibration:
    """What has to be known beforehand of how outcomes come in.

    Attributes
    ----------
    delays : see `Delays`
    design : rows that weigh as much as one independent row, 1 or more
    every : days from one renewal of the belief to the next
    """

    delays: Delays
    design: float = 1.0
    every: int = 1

    @classmethod
    def fit(cls, outcome: Floats, *, at: Ints, known_at: Ints, groups: NDArray[Any] | None = None) -> Self:
        """Learn from m past landmarks, all of whose outcomes are known, however late.

        Parameters
        ----------
        outcome : (m,) of 0 and 1
        at, known_at : (m,) seconds in UTC, of the landmark and from when the outcome was known
        groups : (m,) codes of cases; every row is its own when None
        """
        outcome, at, known = np.asarray(outcome), np.asarray(at), np.asarray(known_at)
        first = np.arange(len(at)) if groups is None else _firsts(at, np.asarray(groups))
        own = np.flatnonzero(first == np.arange(len(at)))
        span = int(np.ptp(at)) // _DAY if len(at) else 0
        design = _SHARED_LUCK * max(1.0, len(at) / max(len(own), 1))
        return cls(Delays.learn(outcome[own], known[own] - at[own]), design, max(1, span // _RENEWALS))

    def follow(
        self, score: Floats, outcome: Floats, *, at: Ints, known_at: Ints, groups: NDArray[Any] | None = None
    ) -> Followed:
        """Believe what k landmarks say, each from the day after it was asked about.

        Parameters
        ----------
        score : (k,) log-odds that were told at the landmark, before any recalibration
        outcome : (k,) of 0 and 1; NaN where it never became known
        at, known_at : (k,) seconds in UTC of the landmark, and from which its outcome was known
        groups : (k,) codes of cases, which begin with their first landmark; every row is its own when None

        Raises
        ------
        UsageError
            If lengths differ, a score is not finite, or an outcome is no 0, 1 or NaN.
        """
        score, outcome = np.asarray(score, dtype=np.float64), np.asarray(outcome, dtype=np.float64)
        if not len(score) == len(outcome) == len(at) == len(known_at):
            raise UsageError("Expected one outcome and two moments per score, got different numbers of them.")
        if not (np.isfinite(score).all() and np.isin(outcome[np.isfinite(outcome)], (0, 1)).all()):
            raise UsageError("Expected finite scores, and outcomes of 0 and 1, or NaN where they are not known yet.")
        at = np.asarray(at, dtype=np.int64)
        began = at if groups is None else at[_firsts(at, np.asarray(groups))]
        known = np.where(np.isfinite(outcome), np.maximum(known_at, at), _NEVER)
        case = np.arange(len(at)) if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1]
        return _Stream(score, outcome, at, began, known, case, self).follow()


def _firsts(at: Ints, groups: NDArray[Any]) -> Ints:
    """The row of each row's group that was asked first, (n,)."""
    order = np.argsort(at, kind="stable")
    _codes, first, back = np.unique(groups[order], return_index=True, return_inverse=True)
    found = np.empty(len(at), dtype=np.int64)
    found[order] = order[first][back]
    return found


class _Stream:
    """Landmarks and outcomes as they came in, gone through day by day."""

    def __init__(
        self,
        score: Floats,
        outcome: Floats,
        at: Ints,
        began: Ints,
        known: Ints,
        case: Ints,
        settings: DelayedCalibration,
    ) -> None:
        order = np.argsort(at, kind="stable")
        self.score, self.outcome, self.at, self.began = score[order], outcome[order], at[order], began[order]
        self.case = case[order]
        self.asked, self.known = at[order] // _DAY + 1, known[order] // _DAY + 1
        self.delays, self.design, self.every = settings.delays, settings.design, settings.every
        held = (np.clip(self.score, _GRID[0], _GRID[-1] - 1e-9) - _GRID[0]) / (_GRID[1] - _GRID[0])
        self.cell = np.floor(held).astype(np.int64)
        self.share = held - self.cell

    def follow(self) -> Followed:
        """Go through the days on which something came in."""
        days = _renewals(self.asked, self.known, self.every)
        belief, weight = np.zeros((len(days) + 1, len(_PRIOR), 2)), np.tile(_PRIOR, (len(days) + 1, 1))
        belief[:, :, 1] = 1.0
        told_by = np.searchsorted(days, self.asked - 1, "right")
        masses, gained = np.zeros((2, len(_PRIOR), len(_GRID))), np.zeros(len(_PRIOR))
        eta = np.zeros((len(self.score), len(_PRIOR)))
        # Rows are in the order of their moments: those asked before a day are the first so many.
        came, seen, before = np.searchsorted(self.asked, days, "right"), 0, 0
        waiting, newest = np.empty(0, dtype=np.int64), np.zeros(len(self.case), dtype=np.int64)
        for n, day in enumerate(map(int, days)):
            fresh = np.arange(seen, came[n])
            theta = belief[told_by[fresh]]
            eta[fresh] = theta[:, :, 0] + theta[:, :, 1] * self.score[fresh, None]
            # Rows are numbered in the order of time: the largest number of a case is its newest landmark by now.
            np.maximum.at(newest, self.case[fresh], fresh)
            rows, seen = np.append(waiting, fresh), int(came[n])
            over = self.known[rows] <= day
            done, waiting = rows[over], rows[~over]
            masses *= _kept(float(day - before))[None, :, None]
            gained *= 0.5 ** ((day - before) / _JUDGED)
            for value in (0, 1):
                one = done[self.outcome[done] == value]
                masses[value] += self._mass(one, np.zeros(len(one)), day).sum(axis=2)
                gained -= np.logaddexp(0, eta[one] * (1 - 2 * value)).sum(axis=0)
            tilt = self._tilt(waiting, newest[self.case[waiting]], day)
            held = self._mass(waiting, tilt, day)
            belief[n + 1] = self._modes(belief[n], masses / self.design, held / self.design)
            # What still waits is told apart from what is known only by how likely it was to wait.
            still = (np.logaddexp(0, eta[waiting] + tilt[:, None]) - np.logaddexp(0, eta[waiting])).sum(axis=0)
            weight[n + 1] = self._weights(gained + still)
            before = day
        return Followed(days, belief, weight)

    def _tilt(self, rows: Ints, newest: Ints, day: int) -> Floats:
        """What is known of waiting rows by a day beyond their own scores, as log-odds of a failure, (n,).

        How their case's newest landmark was scored, and that the case has waited since.
        """
        waited = self.delays.tilt((self.at - self.began)[newest], day * _DAY - self.began[rows])
        return np.asarray(self.score[newest] - self.score[rows] + waited)

    def _mass(self, rows: Ints, tilt: Floats, day: int) -> Floats:
        """How many rows are at each score and tilt, (speeds, scores, tilts), each as far as it is not forgotten."""
        passed = (day - self.asked[rows]).astype(np.float64)
        place = np.rint((np.clip(tilt, _TILTS[0], _TILTS[-1]) - _TILTS[0]) / (_TILTS[1] - _TILTS[0])).astype(np.int64)
        found = np.zeros((len(_PRIOR), len(_GRID) * len(_TILTS)))
        for speed, half_life in enumerate(_HALF_LIVES):
            left = 0.5 ** (passed / half_life)
            for step, share in ((0, 1 - self.share[rows]), (1, self.share[rows])):
                at = (self.cell[rows] + step) * len(_TILTS) + place
                found[speed] += np.bincount(at, left * share, found.shape[1])
        return found.reshape(len(_PRIOR), len(_GRID), len(_TILTS))

    def _modes(self, theta: Floats, masses: Floats, waiting: Floats) -> Floats:
        """Level and slope of each speed, (speeds, 2)."""
        found, centre = theta.copy(), np.array([0.0, 1.0])
        for speed in range(1, len(_PRIOR)):
            precision = np.array([_LEVEL[speed] ** -2, _SLOPE[speed] ** -2])
            centre = found[speed] = self._mode(theta[speed], centre, precision, masses[:, speed], waiting[speed])
        return found

    def _mode(self, theta: Floats, centre: Floats, precision: Floats, masses: Floats, waiting: Floats) -> Floats:
        total = masses.sum(axis=0) + waiting.sum(axis=1)
        columns = np.column_stack((np.ones_like(_GRID), _GRID))
        for _ in range(_STEPS):
            eta = columns @ theta
            p = expit(eta)
            failed = masses[1] + (waiting * expit(eta[:, None] + _TILTS)).sum(axis=1)
            gradient = columns.T @ (failed - total * p) - precision * (theta - centre)
            hessian = (columns.T * (total * p * (1 - p))) @ columns + np.diag(precision)
            step = np.clip(np.linalg.solve(hessian, gradient), -1.0, 1.0)
            theta = theta + step
            theta = np.array([np.clip(theta[0], *_LEVELS), np.clip(theta[1], *_SLOPES)])
            if np.abs(step).max() < 1e-4:
                break
        return np.asarray(theta)

    def _weights(self, gained: Floats) -> Floats:
        log = np.log(_PRIOR) + gained / self.design
        grown = np.maximum(np.exp(log - log.max()), 1e-9)
        return np.asarray(grown / grown.sum())


def _kept(passed: float) -> Floats:
    return np.asarray([0.5 ** (passed / half_life) for half_life in _HALF_LIVES])


def _renewals(asked: Ints, known: Ints, every: int) -> Ints:
    """The days, `every` so many of the calendar, by which anything new came in."""
    came = np.append(asked, known[known < _NEVER // _DAY])
    return np.unique(-(-came // every) * every).astype(np.int64)
