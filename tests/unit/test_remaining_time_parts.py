"""The parts of remaining time, by hand: censoring, conformal moves, one curve, words."""

from __future__ import annotations

import numpy as np
import pytest

from data.errors import UsageError
from models.remaining_time import Distribution, coherent, interval_sentence
from models.remaining_time.censoring import masses, quantiles
from models.remaining_time.conformal import mapie_moves, moved, risk_controlled, upward_move
from models.remaining_time.like_cases import LikeCases
from models.remaining_time.rolling import AdaptiveLevels, refit_moments
from models.waiting_words import deadline_sentence, span


def test_kaplan_meier_by_hand() -> None:
    """1, 2+, 3, 4+, 5: jumps of 1/5, 4/15 and 8/15."""
    value = np.array([3.0, 1.0, 2.0, 5.0, 4.0])
    censored = np.array([False, False, True, False, True])
    assert masses(value, censored) == pytest.approx([4 / 15, 1 / 5, 0, 8 / 15, 0])
    assert quantiles(value, masses(value, censored), np.array([0.2, 0.21, 0.9])).tolist() == [1, 3, 5]


def test_a_tie_ends_before_it_is_censored() -> None:
    """Who is censored at a moment outlived who ended at it."""
    assert masses(np.array([1.0, 1.0]), np.array([True, False])) == pytest.approx([0, 0.5])


def test_mapie_moves_are_order_statistics() -> None:
    """With 9 rows and 0.8, the ends move by the largest residuals; by MAPIE and by hand."""
    z = np.arange(9.0)
    down, up = mapie_moves(np.full(9, 4.0), np.full(9, 4.0), np.full(9, 4.0), z, 0.8)
    assert (down, up) == pytest.approx((4, 4), abs=1e-8)
    assert mapie_moves(np.zeros(8), np.zeros(8), np.zeros(8), z[:8], 0.8) == (np.inf, np.inf)


@pytest.mark.parametrize("level", [0.6, 0.9, 0.975])
@pytest.mark.parametrize("m", [5, 40, 200])
def test_one_row_per_case_makes_all_forms_one(level: float, m: int) -> None:
    """Risk control, the censored form and MAPIE agree where nothing is censored and every case has one row."""
    residual = np.random.default_rng(m).normal(size=m)
    zeros = np.zeros(m)
    by_mapie = mapie_moves(zeros, zeros, zeros, residual, 2 * level - 1)[1]
    controlled = risk_controlled(residual, np.arange(m), level)
    assert controlled == pytest.approx(upward_move(residual, np.zeros(m, bool), level))
    assert by_mapie == pytest.approx(controlled, abs=1e-8) or (np.isinf(by_mapie) and m < 2 / (1 - level))


def test_moves_never_bring_an_end_closer() -> None:
    """Crossings are solved outwards from the median."""
    levels = np.array([0.1, 0.25, 0.5, 0.75, 0.9])
    found = moved(np.array([[1.0, 2, 3, 4, 5]]), np.array([2.5, 0.0, 0.0, 3.0, 0.0]), levels)
    assert found.tolist() == [[2.0, 2.0, 3.0, 7.0, 7.0]]


def test_like_cases_by_hand() -> None:
    """Two groups of ten, drawn halfway to the median of all; what is null goes with all."""
    key, z = np.repeat([1.0, 2.0], 10), np.repeat([1.0, 3.0], 10)
    like = LikeCases.fit(key, z, np.zeros(20, bool), np.ones(20), np.array([0.5]))
    assert like.predict(np.array([1.0, 2.0, np.nan])).ravel().tolist() == [1.0, 2.0, 1.0]


def test_a_censored_row_goes_where_those_that_lasted_longer_went() -> None:
    """Of 1, 2, 3, 4 and one censored at 2, the rest of the last lies at 3 or 4."""
    z, censored = np.array([1.0, 2.0, 3.0, 4.0, 2.0]), np.array([False] * 4 + [True])
    like = LikeCases.fit(np.zeros(5), z, censored, np.ones(5), np.array([0.5]))
    assert like.beyond(np.zeros(5), z, censored, np.ones(5), np.array([0.25, 0.75])).tolist() == [[3.0, 4.0]]


def curve() -> Distribution:
    """One row with quantiles of 1, 2 and 4 hours at 0.25, 0.5 and 0.75."""
    return Distribution(np.array([0.25, 0.5, 0.75]), np.log1p(np.array([[1.0, 2.0, 4.0]])), 3600.0)


