"""Delay laws and nowcasts of reporting triangles, by hand and by law."""

from __future__ import annotations

import numpy as np
import pytest

from data.errors import NotEnoughDataError, UsageError
from models.signals.nowcast import ReportingTriangle, chain_ladder, delay_law, lawless
from models.signals.nowcast.mixture import mixture_quantile, share_nodes
from models.signals.nowcast.triangle import without_negatives


def triangle(counts: list[list[float]]) -> ReportingTriangle:
    """Weekly rows, of which the last is the week of now."""
    values = np.array(counts, dtype=float)
    dates = np.datetime64("2024-01-01") + 7 * np.arange(len(values))
    return ReportingTriangle(dates.astype("datetime64[D]"), values, np.arange(len(values) - 1, -1, -1))


@pytest.fixture
def small():
    """Two whole rows, one with a delay to come, one with two."""
    return triangle([[4, 4, 2], [6, 3, 1], [8, 2, 0], [3, 0, 0]])


def test_the_delay_law_by_hand(small):
    """Hazard of delay 2: 3 of 20 reports; of delay 1: 9 of the 27 known by then; both products by hand."""
    law = delay_law(small)
    hazard = np.array([9 / 27, 3 / 20])
    by_first = (1 - hazard[0]) * (1 - hazard[1])
    assert law.cdf == pytest.approx([by_first, 1 - hazard[1], 1.0])
    assert law.pmf == pytest.approx([by_first, 1 - hazard[1] - by_first, hazard[1]])
    step = hazard / ((1 - hazard) * np.array([27, 20]))
    assert law.log_variance == pytest.approx([step.sum(), step[1], 0.0])


def test_lawless_divides_by_the_share_known(small):
    """Expected final counts are what is reported over the share known; whole rows stay."""
    told = lawless(small)
    share = delay_law(small).cdf
    assert told["nowcast"].tolist() == pytest.approx([10.0, 10.0 / share[1], 3.0 / share[0]])
    assert told.loc[0, ["lower", "upper"]].tolist() == [10.0, 10.0]
    assert (told["lower"] >= told["reported"]).all()
    assert (told["upper"] >= told["nowcast"]).all()


def test_the_chain_ladder_by_hand(small):
    """The newest row is filled delay by delay, each time with one report more than seen; by hand."""
    told = chain_ladder(small)
    f0, f1 = delay_law(small).cdf[:2]
    after_one = 3 + (f1 - f0) * (3 + 1 - f0) / f0
    assert told["nowcast"].iloc[-1] == pytest.approx(after_one + (1 - f1) * (after_one + 1 - f1) / f1)
    assert told["nowcast"].iloc[0] == 10.0


def test_nothing_reported_is_not_nothing_to_come(small):
    """With no report yet, R says 0 to 0; the limits here say which counts would still be silent."""
    quiet = triangle([[4, 4, 2], [6, 3, 1], [8, 2, 0], [0, 0, 0]])
    share = delay_law(quiet).cdf[0]
    told, as_in_r = lawless(quiet).iloc[-1], lawless(quiet, compatible=True).iloc[-1]
    assert as_in_r[["nowcast", "lower", "upper"]].tolist() == [0.0, 0.0, 0.0]
    assert (1 - share) ** told["upper"] >= 0.025 > (1 - share) ** (told["upper"] + 1)
    assert chain_ladder(quiet)["nowcast"].iloc[-1] > 0.0


def test_r_cuts_its_normal_off_and_forgets_it():
    """With few reports R's median lies below its own mean; the corrected nowcast does not."""
    one = triangle([*([[1, 3, 36]] * 20), [1, 3, 0], [1, 0, 0]])
    assert lawless(one, compatible=True)["nowcast"].iloc[-1] < 1 / delay_law(one).cdf[0]
    assert lawless(one)["nowcast"].iloc[-1] == pytest.approx(1 / delay_law(one).cdf[0])


