"""The engine against the trace, and against the future, over random case histories."""

from __future__ import annotations

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from data.event_log import NEVER
from data.service_clock_store import fill_promises
from tests.support.clocks import OFFICES, clocks, histories

as_ofs = st.sampled_from([0, 1, 3600, 2 * 86_400, 9 * 86_400, 30 * 86_400])


def as_of_of(events: pd.DataFrame, offset: int) -> int:
    return int(events["at"].min()) + 1 + offset


@settings(max_examples=50)
@given(clocks, histories(), as_ofs)
def test_the_trace_and_the_engine_say_the_same(clock, events, offset):
    """For every case and clock: the same start, deadline, end, state and standard, and steps that add up to it."""
    as_of = as_of_of(events, offset)
    found = clock.due(events, OFFICES, as_of=as_of)
    assert len(found) == events.loc[events["known_at"] < as_of, "case_id"].nunique() * len(clock.clocks)
    for row in found.itertuples():
        own = events[events["case_id"] == row.case_id]
        trace = clock.explain(own, OFFICES, as_of=as_of, clock=row.clock)
        assert (trace.due_at, trace.state, trace.runs) == (row.due_at, row.state, row.run)
        if trace.runs:
            assert trace.recomputed() == row.due_at
            last = [step for step in trace.steps if step.run == trace.runs]
            assert last[0].at == row.started_at
            assert last[-1].at == (as_of if row.stopped_at == NEVER else row.stopped_at)
            number = [step for step in last if step.kind == "standard"][-1].detail["standard"]
            assert number == (None if pd.isna(row.standard) else row.standard)
            if last[-1].kind == "now":
                used, left = last[-1].detail["used_seconds"], last[-1].detail["left_seconds"]
                assert (used, left) == tuple(None if pd.isna(v) else v for v in (row.used_seconds, row.left_seconds))
        for language in ("zh", "en"):
            assert all(sentence.endswith(("。", ".")) for sentence in trace.sentences(language))


@settings(max_examples=20)
@given(clocks, histories(cases=4), as_ofs)
def test_cases_together_and_alone_say_the_same(clock, events, offset):
    """No case changes what another one gets, in whatever order the events come."""
    as_of = as_of_of(events, offset)
    together = clock.due(events.sample(frac=1, random_state=1), OFFICES, as_of=as_of)
    alone = [clock.due(own, OFFICES, as_of=as_of) for _, own in events.groupby("case_id")]
    alone = [one for one in alone if len(one)]
    if alone:
        pd.testing.assert_frame_equal(together, pd.concat(alone, ignore_index=True))


@settings(max_examples=30)
@given(clocks, histories(), as_ofs)
def test_nothing_known_later_changes_the_answer(clock, events, offset):
    """What became known at the as-of or after it might as well not be there."""
    as_of = as_of_of(events, offset)
    known = events[events["known_at"] < as_of]
    pd.testing.assert_frame_equal(clock.due(events, OFFICES, as_of=as_of), clock.due(known, OFFICES, as_of=as_of))


@settings(max_examples=30)
@given(clocks, histories(cases=1), as_ofs)
def test_every_run_of_a_trace_adds_up(clock, events, offset):
    """Earlier runs too: their steps lie end to end, and the earlier runs that were missed are counted."""
    as_of = as_of_of(events, offset)
    for row in clock.due(events, OFFICES, as_of=as_of).itertuples():
        trace = clock.explain(events[events["case_id"] == row.case_id], OFFICES, as_of=as_of, clock=row.clock)
        missed = 0
        for run in range(1, trace.runs):
            ended = next(step for step in trace.steps if step.run == run and step.kind == "stopped")
            missed += trace.recomputed(run) < ended.at
        assert missed == row.missed_before


@settings(max_examples=25)
@given(clocks, histories())
def test_promises_filled_twice_are_the_same(clock, events):
    """What is stored already holds: the same events, filled beside it, are the same events."""
    filled = fill_promises(events, clock, OFFICES)
    assert filled.iloc[: len(events)].drop(columns="due_at").equals(events.drop(columns="due_at"))
    again = fill_promises(events, clock, OFFICES, stored=filled)
    key = ["case_id", "kind", "at", "known_at"]
    merged = again.merge(filled.drop_duplicates(key), on=key, suffixes=("", "_first"))
    assert len(merged) == len(again)
    same = merged["due_at"].isna() & merged["due_at_first"].isna() | (merged["due_at"] == merged["due_at_first"])
    assert same.fillna(False).all()


@settings(max_examples=25)
@given(clocks, histories())
def test_the_logs_last_word_is_the_deadline_that_the_engine_finds(clock, events):
    """Where nothing is learnt late or corrected, what is written as it happens is what one finds in the end."""
    plain = events[~events["kind"].isin(["amended", "assigned"])].assign(known_at=lambda log: log["at"])
    filled = fill_promises(plain, clock, OFFICES)
    said = filled[filled["due_at"].notna()]
    said = said.assign(is_amended=said["kind"] == "amended").sort_values(["known_at", "is_amended"], kind="stable")
    last = said.drop_duplicates("case_id", keep="last").set_index("case_id")["due_at"]
    found = clock.due(plain, OFFICES, as_of=int(plain["at"].max()) + 1)
    for row in found[found["clock"] == "resolve"].itertuples():
        if row.due_at < NEVER and row.state != "paused" and not _stood_when_missed(clock, row):
            assert last[row.case_id] == row.due_at


def _stood_when_missed(clock, row) -> bool:
    """A pause that goes on after the deadline was missed is written down only when it ends."""
    return clock.rules("resolve").while_paused == "stands" and row.state == "missed" and row.stopped_at == NEVER
