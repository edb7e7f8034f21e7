"""Reasons as they are told and stored: the words worked out by hand, who speaks, in which order, and what is kept."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from data.event_log import NEVER
from features.matrix import Matrix
from models.explain import FAMILY_NAMES, grouped
from models.reasons import TOPICS, phrase, stored_reasons, told_reasons, top_topics, topic_of
from models.reasons.numbers import clock, compared, counted, duration, frequency, month, percent, plain, weekday
from models.reasons.topics import family_name

ODDS = {share: float(np.log(share / (1 - share))) for share in (0.12, 0.2, 0.34)}


@pytest.mark.parametrize(
    ("name", "row", "zh", "en"),
    [
        ("promise_used", {"promise_used": 0.9, "promised_hours": np.log(240)},
         "承诺10天，已过9天（90%）", "9 of 10 promised days have passed"),
        ("promise_used", {"promise_used": 0.5, "promised_hours": np.log(24)},
         "承诺24小时，已过12小时（50%）", "12 of 24 promised hours have passed"),
        ("promise_used", {"promise_used": 1.2, "promised_hours": np.log(240)},
         "承诺10天，已过12天，已超期", "12 days have passed of the 10 days promised: overdue"),
        ("promise_used", {"promise_used": 0.9}, "已过承诺期限的90%", "90% of the promised time has passed"),
        ("promise_used", {"promise_used": 0.0, "promised_hours": np.log(240)},
         "承诺10天，刚刚开始计时", "The 10 days promised have just begun"),
        ("hours_to_due", {"hours_to_due": -50.0}, "已超期2.1天", "Overdue by 2.1 days"),
        ("hours_to_due", {"hours_to_due": np.nan}, "没有承诺期限", "No deadline was promised"),
        ("working_days_to_due", {"working_days_to_due": 1.0},
         "距期限还有1个工作日", "1 working day left until the deadline"),
        ("working_days_to_due", {"working_days_to_due": 0.0},
         "期限前已无完整的工作日", "No working day ends before the deadline"),
        ("times_handed_over", {"times_handed_over": 2.0},
         "已在单位之间移交2次", "Passed from one office to another twice"),
        ("times_handed_over", {"times_handed_over": 0.0},
         "没有在单位之间移交过", "Not passed to another office so far"),
        ("times_replied", {"times_replied": 1.0}, "已答复1次", "1 reply so far"),
        ("hours_since_reopening", {"hours_since_reopening": np.nan}, "没有重办过", "Not reopened so far"),
        ("last_step_paused", {"last_step_paused": 1.0}, "最近一步：暂停计时", "Last step: clock stopped"),
        ("last_step_paused", {"last_step_paused": 0.0, "last_step_replied": 1.0},
         "最近一步：答复", "Last step: answered without closing"),
        ("last_step_paused", {"last_step_paused": 0.0}, "最近一步不是暂停计时", "The last step was not: clock stopped"),
        ("promise_moved_hours", {"promise_moved_hours": -48.0},
         "期限比最初提前2天", "The deadline is 2 days earlier than the one promised first"),
        ("reopened_share_91d_office", {"reopened_share_91d_office": 0.12},
         "本单位近91天每100件约12件办结后28天内被重办",
         "This office, over 91 days: about 12 of 100 were reopened within 28 days of closing"),
        ("unresolved_share_category", {"unresolved_share_category": 0.01},
         "这类问题以往每100件约1件办结时未解决", "This type of problem, so far: about 1 of 100 was closed unresolved"),
        ("handed_up_share_area", {"handed_up_share_area": 0.002},
         "本区域以往每100件不到1件受理后28天内被上报",
         "This area, so far: fewer than 1 of 100 was handed up a tier within 28 days"),
        ("record_office", {"record_office": ODDS[0.34] - ODDS[0.2], "city": ODDS[0.2]},
         "本单位以往每100件约34件超期，全市约20件",
         "This office: about 34 of 100 were late, against about 20 for the whole city"),
        ("record_office", {"record_office": 0.8},
         "本单位：以往超期明显多于全市", "This office: so far late far more often than the whole city"),
        ("record_28d_office", {"record_28d_office": -0.05},
         "本单位：近28天超期与全市相当", "This office: in the last 28 days late about as often as the whole city"),
        ("recent_office", {"recent_office": -0.3},
         "本单位：最近到期的30件超期少于以往",
         "This office: of the last 30 that fell due, fewer were late than usual"),
        ("backlog_office", {"backlog_office": 0.0},
         "本单位：在办件与近28天来件大致相当",
         "This office: open cases are about as many as what came in over 28 days"),
        ("overdue_office", {"overdue_office": 0.002},
         "本单位：在办件中不到1%已超期", "This office: under 1% of the open cases are overdue"),
        ("capacity_change_28d_office", {"capacity_change_28d_office": -0.25},
         "本单位办理能力近28天减少25%", "The capacity of this office has shrunk by 25% in 28 days"),
        ("due_hour", {"due_hour": 23.9999}, "00:00到期", "Falls due at 00:00"),
        ("not in a catalogue", {"not in a catalogue": 2.5}, "not in a catalogue：2.5", "not in a catalogue: 2.5"),
        ("not in a catalogue", {}, "not in a catalogue", "not in a catalogue"),
    ],
)  # fmt: skip
def test_what_a_feature_says_worked_by_hand(name, row, zh, en):
    """Short, checkable, singular where it is one, and something else than a number where there is none."""
    assert phrase(name, row) == (zh, en)


def test_numbers_at_both_ends_of_their_range():
    """One is not many, nothing is not a number, and midnight has no minute sixty."""
    assert [plain(value) for value in (0.0, -0.04, 1.0, 2.46, 9.96, 1234.4)] == ["0", "0", "1", "2.5", "10", "1,234"]
    assert [counted(value, "case", "cases") for value in (0, 1, 2)] == ["0 cases", "1 case", "2 cases"]
    assert [percent(value)[1] for value in (0.0, 0.001, 0.126, 1.0)] == ["0%", "under 1%", "13%", "100%"]
    assert frequency(1.0, "超期", ("was late", "were late")) == ("几乎全部超期", "nearly all were late")
    assert [duration(value)[1] for value in (0.2, 1, 30, 60, 20_000)] == [
        "less than an hour", "1 hour", "30 hours", "2.5 days", "2.3 years",
    ]  # fmt: skip
    assert [clock(value)[0] for value in (0, 13.5, 17.999, 23.9999)] == ["00:00", "13:30", "18:00", "00:00"]
    assert (weekday(6.0), month(12.0)) == (("星期日", "Sunday"), ("12月", "December"))
    this, that = ("甲", "this"), ("乙", "that")
    told = [compared(ratio, this, that)[1] for ratio in (0.01, 0.5, 1.0, 20.0, 1e6)]
    assert told == [
        "this are under a tenth of that", "this are 0.5 times that", "this are about as many as that",
        "this are 20 times that", "this are over 100 times that",
    ]  # fmt: skip


def _explained(**points: float) -> SimpleNamespace:
    frame = pd.DataFrame({name: [value] for name, value in points.items()})
    base = np.array([0.2])
    return SimpleNamespace(base=base, points=frame, probability=base + frame.sum(axis=1).to_numpy())


def test_near_duplicates_are_one_reason():
    """Level, departure, last days and trend of one type are told once, with what they add together."""
    told = _explained(level_category=0.03, record_category=0.05, trend_category=-0.01, backlog_office=0.06)
    facts = pd.DataFrame({name: [0.5] for name in told.points})
    reasons = told_reasons(told, facts)[0]
    assert [(reason.topic.name, reason.points) for reason in reasons] == [("record_type", 7.0), ("work_office", 6.0)]


def test_the_first_that_carries_at_least_half_of_the_largest_speaks():
    """In the fixed order, and only what goes the topic's way: near ties do not change who speaks."""
    facts = pd.DataFrame({"level_category": [0.1], "record_category": [0.1], "recent_category": [0.1]})
    for level, record, recent, speaks in (
        (0.05, 0.05, 0.0, "level_category"),
        (0.026, 0.05, 0.0, "level_category"),
        (0.024, 0.05, 0.0, "record_category"),
        (-0.02, 0.01, 0.05, "recent_category"),
    ):
        told = _explained(level_category=level, record_category=record, recent_category=recent)
        assert told_reasons(told, facts)[0][0].feature == speaks


