"""Clusters in heed's own weekly counts."""

from __future__ import annotations

import numpy as np
import pytest

from data.errors import NotEnoughDataError, UsageError
from models.signals.scan import scan_counts
from models.signals.scan.weekly import WEEKLY_COLUMNS
from tests.support.weekly import weekly

AREAS, CATEGORIES, WEEKS = 9, 2, 12


def world(plant: bool = True):
    """Nine areas in a ring, two categories; the second rises in three areas beside each other for two weeks."""
    rng = np.random.default_rng(6)
    area, category = np.repeat(np.arange(AREAS), CATEGORIES), np.tile(np.arange(CATEGORIES), AREAS)
    matrix = rng.poisson(3.0, (WEEKS, AREAS * CATEGORIES))
    if plant:
        matrix[-2:, np.isin(area, [3, 4, 5]) & (category == 1)] += 6
    counts = weekly(matrix, area, category)
    names = counts.series["area"].unique().tolist()
    beside = {names[i]: [names[(i + 1) % AREAS]] for i in range(AREAS)}
    return counts, np.full((4, AREAS * CATEGORIES), 3.0), beside, names


def test_the_planted_cluster_comes_with_its_areas_and_weeks():
    """Three areas of one category, since the last week but one; the other category has nothing."""
    counts, expected, beside, names = world()
    found = scan_counts(counts, expected, neighbours=beside, dispersion=1.2, replicates=199)
    assert list(found.columns) == list(WEEKLY_COLUMNS)
    clear = found[found["p_value"] <= 0.01]
    assert len(clear) == 1
    first = clear.iloc[0]
    assert set(first["areas"]) == {names[3], names[4], names[5]}
    assert (first["weeks"], first["first_week"]) == (2, counts.weeks[-2])
    assert first["expected"] == pytest.approx(18.0)


def test_coordinates_do_as_well():
    """Circles where there are no neighbours."""
    counts, expected, _, names = world()
    turn = 2 * np.pi * np.arange(AREAS) / AREAS + 0.01 * np.arange(AREAS) ** 2
    points = {name: (np.cos(t), np.sin(t)) for name, t in zip(names, turn, strict=True)}
    found = scan_counts(counts, expected, coordinates=points, replicates=199)
    first = found.sort_values("p_value").iloc[0]
    assert {names[3], names[4], names[5]} <= set(first["areas"])
    assert first["p_value"] <= 0.01


def test_an_area_of_which_nothing_can_be_said_is_left_out():
    """No expectation, no part in a cluster; and a category without two such areas is not scanned."""
    counts, expected, beside, names = world()
    expected[0, np.flatnonzero(counts.series["area"] == names[4])] = np.nan
    found = scan_counts(counts, expected, neighbours=beside, replicates=99)
    assert names[4] not in {one for areas in found["areas"] for one in areas}
    with pytest.raises(NotEnoughDataError, match="two or more areas"):
        scan_counts(counts, np.full_like(expected, np.nan), neighbours=beside)


def test_earlier_weeks_and_later_ones_change_nothing():
    """Only the weeks scanned count; and `until` hides what came later."""
    counts, expected, beside, _ = world()
    earlier = counts.until(int(counts.weeks[-3]))
    found = scan_counts(earlier, expected, neighbours=beside, replicates=49)
    plain, _, _, _ = world(plant=False)
    again = scan_counts(plain.until(int(plain.weeks[-3])), expected, neighbours=beside, replicates=49)
    assert found.equals(again)


def test_what_is_refused():
    """Shapes, dispersions below Poisson, and areas without a place on the map."""
    counts, expected, beside, _ = world()
    with pytest.raises(UsageError, match="newest weeks, 18 series"):
        scan_counts(counts, expected[:, :3], neighbours=beside)
    with pytest.raises(UsageError, match="at least 1"):
        scan_counts(counts, expected, neighbours=beside, dispersion=0.5)
    with pytest.raises(UsageError, match="give one of them"):
        scan_counts(counts, expected)
    with pytest.raises(UsageError, match="9 areas have none"):
        scan_counts(counts, expected, coordinates={})
