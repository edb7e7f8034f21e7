"""The planner: processes estimated from counts, chances of alarms, smallest rises, and how they are told."""

from __future__ import annotations

import json
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from data.errors import InputError, NotEnoughDataError, UsageError
from models.signals.count_process import CountProcess, draw_counts, fit_process
from models.signals.detectors import Bayes, Cusum, Ears, FarringtonFlexible
from models.signals.detectors.seasonal import Seasonal
from models.signals.plan_words import alarms_told, doubt_sentence, plan_sentence, steps_told
from models.signals.planner import PlanSettings, plan, plan_process
from models.signals.planner_controls import Controls
from models.signals.planner_runs import _Run, chances
from models.signals.planner_seasonal import SeasonalLimits
from models.signals.plots.planner import plan_chart
from models.signals.rise_evidence import Expected, limits_after, rise_evidence
from service import cli

QUICK = {"records": 40, "alphas": (), "horizons": (), "interval": False}


def weekly(n: int) -> pd.DatetimeIndex:
    return pd.date_range("2019-01-07", periods=n, freq="7D")


def flat(mean: float, dispersion: float, past: int, ahead: int) -> CountProcess:
    return CountProcess(np.full(past, mean), np.full(ahead, mean), np.ones(past, dtype=bool), dispersion)


def record(mean: float, dispersion: float, past: int, seed: int = 1) -> pd.Series:
    drawn = draw_counts(np.full(past, mean), dispersion, np.random.default_rng(seed))
    return pd.Series(drawn, index=weekly(past), name="drains")


def test_counts_drawn_have_the_mean_and_the_dispersion_asked():
    """Over 40,000 counts, to within four standard errors."""
    for mean, dispersion in ((0.5, 1.0), (4.0, 3.0)):
        drawn = draw_counts(np.full(40_000, mean), dispersion, np.random.default_rng(2))
        assert abs(drawn.mean() - mean) < 4 * np.sqrt(dispersion * mean / 40_000)
        assert abs(drawn.var() / drawn.mean() - dispersion) < 0.12 * dispersion


@pytest.mark.parametrize(("mean", "dispersion"), [(1.0, 1.0), (5.0, 2.0), (30.0, 5.0)])
def test_level_and_dispersion_are_recovered(mean, dispersion):
    """Their means over 40 records of 250 weeks lie within 6 % and 12 % of the truth."""
    fits = [fit_process(record(mean, dispersion, 250, seed).to_numpy(), 4) for seed in range(40)]
    assert abs(np.mean([one.level for one in fits]) / mean - 1) < 0.06
    assert abs(np.mean([one.dispersion for one in fits]) / dispersion - 1) < 0.12


def test_the_standard_errors_are_those_that_are_seen():
    """Of level and dispersion, over 80 records: told and realised within a quarter of each other."""
    fits = [fit_process(record(8.0, 2.0, 200, seed).to_numpy(), 1) for seed in range(80)]
    assert 0.75 < np.mean([f.level_sd for f in fits]) / np.std([np.log(f.level) for f in fits]) < 1.33
    assert 0.75 < np.mean([f.dispersion_sd for f in fits]) / np.std([np.log(f.dispersion) for f in fits]) < 1.33


def test_a_season_is_carried_on_and_a_calm_series_has_none():
    """The weeks ahead follow the wave of the past; without one, the level is the mean."""
    weeks = np.arange(212)
    mean = 20.0 * np.exp(0.6 * np.cos(2 * np.pi * weeks / 52))
    counts = draw_counts(mean[:208], 1.0, np.random.default_rng(3))
    counts[50] = np.nan
    fitted = fit_process(counts, 4)
    assert fitted.waves >= 1
    assert not fitted.trend
    np.testing.assert_allclose(fitted.ahead, mean[208:], rtol=0.12)
    assert np.isnan(fitted.draw(2, np.random.default_rng(1))[50]).all()
    calm = record(6.0, 1.0, 208)
    assert fit_process(calm.to_numpy(), 4).waves == 0
    np.testing.assert_allclose(fit_process(calm.to_numpy(), 4).ahead, calm.mean())


