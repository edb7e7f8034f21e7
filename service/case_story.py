"""What the offices did with a case, told so that it can be followed: from whom to whom, how long the clock stood still,
and where the deadline moved.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from data.service_clock_runs import PAUSE_ENDS
from service import display
from service.dependencies import Telling
from service.language import Words, marked
from service.open_case import CaseEvent

_DAY: Final = 86_400
_ENDS: Final = frozenset(kind.value for kind in PAUSE_ENDS)
TIERS: Final = {
    "village": marked("village tier"),
    "town": marked("town tier"),
    "county": marked("county tier"),
    "city": marked("city tier"),
}


@dataclass(frozen=True, slots=True)
class Step:
    """One act of an office, with what it changed. Moments are seconds in UTC.

    Attributes
    ----------
    event : the act
    place : its place among the events as they became known
    from_office : the office that was responsible before, where this act made another one so; None where it did not
    due_before : the promise that stood before, where this act moved it; None where it did not
    stopped_until : of a pause: when the clock went on, or the as-of where it still stands; None for other acts
    stands_still : whether the clock still stood at the as-of
    """

    event: CaseEvent
    place: int
    from_office: str | None
    due_before: int | None
    stopped_until: int | None
    stands_still: bool

    @property
    def stopped_for(self) -> int | None:
        """For how many seconds a pause stopped the clock; None for other acts."""
        return None if self.stopped_until is None else self.stopped_until - self.event.at


def story_of(events: Sequence[CaseEvent], as_of: int) -> list[Step]:
    """The acts on a case, in the order in which they became known.

    Parameters
    ----------
    events : as `service.reads.Reads.timeline` gives them
    as_of : seconds in UTC; a pause that nothing ended lasts until then
    """
    pauses = dict(pauses_of(events, as_of))
    ended = {end for _start, end in _ended(events)}
    office: str | None = None
    due: int | None = None
    steps = []
    for place, event in enumerate(events):
        moved = event.office is not None and office is not None and event.office != office
        changed = event.due_at is not None and due is not None and event.due_at != due
        until = pauses.pop(event.at, None) if event.kind == "paused" else None
        steps.append(
            Step(
                event=event,
                place=place,
                from_office=office if moved else None,
                due_before=due if changed else None,
                stopped_until=until,
                stands_still=until is not None and until not in ended,
            )
        )
        office, due = event.office or office, event.due_at or due
    return steps


def pauses_of(events: Sequence[CaseEvent], as_of: int) -> list[tuple[int, int]]:
    """The spans in which the clock of an open case stood still, in order; one that nothing ended lasts until the as-of.

    Each is (from, to) in seconds in UTC.
    """
    found = list(_ended(events))
    begun = _standing(events)
    return found if begun is None else [*found, (begun, max(as_of, begun))]


def _ended(events: Sequence[CaseEvent]) -> Iterator[tuple[int, int]]:
    begun: int | None = None
    for event in _as_it_happened(events):
        if event.kind == "paused" and begun is None:
            begun = event.at
        elif event.kind in _ENDS and begun is not None:
            yield begun, event.at
            begun = None


def _standing(events: Sequence[CaseEvent]) -> int | None:
    """Since when the clock stands still; None where it runs."""
    begun: int | None = None
    for event in _as_it_happened(events):
        if event.kind == "paused" and begun is None:
            begun = event.at
        elif event.kind in _ENDS:
            begun = None
    return begun


def _as_it_happened(events: Sequence[CaseEvent]) -> list[CaseEvent]:
    # Of one second, what begins a pause comes before what ends it.
    return sorted(events, key=lambda event: (event.at, event.kind in _ENDS))


def sentences(telling: Telling, step: Step) -> list[str]:
    """What an act changed, in words: nothing where its name says all."""
    words, zone = telling.words, telling.time_zone
    told = []
    if step.event.office is not None and step.from_office is not None:
        told.append(_handed(telling, step.from_office, step.event.office))
    if step.due_before is not None and step.event.due_at is not None:
        before, after = (display.moment(words, ts, zone) for ts in (step.due_before, step.event.due_at))
        told.append(words.gettext("Deadline moved from %(before)s to %(after)s.", before=before, after=after))
    if step.stopped_until is not None and step.stopped_for is not None:
        stood = span(words, step.stopped_for)
        until = display.moment(words, step.stopped_until, zone)
        if step.stands_still:
            told.append(words.gettext("The clock has stood still since: %(span)s so far.", span=stood))
        else:
            stopped = {"span": stood, "moment": until}
            told.append(words.gettext("The clock stood still for %(span)s, until %(moment)s.", **stopped))
    if step.event.known_at - step.event.at > _DAY:
        known = display.moment(words, step.event.known_at, zone)
        told.append(words.gettext("known here from %(moment)s", moment=known))
    return told


def _handed(telling: Telling, before: str, after: str) -> str:
    words, places = telling.words, telling.snapshot.places
    names = {name: display.place(words, places, "office", code) for name, code in (("a", before), ("b", after))}
    low, high = places.tiers.get(before), places.tiers.get(after)
    if low is None or high is None:
        return words.gettext("From %(a)s to %(b)s.", **names)
    tiers = {"tier_a": display.word(words, TIERS, low), "tier_b": display.word(words, TIERS, high)}
    if low == high:
        return words.gettext("From %(a)s to %(b)s, both of the %(tier_a)s.", **names, **tiers)
    return words.gettext("From %(a)s (%(tier_a)s) to %(b)s (%(tier_b)s).", **names, **tiers)


def span(words: Words, seconds: int) -> str:
    """A time in days from two days on, in hours below, in minutes below one."""
    if seconds >= 2 * _DAY:
        return words.ngettext("%(n)d day", "%(n)d days", seconds // _DAY)
    if seconds >= 3_600:
        return words.ngettext("%(n)d hour", "%(n)d hours", seconds // 3_600)
    return words.ngettext("%(n)d minute", "%(n)d minutes", seconds // 60)