def test_equal_points_are_told_in_the_order_of_topics():
    """Records before what the calendar says, however the columns stand."""
    one = _explained(opened_hour=0.02, backlog_office=0.02, level_category=0.02)
    other = _explained(backlog_office=0.02, level_category=0.02, opened_hour=0.02)
    assert (
        top_topics(one)[0].tolist() == top_topics(other)[0].tolist() == ["record_type", "work_office", "opening_moment"]
    )


def test_a_feature_of_another_table_is_its_own_topic():
    """The models are useful on any table, and their reasons too."""
    told = _explained(Amount=0.1, Items=-0.02)
    assert top_topics(told, 2)[0].tolist() == ["Amount", "Items"]
    assert told_reasons(told, pd.DataFrame({"Amount": [12.0], "Items": [np.nan]}))[0][0].text_en == "Amount: 12"
    assert grouped(told).columns.tolist() == ["other"]
    assert topic_of("Amount") not in TOPICS.values()


def test_families_have_names_in_both_languages():
    """Also one that is not in the catalogue."""
    assert family_name("deadline") == ("时限余量", "the time left")
    assert family_name("something else") == FAMILY_NAMES["other"]


def _matrix(**features: float) -> Matrix:
    landmarks = pd.DataFrame({"landmark_at": [50], "opened_at": [0], "due_at": [100]})
    return Matrix(
        landmarks,
        pd.DataFrame({name: [value] for name, value in features.items()}),
        pd.DataFrame({"city": [ODDS[0.2]]}),
    )


