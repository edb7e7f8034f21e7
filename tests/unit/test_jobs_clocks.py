"""When a job is given to another worker: by watching it, so that no clock that leaps can give it away or keep it."""

from __future__ import annotations

import pytest

from service.jobs.claims import Claims
from service.jobs.lease import LeaseLostError
from tests.support.job_runs import SetClock, added, emptied, found, job_store

DAY = 86_400


@pytest.fixture(scope="module")
def made_store(tmp_path_factory):
    """A store; clocks are the same on both engines."""
    with job_store("sqlite", tmp_path_factory.mktemp("clocks"), str) as (_url, opened):
        yield opened


@pytest.fixture
def store(made_store):
    """An empty one."""
    return emptied(made_store)


@pytest.fixture
def clock():
    """The clock of a machine that two workers share."""
    return SetClock()


def claims_of(store, clock, seconds: float = 60) -> Claims:
    return Claims(store, seconds=seconds, clock=clock.clock())


@pytest.mark.parametrize("leap", [-DAY, DAY])
def test_a_leap_while_it_is_watched_takes_no_job_from_its_worker(store, clock, leap):
    """A day forward or back: as long as the holder gives signs of life, nobody takes it."""
    added(store)
    lease, other = claims_of(store, clock).claim(), claims_of(store, clock)
    assert other.claim() is None
    clock.wall += leap
    for _ in range(40):
        assert other.claim() is None
        clock.pass_(10)
        lease.beat(None)
    lease.done({})


@pytest.mark.parametrize("leap", [-DAY, DAY])
def test_a_leap_while_it_is_watched_keeps_no_job_from_the_others(store, clock, leap):
    """The holder has died: it is taken when its lease would have run out, neither earlier nor a day later."""
    added(store)
    claims_of(store, clock).claim()
    other = claims_of(store, clock)
    assert other.claim() is None
    clock.wall += leap
    clock.pass_(59)
    assert other.claim() is None
    clock.pass_(1)
    assert other.claim().job.attempts == 2


@pytest.mark.parametrize(("leap", "after"), [(-DAY, 60), (DAY, 30)])
def test_a_leap_before_anybody_watched_costs_a_lease_at_most(store, clock, leap, after):
    """It looks a day long, and is believed for its length; or long over, and is watched for half of it."""
    added(store)
    lease = claims_of(store, clock).claim()
    clock.wall += leap
    other = claims_of(store, clock)
    assert other.claim() is None
    clock.pass_(after - 1)
    assert other.claim() is None
    # A worker that is alive gives a sign of life in a quarter of its lease; this one does not.
    clock.pass_(1)
    assert other.claim().job.attempts == 2
    with pytest.raises(LeaseLostError):
        lease.beat(None)


def test_a_lease_that_looks_over_is_kept_by_a_sign_of_life(store, clock):
    """The clock leapt a day forward before the other worker started: it sees that the holder is alive."""
    added(store)
    lease = claims_of(store, clock).claim()
    clock.wall += DAY
    other = claims_of(store, clock)
    for _ in range(20):
        assert other.claim() is None
        clock.pass_(15)
        lease.beat(None)


def test_clocks_of_two_machines_need_not_agree(store):
    """One is a day ahead of the other, either way round."""
    for ahead in (-DAY, DAY):
        job = added(store)
        here, there = SetClock(), SetClock(wall=1_700_000_000.0 + ahead, monotonic=7.0)
        lease, other = claims_of(store, here).claim(), claims_of(store, there)
        for _ in range(10):
            assert other.claim() is None
            here.pass_(15)
            there.pass_(15)
            lease.beat(None)
        assert other.claim() is None
        there.pass_(60)
        assert other.claim().job.job_id == job.job_id
        emptied(store)


def test_workers_may_have_leases_of_different_length(store, clock):
    """Whoever watches goes by the length that the holder was granted."""
    added(store)
    lease, hasty = claims_of(store, clock, seconds=600).claim(), claims_of(store, clock, seconds=10)
    for _ in range(4):
        assert hasty.claim() is None
        clock.pass_(149)
        assert hasty.claim() is None
        lease.beat(None)
    assert hasty.claim() is None
    clock.pass_(600)
    assert hasty.claim().job.attempts == 2


def test_a_job_that_may_begin_at_once_is_due_whatever_the_clock_says(store, clock):
    """One that was put in before the clock was set back does not wait for a day."""
    job = added(store)
    put_off = added(store, not_before=int(clock.wall) + 5)
    clock.wall -= DAY
    claims = claims_of(store, clock)
    assert claims.claim().job.job_id == job.job_id
    assert claims.claim() is None
    clock.wall += DAY + 5
    assert claims.claim().job.job_id == put_off.job_id


def test_a_holder_knows_by_its_own_clock_when_it_has_to_look(store, clock):
    """Half a lease after the last sign of life another may have taken it, whatever the wall clock says."""
    added(store)
    lease = claims_of(store, clock).claim()
    clock.wall += DAY
    assert lease.is_sure
    clock.monotonic += 30
    assert not lease.is_sure
    lease.beat(None)
    assert lease.is_sure


def test_a_wait_for_another_writer_is_no_silence(store, clock):
    """Whoever waited long to take a job cannot tell whether its holder waited as well, and watches anew."""
    added(store)
    claims_of(store, clock).claim()
    other = claims_of(store, clock)
    assert other.claim() is None
    clock.pass_(60)
    ticks = iter([clock.monotonic] * 3)
    # The third look at the clock is after the lock was taken: two seconds went by.
    waiting = SetClock(clock.wall, clock.monotonic)
    waited = Claims(store, seconds=60, clock=clock.clock())
    waited._watched = dict(other._watched)
    waited._clock = type(waited._clock)(lambda: waiting.wall, lambda: next(ticks, clock.monotonic + 2))
    assert waited.claim() is None
    assert found(store, next(iter(waited._watched))).attempts == 1


def test_it_is_told_whether_a_worker_lives_yet(store, clock):
    """A worker that ends when nothing is due waits until it knows."""
    added(store)
    other = claims_of(store, clock)
    lease = claims_of(store, clock).claim()
    assert other.claim() is None
    assert other.undecided
    clock.pass_(15)
    lease.beat(None)
    assert other.claim() is None
    assert not other.undecided