def test_where_nothing_ever_came_so_soon_nothing_is_said():
    """A share known of 0 gives no number at all."""
    late = triangle([[0, 5, 5], [0, 4, 6], [0, 5, 0], [0, 0, 0]])
    for told in (lawless(late), chain_ladder(late)):
        assert told[["nowcast", "lower", "upper"]].iloc[-1].isna().all()
        assert told["nowcast"].iloc[:-1].notna().all()


def test_corrections_are_taken_off_earlier_delays():
    """Reports taken back later were none to begin with; row totals stay, and no share is negative."""
    given = triangle([[5, 3, -4], [6, 2, -1], [2, -3, 0], [4, 0, 0]])
    cleared = without_negatives(given)
    assert cleared.counts.tolist() == [[4, 0, 0], [6, 1, 0], [0, 0, 0], [4, 0, 0]]
    assert (delay_law(given).pmf >= 0).all()
    assert delay_law(given).cdf == pytest.approx(delay_law(cleared).cdf)
    # What is told of a row is what is known of it now, corrections included.
    assert chain_ladder(given)["reported"].tolist() == [7.0, -1.0, 4.0]


def test_what_is_not_yet_observable_is_not_read(small):
    """Numbers where a delay has not passed yet change nothing."""
    counts = small.counts.copy()
    counts[~small.known] = 99.0
    other = ReportingTriangle(small.dates, counts, small.age)
    for method in (lawless, chain_ladder):
        assert method(other).equals(method(small))


def test_refusals_say_what_is_missing(small):
    """Too little past, no reports, a wrong alpha, a wrong shape."""
    with pytest.raises(NotEnoughDataError, match="the oldest is 1 periods old"):
        delay_law(small.newest(2))
    with pytest.raises(NotEnoughDataError, match="at least one report"):
        delay_law(triangle([[0, 0], [0, 0]]))
    with pytest.raises(UsageError, match="alpha must lie between 0 and 1"):
        lawless(small, alpha=2.0)
    with pytest.raises(UsageError, match="as many dates and ages as rows"):
        ReportingTriangle(small.dates[:2], small.counts, small.age)


def test_a_mixture_of_one_is_that_one():
    """Equal parts change no quantile, and an exact share has equal nodes."""
    mean, variance = np.array([3.0, 0.2]), np.array([5.0, 0.2])
    weights = np.full(5, 0.2)
    mixed = mixture_quantile(0.9, np.tile(mean, (5, 1)), np.tile(variance, (5, 1)), weights)
    alone = mixture_quantile(0.9, mean[None], variance[None], np.ones(1))
    assert mixed.tolist() == alone.tolist()
    nodes, shares = share_nodes(np.array([0.4, 1.0]), np.array([0.0, 0.1]))
    assert np.ptp(nodes, axis=0).tolist() == [0.0, 0.0]
    assert shares.sum() == pytest.approx(1.0)


@pytest.mark.slow
def test_limits_cover_by_repeated_experiment():
    """Of 500 newest periods with Poisson counts, the 90 % limits hold 90 % within four Monte-Carlo errors or more."""
    rng = np.random.default_rng(4)
    pmf = np.array([0.5, 0.3, 0.2])
    inside = {"lawless": 0, "chain_ladder": 0}
    runs = 500
    for _ in range(runs):
        counts = rng.poisson(20.0 * pmf, size=(30, 3)).astype(float)
        one = triangle(counts.tolist())
        final = counts[-1].sum()
        for method in (lawless, chain_ladder):
            last = method(one, alpha=0.1).iloc[-1]
            inside[method.__name__] += bool(last["lower"] <= final <= last["upper"])
    error = np.sqrt(0.9 * 0.1 / runs)
    assert inside["lawless"] / runs > 0.9 - 4 * error
    assert inside["chain_ladder"] / runs > 0.9 - 4 * error
    assert max(inside.values()) / runs < 0.9 + 4 * error + 0.05  # whole counts: up to a case more on both sides
