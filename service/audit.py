"""Reads of cases in the audit trail: recorded before the answer leaves, or there is no answer.

One thread writes. While it commits, the entries of other requests gather, and the next commit takes all of them: a
disk that syncs two hundred times a second keeps up with thousands of reads.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from concurrent.futures import Future
from concurrent.futures import TimeoutError as WaitedTooLong
from dataclasses import dataclass, field
from typing import Final

from fastapi import Request

from data.audit_log import Act, append
from data.errors import HeedError
from data.store import Store
from data.store_audit import appending
from service.identity import LOCAL, Identity
from service.language import marked
from service.listing import CaseChoice, CasePage
from service.open_case import OUTCOME
from service.problems import BusyError
from service.reads import inode_of
from service.settings import Settings

logger = logging.getLogger("heed.service")

# How long an entry waits for another writer of the store, such as an import into SQLite.
PATIENCE: Final = 10.0
# Entries of one transaction.
LARGEST_BATCH: Final = 500

_NOT_RECORDED: Final = marked(
    "Every read of cases is recorded in the audit trail, and that could not be done now. Nothing was given out. "
    "Try again shortly."
)


@dataclass(slots=True)
class _Waiting:
    acts: tuple[Act, ...]
    done: Future[None] = field(default_factory=Future)


class AuditWriter:
    """Writes entries of the audit trail for the requests of one process. Safe to use from several threads.

    The thread starts with the first entry.

    Parameters
    ----------
    settings : the store of these
    patience : seconds to wait for another writer of the store
    """

    def __init__(self, settings: Settings, *, patience: float = PATIENCE) -> None:
        self._url = settings.store_url
        self._patience = patience
        self._ready = threading.Condition()
        self._queue: deque[_Waiting] = deque()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._store: Store | None = None
        self._inode: int | None = None
        self.written = 0  # entries, since the start
        self.commits = 0

    def record(self, *acts: Act) -> None:
        """Write entries, and return once they are safe. For threads: a coroutine awaits `submit`.

        Raises
        ------
        BusyError
            If they could not be written. What they tell of must not happen then.
        """
        waiting = self.submit(*acts)
        try:
            waiting.result(timeout=3 * self._patience)
        except WaitedTooLong:
            waiting.cancel()
            raise BusyError(_NOT_RECORDED) from None

    def submit(self, *acts: Act) -> Future[None]:
        """Hand entries over; the future is done once they are safe, and raises BusyError if they are not.

        A coroutine awaits it by `asyncio.wrap_future`.
        """
        entry = _Waiting(acts)
        with self._ready:
            if self._closed:
                raise BusyError(_NOT_RECORDED)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="heed-audit", daemon=True)
                self._thread.start()
            self._queue.append(entry)
            self._ready.notify()
        return entry.done

    def close(self) -> None:
        """Write what was handed over, then end. Later entries are refused. Closing twice is fine."""
        with self._ready:
            self._closed = True
            self._ready.notify()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        try:
            while batch := self._next_batch():
                self._settle(batch)
        finally:
            self._close_store()

    def _next_batch(self) -> list[_Waiting]:
        """What waits, up to a number of entries; waits for the first. Empty: closed, and nothing is left."""
        with self._ready:
            while True:
                self._ready.wait_for(lambda: self._queue or self._closed)
                if batch := self._taken():
                    return batch
                if self._closed:
                    return []

    def _taken(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        entries = 0
        while self._queue and entries < LARGEST_BATCH:
            entry = self._queue.popleft()
            # Not what was given up meanwhile.
            if entry.done.set_running_or_notify_cancel():
                batch.append(entry)
                entries += len(entry.acts)
        return batch

    def _settle(self, batch: list[_Waiting]) -> None:
        acts = [act for entry in batch for act in entry.acts]
        try:
            self._write(acts)
        except BaseException as error:  # whatever it is: those who wait must hear of it, and the thread must go on
            self._give_up(batch, error)
        else:
            for entry in batch:
                entry.done.set_result(None)

    def _give_up(self, batch: list[_Waiting], error: BaseException) -> None:
        # The message of an unforeseen error may hold anything.
        said = str(error) if isinstance(error, HeedError) else type(error).__name__
        logger.error("The audit trail could not be written: %s", said)
        self._close_store()
        for entry in batch:
            entry.done.set_exception(BusyError(_NOT_RECORDED))

    def _write(self, acts: list[Act]) -> None:
        with appending(self._opened(), patience=self._patience) as connection:
            append(connection, acts)
        self.written += len(acts)
        self.commits += 1

    def _opened(self) -> Store:
        if self._store is not None and inode_of(self._store) != self._inode:
            # Replaced by a copy: an open connection would go on writing to a file that nobody sees.
            self._close_store()
        if self._store is None:
            self._store = Store.open(self._url)
            self._inode = inode_of(self._store)
        return self._store

    def _close_store(self) -> None:
        if self._store is not None:
            self._store.close()
            self._store = None


def record_case(request: Request, case_id: str, part: str) -> None:
    """Record that a case is read, before its answer leaves.

    Parameters
    ----------
    part : what of it is given: `case`, `page`, `marks`, `reasons` or `life`

    Raises
    ------
    BusyError
        If it cannot be recorded; nothing may be given then.
    """
    asker = _asker(request)
    _writer(request).record(Act(asker.actor, asker.role.value, "case.read", case_id, {"part": part}))


def record_cases(request: Request, page: CasePage, query: CaseChoice, part: str) -> None:
    """Record that a page of the list of cases is read: how many cases were given, and by which filters.

    A filter that fits no case is no code, and may be anything that somebody typed: only its name is recorded.

    Parameters
    ----------
    part : `list`, `page` or `file`

    Raises
    ------
    BusyError
        If it cannot be recorded; nothing may be given then.
    """
    asker = _asker(request)
    given = {name: getattr(query, name) for name in ("office", "category", "area", "band", "mark")}
    given["outcome"] = None if query.outcome == OUTCOME else query.outcome
    filters = {name: value if page.matching else None for name, value in given.items() if value is not None}
    detail = {
        "part": part,
        "cases": page.given,
        "as_of": page.snapshot.as_of,
        "filters": filters,
        "deadline": query.deadline,
        "order": query.order,
    }
    _writer(request).record(Act(asker.actor, asker.role.value, "case.list", None, detail))


def _writer(request: Request) -> AuditWriter:
    writer: AuditWriter = request.app.state.audit
    return writer


def _asker(request: Request) -> Identity:
    if request.app.state.settings.auth == "none":
        return LOCAL
    identity: Identity = request.state.identity
    return identity
