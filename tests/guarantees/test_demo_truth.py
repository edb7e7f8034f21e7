"""Risks of the simulated city against the true probability, which is got by living the future again and again.

The simulator has no closed form: nothing draws whether a case is late. But it can be stopped on the morning of a day
and continued from there with fresh chance: what had happened to cases opened before that morning stays, with all that
waits in every queue; the cases opened on that day are the same, with fresh luck (how much work is in them, whether they
stray, how soon a crew takes them); everything after is drawn anew. The share of futures in which a case is late is its
true probability given that morning, up to the chance of so many futures. Staffing and weather of the city stay its own:
they are its circumstances, and no luck of a case.

A score is learned from early cases (LightGBM on what is known at the opening: category, office, channel, hour, promise,
open and overdue cases of the office, how late it was of late), calibrated on later ones, and asked about cases that
come later still.

Then heed's own way, from the store to the morning's list: models of what was known on one morning are asked about every
case that is open on later ones. There, of open cases too, all is drawn anew that chance had not been asked by then.
"""

from __future__ import annotations

from functools import cache
from types import SimpleNamespace

import lightgbm as lgb
import numpy as np
import pytest
from scipy.special import expit

from data.synthetic import CityPlan
from features.outcomes import outcomes_at
from models.calibration import Band, choose_calibration
from models.reasons import facts_told, told_reasons
from tests.support.demo_truth import (
    Morning,
    actual,
    first_ends,
    futures,
    learned_city,
    open_on,
    run_until,
    simulate,
)

DAY = 86_400
# The planted office fails from the beginning, so that there is one city to learn and not two.
PLAN = CityPlan(cases=20_000, villages=18, towns=4, failing_day=30)
BEGUN, TRAINED, CALIBRATED = 30, 170, 300  # days; outcomes due by then are known
ASKED = tuple(range(CALIBRATED, 319, 2))
# heed's own models: trained on this morning of a city whose office fails from day 200 on, and asked on later ones.
DEMO = CityPlan(cases=20_000, villages=18, towns=4)
LEARNED, MORNINGS = 250, (252, 266, 280, 294, 308)
FUTURES = 10
LEVELS = (0.8, 0.95)
OF_THE_OFFICE = {"record_office", "work_office", "staffing"}


@cache
def simulated(seed, luck=None):
    return simulate(seed, luck, PLAN)


def features(city):
    """What is known at the opening of every case, (n, 9)."""
    cases, ended = city.cases, city.ended_at
    opened, due = cases.opened_at, cases.due_at
    columns = [
        cases.category,
        cases.office,
        cases.channel,
        opened // 3600 % 24,
        opened // DAY % 7,
        (due - opened) / DAY,
    ]
    waiting, overdue, lately = (np.zeros(len(cases)) for _ in range(3))
    counted = ~cases.at_once
    for office in range(len(city.setting.layout.offices)):
        here = counted & (cases.right_office == office)
        asked = cases.office == office
        moment = opened[asked]

        def before(values, moment=moment):
            return np.searchsorted(np.sort(values), moment, "left")

        waiting[asked] = before(opened[here]) - before(ended[here])
        overdue[asked] = before(due[here]) - before(np.maximum(due, ended)[here])
        late = here & (ended > due)
        recent = [before(due[some]) - before(due[some] + 28 * DAY) for some in (late, here)]
        lately[asked] = (recent[0] + 0.1) / (recent[1] + 1)
    return np.column_stack((*columns, waiting, overdue, lately)).astype(float)


def counted(city, begin, end):
    """Cases opened from the first day on that fell due before the second, without notes of work already done."""
    cases, moment = city.cases, city.setting.plan.moment
    return ~cases.at_once & (cases.opened_at >= moment(begin)) & (cases.due_at < moment(end))


@cache
def learned(seed):
    """The score: trees on the early cases of the city itself."""
    city = simulated(seed)
    rows = counted(city, BEGUN, TRAINED)
    settings = {
        "objective": "binary",
        "num_leaves": 4,
        "learning_rate": 0.05,
        "min_data_in_leaf": 100,
        "lambda_l2": 10.0,
    }
    settings |= {"feature_fraction": 0.5, "seed": 1, "deterministic": True, "num_threads": 1, "verbose": -1}
    data = lgb.Dataset(features(city)[rows], city.late[rows], categorical_feature=[0, 1, 2])
    return lgb.train(settings, data, 60)


