"""The audit trail: what was read of cases and what was changed, in one chain of hashes.

Each entry holds the hash of the one before it, so that nothing in the middle can be altered, added or taken out without
every later hash being wrong. Whoever keeps the newest hash elsewhere (`heed audit head`) can also tell a trail that
was cut at its end and written anew. The chain is that of Haber and Stornetta, "How to time-stamp a digital document"
(Journal of Cryptology 3, 1991), without their certificates.

An entry is written in the transaction of what it tells of: both are stored, or neither. `data.store_audit` reads the
trail and checks it.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Connection, insert, select, text

from data import tables
from data.errors import UsageError

# What the first entry of a trail stands on.
GENESIS: Final = "0" * 64
# What is hashed of an entry, in this order.
HASHED: Final = ("seq", "at", "actor", "role", "action", "target", "detail", "previous_hash")

# Of PostgreSQL: whoever adds to the trail holds it until the end of the transaction. Another one than the lock of
# writers, so that a read can be recorded while an import is being stored.
_TRAIL_LOCK: Final = 0x68656561

_LONGEST: Final = {"actor": 80, "role": 16, "action": 32, "target": 160}

# Made once: `json.dumps` with separators of one's own makes a new encoder for every entry.
_canonical = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class Act:
    """Something done that the trail keeps.

    Attributes
    ----------
    actor : a code of a key, a token, a command or a worker, at most 80 characters; never a name
    role : what it is to the service, at most 16 characters: of a key or a token its role; `command` of a command at a
        terminal and `worker` of the worker, which are their actors too
    action : a word such as `case.read`, `signal.review`, `model.promote`, at most 32 characters
    target : what it was done to, at most 160 characters; None: nothing in particular
    detail : JSON values that say how; never contents of a case

    Raises
    ------
    UsageError
        If one of them is longer than that.
    """

    actor: str
    role: str
    action: str
    target: str | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def own(cls, actor: str, action: str, target: str | None = None, detail: Mapping[str, Any] | None = None) -> Act:
        """Something that a command or the worker did: `actor` is `command` or `worker`, and its role is the same."""
        return cls(actor, actor, action, target, detail or {})

    def __post_init__(self) -> None:
        for name, longest in _LONGEST.items():
            value = getattr(self, name)
            if value is not None and len(value) > longest:
                raise UsageError(
                    f"Expected at most {longest} characters as {name} of an entry of the audit trail, got "
                    f"{len(value)}. Use a code."
                )


def append(connection: Connection, acts: Sequence[Act], *, now: int | None = None) -> None:
    """Add entries to the trail, in the transaction of `connection`.

    Parameters
    ----------
    connection : of `Store.writing`, or of `data.store_audit.appending` for entries alone: both let one in at a time,
        for two would stand on the same entry
    acts : what was done, in that order
    now : seconds in UTC; None: this moment. Where the clock has been set back, the moment of the entry before counts.
    """
    if not acts:
        return
    hold(connection)
    entry = tables.audit_entry.c
    last = connection.execute(select(entry.seq, entry.at, entry.entry_hash).order_by(entry.seq.desc()).limit(1)).first()
    seq, at, previous = (0, 0, GENESIS) if last is None else (int(last.seq), int(last.at), str(last.entry_hash))
    moment = max(int(time.time()) if now is None else now, at)
    rows = []
    for act in acts:
        seq += 1
        row = {
            "seq": seq,
            "at": moment,
            "actor": act.actor,
            "role": act.role,
            "action": act.action,
            "target": act.target,
            "detail": json.dumps(dict(act.detail), ensure_ascii=False, allow_nan=False, sort_keys=True),
            "previous_hash": previous,
        }
        previous = entry_hash(row)
        rows.append({**row, "entry_hash": previous})
    connection.execute(insert(tables.audit_entry), rows)


def hold(connection: Connection) -> None:
    """Keep every other writer from the trail until the transaction ends; waits for one that is at it.

    SQLite has one writer at a time as it is.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _TRAIL_LOCK})


def entry_hash(row: Mapping[str, Any]) -> str:
    """The hash of an entry, over everything in it and the hash before: SHA-256 of canonical JSON, 64 hex digits."""
    return hash_of([row[name] for name in HASHED])


def hash_of(told: Sequence[Any]) -> str:
    """The hash of an entry, whose values come in the order of `HASHED`."""
    return hashlib.sha256(_canonical(list(told)).encode()).hexdigest()
