"""The audit trail of a store, read and checked: its newest hash, its entries, and whether it is whole.

What the check can tell, and what not. Every entry that is altered, taken out or put in shows, because a later hash
does not fit. Whoever may write to the database could write the whole end of the trail anew, with hashes that fit: that
shows only against a head (`HASH@SEQ`) kept where he cannot write. A front that was cut shows too: the trail has to
begin with entry 1, or to hold a seal, an entry of its own that says where it begins and on which hash. The seal is
written in the transaction of the cut (`cut_front`) and stands in the chain as every other entry.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, delete, func, select

from data import database, tables
from data.audit_log import GENESIS, HASHED, Act, append, hash_of, hold
from data.errors import UsageError
from data.store import Store

SEAL: Final = "audit.seal"

Progress = Callable[[str, int, int], None]

_ENTRY: Final = tables.audit_entry.c
# Entries read at a time.
_PART: Final = 5_000
_HEAD: Final = re.compile(r"([0-9a-f]{64})@([0-9]{1,18})")


@dataclass(frozen=True, slots=True)
class Head:
    """An entry by its hash and its number; of the newest one, it stands for the whole trail before it."""

    entry_hash: str
    seq: int

    def __str__(self) -> str:
        return f"{self.entry_hash}@{self.seq}"

    @classmethod
    def parse(cls, text: str) -> Head:
        """Read `HASH@SEQ`.

        Raises
        ------
        UsageError
            If it is none.
        """
        found = _HEAD.fullmatch(text.strip())
        if found is None:
            raise UsageError("Expected a head as `heed audit head` prints it: 64 hex digits, @, and a number.")
        return cls(found[1], int(found[2]))


# The head of a trail without entries.
EMPTY: Final = Head(GENESIS, 0)


@dataclass(frozen=True, slots=True)
class Seal:
    """Where a trail begins after its front was cut: with entry `before`; the one that stood there last was of `until`.

    `until` is in seconds in UTC.
    """

    before: int
    until: int


@dataclass(frozen=True, slots=True)
class Fault:
    """The first thing wrong with a trail.

    Attributes
    ----------
    kind : altered · missing · unlinked · out_of_order · front_missing · end_missing · other_history · head_not_kept
    seq : the entry at which it shows
    told : in words
    """

    kind: str
    seq: int
    told: str


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check of the trail found. `fault` is None for a trail that is whole, `seal` for one never cut."""

    entries: int
    head: Head
    seal: Seal | None
    fault: Fault | None


@contextmanager
def appending(store: Store, *, patience: float) -> Iterator[Connection]:
    """A transaction for entries alone: it waits for another writer of the store `patience` seconds.

    On PostgreSQL it does not wait for an import, only for others that add to the trail.

    Raises
    ------
    StoreError
        If it could not begin by then, or for what the database says.
    """
    with database.appending(store.engine, patience=patience) as connection:
        yield connection


def head_of(connection: Connection) -> Head:
    """The newest entry of the trail; `EMPTY` where there is none."""
    last = connection.execute(select(_ENTRY.entry_hash, _ENTRY.seq).order_by(_ENTRY.seq.desc()).limit(1)).first()
    return EMPTY if last is None else Head(str(last.entry_hash), int(last.seq))


def entries(
    connection: Connection, *, since: int | None = None, action: str | None = None, limit: int = 100
) -> list[dict[str, Any]]:
    """The newest `limit` entries since a moment (seconds in UTC; None: ever) and of an action (None: of all).

    Returns
    -------
    list of dict with the columns of `data.tables.audit_entry`, oldest first; `detail` is read from its JSON
    """
    conditions: list[ColumnElement[bool]] = []
    if since is not None:
        conditions.append(_ENTRY.at >= since)
    if action is not None:
        conditions.append(_ENTRY.action == action)
    query = select(tables.audit_entry).where(*conditions).order_by(_ENTRY.seq.desc()).limit(limit)
    rows = [dict(row) for row in connection.execute(query).mappings()]
    return [{**row, "detail": json.loads(row["detail"])} for row in reversed(rows)]


def verify(store: Store, head: Head | None = None, *, progress: Progress | None = None) -> Checked:
    """Check the whole trail, entry by entry, with little memory whatever its length.

    Parameters
    ----------
    head : the newest entry as it was kept elsewhere; the trail has to hold it. None: nothing was kept.
    progress : called as ("verify", entries checked, entries)
    """
    with store.reading() as connection:
        return verify_on(connection, head, progress=progress)


def verify_on(connection: Connection, head: Head | None = None, *, progress: Progress | None = None) -> Checked:
    """As `verify`, of what `connection` sees."""
    total = int(connection.execute(select(func.count()).select_from(tables.audit_entry)).scalar_one())
    walk = _Walk(head)
    query = select(*(_ENTRY[name] for name in HASHED), _ENTRY.entry_hash).order_by(_ENTRY.seq)
    options = {"stream_results": True, "max_row_buffer": _PART}
    with connection.execute(query, execution_options=options) as found:
        for done, part in enumerate(found.partitions(_PART), start=1):
            if not all(map(walk.step, part)):
                break
            if progress is not None:
                progress("verify", min(done * _PART, total), total)
    fault = walk.fault or walk.finish()
    return Checked(total, head_of(connection), walk.seal, fault)


