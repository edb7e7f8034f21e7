"""The scan's parts by hand-worked values, and its search against one that tries everything."""

from __future__ import annotations

import itertools
import math
from collections import Counter

import numpy as np
import pytest

from data.errors import InputError, NotEnoughDataError, UsageError
from models.signals.scan import (
    ExpectationNull,
    NegativeBinomialNull,
    PoissonNull,
    Zones,
    alive_windows,
    all_windows,
    bernoulli_null,
    circular_zones,
    flexible_zones,
    indirectly_standardised,
    largest_by_zone,
    listed_zones,
    nearest_zones,
    permutation_null,
    person_time,
    restricted_zones,
    scan,
    whole_area,
    whole_period,
)
from models.signals.scan.flexible import both_ways, numbered
from models.signals.scan.nulls import _MANY_EXCHANGED, _Target, _without_replacement, replications
from models.signals.scan.restricted import RestrictedSearch, raised_from
from models.signals.scan.search import largest_statistics, plan
from models.signals.scan.statistics import Bernoulli, ConditionalPoisson, ExpectationPoisson, Score

LINE = np.array([[0.0, 0.0], [1.0, 0.0], [2.5, 0.0], [10.0, 0.0]])


def zone_sets(zones):
    return [frozenset(one.members(z)) for one in zones.families for z in np.flatnonzero(one.allowed)]


