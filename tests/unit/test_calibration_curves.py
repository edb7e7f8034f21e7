"""Every calibrator by hand-worked values, against its reference, and through JSON."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pytest
from scipy.special import expit, logit
from sklearn.isotonic import IsotonicRegression

from data.errors import ModelError, UsageError
from models.calibration import (
    Band,
    Beta,
    Calibration,
    Calibrator,
    Identity,
    Isotonic,
    VennAbers,
    calibrator_from_dict,
    choose_calibration,
)
from models.calibration.blocks import Blocks

METHODS = ["identity", "cautious_platt", "platt", "beta", "isotonic", "venn_abers"]


def _sample(n: int, seed: int = 3, slope: float = 0.7, level: float = -0.3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    score = rng.normal(-1, 1.2, n)
    return score, (rng.random(n) < expit(level + slope * score)).astype(float)


def _mapie(score: np.ndarray, outcome: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """(n, 3): p0, p1 and the merged probability of MAPIE's inductive Venn-Abers."""
    with warnings.catch_warnings():
        # MAPIE divides nothing by nothing on purpose.
        warnings.simplefilter("ignore")
        from mapie.calibration import VennAbers as Reference

        reference = Reference()
        p = expit(score)
        reference.fit(np.column_stack((1 - p, p)), outcome)
        told, both = reference.predict_proba(np.column_stack((1 - expit(asked), expit(asked))))
    return np.column_stack((both, told[:, 1]))


@pytest.mark.parametrize(("n", "digits"), [(30, 9), (400, 9), (400, 1), (5_000, 9)])
def test_venn_abers_is_mapies_to_twelve_digits(n, digits):
    """p0, p1 and what is told agree with MAPIE wherever a score is not above all that were seen."""
    score, outcome = _sample(n)
    score = np.round(score, digits)
    asked = np.append(score, np.random.default_rng(1).uniform(score.min() - 1, score.max(), 500))
    fitted = VennAbers.fit(score, outcome)
    mine = np.column_stack((*fitted.both(asked), fitted.probability(asked)))
    np.testing.assert_allclose(mine, _mapie(score, outcome, asked), rtol=0, atol=1e-12)


