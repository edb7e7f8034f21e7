"""The queue: jobs go in, are taken up by one worker at a time, and end once."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import insert, update

from data import tables
from data.errors import StoreError
from service.jobs.claims import Claims
from service.jobs.heartbeat import Heartbeat
from service.jobs.lease import Lease, LeaseLostError
from service.jobs.queue import COMMAND, cancel, enqueue, find, ids_like, newest
from tests.support.job_runs import SetClock, acts, added, effect, effects, emptied, found, job_store

NOW = 1_700_000_000


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def made_store(request, tmp_path_factory):
    """A store on each engine."""
    folder = tmp_path_factory.mktemp("jobs")
    with job_store(request.param, folder, lambda: request.getfixturevalue("postgres_url")) as (_url, opened):
        yield opened


@pytest.fixture
def store(made_store):
    """An empty one."""
    return emptied(made_store)


@pytest.fixture
def clock():
    """A clock that stands still."""
    return SetClock()


def claims_of(store, clock, **options) -> Claims:
    return Claims(store, seconds=60, clock=clock.clock(), **options)


def _cancel(store, job_id: str):
    with store.writing() as connection:
        return cancel(connection, job_id, by=COMMAND, now=NOW)


def test_the_oldest_due_job_is_taken_first_and_by_one_worker_only(store, clock):
    """One that is to begin later waits, and a taken one is not taken again."""
    later = added(store, not_before=NOW + 20)
    second, first = added(store, now=NOW - 5), added(store, now=NOW - 9)
    one, other = claims_of(store, clock), claims_of(store, clock)
    taken = [one.claim(), other.claim()]
    assert [lease.job.job_id for lease in taken] == [first.job_id, second.job_id]
    assert {lease.job.attempts for lease in taken} == {1}
    assert taken[0].job.holder != taken[1].job.holder
    assert one.claim() is None
    clock.pass_(20)
    assert one.claim().job.job_id == later.job_id


def test_of_a_once_key_there_is_one_job(store):
    """Whoever comes second gets the first one's, whatever became of it."""
    with store.writing() as connection:
        first, new = enqueue(connection, "append", {}, by=COMMAND, now=NOW, once_key="morning:2026-03-02")
        assert new
    _cancel(store, first.job_id)
    with store.writing() as connection:
        again, new = enqueue(connection, "replace", {}, by=COMMAND, now=NOW, once_key="morning:2026-03-02")
    assert not new
    assert (again.job_id, again.kind, again.state) == (first.job_id, "append", "cancelled")
    assert len(acts(store, "job.add")) == 1


def test_a_job_ends_with_its_effect_and_its_entry_or_with_none(store, clock):
    """The effect, the result and the entry of the audit trail are one transaction."""
    job = added(store)
    lease = claims_of(store, clock).claim()

    def half(connection):
        connection.execute(insert(effect).values(job_id=job.job_id, attempt=1, part=0))
        raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        lease.done({}, half)
    assert effects(store) == []
    assert found(store, job.job_id).state == "running"

    def whole(connection):
        connection.execute(insert(effect).values(job_id=job.job_id, attempt=1, part=0))
        return {"made": 1}

    lease.done({"asked": 2}, whole)
    ended = found(store, job.job_id)
    assert (ended.state, ended.result, ended.finished_at) == ("done", {"asked": 2, "made": 1}, NOW)
    assert effects(store) == [(job.job_id, 0)]
    assert acts(store) == [("job.add", job.job_id), ("job.done", job.job_id)]


def test_who_has_lost_a_job_can_change_nothing_more(store, clock):
    """Not its rows, not its progress, not its end: whoever took it over is undisturbed."""
    job = added(store)
    first = claims_of(store, clock).claim()
    other = claims_of(store, clock)
    assert other.claim() is None
    clock.pass_(61)
    second = other.claim()
    assert (second.job.job_id, second.job.attempts) == (job.job_id, 2)
    fenced = store.fenced(first.fence)
    refused = (
        lambda: first.done({}),
        lambda: first.failed({"type": "t", "title": "t", "detail": "d"}),
        first.cancelled,
        first.hand_back,
        first.put_off,
        first.look,
        lambda: first.pin({"as_of": 1}),
        lambda: first.beat(("late", 1, 2)),
    )
    for act in refused:
        with pytest.raises(LeaseLostError, match="another worker has taken it"):
            act()
    with pytest.raises(LeaseLostError), fenced.writing() as connection:
        connection.execute(insert(effect).values(job_id=job.job_id, attempt=1, part=0))
    assert effects(store) == []
    assert found(store, job.job_id) == second.job
    second.done({})
    assert found(store, job.job_id).state == "done"


