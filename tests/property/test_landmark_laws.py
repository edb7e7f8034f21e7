"""Laws of landmarks and of the state of a case, over random logs full of ties: against loops and against the future."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.event_log import NEVER, fold_cases, known_before
from data.schema import EventKind
from features.case_state import STATE_COLUMNS, CaseStates, state_before
from features.deadlines import deadlines
from features.facts import KEY_COLUMNS, promise_keys
from features.landmarks import landmarks, landmarks_now, opening_landmarks
from features.progress import PROGRESS
from tests.support.case_loops import state_by_loop, value
from tests.support.logs import event_frame

HOUR, DAY = 3600, 86_400
ZONES = ("Asia/Shanghai", "America/New_York", "Europe/Berlin", "America/Sao_Paulo")
# A few days before the clocks go forward, or back, somewhere in `ZONES`.
STARTS = [
    int(datetime(*day, tzinfo=UTC).timestamp()) for day in ((2018, 11, 2), (2024, 3, 8), (2024, 3, 29), (2024, 10, 25))
]
LATER = STARTS[-1] + 60 * DAY
KINDS = [kind.value for kind in EventKind]


@st.composite
def histories(draw: st.DrawFn, number: int, start: int) -> list[dict[str, object]]:
    """One case with every kind of event, told in any order and often several in one second."""
    at = start + draw(st.integers(0, 8)) * 6 * HOUR
    words = {
        "category": st.sampled_from(["drain", "light", None]),
        "area": st.sampled_from(["A1", None]),
        "office": st.sampled_from(["north", "south", None]),
        "due_at": st.one_of(st.none(), st.integers(1, 8).map(lambda n: at + n * 12 * HOUR)),
    }
    said = st.fixed_dictionaries(words)
    rows: list[dict[str, object]] = []
    for kind in ["opened", *draw(st.lists(st.sampled_from(KINDS[1:]), max_size=7))]:
        known = at + draw(st.sampled_from([0, 0, 0, 12 * HOUR, 40 * HOUR]))
        rows.append({"case_id": f"c{number}", "kind": kind, "at": at, "known_at": known, **draw(said)})
        at += draw(st.sampled_from([0, 30, 6 * HOUR, 24 * HOUR]))
    return rows


@st.composite
def logs(draw: st.DrawFn, max_cases: int = 5) -> pd.DataFrame:
    """A log of several such cases, in random order."""
    start = draw(st.sampled_from(STARTS))
    rows = [row for number in range(draw(st.integers(1, max_cases))) for row in draw(histories(number, start))]
    return event_frame([rows[i] for i in draw(st.permutations(range(len(rows))))])


moments = st.builds(
    lambda start, steps, shift: start + steps * 6 * HOUR + shift,
    st.sampled_from(STARTS),
    st.integers(0, 40),
    st.sampled_from([0, 1, 31]),
)
zones = st.sampled_from(ZONES)


def _all(log: pd.DataFrame, zone: str = "Asia/Shanghai", as_of: int = LATER, **options: object) -> pd.DataFrame:
    return landmarks(log, time_zone=zone, as_of=as_of, observed_until=_looked_at(log), **options)


def _looked_at(log: pd.DataFrame) -> pd.Series:
    # Until shortly after the last event, or an open case has a morning for each day up to the year's end.
    return log.groupby("case_id")["known_at"].max() + 3 * DAY


def _plain(frame: pd.DataFrame) -> list[dict[str, object]]:
    """Rows as values, whatever their columns' types; without the running number."""
    told = frame.drop(columns="landmark", errors="ignore").astype(object)
    return told.where(told.notna(), None).to_dict("records")


@settings(max_examples=30)
@given(log=logs(), seed=st.integers(0, 99), zone=zones)
def test_the_order_of_arrival_changes_no_landmark(log, seed, zone):
    """A shuffled log gives the same landmarks with the same states, in the same order.

    Of two events of one case, second and kind the order of the file is all that tells which came first, so there are
    none here.
    """
    log = log.drop_duplicates(["case_id", "known_at", "at", "kind"], ignore_index=True)
    assert _plain(_all(log, zone)) == _plain(_all(log.sample(frac=1, random_state=seed), zone))


@settings(max_examples=30)
@given(log=logs(), at=moments, zone=zones)
def test_the_future_changes_no_landmark(log, at, zone):
    """What became known from a moment on, of the case itself or of others, changes no landmark before it."""
    whole = _all(log, zone)
    looked_at = _looked_at(log)
    past = landmarks(known_before(log, at), time_zone=zone, as_of=at, observed_until=looked_at)
    assert _plain(whole[whole["landmark_at"] < at]) == _plain(past)


