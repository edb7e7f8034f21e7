"""Detectors over tables of counts: hand-worked values, one interface, and where they leave R behind."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from scipy import stats

from data.errors import InputError, UsageError
from models.signals.detectors import (
    COLUMNS,
    DETECTORS,
    WHY,
    Bayes,
    Cdc,
    Cusum,
    Ears,
    Farrington1996,
    FarringtonFlexible,
    Glr,
    OutbreakP,
    Rki,
    make_detector,
)
from models.signals.reference_weeks import reference_weeks

RNG = np.random.default_rng(4)
LONG = pd.DataFrame(RNG.negative_binomial(4.0, 0.5, size=(330, 6)).astype(float), columns=list("abcdef"))


def table(*columns: list[float]) -> pd.DataFrame:
    return pd.DataFrame({f"s{n}": np.array(column, dtype=float) for n, column in enumerate(columns)})


def one(detector, counts: list[float], last: int = 1) -> pd.Series:
    """The newest week's row."""
    return detector.detect(table(counts), last=last).iloc[-1]


@pytest.mark.parametrize("name", DETECTORS)
def test_every_detector_gives_one_tidy_row_per_series_and_week(name):
    """Columns, types, order, and only known reasons; fit then detect is detect with `last`."""
    detector = make_detector(name)
    dated = LONG.set_axis(pd.date_range("2018-01-01", periods=len(LONG), freq="7D"), axis=0)
    for counts in (LONG, dated):
        found = detector.detect(counts, last=3)
        assert list(found.columns[: len(COLUMNS)]) == list(COLUMNS)
        assert found["series"].tolist() == [series for series in counts.columns for _ in range(3)]
        assert found["week"].tolist() == list(counts.index[-3:]) * 6
        assert str(found["alarm"].dtype) == "boolean"
        assert set(found["why"].dropna()) <= set(WHY)
        assert found["alarm"].notna().all()
        again = make_detector(name).fit(counts.iloc[:-3])
        assert_frame_equal(again.detect(counts.iloc[-3:]), found)
        assert again.series_ == list("abcdef")
        assert again.n_weeks_ == 327


@pytest.mark.parametrize("name", ["farrington_flexible", "farrington_1996", "ears", "bayes", "rki", "cdc", "cusum"])
def test_the_limit_of_the_week_to_come_is_known_before_its_count(name):
    """After `fit`, `upper_` and `expected_` are those of the first week judged."""
    detector = make_detector(name).fit(LONG.iloc[:-1])
    found = make_detector(name).detect(LONG, last=1).set_index("series")
    if name != "cdc":  # its sum of four weeks has the newest in it
        np.testing.assert_allclose(detector.expected_, found["expected"])
    np.testing.assert_allclose(detector.upper_, found["upper"])


def test_parameters_are_got_and_set_by_name():
    """As scikit-learn does it, without it; unknown names are refused with those there are."""
    detector = Bayes(alpha=0.01)
    assert detector.get_params()["alpha"] == 0.01
    assert type(detector)(**detector.get_params()).get_params() == detector.get_params()
    assert detector.set_params(half_window=8) is detector
    assert detector.half_window == 8
    with pytest.raises(UsageError, match="no parameter 'beta'; it has alpha"):
        detector.set_params(beta=1)


def test_ears_by_hand():
    """C1 over seven weeks 1..7: mean 4, variance 14/3; C2 skips two weeks; C3 adds what the weeks before exceeded."""
    week = [1, 2, 3, 4, 5, 6, 7, 20]
    row = one(Ears(kind="C1"), week)
    sd = np.sqrt(14 / 3)
    assert row["expected"] == pytest.approx(4.0)
    assert row["upper"] == pytest.approx(4.0 + stats.norm.isf(0.001) * sd)
    assert row["score"] == pytest.approx(16 / sd)
    assert row["p_value"] == pytest.approx(stats.norm.sf(16 / sd))
    assert bool(row["alarm"])
    skipped = one(Ears(kind="C2"), [*week[:7], 90, 90, 20])
    assert skipped["expected"] == pytest.approx(4.0)
    calm = [3, 5, 4, 3, 5, 4, 4, 3, 5, 4, 4]
    high = one(Ears(kind="C3"), [*calm, 4, 30])
    assert high["score"] > stats.norm.isf(0.025)
    assert bool(high["alarm"])