def test_a_record_without_a_case_is_refused():
    """Nothing says what is usual there."""
    with pytest.raises(NotEnoughDataError, match="at least three weeks and one case"):
        fit_process(np.zeros(100), 4)
    with pytest.raises(NotEnoughDataError, match="at least three weeks and one case"):
        fit_process(np.full(100, np.nan), 4)


def test_the_chance_is_that_of_the_law_where_the_limit_is_known():
    """With a baseline of 4,000 weeks the limit is mean + z sd: the chances are Poisson tails, worked by hand."""
    detector = Ears(kind="C1", baseline=4000, alpha=0.01)
    found = chances(detector, flat(9.0, 1.0, 4000, 3), np.array([1.0, 2.0]), pd.Index(range(4003)), records=30, seed=1)
    limit = 9.0 + stats.norm.isf(0.01) * 3.0
    assert limit == pytest.approx(15.98, abs=0.01)
    # The limit of a record is 15 or 16, by chance of the 4,000 weeks.
    for place, mean in enumerate((9.0, 18.0)):
        least, most = stats.poisson.sf(16, mean), stats.poisson.sf(15, mean)
        assert least <= found.within[0, place] <= most
        assert 1 - (1 - least) ** 3 <= found.within[2, place] <= 1 - (1 - most) ** 3
    assert found.weekly == pytest.approx(found.within[0, 0])


@pytest.mark.parametrize(
    ("detector", "process"),
    [
        (Bayes(years_back=0, half_window=20, alpha=0.01), flat(3.0, 1.5, 40, 4)),
        (Ears(kind="C2", baseline=20), flat(8.0, 2.0, 40, 4)),
        (FarringtonFlexible(years_back=2, alpha=0.01), flat(5.0, 2.0, 115, 4)),
    ],
)
def test_chances_added_up_are_those_of_alarms_drawn(detector, process):
    """The same detector on 1,500 drawn series with the rise in them, to within four standard errors of both."""
    index = weekly(len(process.past) + 4)
    rises = np.array([1.0, 1.7, 2.6])
    found = chances(detector, process, rises, index, records=150, seed=4)
    rng = np.random.default_rng(5)
    past = process.draw(1500, rng)
    drawn = _Run(detector, process, index).by_drawing(past, rises, rng)
    error = np.sqrt(found.error**2 + drawn.error**2) + 1e-3
    assert (np.abs(found.within - drawn.within) < 4 * error).all()
    assert abs(found.weekly - drawn.weekly) < 0.006


def test_a_regression_fitted_once_finds_what_the_detector_finds():
    """The seasonal regression, its limits taken from one fit a record, against 250 series judged by itself."""
    process, rises = flat(4.0, 1.5, 130, 3), np.array([2.3])
    found = chances(Seasonal(), process, rises, weekly(133), records=80, seed=4)
    rng = np.random.default_rng(5)
    drawn = _Run(Seasonal(), process, weekly(133)).by_drawing(process.draw(250, rng), rises, rng)
    assert (np.abs(found.within - drawn.within) < 4 * np.sqrt(found.error**2 + drawn.error**2)).all()


@pytest.mark.parametrize("mean", [0.4, 3.0, 40.0])
def test_limits_after_every_count_of_the_week_before_are_those_of_the_evidence(mean):
    """Of all classes at once and of one pair at a time."""
    one = Expected(np.array([mean, 1.3 * mean]), np.array([0.01, 0.2]))
    then = Expected(one.mean * 0.9, one.error)
    spread, sd = np.array([1.0, 2.5]), np.array([0.1, 0.2])
    edges, limits = limits_after((one, then), spread, sd, 0.005)
    for count in range(int(mean + 9 * np.sqrt(3 * mean) + 9)):
        each = np.full(2, float(count))
        told = rise_evidence(np.zeros(2), each, (one, then), spread, sd, 0.005).limit
        at = np.minimum((edges <= count).sum(axis=1) - 1, edges.shape[1] - 1)
        np.testing.assert_array_equal(limits[np.arange(2), at], told)


