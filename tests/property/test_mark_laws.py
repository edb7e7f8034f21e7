"""Attention is added, never taken away: whatever is noted on any case, no case moves down a list or out of it."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete

from data import tables
from data.store import Store
from service.identity import LOCAL, SCOPES, Identity, Role
from service.listing import CaseChoice, page_of_cases
from service.marks import ACTIONS, OVERRIDE_REASONS, OVERRIDES, Step, add_mark, marked_cases, read_marks
from service.reads import Reads
from service.settings import Settings
from tests.support.service_store import small_store

ALL = 200
DESK = Identity("key:1", Role.HANDLER, frozenset({"O-1", "O-3"}), SCOPES[Role.HANDLER])
STEPS = st.one_of(
    st.builds(Step, st.sampled_from(["seen", "shortlisted"]), st.booleans()),
    st.builds(Step, st.just("acted"), st.just(True), st.sampled_from([*ACTIONS])),
    st.builds(
        Step, st.just("overridden"), st.just(True), st.sampled_from([*OVERRIDES]), st.sampled_from([*OVERRIDE_REASONS])
    ),
    st.builds(Step, st.sampled_from(["acted", "overridden"]), st.just(False)),
)
NOTED = st.lists(st.tuples(st.integers(0, 39), STEPS), max_size=25)
QUERIES = st.builds(
    CaseChoice,
    band=st.sampled_from([None, "low", "medium", "high"]),
    order=st.sampled_from(["risk", "due"]),
    deadline=st.sampled_from(["all", "ahead", "passed"]),
    outcome=st.sampled_from(["late", "any_failure"]),
    office=st.sampled_from([None, "O-1"]),
)


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    """A store of forty open cases, and what the service reads of it."""
    path = small_store(tmp_path_factory.mktemp("marks"))
    reads = Reads(Settings(store_url=str(path)))
    with Store.open(str(path)) as store:
        yield store, reads
    reads.close()


def _note(store: Store, reads: Reads, noted: list[tuple[int, Step]]) -> None:
    cases = reads.current().cases
    with store.writing() as connection:
        connection.execute(delete(tables.case_mark))
        for number, step in noted:
            step.check()
            add_mark(connection, cases[number].case_id, cases[number].office, step)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(noted=NOTED, query=QUERIES, identity=st.sampled_from([LOCAL, DESK]))
def test_no_mark_moves_any_case_down_or_out(town, noted, query, identity):
    """The list is the same to the last place; what is lifted stands in front as well, of these filters and in order."""
    store, reads = town
    _note(store, reads, [])
    before = page_of_cases(reads, query, identity, limit=ALL)
    whole = page_of_cases(reads, query.model_copy(update={"band": None}), identity, limit=ALL)
    _note(store, reads, noted)
    after = page_of_cases(reads, query, identity, limit=ALL)
    assert [case.case_id for case in after.cases] == [case.case_id for case in before.cases]
    assert before.lifted == ()
    lifted = [case.case_id for case in after.lifted]
    allowed = [case.case_id for case in whole.cases]
    assert lifted == [case_id for case_id in allowed if case_id in set(lifted)]
    higher = {reads.current().cases[number].case_id for number, step in noted if step.choice == "higher"}
    assert set(lifted) <= higher


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(noted=NOTED)
def test_the_newest_step_of_each_mark_holds(town, noted):
    """As one would keep it in a dictionary."""
    store, reads = town
    _note(store, reads, noted)
    cases = reads.current().cases
    kept: dict[tuple[str, str], Step] = {}
    for number, step in noted:
        kept[cases[number].case_id, step.mark] = step
    expected = {key: (step.choice, step.reason) for key, step in kept.items() if step.is_set}
    with store.reading() as connection:
        found = read_marks(connection, [case.case_id for case in cases])
        told = {(case, one.mark): (one.choice, one.reason) for case, marks in found.items() for one in marks}
        assert told == expected
        assert marked_cases(connection) == {case for case, _ in expected}
        assert marked_cases(connection, "acted") == {case for case, mark in expected if mark == "acted"}