def test_a_fence_holds_in_stores_that_are_made_of_a_fenced_one(store, clock):
    """Such as that of a sync, which writes its watermark into the transaction of its import."""
    from data.store import Store

    added(store)
    lease = claims_of(store, clock).claim()
    _claimed_by_another(store, lease)
    with pytest.raises(LeaseLostError), Store(store.fenced(lease.fence).engine).writing():
        pass
    with store.writing():
        pass


def _claimed_by_another(store, lease) -> None:
    with store.writing() as connection:
        mine = tables.job.c.job_id == lease.job.job_id
        connection.execute(update(tables.job).where(mine).values(holder="other/60s", attempts=2))


def test_what_is_written_for_a_job_keeps_it_as_a_sign_of_life_does(store, clock):
    """A long transaction ends with a fresh lease: nobody could have given a sign of life meanwhile."""
    added(store)
    lease = claims_of(store, clock).claim()
    other = claims_of(store, clock)
    assert other.claim() is None
    with store.fenced(lease.fence).writing():
        clock.pass_(300)
    assert other.claim() is None
    assert lease.is_sure
    assert found(store, lease.job.job_id).lease_until == NOW + 360


def test_an_id_that_no_job_can_have_is_that_of_none(store):
    """On either engine; one of them refuses to look for a zero byte."""
    with store.writing() as connection:
        assert find(connection, "\0") is None
        assert cancel(connection, "\0", by=COMMAND, now=NOW) is None


def test_whoever_writes_for_long_does_not_wait_for_himself(store, clock, monkeypatch):
    """No sign of life can be given within one's own transaction, and none is needed: nobody else can write."""
    added(store)
    lease = claims_of(store, clock).claim()
    beating = Heartbeat(lease, stopping=lambda: False, clock=clock.clock())
    beats, real = [], Lease.beat
    monkeypatch.setattr(Lease, "beat", lambda *given, **more: beats.append(clock.wall) or real(*given, patience=0))
    with store.fenced(lease.fence).writing():
        clock.pass_(10_000)
        beating.progress("rows", 1, 2)
    assert beats == []
    clock.pass_(31)
    beating.progress("rows", 2, 2)
    assert len(beats) == 1
    with pytest.raises(ZeroDivisionError), store.fenced(lease.fence).writing():
        raise ZeroDivisionError
    clock.pass_(31)
    beating.progress("rows", 2, 2)
    assert len(beats) == 2


def test_a_job_begun_three_times_by_workers_that_died_is_given_up(store, clock):
    """It fails with a problem that says so, and is not begun a fourth time."""
    job = added(store)
    claims = claims_of(store, clock)
    for attempt in (1, 2, 3):
        assert claims.claim().job.attempts == attempt
        assert claims.claim() is None
        clock.pass_(61)
    assert claims.claim() is None
    ended = found(store, job.job_id)
    assert ended.state == "failed"
    assert ended.problem["type"] == "urn:heed:problem:job-given-up"
    assert "begun three times" in ended.problem["detail"]
    assert acts(store)[-1] == ("job.failed", job.job_id)


def test_what_is_handed_back_counts_no_attempt_and_what_is_put_off_waits(store, clock):
    """However often a worker is restarted, its job is not given up for that."""
    job = added(store)
    claims = claims_of(store, clock)
    for _ in range(5):
        lease = claims.claim()
        assert lease.job.attempts == 1
        lease.hand_back()
    claims.claim().put_off()
    assert claims.claim() is None
    clock.pass_(30)
    assert claims.claim().job.attempts == 2
    assert found(store, job.job_id).started_at == NOW


def test_a_queued_job_is_cancelled_at_once_and_a_running_one_is_asked(store, clock):
    """One that has ended stays as it is, and asking twice is told once."""
    queued, claims = added(store), claims_of(store, clock)
    assert _cancel(store, queued.job_id).state == "cancelled"
    assert claims.claim() is None
    running = added(store)
    lease = claims.claim()
    assert not lease.look()
    for _ in range(2):
        asked = _cancel(store, running.job_id)
        assert (asked.state, asked.cancel_asked) == ("running", True)
    assert lease.look()
    assert lease.beat(None)
    lease.cancelled()
    assert _cancel(store, running.job_id).state == "cancelled"
    assert _cancel(store, "nobody") is None
    assert acts(store, "job.cancel", "job.cancelled") == [
        ("job.cancel", queued.job_id),
        ("job.cancel", running.job_id),
        ("job.cancelled", running.job_id),
    ]


