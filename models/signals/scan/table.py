"""Tables of cases, places and populations as people have them, read for a scan.

Cases: `date` (YYYY, YYYY-MM or YYYY-MM-DD) or `k` (a whole number) says when, `place` (or `series`, `area`, `id`)
where, `n` (or `cases`, `count`) how many; `stratum` which group of a standardisation; `controls` (or `trials`),
`expected` or `population` what the model compares with. Rows of one place, time and stratum add up; a place and time
without a row has no cases. Places: `place`, and `lat`, `lon` or `x`, `y`, and perhaps `population`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.errors import InputError, NotEnoughDataError
from models.signals.csv_table import missing_emptied, read_text_table, refuse_rows
from models.signals.scan.standardise import person_time
from models.signals.scan.zones import Geometry

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Unit = Literal["auto", "day", "week", "month", "year"]

_PLACE: Final = ("place", "area", "series", "id")
_COUNT: Final = ("n", "cases", "count")
_FREQUENCY: Final = {"day": "D", "week": "W-SUN", "month": "M", "year": "Y"}
_DAYS: Final = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
# A scan of more steps than this would be of the wrong unit.
_MOST_STEPS: Final = 20_000
_LARGEST: Final = 2**53


@dataclass(frozen=True, slots=True, eq=False)
class PlaceTable:
    """Places by name, sorted: the order in a file changes nothing."""

    names: list[str]
    coordinates: Floats | None  # (n_places, 2): latitude and longitude, or x and y
    geometry: Geometry
    population: Floats | None  # (n_places,)


@dataclass(frozen=True, slots=True, eq=False)
class CaseTable:
    """Cases by stratum, place and time step; what came besides them in the same shape, or None."""

    strata: list[str]
    times: list[str]
    edges: Floats | None  # (n_times + 1,) days since 1970 at which the steps begin and end; None: numbered steps
    first: int  # the number of the first step, where they are numbered
    unit: str
    counts: Ints
    controls: Ints | None
    expected: Floats | None
    population: Floats | None
    outside: int  # cases before or after the period asked for


def read_places(path: Path) -> PlaceTable:
    """Read the places; refuses places that come twice, and coordinates that some places lack."""
    frame = _read(path)
    column = _column(frame, _PLACE, path.name)
    refuse_rows(path.name, column, frame[column] == "", "expected the name of a place.")
    refuse_rows(path.name, column, frame[column].duplicated(), "the place has a row already; keep one.")
    frame = frame.sort_values(column)
    coordinates, geometry = None, "plane"
    for first, second, kind in (("lat", "lon", "earth"), ("latitude", "longitude", "earth"), ("x", "y", "plane")):
        if first in frame.columns and second in frame.columns:
            pair = [_numbers(frame[name], path.name, name, "a number for every place") for name in (first, second)]
            coordinates, geometry = np.stack(pair, axis=1), kind
            break
    population = None
    if "population" in frame.columns:
        population = _numbers(frame["population"], path.name, "population", "a number from 0 on", least=0.0)
    return PlaceTable(frame[column].tolist(), coordinates, "earth" if geometry == "earth" else "plane", population)


def read_neighbours(path: Path) -> dict[str, list[str]]:
    """Read who lies beside whom: columns `place` and `neighbour` (one a row) or `neighbours` (divided by spaces)."""
    frame = _read(path)
    column = _column(frame, _PLACE, path.name)
    listed = next(
        (name for name in ("neighbour", "neighbours", "neighbor", "neighbors") if name in frame.columns), None
    )
    if listed is None:
        raise InputError(f"{path.name}: expected the columns place and neighbour (or neighbours, divided by spaces).")
    found: dict[str, list[str]] = {}
    for place, beside in zip(frame[column], frame[listed], strict=True):
        several = beside.split() if listed.endswith("s") else [beside] * bool(beside)
        found.setdefault(place, []).extend(several)
    return found


def read_cases(
    path: Path,
    places: Sequence[str],
    *,
    unit: Unit = "auto",
    begin: str | None = None,
    end: str | None = None,
) -> CaseTable:
    """Read the cases of these places, in steps of `unit`, from the step of `begin` to that of `end`.

    Raises
    ------
    FileFormatError, InputError
        If the file is no such table, or a row cannot be read or names none of the places; the message names rows.
    NotEnoughDataError
        If no case lies within the period.
    """
    name, frame = path.name, _read(path)
    column, count = _column(frame, _PLACE, name), _column(frame, _COUNT, name)
    number = {place: i for i, place in enumerate(places)}
    refuse_rows(name, column, ~frame[column].isin(number), "expected one of the places in the table of places.")
    n = _numbers(frame[count], name, count, "a whole number from 0 on", least=0.0, whole=True)
    dated = "date" in frame.columns
    when = _dates(frame["date"], name, "date")[0] if dated else None
    steps, labels, edges, first, told = _steps(frame, when, name, unit, begin, end)
    inside = (steps >= 0) & (steps < len(labels))
    outside = int(n[~inside].sum())
    strata = sorted(set(frame["stratum"])) if "stratum" in frame.columns else ["all"]
    stratum = frame["stratum"].map(strata.index).to_numpy() if "stratum" in frame.columns else np.zeros(len(frame), int)
    at = (stratum[inside], frame[column].map(number).to_numpy()[inside], steps[inside])
    shape = (len(strata), len(places), len(labels))

    def cube(values: Floats) -> Floats:
        found = np.zeros(shape)
        np.add.at(found, at, values[inside])
        return found

    counts = cube(n).astype(np.int64)
    if not counts.sum():
        raise NotEnoughDataError(f"{name}: expected at least one case within the period; there is none.")
    besides: dict[str, Floats | None] = {}
    for kind in ("controls", "trials", "expected", "population"):
        besides[kind] = None
        if kind in frame.columns:
            whole = kind in {"controls", "trials"}
            said = "a whole number from 0 on" if whole else "a number from 0 on"
            besides[kind] = cube(_numbers(frame[kind], name, kind, said, least=0.0, whole=whole))
    controls = besides["controls"]
    if controls is None and besides["trials"] is not None:
        controls = besides["trials"] - counts
        if (controls < 0).any():
            raise InputError(f"{name}: expected at least as many trials as cases everywhere; some place has fewer.")
    return CaseTable(
        strata,
        labels,
        edges,
        first,
        told,
        counts,
        None if controls is None else controls.astype(np.int64),
        besides["expected"],
        besides["population"],
        outside,
    )


def read_populations(path: Path, places: Sequence[str], cases: CaseTable) -> Floats:
    """Read populations by place, and by date (or k) and stratum where there are such columns.

    Between its dates a population lies on straight lines; a year's is that of its middle. Returns population times
    time, (n_strata, n_places, n_times).
    """
    name, frame = path.name, _read(path)
    column = _column(frame, _PLACE, name)
    number = {place: i for i, place in enumerate(places)}
    refuse_rows(name, column, ~frame[column].isin(number), "expected one of the places in the table of places.")
    people = _numbers(frame[_column(frame, ("population",), name)], name, "population", "a number from 0 on", least=0.0)
    strata = {one: i for i, one in enumerate(cases.strata)}
    stratum = np.zeros(len(frame), dtype=np.int64)
    if "stratum" in frame.columns:
        strange = ~frame["stratum"].isin(strata)
        # A stratum without a case expects none.
        stratum = np.array([strata.get(one, -1) for one in frame["stratum"]], dtype=np.int64)
        if strange.all():
            raise InputError(f"{name}: column 'stratum': expected the strata of the cases; none of them is here.")
    elif len(strata) > 1:
        raise InputError(f"{name}: expected a column stratum, for the cases have one.")
    edges = np.arange(cases.first, cases.first + len(cases.times) + 1.0) if cases.edges is None else cases.edges
    moments = np.zeros(len(frame))
    if "date" in frame.columns and cases.edges is not None:
        moments = _dates(frame["date"], name, "date")[1]
    elif "k" in frame.columns and cases.edges is None:
        moments = _numbers(frame["k"], name, "k", "a number")
    known, when = np.unique(moments, return_inverse=True)
    levels = np.full((len(strata), len(places), len(known)), np.nan)
    used = stratum >= 0
    at = (stratum[used], frame[column].map(number).to_numpy()[used], when[used])
    levels[at] = 0.0
    np.add.at(levels, at, people[used])
    if np.isnan(levels).any():
        raise InputError(f"{name}: expected a population for every place, stratum and date; some are missing.")
    return person_time(known, levels, edges)


def _steps(
    frame: pd.DataFrame, when: pd.DatetimeIndex | None, name: str, unit: Unit, begin: str | None, end: str | None
) -> tuple[Ints, list[str], Floats | None, int, str]:
    """The step of every row, the labels of the steps, their edges in days, the first one's number, and their unit."""
    if when is None:
        if "k" not in frame.columns:
            return np.zeros(len(frame), dtype=np.int64), ["all"], None, 0, "none"
        k = _numbers(frame["k"], name, "k", "a whole number", whole=True).astype(np.int64)
        first = int(k.min()) if begin is None else _whole(begin, "--from")
        last = int(k.max()) if end is None else _whole(end, "--until")
        _check_period(last - first + 1)
        return k - first, [str(one) for one in range(first, last + 1)], None, first, "step"
    told = _usual_unit(when) if unit == "auto" else unit
    frequency = _FREQUENCY[told]
    if told == "week" and unit == "auto":
        # A week begins on the day that all dates name.
        frequency = f"W-{_DAYS[when.day_of_week[0] - 1]}"
    periods = when.to_period(frequency)
    first_period = periods.min() if begin is None else pd.Period(_moment(begin, "--from"), freq=frequency)
    last_period = periods.max() if end is None else pd.Period(_moment(end, "--until"), freq=frequency)
    _check_period(last_period.ordinal - first_period.ordinal + 1)
    steps = pd.period_range(first_period, last_period)
    form = {"day": "%Y-%m-%d", "week": "%Y-%m-%d", "month": "%Y-%m", "year": "%Y"}[told]
    starts = steps.start_time
    edges = np.append((starts - pd.Timestamp(0)).days, (last_period.end_time.normalize() - pd.Timestamp(0)).days + 1)
    number = np.array([period.ordinal for period in periods], dtype=np.int64) - first_period.ordinal
    return number, starts.strftime(form).tolist(), edges.astype(np.float64), 0, told


