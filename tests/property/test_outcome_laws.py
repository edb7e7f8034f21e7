"""Laws of outcomes at landmarks, over random logs full of ties and late records: against loops, and against time."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from data.event_log import NEVER, fold_cases, known_before
from data.schema import ClosingReason
from features.outcomes import LANDMARK_OUTCOMES, any_failure, late, outcome_frame, outcomes_at
from tests.support.logs import event_frame

T = 1_700_000_000
_HOUR = 3600
_DAY = 24 * _HOUR
_END = T + 300 * _DAY
HORIZONS = (1, 7)
_KINDS = ("closed", "closed", "reopened", "reopened", "withdrawn", "duplicate", "handed_up", "amended", "transferred")
_RANK = {
    kind: rank
    for rank, kind in enumerate(
        [
            *("opened", "assigned", "transferred", "handed_up", "replied", "paused", "resumed", "closed", "reopened"),
            *("withdrawn", "duplicate", "amended"),
        ]
    )
}
_REASONS = [None, *(reason.value for reason in ClosingReason)]


@st.composite
def _cases(draw, number):
    """One case with anything that can happen to it, in any order, much of it in one second or recorded late."""
    opened = T + draw(st.integers(0, 6)) * 12 * _HOUR
    due = draw(st.one_of(st.none(), st.integers(1, 8).map(lambda n: opened + n * 12 * _HOUR)))
    late_opening = draw(st.sampled_from([0, 0, 0, 12 * _HOUR]))
    rows = [{"kind": "opened", "at": opened, "known_at": opened + late_opening, "due_at": due}]
    at = opened
    for kind in draw(st.lists(st.sampled_from(_KINDS), min_size=2, max_size=7)):
        at += draw(st.sampled_from([0, 0, 1, 45, 12 * _HOUR, _DAY, 36 * _HOUR]))
        row = {"kind": kind, "at": at, "known_at": at + draw(st.sampled_from([0, 0, 0, 12 * _HOUR, _DAY]))}
        if kind == "closed":
            row["closing_reason"] = draw(st.sampled_from(_REASONS))
        if kind in ("amended", "reopened"):
            row["due_at"] = draw(st.one_of(st.none(), st.integers(0, 6).map(lambda n, at=at: at + n * 12 * _HOUR)))
        rows.append(row)
    return [{"case_id": f"c{number}", **row} for row in rows]


@st.composite
def _logs(draw, max_cases=8):
    """A log in random order, and its landmarks: at every event of every case, and at mornings between."""
    count = draw(st.integers(max_cases // 2, max_cases))
    rows = [row for number in range(count) for row in draw(_cases(number))]
    events = event_frame(rows).sample(frac=1, random_state=draw(st.integers(0, 9)))
    return events, _landmarks(rows)


def _landmarks(rows):
    marks = []
    for case in sorted({row["case_id"] for row in rows}):
        own = [row for row in rows if row["case_id"] == case]
        known = sorted({row["known_at"] for row in own})
        mornings = [*(moment + 7 * _HOUR for moment in known[:3]), known[-1]]
        for at, seen_until in [(at, at + 1) for at in known] + [(at, at) for at in mornings]:
            due = _due(own, seen_until)
            marks.append({"case_id": case, "landmark_at": at, "seen_until": seen_until, "due_at": due})
    return pd.DataFrame(marks)


def _due(own, seen_until):
    """The promise as it stands: the newest that was said."""
    said = [row for row in own if row["known_at"] < seen_until and row.get("due_at") is not None]
    said.sort(key=lambda row: (row["known_at"], row["at"], _RANK[row["kind"]]))
    return said[-1]["due_at"] if said else NEVER


_moments = st.integers(0, 60).map(lambda n: T + n * 6 * _HOUR)


# ---- the oracle: one landmark at a time, with loops over the story of its case ----


def _story(events, case):
    rows = events[events["case_id"] == case].to_dict("records")
    for row in rows:
        row["reason"] = row["closing_reason"] if isinstance(row["closing_reason"], str) else None
    # Of two closings of one second, the reason decides, in the order of the vocabulary and none first.
    rows.sort(key=lambda row: (row["known_at"], row["at"], _RANK[row["kind"]], _REASONS.index(row["reason"])))
    return rows


def _state(story):
    """Opened or not, closed or not, and the event by which the case fell away, if it has."""
    opened, closed, fell = False, False, None
    for row in story:
        if row["kind"] == "opened":
            opened = True
        elif row["kind"] == "reopened":
            closed, fell = False, None
        elif row["kind"] == "closed":
            closed = True
        elif row["kind"] in ("withdrawn", "duplicate"):
            fell = fell or row
    return opened, closed, fell


def _instant(story):
    openings = [row for row in story if row["kind"] == "opened"]
    closings = [row for row in story if row["kind"] == "closed"]
    return bool(openings and closings) and closings[0]["at"] - openings[0]["at"] <= 60


def _oracle(story, mark, name, days, as_of, observed_until):
    """(value, matures_at, eligible, censored, unsaid, duration, cause) of one landmark."""
    story = [row for row in story if row["known_at"] < as_of]
    past = [row for row in story if row["known_at"] < mark["seen_until"]]
    opened, closed, fell = _state(past)
    matures = mark["due_at"] if name == "late" else mark["landmark_at"] + days * _DAY
    possible = opened and fell is None and not _instant(past) and (name == "reopened" or not closed)
    if name == "late":
        possible = possible and mark["landmark_at"] < mark["due_at"] < NEVER
    followed = min(observed_until, as_of)
    until = min(matures, followed)
    seen = past + [row for row in story if mark["seen_until"] <= row["known_at"] <= until]
    eligible = possible and not _instant(seen)
    if not eligible:
        return None, matures if possible else NEVER, False, False, False, 0, 0
    what, when = _decided(seen, len(past), name)
    if what is None and name == "late" and matures < followed:
        what, when = "failed", matures
    mature = matures < followed
    duration = max((until if what is None else when) - mark["landmark_at"], 0)
    value = float(what == "failed") if mature and what != "unsaid" else None
    cause = {"failed": 1, "ended": 2}.get(what, 0)
    return value, matures, True, what is None and not mature, what == "unsaid", duration, cause


def _decided(seen, start, name):
    """What came first after the landmark, and when it became known."""
    fell = _state(seen)[2]
    for place in range(start, len(seen)):
        row, before = seen[place], seen[:place]
        if row is fell:
            return "ended", row["known_at"]
        if name == "late" and row["kind"] == "closed":
            return "ended", row["known_at"]
        if name == "handed_up" and row["kind"] == "handed_up":
            return "failed", row["known_at"]
        if name == "unresolved" and row["kind"] == "closed":
            return _how(seen[place:]), row["known_at"]
        if name == "reopened" and row["kind"] == "reopened" and _undoes(before):
            return "failed", row["known_at"]
    return None, None


def _how(story):
    """What a closing, the first of `story`, says in the end: the newest reason up to the next reopening."""
    reason = None
    for row in story:
        if row["kind"] == "reopened":
            break
        if row["kind"] == "closed" and row["reason"]:
            reason = row["reason"]
    if reason in ("noted", "scheduled", "no_access"):
        return "failed"
    return "unsaid" if reason in (None, "other") else "ended"


def _undoes(before):
    _opened, closed, fell = _state(before)
    return fell is None and (closed or not any(row["kind"] == "reopened" for row in before))


# ---- the laws ----


def _frame(events, landmarks, as_of, observed_until=None):
    return outcome_frame(outcomes_at(events, landmarks, as_of=as_of, observed_until=observed_until, horizons=HORIZONS))


@settings(max_examples=30)
@given(log=_logs(), as_of=_moments, lost=st.lists(st.integers(0, 40), min_size=8, max_size=8))
def test_outcomes_are_what_reading_case_by_case_gives(log, as_of, lost):
    """Every field of every outcome and horizon equals the loops', with cases lost from sight at random."""
    events, landmarks = log
    observed_until = pd.Series({f"c{i}": T + n * 6 * _HOUR for i, n in enumerate(lost)})
    found = outcomes_at(events, landmarks, as_of=as_of, observed_until=observed_until, horizons=HORIZONS)
    stories = {case: _story(events, case) for case in set(events["case_id"])}
    for outcome in found.values():
        days = 0 if outcome.horizon is None else outcome.horizon // _DAY
        for i, mark in enumerate(landmarks.to_dict("records")):
            seen = int(observed_until[mark["case_id"]])
            expected = _oracle(stories[mark["case_id"]], mark, outcome.name, days, as_of, seen)
            value = None if np.isnan(outcome.value[i]) else outcome.value[i]
            got = (value, *(getattr(outcome, name)[i] for name in _FIELDS))
            assert got == expected, (outcome.column, mark)


