"""Weeks that were not recorded are neither a past to compare with nor a signal."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from data.errors import UsageError
from models.signals import assess_series, detect_signals, history, reason_sentence
from models.signals.long_past import LongPastSettings, judge_by_long_past, long_enough
from models.signals.siblings import Cross
from tests.support.weekly import weekly, world


@pytest.fixture
def calm():
    return world(np.random.default_rng(3), areas=12, categories=8, level=4.0, dispersion=(1.0, 1.5))


def everywhere(counts):
    return np.ones(counts.matrix.shape, dtype=bool)


def test_saying_that_all_was_recorded_changes_nothing(calm):
    """Not a bit of any judgement."""
    counts = calm.counts()
    pd.testing.assert_frame_equal(assess_series(counts.recorded_as(everywhere(counts))), assess_series(counts))


def test_a_stop_everywhere_is_no_silence(calm):
    """A category that is no longer recorded is not judged, and moves nobody else's expectation."""
    matrix = calm.matrix.copy()
    stopped = calm.category == 2
    matrix[-3:, stopped] = 0
    counts = weekly(matrix, calm.area, calm.category)
    recorded = everywhere(counts)
    recorded[-3:, stopped] = False
    judged = assess_series(counts.recorded_as(recorded))
    concerned = np.tile(stopped, 2)
    assert (judged.loc[concerned, "method_reason"] == "not_recorded").all()
    assert (judged.loc[concerned, "method"] == "not_recorded").all()
    assert judged.loc[concerned, "p_value"].isna().all()
    assert not judged.loc[concerned, "signal"].any()
    assert judged.loc[~concerned & (judged["direction"] == "rise"), "p_value"].notna().all()
    for language in ("zh", "en"):
        assert "{" not in reason_sentence(judged[concerned].iloc[0].to_dict(), language=language)


def test_a_start_within_the_reference_uses_only_the_weeks_since(calm):
    """A trickle before the record proper would halve the level, and the usual count would look like a rise."""
    matrix = calm.matrix.copy()
    matrix[:22, calm.category == 5] = 0
    matrix[:22:4, (calm.category == 5) & (calm.area == 0)] = 1
    counts = weekly(matrix, calm.area, calm.category)
    recorded = everywhere(counts)
    recorded[:22, calm.category == 5] = False
    judged = assess_series(counts.recorded_as(recorded))
    rises = judged[judged["direction"] == "rise"].reset_index(drop=True)
    concerned = rises["category"] == "c005"
    assert (rises.loc[concerned, "method_reason"] == "partly_recorded").all()
    assert (rises.loc[concerned, "weeks_of_past"] == 40 - 4 - 22).all()
    assert "14" in reason_sentence(rises[concerned].iloc[0].to_dict(), language="en")
    truth = calm.matrix[22:36, calm.category == 5].mean(axis=0)
    assert np.corrcoef(truth, rises.loc[concerned, "week_expected"])[0, 1] > 0.9
    assert not rises.loc[concerned, "signal"].any()


def test_an_import_in_bulk_raises_no_signal_and_no_expectation(calm):
    """The week is left out: no rise then, and none hidden later."""
    matrix = calm.matrix.copy()
    matrix[-1, calm.category == 1] += 40
    matrix[-10, calm.category == 3] += 60
    counts = weekly(matrix, calm.area, calm.category)
    recorded = everywhere(counts)
    recorded[-1, calm.category == 1] = False
    recorded[-10, calm.category == 3] = False
    judged = assess_series(counts.recorded_as(recorded))
    assert detect_signals(counts.recorded_as(recorded)).empty
    with_it = assess_series(counts)
    third = (judged["category"] == "c003") & (judged["direction"] == "rise")
    # With it the level is far too high; the newest counts of the other areas take part of that back.
    assert judged.loc[third, "week_expected"].sum() < 0.95 * with_it.loc[third, "week_expected"].sum()


def test_a_rise_is_still_found_beside_a_stop(calm):
    """What is recorded is judged as before."""
    matrix = calm.matrix.copy()
    rising = int(np.flatnonzero((calm.category == 4) & (calm.area == 6))[0])
    matrix[-3:, rising] += 30
    matrix[-3:, calm.category == 2] = 0
    counts = weekly(matrix, calm.area, calm.category)
    recorded = everywhere(counts)
    recorded[-3:, calm.category == 2] = False
    found = detect_signals(counts.recorded_as(recorded))
    assert list(zip(found["area"], found["category"], strict=True)) == [("a006", "c004")]


def test_replaying_weeks_keeps_what_was_recorded_in_them():
    """Each replayed week sees the recorded weeks up to itself."""
    counts = world(np.random.default_rng(2), areas=6, categories=5).counts()
    recorded = everywhere(counts)
    recorded[-1, 0] = False
    marked = counts.recorded_as(recorded)
    assert marked.until(int(counts.weeks[-2])).recorded is None
    assert len(history(marked, weeks=2)) == len(history(counts, weeks=2))


def test_sums_were_recorded_where_their_parts_were(calm):
    """A total over areas leaves a week out as soon as one of its areas with reports does."""
    counts = calm.counts()
    recorded = everywhere(counts)
    recorded[5, calm.area == 3] = False
    total = counts.recorded_as(recorded).totals("area")
    assert total.recorded is not None
    assert not total.recorded[5].any()
    assert total.recorded[6].all()


def test_a_long_past_fills_a_few_weeks_and_starts_anew_after_many():
    """Two weeks left out are filled from their neighbours; half a year left out ends the past that is used."""
    drawn = world(np.random.default_rng(6), areas=10, categories=4, weeks=215, level=8.0, dispersion=(1, 1.5))
    cross = Cross(drawn.area, drawn.category)
    dates = np.arange(np.datetime64("2020-01-06"), np.datetime64("2020-01-06") + 7 * 215, 7)
    enough = long_enough(drawn.matrix, cross, LongPastSettings())
    plain = judge_by_long_past(drawn.matrix, cross, dates, LongPastSettings())
    spoiled, few = drawn.matrix.copy(), np.ones(drawn.matrix.shape, dtype=bool)
    spoiled[110:112] *= 20
    few[110:112] = False
    mended = judge_by_long_past(spoiled, cross, dates, LongPastSettings(), recorded=few)
    np.testing.assert_allclose(mended.expected[enough], plain.expected[enough], rtol=0.2)
    many = np.ones(drawn.matrix.shape, dtype=bool)
    many[100:130, 0] = False
    shorter = long_enough(drawn.matrix, cross, LongPastSettings(), many)
    assert enough[0]
    assert not shorter[0]
    assert (shorter[1:] == enough[1:]).all()
    stopped = np.ones(drawn.matrix.shape, dtype=bool)
    stopped[-1, 1] = False
    assert not long_enough(drawn.matrix, cross, LongPastSettings(), stopped)[1]


def test_weeks_of_another_shape_are_refused(calm):
    """The message says both shapes."""
    with pytest.raises(UsageError, match=r"shape \(40, 96\), got \(1, 1\)"):
        calm.counts().recorded_as(np.ones((1, 1), dtype=bool))
