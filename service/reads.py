"""What the service shows, read once per scoring and kept until the store changes.

Everything on a page or in an answer comes from one `Snapshot`: the newest scoring, with the places it
speaks of and the disclosed figures of areas and offices. A snapshot never changes, so that answers made
from it can be kept as well.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from data.database import file_of
from data.errors import StoreError
from data.store import Store
from data.store_changes import change_token
from models.wording import OUTCOMES, outcome_of
from service.capacity_today import read_capacities
from service.case_life import Said, read_life
from service.earlier import Earlier, read_earlier
from service.language import marked
from service.open_case import (
    ORDERS,
    OUTCOME,
    CaseEvent,
    OpenCase,
    Risk,
    read_case_events,
    read_open_cases,
    risk_of,
)
from service.places import Places, read_places
from service.published import Published, publish
from service.published_board import Board, read_board
from service.settings import Settings
from service.signal_record import NO_RECORD, SignalRecord

# The snapshot before the newest stays, so that a walk through the pages of a list ends in the list it began
# in.
_KEPT: Final = 2


@dataclass(frozen=True)
class Snapshot:
    """One scoring, with all that is shown with it."""

    version: str
    as_of: int
    time_zone: ZoneInfo
    cases: tuple[OpenCase, ...]  # by risk
    places: Places
    published: Published
    earlier: Earlier | None = None  # the scoring of the day before
    capacities: Mapping[str, float] = field(default_factory=dict)  # cases per working day, by office
    board: Board | None = None  # None: none was made yet
    # Finished answers, by route, language and address; see `service.etags`.
    memo: dict[tuple[str, ...], Any] = field(default_factory=dict, compare=False, repr=False)

    @cached_property
    def by_id(self) -> Mapping[str, OpenCase]:
        """The cases by their id."""
        return {case.case_id: case for case in self.cases}

    @cached_property
    def outcomes(self) -> tuple[str, ...]:
        """The outcomes of which a risk is told, named without their horizon; lateness first, any of them last."""
        told = {outcome_of(column) for column in {risk.outcome for case in self.cases for risk in case.risks}}
        return tuple(outcome for outcome in OUTCOMES if outcome in told)

    def capacity_of(self, office: str | None, own: frozenset[str] | None) -> int | None:
        """About how many cases the office that a list is of can answer on a working day; None: not known, or no one
        office is meant. `own`: the offices of whoever asks; None: all.
        """
        if office is None and own is not None and len(own) == 1:
            (office,) = own
        capacity = None if office is None else self.capacities.get(office)
        return None if capacity is None else round(capacity)

    def is_overdue(self, case: OpenCase) -> bool:
        """Whether the promised moment of a case had passed at the scoring."""
        return case.due_or_never < self.as_of

    def view(self, order: str, deadline: str, outcome: str = OUTCOME) -> tuple[OpenCase, ...]:
        """The cases in one of `ORDERS`: "all", or those whose promised moment is "ahead" or has "passed".

        By the risk of an `outcome` stand those of which it is told.
        """
        key = ("view", order, deadline, outcome)
        cases: tuple[OpenCase, ...] | None = self.memo.get(key)
        if cases is None:
            told = self.risks_of(outcome)
            kept = [case for case in self.cases if deadline in ("all", self._side(case)) and case.case_id in told]
            cases = self.memo.setdefault(key, tuple(sorted(kept, key=self.place_in(order, outcome))))
        return cases

    def risks_of(self, outcome: str) -> Mapping[str, Risk]:
        """The risk of an outcome, named without its horizon, of each case of which it is told."""
        key = ("risks", outcome)
        told: dict[str, Risk] | None = self.memo.get(key)
        if told is None:
            found = {case.case_id: risk_of(case, outcome) for case in self.cases}
            told = self.memo.setdefault(key, {case_id: risk for case_id, risk in found.items() if risk is not None})
        return told

    def place_in(self, order: str, outcome: str = OUTCOME) -> Callable[[OpenCase], tuple[Any, ...]]:
        """What the cases of `view` are sorted by."""
        if order != "risk" or outcome == OUTCOME:
            return ORDERS[order]
        told = self.risks_of(outcome)
        return lambda case: (-told[case.case_id].probability, case.due_or_never, case.case_id)

    def _side(self, case: OpenCase) -> str:
        # A certain case has broken its first promise, even where a later one was made since: no warning helps it.
        return "passed" if self.is_overdue(case) or case.probability >= 1 else "ahead"


class Reads:
    """The store as the service sees it. Safe to use from several threads."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._store: Store | None = None
        self._opened_inode: int | None = None
        self._kept: dict[str, Snapshot] = {}
        self._newest: Snapshot | None = None
        self._written: tuple[Any, ...] | None = None
        self._seen: tuple[Any, ...] = ()
        self._looked_at = float("-inf")

    def current(self) -> Snapshot:
        """The newest scoring.

        Raises
        ------
        StoreError
            If the store cannot be read, or holds no scoring yet.
        """
        found = self.fresh()
        if found is not None:
            return found
        newest = self._newest
        # While one request reads a new scoring, the others are answered from the one before instead of waiting.
        if not self._lock.acquire(blocking=newest is None) and newest is not None:
            return newest
        try:
            return self._look()
        except SQLAlchemyError as error:
            raise StoreError(f"The store could not be read ({type(error).__name__}). Try again.") from None
        finally:
            self._lock.release()

    def fresh(self) -> Snapshot | None:
        """The newest scoring if no look at the store is due, at once; None where `current` has to look."""
        newest = self._newest
        if newest is not None and time.monotonic() - self._looked_at < self._settings.recheck_seconds:
            return newest
        return None

    @property
    def is_warm(self) -> bool:
        """Whether a scoring has been read, so that nobody waits for the first one."""
        return self._newest is not None

    def at(self, version: str) -> Snapshot | None:
        """The snapshot of that version, or None when it is gone."""
        newest = self.current()
        return newest if newest.version == version else self._kept.get(version)

    def timeline(self, snapshot: Snapshot, case_id: str) -> list[CaseEvent]:
        """What the offices did with a case, in the order in which it became known before the scoring."""
        with self.connection() as connection:
            return read_case_events(connection, case_id, before=snapshot.as_of)

    def life(self, snapshot: Snapshot, case_id: str) -> list[Said]:
        """What every scoring that is kept said of a case, up to that of the snapshot, oldest first."""
        try:
            return read_life(self._opened(), case_id, outcome=OUTCOME, until=snapshot.as_of)
        except SQLAlchemyError as error:
            raise StoreError(f"The store could not be read ({type(error).__name__}). Try again.") from None

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """One look at the store, for what is read anew every time.

        Raises
        ------
        StoreError
            If it cannot be read.
        """
        try:
            with self._opened().reading() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise StoreError(f"The store could not be read ({type(error).__name__}). Try again.") from None

    def store(self) -> Store:
        """The store, for those who write to it (`service.idempotency`).

        Raises
        ------
        StoreError
            If it cannot be opened.
        """
        with self._lock:
            return self._reopened()

    def refreshed(self) -> Snapshot:
        """The newest state, also where a look was not due: for whoever has written, or is about to.

        Raises
        ------
        StoreError
            See `current`.
        """
        # Whoever reads just now may have begun before the write: wait, and look again.
        with self._lock:
            self._written = None
            try:
                return self._look()
            except SQLAlchemyError as error:
                raise StoreError(f"The store could not be read ({type(error).__name__}). Try again.") from None

    def close(self) -> None:
        """Close the store."""
        with self._lock:
            if self._store is not None:
                self._store.close()
            self._store = None

    def _look(self) -> Snapshot:
        store = self._reopened()
        # The marks are taken before reading: what is written meanwhile is found at the next look.
        written = file_mark(store)
        if self._newest is None or written is None or written != self._written:
            seen = (self._opened_inode, change_mark(store))
            if self._newest is None or seen != self._seen:
                self._newest = self._remember(load(store, minimum=self._settings.minimum_cell))
                self._seen = seen
            self._written = written
        self._looked_at = time.monotonic()
        return self._newest

    def _remember(self, snapshot: Snapshot) -> Snapshot:
        # Unchanged contents keep their snapshot, and with it every answer made from it.
        known = self._kept.pop(snapshot.version, snapshot)
        self._kept[snapshot.version] = known
        while len(self._kept) > _KEPT:
            del self._kept[next(iter(self._kept))]
        return known

    def _reopened(self) -> Store:
        if self._store is not None and inode_of(self._store) != self._opened_inode:
            # Deleted or restored from a copy: an open connection would go on reading the old file.
            self._store.close()
            self._store = None
        return self._opened()

    def _opened(self) -> Store:
        if self._store is None:
            self._store = Store.open(self._settings.store_url)
            self._opened_inode = inode_of(self._store)
        return self._store