def grid(side):
    return [
        [j for j in range(side * side) if abs(i % side - j % side) + abs(i // side - j // side) == 1]
        for i in range(side * side)
    ]


def test_statistics_by_hand():
    """Each formula on small numbers, worked out by hand."""
    five, two = np.array(5.0), np.array(2.0)
    poisson = 5 * math.log(5 / 2) + 5 * math.log(5 / 8)
    assert ConditionalPoisson(10.0).value(five, two) == pytest.approx(poisson, rel=1e-12)
    assert ExpectationPoisson().value(five, two) == pytest.approx(5 * math.log(2.5) - 3, rel=1e-12)
    assert Score().value(five, two) == pytest.approx(3 / math.sqrt(2), rel=1e-12)
    # 3 cases of 4 trials inside, 1 of 16 outside; 4 x 4/20 cases expected inside.
    inside = 3 * math.log(3 / 4) + math.log(1 / 4) + math.log(1 / 16) + 15 * math.log(15 / 16)
    null = 4 * math.log(4 / 20) + 16 * math.log(16 / 20)
    assert Bernoulli(4.0, 20.0).value(np.array(3.0), np.array(0.8)) == pytest.approx(inside - null, rel=1e-12)


def test_a_statistic_is_nothing_on_the_other_side():
    """A count below its baseline is no high cluster, and one above is no low one."""
    for statistic in (ConditionalPoisson(10.0), ExpectationPoisson(), Score(), Bernoulli(10.0, 40.0)):
        assert statistic.value(np.array(1.0), np.array(2.0)) == 0.0
        assert statistic.value(np.array(3.0), np.array(2.0), "low") == 0.0
        assert statistic.value(np.array(1.0), np.array(2.0), "low") > 0.0


@pytest.mark.parametrize("statistic", [ConditionalPoisson(50.0), ExpectationPoisson(), Score(), Bernoulli(50.0, 400.0)])
@pytest.mark.parametrize("side", ["high", "low"])
def test_no_count_is_kept_out_that_reaches_the_target(statistic, side):
    """Limits let every pair of count and baseline pass that reaches the target, and hardly any other."""
    counts, baseline = np.arange(51), np.geomspace(0.01, 49.9, 400)
    needed = statistic.needed(baseline, np.array([1.5, 0.0, 1e9]), side, 50)
    value = statistic.value(counts[:, None].astype(float), baseline[None, :], side)
    passes = counts[:, None] >= needed[:, 0] if side == "high" else counts[:, None] <= needed[:, 0]
    assert (value[~passes] < 1.5).all()
    assert (value[passes] >= 1.5 - 1e-6).all()
    assert passes.any()
    if not isinstance(statistic, Bernoulli):
        assert (needed[:, 2] == (51 if side == "high" else -1)).all()
    beyond = counts[:, None] > baseline if side == "high" else counts[:, None] < baseline
    np.testing.assert_array_equal(
        beyond, counts[:, None] >= needed[:, 1] if side == "high" else counts[:, None] <= needed[:, 1]
    )


def test_circles_grow_by_distance_up_to_a_share():
    """From each place the nearest come in one by one; half of four equal places are two."""
    assert zone_sets(circular_zones(LINE)) == [
        frozenset(one) for one in ({0}, {0, 1}, {1}, {1, 0}, {2}, {2, 1}, {3}, {3, 2})
    ]
    assert zone_sets(circular_zones(LINE, largest_radius=1.2, largest_share=1.0)) == [
        frozenset(one) for one in ({0}, {0, 1}, {1}, {1, 0}, {2}, {3})
    ]


def test_places_equally_far_come_in_together():
    """On a ring around a centre no place is before another."""
    cross = np.array([[0, 0], [1, 0], [-1, 0], [0, 1], [0, -1]], dtype=float)
    found = zone_sets(circular_zones(cross, largest_share=1.0))
    assert found[:2] == [frozenset({0}), frozenset(range(5))]


def test_distances_on_earth():
    """A degree of latitude is 2 pi 6367 km / 360; a radius below it keeps the next parallel out."""
    points = np.array([[0.0, 0.0], [1.0, 0.0]])
    degree = 2 * math.pi * 6367 / 360
    assert (
        len(zone_sets(circular_zones(points, largest_share=1.0, largest_radius=degree + 0.01, geometry="earth"))) == 4
    )
    assert (
        len(zone_sets(circular_zones(points, largest_share=1.0, largest_radius=degree - 0.01, geometry="earth"))) == 2
    )


def test_flexible_zones_are_all_connected_groups():
    """On a square of four places: alone 1, pairs 2, threes 3 (all but the one with the centre left out), four 1."""
    zones = flexible_zones(grid(2), 4)
    by_centre = [[frozenset(f.members(z)) for z in range(len(f.place))] for f in zones.families]
    for centre, found in enumerate(by_centre):
        assert len(found) == len(set(found)) == 7
        assert all(centre in one for one in found)


def test_flexible_zones_stay_among_the_nearest():
    """With k places to choose from no zone has more, and every zone hangs together along the map."""
    links = grid(4)
    for one in zone_sets(flexible_zones(links, 5)):
        assert len(one) <= 5
        reached, waiting = set(), [min(one)]
        while waiting:
            place = waiting.pop()
            if place in one and place not in reached:
                reached.add(place)
                waiting += links[place]
        assert reached == one


def test_neighbours_hold_in_both_directions():
    """A border listed once is a border; nobody borders on itself."""
    assert both_ways([[1, 0], [], [1]]) == [[1], [0, 2], [1]]
    assert numbered(["a", "b"], {"b": ["a"]}) == [[], [0]]
    with pytest.raises(InputError, match="1 of them are no places"):
        numbered(["a", "b"], {"b": ["c"]})


def everything(null, zones, windows, drawn, sides, least):
    """The largest statistics of replications by trying every zone and window, one at a time."""
    base = windows.sums(null.weighted(null.expected))
    best = np.zeros(drawn.shape[2])
    for family in zones.families:
        for zone in np.flatnonzero(family.allowed):
            members = family.members(int(zone))
            for window in range(base.shape[1]):
                observed = drawn[members, window].sum(axis=0).astype(float)
                for side in sides:
                    value = null.statistic.value(observed, base[members, window].sum(), side) * family.weight
                    if side == "high" and null.weights is None:
                        value = np.where(observed >= least, value, 0.0)
                    best = np.maximum(best, value)
    return best


def nulls():
    rng = np.random.default_rng(11)
    counts = rng.poisson(1.5, (12, 6))
    expected = rng.gamma(2.0, 1.0, (12, 6))
    strata = rng.poisson(0.7, (3, 12, 6))
    return {
        "poisson": PoissonNull(counts, expected),
        "many cases": PoissonNull(counts * 60, expected),
        "permutation": permutation_null(counts),
        "permutation in strata": permutation_null(strata),
        "permutation of many": permutation_null(counts * 9),
        "permutation of many in strata": permutation_null(strata * 15),
        "bernoulli": bernoulli_null(counts, counts + rng.poisson(4.0, (12, 6))),
        "expectation": ExpectationNull(counts, expected),
        "score": NegativeBinomialNull(counts, expected, size=2.0),
        "weighted": NegativeBinomialNull(counts, expected, size=1.0, level_variance=0.1, by_score=False),
    }


@pytest.mark.parametrize("name", list(nulls()))
@pytest.mark.parametrize("sides", [("high",), ("low",), ("high", "low")])
def test_the_search_finds_what_trying_everything_finds(name, sides):
    """For circles, ellipses, connected groups and listed zones, and for all models, to rounding."""
    null = nulls()[name]
    points = np.random.default_rng(3).random((12, 2))
    windows = alive_windows(6, 3)
    for zones in (
        circular_zones(points, null.sizes),
        Zones(12, circular_zones(points, largest_share=0.3, ellipses=True, penalty=1.0).families[::47]),
        flexible_zones([[i - 1, i + 1] if 0 < i < 11 else [] for i in range(12)], 4),
        listed_zones(12, [[0, 1], [4, 5, 6], [11]]),
    ):
        drawn = replications(null, windows, 7, range(12))
        plans = plan(zones, windows.sums(null.weighted(null.expected)))
        found = largest_statistics(plans, drawn, null.statistic, sides=sides, least_cases=2)
        np.testing.assert_allclose(found, everything(null, zones, windows, drawn, sides, 2), rtol=1e-10, atol=1e-12)


def test_replications_keep_what_the_null_keeps():
    """Poisson and permutation keep all cases, permutation keeps both margins, and means are the expectations."""
    found = nulls()
    whole = whole_period(6)
    steps = all_windows(6, 1)
    for name in ("poisson", *(one for one in found if one.startswith("permutation")), "bernoulli"):
        drawn = replications(found[name], whole, 1, range(20))
        assert (drawn.sum(axis=(0, 1)) == found[name].counts.sum()).all()
    for name in ("permutation", "permutation of many", "permutation of many in strata"):
        drawn = replications(found[name], steps, 1, range(20))
        by_step = found[name].counts.sum(axis=0)
        assert (drawn.sum(axis=0) == by_step[steps.start][:, None]).all(), name
        assert (drawn.sum(axis=1) == found[name].counts.sum(axis=1)[:, None]).all(), name
    for name in ("poisson", "permutation in strata", "bernoulli", "expectation"):
        drawn = replications(found[name], steps, 1, range(500))
        mean = steps.sums(found[name].expected)
        # Five standard errors over 72 cells; every variance is at most about the mean here.
        assert (np.abs(drawn.mean(axis=2) - mean) < 5 * np.sqrt((mean + 0.1) / 500)).all(), name


@pytest.mark.slow
def test_negative_binomial_counts_have_their_variance():
    """Variance m (1 + m/size), and level variances on top, within five standard errors of 4,000 replications."""
    counts = np.ones((1, 2), dtype=np.int64)
    null = NegativeBinomialNull(counts, np.array([[3.0, 5.0]]), size=2.0, level_variance=0.25)
    weighted = replications(null, all_windows(2, 1), 1, range(4000))[0]
    drawn = weighted / null.weights[0][all_windows(2, 1).start][:, None]
    mean = np.array([3.0, 5.0])[all_windows(2, 1).start]
    variance = mean + mean**2 * ((1 + 0.5) * 1.25 - 1)
    np.testing.assert_allclose(drawn.mean(axis=1), mean, atol=5 * math.sqrt(variance.max() / 4000))
    np.testing.assert_allclose(drawn.var(axis=1), variance, rtol=0.35)


def test_exchanging_cell_by_cell_follows_the_law_of_exchanging_case_by_case():
    """By hand: with twelve cases in each place and step, a place has k in the first with C(12,k)C(12,12-k)/C(24,12)."""
    null = permutation_null(np.array([[9, 3], [3, 9]]))
    assert null.counts.sum() > _MANY_EXCHANGED * null.counts.size, "few enough to be exchanged case by case"
    drawn = replications(null, all_windows(2, 1), 1, range(4000))[0, 0]
    expected = np.array([math.comb(12, k) * math.comb(12, 12 - k) / math.comb(24, 12) for k in range(13)])
    error = np.sqrt(expected * (1 - expected) / 4000)
    seen = np.bincount(drawn, minlength=13) / 4000
    assert (np.abs(seen - expected) <= 4 * error + 1 / 4000).all()


def test_a_replication_does_not_depend_on_the_others():
    """Number 17 is the same data whatever else is drawn with it."""
    null = nulls()["poisson"]
    windows = alive_windows(6, 2)
    together = replications(null, windows, 5, range(20))
    np.testing.assert_array_equal(replications(null, windows, 5, [17])[:, :, 0], together[:, :, 17])
    assert (replications(null, windows, 6, [17])[:, :, 0] != together[:, :, 17]).any()


def planted():
    rng = np.random.default_rng(2)
    points = rng.random((30, 2))
    counts = rng.poisson(3.0, (30, 8))
    near = np.argsort(((points - points[4]) ** 2).sum(axis=1))[:4]
    counts[near, 6:] += 9
    return points, counts, set(near.tolist())


def test_a_planted_cluster_is_found_with_its_weeks():
    """Four places with 9 cases more in the last two weeks; p is the smallest there can be."""
    points, counts, near = planted()
    null = PoissonNull(counts, np.ones(counts.shape))
    result = scan(null, circular_zones(points), alive_windows(8, 4), replicates=199)
    first = result.clusters.iloc[0]
    assert set(first["places"]) == near
    assert (first["first"], first["last"], first["p_value"]) == (6, 7, 1 / 200)
    assert first["ratio"] == first["observed"] / first["expected"]
    assert first["p_gumbel"] < 1e-6
    assert not set(first["places"]) & set(result.clusters.iloc[1]["places"])


def test_silence_is_found_where_it_is_looked_for():
    """Three places fall silent: no high cluster there, and the clearest low one."""
    rng = np.random.default_rng(4)
    points, counts = rng.random((20, 2)), rng.poisson(8.0, (20, 6))
    near = np.argsort(((points - points[3]) ** 2).sum(axis=1))[:3]
    counts[near, 5] = 0
    null = ExpectationNull(counts, np.full(counts.shape, 8.0))
    result = scan(null, circular_zones(points), alive_windows(6, 2), sides="low", replicates=99)
    assert set(result.clusters.iloc[0]["places"]) == set(near.tolist())
    assert result.clusters.iloc[0]["p_value"] == 0.01
    assert set(result.clusters["side"]) == {"low"}


def test_sequential_stop_says_the_same_of_nothing():
    """Stopped after ten, the p-value of no cluster at all rests on fewer replications and stays large."""
    rng = np.random.default_rng(8)
    null = PoissonNull(rng.poisson(2.0, (20, 5)), np.ones((20, 5)))
    zones, windows = circular_zones(rng.random((20, 2))), alive_windows(5, 2)
    whole = scan(null, zones, windows, replicates=999)
    short = scan(null, zones, windows, replicates=999, stop_after=10)
    assert len(short.maxima) < 999
    np.testing.assert_array_equal(short.maxima, whole.maxima[: len(short.maxima)])
    p = whole.clusters.iloc[0]["p_value"]
    # Ten exceedances: a relative error of about 1/sqrt(10), four times.
    assert short.clusters.iloc[0]["p_value"] == pytest.approx(p, rel=4 / math.sqrt(10))


def test_least_cases():
    """One case in a place where next to none is expected is no cluster if two are asked for."""
    counts = np.array([[1], [20], [20]])
    null = PoissonNull(counts, np.array([[0.001], [20.0], [20.0]]))
    zones = nearest_zones(LINE[:3], 1)
    assert scan(null, zones, whole_period(1), replicates=0, least_cases=1).clusters.iloc[0]["places"] == (0,)
    later = scan(null, zones, whole_period(1), replicates=0, least_cases=2).clusters
    assert later.empty or later.iloc[0]["places"] != (0,)


def test_time_alone_is_one_zone():
    """All places together: the two raised weeks are found."""
    counts = np.ones((5, 10), dtype=np.int64)
    counts[:, 4:6] = 4
    result = scan(PoissonNull(counts, np.ones(counts.shape)), whole_area(5), all_windows(10, 5), replicates=99)
    assert result.clusters[["first", "last", "n_places"]].iloc[0].tolist() == [4, 5, 5]


def test_the_largest_zones_are_listed_with_overlaps():
    """Statistics fall, and places come back as numbers."""
    points, counts, near = planted()
    found = largest_by_zone(PoissonNull(counts, np.ones(counts.shape)), circular_zones(points), alive_windows(8, 4))
    assert len(found) == 10
    assert found["statistic"].is_monotonic_decreasing
    assert set(found.iloc[0]["places"]) == near


def test_person_time_by_hand():
    """From 10 to 30 over ten days, constant before and after: 10, then the mean of each half, then 30 a day."""
    found = person_time(np.array([0, 10]), np.array([10.0, 30.0]), np.array([-5, 0, 5, 10, 12]))
    np.testing.assert_allclose(found, [50.0, 75.0, 125.0, 60.0])
    np.testing.assert_allclose(person_time(np.array([3]), np.array([2.0]), np.array([0, 1, 4])), [2.0, 6.0])


def test_standardisation_by_hand():
    """Two strata with rates 1/10 and 3/10: expected cases follow who lives where."""
    people = np.array([[[10.0], [30.0]], [[20.0], [0.0]]])
    cases = np.array([[[1], [3]], [[6], [0]]])
    np.testing.assert_allclose(indirectly_standardised(cases, people), [[1.0 + 6.0], [3.0]])


def test_a_permutation_expects_its_margins():
    """Row total x column total / total."""
    null = permutation_null(np.array([[1, 3], [2, 4]]))
    np.testing.assert_allclose(null.expected, [[1.2, 2.8], [1.8, 4.2]])


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: circular_zones(np.array([[95.0, 1.0]]), geometry="earth"), InputError, "exchanged"),
        (lambda: circular_zones(np.array([[np.nan, 1.0]])), InputError, "missing or not finite"),
        (lambda: circular_zones(LINE, largest_share=0.1), UsageError, "Allow larger zones"),
        (lambda: circular_zones(LINE, largest_share=2.0), UsageError, "largest share"),
        (lambda: nearest_zones(LINE, 0), UsageError, "at least one place"),
        (lambda: listed_zones(2, [[5]]), UsageError, "from 0 to 1"),
        (lambda: alive_windows(5, 6), UsageError, "got 1 to 6"),
        (lambda: PoissonNull(np.array([[1]]), np.array([[0.0]])), NotEnoughDataError, "above 0 somewhere"),
        (lambda: PoissonNull(np.array([[1, 1]]), np.array([[0.0, 1.0]])), InputError, "some places have both"),
        (lambda: PoissonNull(np.array([[-1]]), np.array([[1.0]])), InputError, "whole numbers from 0"),
        (lambda: PoissonNull(np.array([[1]]), np.array([[np.nan]])), InputError, "missing or negative"),
        (lambda: permutation_null(np.zeros((2, 2), dtype=int)), NotEnoughDataError, "at least one case"),
        (lambda: bernoulli_null(np.array([[3]]), np.array([[2]])), InputError, "as many trials as cases"),
        (lambda: bernoulli_null(np.array([[2]]), np.array([[2]])), NotEnoughDataError, "only one kind"),
        (lambda: NegativeBinomialNull(np.array([[1]]), np.array([[1.0]]), size=0.0), UsageError, "above 0"),
        (lambda: both_ways([[7]]), InputError, "one is none of them"),
        (lambda: flexible_zones(grid(6), 36), UsageError, "choose from fewer places"),
    ],
)
def test_what_is_refused(make, error, message):
    """The error says what was expected."""
    with pytest.raises(error, match=message):
        make()


