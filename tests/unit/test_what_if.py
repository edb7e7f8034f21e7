"""What an office could do: asked through its own events, told from what was seen, and refused where nothing was."""

from __future__ import annotations

import math
import re

import numpy as np
import pandas as pd
import pytest

from data.boundary import violations
from data.errors import UsageError
from data.event_log import NEVER
from data.schema import EventKind
from data.store import Store
from features.case_state import STEPS
from features.landmarks import landmarks, landmarks_now
from features.risk_inputs import RiskInputs, possible
from models.failures import Told
from models.history import History
from models.what_if import ACTIONS, FEWEST, Like, Support, World, what_if
from models.what_if.ask import differ
from models.what_if.support import standing
from service.known import Known

DAY = 86_400
NAMES = ["promise_used", "hours_to_due", "times_replied", "is_paused", "open_office", "last_step_replied"]


class Plain:
    """Models that can be worked out by hand: a reply lowers the risk by half, and the promise used raises it."""

    outcomes = ("late", "reopened_28d")

    def __init__(self) -> None:
        self.asked: list[pd.DataFrame] = []

    def tell(self, inputs: RiskInputs, *, level: float) -> dict[str, Told]:
        self.asked += [inputs.matrix.features.iloc[[row]] for row in range(len(inputs))]
        used = np.clip(inputs.matrix.features["promise_used"].fillna(0).to_numpy(), 0, 1)
        risk = (0.1 + 0.6 * used) * np.where(inputs.matrix.features["times_replied"] > 0, 0.5, 1.0)
        told = {}
        for name in self.outcomes:
            asked = np.where(possible(inputs.landmarks, name), risk, np.nan)
            told[name] = Told(asked, asked * (1 - level / 10), asked * (1 + level / 10))
        return {**told, "any_failure": told["reopened_28d"]}


@pytest.fixture(scope="module")
def known(small_city_url):
    with Store.open(small_city_url) as store:
        return Known.at(store), store.time_zone(), store.known_at_opening()


@pytest.fixture(scope="module")
def now(known) -> int:
    return known[0].as_of - 30 * DAY


@pytest.fixture(scope="module")
def world(known, now) -> World:
    seen, zone, _keys = known
    return World.build(
        seen.events, as_of=now, names=NAMES, outcomes=Plain.outcomes, time_zone=zone, observed_until=seen.observed_until
    )


@pytest.fixture(scope="module")
def support(known, now) -> Support:
    seen, zone, keys = known
    history = History.build(
        seen.events, as_of=seen.as_of, time_zone=zone, known_at_opening=keys, names=NAMES, kinds=("opening", "event"),
        outcomes=("late", "reopened"), observed_until=seen.observed_until, believe_all=True,
    )  # fmt: skip
    return Support.of(history, before=now)


@pytest.fixture(scope="module")
def open_now(world) -> pd.DataFrame:
    return landmarks_now(world.events, world.as_of)


def _case(open_now: pd.DataFrame, chosen: pd.Series) -> str:
    found = open_now[chosen]
    assert len(found), "the small city has no such case"
    return str(found["case_id"].iloc[0])


@pytest.fixture(scope="module")
def promised(open_now) -> str:
    """An open case whose promise lies ahead, without a reply, and whose clock is not stopped."""
    ahead = (open_now["due_at"] > open_now["landmark_at"] + 3 * DAY) & (open_now["due_at"] < NEVER)
    used = standing(open_now) == 1
    return _case(open_now, ahead & used & (open_now["replies"] == 0) & (open_now["paused_since"] == NEVER))


ALWAYS = Like(done=134, failed=27, others=400, scope="category")


def _always(support: Support, like: Like = ALWAYS) -> Support:
    """As if the data had seen exactly so many."""

    class Seen(Support):
        def like(self, *_args: object, **_options: object) -> Like:
            return like

    return Seen(support.frame, support.values)


@pytest.mark.parametrize("kind", [EventKind.REPLIED, EventKind.TRANSFERRED, EventKind.CLOSED])
def test_the_landmark_after_an_action_is_the_one_that_the_log_would_have_had(world, promised, kind):
    """As if the event had been recorded: to the bit, in every column of a landmark."""
    office = "elsewhere" if kind == EventKind.TRANSFERRED else None
    after = world.after(promised, kind, at=world.as_of, office=office)
    own = world.events[world.events["case_id"] == promised]
    event = own.iloc[[0]].assign(
        kind=kind.value, at=world.as_of, known_at=world.as_of, due_at=pd.NA, category=None, category_group=None,
        area=None, channel=None, office=office, closing_reason=None,
    )  # fmt: skip
    log = pd.concat([world.events, event.astype(own.dtypes)], ignore_index=True)
    recorded = landmarks(log, time_zone=world.time_zone, as_of=world.as_of + 1, kinds=("event",), from_=world.as_of)
    recorded = recorded[recorded["case_id"] == promised].reset_index(drop=True)
    columns = [name for name in after if name != "landmark"]
    assert len(after) == len(recorded) == 1
    for name in columns:
        assert str(after[name].iloc[0]) == str(recorded[name].iloc[0]), name
    assert STEPS[int(after["stage"].iloc[0])] == kind