def test_a_job_that_was_to_be_cancelled_is_not_begun_again(store, clock):
    """Its worker died before it could stop; whoever takes it over ends it."""
    job, claims = added(store), claims_of(store, clock)
    claims.claim()
    _cancel(store, job.job_id)
    assert claims.claim() is None
    clock.pass_(61)
    assert claims.claim() is None
    assert found(store, job.job_id).state == "cancelled"


def test_kinds_that_must_not_meet_run_one_at_a_time(store, clock):
    """Others go past them."""
    claims = claims_of(store, clock, alone=["sync"])
    for second, kind in enumerate(("sync", "sync", "score")):
        added(store, kind, now=NOW + second)
    first = claims.claim()
    assert claims.claim().job.kind == "score"
    assert claims.claim() is None
    first.done({})
    assert claims.claim().job.kind == "sync"


def test_a_worker_takes_only_what_it_can_do(store, clock):
    """A kind of a newer heed waits for a newer worker, and so does one that such a worker left."""
    added(store, "unheard-of")
    able = claims_of(store, clock, kinds=["score"])
    assert able.claim() is None
    assert claims_of(store, clock).claim() is not None
    assert able.claim() is None
    clock.pass_(61)
    assert able.claim() is None


def test_what_was_fixed_stays_fixed(store, clock):
    """The next attempt asks about the same moment; what was given is told as it was given."""
    job, claims = added(store), claims_of(store, clock)
    claims.claim().pin({"as_of": 5, "last_import": 2})
    assert claims.claim() is None
    clock.pass_(61)
    again = claims.claim()
    assert again.job.pinned == {"as_of": 5, "last_import": 2}
    assert again.job.arguments == {}
    again.pin({"more": 1})
    assert found(store, job.job_id).pinned == {"as_of": 5, "last_import": 2, "more": 1}


def test_pages_follow_each_other_and_new_jobs_do_not_shift_them(store):
    """By the moment of their addition, newest first, and among those of one second by id."""
    jobs = [added(store, now=NOW + n // 3) for n in range(7)]
    expected = [job.job_id for job in sorted(jobs, key=lambda job: (job.created_at, job.job_id), reverse=True)]
    walked, after = [], None
    while True:
        with store.reading() as connection:
            page = newest(connection, limit=2, after=after)
        if not page:
            break
        walked += [job.job_id for job in page]
        after = (page[-1].created_at, page[-1].job_id)
        added(store, now=NOW + 99)
    assert walked == expected
    with store.reading() as connection:
        assert newest(connection, limit=9, state="done") == []
        assert len(newest(connection, limit=99, kind="append")) == 11
        assert ids_like(connection, expected[0][:15]) == [expected[0]]
        assert ids_like(connection, "%") == []


def test_progress_is_kept_while_it_runs(store, clock):
    """Cut to what the table holds; nothing of it is left afterwards."""
    job, claims = added(store), claims_of(store, clock)
    lease = claims.claim()
    lease.beat(("x" * 99, 3, 0))
    told = found(store, job.job_id)
    assert (told.step, told.steps_done, told.steps_total) == ("x" * 64, 3, 0)
    lease.done({})
    assert found(store, job.job_id).step is None


def test_two_ways_of_writing_a_lease_differ_even_within_a_second(store, clock):
    """Whoever watches goes by the row changing, whatever the clock says."""
    added(store)
    lease = claims_of(store, clock).claim()
    seen = {found(store, lease.job.job_id).lease_until}
    for _ in range(3):
        lease.beat(None)
        now = found(store, lease.job.job_id).lease_until
        assert now not in seen
        seen = {now}


def test_a_busy_store_is_no_lost_lease(store, clock):
    """A sign of life that cannot be given says so, and the lease goes on running out."""
    added(store)
    lease = claims_of(store, clock).claim()
    with store.writing(), pytest.raises(StoreError, match="the store is locked"):
        lease.beat(None, patience=0)
    assert not lease.beat(None)
    assert replace(lease.job, lease_until=0).attempts == 1