def told(seed, luck=None):
    """Scores of all cases, the calibrator fitted to the later ones, which these are, and the city."""
    city = simulated(seed, luck)
    score = learned(seed).predict(features(city), raw_score=True)
    later = counted(city, TRAINED, CALIBRATED)
    fitted = choose_calibration(score[later], city.late[later], at=city.cases.opened_at[later])
    return score, fitted, later, city


def late_among_asked(morning, rng):
    """One future: whether each case opened that day is late, (asked - past,)."""
    log, cases, _ = morning.future(rng)
    return (first_ends(log, len(cases)) > cases.due_at)[morning.past : morning.asked]


@cache
def asked_with_truth(seed, count, days=ASKED):
    """Score, told probability, true probability and lateness of the cases opened on the days asked about."""
    score, fitted, _, city = told(seed)
    rows, truth = [], []
    for day in days:
        begin = city.setting.plan.moment(day)
        morning = Morning(city, begin, begin + DAY)
        rng = np.random.default_rng([seed, day])
        share = np.mean([late_among_asked(morning, rng) for _ in range(count)], axis=0)
        here = np.arange(morning.past, morning.asked)
        kept = ~city.cases.at_once[here]
        rows.append(here[kept])
        truth.append(share[kept])
    rows = np.concatenate(rows)
    return score[rows], fitted.probability(score[rows]), np.concatenate(truth), city.late[rows]


def ece(told_risk, truth, bins=10):
    """Mean gap between risk and truth in bins of equally many cases."""
    parts = np.array_split(np.argsort(told_risk, kind="stable"), bins)
    return sum(abs((told_risk[part] - truth[part]).mean()) * len(part) for part in parts) / len(told_risk)


def coverage(seed, repetitions):
    """Coverage (2,) of the 80 % and 95 % intervals, with standard errors (2,), and the mean gap of what is told.

    Each repetition is the same city with other cases. The truth is the share of late cases at a score over all of them.
    """
    fits, scores, outcomes = [], [], []
    for luck in range(repetitions):
        score, fitted, later, city = told(seed, luck)
        fits.append(fitted)
        scores.append(score[later])
        outcomes.append(city.late[later])
    scores, outcomes = np.concatenate(scores), np.concatenate(outcomes)
    # A smooth curve through everything, with no assumption on its form.
    pooled = Band.fit(scores, outcomes, np.ones(len(scores)), None)
    asked = np.quantile(scores, np.linspace(0.005, 0.995, 200))
    truth = expit(np.interp(asked, pooled.first + pooled.step * np.arange(len(pooled.centre)), pooled.centre))
    inside = np.empty((2, repetitions))
    for n, fitted in enumerate(fits):
        for row, level in enumerate((0.8, 0.95)):
            lower, upper = fitted.interval(asked, level)
            inside[row, n] = ((lower <= truth) & (truth <= upper)).mean()
    gap = np.mean([abs(fitted.probability(asked) - truth).mean() for fitted in fits])
    return inside.mean(axis=1), inside.std(axis=1, ddof=1) / np.sqrt(repetitions), gap


