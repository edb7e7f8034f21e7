"""Engines of disclosure with one part left out, or done as it is often done: the audit must catch every one of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import pandas as pd

import service._disclosed_signals as of_signals
import service._disclosed_weeks as of_weeks
import service._suppression as suppression
import service.disclosure as of_areas
from service import published
from service._disclosure_rules import suppressed
from service._suppression import Column, Hidden, Tree
from service.disclosure import AREA_PRESSURE
from service.published import Published, publish
from tests.support.joint_attacker import JointCity
from tests.support.signal_attacker import MINIMUM


@contextmanager
def replaced(*parts: tuple[Any, str, Any]) -> Iterator[None]:
    """Put other functions in the place of some while it lasts."""
    with ExitStack() as stack:
        for module, name, other in parts:
            stack.enter_context(patch.object(module, name, other))
        yield


def _published(city: JointCity, *parts: tuple[Any, str, Any], minimum: int = MINIMUM, **places: Any) -> Published:
    with replaced(*parts):
        return publish(
            city.pressure(),
            city.signals(),
            replace(city.places(), **places),
            minimum=minimum,
            record=city.record(),
        )


def _none_more(_tree: Tree, _hidden: Hidden, _safe: Callable[[int], bool]) -> None:
    """Withholds nothing beside what is small."""


def _all_large(signals: pd.DataFrame, _pressure: pd.DataFrame, *, minimum: int, **_others: Any) -> pd.DataFrame:
    large = signals["observed"] >= minimum
    told = signals.assign(observed=signals["observed"].astype("Int64"))
    for name in of_signals.SIGNAL_FIGURES:
        told = told.assign(**{name: told[name].where(large), suppressed(name): ~large})
    return told


def primary_only(city: JointCity) -> Published:
    """Small figures are withheld, and nothing else is."""
    return _published(
        city, (suppression, "protect", _none_more), (published, "disclose_signals", _all_large), served={}
    )


def signals_primary_only(city: JointCity) -> Published:
    """Of types of problem, only small counts are withheld: nothing in the second dimension."""
    return _published(city, (published, "disclose_signals", _all_large))


def areas_primary_only(city: JointCity) -> Published:
    """Of areas, only small counts are withheld: nothing in the first dimension."""
    return _published(city, (suppression, "protect", _none_more))


def off_by_one(city: JointCity) -> Published:
    """A count of 9 is shown."""
    return _published(city, minimum=MINIMUM - 1)


def zeros_are_shown(city: JointCity) -> Published:
    """Zero is held to be no small count: where a column is 0 in an area, it is shown, and needs no stand-in."""
    withhold = suppression.withhold

    def without_zeros(tree: Tree, figures: Any, minimum: int, also: Hidden | None = None) -> Hidden:
        hidden = withhold(tree, figures, minimum, also)
        return [flag and figure != 0 for flag, figure in zip(hidden, figures, strict=True)]

    return _published(city, (suppression, "withhold", without_zeros), (of_areas, "withhold", without_zeros))


def without_parents(city: JointCity) -> Published:
    """All areas stand side by side: signals of a town are judged as if no village lay in it."""
    return _published(city, parents={})


def smallest_sibling(city: JointCity) -> Published:
    """The smallest shown sibling stands in, were it empty, and one is held to be enough."""

    def protect(tree: Tree, hidden: Hidden, _safe: Callable[[int], bool]) -> None:
        figures = current[-1]
        for node in tree.top_down:
            group = tree.children[node]
            if sum(hidden[child] for child in group) == 1:
                rest = [child for child in group if not hidden[child]]
                if rest:
                    hidden[min(rest, key=lambda child: figures[child] or 0)] = True

    current: list[Any] = []
    withhold = suppression.withhold

    def remembering(tree: Tree, figures: Any, minimum: int, also: Hidden | None = None) -> Hidden:
        current.append(figures)
        return withhold(tree, figures, minimum, also)

    return _published(
        city,
        (suppression, "protect", protect),
        (suppression, "withhold", remembering),
        (of_areas, "withhold", remembering),
    )


def one_stand_in(city: JointCity) -> Published:
    """No second stand-in where one leaves enough unseen: of whose size all is known then."""

    def wide(tree: Tree, column: Column, node: int, minimum: int) -> bool:
        return suppression._unseen(tree, column, node) >= minimum

    def widen(tree: Tree, hidden: Hidden, node: int, safe: Callable[[int], bool]) -> bool:
        children = tree.children[node]
        if hidden[node] or not any(hidden[child] for child in children):
            return False
        for child in children:
            if safe(node):
                return False
            suppression._hide(tree, hidden, child)
        hidden[node] = node != tree.root and not safe(node)
        return hidden[node]

    return _published(city, (suppression, "_is_wide", wide), (suppression, "_widen", widen))


def unseen_may_be_small(city: JointCity) -> Published:
    """Two withheld cells are enough, whatever they add up to."""

    def wide(tree: Tree, column: Column, node: int, _minimum: int) -> bool:
        return sum(column.hidden[child] for child in tree.children[node]) >= 2

    return _published(city, (suppression, "_is_wide", wide))


def without_relations(city: JointCity) -> Published:
    """Every column by itself, as if overdue cases were not open and flows had nothing to do with the backlog."""
    rules = replace(AREA_PRESSURE, relations=())
    return _published(city, (of_areas, "AREA_PRESSURE", rules), (published, "AREA_PRESSURE", rules))


def expectation_beside_overdue(city: JointCity) -> Published:
    """How many are expected late stays where the overdue ones, which are among them, are withheld."""
    attached = {**AREA_PRESSURE.attached, "overdue": ("usual_low",)}
    rules = replace(AREA_PRESSURE, attached=attached)
    return _published(city, (of_areas, "AREA_PRESSURE", rules), (published, "AREA_PRESSURE", rules))


def small_rest(city: JointCity) -> Published:
    """All types of problem but one may be shown beside the inflow of their area: a small rest is held to be safe."""

    def all_with_inflow(
        signals: pd.DataFrame, large: pd.Series, tree: Any, inflow: pd.Series, *_others: Any
    ) -> pd.Series:
        shown = large & signals["area"].isin(inflow.index)
        return shown & ~of_signals.beside(signals, shown, tree)

    return _published(city, (of_signals, "_of_single_areas", all_with_inflow))


def sums_beside_parts(city: JointCity) -> Published:
    """A town's figures stand beside those of its villages, and a group's beside those of its types."""

    def nothing_beside(signals: pd.DataFrame, _rows: pd.Series, _tree: Any) -> pd.Series:
        return pd.Series(data=False, index=signals.index)

    return _published(city, (of_signals, "beside", nothing_beside), (of_weeks, "beside", nothing_beside))


def room_of_single_areas(city: JointCity) -> Published:
    """A sum of areas is shown where any one area can be left out, and no town is thought of."""

    def room(rows: pd.Series, _area: str, tree: Any, minimum: int) -> int:
        parts = rows[~rows.index.to_series().isin(tree.inner)].dropna()
        return int(parts.sum()) - max(int(parts.max()), minimum) if len(parts) else 0

    return _published(city, (of_signals, "_room", room))


def without_neighbouring_weeks(city: JointCity) -> Published:
    """Every week behind a signal is judged by itself, as if no window were shown that it lies in."""

    def every(weeks: pd.DataFrame, _shown: pd.Series, _signals: pd.DataFrame) -> pd.Series:
        return pd.Series(data=True, index=weeks.index)

    return _published(city, (of_weeks, "_windows_whole", every))


def weeks_within_the_inflow(city: JointCity) -> Published:
    """Weeks of the 28 days are shown beside inflows and signals that were weighed without them."""

    def none(weeks: pd.DataFrame, _signals: pd.DataFrame, _tree: Any) -> pd.Series:
        return pd.Series(data=False, index=weeks.index)

    return _published(city, (of_weeks, "_within_the_inflow", none))


def offices_by_themselves(city: JointCity) -> Published:
    """Offices are judged as if nobody knew which areas they serve."""
    return _published(city, served={})


def own_cases_forgotten(city: JointCity) -> Published:
    """The first two areas of the city stand in wherever they lie: towns have no sums."""

    def side_by_side(parents: Any) -> dict[str, str]:
        return {}

    return _published(city, (published, "_beside_own_rows", side_by_side))


ENGINES: dict[str, Callable[[JointCity], Published]] = {
    one.__name__: one
    for one in (
        primary_only,
        areas_primary_only,
        signals_primary_only,
        off_by_one,
        zeros_are_shown,
        without_parents,
        smallest_sibling,
        one_stand_in,
        unseen_may_be_small,
        without_relations,
        expectation_beside_overdue,
        small_rest,
        sums_beside_parts,
        room_of_single_areas,
        without_neighbouring_weeks,
        weeks_within_the_inflow,
        offices_by_themselves,
        own_cases_forgotten,
    )
}