_FIELDS = ("matures_at", "eligible", "censored", "unsaid", "duration", "cause")


@settings(max_examples=30)
@given(log=_logs())
def test_late_at_the_opening_is_late_of_the_case(log):
    """In the second after its promise, each case is late in both ways of asking, wherever both know."""
    events, _ = log
    for due in sorted({int(due) for due in events.loc[events["kind"] == "opened", "due_at"].dropna()}):
        cases = _folded(known_before(events, due + 1))
        landmarks = _openings(cases)
        asked = outcomes_at(events, landmarks, as_of=due + 1, names=["late"])["late"]
        told = late(cases, as_of=due + 1)
        both = ~np.isnan(asked.value) & ~np.isnan(told.value) & ~_taken_back_in_one_second(events, cases)
        both &= (cases["due_at_opening"] == due).to_numpy()
        assert (asked.value[both] == told.value[both]).all()
        assert (asked.matures_at[both] == told.matures_at[both]).all()


def _folded(events):
    opened = events.loc[events["kind"] == "opened", "case_id"]
    return fold_cases(events[events["case_id"].isin(opened)])


def _openings(cases):
    at = cases["opened_known_at"].to_numpy("int64")
    due = cases["due_at_opening"].to_numpy("int64")
    return pd.DataFrame({"case_id": cases["case_id"], "landmark_at": at, "seen_until": at + 1, "due_at": due})