def test_curve_by_hand() -> None:
    """Knots are met, the curve is straight between them in log(1 + hours), and half the first level lies half way."""
    hours = curve().quantile([0.125, 0.25, 0.5, 0.75])[0] / 3600
    assert hours == pytest.approx([np.sqrt(2) - 1, 1, 2, 4])
    assert curve().cdf(-1.0).tolist() == [0]
    assert np.isnan(curve().cdf(np.nan)).all()


def test_warp_by_hand() -> None:
    """A risk of 0.75 at the median: what was the median is the lower quartile, and each side keeps its shape."""
    bent = coherent(curve(), np.array([7200.0]), np.array([0.75]))
    assert bent.survival(7200.0) == pytest.approx([0.75])
    assert bent.quantile([0.125, 0.25, 0.625])[0] / 3600 == pytest.approx([1, 2, 4])


@pytest.mark.parametrize("due", [np.nan, 0.0, -5.0])
def test_no_deadline_ahead_changes_nothing(due: float) -> None:
    """Without a deadline ahead there is no late risk to agree with."""
    bent = coherent(curve(), np.array([due]), np.array([0.9]))
    assert bent.quantile([0.1, 0.5])[0].tolist() == curve().quantile([0.1, 0.5])[0].tolist()


def test_coherence_refuses_what_is_no_risk() -> None:
    """A risk outside [0, 1], or too few of them, is a mistake of the caller."""
    with pytest.raises(UsageError, match="between 0 and 1"):
        coherent(curve(), np.array([10.0]), np.array([1.5]))
    with pytest.raises(UsageError, match="one for each row"):
        coherent(curve(), np.array([10.0, 20.0]), np.array([0.5, 0.5]))
    with pytest.raises(UsageError, match="levels between 0 and 1"):
        curve().quantile([1.0])


def test_adaptive_levels_by_hand() -> None:
    """A miss is known when the interval is over, not when the case ends; a hit when it ends."""
    two = Distribution(np.array([0.1, 0.5, 0.9]), np.log1p(np.tile([1.0, 2.0, 4.0], (4, 1))), 3600.0)
    hour = 3600
    at = np.array([0, 3 * hour, 5 * hour, 30 * hour])
    y = np.array([20.0, 1.5, 2.0, 2.0]) * hour
    asked = AdaptiveLevels(0.8, step=0.1).intervals(two, y, at, at + y.astype(int))[2]
    # By 5 h: the second has just ended, a hit (-0.02), and the first is known to be missed since 4 h (+0.08).
    assert asked == pytest.approx([0.8, 0.8, 0.86, 0.84])


def test_blocks_of_time() -> None:
    """Moments part the landmarks evenly, and the first is the first landmark."""
    assert refit_moments(np.arange(10), 2).tolist() == [0, 4]
    with pytest.raises(UsageError, match="at least one block"):
        refit_moments(np.arange(3), 0)


@pytest.mark.parametrize(
    ("lower", "upper", "options", "sentence"),
    [
        (3.0, 8.2, {"unit": "working_days"}, "most likely answered within 3 to 9 working days"),
        (3.0, 8.2, {"language": "zh"}, "多半在3至9天内办结"),
        (0.5, 8.2, {"language": "zh", "unit": "working_days", "level": 0.95}, "几乎肯定在9个工作日内办结"),
        (0.0, 0.04, {}, "most likely answered within 1 hour"),
        (0.5, 1.5, {}, "most likely answered within 12 to 36 hours"),
        (0.5, 1.5, {"unit": "days", "level": 0.95}, "almost certainly answered within 2 days"),
    ],
)
def test_sentences(lower: float, upper: float, options: dict[str, str], sentence: str) -> None:
    """An interval is said in whole units, rounded outwards."""
    assert interval_sentence(lower * 86400, upper * 86400, **options) == sentence


def test_sentences_refuse_what_has_no_words() -> None:
    """There are words for 0.8 and 0.95, for two languages, and for finite intervals."""
    with pytest.raises(UsageError, match="no words"):
        interval_sentence(0, 1, level=0.7)
    with pytest.raises(UsageError, match="both finite"):
        span(0.0, np.inf)
    with pytest.raises(UsageError, match="late risk"):
        deadline_sentence(1.2)
    assert deadline_sentence(0.38, "zh") == "类似的100件中约有62件能按期办结"
