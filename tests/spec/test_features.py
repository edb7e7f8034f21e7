"""Features as specification: a small log drawn as a table, a question, and the answer worked out by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from features.event_index import EventIndex, IndexTerms, Queries
from features.facts import KEY_COLUMNS, facts_from_events
from features.records import Records, expit
from features.terms import Term
from tests.support.logs import event_frame

DAY = 86_400
START = 1_704_067_200  # 2024-01-01T00:00Z


def log(table: str) -> pd.DataFrame:
    """Read `case | kind | day | category | due`, days since 1 January 2024, decimals allowed."""
    rows = []
    for line in table.strip().splitlines()[1:]:
        case, kind, day, category, due = (cell.strip() for cell in line.split("|"))
        at = START + round(float(day) * DAY)
        rows.append(
            {
                "case_id": case,
                "kind": kind,
                "at": at,
                "known_at": at,
                "category": category or None,
                "due_at": START + round(float(due) * DAY) if due else None,
            }
        )
    return event_frame(rows)


def ask(table: str, day: float, category: str | None = "drain") -> tuple[EventIndex, Queries]:
    keys = pd.DataFrame([{**dict.fromkeys(KEY_COLUMNS), "category": category}])
    at = np.array([START + round(day * DAY)])
    return EventIndex.build(facts_from_events(log(table))), Queries(at, keys)


FOUR_DRAINS = """
    case | kind   | day | category | due
    A1   | opened | 1   | drain    | 11
    A1   | closed | 4   |          |
    A2   | opened | 2   | drain    | 12
    A3   | opened | 3   | drain    | 13
    A3   | closed | 20  |          |
    A4   | opened | 20  | drain    | 30
"""


@pytest.mark.parametrize(("day", "backlog"), [(1, 0), (3.5, 3), (5, 2), (20, 2), (20.5, 2), (40, 2)])
def test_backlog_counts_what_is_open_strictly_before(day, backlog):
    """A3 closes at day 20, when A4 opens; at day 20 itself neither is known."""
    index, queries = ask(FOUR_DRAINS, day)
    assert index.sums("balance", ["open"], ("category",), queries, None)["open"][0] == backlog


@pytest.mark.parametrize(("day", "n", "late"), [(11, 0, 0), (11.1, 1, 0), (12.1, 2, 1), (13.1, 3, 2), (40, 4, 3)])
def test_promises_are_judged_when_they_fall_due(day, n, late):
    """A1 was kept; A2, A3 and A4 were broken on the day they fell due, though A3 was answered later."""
    index, queries = ask(FOUR_DRAINS, day)
    sums = index.sums("matured", ["n", "late"], ("category",), queries, None)
    assert (sums["n"][0], sums["late"][0]) == (n, late)


def test_overdue_cases_are_those_still_unanswered():
    """At day 15 A2 and A3 are overdue; at day 25 A3 has been answered."""
    for day, overdue in ((15, 2), (25, 1)):
        index, queries = ask(FOUR_DRAINS, day)
        assert index.sums("overdue", ["overdue"], ("category",), queries, None)["overdue"][0] == overdue


def test_the_window_is_half_open():
    """[t - 7 d, t): the promise of day 12 counts at day 19 exactly, and not a second later."""
    index, queries = ask(FOUR_DRAINS, 19)
    assert index.sums("matured", ["n"], ("category",), queries, 7 * DAY)["n"][0] == 2
    later = Queries(queries.at + 1, queries.keys)
    assert index.sums("matured", ["n"], ("category",), later, 7 * DAY)["n"][0] == 1


def test_the_newest_two_promises_are_the_newest_two():
    """`newest` counts facts and not days."""
    source = IndexTerms(*ask(FOUR_DRAINS, 13.1))
    assert source.term(Term("matured", "late", ("category",), newest=2))[0] == 2
    assert source.term(Term("matured", "n", ("category",), newest=30))[0] == 3


def test_a_record_without_history_is_the_citys_prior():
    """Before anything is known, one promise in four is taken to be broken."""
    index, queries = ask(FOUR_DRAINS, 1)
    assert Records(IndexTerms(index, queries)).matured("category", None)[0] == pytest.approx(0.25)


def test_a_record_is_shrunken_as_worked_out_by_hand():
    """City: (3 + 4·¼)/(4 + 4) = ½; the promise is unknown and stays ½; drain: (3 + 5·½)/(4 + 5)."""
    index, queries = ask(FOUR_DRAINS, 40)
    records = Records(IndexTerms(index, queries))
    assert records.matured("city", None)[0] == pytest.approx(1 / 2)
    assert records.matured("promise", None)[0] == pytest.approx(1 / 2)
    assert records.matured("category", None)[0] == pytest.approx(5.5 / 9)


def test_a_never_seen_category_has_its_parents_record():
    """A new type of problem is told by what is like it."""
    index, queries = ask(FOUR_DRAINS, 40, category="lift")
    records = Records(IndexTerms(index, queries))
    assert records.level("category")[0] == pytest.approx(records.level("promise")[0])


def test_near_instant_closings_are_neither_work_nor_record():
    """A case closed within a minute was never waited for."""
    table = """
        case | kind   | day     | category | due
        A1   | opened | 1       | drain    | 2
        A1   | closed | 1.0005  |          |
        A2   | opened | 1       | drain    | 2
        A2   | closed | 1.5     |          |
    """
    index, queries = ask(table, 30)
    assert index.sums("arrivals", ["n"], ("category",), queries, None)["n"][0] == 1
    assert index.sums("closures", ["n"], ("category",), queries, None)["n"][0] == 1
    assert index.sums("matured", ["n", "late"], ("category",), queries, None)["n"][0] == 1


def test_the_life_table_learns_before_promises_fall_due():
    """Ten cases closed at a tenth of a long promise make the category look prompt long before it matures."""
    lines = ["case | kind | day | category | due"]
    for i in range(10):
        lines += [f"B{i} | opened | {1 + i / 100} | road | 101", f"B{i} | closed | {10 + i / 100} | |"]
    index, queries = ask("\n".join(lines), 60, category="road")
    records = Records(IndexTerms(index, queries))
    assert records.matured("category", None)[0] == pytest.approx(0.25)
    assert records.life_table("category", None)[0] < 0.15
    assert expit(records.level("category"))[0] < 0.25
