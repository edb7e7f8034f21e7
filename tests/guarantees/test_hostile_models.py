"""A hundred thousand damaged models: none breaks heed's reader, and none that it accepts harms LightGBM or is read
differently by it.
"""

from __future__ import annotations

import random

import numpy as np
import pytest

from data.errors import ModelError
from models.trees import TreeEnsemble
from tests.support.hostile_models import ask_lightgbm, damaged, harmful, probes, small_model

DAMAGED = 100_000
MODELS = 12

pytestmark = pytest.mark.slow


def test_an_accepted_model_is_safe_for_lightgbm_and_scores_the_same():
    """Whatever passed the checks, LightGBM loads in a process of its own, and both give the same bits for every row."""
    rng = random.Random(2026)  # noqa: S311
    texts = [small_model(seed) for seed in range(MODELS)]
    X = np.array(probes())
    accepted, scores = [], []
    for turn in range(DAMAGED):
        text = damaged(texts[turn % MODELS], rng)
        try:
            ensemble = TreeEnsemble.parse(text)
        except ModelError:
            continue
        accepted.append(text)
        with np.errstate(over="ignore", invalid="ignore"):
            # Sums of leaf values near the largest number overflow, in LightGBM as here.
            scores.append([float(one).hex() for one in ensemble.raw_score(X)])
    answers, code = ask_lightgbm(accepted, X.tolist())
    assert code == 0, f"LightGBM died of accepted model {len(answers)}"
    assert len(answers) == len(accepted) > DAMAGED // 50
    other = [place for place, (mine, theirs) in enumerate(zip(scores, answers, strict=True)) if mine != theirs]
    assert other == []


def test_damage_that_kills_lightgbm_is_refused_here():
    """Of the hand-made hostile texts several kill LightGBM's reader; all are refused before it sees them."""
    text = small_model(0)
    deadly = ("left child far outside", "feature outside", "sizes too large", "more leaves than values")
    killed = [name for name in deadly if ask_lightgbm([harmful(text)[name]], probes())[1] != 0]
    for hostile in harmful(text).values():
        with pytest.raises(ModelError):
            TreeEnsemble.parse(hostile)
    # When this fails, LightGBM has learned to check, and the reader here may one day do with less.
    assert killed
