"""Rows for a back-test from a history: what they hold, and what was known of them at a cut."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from data.errors import UsageError
from models.validation.folds import single_fold
from models.validation.history_rows import risk_model_of, rows_of


def test_rows_of_a_history_are_its_eligible_landmarks(small_history):
    """Labels of the as-of, keys as known then, cases that count once, queues and shares of the promise in range."""
    rows = rows_of(small_history, "late")
    found = small_history.outcomes["late"]
    assert len(rows) == found.eligible.sum()
    np.testing.assert_array_equal(np.isnan(rows.y), np.isnan(found.value[found.eligible]))
    assert np.bincount(rows.groups, weights=rows.weight) == pytest.approx(np.ones(rows.groups.max() + 1))
    assert ((rows.passed >= 0) & (rows.passed <= 1)).all()
    assert (rows.queue >= 0).all()
    assert set(rows.keys) <= {"office", "category", "area", "channel", "kind"}
    np.testing.assert_allclose(rows.start, small_history.inputs.starts["late"].to_numpy().sum(axis=1)[found.eligible])


def test_an_outcome_that_the_history_lacks_is_refused(small_history):
    """The message names those there are."""
    with pytest.raises(UsageError, match=r"--outcome: expected one of late, .* got 'dissent'"):
        rows_of(small_history, "dissent")


def test_a_capacity_counts_from_the_moment_it_was_known(small_history):
    """Changes add up strictly before a landmark; an office without one has none."""
    landmarks = small_history.landmarks
    office = landmarks["office"].dropna().iloc[0]
    middle = int(landmarks["landmark_at"].median())
    changes = pd.DataFrame({"office": [office] * 2, "at": [0, middle], "change": [2000, 1500]})
    rows = rows_of(small_history, "late", capacity=changes)
    own = (rows.keys["office"] == office).to_numpy()
    assert set(rows.capacity[own & (rows.at <= middle)]) == {2.0}
    assert set(rows.capacity[own & (rows.at > middle)]) == {3.5}
    assert np.isnan(rows.capacity[~own]).all()


def test_labels_of_a_cut_are_weighed_as_label_trust_went_then(small_history):
    """No row beyond the cut is known, and weights are those of the trust worked out at it."""
    rows = rows_of(small_history, "late")
    (fold,) = single_fold(rows, 0.6)
    labels = rows.labels_known_at(fold.cut)
    assert np.isnan(labels.value[(rows.at >= fold.cut) | (rows.matures_at >= fold.cut)]).all()
    judged = small_history.trust_at(fold.cut)
    eligible = small_history.landmarks["case_id"][small_history.outcomes["late"].eligible]
    expected = judged.weight_of(small_history.cases).reindex(eligible).to_numpy()
    np.testing.assert_array_equal(labels.weight, expected)


def test_the_factory_makes_models_as_training_does(small_history):
    """A start in named parts, evidence by category, all columns in the linear part; settings go before its own."""
    model = risk_model_of(small_history, "late", rounds=7)()
    assert model.rounds == 7
    assert set(model.start) == {f"start:{name}" for name in small_history.inputs.starts["late"].columns}
    assert model.evidence_by == "evidence:category"
    assert model.linear_columns is None
    assert model.evidence_by in small_history.inputs.table("late").columns
