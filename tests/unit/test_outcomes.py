"""Outcomes at landmarks, on cases worked out by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from data.boundary import violations
from data.errors import InputError, UsageError
from data.event_log import NEVER
from data.schema import ClosingReason
from features.outcomes import (
    CENSORED,
    ENDED,
    FAILED,
    LANDMARK_OUTCOMES,
    SETTLING_REASONS,
    UNSAYING_REASONS,
    UNSOLVED_REASONS,
    any_failure,
    outcome_frame,
    outcomes_at,
)
from tests.support.logs import event_frame

T = 1_700_000_000
DAY = 86_400
LATER = T + 400 * DAY
NAN = float("nan")


def story(*steps, case="c1"):
    """Rows of one case from (day, kind) or (day, kind, reason or office or None, day it became known)."""
    rows = []
    for day, kind, *more in steps:
        at = T + round(day * DAY)
        known = T + round(more[1] * DAY) if len(more) > 1 else at
        reason = more[0] if more and kind == "closed" else None
        rows.append({"case_id": case, "kind": kind, "at": at, "known_at": known, "closing_reason": reason})
    return rows


def marks(*days, due=None, case="c1", own=True):
    """Landmarks of one case, days after T; `own`: the events of the landmark's own second are known (no morning)."""
    moments = np.array([T + round(day * DAY) for day in days], dtype=np.int64)
    return pd.DataFrame(
        {
            "landmark": np.arange(len(days)),
            "case_id": case,
            "kind": "event" if own else "morning",
            "landmark_at": moments,
            "seen_until": moments + int(own),
            "opened_at": T,
            "due_at": NEVER if due is None else T + round(due * DAY),
        }
    )


def asked(name, steps, *days, due=None, as_of=LATER, observed_until=None, own=True):
    """One outcome with a horizon of 28 days, of one case's landmarks."""
    found = outcomes_at(
        event_frame(story(*steps)),
        marks(*days, due=due, own=own),
        as_of=as_of,
        observed_until=observed_until,
        names=[name],
    )
    return next(iter(found.values()))


def told(outcome):
    """(value, eligible, cause, days that it lasted) of each landmark, NaN as None."""
    values = [None if np.isnan(value) else value for value in outcome.value]
    days = (outcome.duration / DAY).round(4).tolist()
    return list(zip(values, outcome.eligible.tolist(), outcome.cause.tolist(), days, strict=True))


OPENED = (0, "opened")


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([(4, "closed", "resolved")], (0.0, True, ENDED, 4)),
        ([(5, "closed", "resolved")], (0.0, True, ENDED, 5)),
        ([(5 + 1 / DAY, "closed", "resolved")], (1.0, True, FAILED, 5)),
        ([], (1.0, True, FAILED, 5)),
        ([(4, "duplicate")], (0.0, True, ENDED, 4)),
        ([(4, "withdrawn")], (0.0, True, ENDED, 4)),
        ([(6, "withdrawn")], (1.0, True, FAILED, 5)),
        ([(3, "withdrawn"), (4, "reopened")], (1.0, True, FAILED, 5)),
        ([(3, "duplicate"), (4, "reopened"), (4.5, "closed", None)], (0.0, True, ENDED, 4.5)),
        ([(3, "closed", "noted"), (4, "reopened")], (0.0, True, ENDED, 3)),
        ([(3, "transferred"), (4, "replied"), (4.5, "handed_up")], (1.0, True, FAILED, 5)),
        # In the record only a day after the promise: nobody could have known of it when it fell due.
        ([(4, "closed", "resolved", 6)], (1.0, True, FAILED, 5)),
    ],
)
def test_late_from_the_opening(steps, expected):
    """What became of a promise of five days, asked at the opening; the very second of the promise is in time."""
    assert told(asked("late", [OPENED, *steps], 0, due=5)) == [expected]


def test_late_goes_by_the_promise_that_stands_at_the_landmark():
    """Extending a promise from day 5 to day 9 does not rescue the landmarks before; those after go by the new one."""
    steps = [OPENED, (3, "amended"), (8, "closed", "resolved")]
    assert told(asked("late", steps, 0, 2, due=5)) == [(1.0, True, FAILED, 5), (1.0, True, FAILED, 3)]
    assert told(asked("late", steps, 3, 5, due=9)) == [(0.0, True, ENDED, 5), (0.0, True, ENDED, 3)]


