"""One case at a time is what many at once are, to the bit: its state, its features, where its risks start from."""

from __future__ import annotations

import threading
from datetime import date
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from data.clock import WorkingCalendar, hours
from data.event_log import NEVER, known_before
from features.case_state import NAMED, STATE_COLUMNS
from features.catalogue import CATALOGUE, FORMULAS
from features.event_index import EventIndex, IndexTerms
from features.facts import KEY_COLUMNS, facts_from_events
from features.formula import Asked
from features.landmarks import landmarks_now, queries_at
from features.one_case import OneCase, OneEvent, landmarks_of_cases, step_code
from features.one_plan import OnePlan
from features.outcomes import LANDMARK_OUTCOMES
from features.own_numbers import (
    OWN_NUMBERS,
    PROMISE_NUMBERS,
    RECORD_NUMBERS,
    OneCalendar,
    OneLandmark,
    RecordNumbers,
)
from features.risk_inputs import input_terms, risk_inputs
from features.starts import share_passed
from tests.support.law_logs import DAY, ZONE, Log, log_of

_OFFICE_HOURS = hours("09:00-12:00", "13:30-17:30")
CALENDAR = WorkingCalendar(
    time_zone=ZONE, first=date(2023, 11, 1), last=date(2024, 6, 30), weekly=[_OFFICE_HOURS] * 5 + [(), ()]
)
QUICKLY = settings(max_examples=15, phases=[Phase.explicit, Phase.generate])
seeds = st.integers(0, 999)


def one_events(rows: pd.DataFrame) -> list[OneEvent]:
    return [
        OneEvent(
            int(row["known_at"]),
            int(row["at"]),
            step_code(row["kind"]),
            NEVER if pd.isna(row["due_at"]) else int(row["due_at"]),
            *(None if pd.isna(row[name]) else str(row[name]) for name in NAMED),
        )
        for row in rows.to_dict("records")
    ]


