"""Models of all failures are made from labels that were mature, and tell what they could not learn."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest

from data.errors import ModelError, NotEnoughDataError, UsageError
from data.event_log import known_before
from data.store import Store
from features.facts import facts_contract
from features.risk_inputs import possible
from models import learning
from models.any_failure import bounds
from models.evaluate import figures
from models.failures import ANY, FailureModels, require_outcome
from models.history import History
from models.learning import fit, lesson, thinned, train
from models.registry import Registry, StoredModel
from models.waits import fit_remaining, waits
from service.training import FAILURES, champion, history_of, train_models
from tests.support.logs import event_frame

QUICK = {"rounds": 40, "num_leaves": 8, "calibration": "identity"}
DAY = 86_400
SPOILED = "pothole"


@pytest.fixture(scope="module", autouse=True)
def _short_waits():
    """A tenth of the trees for the remaining time, which is learned beside the risks: no test here asks how good."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(learning, "fit_remaining", partial(fit_remaining, rounds=20))
        yield


@pytest.fixture(scope="module")
def models(little_history) -> FailureModels:
    return train(little_history, **QUICK)


@pytest.fixture(scope="module")
def some(little_history):
    return little_history.inputs.rows(np.arange(0, len(little_history.inputs), 41))


def rebuilt(events: pd.DataFrame, lives: History, **change: object) -> History:
    settings = {"as_of": lives.as_of, "time_zone": lives.time_zone, **change}
    keys = ("category", "category_group", "area", "channel", "office")
    return History.build(events, known_at_opening=keys, **settings)


@pytest.fixture(scope="module")
def spoiled(little_history) -> History:
    """The small city with every case of one category closed after five minutes: a record of work already done."""
    events = little_history.events.copy()
    openings = events[events["kind"] == "opened"].set_index("case_id")
    chosen = openings.index[openings["category"] == SPOILED]
    events = events[~(events["case_id"].isin(chosen) & (events["kind"] != "opened"))]
    rows = pd.DataFrame({"case_id": chosen, "kind": "closed", "at": openings.loc[chosen, "at"] + 300})
    rows["known_at"] = rows["at"]
    rows = rows.reindex(columns=events.columns).astype(events.dtypes.to_dict())
    return rebuilt(pd.concat([events, rows], ignore_index=True), little_history, kinds=["opening"], outcomes=["late"])


@pytest.mark.parametrize("outcome", ["late", "unresolved_28d", "reopened_28d", "handed_up_28d"])
def test_what_teaches_was_mature_at_the_moment(little_history, outcome):
    """Landmarks and answers lie before the moment, and what lies between is on no side."""
    moment = int(np.quantile(little_history.cases["opened_at"], 0.6))
    taught = lesson(little_history, outcome, moment)
    assert (taught.at < moment).all()
    assert (taught.matures_at < moment).all()
    assert not np.isnan(taught.value).any()
    open_then = little_history.outcomes[outcome].eligible & (little_history.landmarks["landmark_at"] < moment)
    assert len(taught) < open_then.sum()


def test_models_made_back_then_are_the_models_made_from_what_was_known_then(little_history, spoiled):
    """Training at a cut inside a longer history gives the very files that the office would have had."""
    for lives in (rebuilt(little_history.events, little_history, kinds=["opening"]), spoiled):
        cut = int(np.quantile(lives.cases["opened_at"], 0.6))
        names = ("late",)
        then = rebuilt(known_before(lives.events, cut), lives, as_of=cut, kinds=["opening"], outcomes=names)
        made_then, made_now = train(then, **QUICK), train(lives, cut=cut, outcomes=names, **QUICK)
        assert made_now.card == made_then.card
        assert made_now.to_files() == made_then.to_files()


def test_training_again_gives_the_same_bytes(little_history):
    """Whatever the number of threads."""
    openings = rebuilt(little_history.events, little_history, kinds=["opening"], outcomes=["late"])
    once, again = (train(openings, threads=n, **{**QUICK, "rounds": 5}) for n in (1, 2))
    assert once.to_files() == again.to_files()


def test_models_read_back_tell_the_same_bits(models, some):
    """Text and JSON hold all of it."""
    back = FailureModels.from_files(models.to_files())
    for name, told in models.tell(some).items():
        again = back.tell(some)[name]
        for end in ("probability", "lower", "upper"):
            np.testing.assert_array_equal(getattr(again, end), getattr(told, end))


