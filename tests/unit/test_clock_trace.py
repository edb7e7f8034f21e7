from __future__ import annotations

import json

import pytest

from data.clock_trace import Step, Trace, explain
from data.errors import InputError, UsageError
from data.event_log import NEVER
from data.service_clock import find_clock
from tests.support.clocks import OFFICES, moment, story


def trace_of(events, *, which="resolve", name="hotline_12345", as_of="2025-12-01T00:00") -> Trace:
    return explain(find_clock(name), events, OFFICES, as_of=moment(as_of), which=which)


def opened(text="2025-01-24T16:30", **said) -> tuple[str, str, dict[str, object]]:
    return ("opened", text, {"category": "pothole", "office": "T-1", **said})


def test_a_trace_names_every_day_that_does_not_count():
    """The day of the start, the weekend, the festival with its days off, and the Sunday worked for it."""
    told = trace_of(story(opened(category="water_bill_query")), as_of="2025-02-01T00:00")
    assert [(step.kind, step.counted, step.total) for step in told.steps] == [
        ("started", None, None),
        ("standard", None, None),
        ("first_day", 0, 0),
        ("rest", 0, 0),
        ("make_up", 1, 1),
        ("counted", 1, 2),
        ("rest", 0, 2),
        ("counted", 3, 5),
        ("due", None, None),
        ("now", None, None),
    ]
    # 1: Sun 26 January, worked; 2: Mon 27; the festival; 3 to 5: Wed 5 to Fri 7 February.
    assert told.due_at == moment("2025-02-07T17:30") == told.recomputed()
    assert told.sentences("zh") == [
        "2025年1月24日（周五）16:30受理，办结时限开始计时。",
        "适用第5条标准（问题类型 water_bill_query）：5个工作日，按日历“desk”计算。",
        "2025年1月24日（周五）为起算当日，不计。",
        "2025年1月25日（周六）：周末，不计。",
        "2025年1月26日（周日），春节调休上班（与2025-02-03对调）：计1个工作日，累计1个工作日。",
        "2025年1月27日（周一）：计1个工作日，累计2个工作日。",
        "2025年1月28日（周二）至2025年2月4日（周二）：农历除夕、春节、周末、春节调休放假（与2025-01-26对调）、"
        "春节调休放假（与2025-02-08对调），不计。",
        "2025年2月5日（周三）至2025年2月7日（周五）：计3个工作日，累计5个工作日。",
        "因此，时限为2025年2月7日（周五）17:30。",
        "截至2025年2月1日（周六）00:00：计时中；已用15小时，剩余21小时。",
    ]
    assert told.sentences("en")[4] == (
        "Sun 26 Jan 2025 (make-up working day for Chinese New Year (Spring Festival), in exchange for 2025-02-03): "
        "1 working day counted, 1 working day in all."
    )


def test_a_pause_in_days_is_told_with_its_times_and_its_days():
    """From when to when it was paused, then the days that it took out."""
    events = story(opened("2025-03-10T10:00"), ("paused", "2025-03-12T10:00"), ("resumed", "2025-03-14T09:30"))
    told = trace_of(events).sentences("en")
    assert told[4:6] == [
        "Paused Wed 12 Mar 2025 10:00 to Fri 14 Mar 2025 09:30: days that ended during the pause do not count.",
        "Wed 12 Mar 2025 to Thu 13 Mar 2025: paused, 2 working days not counted.",
    ]


def test_a_promise_in_hours_is_told_to_the_second():
    """Each stretch with the hours that it holds; what is left over lies behind the festival."""
    events = story(
        opened(category="heating_fault", channel="counter"),
        ("paused", "2025-01-26T10:00"),
        ("resumed", "2025-01-27T09:30:30"),
        ("closed", "2025-02-05T16:00:30"),
    )
    told = trace_of(events)
    assert told.sentences("en")[2:] == [
        "Fri 24 Jan 2025 16:30 to Fri 24 Jan 2025 24:00: 1 h counted, 1 h in all.",
        "Sat 25 Jan 2025: not counted (weekend).",
        "Sun 26 Jan 2025 00:00 to Sun 26 Jan 2025 10:00 (make-up working day for Chinese New Year (Spring Festival), "
        "in exchange for 2025-02-03): 1 h counted, 2 h in all.",
        "Sun 26 Jan 2025 10:00 to Mon 27 Jan 2025 09:30:30: paused, not counted.",
        "Mon 27 Jan 2025 09:30:30 to Mon 27 Jan 2025 24:00: 6 h 29 min 30 s counted, 8 h 29 min 30 s in all.",
        "Tue 28 Jan 2025 to Tue 4 Feb 2025: not counted (Chinese New Year's Eve; Chinese New Year (Spring Festival); "
        "weekend; Chinese New Year (Spring Festival), day off in exchange for 2025-01-26; Chinese New Year (Spring "
        "Festival), day off in exchange for 2025-02-08).",
        "Wed 5 Feb 2025 00:00 to Wed 5 Feb 2025 16:00:30: 5 h 30 min 30 s counted, 14 h in all.",
        "Therefore due on Wed 5 Feb 2025 16:00:30.",
        "Closed on Wed 5 Feb 2025 16:00:30: in time.",
    ]
    assert told.state == "met"


