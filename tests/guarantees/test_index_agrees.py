"""A history of 100,000 cases asked in every way of one process: in bulk, in pieces, merged, from files, online."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from data.event_log import NEVER
from features.event_index import EventIndex, IndexTerms, Queries
from features.facts import KEY_COLUMNS, Facts
from features.online import OnlinePlan
from features.terms import in_order
from features.windows import WINDOW_FEATURES, window_terms
from tests.support.window_city import WindowCity, read_facts, read_queries, ready_city
from tests.support.window_oracle import brute_force

DAY = 86_400
TERMS = in_order(window_terms())


@pytest.fixture(scope="module")
def city(tmp_path_factory):
    """Facts and openings of 100,000 simulated cases, and the 65 features of each as one index gives them."""
    folder = ready_city(WindowCity(100_000), tmp_path_factory.mktemp("city"))
    facts, queries = read_facts(folder), read_queries(folder)
    return facts, queries, _features(EventIndex.build(facts, TERMS), queries)


def _features(index: EventIndex, queries: Queries) -> pd.DataFrame:
    source = IndexTerms(index, queries)
    return pd.DataFrame({name: each.value(source, queries.at) for name, each in WINDOW_FEATURES.items()})


def _some(facts: dict[str, Facts], chosen, sign: int = 1) -> dict[str, Facts]:
    """Of every table the rows that `chosen(table)` picks, their measures times a sign."""
    found = {}
    for name, table in facts.items():
        rows = np.flatnonzero(chosen(table))
        measures = {measure: sign * values[rows] for measure, values in table.measures.items()}
        found[name] = Facts(table.at[rows], table.keys.take(rows).reset_index(drop=True), measures)
    return found


def _in_pieces(facts: dict[str, Facts]) -> EventIndex:
    """The history up to its last thirty days, with facts that never were; then day by day; then these taken back."""
    last = int(facts["arrivals"].at.max())
    # What falls due after the last case came in is filed ahead, and comes with the last day.
    days = [*(last + 1 - DAY * n for n in range(30, 0, -1)), NEVER]
    wrong = _some(facts, lambda table: np.arange(len(table.at)) % 97 == 5)
    before = _some(facts, lambda table: table.at < days[0])
    index = EventIndex.build(
        {name: _together(before[name], wrong[name]) for name in facts},
        TERMS,
    )
    for start, end in pairwise(days):
        index = index.add(_some(facts, lambda table, a=start, b=end: (table.at >= a) & (table.at < b)))
    return index.add(_some(wrong, lambda table: table.at >= 0, sign=-1))


def _together(one: Facts, other: Facts) -> Facts:
    keys = pd.DataFrame({name: pd.concat([one.keys[name], other.keys[name]]).to_numpy() for name in KEY_COLUMNS})
    measures = {name: np.concatenate([values, other.measures[name]]) for name, values in one.measures.items()}
    return Facts(np.concatenate([one.at, other.at]), keys.astype("str"), measures)


@pytest.mark.slow
def test_the_index_gives_what_looking_at_every_fact_gives(city):
    """2,000 openings, 65 features each, by boolean masks over all facts: not one bit differs."""
    facts, queries, whole = city
    chosen = np.sort(np.random.default_rng(5).choice(len(queries.at), 2_000, replace=False))
    told = brute_force(facts, queries, chosen)
    pd.testing.assert_frame_equal(told[list(whole)], whole.iloc[chosen].reset_index(drop=True), check_exact=True)


@pytest.mark.slow
def test_a_history_added_day_by_day_and_corrected_is_that_history(city):
    """Thirty daily segments, and a last one that takes thousands of facts back; as it is, merged, and from files."""
    facts, queries, whole = city
    index = _in_pieces(facts)
    assert len(index.segments) == 32
    pd.testing.assert_frame_equal(_features(index, queries), whole, check_exact=True)
    pd.testing.assert_frame_equal(_features(index.merged(), queries), whole, check_exact=True)


@pytest.mark.slow
def test_every_case_online_is_answered_as_in_bulk(city, tmp_path):
    """All 100,000 openings one at a time, from an index in files with a day added."""
    facts, queries, whole = city
    last = int(facts["arrivals"].at.max())
    EventIndex.build(_some(facts, lambda table: table.at < last - DAY), TERMS).save(tmp_path / "index")
    index = EventIndex.open(tmp_path / "index").add(_some(facts, lambda table: table.at >= last - DAY))
    plan = OnlinePlan(index, WINDOW_FEATURES)
    rows = queries.keys[["category", "area", "office"]].astype("object")
    rows = rows.where(rows.notna(), None).to_dict("records")
    alone = np.array([plan.values(int(at), row) for at, row in zip(queries.at, rows, strict=True)])
    assert np.array_equal(alone, whole[list(plan.names)].to_numpy(), equal_nan=True)
