"""Trees that grow bit by bit are those grown at once, and grow no further where later rows gain nothing."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from models.risk_model.columns import Table
from models.risk_model.folds import Timing
from models.risk_model.material import Material
from models.risk_model.trees import Growing, Lesson, TreeSettings, grow
from models.risk_model.validation import Judged, _staged

N = 1500


def lesson():
    rng = np.random.default_rng(2)
    X = rng.normal(size=(N, 12))
    X[:, 11] = rng.integers(0, 6, N)
    y = (rng.random(N) < 1 / (1 + np.exp(-X[:, 0] - X[:, 1] * X[:, 2]))).astype(float)
    return Lesson(X, y, np.ones(N), rng.normal(size=N), tuple(f"x{place}" for place in range(12)), (11,), {0: 1})


@pytest.mark.parametrize(
    "settings",
    [
        TreeSettings(),
        TreeSettings(num_leaves=31, max_depth=6),
        # With thresholds drawn at random and large leaves many a round finds no split, and leaves no tree.
        TreeSettings(extra_trees=True, min_data_in_leaf=400),
    ],
)
def test_trees_grown_bit_by_bit_are_those_grown_at_once(settings):
    """At every look they tell what as many rounds at once would, though they share a dataset with others."""
    taught = lesson()
    data = taught.dataset()
    grow(taught, TreeSettings(num_leaves=4), 3, dataset=data)
    growing = Growing(taught, settings, 1, data, taught.features)
    for rounds in (10, 25, 60):
        at_once = grow(taught, settings, rounds)
        np.testing.assert_allclose(growing.until(rounds), at_once.score(taught.features), rtol=0, atol=1e-13)
    if settings.extra_trees:
        assert at_once.booster.current_iteration() < 60


def steps_until_told(gains):
    """How many looks are taken at trees whose scores come nearer to the truth by so much at each."""
    rng = np.random.default_rng(3)
    y = (rng.random(N) < 0.5).astype(float)
    none = np.zeros(N)
    timing = Timing(np.arange(N), None, np.arange(N))
    rows = Material(Table(np.zeros((N, 1)), (none,), None), y, np.ones(N), timing, ("x",), (), None, {})
    stages = 25 * np.arange(1, len(gains) + 1)
    judged = Judged(rows, none.astype(int), none, {}, stages, {}, {}, 1.0)
    away = dict(zip(stages.tolist(), np.cumsum(gains), strict=True))
    growing = SimpleNamespace(until=lambda rounds: (2 * y - 1) * away[rounds])
    return _staged([growing], judged).shape[1]


def test_trees_stop_growing_after_six_looks_without_gain():
    """A gain after five looks lets them go on; six are the end, and what was told until then is kept."""
    assert steps_until_told([0.1] * 12) == 12
    assert steps_until_told([0.1, 0.1, *[-0.01] * 10]) == 8
    assert steps_until_told([0.1, *[-0.01] * 5, 0.2, *[0.0] * 9]) == 13
