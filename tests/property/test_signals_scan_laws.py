"""What must not change a scan: the order of places, the scale of populations, weeks that come later."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from models.signals.scan import (
    NegativeBinomialNull,
    PoissonNull,
    alive_windows,
    circular_zones,
    flexible_zones,
    permutation_null,
    scan,
)
from models.signals.scan.nulls import replications
from models.signals.scan.search import largest_statistics, plan

SEEDS = st.integers(0, 2**32 - 1)


def city(seed: int, n: int = 12, weeks: int = 8):
    rng = np.random.default_rng(seed)
    points, people = rng.random((n, 2)), rng.lognormal(4.0, 0.6, n)
    counts = rng.poisson(np.outer(people, np.ones(weeks)) / people.mean() * 1.5)
    counts[0, 0] += 1
    return points, people, counts


def told(clusters: pd.DataFrame) -> list[tuple]:
    return [
        (frozenset(row["places"]), row["first"], row["last"], row["observed"], round(row["statistic"], 9))
        for row in clusters.to_dict("records")
    ]


@settings(max_examples=6, deadline=None)
@given(SEEDS)
def test_the_order_of_places_changes_nothing(seed):
    """Places shuffled: the same first cluster, up to equal statistics."""
    points, people, counts = city(seed)
    order = np.random.default_rng(seed + 1).permutation(len(points))
    first = []
    for kept in (np.arange(len(points)), order):
        null = PoissonNull(counts[kept], np.outer(people[kept], np.ones(8)))
        found = scan(null, circular_zones(points[kept], null.sizes), alive_windows(8, 4), places=kept, replicates=0)
        first.append(found.clusters)
    if len(first[0]) and (len(first[0]) == 1 or first[0]["statistic"].diff().abs().iloc[1] > 1e-6):
        assert told(first[0])[0] == told(first[1])[0]
    assert [round(one, 9) for one in first[0]["statistic"][:1]] == [round(one, 9) for one in first[1]["statistic"][:1]]


@settings(max_examples=6, deadline=None)
@given(SEEDS, st.floats(1e-3, 1e4))
def test_the_scale_of_populations_changes_nothing(seed, scale):
    """Inhabitants or thousands of them: the same clusters."""
    points, people, counts = city(seed)
    found = []
    for one in (people, people * scale):
        null = PoissonNull(counts, np.outer(one, np.ones(8)))
        zones = circular_zones(points, people)
        found.append(told(scan(null, zones, alive_windows(8, 4), replicates=0).clusters))
    assert found[0] == found[1]


@settings(max_examples=6, deadline=None)
@given(SEEDS, st.integers(0, 50))
def test_later_weeks_change_nothing(seed, more):
    """A prospective scan as of week 6 is the same, p-values to the bit, whatever weeks 7 and 8 hold."""
    points, _, counts = city(seed)
    later = counts.copy()
    later[:, 6:] += more
    found = []
    for one in (counts, later):
        null = permutation_null(one[:, :6])
        zones = circular_zones(points, null.sizes)
        found.append(scan(null, zones, alive_windows(6, 3), replicates=19, seed=seed % 1000).clusters)
    pd.testing.assert_frame_equal(found[0], found[1])


@settings(max_examples=5, deadline=None)
@given(SEEDS, st.lists(st.integers(1, 9), min_size=1, max_size=6))
def test_drawing_some_at_a_time_changes_nothing(seed, sizes):
    """However replications are batched, each one's largest statistic is the same to the bit."""
    points, people, counts = city(seed)
    windows = alive_windows(8, 3)
    for null, zones in (
        (PoissonNull(counts, np.outer(people, np.ones(8))), circular_zones(points)),
        (
            NegativeBinomialNull(counts, np.full(counts.shape, 1.5), size=2.0, by_score=False),
            flexible_zones([[i - 1, i + 1] if 0 < i < 11 else [] for i in range(12)], 4),
        ),
    ):
        plans = plan(zones, windows.sums(null.weighted(null.expected)))
        n = sum(sizes)
        whole = largest_statistics(plans, replications(null, windows, 1, range(n)), null.statistic)
        ends = np.cumsum([0, *sizes])
        parts = [
            largest_statistics(plans, replications(null, windows, 1, range(a, b)), null.statistic)
            for a, b in itertools.pairwise(ends)
        ]
        np.testing.assert_array_equal(np.concatenate(parts), whole)


@settings(max_examples=6, deadline=None)
@given(SEEDS)
def test_clusters_share_no_place(seed):
    """No place is in two clusters, and statistics fall."""
    points, _, counts = city(seed)
    null = permutation_null(counts)
    clusters = scan(null, circular_zones(points, null.sizes), alive_windows(8, 4), replicates=0).clusters
    members = [one for places in clusters["places"] for one in places]
    assert len(members) == len(set(members))
    assert clusters["statistic"].is_monotonic_decreasing
