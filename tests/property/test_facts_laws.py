"""Laws of the fact tables over random logs full of ties: loops, the future, the order of rows, parts, and deltas."""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import pairwise

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from data.event_log import known_before
from features.facts import FACT_TABLES, KEY_COLUMNS, NEAR_TABLES, Facts, Known, delta_facts, facts_from_events
from tests.support.fact_logs import ADJACENCY, capacity_rows, fact_logs, inspection_rows, looks, moments, series
from tests.support.fact_oracle import MONTH, facts_by_loops
from tests.support.logs import event_frame


def rows_of(name: str, facts: Facts, before: int | None = None) -> Counter[tuple]:
    """A fact table as a multiset of (at, keys, measures), as the oracle has them; those strictly before a moment."""
    if not len(facts.at):
        return Counter()
    keys = facts.keys.astype("object").where(facts.keys.notna(), None)
    columns = [facts.at.tolist(), *(keys[key].tolist() for key in KEY_COLUMNS)]
    columns += [facts.measures[measure].tolist() for measure in FACT_TABLES[name]]
    return Counter(row for row in zip(*columns, strict=True) if before is None or row[0] < before)


def totals(*parts: dict[str, Facts]) -> dict[tuple, tuple[int, ...]]:
    """Sums of all measures by table, moment and keys, without those that are 0: what any window under any key sees."""
    found: dict[tuple, tuple[int, ...]] = defaultdict(tuple)
    for facts in parts:
        for name, table in facts.items():
            for row, count in rows_of(name, table).items():
                place, measures = (name, *row[: 1 + len(KEY_COLUMNS)]), row[1 + len(KEY_COLUMNS) :]
                sums = found[place] or (0,) * len(measures)
                found[place] = tuple(old + count * new for old, new in zip(sums, measures, strict=True))
    return {place: sums for place, sums in found.items() if any(sums)}


def opened_before(log: pd.DataFrame, at: int) -> pd.DataFrame:
    """What was known of the log strictly before a moment: events of cases whose opening was known."""
    past = known_before(log, at)
    return past[past["case_id"].isin(past.loc[past["kind"] == "opened", "case_id"])]


@settings(max_examples=30)
@given(log=fact_logs(), followed=st.one_of(st.none(), looks()))
def test_facts_are_what_telling_each_case_by_loops_gives(log, followed):
    """Every table that comes from events is the oracle's, fact by fact."""
    facts, told = facts_from_events(log, observed_until=series(followed)), facts_by_loops(log, followed)
    for name in FACT_TABLES:
        assert rows_of(name, facts[name]) == told.get(name, Counter()), name


@settings(max_examples=30)
@given(
    log=fact_logs(),
    at=moments(),
    followed=st.one_of(st.none(), looks()),
    seen=inspection_rows(),
    able=capacity_rows(),
)
def test_no_fact_uses_what_became_known_after_its_moment(log, at, followed, seen, able):
    """Facts before t are the same, table by table, whether or not the log goes on from t."""
    until = series(followed)
    whole = facts_from_events(log, seen, until, capacity=able, adjacency=ADJACENCY)
    past = facts_from_events(
        opened_before(log, at), known_before(seen, at), until, capacity=able[able["at"] < at], adjacency=ADJACENCY
    )
    for name in FACT_TABLES:
        assert rows_of(name, whole[name], at) == rows_of(name, past[name], at), name


def test_the_law_of_the_future_catches_a_fact_that_is_filed_too_early():
    """A closing that is said not to have held on the day of the closing itself knows what came three days later."""
    rows = [("opened", 0), ("closed", 5), ("reopened", 8)]
    log = event_frame([{"case_id": "c", "kind": k, "at": day * 86_400, "known_at": day * 86_400} for k, day in rows])
    t = 6 * 86_400
    whole, past = (facts_from_events(events)["held"] for events in (log, opened_before(log, t)))
    assert rows_of("held", whole, t) == rows_of("held", past, t)
    leaky, leaky_past = (Facts(held.at - MONTH, held.keys, held.measures) for held in (whole, past))
    assert rows_of("held", leaky, t) != rows_of("held", leaky_past, t)


@settings(max_examples=20)
@given(log=fact_logs(), seed=st.integers(0, 99))
def test_the_order_of_arrival_changes_no_fact(log, seed):
    """A shuffled log gives the same facts, and the same categories in the same order.

    Of two events of a case that agree in both times and in kind, the log itself says which came first by their order.
    """
    log = log.drop_duplicates(["case_id", "kind", "at", "known_at"])
    shuffled = facts_from_events(log.sample(frac=1, random_state=seed))
    for name, table in facts_from_events(log).items():
        assert rows_of(name, table) == rows_of(name, shuffled[name]), name
        assert (table.keys.dtypes == shuffled[name].keys.dtypes).all()


@settings(max_examples=20)
@given(log=fact_logs(), followed=st.one_of(st.none(), looks()), parts=st.integers(1, 4))
def test_the_facts_of_a_log_are_those_of_its_parts_together(log, followed, parts):
    """Split by case and put together again, nothing is lost or made twice: what a cluster's first stage rests on."""
    part_of = log["case_id"].str[1:].astype("int64") % parts
    whole = facts_from_events(log, observed_until=series(followed), adjacency=ADJACENCY)
    made = [
        facts_from_events(log[part_of == part], observed_until=series(followed), adjacency=ADJACENCY)
        for part in range(parts)
    ]
    for name, table in whole.items():
        assert rows_of(name, table) == sum((rows_of(name, part[name]) for part in made), Counter()), name


