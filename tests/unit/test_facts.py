"""The fact tables one at a time: worked out by hand, at their edges, and what they refuse."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from data.errors import InputError
from data.event_log import empty_events
from features.case_state import CaseStates
from features.distributed.stream import facts_to_stream, stream_to_facts
from features.facts import (
    FACT_TABLES,
    KEY_COLUMNS,
    NEAR_TABLES,
    Facts,
    Known,
    delta_facts,
    facts_from_events,
    no_facts,
    promise_keys,
    promised_seconds,
)
from tests.support.logs import event_frame

DAY = 86_400
START = 1_704_067_200  # 2024-01-01T00:00Z
LATER = 28 * DAY


def log(*told: tuple, case: str = "c1") -> pd.DataFrame:
    """Events of a case from (kind, day[, what it says]); days since 1 January 2024."""
    rows = []
    for kind, day, *says in told:
        at = START + round(day * DAY)
        rows.append({"case_id": case, "kind": kind, "at": at, "known_at": at, **(says[0] if says else {})})
    return event_frame(rows)


def told(facts: Facts, *names: str) -> list[tuple[object, ...]]:
    """(day, *measures or keys by name) of every fact, sorted; days since 1 January 2024."""
    days = ((facts.at - START) / DAY).round(6).tolist()
    columns = [facts.measures[name].tolist() if name in facts.measures else list(facts.keys[name]) for name in names]
    return sorted(zip(days, *columns, strict=True), key=str)


def test_closings_say_whether_they_were_judged_and_solved():
    """Three reasons leave the problem as it was, four leave nothing to solve; the others say nothing of it."""
    reasons = ["noted", "scheduled", "no_access", "resolved", "referred", "invalid", "no_violation", "other", None]
    cases = [
        log(("opened", 0), ("closed", 1 + i, {"closing_reason": reason}), case=f"c{i}")
        for i, reason in enumerate(reasons)
    ]
    closures = facts_from_events(pd.concat(cases, ignore_index=True))["closures"]
    unresolved, judged = [1] * 3 + [0] * 6, [1] * 7 + [0] * 2
    assert told(closures, "judged", "unresolved") == [(1.0 + i, judged[i], unresolved[i]) for i in range(len(reasons))]


@pytest.mark.parametrize(("days", "reopened"), [(1, 1), (28, 1), (28 + 1 / DAY, 0), (40, 0)])
def test_a_closing_has_held_if_it_was_not_taken_up_again_within_four_weeks(days, reopened):
    """Filed 28 days after the closing, for the office that closed, also if another had the case by then."""
    events = log(
        ("opened", 0, {"office": "north"}),
        ("closed", 3),
        ("reopened", 3 + days, {"office": "south"}),
    )
    assert told(facts_from_events(events)["held"], "office", "n", "reopened") == [(31.0, "north", 1, reopened)]


def test_a_closing_that_became_known_late_matures_late():
    """28 days from when it could be known: before, nobody could have taken it up again."""
    events = log(("opened", 0), ("closed", 3), ("reopened", 35))
    events.loc[1, "known_at"] += 10 * DAY
    assert told(facts_from_events(events)["held"], "reopened") == [(41.0, 1)]


def test_every_closing_of_a_case_matures_on_its_own():
    """The reopening between two closings is the first one's, and not the second's."""
    events = log(("opened", 0), ("closed", 3), ("reopened", 5), ("closed", 9))
    assert told(facts_from_events(events)["held"], "reopened") == [(31.0, 1), (37.0, 0)]


def test_near_instant_closings_neither_close_nor_hold():
    """A case closed within a minute was never waited for."""
    facts = facts_from_events(log(("opened", 0), ("closed", 50 / DAY)))
    assert all(not len(facts[name].at) for name in ("arrivals", "balance", "closures", "held", "tiers"))


def test_nothing_is_said_of_the_time_after_a_case_was_last_looked_at():
    """A closing or an opening that was not followed for 28 days has no answer, and is no answer of no."""
    events = log(("opened", 0), ("closed", 3))
    for day, sizes in ((27, (0, 0)), (28, (1, 0)), (31, (1, 1))):
        looked = pd.Series({"c1": START + day * DAY})
        facts = facts_from_events(events, observed_until=looked)
        assert (len(facts["tiers"].at), len(facts["held"].at)) == sizes


@pytest.mark.parametrize(("day", "fact"), [(28, ("north", 1, 1)), (28 + 1 / DAY, ("north", 1, 0))])
def test_a_case_counts_as_handed_up_within_four_weeks_of_its_opening(day, fact):
    """Counted for the office that gave it away; that the case is another's by then does not matter."""
    events = log(("opened", 0, {"office": "north"}), ("handed_up", day, {"office": "county"}))
    assert told(facts_from_events(events)["tiers"], "office", "n", "handed_up") == [(28.0, *fact)]


