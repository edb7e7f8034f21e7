"""A case that is posted is told the very risks that a scoring stores of it: the same bits, from the same index."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from data.store import Store
from data.synthetic import CityPlan
from models.calibration import choose_calibration
from service.known import Known
from service.online.posted import seconds_of, states_of
from service.online.saved_index import About, newest_index, open_index, save_index
from service.online.scorer import CaseTold, Scorer
from service.risk_payloads import PostedCase
from service.routers.risk import read
from service.scoring import _index
from tests.support.online_city import OnlineCity, make_city

pytestmark = pytest.mark.slow
DAY = 86_400


@pytest.fixture(scope="module")
def city(tmp_path_factory) -> OnlineCity:
    return make_city(tmp_path_factory.mktemp("agrees"), CityPlan(cases=4000, villages=12, towns=3), rounds=60)


@pytest.fixture(scope="module")
def stored(city) -> pd.DataFrame:
    risks = city.risks()
    assert risks["as_of"].eq(city.as_of).all()
    return risks


@pytest.fixture(scope="module")
def posted(city, stored) -> dict[str, PostedCase]:
    """Every scored case, with all its events: also those that became known after the scoring."""
    every = city.posted()
    ids = list(dict.fromkeys(stored["case_id"]))
    asked = read(json.dumps({"cases": [every[case_id] for case_id in ids]}).encode())
    return dict(zip(ids, asked.cases, strict=True))


def rows_of(told: dict[str, CaseTold]) -> pd.DataFrame:
    rows = [
        (case_id, risk.outcome, risk.probability, risk.lower, risk.upper, risk.band, risk.reasons)
        for case_id, case in told.items()
        for risk in case.risks
    ]
    names = ["case_id", "outcome", "probability", "lower", "upper", "band", "reasons"]
    return pd.DataFrame(rows, columns=names).sort_values(["case_id", "outcome"], ignore_index=True)


def of_store(stored: pd.DataFrame) -> pd.DataFrame:
    return stored.sort_values(["case_id", "outcome"], ignore_index=True)


def assert_same(found: pd.DataFrame, stored: pd.DataFrame, *columns: str) -> None:
    """Not nearly: the same bits."""
    assert found[["case_id", "outcome"]].astype("str").equals(stored[["case_id", "outcome"]].astype("str"))
    for name in columns:
        np.testing.assert_array_equal(found[name].to_numpy(), stored[name].to_numpy(), err_msg=name)


def test_every_open_case_is_told_what_was_stored(city, stored, posted):
    """All at once, with reasons: probability, interval, band and reasons, bit for bit."""
    scorer, cases = city.scorer(), list(posted.values())
    told = scorer.many(states_of(cases, city.as_of), city.as_of, reasons=True)
    found = rows_of(dict(zip(posted, told, strict=True)))
    assert_same(found, of_store(stored), "probability", "lower", "upper", "band", "reasons")
    assert {case.status for case in told} == {"open", "overdue"}


def test_one_case_at_a_time_is_told_the_same(city, stored, posted):
    """By the quick way, without a table; and asked again, from what was kept."""
    scorer = city.scorer()
    for _again in range(2):
        states = zip(posted, states_of(list(posted.values()), city.as_of), strict=True)
        found = rows_of({case_id: scorer.one(state, city.as_of) for case_id, state in states})
        assert_same(found, of_store(stored), "probability", "lower", "upper", "band")


def test_a_few_cases_are_told_the_same_with_reasons(city, stored, posted):
    """One after another, as posts of a few cases are."""
    scorer, ids = city.scorer(), list(posted)[:: max(len(posted) // 40, 1)]
    states = states_of([posted[case_id] for case_id in ids], city.as_of)
    told = {i: scorer.many([state], city.as_of, reasons=True)[0] for i, state in zip(ids, states, strict=True)}
    some = stored[stored["case_id"].isin(ids)]
    assert_same(rows_of(told), of_store(some), "probability", "lower", "upper", "band", "reasons")


def test_remaining_times_are_those_that_were_stored(city, posted):
    """The median and both intervals, in seconds."""
    with Store.open(f"sqlite:///{city.folder / 'city.db'}") as store:
        stored = store.read_remaining_times().set_index("case_id")
    told = city.scorer().many(states_of(list(posted.values()), city.as_of), city.as_of, remaining=True)
    for case_id, case in zip(posted, told, strict=True):
        for name, seconds in (case.remaining or {}).items():
            np.testing.assert_array_equal(seconds, stored.loc[case_id, name], err_msg=name)
    assert all(case.remaining for case in told)


def test_nothing_later_changes_an_answer(city, posted):
    """Events after the moment asked about, of the case or in the index, are as if they were not there."""
    scorer, cases = city.scorer(), list(posted.values())[:200]
    known = [
        PostedCase.model_construct(
            events=[event for event in case.events if seconds_of(event.known_at or event.at) < city.as_of]
        )
        for case in cases
    ]
    assert any(len(one.events) < len(other.events) for one, other in zip(known, cases, strict=True))
    now, cut = (scorer.many(states_of(some, city.as_of), city.as_of) for some in (cases, known))
    assert now == cut


def test_an_earlier_moment_is_answered_as_an_index_of_that_moment_would(city, posted, tmp_path):
    """The city of yesterday from the index of today: features of what was known strictly before the moment."""
    before = city.as_of - DAY
    scorer = city.scorer()
    with Store.open(f"sqlite:///{city.folder / 'city.db'}") as store:
        index = _index(scorer.models, Known.at(store, before))
        save_index(tmp_path, index, About(before, store.time_zone(), (), scorer.version))
    old = Scorer(scorer.version, scorer.models, open_index(tmp_path, str(newest_index(tmp_path))))
    states = [state for state in states_of(_opened_before(posted, before), before) if state.is_open]
    assert len(states) > 50
    assert scorer.many(states, before) == old.many(states, before)
    assert [scorer.one(state, before) for state in states] == scorer.many(states, before)


@pytest.mark.parametrize("calibration", ["platt", "beta", "isotonic", "venn_abers", "identity"])
def test_every_calibration_is_told_alike_one_by_one(city, posted, calibration):
    """Whichever a training chooses; fitted here to made-up outcomes, so that each has something to bend."""
    scorer = city.scorer()
    states = states_of(list(posted.values())[:300], city.as_of)
    rng = np.random.default_rng(5)
    score = rng.normal(-1, 1.5, 4_000)
    outcome = (rng.random(4_000) < 1 / (1 + np.exp(-0.6 * score))).astype(np.float64)
    for model in scorer.models.risks.values():
        model.calibration_ = choose_calibration(score, outcome, method=calibration)
    scorer = Scorer(scorer.version, scorer.models, scorer.saved)
    assert [scorer.one(state, city.as_of) for state in states] == scorer.many(states, city.as_of)


def _opened_before(cases, moment):
    """Those whose opening was known by then."""
    return [
        case
        for case in cases.values()
        if any(event.kind == "opened" and seconds_of(event.known_at or event.at) < moment for event in case.events)
    ]
