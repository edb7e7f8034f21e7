"""Farrington flexible: figures of the R package `surveillance`, and what the corrected mode changes."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.errors import NotEnoughDataError, UsageError
from models.signals.farrington import FarringtonSettings, farrington_flexible
from models.signals.reference_weeks import clock_of, reference_weeks
from tests.support.weekly import show

REFERENCE = Path(__file__).parents[2].parent / "shared" / "reference" / "weak_signals"
NOUFAILY = FarringtonSettings(trend_level=1.0, threshold="nb_plugin", compatible=True)
ORIGINAL = FarringtonSettings(seasons=1, residual_threshold=1.0, weeks_left_out=3, threshold="delta", compatible=True)
# Differences of two nearly equal numbers; below this they are rounding.
NOTHING = 1e-10


@pytest.fixture
def reference():
    if not REFERENCE.exists():
        pytest.skip("the reference figures of the R package are not on this machine")
    return REFERENCE


def settings_of(control: dict) -> FarringtonSettings:
    """Our settings for a control list of the R function."""
    left_out = control["pastWeeksNotIncluded"]
    threshold = control["thresholdMethod"]
    return FarringtonSettings(
        years_back=control["b"],
        half_window=control["w"],
        seasons=control["noPeriods"],
        weeks_left_out=control["w"] if left_out is None else left_out,
        reweight=control["reweight"],
        residual_threshold=control["weightsThreshold"],
        trend=control["trend"],
        trend_level=control["pThresholdTrend"],
        population_offset=control["populationOffset"],
        threshold="nb_plugin" if threshold == "nbPlugin" else threshold,
        alpha=control["alpha"],
        minimum_cases=tuple(control["limit54"]),
        compatible=True,
    )


def compare(ours: pd.DataFrame, theirs: pd.DataFrame, threshold: str) -> None:
    """Meet R to 1e-6 relative, and alarms exactly, where its README says that they mean something."""
    silent = ours["phi"].isna()  # R says expected = 0 and nothing else of a series without cases
    ours = ours.assign(expected=ours["expected"].mask(silent, 0.0), alarm=ours["alarm"].mask(silent, np.nan))
    sound = theirs["mu0"] < 1e7 if threshold == "muan" else pd.Series(True, index=theirs.index)
    for column in ("alarm", "upperbound", "expected", "score", "pvalue", "mu0", "phi", "trend", "trendCoef"):
        if column == "mu0" and threshold == "delta":
            continue
        rows = sound if column in ("expected", "upperbound", "score", "pvalue", "mu0") else slice(None)
        np.testing.assert_allclose(
            ours.loc[rows, column].astype(float), theirs.loc[rows, column], rtol=1e-6, atol=NOTHING, err_msg=column
        )


def judge(reference: Path, only: list[tuple[str, str]] | None = None) -> int:
    """Judge every point of R's results, or those of some series and settings; returns how many."""
    folder = reference / "r_surveillance"
    controls = json.loads((folder / "settings.json").read_text(encoding="utf-8"))
    counts = pd.read_csv(folder / "counts.csv")
    about = pd.read_csv(folder / "series.csv").set_index("series")
    results = pd.read_csv(folder / "farringtonFlexible.csv")
    points = 0
    for (series, setting), theirs in results.groupby(["series", "setting"]):
        if only is not None and (series, setting) not in only:
            continue
        rows = counts[counts["series"] == series].sort_values("k")
        y = rows["count"].to_numpy(dtype=float)[:, None]
        dates = pd.to_datetime(rows["date"]).to_numpy().astype("datetime64[D]") if about.loc[series, "dated"] else None
        population = rows["population"].fillna(1.0).to_numpy(dtype=float)[:, None]
        control = controls[setting]["control"]
        ours = [
            farrington_flexible(
                y,
                int(k) - 1,
                settings=settings_of(control),
                dates=dates,
                period=int(about.loc[series, "freq"]),
                population=population,
            )
            for k in theirs["k"]
        ]
        frame = pd.DataFrame(
            {
                "alarm": [bool(r.alarm[0]) for r in ours],
                "upperbound": [r.upper[0] for r in ours],
                "expected": [r.expected[0] for r in ours],
                "score": [r.score[0] for r in ours],
                "pvalue": [r.p_value[0] for r in ours],
                "mu0": [r.mean_used[0] for r in ours],
                "phi": [r.dispersion[0] for r in ours],
                "trend": [r.trend[0] for r in ours],
                "trendCoef": [r.slope[0] for r in ours],
            },
            index=theirs.index,
        )
        compare(frame, theirs, control["thresholdMethod"])
        points += len(theirs)
    return points