@settings(max_examples=20)
@given(log=logs(), zone=zones)
def test_many_cases_have_the_landmarks_that_each_has_alone(log, zone):
    """One case at a time gives what all of them give together, case by case in the order of opening."""
    cases = fold_cases(log)["case_id"]
    alone = [row for case in cases for row in _plain(_all(log[log["case_id"] == case], zone))]
    assert _plain(_all(log, zone)) == alone


@settings(max_examples=30)
@given(log=logs(), zone=zones)
def test_the_state_of_a_landmark_is_what_its_own_past_says(log, zone):
    """Each landmark's state is that of its case's events known before `seen_until`, by search and by loop alike."""
    found = _all(log, zone)
    assert _plain(found[[*STATE_COLUMNS]]) == _plain(state_before(log, found)[[*STATE_COLUMNS]])
    for row in found.to_dict("records"):
        told = log[(log["case_id"] == row["case_id"]) & (log["known_at"] < row["seen_until"])]
        expected = state_by_loop(told)
        assert {name: value(row[name]) for name in STATE_COLUMNS} == expected


@settings(max_examples=20)
@given(log=logs())
def test_the_last_state_is_the_folded_case(log):
    """After all its events a case is what `fold_cases` makes of them, where both tell of it."""
    states = CaseStates.of(log)
    cases = fold_cases(log)
    end = states.frame(states.places_before(cases["case_id"], np.full(len(cases), NEVER)))
    shared = ["category", "category_group", "area", "channel", "opened_at", "opened_known_at", "reopened"]
    # Two events of one kind, case and second are in no order that `fold_cases` could know of.
    tied = log.duplicated(["case_id", "known_at", "at", "kind"], keep=False)
    clear = ~cases["case_id"].isin(log.loc[tied, "case_id"]).to_numpy()
    assert _plain(end.loc[clear, [*shared, "office", "due_at", "closed_at"]]) == _plain(
        cases.loc[clear, [*shared, "office", "due_at", "closed_at"]]
    )


@settings(max_examples=30)
@given(log=logs(), zone=zones, hour=st.sampled_from([0, 1, 2, 7, 23]), from_=st.one_of(st.none(), moments))
def test_there_is_a_morning_for_each_local_day_on_which_a_case_was_known_open(log, zone, hour, from_):
    """Mornings are those a loop over local days finds, also where the clock leaps or goes back."""
    found = _all(log, zone, kinds=["morning"], morning=hour, from_=from_)
    looked_at = _looked_at(log)
    expected = []
    for case in fold_cases(log)["case_id"]:
        own = log[log["case_id"] == case]
        opened, looked_until = own.loc[own["kind"] == "opened", "known_at"].iloc[0], looked_at[case]
        days = [moment for moment in _mornings_by_loop(zone, hour) if opened < moment <= looked_until]
        listed = [moment for moment in days if state_by_loop(own[own["known_at"] < moment])["is_open"]]
        expected += [(case, moment) for moment in listed]
    if from_ is not None:
        expected = [(case, moment) for case, moment in expected if moment >= from_]
    assert list(zip(found["case_id"], found["landmark_at"], strict=True)) == expected
    assert (found["seen_until"] == found["landmark_at"]).all()


@settings(max_examples=30)
@given(log=logs(), at=moments)
def test_openings_and_events_are_the_seconds_in_which_something_became_known(log, at):
    """One opening for each case known by then, and one landmark for each later second that left it standing."""
    found = _all(log, as_of=at, kinds=["opening", "event"])
    expected = []
    for case, own in known_before(log, at).groupby("case_id"):
        opened = own.loc[own["kind"] == "opened", "known_at"]
        if opened.empty:
            continue
        expected.append((case, "opening", opened.iloc[0]))
        later = set(own.loc[own["known_at"] > opened.iloc[0], "known_at"])
        standing = {s for s in later if not state_by_loop(own[own["known_at"] <= s])["fallen_away"]}
        expected += [(case, "event", second) for second in standing]
    assert sorted(zip(found["case_id"], found["kind"], found["landmark_at"], strict=True)) == sorted(expected)
    assert (found["seen_until"] == found["landmark_at"] + 1).all()
    assert not found.duplicated(["case_id", "landmark_at"]).any()


