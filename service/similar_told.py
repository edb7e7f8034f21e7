"""What became of past cases like an open one, in words: counts, coarse on purpose, and never a record."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, Field

from data.errors import FileFormatError
from models.similar_cases import ROUNDED_TO, SMALL_CELL, Few, Similar, SimilarTold
from service import display
from service.dependencies import Telling
from service.language import Words, marked
from service.online.saved_index import index_of_moment
from service.open_case import OpenCase
from service.past_cases import PastCases, read_past_cases
from service.payload_parts import example
from service.reads import Snapshot

_ANY: Final = "any_failure"
_KEY: Final = ("past cases",)
WHOSE: Final = {
    "type_at_office": marked("cases of this type at this office"),
    "type": marked("cases of this type at all offices"),
    "group": marked("cases of this group of types at all offices"),
}
WIDENED: Final = {
    "type": marked("There were too few at this office alone."),
    "group": marked("There were too few of this type alone."),
}
NOTE: Final = marked(
    "Opened in the last three years, as they stood after as long a wait, where it is known what became of them. To the "
    "nearest five, and nothing under ten. That is how they went; it does not say how this one will."
)


class SimilarOutcomeItem(BaseModel):
    """How many of the past cases were failed in one way."""

    model_config = example(outcome="late", cases=240, failed=95, few=None, text="about 95 of about 240")

    outcome: str
    cases: int | None = Field(description="To the nearest five; null where there were fewer than ten.")
    failed: int | None = Field(description="To the nearest five; null where it, or the rest, is under ten.")
    few: Few | None = Field(description="Which of the two is under ten; null where neither is, or nothing is told.")
    text: str = Field(description="The same in words.")


class SimilarItem(BaseModel):
    """What became of past cases like this one. Counts, never records."""

    model_config = example(
        scope="type_at_office",
        waited_days=5,
        minimum_cell=10,
        rounded_to=5,
        outcomes=[],
        sentence="Of about 240 cases of this type at this office that had waited 5 days or longer, about 95 were "
        "answered late.",
        note="",
    )

    scope: Literal["type_at_office", "type", "group"] = Field(
        description="Which cases are like it: the narrowest of these with thirty cases."
    )
    waited_days: int = Field(description="How long all of them had waited at least.")
    minimum_cell: int
    rounded_to: int
    outcomes: list[SimilarOutcomeItem]
    sentence: str = Field(description="The first outcome in a whole sentence.")
    note: str


def similar_item(telling: Telling, case: OpenCase, index_folder: Path) -> SimilarItem | None:
    """What became of past cases like one; None where the scoring counted none, or they were too few."""
    past = _past_of(telling.snapshot, index_folder)
    outcomes = tuple(risk.outcome for risk in case.risks if risk.outcome != _ANY and risk.probability < 1)
    if past is None or not outcomes:
        return None
    found = past.similar.similar(
        outcomes,
        category=case.category,
        category_group=case.category_group,
        office=case.office,
        seconds=telling.snapshot.as_of - case.opened_at,
    )
    return None if found is None else _item(telling.words, found)


def _past_of(snapshot: Snapshot, folder: Path) -> PastCases | None:
    """What the scoring of the snapshot counted; looked for again until it is there."""
    found: PastCases | None = snapshot.memo.get(_KEY)
    if found is None:
        home = index_of_moment(folder, snapshot.as_of)
        try:
            found = None if home is None else read_past_cases(home)
        except FileFormatError:
            # Whoever scores anew mends it; the case can be told without.
            return None
        if found is not None:
            snapshot.memo[_KEY] = found
    return found


def _item(words: Words, found: Similar) -> SimilarItem:
    widened = WIDENED.get(found.scope)
    return SimilarItem(
        scope=found.scope,
        waited_days=found.waited,
        minimum_cell=SMALL_CELL,
        rounded_to=ROUNDED_TO,
        outcomes=[
            SimilarOutcomeItem(
                outcome=told.outcome, cases=told.cases, failed=told.failed, few=told.few, text=_text(words, told)
            )
            for told in found.told
        ],
        sentence=_sentence(words, found, found.told[0]),
        note=" ".join(words.gettext(said) for said in (*([widened] if widened else []), NOTE)),
    )


def _text(words: Words, told: SimilarTold) -> str:
    if told.cases is None or (told.failed is None and told.few is None):
        return words.gettext("too few to tell")
    given = {"cases": display.number(words, told.cases), "minimum": SMALL_CELL}
    if told.few == "few":
        return words.gettext("fewer than %(minimum)d of about %(cases)s", **given)
    if told.few == "all_but_few":
        return words.gettext("all but fewer than %(minimum)d of about %(cases)s", **given)
    return words.gettext("about %(failed)s of about %(cases)s", failed=display.number(words, told.failed or 0), **given)


def _sentence(words: Words, found: Similar, told: SimilarTold) -> str:
    whose = words.gettext(WHOSE[found.scope])
    if found.waited:
        whose = words.ngettext(
            "%(whose)s that had waited %(n)d day or longer",
            "%(whose)s that had waited %(n)d days or longer",
            found.waited,
            whose=whose,
        )
    what = display.outcome(words, told.outcome)
    given = {"whose": whose, "what": what, "minimum": SMALL_CELL, "cases": display.number(words, told.cases or 0)}
    if told.few == "few":
        return words.gettext("Of about %(cases)s %(whose)s, fewer than %(minimum)d were %(what)s.", **given)
    if told.few == "all_but_few":
        return words.gettext("Of about %(cases)s %(whose)s, all but fewer than %(minimum)d were %(what)s.", **given)
    if told.failed is None:
        return words.gettext("Of %(whose)s, there were too few to tell how many were %(what)s.", **given)
    failed = display.number(words, told.failed)
    return words.gettext("Of about %(cases)s %(whose)s, about %(failed)s were %(what)s.", failed=failed, **given)