def test_c3_judges_the_week_itself_where_rs_does_not():
    """A single high week is an alarm of C3; in R's formula its own count cancels out, and there is none."""
    counts = [3, 5, 4, 3, 5, 4, 4, 3, 5, 4, 4, 4, 60]
    assert bool(one(Ears(kind="C3"), counts)["alarm"])
    assert not one(Ears(kind="C3", compatible=True), counts)["alarm"]
    row = one(Ears(kind="C3"), [*counts, 4, 4, 4])
    assert pd.isna(row["why"])
    after = one(Ears(kind="C3"), [*counts, 4])
    assert after["why"] == "alarm_at_any_count"
    assert bool(after["alarm"])
    assert np.isnan(after["upper"])


def test_bayes_weighed_is_the_average_over_dispersions():
    """Calm thick weeks keep near the published limit; weeks that vary five times as much raise it; nulls stay null."""
    rng = np.random.default_rng(3)
    calm, restless = rng.poisson(20.0, 60).astype(float), rng.negative_binomial(5.0, 0.2, 60).astype(float)
    counts = table(calm.tolist(), restless.tolist(), np.r_[np.full(50, np.nan), calm[50:]].tolist())
    plain, weighed = (
        Bayes(half_window=26, alpha=0.005, dispersion=kind).detect(counts, last=1) for kind in ("poisson", "weighed")
    )
    assert weighed["expected"].equals(plain["expected"])
    assert abs(weighed["upper"][0] - plain["upper"][0]) <= 5.0
    assert weighed["upper"][1] > plain["upper"][1] + 5.0
    assert weighed["upper"].isna().tolist() == [False, False, True]
    assert ((weighed["observed"] > weighed["upper"]) == (weighed["p_value"] <= 0.005)).all()
    with pytest.raises(UsageError, match="dispersion must be one of"):
        Bayes(dispersion="known").detect(counts, last=1)


def test_bayes_is_the_predictive_negative_binomial():
    """Six weeks with twelve cases: shape 12.5, and the quantile and tail of SciPy's law."""
    row = one(Bayes(), [2, 2, 2, 2, 2, 2, 9])
    law = stats.nbinom(12.5, 6 / 7)
    assert row["upper"] == law.ppf(0.95)
    assert row["lower"] == law.ppf(0.05)
    assert row["expected"] == pytest.approx(law.mean())
    assert row["p_value"] == pytest.approx(law.sf(8))


def test_rki_reads_its_table_and_then_counts_deviations():
    """Mean 2: 6.686; mean 20 still in the table; above, mean plus two standard deviations."""
    assert one(Rki(), [2] * 6 + [7])["upper"] == 6.686
    assert one(Rki(), [20] * 6 + [7])["upper"] == 30.017
    row = one(Rki(), [20, 22, 24, 20, 22, 24, 30])
    assert row["upper"] == pytest.approx(22 + 2 * np.std([20, 22, 24, 20, 22, 24], ddof=1))


def test_cdc_compares_sums_of_four_weeks():
    """Sums of the same four weeks and those beside them; the corrected limit is one-sided, R's is not."""
    counts = [4.0] * 30 + [5.0] * 100
    row = one(Cdc(years_back=2), counts)
    sums = [20, 20, 20, 16, 16, 16]  # last year's weeks fall into the fives, those of the year before into the fours
    assert row["observed"] == 20
    assert row["expected"] == pytest.approx(np.mean(sums))
    spread = np.std(sums, ddof=1) * np.sqrt(1 + 1 / 6)
    assert row["upper"] == pytest.approx(np.mean(sums) + stats.norm.isf(0.025) * spread)
    compatible = one(Cdc(years_back=2, compatible=True), counts)
    assert compatible["upper"] == pytest.approx(np.mean(sums) + stats.norm.isf(0.0125) * spread)
    assert compatible["observed"] == 5


