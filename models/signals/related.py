"""Which signals belong together: the same problem above, below and beside, and its kin in the same area."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import pandas as pd

from models.signals.counts import ALL
from models.signals.hierarchy import Groups, Parents

RELATIONS: Final = ("within", "contains", "neighbour", "same_group")


def related(
    signals: pd.DataFrame,
    *,
    parents: Parents | None = None,
    neighbours: Mapping[str, Iterable[str]] | None = None,
    groups: Groups | None = None,
) -> pd.DataFrame:
    """Pairs of signals that belong together.

    Parameters
    ----------
    signals : rows of `models.signals.detect_signals`: `week`, `area`, `category`. Signals of different weeks are
        never related.
    parents : from an area to the one that it lies in; every area lies in `ALL` ("*") besides
    neighbours : from an area to those beside it; one direction is enough
    groups : from a category to its group

    Returns
    -------
    DataFrame with `signal` and `other` (index labels of `signals`) and `relation` (of the other to the signal), sorted
    in the order of `signals`. Every pair comes twice, once from either side.

    - "within": the other is of a part: its area lies in the signal's, its category is the same or in its group
    - "contains": the other way round
    - "neighbour": the same category in an area beside it
    - "same_group": another category of the same group, in the same area
    """
    kinship = _Kinship(parents or {}, _both_ways(neighbours or {}), groups or {})
    told: list[tuple[object, object, str]] = []
    for _, rows in signals.groupby("week", sort=False):
        keys = list(zip(rows.index, rows["area"], rows["category"], strict=True))
        for label, area, category in keys:
            for other, other_area, other_category in keys:
                relation = kinship.relation((area, category), (other_area, other_category))
                if relation is not None and other != label:
                    told.append((label, other, relation))
    place = {label: row for row, label in enumerate(signals.index)}
    told.sort(key=lambda pair: (place[pair[0]], place[pair[1]]))
    return pd.DataFrame(told, columns=["signal", "other", "relation"])


class _Kinship:
    def __init__(self, parents: Parents, neighbours: Mapping[str, frozenset[str]], groups: Groups) -> None:
        self._parents, self._neighbours, self._groups = parents, neighbours, groups

    def relation(self, one: tuple[str, str], other: tuple[str, str]) -> str | None:
        """What `other` is to `one`; None for nothing, and for the very same area and category."""
        if one == other:
            return None
        if self._covers(one, other):
            return "within"
        if self._covers(other, one):
            return "contains"
        (area, category), (other_area, other_category) = one, other
        if category == other_category and other_area in self._neighbours.get(area, frozenset()):
            return "neighbour"
        group = self._groups.get(category)
        if area == other_area and group is not None and self._groups.get(other_category) == group:
            return "same_group"
        return None

    def _covers(self, sum_: tuple[str, str], part: tuple[str, str]) -> bool:
        (area, category), (inner_area, inner_category) = sum_, part
        return category in (inner_category, self._groups.get(inner_category), ALL) and area in self._above(inner_area)

    def _above(self, area: str) -> list[str]:
        found = [area]
        while (above := self._parents.get(found[-1])) is not None and above not in found:
            found.append(above)
        return [*found, ALL]


def _both_ways(neighbours: Mapping[str, Iterable[str]]) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for area, beside in neighbours.items():
        for other in beside:
            found.setdefault(area, set()).add(other)
            found.setdefault(other, set()).add(area)
    return {area: frozenset(others) for area, others in found.items()}
