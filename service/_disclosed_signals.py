"""The figures of weak signals, as far as they may be shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import pandas as pd

from data.errors import UsageError
from models.signals.counts import ALL
from service._disclosure_rules import suppressed

# With the expected count, or a good guess of it, a p-value gives the observed count back.
SIGNAL_FIGURES: Final = ("observed", "expected", "lower", "upper", "p_value", "q_value")
WEEK: Final = 7 * 86_400
WINDOW: Final = 28 * 86_400

Parents = Mapping[str, str | None]


def disclose_signals(
    signals: pd.DataFrame, pressure: pd.DataFrame, *, parent: Parents, minimum: int = 10
) -> pd.DataFrame:
    """Withhold the figures of weak signals that are small or would give a small one away.

    That a problem type rose or fell silent in an area is always said. By how much is shown only if at least
    `minimum` cases were observed and,

    for an area with no other in it, if

    - the area's inflow is shown, since a part would bound a withheld whole;
    - the area's inflow less all its shown signals within the 28 days is at least `minimum`. That rest bounds
      every other problem type there; where it is small, none of the area's signals shows its figures.

    for an area with others in it, or the whole city ("*"), if

    - no signal within it, of the same type of problem, shows its figures: a town never stands beside its villages;
    - what else was shown to come in there leaves room for all of it elsewhere, whichever of its parts one looks
      at: the shown inflows of its parts, less the largest of them and less all shown signals within, are at least
      as many. Then no part is known to hold any of it.

    A group of types never stands beside one of its types.

    Parameters
    ----------
    signals : DataFrame with the columns of the signal table
        All signals that can be seen together, of any weeks. `category_group` may be missing.
    pressure : DataFrame
        What `disclose_pressure` returned for the same as-of.
    parent : mapping of area to parent
    minimum : int
        The smallest count that is shown.

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
    above = _Tree(parent)
    sums = signals["area"].isin(above.inner)
    inflow = pressure.set_index("unit")["inflow_28d"].dropna().astype("int64")
    shown = _of_single_areas(signals, large & ~sums, above, inflow, minimum, _begin(pressure))
    for area in above.finest_first(signals.loc[sums, "area"].unique().tolist()):
        shown |= _of_sum(signals, large & signals["area"].eq(area), shown, area, above, inflow, minimum)
    result = signals.assign(observed=observed)
    for column in SIGNAL_FIGURES:
        result[column] = result[column].where(shown)
        result[suppressed(column)] = ~shown
    return result


class _Tree:
    """Which areas lie in which; `ALL` holds every area."""

    def __init__(self, parent: Parents) -> None:
        self._parent = parent
        self.inner = {ALL, *(above for above in parent.values() if above is not None)}

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


def _of_single_areas(
    signals: pd.DataFrame, large: pd.Series, tree: _Tree, inflow: pd.Series, minimum: int, begin: int
) -> pd.Series:
    shown = large & signals["area"].isin(inflow.index)
    shown &= ~_beside_a_part(signals, shown, tree)
    counted = _counted(signals, shown, begin).groupby(level="area").sum()
    # That rest bounds every other problem type there.
    rest = inflow.reindex(counted.index) - counted.astype("int64")
    return shown & ~signals["area"].isin(rest.index[rest < minimum])


def _of_sum(
    signals: pd.DataFrame,
    large: pd.Series,
    shown: pd.Series,
    area: str,
    tree: _Tree,
    inflow: pd.Series,
    minimum: int,
) -> pd.Series:
    """The signals of one sum of areas that may be shown beside those shown already: all that can be, or none."""
    candidates = large & ~_beside_a_part(signals, shown | large, tree, within=shown)
    if not candidates.any():
        return candidates
    parts = inflow[[one not in tree.inner and area in tree.above(str(one)) for one in inflow.index]]
    inside = (shown | candidates) & tree.within(signals["area"], area)
    claimed = int(_counted(signals, inside, None).sum())
    room = int(parts.sum()) - max(int(parts.max()), minimum) if len(parts) else 0
    return candidates if claimed <= room else candidates & False


def _beside_a_part(
    signals: pd.DataFrame, rows: pd.Series, tree: _Tree, *, within: pd.Series | None = None
) -> pd.Series:
    """Which of the rows are a sum that holds another row (of `within`, or of the rows): its area, its type, or both."""
    group = signals["category_group"] if "category_group" in signals else pd.Series(None, index=signals.index)
    inner = rows if within is None else within
    covered: set[tuple[Any, Any]] = set()
    for area, category, kin in zip(
        signals.loc[inner, "area"], signals.loc[inner, "category"], group[inner], strict=True
    ):
        areas, kinds = [area, *tree.above(area)], [category] + ([] if pd.isna(kin) else [kin])
        covered |= {(one, kind) for one in areas for kind in kinds} - {(area, category)}
    keys = zip(signals["area"], signals["category"], strict=True)
    return rows & pd.Series([key in covered for key in keys], index=signals.index, dtype=bool)


def _counted(signals: pd.DataFrame, rows: pd.Series, begin: int | None) -> pd.Series:
    """Cases of those rows by area; one week of one problem type may be flagged at several as-ofs: the same cases."""
    kept = signals[rows] if begin is None else signals[rows & (signals["week"] + WEEK > begin)]
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