def test_some_series_of_every_kind_agree_with_r(reference):
    """Bounds, p-values, dispersions and trends meet R; missing values, zeros, months and populations are among them."""
    chosen = [
        ("salmNewport_10", "ff_noufaily_nb"),
        ("stsNewport_na", "ff_default"),
        ("stsNewport_na", "ff_noufaily_muan"),
        ("flu_9162", "ff_original"),
        ("momo_04", "ff_popoffset"),
        ("rotaBB_04", "ff_m_p4"),
        ("agona_idx", "ff_noreweight"),
        ("zeros_idx", "ff_notrend"),
    ]
    assert judge(reference, chosen) > 400


@pytest.mark.slow
def test_every_point_agrees_with_r(reference):
    """All 16,878 points of all series and settings meet R to 1e-6."""
    points = judge(reference)
    show(f"\n{points:,} points of farringtonFlexible agree with R to 1e-6 relative")
    assert points == 16_878


def simulated_bounds(reference: Path, weeks: range, replicates: int) -> int:
    """Compare bounds and alarms on the 42 scenarios of Noufaily et al., all series of a setting at once."""
    folder = reference / "noufaily42"
    bounds = pd.read_csv(folder / "r_bounds.csv", dtype={"alarm_weeks": str})
    simulated = pd.read_csv(folder / "simulated_series.csv", dtype={"outbreak_cases_week:cases": str})
    points = 0
    for (setting, kind), rows in bounds[bounds["replicate"] <= replicates].groupby(["setting", "series"]):
        chosen = rows.merge(simulated, on=["scenario", "replicate"])
        y = np.array([text.split() for text in chosen["counts_without_current_outbreak"]], dtype=float).T
        if kind == "with_current_outbreak":
            for column, cases in enumerate(chosen["outbreak_cases_week:cases"].fillna("")):
                for pair in cases.split():
                    week, extra = pair.split(":")
                    y[int(week) - 1, column] += int(extra)
        upper = np.array([text.split() for text in chosen["upperbound_weeks_576_624"]], dtype=float).T
        alarms = [set(map(int, text.split())) for text in chosen["alarm_weeks"].fillna("")]
        for week in weeks:
            result = farrington_flexible(y, week - 1, settings=NOUFAILY if setting == "noufaily" else ORIGINAL)
            np.testing.assert_allclose(result.upper, upper[week - 576], rtol=1e-6)
            assert result.alarm.tolist() == [week in known for known in alarms]
            points += len(alarms)
    return points


def test_bounds_and_alarms_on_the_simulated_scenarios_agree_with_r(reference):
    """The batched form gives every series the bound that R gives it alone."""
    assert simulated_bounds(reference, range(600, 602), replicates=2) == 4 * 84 * 2


@pytest.mark.slow
def test_all_bounds_and_alarms_on_the_simulated_scenarios_agree_with_r(reference):
    """42 scenarios, 10 replicates, 49 weeks, two settings, with and without outbreak: all bounds, all alarms."""
    points = simulated_bounds(reference, range(576, 625), replicates=10)
    show(f"\n{points:,} bounds and alarms of the 42 scenarios agree with R")
    assert points == 82_320


RNG = np.random.default_rng(3)
COUNTS = RNG.negative_binomial(3.0, 0.4, size=(320, 40)).astype(float)


def test_the_corrected_mode_widens_the_limit_by_the_uncertainty_of_the_mean():
    """The default upper limit is never below the plug-in's, and the p-value of a high count is larger."""
    high = COUNTS.copy()
    high[-1] = 25.0
    plain = farrington_flexible(high, 319, settings=FarringtonSettings(threshold="nb_plugin", trend=False))
    default = farrington_flexible(high, 319, settings=FarringtonSettings(trend=False))
    assert (default.upper >= plain.upper).all()
    assert (default.p_value > plain.p_value).all()
    np.testing.assert_allclose(default.expected, plain.expected)


def test_compatible_and_corrected_mode_differ_in_which_trends_they_keep():
    """With R's dispersion other trends pass the test; means are the same where both keep, or both drop."""
    corrected = farrington_flexible(COUNTS, 319, settings=FarringtonSettings(trend_level=0.3))
    compatible = farrington_flexible(COUNTS, 319, settings=FarringtonSettings(trend_level=0.3, compatible=True))
    assert (corrected.trend != compatible.trend).any()
    same = corrected.trend == compatible.trend
    np.testing.assert_allclose(corrected.expected[same], compatible.expected[same])