def test_every_landmark_is_told_what_can_still_go_wrong_there(models, some):
    """A risk where the office can still fail the case, null elsewhere, and its interval around it."""
    for name, told in models.tell(some).items():
        asked = possible(some.landmarks, name) if name != ANY else np.ones(len(some), dtype=bool)
        told_at = ~np.isnan(told.probability)
        if name == ANY:
            assert told_at.sum() >= (~some.landmarks["fallen_away"]).sum()
        else:
            assert (told_at == asked).all()
        assert (told.lower[told_at] <= told.probability[told_at] + 1e-12).all()
        assert (told.probability[told_at] <= told.upper[told_at] + 1e-12).all()


def test_any_failure_agrees_with_its_parts(models, some):
    """No lower than any of them and no higher than their sum, at every landmark, and so at the ends of the interval."""
    told = models.tell(some)
    for end in ("probability", "lower", "upper"):
        parts = np.column_stack([getattr(told[name], end) for name in models.risks])
        low, high = bounds(parts)
        whole = getattr(told[ANY], end)
        known = ~np.isnan(whole)
        assert (whole[known] >= low[known]).all()
        assert (whole[known] <= high[known]).all()


@pytest.mark.parametrize("outcome", ["late", "reopened_28d", ANY])
def test_reasons_add_up_to_the_probability(models, some, outcome):
    """Base plus points is what is told, for every landmark."""
    told = models.tell(some)[outcome].probability
    asked = some.rows(~np.isnan(told))
    found = models.explain(asked, outcome)
    assert np.allclose(found.base + found.points.sum(axis=1), told[~np.isnan(told)], atol=1e-10)
    assert np.allclose(found.probability, told[~np.isnan(told)], atol=1e-10)


def test_the_reasons_of_a_case_are_the_same_alone_and_among_others(models, some):
    """To the bit, for one outcome and for any."""
    asked = some.rows(possible(some.landmarks, "late"))
    for outcome in ("late", ANY):
        among = models.explain(asked, outcome)
        alone = models.explain(asked.rows(np.array([7])), outcome)
        assert (alone.points.to_numpy() == among.points.iloc[[7]].to_numpy()).all()


def test_risks_along_the_life_rank_and_mean_what_they_say(small_history):
    """On later landmarks of 4,000 cases: better than the start that needs no training, for lateness."""
    cut = int(np.quantile(small_history.cases["opened_at"], 0.7))
    made = train(small_history, cut=cut, outcomes=["late"])
    outcome = small_history.outcomes["late"]
    later = outcome.known_before(small_history.as_of) & (small_history.landmarks["opened_at"].to_numpy("int64") >= cut)
    inputs = small_history.inputs.rows(later)
    told = figures(outcome.value[later], made.tell(inputs)["late"].probability)
    start = inputs.starts["late"].sum(axis=1).to_numpy()
    untrained = figures(outcome.value[later], 1 / (1 + np.exp(-start)))
    assert told.auc > 0.7
    assert told.brier < untrained.brier
    assert told.ece < 0.06


def test_an_outcome_that_nobody_records_gets_no_model_and_says_why():
    """A last-state export knows no hand-up; asked for it, the models say what they do tell."""
    rng = np.random.default_rng(3)
    rows = []
    for number in range(700):
        opened = 1_700_000_000 + number * 3600 * 6
        closed = opened + int(rng.integers(1, 10)) * DAY
        same = {"case_id": f"c{number:04d}", "category": f"k{number % 5}"}
        rows.append({**same, "kind": "opened", "at": opened, "known_at": opened, "due_at": opened + 5 * DAY})
        rows.append({**same, "kind": "closed", "at": closed, "known_at": closed})
    history = History.build(
        event_frame(rows), as_of=1_700_000_000 + 300 * DAY, time_zone="UTC", known_at_opening=["category"]
    )
    made = train(history, **QUICK)
    assert made.outcomes == ("late",)
    assert made.card["not_modelled"]["handed_up_28d"] == (
        "none of 700 matured cases was failed: the sources may not record it"
    )
    with pytest.raises(UsageError, match=r"late, any_failure, got 'handed_up_28d' \(none of 700 matured cases"):
        require_outcome(made, "handed_up_28d")
    told = made.tell(history.inputs)
    np.testing.assert_allclose(told[ANY].probability, told["late"].probability, rtol=1e-15)


def test_too_little_history_is_refused_with_the_counts(little_history):
    """Two hundred cases, twenty of them failed, in at least one way."""
    early = int(little_history.cases["opened_at"].iloc[150])
    with pytest.raises(NotEnoughDataError, match="200 matured cases, 20 of them failed, and got late"):
        train(little_history, cut=early)