@pytest.mark.parametrize("process", [flat(4.0, 1.5, 130, 4), flat(0.5, 1.0, 140, 3), flat(45.0, 3.0, 130, 3)])
def test_weeks_added_up_are_weeks_drawn(process):
    """The chain over the counts of the week before, and the same weeks drawn one by one: the same means."""
    n, rises, index = 60, np.array([1.0, 1.6, 2.4]), weekly(len(process.past) + len(process.ahead))
    past = process.draw(n, np.random.default_rng(1))
    fitted = SeasonalLimits.of(Seasonal(alpha=0.01), past, index, len(process.ahead))
    silent = fitted.silence(process, rises, past[-1])
    assert (np.diff(silent, axis=0) <= 1e-12).all()
    run = _Run(Seasonal(alpha=0.01), process, index)
    drawn = [run.by_drawn_weeks(past, rises, np.random.default_rng(seed), fitted).within for seed in range(12)]
    added = run.by_fits(past, rises, np.random.default_rng(0), fitted).within
    np.testing.assert_allclose(added[0], drawn[0][0], atol=1e-9)
    error = np.std(drawn, axis=0, ddof=1) / np.sqrt(12)
    assert (np.abs(added - np.mean(drawn, axis=0)) < 5 * error + 1e-4).all()


def test_an_alarm_that_needs_cases_of_three_weeks_is_no_chain():
    """The week before is then not all that matters; the weeks are drawn."""
    process, index = flat(2.0, 1.0, 130, 3), weekly(133)
    past = process.draw(20, np.random.default_rng(1))
    fitted = SeasonalLimits.of(Seasonal(minimum_cases=(5, 3)), past, index, 3)
    assert fitted.silence(process, np.array([2.0]), past[-1]) is None


def test_weights_give_what_is_known_of_records():
    """Level, scatter and season come out as they are on average; the weights are a distribution."""
    process = flat(6.0, 2.0, 120, 2)
    past = process.draw(200, np.random.default_rng(8))
    controls = Controls.of(process, past, 52)
    assert controls.weights.sum() == pytest.approx(1.0)
    assert (controls.weights >= 0.0).all()
    assert (past @ controls.weights).mean() == pytest.approx(6.0, abs=1e-4)
    assert ((past - 6.0) ** 2 @ controls.weights).mean() == pytest.approx(12.0, abs=1e-3)
    few = Controls.of(process, past[:, :7], 52)
    np.testing.assert_allclose(few.weights, 1 / 7)


def test_the_error_told_of_a_chance_is_the_one_realised():
    """Over 40 seeds, within a third."""
    process, rises, spread = flat(5.0, 2.0, 60, 3), np.array([1.8]), []
    for seed in range(40):
        found = chances(Bayes(years_back=0, half_window=26), process, rises, weekly(63), records=120, seed=seed)
        spread.append((found.within[2, 0], found.error[2, 0]))
    told, realised = np.mean(spread, axis=0)[1], np.std(spread, axis=0, ddof=1)[0]
    assert 0.67 < told / realised < 1.5


def test_a_method_that_adds_up_evidence_is_drawn():
    """CUSUM finds a lasting rise more surely week by week than single weeks would."""
    process = flat(5.0, 1.0, 60, 6)
    run = _Run(Cusum(), process, weekly(66))
    rng = np.random.default_rng(6)
    assert not run.draws_limits(process.draw(30, rng), rng)
    found = chances(Cusum(), process, np.array([1.6]), weekly(66), records=200, seed=1)
    assert (np.diff(found.within[:, 0]) >= 0).all()
    assert found.within[5, 0] > 1 - (1 - found.within[0, 0]) ** 6


def test_power_rises_with_the_rise_the_weeks_and_the_level():
    """And the smallest rise falls with them; more false alarms are the price."""
    answer = plan(record(4.0, 1.5, 60), PlanSettings(records=60, interval=False))
    for _, curve in answer.curve.groupby(["alpha", "weeks"]):
        assert (np.diff(curve["power"]) >= -1e-9).all()
        assert curve["power"].between(0, 1 + 1e-9).all()
    by_weeks = answer.smallest[answer.smallest["alpha"] == answer.alpha]["smallest"]
    assert (np.diff(by_weeks) < 0).all()
    by_level = answer.smallest[answer.smallest["weeks"] == answer.weeks]["smallest"]
    assert (np.diff(by_level) < 0).all()
    assert (np.diff(answer.alarms["a_year"]) > 0).all()
    np.testing.assert_allclose(answer.alarms["a_year"] * answer.alarms["years_between"], 1.0)
    rise = answer.smallest_rise()[0]
    assert answer.power_at(rise) == pytest.approx(0.8, abs=0.02)