def _taken_back_in_one_second(events, cases):
    """`fold_cases` lets an ending stand that became known in the second of a later reopening."""
    ends = events[events["kind"].isin(["withdrawn", "duplicate"])]
    back = events[events["kind"] == "reopened"]
    tied = ends.merge(back, on=["case_id", "known_at"])["case_id"]
    return cases["case_id"].isin(tied).to_numpy()


@settings(max_examples=20)
@given(log=_logs(), seed=st.integers(0, 99))
def test_late_stays_late_of_the_case_where_nothing_is_recorded_late(log, seed):
    """Long after, both ways still agree, unless a falling-away was taken back after the promise."""
    events, _ = log
    fell = events.loc[events["kind"].isin(["withdrawn", "duplicate"]), "case_id"]
    back = events.loc[events["kind"] == "reopened", "case_id"]
    events = events[~(events["case_id"].isin(fell) & events["case_id"].isin(back))]
    events = events.assign(known_at=events["at"])
    assume(not events.empty)
    cases = fold_cases(events.sample(frac=1, random_state=seed))
    asked = outcomes_at(events, _openings(cases), as_of=_END, names=["late"])["late"]
    told = late(cases, as_of=_END)
    both = ~np.isnan(asked.value) & ~np.isnan(told.value)
    assert (asked.value[both] == told.value[both]).all()


@settings(max_examples=20)
@given(log=_logs(), more=_logs(), as_of=_moments)
def test_what_becomes_known_later_changes_nothing(log, more, as_of):
    """Events known at the as-of or after it may be there or not."""
    events, landmarks = log
    opened = events.loc[(events["kind"] == "opened") & (events["known_at"] < as_of), "case_id"]
    landmarks = landmarks[landmarks["case_id"].isin(opened)]
    strangers = more[0].assign(known_at=more[0]["known_at"] + (as_of - T))
    past = known_before(events, as_of)
    pd.testing.assert_frame_equal(
        _frame(past, landmarks, as_of), _frame(pd.concat([events, strangers]), landmarks, as_of), check_exact=True
    )


@settings(max_examples=30)
@given(log=_logs(), moments=st.tuples(_moments, _moments), looks=st.tuples(_moments, _moments))
def test_a_known_value_never_changes(log, moments, looks):
    """With a later as-of and a later last look, what was known stays, and so does who could fail and until when."""
    events, landmarks = log
    before, after = (
        outcomes_at(events, landmarks, as_of=as_of, observed_until=np.full(len(landmarks), look), horizons=HORIZONS)
        for as_of, look in zip(sorted(moments), sorted(looks), strict=True)
    )
    for name, then in before.items():
        known = ~np.isnan(then.value)
        assert (after[name].value[known] == then.value[known]).all()
        assert after[name].eligible[known].all()
        assert (after[name].duration[known] == then.duration[known]).all()
        assert (after[name].cause[known] == then.cause[known]).all()
        # A landmark after the as-of may yet be told otherwise.
        past = (landmarks["seen_until"] <= min(moments)).to_numpy()
        assert (after[name].matures_at[past] == then.matures_at[past]).all()


@settings(max_examples=20)
@given(log=_logs(max_cases=3))
def test_maturity_is_told_by_the_landmark_alone(log):
    """Without any later event, each landmark's outcomes mature when they do with all of them."""
    events, landmarks = log
    found = outcomes_at(events, landmarks, as_of=_END, horizons=HORIZONS)
    for i in range(len(landmarks)):
        alone = landmarks.iloc[[i]]
        then = int(alone["seen_until"].iloc[0])
        for name, outcome in outcomes_at(events, alone, as_of=then, horizons=HORIZONS).items():
            assert outcome.matures_at[0] == found[name].matures_at[i]


