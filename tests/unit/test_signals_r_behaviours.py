"""What the R package does in its own way: the compatible mode follows it, the corrected mode does what is meant."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from data.errors import UsageError
from models.signals.detectors import Bayes, Ears, FarringtonFlexible, Glr, Rki, make_detector
from models.signals.reference_weeks import reference_weeks

RNG = np.random.default_rng(8)
LONG = pd.DataFrame(RNG.negative_binomial(2.0, 0.4, size=(320, 8)).astype(float), columns=list("abcdefgh"))


def table(counts: list[float]) -> pd.DataFrame:
    return pd.DataFrame({"a": np.array(counts, dtype=float)})


def both(counts: pd.DataFrame, **settings) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The newest week in the corrected and in the compatible mode."""
    corrected, compatible = (
        FarringtonFlexible(compatible=mode, **settings).detect(counts, last=1) for mode in (False, True)
    )
    return corrected, compatible


def test_weights_change_the_standard_error_in_r_alone():
    """Behaviour 2: R's error rests on the sum of prior weight x ((y - mean) / mean) squared, ours on Pearson's."""
    corrected, compatible = both(LONG, trend=False, threshold="delta", minimum_cases=(0, 4))
    np.testing.assert_allclose(corrected["expected"], compatible["expected"], rtol=1e-6)
    # R's steps end when the deviance changes by 1e-8, its square root from the optimum.
    np.testing.assert_allclose(corrected["dispersion"], compatible["dispersion"], rtol=1e-3)
    assert (np.abs(corrected["standard_error"] / compatible["standard_error"] - 1.0) > 0.05).all()
    assert (np.abs(corrected["upper"] / compatible["upper"] - 1.0) > 1e-4).any()
    corrected, compatible = both(LONG, trend=False, threshold="delta", reweight=False, minimum_cases=(0, 4))
    np.testing.assert_allclose(corrected["standard_error"], compatible["standard_error"], rtol=1e-3)


def steps_by_hand(counts: np.ndarray) -> tuple[float, float]:
    """Standard error of one common log mean as R has it, by its steps; and at the optimum. Both by hand."""
    mean, before, deviance = 0.0, counts + 0.1, np.inf
    log = float(((counts + 0.1) * np.log(counts + 0.1) - 0.1).sum() / before.sum())
    while True:
        mean = np.exp(log)
        some = counts[counts > 0]
        new = 2.0 * ((some * np.log(some / mean)).sum() - (counts - mean).sum())
        if abs(new - deviance) / (abs(new) + 0.1) < 1e-8:
            break
        deviance, before = new, np.full(len(counts), mean)
        log += counts.mean() / mean - 1.0
    relative = ((counts - mean) / mean) ** 2
    at_steps = (before * relative).sum() / (len(counts) - 1) / before.sum()
    optimum = counts.mean()
    at_optimum = ((counts - optimum) ** 2 / optimum).sum() / (len(counts) - 1) / counts.sum()
    return float(np.sqrt(at_steps)), float(np.sqrt(at_optimum))


def test_r_stops_short_of_the_optimum():
    """Behaviour 3: the compatible error is that of the step before the last, the corrected one that of the optimum."""
    counts = np.zeros(320)
    counts[[59, 111, 112, 164]] = [6.0, 1.0, 2.0, 1.0]
    rows = [319 - 52 * year + off for year in range(5, 0, -1) for off in range(-3, 4)]
    settings = {"trend": False, "reweight": False, "seasons": 1, "weeks_left_out": 3, "minimum_cases": (0, 4)}
    corrected, compatible = both(table(counts.tolist()), **settings)
    steps, optimum = steps_by_hand(counts[rows])
    assert corrected["standard_error"].iloc[0] == pytest.approx(optimum, rel=1e-12)
    assert compatible["standard_error"].iloc[0] == pytest.approx(steps, rel=1e-12)
    assert abs(steps / optimum - 1.0) > 1e-10


def test_the_mean_behind_a_limit_of_powers_is_the_mean():
    """Behaviour 5: R's mu0 of "delta" is the exponential of a quantile; both modes give the mean there instead."""
    for found in both(LONG, threshold="delta", minimum_cases=(0, 4)):
        np.testing.assert_array_equal(found["mean_used"], found["expected"])
        assert (found["mean_used"] < found["upper"]).all()