def test_the_same_question_has_the_same_answer():
    """To the last digit; another seed has another one, near it."""
    counts = record(6.0, 1.0, 50)
    one, again = (plan(counts, PlanSettings(**QUICK)) for _ in range(2))
    other = plan(counts, PlanSettings(**QUICK, seed=9))
    pd.testing.assert_frame_equal(one.curve, again.curve)
    assert not one.curve.equals(other.curve)
    assert one.smallest_rise()[0] == pytest.approx(other.smallest_rise()[0], rel=0.15)


def test_the_interval_holds_the_answer_and_shrinks_with_the_record():
    """A longer record of the same kind leaves less open."""
    widths = []
    for past in (30, 90):
        answer = plan(record(6.0, 1.5, past), PlanSettings(records=80, alphas=(), horizons=()))
        smallest, low, high = answer.smallest_rise()
        assert low < smallest < high
        widths.append(np.log(high / low))
    assert widths[1] < widths[0]


def test_a_known_process_is_planned_for_without_counts():
    """Nothing is left open then but the chance of the simulation."""
    process = flat(6.0, 1.0, 40, 4)
    settings = PlanSettings(records=60, alphas=(), horizons=())
    answer = plan_process(process, weekly(44), Bayes(half_window=26, alpha=0.005), settings)
    assert answer.usual == 6.0
    smallest, low, high = answer.smallest_rise()
    assert low <= smallest <= high
    assert high - low < 0.4


def test_what_cannot_be_planned_is_refused():
    """Too short a record, a method without a level, impossible questions: each says what to do."""
    with pytest.raises(NotEnoughDataError, match="Nothing can be planned yet: 5 weeks of past"):
        plan(record(4.0, 1.0, 5), PlanSettings(**QUICK))
    with pytest.raises(UsageError, match="has no level alpha"):
        plan(record(4.0, 1.0, 60), PlanSettings(**QUICK, method="rki"))
    with pytest.raises(UsageError, match="name a method to give parameters"):
        plan(record(4.0, 1.0, 60), PlanSettings(**QUICK, params={"baseline": 9}))
    with pytest.raises(UsageError, match="between 1 and 26 weeks"):
        PlanSettings(weeks=0)
    with pytest.raises(UsageError, match="power must lie between 0 and 1"):
        PlanSettings(power=1.0)
    with pytest.raises(UsageError, match=r"alpha must lie between 0 and 0\.5"):
        PlanSettings(alpha=0.7)
    with pytest.raises(UsageError, match="records must be at least 20"):
        PlanSettings(records=3)
    answer = plan(record(4.0, 1.0, 60), PlanSettings(**QUICK))
    with pytest.raises(UsageError, match="that the plan has a curve for"):
        answer.power_at(2.0, weeks=3)
    with pytest.raises(UsageError, match="Expected a rise between 1 and 20"):
        answer.power_at(0.5)


def told(smallest: float, low: float, high: float, years: float) -> object:
    answer = plan(record(4.0, 1.0, 60), PlanSettings(**QUICK, alpha=0.01))
    rows = pd.DataFrame({"alpha": [0.01], "weeks": [4], "smallest": [smallest], "low": [low], "high": [high]})
    alarms = pd.DataFrame({"alpha": [0.01], "weekly": [0.1], "a_year": [1 / years], "years_between": [years]})
    return replace(answer, usual=4.2, smallest=rows, alarms=alarms)


def test_a_plan_is_told_in_both_languages():
    """What is found, how soon, how often, at what price; and how sure that is."""
    answer = told(2.44, 2.1, 3.02, 4.1)
    assert plan_sentence(answer, language="en") == (
        "With counts like these (4.2 a week), a rise to 2.4 times the usual is found within 4 weeks in 8 of 10 cases, "
        "at about one false alarm in 4 years."
    )
    assert plan_sentence(answer, language="zh") == (
        "以这样的数量（每周约4.2件），升至平常的2.4倍时，10次中有8次能在4周内被发现；约每4年误报一次。"
    )
    assert doubt_sentence(answer, language="en") == (
        "As far as 60 weeks of counts tell, it is 2.1 to 3.0 times (80 % sure)."
    )
    nothing = told(np.nan, np.nan, np.nan, 4.1)
    assert "not even a rise to 20 times the usual" in plan_sentence(nothing, language="en")
    assert "即使升至平常的20倍" in plan_sentence(nothing, language="zh")
    assert doubt_sentence(nothing, language="zh") is None
    assert "perhaps no rise at all" in str(doubt_sentence(told(9.0, 5.0, np.nan, 1.0), language="en"))
    with pytest.raises(UsageError, match="'zh' or 'en'"):
        plan_sentence(answer, language="fr")


