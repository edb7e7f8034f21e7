"""Random intercepts: the newest outcomes of a group move its log-odds, and nothing else does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import expit, logit

from data.errors import ModelError
from models.risk_model import RiskModel
from models.risk_model.intercepts import _HALF_LIFE, _SHARED_LUCK, SPREAD, WEEK, Outcomes

DAY = 86_400
NOW = 400 * DAY


def outcomes(n: int, shift: dict[int, float], *, groups: int = 6, level: float = 0.0, seed: int = 1) -> Outcomes:
    """Rows of the last 60 days, in groups that depart from what was told by `shift`."""
    rng = np.random.default_rng(seed)
    group = rng.integers(0, groups, n)
    score = rng.normal(-1, 1, n)
    moved = score + level + np.array([shift.get(code, 0.0) for code in range(groups)])[group]
    outcome = (rng.random(n) < expit(moved)).astype(float)
    at = NOW - rng.integers(10, 60, n) * DAY
    return Outcomes(score, outcome, np.ones(n), at, at + 5 * DAY, np.arange(n), group)


def test_the_intercept_of_a_group_that_departs_is_found_and_the_others_stay():
    """With thousands of cases it is nearly what was planted."""
    found = outcomes(20_000, {2: 1.2}).intercepts(6, NOW)
    assert found[2] == pytest.approx(1.2, abs=0.2)
    assert np.abs(np.delete(found, 2)).max() < 0.2


def test_what_all_groups_err_by_is_thrown_away():
    """A hard month for all moves none of them."""
    found = outcomes(20_000, {}, level=1.0).intercepts(6, NOW)
    assert np.abs(found).max() < 0.2


def test_it_is_the_mode_of_the_penalised_likelihood():
    """Against a general optimiser, and less the median group's."""
    rows = outcomes(300, {0: 1.0, 4: -1.0})
    weight = 0.5 ** ((NOW - rows.known_at) / (_HALF_LIFE * DAY)) / _SHARED_LUCK

    def loss(theta):
        eta = rows.score + theta[0] + theta[1:][rows.group]
        return (weight * (np.logaddexp(0, eta) - rows.outcome * eta)).sum() + (theta[1:] ** 2).sum() / SPREAD**2 / 2

    expected = minimize(loss, np.zeros(7), tol=1e-12).x[1:]
    np.testing.assert_allclose(rows.intercepts(6, NOW), expected - np.median(expected), atol=1e-4)


def test_rows_of_one_case_count_as_one_and_what_nobody_believes_not_at_all():
    """Landmarks of a case share its fate."""
    rows = outcomes(200, {1: 2.0})
    twice = Outcomes(*(np.tile(getattr(rows, name), 2) for name in rows.__dataclass_fields__))
    np.testing.assert_allclose(twice.intercepts(6, NOW), rows.intercepts(6, NOW), atol=1e-9)
    nobody = replace(rows, weight=np.zeros(200))
    assert (nobody.intercepts(6, NOW) == 0).all()


def test_what_is_old_counts_less():
    """The same outcomes a year ago hardly move an intercept."""
    rows = outcomes(2_000, {3: 1.5})
    assert abs(rows.intercepts(6, NOW + 365 * DAY)[3]) < 0.05 < rows.intercepts(6, NOW)[3]


def test_groups_without_rows_or_names_have_none():
    """Nothing known gives nought, and so does a row of no group."""
    rows = outcomes(100, {})
    assert (rows.intercepts(8, NOW)[6:] == 0).all()
    assert (rows.intercepts(6, 0) == 0).all()
    nowhere = replace(rows, group=np.full(100, -1))
    assert (nowhere.intercepts(6, NOW) == 0).all()
    np.testing.assert_array_equal(nowhere.followed(6), nowhere.score)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 60))
def test_no_score_sees_an_outcome_that_was_not_known_when_its_week_began(seed, days):
    """Whatever comes later is turned round: what had been told before stays, to the bit."""
    rows = outcomes(80, {0: 1.0}, seed=seed)
    cut = NOW - days * DAY
    later = rows.known_at >= cut
    turned = replace(rows, outcome=np.where(later, 1 - rows.outcome, rows.outcome))
    before = rows.at // WEEK * WEEK <= cut
    np.testing.assert_array_equal(rows.followed(6)[before], turned.followed(6)[before])
    np.testing.assert_array_equal(rows.intercepts(6, cut), turned.intercepts(6, cut))


