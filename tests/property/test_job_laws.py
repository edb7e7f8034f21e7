"""Laws of jobs: whatever workers and clocks do, a job has one holder, one end, and a slot has one moment."""

from __future__ import annotations

import atexit
import tempfile
from contextlib import ExitStack
from datetime import UTC, datetime, time
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import insert

from data.store import Store
from service.jobs.claims import MAX_ATTEMPTS, Claims
from service.jobs.lease import Lease, LeaseLostError
from service.jobs.queue import COMMAND, Job, cancel, newest
from service.jobs.schedule import newest_slot
from service.jobs.schedule_file import Schedule
from tests.support.job_runs import SetClock, acts, added, effect, effects, emptied, job_store

LEASE = 60
# Signs of life come in a quarter of a lease.
TICK = 15
WORKERS = 3
ENDS = ("job.done", "job.failed", "job.cancelled")


@cache
def _store() -> Store:
    """One store for all examples, gone at the end."""
    stack = ExitStack()
    atexit.register(stack.close)
    folder = stack.enter_context(tempfile.TemporaryDirectory())
    return stack.enter_context(job_store("sqlite", Path(folder), str))[1]


class Workers:
    """Three workers on one store, which die, are paused and wake up late, while somebody sets their clocks.

    Every step takes two numbers, which choose among what there is to choose from just then. Ids of jobs are drawn by
    lot; so the choice goes by the order in which jobs were added.
    """

    def __init__(self) -> None:
        self.store = emptied(_store())
        self.clocks = [SetClock() for _ in range(WORKERS)]
        self.claims = [Claims(self.store, seconds=LEASE, clock=clock.clock()) for clock in self.clocks]
        self.jobs: list[str] = []
        self.alive: dict[str, Lease] = {}  # job -> its holder, which gives signs of life
        self.silent: list[Lease] = []  # of workers that died, or are paused, or have let go
        self.ended: dict[str, str] = {}

    def add(self, a: int, _b: int) -> None:
        """Somebody adds a job, for now or for later."""
        now = 1_700_000_000 + len(self.jobs)
        job = added(self.store, now=now, not_before=(None, None, now + 100)[a % 3])
        self.jobs.append(job.job_id)

    def claim(self, a: int, _b: int) -> None:
        """A worker looks for a job; nobody who lives loses one by that."""
        lease = self.claims[a % WORKERS].claim()
        if lease is not None:
            assert lease.job.job_id not in self.alive
            assert lease.job.job_id not in self.ended
            assert 1 <= lease.job.attempts <= MAX_ATTEMPTS
            self.alive[lease.job.job_id] = lease

    def wait(self, a: int, b: int) -> None:
        """Time passes; who lives gives signs of life, and between two of them another worker looks."""
        for _ in range(1 + a % 6):
            for seconds in (TICK / 3, 2 * TICK / 3):
                for clock in self.clocks:
                    clock.pass_(seconds)
                self.claim(b, 0)
            for lease in self.alive.values():
                lease.beat(None)

    def leap(self, a: int, b: int) -> None:
        """Somebody sets a wall clock."""
        self.clocks[a % WORKERS].wall += (-86_400, -120, 120, 86_400)[b % 4]

    def fall_silent(self, a: int, _b: int) -> None:
        """A worker dies, or is paused."""
        lease = self._one_alive(a)
        if lease is not None:
            self.silent.append(lease)

    def let_go(self, a: int, b: int) -> None:
        """A worker ends its job, or hands it back; a second word of it comes too late."""
        lease = self._one_alive(a)
        if lease is None:
            return
        how = ("done", "done", "failed", "hand_back", "put_off")[b % 5]
        if how == "done":
            lease.done({}, lambda connection: self._effect(connection, lease))
        elif how == "failed":
            lease.failed({"type": "t", "title": "t", "detail": "d"})
        else:
            getattr(lease, how)()
        if how in ("done", "failed"):
            self.ended[lease.job.job_id] = how
        self.silent.append(lease)

    def wake_up(self, a: int, b: int) -> None:
        """A worker that was silent goes on: it may write, or end its job, only if that is still its own."""
        if not self.silent:
            return
        lease = self.silent.pop(a % len(self.silent))
        job = self._stored()[lease.job.job_id]
        own = (job.state, job.holder, job.attempts) == ("running", lease.job.holder, lease.job.attempts)
        try:
            if b % 2:
                with self.store.fenced(lease.fence).writing():
                    pass
            else:
                lease.done({}, lambda connection: self._effect(connection, lease))
        except LeaseLostError:
            assert not own
            return
        assert own
        assert job.job_id not in self.ended
        if b % 2:
            self.alive[job.job_id] = lease
        else:
            self.ended[job.job_id] = "done"

    def cancel(self, a: int, b: int) -> None:
        """Somebody cancels a job; not as often as the rest."""
        if self.jobs and b % 3 == 0:
            with self.store.writing() as connection:
                cancel(connection, self.jobs[a % len(self.jobs)], by=COMMAND, now=1)

    def _one_alive(self, a: int) -> Lease | None:
        found = [job_id for job_id in self.jobs if job_id in self.alive]
        return self.alive.pop(found[a % len(found)]) if found else None

    def _effect(self, connection, lease: Lease) -> dict:
        connection.execute(insert(effect).values(job_id=lease.job.job_id, attempt=lease.job.attempts, part=0))
        return {}

    def _stored(self) -> dict[str, Job]:
        with self.store.reading() as connection:
            return {job.job_id: job for job in newest(connection, limit=9_999)}

    def check(self) -> None:
        """Each has one end and one effect, if it is done, and only then."""
        jobs = self._stored()
        assert [job_id for job_id, _ in effects(self.store)] == sorted(
            job_id for job_id, how in self.ended.items() if how == "done"
        )
        assert {job_id for job_id, how in self.ended.items() if how == "done"} == {
            job_id for job_id, job in jobs.items() if job.state == "done"
        }
        told = [job_id for _action, job_id in acts(self.store, *ENDS)]
        assert len(told) == len(set(told))
        for job_id, how in self.ended.items():
            assert jobs[job_id].state == how
        for job_id, lease in self.alive.items():
            assert (jobs[job_id].holder, jobs[job_id].state) == (lease.job.holder, "running")

    def finish(self) -> None:
        """A worker that is left alone does all that is left, or gives it up."""
        self.alive.clear()
        for _ in range(4 * MAX_ATTEMPTS):
            while (lease := self.claims[0].claim()) is not None:
                lease.done({}, lambda connection, lease=lease: self._effect(connection, lease))
                self.ended[lease.job.job_id] = "done"
            # Also past what was put off by a clock that was days ahead.
            self.clocks[0].pass_(LEASE)
            self.clocks[0].wall += 5 * 86_400
        self.check()
        assert all(job.ended for job in self._stored().values())


