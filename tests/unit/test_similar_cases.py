"""What became of past cases like one: counted as they stood after as long a wait, told coarsely, and never a record."""

from __future__ import annotations

import json

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import FileFormatError
from data.event_log import known_before
from data.schema import EVENT_COLUMNS
from models.similar_cases import FEWEST, ROUNDED_TO, SMALL_CELL, SimilarCounts, SimilarTold
from service.language import words_of
from service.similar_told import _item

DAY = 86_400
START = 1_700_000_000
AS_OF = START + 100 * DAY


def one_case(
    number: int, *, office: str = "A", category: str = "lamp", closed: float = 4, due: float = 5
) -> list[dict]:
    """A case that was closed after some days, and promised after some."""
    at = START + 60 * number
    named = {"case_id": f"c{office}{category}{number}", "category": category, "category_group": "streets"}
    opened = {**named, "kind": "opened", "at": at, "known_at": at, "office": office, "due_at": at + int(due * DAY)}
    end = at + int(closed * DAY)
    return [opened, {"case_id": named["case_id"], "kind": "closed", "at": end, "known_at": end}]


def log(*cases: list[dict]) -> pd.DataFrame:
    """An event frame."""
    frame = pd.DataFrame([row for case in cases for row in case], columns=[*EVENT_COLUMNS])
    frame["due_at"] = frame["due_at"].astype("Int64")
    return frame.astype({name: "str" for name in EVENT_COLUMNS if name not in ("at", "known_at", "due_at")})


@pytest.fixture(scope="module")
def counts() -> SimilarCounts:
    """Forty lamps at A, of which 16 were late, 12 at B, none late; and 40 drains at B, all late."""
    lamps = [one_case(n, closed=6 if n < 16 else 4) for n in range(40)]
    few = [one_case(n, office="B") for n in range(12)]
    drains = [one_case(n, office="B", category="drain", closed=8) for n in range(40)]
    return SimilarCounts.of(log(*lamps, *few, *drains), as_of=AS_OF)


def asked(counts: SimilarCounts, *, category: str = "lamp", office: str = "A", days: float = 3):
    return counts.similar(
        ("late",), category=category, category_group="streets", office=office, seconds=int(days * DAY)
    )


def test_cases_are_counted_as_they_stood_after_as_long_a_wait(counts):
    """At three days all forty still waited; after five no promise lay ahead, so nobody asks about lateness."""
    found = asked(counts)
    assert (found.scope, found.waited) == ("type_at_office", 3)
    assert found.told == (SimilarTold("late", 40, 15, None),)
    assert asked(counts, days=3.9).waited == 3
    assert counts.counts["late"][("type_at_office", "lamp", "A", 3)] == (40, 16)
    assert ("type_at_office", "lamp", "A", 5) not in counts.counts["late"]
    # Those that were closed before have no say about a case that waits on.
    assert counts.counts["handed_up_28d"][("type_at_office", "lamp", "A", 5)] == (16, 0)


def test_cases_further_off_are_taken_where_there_are_too_few(counts):
    """Of the type at all offices, then of its group; and it is said which."""
    assert asked(counts, office="B").scope == "type"
    assert asked(counts, office="B").told[0].cases == 50
    group = asked(counts, category="sign", office="B")
    assert group.scope == "group"
    assert (group.told[0].cases, group.told[0].failed) == (90, 55)
    assert counts.similar(("late",), category="sign", category_group=None, office="B", seconds=0) is None


def test_nothing_that_became_known_later_has_a_say():
    """As of a moment at which a third of the cases had closed, counts are those of the log up to then."""
    events = log(*[one_case(n, closed=6 if n % 2 else 4) for n in range(60)])
    for as_of in (START + 4 * DAY + 600, START + 5 * DAY + 1800, START + 7 * DAY):
        whole = SimilarCounts.of(events, as_of=as_of)
        assert whole == SimilarCounts.of(known_before(events, as_of), as_of=as_of)
    early = SimilarCounts.of(events, as_of=START + 5 * DAY + 1800)
    # Only promises that had run out by then are known to be kept or broken.
    assert early.counts["late"][("type_at_office", "lamp", "A", 0)] == (30, 15)


@given(st.integers(0, 60), st.integers(0, 60))
def test_no_part_under_ten_is_ever_told(late, in_time):
    """Neither the failed nor the others, nor their difference; and what is told is in fives."""
    counts = SimilarCounts({"late": {("type", "lamp", "", 0): (late + in_time, late)}})
    found = counts.similar(("late",), category="lamp", category_group=None, office=None, seconds=0)
    if late + in_time < FEWEST:
        assert found is None
        return
    told = found.told[0]
    assert told.cases % ROUNDED_TO == 0
    assert abs(told.cases - late - in_time) <= 2
    if min(late, in_time) < SMALL_CELL:
        assert told.failed is None
        assert told.few == ("few" if late < SMALL_CELL else "all_but_few")
    else:
        assert told.few is None
        assert abs(told.failed - late) <= 2
        assert told.failed % ROUNDED_TO == 0


OF_40 = "Of about 40 cases of this type at this office that had waited 3 days or longer,"
ZH_40 = "本单位同类中已等待3天及以上的案件约40件，"


@pytest.mark.parametrize(
    ("late", "english", "chinese"),
    [
        (16, "about 15 were answered late.", "其中约15件超期答复。"),
        (9, "fewer than 10 were answered late.", "其中不足10件超期答复。"),
        (31, "all but fewer than 10 were answered late.", "除不足10件外均超期答复。"),
    ],
)
def test_it_is_told_in_a_sentence(late, english, chinese):
    """In both languages."""
    counts = SimilarCounts({"late": {("type_at_office", "lamp", "A", 3): (40, late)}})
    found = asked(counts)
    assert _item(words_of("en"), found).sentence == f"{OF_40} {english}"
    assert _item(words_of("zh"), found).sentence == f"{ZH_40}{chinese}"


def test_that_the_circle_was_widened_is_said(counts):
    """Beside what the counts are."""
    note = _item(words_of("en"), asked(counts, office="B")).note
    assert note.startswith("There were too few at this office alone. Opened in the last three years")


def test_counts_survive_their_file(counts):
    """And a damaged one is refused with what to do."""
    plain = json.loads(json.dumps(counts.to_plain()))
    assert SimilarCounts.from_plain(plain) == counts
    with pytest.raises(FileFormatError, match=r"Expected counts of past cases, and they are damaged. Run `heed score`"):
        SimilarCounts.from_plain({**plain, "cases": plain["cases"][:-1]})
