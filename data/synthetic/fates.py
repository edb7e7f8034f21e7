"""What chance holds for each case, drawn before the first office opens."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np

from data.synthetic.arrivals import Cases
from data.synthetic.calendars import Calendars
from data.synthetic.catalogue import CATEGORIES

_DAY: Final = 86_400


class Luck(IntEnum):
    """What each uniform number of a case decides."""

    PAUSE = 0
    REOPEN = 1
    CLOSE_EARLY = 2
    ESCALATE = 3
    LEAVE = 4
    REASON = 5
    RECORD_LATE = 6
    ANSWER = 7
    PLACE_UNKNOWN = 8


@dataclass(frozen=True, slots=True)
class Fates:
    """One entry per case: plain lists, since the queues take them one at a time.

    Drawn up front, so that two cities of one seed that differ in capacity alone bring the same work to
    their offices at the same moments, and what differs is the queues.
    """

    work: list[float]  # seconds of one crew
    arrives_at: list[int]  # on the desk of the right office, or of the wrong one where it is noticed
    urgency: list[float]  # the lower the sooner a crew takes it
    wait: list[float]  # seconds that another party takes, where one is waited for
    again_after: list[float]  # seconds until somebody finds that the answer does not hold
    luck: list[list[float]]  # uniform from 0 to 1, one per member of Luck

    def lucky(self, question: Luck) -> np.ndarray:
        """Give the uniform numbers of all cases for one question."""
        return np.array([row[question] for row in self.luck])


def draw_fates(cases: Cases, calendars: Calendars, rng: np.random.Generator) -> Fates:
    """Draw the work in each case, how soon it is sorted, and the luck it meets."""
    count = len(cases)
    spread = np.array([spec.spread for spec in CATEGORIES])[cases.category]
    mean = np.array([spec.work for spec in CATEGORIES])[cases.category] * 3600
    # A long tail, within reason; and no job is done before a crew has got out of the car.
    work = mean * np.clip(np.exp(rng.normal(0, 1, count) * spread - spread**2 / 2), 0.05, 12)
    promised = (cases.due_at - cases.opened_at).astype(float)
    # Mostly the deadline, but a desk has its habits: some categories are liked, and not every pick is
    # explained.
    habit = rng.normal(0, 0.12, len(CATEGORIES))[cases.category] + rng.normal(0, 0.26, count)
    return Fates(
        work=work.tolist(),
        arrives_at=_sorted_out_at(cases, calendars, rng).tolist(),
        urgency=(cases.due_at + promised * habit).tolist(),
        wait=(promised * 0.25 * rng.lognormal(0, 0.7, count)).tolist(),
        again_after=rng.gamma(1.5, 3.5 * _DAY, count).tolist(),
        luck=rng.random((count, len(Luck))).tolist(),
    )


def _sorted_out_at(cases: Cases, calendars: Calendars, rng: np.random.Generator) -> np.ndarray:
    urgent = np.array([spec.unit == "hours" for spec in CATEGORIES])[cases.category]
    astray = cases.office != cases.right_office
    # A wrong office needs a day or two to find out that a case is not for it; nobody does when the matter
    # is urgent.
    found_out = rng.gamma(2.0, np.where(urgent, 0.8, 6.0), len(cases))
    hours = rng.gamma(2.0, np.where(urgent, 0.2, 1.0), len(cases)) + astray * found_out
    seconds = (hours * 3600).astype(np.int64) + 1
    desk = calendars.desk.add_working_time(cases.opened_at, seconds)
    return np.where(urgent, calendars.duty.add_working_time(cases.opened_at, seconds), desk)