def test_a_reply_is_told_with_before_after_interval_and_what_was_seen(world, support, promised):
    """The numbers of the answer are the models' and the history's, in both languages."""
    found = what_if(Plain(), world, _always(support), promised, "reply")
    used = float(world.inputs(world.now(promised)).matrix.features["promise_used"].iloc[0])
    assert found.before == pytest.approx(0.1 + 0.6 * used)
    assert found.after == pytest.approx(found.before / 2)
    assert found.interval == pytest.approx((found.after * 0.92, found.after * 1.08))
    assert (found.support_n, found.refused, found.by_definition) == (134, None, False)
    assert found.text_en == (
        f"If the office replies now: of cases in that state, about {round(100 * found.after)} of 100 ended late "
        f"({math.floor(92 * found.after)} to {math.ceil(108 * found.after)}); "
        f"as it stands, about {round(100 * found.before)}. "
        "Of 134 earlier cases of this type in which the office replied at about this point, 20% ended late. "
        "The two differ because the risk goes by all that is known of this case, and the count by its type and stage "
        "alone. That is how such cases went; it does not say that doing so was the cause."
    )
    assert found.text_zh.startswith("若现在先作答复：情形相当的案件每100件约")
    assert "以往134件同类案件在相近时点作过答复，其中20%超期。两个数字不同：风险依据本案" in found.text_zh


@pytest.mark.parametrize(
    ("done", "failed", "lower", "upper", "expected"),
    [
        (100, 20, 0.10, 0.19, True),
        (100, 20, 0.10, 0.20, False),
        (100, 20, 0.20, 0.40, False),
        (100, 20, 0.21, 0.40, True),
        # Of a handful only that it is one: of 100 cases 0 to 9 failed, or 91 to 100.
        (100, 1, 0.05, 0.08, False),
        (100, 8, 0.05, 0.08, False),
        (100, 8, 0.10, 0.20, True),
        (100, 99, 0.92, 0.95, False),
        (100, 99, 0.60, 0.90, True),
    ],
)
def test_a_count_that_is_not_what_the_risk_says_is_explained(done, failed, lower, upper, expected):
    """Where the share that is told lies outside of the interval, by hand; of a handful the share is not told by it."""
    assert differ(Like(done=done, failed=failed, others=400, scope="category"), lower, upper) is expected


def test_where_they_agree_nothing_is_explained(world, support, promised):
    """A history that ended as the risk says."""
    found = what_if(Plain(), world, _always(support), promised, "reply")
    like = Like(done=1_000, failed=round(1_000 * found.after), others=400, scope="category")
    same = what_if(Plain(), world, _always(support, like), promised, "reply")
    assert "The two differ" not in same.text_en
    assert "两个数字不同" not in same.text_zh


def test_attention_is_added_and_never_taken_away(world, support, promised):
    """What a list may go by is never less than the risk as the case stands, whatever the answer."""
    for action, given in (("reply", {}), ("answer_by", {"by": world.as_of + DAY}), ("resume", {})):
        found = what_if(Plain(), world, _always(support), promised, action, **given)
        assert found.attention >= found.before


def test_asking_changes_nothing(world, support, promised):
    """Neither the events of the world nor the next answer."""
    before = world.events.copy()
    one, again = (what_if(Plain(), world, _always(support), promised, "reply") for _ in range(2))
    pd.testing.assert_frame_equal(world.events, before)
    assert one == again


def test_what_became_known_later_changes_no_answer(known, now, world, support, promised):
    """Every event from the moment of the question on may be another: the answer is the same to the bit."""
    seen, zone, _keys = known
    later = seen.events["known_at"] >= now
    other = seen.events.copy()
    other.loc[later, "office"] = "nowhere"
    other.loc[later, "kind"] = "replied"
    for events in (other, seen.events[~later]):
        asked = World.build(
            events, as_of=now, names=NAMES, outcomes=Plain.outcomes, time_zone=zone,
            observed_until=seen.observed_until.clip(upper=now),
        )  # fmt: skip
        told = what_if(Plain(), asked, _always(support), promised, "reply")
        assert told == what_if(Plain(), world, _always(support), promised, "reply")


