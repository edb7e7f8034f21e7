"""Letting go of what is no longer needed: old risks and marks, finished jobs, answered requests, the old end of the
audit trail.

What stays: every event, pressure, weak signals with their weeks, outcomes and reviews, the newest scoring as it is, and
the one before that it is compared with. Views that a desk saved stay until it deletes them or its key is gone; those of
a role and its offices, which may be given to nobody any more, as long as the audit trail.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnElement, Connection, SelectBase, Table, delete, func, literal, or_, select, union

from data import tables
from data.audit_log import Act, append
from data.event_log import fold_cases
from data.store import Store
from data.store_append import read_log
from data.store_audit import cut_front
from service.earlier import read_earlier
from service.identity import DESK
from service.open_case import OUTCOME
from service.settings import Settings

DAY: Final = 86_400
FINISHED: Final = ("done", "failed", "cancelled")
# The tables that are kept per scoring.
SCORINGS: Final = (tables.risk, tables.remaining_time)


@dataclass(frozen=True, slots=True)
class Limits:
    """Moments, in seconds in UTC, before which things may go."""

    risks: int
    jobs: int
    requests: int
    audit: int

    @classmethod
    def at(cls, settings: Settings, now: int) -> Limits:
        """What the settings say, at a moment."""
        return cls(
            risks=now - settings.retain_risks_days * DAY,
            jobs=now - settings.retain_jobs_days * DAY,
            requests=now - int(settings.idempotency_hours * 3600),
            audit=now - settings.retain_audit_days * DAY,
        )


@dataclass(frozen=True, slots=True)
class Retained:
    """What went, or would go.

    Attributes
    ----------
    gone : table -> rows
    dry_run : nothing was changed
    now : the moment that was reckoned from, seconds in UTC
    """

    gone: dict[str, int]
    dry_run: bool
    now: int

    @property
    def rows(self) -> int:
        """Of all tables together."""
        return sum(self.gone.values())


def retain(
    store: Store, settings: Settings, *, now: int | None = None, dry_run: bool = False, actor: str = "command"
) -> Retained:
    """Let go of what the settings (`retain_…`, `idempotency_hours`) no longer keep, in one transaction.

    - Scorings older than `retain_risks_days`, and in later ones the rows of cases that were closed before then. Never a
      row of the newest scoring, or of the one that it is compared with.
    - With them, what was noted on cases that were closed before then. Never a mark of a case of the newest scoring.
    - Views of keys that were revoked or expired `retain_jobs_days` ago; those of a role and its offices that were saved
      `retain_audit_days` ago.
    - Jobs that ended `retain_jobs_days` ago; answered requests older than `idempotency_hours`.
    - Entries of the audit trail older than `retain_audit_days`, whose place a seal takes (`data.store_audit`).

    Parameters
    ----------
    now : seconds in UTC; None: this moment
    dry_run : only say what would go
    actor : what the audit trail calls whoever asked for it; what went is an entry of its own, even if nothing did
    """
    moment = int(time.time()) if now is None else now
    limits = Limits.at(settings, moment)
    gone = dict.fromkeys((table.name for table in _TABLES), 0)
    if dry_run:
        with store.reading() as connection:
            for table, old in _old(connection, limits, moment, _shown(store)):
                gone[table.name] += _count(connection, table, old)
            gone["audit_entry"] = _count(connection, tables.audit_entry, tables.audit_entry.c.at < limits.audit)
        return Retained(gone, dry_run, moment)
    with store.writing() as connection:
        for table, old in _old(connection, limits, moment, _shown(store)):
            gone[table.name] += connection.execute(delete(table).where(old)).rowcount
        # Last: whoever holds the trail keeps others from recording reads.
        # Written now, whatever moment it is reckoned from.
        told_at = max(moment, int(time.time()))
        gone["audit_entry"] = cut_front(connection, limits.audit, actor, now=told_at)
        append(connection, [Act.own(actor, "store.retain", None, {"rows": gone})], now=told_at)
    return Retained(gone, dry_run, moment)


_TABLES: Final = (
    *SCORINGS,
    tables.case_mark,
    tables.saved_view,
    tables.job,
    tables.idempotent_request,
    tables.audit_entry,
)


def _old(
    connection: Connection, limits: Limits, now: int, shown: list[int]
) -> Iterator[tuple[Table, ColumnElement[bool]]]:
    """What may go of each table but the audit trail, in parts that do not overlap."""
    for table in SCORINGS:
        yield table, table.c.as_of.not_in(shown) & (table.c.as_of < limits.risks)
    closed = _closed_before(connection, limits.risks, shown)
    for start in range(0, len(closed), _CASES):
        of_closed = closed[start : start + _CASES]
        for table in SCORINGS:
            later = table.c.as_of.not_in(shown) & (table.c.as_of >= limits.risks)
            yield table, later & table.c.case_id.in_(of_closed)
    marked = _marked_closed_before(connection, limits.risks, shown)
    for start in range(0, len(marked), _CASES):
        yield tables.case_mark, tables.case_mark.c.case_id.in_(marked[start : start + _CASES])
    job, request = tables.job.c, tables.idempotent_request.c
    ended = func.coalesce(job.finished_at, job.created_at)
    yield tables.job, job.state.in_(FINISHED) & (ended < limits.jobs)
    key = tables.api_key.c
    # Nobody can ask for them any more. Which roles and offices a provider still gives out is not known here.
    lost = select(literal("key:") + key.key_id).where(or_(key.revoked_at < limits.jobs, key.expires_at < limits.jobs))
    view = tables.saved_view.c
    yield tables.saved_view, view.holder.in_(lost)
    yield tables.saved_view, view.holder.startswith(DESK) & (view.created_at < limits.audit)
    yield tables.idempotent_request, (request.started_at < limits.requests) & (request.lease_until < now)


# Of one statement.
_CASES: Final = 500


def _shown(store: Store) -> list[int]:
    """The moments of what the service shows: the newest scoring, and the one that it is compared with."""
    with store.reading() as connection:
        found = [connection.execute(select(func.max(table.c.as_of))).scalar() for table in SCORINGS]
    newest = {int(moment) for moment in found if moment is not None}
    earlier = [read_earlier(store, moment, OUTCOME) for moment in newest]
    return sorted({*newest, *(one.as_of for one in earlier if one is not None)})


def _closed_before(connection: Connection, moment: int, shown: list[int]) -> list[str]:
    """The cases closed, or fallen away, before a moment (seconds in UTC) that were scored after it all the same."""
    scored = union(
        *(select(table.c.case_id).where(table.c.as_of >= moment, table.c.as_of.not_in(shown)) for table in SCORINGS)
    )
    return _ended_before(connection, moment, scored)


def _marked_closed_before(connection: Connection, moment: int, shown: list[int]) -> list[str]:
    """The cases with marks that were closed, or fell away, before a moment (seconds in UTC) and are shown no more."""
    column = tables.case_mark.c.case_id
    still = union(*(select(table.c.case_id).where(table.c.as_of.in_(shown)) for table in SCORINGS))
    return _ended_before(connection, moment, select(column).where(column.not_in(still)))


def _ended_before(connection: Connection, moment: int, chosen: SelectBase) -> list[str]:
    events = read_log(connection, tables.event.c.case_id.in_(chosen))
    if events.empty:
        return []
    cases = fold_cases(events)
    # A case that never ended has a moment after all others there.
    ended = cases[["closed_at", "withdrawn_known_at"]].min(axis=1)
    return sorted(cases.loc[ended < moment, "case_id"])


def _count(connection: Connection, table: Table, where: ColumnElement[bool]) -> int:
    return int(connection.execute(select(func.count()).select_from(table).where(where)).scalar_one())
