"""How far cases of a kind lie from what is told of them is measured, and intervals hold them as often as they say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from models.calibration import Band, calibrator_from_dict, choose_calibration
from models.calibration.heterogeneity import cells_of, heterogeneity

WEEK = 7 * 86_400


def cases(n: int, tau: float, *, kinds: int = 20, weeks: int = 30, landmarks: int = 1, seed: int = 1) -> dict:
    """Cases of kinds in weeks; the true log-odds of a cell lie apart from the score by tau."""
    rng = np.random.default_rng(seed)
    like, week = rng.integers(0, kinds, n), np.sort(rng.integers(0, weeks, n))
    cell = rng.normal(0, tau, (kinds, weeks))
    score = rng.normal(-1, 1.2, n)
    outcome = (rng.random(n) < expit(score + cell[like, week])).astype(float)
    rows = np.repeat(np.arange(n), landmarks)
    return {
        "score": score[rows],
        "outcome": outcome[rows],
        "at": (week * WEEK)[rows],
        "like": like[rows],
        "groups": rows,
        "cells": cell,
    }


def measured(made: dict, **given) -> float:
    made = {**made, **given}
    cell = cells_of(made["like"], made["at"])
    weight = np.ones(len(cell))
    return heterogeneity(expit(made["score"]), made["outcome"], weight, cell, made["groups"])


@pytest.mark.parametrize("tau", [0.3, 0.6, 1.0])
def test_what_was_planted_is_found(tau):
    """Also where they are so large that the log-odds bend."""
    found = np.mean([measured(cases(20_000, tau, seed=seed)) for seed in range(5)])
    assert found == pytest.approx(tau, rel=0.1)


def test_chance_alone_is_not_taken_for_a_difference():
    """Not even where each case stands there three times, with the same fate."""
    for landmarks in (1, 3):
        found = [measured(cases(5_000, 0.0, landmarks=landmarks, seed=seed)) for seed in range(12)]
        assert np.mean(np.square(found)) < 0.02, landmarks


def test_the_estimate_makes_the_pairs_what_they_were_seen_to_be():
    """Against the sum over all pairs of different cases of one cell, written out, and a mean over draws."""
    made = cases(200, 0.8, kinds=3, weeks=4, landmarks=2)
    cell, p = cells_of(made["like"], made["at"]), expit(made["score"])
    paired = (cell[:, None] == cell[None, :]) & (made["groups"][:, None] != made["groups"][None, :])

    def pairs(values: np.ndarray) -> float:
        return float(np.outer(values, values)[paired].sum())

    draws = np.random.default_rng(1).normal(0, measured(made), 2_000)
    expected = np.mean([pairs(expit(made["score"] + apart) - p) for apart in draws])
    assert pairs(made["outcome"] - p) == pytest.approx(expected, rel=0.1)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000))
def test_order_and_names_of_cells_do_not_matter(seed):
    """Nor do rows of no known kind, or ones that nobody believes."""
    made, rng = cases(300, 0.7, kinds=4, weeks=5, seed=seed), np.random.default_rng(seed)
    plain = measured(made)
    order = rng.permutation(300)
    moved = {name: made[name][order] for name in ("score", "outcome", "at", "like", "groups")}
    assert measured({**made, **moved, "like": 7 - moved["like"]}) == pytest.approx(plain, abs=1e-9)
    more = {name: np.concatenate((made[name], made[name])) for name in ("score", "at")}
    wrong = np.concatenate((made["outcome"], 1 - made["outcome"]))
    groups = np.arange(600)
    nowhere = np.concatenate((made["like"], np.full(300, -1)))
    assert measured(more, outcome=wrong, like=nowhere, groups=groups) == pytest.approx(plain, abs=1e-9)


def test_without_pairs_there_is_nothing_to_measure():
    """No kinds, one case only, or each in a cell of its own."""
    one = np.zeros(1, dtype=np.int64)
    assert heterogeneity(np.array([0.5]), np.array([1.0]), np.ones(1), one) == 0
    assert heterogeneity(np.full(9, 0.5), np.ones(9), np.ones(9), np.arange(9)) == 0
    assert heterogeneity(np.full(9, 0.5), np.ones(9), np.ones(9), np.full(9, -1)) == 0
    assert heterogeneity(np.empty(0), np.empty(0), np.empty(0), np.empty(0, dtype=np.int64)) == 0


@pytest.mark.parametrize("tau", [0.4, 0.9])
def test_the_interval_holds_the_share_of_a_fresh_cell(tau):
    """Cells of weeks to come, of the same kinds: within two points at both levels."""
    held = {0.8: [], 0.95: []}
    for seed in range(8):
        made = cases(12_000, tau, seed=seed)
        fitted = choose_calibration(
            made["score"], made["outcome"], at=made["at"], groups=made["groups"], like=made["like"], method="identity"
        )
        rng = np.random.default_rng(100 + seed)
        asked = rng.normal(-1, 1, 4_000)
        truth = expit(asked + rng.normal(0, tau, 4_000))
        for level, found in held.items():
            lower, upper = fitted.interval(asked, level)
            found.append(((lower <= truth) & (truth <= upper)).mean())
    assert np.mean(held[0.8]) == pytest.approx(0.8, abs=0.02)
    assert np.mean(held[0.95]) == pytest.approx(0.95, abs=0.02)


def test_without_kinds_the_interval_is_that_of_the_curve():
    """And with them it is never narrower."""
    made = cases(4_000, 0.8)
    given_ = {"at": made["at"], "groups": made["groups"], "method": "identity"}
    plain = choose_calibration(made["score"], made["outcome"], **given_)
    with_kinds = choose_calibration(made["score"], made["outcome"], like=made["like"], **given_)
    assert plain.band.apart == 0 < with_kinds.band.apart
    assert replace(with_kinds.band, apart=0.0) == plain.band
    asked = np.linspace(-4, 3, 50)
    for level in (0.5, 0.8, 0.99):
        (low, high), (lower, upper) = plain.interval(asked, level), with_kinds.interval(asked, level)
        assert (lower <= low).all()
        assert (high <= upper).all()


def test_a_band_of_an_earlier_version_is_read_as_it_was():
    """Its description does not say how far like cases lie apart."""
    made = cases(2_000, 0.8)
    fitted = choose_calibration(made["score"], made["outcome"], at=made["at"], like=made["like"])
    values = fitted.as_dict()
    assert calibrator_from_dict(values) == fitted
    old = {**values, "band": {name: one for name, one in values["band"].items() if name != "apart"}}
    assert calibrator_from_dict(old).band == replace(fitted.band, apart=0.0)
    assert isinstance(Band.from_dict(old["band"]).apart, float)
