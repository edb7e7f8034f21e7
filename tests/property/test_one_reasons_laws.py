"""The reasons of one case are those of many: the same parts in the same order, and the same words."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from features.one_case import OneCase
from models.failures import ANY
from models.one_reasons import OneReasons, _Terms
from models.one_risk import OneTelling
from models.reasons import facts_told, stored_reasons
from models.reasons.stored import facts_of_one, stored_reasons_of_one
from models.risk_model.linear import Linear, Term
from service.online.posted import states_of
from service.online.scorer import StoppedError
from service.risk_payloads import PostedCase
from tests.support.online_city import shared_city

QUICKLY = settings(max_examples=6, deadline=None, phases=[Phase.explicit, Phase.generate])
DAY = 86_400


@pytest.fixture(scope="module")
def scorer():
    return shared_city().scorer()


@pytest.fixture(scope="module")
def posted() -> list[PostedCase]:
    return [PostedCase.model_validate(case) for case in shared_city().posted().values()]


def open_cases(posted: list[PostedCase], at: int, seed: int) -> list[OneCase]:
    """Twelve open cases, some of a type and an office that nobody has seen, some without any."""
    rng = np.random.default_rng(seed)
    begun = [case for case in posted if min(event.at.timestamp() for event in case.events) < at]
    found = [state for state in states_of(begun, at) if state.is_open]
    chosen = [found[place] for place in rng.choice(len(found), 12, replace=False)]
    chosen[0].category, chosen[1].category, chosen[2].office = "never seen", None, "O-none"
    return chosen


@QUICKLY
@given(seed=st.integers(0, 999), hours=st.integers(-48, 24))
def test_the_reasons_of_one_case_are_those_of_many(scorer, posted, seed, hours):
    """Of every outcome and of any failure: to the twelfth digit, and what is told of them to the letter."""
    at = scorer.as_of + 3_600 * hours
    cases = open_cases(posted, at, seed)
    inputs, told = scorer._told_of_many(cases, at)
    one = OneReasons(scorer.models, OneTelling(scorer.models, scorer._plan.parts))
    compared = 0
    for outcome, risk in told.items():
        asked = np.flatnonzero(~np.isnan(risk.probability))
        some = inputs.rows(asked)
        many = scorer.models.explain(some, outcome)
        starts = some.starts if outcome == ANY else {outcome: some.starts[outcome]}
        texts = stored_reasons(many, some.matrix, starts=starts)
        facts = facts_told(some.matrix, starts=starts)
        for row, place in enumerate(asked.tolist()):
            possible = [name for name in scorer.models.outcomes if not np.isnan(told[name].probability[place])]
            alone = scorer._plan.inputs(cases[place], at)
            keys = cases[place].category or "", cases[place].office
            found = one.explain(alone, *keys, possible, [outcome])
            assert list(found) == [outcome]
            parts = found[outcome]
            assert parts.names == tuple(many.points.columns)
            np.testing.assert_allclose(parts.points, many.points.to_numpy()[row], rtol=0, atol=1e-12)
            np.testing.assert_allclose(parts.base, many.base[row], rtol=0, atol=1e-12)
            np.testing.assert_allclose(parts.base + parts.points.sum(), parts.probability, rtol=0, atol=1e-12)
            own = {name: float(value) for name, value in facts.iloc[row].items()}
            city, passed = own.pop("city"), own.pop("time_waited")
            asked_of = list(alone.starts.values()) if outcome == ANY else [alone.starts[outcome]]
            features = dict(zip(scorer.models.features, alone.row.tolist(), strict=True))
            known = facts_of_one(features, city, passed, asked_of)
            assert stored_reasons_of_one(parts.names, parts.base, parts.points, known) == texts[row]
            compared += 1
    assert compared > 20


@QUICKLY
@given(seed=st.integers(0, 999))
def test_a_few_cases_are_told_as_many_are(scorer, posted, seed):
    """Twelve go through tables, one by one they do not; every figure and every word is the same, the waits too."""
    cases = open_cases(posted, scorer.as_of, seed)
    together = scorer.many(cases, scorer.as_of, reasons=True, remaining=True)
    for case, told in zip(cases, together, strict=True):
        assert scorer.many([case], scorer.as_of, reasons=True, remaining=True) == [told]
        assert scorer.many([case], scorer.as_of, {ANY}, reasons=True) == [
            told._replace(risks=tuple(risk for risk in told.risks if risk.outcome == ANY), remaining=None)
        ]


def test_a_few_cases_are_left_when_nobody_waits(scorer, posted):
    cases = open_cases(posted, scorer.as_of, 0)[:2]
    with pytest.raises(StoppedError):
        scorer.many(cases, scorer.as_of, reasons=True, stopped=lambda: True)


@pytest.mark.parametrize("seed", range(5))
def test_terms_side_by_side_are_the_linear_part(seed):
    """Of every kind, several of one feature, with nulls and with numbers far out."""
    rng = np.random.default_rng(seed)
    kinds = rng.choice(["number", "log", "missing", "level"], 40)
    terms = tuple(
        Term(int(place), str(kind), 0.0 if kind == "level" else float(mean), float(scale), 2.0, float(weight))
        for place, kind, mean, scale, weight in zip(
            rng.integers(0, 9, 40),
            kinds,
            rng.normal(0, 1, 40),
            rng.integers(1, 4, 40),
            rng.normal(0, 1, 40),
            strict=True,
        )
    )
    linear = Linear(terms, 0.3)
    for _ in range(50):
        row = rng.choice([0.0, 1.0, 2.0, 3.0, -1e9, 1e9, np.nan, *rng.normal(0, 3, 5)], 9)
        found = _Terms(linear).parts(row)
        assert found.values.tolist() == linear.parts(row[None, :])[0].tolist()
        assert found.total == linear.score(row[None, :])[0]
