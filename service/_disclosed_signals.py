"""The figures of weak signals, as far as they may be shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import pandas as pd

from data.errors import UsageError
from models.signals.counts import ALL
from models.signals.detect import window_weeks
from service._disclosed_before import kept_apart
from service._disclosure_rules import suppressed

# With the expected count, or a good guess of it, a p-value gives the observed count back.
SIGNAL_FIGURES: Final = ("observed", "expected", "lower", "upper", "p_value", "q_value")
_WEEK_COLUMNS: Final = ("area", "category", "week", "observed")
_COUNTED: Final = ["area", "week", "category", "observed"]
WEEK: Final = 7 * 86_400
WINDOW: Final = 28 * 86_400

Parents = Mapping[str, str | None]
Series = tuple[str, str]  # area and type of problem


def disclose_signals(
    signals: pd.DataFrame,
    pressure: pd.DataFrame,
    *,
    parent: Parents,
    minimum: int = 10,
    earlier: pd.DataFrame | None = None,
    weeks: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Withhold the figures of weak signals that are small or would give a small one away.

    That a problem type rose or fell silent in an area is always said. By how much is shown only if at least
    `minimum` cases were observed and,

    for an area with no other in it, if

    - the area's inflow is shown, since a part would bound a withheld whole;
    - the area's inflow less all its shown signals within the 28 days is at least `minimum`. That rest bounds
      every other problem type there; where it is small, none of the area's signals shows its figures.

    for an area with others in it, or the whole city ("*"), if

    - no signal within it, of the same type of problem or of a group that it has a type in common with, shows its
      figures: a town never stands beside its villages;
    - what else was shown to come in there leaves room for all of it elsewhere, whichever area or sum of areas within
      it one looks at: the shown inflows of its parts, less those of the largest such one and less all shown signals
      within, are at least as many. Then no part is known to hold any of it;
    - what such sums over all of the 28 days leave over of a shown inflow within, or of its own, is nothing, or at
      least `minimum`: where only one type is left, it is of that.

    A group of types never stands beside one of its types.

    Parameters
    ----------
    signals : DataFrame with the columns of the signal table
        All signals that can be seen together, of any weeks. `category_group` may be missing; so may `method`, and
        every window then counts as one week.
    pressure : DataFrame
        What `disclose_pressure` returned for the same as-of. The row of an area with others in it is of the cases
        on that area itself.
    parent : mapping of area to parent
    minimum : int
        The smallest count that is shown.
    earlier : DataFrame
        The signals of as-ofs before this one, whose pages somebody may have kept, with the columns of `signals`; see
        `service._disclosed_before`. None: this is the first release.
    weeks : DataFrame
        The counts of the weeks behind the signals, undisclosed; needed beside `earlier`.

    Returns
    -------
    DataFrame, same rows, order and index
        `observed` as `Int64`; the columns of `SIGNAL_FIGURES` null where withheld, and
        `<column>_suppressed` for each. Everything else, such as direction, weeks running and the
        false-discovery level, stays.

    Raises
    ------
    UsageError
        If a column is missing, an observed count is null or negative, or `pressure` was not disclosed.
    """
    _check(signals, pressure)
    observed = signals["observed"].astype("Int64")
    large = observed.ge(minimum).fillna(False).astype(bool)
    before = signals.iloc[:0] if earlier is None else earlier
    above = Tree(parent, signals, before)
    if len(before):
        large &= kept_apart(
            signals, before, pd.DataFrame(columns=_WEEK_COLUMNS) if weeks is None else weeks, above, minimum
        )
    told = before[before["observed"] >= minimum]
    begin = _begin(pressure)
    sums = signals["area"].isin(above.inner)
    inflow = pressure.set_index("unit")["inflow_28d"].astype("Int64")
    shown = _of_single_areas(signals, large & ~sums, above, inflow.dropna().astype("int64"), minimum, begin, told)
    for area in above.finest_first(signals.loc[sums, "area"].unique().tolist()):
        shown |= _of_sum(signals, large & signals["area"].eq(area), shown, area, above, inflow, minimum, begin, told)
    result = signals.assign(observed=observed)
    for column in SIGNAL_FIGURES:
        result[column] = result[column].where(shown)
        result[suppressed(column)] = ~shown
    return result


