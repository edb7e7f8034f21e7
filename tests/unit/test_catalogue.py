"""The catalogue: what is declared of a feature is what it is worked out from, and can be told to anyone."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import get_args

import numpy as np
import pandas as pd
import pytest

from data.errors import LeakError, UsageError
from features.catalogue import CATALOGUE, FORMULAS, available, catalogue_violations, require_available
from features.event_index import EventIndex, IndexTerms
from features.facts import FACT_TABLES, KEY_COLUMNS, facts_from_events
from features.feature import Family, Feature, Unit
from features.landmarks import opening_landmarks, queries_at
from features.matrix import matrix_at, terms_of
from features.terms import LAST_AT, KnownTerms
from features.windows import WINDOW_FEATURES, window_terms
from models.history import History
from models.learning import train
from models.reasons import phrase, stored_reasons

DAY = 86_400
DERIVED = {"promise", "promise_fine"}
EVERY_KEY = frozenset(KEY_COLUMNS) - DERIVED
CHINESE = re.compile(r"[\u4e00-\u9fff]")


def own_terms(name):
    return terms_of([name], with_base=False)


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_declaration_agrees_with_what_the_formula_asks_for(name):
    """The keys are those of the terms, and the window is one of theirs."""
    feature, terms = CATALOGUE[name], own_terms(name)
    assert {column for term in terms for column in term.keys} - DERIVED == set(feature.keys)
    windows = {None if term.window is None else term.window / DAY for term in terms} or {None}
    assert feature.window_days in windows


def test_every_feature_has_a_formula_and_every_formula_a_feature():
    """Nothing is declared that cannot be worked out, nor the other way round, and names are columns."""
    assert list(CATALOGUE) == list(FORMULAS)
    assert all(name == feature.name for name, feature in CATALOGUE.items())
    assert all(re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name) for name in CATALOGUE)


def test_only_facts_that_there_are_are_asked_for():
    """Every term names a fact table and one of its measures."""
    for term in terms_of(CATALOGUE):
        assert term.measure == LAST_AT or term.measure in FACT_TABLES[term.table], term.name


def test_families_and_units_are_those_that_are_declared():
    """A reason is grouped by its family, and its value told by its unit."""
    assert {feature.family for feature in CATALOGUE.values()} <= set(get_args(Family))
    assert {feature.unit for feature in CATALOGUE.values()} <= set(get_args(Unit))


@pytest.mark.parametrize("language", ["label_zh", "label_en"])
def test_no_two_features_are_called_the_same(language):
    """An officer who reads a label knows which feature it is, in either language."""
    labels = Counter(getattr(feature, language) for feature in CATALOGUE.values())
    assert [label for label, count in labels.items() if count > 1] == []
    assert all(bool(CHINESE.search(label)) == (language == "label_zh") for label in labels)
    assert not any("{" in label or "  " in label or label != label.strip() for label in labels)


def test_the_window_features_are_in_the_catalogue_as_they_are_asked_of_engines():
    """Sixty-five of them, and each is made of the terms of its quantity and no others."""
    assert len(WINDOW_FEATURES) == 65
    for name, quantity in WINDOW_FEATURES.items():
        assert set(own_terms(name)) == set(quantity.terms())
        assert bool(quantity.denominator or quantity.since) == (CATALOGUE[name].null[:10] != "never null")
    assert terms_of(WINDOW_FEATURES, with_base=False) == window_terms()


def test_the_boundary_reads_names_labels_and_explanations(monkeypatch):
    """A word about people is found wherever a feature could hold it."""
    assert catalogue_violations() == []
    bad = Feature("calls_of_caller", "load", "count", (), None, "居民来电", "calls of a person", "no such household")
    monkeypatch.setitem(CATALOGUE, "calls_of_caller", bad)
    found = {(violation.where, violation.name) for violation in catalogue_violations()}
    assert found == {
        ("feature catalogue", "calls_of_caller"),
        ("feature labels", "calls of a person"),
        ("feature labels", "居民来电"),
        ("feature nulls", "no such household"),
    }


def test_a_feature_is_available_where_its_keys_are_known():
    """Without the office nothing of an office; at an opening nothing of the time after it."""
    without_office = available(EVERY_KEY - {"office"}, for_model=False, after_opening=True)
    assert without_office == [name for name, feature in CATALOGUE.items() if "office" not in feature.keys]
    assert available(EVERY_KEY, for_model=False, after_opening=True) == list(CATALOGUE)
    at_opening = available(EVERY_KEY, for_model=False)
    assert {CATALOGUE[name].known for name in at_opening} == {"opening"}
    assert {CATALOGUE[name].use for name in available(EVERY_KEY)} == {"model"}
    assert set(available(EVERY_KEY)) < set(at_opening)


def test_what_is_not_available_is_refused_with_the_reason():
    """A name that is none is wrong use; a key known at the end only would be a leak."""
    with pytest.raises(UsageError, match="Expected a feature of the catalogue, and 'phase_of_moon' is none"):
        require_available(["phase_of_moon"], EVERY_KEY)
    with pytest.raises(LeakError, match="Feature 'open_office' needs 'office' at the opening of a case"):
        require_available(["open_category", "open_office"], EVERY_KEY - {"office"})


@pytest.fixture(scope="module")
def asked(small_history):
    """Three hundred openings of the small city, and an index of its facts."""
    landmarks = opening_landmarks(small_history.cases.iloc[3000:3300]).reset_index(drop=True)
    return EventIndex.build(facts_from_events(small_history.events)), landmarks


def test_what_the_terms_count_is_all_that_a_matrix_needs(asked):
    """An engine that has counted `terms_of(names)` and nothing else gives the same matrix to the bit."""
    index, landmarks = asked
    names = available(EVERY_KEY, for_model=False)
    source = IndexTerms(index, queries_at(landmarks))
    counted = KnownTerms({term.name: source.term(term) for term in terms_of(names)}, len(landmarks))
    direct = matrix_at(source, landmarks, names, time_zone="Asia/Shanghai")
    again = matrix_at(counted, landmarks, names, time_zone="Asia/Shanghai")
    pd.testing.assert_frame_equal(direct.features, again.features, check_exact=True)
    pd.testing.assert_frame_equal(direct.offset_parts, again.offset_parts, check_exact=True)
    assert list(direct.features) == names


def test_no_value_depends_on_what_else_is_asked_for(asked, small_history):
    """Every column is the same in the other order, of an index that has not been asked for anything yet."""
    index, landmarks = asked
    names = available(EVERY_KEY, for_model=False)
    forwards = matrix_at(IndexTerms(index, queries_at(landmarks)), landmarks, names, time_zone="UTC").features
    fresh = IndexTerms(EventIndex.build(facts_from_events(small_history.events)), queries_at(landmarks))
    backwards = matrix_at(fresh, landmarks, names[::-1], time_zone="UTC").features
    pd.testing.assert_frame_equal(forwards, backwards[names], check_exact=True)


def test_only_what_may_be_null_is_null(asked):
    """A feature that is declared never null has a number at every opening, whatever the history; none is infinite."""
    index, landmarks = asked
    strangers = landmarks.assign(category="never seen", office=None, area="nowhere")
    for given in (landmarks, strangers):
        names = available(EVERY_KEY, for_model=False)
        matrix = matrix_at(IndexTerms(index, queries_at(given)), given, names, time_zone="UTC")
        null = matrix.features.isna().any()
        assert [name for name in names if null[name] and CATALOGUE[name].null.startswith("never null")] == []
        assert not np.isinf(matrix.features.to_numpy()).any()


def test_features_of_the_time_after_an_opening_are_refused_at_openings(asked):
    """At its opening nothing has happened to a case, and landmarks of openings do not say what did."""
    index, landmarks = asked
    with pytest.raises(UsageError, match="'time_waited' tells of the time after it"):
        matrix_at(IndexTerms(index, queries_at(landmarks)), landmarks, ["time_waited"], time_zone="UTC")


def test_answers_for_other_landmarks_are_refused(asked):
    """As many answers as landmarks, or somebody mixed two lists up."""
    index, landmarks = asked
    with pytest.raises(ValueError, match="Expected answers for 10 landmarks, got them for 300"):
        matrix_at(IndexTerms(index, queries_at(landmarks)), landmarks.head(10), [], time_zone="UTC")


def _row(name: str, value: float) -> dict[str, float]:
    others = {other: 0.1 for other in CATALOGUE if other.startswith("record_")}
    return {**others, "city": -1.0, name: value}


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_feature_can_be_told_in_both_languages(name):
    """With words of its own or by its label, for values and for null; never 'nan'."""
    for value in (1.0, 5.0, 0.0, float("nan")):
        zh, en = phrase(name, _row(name, value))
        assert CHINESE.search(zh)
        assert not CHINESE.search(en)
        assert en[0] == en[0].upper()
        assert "nan" not in f"{zh} {en}".lower().replace("finance", "")


@pytest.mark.parametrize(
    ("name", "value", "zh", "en"),
    [
        ("open_office", 1234.0, "本单位在办件数：1,234", "Open cases of this office: 1,234"),
        ("days_to_month_end", 2.5, "距月底的天数：2.5天", "Days that are left of the month at the landmark: 2.5 days"),
        ("serious_share_91d_category_area", 0.125, "本地近91天相关设施检查发现中严重问题的占比：12%",
         "Share of findings at related assets here that were serious, over 91 days: 12%"),
        ("log_time_to_close_91d_area", np.log(48), "本区域近91天办结用时的对数均值：48小时",
         "Mean of the log time to close, of this area, over 91 days: 48 hours"),
        ("hours_since_arrival_area", float("nan"), "本区域距上一次来件的小时数：无记录",
         "Hours since the last case of this area came in: nothing on record"),
        ("landmark_month", 9.0, "评分时的月份：9月", "The month of the year at the landmark: September"),
    ],
)  # fmt: skip
def test_a_feature_without_words_of_its_own_is_told_by_its_label_and_value(name, value, zh, en):
    """The unit says how the number is written."""
    assert phrase(name, {name: value}) == (zh, en)


def test_a_feature_that_the_row_does_not_hold_is_told_by_its_label():
    """A part of the base score may belong to a feature that the model does not use."""
    assert phrase("recent_category", {}) == (
        "这类问题最近30件的超期情况",
        "The last 30 of this type of problem that fell due",
    )


@pytest.mark.usefixtures("short_training")
def test_a_model_can_learn_from_every_feature_and_give_its_reasons(small_history):
    """Trained on all that is known at an opening, each family included, the reasons still add up and are in words."""
    history = History.build(
        small_history.events, as_of=small_history.as_of, time_zone="Asia/Shanghai", known_at_opening=EVERY_KEY,
        names=available(EVERY_KEY, for_model=False), kinds=["opening"], outcomes=["late"],
    )  # fmt: skip
    models = train(history, rounds=20, num_leaves=8, calibration="identity")
    some = history.inputs.rows(np.arange(3000, 3100))
    explanation = models.explain(some, "late")
    told = models.tell(some)["late"].probability
    assert np.allclose(explanation.base + explanation.points.sum(axis=1), told, atol=1e-10)
    reasons = [one for text in stored_reasons(explanation, some.matrix) for one in json.loads(text)[1:]]
    assert {CATALOGUE[reason["feature"]].use for reason in reasons} == {"model", "analysis"}
    assert all(reason["text_zh"] and reason["text_en"] for reason in reasons)