def test_cusum_by_hand():
    """In-control mean 4, so two units a week over it less k; the limit is the count that brings the sum to h."""
    found = Cusum(reference=1.0, limit=3.5).detect(table([4] * 10 + [8, 10, 4]), last=3)
    assert found["score"].tolist() == [1.0, 3.0, 2.0]
    assert found["upper"].tolist() == [4 + 2 * 4.5, 4 + 2 * 3.5, 4 + 2 * 1.5]
    assert not found["alarm"].any()
    reset = Cusum(reference=1.0, limit=2.0, reset=True).detect(table([4] * 10 + [8, 10, 4, 10]), last=4)
    assert reset["score"].tolist() == [1.0, 3.0, 0.0, 2.0]
    assert reset["alarm"].tolist() == [False, True, False, True]


@pytest.mark.parametrize(
    "transformation",
    ["standard", "rossi", "anscombe", "anscombe2nd", "pearson_neg_bin", "anscombe_neg_bin", "none"],
)
def test_the_limit_in_counts_turns_the_transformation_round(transformation):
    """With exactly the limit as count, the sum is the limit of the chart."""
    detector = Cusum(transformation=transformation, limit=9.0, reference=0.5, mean=6.0, overdispersion=0.2)
    counts = table([6] * 5 + [7, 0])
    first = detector.detect(counts, last=2)["upper"].iloc[-1]
    counts.iloc[-1, 0] = first
    assert detector.detect(counts, last=2)["score"].iloc[-1] == pytest.approx(9.0)


def test_a_missing_week_does_not_end_a_cusum():
    """The sum waits; in R the chart is over."""
    counts = table([4] * 10 + [10, np.nan, 10])
    found = Cusum(limit=5).detect(counts, last=3)
    assert found["why"].tolist()[1] == "missing"
    assert found["score"].iloc[-1] == pytest.approx(2 * found["score"].iloc[0])
    assert np.isnan(Cusum(limit=5, compatible=True).detect(counts, last=3)["score"].iloc[-1])


def test_glr_by_hand():
    """Poisson counts 3, 6, 9 against a mean of 3: the best of all starts, in closed form."""
    counts = [3.0] * 5 + [3, 6, 9]
    row = one(Glr(mean=3.0, overdispersion=0.0, limit=100), counts, last=3)

    def ratio(x: list[int]) -> float:
        total, usual = sum(x), 3.0 * len(x)
        return total * np.log(total / usual) - (total - usual)

    assert row["score"] == pytest.approx(max(ratio([9]), ratio([6, 9]), ratio([3, 6, 9])))


def test_lr_by_hand():
    """A known factor of two adds x log 2 - mean each week; `upper` is where the sum meets the limit."""
    found = Glr(mean=3.0, overdispersion=0.0, theta=np.log(2.0), limit=4.0, ret="cases").detect(
        table([3] * 5 + [6, 2, 5]), last=3
    )
    first = 6 * np.log(2) - 3
    assert found["score"].tolist() == pytest.approx([first, 0.0, 5 * np.log(2) - 3])
    assert found["upper"].tolist()[1] == pytest.approx((4 - first + 3) / np.log(2))


@pytest.mark.parametrize("overdispersion", [0.0, 0.3])
@pytest.mark.parametrize(("change", "direction"), [("intercept", "inc"), ("intercept", "dec"), ("epi", "inc")])
def test_glr_finds_the_largest_ratio(overdispersion, change, direction):
    """A search over a fine grid of starts and sizes finds nothing larger, and almost the same."""
    counts = np.array([3.0, 4, 2, 3, 3, 8, 4, 12, 9, 1])
    if direction == "dec":
        counts = np.array([3.0, 4, 2, 3, 3, 0, 1, 0, 2, 0])
    detector = Glr(mean=3.0, overdispersion=overdispersion, change=change, direction=direction, limit=1e9)
    score = one(detector, counts.tolist(), last=5)["score"]
    sizes = np.exp(np.linspace(0, 3, 2000)) if direction == "inc" else np.exp(-np.linspace(0, 9, 2000))
    if change == "epi":
        sizes = np.linspace(0, 4, 2000)
    best = 0.0
    for start in range(5, 10):
        x, before = counts[start:, None], counts[start - 1 : -1, None]
        raised = 3.0 * sizes if change == "intercept" else 3.0 + sizes * before
        if overdispersion:
            law, usual = (stats.nbinom(1 / 0.3, 1 / (1 + 0.3 * mean)) for mean in (raised, 3.0))
        else:
            law, usual = stats.poisson(raised), stats.poisson(3.0)
        best = max(best, float((law.logpmf(x) - usual.logpmf(x)).sum(axis=0).max()))
    assert score >= best - 1e-9
    assert score == pytest.approx(best, rel=1e-3)