def load(store: Store, *, minimum: int) -> Snapshot:
    """Read the newest scoring of a store.

    Raises
    ------
    StoreError
        If there is none.
    """
    every = store.read_risks()
    risks = every[every["outcome"] == OUTCOME]
    if risks.empty:
        raise StoreError(
            marked("The store holds no scored cases yet. Run `heed score`, or `heed demo` for a simulated city.")
        )
    as_of = int(risks["as_of"].iloc[0])
    cases = read_open_cases(store, every, as_of)
    places = read_places(store)
    pressure = store.read_pressure()
    signals = store.read_signals(int(pressure["as_of"].iloc[0])) if len(pressure) else store.read_signals()
    record = SignalRecord.read(store, int(pressure["as_of"].iloc[0])) if len(pressure) else NO_RECORD
    published = publish(pressure, signals, places, minimum=minimum, record=record)
    earlier, capacities = read_earlier(store, as_of, OUTCOME), read_capacities(store, as_of)
    board = read_board(store, minimum=minimum, time_zone=store.time_zone())
    return Snapshot(
        version=_version(as_of, cases, *_in_order(places, earlier), published, capacities, board),
        as_of=as_of,
        time_zone=ZoneInfo(store.time_zone()),
        cases=cases,
        places=places,
        published=published,
        earlier=earlier,
        capacities=capacities,
        board=board,
    )


