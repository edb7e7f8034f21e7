"""Tables of counts as people have them: one row per series and week, read into weeks x series.

Columns: `date` (the week's first day, YYYY-MM-DD, or the week itself, 2024-W05) or `k` (a whole number) says the week;
`series` its name, "all" where the column is missing; `n` (or `count`, `cases`) the cases, empty or NA where the week is
missing; `population` where there is one, empty for 1. Rows may come in any order, and weeks without a row are missing
weeks. The heads may be in Chinese.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.errors import InputError
from models.signals.csv_table import missing_emptied, read_text_table, refuse_rows

_COUNT_NAMES: Final = ("n", "count", "cases")
# Heads in Chinese, as the glossary and spreadsheets have them.
_IN_CHINESE: Final = {
    "日期": "date",
    "周": "date",
    "序列": "series",
    "系列": "series",
    "数量": "n",
    "件数": "n",
    "人口": "population",
}
_ISO_WEEK: Final = r"\d{4}-?W\d{1,2}"
_LARGEST: Final = 2**53
# A step of these days between rows is a month; 28 are four weeks.
_MONTH: Final = (29, 30, 31)
# A longer table than this is a date or a number typed wrongly rather than a past.
_MOST_STEPS: Final = 40_000

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class CountTable:
    """Series of one and the same span: weeks x series, null where missing; the index is dates or whole numbers."""

    counts: pd.DataFrame
    population: pd.DataFrame | None


def read_count_tables(path: Path, *, missing_is_zero: bool = False) -> list[CountTable]:
    """Read a CSV of counts.

    Each series runs from its own first week to its own last; series of one span come together in one table. With
    `missing_is_zero` all series run over the whole span of the file, and what is missing is 0: for exports that only
    have rows where something happened.

    Raises
    ------
    FileFormatError, InputError
        If the file is not such a table; the message names columns and row numbers, never contents.
    """
    return tables_of(read_text_table(path), path.name, missing_is_zero=missing_is_zero)


def tables_of(frame: pd.DataFrame, name: str, *, missing_is_zero: bool = False) -> list[CountTable]:
    """The same from a frame of text, one row per series and week."""
    named = [_IN_CHINESE.get(str(column), str(column)) for column in frame.columns]
    if len(set(named)) == len(named):
        frame = frame.set_axis(named, axis=1)
    rows = _checked(frame.reset_index(drop=True), name)
    tables = []
    for dated in (True, False):
        part = rows[rows["dated"] == dated]
        if not part.empty:
            tables += _tables(part, name, dated=dated, missing_is_zero=missing_is_zero)
    return tables


def _checked(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    """The rows with their types: series, dated, week (int64: days since 1970, or k), n, population."""
    count = next((column for column in _COUNT_NAMES if column in frame.columns), None)
    weeks = [column for column in ("date", "k") if column in frame.columns]
    if count is None or not weeks:
        raise InputError(
            f"{name}: expected the columns date (or k), series, n (or count, cases) and perhaps population, in small "
            f"letters and with commas between; there {'is no n' if count is None else 'is neither date nor k'}."
        )
    if frame.empty:
        raise InputError(f"{name}: expected rows of counts; there are none.")
    text = missing_emptied(frame)
    rows = pd.DataFrame({"series": text["series"] if "series" in frame.columns else "all"}, index=frame.index)
    if (rows["series"] == "").any():
        refuse_rows(name, "series", rows["series"] == "", "expected a name.")
    rows["dated"], rows["week"] = _weeks(text, name)
    rows["n"] = _numbers(text[count], name, count, "a whole number from 0 on, or nothing where the week is missing")
    whole = rows["n"].isna() | ((rows["n"] >= 0) & (rows["n"] < _LARGEST) & (rows["n"] % 1 == 0))
    refuse_rows(name, count, ~whole, "expected a whole number from 0 on, or nothing where the week is missing.")
    rows["population"] = np.nan
    if "population" in frame.columns:
        rows["population"] = _numbers(text["population"], name, "population", "a number from 0 on, or nothing")
        refuse_rows(name, "population", rows["population"] < 0, "expected a number from 0 on, or nothing.")
    refuse_rows(
        name,
        weeks[0],
        rows.duplicated(["series", "dated", "week"], keep="first"),
        "the same series has a row for this week already; add them up before.",
    )
    return rows


def _weeks(text: pd.DataFrame, name: str) -> tuple[pd.Series, pd.Series]:
    """Which rows are dated, and their week; a row without a date is numbered by k."""
    nothing = pd.Series("", index=text.index)
    day, k = text.get("date", nothing), text.get("k", nothing)
    dated = day != ""
    refuse_rows(name, "date" if "date" in text.columns else "k", ~dated & (k == ""), "expected a date or a number k.")
    read = pd.to_datetime(day.where(dated), format="%Y-%m-%d", errors="coerce")
    by_week = day.str.fullmatch(_ISO_WEEK)
    if by_week.any():
        read = read.where(~by_week, pd.to_datetime(day[by_week].map(_monday)))
    refuse_rows(name, "date", dated & read.isna(), "expected a date as YYYY-MM-DD, or a week as 2024-W05.")
    # Nanoseconds, which dates are told in, do not reach further.
    far = dated & ((read < pd.Timestamp(1678, 1, 1)) | (read >= pd.Timestamp(2262, 1, 1)))
    refuse_rows(name, "date", far, "expected a date between 1678 and 2261.")
    number = _numbers(k.where(~dated, ""), name, "k", "a whole number")
    refuse_rows(name, "k", ~dated & ((number % 1 != 0) | (number.abs() >= _LARGEST)), "expected a whole number.")
    days = (read - pd.Timestamp(0)) // pd.Timedelta(days=1)
    return dated, days.where(dated, number).astype("int64")


def _monday(week: str) -> date | None:
    """The first day of a week of the calendar of ISO 8601; None where the year has no such week."""
    year, number = week.replace("-", "").split("W")
    try:
        return date.fromisocalendar(int(year), int(number), 1)
    except ValueError:
        return None


def _numbers(text: pd.Series, name: str, column: str, expected: str) -> pd.Series:
    values = pd.to_numeric(text.where(text != ""), errors="coerce").astype(float)
    refuse_rows(name, column, (text != "") & ~np.isfinite(values), f"expected {expected}.")
    return values


def _tables(rows: pd.DataFrame, name: str, *, dated: bool, missing_is_zero: bool) -> list[CountTable]:
    order = list(dict.fromkeys(rows["series"]))
    _check_span(rows, _step(rows) if dated else 1, name)
    if missing_is_zero:
        weeks = _grid(rows, _step(rows), name) if dated else _numbered(rows)
        return [_table(rows, weeks, order, dated=dated, fill=0.0)]
    together: dict[bytes, tuple[Ints, list[str]]] = {}
    usual = _step(rows) if dated else 1
    for series, part in rows.groupby("series", sort=False):
        weeks = _numbered(part)
        if dated:
            # A series of its own rhythm is not held to that of the others; a series with gaps is.
            fits = _fits(part, usual)
            weeks = _grid(part, usual if fits else _step(part), name)
        together.setdefault(weeks.tobytes(), (weeks, []))[1].append(str(series))
    return [_table(rows, weeks, names, dated=dated, fill=None) for weeks, names in together.values()]


def _check_span(rows: pd.DataFrame, step: int, name: str) -> None:
    steps = (int(rows["week"].max()) - int(rows["week"].min())) // step + 1
    if steps > _MOST_STEPS:
        raise InputError(
            f"{name}: expected at most {_MOST_STEPS:,} steps of time from the first row to the last; there are "
            f"{steps:,}. Look for mistyped dates or numbers."
        )


def _numbered(rows: pd.DataFrame) -> Ints:
    return np.arange(rows["week"].min(), rows["week"].max() + 1, dtype=np.int64)


def _table(rows: pd.DataFrame, weeks: Ints, names: list[str], *, dated: bool, fill: float | None) -> CountTable:
    index: pd.Index = pd.DatetimeIndex(pd.to_datetime(weeks, unit="D")) if dated else pd.Index(weeks)
    part = rows[rows["series"].isin(names)]
    wide = {}
    for column in ("n", "population"):
        values = part.pivot(index="week", columns="series", values=column)
        values = values.reindex(index=weeks, columns=names).rename_axis(index=None, columns=None)
        wide[column] = values.set_axis(index, axis=0)
    counts = wide["n"] if fill is None else wide["n"].fillna(fill)
    return CountTable(counts, wide["population"].fillna(1.0) if part["population"].notna().any() else None)


def _step(rows: pd.DataFrame) -> int:
    """Days between one row of a series and its next, as most rows have it."""
    steps = rows.sort_values(["series", "week"]).groupby("series")["week"].diff().dropna()
    return int(steps.mode().iloc[0]) if len(steps) else 7


def _dates_from(rows: pd.DataFrame, step: int) -> Ints:
    """Every date from the first to the last, so many days apart, or a month."""
    first, last = int(rows["week"].min()), int(rows["week"].max())
    if step not in _MONTH:
        return np.arange(first, last + 1, step, dtype=np.int64)
    begin, end = pd.Timestamp(first, unit="D"), pd.Timestamp(last, unit="D")
    months = (end.year - begin.year) * 12 + end.month - begin.month
    every = pd.DatetimeIndex([begin + pd.DateOffset(months=n) for n in range(months + 1)])
    days: Ints = _day_numbers(every)
    if begin.is_month_end and not np.isin(rows["week"].to_numpy(), days).all():
        # The last days of months, begun in a month that is shorter than others.
        days = _day_numbers(every + pd.offsets.MonthEnd(0))
    return days


def _day_numbers(dates: pd.DatetimeIndex) -> Ints:
    return ((dates - pd.Timestamp(0)) // pd.Timedelta(days=1)).to_numpy(dtype=np.int64)


def _fits(rows: pd.DataFrame, step: int) -> bool:
    return bool(np.isin(rows["week"].to_numpy(), _dates_from(rows, step)).all())


def _grid(rows: pd.DataFrame, step: int, name: str) -> Ints:
    """The dates of a table; refuses rows that lie between two of them."""
    weeks = _dates_from(rows, step)
    off = ~np.isin(rows["week"].to_numpy(), weeks)
    if off.any():
        refuse_rows(
            name,
            "date",
            pd.Series(np.arange(int(rows.index.max()) + 1)).isin(rows.index[off]),
            f"expected dates a regular step apart (here {step} days from the first on); this lies between two steps.",
        )
    return weeks
