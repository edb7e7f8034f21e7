"""The seasonal regression and the evidence of two weeks: worked values, laws, and nothing of the future."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from data.errors import UsageError
from models.signals.detectors import Seasonal, make_detector
from models.signals.rise_evidence import Expected, rise_evidence
from models.signals.seasonal_fit import design_matrix, fit_seasonal
from tests.support.scenarios import negative_binomial

WEEKS = 260


def seasonal_mean(level: float, wave: float, trend: float, weeks: int = WEEKS) -> np.ndarray:
    years = np.arange(weeks) / 52.0
    return level * np.exp(wave * np.cos(2.0 * np.pi * years) + trend * (years - years[-1]))


def evidence(newest, before, mean=0.3, dispersion=2.0, sd=0.0, error=0.0, level=0.005):
    newest, before = np.atleast_1d(np.asarray(newest, dtype=float)), np.atleast_1d(np.asarray(before, dtype=float))
    one = Expected(np.full(len(newest), mean), np.full(len(newest), error))
    spread = np.full(len(newest), dispersion)
    return rise_evidence(newest, before, (one, one), spread, np.full(len(newest), sd), level)


def enumerated(newest: int, before: int, mean: float, dispersion: float) -> tuple[float, float]:
    """P-value and mid-p by going through all pairs of counts one by one, from the definition."""
    law = stats.nbinom(mean / (dispersion - 1.0), 1.0 / dispersion)
    deviation = np.sqrt(dispersion * mean)
    counts = np.arange(120)
    risen = [stats.nbinom((mean + k * deviation) / (dispersion - 1.0), 1.0 / dispersion) for k in (1, 2, 4)]
    ratio = np.array([one.pmf(counts) / law.pmf(counts) for one in risen])
    statistic = np.einsum("ki,kj->ij", ratio, 0.2 + 0.8 * ratio) * (counts > mean)[:, None]
    chance = np.outer(law.pmf(counts), law.pmf(counts))
    seen = statistic[newest, before]
    same = np.isclose(statistic, seen, rtol=1e-8)
    more = chance[(statistic > seen) & ~same].sum()
    return more + chance[same].sum(), more + chance[same].sum() / 2.0


@pytest.mark.parametrize(("newest", "before"), [(0, 0), (1, 0), (1, 1), (2, 1), (0, 5), (4, 0), (3, 3)])
@pytest.mark.parametrize(("mean", "dispersion"), [(0.3, 2.0), (1.7, 1.5)])
def test_the_distribution_is_that_of_all_pairs_of_counts(newest, before, mean, dispersion):
    """Thin counts, mean and dispersion known: p-value and mid-p to nine digits of the plain enumeration."""
    found = evidence(newest, before, mean, dispersion)
    assert (found.p_value[0], found.mid_p[0]) == pytest.approx(enumerated(newest, before, mean, dispersion), rel=1e-9)


def test_classes_of_thick_counts_lose_little():
    """In classes of a quarter of a deviation, false alarms of 40,000 pairs come at the level, within 4 errors."""
    rng = np.random.default_rng(3)
    mean, dispersion, n = 60.0, 1.8, 40_000
    pairs = negative_binomial(rng, np.full((2, n), mean), dispersion)
    kinds, index = np.unique(pairs, axis=1, return_inverse=True)
    found = np.concatenate(
        [evidence(*part, mean, dispersion).mid_p for part in np.array_split(kinds, kinds.shape[1] // 500 + 1, axis=1)]
    )
    rate = (found[index.ravel()] <= 0.005).mean()
    assert abs(rate - 0.005) < 4.0 * np.sqrt(0.005 / n)


def test_p_values_bound_and_mid_p_lies_below_them():
    """P(p <= x) <= x at every value p can take, for the exact law; mid-p is never the larger."""
    counts = np.arange(25)
    newest, before = (one.ravel() for one in np.meshgrid(counts, counts))
    found = evidence(newest, before, 0.4, 2.0)
    chance = stats.nbinom(0.4, 0.5).pmf(newest) * stats.nbinom(0.4, 0.5).pmf(before)
    for level in np.unique(found.p_value):
        assert chance[found.p_value <= level].sum() <= level * (1.0 + 1e-9)
    assert (found.mid_p <= found.p_value).all()


@pytest.mark.parametrize("mean", [0.05, 1.0, 30.0, 2000.0])
def test_more_cases_are_never_less_evidence(mean):
    """The p-value does not rise with a case more in either week, and a newest week at most as expected is none."""
    top = mean + 8.0 * np.sqrt(2.0 * mean) + 6.0
    grid = np.unique(np.round(np.linspace(0.0, top, 25)))
    p = np.array([evidence(np.full(len(grid), one), grid, mean, 2.0, sd=0.1, error=0.01).p_value for one in grid])
    assert (np.diff(p, axis=0) <= 1e-12).all()
    assert (np.diff(p, axis=1) <= 1e-12).all()
    assert (p[grid <= mean - np.sqrt(2.0 * mean) / 2.0] > 0.999).all()


@pytest.mark.parametrize(("mean", "before"), [(0.3, 0.0), (0.3, 2.0), (12.0, 15.0), (150.0, 140.0)])
def test_the_limit_is_the_largest_count_that_is_no_alarm(mean, before):
    """One more than `limit` is an alarm, the limit itself is not."""
    limit = evidence(0.0, before, mean).limit[0]
    around = evidence([limit, limit + 1.0], [before, before], mean).mid_p
    assert around[0] > 0.005 >= around[1]


def test_uncertainty_makes_p_values_larger():
    """An uncertain mean, and an uncertain dispersion, each make a rise less improbable."""
    sure = evidence(40.0, 35.0, 20.0).p_value[0]
    assert evidence(40.0, 35.0, 20.0, error=0.05).p_value[0] > sure
    assert evidence(40.0, 35.0, 20.0, sd=0.3).p_value[0] > sure


def test_a_week_before_without_a_count_says_nothing():
    """Only the newest week is then judged: its own tail, for the evidence rises with its count."""
    law = stats.nbinom(0.3, 0.5)
    found = evidence(3.0, np.nan, 0.3, 2.0)
    assert found.p_value[0] == pytest.approx(law.sf(2), rel=1e-9)
    assert found.mid_p[0] == pytest.approx(law.sf(2) - law.pmf(3) / 2.0, rel=1e-9)
    assert np.isnan(evidence(np.nan, 3.0).p_value[0])


def test_level_trend_season_and_dispersion_are_found_again():
    """200 replicates: next week's log mean off by less than half its error, which is as large as said; dispersion 3 %.

    It is not quite unbiased: trend and waves are shrunken towards none.
    """
    rng = np.random.default_rng(4)
    mean = seasonal_mean(6.0, 0.5, 0.1, WEEKS + 1)
    counts = negative_binomial(rng, np.broadcast_to(mean[:, None], (WEEKS + 1, 200)), 2.0).astype(float)
    years = np.arange(WEEKS + 1) / 52.0
    fit = fit_seasonal(counts[:WEEKS], design_matrix(years[:WEEKS], years[WEEKS - 1]))
    expected, error = fit.expect(design_matrix(years[WEEKS:], years[WEEKS - 1]))
    off = np.log(expected[0] / mean[WEEKS])
    said = np.sqrt(error[0].mean())
    assert abs(off.mean()) < said / 2.0
    assert off.std() == pytest.approx(said, rel=0.25)
    assert fit.dispersion.mean() == pytest.approx(2.0, rel=0.03)
    assert np.log(fit.dispersion).std() == pytest.approx(fit.dispersion_sd.mean(), rel=0.25)


@pytest.mark.parametrize("slip", [100.0, 1e4, 1e6])
def test_one_week_of_a_million_cases_changes_nothing_but_its_own(slip):
    """A slip of the keyboard four months ago: the limit of a thin or a thick series stays where it would have been."""
    counts = pd.DataFrame(np.random.default_rng(31).poisson([0.5, 3.0, 30.0], (300, 3)).astype(float))
    struck = counts.copy()
    struck.iloc[280] = slip * np.array([1.0, 1.0, 10.0])
    before, after = (Seasonal().detect(one, last=1)["upper"].to_numpy(dtype=float) for one in (counts, struck))
    assert (np.abs(after - before) <= 1.0).all()


def test_an_outbreak_in_the_past_changes_little():
    """Two weeks of ten deviations in all: left out, and the dispersion within 3 % of what it was on average."""
    rng = np.random.default_rng(5)
    mean = seasonal_mean(6.0, 0.3, 0.0)
    calm = negative_binomial(rng, np.broadcast_to(mean[:, None], (WEEKS, 100)), 2.0).astype(float)
    design = design_matrix(np.arange(WEEKS) / 52.0, (WEEKS - 1) / 52.0)
    struck = calm.copy()
    struck[150:152] += 17.0
    before, after = fit_seasonal(calm, design), fit_seasonal(struck, design)
    assert (after.left_out >= 1.0).mean() > 0.95
    assert after.dispersion.mean() == pytest.approx(before.dispersion.mean(), rel=0.03)
    # The same weeks left in raise it by an eighth and more.
    naive = fit_seasonal(struck, design, outbreak=1e-12)
    assert naive.dispersion.mean() > 1.12 * before.dispersion.mean()


def table(n: int = 6, weeks: int = WEEKS, seed: int = 6) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    mean = np.outer(seasonal_mean(1.0, 0.4, 0.0, weeks), np.linspace(0.2, 9.0, n))
    return pd.DataFrame(negative_binomial(rng, mean, 1.6).astype(float))


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 9))
def test_later_weeks_change_nothing(seed, ahead):
    """Whatever comes after a week, its judgement stays the same to the bit; so it does when fewer are asked for."""
    counts = table(3)
    changed = counts.copy()
    changed.iloc[-ahead:] = np.random.default_rng(seed).integers(0, 60, (ahead, 3)).astype(float)
    first, second = (
        Seasonal().detect(one, last=12).sort_values(["week", "series"], ignore_index=True) for one in (counts, changed)
    )
    kept = 3 * (12 - ahead)
    pd.testing.assert_frame_equal(first[:kept], second[:kept])
    alone = Seasonal().detect(counts, last=4).sort_values(["week", "series"], ignore_index=True)
    pd.testing.assert_frame_equal(alone, first[-12:].reset_index(drop=True))


def test_every_series_stands_by_itself():
    """A series gets the same figures in company and alone."""
    counts = table(5)
    together, alone = Seasonal().detect(counts, last=3), Seasonal().detect(counts[[2]], last=3)
    for name in ("expected", "p_value", "upper", "limit_now", "dispersion"):
        company = together.loc[together["series"] == 2, name].to_numpy()
        assert company == pytest.approx(alone[name].to_numpy(), rel=1e-5)


def test_missing_weeks_are_no_zeros():
    """A tenth of the weeks missing moves the expectation by less than two errors; a missing week is not judged."""
    counts = table(6)
    gaps = counts.mask(np.random.default_rng(1).random(counts.shape) < 0.1)
    gaps.iloc[-1, 0] = np.nan
    whole, found = Seasonal().detect(counts, last=1), Seasonal().detect(gaps, last=1)
    assert found.loc[0, "why"] == "missing"
    assert pd.isna(found.loc[0, "alarm"])
    moved = np.abs(np.log(found["expected"] / whole["expected"]))
    assert (moved[1:] < 2.0 * found["relative_error"][1:]).all()


def test_a_short_past_and_few_cases_are_said():
    """Less than two years of weeks: nothing. One case where there was never any: judged, but no alarm."""
    counts = pd.DataFrame({"young": np.r_[np.full(200, np.nan), np.ones(60)], "none": np.zeros(260)})
    counts.iloc[-1, 1] = 1.0
    found = Seasonal().detect(counts, last=1).set_index("series")
    assert found.loc["young", "why"] == "past_too_short"
    assert pd.isna(found.loc["young", "p_value"])
    assert found.loc["none", "why"] == "few_cases"
    assert found.loc["none", "p_value"] < 0.005
    assert not found.loc["none", "alarm"]


def test_two_weeks_of_cases_after_years_of_none_are_an_alarm():
    """Three cases in each of two weeks after five years without any."""
    counts = pd.DataFrame({"none": np.r_[np.zeros(258), 3.0, 3.0]})
    assert Seasonal().detect(counts, last=1)["alarm"].tolist() == [True]


def test_what_is_usual_does_not_depend_on_the_week_before():
    """In the second week of a rise the limit of an alarm falls, `upper` does not; a missing week has no such limit."""
    counts = table(6)
    risen = counts.copy()
    risen.iloc[-2] += 25.0
    calm, after = Seasonal().detect(counts, last=1), Seasonal().detect(risen, last=1)
    assert after["upper"].tolist() == calm["upper"].tolist()
    assert (after["upper"] > after["expected"]).all()
    assert (after["limit_now"] < calm["limit_now"]).all()
    assert (after["limit_now"] < after["upper"]).all()
    mean, error = after["expected"], after["relative_error"]
    variance = after["dispersion"] * mean + (mean * error) ** 2
    law = stats.nbinom(mean**2 / (variance - mean), mean / variance)
    assert after["upper"].tolist() == law.ppf(1.0 - Seasonal().alpha).tolist()
    counts.iloc[-1, 0] = np.nan
    assert Seasonal().detect(counts, last=1)["limit_now"].isna().tolist() == [True, *[False] * 5]


def test_an_alarm_is_a_count_above_the_limit_now():
    """Week by week, where enough cases are there, alarms are those counts and no others."""
    counts = table(5)
    counts.iloc[-4:] += np.array([[0.0], [3.0], [6.0], [9.0]])
    found = Seasonal(minimum_cases=(0, 2)).detect(counts, last=10)
    assert found["alarm"].tolist() == (found["observed"] > found["limit_now"]).tolist()
    assert found["alarm"].any()
    assert not found["alarm"].all()


def test_few_cases_claim_no_far_tail():
    """Nine cases in six years, one by one: two and two more are no longer one in 100,000, and yet an alarm."""
    thin = np.zeros((313, 1))
    thin[np.linspace(5, 300, 9).astype(int)] = 1.0
    thin[-2:] = 2.0
    found = Seasonal().detect(pd.DataFrame(thin), last=1).loc[0]
    assert 1e-5 < found["p_value"] < 5e-3
    assert found["alarm"]
    # What is told as expected is not raised by what few cases leave open.
    assert found["expected"] == pytest.approx(9.5 / 300, rel=0.5)
    design = design_matrix(np.arange(300) / 52.0, 299 / 52.0)
    fit = fit_seasonal(np.c_[thin[:300], np.tile([4.0, 5.0, 6.0], 100)], design)
    assert fit.margin[0] > 1.0 == fit.margin[1]
    assert fit.dispersion_sd[0] > 3.0 * fit.dispersion_sd[1]


def test_dates_set_the_season():
    """With dates the season follows the calendar; with a period given, the rows."""
    counts = table(2)
    dated = counts.set_axis(pd.date_range("2019-01-07", periods=WEEKS, freq="7D"), axis=0)
    plain, by_rows = Seasonal().detect(counts, last=1), Seasonal(period=52).detect(dated, last=1)
    assert by_rows["expected"].tolist() == plain["expected"].tolist()
    assert Seasonal().detect(dated, last=1)["expected"].to_numpy() == pytest.approx(
        plain["expected"].to_numpy(), rel=0.1
    )


def test_the_limit_of_the_next_week_is_drawn_at_fitting():
    """As the other detectors do: `expected_`, `lower_` and `upper_` of the week after the history."""
    counts = table(4)
    fitted = Seasonal().fit(counts.iloc[:-1])
    found = fitted.detect(counts.iloc[-1:])
    assert fitted.expected_.tolist() == found["expected"].tolist()
    assert fitted.upper_.tolist() == found["upper"].tolist()
    assert (fitted.lower_ <= fitted.expected_).all()


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"alpha": 1.0}, "alpha must lie between 0 and 1"),
        ({"least_years": 0.0}, "least_years must be above 0"),
        ({"weeks_left_out": 1}, "weeks_left_out must be at least 2"),
        ({"minimum_cases": (2,)}, "minimum_cases is .cases, weeks."),
    ],
)
def test_impossible_parameters_are_refused(params, message):
    """Each with what it must be."""
    with pytest.raises(UsageError, match=message):
        make_detector("seasonal", params)
