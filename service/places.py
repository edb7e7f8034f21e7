"""Names of areas, offices and categories, and which area lies in which."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

import pandas as pd
from sqlalchemy import select

from data import tables
from data.store import Store
from data.store_tables import plain_values
from models.signals.counts import ALL

Kind = Literal["area", "office", "category"]


@dataclass(frozen=True, slots=True)
class Name:
    """What a place or a category is called; None where the store has no name in that language."""

    code: str
    zh: str | None = None
    en: str | None = None


# No store lists what holds all of its areas, and sums over them are told of it.
WHOLE_CITY: Final = Name(ALL, "全市", "the whole city")


@dataclass(frozen=True, slots=True)
class Places:
    """All names of a store. `parents` leads from an area to the one that it lies in; a top area is not in
    it. `populations` holds the areas whose population is known, `neighbours` the areas beside an area, `served` the
    areas of which an office ever had a case, `boundaries` the GeoJSON geometry (WGS 84) of the areas that have one,
    `tiers` those of the offices of which it is known.
    """

    areas: Mapping[str, Name]
    offices: Mapping[str, Name]
    categories: Mapping[str, Name]
    parents: Mapping[str, str]
    populations: Mapping[str, int]
    neighbours: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    served: Mapping[str, frozenset[str]] = field(default_factory=dict)
    boundaries: Mapping[str, str] = field(default_factory=dict)
    tiers: Mapping[str, str] = field(default_factory=dict)

    def name(self, kind: Kind, code: str) -> Name:
        """The name of `code`; one that the store does not list is called by its code, all areas together the city."""
        names = {"area": self.areas, "office": self.offices, "category": self.categories}[kind]
        return names.get(code) or (WHOLE_CITY if kind == "area" and code == ALL else Name(code))

    @staticmethod
    def plain_area(code: str) -> str:
        """The code of an area as commands show it; of all areas together, words."""
        return WHOLE_CITY.en or code if code == ALL else code

    def parts(self, area: str) -> tuple[str, ...]:
        """The areas that lie in an area, one step down; by code."""
        return tuple(sorted(child for child, above in self.parents.items() if above == area))

    def within(self, area: str) -> frozenset[str]:
        """The area and every area that lies in it."""
        found = {area}
        waiting = [area]
        while waiting:
            parent = waiting.pop()
            children = {child for child, above in self.parents.items() if above == parent} - found
            found |= children
            waiting += children
        return frozenset(found)


def read_places(store: Store) -> Places:
    """The names that a store holds."""
    areas = store.read_areas()
    parents, populations, boundaries = (
        {code: value for code, value in zip(areas["area"], plain_values(areas[name]), strict=True) if value is not None}
        for name in ("parent", "population", "boundary")
    )
    beside = {
        code: tuple(listed)
        for code, listed in zip(areas["area"], plain_values(areas["neighbours"]), strict=True)
        if listed
    }
    return Places(
        areas=_names(areas, "area"),
        offices=_names(store.read_offices(), "office"),
        categories=_names(store.read_categories(), "category"),
        parents=parents,
        populations=populations,
        neighbours={code: others for code, others in beside.items() if others},
        served=_served(store),
        boundaries=boundaries,
        tiers=_tiers(store),
    )


def _tiers(store: Store) -> dict[str, str]:
    offices = store.read_offices()
    tiers = zip(offices["office"], plain_values(offices["tier"]), strict=True)
    return {str(office): str(tier) for office, tier in sorted(tiers) if tier is not None}


def _served(store: Store) -> dict[str, frozenset[str]]:
    one, other = tables.event.alias(), tables.event.alias()
    query = (
        select(one.c.office, other.c.area)
        .distinct()
        .join_from(one, other, one.c.case_id == other.c.case_id)
        .where(one.c.office.is_not(None), other.c.area.is_not(None))
    )
    served: dict[str, set[str]] = {}
    with store.reading() as connection:
        for office, area in connection.execute(query):
            served.setdefault(office, set()).add(area)
    return {office: frozenset(areas) for office, areas in sorted(served.items())}


def _names(frame: pd.DataFrame, key: str) -> dict[str, Name]:
    columns = (plain_values(frame[name]) for name in (key, "name_zh", "name_en"))
    return {code: Name(code, zh, en) for code, zh, en in zip(*columns, strict=True)}
