"""Parts of what the API answers with that cases, areas, offices and signals have in common."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from service import display
from service.dependencies import Telling
from service.places import Kind
from service.published import Figure


def example(**values: Any) -> ConfigDict:
    """The configuration of a model that shows one example of itself."""
    return ConfigDict(json_schema_extra={"examples": [values]})


class PlaceName(BaseModel):
    """An area, an office or a category."""

    model_config = example(code="A-0312", name="Willow Bank")

    code: str
    name: str = Field(description="In the language of the answer; the code where there is no name.")


class FigureItem(BaseModel):
    """A disclosed figure."""

    model_config = example(value=31, withheld=False)

    value: int | float | None = Field(description="Null where it is withheld, or not known.")
    withheld: bool = Field(description="Below the minimum, or withheld so that no other figure can be worked out.")


def place_name(telling: Telling, kind: Kind, code: str | None) -> PlaceName | None:
    """A code with its name; None for none."""
    return None if code is None else named(telling, kind, code)


def named(telling: Telling, kind: Kind, code: str) -> PlaceName:
    """A code with its name."""
    return PlaceName(code=code, name=display.named(telling.words, telling.snapshot.places.name(kind, code)))


def figure_item(figure: Figure) -> FigureItem:
    """A disclosed figure."""
    return FigureItem(value=figure.value, withheld=figure.withheld)


def published_at(telling: Telling) -> datetime | None:
    """The moment that the figures of areas and offices are of."""
    as_of = telling.snapshot.published.as_of
    return None if as_of is None else moment(telling, as_of)


def moment(telling: Telling, ts: int) -> datetime:
    """Seconds in UTC as a moment in the store's time zone."""
    return display.local(ts, telling.time_zone)