def file_mark(store: Store) -> tuple[Any, ...] | None:
    """A value that differs after anything was written to an SQLite store, in microseconds; None for a server.

    It is the size and time of the file and of its write-ahead log.
    """
    file = file_of(store.engine.url)
    return None if file is None else _file_mark(file)


def change_mark(store: Store) -> bytes | None:
    """A value that differs after anything was written that is shown; see `data.store_changes`.

    Reading cases writes the audit trail: by the file alone, every reader would have all the others read the whole
    scoring anew.
    """
    with store.reading() as connection:
        return change_token(connection)


def inode_of(store: Store) -> int | None:
    """Which file a store's path leads to now; None for a server, or where there is none."""
    file = file_of(store.engine.url)
    return file.stat().st_ino if file is not None and file.exists() else None


def _file_mark(file: Path) -> tuple[Any, ...]:
    marks: list[Any] = []
    for path in (file, file.with_name(file.name + "-wal")):
        try:
            stat = path.stat()
        except FileNotFoundError:
            marks.append(None)
        else:
            marks.append((stat.st_ino, stat.st_mtime_ns, stat.st_size))
    return tuple(marks)


def _in_order(places: Places, earlier: Earlier | None) -> tuple[object, ...]:
    """The same, with nothing in it whose order is another in another process or by another engine."""
    served = [(office, sorted(areas)) for office, areas in sorted(places.served.items())]
    before = None if earlier is None else (earlier.as_of, sorted(earlier.risks.items()))
    return replace(places, served={}), served, before


def _version(as_of: int, cases: tuple[OpenCase, ...], *rest: object) -> str:
    """A short hash of all that a snapshot shows: the same in every process that reads the same store."""
    digest = hashlib.blake2b(str(as_of).encode(), digest_size=9)
    for case in cases:
        digest.update(repr(case).encode())
    for part in rest:
        digest.update(repr(part).encode())
    return digest.hexdigest()