def test_other_cases_count_as_they_stand_now(world, support, promised):
    """Answering by Thursday does not see who will come by Thursday: the load of the office is that of today."""
    models = Plain()
    what_if(models, world, _always(support), promised, "answer_by", outcome="reopened_28d", by=world.as_of + 5 * DAY)
    today, thursday = (asked["open_office"].iloc[0] for asked in models.asked)
    assert today == thursday
    assert models.asked[1]["hours_to_due"].iloc[0] == pytest.approx(models.asked[0]["hours_to_due"].iloc[0] - 120)


def test_closed_within_its_deadline_a_case_is_not_late(world, support, promised):
    """That follows from the deadline, and nothing is estimated."""
    due = int(world.now(promised)["due_at"].iloc[0])
    found = what_if(Plain(), world, support, promised, "answer_by", by=world.as_of + DAY)
    assert (found.after, found.interval, found.by_definition, found.refused) == (0.0, (0.0, 0.0), True, None)
    assert re.search(r"within its deadline, \w+day \d+ \w+ \d\d:\d\d: it would not be late", found.text_en)
    assert "不算超期" in found.text_zh
    if due - world.as_of < 13 * DAY:
        after = what_if(Plain(), world, support, promised, "answer_by", by=due + 1)
        assert (after.after, after.by_definition) == (1.0, True)


def test_a_clock_that_is_not_stopped_cannot_be_restarted(world, support, promised):
    """Refused with a plain sentence, and the risk as it stands is still told."""
    found = what_if(Plain(), world, support, promised, "resume")
    assert found.refused == ("计时没有暂停，无需恢复。", "Its clock is not stopped, so there is nothing to restart.")
    assert np.isnan(found.after)
    assert found.before > 0
    assert (found.text_zh, found.text_en) == found.refused


def test_a_stopped_clock_can_be_restarted(world, support, open_now):
    """The pause ends in the landmark that is asked about."""
    paused = _case(open_now, (open_now["paused_since"] < NEVER) & (open_now["due_at"] > open_now["landmark_at"]))
    models = Plain()
    found = what_if(models, world, _always(support), paused, "resume")
    assert found.refused is None
    assert [asked["is_paused"].iloc[0] for asked in models.asked] == [1.0, 0.0]
    assert found.text_en.startswith("If its clock is restarted now")


def test_handing_over_asks_about_the_other_office(world, support, promised, open_now):
    """The records and the load are those of the office that would have it."""
    own = str(world.now(promised)["office"].iloc[0])
    other = next(office for office in open_now["office"].dropna().unique() if office != own)
    models = Plain()
    found = what_if(models, world, _always(support), promised, "hand_over", office=other)
    load = [asked["open_office"].iloc[0] for asked in models.asked]
    of_office = open_now.groupby("office").size()
    assert abs(load[1] - of_office[other]) <= abs(load[0] - of_office[other])
    assert f"handed over to {other} now" in found.text_en
    assert "at that office already" in what_if(Plain(), world, support, promised, "hand_over", office=own).text_en
    nowhere = what_if(Plain(), world, support, promised, "hand_over", office="never heard of")
    assert nowhere.refused == (
        "该单位没有办过任何案件，无从比较。", "No case was ever at that office, so nothing can be compared."
    )  # fmt: skip


@pytest.mark.parametrize(
    ("like", "said"),
    [
        (Like(0, 0, 500, "category"), "Fewer than 30 cases like it were dealt with in this way"),
        (Like(1, 0, 500, "category"), "Fewer than 30 cases like it were dealt with in this way"),
        (Like(FEWEST - 1, 3, 500, "category"), "Fewer than 30 cases like it were dealt with in this way"),
        (Like(500, 3, FEWEST - 1, "category_group"), "Fewer than 30 cases like it were not dealt with in this way"),
    ],
)
def test_what_the_data_never_saw_is_refused(world, support, promised, like, said):
    """Too few with the action, or too few without it: no number, not even how few; that would be a small cell."""
    found = what_if(Plain(), world, _always(support, like), promised, "reply")
    assert said in found.text_en
    assert found.refused == (found.text_zh, found.text_en)
    assert np.isnan([found.after, *found.interval]).all()
    assert (found.support_n, np.isnan(found.seen_share)) == (0, True)
    assert f"不足{FEWEST}件" in found.text_zh


def test_support_counts_matured_cases_like_it(support, world, promised):
    """Worked out again row by row: same type or group, same third of the promise, the action just taken, each once."""
    after = world.after(promised, EventKind.REPLIED, at=world.as_of)
    found = support.like(after, EventKind.REPLIED, "late")
    point = int(standing(after)[0])
    done: dict[str, float] = {}
    others = set()
    for row, value in zip(support.frame.itertuples(), support.values["late"], strict=True):
        if np.isnan(value) or row.standing != point or getattr(row, found.scope) != after[found.scope].iloc[0]:
            continue
        if STEPS[row.stage] == EventKind.REPLIED:
            done.setdefault(row.case_id, value)
        else:
            others.add(row.case_id)
    assert (found.done, found.failed, found.others) == (len(done), sum(done.values()), len(others))