@settings(max_examples=15)
@given(log=logs())
def test_opening_landmarks_agree_with_those_of_folded_cases(log):
    """The opening landmark is the one of `opening_landmarks`, where the opening was alone in its second."""
    found = _all(log, kinds=["opening"])
    folded = pd.concat(
        [fold_cases(_told(log, row.case_id, row.seen_until)) for row in found.itertuples()], ignore_index=True
    )
    old = opening_landmarks(folded)
    alone = [len(_told(log, row.case_id, row.seen_until)) == 1 for row in found.itertuples()]
    names = ["case_id", "landmark_at", "opened_at", "due_at", *KEY_COLUMNS]
    assert _plain(found.loc[alone, names]) == _plain(old.loc[alone, names])
    assert found["case_id"].tolist() == opening_landmarks(fold_cases(log))["case_id"].tolist()


@settings(max_examples=20)
@given(log=logs(), zone=zones)
def test_promise_keys_are_of_the_promise_that_stands(log, zone):
    """`promise` and `promise_fine` are what `promise_keys` makes of each landmark's own opening and promise."""
    found = _all(log, zone)
    expected = pd.DataFrame(promise_keys(found["opened_at"], found["due_at"]))
    assert _plain(found[["promise", "promise_fine"]]) == _plain(expected)


@settings(max_examples=20)
@given(log=logs(), zone=zones)
def test_no_time_is_negative_and_no_number_of_progress_is_strange(log, zone):
    """Nothing is known before it happens, so elapsed times and counts are 0 or more, or null."""
    found = _all(log, zone)
    for name, work_out in PROGRESS.items():
        values = work_out(found)
        assert values.dtype == np.float64, name
        assert not (values < 0).any(), name
    for name, work_out in deadlines().items():
        assert work_out(found).shape == (len(found),), name


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("hour", [0, 2, 7])
def test_a_year_has_a_morning_for_each_of_its_days(zone, hour):
    """A case that is open all year has one morning a day, in every zone, whatever its clocks do."""
    first = datetime(2018, 1, 1, tzinfo=ZoneInfo(zone))
    opened = int(first.timestamp()) - 1
    log = event_frame([{"case_id": "c1", "kind": "opened", "at": opened, "known_at": opened}])
    as_of = int(datetime(2019, 1, 1, tzinfo=ZoneInfo(zone)).timestamp())
    found = landmarks(log, time_zone=zone, as_of=as_of, kinds=["morning"], morning=hour)
    days = [datetime.fromtimestamp(moment, ZoneInfo(zone)).date() for moment in found["landmark_at"]]
    assert days == [date(2018, 1, 1) + timedelta(n) for n in range(365)]


def _told(log: pd.DataFrame, case: str, until: int) -> pd.DataFrame:
    return log[(log["case_id"] == case) & (log["known_at"] < until)]


@cache
def _mornings_by_loop(zone: str, hour: int) -> list[int]:
    """When the clock of each local day first shows the hour or a later one, looking four times an hour."""
    found = {}
    for start in STARTS:
        for moment in range(start - 2 * DAY, start + 20 * DAY, 900):
            local = datetime.fromtimestamp(moment, ZoneInfo(zone))
            if local.hour >= hour:
                found.setdefault(local.date(), moment)
        # The scan begins in the middle of a day.
        del found[datetime.fromtimestamp(start - 2 * DAY, ZoneInfo(zone)).date()]
    return sorted(found.values())


@settings(max_examples=40, deadline=None)
@given(logs(), st.sampled_from(ZONES), st.integers(0, 10))
def test_the_list_of_a_moment_is_that_of_a_morning(events, zone, days):
    """Asked at seven, it has the cases, states and keys of that morning, and nothing known later changes it."""
    end = int(events["known_at"].max()) + 4 * DAY
    later = landmarks(events, time_zone=zone, as_of=end, kinds=["morning"])
    moments = later["landmark_at"].unique()
    if not len(moments):
        return
    at = int(moments[min(days, len(moments) - 1)])
    morning = later[later["landmark_at"] == at].drop(columns="landmark").reset_index(drop=True)
    now = landmarks_now(events, at).drop(columns="landmark")
    columns = [name for name in now if name not in ("kind", "promise", "promise_fine")]
    # Categories are those of the frame: of a whole life there are more of them.
    pd.testing.assert_frame_equal(now[columns].astype(str), morning[columns].astype(str))
    assert now["promise"].astype(str).tolist() == morning["promise"].astype(str).tolist()
    known = known_before(events, at)
    pd.testing.assert_frame_equal(landmarks_now(known, at), landmarks_now(events, at))


def test_a_moment_before_everything_has_no_list():
    """No case, no landmark, and the columns are there."""
    events = event_frame([{"case_id": "a", "kind": "opened", "at": STARTS[0], "known_at": STARTS[0]}])
    assert len(landmarks_now(events, STARTS[0])) == 0
    assert len(landmarks_now(events, STARTS[0] + 1)) == 1