def test_restricted_zones_by_trying_every_group():
    """Connected groups of raised places near a centre: all subsets tried one by one find the same largest statistic."""
    rng = np.random.default_rng(5)
    links = grid(4)
    zones = restricted_zones(links, 9, alpha=0.3)
    null = ExpectationNull(rng.poisson(2.0, (16, 1)), rng.gamma(4.0, 0.5, (16, 1)))
    drawn = replications(null, whole_period(1), 3, range(12))
    found = RestrictedSearch(zones, null, whole_period(1), 2).largest(drawn)
    base = null.expected[:, 0]
    for replication in range(12):
        counts = drawn[:, 0, replication].astype(int)
        # The mid-p-value from the probabilities themselves.
        below = [sum(poisson(k, b) for k in range(c)) for c, b in zip(counts, base, strict=True)]
        raised = {i for i in range(16) if 1.0 - below[i] - poisson(counts[i], base[i]) / 2 < 0.3}
        best = 0.0
        for size in range(1, len(raised) + 1):
            for group in itertools.combinations(sorted(raised), size):
                if connected(group, links) and any(zones.near[one].issuperset(group) for one in group):
                    c, b = float(counts[list(group)].sum()), float(base[list(group)].sum())
                    if c >= 2:
                        best = max(best, float(null.statistic.value(np.array(c), np.array(b))))
        assert found[replication] == pytest.approx(best, rel=1e-9)
    assert found.max() > 0.0


