"""The worker: does jobs, says what became of them, and stops when it is told to."""

from __future__ import annotations

import logging
import threading

import pytest
from sqlalchemy import insert, update

from data import tables
from data.errors import NotEnoughDataError, StoreError
from service.job_payloads import NoArguments
from service.jobs.claims import Claims
from service.jobs.queue import COMMAND, cancel
from service.jobs.work import Kind, Outcome
from service.jobs.worker import StopNowError, Worker
from tests.support.job_runs import KINDS, SetClock, acts, added, effect, effects, emptied, found, job_store, settings_of

LEASE = 0.4


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def made_store(request, tmp_path_factory):
    """The address of a store on each engine, and the store."""
    folder = tmp_path_factory.mktemp("worker")
    with job_store(request.param, folder, lambda: request.getfixturevalue("postgres_url")) as made:
        yield made


@pytest.fixture
def store(made_store):
    """An empty one."""
    return emptied(made_store[1])


@pytest.fixture
def worker_of(made_store, store):
    """Make a worker of some kinds."""

    def make(*, lease: float = 60, clock: SetClock | None = None, watch=None, **runs) -> Worker:
        kinds = {name: Kind(NoArguments, run) for name, run in runs.items()} or KINDS
        settings = settings_of(made_store[0], job_lease_seconds=lease)
        return Worker(store, settings, kinds, watch=watch, clock=clock.clock() if clock else None)

    return make


def test_jobs_are_done_each_once_and_told(store, worker_of):
    """Two of them, in one go, with their progress on the terminal."""
    steps = []
    jobs = [added(store, kind) for kind in ("append", "replace")]
    assert worker_of(watch=lambda *step: steps.append(step)).run(once=True) == 2
    assert sorted(effects(store)) == sorted([(jobs[0].job_id, 0), *((jobs[1].job_id, part) for part in range(4))])
    assert [found(store, job.job_id).state for job in jobs] == ["done", "done"]
    assert found(store, jobs[0].job_id).result == {"attempt": 1, "parts": 1}
    assert sorted(acts(store, "job.done")) == sorted(("job.done", job.job_id) for job in jobs)
    assert {("append", 3, 4), ("replace", 0, 4)} <= set(steps)


def test_what_heed_raises_on_purpose_is_the_problem_of_the_job(store, worker_of):
    """Its title and its words; it is not tried again."""

    def fail(_work):
        raise NotEnoughDataError("No case was known at that moment.")

    job = added(store, "fail")
    assert worker_of(fail=fail).run(once=True) == 1
    ended = found(store, job.job_id)
    assert (ended.state, ended.attempts) == ("failed", 1)
    assert ended.problem == {
        "type": "urn:heed:problem:not-enough-data",
        "title": "Not enough data",
        "detail": "No case was known at that moment.",
    }
    assert acts(store)[-1] == ("job.failed", job.job_id)


def test_an_unforeseen_error_tells_nothing_of_what_it_says(store, worker_of, caplog):
    """The log has its kind and its place, the job neither: its message may hold anything."""

    def fail(_work):
        raise ValueError("Wang Xiaoming, 13800138000")

    job = added(store, "fail")
    with caplog.at_level(logging.DEBUG):
        worker_of(fail=fail).run(once=True)
    ended = found(store, job.job_id)
    assert ended.problem["type"] == "urn:heed:problem:internal"
    assert "Wang" not in str(ended.problem)
    assert "Wang" not in caplog.text
    assert f"job={job.job_id} ValueError at" in caplog.text
    assert "test_jobs_worker.py" in caplog.text


def test_a_problem_tells_no_place_of_the_machine(made_store, store, worker_of):
    """Neither the address of the store nor a folder; an address on the web may be told."""
    shown = store.engine.url.render_as_string(hide_password=True)

    def fail(_work):
        raise NotEnoughDataError(f"{shown}: none. See '/srv/heed/x/town.toml' of https://a.org/b/c.json.")

    job = added(store, "fail")
    worker_of(fail=fail).run(once=True)
    told = found(store, job.job_id).problem["detail"]
    assert told == "the store: none. See 'town.toml' of https://a.org/b/c.json."


@pytest.mark.parametrize("error", [StoreError("locked"), OSError(28, "No space left on device")])
def test_what_passes_is_tried_again_later_and_not_for_ever(store, worker_of, error):
    """Half a minute later, a minute later; then it is the problem of the job."""

    def fail(_work):
        raise error

    clock = SetClock()
    job, worker = added(store, "fail"), worker_of(clock=clock, fail=fail)
    for attempt, wait in ((1, 29), (2, 59)):
        assert worker.run(once=True) == 1
        told = found(store, job.job_id)
        assert (told.state, told.attempts) == ("queued", attempt)
        clock.pass_(wait)
        assert worker.run(once=True) == 0
        clock.pass_(1)
    assert worker.run(once=True) == 1
    ended = found(store, job.job_id)
    assert (ended.state, ended.attempts) == ("failed", 3)
    assert "No space" not in ended.problem["detail"]


def test_a_running_job_stops_at_its_next_word_when_it_is_cancelled(store, worker_of):
    """Without waiting for the next sign of life; what comes after it is not done."""
    heard = threading.Event()

    def long(work):
        with store.writing() as connection:
            cancel(connection, work.job.job_id, by=COMMAND, now=1)
        for part in range(1_000):
            heard.wait(0.01)
            work.progress("long", part, 1_000)
        return Outcome({"got": "through"})

    job = added(store, "long")
    assert worker_of(lease=LEASE, long=long).run(once=True) == 1
    assert found(store, job.job_id).state == "cancelled"
    assert acts(store)[-1] == ("job.cancelled", job.job_id)


