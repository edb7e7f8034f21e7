"""Tables of reports as people have them, read into reporting triangles.

Two forms are understood. A list: `event_date`, `report_date` (YYYY-MM-DD), `n` (one report a row where the column is
missing; a negative number takes reports back), perhaps `series`. Or a triangle: `reference_date` (or `event_date`) and
one column per delay, X0, X1, … or delay_0, delay_1, … or 0, 1, …, with what became known so many periods later.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from data.errors import InputError, NotEnoughDataError, UsageError
from models.signals.csv_table import missing_emptied, read_text_table, refuse_rows
from models.signals.nowcast.triangle import ReportingTriangle

_DELAY: Final = re.compile(r"(?:X|d|delay_?)?(\d+)")
_LARGEST: Final = 2**53
# Reports of more periods than this are a date typed wrongly rather than a past.
_MOST_PERIODS: Final = 40_000


def read_reports(
    path: Path, *, now: str | None = None, longest: int | None = None, period: int | None = None
) -> dict[str, ReportingTriangle]:
    """Read a CSV of reports; one triangle per series ("all" where the file names none).

    Parameters
    ----------
    now : YYYY-MM-DD
        Only what became known on or before this date is used. None: the newest report date of a list, the newest date
        of a triangle.
    longest : periods
        Longer delays are counted as this long. None: the longest delay known by `now` of a list, at most a third of
        the periods there are; all columns of a triangle.
    period : days
        Length of a period. Those of a list are counted back from now, so that the newest is as whole as all others.
        None: 1 for a list, and for a triangle the step between its rows.

    Raises
    ------
    FileFormatError, InputError
        If the file is not such a table; the message names columns and row numbers, never contents.
    NotEnoughDataError
        If nothing is known by `now`.
    """
    if longest is not None and longest < 1:
        raise UsageError(f"The longest delay must be at least one period; it is {longest}.")
    if period is not None and period < 1:
        raise UsageError(f"A period must be at least one day; it is {period}.")
    day = None if now is None else _one_day(now)
    frame = read_text_table(path)
    if frame.empty:
        raise InputError(f"{path.name}: expected rows of reports; there are none.")
    text = missing_emptied(frame)
    delays = {int(found.group(1)): name for name in frame.columns if (found := _DELAY.fullmatch(name))}
    if {"event_date", "report_date"} <= set(frame.columns):
        return _from_list(text, path.name, day, longest, period or 1)
    dates = next((name for name in ("reference_date", "event_date", "date") if name in frame.columns), None)
    if dates is None or sorted(delays) != list(range(len(delays))) or len(delays) < 2:
        raise InputError(
            f"{path.name}: expected the columns event_date, report_date and n, or a triangle with reference_date and "
            "a column for every delay from X0 on, at least two; there is neither."
        )
    return _from_triangle(text, path.name, day, dates, [delays[delay] for delay in range(len(delays))], longest, period)


def _one_day(text: str) -> int:
    read = pd.to_datetime(pd.Series([text]), format="%Y-%m-%d", errors="coerce")
    if read.isna().any():
        raise UsageError("--now: expected a date as YYYY-MM-DD, such as 2025-12-16, and could not read what came.")
    return int(_days(read).iloc[0])


def _from_list(
    text: pd.DataFrame, name: str, now: int | None, longest: int | None, period: int
) -> dict[str, ReportingTriangle]:
    rows = pd.DataFrame({"event": _dates(text, name, "event_date"), "report": _dates(text, name, "report_date")})
    refuse_rows(name, "report_date", rows["report"] < rows["event"], "expected a date not before event_date.")
    rows["n"] = _counts(text, name, "n") if "n" in text.columns else 1.0
    rows["series"] = text["series"] if "series" in text.columns else "all"
    refuse_rows(name, "series", rows["series"] == "", "expected a name.")
    day = int(rows["report"].max()) if now is None else now
    rows = rows[(rows["report"] <= day) & (rows["event"] <= day)]
    if rows.empty:
        raise NotEnoughDataError(f"{name}: expected reports known by --now; all rows are later. Choose a later date.")
    first = int(rows["event"].min())
    periods = (day - first) // period + 1
    if periods > _MOST_PERIODS:
        raise InputError(
            f"{name}: expected at most {_MOST_PERIODS:,} periods between the first event date and now; there are "
            f"{periods:,}. Look for mistyped dates, or give longer periods with --period."
        )
    # A period that is not over yet would be taken for one of which little is known so far.
    first = day + 1 - periods * period
    rows = rows.assign(row=(rows["event"] - first) // period)
    rows["delay"] = (rows["report"] - first) // period - rows["row"]
    most = int(rows["delay"].max()) if longest is None else longest
    if longest is None:
        most = max(min(most, periods // 3), 1)
    return {str(key): _triangle(part, first, period, periods, most) for key, part in rows.groupby("series", sort=False)}


def _triangle(rows: pd.DataFrame, first: int, period: int, periods: int, longest: int) -> ReportingTriangle:
    counts = np.zeros((periods, longest + 1))
    delay = np.minimum(rows["delay"].to_numpy(), longest)
    np.add.at(counts, (rows["row"].to_numpy(), delay), rows["n"].to_numpy())
    row = np.arange(periods)
    return ReportingTriangle(_as_dates(first + row * period), counts, (periods - 1 - row).astype(np.int64))


def _from_triangle(
    text: pd.DataFrame,
    name: str,
    now: int | None,
    dates: str,
    delays: Sequence[str],
    longest: int | None,
    period: int | None,
) -> dict[str, ReportingTriangle]:
    start = _dates(text, name, dates)
    values = np.column_stack([_counts(text, name, column).to_numpy(float) for column in delays])
    series = text["series"] if "series" in text.columns else pd.Series("all", index=text.index)
    refuse_rows(name, "series", series == "", "expected a name.")
    twice = pd.DataFrame({"series": series, "date": start}).duplicated()
    refuse_rows(name, dates, twice, "the same series has a row for this date already; add them up before.")
    step = period or _step(start, series)
    day = int(start.max()) if now is None else now
    found = {}
    for key, rows in start.groupby(series, sort=False):
        places = rows[rows <= day].sort_values().index
        if len(places) == 0:
            raise NotEnoughDataError(
                f"{name}: expected rows on or before --now; a series begins later. Choose a later date."
            )
        found[str(key)] = _cut(start[places].to_numpy(), values[places], day, step, longest, name, dates)
    return found


def _cut(
    start: np.ndarray[tuple[int], np.dtype[np.int64]],
    values: np.ndarray[tuple[int, int], np.dtype[np.float64]],
    day: int,
    step: int,
    longest: int | None,
    name: str,
    dates: str,
) -> ReportingTriangle:
    if ((np.diff(start) % step) != 0).any():
        raise InputError(
            f"{name}: column '{dates}': expected dates a regular step apart (here {step} days, as most rows have it); "
            "some are not. Give the step with --period."
        )
    age = (day - start) // step
    # A row without an entry that could be known by now was not recorded; zeros would teach that nothing is ever late.
    unseen = (np.isnan(values) & (np.arange(values.shape[1]) <= age[:, None])).any(axis=1)
    start, values, age = start[~unseen], np.nan_to_num(values[~unseen]), age[~unseen]
    if len(start) == 0:
        raise NotEnoughDataError(f"{name}: expected rows with all delays known by --now filled in; there is none.")
    if longest is not None and longest < values.shape[1] - 1:
        values = np.column_stack([values[:, :longest], values[:, longest:].sum(axis=1)])
    observed = np.arange(values.shape[1]) <= age[:, None]
    return ReportingTriangle(_as_dates(start), np.where(observed, values, 0.0), age.astype(np.int64))


def _step(start: pd.Series, series: pd.Series) -> int:
    ordered = pd.DataFrame({"series": series, "start": start}).sort_values(["series", "start"])
    steps = ordered.groupby("series")["start"].diff().dropna()
    return int(steps.mode().iloc[0]) if len(steps) else 7


def _dates(text: pd.DataFrame, name: str, column: str) -> pd.Series:
    read = pd.to_datetime(text[column], format="%Y-%m-%d", errors="coerce")
    refuse_rows(name, column, read.isna(), "expected a date as YYYY-MM-DD.")
    return _days(read)


def _days(dates: pd.Series) -> pd.Series:
    # Not by subtracting a moment: nanoseconds end in 1677, and mistyped years are to be told and not to break.
    return pd.Series(dates.to_numpy().astype("datetime64[D]").astype("int64"), index=dates.index)


def _as_dates(days: object) -> np.ndarray[tuple[int], np.dtype[np.datetime64]]:
    return np.asarray(days, dtype="int64").astype("datetime64[D]")


def _counts(text: pd.DataFrame, name: str, column: str) -> pd.Series:
    values = pd.to_numeric(text[column].where(text[column] != ""), errors="coerce").astype(float)
    bad = (text[column] != "") & ~(np.isfinite(values) & (values.abs() < _LARGEST) & (values % 1 == 0))
    if column == "n":
        bad |= text[column] == ""
    refuse_rows(name, column, bad, "expected a whole number; a negative one takes reports back.")
    return values
