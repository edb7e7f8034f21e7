"""Whether the service can do its work just now: what it needs, looked at one by one.

Asked by load balancers and by people, by everyone without signing in, as often as they like. So nothing here tells a
path, an address or a figure of a case; all is looked at once a second at most, beside the event loop; and whoever asks
waits two seconds at most, also for a database that does not answer at all.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection, func, select
from sqlalchemy import text as sql

from data import tables
from data.database import file_of
from data.errors import HeedError
from data.store import Store
from models.registry import Registry
from service.language import marked
from service.online.holder import Status as Loaded
from service.open_case import OUTCOME
from service.reads import Reads
from service.settings import Settings

Status = Literal["pass", "warn", "fail"]

CACHED_SECONDS: Final = 1.0
PATIENCE_SECONDS: Final = 2.0
# A scoring of the morning is a day old before the next; with a night that failed it is two.
OLD_SCORING_SECONDS: Final = 36 * 3600
# An audit trail that cannot be written stops every reading of a case; so does a full disk.
LITTLE_BYTES: Final = 1 << 30
TOO_LITTLE_BYTES: Final = 64 << 20
# Clocks of machines that keep time differ by less.
CLOCK_SECONDS: Final = 5
# A write of the service takes milliseconds. A store of one file that is held for longer is being imported into.
HELD_SECONDS: Final = 0.5
# Checking the hashes of a model means reading all of it.
MODEL_SECONDS: Final = 60.0


class Check(BaseModel):
    """One thing that the service needs."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"name": "scoring", "status": "warn", "detail": "The scoring is more than 36 hours old."}]
        }
    )

    name: str
    status: Status = Field(description="pass; warn: it works and someone should look; fail: it does not work.")
    detail: str | None = Field(default=None, description="What is wrong and what to do; null where nothing is.")


class Readiness(BaseModel):
    """Whether the service can do its work."""

    status: Literal["ok"]
    checks: list[Check]


def passed(name: str) -> Check:
    """A check that found nothing."""
    return Check(name=name, status="pass")


class Probe:
    """Looks at everything, at most once a second and by one thread at a time.

    Parameters
    ----------
    looks : name -> what to call; it returns a check, or raises a HeedError, which fails it
    stopping : once set, the service is not ready, whatever else
    """

    def __init__(self, looks: Sequence[tuple[str, Callable[[], Check]]], stopping: threading.Event) -> None:
        self._looks = looks
        self._stopping = stopping
        self._lock = threading.Lock()
        self._running: Future[list[Check]] | None = None
        self._found: list[Check] = []
        self._found_at = float("-inf")

    async def checks(self) -> list[Check]:
        """What was found, a second ago at the earliest; or, after two seconds, that nothing answered."""
        if self._stopping.is_set():
            return [Check(name="serving", status="fail", detail=_STOPPING)]
        if time.monotonic() - self._found_at < CACHED_SECONDS:
            return self._found
        looking = asyncio.wrap_future(self._look())
        done, _ = await asyncio.wait({looking}, timeout=PATIENCE_SECONDS)
        return looking.result() if done else [Check(name="store", status="fail", detail=_SLOW)]

    def _look(self) -> Future[list[Check]]:
        with self._lock:
            if self._running is None:
                self._running = Future()
                # A daemon: one that hangs must not keep the process from ending.
                threading.Thread(target=self._run, args=(self._running,), name="heed-readiness", daemon=True).start()
            return self._running

    def _run(self, promised: Future[list[Check]]) -> None:
        found = [passed("serving"), *(_looked(name, look) for name, look in self._looks)]
        with self._lock:
            self._found, self._found_at = found, time.monotonic()
            self._running = None
        # Whoever asked may have gone, and taken the promise along.
        if promised.set_running_or_notify_cancel():
            promised.set_result(found)


def _looked(name: str, look: Callable[[], Check]) -> Check:
    try:
        return look()
    except HeedError as error:
        # The title only: a message may name a path.
        return Check(name=name, status="fail", detail=error.title)
    except Exception:  # whatever it is, it is not ready
        return Check(name=name, status="fail", detail=_UNFORESEEN)


def looks_of(settings: Settings, reads: Reads, loaded: Callable[[], Loaded]) -> list[tuple[str, Callable[[], Check]]]:
    """What the service needs: its store, a trail that can be written, a scoring, a model, space, and the time.

    The store is opened anew each time. So it is seen when it is no longer there, and nobody waits for what the routes
    do with theirs.
    """

    def of_store(look: Callable[[Store], Check]) -> Callable[[], Check]:
        def opened() -> Check:
            with Store.open(settings.store_url) as store:
                return look(store)

        return opened

    model = _ModelLook(Registry(settings.models_folder()), loaded)
    return [
        ("store", of_store(lambda _store: passed("store"))),  # of this version: that is looked at as it opens
        ("audit", of_store(_audit_can_be_written)),
        ("scoring", of_store(lambda store: _scoring_is_there(store, reads))),
        ("model", model.look),
        ("disk", of_store(_disk_has_space)),
        ("clock", of_store(_clock_goes_forward)),
    ]


def _audit_can_be_written(store: Store) -> Check:
    """Whether it can be written to. A file is: only a commit shows that the disk takes it. A server is asked; how full
    its disk is, it looks after itself.
    """
    file = file_of(store.engine.url)
    if file is not None:
        tried = tried_commit(file) if os.access(file.absolute().parent, os.W_OK) else "refused"
        if tried == "held":
            return Check(name="audit", status="warn", detail=_HELD)
        writable = tried == "taken"
    else:
        with store.reading() as connection:
            writable = _may_insert(connection)
    return passed("audit") if writable else Check(name="audit", status="fail", detail=_NOT_WRITABLE)


