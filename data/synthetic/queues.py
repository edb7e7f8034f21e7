"""The working of the offices: cases queue for crews, wait, wander, and are closed in time or not.

Nothing here draws whether a case is late. A case is late when the crews of its office get to it too late, and
that follows from what else is in the queue.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from typing import Final

import numpy as np

from data.schema import ClosingReason, EventKind
from data.synthetic.arrivals import Cases
from data.synthetic.catalogue import CATEGORIES
from data.synthetic.fates import Fates, Luck
from data.synthetic.plan import Layout
from data.synthetic.staffing import Desk

# Where a case is, and what the clock brings to it next.
_ELSEWHERE, _WAITING, _IN_WORK, _PAUSED, _CLOSED = range(5)
_ARRIVE, _FINISH, _RESUME, _LEAVE, _WATCH, _ESCALATE, _REOPEN = range(7)
_DAY: Final = 86_400

# A crew takes its time when little waits, hurries when much does, and more so when promises are about to be
# broken: work shrinks with the queue, measured in promised times. Without this no queue near its capacity
# would stay near it, and real ones do.
_UNHURRIED, _HURRY, _ALARM, _FASTEST = 1.22, 0.30, 0.6, 0.66

# Shares of cases, each compared with a case's own luck.
_WITHDRAWN, _DUPLICATE = 0.02, 0.045  # the second includes the first
_CLOSES_ON_PAPER: Final = 0.10  # if nobody has come by the deadline
_HANDED_UP: Final = 0.25  # if nobody has come some time after it
_REPLIED: Final = 0.6
_REOPENED, _REOPENED_RUSHED = 0.025, 0.22


@dataclass(slots=True)
class Log:
    """What happened, one list entry per event; an office of -1 is not said."""

    case: list[int] = field(default_factory=list)
    kind: list[EventKind] = field(default_factory=list)
    at: list[int] = field(default_factory=list)
    office: list[int] = field(default_factory=list)
    reason: list[ClosingReason | None] = field(default_factory=list)

    def add(self, case: int, kind: EventKind, at: float, office: int = -1, reason: ClosingReason | None = None) -> None:
        """Note one event; a moment between two seconds belongs to the later."""
        self.case.append(case)
        self.kind.append(kind)
        self.at.append(int(-(-at // 1)))
        self.office.append(office)
        self.reason.append(reason)


class Queues:
    """All offices of a city at work, from the first case until a moment.

    The clock is one heap of what comes next, over all offices: a transfer or a case handed up takes effect
    in the other office's queue at that moment.
    """

    def __init__(self, layout: Layout, desks: list[Desk], cases: Cases, fates: Fates) -> None:
        self.desks, self.fates, self.log = desks, fates, Log()
        self.opened_at, self.due_at = cases.opened_at.tolist(), cases.due_at.tolist()
        self.office, self.right_office = cases.office.tolist(), cases.right_office.tolist()
        self.waits_chance = np.array([spec.waits for spec in CATEGORIES])[cases.category].tolist()
        codes = [office.code for office in layout.offices]
        self.parent = [codes.index(office.parent) if office.parent else None for office in layout.offices]
        self.place = [_ELSEWHERE] * len(cases)
        self.visit = [0] * len(cases)  # counts how often a case was queued: an old entry in a queue is void
        self.rushed = [0.0] * len(cases)
        self.asked_again = [False] * len(cases)
        self.left = list(fates.work)
        self.free = [desk.crews for desk in desks]
        self.queue: list[list[tuple[float, int, int]]] = [[] for _ in desks]
        self.waiting_work = [0.0] * len(desks)
        self.patience = _patience(desks, cases)
        self.next: list[tuple[float, int, int]] = []
        steps = (self._arrive, self._finish, self._resume, self._leave)
        self.acts = (*steps, self._watch, self._escalate, self._reopen)  # in the order of _ARRIVE and so on

    def run(self, at_once: np.ndarray, end: int) -> Log:
        """Let everything happen that happens before `end`."""
        for case, noted in enumerate(at_once.tolist()):
            self.log.add(case, EventKind.OPENED, self.opened_at[case], self.office[case])
            if noted:
                self._note_at_once(case)
            else:
                self.next.append((self.fates.arrives_at[case], case, _ARRIVE))
        heapify(self.next)
        while self.next and self.next[0][0] < end:
            moment, case, act = heappop(self.next)
            self.acts[act](case, moment)
        return self.log

    def _then(self, moment: float, case: int, act: int) -> None:
        heappush(self.next, (moment, case, act))

    def _note_at_once(self, case: int) -> None:
        seconds = 5 + int(self.fates.luck[case][Luck.REASON] * 50)
        self.log.add(case, EventKind.CLOSED, self.opened_at[case] + seconds, reason=ClosingReason.RESOLVED)
        self.place[case] = _CLOSED

    def _arrive(self, case: int, moment: float) -> None:
        luck = self.fates.luck[case]
        if self.office[case] != self.right_office[case]:
            self.office[case] = self.right_office[case]
            self.log.add(case, EventKind.TRANSFERRED, moment, self.office[case])
        if luck[Luck.LEAVE] < _WITHDRAWN:
            self._then(moment + self.fates.again_after[case], case, _LEAVE)
        elif luck[Luck.LEAVE] < _DUPLICATE:
            self.log.add(case, EventKind.DUPLICATE, moment)
            self.place[case] = _CLOSED
            return
        if luck[Luck.CLOSE_EARLY] < _CLOSES_ON_PAPER:
            self._then(self.due_at[case] - 300 - 9000 * luck[Luck.REASON], case, _WATCH)
        if luck[Luck.ESCALATE] < _HANDED_UP:
            late = 0.15 * (self.due_at[case] - self.opened_at[case]) + _DAY
            self._then(self.due_at[case] + late, case, _ESCALATE)
        self._enqueue(case, moment, self.fates.urgency[case])

    def _enqueue(self, case: int, moment: float, urgency: float) -> None:
        office = self.office[case]
        self.visit[case] += 1
        self.place[case] = _WAITING
        self.waiting_work[office] += self.left[case]
        heappush(self.queue[office], (urgency, case, self.visit[case]))
        self._set_to_work(office, moment)

    def _set_to_work(self, office: int, moment: float) -> None:
        queue = self.queue[office]
        while self.free[office] and queue:
            _, case, visit = heappop(queue)
            if self.place[case] == _WAITING and self.visit[case] == visit and self.office[case] == office:
                self._begin(case, office, moment)

    def _begin(self, case: int, office: int, moment: float) -> None:
        desk = self.desks[office]
        pace = _pace(self.waiting_work[office] / desk.day_of_work / self.patience[office])
        self.rushed[case] = max(0.0, 1.0 - pace)
        self._take_from_queue(case)
        self.place[case] = _IN_WORK
        self.free[office] -= 1
        if self.visit[case] == 1 and self.fates.luck[case][Luck.ANSWER] < _REPLIED:
            self.log.add(case, EventKind.REPLIED, desk.opens(moment))
        self._then(desk.done(moment, self.left[case] * pace), case, _FINISH)

    def _take_from_queue(self, case: int) -> None:
        self.waiting_work[self.office[case]] -= self.left[case]

    def _finish(self, case: int, moment: float) -> None:
        office = self.office[case]
        self.free[office] += 1
        if self.visit[case] == 1 and self.fates.luck[case][Luck.PAUSE] < self.waits_chance[case]:
            self.place[case] = _PAUSED
            self.log.add(case, EventKind.PAUSED, moment)
            self._then(self.desks[office].opens(moment + self.fates.wait[case]), case, _RESUME)
        else:
            self._close(case, moment, _reason(self.fates.luck[case][Luck.REASON], self.rushed[case]))
        self._set_to_work(office, moment)

    def _resume(self, case: int, moment: float) -> None:
        if self.place[case] == _PAUSED:
            self.log.add(case, EventKind.RESUMED, moment)
            self.left[case] *= 0.4
            self._enqueue(case, moment, self.fates.urgency[case])

    def _leave(self, case: int, moment: float) -> None:
        if self.place[case] in (_WAITING, _PAUSED):
            if self.place[case] == _WAITING:
                self._take_from_queue(case)
            self.place[case] = _CLOSED
            self.log.add(case, EventKind.WITHDRAWN, moment)

    def _watch(self, case: int, moment: float) -> None:
        """Close a case shortly before its deadline although nobody has been there: it is done on paper."""
        if self.place[case] == _WAITING and self.desks[self.office[case]].opens(moment) == moment:
            self._take_from_queue(case)
            self.rushed[case] = 1.0
            paper = self.fates.luck[case][Luck.REASON]
            self._close(case, moment, ClosingReason.SCHEDULED if paper < 0.5 else ClosingReason.NOTED)

    def _escalate(self, case: int, moment: float) -> None:
        above = self.parent[self.office[case]]
        if self.place[case] != _WAITING or above is None:
            return
        opens = self.desks[above].opens(moment)
        if opens > moment:
            self._then(opens, case, _ESCALATE)
        else:
            self._take_from_queue(case)
            self.office[case] = above
            self.left[case] *= 0.3
            self.log.add(case, EventKind.HANDED_UP, moment, above)
            self._enqueue(case, moment, self.due_at[case])

    def _close(self, case: int, moment: float, reason: ClosingReason) -> None:
        self.place[case] = _CLOSED
        self.log.add(case, EventKind.CLOSED, moment, reason=reason)
        # Asked back once at most: a second time would say little more and make short histories long.
        chance = _REOPENED + _REOPENED_RUSHED * self.rushed[case]
        if not self.asked_again[case] and self.fates.luck[case][Luck.REOPEN] < chance:
            self.asked_again[case] = True
            self._then(moment + 3600 + self.fates.again_after[case], case, _REOPEN)

    def _reopen(self, case: int, moment: float) -> None:
        self.log.add(case, EventKind.REOPENED, moment)
        self.left[case] = 0.6 * self.fates.work[case]
        promised = self.due_at[case] - self.opened_at[case]
        self._enqueue(case, moment, moment + 0.5 * promised)


def _pace(queue: float) -> float:
    """How long a job takes against its usual time, when the queue is this many promised times long."""
    return max(_FASTEST, _UNHURRIED - _HURRY * queue - _ALARM * max(0.0, queue - 0.85))


def _patience(desks: list[Desk], cases: Cases) -> list[float]:
    """How many of its working days each office is usually promised for a case."""
    promised = cases.due_at - cases.opened_at
    usual = []
    for office, desk in enumerate(desks):
        own = cases.right_office == office
        seconds = float(promised[own].mean()) if own.any() else float(promised.mean())
        usual.append(seconds / _DAY * desk.worked_share)
    return usual


_REASONS: Final = (
    # Cumulative share among unhurried closings.
    (0.76, ClosingReason.RESOLVED),
    (0.84, ClosingReason.NOTED),
    (0.90, ClosingReason.SCHEDULED),
    (0.93, ClosingReason.REFERRED),
    (0.96, ClosingReason.NO_ACCESS),
    (0.98, ClosingReason.NO_VIOLATION),
    (0.995, ClosingReason.INVALID),
    (1.0, ClosingReason.OTHER),
)


def _reason(luck: float, rushed: float) -> ClosingReason:
    """How a case is closed: the more hurried, the less often by having solved it."""
    place = 1 - (1 - luck) * (1 - 0.4 * rushed)
    return next(reason for limit, reason in _REASONS if place <= limit)
