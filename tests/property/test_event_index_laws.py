"""Laws of the event index over random logs full of ties: against loops, and against the future."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from data.event_log import known_before
from features.event_index import EventIndex, Queries
from features.facts import FACT_TABLES, KEY_COLUMNS, facts_from_events
from tests.support import oracle
from tests.support.logs import event_logs, moments

_DAY = 86_400
KEY_SETS = [(), ("category",), ("area",), ("office",), ("category", "area")]
KEYS = {"category": "drain", "area": "A1", "office": "north", "channel": "web", "category_group": None}


def _sums(events: pd.DataFrame, at: int, keys: dict[str, object] = KEYS) -> dict[tuple, int]:
    index = EventIndex.build(facts_from_events(events))
    row = {name: keys.get(name) for name in KEY_COLUMNS}
    queries = Queries(np.array([at]), pd.DataFrame([row]))
    found = {}
    for table, measures in FACT_TABLES.items():
        for key_set in KEY_SETS:
            for window in (None, 7 * _DAY):
                for name, values in index.sums(table, measures, key_set, queries, window).items():
                    found[table, key_set, window, name] = int(values[0])
    return found


@settings(max_examples=12)
@given(log=event_logs(), at=moments())
def test_the_future_changes_no_sum(log, at):
    """Sums at t are the same whether or not the log goes on after t."""
    past = known_before(log, at)
    opened = set(past.loc[past["kind"] == "opened", "case_id"])
    assert _sums(log, at) == _sums(past[past["case_id"].isin(opened)], at)


@settings(max_examples=12)
@given(log=event_logs(), at=moments(), seed=st.integers(0, 99))
def test_the_order_of_arrival_changes_no_sum(log, at, seed):
    """A shuffled log gives the same sums."""
    assert _sums(log, at) == _sums(log.sample(frac=1, random_state=seed), at)


@settings(max_examples=12)
@given(log=event_logs(), at=moments())
def test_sums_are_what_counting_case_by_case_gives(log, at):
    """Backlog, arrivals and the record of promises equal a count by loops, under every key."""
    found = _sums(log, at)
    for keys in ({}, {"category": "drain"}, {"office": "north"}, {"category": "drain", "area": "A1"}):
        key_set = tuple(keys)
        assert found["balance", key_set, None, "open"] == oracle.backlog(log, at, **keys)
        assert found["arrivals", key_set, 7 * _DAY, "n"] == oracle.arrivals(log, at, 7, **keys)
        counted = found["matured", key_set, 7 * _DAY, "n"], found["matured", key_set, 7 * _DAY, "late"]
        assert counted == oracle.matured(log, at, 7, **keys)


@settings(max_examples=12)
@given(log=event_logs(), at=moments())
def test_no_balance_is_negative_and_no_more_is_late_than_due(log, at):
    """Open and overdue counts are counts of something."""
    found = _sums(log, at)
    for (table, _keys, window, name), value in found.items():
        if table in ("balance", "overdue") and window is None:
            assert value >= 0, (table, name)
    for key_set in KEY_SETS:
        for window in (None, 7 * _DAY):
            assert found["matured", key_set, window, "late"] <= found["matured", key_set, window, "n"]
        assert found["overdue", key_set, None, "overdue"] <= found["balance", key_set, None, "open"]


@settings(max_examples=12)
@given(log=event_logs(), at=moments())
def test_the_whole_is_the_sum_of_its_parts(log, at):
    """Splitting by area and adding up again loses nothing."""
    whole = _sums(log, at)
    parts = [_sums(log, at, {**KEYS, "area": area}) for area in ("A1", "A2")]
    for table, measures in FACT_TABLES.items():
        for name in measures:
            total = sum(part[table, ("area",), None, name] for part in parts)
            assert total == whole[table, (), None, name], (table, name)


@settings(max_examples=12)
@given(log=event_logs(), at=moments())
def test_a_key_never_seen_sums_to_nothing(log, at):
    """An unseen or null key has no history, and does not borrow another's."""
    for stranger in ("never seen", None):
        found = _sums(log, at, {**KEYS, "category": stranger})
        values = [value for (_table, key_set, _w, _n), value in found.items() if "category" in key_set]
        assert not any(values)


@settings(max_examples=12)
@given(log=event_logs(), at=moments())
def test_one_case_is_answered_as_many_are(log, at):
    """A query alone gives what it gives among others, in any order."""
    index = EventIndex.build(facts_from_events(log))
    rows = [{**KEYS, "area": area, "category": kind} for area in ("A1", "A2") for kind in ("drain", "light", None)]
    keys = pd.DataFrame(rows, columns=list(KEY_COLUMNS))
    moments_asked = np.array([at + 3600 * i for i in range(len(rows))])
    together = index.sums("matured", ["n", "late"], ("category", "area"), Queries(moments_asked, keys), 7 * _DAY)
    for i in range(len(rows)):
        alone = Queries(moments_asked[i : i + 1], keys.iloc[i : i + 1].reset_index(drop=True))
        single = index.sums("matured", ["n", "late"], ("category", "area"), alone, 7 * _DAY)
        assert single["n"][0] == together["n"][i]
        assert single["late"][0] == together["late"][i]