def test_a_city_that_is_stopped_and_continued_with_the_same_luck_is_the_same():
    """Stopping on a morning loses nothing: with its own luck, every case ends at the very same second."""
    city = simulate(7, plan=CityPlan(cases=3_000, villages=6, towns=2, days=200, failing_day=30))
    morning = Morning(city, city.setting.plan.moment(90))
    queues = morning.resumed(city.cases, city.fates)
    run_until(queues, city.setting.plan.end)
    later = ~city.cases.at_once & (city.ended_at >= morning.begin)
    assert later.sum() > 1_000
    assert (first_ends(queues.log, len(city.cases))[later] == city.ended_at[later]).all()


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_risks_agree_with_the_true_probability(seed):
    """What was late agrees with the truth, risks lie nearer to it than one rate for all, and ECE against it is small.

    Each probability is of one time of the city, and its offices do better or worse by the month: of about 590 cases
    of ten days, risks that were calibrated on the months before miss the level by up to three or four points.
    """
    score, risk, truth, late = asked_with_truth(seed, 10)
    own = np.sqrt((truth * (1 - truth)).sum()) / len(truth)
    assert abs(late.mean() - truth.mean()) < 4 * own
    assert ((risk - truth) ** 2).mean() < 0.6 * truth.var()
    assert ece(risk, truth) < 0.07
    assert ece(risk, truth) < ece(expit(score), truth) + 0.01


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 3])
def test_intervals_cover_the_share_of_late_cases(seed):
    """Over cities that differ in the luck of their cases alone; weeks of one queue share their luck for months.

    The history is 18 weeks and the luck of queues lasts, so coverage stays under nominal: about 74 % and 92 %.
    """
    covered, own, gap = coverage(seed, 14)
    assert covered[0] > 0.70 - 2 * own[0]
    assert covered[1] > 0.92 - 2 * own[1]
    assert gap < 0.04


@pytest.fixture(scope="module", params=[1, 2, 3])
def demo(request, tmp_path_factory):
    """What heed tells of all cases that are open on five mornings after the training, and the truth about them."""
    one = learned_city(request.param, DEMO, LEARNED, tmp_path_factory.mktemp("demo"))
    mornings = [told_with_truth(one, day, np.random.default_rng([request.param, day])) for day in MORNINGS]
    events = one.store.read_events()
    one.store.close()
    return SimpleNamespace(one=one, mornings=mornings, events=events)


def told_with_truth(one, day, rng):
    asked = open_on(one, day)
    told = one.models.tell(asked.inputs)["late"]
    model, table = one.models.risks["late"], asked.inputs.table("late")
    found = futures(one.city, asked, rng, FUTURES)
    explained = one.models.explain(asked.inputs, "late")
    facts = facts_told(asked.inputs.matrix, starts={"late": asked.inputs.starts["late"]})
    return SimpleNamespace(
        asked=asked,
        risk=told.probability,
        score=model.decision_function(table),
        limits={level: model.interval(table, level) for level in LEVELS},
        remaining=one.models.tell_remaining(asked.inputs, told.probability),
        futures=found,
        truth=np.mean([future.late(asked.due_at) for future in found], axis=0),
        actual=actual(one.city, asked),
        reasons=told_reasons(explained, facts),
    )


def pooled(demo, name):
    return np.concatenate([getattr(morning, name) for morning in demo.mornings])


def at_offices(demo):
    return np.concatenate([morning.asked.inputs.landmarks["office"].to_numpy() for morning in demo.mornings])


def held(remaining, waited, begin, level):
    """Whether each wait lies in its interval, (n,); one of which no end is seen counts by what was seen of it."""
    lower, upper = remaining.interval(level)
    seconds = (np.minimum(waited.ended_at, DEMO.end) - begin).astype(float)
    return (lower <= seconds) & (seconds <= upper)


@pytest.mark.slow
def test_what_became_of_open_cases_is_the_outcome_that_heed_learns(demo):
    """The truth is of the very outcome: the city's own life and the store's labels agree case by case."""
    for morning in demo.mornings:
        labels = outcomes_at(demo.events, morning.asked.inputs.landmarks, as_of=DEMO.end, names=("late",))["late"].value
        assert len(labels) > 500
        np.testing.assert_array_equal(morning.actual.late(morning.asked.due_at), labels)


@pytest.mark.slow
def test_heeds_risks_agree_with_the_true_probability(demo):
    """Of open cases on later mornings: the level, ECE in ten bins, and nearer to the truth than one rate for all.

    From fifty days after its fall on the planted office is late with three cases of four; the models, which have seen
    few of its late labels mature, tell 60 to 76 of 100, for by its change of late and its newest outcomes they see it
    fail. At the other offices level and ECE keep within three points.
    """
    risk, truth = pooled(demo, "risk"), pooled(demo, "truth")
    happened = np.concatenate([morning.actual.late(morning.asked.due_at) for morning in demo.mornings])
    assert abs(happened.mean() - truth.mean()) < 0.03
    assert abs((risk - truth).mean()) < 0.045
    assert ece(risk, truth) < 0.045
    assert ((risk - truth) ** 2).mean() < 0.8 * truth.var()
    others = at_offices(demo) != demo.one.truth.failing_office
    assert abs((risk - truth)[others].mean()) < 0.03
    assert ece(risk[others], truth[others]) < 0.03
    assert abs((risk - truth)[~others].mean()) < 0.18