def test_no_support_from_outcomes_that_the_models_could_not_know(known, now, support):
    """Nothing that matured later counts, nor a landmark that came later."""
    assert set(support.values) == {"late", "reopened_28d", "any_failure"}
    seen, zone, keys = known
    other = seen.events.copy()
    other.loc[other["known_at"] >= now, "kind"] = "replied"
    history = History.build(
        other, as_of=seen.as_of, time_zone=zone, known_at_opening=keys, names=NAMES, kinds=("opening", "event"),
        outcomes=("late", "reopened"), observed_until=seen.observed_until, believe_all=True,
    )  # fmt: skip
    again = Support.of(history, before=now)
    pd.testing.assert_frame_equal(support.frame, again.frame)
    for name in ("late", "reopened_28d"):
        np.testing.assert_array_equal(support.values[name], again.values[name])


def test_an_outcome_without_a_history_has_no_support(support, world, promised):
    """Nobody can say how such cases ended."""
    after = world.after(promised, EventKind.REPLIED, at=world.as_of)
    assert not support.like(after, EventKind.REPLIED, "unresolved_28d").is_enough


def test_where_the_outcome_is_not_asked_after_the_action_it_is_refused(world, support, open_now):
    """A case that is overdue cannot become late."""
    overdue = _case(open_now, open_now["due_at"] < open_now["landmark_at"])
    found = what_if(Plain(), world, _always(support), overdue, "reply")
    assert np.isnan(found.before)
    assert found.text_en == "At that point this outcome is not asked any more, so there is no risk to compare."


@pytest.mark.parametrize(
    ("action", "given", "said"),
    [
        ("withdraw", {}, "Expected something that an office can do, reply, hand_over, resume, answer_by, got 'with"),
        ("reply", {"outcome": "crime"}, "Expected an outcome that the models tell, late, reopened_28d, any_failure"),
        ("reply", {"office": "X"}, "Expected an office with 'hand_over' and with nothing else"),
        ("hand_over", {}, "Expected an office with 'hand_over' and with nothing else"),
        ("answer_by", {}, "Expected a moment with 'answer_by' and with nothing else"),
        ("answer_by", {"by": 0}, "Expected a moment after now and at most 14 days ahead"),
        ("answer_by", {"by": NEVER}, "Expected a moment after now and at most 14 days ahead"),
    ],
)  # fmt: skip
def test_what_is_no_question_is_refused_by_name(world, support, promised, action, given, said):
    """The message says what was expected."""
    with pytest.raises(UsageError, match=said):
        what_if(Plain(), world, support, promised, action, **given)


def test_only_open_cases_are_asked_about(world, support):
    """A closed case and one that nobody knows are refused without their names."""
    closed = world.events.loc[world.events["kind"] == "closed", "case_id"].iloc[0]
    with pytest.raises(UsageError, match="Expected a case that is open at that moment, and this one is not"):
        what_if(Plain(), world, support, closed, "reply")
    with pytest.raises(UsageError, match="Expected a case that is known at that moment, and this one is not"):
        what_if(Plain(), world, support, "nobody", "reply")


def test_only_acts_of_the_office_can_be_asked_and_their_words_speak_of_nobody():
    """No action takes a case away, moves a deadline, renames it or hands it up; no boundary word is said."""
    kinds = {action.kind for action in ACTIONS.values()}
    assert kinds == {EventKind.REPLIED, EventKind.TRANSFERRED, EventKind.RESUMED, EventKind.CLOSED}
    for action in ACTIONS.values():
        said = [action.name, action.if_zh, action.if_en, action.done_zh, action.done_en]
        assert violations("what-if", said) == []


@pytest.mark.parametrize("outcome", ["late", "unresolved_28d", "reopened_28d", "handed_up_28d", "any_failure"])
def test_every_outcome_is_told_and_no_answer_claims_a_cause(world, support, promised, outcome):
    """In both languages; the sentence ends by saying what it does not say."""

    class All(Plain):
        outcomes = ("late", "unresolved_28d", "reopened_28d", "handed_up_28d")

    found = what_if(All(), world, _always(support), promised, "reply", outcome=outcome)
    assert found.refused is None
    assert found.text_en.endswith("it does not say that doing so was the cause.")
    assert found.text_zh.endswith("并不说明是这样办带来的。")
    assert violations("what-if", [found.text_zh, found.text_en]) == []
    assert "nan" not in found.text_en
