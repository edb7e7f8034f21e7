"""The weeks behind a signal, as far as they may be shown.

A week's count is shown if

- it is at least the minimum;
- all other reports of its area in that week, less those of other shown series, are at least the minimum as well:
  they bound every other type of problem there;
- it lies in no window whose own figure is withheld, which it would give back; and in no window whose figure is
  shown unless the whole window can be shown week by week: the window less its shown weeks would tell of the others;
- nothing within its area shows figures of the same type, or of a group that has a type in common with it, be it a
  signal or weeks: a town never stands beside its villages, nor a group beside its types;
- it lies in no window of a shown signal of a wider area, or of the group of its type;
- it does not lie within the 28 days of the inflow, other than in the window of its own shown signal, if its area is a
  sum of areas, or shows the figures of any signal, or lies within an area that does: small counts hide among inflows
  less what is shown of them;
- no earlier release could have shown what it is a part of, or what is part of it (`service._disclosed_before`).

Band and expectation of a week are computed from its past counts and fall with it.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any, Final

import pandas as pd

from data.errors import UsageError
from models.signals.detect import window_weeks
from service._disclosed_before import told_by_kin
from service._disclosed_signals import WEEK, WINDOW, Series, Tree, beside, series_of

_FIGURES: Final = ("observed", "expected", "lower", "upper")
_NEEDED: Final = ("area", "category", "week", *_FIGURES, "alarm", "area_reports", "as_of")
_SERIES: Final = ["area", "category"]
_WINDOWS: Final = [*_SERIES, "week", "method", "observed"]


def disclose_weeks(
    weeks: pd.DataFrame,
    signals: pd.DataFrame,
    *,
    parent: Mapping[str, str | None],
    minimum: int,
    earlier: pd.DataFrame | None = None,
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
    earlier : the signals of as-ofs before this one, whose pages somebody may have kept; None: this is the first release

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
    before = signals.iloc[:0] if earlier is None else earlier
    tree = Tree(parent, signals, before)
    windows = signals[_WINDOWS]
    if len(before):
        shown &= ~told_by_kin(weeks, before, tree)
        windows = pd.concat([windows, before.loc[before["observed"] >= minimum, _WINDOWS].astype(windows.dtypes)])
    shown &= ~_beside_a_signal(weeks, signals, tree) & ~_within_the_inflow(weeks, signals, tree)
    shown &= ~beside(weeks, shown, tree)
    shown &= _windows_whole(weeks, shown, windows)
    # Withholding only adds to what remains of a week, so this comes last, and once is enough but for whole windows.
    while not (kept := shown & _rest_is_large(weeks, observed.where(shown, 0), minimum)).equals(shown):
        shown = kept & _windows_whole(weeks, kept, windows)
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
    for row in signals[_WINDOWS].to_dict("records"):
        inside = _is(weeks, (row["area"], row["category"])) & _between(weeks, *_window(row))
        if pd.isna(row["observed"]) or not shown[inside].all():
            whole[inside] = False
    return whole


def _beside_a_signal(weeks: pd.DataFrame, signals: pd.DataFrame, tree: Tree) -> pd.Series:
    """True for the weeks of what is wider than a shown signal, and for those within the window of a shown wider one."""
    wider: set[Series] = set()
    windows: dict[Series, tuple[int, int]] = {}
    for row in signals[signals["observed"].notna()].to_dict("records"):
        one = row["area"], row["category"]
        wider |= tree.wider(one)
        windows[one] = _window(row)
    ordered = series_of(weeks)
    reached = pd.Series([one in wider for one in ordered], index=weeks.index, dtype=bool)
    for one in set(ordered):
        for above in tree.wider(one) & windows.keys():
            reached |= _is(weeks, one) & _between(weeks, *windows[above])
    return reached


def _within_the_inflow(weeks: pd.DataFrame, signals: pd.DataFrame, tree: Tree) -> pd.Series:
    """True for weeks within the 28 days that would take of the room in which small counts hide.

    The figures of signals were weighed against the inflow of their area, those of a sum against the inflows of its
    parts, and against no more than the shown signals.
    """
    told = signals[signals["observed"].notna()]
    showing = set(told["area"])
    hiding = {one for one in weeks["area"].unique() if one in tree.inner or showing & {one, *tree.above(one)}}
    taking = weeks["area"].isin(hiding) & (weeks["week"] + WEEK > weeks["as_of"] - WINDOW)
    for row in told.to_dict("records"):
        taking &= ~(_is(weeks, (row["area"], row["category"])) & _between(weeks, *_window(row)))
    return taking


def _window(signal: Mapping[Hashable, Any]) -> tuple[int, int]:
    """Its first and its last week."""
    last = int(signal["week"])
    return last - (window_weeks(str(signal["method"])) - 1) * WEEK, last


def _between(weeks: pd.DataFrame, first: int, last: int) -> pd.Series:
    # An hour more or less where clocks change: half a week is far from both neighbours.
    return (weeks["week"] > first - WEEK // 2) & (weeks["week"] < last + WEEK // 2)


def _is(weeks: pd.DataFrame, series: Series) -> pd.Series:
    return weeks["area"].eq(series[0]) & weeks["category"].eq(series[1])
