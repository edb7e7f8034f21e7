"""Workers in processes of their own, killed and paused at random while they do jobs.

`python -m tests.support.job_kills WHAT URL SEED TIMES` forks them from one process that has loaded everything already,
and prints what it found as JSON. Killed means SIGKILL: nothing is tidied up.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

import service.jobs.claims
import service.scoring
from data import tables
from data.errors import StoreError
from data.store import Store
from data.store_audit import verify
from models.registry import Registry
from models.registry.manifest import version_of
from service.job_payloads import NoArguments
from service.jobs.kinds import KINDS
from service.jobs.queue import Job
from service.jobs.runs import promote_once
from service.jobs.work import Kind, Outcome, Work
from service.jobs.worker import Worker
from service.settings import Settings
from tests.support import job_runs
from tests.support.job_runs import added, effect, effects, opened, settings_of, whole_effects
from tests.support.registry_kills import at_every_step, model, told_as_it_is

LEASE = 1.0
_PATIENCE = 240.0


def working(url: str, kinds: Mapping[str, Kind], pause: float) -> int:
    """Fork a worker; its process id."""
    child = os.fork()
    if child:
        return child
    code = 70
    try:
        # What is killed more than thirty times is not to be given up at the third.
        service.jobs.claims.MAX_ATTEMPTS = 1_000
        job_runs.pause_for(pause)
        with Store.open(url) as store:
            worker = Worker(store, settings_of(url, job_lease_seconds=LEASE), kinds)
            signal.signal(signal.SIGTERM, lambda *_: worker.stop())
            worker.run()
        code = 0
    except BaseException:  # a child of a fork must not go on as its parent
        traceback.print_exc()
    finally:
        os._exit(code)


def ended(child: int, number: int) -> int:
    """Send a signal and wait for the end; the exit code, negative for a signal."""
    os.kill(child, number)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def left(url: str) -> int:
    """Jobs that have not ended."""
    with Store.open(url) as store, store.reading() as connection:
        open_ = tables.job.c.state.in_(("queued", "running"))
        return int(connection.execute(select(func.count()).where(open_)).scalar_one())


def wait_for_end(url: str) -> bool:
    """Wait until every job has ended; whether they did."""
    until = time.monotonic() + _PATIENCE
    while left(url):
        if time.monotonic() > until:
            return False
        time.sleep(0.1)
    return True


def killed(url: str, seed: int, times: int, kinds: Mapping[str, Kind], *, pause: float, longest: float) -> int:
    """Two workers, one of which is killed and replaced after a random time, again and again; then both go on until
    all is done. How many were killed.
    """
    chance = random.Random(seed)  # noqa: S311 — moments of kills, no secret
    workers = [working(url, kinds, pause) for _ in range(2)]
    kills = 0
    until = time.monotonic() + _PATIENCE
    while kills < times and time.monotonic() < until:
        time.sleep(chance.uniform(0.0, longest))
        place = chance.randrange(2)
        ended(workers[place], signal.SIGKILL)
        workers[place] = working(url, kinds, pause)
        kills += 1
        if not left(url):
            break
    wait_for_end(url)
    time.sleep(1.0)  # the newest may only have begun: until it listens, the signal ends it as it ends any process
    codes = [ended(worker, signal.SIGTERM) for worker in workers]
    assert codes == [0, 0], codes
    return kills


def fake_jobs(url: str, seed: int, times: int) -> dict[str, Any]:
    """Jobs that leave a countable trace; and what is there of it at the end."""
    with opened(url) as store:
        asked = {}
        for number in range(max(40, times)):
            kind = ("append", "replace")[number % 2]
            asked[added(store, kind, now=1_700_000_000 + number).job_id] = kind
    kills = killed(url, seed, times, job_runs.KINDS, pause=0.04, longest=0.5)
    return {"kills": kills, **found_of(url, asked)}


def found_of(url: str, asked: Mapping[str, str]) -> dict[str, Any]:
    """What became of jobs, counted."""
    job, entry = tables.job.c, tables.audit_entry.c
    with Store.open(url) as store:
        done = effects(store)
        with store.reading() as connection:
            rows = {row.job_id: row for row in connection.execute(select(tables.job))}
            ends = connection.execute(select(entry.target).where(entry.action == "job.done")).scalars().all()
            attempts = connection.execute(select(effect.c.job_id, effect.c.attempt).distinct()).fetchall()
            begun = int(connection.execute(select(func.sum(job.attempts))).scalar_one())
        trail = verify(store, None)
    return {
        "jobs": len(asked),
        "begun": begun,
        "states": sorted({row.state for row in rows.values()}),
        "lost": sorted(set(asked) - set(rows)),
        "once": done == whole_effects(asked),
        "by_the_last_attempt": all(rows[job_id].attempts == attempt for job_id, attempt in attempts),
        "ended_once": sorted(ends) == sorted(asked),
        "trail": trail.fault is None,
    }


def score_jobs(url: str, seed: int, times: int) -> dict[str, Any]:
    """The real scoring, killed at random; how often it was begun."""
    with opened(url) as store:
        job = added(store, "score")
    kills = killed(url, seed, times, KINDS, pause=0.0, longest=4.0)
    with Store.open(url) as store:
        row = job_runs.found(store, job.job_id)
        ends = job_runs.acts(store, "job.done")
    return {"kills": kills, "begun": row.attempts, "state": row.state, "result": row.result, "ends": len(ends)}


def _promoting(work: Work) -> Outcome:
    """Save models of the job's own, and put them to use with its end, as a training does."""
    registry = Registry(work.settings.models_folder())
    version = registry.save("failures", model(int(work.job.job_id, 16) % 1_000_000))
    for part in range(3):
        work.progress("promote", part, 3)
        time.sleep(0.05)
    return Outcome({"version": version}, lambda _: {"promoted": promote_once(registry, "failures", version, work)})