def test_few_cases_hide_the_limit_in_r_alone():
    """Behaviour 6: no alarm in either mode below the fewest cases; R has no limit then, ours stands."""
    counts = LONG.copy()
    counts.iloc[-4:] = [[0.0] * 8, [0.0] * 8, [0.0] * 8, [30.0] * 8]
    corrected, compatible = both(counts, minimum_cases=(31, 4))
    assert not corrected["alarm"].any()
    assert not compatible["alarm"].any()
    assert compatible["upper"].isna().all()
    assert (corrected["upper"] < 30.0).all()
    assert (corrected["why"] == "few_cases").all()
    corrected, compatible = both(counts, minimum_cases=(30, 4))
    assert corrected["alarm"].all()
    assert compatible["alarm"].all()
    counts.iloc[-1] = 0.0
    for found in both(counts, minimum_cases=(0, 4)):
        assert not found["alarm"].any()


def test_a_missing_week_is_too_few_cases_in_r_alone():
    """Behaviour 6: R's sum over a missing week is missing; ours counts the weeks there are."""
    counts = LONG.copy()
    counts.iloc[-1] = 40.0
    counts.iloc[-3] = np.nan
    corrected, compatible = both(counts, minimum_cases=(5, 4))
    assert corrected["alarm"].all()
    assert compatible["upper"].isna().all()


def test_a_past_without_a_case_has_no_expectation():
    """Behaviour 9: R expects 0 and says nothing else; ours says nothing and why."""
    corrected, compatible = both(table([0.0] * 320))
    assert compatible["expected"].tolist() == [0.0]
    assert corrected["expected"].isna().all()
    assert corrected["why"].tolist() == ["no_cases_in_past"]
    for found in (corrected, compatible):
        assert found["upper"].isna().all()
        assert found["alarm"].isna().all()


def test_weeks_just_before_count_where_they_are_not_left_out():
    """Fewer weeks left out than half a window: the newest of the window belong to the season of the week judged."""
    chosen = reference_weeks(200, years_back=2, half_window=4, seasons=1, weeks_left_out=1)
    assert chosen.rows.tolist() == [*range(92, 101), *range(144, 153), 196, 197, 198]
    assert not chosen.seasons.any()
    three = reference_weeks(200, years_back=2, half_window=4, seasons=3, weeks_left_out=3)
    assert three.rows[-1] == 196
    assert three.seasons[-1] == 0


@pytest.mark.parametrize("kind", ["C1", "C2", "C3"])
def test_a_missing_week_has_no_alarm_of_ears(kind):
    """Neither mode says "no alarm" of a week without a count."""
    counts = table([4, 6, 5, 3, 7, 5, 4, 6, 5, 4, 6, 3, np.nan])
    for compatible in (False, True):
        assert pd.isna(Ears(kind=kind, compatible=compatible).detect(counts, last=1)["alarm"].iloc[0])


def test_bayes_makes_do_with_one_week_in_r_alone():
    """Compatible: gamma posterior of the weeks there are, be it one; ours wants half of them."""
    counts = table([4, np.nan, np.nan, np.nan, 6, 9])
    settings = {"half_window": 5, "alpha": 0.05}
    there = Bayes(compatible=True, **settings).detect(counts, last=1).iloc[0]
    law = stats.nbinom(10.5, 2 / 3)
    assert there["upper"] == law.ppf(0.95)
    assert there["p_value"] == pytest.approx(law.sf(8))
    assert Bayes(**settings).detect(counts, last=1)["why"].iloc[0] == "missing_in_past"
    gone = counts.copy()
    gone.iloc[-1] = np.nan
    for detector in (Bayes(compatible=True, **settings), Rki(half_window=1, compatible=True)):
        assert pd.isna(detector.detect(gone, last=1)["alarm"].iloc[0])


def test_a_window_without_a_week_says_nothing_in_r_and_is_refused_by_ours():
    """No earlier year and not this one either."""
    asked = {"b": 0, "w": 6, "actY": False}
    silent = make_detector("algo.bayes", asked, compatible=True).detect(LONG, last=1)
    assert silent["upper"].isna().all()
    assert silent["alarm"].isna().all()
    with pytest.raises(UsageError, match="no week to compare with"):
        make_detector("algo.bayes", asked)


def poisson_ratio(counts: list[int], usual: float) -> float:
    """Largest log likelihood ratio of a raised Poisson mean."""
    total, expected = sum(counts), usual * len(counts)
    return max(total * np.log(total / expected) - (total - expected), 0.0) if total > expected else 0.0


@pytest.mark.parametrize(("least", "window"), [(1, 3), (2, 3), (3, 0), (2, 2)])
def test_a_change_lasts_as_long_as_is_asked(least, window):
    """Ours takes stretches of `least_weeks` to `window` weeks; R's are a week longer at both ends, if at all."""
    counts = [4, 7, 3, 5, 4, 9]
    settings = {"mean": 4.0, "overdispersion": 0.0, "limit": 50.0, "least_weeks": least, "window": window}
    ours = Glr(**settings).detect(table([3] * 5 + counts), last=6)["score"].tolist()
    theirs = Glr(compatible=True, **settings).detect(table([3] * 5 + counts), last=6)["score"].tolist()
    for week in range(1, 7):
        ends = [poisson_ratio(counts[week - n : week], 4.0) for n in range(1, week + 1)]
        longest = min(window or week, week)
        assert ours[week - 1] == pytest.approx(max(ends[least - 1 : longest], default=0.0), abs=1e-9)
        rs = ends[least : window + 1] if window else ends[: week if week >= least else 0]
        assert theirs[week - 1] == pytest.approx(max(rs, default=0.0), abs=1e-9)


