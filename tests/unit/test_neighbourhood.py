"""Facts under the areas beside theirs: a sum over them is a sum over the neighbours."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.facts import KEY_COLUMNS, Facts
from features.neighbourhood import near_facts

# "D" lies beside areas that have no case of their own.
TOWN = {"A": ("B", "C"), "B": ("A",), "C": ("A", "D"), "D": ("C", "E"), "E": ("D",), "F": ()}


def facts_of(rows: list[tuple[int, str | None, str | None, int]], *, categories: bool) -> Facts:
    """Facts from (moment, area, category, change)."""
    keys = pd.DataFrame({name: pd.Series([None] * len(rows), dtype="str") for name in KEY_COLUMNS})
    keys["area"] = pd.Series([row[1] for row in rows], dtype="str")
    keys["category"] = pd.Series([row[2] for row in rows], dtype="str")
    if categories:
        keys = keys.astype("category")
    at = np.array([row[0] for row in rows], dtype=np.int64)
    change = np.array([row[3] for row in rows], dtype=np.int64)
    return Facts(at, keys, {"n": np.ones(len(rows), dtype=np.int64), "change": change})


def listed(facts: Facts) -> list[tuple[int, str | None, str | None, int]]:
    """Facts as (moment, area, category, change), null as None."""
    columns = [facts.keys[name].astype("object").where(facts.keys[name].notna(), None) for name in ("area", "category")]
    return list(zip(facts.at.tolist(), *(column.tolist() for column in columns), facts.measures["change"].tolist(),
                    strict=True))  # fmt: skip


_areas = st.sampled_from(["A", "B", "C", "F", "unknown", None])
_rows = st.lists(
    st.tuples(st.integers(1, 5), _areas, st.sampled_from(["drain", None]), st.sampled_from([1, -1, 7])), max_size=12
)
_maps = st.dictionaries(
    st.sampled_from("ABCDEF"), st.lists(st.sampled_from("ABCDEF"), max_size=4).map(tuple), max_size=6
)


@settings(max_examples=30)
@given(rows=_rows, adjacency=_maps, categories=st.booleans())
def test_facts_are_filed_under_every_area_beside_theirs(rows, adjacency, categories):
    """As loops do it: once for each area that names theirs, never under their own, in their order."""
    expected = [
        (at, here, category, change)
        for at, area, category, change in rows
        for here in sorted(adjacency)
        if here != area and area in adjacency[here]
    ]
    near = near_facts(facts_of(rows, categories=categories), adjacency)
    assert listed(near) == expected
    assert near.measures["n"].tolist() == [1] * len(expected)


@settings(max_examples=20)
@given(rows=_rows, t=st.integers(1, 6), categories=st.booleans())
def test_a_sum_beside_an_area_is_the_sum_over_its_neighbours(rows, t, categories):
    """For every area, also one without a case of its own."""
    facts = facts_of(rows, categories=categories)
    near = near_facts(facts, TOWN)
    for area, beside in TOWN.items():
        own = sum(change for at, here, _, change in listed(near) if here == area and at < t)
        assert own == sum(change for at, here, _, change in rows if here in beside and at < t)


def test_every_key_keeps_its_type():
    """Categories stay categories, their own first; text stays text; moments and measures stay 64-bit integers."""
    rows = [(5, "C", "drain", 2), (6, None, "light", 1)]
    near = near_facts(facts_of(rows, categories=True), TOWN)
    assert near.keys["area"].cat.categories.tolist() == ["C", "A", "B", "D", "E", "F"]
    assert near.keys["category"].cat.categories.tolist() == ["drain", "light"]
    assert near.keys.columns.tolist() == [*KEY_COLUMNS]
    assert near.keys.index.tolist() == [0, 1]
    assert {near.at.dtype, *(values.dtype for values in near.measures.values())} == {np.dtype("int64")}
    text = near_facts(facts_of(rows, categories=False), TOWN)
    assert str(text.keys["area"].dtype) == "str"
    assert text.keys["area"].tolist() == ["A", "D"]


@pytest.mark.parametrize("categories", [True, False])
@pytest.mark.parametrize(
    ("rows", "adjacency"),
    [([], TOWN), ([(1, "A", None, 1)], {}), ([(1, "A", None, 1)], {"A": ()}), ([(1, None, None, 1)], TOWN), ([], {})],
)
def test_nothing_lies_beside_nothing(rows, adjacency, categories):
    """No facts, no map, an area alone, a fact without an area: a table without a row, with all its columns."""
    near = near_facts(facts_of(rows, categories=categories), adjacency)
    assert len(near.at) == 0
    assert near.keys.columns.tolist() == [*KEY_COLUMNS]
    assert set(near.measures) == {"n", "change"}


def test_an_area_is_not_beside_itself_and_no_neighbour_counts_twice():
    """Whatever a map says."""
    near = near_facts(facts_of([(1, "A", None, 1)], categories=True), {"A": ("A", "B"), "B": ("A", "A")})
    assert listed(near) == [(1, "B", None, 1)]
