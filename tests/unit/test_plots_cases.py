"""The charts of a case: they add up, they speak the reader's words, and they can be read on both backgrounds."""

from __future__ import annotations

import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import UsageError
from models.plots import theme
from models.plots.beeswarm import BeeswarmWords, beeswarm, beeswarm_frame
from models.plots.case_life import CaseLifeWords, case_life, life_rows, life_svg
from models.plots.waterfall import WaterfallWords, labels_of, waterfall, waterfall_frame

HOUR = 3600
START = 1_767_225_600  # 1 January 2026 in UTC
WORDS = WaterfallWords("所有案件的起点", "本案", "其他各项合计")


def _luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


def _contrast(one: str, other: str) -> float:
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("page", ["light", "dark"])
def test_every_colour_of_a_mark_stands_out(page):
    """At least 3:1 against the background, and 4.5:1 for text, in both themes (WCAG 2.2, 1.4.3 and 1.4.11)."""
    background = theme.BACKGROUND[page]
    painted = {colour: colour if page == "light" else theme.DARK[colour] for colour in theme.DARK}
    for colour in (*theme.SERIES, *theme.STEPS, theme.INK):
        assert _contrast(painted[colour], background) >= 3
    for colour in (theme.INK, theme.RAISES):
        assert _contrast(painted[colour], background) >= 4.5


def test_repainting_paints_every_colour_once():
    """No colour of the dark page is a colour that would be repainted again, and no two become one."""
    assert not set(theme.DARK) & set(theme.DARK.values())
    assert len(set(theme.DARK.values())) == len(theme.DARK)
    both = " ".join(theme.DARK)
    assert theme.repainted(both, "dark") == " ".join(theme.DARK.values())
    assert theme.repainted(both, "light") == both


def test_long_words_are_cut_to_their_columns():
    """A Chinese character takes two columns, and what is cut off is told."""
    assert theme.shortened("short") == "short"
    cut = theme.shortened("这类问题以往每100件约41件超期", 12)
    assert cut.endswith("…")
    assert theme.columns_of(cut) <= 12


@given(
    points=st.lists(st.floats(-0.2, 0.2), max_size=14),
    base=st.floats(0, 1),
    left_out=st.floats(-0.1, 0.1),
)
def test_a_waterfall_adds_up_exactly(points, base, left_out):
    """In tenths: each bar begins where the last one ended, and the last ends on the probability."""
    probability = float(np.clip(base + sum(points) + left_out, 0, 1))
    reasons = pd.DataFrame({"label": [f"r{n}" for n in range(len(points))], "points": points}, dtype=object)
    frame = waterfall_frame(base, reasons, probability, WaterfallWords())
    steps = frame[frame["kind"] == "step"]
    assert frame["kind"].iloc[0] == "start"
    assert frame["to"].iloc[-1] == round(1000 * probability)
    assert frame["to"].iloc[0] + steps["step"].sum() == frame["to"].iloc[-1]
    assert (frame["from"].to_numpy()[1:-1] == frame["to"].to_numpy()[:-2]).all()
    assert len(steps) <= 9


@pytest.fixture
def reasons() -> pd.DataFrame:
    stored = [
        {"feature": "base", "points": 22.0},
        {
            "feature": "a",
            "text_zh": "承诺10天，已过9天",
            "text_en": "9 of 10 promised days have passed",
            "points": 30.0,
        },
        {"feature": "b", "text_zh": "已答复3次", "text_en": "3 replies so far", "points": -12.0},
    ]
    return labels_of(stored, "zh")


@pytest.mark.parametrize("page", ["light", "dark"])
def test_a_waterfall_is_drawn_offline_with_its_figures(page, reasons):
    """The SVG holds every label and figure, each with its sign, in the colours of the page."""
    drawn = theme.svg(waterfall(waterfall_frame(0.22, reasons, 0.4, WORDS)), page).decode()
    for said in ("所有案件的起点", "22.0%", "承诺10天，已过9天", "+30.0", "已答复3次", "−12.0", "本案", "40.0%"):
        assert said in drawn
    raises = theme.RAISES if page == "light" else theme.DARK[theme.RAISES]
    assert raises in drawn
    assert (theme.RAISES in drawn) == (page == "light")


