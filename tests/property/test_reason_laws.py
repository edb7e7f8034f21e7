"""Laws of reasons: they add up, whatever the score and the calibration, and every feature has words for every value."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.boundary import violations
from features.catalogue import CATALOGUE, available
from features.facts import KEY_COLUMNS
from features.failures import FAILURE_KEYS, FAILURES
from models.explain import FAMILY_NAMES, allocate, grouped, in_tenths, percentage_points
from models.reasons import TOPICS, by_topic, has_own_words, phrase, told_reasons, top_topics, topic_of

CHINESE = re.compile(r"[\u4e00-\u9fff]")
SHARES = [f"{failure.name}_share{days}_{key}" for failure in FAILURES for key in FAILURE_KEYS for days in ("", "_91d")]
LEARNED = sorted({*available(KEY_COLUMNS, after_opening=True), "time_waited", *SHARES})

BY_UNIT = {
    "log_odds": st.floats(-30, 30),
    "log_ratio": st.floats(-30, 30),
    "share": st.floats(0, 1),
    "count": st.integers(0, 10_000_000).map(float),
    "hour": st.floats(0, 23.9999999),
    "weekday": st.integers(0, 6).map(float),
    "month": st.integers(1, 12).map(float),
    "log_hours": st.floats(-10, 15),
    "hours": st.floats(-100_000, 1_000_000),
    "days": st.floats(-10_000, 10_000),
    "flag": st.sampled_from([0.0, 1.0]),
}
# Shares that may lie outside [0, 1]: more than all of the promised time, a change of what an office can do.
BEYOND = {"promise_used", "promise_used_net", "working_time_used", "capacity_change_28d_office"}


def _values(name: str) -> st.SearchStrategy[float]:
    found = st.floats(0, 1000) if name in BEYOND else BY_UNIT[CATALOGUE[name].unit]
    return st.one_of(found, st.just(float("nan")))


@dataclass
class Told:
    base: np.ndarray
    points: pd.DataFrame
    probability: np.ndarray


def smooth(slope: float):
    return lambda score: 1 / (1 + np.exp(-slope * score))


def steps(seed: int):
    """A calibration with steps, as isotonic regression makes them."""
    rng = np.random.default_rng(seed)
    edges, heights = np.sort(rng.normal(0, 2, 6)), np.sort(rng.uniform(0, 1, 7))
    return lambda score: heights[np.searchsorted(edges, score, side="right")]


LINKS = st.one_of(st.floats(0.2, 3).map(smooth), st.integers(0, 1000).map(steps))


@given(st.integers(0, 2**32 - 1), LINKS)
def test_base_and_points_are_the_probability_for_any_calibration(seed, link):
    """Smooth or with steps: the parts telescope, keep their sign, and none exceeds a hundred points."""
    rng = np.random.default_rng(seed)
    parts = rng.normal(0, rng.uniform(0.01, 5), (6, 5)) * (rng.random((6, 5)) < 0.8)
    score = rng.normal(-1, 1.5, 6) + parts.sum(axis=1)
    base, points, probability = allocate(pd.DataFrame(parts), score, link)
    assert np.allclose(base + points.sum(axis=1), probability, atol=1e-12)
    assert (probability == link(score)).all()
    assert (points.to_numpy() * parts >= 0).all()
    assert np.abs(points.to_numpy()).max() <= 1 + 1e-12
    assert (points.to_numpy()[parts == 0] == 0).all()


@given(st.integers(0, 2**32 - 1), LINKS)
def test_of_two_parts_of_one_sign_the_larger_gets_the_more(seed, link):
    """Within what raises and within what lowers, points are in proportion to the parts."""
    parts = np.random.default_rng(seed).normal(0, 1, (1, 6))
    points, _base = percentage_points(parts, np.zeros(1), link)
    for sign in (1, -1):
        of_sign = np.sign(parts[0]) == sign
        share = points[0][of_sign] / parts[0][of_sign]
        assert np.allclose(share, share[:1] if len(share) else share, rtol=1e-9, atol=1e-12)


@given(st.permutations(range(5)), LINKS)
def test_no_order_of_the_features_enters(order, link):
    """The same part gets the same points wherever it stands."""
    parts = np.array([[0.3, -1.2, 0.7, 0.05, -2.0]])
    plain, _ = percentage_points(parts, np.array([-0.5]), link)
    shuffled, _ = percentage_points(parts[:, order], np.array([-0.5]), link, np.array([-0.5 + parts.sum()]))
    assert np.allclose(shuffled[0], plain[0, order], atol=1e-12)


@given(st.integers(0, 2**32 - 1), st.integers(1, 9), LINKS)
def test_the_points_of_a_row_do_not_know_the_other_rows(seed, chosen, link):
    """Bit for bit the same alone as among ten, in either memory order."""
    rng = np.random.default_rng(seed)
    parts, base = rng.normal(0, 1, (10, 40)), rng.normal(0, 1, 10)
    together, start = percentage_points(np.asfortranarray(parts), base, link)
    alone, start_alone = percentage_points(parts[chosen : chosen + 1], base[chosen : chosen + 1], link)
    assert (together[chosen] == alone[0]).all()
    assert start[chosen] == start_alone[0]


def _explained(seed: int, names: list[str], n: int = 5) -> Told:
    rng = np.random.default_rng(seed)
    parts = pd.DataFrame(rng.normal(0, 0.5, (n, len(names))), columns=names)
    base, points, probability = allocate(parts, parts.sum(axis=1).to_numpy() - 1.0, smooth(1.0))
    return Told(base, points, probability)


@settings(max_examples=15)
@given(st.integers(0, 2**32 - 1))
def test_groups_are_the_sums_of_their_members(seed):
    """By family and by topic: base and groups are the probability, and every group has a name in both languages."""
    told = _explained(seed, LEARNED)
    for groups, by in ((grouped(told), None), (grouped(told, by_topic(LEARNED)), by_topic(LEARNED))):
        assert np.allclose(told.base + groups.sum(axis=1), told.probability, atol=1e-12)
        for group in groups:
            of_group = [name for name in LEARNED if (by[name] if by else CATALOGUE[name].family) == group]
            assert np.allclose(groups[group], told.points[of_group].sum(axis=1), atol=1e-13)
        assert set(groups) <= set(TOPICS if by else FAMILY_NAMES)


@settings(max_examples=15)
@given(st.integers(0, 2**32 - 1))
def test_tenths_add_up_exactly_for_features_and_for_groups(seed):
    """What is shown sums to the last digit, and no part is moved by a tenth or more."""
    told = _explained(seed, LEARNED)
    for points in (told.points, grouped(told)):
        base, parts, total = in_tenths(told.base, points, told.probability)
        assert (base + parts.sum(axis=1) == total).all()
        assert (total == np.rint(told.probability * 1000)).all()
        assert (np.abs(parts - points.to_numpy() * 1000) < 1 + 1e-9).all()


@pytest.mark.parametrize("name", LEARNED)
def test_every_feature_that_a_model_learns_from_has_words_of_its_own(name):
    """Not its label and a number: a clause for what is usual."""
    assert has_own_words(name)


@settings(max_examples=8)
@pytest.mark.parametrize("name", LEARNED)
@given(st.data())
def test_the_words_stand_for_every_value(name, data):
    """At typical and extreme values, with and without the rest of the row: both languages, no nan, no empty clause."""
    value = data.draw(_values(name))
    row = {name: value}
    if data.draw(st.booleans()):
        row |= {other: data.draw(st.floats(-8, 8)) for other in ("city", *_ABOVE) if other != name}
        row |= {"promised_hours": data.draw(st.floats(0, 9))} if name != "promised_hours" else {}
    zh, en = phrase(name, row)
    assert CHINESE.search(zh)
    assert not CHINESE.search(en)
    assert en[0] == en[0].upper()
    assert not re.search(r"\bnan\b|\binf\b|None|\{|\}|  |-0\b", f"{zh} {en}")
    assert len(zh) <= 60
    assert len(en) <= 160
    assert violations("a reason", [zh, en]) == []


_ABOVE = tuple(name for name in CATALOGUE if name.startswith("record_") and "28d" not in name)


def test_every_feature_has_one_topic_with_words_in_both_languages():
    """The topic is one of the list, its labels are unlike the others', and no boundary word is among them."""
    for name in CATALOGUE:
        assert topic_of(name).name in TOPICS
    for language in ("label_zh", "label_en"):
        labels = [getattr(topic, language) for topic in TOPICS.values()]
        assert len(set(labels)) == len(labels)
        assert violations("topics", labels) == []
        assert all(bool(CHINESE.search(label)) == (language == "label_zh") for label in labels)
    assert all(topic.family in FAMILY_NAMES for topic in TOPICS.values())


