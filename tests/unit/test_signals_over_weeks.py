"""One false-discovery rate over all weeks: the state goes from week to week."""

from __future__ import annotations

import numpy as np
import pytest

from models.signals import assess_series, detect_signals
from models.signals.online_fdr import BatchBH
from models.signals.over_weeks import detect_over_weeks
from tests.support.hierarchy import towns
from tests.support.weekly import weekly, world


def test_weeks_in_a_row_share_one_allowance():
    """The first week has part of the level; a strong rise is told, the level is the whole's, and earns for later."""
    city = world(np.random.default_rng(4), areas=20, categories=6, dispersion=(1.0, 1.3), weeks=44)
    matrix = city.matrix.copy()
    matrix[-2:, 30] += 40
    counts = weekly(matrix, city.area, city.category)
    state = BatchBH(alpha=0.10)
    levels = []
    for week in counts.weeks[-2:]:
        levels.append(min(state.next_level(240), 0.10))
        found, state = detect_over_weeks(
            counts.until(int(week)), BatchBH.from_dict(state.to_dict()), parents=towns(20, 5)
        )
        live = detect_signals(counts.until(int(week)), parents=towns(20, 5))
        # What a level below that of one week tells is among what that tells.
        assert set(zip(found["area"], found["category"], strict=True)) <= set(
            zip(live["area"], live["category"], strict=True)
        )
        assert (found["fdr_level"] == 0.10).all()
    assert ("a005", "c000") in set(zip(found["area"], found["category"], strict=True))
    assert len(state.levels) == 2
    assert state.levels[0] == pytest.approx(levels[0])
    assert max(state.levels) < 0.10
    assert sum(state.rejections) >= 2


def test_too_short_a_record_spends_nothing():
    """Nothing is tested in eleven weeks, so nothing is told and the state stays as it was."""
    city = world(np.random.default_rng(1), areas=4, categories=4, weeks=11)
    found, state = detect_over_weeks(city.counts(), BatchBH())
    assert found.empty
    assert state == BatchBH()


def test_only_what_is_told_earns_for_later_weeks():
    """One village rises so much that its town and its city do too; it is told once, and earns once."""
    rng = np.random.default_rng(7)
    matrix = rng.poisson(4.0, size=(44, 8)).astype(np.int64)
    matrix[-1, 0] += 90
    counts = weekly(matrix, np.arange(8), np.zeros(8, dtype=np.int64))
    found, state = detect_over_weeks(counts, BatchBH(alpha=0.10), parents=towns(8, 4))
    judged = assess_series(counts, parents=towns(8, 4))
    assert (judged["tested_p"] <= 1e-6).sum() > 1
    assert found["area"].tolist() == ["a000"]
    assert state.rejections == (1,)