def test_the_cases_an_alarm_needs_are_the_fewest_that_give_one():
    """With that count there is an alarm, with one less there is none."""
    for overdispersion in (0.0, 0.2):
        detector = Glr(mean=4.0, overdispersion=overdispersion, ret="cases")
        counts = [4.0] * 6 + [6, 7, 3]
        needed = one(detector, counts, last=3)["upper"]
        assert one(detector, [*counts[:-1], needed], last=3)["alarm"]
        assert not one(detector, [*counts[:-1], needed - 1], last=3)["alarm"]


def test_glr_sees_the_rise_that_throws_rs_search_out():
    """Three cases where two in a thousand are usual: R's steps run away, and it says nothing."""
    counts = table([0] * 5 + [3])
    ours = Glr(mean=0.002, overdispersion=0.0002).detect(counts, last=1).iloc[0]
    theirs = Glr(mean=0.002, overdispersion=0.0002, compatible=True).detect(counts, last=1).iloc[0]
    assert ours["score"] > 6
    assert bool(ours["alarm"])
    assert theirs["score"] == 0
    assert not theirs["alarm"]


def test_counts_that_vary_less_than_chance_get_no_dispersion():
    """Corrected: Poisson. Compatible: whatever the cut-short estimation had reached."""
    calm = pd.DataFrame({"a": [3.0, 4, 3, 4] * 30})
    assert Glr().detect(calm, last=1)["overdispersion"].tolist() == [0.0]
    assert Glr(compatible=True).detect(calm, last=1)["overdispersion"].iloc[0] > 0


def test_outbreak_p_by_hand():
    """0, 0, 3: rising levels 0, 0, 3 against a mean of 1 give 3 to the power 3; a fall gives 1."""
    assert one(OutbreakP(), [0, 0, 3])["score"] == pytest.approx(27.0)
    assert one(OutbreakP(), [3, 2, 1])["score"] == pytest.approx(1.0)
    row = one(OutbreakP(ret="cases"), [0, 0, 3])
    assert row["upper"] == 5  # 5 x log 3 is the first above log 100
    assert one(OutbreakP(ret="cases"), [0, 9, 9])["why"] is pd.NA
    assert one(OutbreakP(ret="cases"), [0] * 9 + [9, 9])["why"] == "alarm_at_any_count"


def test_outbreak_p_does_not_sink_below_what_a_number_can_hold():
    """Over many weeks the multiplied ratio is 0 in the compatible mode, and a clear rise goes unseen."""
    counts = [5.0] * 400 + [15.0] * 400
    assert bool(one(OutbreakP(), counts)["alarm"])
    theirs = one(OutbreakP(compatible=True), counts)
    assert theirs["score"] == 0.0
    assert not theirs["alarm"]


def test_farrington_1996_in_closed_form():
    """Without trend and weights: the mean of the windows, and the limit of counts to the power 2/3."""
    counts = RNG.poisson(6.0, size=320).astype(float)
    row = one(Farrington1996(trend=False, reweight=False, minimum_cases=(0, 4), alpha=0.01), counts.tolist())
    rows = [319 - 52 * year + off for year in range(1, 6) for off in range(-3, 4)]
    past = counts[rows]
    mean = past.mean()
    phi = max(((past - mean) ** 2 / mean).sum() / 34, 1.0)
    tau = phi + phi / 35
    upper = (mean ** (2 / 3) + stats.norm.isf(0.01) * 2 / 3 * mean ** (1 / 6) * np.sqrt(tau)) ** 1.5
    assert row["expected"] == pytest.approx(mean)
    assert row["upper"] == pytest.approx(upper, rel=1e-6)
    assert row["quantile"] == pytest.approx(1 - row["p_value"])


