"""Random intercepts: by how much the newest outcomes of one group, as one office, depart from what was told of them.

A model of the whole history tells what an office was; one that began to fail a month ago is told far too mildly, since
most of what is known of it is older. Later rows, told by provisional models that knew nothing of them, show how much.
Each group gets a shift of its log-odds: the mode of a logistic regression with the told score as its offset, a free
level for all groups together, and a normal effect of each group (Breslow and Clayton 1993), less the effect of the
median group. What all groups erred by over a few weeks is thrown away: it is the luck of those weeks, and a start that
is a record follows it anyway. The median, so that one group that fails makes no other look good. Evidence is forgotten
by halves, rows of one case count as one, and three cases that share their weeks as one.

Nothing looks ahead: an outcome counts from the moment at which it was known.

References
----------
Breslow, N. and Clayton, D. (1993). Approximate inference in generalized linear mixed models. JASA 88.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from models.risk_model.material import Material

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_DAY: Final = 86_400
WEEK: Final = 7 * _DAY
# Days after which an outcome counts half as much: the spells of an office last weeks, and so does what ends them.
_HALF_LIFE: Final = 30.0
# Standard deviation of the intercepts in log-odds: most offices differ little from what was told of them.
SPREAD: Final = 0.5
# Cases of an office share its weeks: so many weigh as one.
_SHARED_LUCK: Final = 3.0
_STEPS: Final = 50
_LARGEST_STEP: Final = 1.0
_NEAR: Final = 1e-10


@dataclass(frozen=True)
class Outcomes:
    """Later rows and what was told of them.

    Attributes
    ----------
    score : (m,) log-odds, by models that knew nothing of the rows
    outcome : (m,) of 0 and 1
    weight : (m,) how far each label is believed
    at, known_at : (m,) int64 seconds in UTC; of the row, and from when on its outcome was known
    case : (m,) codes; rows of a case have the same
    group : (m,) codes of what has an intercept, -1 for none
    """

    score: Floats
    outcome: Floats
    weight: Floats
    at: Ints
    known_at: Ints
    case: Ints
    group: Ints

    @classmethod
    def of(cls, material: Material, score: Floats) -> Self | None:
        """Those of rows that have a group and moments; None where they have none."""
        timing, group = material.timing, material.table.group
        if group is None or timing.at is None:
            return None
        known = timing.at if timing.matures_at is None else np.maximum(timing.at, timing.matures_at)
        return cls(score, material.outcome, material.weight, timing.at, known, timing.group, group)

    def rows(self, chosen: NDArray[np.bool_]) -> Self:
        """The rows that a mask chooses."""
        return replace(self, **{name: getattr(self, name)[chosen] for name in self.__dataclass_fields__})

    def intercepts(self, groups: int, moment: int) -> Floats:
        """The intercept of each group in log-odds, (groups,), by what was known strictly before a moment; 0 without."""
        rows = self.rows((self.known_at < moment) & (self.group >= 0))
        if len(rows.score) == 0:
            return np.zeros(groups)
        _, case, count = np.unique(rows.case, return_inverse=True, return_counts=True)
        forgotten = 0.5 ** ((moment - rows.known_at) / (_HALF_LIFE * _DAY))
        found = _modes(rows, rows.weight * forgotten / count[case] / _SHARED_LUCK, groups)
        told = np.unique(rows.group[rows.weight > 0])
        if len(told):
            found[told] -= np.median(found[told])
        return found

    def followed(self, groups: int) -> Floats:
        """The scores as they would have been told, (m,): with the intercepts known when the week of a row (UTC) began.

        A model with intercepts is calibrated by these: it knew no more of these rows than it will know of new ones.
        """
        week = self.at // WEEK
        found = self.score.copy()
        for number in np.unique(week):
            now = (week == number) & (self.group >= 0)
            found[now] += self.intercepts(groups, int(number) * WEEK)[self.group[now]]
        return found


def _modes(rows: Outcomes, weight: Floats, groups: int) -> Floats:
    """The intercepts' joint mode with a common level, by Newton's steps on all at once."""
    level, found = 0.0, np.zeros(groups)
    precision = 1 / SPREAD**2
    for _ in range(_STEPS):
        risk = expit(rows.score + level + found[rows.group])
        error = np.bincount(rows.group, weight * (rows.outcome - risk), groups)
        curve = np.bincount(rows.group, weight * risk * (1 - risk), groups)
        # The system is diagonal but for the level: eliminated, it is one division for each group.
        gradient, bend = error - precision * found, curve + precision
        told = float((curve - curve**2 / bend).sum())
        step = float((error - curve * gradient / bend).sum()) / told if told > _NEAR else 0.0
        step = float(np.clip(step, -_LARGEST_STEP, _LARGEST_STEP))
        moved = np.clip((gradient - curve * step) / bend, -_LARGEST_STEP, _LARGEST_STEP)
        level, found = level + step, found + moved
        if abs(step) + float(np.abs(moved).max(initial=0.0)) < _NEAR:
            break
    return np.asarray(found)