def test_late_is_asked_where_the_office_can_still_be_in_time():
    """Not once the promise has passed, not without one, not of a closed or a fallen case; of a reopened one again."""
    steps = [OPENED, (2, "closed", "resolved"), (3, "reopened"), (4, "withdrawn")]
    found = asked("late", steps, 0, 2, 2.5, 3, 4, due=6)
    assert found.eligible.tolist() == [True, False, False, True, False]
    assert found.matures_at.tolist() == [T + 6 * DAY, NEVER, NEVER, T + 6 * DAY, NEVER]
    assert not asked("late", [OPENED], 5, 6, due=5).eligible.any()
    assert not asked("late", [OPENED], 0).eligible.any()


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([(4, "closed", "noted")], (1.0, True, FAILED, 4)),
        ([(28, "closed", "no_access")], (1.0, True, FAILED, 28)),
        ([(28 + 1 / DAY, "closed", "noted")], (0.0, True, CENSORED, 28)),
        ([(4, "closed", "resolved")], (0.0, True, ENDED, 4)),
        ([(4, "closed", "referred")], (0.0, True, ENDED, 4)),
        ([], (0.0, True, CENSORED, 28)),
        ([(4, "withdrawn")], (0.0, True, ENDED, 4)),
        ([(4, "closed", None)], (None, True, CENSORED, 4)),
        ([(4, "closed", "other")], (None, True, CENSORED, 4)),
        ([(4, "closed", "scheduled"), (6, "reopened"), (9, "closed", "resolved")], (1.0, True, FAILED, 4)),
        ([(4, "closed", "resolved"), (6, "reopened"), (9, "closed", "noted")], (0.0, True, ENDED, 4)),
        # Corrections of the same closing: the newest reason that was known by maturity stands.
        ([(4, "closed", None), (4, "closed", "noted", 20)], (1.0, True, FAILED, 4)),
        ([(4, "closed", "noted"), (4, "closed", "resolved", 20)], (0.0, True, ENDED, 4)),
        ([(4, "closed", "noted"), (4, "closed", "resolved", 29)], (1.0, True, FAILED, 4)),
        ([(4, "closed", None), (6, "reopened"), (9, "closed", "noted")], (None, True, CENSORED, 4)),
        ([(4, "withdrawn"), (5, "reopened"), (9, "closed", "noted")], (1.0, True, FAILED, 9)),
        ([(4, "closed", "noted"), (9, "withdrawn")], (1.0, True, FAILED, 4)),
        # What is said of a case after it fell away says nothing any more.
        ([(4, "withdrawn"), (9, "closed", "noted")], (0.0, True, ENDED, 4)),
        ([(4, "withdrawn"), (9, "closed", "resolved")], (0.0, True, ENDED, 4)),
        ([(4, "withdrawn"), (9, "closed", None)], (0.0, True, ENDED, 4)),
    ],
)
def test_unresolved_within_28_days_of_the_opening(steps, expected):
    """How the next closing ends the case; a closing that does not say is not known, and no success."""
    found = asked("unresolved", [OPENED, *steps], 0)
    assert told(found) == [expected]
    assert found.unsaid.tolist() == [expected[0] is None]


def test_every_way_of_closing_is_judged_once():
    """The three sets share nothing and leave nothing out."""
    assert set(ClosingReason) == UNSOLVED_REASONS | SETTLING_REASONS | UNSAYING_REASONS
    assert len(UNSOLVED_REASONS) + len(SETTLING_REASONS) + len(UNSAYING_REASONS) == len(ClosingReason)


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([(4, "closed", "resolved"), (9, "reopened")], (1.0, True, FAILED, 9)),
        ([(4, "closed", "resolved")], (0.0, True, CENSORED, 28)),
        ([], (0.0, True, CENSORED, 28)),
        ([(20, "closed", "resolved"), (29, "reopened")], (0.0, True, CENSORED, 28)),
        ([(4, "withdrawn")], (0.0, True, ENDED, 4)),
        # Taking a falling-away back says nothing of an answer.
        ([(4, "withdrawn"), (9, "reopened")], (0.0, True, CENSORED, 28)),
        ([(4, "withdrawn"), (9, "reopened"), (12, "closed", None), (13, "reopened")], (1.0, True, FAILED, 13)),
        # A reopening whose closing was never recorded; a second one without another closing is none.
        ([(9, "reopened")], (1.0, True, FAILED, 9)),
        ([(4, "withdrawn"), (9, "reopened"), (10, "reopened")], (0.0, True, CENSORED, 28)),
    ],
)
def test_reopened_within_28_days_of_the_opening(steps, expected):
    """A closing has to come first, in the same 28 days."""
    assert told(asked("reopened", [OPENED, *steps], 0)) == [expected]