def test_farrington_1996_is_one_sided_where_r_is_not():
    """The compatible limit at twice the level is the corrected one; few cases hide it in R alone."""
    plain = {"trend": False, "reweight": False, "minimum_cases": (0, 4)}
    ours = Farrington1996(alpha=0.01, **plain).detect(LONG, last=1)
    theirs = Farrington1996(alpha=0.02, compatible=True, **plain).detect(LONG, last=1)
    np.testing.assert_allclose(ours["upper"], theirs["upper"], rtol=1e-6)
    few = {"minimum_cases": (1000, 4)}
    hidden = Farrington1996(compatible=True, **few).detect(LONG, last=1)
    shown = Farrington1996(**few).detect(LONG, last=1)
    assert (hidden["upper"] == 0).all()
    assert (shown["upper"] > 0).all()
    assert (shown["why"] == "few_cases").all()
    assert not shown["alarm"].any()


def test_a_season_without_a_case_has_a_limit_all_the_same():
    """Behaviour 7: with "muan" R has none; the corrected limit is Jeffreys', and two cases are an alarm."""
    counts = pd.DataFrame({"a": np.where(np.arange(330) % 52 < 26, 6.0, 0.0)})
    at = 52 * 6 - 10
    counts = counts.iloc[: at + 1].copy()
    for threshold in ("muan", "nb_plugin", "delta", "predictive"):
        counts.iloc[-1, 0] = 2.0
        row = FarringtonFlexible(threshold=threshold, seasons=10).detect(counts, last=1).iloc[0]
        law = stats.nbinom(0.5, 35 / 36)
        assert row["upper"] == law.ppf(0.995)
        assert row["p_value"] == pytest.approx(law.sf(1))
    muan = FarringtonFlexible(threshold="muan", compatible=True).detect(counts, last=1).iloc[0]
    assert not muan["alarm"]
    assert not np.isfinite(muan["mean_used"]) or muan["mean_used"] > 1e7


def test_the_score_is_measured_from_the_mean_and_not_from_its_logarithm():
    """Behaviour 4: the corrected score is 0 at the mean and 1 at the limit for every threshold."""
    for threshold in ("muan", "nb_plugin"):
        ours = FarringtonFlexible(threshold=threshold).detect(LONG, last=2)
        np.testing.assert_allclose(
            ours["score"], (ours["observed"] - ours["expected"]) / (ours["upper"] - ours["expected"])
        )
        theirs = FarringtonFlexible(threshold=threshold, compatible=True, trend=False).detect(LONG, last=2)
        eta = np.log(theirs["expected"])
        np.testing.assert_allclose(theirs["score"], (theirs["observed"] - eta) / (theirs["upper"] - eta))


def test_a_first_missing_week_shifts_the_trend_in_r_alone():
    """Behaviour 8: the compatible expectation differs by the slope, the corrected one is that of the trend."""
    weeks = pd.date_range("2015-01-05", periods=330, freq="7D")
    counts = pd.DataFrame({"a": np.round(np.exp(1.0 + 0.004 * np.arange(330)))}, index=weeks)
    dates = weeks.to_numpy().astype("datetime64[D]")
    chosen = reference_weeks(329, years_back=5, half_window=3, seasons=10, weeks_left_out=3, dates=dates)
    first = int(chosen.rows[0])
    counts.iloc[first, 0] = np.nan
    settings = {"trend_level": 1.0, "reweight": False, "minimum_cases": (0, 4)}
    counts.iloc[-30:-1] = 60.0  # lets the trend be kept: it must not lead above what was seen
    ours = FarringtonFlexible(weeks_left_out=3, **settings).detect(counts, last=1).iloc[0]
    theirs = FarringtonFlexible(weeks_left_out=3, compatible=True, **settings).detect(counts, last=1).iloc[0]
    assert ours["slope"] > 0
    assert np.log(ours["expected"] / theirs["expected"]) == pytest.approx(ours["slope"], rel=1e-6)
    numbered = counts.reset_index(drop=True)
    numbered.iloc[first, 0] = numbered.iloc[first + 1, 0]
    numbered.iloc[330 - 1 - 5 * 52 - 3, 0] = np.nan
    both = [
        FarringtonFlexible(weeks_left_out=3, compatible=compatible, **settings).detect(numbered, last=1).iloc[0]
        for compatible in (False, True)
    ]
    assert both[0]["expected"] == pytest.approx(both[1]["expected"], rel=1e-6)  # without dates R is not off


