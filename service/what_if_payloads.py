"""What-ifs as the API takes and tells them."""

from __future__ import annotations

import math
import re
from datetime import date, datetime
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from models.what_if import WhatIf
from service import display
from service.language import LanguageQuery, Words, marked
from service.payload_parts import example

ActionName = Literal["reply", "hand_over", "resume", "answer_by"]
OutcomeName = Literal["late", "unresolved_28d", "reopened_28d", "handed_up_28d", "any_failure"]

NOTE: Final = marked(
    "This is how cases went in which an office did so. Why it did so is not in the data: it does not say that doing so "
    "is the cause, and it promises nothing of this case. No answer moves the case in any list."
)
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_OFFICE = Annotated[str | None, Field(max_length=64, description="With `hand_over`: the office that takes it over.")]


def _written(value: Any) -> Any:
    # As a day is described: a number would be taken for seconds.
    if value is not None and not (isinstance(value, date) or (isinstance(value, str) and _DAY.fullmatch(value))):
        raise ValueError("not a day")
    return value


_BY = Annotated[
    date | None,
    BeforeValidator(_written),
    Field(description="With `answer_by`: by the end of this day, on the city's clock."),
]
_OUTCOMES = Annotated[
    list[OutcomeName] | None, Field(min_length=1, description="Which outcomes to tell; null: all that the models tell.")
]


class WhatIfRequest(BaseModel):
    """One thing that the office could do."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"action": "reply"}]})

    action: ActionName = Field(description="Only what an office does with a case can be asked about.")
    office: _OFFICE = None
    by: _BY = None
    outcomes: _OUTCOMES = None


class WhatIfQuery(LanguageQuery):
    """The same in an address; without an action, only what could be asked."""

    action: ActionName | None = None
    office: _OFFICE = None
    by: _BY = None


class WhatIfItem(BaseModel):
    """The answer for one outcome."""

    model_config = example(
        outcome="late", before=0.22, after=0.04, lower=0.03, upper=0.06, before_per_100=22, after_per_100=4, cases=134,
        failed_share=0.2, by_definition=False, refused=None, seen="134 cases of this type, 20% ended late",
        text="If the office replies now: of cases in that state, about 4 of 100 ended late (3 to 6); …",
    )  # fmt: skip

    outcome: str
    before: float | None = Field(ge=0, le=1, description="The risk as it stands; null where it is not asked now.")
    after: float | None = Field(ge=0, le=1, description="Of cases in the state that it would be in; null if refused.")
    lower: float | None = Field(ge=0, le=1, description="Lower end of the 80 percent interval of `after`.")
    upper: float | None = Field(ge=0, le=1)
    before_per_100: int | None
    after_per_100: int | None
    cases: int | None = Field(description="Past cases like it in which it was done; null if refused, or not needed.")
    failed_share: float | None = Field(description="Of these, the failed; null where it would show fewer than ten.")
    by_definition: bool = Field(description="Whether it follows from the deadline alone.")
    refused: str | None = Field(description="Why there is no answer: the data never saw enough cases like it.")
    seen: str | None = Field(description="What it rests on, in words; null if refused, or not needed.")
    text: str = Field(description="The answer or the refusal in words.")


class WhatIfAnswer(BaseModel):
    """What is known of cases in which an office did one thing more."""

    as_of: datetime
    model_version: str
    case: str
    action: ActionName | None
    office: str | None
    by: date | None
    days: list[date] = Field(description="The days that `answer_by` can be asked about.")
    answers: list[WhatIfItem] = Field(description="One for each outcome; none where no action was named.")
    note: str = Field(description="What an answer means, and what it does not.")


def what_if_item(words: Words, found: WhatIf) -> WhatIfItem:
    """The answer for one outcome."""
    text = words.pick(zh=found.text_zh, en=found.text_en, code="")
    before, after, lower, upper = (
        None if math.isnan(value) else round(value, 4) for value in (found.before, found.after, *found.interval)
    )
    return WhatIfItem(
        outcome=found.outcome,
        before=before,
        after=after,
        lower=lower,
        upper=upper,
        before_per_100=None if before is None else display.per_100(found.before),
        after_per_100=None if after is None else display.per_100(found.after),
        cases=found.support_n or None,
        failed_share=None if math.isnan(found.seen_share) else round(found.seen_share, 4),
        by_definition=found.by_definition,
        refused=None if found.refused is None else text,
        seen=words.pick(zh=found.seen_zh, en=found.seen_en, code="") or None,
        text=text,
    )
