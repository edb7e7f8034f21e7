"""The risk model on a small simulated city: exact, repeatable, and honest about what it does not know."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import shap

from data.errors import ModelError, NotEnoughDataError
from models.reasons import MOST_REASONS, stored_reasons
from models.risk import RiskModel, base_score
from models.training import train


@pytest.fixture(scope="module")
def model(small_history) -> RiskModel:
    return train(small_history, rounds=60)


@pytest.fixture(scope="module")
def some(small_history):
    return small_history.matrix.rows(np.arange(0, len(small_history.matrix), 37))


def test_reasons_add_up_to_the_probability(model, some):
    """Base plus points is what predict_proba says, for every case."""
    explanation = model.explain(some)
    assert np.allclose(explanation.probability, model.predict_proba(some), atol=1e-10)


def test_the_trees_part_is_what_shap_computes(model, some):
    """pred_contrib equals shap.TreeExplainer's path-dependent values, computed by shap's own code."""
    ours = model.booster_.predict(some.features, pred_contrib=True)
    explainer = shap.TreeExplainer(model.booster_, feature_perturbation="tree_path_dependent")
    # Left alone, shap asks LightGBM for pred_contrib, and would agree with itself.
    explainer.model.model_type = "internal"
    theirs = explainer.shap_values(some.features.to_numpy())
    theirs = theirs[-1] if isinstance(theirs, list) else theirs
    assert np.allclose(ours[:, :-1], theirs, atol=1e-9)


def test_training_again_gives_the_same_bits(model, small_history):
    """The same history gives the same files, byte for byte, whatever the number of threads."""
    again = train(small_history, rounds=60, threads=2)
    assert again.to_files() == model.to_files()


def test_a_model_read_back_predicts_the_same_bits(model, some):
    """Text and JSON hold all of it."""
    back = RiskModel.from_files(model.to_files())
    assert (back.predict_proba(some) == model.predict_proba(some)).all()
    assert (back.explain(some).points.to_numpy() == model.explain(some).points.to_numpy()).all()


def test_an_unseen_category_gets_its_record_and_no_departure(model, some):
    """Trees are not believed about a type of problem they never saw."""
    strange = dataclasses.replace(some, landmarks=some.landmarks.assign(category="never seen"))
    w = model.linear_weight
    expected = (1 - w) * base_score(some) + w * model.linear_.score(some.features)
    assert np.allclose(model.score(strange), expected)


def test_other_columns_are_refused_with_the_difference(model, some):
    """A feature that is missing or strange is named."""
    fewer = dataclasses.replace(some, features=some.features.drop(columns="due_hour"))
    with pytest.raises(ModelError, match="Missing: due_hour; not expected: none"):
        model.predict_proba(fewer)


def test_too_few_cases_are_refused(small_history):
    """A model of a hundred cases would be a guess."""
    few = np.zeros(len(small_history.matrix), dtype=bool)
    few[:100] = True
    with pytest.raises(NotEnoughDataError, match="Expected at least 200 matured cases"):
        RiskModel().fit(small_history.matrix.rows(few), np.zeros(100), cut=0)


def test_a_model_of_another_format_is_refused(model):
    """An old model asks to be trained again."""
    files = model.to_files()
    other = files["model.json"].replace(b'"format": 1', b'"format": 99')
    with pytest.raises(ModelError, match="Expected a model of format 1, got 99"):
        RiskModel.from_files({**files, "model.json": other})


def test_a_model_with_strange_features_is_refused(model):
    """A feature that the catalogue lacks cannot be explained, so it is not used."""
    files = model.to_files()
    other = files["model.json"].replace(b'"due_hour"', b'"due_minute"')
    with pytest.raises(ModelError, match="features that this version does not have: due_minute"):
        RiskModel.from_files({**files, "model.json": other})


def test_stored_reasons_are_few_and_speak_both_languages(model, some):
    """Each stored reason has words in Chinese and English, and they are largest first."""
    import json

    for text in stored_reasons(model.explain(some), some):
        base, *parts = json.loads(text)
        assert base["feature"] == "base"
        assert len(parts) <= MOST_REASONS
        sizes = [abs(part["points"]) for part in parts]
        assert sizes == sorted(sizes, reverse=True)
        for part in parts:
            assert part["text_en"]
            assert part["label_en"]
            assert any("\u4e00" <= letter <= "\u9fff" for letter in part["text_zh"])


def test_no_cases_have_no_risks(model, some):
    """A morning without open cases is not an error."""
    none = some.rows(np.zeros(len(some), dtype=bool))
    assert model.predict_proba(none).shape == (0,)
    assert model.explain(none).points.shape[0] == 0
    assert stored_reasons(model.explain(none), none) == []