def test_nothing_can_be_said_without_a_reason_why():
    """All zeros, a short past, a missing week and gaps are each named, and never an alarm."""
    zeros = pd.DataFrame({"a": np.zeros(330)})
    assert FarringtonFlexible().detect(zeros, last=1)["why"].tolist() == ["no_cases_in_past"]
    assert np.isnan(FarringtonFlexible().detect(zeros, last=1)["expected"].iloc[0])
    assert FarringtonFlexible(compatible=True).detect(zeros, last=1)["expected"].tolist() == [0.0]
    assert Farrington1996().detect(zeros, last=1)["why"].tolist() == ["no_cases_in_past"]
    assert Cusum().detect(zeros, last=1)["why"].tolist() == ["no_cases_in_past"]
    assert Glr().detect(zeros, last=1)["why"].tolist() == ["no_cases_in_past"]
    short = pd.DataFrame({"a": [3.0, 4.0, 5.0]})
    for name in ("farrington_flexible", "farrington_1996", "ears", "bayes", "rki", "cdc"):
        found = make_detector(name).detect(short, last=1)
        assert found["why"].tolist() == ["past_too_short"]
        assert found["alarm"].isna().all()
    gaps = pd.DataFrame({"a": [3.0, np.nan, np.nan, np.nan, np.nan, 4.0, 9.0]})
    assert Bayes().detect(gaps, last=1)["why"].tolist() == ["missing_in_past"]
    gaps.iloc[2:5, 0] = 3.0
    assert Bayes().detect(gaps, last=1)["alarm"].notna().all()
    assert Rki(compatible=True).detect(gaps, last=1)["why"].tolist() == ["missing_in_past"]


def test_tables_that_are_none_are_refused():
    """Negative counts, weeks out of order, other series than fitted, and a call before fitting."""
    with pytest.raises(InputError, match="row 2 of the table"):
        Bayes().fit(table([1.0, -1.0]))
    with pytest.raises(InputError, match="rises without repeating"):
        Bayes().fit(LONG.iloc[::-1])
    with pytest.raises(InputError, match="series of the history"):
        Bayes().fit(LONG).detect(table([1.0]).set_axis([400], axis=0))
    with pytest.raises(UsageError, match="call fit"):
        Bayes().detect(LONG)
    with pytest.raises(UsageError, match="last must lie between 1 and the number of weeks, 330"):
        Bayes().detect(LONG, last=331)
    with pytest.raises(UsageError, match="needs a population"):
        FarringtonFlexible(population_offset=True).detect(LONG, last=1)


@pytest.mark.parametrize(
    ("detector", "message"),
    [
        (Ears(kind="C4"), "kind must be one of C1, C2, C3"),
        (Ears(baseline=2), "at least 3 weeks"),
        (Bayes(alpha=0.0), "alpha must lie between 0 and 1"),
        (Bayes(half_window=0), "no week to compare with"),
        (Cdc(years_back=0), "years_back of at least 1"),
        (Cusum(limit=0.0), "limit must be above 0"),
        (Cusum(transformation="sqrt"), "transformation must be one of"),
        (Glr(theta=-1.0), "theta must be above 0"),
        (Glr(change="epi", direction="dec"), "adds cases"),
        (Glr(least_weeks=3, window=2), "window must be 0 or at least least_weeks"),
        (Glr(least_weeks=0), "least_weeks must be at least 1"),
        (Glr(mean=3.0), "needs a given overdispersion"),
        (OutbreakP(ret="nothing"), "ret must be one of value, cases"),
        (FarringtonFlexible(seasons=0), "seasons must be at least 1"),
        (FarringtonFlexible(power=2.0), "power must lie above 0"),
        (Farrington1996(minimum_cases=(5, 0)), "minimum_cases is"),
    ],
)
def test_impossible_parameters_are_refused(detector, message):
    """Each with what was expected."""
    with pytest.raises(UsageError, match=message):
        detector.detect(LONG, last=1)


