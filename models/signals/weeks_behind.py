"""The weeks behind signals, each judged as if live: what a picture of the evidence shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import pandas as pd

from data.errors import UsageError
from models.signals.counts import ALL, WeeklyCounts
from models.signals.detect import assess_series
from models.signals.hierarchy import Groups, Parents
from models.signals.settings import SignalSettings

# A year and the newest week: the same season is then on the picture.
WEEKS: Final = 53
WEEK_COLUMNS: Final = (
    "area",
    "category",
    "week",
    "observed",
    "expected",
    "lower",
    "upper",
    "alarm",
    "area_reports",
)
_SERIES: Final = ["area", "category"]
_FIGURES: Final = ("observed", "expected", "lower", "upper")

Progress = Callable[[str, int, int], None]


def weeks_behind(
    counts: WeeklyCounts,
    signals: pd.DataFrame,
    *,
    weeks: int = WEEKS,
    settings: SignalSettings | None = None,
    parents: Parents | None = None,
    groups: Groups | None = None,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """The newest weeks of the series and sums that are signals, each week judged by the weeks before it alone.

    That holds for the counts. What is known of the record is known as of `counts.as_of`: reports that came in late are
    in their weeks, and which weeks were recorded (`counts.recorded`) or which channels are new (`counts.settled`) was
    found in the whole record. So a silence that turned out to be the end of a recording is no alarm here, though it
    may have been told at the time.

    Parameters
    ----------
    signals : rows with `area`, `category`, `level`, as `detect_signals` gives them for the same counts, parents and
        groups
    weeks : at most so many of the newest weeks

    Returns
    -------
    DataFrame with `WEEK_COLUMNS`, sorted by area, category and week

    - `observed`: reports of the week by itself, `Int64`; null where it was not recorded
    - `expected`, `lower`, `upper`: of the week by itself; null where the past before it was too short
    - `alarm`: "rise" or "silence" where that week's control called it a signal, whatever its window; else null.
      Where no sum is among the signals, that is the control over the series alone.
    - `area_reports`: reports of all categories in the area that week, its parts included; not to be shown
    """
    if weeks < 1:
        raise UsageError(f"Expected at least one week, got weeks={weeks}.")
    wanted = signals[_SERIES].drop_duplicates()
    if wanted.empty:
        return _typed(pd.DataFrame(columns=[*WEEK_COLUMNS]))
    # Judging all sums of every week costs three times as much, and is wanted only where a sum is on the picture.
    tree = {"parents": parents, "groups": groups} if signals["level"].eq("sum").any() else {}
    parts = []
    rows = range(max(len(counts.weeks) - weeks, 0), len(counts.weeks))
    for done, row in enumerate(rows, 1):
        until = counts.until(int(counts.weeks[row]))
        judged = assess_series(until, settings=settings, **tree)
        parts.append(_week(judged.merge(wanted, on=_SERIES)))
        if progress is not None:
            progress("weeks", done, len(rows))
    told = pd.concat(parts, ignore_index=True)
    totals = _area_reports(counts, wanted["area"].unique().tolist(), parents or {})
    told["area_reports"] = [
        int(totals[area][int(np.searchsorted(counts.weeks, week))])
        for area, week in zip(told["area"], told["week"], strict=True)
    ]
    return _typed(told).sort_values([*_SERIES, "week"], ignore_index=True)


def _week(judged: pd.DataFrame) -> pd.DataFrame:
    """One row per series: its figures, and which direction was a signal."""
    first = judged.drop_duplicates(_SERIES)
    flagged = judged[judged["signal"]].set_index(_SERIES)["direction"]
    keys = pd.MultiIndex.from_frame(first[_SERIES])
    there = (first["method_reason"] != "not_recorded").to_numpy()
    figures = {name: first[f"week_{name}"].where(there).to_numpy() for name in _FIGURES}
    alarm = flagged[~flagged.index.duplicated()].reindex(keys).to_numpy(dtype=object)
    return pd.DataFrame(
        {"area": first["area"], "category": first["category"], "week": first["week"], **figures, "alarm": alarm}
    )


def _area_reports(counts: WeeklyCounts, areas: list[str], parents: Parents) -> dict[str, np.ndarray]:
    """Reports a week of each area and all that lies in it."""
    above = {area: {area, ALL, *_above(area, parents)} for area in counts.series["area"].unique()}
    return {area: counts.matrix[:, [area in above[own] for own in counts.series["area"]]].sum(axis=1) for area in areas}


def _above(area: str, parents: Parents) -> list[str]:
    found: list[str] = []
    step = parents.get(area)
    while step is not None and step not in found:
        found.append(step)
        step = parents.get(step)
    return found


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    kinds = dict.fromkeys(("area", "category", "alarm"), "str") | dict.fromkeys(_FIGURES[1:], "float64")
    return frame.astype({**kinds, "week": "int64", "observed": "Int64", "area_reports": "int64"})[[*WEEK_COLUMNS]]