def cut_front(connection: Connection, older_than: int, actor: str, *, now: int | None = None) -> int:
    """Take away the entries before a moment (seconds in UTC) and seal the beginning; how many there were.

    In the transaction of `connection`, that of `Store.writing`. Nothing is written where nothing is that old.
    """
    hold(connection)
    last = connection.execute(
        select(_ENTRY.seq, _ENTRY.at, _ENTRY.entry_hash)
        .where(_ENTRY.at < older_than)
        .order_by(_ENTRY.seq.desc())
        .limit(1)
    ).first()
    if last is None:
        return 0
    old = _ENTRY.seq <= last.seq
    gone = int(connection.execute(select(func.count()).select_from(tables.audit_entry).where(old)).scalar_one())
    seal = {"before": int(last.seq) + 1, "hash": str(last.entry_hash), "until": int(last.at), "entries": gone}
    # The seal first: where all entries are that old, it is the one that stands on the last of them.
    append(connection, [Act.own(actor, SEAL, None, seal)], now=now)
    connection.execute(delete(tables.audit_entry).where(old))
    return gone


class _Walk:
    """A check under way: what is remembered of the entries behind is one hash and two moments."""

    def __init__(self, head: Head | None) -> None:
        self._head = head
        self._at: Any = None
        self._first: tuple[int, str] | None = None  # number of the first entry, and the hash that it stands on
        self.last = EMPTY
        self.seal: Seal | None = None
        self.fault: Fault | None = None

    def step(self, row: Any) -> bool:
        """Look at the next entry, as `HASHED` and its own hash; whether all is well so far."""
        seq, at, action, detail, previous, own = row[0], row[1], row[4], row[6], row[7], row[8]
        if self._first is not None and seq != self.last.seq + 1:
            self._fault("missing", seq, f"Entries from {self.last.seq + 1} to the one before {seq} are missing.")
        elif _rehashed(row) != own:
            self._fault("altered", seq, f"Entry {seq} was altered: its contents do not fit its own hash.")
        elif self._first is not None and previous != self.last.entry_hash:
            told = f"Entry {seq} does not stand on the entry before it: one of the two was written anew."
            self._fault("unlinked", seq, told)
        elif self._first is None and seq <= 1 and (seq, previous) != (1, GENESIS):
            self._fault("unlinked", seq, f"The trail begins with entry {seq}, which is no beginning.")
        elif self._at is not None and at < self._at:
            self._fault("out_of_order", seq, f"Entry {seq} is dated before the entry before it.")
        elif self._head is not None and seq == self._head.seq and own != self._head.entry_hash:
            told = f"Entry {seq} is another one than the head tells: the trail was written anew, or is another store's."
            self._fault("other_history", seq, told)
        else:
            self._first = self._first or (seq, previous)
            self.last, self._at = Head(own, seq), at
            if action == SEAL:
                self.seal = _seal_of(detail, self._first) or self.seal
        return self.fault is None

    def finish(self) -> Fault | None:
        """What is wrong with a trail whose entries all hang together: its two ends."""
        first, ground = self._first or (1, GENESIS)
        if first > 1 and self.seal is None:
            told = f"The trail begins with entry {first}, and no seal tells of a cut there: its front was taken away."
            self._fault("front_missing", first, told)
        elif self._head is not None and self._head != EMPTY:
            self._finish_head(self._head, first, ground)
        return self.fault

    def _finish_head(self, head: Head, first: int, ground: str) -> None:
        if head.seq > self.last.seq:
            told = f"The trail ends with entry {self.last.seq}, and the head is entry {head.seq}: its end was cut off."
            self._fault("end_missing", self.last.seq, told)
        elif head.seq < first - 1:
            told = f"The head is entry {head.seq}, which was cut away with the front. Give a newer one that was kept."
            self._fault("head_not_kept", first, told)
        elif head.seq == first - 1 and head.entry_hash != ground:
            told = f"Entry {first} stands on another one than the head tells: the trail was written anew."
            self._fault("other_history", first, told)

    def _fault(self, kind: str, seq: int, told: str) -> None:
        self.fault = Fault(kind, seq, told)


def _rehashed(row: Any) -> str | None:
    try:
        return hash_of(row[: len(HASHED)])
    except (TypeError, ValueError):
        # Bytes, or no text: nothing that was ever written as an entry.
        return None


def _seal_of(detail: str, first: tuple[int, str]) -> Seal | None:
    """The seal in an entry, if it is that of this beginning."""
    try:
        told = json.loads(detail)
        seal = Seal(int(told["before"]), int(told["until"]))
        fits = (seal.before, told["hash"]) == first
    except (KeyError, TypeError, ValueError):
        return None
    return seal if fits else None