@pytest.mark.parametrize(
    ("years", "en", "zh"),
    [
        (np.inf, "less than one false alarm in 100 years", "100年内误报不到一次"),
        (3.6, "about one false alarm in 4 years", "约每4年误报一次"),
        (1.2, "about one false alarm a year", "约每年误报一次"),
        (0.33, "about 3 false alarms a year", "约每年误报3次"),
    ],
)
def test_false_alarms_are_told_by_how_often_they_come(years, en, zh):
    """From hardly ever to several a year."""
    assert alarms_told(years, language="en") == en
    assert alarms_told(years, language="zh") == zh


def test_the_picture_tells_the_finding():
    """The sentence is its title, in both languages, and the rise found is marked."""
    answer = plan(record(6.0, 1.5, 60), PlanSettings(records=30))
    for language, said in (("en", "within 4 weeks"), ("zh", "4周内")):
        spec = plan_chart(answer, language=language).to_dict(validate=False)
        title = "".join(spec["title"]["text"])
        assert title.replace(" ", "") == plan_sentence(answer, language=language).replace(" ", "")
        values = [row for rows in spec["datasets"].values() for row in rows]
        assert said in {row.get("line") for row in values}
        assert f"{answer.smallest_rise()[0]:.1f} ×" in {row.get("text") for row in values}


def test_a_plan_of_months_or_days_does_not_speak_of_weeks():
    """Sentence and picture name the steps of the record, in both languages."""
    index = pd.date_range("2012-01-01", periods=72, freq="MS")
    values = np.random.default_rng(1).poisson(20.0, 72).astype(float)
    answer = plan(pd.Series(values, index=index), PlanSettings(**QUICK))
    assert answer.period == 12
    english, chinese = (plan_sentence(answer, language=language) for language in ("en", "zh"))
    assert "(20 a month)" in english or "(19 a month)" in english
    assert "within 4 months" in english
    assert "每月约" in chinese
    assert "4个月内" in chinese
    assert "week" not in english
    assert "周" not in chinese
    spec = json.dumps(plan_chart(answer, language="en").to_dict(validate=False))
    assert "within 4 months" in spec
    assert "By weeks" not in spec
    assert steps_told(1, 365, language="en") == "1 day"
    assert steps_told(3, 26, language="zh") == "3期"


def test_levels_that_are_told_alike_are_still_two_curves():
    """Three levels, none with a false alarm in a hundred years: three lines, each one value per rise."""
    answer = plan(record(6.0, 1.0, 60), PlanSettings(records=30, interval=False))
    answer = replace(answer, alarms=answer.alarms.assign(years_between=np.inf))
    spec = plan_chart(answer, language="en").to_dict(validate=False)
    lines = pd.DataFrame([row for rows in spec["datasets"].values() for row in rows if "line" in row])
    prices = lines[lines["line"].str.contains("false alarm")]
    assert prices["line"].nunique() == 3
    assert not prices.duplicated(["line", "rise"]).any()


def test_counts_of_any_size_are_planned_for_or_refused():
    """Tens of thousands a week need no more memory than tens; more than a hundred thousand are refused at once."""
    thick = plan(record(50_000.0, 1.0, 60), PlanSettings(**QUICK))
    assert 1.0 < thick.smallest_rise()[0] < 1.06
    with pytest.raises(InputError, match="at most 100,000 cases a week"):
        plan(record(1e9, 1.0, 60), PlanSettings(**QUICK))


def test_the_power_of_thick_series_is_that_of_the_law():
    """Counts of 5,000 a week: power at any rise, also between those tried, within .03 of a run at that very rise."""
    detector, index = Ears(alpha=0.005), pd.RangeIndex(61)
    answer = plan_process(flat(5_000.0, 1.0, 60, 1), index, detector, PlanSettings(weeks=1, interval=False, alphas=()))
    for rise in (1.0, 1.01, 1.02, 1.03, 1.05, 1.1):
        limits = _Run(detector, flat(5_000.0, 1.0, 60, 1), index)
        found = chances(detector, limits.process, np.array([rise]), index, records=1600, seed=1).within[0, 0]
        assert answer.power_at(rise) == pytest.approx(found, abs=0.03)


