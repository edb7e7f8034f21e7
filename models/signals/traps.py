"""Counts made ready for detection: what happened to the record is told apart from what happened in the city.

One way for all who count. Cases are freed of loads that came twice, counted by week, and the weeks in which a series
was not recorded as it is now are left out: before a category, an area, or a category in an area was recorded, while it
was not, weeks that lack days, weeks into which an import in bulk fell, and everything before other cases were counted
under the name. What came through a channel just introduced is set apart. Nothing here lowers a count to hide a rise: a
series keeps its past, or gathers a new one, or its newest week is not judged, and the notes say which and why.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.quality.copies import copies
from data.quality.recording import recording
from data.quality.recording_days import missing_days, whole_weeks
from data.quality.recording_joins import divided_anew, edges, joined_since
from data.quality.recording_weeks import recorded_weeks, without_spikes
from models.signals.channels import settled_counts
from models.signals.counts import WeeklyCounts, near_instant, weekly_counts

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]

NOTE_COLUMNS: Final = ("code", "area", "category", "channel", "first_week", "last_week", "reports")


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """Counts made ready, and what was left out of them."""

    counts: WeeklyCounts  # with `recorded`
    # (n_weeks, n_series) the counts without reports through channels just introduced; None: there are none
    settled: Ints | None
    notes: pd.DataFrame  # NOTE_COLUMNS; see `prepared_counts`
    found: pd.DataFrame  # as `data.quality.recording.recording` gives it


def prepared_counts(
    cases: pd.DataFrame,
    *,
    as_of: int,
    time_zone: str,
    weeks: int | None = None,
    found: pd.DataFrame | None = None,
) -> Prepared:
    """Count cases by week, area and category, and leave out what is no count of what happened.

    Parameters
    ----------
    cases : as `data.event_log.fold_cases` gives them, of the events known before `as_of`
    as_of, time_zone, weeks : as for `models.signals.weekly_counts`
    found : the findings of `data.quality.recording.recording` on these cases, if at hand; None: they are made

    Returns
    -------
    Prepared
        `notes` has one row per thing left out, null where a column says nothing:

        - "copies": `reports` that stood twice with a whole stretch of others, and count once;
        - "missing_days": weeks in which three days or more are missing;
        - "bulk_import": weeks of a category into which an import in bulk fell;
        - "stopped": a category of which nothing came any more, anywhere, since `first_week`;
        - "joined": an area that records the category only since `first_week`;
        - "divided_anew": a category, or an area, that since `first_week` counts other cases than before;
        - "new_channel": a channel introduced to an area in `first_week`, and its `reports`.

        What `found` tells of whole categories and areas is left out too, and stands there.

    Raises
    ------
    NotEnoughDataError
        If no complete week lies between the first report and `as_of`.
    """
    copied = copies(cases, as_of, time_zone)
    if copied.any():
        cases = cases[~copied]
    counts = weekly_counts(cases, as_of=as_of, time_zone=time_zone, weeks=weeks)
    found = recording(cases, as_of, time_zone) if found is None else found
    notes = _Notes(counts)
    if copied.any():
        notes.add("copies", reports=int(copied.sum()))
    recorded = recorded_weeks(found, counts.series, counts.weeks)
    recorded &= notes.bulk_imports(without_spikes(cases, counts.series, counts.weeks, as_of, time_zone))
    whole = whole_weeks(missing_days(cases, counts.weeks, as_of, time_zone), counts.weeks, time_zone)
    recorded &= notes.missing(whole)
    recorded &= _as_now(counts, whole, notes)
    counts = counts.recorded_as(recorded)
    settled = settled_counts(_reports(cases, as_of, time_zone), counts)
    if settled is not None:
        notes.channels(settled.introduced)
    return Prepared(counts, None if settled is None else settled.matrix, notes.frame(), found)


def _reports(cases: pd.DataFrame, as_of: int, time_zone: str) -> pd.DataFrame:
    """The cases that `weekly_counts` counts, whatever their week."""
    known = cases[(cases["opened_known_at"] < as_of) & (cases["opened_at"] < as_of)]
    counted = known["area"].notna() & known["category"].notna() & (known["withdrawn_known_at"] >= as_of)
    return known[counted & ~near_instant(known, as_of, time_zone)]


def _as_now(counts: WeeklyCounts, whole: Bools, notes: _Notes) -> Bools:
    """Weeks in which each series counted what it counts now; (n_weeks, n_series)."""
    there = np.ones(counts.matrix.shape, dtype=bool)
    # Weeks that lack days are no evidence of anything.
    weeks = np.flatnonzero(whole)
    if len(weeks) == 0:
        return there
    row = np.arange(len(counts.weeks))[:, None]
    codes = {name: pd.factorize(counts.series[name])[0].astype(np.int64) for name in ("area", "category")}
    since = joined_since(counts.matrix, codes["area"], codes["category"])
    there &= row >= since
    notes.joined(since)
    for name, code in codes.items():
        totals = np.zeros((int(code.max(initial=-1)) + 1, len(counts.weeks)), dtype=np.int64)
        np.add.at(totals, code, counts.matrix.T)
        totals = totals[:, weeks]
        moving = edges(totals)
        for group, step in divided_anew(totals, moving).items():
            week = int(weeks[step])
            there &= (row >= week) | (code != group)
            notes.of(name, int(np.argmax(code == group)), "divided_anew", week)
        if name == "category":
            for edge in moving:
                if edge.kind == "stop":
                    week = int(weeks[edge.week])
                    there &= (row < week) | (code != edge.row)
                    notes.of(name, int(np.argmax(code == edge.row)), "stopped", week)
    return there


class _Notes:
    """Rows of what was left out."""

    def __init__(self, counts: WeeklyCounts) -> None:
        self._counts = counts
        self._rows: list[dict[str, Any]] = []

    def add(self, code: str, **values: object) -> None:
        self._rows.append({"code": code, **values})

    def of(self, name: str, series: int, code: str, week: int) -> None:
        """Something of an area or a category since a week."""
        self.add(code, **{name: self._counts.series[name].iloc[series]}, **self._from(week))

    def missing(self, whole: Bools) -> Bools:
        for first, last in _runs(np.flatnonzero(~whole)):
            self.add("missing_days", **self._from(first, last))
        return np.broadcast_to(whole[:, None], self._counts.matrix.shape)

    def bulk_imports(self, there: Bools) -> Bools:
        hit: Bools = ~there
        for name in ("category", "area"):
            codes, values = pd.factorize(self._counts.series[name])
            for code, value in enumerate(values):
                weeks = np.flatnonzero(hit[:, codes == code].all(axis=1))
                for first, last in _runs(weeks):
                    self.add("bulk_import", **{name: value}, **self._from(first, last))
                hit[np.ix_(weeks, np.flatnonzero(codes == code))] = False
        for week, column in zip(*np.nonzero(hit), strict=True):
            area, category = self._counts.series.iloc[int(column)][["area", "category"]]
            self.add("bulk_import", area=area, category=category, **self._from(int(week), int(week)))
        return there

    def joined(self, since: Ints) -> None:
        for series in np.flatnonzero(since > 0):
            area, category = self._counts.series.iloc[int(series)][["area", "category"]]
            self.add("joined", area=area, category=category, **self._from(int(since[series])))

    def channels(self, introduced: pd.DataFrame) -> None:
        for row in introduced.itertuples(index=False):
            self.add(
                "new_channel",
                area=row.area,
                channel=row.channel,
                first_week=row.week,
                last_week=self._counts.newest(),
                reports=row.reports,
            )

    def frame(self) -> pd.DataFrame:
        frame = pd.DataFrame(self._rows, columns=list(NOTE_COLUMNS))
        for name in ("code", "area", "category", "channel"):
            frame[name] = frame[name].astype("str").where(frame[name].notna())
        for name in ("first_week", "last_week", "reports"):
            frame[name] = frame[name].astype("Int64")
        return frame.sort_values(["code", "category", "area", "channel", "first_week"], ignore_index=True)

    def _from(self, first: int, last: int | None = None) -> dict[str, int]:
        """Weeks of the rows; what begins with the week that is not complete yet begins where the newest one ends."""
        weeks = self._counts.weeks
        begin = int(weeks[first]) if first < len(weeks) else int(weeks[-1]) + 7 * 86_400
        return {"first_week": begin, "last_week": int(weeks[-1 if last is None else last])}


def _runs(rows: Ints) -> Iterator[tuple[int, int]]:
    """First and last of every run of rows."""
    for run in np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1):
        if len(run):
            yield int(run[0]), int(run[-1])