@settings(max_examples=15)
@given(st.integers(0, 2**32 - 1))
def test_a_case_is_told_alike_alone_and_among_others(seed):
    """The same reasons bit for bit whatever the batch, largest first, and the top three are the first three."""
    told = _explained(seed, LEARNED)
    facts = pd.DataFrame({name: np.linspace(0.1, 0.9, 5) for name in LEARNED} | {"city": -1.0})
    together = told_reasons(told, facts)
    for i, reasons in enumerate(together):
        one = Told(told.base[i : i + 1], told.points.iloc[i : i + 1], told.probability[i : i + 1])
        assert told_reasons(one, facts.iloc[i : i + 1].reset_index(drop=True)) == [reasons]
        sizes = [abs(reason.points) for reason in reasons]
        assert sizes == sorted(sizes, reverse=True)
        assert [reason.topic.name for reason in reasons[:3]] == top_topics(told)[i].tolist()
        assert all(topic_of(reason.feature) is reason.topic for reason in reasons)


@settings(max_examples=15)
@given(st.integers(0, 2**32 - 1), st.floats(-0.05, 0.05))
def test_near_duplicates_that_trade_places_change_no_told_reason(seed, traded):
    """What one member of a topic loses to another leaves the topics, their points and their order as they were."""
    told = _explained(seed, LEARNED)
    points = told.points.copy()
    points["record_category"] += traded
    points["level_category"] -= traded
    again = Told(told.base, points, told.probability)
    assert (top_topics(told) == top_topics(again)).all()