def test_the_cases_that_r_says_an_alarm_needs():
    """Poisson falls: 0. Negative binomial: down from the count while it is an alarm, or up; 1e99 out of reach."""
    settings = {"mean": 4.0, "limit": 3.0, "ret": "cases", "compatible": True}
    falls = Glr(overdispersion=0.0, direction="dec", **settings)
    assert falls.detect(table([3] * 5 + [0, 0, 9]), last=3)["upper"].tolist() == [0.0, 0.0, 0.0]
    rises = Glr(overdispersion=0.2, largest_count=20, **settings)
    assert rises.detect(table([3] * 5 + [30, 1, 14]), last=3)["upper"].tolist() == [0.0, 14.0, 14.0]
    down = Glr(overdispersion=0.2, direction="dec", largest_count=20, **settings)
    assert down.detect(table([3] * 5 + [0, 0, 0]), last=3)["upper"].tolist() == [1e99, 0.0, 1e99]
    with pytest.raises(UsageError, match="goes with direction"):
        Glr(direction="dec", ret="cases").detect(LONG, last=1)


def test_a_known_fall_has_a_largest_count_in_r():
    """The straight line of the ratio, turned round, never below 0."""
    detector = Glr(mean=7.0, overdispersion=0.0, theta=-0.5, direction="dec", ret="cases", limit=3.0, compatible=True)
    found = detector.detect(table([3] * 5 + [4, 7]), last=2)["upper"].tolist()
    none = 7.0 * (1.0 - np.exp(-0.5))
    assert found == pytest.approx([0.0, ((none - 2.0) + none - 3.0) / 0.5])


def test_an_added_change_of_negative_binomial_counts_is_taken_for_a_multiplied_one_in_r():
    """Four and seven against four: R's size is their factor, 11 / 8, which then multiplies the week before."""
    counts = table([3] * 5 + [4, 7])
    settings = {"mean": 4.0, "overdispersion": 0.2, "change": "epi", "limit": 50.0}

    def ratio(raised: float) -> float:
        laws = (stats.nbinom(5.0, 1.0 / (1.0 + 0.2 * mean)) for mean in (raised, 4.0))
        return float(np.subtract(*(law.logpmf(7) for law in laws)))

    theirs = Glr(compatible=True, **settings).detect(counts, last=1 + 1)["score"].iloc[-1]
    assert theirs == pytest.approx(ratio(4.0 + 11 / 8 * 4.0), rel=1e-9)
    assert theirs == pytest.approx(0.331893197322521, rel=1e-9)
    assert Glr(**settings).detect(counts, last=2)["score"].iloc[-1] >= ratio(7.0)


def test_the_oldest_window_may_lack_its_first_week_in_r_alone():
    """Month 63 of a numbered series, five years and three months back: R leaves out month 0, and ours says why not."""
    counts = [7, 7, 3, 8, 11, 21, 5, 5, 11, 8, 10, 9, 13, 6, 14, 9, 4, 8, 3, 8, 4, 0, 11, 5, 1, 7, 9, 8, 8, 23, 13, 7]
    counts += [7, 4, 9, 9, 2, 11, 20, 6, 3, 7, 11, 5, 4, 13, 7, 5, 6, 6, 6, 1, 9, 5, 7, 4, 4, 6, 7, 4, 8, 11, 6]
    control = {"freq": 12, "weightsThreshold": 2, "pThresholdTrend": 1, "noPeriods": 4, "pastWeeksNotIncluded": 6}
    control["thresholdMethod"] = "nbPlugin"
    table = pd.DataFrame({"s": np.array(counts, dtype=float)}, index=range(1, 64))
    theirs = make_detector("farringtonFlexible", control, compatible=True).detect(table, last=1).iloc[0]
    # As surveillance 1.20.3 has it.
    assert theirs["expected"] == pytest.approx(5.9163951930401302, rel=1e-6)
    assert theirs["p_value"] == pytest.approx(0.49714128417376652, rel=1e-6)
    assert theirs["upper"] == 12.0
    ours = make_detector("farringtonFlexible", control).detect(table, last=1).iloc[0]
    assert ours["why"] == "past_too_short"
    assert np.isnan(ours["expected"])
