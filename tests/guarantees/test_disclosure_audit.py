"""The guarantee of the disclosure function, attacked in three ways.

1. A linear programme over everything a reader of one release can know (`tests.support.attacker`).
2. A reader who knows the program as well: among all tables that would be shown in exactly the same way,
   which values does a withheld small figure take?
3. A reader of two releases 28 days apart, for the backlog, which is in both.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from service._suppression import build_tree, with_total, withhold
from service.disclosure import AREA_PRESSURE, Rules, disclose
from tests.support.attacker import (
    COUNTS,
    FIGURES,
    MINIMUM,
    Finding,
    Knowledge,
    Table,
    add_up,
    attack,
    is_too_tight,
    random_cells,
    random_table,
    small_figures,
)

RULES = Rules(
    counts=COUNTS,
    attached={"backlog": ("expected_late",), "overdue": ("expected_late",)},
    relations=AREA_PRESSURE.relations,
)
Release = Callable[[Table], pd.DataFrame]


def released(table: Table) -> pd.DataFrame:
    return disclose(table.frame, RULES, parent=table.parent, size=table.size)


def without_relations(table: Table) -> pd.DataFrame:
    """A weaker engine: every column by itself, as if overdue cases were not open cases."""
    return disclose(table.frame, replace(RULES, relations=()), parent=table.parent, size=table.size)


def with_expectation_by_backlog_alone(table: Table) -> pd.DataFrame:
    """A weaker engine: the expected late cases stay where the overdue ones, which are among them, are withheld."""
    rules = replace(RULES, attached={"backlog": ("expected_late",)})
    return disclose(table.frame, rules, parent=table.parent, size=table.size)


def primary_only(table: Table) -> pd.DataFrame:
    """A much weaker engine: small figures are withheld and nothing else is."""
    frame = table.frame
    return frame.assign(**{column: frame[column].where(frame[column] >= MINIMUM) for column in FIGURES})


def with_smallest_sibling(table: Table) -> pd.DataFrame:
    """A weaker engine, often seen: one small figure in a group takes the next smallest sibling with it."""
    frame = primary_only(table)
    above = frame["unit"].map(table.parent).fillna("")
    for column, (_, rows) in itertools.product(COUNTS, frame.groupby(above)):
        shown = rows[column].dropna()
        if len(rows) - len(shown) == 1 and len(shown):
            frame.loc[shown.idxmin(), column] = np.nan
    return frame


def audit(release: Release, *, tables: int, seed: int) -> tuple[int, int, list[Finding]]:
    """Attack random tables; returns small figures attacked, stand-ins attacked, and what was found."""
    rng = np.random.default_rng(seed)
    verdicts = [attack(table, release(table)) for table in (random_table(rng) for _ in range(tables))]
    found = [finding for verdict in verdicts for finding in verdict.found]
    return sum(one.small for one in verdicts), sum(one.stand_ins for one in verdicts), found


def test_of_40_random_tables_no_small_figure_can_be_bounded_more_tightly_than_the_minimum_bounds_it():
    """To the linear programme every small figure could still be anything from 0 to 9."""
    small, stand_ins, found = audit(released, tables=40, seed=20)
    assert found == []
    assert small > 520
    assert stand_ins > 120


@pytest.mark.slow
def test_of_10_000_random_tables_no_small_figure_can_be_bounded_more_tightly_than_the_minimum_bounds_it():
    """The quick audit holds on other tables, and on many of them."""
    small, stand_ins, found = audit(released, tables=10_000, seed=7)
    assert small > 130_000
    assert stand_ins > 40_000
    assert found == []


@pytest.mark.parametrize(
    ("release", "exactly"),
    [
        (primary_only, True),
        (with_smallest_sibling, True),
        (without_relations, True),
        (with_expectation_by_backlog_alone, False),
    ],
)
def test_the_same_audit_catches_a_weakened_engine(release, exactly):
    """An audit that finds nothing means something only if it finds what is there to be found."""
    _, _, found = audit(release, tables=30, seed=20)
    assert len(found) >= 5
    assert any(finding.exact for finding in found) == exactly


# -- the reader who knows the program
# ---------------------------------------------------------------------------

SHAPES = {
    "three areas": (dict.fromkeys("abc"), 4, 16),
    "five areas": (dict.fromkeys("abcde"), 3, 11),
    "two towns": (
        {"east": None, "west": None, "e1": "east", "e2": "east", "w1": "west", "w2": "west"},
        3,
        16,
    ),
    "towns of three and one": (
        {
            "city": None,
            "east": "city",
            "west": "city",
            "e1": "east",
            "e2": "east",
            "e3": "east",
            "w1": "west",
        },
        *(3, 16),
    ),
    "a town beside areas": (
        {"a": None, "b": None, "east": None, "e1": "east", "e2": "east", "e3": "east"},
        *(3, 13),
    ),
    "areas of two towns, neither with a row": ({"a": "x", "b": "x", "c": "y", "d": "y"}, 3, 12),
    "a town alone": ({"town": None, "a": "town", "b": "town", "c": "town", "d": "town"}, 4, 14),
}


def all_tables(units: int, up_to: int) -> Iterator[tuple[int, ...]]:
    """All ways to spread at most `up_to` cases over the units at the bottom."""
    for bars in itertools.combinations(range(up_to + units), units):
        ends = (-1, *bars)
        yield tuple(later - earlier - 1 for earlier, later in itertools.pairwise(ends))


def known_to_one_who_knows_the_program(
    parent: dict[str, str | None], minimum: int, up_to: int, suppress: Callable[..., list[bool]] = withhold
) -> list[tuple[str, int, set[int]]]:
    """Each small figure of each table of at most `up_to` cases, with all the values that it could have."""
    units = list(parent)
    bottom = [unit for unit in units if unit not in parent.values()]
    tree = build_tree(units, parent, {})
    alike: dict[tuple[int | None, ...], list[tuple[int, ...]]] = defaultdict(list)
    for values in all_tables(len(bottom), up_to):
        at_bottom = {unit: {"backlog": value} for unit, value in zip(bottom, values, strict=True)}
        figures = [figure["backlog"] for figure in add_up(parent, at_bottom).values()]
        hidden = suppress(tree, with_total(tree, figures), minimum)
        shown = [None if flag else figure for flag, figure in zip(hidden, figures, strict=False)]
        # The sum of all is known unless it is small, so tables that are shown alike have the same one.
        alike[(sum(values) if sum(values) >= minimum else None, *shown)].append(tuple(figures))
    return [
        (unit, table[place], possible)
        for tables in alike.values()
        for place, unit in enumerate(units)
        for possible in [{table[place] for table in tables}]
        for table in tables
        if table[place] < minimum
    ]


@pytest.mark.parametrize("shape", SHAPES)
def test_who_knows_the_program_learns_nothing_more(shape):
    """Over all tables that are shown alike, a withheld small figure takes every value below the minimum."""
    parent, minimum, up_to = SHAPES[shape]
    tries = known_to_one_who_knows_the_program(parent, minimum, up_to)
    assert len(tries) > 500
    assert [(unit, value, seen) for unit, value, seen in tries if not set(range(minimum)) <= seen] == []


def smallest_siblings(tree, figures, minimum):
    """The usual rule: the smallest ones stand in until two are withheld and enough is unseen."""
    hidden = [figure is None or figure < minimum for figure in figures]
    group = sorted(tree.children[tree.root], key=lambda place: figures[place])
    for place in group:
        withheld = [figures[other] for other in group if hidden[other]]
        if withheld and (len(withheld) < 2 or sum(withheld) < minimum - 1):
            hidden[place] = True
    return hidden


def test_who_knows_the_program_would_see_through_the_usual_rule():
    """Had the smallest sibling stood in, its being the smallest would have told on the small one."""
    tries = known_to_one_who_knows_the_program(dict.fromkeys("abc"), 4, 16, suppress=smallest_siblings)
    assert any(not set(range(4)) <= possible for _, _, possible in tries)


# -- two releases
# -----------------------------------------------------------------------------------------------


def next_release(rng: np.random.Generator, table: Table) -> Table:
    """The same areas 28 days later: what was open then is what is there at the beginning."""
    bottom = {}
    for unit in table.bottom():
        inflow, stay = int(rng.poisson(rng.choice([1, 8, 30]))), rng.choice([0.2, 0.8])
        before = int(table.truth[unit]["backlog"])
        bottom[unit] = random_cells(rng, before, inflow, stay=stay, late=0.3)
    return Table(table.parent, add_up(table.parent, bottom), table.listed, table.size)


def found_from_two_releases(table: Table, later: Table) -> list[Finding]:
    """Attack the small backlogs of the first release with both at hand."""
    knowledge = Knowledge(table)
    knowledge.learn(table, released(table))
    names = {column: f"{column} later" for column in FIGURES}
    knowledge.learn(later, released(later), names)
    terms = {"backlog": 1, "inflow_28d": -1, "outflow_28d": 1}
    for unit in table.bottom():
        same = knowledge.form(unit, terms, names) | {(unit, "backlog"): -1.0}
        knowledge.equal.append((same, 0.0))
    small = small_figures(table, {"backlog": {"backlog": 1}})
    if not small:
        return []
    bounds = knowledge.bounds([knowledge.form(unit, {"backlog": 1}) for unit, _ in small])
    found = [Finding(unit, name, float(a), float(b)) for (unit, name), (a, b) in zip(small, bounds, strict=True)]
    return [finding for finding in found if is_too_tight(finding.low, finding.high)]


@pytest.mark.parametrize("tables", [40, pytest.param(2_000, marks=pytest.mark.slow)])
def test_a_small_backlog_stays_safe_when_it_comes_back_as_the_backlog_before(tables):
    """From two releases 28 days apart no small backlog of the first can be bounded too tightly."""
    rng = np.random.default_rng(28)
    found = []
    for _ in range(tables):
        table = random_table(rng)
        found += found_from_two_releases(table, next_release(rng, table))
    assert found == []
