"""Asking what would be known of a case if its office did one thing more, and telling the answer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from data.errors import UsageError
from data.event_log import NEVER
from features.risk_inputs import possible
from models.reasons.numbers import of_100
from models.what_if.actions import ACTIONS, Action, Text
from models.what_if.support import ANY, FEWEST, Like, Seen
from models.what_if.world import World

if TYPE_CHECKING:
    from models.failures import FailureModels, Told

# Beyond, too much else will have happened for the case as it stands to say anything.
# Fourteen days, one of which may be longer by as much as clocks are set back.
FURTHEST: Final = 14 * 86_400 + 7_200
LEVEL: Final = 0.8

# What is said of cases of which so many of a hundred …
_FAILED: Final[dict[str, Text]] = {
    "late": ("超期", "ended late"),
    "unresolved": ("办结时未解决", "were closed unresolved"),
    "reopened": ("办结后被重办", "were reopened"),
    "handed_up": ("被上报上一级", "were handed up a tier"),
    ANY: ("出现某种办理失误", "were failed in one way or another"),
}
_PAUSED: Final = ("计时没有暂停，无需恢复。", "Its clock is not stopped, so there is nothing to restart.")
_SAME_OFFICE: Final = ("案件已在该单位。", "The case is at that office already.")
_UNSEEN_OFFICE: Final = (
    "该单位没有办过任何案件，无从比较。",
    "No case was ever at that office, so nothing can be compared.",
)
_FAILED_ALREADY: Final = (
    "案件已超期，失误已成事实，怎样办都不会改变。",
    "The case is late already: that it was failed is a fact, whatever is done now.",
)
_UNTOLD: Final = (
    "在这一时点，这种结果没有可比的风险。",
    "At that point this outcome is not asked any more, so there is no risk to compare.",
)

# Where the count of past cases is not what the risk says: which of the two knows more.
DIFFERS: Final = (
    "两个数字不同：风险依据本案已知的全部情况，计数只看问题类型和所处阶段。",
    "The two differ because the risk goes by all that is known of this case, and the count by its type and stage "
    "alone. ",
)

# What floats are off by makes no interval wider.
_HAIR: Final = 1e-9
# As everywhere: fewer are not told.
SMALL_CELL: Final = 10


@dataclass(frozen=True, slots=True)
class WhatIf:
    """The answer to one question about one case.

    Attributes
    ----------
    action, outcome : what was asked
    before : probability as the case stands; NaN where the outcome is not asked now
    after : probability with the action; NaN where the question was refused
    interval : of `after`, at 80 per cent; (NaN, NaN) where refused
    support_n : cases of the history like it in which the action was taken
    seen_share : share of those that were failed; NaN where there is none, or it would show a small cell
    refused : why there is no answer, in Chinese and English; None where there is one
    by_definition : whether the answer follows from the deadline alone and needed no data
    text_zh, text_en : the answer or the refusal as an officer reads it
    seen_zh, seen_en : how many past cases the answer rests on and how they ended; empty where it rests on none
    """

    action: str
    outcome: str
    before: float
    after: float
    interval: tuple[float, float]
    support_n: int
    seen_share: float
    refused: Text | None
    by_definition: bool
    text_zh: str
    text_en: str
    seen_zh: str = ""
    seen_en: str = ""

    @property
    def attention(self) -> float:
        """What a list may go by: the larger of both risks, so that no question lowers a case's place."""
        return float(np.nanmax([self.before, self.after]))


def what_if(
    models: FailureModels,
    world: World,
    support: Seen,
    case_id: str,
    action: str,
    *,
    outcome: str = "late",
    office: str | None = None,
    by: int | None = None,
) -> WhatIf:
    """What is known of cases like one with an action more; refused where the data never saw its like.

    Parameters
    ----------
    models : of the outcomes
    world : what is known at the moment of the question
    support : of the history that the models were made of
    case_id : an open case
    action : one of `ACTIONS`
    outcome : one that the models tell (`late`, `reopened_28d`, …), or `any_failure`
    office : code of the office to hand over to
    by : int64 seconds in UTC, by when it is answered; after now, and at most 14 days ahead

    Raises
    ------
    UsageError
        If there is no such action or outcome, the case is not open, or an office or a moment is missing, not asked
        for, or out of range.
    """
    (found,) = what_ifs(models, world, support, case_id, action, outcomes=(outcome,), office=office, by=by)
    return found


def what_ifs(
    models: FailureModels,
    world: World,
    support: Seen,
    case_id: str,
    action: str,
    *,
    outcomes: Sequence[str] | None = None,
    office: str | None = None,
    by: int | None = None,
    office_name: Text | None = None,
) -> tuple[WhatIf, ...]:
    """The same for several outcomes at once (None: all that the models tell, any failure last), in their order.

    `office_name` is what the office is called, in Chinese and English; None: by its code.
    """
    names = (*models.outcomes, ANY) if outcomes is None else tuple(outcomes)
    asked = _checked(models, world, action, names, office, by)
    now = world.now(case_id)
    refusal = _pointless(asked, world, now, office)
    frame = now
    if refusal is None:
        after = world.after(case_id, asked.kind, at=world.as_of if by is None else by, office=office)
        frame = pd.concat([now, after], ignore_index=True)
    told = models.tell(world.inputs(frame), level=LEVEL)
    called = office_name or (office or "", office or "")
    questions = (_Asked(asked, name, office, called, by, refusal) for name in names)
    return tuple(_one(question, world, support, frame, told[question.outcome]) for question in questions)