def test_judging_many_series_at_once_is_judging_each_alone():
    """No series lends anything to another."""
    together = farrington_flexible(COUNTS, 319)
    for column in (0, 17, 39):
        alone = farrington_flexible(COUNTS[:, [column]], 319)
        np.testing.assert_allclose(together.upper[column], alone.upper[0])
        np.testing.assert_allclose(together.p_value[column], alone.p_value[0], rtol=1e-9)


def test_weeks_after_the_one_judged_are_not_looked_at():
    """The future changes nothing."""
    future = np.vstack([COUNTS, np.full((10, 40), 1000.0)])
    np.testing.assert_array_equal(farrington_flexible(COUNTS, 319).p_value, farrington_flexible(future, 319).p_value)


def test_a_past_outbreak_hardly_raises_the_limit():
    """Weighting down leaves the limit near what it was without the outbreak; without it the limit climbs."""
    outbreak = COUNTS.copy()
    outbreak[215:220] += 40.0
    settings = FarringtonSettings(trend=False)
    calm = farrington_flexible(COUNTS, 319, settings=settings).upper.mean()
    weighted = farrington_flexible(outbreak, 319, settings=settings).upper.mean()
    naive = farrington_flexible(outbreak, 319, settings=replace(settings, reweight=False)).upper.mean()
    assert naive > 2.0 * calm
    assert weighted < 1.3 * calm


def test_a_series_without_cases_says_nothing():
    """All zeros: no limit, no p-value, no alarm, and no warning."""
    counts = COUNTS[:, :3].copy()
    counts[:, 1] = 0.0
    result = farrington_flexible(counts, 319)
    assert np.isnan(result.upper).tolist() == [False, True, False]
    assert np.isnan(result.p_value).tolist() == [False, True, False]
    assert not result.alarm[1]


def test_too_short_a_past_is_refused_with_the_remedy():
    """The message says how much there is and what to do."""
    with pytest.raises(NotEnoughDataError, match=r"at least 5 years and 3 weeks .* there are 200 weeks"):
        farrington_flexible(COUNTS, 200)
    with pytest.raises(NotEnoughDataError, match="No week of an earlier year"):
        reference_weeks(60, years_back=1, half_window=3, seasons=1, weeks_left_out=58)
    with pytest.raises(UsageError, match="needs a population"):
        farrington_flexible(COUNTS, 319, settings=FarringtonSettings(population_offset=True))


def test_the_seasons_cut_every_year_alike():
    """Windows around the date are season 0; nine seasons between them differ by at most one week in length."""
    reference = reference_weeks(319, years_back=5, half_window=3, seasons=10, weeks_left_out=26)
    window = reference.rows[reference.seasons == 0]
    assert window.tolist() == [319 - 52 * year + off for year in (5, 4, 3, 2, 1) for off in range(-3, 4)]
    lengths = np.bincount(reference.seasons[(reference.rows > 62) & (reference.rows < 108)])[1:]
    assert lengths.tolist() == [5] * 9
    assert reference.rows.max() < 319 - 26


def test_the_same_date_of_earlier_years_is_found_in_the_calendar():
    """With dates, the nearest week start counts, the leap day included; months are as long as they are."""
    dates = np.arange(np.datetime64("2012-01-02"), np.datetime64("2024-03-05"), 7)
    at = int(np.flatnonzero(dates == np.datetime64("2024-02-26"))[0])
    reference = reference_weeks(at, years_back=3, half_window=0, seasons=1, weeks_left_out=3, dates=dates)
    assert [str(day) for day in dates[reference.rows]] == ["2021-03-01", "2022-02-28", "2023-02-27"]
    leap = np.arange(np.datetime64("2016-02-29"), np.datetime64("2024-03-01"), 1)
    reference = reference_weeks(len(leap) - 1, years_back=8, half_window=0, seasons=1, weeks_left_out=3, dates=leap)
    found = {leap[row].item() for row in reference.rows}
    assert {date(2016, 2, 29), date(2017, 3, 1), date(2020, 2, 29)} <= found
    months = np.array(["2024-01-01", "2024-02-01", "2024-03-01"], dtype="datetime64[D]")
    np.testing.assert_allclose(clock_of(3, months), [0.0, 1.0, 60 / 31])
