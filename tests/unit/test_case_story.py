"""The story of a case: from whom to whom, how long the clock stood still, and where the deadline moved."""

from __future__ import annotations

from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest

from service.case_story import pauses_of, sentences, story_of
from service.dependencies import Telling
from service.language import words_of
from service.open_case import CaseEvent
from service.places import Name

HOUR, DAY = 3_600, 86_400
START = 1_767_225_600  # 1 January 2026, eight in the morning in Shanghai
AS_OF = START + 20 * DAY


def event(
    kind: str, days: float, *, office: str | None = None, due: float | None = None, later: float = 0
) -> CaseEvent:
    at = START + int(days * DAY)
    return CaseEvent(kind, at, at + int(later * DAY), office, None if due is None else START + int(due * DAY))


LIFE = [
    event("opened", 0, office="V", due=10),
    event("transferred", 1, office="V2"),
    event("paused", 2),
    event("resumed", 5, due=13),
    event("handed_up", 6, office="C", later=2),
    event("replied", 7, office="C"),
    event("paused", 19.5),
]


class NamedPlaces:
    """Two offices of one tier, and one above whose tier is known or not."""

    def __init__(self, tiers: dict[str, str] | None) -> None:
        self.tiers = {"V": "village", "V2": "village", "C": "county"} if tiers is None else tiers

    def name(self, _kind: str, code: str) -> Name:
        names = {"V": ("河村", "River"), "V2": ("山村", "Hill"), "C": ("县水务局", "County water")}
        return Name(code, *names[code])


def told(language: str, tiers: dict[str, str] | None = None) -> dict[int, list[str]]:
    places = NamedPlaces(tiers)
    snapshot = SimpleNamespace(places=places, time_zone=ZoneInfo("Asia/Shanghai"), as_of=AS_OF)
    telling = Telling(snapshot, words_of(language))
    return {step.place: sentences(telling, step) for step in story_of(LIFE, AS_OF)}


def test_each_act_says_what_it_changed():
    """A hand-over names both offices and their tiers; a pause its length and end; a moved deadline both moments."""
    assert told("en") == {
        0: [],
        1: ["From River to Hill, both of the village tier."],
        2: ["The clock stood still for 3 days, until 6 Jan 2026, 08:00."],
        3: ["Deadline moved from 11 Jan 2026, 08:00 to 14 Jan 2026, 08:00."],
        4: ["From Hill (village tier) to County water (county tier).", "known here from 9 Jan 2026, 08:00"],
        5: [],
        6: ["The clock has stood still since: 12 hours so far."],
    }


def test_it_is_told_in_chinese():
    """In the words of the glossary."""
    chinese = told("zh")
    assert chinese[1] == ["由河村转至山村，同为村级。"]
    assert chinese[2] == ["计时暂停3天，至2026年1月6日 08:00恢复。"]
    assert chinese[3] == ["时限由2026年1月11日 08:00改为2026年1月14日 08:00。"]
    assert chinese[4][0] == "由山村（村级）转至县水务局（县级）。"
    assert chinese[6] == ["计时自此暂停，至今12小时。"]


def test_where_a_tier_is_not_known_none_is_told():
    """Offices alone then."""
    assert told("en", {})[4][0] == "From Hill to County water."


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([], []),
        ([event("paused", 1), event("paused", 2), event("resumed", 4)], [(1, 4)]),
        ([event("paused", 1), event("closed", 3), event("reopened", 4), event("paused", 5)], [(1, 3), (5, 20)]),
        ([event("resumed", 1)], []),
        # Told of late: it counts from when it happened.
        ([event("resumed", 4), event("paused", 1, later=9)], [(1, 4)]),
        ([event("paused", 2), event("resumed", 2)], [(2, 2)]),
    ],
)
def test_pauses_go_from_their_beginning_to_what_ends_them(events, expected):
    """A second pause within one changes nothing, and one that nothing ended lasts until the scoring."""
    assert pauses_of(events, AS_OF) == [(START + a * DAY, START + b * DAY) for a, b in expected]


def test_a_deadline_that_is_only_confirmed_has_not_moved():
    """Nor has the first one."""
    steps = story_of([event("opened", 0, due=5), event("assigned", 1, office="V", due=5)], AS_OF)
    assert [step.due_before for step in steps] == [None, None]
    assert [step.from_office for step in steps] == [None, None]