@dataclass(frozen=True, slots=True)
class _Asked:
    """One question, and why it cannot be asked as the case stands."""

    action: Action
    outcome: str
    office: str | None
    office_name: Text
    by: int | None
    refusal: Text | None


def _one(asked: _Asked, world: World, support: Seen, frame: pd.DataFrame, told: Told) -> WhatIf:
    """The answer for one outcome; `frame` is the case now, and after the action where it can be taken."""
    outcome, by = asked.outcome, asked.by
    risks = _risks(frame, outcome, told)
    failed_already = outcome == ANY and _is_overdue(frame)
    before = 1.0 if failed_already else risks[0][0]
    question = _Question(asked.action, outcome, asked.office_name, by, world.time_zone, before)
    if asked.refusal is not None or failed_already:
        return question.refused(asked.refusal or _FAILED_ALREADY)
    after = frame.tail(1).reset_index(drop=True)
    if asked.action.needs_moment:
        now, due = int(frame["landmark_at"].iloc[0]), int(frame["due_at"].iloc[0])
        then = int(after["landmark_at"].iloc[0])
        if outcome == "late" and np.isnan(risks[0][0]) and not _is_overdue(frame):
            # A promise of before the reopening.
            return question.refused(_UNTOLD)
        # An answer after the deadline is a failure, whatever else becomes of the case.
        if outcome == "late" or (outcome == ANY and "late" in world.outcomes and now < due < then):
            return question.by_deadline(due, then)
    if np.isnan(risks[1][0]):
        return question.refused(_UNTOLD)
    like = support.like(after, asked.action.kind, outcome, office=asked.office)
    return question.answered(risks[1], like) if like.is_enough else question.refused(_too_few(like))


def _is_overdue(frame: pd.DataFrame) -> bool:
    """Whether the promise of the case has passed as it stands, and was made since it was last reopened."""
    due, at, again = (int(frame[name].iloc[0]) for name in ("due_at", "landmark_at", "reopened_at"))
    return due <= at and (again == NEVER or due > again)


def _checked(
    models: FailureModels, world: World, action: str, outcomes: Sequence[str], office: str | None, by: int | None
) -> Action:
    if action not in ACTIONS:
        raise UsageError(f"Expected something that an office can do, {', '.join(ACTIONS)}, got '{action}'.")
    told = (*models.outcomes, ANY)
    for outcome in outcomes:
        if outcome not in told:
            raise UsageError(f"Expected an outcome that the models tell, {', '.join(told)}, got '{outcome}'.")
    asked = ACTIONS[action]
    if asked.needs_office != (office is not None):
        raise UsageError(f"Expected an office with 'hand_over' and with nothing else, got '{action}' with {office!r}.")
    if asked.needs_moment != (by is not None):
        raise UsageError(f"Expected a moment with 'answer_by' and with nothing else, got '{action}' with {by!r}.")
    if by is not None and not 0 < by - world.as_of <= FURTHEST:
        raise UsageError("Expected a moment after now and at most 14 days ahead. Beyond, too much else will happen.")
    return asked


def _pointless(action: Action, world: World, now: pd.DataFrame, office: str | None) -> Text | None:
    """Why an action cannot be taken as the case stands; None where it can."""
    if action.name == "resume" and int(now["paused_since"].iloc[0]) >= NEVER:
        return _PAUSED
    if office is not None and office == now["office"].iloc[0]:
        return _SAME_OFFICE
    if office is not None and not world.knows_office(office):
        return _UNSEEN_OFFICE
    return None


def _risks(frame: pd.DataFrame, outcome: str, told: Told) -> list[tuple[float, float, float]]:
    """The risk at each landmark with its interval; NaN where the outcome is not asked there."""
    asked = np.ones(len(frame), dtype=bool) if outcome == ANY else possible(frame, outcome)
    ends = (np.where(asked, end, np.nan).tolist() for end in (told.probability, told.lower, told.upper))
    return list(zip(*ends, strict=True))


def _too_few(like: Like) -> Text:
    negated_zh, negated_en = ("", "") if like.done < FEWEST else ("没有", "not ")
    return (
        f"以往在相近时点{negated_zh}这样办的同类案件不足{FEWEST}件，无从比较。",
        f"Fewer than {FEWEST} cases like it were {negated_en}dealt with in this way at about this point: too few to "
        "compare.",
    )


def _is_small(like: Like) -> bool:
    """Whether how they ended would show fewer than ten cases that were failed, or that were not."""
    failed = like.share * like.done
    return min(failed, like.done - failed) < SMALL_CELL


