"""The matrix of features: one row per landmark, one column per feature of the catalogue."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from data.event_log import NEVER, fold_cases
from features.catalogue import CATALOGUE, available, require_available
from features.event_index import EventIndex
from features.facts import LOG_HOURS_SCALE, facts_from_events, promised_seconds
from features.landmarks import opening_landmarks, queries_at
from features.records import ALL, DAY, MONTH, QUARTER, RECORD_KEYS, Floats, Records

# What the area's own record counts in the base score: half, since the type of problem already carries part of it.
_AREA_WEIGHT: Final = 0.5
_RECENT_WEIGHT: Final = 0.125


@dataclass(frozen=True)
class Matrix:
    """Features of n landmarks.

    Attributes
    ----------
    landmarks : DataFrame of n rows, see `features.landmarks`
    features : DataFrame of float64, n rows in the same order; columns are names of the catalogue
    offset_parts : DataFrame of float64, n rows; the parts of the base score in log-odds. The first, `city`, is where
        every case starts; the others are named as the features they belong to, and their sum with `city` is the
        base score.
    """

    landmarks: pd.DataFrame
    features: pd.DataFrame
    offset_parts: pd.DataFrame

    def __len__(self) -> int:
        return len(self.landmarks)

    def rows(self, chosen: np.ndarray) -> Matrix:
        """The landmarks that a boolean mask or positions choose."""
        parts = (frame.iloc[np.flatnonzero(chosen) if chosen.dtype == bool else chosen] for frame in self._frames())
        return Matrix(*(part.reset_index(drop=True) for part in parts))

    def _frames(self) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
        return self.landmarks, self.features, self.offset_parts


def opening_matrix(
    events: pd.DataFrame,
    *,
    time_zone: str,
    known_at_opening: Sequence[str] | frozenset[str],
    inspections: pd.DataFrame | None = None,
    names: Sequence[str] | None = None,
    cases: pd.DataFrame | None = None,
    observed_until: pd.Series | None = None,
) -> Matrix:
    """Features of every case at the moment of its opening.

    Parameters
    ----------
    events : event frame, see `data.schema.EVENT_COLUMNS`
        May reach beyond any landmark: a landmark's features use what was known strictly before it.
    time_zone : IANA name; hours and weekdays are read in it
    known_at_opening : key columns that the sources know when a case opens
    inspections : places inspected, or None
    names : features to work out; all available ones when None
    cases : the cases to make landmarks of; all cases of `events` when None
    observed_until : how far each case was followed, see `data.observation`; None for all

    Raises
    ------
    LeakError
        If a feature asked for needs a key that is known only at the end.
    """
    chosen = available(known_at_opening) if names is None else list(names)
    require_available(chosen, known_at_opening)
    index = EventIndex.build(facts_from_events(events, inspections, observed_until))
    landmarks = opening_landmarks(fold_cases(events) if cases is None else cases)
    return matrix_at(index, landmarks, chosen, time_zone=time_zone)


def matrix_at(index: EventIndex, landmarks: pd.DataFrame, names: Sequence[str], *, time_zone: str) -> Matrix:
    """Features of the landmarks, from an index that may serve many such calls."""
    records = Records(index, queries_at(landmarks))
    parts = _offset_parts(records)
    asked = _Asked(records, landmarks, parts, time_zone)
    columns = {name: _value(name)(asked, name) for name in names}
    return Matrix(
        landmarks.reset_index(drop=True),
        pd.DataFrame(columns, dtype=np.float64),
        pd.DataFrame(parts),
    )


def _offset_parts(records: Records) -> dict[str, Floats]:
    """The base score in parts: city, then each record as its departure from the one above it."""
    level = records.level
    category, channel = level("category"), level("category_channel")
    return {
        "city": level("city"),
        "record_promise": level("promise") - level("city"),
        "record_category": category - level("promise"),
        "record_category_channel": channel - category,
        "record_category_promise": level("category_promise") - category,
        "record_area": _AREA_WEIGHT * (level("area") - level("city")),
        "recent_category": _RECENT_WEIGHT * (records.recent("category") - category),
        "recent_category_channel": _RECENT_WEIGHT * (records.recent("category_channel") - channel),
    }


@dataclass(frozen=True)
class _Asked:
    """What a feature may be worked out from."""

    records: Records
    landmarks: pd.DataFrame
    offset_parts: dict[str, Floats]
    time_zone: str

    def sums(self, table: str, measures: Sequence[str], key: str, window: int | None) -> dict[str, Floats]:
        found = self.records.index.sums(table, measures, RECORD_KEYS[key].columns, self.records.queries, window)
        return {name: values.astype(np.float64) for name, values in found.items()}

    def local(self, column: str) -> pd.Series:
        """A moment of the landmarks on the local clock; null where there is none."""
        moment = self.landmarks[column].where(self.landmarks[column] < NEVER)
        return pd.to_datetime(moment, unit="s", utc=True).dt.tz_convert(self.time_zone)

    def promised_hours(self) -> Floats:
        """Promised time in hours; NaN where there is no promise."""
        seconds = promised_seconds(self.landmarks["opened_at"], self.landmarks["due_at"])
        return np.where(seconds > 0, seconds / 3600, np.nan)


_Compute = Callable[[_Asked, str], Floats]


def _record(asked: _Asked, name: str) -> Floats:
    key = name.removeprefix("record_28d_").removeprefix("record_")
    windows = (MONTH,) if "28d" in name else (ALL, QUARTER)
    parent = "city" if RECORD_KEYS[key].parent is None else str(RECORD_KEYS[key].parent)
    return asked.records.level(key, windows) - asked.records.level(parent, windows)


def _level(asked: _Asked, name: str) -> Floats:
    return asked.records.level(name.removeprefix("level_"))


def _recent(asked: _Asked, name: str) -> Floats:
    key = name.removeprefix("recent_")
    return asked.records.recent(key) - asked.records.level(key)


def _trend(asked: _Asked, name: str) -> Floats:
    key = name.removeprefix("trend_")
    return asked.records.level(key, (MONTH,)) - asked.records.level(key, (ALL,))


def _early_sign(asked: _Asked, name: str) -> Floats:
    window = MONTH if "28d" in name else ALL
    table, matured = asked.records.life_table("category", window), asked.records.matured("category", window)
    return np.log(table / (1 - table)) - np.log(matured / (1 - matured))


def _backlog(asked: _Asked, name: str) -> Floats:
    key = name.removeprefix("backlog_")
    came = asked.sums("arrivals", ["n"], key, MONTH)["n"]
    return np.log((asked.sums("balance", ["open"], key, ALL)["open"] + 1) / (came + 1))


def _inflow(asked: _Asked, name: str) -> Floats:
    key = name.removeprefix("inflow_7d_")
    week, month = (asked.sums("arrivals", ["n"], key, days * DAY)["n"] for days in (7, 28))
    return np.log((week + 1) / (month / 4 + 1))


def _clearance(asked: _Asked, name: str) -> Floats:
    key = name.removeprefix("clearance_28d_")
    closed, came = (asked.sums(table, ["n"], key, MONTH)["n"] for table in ("closures", "arrivals"))
    return np.log((closed + 1) / (came + 1))


def _overdue(asked: _Asked, name: str) -> Floats:
    key = name.removeprefix("overdue_")
    overdue = asked.sums("overdue", ["overdue"], key, ALL)["overdue"]
    # Five cases of nothing: the share of two open cases is not a share yet.
    return overdue / (asked.sums("balance", ["open"], key, ALL)["open"] + 5)


def _handed_on(asked: _Asked, name: str) -> Floats:
    key = name.removeprefix("handed_on_28d_")
    return asked.sums("moves", ["n"], key, MONTH)["n"] / (asked.sums("arrivals", ["n"], key, MONTH)["n"] + 5)


def _time_to_close(asked: _Asked, name: str) -> Floats:
    key = name.removeprefix("time_to_close_91d_")
    sums = asked.sums("closures", ["n", "log_hours"], key, QUARTER)
    mean = _ratio(sums["log_hours"], sums["n"]) / LOG_HOURS_SCALE
    return np.asarray(mean - np.log(asked.promised_hours()), dtype=np.float64)


def _closed_within(days: int, prefix: str) -> _Compute:
    def compute(asked: _Asked, name: str) -> Floats:
        measure = f"within_{days}d"
        sums = asked.sums("closures", ["n", measure], name.removeprefix(prefix), QUARTER)
        return _ratio(sums[measure], sums["n"])

    return compute


def _arrivals(days: int) -> _Compute:
    def compute(asked: _Asked, name: str) -> Floats:
        return asked.sums("arrivals", ["n"], name.removeprefix(f"arrivals_{days}d_"), days * DAY)["n"]

    return compute


def _findings(asked: _Asked, _name: str) -> Floats:
    return asked.sums("findings", ["serious"], "category_area", MONTH)["serious"]


def _promised(asked: _Asked, _name: str) -> Floats:
    return np.log(asked.promised_hours())


def _promised_against_usual(asked: _Asked, _name: str) -> Floats:
    sums = asked.sums("arrivals", ["promised", "log_promise"], "category", ALL)
    own = np.log(asked.promised_hours())
    # The case itself counts once, so that the first of its type is usual by definition.
    return own - (sums["log_promise"] / LOG_HOURS_SCALE + own) / (sums["promised"] + 1)


def _hour(column: str) -> _Compute:
    def compute(asked: _Asked, _name: str) -> Floats:
        clock = asked.local(column).dt
        return np.asarray(clock.hour + clock.minute / 60, dtype=np.float64)

    return compute


def _weekday(column: str) -> _Compute:
    return lambda asked, _name: np.asarray(asked.local(column).dt.day_of_week, dtype=np.float64)


def _ratio(part: Floats, whole: Floats) -> Floats:
    return np.asarray(np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0))


def _base_score(asked: _Asked, _name: str) -> Floats:
    return np.asarray(np.sum(list(asked.offset_parts.values()), axis=0))


_OWN: Final[dict[str, _Compute]] = {
    "base_score": _base_score,
    "findings_28d": _findings,
    # Every landmark so far is an opening, and nothing has passed then.
    "time_waited": lambda asked, _name: np.zeros(len(asked.landmarks)),
    "promised_hours": _promised,
    "promised_against_usual": _promised_against_usual,
    "due_hour": _hour("due_at"),
    "due_weekday": _weekday("due_at"),
    "opened_hour": _hour("landmark_at"),
    "opened_weekday": _weekday("landmark_at"),
}
_BY_PREFIX: Final[dict[str, _Compute]] = {
    "record_": _record,
    "level_": _level,
    "recent_": _recent,
    "trend_": _trend,
    "early_sign_": _early_sign,
    "backlog_": _backlog,
    "inflow_7d_": _inflow,
    "clearance_28d_": _clearance,
    "overdue_": _overdue,
    "handed_on_28d_": _handed_on,
    "time_to_close_91d_": _time_to_close,
    "closed_in_1_day_91d_": _closed_within(1, "closed_in_1_day_91d_"),
    "closed_in_7_days_91d_": _closed_within(7, "closed_in_7_days_91d_"),
    "closed_in_30_days_91d_": _closed_within(30, "closed_in_30_days_91d_"),
    **{f"arrivals_{days}d_": _arrivals(days) for days in (7, 28, 91)},
}


def _value(name: str) -> _Compute:
    """The function that works a feature out; every name of the catalogue has one."""
    if name in _OWN:
        return _OWN[name]
    return next(compute for prefix, compute in _BY_PREFIX.items() if name.startswith(prefix))


__all__ = ["CATALOGUE", "Matrix", "matrix_at", "opening_matrix"]