def moments_of(log: Log, seed: int) -> list[int]:
    """A few moments at, just after and between events."""
    known = log.events["known_at"].to_numpy("int64")
    rng = np.random.default_rng(seed)
    chosen = rng.choice(known, 4)
    return sorted({int(at) + int(shift) for at, shift in zip(chosen, (0, 1, DAY // 2, 3 * DAY), strict=True)})


def open_cases(log: Log, at: int) -> tuple[pd.DataFrame, list[OneCase]]:
    """The landmarks of a moment as the whole log gives them, and the states of the same cases, one by one."""
    marks = landmarks_now(log.events, at)
    return marks, [OneCase.of(one_events(log.events[log.events["case_id"] == i]), at) for i in marks["case_id"]]


def plain(frame: pd.DataFrame, columns: list[str]) -> list[dict[str, object]]:
    told = frame[columns].astype(object)
    return told.where(told.notna(), None).to_dict("records")


@QUICKLY
@given(seed=seeds)
def test_the_state_of_one_case_is_that_of_many(seed):
    """Every column, and the keys of the promise, at moments on and between events; also of cases not open."""
    log = log_of(seed)
    for at in moments_of(log, seed):
        marks, cases = open_cases(log, at)
        found = landmarks_of_cases(cases, at, marks["case_id"].tolist())
        columns = [*dict.fromkeys(("case_id", "kind", "landmark_at", "seen_until", *KEY_COLUMNS, *STATE_COLUMNS))]
        assert plain(found, columns) == plain(marks, columns)
        known = known_before(log.events, at)
        listed = set(marks["case_id"])
        for case_id, rows in known.groupby("case_id"):
            one = OneCase.of(one_events(rows), at)
            assert (one.is_open and one.opened_known_at < NEVER) == (case_id in listed)


@QUICKLY
@given(seed=seeds)
def test_plain_numbers_are_what_the_formulas_say(seed):
    """Each feature that has a twin in plain numbers, with and without a calendar, null where the formula is null."""
    log = log_of(seed)
    for at in moments_of(log, seed):
        marks, cases = open_cases(log, at)
        for calendar in (CALENDAR, None):
            one = None if calendar is None else OneCalendar(calendar)
            told = [OneLandmark(case, at, ZoneInfo(ZONE), one) for case in cases]
            asked = Asked(None, marks, ZONE, calendar)  # type: ignore[arg-type]
            for name, number in OWN_NUMBERS.items():
                if name in FORMULAS:
                    np.testing.assert_array_equal([number(mark) for mark in told], FORMULAS[name](asked), err_msg=name)
            np.testing.assert_array_equal([mark.passed for mark in told], share_passed(marks))


@QUICKLY
@given(seed=seeds)
def test_numbers_read_off_at_once_are_those_of_one_by_one(seed):
    """Of any choice of features, in the order that is told."""
    log, rng = log_of(seed), np.random.default_rng(seed)
    chosen = [name for name in OWN_NUMBERS if rng.random() < 0.6]
    record = RecordNumbers(chosen)
    assert sorted(record.names) == sorted(set(chosen) & set(RECORD_NUMBERS))
    for at in moments_of(log, seed):
        for case in open_cases(log, at)[1]:
            mark = OneLandmark(case, at, ZoneInfo(ZONE), OneCalendar(CALENDAR))
            np.testing.assert_array_equal(record.of(mark), [RECORD_NUMBERS[name](mark) for name in record.names])


class _Moments:
    """A case of which only its opening and its promise can be asked."""

    def __init__(self, opened_at: int, due_at: int) -> None:
        self.opened_at, self.due_at = opened_at, due_at


@QUICKLY
@given(seed=seeds)
def test_numbers_of_the_promise_look_at_nothing_else(seed):
    """They are kept for each opening and promise, and so must not know what has happened since."""
    log = log_of(seed)
    for at in moments_of(log, seed):
        for case in open_cases(log, at)[1]:
            for calendar in (OneCalendar(CALENDAR), None):
                alone = _Moments(case.opened_at, case.due_at)
                marks = [OneLandmark(each, at, ZoneInfo(ZONE), calendar) for each in (case, alone)]  # type: ignore[arg-type]
                for name, number in PROMISE_NUMBERS.items():
                    np.testing.assert_equal(number(marks[1]), number(marks[0]), err_msg=name)


def test_every_twin_is_of_a_feature():
    """A name that the catalogue does not have would never be asked for."""
    assert set(OWN_NUMBERS) - set(CATALOGUE) <= {"last_step_withdrawn", "last_step_duplicate"}


@QUICKLY
@given(seed=seeds)
def test_one_plan_gives_the_rows_of_the_matrix(seed):
    """All features of the catalogue and the starts of all outcomes, asked twice: worked out, and from what is kept."""
    log = log_of(seed, 5)
    names = tuple(CATALOGUE)
    facts = facts_from_events(
        log.events, log.inspections, log.observed_until, capacity=log.capacity, adjacency=log.adjacency
    )
    index = EventIndex.build(facts, input_terms(names, LANDMARK_OUTCOMES))
    plan = OnePlan(index, names, LANDMARK_OUTCOMES, time_zone=ZONE, calendar=CALENDAR)
    for at in moments_of(log, seed)[:2]:
        marks, cases = open_cases(log, at)
        source = IndexTerms(index, queries_at(marks))
        bulk = risk_inputs(source, marks, names, LANDMARK_OUTCOMES, time_zone=ZONE, calendar=CALENDAR)
        values = bulk.matrix.features.to_numpy()
        for place, case in [*enumerate(cases), *enumerate(cases)]:
            found = plan.inputs(case, at)
            np.testing.assert_array_equal(found.row, values[place])
            for outcome, start in bulk.starts.items():
                assert found.starts[outcome] == start.iloc[place].to_dict()


@QUICKLY
@given(seed=seeds)
def test_cases_alike_in_keys_and_promise_keep_their_own_records(seed):
    """What is kept of one is nothing that another could be told: asked after it, a case gets what it gets alone."""
    log = log_of(seed, 5)
    names = tuple(CATALOGUE)
    index = EventIndex.build(
        facts_from_events(log.events, None, log.observed_until), input_terms(names, LANDMARK_OUTCOMES)
    )
    at = moments_of(log, seed)[-1]
    plans = [OnePlan(index, names, LANDMARK_OUTCOMES, time_zone=ZONE, calendar=CALENDAR) for _ in range(2)]
    for case in open_cases(log, at)[1]:
        before = plans[0].inputs(case, at).values.copy()
        case.add(OneEvent(at - 60, at - 120, step_code("replied")))
        after, alone = plans[0].inputs(case, at).values, plans[1].inputs(case, at).values
        np.testing.assert_array_equal(after, alone)
        assert not np.array_equal(before, after, equal_nan=True)


def test_a_plan_is_refused_by_an_index_of_other_features():
    """It would find out at the first request otherwise."""
    log = log_of(3)
    index = EventIndex.build(facts_from_events(log.events, None, log.observed_until), input_terms((), ("late",)))
    with pytest.raises(KeyError, match="This index was not made for"):
        OnePlan(index, ("backlog_office",), ("late",), time_zone=ZONE)


def test_a_plan_may_be_asked_from_several_threads():
    """What is kept is kept once; nobody is given another's numbers."""
    log = log_of(11)
    names = tuple(CATALOGUE)
    facts = facts_from_events(log.events, None, log.observed_until)
    index = EventIndex.build(facts, input_terms(names, ("late",)))
    plan = OnePlan(index, names, ("late",), time_zone=ZONE)
    at = moments_of(log, 11)[-1]
    _marks, cases = open_cases(log, at)
    alone = [OnePlan(index, names, ("late",), time_zone=ZONE).inputs(case, at).row for case in cases]
    wrong: list[int] = []

    def ask() -> None:
        for place, case in enumerate(cases * 5):
            row = plan.inputs(case, at).row
            if not np.array_equal(row, alone[place % len(cases)], equal_nan=True):
                wrong.append(place)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert cases
    assert wrong == []