def _champion(_store: Store, _arguments: Any, settings: Settings) -> dict[str, Any]:
    return {"champion": Registry(settings.models_folder()).champion("failures")}


def promotions(url: str, seed: int, times: int) -> dict[str, Any]:
    """Jobs that put models to use, killed at random; what the registry tells of it."""
    with opened(url) as store:
        asked = {added(store, "promote", now=1_700_000_000 + number).job_id: "promote" for number in range(times)}
    kinds = {"promote": Kind(NoArguments, _promoting, pin=_champion, alone=True)}
    kills = killed(url, seed, times, kinds, pause=0.0, longest=0.6)
    history = Registry(settings_of(url).models_folder()).history()
    promoted = [entry.reason for entry in history if entry.action == "promoted"]
    counted = found_of(url, asked) | {"steps": cut_promotions()}
    return {"kills": kills, **counted, "promoted_once": sorted(promoted) == sorted(f"job {job_id}" for job_id in asked)}


def cut_promotions() -> dict[str, Any]:
    """A promotion that is killed at each change of the disk, and made again by the next attempt."""
    job = Job("a" * 16, "train", {}, {"champion": version_of("failures", model(1))}, "running", *[None] * 15)
    work = Work(None, job, None, None, lambda *_: None)

    def promote(registry: Registry) -> None:
        promote_once(registry, "failures", version_of("failures", model(2)), work)

    def as_told(registry: Registry) -> bool:
        own = [entry for entry in registry.history() if entry.reason == f"job {job.job_id}"]
        return told_as_it_is(registry) and len(own) == (registry.champion("failures") == own_version())

    def own_version() -> str:
        return version_of("failures", model(2))

    with tempfile.TemporaryDirectory() as folder:
        return at_every_step(Path(folder), promote, as_told)


def zombies(url: str, seed: int, times: int) -> dict[str, Any]:
    """A worker is paused at work, another takes its job and ends it, the first wakes up and goes on."""
    chance = random.Random(seed)  # noqa: S311
    asked: dict[str, str] = {}
    taken = 0
    with opened(url):
        pass
    while taken < times:
        kind = ("append", "replace")[taken % 2]
        with Store.open(url) as store:
            job = added(store, kind)
        asked[job.job_id] = kind
        first = working(url, job_runs.KINDS, 0.3)
        _until_running(url, job.job_id)
        time.sleep(chance.uniform(0.0, 0.8))
        os.kill(first, signal.SIGSTOP)
        if not _writable(url):
            # Paused while it was the only writer: then nobody can take its job, and nothing is to be seen.
            os.kill(first, signal.SIGCONT)
            wait_for_end(url)
            ended(first, signal.SIGTERM)
            continue
        second = working(url, job_runs.KINDS, 0.01)
        wait_for_end(url)
        os.kill(first, signal.SIGCONT)
        # Long enough for all that it still had to do.
        time.sleep(1.5)
        codes = [ended(worker, signal.SIGTERM) for worker in (first, second)]
        assert codes == [0, 0], codes
        with Store.open(url) as store:
            taken += job_runs.found(store, job.job_id).attempts == 2
    return {"taken": taken, **found_of(url, asked)}


def _until_running(url: str, job_id: str) -> None:
    while True:
        with Store.open(url) as store:
            if job_runs.found(store, job_id).state != "queued":
                return
        time.sleep(0.02)


def _writable(url: str) -> bool:
    try:
        with Store.open(url) as store, store.writing(patience=1):
            return True
    except StoreError:
        return False


def main(what: str, url: str, seed: str, times: str) -> None:
    """One of the above, as JSON."""
    known = {"fake": fake_jobs, "score": score_jobs, "promote": promotions, "zombies": zombies}
    found = known[what](url, int(seed), int(times))
    print(json.dumps(found))  # noqa: T201 — the parent reads it


if __name__ == "__main__":
    main(*sys.argv[1:])
