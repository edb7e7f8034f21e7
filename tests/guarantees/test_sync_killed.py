"""Thirty kills of a sync at random moments: the store is never half changed, and ends as if there had been none."""

from __future__ import annotations

import pytest

from tests.support.kills import kill_until_done


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_kills_at_random_moments(tmp_path, seed):
    """Six kills on each of five stores."""
    assert kill_until_done(tmp_path, kills=6, seed=seed) >= 1
