"""Every figure of the R package surveillance that lies beside the repository, met to 1e-6; alarms exactly."""

from __future__ import annotations

import json

import pytest

from tests.benchmarks import signals_reference as reference
from tests.support.weekly import show

POINTS = {
    "farringtonFlexible.csv": 16_878,
    "farrington.csv": 7_602,
    "earsC.csv": 23_400,
    "cusum.csv": 20_928,
    "glrnb.csv": 11_440,
    "outbreakP.csv": 6_120,
    "bayes.csv": 9_740,
    "rki.csv": 9_740,
    "cdc.csv": 1_584,
}
# A few series of every file: missing values, months, zeros, thin and thick, populations.
QUICK = {
    "farringtonFlexible.csv": {"stsNewport_na", "rotaBB_04"},
    "farrington.csv": {"rotaBB_04", "ha_08", "zeros_idx"},
    "earsC.csv": {"flu_8119", "influMen_1", "zeros_idx"},
    "cusum.csv": {"n1", "abattoir", "flu_9475"},
    "glrnb.csv": {"agona_idx", "m2"},
    "outbreakP.csv": {"measlesDE_12", "shadar"},
    "bayes.csv": {"hepatitisA", "zeros_idx"},
    "rki.csv": {"hepatitisA", "zeros_idx"},
    "cdc.csv": {"momo_06", "zeros_idx"},
}


@pytest.fixture
def controls():
    if not reference.FOLDER.exists():
        pytest.skip("the reference figures of the R package are not on this machine")
    return json.loads((reference.FOLDER / "settings.json").read_text(encoding="utf-8"))


def test_some_series_of_every_setting_agree_with_r(controls):
    """All forty settings, on a few series each: bounds, scores, p-values and alarms."""
    for setting, about in controls.items():
        found = reference.agreements(setting, QUICK[about["file"]])
        assert (found.values_off, found.alarms_off) == (0, 0), found
    assert len(controls) == 40


@pytest.mark.slow
def test_every_point_of_every_file_agrees_with_r(controls):
    """All 107,432 points, and none left out."""
    points = dict.fromkeys(POINTS, 0)
    for setting, about in controls.items():
        found = reference.agreements(setting)
        show(f"{found.file:24} {setting:18} {found.points:7,} points, worst {found.worst:.1e}")
        assert (found.values_off, found.alarms_off) == (0, 0), found
        points[about["file"]] += found.points
    assert points == POINTS


def test_some_bounds_of_the_42_scenarios_agree_with_r(controls):
    """All series of a kind at once, the newest two weeks: bounds to 1e-6, alarms exactly."""
    found = list(reference.scenario_agreements(weeks=2, replicates=2))
    assert [(one.values_off, one.alarms_off) for one in found] == [(0, 0)] * 4
    assert sum(one.points for one in found) == 4 * 84 * 2


@pytest.mark.slow
def test_every_bound_of_the_42_scenarios_agrees_with_r(controls):
    """Ten replicates, 49 weeks, two settings, with and without the current outbreak."""
    found = list(reference.scenario_agreements())
    assert [(one.values_off, one.alarms_off) for one in found] == [(0, 0)] * 4
    assert sum(one.points for one in found) == 82_320