def test_rs_names_and_values_are_understood():
    """Method, parameters and values, as text or as R's control list; R's defaults with `compatible`."""
    made = make_detector(
        "farringtonFlexible",
        {
            "b": "4",
            "limit54": "c(0,4)",
            "thresholdMethod": "nbPlugin",
            "powertrans": "1/2",
            "pastWeeksNotIncluded": "NULL",
            "populationOffset": "FALSE",
        },
        compatible=True,
    )
    assert isinstance(made, FarringtonFlexible)
    assert (made.years_back, made.minimum_cases, made.threshold, made.power) == (4, (0, 4), "nb_plugin", 0.5)
    assert made.weeks_left_out is None
    assert (made.alpha, made.seasons) == (0.05, 1)
    glr = make_detector("algo.glrnb", {"c.ARL": 4, "mu0": {"S": 2, "trend": False}, "alpha": None, "M": -1})
    assert glr.get_params() | {"limit": 4.0, "harmonics": 2, "trend": False, "window": 0} == glr.get_params()
    assert make_detector("algo.glrpois").get_params()["overdispersion"] == 0.0
    assert make_detector("algo.glrnb", {"mu0": '{"S": 2}'}).get_params()["harmonics"] == 2
    assert make_detector("algo.cusum", {"m": "glm", "trans": "anscombeNegBin", "alpha": "0.2"}).get_params()[
        "transformation"
    ] == ("anscombe_neg_bin")
    assert make_detector("earsC", {"method": "C3"}).get_params()["kind"] == "C3"
    assert make_detector("bayes2").get_params()["years_back"] == 1
    assert make_detector("outbreakP", {"k": 50}).get_params()["limit"] == 50.0


@pytest.mark.parametrize(
    ("method", "params", "message"),
    [
        ("prophet", {}, "no method 'prophet'; there are farrington_flexible"),
        ("bayes", {"b": "two"}, "years_back cannot be 'two'; it takes int"),
        ("bayes", {"b": "1.5"}, "years_back cannot be 1.5"),
        ("bayes", {"nothing": 1}, "no parameter 'nothing'"),
        ("glrnb", {"mu0": {"S": 1, "refit": True}}, "refit is not supported"),
        ("farrington", {"limit54": "5"}, "minimum_cases cannot be 5"),
    ],
)
def test_names_and_values_that_are_none_are_refused(method, params, message):
    """With the names there are, or the kind of value that is taken."""
    with pytest.raises(UsageError, match=message):
        make_detector(method, params)


@pytest.mark.parametrize(
    ("transformation", "compatible", "expected"),
    [
        # R 4.2.2, surveillance 1.20.3: one week with 3 cases, in-control mean 4 (2.5 for the last), overdispersion 0.1.
        ("anscombe2nd", True, -0.440221229996),
        ("anscombe_neg_bin", True, -0.448014873488),
        ("anscombe_neg_bin", False, -0.448014873488),
        ("pearson_neg_bin", True, -0.422577127364),
        ("none", True, 3.0),
    ],
)
def test_cusum_transformations_meet_r(transformation, compatible, expected):
    """What one week adds to the sum, for the transformations that no reference file holds."""
    detector = Cusum(reference=-1000.0, limit=2000.0, mean=4.0, transformation=transformation, compatible=compatible)
    assert one(detector, [1.0] * 20 + [3.0])["score"] - 1000.0 == pytest.approx(expected, abs=1e-9)


