"""Weekly counts per area and category, as they stood at a given moment.

A week is a calendar week of the offices' time zone, from Monday 00:00 to the next, so it has 167 or 169 hours when the
clocks change. Only complete weeks are counted.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.errors import InputError, NotEnoughDataError, UsageError
from data.event_log import NEAR_INSTANT_SECONDS, NEVER

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]

# Stands in the place of the area or category that was summed away.
ALL: Final = "*"


_NEEDED: Final = ("opened_at", "opened_known_at", "area", "category")


@dataclass(frozen=True, slots=True, eq=False)
class WeeklyCounts:
    """Counts of reports: `matrix[w, s]` in week `weeks[w]` of series `series.iloc[s]`.

    Every area seen is combined with every category seen: which pairs are watched must not depend on what the newest
    week brought, or the false-discovery rate would not hold.
    """

    matrix: Ints  # (n_weeks, n_series), not negative
    weeks: Ints  # (n_weeks,) local Monday 00:00 as UTC seconds, rising without gaps
    series: pd.DataFrame  # (n_series rows): area, category; sorted by both
    time_zone: str
    as_of: int
    left_out: dict[str, int]  # cases that are no report, by reason
    # (n_weeks, n_series), False where a week was not recorded for a series and is not compared with; None: all were
    recorded: Bools | None = None
    # (n_weeks, n_series), the share of each week's reports that is known already; None: all
    complete: Floats | None = None
    # (n_weeks, n_series) the counts without reports through channels just introduced; None: there are none
    settled: Ints | None = None

    def completed_as(self, complete: Floats) -> WeeklyCounts:
        """The same counts, with the share of each week's reports that is known at the as-of, above 0 and up to 1.

        Of the newest weeks some reports come in late; `models.signals.nowcast` estimates how many are here.
        """
        if complete.shape != self.matrix.shape:
            raise UsageError(f"Expected shares of shape {self.matrix.shape}, got {complete.shape}.")
        if not bool(((complete > 0.0) & (complete <= 1.0)).all()):
            raise UsageError("Expected shares above 0 and up to 1; a week of which nothing is known was not recorded.")
        # Nothing missing is the same as not saying anything, to the bit.
        return replace(self, complete=None if bool((complete == 1.0).all()) else complete)

    def recorded_as(self, recorded: Bools) -> WeeklyCounts:
        """The same counts, with the weeks in which each series was recorded; see `data.quality.recording`."""
        if recorded.shape != self.matrix.shape:
            raise UsageError(f"Expected recorded weeks of shape {self.matrix.shape}, got {recorded.shape}.")
        # Nothing left out is the same as not saying anything, to the bit.
        return replace(self, recorded=None if recorded.all() else recorded)

    def newest(self) -> int:
        """Start of the newest complete week."""
        return int(self.weeks[-1])

    def until(self, week: int) -> WeeklyCounts:
        """The same counts with `week` (its start, UTC seconds) as the newest."""
        n = int(np.searchsorted(self.weeks, week, side="right"))
        if n == 0 or self.weeks[n - 1] != week:
            raise UsageError("Expected the start of one of the weeks counted; see WeeklyCounts.weeks.")
        kept = None if self.recorded is None or self.recorded[:n].all() else self.recorded[:n]
        known = None if self.complete is None or bool((self.complete[:n] == 1.0).all()) else self.complete[:n]
        settled = None if self.settled is None else self.settled[:n]
        return replace(
            self, matrix=self.matrix[:n], weeks=self.weeks[:n], recorded=kept, complete=known, settled=settled
        )

    def totals(self, over: Literal["area", "category", "both"]) -> WeeklyCounts:
        """Sums over all areas (one series per category), over all categories (one per area), or over both.

        The name summed away is `ALL` ("*"). Sums agree: they are made of the very same reports. A sum counts as
        recorded where all its parts with any report were; what is known of its weeks is the mean over its parts,
        weighted by their reports.
        """
        keys = self.series.copy()
        for name in ("area", "category"):
            if over in (name, "both"):
                keys[name] = ALL
        groups = keys.groupby(["area", "category"], sort=True).ngroup().to_numpy()
        n_groups = int(groups.max()) + 1 if len(groups) else 0
        matrix = np.zeros((n_groups, len(self.weeks)), dtype=np.int64)
        np.add.at(matrix, groups, self.matrix.T)
        settled = None
        if self.settled is not None:
            settled = np.zeros((len(self.weeks), n_groups), dtype=np.int64)
            np.add.at(settled.T, groups, self.settled.T)
        series = keys.drop_duplicates().sort_values(["area", "category"], ignore_index=True)
        complete = None
        if self.complete is not None:
            weight = self.matrix.sum(axis=0) + 1e-9
            known = np.zeros((n_groups, len(self.weeks)))
            np.add.at(known, groups, (self.complete * weight).T)
            complete = np.minimum(known.T / np.bincount(groups, weights=weight, minlength=n_groups), 1.0)
        whole = replace(self, matrix=np.ascontiguousarray(matrix.T), series=series, recorded=None, complete=complete)
        whole = replace(whole, settled=settled)
        if self.recorded is None:
            return whole
        missing = np.zeros((n_groups, len(self.weeks)), dtype=bool)
        np.logical_or.at(missing, groups, (~self.recorded & (self.matrix.sum(axis=0) > 0)).T)
        return whole.recorded_as(np.ascontiguousarray(~missing.T))


def weekly_counts(cases: pd.DataFrame, *, as_of: int, time_zone: str, weeks: int | None = None) -> WeeklyCounts:
    """Count reports per week, area and category.

    Parameters
    ----------
    cases : DataFrame, one row per case, any order
        `opened_at`, `opened_known_at` (int64 UTC seconds), `area`, `category` (null: left out and counted in
        `left_out`). `closed_at`, `closed_known_at` and `withdrawn_known_at` are used where present.
    as_of : int, UTC seconds
        What was known at or after it does not count: a report known too late is not there yet, a withdrawal known too
        late has not happened. The newest week is the last one that ended at or before `as_of`.
    time_zone : str
        Of the offices; weeks begin there on Monday 00:00.
    weeks : int or None
        At most so many of the newest weeks. None: all since the first complete week of the record.

    Returns
    -------
    WeeklyCounts
        A case withdrawn, or found a duplicate, is not counted once that is known, in whichever week it was opened. A
        case closed within a minute of its opening is no report either, once the closing is known; where the opening
        has no time of day (exactly local midnight) it stays, for then a same-day closing looks the same.

    Raises
    ------
    NotEnoughDataError
        If no complete week lies between the first report and `as_of`.
    """
    missing = [name for name in _NEEDED if name not in cases.columns]
    if missing:
        raise InputError(f"Expected the columns {', '.join(_NEEDED)}; missing: {', '.join(missing)}.")
    known = cases[(cases["opened_known_at"] < as_of) & (cases["opened_at"] < as_of)]
    reports, left_out = _reports(known, as_of, time_zone)
    starts = week_starts(reports["opened_at"], as_of, time_zone)
    if weeks is not None:
        starts = starts[-(weeks + 1) :]
    matrix, series = _cross_count(reports, starts)
    return WeeklyCounts(matrix, starts[:-1], series, time_zone, as_of, left_out)


def week_starts(opened_at: pd.Series, as_of: int, time_zone: str) -> Ints:
    """Starts of the complete weeks, and the end of the last: (n_weeks + 1,) UTC seconds.

    The record's first week counts only if it has a report on its Monday; otherwise the record began within it.
    """
    if opened_at.empty:
        raise NotEnoughDataError("Expected at least one report with an area and a category; there is none.")
    first = pd.Timestamp(int(opened_at.min()), unit="s", tz="UTC").tz_convert(time_zone)
    last = pd.Timestamp(as_of, unit="s", tz="UTC").tz_convert(time_zone)
    monday = first.tz_localize(None).normalize()
    monday += pd.Timedelta(days=-monday.weekday() % 7)
    days = pd.date_range(monday, last.tz_localize(None), freq="7D")
    # Some zones change their clocks at midnight: the day then begins with its first moment that exists.
    midnights = days.tz_localize(time_zone, nonexistent="shift_forward", ambiguous=np.ones(len(days), dtype=bool))
    starts = midnights.tz_convert("UTC").as_unit("s").asi8
    starts = starts[starts <= as_of]
    if len(starts) < 2:
        raise NotEnoughDataError(
            "Expected at least one complete week (Monday to Sunday) between the first report and the as-of moment; "
            "there is none. Import a longer record."
        )
    return starts


def _reports(known: pd.DataFrame, as_of: int, time_zone: str) -> tuple[pd.DataFrame, dict[str, int]]:
    """The cases that are reports of a problem somewhere, and why the others are not."""
    placed = known["area"].notna() & known["category"].notna()
    withdrawn = placed & (_column(known, "withdrawn_known_at") < as_of)
    instant = placed & ~withdrawn & near_instant(known, as_of, time_zone)
    left_out = {
        "no area or category": int((~placed).sum()),
        "withdrawn or duplicate": int(withdrawn.sum()),
        "closed within a minute": int(instant.sum()),
    }
    return known[placed & ~withdrawn & ~instant], left_out


def near_instant(known: pd.DataFrame, as_of: int, time_zone: str) -> pd.Series:
    """Which cases were closed within a minute of a timed opening, as far as that is known before `as_of`."""
    closed_at = _column(known, "closed_at")
    closed_known_at = _column(known, "closed_known_at") if "closed_known_at" in known.columns else closed_at
    fast = (closed_known_at < as_of) & ((closed_at - known["opened_at"]).abs() < NEAR_INSTANT_SECONDS)
    if not fast.any():
        return fast
    local = pd.to_datetime(known.loc[fast, "opened_at"], unit="s", utc=True).dt.tz_convert(time_zone)
    timed = local != local.dt.normalize()
    return fast & timed.reindex(fast.index, fill_value=False)


def _column(known: pd.DataFrame, name: str) -> pd.Series:
    if name in known.columns:
        return known[name]
    return pd.Series(NEVER, index=known.index, dtype="int64")


def _cross_count(reports: pd.DataFrame, starts: Ints) -> tuple[Ints, pd.DataFrame]:
    area_codes, areas = pd.factorize(reports["area"], sort=True)
    category_codes, categories = pd.factorize(reports["category"], sort=True)
    n_weeks, n_series = len(starts) - 1, len(areas) * len(categories)
    week = np.searchsorted(starts, reports["opened_at"].to_numpy(), side="right") - 1
    inside = (week >= 0) & (week < n_weeks)
    cell = week * n_series + area_codes * len(categories) + category_codes
    matrix = np.bincount(cell[inside], minlength=n_weeks * n_series).reshape(n_weeks, n_series)
    series = pd.DataFrame(
        {
            "area": np.repeat(np.asarray(areas, dtype=object), len(categories)),
            "category": np.tile(np.asarray(categories, dtype=object), len(areas)),
        }
    ).astype("str")
    return matrix.astype(np.int64), series