def tried_commit(file: Path) -> Literal["taken", "held", "refused"]:
    """What becomes of an empty commit to an SQLite file; held: another writes for longer than this waits."""
    connection = sqlite3.connect(file, timeout=HELD_SECONDS, isolation_level=None)
    try:
        connection.execute("BEGIN IMMEDIATE")
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        connection.execute(f"PRAGMA user_version = {int(version)}")  # writes its page, whatever stood there
        connection.execute("COMMIT")
    except sqlite3.OperationalError as error:
        return "held" if error.sqlite_errorcode in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED) else "refused"
    except sqlite3.DatabaseError:
        return "refused"
    finally:
        connection.close()
    return "taken"


def _may_insert(connection: Connection) -> bool:
    asked = sql("SELECT has_table_privilege('audit_entry', 'INSERT') AND NOT pg_is_in_recovery()")
    return bool(connection.execute(asked).scalar_one())


def _scoring_is_there(store: Store, reads: Reads) -> Check:
    risk = tables.risk.c
    with store.reading() as connection:
        newest = connection.execute(select(func.max(risk.as_of)).where(risk.outcome == OUTCOME)).scalar()
    if newest is None:
        return Check(name="scoring", status="fail", detail=_NO_SCORING)
    if not reads.is_warm:
        # The first reader would wait for it; this waits instead.
        reads.current()
    age = time.time() - newest
    return Check(name="scoring", status="warn", detail=_OLD) if age > OLD_SCORING_SECONDS else passed("scoring")


class _ModelLook:
    """Whether the models in use are whole and allowed; looked at again when the folder says something new, or later."""

    def __init__(self, registry: Registry, loaded: Callable[[], Loaded]) -> None:
        self._registry = registry
        self._loaded = loaded
        self._seen: object = None
        self._found: Check | None = None
        self._found_at = float("-inf")

    def look(self) -> Check:
        aliases = self._registry.aliases()
        fresh = time.monotonic() - self._found_at < MODEL_SECONDS
        if self._found is None or aliases != self._seen or not fresh:
            self._found = self._checked(bool(aliases))
            self._seen, self._found_at = aliases, time.monotonic()
        if self._found.status == "pass" and self._loaded().refused is not None:
            # Posted cases are scored with the model before it, where there was one.
            return Check(name="model", status="warn", detail=_MODEL_REFUSED)
        return self._found

    def _checked(self, any_in_use: bool) -> Check:
        if not any_in_use:
            return Check(name="model", status="warn", detail=_NO_MODEL)
        try:
            self._registry.require_in_use()
        except HeedError as error:
            # What was scored before is still shown, and posted cases go on with the model that was loaded.
            return Check(name="model", status="warn", detail=error.title)
        return passed("model")


def _disk_has_space(store: Store) -> Check:
    file = file_of(store.engine.url)
    if file is None:  # a server looks after its own
        return passed("disk")
    free = free_bytes(file.absolute().parent)
    if free < TOO_LITTLE_BYTES:
        return Check(name="disk", status="fail", detail=_DISK_FULL)
    return Check(name="disk", status="warn", detail=_DISK_NEARLY_FULL) if free < LITTLE_BYTES else passed("disk")


def free_bytes(folder: Path) -> int:
    """What may still be written to the disk of a folder."""
    return shutil.disk_usage(folder).free


def _clock_goes_forward(store: Store) -> Check:
    """Whether now is after everything that was recorded; deadlines and leases are judged by the clock."""
    entry, run = tables.audit_entry.c, tables.import_run.c
    with store.reading() as connection:
        newest = [
            connection.execute(select(entry.at).order_by(entry.seq.desc()).limit(1)).scalar(),
            connection.execute(select(func.max(run.imported_at))).scalar(),
        ]
    behind = max((int(moment) for moment in newest if moment is not None), default=0) - time.time()
    return Check(name="clock", status="warn", detail=_CLOCK) if behind > CLOCK_SECONDS else passed("clock")


_STOPPING: Final = marked("The service is about to stop.")
_SLOW: Final = marked("The store has not answered for two seconds.")
_UNFORESEEN: Final = marked("Something unforeseen came up while this was looked at.")
_NOT_WRITABLE: Final = marked("The audit trail cannot be written to, so no case can be read. Check who may write.")
_HELD: Final = marked(
    "Another command has been writing to the store for a while. Until it is done, writes and readings of cases wait "
    "for it, and are told after ten seconds to come again. With long imports use PostgreSQL."
)
_NO_SCORING: Final = marked("The store holds no scored cases yet. Run `heed score`.")
_OLD: Final = marked("The scoring is more than 36 hours old. Check the worker, or run `heed score`.")
_NO_MODEL: Final = marked("No model is in use. Run `heed train`.")
_MODEL_REFUSED: Final = marked("The model in use by the registry could not be loaded. The log of the service says why.")
_DISK_FULL: Final = marked("The disk of the store is full but for less than 64 MB. Make room.")
_DISK_NEARLY_FULL: Final = marked("The disk of the store has less than 1 GB left. Make room.")
_CLOCK: Final = marked("The clock of this machine is behind what the store has recorded. Set it right.")