def test_the_limits_of_those_transformations_meet_r():
    """R's own numbers: mean 4, k = 1, h = 4, counts 3, 5, 2; its "anscombe2nd" is not turned round exactly."""
    counts = [1.0] * 20 + [3, 5, 2]
    plain = {"reference": 1.0, "limit": 4.0, "mean": 4.0, "compatible": True}
    found = {
        name: Cusum(transformation=name, **plain).detect(table(counts), last=3)["upper"].tolist()
        for name in ("anscombe2nd", "anscombe_neg_bin", "pearson_neg_bin", "none")
    }
    assert found["anscombe2nd"] == pytest.approx([16.7372998311] * 3)
    assert found["anscombe_neg_bin"] == pytest.approx([4.0] * 3)
    assert found["pearson_neg_bin"] == pytest.approx([15.8321595662] * 3)
    assert found["none"] == pytest.approx([2.0, 0.0, 0.0])


def test_rs_own_defaults_are_taken_where_nothing_is_said():
    """algo.rki compares with two years, algo.glrnb has no trend, algo.outbreakP tries a hundred thousand cases."""
    rki = make_detector("algo.rki", compatible=True).get_params()
    assert (rki["years_back"], rki["half_window"], rki["this_year"]) == (2, 4, False)
    assert make_detector("algo.glrnb", compatible=True).get_params()["trend"] is False
    assert make_detector("algo.outbreakP", compatible=True).get_params()["largest_count"] == 100_000


def test_rs_settings_without_effect_are_taken_and_others_refused():
    """One regression stands for all of R's fitting functions; Mtilde is how long a change must have lasted."""
    for fit in ("algo.farrington.fitGLM.fast", '"algo.farrington.fitGLM"'):
        assert make_detector("farrington", {"fitFun": fit, "verbose": "FALSE"}).get_params() == (
            make_detector("farrington").get_params()
        )
    with pytest.raises(UsageError, match=r"fitFun 'my\.own' is not supported"):
        make_detector("farringtonFlexible", {"fitFun": "my.own"})
    assert make_detector("algo.glrnb", {"Mtilde": 1}).get_params() == make_detector("algo.glrnb").get_params()
    assert make_detector("algo.glrnb", {"Mtilde": "3"}).get_params()["least_weeks"] == 3
    mean = make_detector("algo.glrnb", {"mu0": "list(S = 2, trend = TRUE)"}).get_params()
    assert (mean["harmonics"], mean["trend"]) == (2, True)


def test_the_compatible_farrington_of_1996_makes_do_with_the_weeks_there_are():
    """Two years asked for, one there: R's median is the mean of its window; ours says why it is silent."""
    counts = [0, 2, 4, 6, 3, 5, 7, 1, 2, 2, 3, 4, 6, 5, 3, 9]
    settings = {"years_back": 2, "half_window": 1, "period": 12, "reweight": False, "trend": False}
    there = one(Farrington1996(compatible=True, **settings), counts)
    assert there["median"] == pytest.approx(np.mean([4, 6, 3]))
    assert one(Farrington1996(**settings), counts)["why"] == "past_too_short"


def test_a_missing_week_among_the_newest_silences_the_compatible_farrington_of_1996():
    """R has neither limit nor alarm then; the corrected mode counts the weeks there are."""
    counts = LONG.copy()
    counts.iloc[-3, 0] = np.nan
    theirs = Farrington1996(compatible=True).detect(counts, last=1).iloc[0]
    assert pd.isna(theirs["alarm"])
    assert np.isnan(theirs["upper"])
    assert not pd.isna(Farrington1996().detect(counts, last=1).iloc[0]["alarm"])


def test_a_fitted_history_stays_as_it_was_fitted():
    """The table it came from may be written to afterwards; the values are shared until then."""
    counts = pd.DataFrame(np.arange(60.0).reshape(30, 2), columns=["a", "b"])
    fitted = make_detector("ears").fit(counts)
    counts.iloc[3, 1] = 99.0
    assert fitted.history_.iloc[3, 1] == 7.0


@pytest.mark.parametrize("wrong", [-1.0, np.inf, -np.inf])
def test_a_number_that_is_no_count_is_told_by_its_row(wrong):
    """Beside a null, which is allowed."""
    counts = pd.DataFrame(np.ones((30, 2)), columns=["a", "b"])
    counts.iloc[4, 0], counts.iloc[11, 1] = np.nan, wrong
    with pytest.raises(InputError, match="row 12 of the table"):
        make_detector("ears").fit(counts)