def test_a_case_that_was_not_handed_up_counts_for_the_office_that_has_it():
    """Transferred from north to south: south had four weeks of it, and kept it."""
    events = log(("opened", 0, {"office": "north"}), ("transferred", 2, {"office": "south"}))
    assert told(facts_from_events(events)["tiers"], "office", "handed_up") == [(28.0, "south", 0)]


def test_a_closing_at_the_end_of_a_stretch_ends_in_it_and_begins_no_other():
    """Day 1 of a promise of ten days is the end of the third stretch and the beginning of the fourth."""
    facts = facts_from_events(log(("opened", 0, {"due_at": START + 10 * DAY}), ("closed", 1)))
    assert [told(facts[f"stage_{j}"], "n", "closed") for j in (1, 2, 3)] == [[(0.5, 1, 0)], [(1.0, 1, 1)], []]


def test_events_that_became_known_together_are_told_as_they_happened():
    """Taken up again on day 3 and closed on day 5, and both known on day 6: the case is closed."""
    events = log(("opened", 0), ("closed", 1), ("closed", 5), ("reopened", 3))
    events.loc[2:, "known_at"] = START + 6 * DAY
    assert told(facts_from_events(events)["balance"], "open") == [
        (round(60 / DAY, 6), 1), (1.0, -1), (6.0, -1), (6.0, 1)
    ]  # fmt: skip


def test_findings_count_by_how_bad_they_are():
    """Severity 2 is serious, 3 is dangerous and serious."""
    seen = pd.DataFrame(
        {"area": "A1", "related_category": ["drain", None, "drain", "drain"], "known_at": START, "severity": range(4)}
    )
    found = facts_from_events(empty_events(), seen)["findings"]
    assert [found.measures[name].sum() for name in ("n", "serious", "dangerous")] == [4, 2, 1]
    assert found.keys["category"].isna().tolist() == [False, True, False, False]
    assert found.keys["office"].isna().all()


def test_capacity_is_filed_under_the_office_alone():
    """Changes add up to what stands: 2.5 cases a day, then 2."""
    changes = pd.DataFrame({"office": "north", "at": [START, START + DAY], "change": [2500, -500]})
    found = facts_from_events(empty_events(), capacity=changes)["capacity"]
    assert told(found, "office", "capacity") == [(0.0, "north", 2500), (1.0, "north", -500)]
    assert found.keys["area"].isna().all()


def test_facts_of_neighbours_are_made_only_where_neighbours_are_known():
    """Without adjacency the tables are there and empty."""
    events = log(("opened", 0, {"area": "A1"}))
    assert not any(len(facts_from_events(events)[near].at) for near in NEAR_TABLES)
    near = facts_from_events(events, adjacency={"A2": ["A1"], "A1": ["A2"]})["near_arrivals"]
    assert near.keys["area"].tolist() == ["A2"]


def test_an_empty_log_has_every_table_and_no_fact():
    """All names, all measures, all key columns."""
    facts = facts_from_events(empty_events())
    assert {name: tuple(table.measures) for name, table in facts.items()} == FACT_TABLES
    assert all(len(table.at) == 0 and list(table.keys) == list(KEY_COLUMNS) for table in facts.values())


def test_a_table_without_rows_is_its_own():
    """Changing one leaves the next as it should be."""
    mine = no_facts("held").keys
    mine["area"] = pd.Series(dtype="int64")
    assert isinstance(no_facts("held").keys["area"].dtype, pd.CategoricalDtype)


def test_keys_are_categories_in_sorted_order_and_in_small_numbers():
    """The same names in every table of a log, coded once."""
    names = [f"area {i:03d}" for i in range(200)]
    events = pd.concat([log(("opened", 0, {"area": name}), case=name) for name in reversed(names)], ignore_index=True)
    facts = facts_from_events(events)
    assert facts["arrivals"].keys["area"].cat.categories.tolist() == names
    assert facts["arrivals"].keys["area"].cat.codes.dtype == np.int16
    assert facts["arrivals"].keys["area"].dtype is facts["tiers"].keys["area"].dtype