def test_a_case_reopened_twice_fails_again_after_its_first_reopening():
    """At the opening, at each closing, at each reopening, and at the last closing, which holds."""
    steps = [OPENED, *((3, "closed", "noted"), (10, "reopened"), (12, "closed", "noted"), (50, "reopened"))]
    steps += [(60, "closed", "resolved")]
    assert told(asked("reopened", steps, 0, 3, 10, 12, 30, 50, 60)) == [
        (1.0, True, FAILED, 10),
        (1.0, True, FAILED, 7),
        (0.0, True, CENSORED, 28),
        (0.0, True, CENSORED, 28),
        (1.0, True, FAILED, 20),
        (0.0, True, CENSORED, 28),
        (0.0, True, CENSORED, 28),
    ]
    assert asked("unresolved", steps, 0, 3, 10, 12, 50).eligible.tolist() == [True, False, True, False, True]


def test_reopened_is_not_asked_of_a_fallen_case():
    """Withdrawn is over; taken back, it lives on."""
    steps = [OPENED, (3, "withdrawn"), (5, "reopened")]
    assert asked("reopened", steps, 0, 3, 5).eligible.tolist() == [True, False, True]


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([(4, "handed_up")], (1.0, True, FAILED, 4)),
        ([(29, "handed_up")], (0.0, True, CENSORED, 28)),
        ([(2, "closed", "noted"), (5, "reopened"), (8, "handed_up")], (1.0, True, FAILED, 8)),
        ([(2, "closed", "resolved")], (0.0, True, CENSORED, 28)),
        ([(2, "withdrawn"), (8, "handed_up")], (0.0, True, ENDED, 2)),
        ([(2, "withdrawn"), (3, "reopened"), (8, "handed_up")], (1.0, True, FAILED, 8)),
        ([(2, "transferred")], (0.0, True, CENSORED, 28)),
    ],
)
def test_handed_up_within_28_days_of_the_opening(steps, expected):
    """Going up counts before a closing and after a reopening; a transfer at the same tier does not."""
    assert told(asked("handed_up", [OPENED, *steps], 0)) == [expected]


def test_what_stands_at_the_landmark_is_no_failure_of_its_future():
    """An event of the landmark's own second is known there; at a morning it is still to come."""
    steps = [OPENED, (4, "handed_up")]
    assert told(asked("handed_up", steps, 4)) == [(0.0, True, CENSORED, 28)]
    assert told(asked("handed_up", steps, 4, own=False)) == [(1.0, True, FAILED, 0)]


def test_several_events_in_one_second_are_read_in_the_order_of_a_case():
    """Handed up, closed, reopened and withdrawn in one second: the failures came first."""
    steps = [OPENED, (4, "withdrawn"), (4, "reopened"), (4, "closed", "noted"), (4, "handed_up")]
    for name in ("handed_up", "unresolved", "reopened"):
        assert told(asked(name, steps, 0)) == [(1.0, True, FAILED, 4)]
        assert not asked(name, steps, 4).eligible.any()


def test_two_closings_of_one_second_mean_the_same_in_either_order():
    """The reason decides between them and not the order of the rows; a given one goes before none."""
    for reasons, value in ((("resolved", "noted"), 1.0), (("noted", None), 1.0), (("resolved", None), 0.0)):
        for first, second in (reasons, reasons[::-1]):
            found = asked("unresolved", [OPENED, (4, "closed", first), (4, "closed", second)], 0)
            assert found.value.tolist() == [value]


def test_a_case_closed_within_a_minute_is_left_out_at_every_landmark():
    """Work already done when it was written down has no outcome, reopened or not; a minute and a second has one."""
    for name in LANDMARK_OUTCOMES:
        steps = [OPENED, (60 / DAY, "closed", "noted"), (5, "reopened")]
        found = asked(name, steps, 0, 5, due=9)
        assert not found.eligible.any()
        assert np.isnan(found.value).all()
        assert found.matures_at[0] < NEVER
        assert found.matures_at[1] == NEVER
        assert asked(name, [OPENED, (61 / DAY, "closed", "noted")], 0, due=9).eligible.all()


def test_a_closing_of_the_first_minute_leaves_out_only_what_matures_after_it_is_known():
    """Written down on day 10: nobody knew of it within a week, and the week's outcome does not change any more."""
    steps = [OPENED, (30 / DAY, "closed", "noted", 10)]
    found = outcomes_at(event_frame(story(*steps)), marks(0), as_of=LATER, horizons=(7, 28))
    assert told(found["unresolved_7d"]) == [(0.0, True, CENSORED, 7)]
    assert told(found["unresolved_28d"]) == [(None, False, CENSORED, 0)]