def test_a_hand_over_names_the_tier_and_the_standard_that_comes_with_it():
    """Its step stands where it happened; one after the deadline is told and changes nothing."""
    events = story(opened("2025-03-10T10:00"), ("handed_up", "2025-03-12T10:00", {"office": "C-1"}))
    told = trace_of(events)
    assert "Handed up (city) on Wed 12 Mar 2025 10:00: its standard holds from now on" in " ".join(told.sentences("en"))
    assert told.recomputed() == told.due_at == moment("2025-04-08T17:30")
    late = story(opened("2025-03-10T10:00"), ("handed_up", "2025-05-12T10:00", {"office": "C-1"}))
    assert trace_of(late).sentences("zh")[-2] == "2025年5月12日（周一）10:00上报上一级（市）：此时已超期，时限不变。"


def test_a_limit_that_would_end_on_a_day_of_rest_is_told_to_move():
    """30 calendar days from Thu 6 March end on Sat 5 April, a day of rest."""
    told = trace_of(story(opened("2025-03-06T10:00", category="property_fee_dispute")), which="pre_mediation")
    moved = next(step for step in told.steps if step.kind == "last_day_moved")
    # The Saturday ends with 6 April, 00:00; Sunday passes, and Monday 7 April is the end.
    assert (moved.at, moved.until) == (moment("2025-04-06T00:00"), moment("2025-04-08T00:00"))
    assert told.sentences("en")[-2] == "Therefore due on Mon 7 Apr 2025 24:00."


def test_every_run_is_told():
    """A reopening starts the second run, with a standard of its own."""
    events = story(opened("2025-03-10T10:00"), ("closed", "2025-03-11T10:00"), ("reopened", "2025-03-17T10:00"))
    told = trace_of(events)
    assert told.runs == 2
    assert any(sentence.startswith("第2次计时：2025年3月17日") for sentence in told.sentences("zh"))


def test_what_is_not_promised_or_not_known_is_said():
    """No standard, a standard of nothing, and a calendar that ends first."""
    none = trace_of(story(opened()), which="pre_mediation")
    assert none.sentences("en")[1] == "No service standard holds, so nothing is promised."
    assert (none.due_at, none.recomputed()) == (NEVER, NEVER)
    nothing = trace_of(story(opened(category="suggestion")))
    assert nothing.sentences("zh")[1] == "适用第8条标准（问题类型 suggestion）：不作承诺。"
    beyond = trace_of(story(opened("2026-12-25T10:00")), as_of="2026-12-26T00:00")
    assert beyond.sentences("en")[2].startswith("The calendar ends on 2026-12-31; holidays after it are not known")
    assert beyond.state == "not_known"
    asked = story(("replied", "2025-03-10T10:00"))
    assert trace_of(asked).sentences("en") == ["The clock has not started."]


def test_a_trace_is_plain_json_with_local_times():
    """Moments as seconds and as local ISO text, NEVER as null, and the hash of the standards."""
    told = trace_of(story(opened()))
    value = json.loads(json.dumps(told.to_dict(), allow_nan=False))
    # 26 and 27 January; 5 to 8 February, the Saturday worked; 10 to 14 and 17 to 20 February: 2 + 4 + 5 + 4.
    assert value["due_at"] == {"seconds": told.due_at, "local": "2025-02-20T17:30:00+08:00"}
    assert value["standards_sha256"] == find_clock("hotline_12345").sha256
    kinds = [step["kind"] for step in value["steps"]]
    assert kinds[:2] == ["started", "standard"]
    festival = next(step for step in value["steps"] if step["kind"] == "rest" and len(step["days"]) > 2)
    assert festival["days"][0] == {"date": "2025-01-28", "zh": "农历除夕", "en": "Chinese New Year's Eve"}
    assert trace_of(story(opened()), which="pre_mediation").to_dict()["due_at"] is None


def test_a_trace_that_does_not_add_up_is_found_out():
    """Steps with a gap, and steps that count less than was promised."""
    told = trace_of(story(opened()))
    short = [step for step in told.steps if step.kind != "make_up"]
    with pytest.raises(UsageError, match="lie end to end"):
        Trace(**{**_fields(told), "steps": tuple(short)}).recomputed()
    last = max(place for place, step in enumerate(told.steps) if step.kind == "counted")
    cut = [step for place, step in enumerate(told.steps) if place != last]
    with pytest.raises(UsageError, match="add up to 15, got"):
        Trace(**{**_fields(told), "steps": tuple(cut)}).recomputed()


def _fields(trace: Trace) -> dict[str, object]:
    return {name: getattr(trace, name) for name in Trace.__dataclass_fields__}


def test_steps_are_plain_values():
    """A step can be made by hand, for a test or a page."""
    assert Step("due", 1, 5).until is None


def test_a_case_that_nobody_knew_of_cannot_be_told():
    """Before its opening was known there is no case; and a trace is of one case."""
    with pytest.raises(InputError, match="got none"):
        trace_of(story(opened()), as_of="2025-01-01T00:00")
    two = story(opened(), ("closed", "2025-03-01T10:00"))
    two.loc[1, "case_id"] = "c2"
    with pytest.raises(InputError, match="got those of 2 cases"):
        trace_of(two)


def test_a_clock_without_standards_is_refused():
    """The demo promises closings only."""
    with pytest.raises(UsageError, match=r"no clock 'first_reply'\. They have: resolve"):
        trace_of(story(opened()), which="first_reply", name="demo")
