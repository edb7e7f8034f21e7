"""The weeks behind a signal, as far as they may be shown.

A week's count is shown if

- it is at least the minimum;
- all other reports of its area in that week, less those of other shown series, are at least the minimum as well:
  they bound every other type of problem there;
- it lies in no window whose own figure is withheld, which it would give back; and in no window whose figure is
  shown unless the whole window can be shown week by week: the window less its shown weeks would tell of the others;
- no area within its area shows weeks of the same type: a town never stands beside its villages.

Band and expectation of a week are computed from its past counts and fall with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import pandas as pd

from data.errors import UsageError
from models.signals.detect import window_weeks

_WEEK: Final = 7 * 86_400
_FIGURES: Final = ("observed", "expected", "lower", "upper")
_NEEDED: Final = ("area", "category", "week", *_FIGURES, "alarm", "area_reports")
_SERIES: Final = ["area", "category"]


def disclose_weeks(
    weeks: pd.DataFrame, signals: pd.DataFrame, *, parent: Mapping[str, str | None], minimum: int
) -> pd.DataFrame:
    """Withhold the weeks of `data.tables.signal_week` that must not leave.

    Parameters
    ----------
    weeks : DataFrame, the weeks behind the signals of one as-of
        `observed` null: not recorded. `area_reports`: reports of the area that week, of all types.
    signals : DataFrame
        What `disclose_signals` returned for the same as-of.
    parent : mapping of area to parent
    minimum : the smallest count that is shown

    Returns
    -------
    DataFrame, same rows, order and index, without `area_reports`, which is nobody's to see; with `state`: "shown",
    "withheld" or "not_recorded", the figures null unless shown. That a week was flagged is always said.

    Raises
    ------
    UsageError
        If a column is missing, or an area has fewer reports in a week than one of its series.
    """
    missing = [name for name in _NEEDED if name not in weeks.columns]
    if missing:
        raise UsageError(f"the weeks of signals have no column {', '.join(missing)}.")
    recorded = weeks["observed"].notna()
    observed = weeks["observed"].fillna(0).astype("int64")
    if (observed > weeks["area_reports"]).any():
        raise UsageError("a series has more reports in a week than its area; compute the signals again.")
    shown = recorded & (observed >= minimum)
    shown &= ~_stands_above(weeks, shown, parent)
    shown &= _windows_whole(weeks, shown, signals)
    # Withholding only adds to what remains of a week, so this comes last, and once is enough but for whole windows.
    while not (kept := shown & _rest_is_large(weeks, observed.where(shown, 0), minimum)).equals(shown):
        shown = kept & _windows_whole(weeks, kept, signals)
    state = recorded.map({True: "withheld", False: "not_recorded"}).mask(shown, "shown")
    told = weeks.drop(columns="area_reports").assign(state=state.astype("str"))
    for name in _FIGURES:
        told[name] = told[name].where(shown)
    return told


def _rest_is_large(weeks: pd.DataFrame, observed: pd.Series, minimum: int) -> pd.Series:
    shown = observed.groupby([weeks["area"], weeks["week"]]).transform("sum")
    return weeks["area_reports"] - shown >= minimum


def _windows_whole(weeks: pd.DataFrame, shown: pd.Series, signals: pd.DataFrame) -> pd.Series:
    """False for the weeks of a window that is withheld itself, or of which some week is."""
    whole = pd.Series(data=True, index=weeks.index)
    for row in signals[[*_SERIES, "week", "method", "observed"]].to_dict("records"):
        n_weeks = window_weeks(str(row["method"]))
        first = row["week"] - (n_weeks - 1) * _WEEK
        # An hour more or less where clocks change: half a week is far from both neighbours.
        within = (weeks["week"] > first - _WEEK // 2) & (weeks["week"] < row["week"] + _WEEK // 2)
        inside = within & weeks["area"].eq(row["area"]) & weeks["category"].eq(row["category"])
        if pd.isna(row["observed"]) or not shown[inside].all():
            whole[inside] = False
    return whole


def _stands_above(weeks: pd.DataFrame, shown: pd.Series, parent: Mapping[str, str | None]) -> pd.Series:
    """True for areas that have, somewhere within them, an area which shows weeks of the same category."""
    above: set[tuple[str, str]] = set()
    for area, category in weeks.loc[shown, _SERIES].drop_duplicates().itertuples(index=False):
        step, seen = parent.get(area), {area}
        while step is not None and step not in seen:
            above.add((step, category))
            seen.add(step)
            step = parent.get(step)
    return pd.Series([key in above for key in zip(weeks["area"], weeks["category"], strict=True)], index=weeks.index)