@pytest.mark.parametrize("name", LANDMARK_OUTCOMES)
def test_a_failure_seen_early_is_not_known_early(name):
    """Before maturity no value is known, whatever was seen; the moment after, it is."""
    failing = {
        "late": [OPENED],
        "unresolved": [OPENED, (2, "closed", "noted")],
        "reopened": [OPENED, (2, "closed", None), (3, "reopened")],
        "handed_up": [OPENED, (2, "handed_up")],
    }[name]
    matures = T + 28 * DAY
    before = asked(name, failing, 0, due=28, as_of=matures)
    assert np.isnan(before.value).all()
    assert before.matures_at.tolist() == [matures]
    assert not before.known_before(matures).any()
    after = asked(name, failing, 0, due=28, as_of=matures + 1)
    assert after.value.tolist() == [1.0]
    assert after.known_before(matures + 1).all()


def test_a_case_that_nobody_looks_at_any_more_is_censored():
    """Last looked at on day 10: open then, no value ever; what was seen before stays in duration and cause."""
    seen = pd.Series({"c1": T + 10 * DAY})
    lost = asked("handed_up", [OPENED], 0, observed_until=seen)
    assert told(lost) == [(None, True, CENSORED, 10)]
    assert lost.censored.tolist() == [True]
    early = asked("handed_up", [OPENED, (4, "handed_up")], 0, observed_until=seen)
    assert told(early) == [(None, True, FAILED, 4)]
    assert early.censored.tolist() == [False]
    over = asked("handed_up", [OPENED, (4, "withdrawn")], 0, observed_until=seen.to_numpy())
    assert told(over) == [(None, True, ENDED, 4)]
    assert over.censored.tolist() == [False]


def test_a_landmark_after_the_last_look_lasts_no_time():
    """Nothing is known of the case from there on: censored at once."""
    found = asked("handed_up", [OPENED], 12, observed_until=pd.Series({"c1": T + 10 * DAY}))
    assert told(found) == [(None, True, CENSORED, 0)]
    assert found.censored.all()


def test_an_answer_written_down_before_the_opening_leaves_nothing_to_ask():
    """Where the closing became known first, the case is closed when its opening comes to be known."""
    steps = [(0, "opened", None, 3), (2, "closed", "noted")]
    for name in ("late", "unresolved", "handed_up"):
        assert not asked(name, steps, 3, due=9).eligible.any()
    assert asked("reopened", steps, 3).eligible.all()
    assert not asked("reopened", steps, 2.5).eligible.any()


def test_any_failure_takes_the_largest_part_and_matures_last():
    """Handed up on day 2, answered in time: failed on day 2, known when the promise of 40 days is."""
    steps = [OPENED, (2, "handed_up"), (30, "closed", "resolved")]
    parts = outcomes_at(event_frame(story(*steps)), marks(0, 2, 30, due=40), as_of=LATER)
    found = any_failure(parts.values())
    assert [parts[name].value[0] for name in parts] == [0.0, 0.0, 0.0, 1.0]
    assert told(found) == [(1.0, True, FAILED, 2), (0.0, True, CENSORED, 28), (0.0, True, CENSORED, 28)]
    assert found.matures_at.tolist() == [T + 40 * DAY, T + 40 * DAY, T + 58 * DAY]
    assert found.column == "any_failure_28d"


def test_any_failure_is_not_known_while_a_part_is_not():
    """A closing that does not say how it ended leaves the whole unknown, also where another part failed."""
    steps = [OPENED, (2, "closed", None), (3, "reopened")]
    parts = outcomes_at(event_frame(story(*steps)), marks(0), as_of=LATER)
    found = any_failure(parts.values())
    assert parts["reopened_28d"].value.tolist() == [1.0]
    assert told(found) == [(None, True, FAILED, 3)]
    assert found.unsaid.tolist() == [True]
    held = any_failure(outcomes_at(event_frame(story(*steps[:2])), marks(0), as_of=LATER).values())
    assert told(held) == [(None, True, CENSORED, 2)]


def test_any_failure_ends_when_nothing_can_go_wrong_any_more():
    """A case withdrawn on day 6 can fail in no way; one that cannot fail at the landmark is not asked about."""
    steps = [OPENED, (6, "withdrawn")]
    found = any_failure(outcomes_at(event_frame(story(*steps)), marks(0, 6, due=9), as_of=LATER).values())
    assert told(found) == [(0.0, True, ENDED, 6), (None, False, CENSORED, 0)]
    assert found.matures_at[1] == NEVER