@pytest.mark.slow
def test_heeds_intervals_of_a_risk_hold_the_share_of_late_cases_with_its_score(demo):
    """Which is what an interval is of: a smooth curve through the true probabilities of all mornings is that share.

    One training has one interval curve, and of three cities 98 to 100 % of it held: the intervals are those of cases of
    one type in one week, which lie further apart than all cases with a score. So this holds them to "at least".
    """
    score, truth = pooled(demo, "score"), pooled(demo, "truth")
    curve = Band.fit(score, truth, np.ones(len(score)), None)
    share = expit(np.interp(score, curve.first + curve.step * np.arange(len(curve.centre)), curve.centre))
    for level, least in zip(LEVELS, (0.78, 0.93), strict=True):
        lower, upper = (np.concatenate([morning.limits[level][end] for morning in demo.mornings]) for end in (0, 1))
        assert ((lower <= share) & (share <= upper)).mean() > least, level


def cells_held(demo, level, least=8):
    """Share of the cells, a type on a morning with so many open cases or more, whose mean truth the interval holds."""
    inside = []
    for morning in demo.mornings:
        code = morning.asked.inputs.landmarks["category"].astype("str").factorize()[0]
        count = np.bincount(code)
        mean = [np.bincount(code, weights=one) / count for one in (*morning.limits[level], morning.truth)]
        inside.append(((mean[0] <= mean[2]) & (mean[2] <= mean[1]))[count >= least])
    return np.concatenate(inside).mean()


@pytest.mark.slow
def test_heeds_intervals_of_a_risk_hold_the_true_share_of_a_type_on_a_morning(demo):
    """Which is what "cases like this" are.

    Over eight cities that is 79 % and 94 % of some 95 types and mornings each, where intervals of the curve over scores
    held 31 to 69 % and 54 to 95 %. One city has one luck of its weeks before and another after the training: each by
    itself holds 63 to 93 % and 86 to 100 %, so the bounds of one are guards: its 19 types alone leave five points to
    chance.
    """
    assert cells_held(demo, 0.8) > 0.58
    assert cells_held(demo, 0.95) > 0.78


@pytest.mark.slow
def test_heeds_remaining_times_lie_in_their_intervals(demo):
    """In fresh futures of open cases, over all mornings.

    At 95 % within two points. At 80 % a city that gets slower after the training is covered up to four points less:
    the bound there is a guard.
    """
    for level, off in zip(LEVELS, (0.05, 0.02), strict=True):
        inside = [
            held(morning.remaining, future, morning.asked.begin, level)
            for morning in demo.mornings
            for future in morning.futures
        ]
        assert abs(np.concatenate(inside).mean() - level) < off, level


@pytest.mark.slow
def test_heeds_remaining_time_and_risk_tell_one_story(demo):
    """The chance to wait beyond the deadline is the risk of being late, at every case."""
    for morning in demo.mornings:
        beyond = morning.remaining.survival(morning.asked.due_at - morning.asked.begin)
        np.testing.assert_allclose(beyond, morning.risk, rtol=0, atol=1e-12)


@pytest.mark.slow
def test_the_failing_office_is_among_the_reasons_of_its_cases(demo):
    """Its record, its load or its staffing raises their risk, among the first three reasons and among all told."""
    reasons = [told for morning in demo.mornings for told in morning.reasons]
    failing = at_offices(demo) == demo.one.truth.failing_office
    assert failing.sum() > 200
    first, told = (
        np.array([any(one.topic.name in OF_THE_OFFICE and one.points > 0 for one in row[:most]) for row in reasons])
        for most in (3, None)
    )
    assert first[failing].mean() > 0.75
    assert told[failing].mean() > 0.95
    assert first[failing].mean() > first[~failing].mean() + 0.3
