"""Labels teach as far as they are believed, and nothing known later has a say in that."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from data.errors import NotEnoughDataError
from data.event_log import known_before
from data.store import Store
from models.risk import RiskModel
from models.splits import split_at_share
from models.training import History, backtest, train
from service.pipeline import history_of, train_model

SPOILED = "pothole"


def rebuilt(events: pd.DataFrame, history: History, **change: object) -> History:
    return History.build(
        events,
        as_of=history.as_of,
        time_zone=history.time_zone,
        known_at_opening=("category", "category_group", "area", "channel", "office"),
        **change,
    )


@pytest.fixture(scope="module")
def spoiled(small_history) -> History:
    """The small city with every case of one category closed after five minutes: a record of work already done."""
    events = small_history.events.copy()
    openings = events[events["kind"] == "opened"].set_index("case_id")
    chosen = openings.index[openings["category"] == SPOILED]
    events = events[~(events["case_id"].isin(chosen) & (events["kind"] != "opened"))]
    rows = pd.DataFrame({"case_id": chosen, "kind": "closed", "at": openings.loc[chosen, "at"] + 300})
    rows["known_at"] = rows["at"]
    rows = rows.reindex(columns=events.columns).astype(events.dtypes.to_dict())
    return rebuilt(pd.concat([events, rows], ignore_index=True), small_history)


def test_weights_of_one_are_no_weights_to_the_bit(small_history):
    """The same file with and without them."""
    split = split_at_share(small_history.cases, small_history.outcome, share=0.7, as_of=small_history.as_of)
    matrix, value = small_history.matrix.rows(split.train), small_history.outcome.value[split.train]
    plain = RiskModel(rounds=20).fit(matrix, value, cut=split.cut)
    ones = RiskModel(rounds=20).fit(matrix, value, cut=split.cut, weight=np.ones(len(value)))
    assert plain.to_files() == ones.to_files()


def test_a_weight_of_nothing_leaves_a_case_out(small_history):
    """The model is that of the other cases alone: trees, regression, evidence and count."""
    split = split_at_share(small_history.cases, small_history.outcome, share=0.7, as_of=small_history.as_of)
    matrix, value = small_history.matrix.rows(split.train), small_history.outcome.value[split.train]
    taught = np.arange(len(value)) % 3 > 0
    weighed = RiskModel(rounds=20).fit(matrix, value, cut=split.cut, weight=taught.astype(float))
    alone = RiskModel(rounds=20).fit(matrix.rows(taught), value[taught], cut=split.cut)
    assert weighed.to_files() == alone.to_files()
    half = RiskModel(rounds=20).fit(matrix, value, cut=split.cut, weight=np.where(taught, 1.0, 0.5))
    assert half.n_train_ == len(value)
    assert sum(half.evidence_.values()) == pytest.approx(taught.sum() + (~taught).sum() / 2, abs=20)


def test_too_few_cases_that_teach_are_refused(small_history):
    """Two hundred are needed, and a weight of 0 is none."""
    split = split_at_share(small_history.cases, small_history.outcome, share=0.7, as_of=small_history.as_of)
    matrix, value = small_history.matrix.rows(split.train), small_history.outcome.value[split.train]
    weight = (np.arange(len(value)) < 150).astype(float)
    with pytest.raises(NotEnoughDataError, match="got 150"):
        RiskModel(rounds=5).fit(matrix, value, cut=split.cut, weight=weight)


def test_cases_of_grade_d_do_not_teach(spoiled):
    """A category whose labels say nothing is no evidence, and the card counts its cases."""
    model = train(spoiled, rounds=20)
    # The month that had hardly begun is not judged yet.
    assert model.evidence_.get(SPOILED, 0) <= 5
    grades = model.card["label_trust"]
    eligible = spoiled.outcome.known_before(spoiled.as_of)
    matured = (spoiled.cases["category"] == SPOILED).to_numpy() & eligible
    assert grades["D"] >= 0.8 * matured.sum() > 50
    assert sum(grades.values()) == eligible.sum()
    everything = train(rebuilt(spoiled.events, spoiled, believe="all"), rounds=20)
    assert everything.evidence_[SPOILED] == matured.sum()
    assert "label_trust" not in everything.card


def test_a_backtest_tells_all_and_trusted_cases(spoiled):
    """The figures of all test cases, those of grades A and B beside them, and how many there are of each grade."""
    found = backtest(spoiled, share=0.7, rounds=30)
    told = found.as_dict()
    assert told["trusted"]["n"] == told["label_trust"]["test"]["A"] + told["label_trust"]["test"]["B"]
    assert told["trusted"]["n"] < told["n_test"] == sum(told["label_trust"]["test"].values())
    assert sum(told["label_trust"]["train"].values()) == told["n_train"]
    plain = backtest(rebuilt(spoiled.events, spoiled, believe="all"), share=0.7, rounds=30)
    assert plain.trusted is None
    assert plain.as_dict()["label_trust"] == {}


def test_on_a_clean_city_nothing_changes_materially(small_history):
    """Ranking and calibration with and without grades differ by less than chance makes them."""
    graded = backtest(small_history, share=0.7, rounds=60).model
    every = backtest(rebuilt(small_history.events, small_history, believe="all"), share=0.7, rounds=60).model
    assert graded.auc == pytest.approx(every.auc, abs=0.005)
    assert graded.brier == pytest.approx(every.brier, abs=0.002)


@pytest.mark.parametrize("share", [0.35, 0.6, 0.85])
def test_grades_at_a_cut_use_nothing_known_later(spoiled, share):
    """Whatever is done to the record after the cut, the weights at the cut are the same numbers."""
    cut = int(np.quantile(spoiled.cases["opened_at"], share))
    later = spoiled.events["known_at"] >= cut
    kept = ~later | (np.arange(len(later)) % 2 == 0) | (spoiled.events["kind"] == "opened")
    changed = spoiled.events[kept].copy()
    closings = (changed["kind"] == "closed") & (changed["known_at"] >= cut)
    changed.loc[closings, ["at", "known_at"]] = cut + 3600
    then = rebuilt(changed, spoiled).trust_at(cut)
    now = spoiled.trust_at(cut)
    pd.testing.assert_frame_equal(now.cells, then.cells)
    assert now.findings == then.findings
    cases = spoiled.cases[spoiled.cases["opened_known_at"] < cut]
    assert now.weight_of(cases).equals(then.weight_of(cases))


def test_the_model_of_a_cut_is_the_model_that_the_office_would_have_had(spoiled):
    """With grades, too: training at a cut gives the file that a record ending there gives."""
    cut = int(np.quantile(spoiled.cases["opened_at"], 0.6))
    known = known_before(spoiled.events, cut)
    then = History.build(
        known,
        as_of=cut,
        time_zone=spoiled.time_zone,
        known_at_opening=("category", "category_group", "area", "channel", "office"),
    )
    made_then, made_now = train(then, rounds=30), train(spoiled, cut=cut, rounds=30)
    assert made_now.card == made_then.card
    assert made_now.to_files() == made_then.to_files()


def test_the_card_of_a_stored_model_has_the_grades(small_city_url, tmp_path):
    """They are saved beside what the model was trained on."""
    from models.registry import Registry

    with Store.open(small_city_url) as store:
        version, _model = train_model(store, Registry(tmp_path), history_of(store))
    card = RiskModel.from_files(Registry(tmp_path).load(version).files).card
    assert list(card["label_trust"]) == ["A", "B", "C", "D"]
    assert "trained_before" in card
