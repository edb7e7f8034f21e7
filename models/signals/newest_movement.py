"""How each category moves in the newest weeks outside the series that is judged, whatever a few series do.

Two ways of a category are weighed against each other:

- It may do anything: be rolled out, renamed, counted twice. Then the other areas' cases say how it moves, each series
  up to a cap, shrunken a little towards the movement of everything else.
- It may move as little as it always has (`models.signals.restlessness`). Then that is known better than any one week
  can tell, and the other areas' cases are needed for the little that is left. Here a series that lies far above its
  level is left out, and what the others should have is reduced by just what such a limit takes away from calm ones (a
  redescending estimator, Hampel 1974, J. Am. Statist. Assoc. 69:383, made unbiased at its own model): one rise of three
  cases among forty thin series would otherwise look like a category that has doubled, and hide itself and others.

Which it is, the other areas say, by how well either explains them.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import special

from models.signals.baseline import Baseline, Level, typical_dispersion
from models.signals.restlessness import Restlessness
from models.signals.siblings import MOVEMENT_SHAPE, Cross, Movement, capped, movement

Floats = NDArray[np.float64]

# The siblings' own disagreement about the newest weeks counts against its usual size as if that came from ten of them.
_DISAGREEMENT_WEIGHT: Final = 10.0
# A sibling is left out from its expectation plus so many standard deviations and cases on; never for a single case.
_FAR_DEVIATIONS: Final = 2.5
_FAR_CASES: Final = 1.0
# What is thought before the other areas are seen: in so many of its periods a category may do anything.
_ANYTHING: Final = 0.1
# Where series with more than this share of a category's cases are left out, it is no matter of a few series any more.
_MOST_LEFT_OUT: Final = 0.05
# Below this ratio of variance to mean a negative binomial is taken to vary this much: its size would run away.
_ALMOST_POISSON: Final = 1.001


def newest_movement(
    observed: Floats, usual: Floats, baseline: Baseline, cross: Cross, level: Level, restlessness: Restlessness
) -> Movement:
    """Movement over the newest weeks; less certain the more the other areas disagree about it. All (n_series,).

    Parameters
    ----------
    observed, usual : cases of the window, and what is usual; 0 for series that are not to count
    restlessness : how far categories usually move over as many weeks
    """
    typical = typical_dispersion(level.ratio(np.zeros_like(usual)), usual)
    capped_at = capped(observed, usual, cross, baseline.total, dispersion=typical)
    first = movement(capped_at, usual, cross, dispersion=typical, past=baseline.total)
    uneven = typical * _disagreement(capped_at, usual * first.ratio, level, cross)
    anything = movement(capped_at, usual, cross, dispersion=uneven, past=baseline.total)

    near, share = near_cases(observed, usual, level.ratio(usual))
    cases, others = (part / typical for part in cross.around(near))
    expected, others_expected = (part / typical for part in cross.around(usual * share))
    left_out, _ = cross.around(np.where(near < observed, usual, 0.0))
    calm = _calm(cases, expected, 1.0 / restlessness.own)
    # Where everything moves, as on holidays, hardly any category can be thought calm for having few cases.
    calm *= _calm(others, others_expected, 1.0 / restlessness.everything)
    calm = np.where(left_out > _MOST_LEFT_OUT * cross.elsewhere(usual), 0.0, calm)
    after = 1.0 / restlessness.own + cases
    counted_past = 1.0 / (MOVEMENT_SHAPE + cross.elsewhere(baseline.total) / typical)
    little = Movement(after / (1.0 / restlessness.own + expected), 1.0 / after + counted_past)
    return _mixed(calm, little, anything)


def near_cases(observed: Floats, expected: Floats, ratio: Floats) -> tuple[Floats, Floats]:
    """Cases of series that do not lie far above `expected`, 0 of the others; and the share of cases that stays if calm.

    `ratio`: variance over mean. The share is the mean of a negative binomial count where it is below the limit, over
    its whole mean:  1 - P(Y' >= limit - 1),  Y' with one more in its size and the same odds.
    """
    some = np.flatnonzero(expected > 0.0)
    mean, over = expected[some], np.maximum(ratio[some], _ALMOST_POISSON)
    limit = np.ceil(mean + _FAR_DEVIATIONS * np.sqrt(over * mean) + _FAR_CASES)
    limit = np.maximum(limit, 2.0)
    share, near = np.ones_like(expected), observed.copy()
    share[some] = 1.0 - special.betainc(limit - 1.0, mean / (over - 1.0) + 1.0, 1.0 - 1.0 / over)
    near[some[observed[some] >= limit]] = 0.0
    return near, share


def _calm(cases: Floats, expected: Floats, shape: Floats | float) -> Floats:
    """Probability that these cases have moved as little as a gamma prior of this shape says, rather than anyhow."""

    def told(shape: Floats | float) -> Floats:
        given: Floats = special.gammaln(shape + cases) - special.gammaln(shape)
        return given + shape * np.log(shape) - (shape + cases) * np.log(shape + expected)

    odds = np.log1p(-_ANYTHING) - np.log(_ANYTHING) + told(shape) - told(MOVEMENT_SHAPE)
    calm: Floats = special.expit(odds)
    return calm


def _mixed(share: Floats, one: Movement, other: Movement) -> Movement:
    """One of two movements with probability `share`: its mean, and its variance within both and between them."""
    ratio = share * one.ratio + (1.0 - share) * other.ratio
    square = share * one.ratio**2 * (1.0 + one.relative_variance)
    square += (1.0 - share) * other.ratio**2 * (1.0 + other.relative_variance)
    return Movement(ratio, np.maximum(square / ratio**2 - 1.0, 0.0))


def _disagreement(cases: Floats, expected: Floats, level: Level, cross: Cross) -> Floats:
    """How much more than usual the other areas lie apart; at least 1."""
    counts = expected > 0.0
    safe = np.where(counts, expected, 1.0)
    square = np.where(counts, np.minimum((cases - safe) ** 2 / (safe * level.ratio(safe)), 12.0), 0.0)
    weight = _DISAGREEMENT_WEIGHT + cross.elsewhere(counts.astype(float))
    return np.maximum((_DISAGREEMENT_WEIGHT + cross.elsewhere(square)) / weight, 1.0)