def poisson(k, mean):
    return math.exp(-mean) * mean**k / math.factorial(k)


def connected(group, links):
    reached, waiting = set(), [group[0]]
    while waiting:
        place = waiting.pop()
        if place in group and place not in reached:
            reached.add(place)
            waiting += links[place]
    return len(reached) == len(group)


def test_the_count_from_which_a_place_is_raised():
    """Of a Poisson mean of 1: mid-p of 2 is .264 - .184/2 = .172, of 1 it is .448; of 5 trials at .2: of 2, .160."""
    null = ExpectationNull(np.array([[1], [1]]), np.array([[1.0], [1.0]]))
    assert raised_from(null, whole_period(1), 0.2).tolist() == [[2], [2]]
    assert raised_from(null, whole_period(1), 0.17).tolist() == [[3], [3]]
    trials = bernoulli_null(np.array([[1], [1]]), np.array([[5], [5]]))
    assert raised_from(trials, whole_period(1), 0.17).tolist() == [[2], [2]]
    assert raised_from(trials, whole_period(1), 0.15).tolist() == [[3], [3]]


def test_restricted_scans_refuse_what_they_cannot():
    """Low rates, weighted counts, and levels that are none."""
    counts, links = np.full((4, 2), 3), grid(2)
    null = ExpectationNull(counts, np.full((4, 2), 2.0))
    with pytest.raises(UsageError, match="high rates alone"):
        scan(null, restricted_zones(links), whole_period(2), sides="both", replicates=0)
    weighted = NegativeBinomialNull(counts, np.full((4, 2), 2.0), size=2.0)
    with pytest.raises(UsageError, match="counts without weights"):
        scan(weighted, restricted_zones(links), whole_period(2), replicates=0)
    for asked in ({"alpha": 0.0}, {"alpha": 1.0}, {"k": 0}):
        with pytest.raises(UsageError, match="Expected"):
            restricted_zones(links, **asked)