@pytest.mark.parametrize("seed", range(20))
def test_venn_abers_is_two_isotonic_fits_with_the_case_added(seed):
    """By definition: p0 and p1 are isotonic fits to all cases and the one at hand, labelled 0 and 1."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 25))
    score = np.round(rng.normal(0, 1, n), int(rng.integers(0, 3)))
    outcome = (rng.random(n) < expit(score)).astype(float)
    weight = rng.uniform(0.2, 3, n)
    asked = np.concatenate((score, rng.normal(0, 1.5, 8), [-9.0, 9.0]))
    both = VennAbers.fit(score, outcome, weight=weight).both(asked)
    for label, told in enumerate(both):
        for one, value in zip(asked, told, strict=True):
            refitted = IsotonicRegression().fit(
                np.append(score, one), np.append(outcome, label), sample_weight=np.append(weight, 1.0)
            )
            assert value == pytest.approx(refitted.predict([one])[0], abs=1e-12)


def test_venn_abers_of_one_case_by_hand():
    """One failure at score 0: a case above has p0 = 1/2, p1 = 1, so 2/3 is told; one below has 0 and 1, so 1/2."""
    fitted = VennAbers.fit(np.array([0.0]), np.array([1.0]))
    assert fitted.both(np.array([1.0]))[0].tolist() == [0.5]
    assert fitted.probability(np.array([1.0, -1.0])) == pytest.approx([2 / 3, 1 / 2])


def test_isotonic_by_hand():
    """0 1 0 1 at scores 1 2 3 4: the middle two are pooled at 1/2, the ends are told as 1/4 and 3/4."""
    fitted = Isotonic.fit(np.array([1.0, 2.0, 3.0, 4.0]), np.array([0.0, 1.0, 0.0, 1.0]))
    assert fitted.probability(np.array([0.0, 1.0, 2.5, 4.0, 9.0])) == pytest.approx([0.25, 0.25, 0.5, 0.75, 0.75])


def test_beta_with_equal_slopes_is_platt():
    """Log-odds: level + b·log p - b·log(1-p) is level + b·score."""
    score = np.linspace(-30, 30, 101)
    same = Calibration(slope=0.8, intercept=-0.4).probability(score)
    assert Beta(below=0.8, above=0.8, level=-0.4).probability(score) == pytest.approx(same, abs=1e-15)


def test_beta_finds_its_own_curve():
    """Scores whose log-odds are bent as beta calibration bends them are straightened."""
    rng = np.random.default_rng(5)
    score = rng.normal(0, 1.5, 100_000)
    truth = Beta(below=1.4, above=0.6, level=0.3)
    outcome = (rng.random(len(score)) < truth.probability(score)).astype(float)
    found = Beta.fit(score, outcome)
    assert (found.below, found.above, found.level) == pytest.approx((1.4, 0.6, 0.3), abs=0.06)


def test_weights_count_as_copies():
    """A case of weight 2 is two cases, for every curve."""
    score, outcome = _sample(600)
    weight = np.random.default_rng(2).integers(1, 4, len(score)).astype(float)
    copies = np.repeat(np.arange(len(score)), weight.astype(int))
    asked = np.linspace(-5, 4, 50)
    for kind in (Calibration, Beta, Isotonic):
        weighted = kind.fit(score, outcome, weight=weight).probability(asked)
        assert weighted == pytest.approx(kind.fit(score[copies], outcome[copies]).probability(asked), abs=1e-5)
    weighted = VennAbers.fit(score, outcome, weight=weight).probability(asked)
    assert weighted == pytest.approx(VennAbers.fit(score[copies], outcome[copies]).probability(asked), abs=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_a_calibrator_survives_json_to_the_bit(method):
    """What is written is what is read: equal, and telling the same bits."""
    score, outcome = _sample(800)
    fitted = choose_calibration(score, outcome, method=method)
    again = calibrator_from_dict(json.loads(json.dumps(fitted.as_dict())))
    asked = np.linspace(-8, 8, 200)
    assert isinstance(again, Calibrator)
    assert again == fitted
    assert (again.probability(asked) == fitted.probability(asked)).all()
    for mine, read in zip(fitted.interval(asked, 0.8), again.interval(asked, 0.8), strict=True):
        assert (mine == read).all()


def test_the_numbers_of_earlier_versions_are_platts():
    """A dictionary without a name is read as before."""
    assert calibrator_from_dict({"slope": 0.9, "intercept": -0.1, "n": 12}) == Calibration(0.9, -0.1, 12)


def test_a_damaged_description_is_refused():
    """Unknown names, missing numbers and curves that fall say what to do."""
    with pytest.raises(ModelError, match="Expected a calibration named one of identity, platt"):
        calibrator_from_dict({"name": "spline"})
    with pytest.raises(ModelError, match="some are missing or no numbers"):
        calibrator_from_dict({"name": "beta", "below": 1})
    with pytest.raises(ModelError, match="never fall over scores that rise"):
        calibrator_from_dict({"name": "isotonic", "at": [0, 1], "value": [0.6, 0.4], "n": 3})
    with pytest.raises(ModelError, match="never fall over scores that rise"):
        calibrator_from_dict(
            {"name": "venn_abers", "at0": [], "value0": [0.2], "at1": [1.0], "value1": [0.9, 0.3], "n": 3}
        )


def test_an_interval_needs_a_band_and_a_level():
    """Without either it is refused, with what to do."""
    with pytest.raises(ModelError, match="Fit it with `choose_calibration`"):
        Calibration().interval(np.zeros(1), 0.8)
    with pytest.raises(UsageError, match="a level between 0 and 1"):
        choose_calibration(np.zeros(0), np.zeros(0)).interval(np.zeros(1), 80)


def test_without_a_single_case_the_interval_says_so():
    """Nothing has tested the scores: at 95 % a risk of one half may be anything from 15 to 85 %."""
    fitted = choose_calibration(np.zeros(0), np.zeros(0))
    lower, upper = fitted.interval(np.zeros(1), 0.95)
    assert isinstance(fitted, Identity)
    assert lower[0] < 0.15
    assert upper[0] > 0.85


def test_a_band_of_many_equal_scores_is_the_share_of_failures():
    """10,000 cases of one score, 2,000 failed: centre logit 1/5, spread about 1 / sqrt(n p q)."""
    outcome = np.zeros(10_000)
    outcome[:2_000] = 1
    band = Band.fit(np.full(10_000, -1.0), outcome, np.ones(10_000), None)
    lower, upper = band.limits(np.array([-1.0]), 0.95)
    assert (lower[0] + upper[0]) / 2 == pytest.approx(logit(0.2), abs=0.01)
    assert upper[0] - lower[0] == pytest.approx(2 * 1.96 / np.sqrt(10_000 * 0.2 * 0.8), rel=0.05)


def test_weeks_that_share_their_luck_widen_the_band():
    """Ten copies of every outcome in a week are no more evidence than one: the band sees through them."""
    score, outcome = _sample(400)
    week = np.arange(400) // 4
    single = Band.fit(score, outcome, np.ones(400), Blocks(week, 100, in_time=False))
    score, outcome, week = (np.repeat(values, 10) for values in (score, outcome, week))
    copied = Band.fit(score, outcome, np.ones(4_000), Blocks(week, 100, in_time=False))
    asked = np.linspace(-2.5, 0.5, 20)
    wide, narrow = (np.subtract(*reversed(band.limits(asked, 0.8))) for band in (single, copied))
    assert narrow == pytest.approx(wide, rel=0.3)