def test_no_line_of_a_waterfall_runs_through_a_label():
    """A joint is left out where the next label is longer than the way to it."""
    long = pd.DataFrame({"label": ["x" * 60, "y"], "points": [0.2, 0.5]})
    spec = waterfall(waterfall_frame(0.1, long, 0.8, WaterfallWords())).to_dict()
    joints = next(layer for layer in spec["layer"] if layer["mark"]["type"] == "rule")
    ends = [row["to"] for row in spec["datasets"][joints["data"]["name"]]]
    assert 100 not in ends
    assert 300 in ends


def test_reasons_without_their_columns_are_refused():
    """The message names what is missing."""
    with pytest.raises(UsageError, match="Expected reasons with the columns label, points, and 'points' is missing"):
        waterfall_frame(0.1, pd.DataFrame({"label": []}), 0.1, WaterfallWords())


@pytest.fixture
def life() -> tuple[pd.DataFrame, pd.DataFrame]:
    at = START + np.array([0, 2, 31, 55, 79]) * HOUR
    risks = pd.DataFrame({"landmark_at": at, "probability": [0.2, 0.22, 0.3, np.nan, 0.5]})
    risks = risks.assign(lower=risks["probability"] - 0.05, upper=risks["probability"] + 0.1)
    return risks, pd.DataFrame({"at": at[:3], "label": ["受理", "派单", "答复"]})


def test_the_life_of_a_case_shows_risks_events_and_deadline(life):
    """In the reader's words, with the local date, the interval as a band and the deadline as an upright."""
    risks, events = life
    words = CaseLifeWords("每100件中的风险", "", "期限", "%-m月%-d日")
    chart = case_life(risks, events, time_zone="Asia/Shanghai", due_at=START + 90 * HOUR, words=words)
    drawn = theme.svg(chart).decode()
    for said in ("受理", "派单", "答复", "期限", "每100件中的风险", "1月2日"):
        assert said in drawn
    assert theme.BAND in drawn
    spec = chart.to_dict()
    told = [row for rows in spec["datasets"].values() for row in rows if "probability" in row]
    # Midnight in UTC is eight in the morning there.
    assert told[0]["at"].startswith("2026-01-01T08:00")
    assert [row["probability"] for row in told] == [20.0, 22.0, 30.0, None, 50.0]


def test_labels_of_events_that_follow_closely_stand_in_lanes(life):
    """No label is written over the one before it."""
    risks, events = life
    spec = case_life(risks, events, time_zone="UTC").to_dict()
    places = [row["place"] for rows in spec["datasets"].values() for row in rows if "place" in row]
    assert places[0] != places[1]


def test_a_case_without_events_or_deadline_is_drawn(life):
    """What is not there is left out."""
    risks, events = life
    drawn = theme.svg(case_life(risks, events.head(0), time_zone="UTC")).decode()
    assert CaseLifeWords().deadline not in drawn


def test_one_drawing_serves_every_case(life):
    """What is filled into it is what the whole chart would draw, to the letter; pauses and all."""
    risks, events = life
    stood = pd.DataFrame({"from": [START + 30 * HOUR], "to": [START + 50 * HOUR]})
    words = CaseLifeWords("每100件中的风险", "", "时限", "%-m月%-d日")
    given = {"time_zone": "Asia/Shanghai", "due_at": START + 90 * HOUR, "words": words, "pauses": stood}
    drawn = theme.svg(case_life(risks, events, **given), "dark")
    assert life_svg(life_rows(risks, events, **given), words, "dark") == drawn
    assert theme.DARK[theme.RULE] in drawn.decode()


@pytest.mark.parametrize("days", [1, 2, 4, 6, 9, 40, 200, 900])
def test_dates_leave_each_other_room(days):
    """At most five, at equal steps of whole days on the local clock, and none twice."""
    risks = pd.DataFrame(
        {"landmark_at": [START, START + days * 24 * HOUR], "probability": 0.5, "lower": 0.4, "upper": 0.6}
    )
    events = pd.DataFrame({"at": [], "label": []})
    rows = life_rows(risks, events, time_zone="Asia/Shanghai", words=CaseLifeWords(date_format="%-m月%-d日"))
    moments = pd.to_datetime([row["at"] for row in rows["days"]])
    assert 1 <= len(moments) <= 5
    assert (moments == moments.normalize()).all()
    assert len(set(np.diff(moments))) <= 1
    assert rows["days"][-1]["label"] == f"{moments[-1].month}月{moments[-1].day}日"


