"""How strong a penalty the linear part gets: the weakest that later rows do not refuse."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from models.risk_model.columns import Table
from models.risk_model.folds import Timing
from models.risk_model.material import Material
from models.risk_model.recipe import DEFAULT_LINEAR, Options
from models.risk_model.validation import Judged, _choose

WEEK = 7 * 86_400
N = 2000


def judged(off):
    """Later rows of ten weeks, and scores of two penalties: the strong one true, the weak one off by so much noise."""
    rng = np.random.default_rng(3)
    truth = rng.normal(-1, 1, N)
    at = np.sort(rng.integers(0, 10 * WEEK, N))
    timing = Timing(at, at, np.arange(N))
    y = (rng.random(N) < expit(truth)).astype(float)
    table = Table(np.zeros((N, 1)), (np.zeros(N),), None)
    material = Material(table, y, np.ones(N), timing, ("x",), (), None, {})
    scores = {10.0: truth + off * rng.normal(size=N), 1000.0: truth}
    none = np.zeros(N)
    return Judged(
        material, none.astype(int), none, {(8, False): np.zeros((N, 1))}, np.array([25]), scores, {1.0: none}, 1.0
    )


@pytest.mark.parametrize(("off", "ridge"), [(0.02, 10.0), (2.0, 1000.0)])
def test_the_weakest_penalty_stands_unless_later_rows_refuse_it(off, ridge):
    """Within one standard error of the best it is taken; far beyond it is not."""
    options = Options(((8, False),), None, (10.0, 1000.0), (1.0,), (1.0,), DEFAULT_LINEAR)
    assert _choose(judged(off), options).recipe.ridge == ridge
