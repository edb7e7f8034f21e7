"""What the page of a case shows of its past and of cases like it, and what can be asked of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from operator import attrgetter
from pathlib import Path
from typing import Any, Final, Literal

from babel.dates import format_date

from models.what_if import ACTIONS
from service.case_story import Step, pauses_of, sentences, story_of
from service.dashboard.show import Show, names_sorted
from service.dependencies import Telling
from service.language import Words, marked
from service.open_case import CaseEvent, OpenCase
from service.similar_told import similar_item
from service.what_ifs import Question, days_ahead

# What a button of a question says.
NAMES: Final = {
    "reply": marked("replied now"),
    "hand_over": marked("handed it over now"),
    "resume": marked("restarted its clock now"),
    "answer_by": marked("closed it by then"),
}


@dataclass(frozen=True, slots=True)
class Entry:
    """A place in the story: an act with what it changed, the deadline, or the moment of the scoring."""

    at: int
    what: Literal["act", "scored", "due"]
    step: Step | None = None
    told: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Asks:
    """The questions that can be asked of a case, and the one that was."""

    actions: tuple[str, ...]
    names: dict[str, str]
    offices: list[tuple[str, str]]
    days: list[tuple[str, str]]
    action: str | None
    office: str | None
    by: str | None


def case_past(telling: Telling, case: OpenCase, events: Sequence[CaseEvent], index_folder: Path) -> dict[str, Any]:
    """The values of `_case_timeline.html`, `_case_similar.html` and `_case_what_if.html`."""
    return {
        "story": story_entries(telling, case, events),
        "similar": similar_item(telling, case, index_folder),
        "asks": asks_of(telling, case, events),
    }


def story_entries(telling: Telling, case: OpenCase, events: Sequence[CaseEvent]) -> list[Entry]:
    """The acts in the order in which they happened, with the deadline and the scoring in their places."""
    as_of = telling.snapshot.as_of
    steps = story_of(events, as_of)
    entries = [Entry(step.event.at, "act", step, tuple(sentences(telling, step))) for step in steps]
    entries.append(Entry(as_of, "scored"))
    if case.due_at is not None:
        entries.append(Entry(case.due_at, "due"))
    return sorted(entries, key=attrgetter("at"))


def asks_of(telling: Telling, case: OpenCase, events: Sequence[CaseEvent], asked: Question | None = None) -> Asks:
    """What can be asked of a case; whether a clock can be restarted depends on its events."""
    show, words, snapshot = Show(telling), telling.words, telling.snapshot
    stands = any(end >= snapshot.as_of for _start, end in pauses_of(events, snapshot.as_of))
    others = {code: show.place("office", code) for code in snapshot.places.offices if code != case.office}
    actions = tuple(name for name in ACTIONS if (name != "resume" or stands) and (name != "hand_over" or others))
    days = days_ahead(snapshot.as_of, telling.time_zone)
    return Asks(
        actions=actions,
        names={name: words.gettext(NAMES[name]) for name in ACTIONS},
        offices=names_sorted(others),
        days=[(day.isoformat(), day_name(words, day)) for day in days],
        action=None if asked is None else asked.action,
        office=None if asked is None else asked.office,
        by=None if asked is None or asked.by is None else asked.by.isoformat(),
    )


def day_name(words: Words, day: date) -> str:
    """A day with its weekday and without its year."""
    return str(format_date(day, "M月d日 EEE" if words.language == "zh" else "EEE d MMM", locale=words.locale))