def test_a_life_without_landmarks_or_columns_is_refused(life):
    """The message says what was expected."""
    risks, events = life
    with pytest.raises(UsageError, match="Expected at least one landmark of the case, got none"):
        case_life(risks.head(0), events, time_zone="UTC")
    with pytest.raises(UsageError, match=r"Expected risks with the columns .*, and 'lower' is missing"):
        case_life(risks.drop(columns="lower"), events, time_zone="UTC")
    with pytest.raises(UsageError, match="Expected events with the columns at, label, and 'label' is missing"):
        case_life(risks, events.drop(columns="label"), time_zone="UTC")
    with pytest.raises(UsageError, match="Expected pauses with the columns from, to, and 'to' is missing"):
        case_life(risks, events, time_zone="UTC", pauses=pd.DataFrame({"from": [START]}))


@pytest.fixture
def effects() -> tuple[pd.DataFrame, pd.DataFrame]:
    rng = np.random.default_rng(3)
    values = pd.DataFrame({"排队长度": rng.normal(0, 1, 300), "flag": (rng.random(300) < 0.3) * 1.0, "small": 0.0})
    values.loc[:20, "排队长度"] = np.nan
    return values.fillna(0) * [2.0, 0.5, 0.01], values


def test_a_beeswarm_ranks_features_and_keeps_every_effect(effects):
    """Rows by mean absolute effect; a point stands at its effect, and beside no other of the same bin."""
    frame = beeswarm_frame(*effects)
    assert frame.drop_duplicates("rank")["feature"].tolist() == ["排队长度", "flag", "small"]
    queue = frame[frame["rank"] == 0]
    assert np.array_equal(queue["effect"], effects[0]["排队长度"])
    assert (queue["offset"].abs() <= 12).all()
    assert (queue.loc[:20, "level"] == -1).all()
    assert queue["level"].max() == 4
    assert set(frame[frame["rank"] == 1]["level"]) == {0, 4}


def test_a_beeswarm_is_the_same_each_time_and_takes_no_more_than_asked(effects):
    """No chance in the places, and at most so many features and points."""
    one, again = (beeswarm_frame(*effects, most=2, points=50) for _ in range(2))
    pd.testing.assert_frame_equal(one, again)
    assert len(one) == 100


def test_a_beeswarm_is_drawn_in_the_readers_words(effects):
    """Labels, axis and legend."""
    words = BeeswarmWords("降低风险 ← 百分点 → 提高风险", "特征取值", "低", "高", "无")
    drawn = theme.svg(beeswarm(beeswarm_frame(*effects), words), "dark").decode()
    for said in ("排队长度", "特征取值", "低", "高", "无", "百分点"):
        assert said in drawn
    plain = theme.svg(beeswarm(beeswarm_frame(effects[0]), words)).decode()
    assert "特征取值" not in plain


def test_values_of_other_rows_are_refused(effects):
    """Colours would be of other cases."""
    with pytest.raises(UsageError, match="Expected values of the same 300 rows and columns as the effects"):
        beeswarm_frame(effects[0], effects[1].head(10))


def test_a_png_is_one(reasons):
    """For what cannot show SVG; larger with the scale."""
    chart = waterfall(waterfall_frame(0.22, reasons, 0.4, WORDS))
    small, large = theme.png(chart, scale=1), theme.png(chart, "dark", scale=2)
    assert small.startswith(b"\x89PNG")
    assert len(large) > len(small)


def test_nothing_is_loaded_before_a_chart_is_made():
    """Importing the charts loads neither Altair nor the drawing engine nor shap."""
    code = (
        "import sys, models.plots.theme, models.plots.waterfall, models.plots.case_life, models.plots.beeswarm; "
        "print([name for name in ('altair', 'vl_convert', 'shap') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert re.fullmatch(r"\[\]\s*", found.stdout)