def test_facts_survive_being_sent_to_another_process():
    """As an Arrow table, which is what workers exchange: nothing else is ever sent."""
    facts = facts_from_events(log(("opened", 0, {"area": "A1", "due_at": START + DAY}), ("closed", 3)))
    sent = stream_to_facts(facts_to_stream(facts))
    for name, table in facts.items():
        assert name in sent or not len(table.at)
        back = sent.get(name, no_facts(name))
        assert told(back, *FACT_TABLES[name], "area") == told(table, *FACT_TABLES[name], "area")


def test_facts_of_unequal_lengths_are_refused():
    """Every row needs a moment, keys and all measures."""
    with pytest.raises(ValueError, match="Expected equally many moments, keys and measures, got \\[0, 1\\]"):
        Facts(np.zeros(1, dtype=np.int64), no_facts("held").keys, {})


def test_a_case_without_an_opening_is_refused():
    """As folding refuses it: nothing can be said of a case from the middle of its story."""
    events = pd.concat([log(("opened", 0)), log(("closed", 3), case="c2")], ignore_index=True)
    with pytest.raises(InputError, match="Expected every case to begin with an event 'opened', but 1 have none"):
        facts_from_events(events)


def test_an_event_without_a_case_is_refused():
    """It cannot be told which case it is of."""
    events = log(("opened", 0), ("closed", 3))
    events.loc[1, "case_id"] = None
    with pytest.raises(InputError, match="Expected every event to name its case, but 1 have an empty 'case_id'"):
        facts_from_events(events)


@pytest.mark.parametrize(
    ("frame", "says"),
    [
        ({"office": ["north"], "at": [START]}, "'change' is missing"),
        ({"office": ["north"], "at": [START], "change": [2.5]}, "Expected whole numbers in 'change'.*'float64'"),
        ({"office": ["north"], "at": ["2024"], "change": [2]}, "Expected whole numbers in 'at'"),
    ],
)
def test_capacity_of_another_shape_is_refused(frame, says):
    """The message names the column and what it should hold."""
    with pytest.raises(InputError, match=says):
        facts_from_events(empty_events(), capacity=pd.DataFrame(frame))


def test_a_kind_that_is_not_on_the_list_changes_nothing():
    """It is passed over, and does not stop the count."""
    events = log(("opened", 0), ("closed", 3))
    more = pd.concat([events, log(("inspected", 1))], ignore_index=True)
    plain, found = (facts_from_events(frame)["balance"] for frame in (events, more))
    assert told(found, "open") == told(plain, "open")


def test_moments_far_apart_are_put_in_order_as_well():
    """Case and moment do not fit into one integer together, and the slower sort takes over."""
    events = pd.concat([log(("closed", 3), ("opened", 0), case=f"c{i}") for i in range(3)], ignore_index=True)
    events.loc[0, ["at", "known_at"]] = (1 << 62) + 1
    found = facts_from_events(events)["balance"]
    assert sorted(found.measures["open"].tolist()) == [-1, -1, -1, 1, 1, 1]
    assert found.at.max() == (1 << 62) + 1


def test_a_promise_kept_after_it_was_taken_to_be_broken_is_put_right():
    """Open at the promise as far as known; then a closing of the day before comes in. Both rows, and their sum."""
    opened = log(("opened", 0, {"due_at": START + 5 * DAY}))
    closed = log(("opened", 0, {"due_at": START + 5 * DAY}), ("closed", 4))
    delta = delta_facts(Known(opened), Known(closed))
    assert told(delta["matured"], "n", "late") == [(5.0, -1, -1), (5.0, 1, 0)]
    assert told(delta["overdue"], "overdue") == [(5.0, -1)]
    assert told(delta["closures"], "n") == [(4.0, 1)]
    assert told(delta["held"], "n", "reopened") == [(32.0, 1, 0)]
    assert not len(delta["arrivals"].at)
    assert not len(delta["tiers"].at)


def test_a_longer_look_brings_what_has_matured_since():
    """A case without a new event is touched all the same: it was seen to be open when its promise fell due."""
    events = log(("opened", 0, {"due_at": START + 5 * DAY}))
    looks = (pd.Series({"c1": START + day * DAY}) for day in (4, 6))
    delta = delta_facts(*(Known(events, observed_until=look) for look in looks))
    assert told(delta["matured"], "n", "late") == [(5.0, 1, 1)]
    assert told(delta["overdue"], "overdue") == [(5.0, 1)]


