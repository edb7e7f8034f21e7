"""What the rows of a source have besides their columns: constants, the area of a location, numbers as severities."""

from __future__ import annotations

from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from data.event_log import NEVER
from data.findings import BadRows, looked_at
from data.location import Locator, locator
from data.mapping import Mapping, Scale
from data.moments import Seconds, parse_moments
from data.read import SourceFile

_REMEDY: Final = (
    "Widen [scale.{name}] in the mapping if such numbers are meant, or set such rows aside with "
    "`--set-aside out_of_range`."
)


class RowExtras:
    """Fills what no column gives, part after part.

    Coordinates are read only here. They go to `data.location`, and what comes back is the code of an area.
    """

    def __init__(self, file: SourceFile, mapping: Mapping, present: set[str], areas: pd.DataFrame | None) -> None:
        """See `data.location.locator` for `areas` and what is raised; `present`: the columns that were not dropped."""
        self._mapping = mapping
        self._file = file
        self._locator: Locator | None = None
        self.columns: frozenset[str] = frozenset()
        if set(mapping.location_columns) <= present:
            self._locator = locator(mapping, areas)
            self.columns = frozenset(mapping.location_columns)
        self._began = False

    def fill(self, frame: pd.DataFrame, raw: pd.DataFrame) -> list[BadRows]:
        """Fill the fields of a part from constants and its location, and say what was looked for.

        A column wins over the location, which fills only the rows where the column says nothing.
        """
        for field, value in self._mapping.constants.items():
            frame[field] = pd.Series([value] * len(frame), index=frame.index, dtype="str")
        if self._locator is None:
            return []
        if not self._began:
            self._locator.look_for_defaults(self._file)
            self._began = True
        area, found = self._locator.areas_of(raw[list(self._locator.columns)], frame["row"])
        frame["area"] = frame["area"].where(frame["area"].notna(), area.to_numpy())
        return [found]

    def notes(self) -> list[str]:
        """What is to be said of the file as a whole, when all parts were filled. Raises as `Locator.notes` does."""
        return [] if self._locator is None else self._locator.notes()


def scaled(values: pd.Series, scale: Scale, name: str, column: str, rows: pd.Series) -> tuple[pd.Series, BadRows]:
    """Numbers of the source as words of severity, null where there is none; and those outside the scale.

    Parameters
    ----------
    values : Series of str
    scale, name : [scale.NAME]
    column : str, its name for the finding
    rows : Series of int, the 1-based row numbers in the file
    """
    numbers = pd.to_numeric(values, errors="coerce").to_numpy(dtype="float64")
    inside = (numbers >= scale.lowest) & (numbers <= scale.highest)
    starts = np.array([start for start, _ in scale.steps])
    words = np.array([None, *(word.value for _, word in scale.steps)], dtype=object)
    step = np.where(inside, np.searchsorted(starts, np.where(inside, numbers, scale.lowest), side="right"), 0)
    outside = values.notna().to_numpy(dtype=bool) & ~inside
    found = looked_at(
        "out_of_range",
        column,
        outside,
        rows,
        expected=f"expected a number from {scale.lowest:g} to {scale.highest:g}.",
        remedy=_REMEDY.format(name=name),
    )
    return pd.Series(words[step], index=values.index, dtype="str"), found


def next_month(seconds: Seconds, zone: ZoneInfo) -> Seconds:
    """The local midnight that ends the month in which each moment (seconds in UTC) lies; NEVER stays NEVER."""
    distinct, places = np.unique(seconds, return_inverse=True)
    there = distinct != NEVER
    local = pd.Series(pd.to_datetime(distinct[there], unit="s", utc=True)).dt.tz_convert(zone).dt.tz_localize(None)
    # Text is the way back into a zone that `parse_moments` knows: gaps and repeated hours are settled there.
    first = (local.dt.normalize() + pd.offsets.MonthBegin(1)).dt.strftime("%Y-%m-%d")
    found = distinct.copy()
    found[there] = parse_moments(first.astype("str"), zone).seconds
    return np.asarray(found[places], dtype=np.int64)
