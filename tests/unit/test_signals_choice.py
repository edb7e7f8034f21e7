"""Which detector a series gets, and why."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from models.signals.choice import RULES, choose, moved_level
from models.signals.detectors import make_detector
from models.signals.distribution import count_tail

RNG = np.random.default_rng(2)


@pytest.mark.parametrize(
    ("past", "rule", "method"),
    [
        (RNG.poisson(5.0, 300), "years_of_past", "seasonal"),
        (RNG.poisson(0.2, 300), "years_of_past", "seasonal"),
        (RNG.poisson(5.0, 115), "years_of_past", "seasonal"),
        (RNG.poisson(0.2, 115), "years_of_past", "seasonal"),
        (RNG.poisson(5.0, 109), "months_of_past", "bayes"),
        (RNG.negative_binomial(4.0, 0.2, 60), "months_of_past", "bayes"),
        (RNG.poisson(16.0, 60), "months_of_past", "bayes"),
        (RNG.poisson(3.0, 9), "too_short", None),
        (np.zeros(0), "too_short", None),
    ],
)
def test_the_first_rule_that_fits_is_taken(past, rule, method):
    """Years, months or too little; thick, thin or restless: each with a reason that names its figures."""
    made = choose(past.astype(float))
    assert (made.code, made.method) == (rule, method)
    assert str(len(past)) in made.reason or "years" in made.reason
    if method:
        make_detector(method, made.params)


def test_weeks_before_the_first_count_are_no_past():
    """A series that began late has the past since then; the regression on all of it takes 110 weeks."""
    past = np.concatenate([np.full(300, np.nan), RNG.poisson(5.0, 12)])
    assert choose(past).code == "months_of_past"
    assert choose(RNG.poisson(5.0, 109).astype(float)).code == "months_of_past"
    assert choose(RNG.poisson(5.0, 110).astype(float)).code == "years_of_past"
    # Made anew every week, until two years are left where it is not.
    assert choose(RNG.poisson(5.0, 122).astype(float)).params == {"alpha": 0.005, "refit_every": 1}
    assert choose(RNG.poisson(5.0, 123).astype(float)).params == {"alpha": 0.005}


def test_weeks_without_a_count_are_no_past_wherever_they_lie():
    """Sixty counts among 280 weeks are sixty weeks of past; the regression takes two years of them anywhere."""
    past = np.full(280, np.nan)
    past[np.r_[0:20, 240:280]] = 5.0
    made = choose(past)
    assert made.code == "months_of_past"
    assert made.reason.startswith("60 weeks of past")
    gaps = RNG.poisson(5.0, 300).astype(float)
    gaps[100:285] = np.nan
    made = choose(gaps)
    assert (made.code, made.method) == ("years_of_past", "seasonal")
    judged = make_detector(made.method, made.params).detect(pd.DataFrame(np.append(gaps, 5.0)), last=1)
    assert judged["alarm"].notna().all()


@pytest.mark.parametrize(("period", "unit"), [(52, "week"), (12, "month"), (365, "day"), (4, "step")])
@pytest.mark.parametrize("length", [5, 20, 800])
def test_reasons_call_a_step_what_it_is(period, unit, length):
    """Weeks, months and days; a step where the period says nothing else. The sentence after a move, too."""
    calm = np.tile([4.0, 5.0, 6.0], length)[:length]
    moved = np.where(np.arange(length) < length - 26, calm, 10.0 * calm)
    for past in (calm, moved):
        reason = choose(past, period).reason
        assert f" {unit}s " in reason or f" a {unit}:" in reason
        assert not any(f" {other}" in reason for other in {"week", "month", "day", "step"} - {unit})


def test_few_cases_are_said_to_leave_their_grouping_open():
    """Sixty cases in 300 weeks: said; 1,500: not."""
    few, many = np.zeros(300), np.full(300, 5.0)
    few[::5] = 1.0
    assert "60 cases cannot tell whether they come in groups" in choose(few).reason
    assert "groups" not in choose(many).reason


@pytest.mark.parametrize("level", [0.1, 1.0, 5.0])
def test_a_short_past_whose_cases_come_in_groups_raises_few_false_alarms(level):
    """Forty pasts of 60 weeks, variance four times the mean: at most 1.5 % alarms, p <= 1e-4 in at most one of 2,500.

    The law of the week judged is added up; Poisson counts, as published, would raise several per cent.
    """
    pasts = np.random.default_rng(17).negative_binomial(level / 3.0, 0.25, (60, 40)).astype(float)
    mean, variance = np.full(40, level), np.full(40, 4.0 * level)
    told = {}
    for name, dispersion, alpha in (("usual", None, 0.005), ("rare", None, 1e-4), ("poisson", "poisson", 0.005)):
        made = choose(pasts[:, 0])
        assert made.code == "months_of_past"
        params = {**made.params, "alpha": alpha} | ({} if dispersion is None else {"dispersion": dispersion})
        upper = make_detector(made.method, params).detect(pd.DataFrame(np.vstack([pasts, mean])), last=1)["upper"]
        told[name] = count_tail(upper.to_numpy(dtype=float) + 1.0, mean, variance).mean()
    assert told["usual"] <= 0.015
    assert told["rare"] <= 4e-4
    assert told["poisson"] > 0.01


def test_the_last_rule_fits_everything():
    """No series is left without an answer."""
    assert RULES[-1].least_weeks == 0


def test_the_shortest_past_taken_is_one_the_method_can_judge():
    """With the fewest weeks or months that choose it, the seasonal regression does say something."""
    for least, period in ((110, 52), (30, 12)):
        assert choose(np.resize([4.0, 5.0, 6.0], least - 1), period).method == "bayes"
        for more in range(27):
            counts = np.resize([4.0, 5.0, 6.0], least + more + 1)
            made = choose(counts[:-1], period)
            assert made.method == "seasonal"
            detector = make_detector(made.method, {**made.params, "period": period})
            assert detector.detect(pd.DataFrame(counts), last=1)["alarm"].notna().all()


@pytest.mark.parametrize(("level", "dispersion"), [(1.0, 3.0), (1.0, 5.0), (5.0, 3.0)])
def test_two_years_of_past_raise_few_false_alarms(level, dispersion):
    """Eighty pasts of 112 weeks: at most 1 % alarms of the regression; Farrington flexible raises more than it."""
    shape = (113, 80)
    rng = np.random.default_rng(23)
    counts = pd.DataFrame(rng.negative_binomial(level / (dispersion - 1.0), 1.0 / dispersion, shape).astype(float))
    made = choose(counts[0].to_numpy()[:-1])
    assert made.method == "seasonal"
    mean, variance = np.full(80, level), np.full(80, level * dispersion)
    ours = make_detector(made.method, made.params).detect(counts, last=1)["limit_now"].to_numpy(dtype=float)
    other = (
        make_detector("farrington_flexible", {"years_back": 2}).detect(counts, last=1)["upper"].to_numpy(dtype=float)
    )
    share, others = (count_tail(limit + 1.0, mean, variance).mean() for limit in (ours, other))
    assert share <= 0.01
    assert others > share


@pytest.mark.parametrize(("level", "dispersion"), [(30.0, 12.0), (1000.0, 100.0)])
def test_a_short_past_of_thick_counts_may_vary_as_much_as_they_do(level, dispersion):
    """Sixty weeks, variance a hundred times the mean: at most 1.2 % alarms and p <= 1e-4 in one of 2,000 at most."""
    rng = np.random.default_rng(29)
    counts = pd.DataFrame(rng.negative_binomial(level / (dispersion - 1.0), 1.0 / dispersion, (61, 60)).astype(float))
    made = choose(counts[0].to_numpy()[:-1])
    assert made.code == "months_of_past"
    for alpha, most in ((0.005, 0.012), (1e-4, 5e-4)):
        upper = make_detector(made.method, {**made.params, "alpha": alpha}).detect(counts, last=1)["upper"]
        told = count_tail(upper.to_numpy(dtype=float) + 1.0, np.full(60, level), np.full(60, level * dispersion))
        assert told.mean() <= most


def test_years_without_a_case_before_the_first_are_no_past():
    """Zeros of a time before anything was counted are left out and said; those of a rare or a risen series are not."""
    began = np.concatenate([np.zeros(224), RNG.poisson(5.0, 75)])
    made = choose(began)
    assert (made.code, made.begins) == ("months_of_past", int(np.flatnonzero(began)[0]))
    assert made.reason.startswith(f"{made.begins} weeks without any case before its first one")
    later = choose(np.concatenate([np.zeros(400), RNG.poisson(5.0, 140)]))
    assert (later.code, later.begins) == ("years_of_past", 400)
    rare = np.zeros(300)
    rare[[210, 260]] = 1.0
    risen = np.concatenate([np.zeros(300), [4.0, 8.0, 9.0]])
    for past in (rare, risen, np.zeros(300)):
        assert (choose(past).code, choose(past).begins) == ("years_of_past", 0)


def test_a_level_out_of_nothing_has_moved():
    """A case in eight years, and none two years ago: five a week since a year are a new level; since a month, no."""
    for weeks, code in ((52, "months_of_past"), (4, "years_of_past")):
        past = np.concatenate([np.zeros(400), RNG.poisson(5.0, weeks)])
        past[10] = 1.0
        assert choose(past).code == code


def test_a_level_that_moved_leaves_only_the_newest_half_year():
    """A level doubled a year ago: taken as a past of 26 weeks, and said so. A season or a trend is no such move."""
    weeks = np.arange(338)
    doubled = RNG.poisson(np.where(weeks < 286, 10.0, 20.0)).astype(float)
    made = choose(doubled)
    assert made.code == "months_of_past"
    assert "338 weeks only 26 weeks" in made.reason
    season = RNG.poisson(10.0 * np.exp(0.7 * np.cos(2.0 * np.pi * weeks / 52.0) + 0.2 * weeks / 52.0)).astype(float)
    assert choose(season).code == "years_of_past"


def test_calm_series_are_hardly_ever_taken_to_have_moved():
    """Of 300 series without any move, with a season and over-dispersed, at most 2 %; missing weeks do not matter."""
    weeks = np.arange(338)[:, None]
    mean = np.exp(0.5 * np.cos(2.0 * np.pi * weeks / 52.0)) * np.linspace(0.1, 20.0, 300)
    counts = RNG.negative_binomial(mean / 0.8, 1.0 / 1.8).astype(float)
    counts[RNG.random(counts.shape) < 0.05] = np.nan
    assert np.mean([moved_level(one) for one in counts.T]) <= 0.02