class Tree:
    """Which areas lie in which, and which types in which group; `ALL` holds every area."""

    def __init__(self, parent: Parents, *signals: pd.DataFrame) -> None:
        self._parent = parent
        self.inner = {ALL, *(above for above in parent.values() if above is not None)}
        self._group: dict[str, str] = {}
        for frame in reversed([one for one in signals if "category_group" in one]):
            grouped = frame.dropna(subset=["category_group"])
            self._group |= dict(zip(grouped["category"], grouped["category_group"], strict=True))

    def above(self, area: str) -> list[str]:
        """The areas that an area lies in, the nearest first; `ALL` last."""
        found: list[str] = []
        step = self._parent.get(area)
        while step is not None and step not in found:
            found.append(step)
            step = self._parent.get(step)
        return [*found, *([] if area == ALL or ALL in found else [ALL])]

    def finest_first(self, areas: list[str]) -> list[str]:
        """Areas in an order that depends on no figure, those within others first."""
        return sorted(areas, key=lambda area: (-len(self.above(area)), area))

    def within(self, areas: pd.Series, area: str) -> pd.Series:
        """Which of the areas are this one, or lie in it."""
        inside = {one for one in areas.unique() if one == area or area in self.above(one)}
        return areas.isin(inside)

    def wider(self, series: Series) -> set[Series]:
        """What must not stand beside the figures of a series or sum: sums that hold it, or a part of it and more.

        A type in a town crosses a group of types in a village: the village's share of the one bounds the rest of both.
        """
        area, category = series
        group = self._group.get(category)
        kinds = {category} if group is None else {category, group}
        members = {one for one, kin in self._group.items() if kin == category}
        wider = {(area, kind) for kind in kinds} | {(one, kind) for one in self.above(area) for kind in kinds | members}
        return wider - {series}


def series_of(frame: pd.DataFrame) -> list[Series]:
    """The area and type of every row."""
    return list(zip(frame["area"], frame["category"], strict=True))


def beside(signals: pd.DataFrame, rows: pd.Series, tree: Tree) -> pd.Series:
    """Which rows, of all, must not stand beside one of these `rows`, see `Tree.wider`."""
    covered: set[Series] = set().union(*map(tree.wider, set(series_of(signals[rows]))))
    return pd.Series([one in covered for one in series_of(signals)], index=signals.index, dtype=bool)


def _of_single_areas(
    signals: pd.DataFrame,
    large: pd.Series,
    tree: Tree,
    inflow: pd.Series,
    minimum: int,
    begin: int,
    told: pd.DataFrame,
) -> pd.Series:
    shown = large & signals["area"].isin(inflow.index)
    shown &= ~beside(signals, shown, tree)
    counted = _counted(signals, shown, begin, told[told["area"].isin(inflow.index)]).groupby(level="area").sum()
    # That rest bounds every other problem type there.
    rest = inflow.reindex(counted.index) - counted.astype("int64")
    return shown & ~signals["area"].isin(rest.index[rest < minimum])


def _of_sum(
    signals: pd.DataFrame,
    large: pd.Series,
    shown: pd.Series,
    area: str,
    tree: Tree,
    inflow: pd.Series,
    minimum: int,
    begin: int,
    told: pd.DataFrame,
) -> pd.Series:
    """The signals of one sum of areas that may be shown beside those shown already: all that can be, or none."""
    candidates = large & ~beside(signals, shown, tree)
    candidates &= ~beside(signals, candidates, tree)
    if not candidates.any():
        return candidates
    rows = inflow[tree.within(inflow.index.to_series(), area)]
    inside = (shown | candidates) & tree.within(signals["area"], area)
    claimed = int(_counted(signals, inside, None, told[tree.within(told["area"], area)]).sum())
    if claimed > _room(rows, area, tree, minimum) or _leaves_little(
        signals[shown | candidates], area, tree, rows.dropna(), minimum, begin
    ):
        return candidates & False
    return candidates