@settings(max_examples=20)
@given(log=_logs(), as_of=_moments, seed=st.integers(0, 99))
def test_the_order_of_rows_changes_nothing(log, as_of, seed):
    """Events shuffled, landmarks shuffled: the same outcomes in the landmarks' order."""
    events, landmarks = log
    order = np.random.default_rng(seed).permutation(len(landmarks))
    pd.testing.assert_frame_equal(
        _frame(events, landmarks, as_of).iloc[order].reset_index(drop=True),
        _frame(events.sample(frac=1, random_state=seed), landmarks.iloc[order], as_of),
        check_exact=True,
    )


@settings(max_examples=20)
@given(log=_logs(), as_of=_moments, look=_moments)
def test_a_value_is_known_for_every_case_alike_or_for_none(log, as_of, look):
    """Known exactly where eligible, followed beyond maturity and said; failed exactly where `cause` says so by then."""
    events, landmarks = log
    observed_until = np.full(len(landmarks), look)
    for outcome in outcomes_at(
        events, landmarks, as_of=as_of, observed_until=observed_until, horizons=HORIZONS
    ).values():
        mature = outcome.matures_at < min(as_of, look)
        known = ~np.isnan(outcome.value)
        assert (known == (outcome.eligible & mature & ~outcome.unsaid)).all()
        assert (outcome.value[known] == (outcome.cause[known] == 1)).all()
        assert (known == outcome.known_before(as_of)).all()
        assert (outcome.censored == (outcome.eligible & ~mature & (outcome.cause == 0) & ~outcome.unsaid)).all()
        assert (outcome.duration >= 0).all()
        waits = np.where(outcome.eligible, outcome.matures_at - landmarks["landmark_at"].to_numpy("int64"), 0)
        assert (outcome.duration <= waits).all()


@settings(max_examples=20)
@given(log=_logs())
def test_the_mean_of_values_is_the_cumulative_incidence(log):
    """Where all were followed, the Aalen-Johansen estimate from `duration` and `cause` is the share that failed."""
    events, landmarks = log
    for outcome in outcomes_at(events, landmarks, as_of=_END, horizons=HORIZONS).values():
        known = ~np.isnan(outcome.value)
        if known.any():
            estimate = _aalen_johansen(outcome.duration[known], outcome.cause[known])
            assert np.isclose(estimate, outcome.value[known].mean(), rtol=0, atol=1e-12)


def _aalen_johansen(duration, cause):
    """The cumulative incidence of cause 1 at the end of all follow-up."""
    surviving, incidence = 1.0, 0.0
    for moment in np.unique(duration):
        at_risk = (duration >= moment).sum()
        now = duration == moment
        incidence += surviving * (now & (cause == 1)).sum() / at_risk
        surviving *= 1 - (now & (cause > 0)).sum() / at_risk
    return incidence


@settings(max_examples=20)
@given(log=_logs(), as_of=_moments)
def test_a_longer_horizon_forgets_no_failure(log, as_of):
    """Reopened or handed up within a day is so within a week. (A reason can be corrected, so not `unresolved`.)"""
    events, landmarks = log
    found = outcomes_at(events, landmarks, as_of=as_of, horizons=HORIZONS)
    for name in ("reopened", "handed_up"):
        short, long = found[f"{name}_1d"], found[f"{name}_7d"]
        both = ~np.isnan(short.value) & ~np.isnan(long.value)
        assert (long.value[both] >= short.value[both]).all()


@settings(max_examples=20)
@given(log=_logs(), as_of=_moments, look=_moments)
def test_any_failure_agrees_with_its_parts(log, as_of, look):
    """Known where all parts are, and then the largest; no sooner than any; failed as early as the first."""
    events, landmarks = log
    observed_until = np.full(len(landmarks), look)
    found = outcomes_at(events, landmarks, as_of=as_of, observed_until=observed_until, horizons=[7])
    parts = list(found.values())
    whole = any_failure(parts)
    assert len(parts) == len(LANDMARK_OUTCOMES)
    for i in range(len(landmarks)):
        mine = [part for part in parts if part.eligible[i]]
        assert whole.eligible[i] == bool(mine)
        values = [part.value[i] for part in mine]
        known = bool(mine) and not any(np.isnan(value) for value in values)
        assert np.isnan(whole.value[i]) != known
        if known:
            assert whole.value[i] == max(values)
            assert (whole.value[i] == 1) == (whole.cause[i] == 1)
        if mine:
            assert whole.matures_at[i] == max(part.matures_at[i] for part in parts if part.matures_at[i] < NEVER)
        failed = [part.duration[i] for part in mine if part.cause[i] == 1]
        if failed:
            assert (whole.cause[i], whole.duration[i]) == (1, min(failed))
        if whole.censored[i]:
            assert any(part.censored[i] for part in mine)