@pytest.mark.parametrize("how", ["at its next word", "at once"])
def test_a_worker_that_is_told_to_stop_hands_its_job_back(store, worker_of, how):
    """The next worker begins it, and no attempt was counted."""
    workers = []

    def long(work):
        workers[0].stop()
        if how == "at once":
            raise StopNowError
        work.progress("long", 0, 1)
        return Outcome({"got": "through"})

    job = added(store, "long")
    workers.append(worker_of(long=long))
    assert workers[0].run() == 1
    told = found(store, job.job_id)
    assert (told.state, told.attempts, told.holder, told.lease_until) == ("queued", 0, None, None)
    assert worker_of(long=lambda _work: Outcome({"got": "through"})).run(once=True) == 1
    assert found(store, job.job_id).result == {"got": "through"}


def test_an_idle_worker_stops_when_it_is_told_to(worker_of):
    """It need not wait for a job first."""
    worker = worker_of()
    thread = threading.Thread(target=worker.run)
    thread.start()
    worker.stop()
    thread.join(timeout=30)
    assert not thread.is_alive()


def test_a_job_keeps_its_worker_for_as_long_as_it_takes(store, worker_of):
    """Signs of life come from beside it: several leases pass without a word, and nobody else takes it."""
    other = Claims(store, seconds=LEASE)
    taken = []

    def quiet(work):
        rest = threading.Event()
        for _ in range(20):
            rest.wait(LEASE / 4)
            taken.append(other.claim())
        return Outcome({"attempt": work.job.attempts})

    job = added(store, "quiet")
    worker_of(lease=LEASE, quiet=quiet).run(once=True)
    assert taken == [None] * 20
    assert found(store, job.job_id).result == {"attempt": 1}


def test_a_worker_whose_job_was_taken_goes_on_with_the_next(store, worker_of, caplog):
    """It hears of it at its next word, or when it writes, and leaves the job alone."""
    taken = added(store, "taken")
    other = added(store, "other", now=1_700_000_001)

    def lost(work):
        with store.writing() as connection:
            mine = tables.job.c.job_id == work.job.job_id
            connection.execute(update(tables.job).where(mine).values(holder="other/60s", attempts=2))
        with work.store.writing() as connection:
            connection.execute(insert(effect).values(job_id=work.job.job_id, attempt=1, part=0))
        return Outcome({"got": "through"})

    with caplog.at_level(logging.INFO, "heed.worker"):
        worker = worker_of(taken=lost, other=lambda _work: (worker.stop(), Outcome())[1])
        assert worker.run() == 2
    assert effects(store) == []
    assert found(store, taken.job_id).holder == "other/60s"
    assert found(store, taken.job_id).state == "running"
    assert found(store, other.job_id).state == "done"
    assert f"job={taken.job_id} kind=taken attempt=1 lost to another worker" in caplog.text


def test_a_job_that_was_taken_hears_of_it_at_its_next_word(store, worker_of):
    """It need not come to write anything: what it works out would be in vain."""
    heard = []

    def lost(work):
        with store.writing() as connection:
            mine = tables.job.c.job_id == work.job.job_id
            connection.execute(update(tables.job).where(mine).values(holder="other/60s"))
        rest = threading.Event()
        for step in range(250):
            rest.wait(0.02)
            heard.append(step)
            work.progress("lost", step, 250)
        return Outcome()

    added(store, "lost")
    worker = worker_of(lost=lost)
    watched = worker._attempted(worker._claims.claim())
    assert watched == "lost to another worker"
    assert len(heard) < 250


def test_a_worker_that_runs_once_waits_for_what_a_dead_one_left(store, worker_of):
    """Started again and again by a timer, it would else see such a job for the first time for ever."""
    job = added(store)
    assert Claims(store, seconds=1).claim() is not None
    assert worker_of(lease=1).run(once=True) == 1
    assert found(store, job.job_id).result == {"attempt": 2, "parts": 1}


def test_what_an_attempt_fixes_is_there_for_the_next(made_store, store):
    """It is fixed once, before anything is done."""
    moments = iter([11, 22])
    seen = []

    def note(work):
        seen.append(work.job.pinned["as_of"])
        if len(seen) == 1:
            raise StoreError("away")
        return Outcome()

    kinds = {"note": Kind(NoArguments, note, pin=lambda *_: {"as_of": next(moments)})}
    clock = SetClock()
    worker = Worker(store, settings_of(made_store[0]), kinds, clock=clock.clock())
    added(store, "note")
    worker.run(once=True)
    clock.pass_(30)
    worker.run(once=True)
    assert seen == [11, 11]


def test_a_store_that_is_away_does_not_end_the_worker(store, worker_of, monkeypatch):
    """It says so, and looks again."""
    worker, tries = worker_of(), []

    def claim():
        tries.append(1)
        if len(tries) == 3:
            worker.stop()
        raise StoreError("the server is away")

    monkeypatch.setattr(worker._claims, "claim", claim)
    for name in ("_AWAY", "_LOOK"):
        monkeypatch.setattr(f"service.jobs.worker.{name}", 0.01)
    assert worker.run() == 0
    assert len(tries) == 3