def _room(rows: pd.Series, area: str, tree: Tree, minimum: int) -> int:
    """Inflow shown within an area, whichever single one or sum of them is left out.

    `rows`: the inflows of the area and those in it, null where withheld. The row of an area with others in it counts
    for nothing: it is of the cases on the area itself, and of how many of its parts is not asked here.
    """
    names = rows.index.to_series()
    parts = rows[~names.isin(tree.inner)].dropna()
    if parts.empty:
        return 0
    largest = max(int(parts.max()), minimum)
    for one in {above for name in names for above in (name, *tree.above(name))} & tree.inner:
        held = tree.within(names, one)
        # What holds all of it is the area itself under another name.
        if area in tree.above(one) and not held.all():
            largest = max(largest, int(parts[held.reindex(parts.index)].sum()))
    return int(parts.sum()) - largest


def _leaves_little(signals: pd.DataFrame, area: str, tree: Tree, rows: pd.Series, minimum: int, begin: int) -> bool:
    """Whether somewhere within, inflow is left over that no shown type explains, and less than the minimum of it.

    Where but one type is not shown, all of that is known to be of it. Only windows that span the 28 days say so.
    """
    if "method" not in signals:
        return False
    weeks = signals["method"].map(lambda method: window_weeks(str(method))).astype("int64")
    spanning = (signals["week"] - (weeks - 1) * WEEK <= begin) & (signals["week"] + WEEK >= begin + WINDOW)
    named = signals[spanning]
    names = rows.index.to_series()
    for one in {one for name in names for one in (name, *tree.above(name)) if area in (one, *tree.above(one))}:
        held = tree.within(names, one)
        reach = tree.within(named["area"], one) | named["area"].isin(tree.above(one))
        observed = int(named.loc[reach, "observed"].sum())
        # With the cases on areas that have others in them, and without.
        for inflows in (rows[held], rows[held & ~names.isin(tree.inner)]):
            if 0 < int(inflows.sum()) - observed < minimum:
                return True
    return False


def _counted(signals: pd.DataFrame, rows: pd.Series, begin: int | None, told: pd.DataFrame) -> pd.Series:
    """Cases of those rows, and of what earlier releases told, by area; one week of one problem type may be flagged at
    several as-ofs: the same cases. `begin`: only weeks that end after it; None: of rows all, of what was told before
    those of the 28 days before the newest.
    """
    since = begin
    if since is None and len(signals):
        since = int(signals["week"].max()) + WEEK - WINDOW
    kept = signals[rows] if begin is None else signals[rows & (signals["week"] + WEEK > begin)]
    if len(told) and since is not None:
        kept = pd.concat(
            [kept[_COUNTED], told.loc[told["week"] + WEEK > since, _COUNTED].astype(kept[_COUNTED].dtypes)]
        )
    return kept.groupby(["area", "week", "category"])["observed"].max()


def _begin(pressure: pd.DataFrame) -> int:
    return int(pressure["as_of"].iloc[0]) - WINDOW if len(pressure) else 0


def _check(signals: pd.DataFrame, pressure: pd.DataFrame) -> None:
    missing = sorted({"area", "category", "week", *SIGNAL_FIGURES} - set(signals.columns))
    if missing:
        raise UsageError(f"the signals have no column {', '.join(missing)}.")
    if suppressed("inflow_28d") not in pressure.columns:
        raise UsageError("the pressure has not passed disclose_pressure; pass what that returned.")
    if pressure["as_of"].nunique() > 1:
        raise UsageError(f"the pressure is of {pressure['as_of'].nunique()} as-ofs; select one first.")
    wrong = signals["observed"].isna() | signals["observed"].lt(0).fillna(value=False)
    if wrong.any():
        raise UsageError(
            f"column 'observed' must hold counts of 0 or more; {int(wrong.sum())} are null or negative "
            f"(first in row {int(wrong.to_numpy().argmax()) + 1})."
        )