@settings(max_examples=20)
@given(log=fact_logs())
def test_facts_near_an_area_are_those_of_the_areas_that_it_names_as_neighbours(log):
    """Counted by loops: a fact of b is filed once under every area that has b among its neighbours."""
    facts = facts_from_events(log, adjacency=ADJACENCY)
    area = 1 + KEY_COLUMNS.index("area")
    for near, own in NEAR_TABLES.items():
        told: Counter[tuple] = Counter()
        for row, count in rows_of(own, facts[own]).items():
            for name, neighbours in ADJACENCY.items():
                if row[area] in neighbours:
                    told[(*row[:area], name, *row[area + 1 :])] += count
        assert rows_of(near, facts[near]) == told, near


@st.composite
def _some(draw: st.DrawFn, frame: pd.DataFrame) -> pd.DataFrame:
    """Some rows of a frame: later ones may be among them, as when a file of a past month comes in late."""
    chosen = draw(st.lists(st.booleans(), min_size=len(frame), max_size=len(frame)))
    return frame[np.array(chosen, dtype=bool)]


@settings(max_examples=40)
@given(data=st.data(), log=fact_logs(), seen=inspection_rows(), able=capacity_rows())
def test_history_and_delta_are_the_history_made_anew(data, log, seen, able):
    """Whatever part of the log, of the looks, of inspections and capacities comes later, sums agree everywhere."""
    opened = log[log["kind"] == "opened"]
    old = pd.concat([opened[opened["case_id"] < data.draw(st.sampled_from(["c000", "c003", "c009"]))],
                     data.draw(_some(log[log["kind"] != "opened"]))])  # fmt: skip
    first, later = data.draw(looks()), data.draw(looks())
    looked, now = series(first), series({**first, **later})
    old_seen, old_able = data.draw(_some(seen)), data.draw(_some(able))
    known = old[old["case_id"].isin(opened.loc[opened.index.isin(old.index), "case_id"])]

    history = facts_from_events(known, old_seen, looked, capacity=old_able, adjacency=ADJACENCY)
    anew = facts_from_events(log, seen, now, capacity=able, adjacency=ADJACENCY)
    touched = {*log.loc[~log.index.isin(old.index), "case_id"], *later}
    delta = delta_facts(
        Known(old[old["case_id"].isin(touched)], old_seen, looked, old_able),
        Known(log[log["case_id"].isin(touched)], seen, now, able),
        adjacency=ADJACENCY,
    )
    assert totals(history, delta) == totals(anew)


@settings(max_examples=20)
@given(log=fact_logs(), seen=inspection_rows(), able=capacity_rows(), at=moments())
def test_a_delta_is_no_longer_than_it_must_be(log, seen, able, at):
    """Nothing new is no delta at all; and no row of a delta is met by the same row with its measures negated."""
    known = Known(log, seen, None, able)
    assert not totals(delta_facts(known, known, adjacency=ADJACENCY))
    assert not any(len(table.at) for table in delta_facts(known, known, adjacency=ADJACENCY).values())
    for name, table in delta_facts(Known(opened_before(log, at)), known).items():
        if "n" in table.measures:
            rows = rows_of(name, table)
            keys = 1 + len(KEY_COLUMNS)
            assert not any((*row[:keys], *(-value for value in row[keys:])) in rows for row in rows), name


@settings(max_examples=20)
@given(log=fact_logs(), days=st.lists(moments(), min_size=1, max_size=4))
def test_one_delta_after_another_is_one_delta(log, days):
    """Adding day after day equals adding all at once."""
    steps = [log.iloc[:0], *(opened_before(log, day) for day in sorted(days)), log]
    deltas = [delta_facts(Known(old), Known(new)) for old, new in pairwise(steps)]
    assert totals(*deltas) == totals(facts_from_events(log))


@settings(max_examples=12)
@given(log=fact_logs(), column=st.sampled_from(["kind", "area", "office", "category"]))
def test_text_and_categories_give_the_same_facts(log, column):
    """How a column of names is held changes nothing."""
    held_otherwise = facts_from_events(log.assign(**{column: log[column].astype("category")}))
    for name, table in facts_from_events(log).items():
        assert rows_of(name, table) == rows_of(name, held_otherwise[name]), name


@settings(max_examples=20)
@given(log=fact_logs())
def test_no_office_ever_has_fewer_than_no_cases(log):
    """At every moment each office has as many open cases as it was given and has not ended or passed on, or none."""
    for name in ("balance", "overdue"):
        facts = facts_from_events(log)[name]
        changes = pd.DataFrame({"at": facts.at, "office": facts.keys["office"].astype("object").fillna("nobody")})
        changes["change"] = next(iter(facts.measures.values()))
        by_moment = changes.groupby(["office", "at"])["change"].sum()
        assert (by_moment.groupby("office").cumsum() >= 0).all(), name
