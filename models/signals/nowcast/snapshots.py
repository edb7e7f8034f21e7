"""Cases as reporting triangles of weeks, all looked at on the weekday and hour of the as-of moment.

How much of a week is known depends on the moment one asks: on Monday at six, with the reports of Sunday not entered
yet, or on Wednesday. So every past week is looked at as long after its end as the newest is at the as-of, and one
week later, two weeks later, and so on. Delays that differ by weekday then need no model: like is compared with like.

A batch with one time of knowing for openings of months is an import, not a delay. For the weeks in it, what was known
when before the import is unknown; what came after it is not. Reverse-time hazards can use just that: of the reports
known at a snapshot, the share that came in since the snapshot before. So only the snapshots up to the import are left
out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.errors import InputError
from data.event_log import NEVER
from models.signals.counts import near_instant

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

_NEEDED: Final = ("opened_at", "opened_known_at", "area", "category")
_WEEK: Final = 7 * 86_400
# An import runs for a while: what became known within the same hour belongs together.
_BATCH_SECONDS: Final = 3_600
_BATCH_REPORTS: Final = 20
# The middle four fifths of an import's openings span more than this. Nobody's monthly entering of forms does.
_BATCH_SPAN: Final = 8 * _WEEK


@dataclass(frozen=True, slots=True)
class Snapshots:
    """The reports of the newest weeks by cell and by how many snapshots after the week's first they were known.

    Attributes
    ----------
    n_weeks : the weeks looked at, the newest of those asked about
    cells : (n_reports,) code of the report's area and category in `areas` x `categories`; week and delay alike
    hidden : (n_weeks, n_categories), snapshots of a week up to this one say nothing; -1 where all do
    """

    n_weeks: int
    areas: pd.Index
    categories: pd.Index
    area: Ints
    category: Ints
    week: Ints
    delay: Ints
    hidden: Ints


def snapshots(
    cases: pd.DataFrame, *, as_of: int, time_zone: str, weeks: Ints, most_weeks: int, longest: int
) -> Snapshots:
    """Sort the reports known strictly before `as_of` into weeks and delays.

    Parameters
    ----------
    cases, as_of, time_zone : as for `models.signals.counts.weekly_counts`
    weeks : (n,) starts of the weeks, UTC seconds, rising without gaps; the last has ended by `as_of`
    most_weeks : use at most so many of the newest
    longest : a longer delay, in weeks, counts as this
    """
    bounds = np.append(weeks, _week_after(int(weeks[-1]), time_zone))[-(most_weeks + 1) :]
    if int(bounds[-1]) > as_of:
        raise InputError("Expected weeks that have ended by the as-of moment; the newest has not.")
    cases = cases.reset_index(drop=True)
    reports = _reports(cases, as_of, time_zone, int(bounds[0]), int(bounds[-1]))
    n_weeks = len(bounds) - 1
    week = np.searchsorted(bounds, reports["opened_at"].to_numpy("int64"), side="right") - 1
    known = reports["opened_known_at"].to_numpy("int64")
    moments = bounds[1:] + (as_of - int(bounds[-1]))
    delay = _delay(known, week, moments)
    area, areas = pd.factorize(reports["area"], sort=True)
    category, categories = pd.factorize(reports["category"], sort=True)
    hidden = np.full((n_weeks, len(categories)), -1, dtype=np.int64)
    imported = imports_in_bulk(cases, as_of)[reports.index].to_numpy()
    if imported.any():
        np.maximum.at(hidden, (week[imported], category[imported]), delay[imported])
    return Snapshots(
        n_weeks,
        pd.Index(areas),
        pd.Index(categories),
        area.astype(np.int64),
        category.astype(np.int64),
        week,
        np.minimum(delay, longest),
        hidden,
    )


def known_before(cases: pd.DataFrame, as_of: int) -> pd.DataFrame:
    """The cases known strictly before `as_of`; InputError where a column is missing."""
    missing = [name for name in _NEEDED if name not in cases.columns]
    if missing:
        raise InputError(f"Expected the columns {', '.join(_NEEDED)}; missing: {', '.join(missing)}.")
    return cases[cases["opened_known_at"] < as_of]


def nothing_is_late(cases: pd.DataFrame) -> bool:
    """Whether every case was known the moment it was opened: then every week is complete as soon as it has ended."""
    return bool((cases["opened_known_at"].to_numpy() <= cases["opened_at"].to_numpy()).all())


def imports_in_bulk(cases: pd.DataFrame, as_of: int) -> pd.Series:
    """Which cases known before `as_of` came in with a one-off import of a past; bool, by the index of `cases`.

    A batch of at least twenty cases known within the same hour is one if the middle four fifths of its openings span
    more than eight weeks.
    """
    before = cases["opened_known_at"] < as_of
    hour = cases["opened_known_at"].where(before, -1) // _BATCH_SECONDS
    found = pd.Series(False, index=cases.index)
    sizes = hour[before].value_counts()
    candidates = sizes.index[sizes >= _BATCH_REPORTS]
    within = before & hour.isin(candidates)
    if not within.any():
        return found
    openings = cases["opened_at"][within].groupby(hour[within])
    span = openings.quantile(0.9) - openings.quantile(0.1)
    bulk = span.index[span > _BATCH_SPAN]
    return within & hour.isin(bulk)


def _reports(cases: pd.DataFrame, as_of: int, time_zone: str, begin: int, end: int) -> pd.DataFrame:
    """The cases that `weekly_counts` counts, opened in these weeks."""
    opened = cases["opened_at"]
    use = (cases["opened_known_at"] < as_of) & (opened >= begin) & (opened < end)
    use &= cases["area"].notna() & cases["category"].notna()
    if "withdrawn_known_at" in cases.columns:
        use &= cases["withdrawn_known_at"] >= as_of
    known = cases[use]
    if "closed_at" not in known.columns:
        known = known.assign(closed_at=NEVER)
    return known[~near_instant(known, as_of, time_zone)]


def _delay(known: Ints, week: Ints, moments: Ints) -> Ints:
    """How many snapshots after the first of its week each report was known at; 0: at the first.

    `moments`: one snapshot per week, as long after its end as the as-of is after the newest.
    """
    place = np.searchsorted(moments, known, side="right")
    late: Ints = np.maximum(place - week, 0).astype(np.int64)
    return late


def _week_after(monday: int, time_zone: str) -> int:
    local = pd.Timestamp(monday, unit="s", tz="UTC").tz_convert(time_zone).tz_localize(None)
    # A zone that changes its clocks at midnight may have begun this week an hour late.
    after = local.normalize() + pd.Timedelta(days=7)
    return int(after.tz_localize(time_zone, nonexistent="shift_forward", ambiguous=True).timestamp())
