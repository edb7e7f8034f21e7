"""What an office can do with a case, as events of its own log."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from data.schema import EventKind

Text = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Action:
    """One thing that an office can do.

    Attributes
    ----------
    name : snake_case
    kind : of the event that records it
    needs_office : whether it names another office
    needs_moment : whether it is done by a moment that is given, instead of now
    if_zh, if_en : "if the office replies now", the first half of the sentence; `{office}` and `{moment}` are filled in
    done_zh, done_en : "in which the office replied": said of the cases where it was done
    """

    name: str
    kind: EventKind
    needs_office: bool
    needs_moment: bool
    if_zh: str
    if_en: str
    done_zh: str
    done_en: str


# Handing a case up a tier is not among them: it is one of the failures that are told. Nor is anything that moves a
# deadline, changes what a case is called, or takes it away from the list.
ACTIONS: Final[dict[str, Action]] = {
    action.name: action
    for action in (
        Action(
            "reply", EventKind.REPLIED, False, False,
            "若现在先作答复", "If the office replies now",
            "在相近时点作过答复", "in which the office replied at about this point",
        ),
        Action(
            "hand_over", EventKind.TRANSFERRED, True, False,
            "若现在转交{office}", "If it is handed over to {office} now",
            "在相近时点转交过", "which were handed over at about this point",
        ),
        Action(
            "resume", EventKind.RESUMED, False, False,
            "若现在恢复计时", "If its clock is restarted now",
            "在相近时点恢复过计时", "whose clock was restarted at about this point",
        ),
        Action(
            "answer_by", EventKind.CLOSED, False, True,
            "若在{moment}前办结", "If it is closed by {moment}",
            "在相近时点办结", "which were closed at about this point",
        ),
    )
}  # fmt: skip