def _seen(like: Like) -> Text:
    """How the cases ended in which it was done; a handful is told as few."""
    if _is_small(like):
        few = 2 * like.share < 1
        return ("其中很少{failed}", "few of them {failed}") if few else ("其中大多{failed}", "most of them {failed}")
    share = f"{100 * like.share:.0f}%"
    return f"其中{share}{{failed}}", f"{share} {{failed}}"


def differ(like: Like, lower: float, upper: float) -> bool:
    """Whether how the past cases ended lies outside of the interval of a risk, as far as it is told how they ended.

    Of a handful it is not told how many; nor is it by whether this is said, which goes by the whole of what a handful
    can be.
    """
    share = round(like.share, 2)
    lowest, highest = share, share
    if _is_small(like):
        few = (SMALL_CELL - 1) / like.done
        lowest, highest = (0.0, few) if 2 * like.share < 1 else (1 - few, 1.0)
    return upper < lowest or lower > highest


@dataclass(frozen=True, slots=True)
class _Question:
    """What was asked, and the risk as the case stands."""

    action: Action
    outcome: str
    office: Text
    by: int | None
    time_zone: str
    before: float

    def refused(self, why: Text) -> WhatIf:
        none = float("nan")
        # How few there were, and how they ended, would be a small cell.
        seen = (0, none)
        return WhatIf(
            self.action.name, self.outcome, self.before, none, (none, none), *seen, why, False, why[0], why[1]
        )

    def by_deadline(self, due_at: int, at: int) -> WhatIf:
        """Closed by its deadline a case is not late, and closed after it is: nothing has to be estimated."""
        if due_at >= NEVER:
            return self.refused(_UNTOLD)
        late = at > due_at
        due = self._moment(due_at)
        zh, en = (
            (f"已在时限（{due[0]}）之后，仍算超期。", f"that is after its deadline, {due[1]}: it would still be late.")
            if late
            else (
                f"在时限（{due[0]}）之前，不算超期。",
                f"that is within its deadline, {due[1]}: it would not be late.",
            )
        )
        if_zh, if_en = self._if()
        after = float(late)
        return WhatIf(
            self.action.name, self.outcome, self.before, after, (after, after), 0, float("nan"), None, True,
            f"{if_zh}，{zh}", f"{if_en}, {en}",
        )  # fmt: skip

    def answered(self, risk: tuple[float, float, float], like: Like) -> WhatIf:
        after, lower, upper = risk
        failed_zh, failed_en = _FAILED[next(name for name in _FAILED if self.outcome.startswith(name))]
        if_zh, if_en = self._if()
        told_zh, told_en = of_100(after)
        now_zh, now_en = self._now()
        # Outwards from four decimals, as intervals are shown everywhere.
        low = math.floor(100 * round(lower, 4) + _HAIR)
        high = math.ceil(100 * round(upper, 4) - _HAIR)
        whose_zh, whose_en = (
            ("同类", "of this type") if like.scope == "category" else ("同一大类", "of this group of types")
        )
        seen_zh, seen_en = (
            said.format(failed=failed) for said, failed in zip(_seen(like), (failed_zh, failed_en), strict=True)
        )
        differs = DIFFERS if differ(like, lower, upper) else ("", "")
        text_zh = (
            f"{if_zh}：情形相当的案件每100件{told_zh}{failed_zh}（{low}至{high}件）{now_zh}。"
            f"以往{like.done}件{whose_zh}案件{self.action.done_zh}，{seen_zh}。{differs[0]}"
            "这是以往的情况，并不说明是这样办带来的。"
        )
        text_en = (
            f"{if_en}: of cases in that state, {told_en} of 100 {failed_en} ({low} to {high}){now_en}. "
            f"Of {like.done:,} earlier cases {whose_en} {self.action.done_en}, "
            f"{seen_en}. {differs[1]}"
            "That is how such cases went; it does not say that doing so was the cause."
        )
        return WhatIf(
            self.action.name, self.outcome, self.before, after, (lower, upper), like.done,
            float("nan") if _is_small(like) else like.share, None, False,
            text_zh, text_en, f"{like.done}件{whose_zh}案件，{seen_zh}", f"{like.done:,} cases {whose_en}, {seen_en}",
        )  # fmt: skip

    def _now(self) -> Text:
        if np.isnan(self.before):
            return "", ""
        zh, en = of_100(self.before)
        return f"，目前{zh}", f"; as it stands, {en}"

    def _if(self) -> Text:
        moment = ("", "") if self.by is None else self._moment(self.by)
        return (
            self.action.if_zh.format(office=self.office[0], moment=moment[0]),
            self.action.if_en.format(office=self.office[1], moment=moment[1]),
        )

    def _moment(self, at: int) -> Text:
        local = datetime.fromtimestamp(at, UTC).astimezone(ZoneInfo(self.time_zone))
        return f"{local.month}月{local.day}日{local:%H:%M}", f"{local:%A} {local.day} {local:%B} {local:%H:%M}"