def test_cases_of_grade_d_do_not_teach(spoiled):
    """A category whose labels say nothing is no evidence, and the card counts its cases."""
    made = train(spoiled, **QUICK)
    graded = made.card["label_trust"]["late"]
    matured = spoiled.outcomes["late"].known_before(spoiled.as_of)
    of_category = (spoiled.landmarks["category"] == SPOILED).to_numpy() & matured
    assert graded["D"] >= 0.8 * of_category.sum() > 50
    taught = lesson(spoiled, "late", spoiled.as_of)
    # The month that had hardly begun is not judged yet.
    assert taught.weight[(taught.inputs.landmarks["category"] == SPOILED).to_numpy()].sum() <= 5
    every = train(rebuilt(spoiled.events, spoiled, believe_all=True, kinds=["opening"], outcomes=["late"]), **QUICK)
    assert every.card["label_trust"] == {}
    assert every.to_files() != made.to_files()


def test_other_features_are_refused_with_the_difference(models, some):
    """A feature that is missing is named."""
    fewer = replace(some, matrix=replace(some.matrix, features=some.matrix.features.drop(columns="due_hour")))
    with pytest.raises(ModelError, match="Missing: due_hour; not expected: none"):
        models.tell(fewer)


def test_models_of_another_make_are_refused(models):
    """Another format, a strange feature, a part that is missing, a bundle without a description."""
    files = models.to_files()
    described = files["bundle.json"]
    other = {**files, "bundle.json": described.replace(b'"format": 1', b'"format": 99')}
    with pytest.raises(ModelError, match="Expected models of format 1, got 99"):
        FailureModels.from_files(other)
    strange = {**files, "bundle.json": described.replace(b'"due_hour"', b'"due_minute"')}
    with pytest.raises(ModelError, match="features that this version does not have: due_minute"):
        FailureModels.from_files(strange)
    with pytest.raises(ModelError, match="Expected the files of the model 'late'"):
        FailureModels.from_files({name: text for name, text in files.items() if not name.startswith("late/")})
    with pytest.raises(ModelError, match=r"bundle\.json, and there is none"):
        FailureModels.from_files({})


def test_no_landmarks_have_no_risks(models, some):
    """A morning without open cases is not an error."""
    none = some.rows(np.zeros(len(some), dtype=bool))
    assert all(told.probability.shape == (0,) for told in models.tell(none).values())
    assert len(models.explain(none, ANY).points) == 0


def test_a_store_is_trained_and_its_models_are_found(little_city_url, little_history, tmp_path, monkeypatch):
    """Saved under one name, promoted, read back; refused once the facts mean something else."""
    registry = Registry(tmp_path / "models")
    with pytest.raises(UsageError, match="There are no models yet"):
        champion(registry)
    with Store.open(little_city_url) as store:
        openings = history_of(store, kinds=["opening"], outcomes=["late"])
        version, _made = train_models(store, registry, openings)
    assert version.startswith(f"{FAILURES}-")
    found, made = champion(registry)
    assert found == version
    assert list(made.card["label_trust"]["late"]) == ["A", "B", "C", "D"]
    assert made.card["lineage"]["facts_contract"] == facts_contract()
    monkeypatch.setattr("models.lineage.facts_contract", lambda: "another")
    with pytest.raises(ModelError, match="facts") as caught:
        champion(registry)
    assert version in str(caught.value)
    assert "heed train" in str(caught.value)


def test_a_source_without_types_of_problem_learns_as_one_of_a_single_type(little_history):
    """A type that is not known is evidence like another; the trees are believed."""
    taught = lesson(little_history, "late", little_history.as_of)
    made = []
    for category in (None, "all the same"):
        frame = taught.inputs.landmarks.assign(category=pd.Series([category] * len(taught), dtype="str"))
        inputs = replace(taught.inputs, matrix=replace(taught.inputs.matrix, landmarks=frame))
        model = fit(replace(taught, inputs=inputs), **QUICK)
        made.append(model.decision_function(inputs.table("late")))
    np.testing.assert_array_equal(*made)


def test_labels_that_are_not_believed_do_not_say_how_failures_go_together(little_history):
    """Of rows without weight, the labels may say anything."""
    lessons = {name: lesson(little_history, name, little_history.as_of) for name in ("late", "unresolved_28d")}
    doubted = {name: replace(one, weight=(one.group % 3 > 0).astype(float)) for name, one in lessons.items()}
    lied = {name: replace(one, value=np.where(one.weight > 0, one.value, 1.0)) for name, one in doubted.items()}
    found = learning._together(doubted, 1)
    assert found.n > 100
    assert learning._together(lied, 1) == found


def test_an_outcome_too_thin_to_judge_leaves_the_others_to_say_how_failures_go_together(little_history):
    """It is left out, and the fit is that of the others."""
    lessons = {name: lesson(little_history, name, little_history.as_of) for name in ("late", "unresolved_28d")}
    thin = lesson(little_history, "handed_up_28d", little_history.as_of)
    few = thin.rows(thin.group < 150)
    assert learning._together({**lessons, "handed_up_28d": few}, 1).n > 100