def test_numbers_without_replacement_are_all_alike():
    """Every ordered pair of five numbers comes as often as any other: 6,000 draws, four standard errors."""
    rng = np.random.default_rng(2)
    holder = np.full(5, -1)
    met = [tuple(_without_replacement(rng, 5, 2, holder).tolist()) for _ in range(6000)]
    assert (holder == -1).all()
    counted = Counter(met)
    assert len(counted) == 20
    error = math.sqrt(6000 / 20)
    assert all(abs(one - 300) < 4 * error for one in counted.values())
    assert sorted(_without_replacement(rng, 6, 6, np.full(6, -1)).tolist()) == list(range(6))


@pytest.mark.parametrize("kind", ["alike", "uneven", "mostly none", "one"])
def test_thrown_cases_fall_where_a_binary_search_puts_them(kind):
    """The same cells for the same random numbers, with cells of weight 0, of next to nothing, and one that has all."""
    rng = np.random.default_rng(4)
    weights = {
        "alike": np.full(700, 0.3),
        "uneven": np.exp(rng.normal(0.0, 8.0, 700)),
        "mostly none": np.where(rng.random(700) < 0.02, rng.random(700), 0.0),
        "one": np.eye(700)[3],
    }[kind]
    edges = np.cumsum(weights)
    for seed in range(20):
        found = np.searchsorted(edges, np.random.default_rng(seed).random(500) * edges[-1], side="right")
        thrown = _Target(weights).throw(np.random.default_rng(seed), 500)
        np.testing.assert_array_equal(thrown, np.bincount(found, minlength=700))


def test_a_number_next_to_one_falls_on_the_last_cell_that_has_weight():
    """Rounding may make it as large as the sum of all weights, beyond which there is no cell."""

    class Next:
        def random(self, n):
            return np.full(n, np.nextafter(1.0, 0.0))

    thrown = _Target(np.array([0.1, 0.7, 0.0])).throw(Next(), 3)
    np.testing.assert_array_equal(thrown, [0, 3, 0])
