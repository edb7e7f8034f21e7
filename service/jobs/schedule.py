"""The timetable: which jobs are put into the queue when.

    time_zone = "Asia/Shanghai"      # optional: else that of the store, or UTC while it is empty

    [[schedule]]
    name = "morning"
    kind = "score"
    at = "06:30"                     # on the clock of that zone, or every = "6h"
    days = "workdays"                # "daily" (unless given), or a list such as ["mon", "thu"]
    grace = "3h"                     # how late it may still begin; 6 hours unless given
    arguments = {}

    [[schedule]]
    name = "signals"
    kind = "detect"
    after = "morning"                # once for each time that one is done

A slot is a day of `at`, a multiple of `every` since 1970 in UTC, or a job that something comes `after`. Of one slot
there is one job, whatever the number of workers and however often they are started, as the job bears the slot's name
(`once_key`). Of slots that passed while no worker was there, the newest is made up for, if it is younger than its
grace. Where the clocks leap over `at`, the slot is at the end of the leap; where they show it twice, at the first.
`workdays` are those of the store's working calendar; without one, or outside its years, Monday to Friday.

The wall clock decides. Set forward by mistake it brings a slot early, and that slot does not come again.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy import select

from data import tables
from data.clock import WorkingCalendar, _end_of_gap
from data.errors import StoreError
from data.store import Store
from service.jobs.queue import WORKER, Clock, enqueue
from service.jobs.schedule_file import Schedule, ScheduleFile

logger = logging.getLogger("heed.worker")

__all__ = ["Schedule", "ScheduleFile", "Timetable", "newest_slot"]

# A slot of a schedule is looked for in as many past days; there is one in them, unless holidays last longer.
_DAYS_BACK: Final = 15
_HOUR: Final = 3_600
_MONDAY_TO_FRIDAY: Final = range(5)


@dataclass(frozen=True, slots=True)
class Slot:
    """One moment of a schedule, in seconds in UTC, and the name that its job bears."""

    at: int
    key: str


def newest_slot(schedule: Schedule, now: int, zone: tzinfo, calendar: WorkingCalendar | None = None) -> Slot | None:
    """The newest slot of a schedule by `at` or `every` at or before `now` (seconds in UTC).

    Parameters
    ----------
    zone : whose clock `at` is read on
    calendar : says which days are workdays; None: Monday to Friday

    Returns
    -------
    None where there was none within a fortnight, or the schedule comes after another.
    """
    if schedule.every is not None:
        at = now - now % schedule.every
        return Slot(at, f"{schedule.name}:{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%MZ}")
    if schedule.at is None:
        return None
    today = datetime.fromtimestamp(now, zone).date()
    # From tomorrow on: a leap can put the end of a day after the next midnight, and zones have crossed the date line.
    for back in range(-1, _DAYS_BACK):
        day = today - timedelta(back)
        if _is_on(schedule, day, zone, calendar):
            at = _moment(day, schedule.at, zone)
            if at <= now:
                return Slot(at, f"{schedule.name}:{day}")
    return None


def _is_on(schedule: Schedule, day: date, zone: tzinfo, calendar: WorkingCalendar | None) -> bool:
    if schedule.weekdays is not None:
        return day.weekday() in schedule.weekdays
    noon = int(datetime.combine(day, time(12), zone).timestamp())
    if calendar is None or not calendar.covers(noon).all():
        return day.weekday() in _MONDAY_TO_FRIDAY
    return bool(calendar.is_worked[int(calendar.day_of(noon))])


def _moment(day: date, at: time, zone: tzinfo) -> int:
    """The first moment of that local time; where the clocks leap over it, the end of the leap."""
    local = datetime.combine(day, at, zone)
    moment = int(local.timestamp())
    if datetime.fromtimestamp(moment, zone).replace(tzinfo=None) == local.replace(tzinfo=None):
        return moment
    return _end_of_gap(local.replace(tzinfo=None), str(zone))


class Timetable:
    """Puts the jobs of schedules into the queue of a store.

    Parameters
    ----------
    store : Store
    file : what was read by `ScheduleFile.read`; None: nothing
    clock : see `service.jobs.queue.Clock`
    """

    def __init__(self, store: Store, file: ScheduleFile | None, *, clock: Clock | None = None) -> None:
        self._store, self._clock = store, clock or Clock()
        self._file = file or ScheduleFile()
        # Slots whose job is in the queue, so that the store is asked once for each.
        self._known: dict[str, str] = {}
        self._setting: tuple[float, tzinfo, WorkingCalendar | None] | None = None

    @property
    def schedules(self) -> Sequence[Schedule]:
        """What there is in it."""
        return self._file.schedules

    def enqueue_due(self) -> int:
        """Put in a job for each slot that has come and has none; how many were new.

        Raises
        ------
        StoreError
            If the store cannot be written to.
        """
        due = [(schedule, slot) for schedule, slot in self._slots() if self._known.get(schedule.name) != slot.key]
        added = 0
        for schedule, slot in due:
            if self._clock.now() - slot.at <= schedule.grace:
                with self._store.writing() as connection:
                    job, new = enqueue(
                        connection,
                        schedule.kind,
                        schedule.arguments,
                        by=WORKER,
                        now=self._clock.now(),
                        once_key=slot.key,
                    )
                added += new
                if new:
                    logger.info("job=%s kind=%s added by schedule %s", job.job_id, job.kind, schedule.name)
            self._known[schedule.name] = slot.key
        return added

    def _slots(self) -> Iterator[tuple[Schedule, Slot]]:
        now = self._clock.now()
        for schedule in self.schedules:
            if schedule.after is None:
                zone, calendar = self._zone_and_calendar()
                slot = newest_slot(schedule, now, zone, calendar)
            else:
                slot = self._after(schedule)
            if slot is not None:
                yield schedule, slot

    def _after(self, schedule: Schedule) -> Slot | None:
        """The newest job of the schedule that it comes after, if that is done."""
        job = tables.job.c
        query = (
            select(job.job_id, job.finished_at)
            .where(job.once_key.like(f"{schedule.after}:%"), job.state == "done")
            .order_by(job.finished_at.desc(), job.job_id.desc())
            .limit(1)
        )
        with self._store.reading() as connection:
            row = connection.execute(query).first()
        return None if row is None else Slot(int(row.finished_at), f"{schedule.name}:{row.job_id}")

    def _zone_and_calendar(self) -> tuple[tzinfo, WorkingCalendar | None]:
        """The clock and the workdays; looked up anew every hour, as imports can change them."""
        now = self._clock.monotonic()
        if self._setting is None or now >= self._setting[0]:
            self._setting = (now + _HOUR, self._zone(), self._calendar())
        return self._setting[1], self._setting[2]

    def _zone(self) -> tzinfo:
        if self._file.time_zone is not None:
            return ZoneInfo(self._file.time_zone)
        try:
            return ZoneInfo(self._store.time_zone())
        except StoreError:
            return UTC

    def _calendar(self) -> WorkingCalendar | None:
        if not any(schedule.weekdays is None for schedule in self.schedules):
            return None
        # Imported here: it brings the features along.
        from service.known import office_calendar  # noqa: PLC0415

        return office_calendar(self._store)