STEPS = ("add", "add", "claim", "claim", "claim", "wait", "wait", "leap", "fall_silent", "let_go", "wake_up", "cancel")
NUMBERS = st.integers(0, 59)


@settings(max_examples=40)
@given(st.lists(st.tuples(st.sampled_from(STEPS), NUMBERS, NUMBERS), min_size=15, max_size=45))
def test_a_job_has_one_holder_and_one_end(steps):
    """Whatever workers and clocks do, in whatever order."""
    workers = Workers()
    for name, a, b in (("add", 0, 0), ("add", 0, 0), ("claim", 0, 0), *steps):
        getattr(workers, name)(a, b)
    workers.check()
    workers.finish()


ZONES = (
    "Asia/Shanghai",
    "America/New_York",
    "Europe/London",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Africa/Casablanca",
)


@given(
    zone=st.sampled_from(ZONES).map(ZoneInfo),
    at=st.times(max_value=time(23, 59)).map(lambda value: value.replace(second=0, microsecond=0)),
    weekdays=st.one_of(st.none(), st.frozensets(st.integers(0, 6), min_size=1)),
    start=st.datetimes(datetime(1990, 1, 1), datetime(2036, 12, 31)).map(  # noqa: DTZ001
        lambda moment: int(moment.replace(tzinfo=UTC).timestamp())
    ),
)
def test_slots_follow_each_other_and_each_is_one_moment(zone, at, weekdays, start):
    """Asked at any moment, the newest slot has come, is the newest of itself, and never goes back."""
    schedule = Schedule("any", "score", {}, at=at, weekdays=weekdays)
    before = None
    for now in range(start, start + 10 * 86_400, 5 * 3_600 + 7):
        slot = newest_slot(schedule, now, zone)
        assert slot is not None
        assert slot.at <= now
        assert newest_slot(schedule, slot.at, zone) == slot
        earlier = newest_slot(schedule, slot.at - 1, zone)
        assert earlier.at < slot.at
        assert earlier.key < slot.key
        # At its time of the day, or at the end of a leap over it.
        local = datetime.fromtimestamp(slot.at, zone)
        assert (local.hour, local.minute) == (at.hour, at.minute) or datetime.fromtimestamp(
            slot.at - 1, zone
        ).utcoffset() != local.utcoffset()
        if before is not None:
            assert (slot.at, slot.key) >= (before.at, before.key)
        before = slot


@given(every=st.integers(60, 400_000), now=st.integers(0, 4_000_000_000))
def test_an_interval_has_a_slot_in_each_of_its_lengths(every, now):
    """No moment is further from the newest slot than the interval."""
    slot = newest_slot(Schedule("any", "score", {}, every=every), now, UTC)
    assert 0 <= now - slot.at < every
    assert slot.at % every == 0