def test_a_result_that_was_corrected_is_taken_back_where_it_stood():
    """An inspection that turns out to have found nothing."""
    before = pd.DataFrame({"area": ["A1"], "related_category": ["drain"], "known_at": [START], "severity": [3]})
    after = before.assign(known_at=START + DAY, severity=0)
    delta = delta_facts(Known(empty_events(), before), Known(empty_events(), after))
    assert told(delta["findings"], "n", "serious", "dangerous") == [(0.0, -1, -1, -1), (1.0, 1, 0, 0)]


def test_a_case_whose_opening_was_not_known_had_no_facts_to_take_back():
    """Its closing was in the log before its opening came in."""
    whole = log(("opened", 0), ("closed", 3))
    delta = delta_facts(Known(whole.iloc[1:]), Known(whole))
    fresh = facts_from_events(whole)
    for name, table in delta.items():
        assert told(table, *FACT_TABLES[name]) == told(fresh[name], *FACT_TABLES[name])


@pytest.mark.parametrize(
    ("gone", "come"),
    [
        # In 64 bits 2**40 * (2**40 + 1) + 0 is what 0 * (2**40 + 1) + 2**40 is.
        ((START + (1 << 40), 0), (START, 1 << 40)),
        # The span of the changes alone is more than 63 bits hold.
        ((START, (1 << 62) + 5), (START + 1, -(1 << 62) - 5)),
    ],
)
def test_rows_are_told_apart_however_large_their_numbers(gone, come):
    """Two rows of far-apart moments and changes do not run into one another and cancel out."""
    sides = (pd.DataFrame([("a", *row)], columns=["office", "at", "change"]) for row in (gone, come))
    delta = delta_facts(*(Known(empty_events(), capacity=side) for side in sides))["capacity"]
    found = set(zip(delta.at.tolist(), delta.measures["capacity"].tolist(), strict=True))
    assert found == {(gone[0], -gone[1]), come}


def test_promises_are_keyed_by_octaves_and_half_octaves_of_hours():
    """Two days are 2^5.58 hours: octave 6, half octave 11; a promise in the past is none."""
    opened = pd.Series([START] * 4, index=[7, 8, 9, 3])
    due = pd.Series([START + 2 * DAY, None, START - 1, START + 60], index=opened.index, dtype="Int64")
    assert promised_seconds(opened, due).tolist() == [2 * DAY, 0, 0, 60]
    keys = promise_keys(opened, due)
    assert keys["promise"].tolist()[::3] == ["6", "2"]
    assert keys["promise_fine"].tolist()[::3] == ["11", "-12"]
    assert keys["promise"].isna().tolist() == [False, True, True, False]
    assert keys["promise"].index.equals(opened.index)
    assert keys["promise"].dtype == "str"


@pytest.mark.parametrize("ending", ["closed", "withdrawn"])
def test_a_case_heard_of_after_its_end_was_never_open(ending):
    """Opened on day 0 but known on day 2, ended and known on day 1: no backlog, nothing overdue, one arrival."""
    rows = [
        {"case_id": "c", "kind": "opened", "at": START, "known_at": START + 2 * DAY, "due_at": START + 9 * DAY},
        {"case_id": "c", "kind": ending, "at": START + DAY, "known_at": START + DAY},
        {"case_id": "c", "kind": "opened", "at": START + 3 * DAY, "known_at": START + 3 * DAY},
    ]
    facts = facts_from_events(event_frame(rows))
    assert len(facts["balance"].at) == len(facts["overdue"].at) == 0
    assert facts["arrivals"].at.tolist() == [START + 2 * DAY + 60]
    states = CaseStates.of(event_frame(rows))
    assert states.column("is_open").tolist() == [False, False, False]


def test_a_second_opening_says_nothing_new():
    """A case that is closed stays closed when its opening is told once more."""
    rows = [
        {"case_id": "c", "kind": kind, "at": START + day * DAY, "known_at": START + day * DAY}
        for kind, day in (("opened", 0), ("closed", 1), ("opened", 2))
    ]
    facts = facts_from_events(event_frame(rows))
    assert facts["balance"].measures["open"].tolist() == [1, -1]
    assert CaseStates.of(event_frame(rows)).column("is_open").tolist() == [True, False, False]