def city(n: int = 6_000, *, days: int = 400, fails: float = 2.0) -> tuple[pd.DataFrame, np.ndarray, dict]:
    """Offices that were alike until one began to fail fifty days before the end; no feature says so."""
    rng = np.random.default_rng(5)
    at = np.sort(rng.integers(0, days, n)) * DAY
    office = rng.choice(["a", "b", "c", "d"], n)
    load = rng.normal(0, 1, n)
    score = -1 + 0.8 * load + fails * ((office == "c") & (at > (days - 50) * DAY))
    table = pd.DataFrame({"load": load, "more": rng.normal(0, 1, n), "intercept:office": office})
    y = (rng.random(n) < expit(score)).astype(int)
    return table, y, {"at": at, "matures_at": at + 7 * DAY}


def made(**given) -> RiskModel:
    usual = {"intercept_by": "intercept:office", "intercept_under": "load", "rounds": 30, "num_leaves": 4}
    return RiskModel(**{**usual, **given})


def test_a_model_tells_of_the_office_that_began_to_fail():
    """Without intercepts it is told as it always was; with them the newest cases move it, and no other office."""
    table, y, when = city()
    model = made().fit(table, y, **when)
    found = dict(zip(model.columns_.levels["intercept:office"], model.intercepts_, strict=True))
    assert found["c"] > 0.7
    assert max(abs(found[name]) for name in "abd") < found["c"] / 2
    newest = (table["intercept:office"] == "c").to_numpy() & (when["at"] > 385 * DAY)
    plain = RiskModel(rounds=30, num_leaves=4).fit(table[["load", "more"]], y, **when)
    gap = y[newest].mean() - model.predict_proba(table[newest])[:, 1].mean()
    assert abs(gap) < abs(y[newest].mean() - plain.predict_proba(table.loc[newest, ["load", "more"]])[:, 1].mean()) / 2


def test_scores_differ_by_the_intercept_alone_and_reasons_still_sum():
    """A group never seen, and one that is not told, have none."""
    table, y, when = city(3_000)
    model = made().fit(table, y, **when)
    some = table.head(50)
    levels = model.columns_.levels["intercept:office"]
    scores = {name: model.decision_function(some.assign(**{"intercept:office": name})) for name in (*levels, "new")}
    nowhere = model.decision_function(some.assign(**{"intercept:office": pd.Series([None] * 50, dtype="str")}))
    np.testing.assert_array_equal(nowhere, scores["new"])
    for name, own in zip(levels, model.intercepts_, strict=True):
        np.testing.assert_allclose(scores[name] - scores["new"], own, atol=1e-12)
    told = model.explain(some)
    np.testing.assert_allclose(told.base + told.points.sum(axis=1), told.probability, atol=1e-12)
    np.testing.assert_array_equal(told.probability, model.predict_proba(some)[:, 1])
    assert "intercept:office" not in told.points
    hidden = made(intercept_under=None).fit(table, y, **when).explain(some)
    np.testing.assert_allclose(hidden.base + hidden.points.sum(axis=1), hidden.probability, atol=1e-12)


def test_a_short_history_or_one_without_moments_has_no_intercepts():
    """What a provisional model of a few weeks errs by is no sign of an office."""
    table, y, when = city(3_000, days=120)
    assert (made().fit(table, y, **when).intercepts_ == 0).all()
    assert (made().fit(table, y).intercepts_ == 0).all()
    assert RiskModel(rounds=5).fit(table[["load"]], y).intercepts_ is None


def test_intercepts_are_kept_in_files_and_damaged_ones_refused():
    """To the bit; and with one too few, or a number that is none, the file is damaged."""
    table, y, when = city(2_500)
    model = made().fit(table, y, **when)
    files = model.to_files()
    back = RiskModel.from_files(files)
    np.testing.assert_array_equal(back.decision_function(table), model.decision_function(table))
    assert back.to_files() == files
    text = files["model.json"].decode()
    start = text.index('"intercepts": [')
    end = text.index("]", start) + 1
    for damage in ('"intercepts": [0.0]', '"intercepts": null', '"intercepts": [0.0, 0.0, "x", 0.0]'):
        with pytest.raises(ModelError):
            RiskModel.from_files({**files, "model.json": (text[:start] + damage + text[end:]).encode()})


def test_retraining_gives_the_same_bits():
    """Whatever the order of the groups' names in a table's categories."""
    table, y, when = city(2_500)
    other = table.assign(**{"intercept:office": pd.Categorical(table["intercept:office"], list("dcba"))})
    assert made().fit(table, y, **when).to_files() == made().fit(other, y, **when).to_files()


def test_a_calm_city_has_hardly_any():
    """Four offices of which none departs: no intercept is worth a word."""
    table, y, when = city(fails=0.0)
    model = made().fit(table, y, **when)
    assert np.abs(model.intercepts_).max() < 0.3
    assert logit(0.5 + 0.075) > 0.3  # that is, under eight cases of a hundred
