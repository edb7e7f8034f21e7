"""Step-up control of the false-discovery rate."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from data.errors import UsageError
from models.signals.fdr import q_values


@pytest.mark.parametrize("procedure", ["bh", "by"])
def test_q_values_agree_with_scipy(procedure):
    """Both procedures give the adjusted p-values of SciPy, ties included."""
    rng = np.random.default_rng(4)
    p = np.round(rng.uniform(size=200) ** 2, 3)
    np.testing.assert_allclose(
        q_values(p, procedure=procedure), stats.false_discovery_control(p, method=procedure), rtol=1e-12
    )


def test_untested_series_do_not_count():
    """NaN stays NaN, and the family is that of the others."""
    p = np.array([0.01, np.nan, 0.04])
    q = q_values(p)
    assert np.isnan(q[1])
    np.testing.assert_allclose(q[[0, 2]], q_values(np.array([0.01, 0.04])))
    assert np.isnan(q_values(np.array([np.nan]))).all()


def test_an_unknown_procedure_is_refused():
    """The message names the procedures there are."""
    with pytest.raises(UsageError, match="bh, by"):
        q_values(np.array([0.5]), procedure="bonferroni")