def test_thinning_takes_as_many_as_it_may():
    """One too many takes one away, not half."""
    for n, most, left in ((5, 10, 5), (10, 10, 10), (11, 10, 10), (25, 10, 10)):
        places = thinned(np.ones(n, dtype=bool), most)
        assert len(places) == len(set(places.tolist())) == left
    assert thinned(np.array([False, True, False, True]), 1).tolist() == [1]


def test_waits_at_a_cut_know_nothing_of_what_came_later(little_history):
    """Withdrawals, and their taking back, that became known after it change neither who waited nor for how long."""
    lives = rebuilt(little_history.events, little_history, kinds=["opening"], outcomes=["late"])
    cut = int(np.quantile(lives.cases["opened_at"], 0.5))
    some = lives.cases["case_id"][lives.cases["opened_known_at"] < cut].iloc[::9]
    later = pd.DataFrame({"case_id": np.repeat(some, 2), "kind": ["withdrawn", "reopened"] * len(some), "at": cut - 60})
    later["known_at"] = np.where(later["kind"] == "withdrawn", cut - 60, cut + 60)
    later = later.reindex(columns=lives.events.columns).astype(lives.events.dtypes.to_dict())
    events = pd.concat([lives.events, later], ignore_index=True)
    now = rebuilt(events, little_history, kinds=["opening"], outcomes=["late"])
    then = rebuilt(known_before(events, cut), little_history, as_of=cut, kinds=["opening"], outcomes=["late"])
    known_now, known_then = waits(now, cut), waits(then, cut)
    np.testing.assert_array_equal(known_now.seconds, known_then.seconds)
    np.testing.assert_array_equal(known_now.censored, known_then.censored)
    assert known_now.censored.any()


def test_a_correction_made_later_does_not_move_a_label_into_another_cohort(spoiled):
    """Weights at a cut go by the types of problem that cases had then."""
    cut = int(np.quantile(spoiled.cases["opened_at"], 0.6))
    others = spoiled.cases[(spoiled.cases["category"] != SPOILED) & (spoiled.cases["opened_known_at"] < cut)]
    rows = pd.DataFrame({"case_id": others["case_id"].iloc[:10], "kind": "amended", "at": cut, "category": SPOILED})
    rows["known_at"] = cut + 60
    rows = rows.reindex(columns=spoiled.events.columns).astype(spoiled.events.dtypes.to_dict())
    events = pd.concat([spoiled.events, rows], ignore_index=True)
    now = rebuilt(events, spoiled, kinds=["opening"], outcomes=["late"])
    then = rebuilt(known_before(events, cut), spoiled, as_of=cut, kinds=["opening"], outcomes=["late"])
    np.testing.assert_array_equal(lesson(now, "late", cut).weight, lesson(then, "late", cut).weight)


@pytest.mark.parametrize(
    ("file", "of", "into", "message"),
    [
        ("bundle.json", b'"trained_before": ', b'"trained_before": "x", "was": ', "a whole bundle.json"),
        ("bundle.json", b'"weight": ', b'"weight": 7, "was": ', "a whole bundle.json"),
        ("bundle.json", b'"weight": ', b'"weight": NaN, "was": ', "bundle.json as a JSON object"),
        ("late/model.json", b'"intercept": ', b'"intercept": NaN, "was": ', "booster.txt and model.json"),
        ("remaining_time/model.json", b'"moves": [', b'"moves": [0.5, ', "a move for each"),
        ("remaining_time/quantile_0.5.txt", b"left_child=", b"left_child=0 ", "Expected"),
        ("late/booster.txt", b"left_child=", b"left_child=0 ", "Expected"),
    ],
)
def test_files_that_were_changed_with_their_hashes_are_refused(models, file, of, into, message):
    """A forged figure is an error that says what was expected; no text reaches LightGBM before it was checked."""
    files = models.to_files()
    assert of in files[file]
    changed = files[file].replace(of, into, 1)
    with pytest.raises(ModelError, match=message):
        FailureModels.from_files({**files, file: changed})


def test_the_boundary_sees_every_column_of_every_part(models):
    """The table of a risk, and that of the remaining time; what LightGBM calls unnamed columns is none."""
    files = models.to_files()
    honest = StoredModel("failures-1", files)
    assert set(models.features) <= set(honest.columns())
    assert not any(name.startswith("Column_") for name in honest.columns())
    assert honest.boundary_violations() == []
    for file in ("late/model.json", "remaining_time/model.json"):
        forged = {**files, file: files[file].replace(b'"level_category"', b'"complainant_phone"')}
        assert StoredModel("failures-1", forged).boundary_violations()