def test_a_large_count_has_the_chance_of_the_whole_law():
    """Leaving out counts far below the mean changes no chance and no draw; SciPy's law as the judge."""
    run = _Run(Ears(), flat(400.0, 3.0, 20, 1), pd.RangeIndex(21))
    limits, chance = np.array([100.0, 380.0, 400.0, 430.0, np.nan]), np.full(5, 0.5)
    calm, drawn = run._no_alarm(limits, 1.0, 0, chance)
    law = stats.nbinom(400.0 / 2.0, 1.0 / 3.0)
    assert calm[:4] == pytest.approx(law.cdf(limits[:4]), rel=1e-9, abs=1e-25)
    assert calm[4] == 1.0
    assert drawn[1:4].tolist() == law.ppf(0.5 * law.cdf(limits[1:4])).tolist()
    assert drawn[4] == law.ppf(0.5)
    assert drawn[0] <= 100.0


@pytest.fixture
def heed(monkeypatch, capsys):
    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["heed", "signals", "plan", *arguments])
        try:
            cli.main()
            code = 0
        except SystemExit as stopped:
            code = int(stopped.code or 0)
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


@pytest.fixture
def counts(tmp_path):
    rows = [
        record(5.0, 1.0, 60, seed).rename_axis("date").reset_index(name="n").assign(series=f"s{seed}")
        for seed in (1, 2)
    ]
    path = tmp_path / "counts.csv"
    pd.concat(rows).to_csv(path, index=False, date_format="%Y-%m-%d")
    return str(path)


def test_the_command_answers_and_draws(heed, counts, tmp_path):
    """JSON with curves and sentences, the very numbers of the planner, and a drawing."""
    picture = tmp_path / "plan.svg"
    code, text, _ = heed(
        counts, "--series", "s2", "--weeks", "2", "--alpha", "0.01", "--picture", str(picture), "--json"
    )
    assert code == 0
    said = json.loads(text)
    answer = plan(record(5.0, 1.0, 60, 2), PlanSettings(weeks=2, alpha=0.01))
    assert said["smallest_rise"]["value"] == answer.smallest_rise()[0]
    assert said["sentence"]["en"] == plan_sentence(answer, language="en")
    assert said["series_in_file"] == 2
    assert len(said["curve"]) == len(answer.curve)
    drawn = picture.read_text(encoding="utf-8")
    assert drawn.startswith("<svg")
    assert "within 2 weeks" in drawn


def test_the_command_speaks_chinese_throughout(heed, counts):
    """Sentences and table."""
    code, text, _ = heed(counts, "--series", "s1", "--weeks", "1", "--power", "0.95", "--language", "zh")
    assert code == 0
    assert "有95%的把握" in text
    assert "期限" in text
    assert "1周 " in text
    for word in ("week", "times", "usual", "false alarm"):
        assert word not in text


def test_the_command_takes_a_false_discovery_rate(heed, counts):
    """A signal that stands alone among two series is held to half the rate."""
    code, text, _ = heed(counts, "--series", "s1", "--fdr", "0.02", "--weeks", "1", "--json")
    assert code == 0
    assert json.loads(text)["alpha"] == 0.01


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ((), "The file holds 2 series"),
        (("--series", "none"), "no such series among its 2"),
        (("--series", "s1", "--alpha", ".01", "--fdr", ".1"), "not both"),
        (("--series", "s1", "--fdr", "2"), "--fdr must lie between 0 and 1"),
        (("--series", "s1", "--picture", "x.pdf"), "ends in .svg or .png"),
        (("--series", "s1", "--picture", "/no/such/folder/x.svg"), "there is no such folder"),
        (("--series", "s1", "--missing", "some"), "--missing is unknown or zero"),
    ],
)
def test_wrong_use_is_told(heed, counts, given, said):
    """Each mistake with what to do instead, and exit code 2."""
    code, _, err = heed(counts, *given)
    assert code == 2
    assert said in " ".join(err.split())
