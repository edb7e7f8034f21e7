"""What was posted, as the state of each case at the moment asked about.

Nothing of it is stored or logged, and what is wrong with it is told by place and never by content.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from data.event_log import NEVER
from features.one_case import OneCase, OneEvent, step_code
from service.identity import Identity
from service.language import marked
from service.problems import BodyProblem, ForbiddenError, UnfitBodyError
from service.risk_payloads import CaseEvent, PostedCase

_NO_OPENING = marked("an event 'opened' that was known before the moment asked about")
_KNOWN_TOO_EARLY = marked("a moment no earlier than `at` of the same event")
_TOO_MANY = marked("at most %(most)s cases; send the rest in a call of its own")
_ELSEWHERE = marked("Expected cases of your own offices only, and another office is responsible for at least one.")


def require_few(cases: Sequence[PostedCase], most: int) -> None:
    """Refuse more cases than are taken at once.

    Raises
    ------
    UnfitBodyError
        If there are more.
    """
    if len(cases) > most:
        raise UnfitBodyError([BodyProblem("cases", _TOO_MANY, {"most": f"{most:,}"})])


def states_of(cases: Sequence[PostedCase], as_of: int) -> list[OneCase]:
    """The state of each case, from what was known of it strictly before a moment (seconds in UTC); in their order.

    Raises
    ------
    UnfitBodyError
        If an event was known before it happened, or a case had no opening by then; naming all places.
    """
    wrong: list[BodyProblem] = []
    found = []
    for place, case in enumerate(cases):
        events = []
        for number, posted in enumerate(case.events):
            event = _event(posted)
            if event.known_at < event.at:
                wrong.append(BodyProblem(f"cases[{place}].events[{number}].known_at", _KNOWN_TOO_EARLY))
            events.append(event)
        state = OneCase.of(events, as_of)
        if state.opened_known_at == NEVER:
            wrong.append(BodyProblem(f"cases[{place}].events", _NO_OPENING))
        found.append(state)
    if wrong:
        raise UnfitBodyError(wrong)
    return found


def require_own(cases: Sequence[OneCase], identity: Identity) -> None:
    """Refuse cases that another office is responsible for at the moment asked about.

    Raises
    ------
    ForbiddenError
        If the asker may not read the cases of one of these offices.
    """
    if identity.offices is not None and not all(identity.sees_office(case.office) for case in cases):
        raise ForbiddenError(_ELSEWHERE)


def seconds_of(moment: datetime) -> int:
    """Whole seconds since 1970 in UTC."""
    return int(moment.timestamp())


def _event(posted: CaseEvent) -> OneEvent:
    at = seconds_of(posted.at)
    return OneEvent(
        at if posted.known_at is None else seconds_of(posted.known_at),
        at,
        step_code(posted.kind),
        NEVER if posted.due_at is None else seconds_of(posted.due_at),
        posted.category,
        posted.category_group,
        posted.area,
        posted.channel,
        posted.office,
    )
