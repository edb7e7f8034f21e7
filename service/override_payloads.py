"""Overrides as the API answers them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, Literal

from pydantic import BaseModel, Field

from service import display
from service.dependencies import Telling
from service.language import marked
from service.marks import OVERRIDE_REASONS, OVERRIDES
from service.overrides import ROUNDED_TO, UNKNOWN, CameOf, Overrides
from service.payload_parts import FigureItem, example, figure_item
from service.published import Figure

NOTE: Final = marked(
    "Counts of the whole city, of no office and no area, and never of who noted it. Each is to the nearest five, and "
    "nothing under the minimum is told. A mark does not say which outcome it is about."
)
_PART: Final = {"code": "higher", "name": "more urgent than the risk says", "cases": {"value": 40, "withheld": False}}
_CAME: Final = {
    "choice": "higher",
    "outcome": "late",
    "cases": 35,
    "failed": 20,
    "few": None,
    "told": 10,
    "nearer": "office",
}


class OverridePart(BaseModel):
    """How many cases have one code."""

    model_config = example(**_PART)

    code: str
    name: str
    cases: FigureItem = Field(description="To the nearest five.")


class OverrideOutcome(BaseModel):
    """What came of the cases that were judged otherwise in one way, as far as that is mature."""

    model_config = example(**_CAME)

    choice: str = Field(description="higher · lower · not_this_outcome")
    outcome: str
    cases: int | None = Field(description="To the nearest five; null where there were fewer than the minimum.")
    failed: int | None = Field(description="To the nearest five; null where it, or the rest, is under the minimum.")
    few: Literal["few", "all_but_few"] | None = Field(
        description="Which of the two is under it; null where neither is, or nothing is told."
    )
    told: int | None = Field(description="How many the risks made of it that stood then, to the nearest five.")
    nearer: Literal["office", "risk", "open"] | None = Field(
        description="Who proved right: `open` where chance explains the difference; null where counts are withheld."
    )


class OverridesAnswer(BaseModel):
    """How offices judged otherwise than the risks. All of the whole city."""

    model_config = example(
        as_of="2026-03-02T00:00:00Z",
        minimum_cell=10,
        rounded_to=5,
        cases={"value": 60, "withheld": False},
        choices=[_PART],
        reasons=[{**_PART, "code": "known_on_site", "name": "known from the place itself"}],
        bands=[{**_PART, "code": "medium", "name": "medium"}],
        types=[{**_PART, "code": "drain", "name": "Blocked drain"}],
        came=[],
        note="",
    )

    as_of: datetime = Field(description="What had come of them was known strictly before, in UTC.")
    minimum_cell: int
    rounded_to: int
    cases: FigureItem = Field(description="Cases that are marked as judged otherwise, to the nearest five.")
    choices: list[OverridePart] = Field(description="How the offices saw them.")
    reasons: list[OverridePart]
    bands: list[OverridePart] = Field(description="Of the risk of being late that stood then.")
    types: list[OverridePart] = Field(description="Types of problem, by code.")
    came: list[OverrideOutcome]
    note: str


def overrides_answer(telling: Telling, found: Overrides, as_of: int) -> OverridesAnswer:
    """Overrides in the words of one language."""
    words = telling.words
    unknown = words.gettext("not known")
    bands = {code: words.gettext(text) for code, text in display.BANDS.items()}
    types = {code: display.place(words, telling.snapshot.places, "category", code) for code in found.by["category"]}
    return OverridesAnswer(
        as_of=datetime.fromtimestamp(as_of, UTC),
        minimum_cell=found.minimum,
        rounded_to=ROUNDED_TO,
        cases=figure_item(found.cases),
        choices=_parts(found.by["choice"], {code: words.gettext(text) for code, text in OVERRIDES.items()}),
        reasons=_parts(found.by["reason"], {code: words.gettext(text) for code, text in OVERRIDE_REASONS.items()}),
        bands=_parts(found.by["band"], {**bands, UNKNOWN: unknown}),
        types=_parts(found.by["category"], {**types, UNKNOWN: unknown}),
        came=[_came(one) for one in found.came],
        note=words.gettext(NOTE),
    )


def _parts(counts: Mapping[str, Figure], names: Mapping[str, str]) -> list[OverridePart]:
    return [
        OverridePart(code=code, name=names.get(code, code), cases=figure_item(count)) for code, count in counts.items()
    ]


def _came(one: CameOf) -> OverrideOutcome:
    return OverrideOutcome(
        choice=one.choice,
        outcome=one.outcome,
        cases=one.cases,
        failed=one.failed,
        few=one.few,
        told=one.told,
        nearer=one.nearer,
    )