def test_what_is_stored_adds_up_and_holds_both_languages():
    """The base first, then the topics; what is left out is less than was told."""
    told = _explained(time_waited=0.1, level_category=0.05, due_hour=0.0001)
    base, *parts = json.loads(stored_reasons(told, _matrix(level_category=0.1, due_hour=9.0))[0])
    assert base == {"feature": "base", "points": 20.0}
    assert parts[0] == {
        "feature": "time_waited", "topic": "time_left", "family": "deadline", "label_zh": "时限还剩多少",
        "label_en": "how much of the promised time is left", "text_zh": "承诺时限已过50%，仍未办结",
        "text_en": "Still open after 50% of the promised time", "points": 10.0,
    }  # fmt: skip
    assert [part["topic"] for part in parts] == ["time_left", "record_type"]


def test_without_a_deadline_no_share_of_it_has_passed():
    """A landmark without a promise is told as such where a model asks."""
    matrix = _matrix(level_category=0.1)
    matrix.landmarks["due_at"] = NEVER
    told = json.loads(stored_reasons(_explained(time_waited=0.1), matrix)[0])
    assert told[1]["text_en"] == "Still open after 0% of the promised time"


def test_a_record_that_is_only_in_the_start_is_told_from_there():
    """By its share where the start holds all of it, else by its direction."""
    start = pd.DataFrame(
        {
            "city": [ODDS[0.12]],
            "handed_up_share_category": [ODDS[0.2] - ODDS[0.12]],
            "handed_up_share_category_office": [ODDS[0.34] - ODDS[0.2]],
            "handed_up_share_office": [0.8],
        }
    )
    names = [name for name in start if name != "city"]
    texts = []
    for name in names:
        stored = stored_reasons(_explained(**{name: 0.1}), _matrix(), starts={"handed_up_28d": start})
        texts.append(json.loads(stored[0])[1]["text_en"])
    assert texts == [
        "This type of problem, so far: about 20 of 100 were handed up a tier within 28 days",
        "This type of problem at this office, so far: about 34 of 100 were handed up a tier within 28 days",
        "This office: cases were handed up a tier within 28 days far more often than in the whole city",
    ]
