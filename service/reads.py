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
from operator import attrgetter
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import pandas as pd
from sqlalchemy import Connection, select
from sqlalchemy.exc import SQLAlchemyError

from data import tables
from data.database import file_of
from data.errors import StoreError
from data.event_log import NEVER, fold_cases
from data.schema import EventKind
from data.store import Store
from data.store_append import read_log
from data.store_changes import change_token
from models.wording import OUTCOMES, outcome_of
from service.capacity_today import read_capacities
from service.case_life import Said, read_life
from service.earlier import Earlier, read_earlier
from service.language import marked
from service.places import Places, read_places
from service.published import Published, publish
from service.published_board import Board, read_board
from service.settings import Settings
from service.signal_record import NO_RECORD, SignalRecord

OUTCOME: Final = "late"
_ANY_FAILURE: Final = "any_failure"

# The snapshot before the newest stays, so that a walk through the pages of a list ends in the list it began
# in.
_KEPT: Final = 2


# Of events of one second, as `data.event_log.in_order` has them.
_RANK: Final = {kind.value: rank for rank, kind in enumerate(EventKind)}


@dataclass(frozen=True, slots=True)
class Risk:
    """The risk of one outcome. The interval is that of 80 percent; None: of a scoring that had none."""

    outcome: str
    probability: float
    band: str
    lower: float | None
    upper: float | None
    reasons_json: str


@dataclass(frozen=True, slots=True)
class Remaining:
    """How long a case will still wait for its answer, in seconds after the scoring; an end of None: without end."""

    median: float
    lower_80: float
    upper_80: float | None
    lower_95: float
    upper_95: float | None


@dataclass(frozen=True, slots=True)
class OpenCase:
    """One open case as of the scoring. Times are seconds since 1970 in UTC; None: not known, or no promise
    made.

    `risks` are those of all outcomes, the one that the list goes by first.
    """

    case_id: str
    category: str | None
    category_group: str | None
    office: str | None
    area: str | None
    channel: str | None
    opened_at: int
    due_at: int | None
    reopened: int
    transfers: int
    outcome: str
    probability: float
    band: str
    model_version: str
    reasons_json: str
    risks: tuple[Risk, ...]
    remaining: Remaining | None

    @property
    def by_risk(self) -> tuple[float, int, str]:
        """Place in the list by risk: the highest first, among equals the nearest deadline."""
        return (-self.probability, self.due_or_never, self.case_id)

    @property
    def by_due(self) -> tuple[int, float, str]:
        """Place in the list by deadline: the nearest first; the risk only orders cases due in the same
        second.
        """
        return (self.due_or_never, -self.probability, self.case_id)

    @property
    def also(self) -> tuple[Risk, ...]:
        """The other outcomes that threaten a case, each by itself, the likeliest first."""
        others = [risk for risk in self.risks[1:] if risk.outcome != _ANY_FAILURE and risk.band != "low"]
        return tuple(sorted(others, key=lambda risk: (-risk.probability, risk.outcome)))

    @property
    def due_or_never(self) -> int:
        """The deadline, after all others where there is none."""
        return NEVER if self.due_at is None else self.due_at


ORDERS: Final[dict[str, Callable[[OpenCase], tuple[Any, ...]]]] = {
    "risk": attrgetter("by_risk"),
    "due": attrgetter("by_due"),
}


def risk_of(case: OpenCase, outcome: str) -> Risk | None:
    """The risk of an outcome, named without its horizon; None where it is not told."""
    return next((risk for risk in case.risks if outcome_of(risk.outcome) == outcome), None)


def judged_by(case: OpenCase, outcome: str) -> OpenCase:
    """The same case with the risk of an outcome (named without its horizon) first, in place of its lateness."""
    risk = None if outcome == OUTCOME else risk_of(case, outcome)
    if risk is None:
        return case
    return replace(
        case,
        outcome=risk.outcome,
        probability=risk.probability,
        band=risk.band,
        reasons_json=risk.reasons_json,
        risks=(risk, *(other for other in case.risks if other is not risk)),
    )


@dataclass(frozen=True, slots=True)
class CaseEvent:
    """One act of an office on a case. `at`: when it happened; `known_at`: when this system could first
    know.
    """

    kind: str
    at: int
    known_at: int
    office: str | None
    due_at: int | None


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
        event = tables.event.c
        query = (
            select(event.kind, event.at, event.known_at, event.office, event.due_at)
            .where(event.case_id == case_id, event.known_at < snapshot.as_of)
            .order_by(event.place)
        )
        with self.connection() as connection:
            rows = connection.execute(query).fetchall()
        # Of one second, as the log has it: an opening before what came of it.
        return sorted((CaseEvent(*row) for row in rows), key=lambda one: (one.known_at, one.at, _RANK[one.kind]))

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
    cases = _open_cases(store, every, as_of)
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


def _open_cases(store: Store, every: pd.DataFrame, as_of: int) -> tuple[OpenCase, ...]:
    """The scored cases by risk, with their facts folded from what was known before `as_of`."""
    risks = every[every["outcome"] == OUTCOME]
    event, risk = tables.event.c, tables.risk.c
    scored = select(risk.case_id).where(risk.as_of == as_of, risk.outcome == OUTCOME)
    with store.reading() as connection:
        facts = fold_cases(read_log(connection, event.case_id.in_(scored), event.known_at < as_of))
    facts = facts[["case_id", *_FACTS]].merge(risks[["case_id", *_FIGURES]], on="case_id", validate="1:1")
    columns = {name: facts[name].astype(object).where(facts[name].notna(), None).tolist() for name in facts.columns}
    columns["due_at"] = [None if due == NEVER else due for due in columns["due_at"]]
    columns["reasons_json"] = columns.pop("reasons")
    told = _risks(every)
    columns["risks"] = [tuple(told[case]) for case in columns["case_id"]]
    waits = _remaining(store.read_remaining_times(as_of))
    columns["remaining"] = [waits.get(case) for case in columns["case_id"]]
    rows = zip(*(columns[name] for name in OpenCase.__slots__), strict=True)
    return tuple(sorted((OpenCase(*row) for row in rows), key=ORDERS["risk"]))


def _risks(every: pd.DataFrame) -> dict[str, list[Risk]]:
    """The risks of every case, the one that the list goes by first, then by name."""
    frame = every.assign(first=every["outcome"] != OUTCOME).sort_values(["case_id", "first", "outcome"])
    ends = (frame[end].astype(object).where(frame[end].notna(), None) for end in ("lower", "upper"))
    columns = (frame["outcome"], frame["probability"], frame["band"], *ends, frame["reasons"])
    told: dict[str, list[Risk]] = {}
    for case, *values in zip(frame["case_id"], *columns, strict=True):
        told.setdefault(case, []).append(Risk(*values))
    return told


def _remaining(times: pd.DataFrame) -> dict[str, Remaining]:
    columns = [times[name].astype(object).where(times[name].notna(), None) for name in Remaining.__slots__]
    return {case: Remaining(*ends) for case, *ends in zip(times["case_id"], *columns, strict=True)}


_FACTS: Final = (
    "category",
    "category_group",
    "office",
    "area",
    "channel",
    "opened_at",
    "due_at",
    "reopened",
    "transfers",
)
_FIGURES: Final = ("outcome", "probability", "band", "model_version", "reasons")


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
