"""What the API answers with about areas, and as a map."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime
from typing import Any, Final, Literal, cast

from pydantic import BaseModel, Field

from service.dependencies import Telling
from service.payload_parts import PlaceName, example, named, place_name, published_at
from service.payloads import PressureItem, pressure_item
from service.published import Figure, Pressure, Published
from service.signal_payloads import SignalItem, signal_item

MapLevel = Literal["usual", "raised", "high", "unknown", "withheld", "none"]

# On a map, where every figure is a property of its own.
MAPPED: Final = ("backlog", "usual_low", "usual_high", "inflow_28d", "outflow_28d", "overdue", "expected_late")
NO_FIGURE: Final = Figure(None)


class AreaItem(BaseModel):
    """An area: its pressure and its signals."""

    area: PlaceName
    parent: PlaceName | None
    pressure: PressureItem
    signals: list[SignalItem]


class LevelCounts(BaseModel):
    """How many areas there are of each level."""

    model_config = example(usual=21, raised=12, high=3, unknown=0, withheld=0, above=15, told=36)

    usual: int
    raised: int
    high: int
    unknown: int = Field(description="Their past is too short to say.")
    withheld: int
    above: int = Field(description="`raised` or `high`: more on their hands than is usual there.")
    told: int = Field(description="`usual`, `raised` or `high`: those that can be judged.")


class AreaList(BaseModel):
    """All areas, sorted by code: there is no rank."""

    as_of: datetime | None
    minimum_cell: int = Field(description="Figures below it are withheld.")
    levels: LevelCounts
    areas: list[AreaItem]


class AreaBeside(BaseModel):
    """An area that lies in another or beside it."""

    area: PlaceName
    level: MapLevel = Field(description="`none`: there are no figures of it, as of one without any case.")


class AreaDetail(BaseModel):
    """One area: its pressure, its signals with their weeks, and what lies in it and beside it."""

    as_of: datetime | None
    minimum_cell: int
    area: PlaceName
    parent: PlaceName | None
    pressure: PressureItem | None = Field(
        description="Null for an area of which no case is stored itself, as of a town whose cases all lie in villages."
    )
    signals: list[SignalItem]
    parts: list[AreaBeside] = Field(description="The areas that lie in it, one step down, by code.")
    neighbours: list[AreaBeside] = Field(description="By code.")


class MapProperties(BaseModel):
    """What is said of an area on a map; the figures are disclosed, and null where there is none to show."""

    area: str
    name: str = Field(description="In the language of the answer; the code where there is no name.")
    parent: str | None
    level: MapLevel = Field(description="Against its own past, never against others.")
    backlog: int | float | None
    usual_low: int | float | None
    usual_high: int | float | None
    inflow_28d: int | float | None
    outflow_28d: int | float | None
    overdue: int | float | None
    expected_late: int | float | None
    withheld: list[str] = Field(description="Which of these figures are withheld; a withheld one is never zero.")
    signals: int = Field(description="How many weak signals it has.")


class MapFeature(BaseModel):
    """One area as a feature of GeoJSON (RFC 7946)."""

    type: Literal["Feature"] = "Feature"
    id: str
    geometry: dict[str, Any] | None = Field(description="As it was imported, in WGS 84; null where it is not known.")
    properties: MapProperties


class AreaMap(BaseModel):
    """All areas as GeoJSON, sorted by code: those with figures, and those with a boundary."""

    type: Literal["FeatureCollection"] = "FeatureCollection"
    as_of: datetime | None
    minimum_cell: int = Field(description="Figures below it are withheld.")
    features: list[MapFeature]


def area_item(telling: Telling, pressure: Pressure) -> AreaItem:
    """One area of a list."""
    places, published = telling.snapshot.places, telling.snapshot.published
    return AreaItem(
        area=named(telling, "area", pressure.unit),
        parent=place_name(telling, "area", places.parents.get(pressure.unit)),
        pressure=pressure_item(pressure),
        signals=[signal_item(telling, signal) for signal in published.signals_of(pressure.unit)],
    )


def area_list(telling: Telling) -> AreaList:
    """All areas with figures."""
    published = telling.snapshot.published
    return AreaList(
        as_of=published_at(telling),
        minimum_cell=published.minimum,
        levels=level_counts(published),
        areas=[area_item(telling, pressure) for pressure in published.areas.values()],
    )


def area_detail(telling: Telling, area: str) -> AreaDetail:
    """One area, with figures or without."""
    places, published = telling.snapshot.places, telling.snapshot.published
    pressure = published.areas.get(area)
    parts, beside = (
        [AreaBeside(area=named(telling, "area", code), level=map_level(published.areas.get(code))) for code in codes]
        for codes in (places.parts(area), sorted(places.neighbours.get(area, ())))
    )
    return AreaDetail(
        as_of=published_at(telling),
        minimum_cell=published.minimum,
        area=named(telling, "area", area),
        parent=place_name(telling, "area", places.parents.get(area)),
        pressure=None if pressure is None else pressure_item(pressure),
        signals=[signal_item(telling, signal) for signal in published.signals_of(area)],
        parts=parts,
        neighbours=beside,
    )


def area_map(telling: Telling) -> AreaMap:
    """All areas with figures or a boundary, as GeoJSON."""
    places, published = telling.snapshot.places, telling.snapshot.published
    codes = sorted(set(published.areas) | set(places.boundaries))
    return AreaMap(
        as_of=published_at(telling),
        minimum_cell=published.minimum,
        features=[_feature(telling, code) for code in codes],
    )


def map_level(pressure: Pressure | None) -> MapLevel:
    """The level of an area as a map tells it: one that is withheld, and one that there is not, are levels there."""
    return "none" if pressure is None else cast("MapLevel", pressure.level or "withheld")


def level_counts(published: Published) -> LevelCounts:
    """How many areas there are of each level, of those with figures."""
    found = Counter(str(map_level(pressure)) for pressure in published.areas.values())
    above = found["raised"] + found["high"]
    levels = {name: found[name] for name in ("usual", "raised", "high", "unknown", "withheld")}
    return LevelCounts(**levels, above=above, told=above + found["usual"])


def _feature(telling: Telling, code: str) -> MapFeature:
    places, published = telling.snapshot.places, telling.snapshot.published
    boundary, pressure = places.boundaries.get(code), published.areas.get(code)
    figures = {name: NO_FIGURE if pressure is None else getattr(pressure, name) for name in MAPPED}
    properties = {
        "area": code,
        "name": named(telling, "area", code).name,
        "parent": places.parents.get(code),
        "level": map_level(pressure),
        **{name: figure.value for name, figure in figures.items()},
        "withheld": [name for name, figure in figures.items() if figure.withheld],
        "signals": len(published.signals_of(code)),
    }
    return MapFeature(
        id=code,
        geometry=None if boundary is None else json.loads(boundary),
        properties=MapProperties.model_validate(properties),
    )
