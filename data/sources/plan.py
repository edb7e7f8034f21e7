"""What a fetch asks for, and what its answer is a look at.

How a case that is *not* in the answer is to be taken decides whether the labels are right: was it looked at and has
not changed, or was it not looked at at all? Per protocol:

- **All changes** (Socrata, and CKAN with SQL, by the time of the last change). The portal gives every row that
  changed since a moment. After a first fetch of all cases opened since `first`, an answer without a case says that
  the case has not changed: such a fetch *is* a look at every case that the first one covered. This rests on the
  portal stamping every change, and showing it no later than `overlap_days` after its stamp; what comes later than
  that is not seen before the case changes again or is fetched anew with `--since`. The pages are asked for in the
  order of the stamps, each after the last row of the one before, and without an upper end. A row that changes while
  the fetch runs gets a later stamp and comes again; so when a page comes back empty, all rows fetched are as they
  stood at that moment, however long the fetch took and however often it was interrupted. That moment is the look.
- **Openings** (GeoReport, and CKAN with SQL but without such a column). The portal can be asked by time of opening
  only. An answer is a look at the cases opened in its span and says nothing of others. A GeoReport fetch is made of
  spans (windows) that each have a look of their own, so that one that was interrupted for a week does not claim to
  have seen last week's rows today.
- **Whole** (CKAN without SQL). Every fetch reads the table, and is a look at the span of openings in it.

A row that a portal deletes looks the same as one that does not change. No protocol here tells them apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, Literal
from zoneinfo import ZoneInfo

from data.errors import UsageError
from data.sources.definition import CkanDefinition, Definition, GeoReportDefinition, SocrataDefinition

DAY: Final = 86_400
# How far back a first GeoReport fetch goes where nothing is said: what the specification gives by default.
_FIRST_DAYS: Final = 90


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to ask for.

    Attributes
    ----------
    mode : "changes", "openings" or "whole"
    opened_from, opened_to : date or None
        Local days of opening, half-open; None: no bound.
    changed_from : int or None
        Seconds in UTC; only rows that changed then or later. None: whenever.
    moves : bool
        Whether the end of this fetch is where the next one begins: nothing before it has been left out.
    """

    mode: Literal["changes", "openings", "whole"]
    opened_from: date | None = None
    opened_to: date | None = None
    changed_from: int | None = None
    moves: bool = True


def follows_changes(definition: Definition) -> bool:
    """Whether the portal can be asked for everything that changed."""
    if isinstance(definition, CkanDefinition):
        return definition.sql and definition.updated_field is not None
    return isinstance(definition, SocrataDefinition)


def plan_of(
    definition: Definition,
    zone: ZoneInfo,
    *,
    watermark: int | None,
    covered_from: date | None,
    now: int,
    since: date | None = None,
    until: date | None = None,
) -> Plan:
    """What the next fetch has to ask for.

    Parameters
    ----------
    watermark : int or None
        Up to when (seconds in UTC) all was fetched; None: nothing yet.
    covered_from : date or None
        The `first` of the fetch that the watermark rests on. One that was moved to an earlier day since asks for
        everything anew.
    since, until : date
        Look again at the cases opened on these days, half-open, whatever the watermark says. Such a fetch does not
        move the watermark where that would leave a gap.

    Raises
    ------
    UsageError
        If the portal cannot be asked for days of opening, or the days are the wrong way round.
    """
    if since is not None and until is not None and since >= until:
        raise UsageError(f"Expected --since before --until, got {since} and {until}.")
    if isinstance(definition, CkanDefinition) and not definition.sql:
        if since is not None or until is not None:
            raise UsageError(
                "This portal is read whole each time: datastore_search cannot ask for days. Leave --since and "
                "--until out, or set sql = true in [sync] if the portal allows datastore_search_sql."
            )
        return Plan(mode="whole")
    chosen = since is not None or until is not None
    first = definition.first
    extended = watermark is not None and first != covered_from and (first is None or (covered_from or first) > first)
    if follows_changes(definition):
        if chosen:
            return Plan(mode="openings", opened_from=since or first, opened_to=until, moves=False)
        if watermark is None or extended:
            return Plan(mode="openings", opened_from=first)
        return Plan(mode="changes", opened_from=first, changed_from=watermark - definition.overlap_days * DAY)
    if first is None and isinstance(definition, GeoReportDefinition):
        first = local_day(now, zone) - timedelta(days=_FIRST_DAYS)
    if watermark is None or (extended and definition.first is not None):
        begins = first
    else:
        again = local_day(watermark, zone) - timedelta(days=definition.overlap_days)
        begins = again if definition.first is None else max(definition.first, again)
    if not chosen:
        return Plan(mode="openings", opened_from=begins)
    gapless = until is None and watermark is not None and begins is not None and (since or begins) <= begins
    return Plan(mode="openings", opened_from=since or begins, opened_to=until, moves=gapless)


def local_day(seconds: int, zone: ZoneInfo) -> date:
    """The day on the wall clock of `zone`."""
    return datetime.fromtimestamp(seconds, zone).date()


def midnight(day: date, zone: ZoneInfo) -> int:
    """The first second of a local day, in UTC."""
    return int(datetime.combine(day, time(), zone).timestamp())


def utc_text(seconds: int) -> str:
    """Seconds in UTC as portals write them: 2024-03-15T08:30:00Z."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