def _usual_unit(when: pd.DatetimeIndex) -> str:
    days = when.unique()
    if (days.day_of_year == 1).all() and len(days) > 1:
        return "year"
    if (days.day == 1).all() and len(days) > 1:
        return "month"
    return "week" if len(days.day_of_week.unique()) == 1 and len(days) > 1 else "day"


def _check_period(length: int) -> None:
    if not 1 <= length <= _MOST_STEPS:
        raise InputError(
            f"Expected a period of 1 to {_MOST_STEPS:,} steps; the one asked for has {length:,}. Check --from, --until "
            "and --unit."
        )


def _dates(text: pd.Series, name: str, column: str) -> tuple[pd.DatetimeIndex, Floats]:
    """The first day of each date, and the moment a value of that date belongs to: the middle of what it names."""
    plain = text.str.replace("/", "-", regex=False)
    parts = plain.str.split("-")
    full = [one + ["1"] * (3 - len(one)) for one in parts]
    joined = pd.Series(["-".join(part.zfill(2) for part in one) for one in full], index=text.index)
    read = pd.to_datetime(joined, format="%Y-%m-%d", errors="coerce")
    refuse_rows(name, column, read.isna(), "expected a date as YYYY, YYYY-MM or YYYY-MM-DD.")
    days = ((read - pd.Timestamp(0)) // pd.Timedelta(days=1)).to_numpy(dtype=np.float64)
    length = pd.Series([len(one) for one in parts], index=text.index)
    middle_of_year = pd.to_datetime({"year": read.dt.year, "month": 7, "day": 1})
    year = ((middle_of_year - pd.Timestamp(0)) // pd.Timedelta(days=1)).to_numpy(dtype=np.float64)
    moments = np.where(length == 1, year, np.where(length == 2, days + 14.0, days))
    return pd.DatetimeIndex(read), moments


def _moment(text: str, option: str) -> pd.Timestamp:
    try:
        return pd.Timestamp(text.replace("/", "-"))
    except ValueError:
        raise InputError(f"{option}: expected a date as YYYY, YYYY-MM or YYYY-MM-DD.") from None


def _whole(text: str, option: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise InputError(f"{option}: expected a whole number, as in the column k.") from None


def _read(path: Path) -> pd.DataFrame:
    frame = read_text_table(path)
    if frame.empty:
        raise InputError(f"{path.name}: expected rows; there are none.")
    return missing_emptied(frame)


def _column(frame: pd.DataFrame, names: Sequence[str], file: str) -> str:
    for name in names:
        if name in frame.columns:
            return name
    raise InputError(f"{file}: expected a column {' or '.join(names)}; there is none.")


def _numbers(
    text: pd.Series, file: str, column: str, expected: str, *, least: float | None = None, whole: bool = False
) -> Floats:
    values = pd.to_numeric(text, errors="coerce").astype(float)
    bad = values.isna() | (values.abs() >= _LARGEST)
    if least is not None:
        bad |= values < least
    if whole:
        bad |= values % 1 != 0
    refuse_rows(file, column, bad, f"expected {expected}.")
    return np.asarray(values, dtype=np.float64)