def test_any_failure_of_a_case_lost_from_sight_is_censored():
    """As long as it was followed, no part had failed."""
    parts = outcomes_at(
        event_frame(story(OPENED)), marks(0, due=20), as_of=LATER, observed_until=pd.Series({"c1": T + 9 * DAY})
    )
    found = any_failure(parts.values())
    assert told(found) == [(None, True, CENSORED, 9)]
    assert found.censored.tolist() == [True]


def test_any_failure_refuses_what_cannot_be_taken_together():
    """Two horizons of one outcome, nothing at all, or outcomes of other landmarks."""
    events, landmarks = event_frame(story(OPENED)), marks(0, 1)
    several = outcomes_at(events, landmarks, as_of=LATER, horizons=(7, 28))
    with pytest.raises(UsageError, match="Expected outcomes of the same landmarks, each once"):
        any_failure(several.values())
    with pytest.raises(UsageError, match="got none of no landmarks"):
        any_failure([])
    others = outcomes_at(events, landmarks.iloc[:1], as_of=LATER, names=["late"])
    with pytest.raises(UsageError, match="late, reopened_7d of 1 and 2 landmarks"):
        any_failure([others["late"], several["reopened_7d"]])


def test_one_record_for_each_outcome_and_horizon_in_order():
    """`late` has the promise as its horizon, and comes once."""
    found = outcomes_at(event_frame(story(OPENED)), marks(0, due=5), as_of=LATER, horizons=(7, 28, 7))
    assert list(found) == [
        *("late", "unresolved_7d", "unresolved_28d", "reopened_7d", "reopened_28d", "handed_up_7d", "handed_up_28d")
    ]
    assert {name: outcome.column for name, outcome in found.items()} == {name: name for name in found}
    assert [outcome.matures_at[0] - T for outcome in found.values()] == [
        days * DAY for days in (5, 7, 28, 7, 28, 7, 28)
    ]
    assert list(outcomes_at(event_frame(story(OPENED)), marks(0), as_of=LATER, names=["reopened"])) == ["reopened_28d"]


def test_the_frame_has_columns_for_every_outcome_and_passes_the_boundary():
    """Names, types and rows as the exported matrix has them."""
    parts = outcomes_at(event_frame(story(OPENED, (4, "handed_up"))), marks(0, 4, due=20), as_of=LATER)
    frame = outcome_frame(parts)
    assert len(frame) == 2
    assert [column for column in frame if column.startswith("late")] == [
        *("late", "late_matures_at", "late_eligible", "late_censored", "late_unsaid", "late_duration", "late_cause")
    ]
    assert frame["handed_up_28d"].tolist() == [1.0, 0.0]
    assert frame.dtypes.astype(str)[["late", "late_matures_at", "late_censored", "late_cause"]].tolist() == [
        *("float64", "int64", "bool", "int8")
    ]
    assert not violations("outcomes", list(frame))
    pd.testing.assert_frame_equal(frame, outcome_frame(parts.values()))


def test_no_landmark_and_no_event_are_answered_with_nothing():
    """Empty in, empty out; a case of which nothing is known yet cannot fail."""
    events = event_frame(story(OPENED))
    assert all(len(outcome) == 0 for outcome in outcomes_at(events, marks(0)[:0], as_of=LATER).values())
    for outcome in outcomes_at(events, marks(0, due=5), as_of=T).values():
        assert not outcome.eligible.any()
        assert outcome.matures_at.tolist() == [NEVER]


def test_wrong_calls_say_what_is_expected():
    """Unknown outcomes, impossible horizons, a missing column, strange cases, too few moments."""
    events, landmarks = event_frame(story(OPENED)), marks(0)
    with pytest.raises(UsageError, match=r"Expected outcomes out of late, unresolved, .*, got 'early'"):
        outcomes_at(events, landmarks, as_of=LATER, names=["early"])
    for horizon in (0, -7, 1.5):
        with pytest.raises(UsageError, match="Expected horizons in whole days above 0"):
            outcomes_at(events, landmarks, as_of=LATER, horizons=(28, horizon))
    with pytest.raises(InputError, match="'seen_until' is missing"):
        outcomes_at(events, landmarks.drop(columns="seen_until"), as_of=LATER)
    with pytest.raises(InputError, match="1 of 1 cases have none"):
        outcomes_at(events, marks(0, case="c2"), as_of=LATER)
    with pytest.raises(InputError, match="for each of 1 landmarks, got 2 moments"):
        outcomes_at(events, landmarks, as_of=LATER, observed_until=np.array([T, T]))
