"""What the other series say about one: how its category moves elsewhere, and which level to expect of it.

Every sum here leaves the series itself out. A series must not explain its own rise away, and must not raise the
expectation of its siblings without bound either: a sibling far above its own level counts only up to a limit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.signals.dispersion import variance_of_square

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

# Categories move apart from each other by about half their level over a season: the weight, in cases, of the movement
# of everything else against that of the category itself.
MOVEMENT_SHAPE: Final = 4.0
# Keeps the movement of everything else near 1 while hardly anything else is counted.
_EVERYTHING_SHAPE: Final = 20.0
# A sibling counts at most up to its expectation plus four standard deviations, plus three cases.
_CAP_DEVIATIONS: Final = 4.0
_CAP_CASES: Final = 3.0
_CAP_DISPERSION: Final = 1.5
_CAP_GROWTH: Final = 1.4
# Standard errors by which the spread of levels is taken to be larger than estimated: few series do not tell it.
_PRIOR_CAUTION: Final = 2.0
# One over the prior's shape, at most and at least: worth a twentieth of a case, worth twenty cases.
_LARGEST_SPREAD: Final = 20.0
_SMALLEST_SPREAD: Final = 0.05
# A category's own spread counts against that of all categories as if the latter came from five thick series.
_SPREAD_WEIGHT: Final = 5.0


@dataclass(frozen=True, slots=True)
class Cross:
    """Which series share an area and which a category; (n_series,) integer codes."""

    area: Ints
    category: Ints

    def over_areas(self, values: Floats) -> Floats:
        """Sum of the same category over all areas, for every series; `values` (..., n_series)."""
        sums: Floats = _group_sums(values, self.category)[..., self.category]
        return sums

    def over_categories(self, values: Floats) -> Floats:
        """Sum of the same area over all categories, for every series."""
        sums: Floats = _group_sums(values, self.area)[..., self.area]
        return sums

    def elsewhere(self, values: Floats) -> Floats:
        """Sum of the same category over the other areas, for every series."""
        # Differences of sums leave rounding dust where they should leave nothing.
        return np.maximum(self.over_areas(values) - values, 0.0)

    def around(self, values: Floats, rows: Ints | slice = slice(None)) -> tuple[Floats, Floats]:
        """Sums of the same category elsewhere and of all other categories, for the series `rows`."""
        sums = _group_sums(values, self.category)
        own = sums[..., self.category[rows]]
        rest: Floats = sums.sum(axis=-1, keepdims=True) - own
        return np.maximum(own - values[..., rows], 0.0), np.maximum(rest, 0.0)

    def other_categories(self, values: Floats) -> Floats:
        """Sum of all other categories over all areas, for every series."""
        rest: Floats = values.sum(axis=-1, keepdims=True) - self.over_areas(values)
        return np.maximum(rest, 0.0)


@dataclass(frozen=True, slots=True)
class Movement:
    """How much above its usual level a category stands elsewhere: estimate, and squared coefficient of variation."""

    ratio: Floats
    relative_variance: Floats


@dataclass(frozen=True, slots=True)
class LevelPrior:
    """Gamma prior of a series' weekly level; shape 0 where nothing can be borrowed."""

    shape: Floats
    mean: Floats


def movement(
    observed: Floats,
    usual: Floats,
    cross: Cross,
    *,
    dispersion: Floats | float,
    past: Floats,
    rows: Ints | slice = slice(None),
) -> Movement:
    """Movement of each series' category in the other areas, shrunken towards that of all other categories.

    Parameters
    ----------
    observed : (..., n_series)
        Counts, 0 for series that are not to count.
    usual : (n_series,) or (..., n_series)
        What their levels make usual over the same weeks; 0 likewise.
    dispersion : how much more than Poisson the counts vary; where (n_series,), `rows` must not be given
    past : (n_series,)
        Cases that the usual levels rest on.
    rows : the series wanted; every one by default. All of them enter the sums.
    """
    elsewhere, everything = cross.around(observed, rows)
    usual_elsewhere, usual_everything = cross.around(usual, rows)
    shape = MOVEMENT_SHAPE + elsewhere / dispersion
    relative = (usual_everything + _EVERYTHING_SHAPE) / (everything + _EVERYTHING_SHAPE)
    rate = MOVEMENT_SHAPE * relative + usual_elsewhere / dispersion
    past_shape = MOVEMENT_SHAPE + cross.around(past, rows)[0] / dispersion
    return Movement(shape / rate, 1.0 / shape + 1.0 / past_shape)


def capped(
    observed: Floats, usual: Floats, cross: Cross, past: Floats, *, dispersion: float = _CAP_DISPERSION
) -> Floats:
    """`observed`, with every series cut off far above what its own level and its category's movement make usual.

    The more cases come together by themselves (`dispersion`), the farther out; or what is cut off would be missing in
    every sum.
    """
    ratio = movement(observed, usual, cross, dispersion=dispersion, past=past).ratio
    return np.minimum(observed, cap(usual * ratio, dispersion))


def cap(expected: Floats, dispersion: float = _CAP_DISPERSION) -> Floats:
    """The most that a series counts as when others are judged by it."""
    spread = expected + _CAP_DEVIATIONS * np.sqrt(dispersion * expected)
    # Thin over-dispersed counts come in groups: the number of groups varies little, their size does.
    return np.asarray(spread + _CAP_CASES * max(dispersion / _CAP_DISPERSION, 1.0) ** _CAP_GROWTH)


def level_prior(total: Floats, weeks: Floats, dispersion: Floats, cross: Cross, usable: Bools) -> LevelPrior:
    """Prior of the weekly level: what area and category lead one to expect, as firmly as that has held over all series.

    The prior mean is (rest of the area) x (rest of the category) / (everything else): areas and categories taken as
    independent, the series itself left out. How firmly is estimated by moments from how far the series lie from it.

    Parameters
    ----------
    total, weeks : (n_series,) cases and weeks of the baseline
    dispersion : (n_series,) variance over mean of weekly counts
    """
    rate = np.where(usable, total / np.maximum(weeks, 1.0), 0.0)
    rest_of_area = np.maximum(cross.over_categories(rate) - rate, 0.0)
    rest_of_category = cross.elsewhere(rate)
    rest = rate.sum() - cross.over_categories(rate) - cross.over_areas(rate) + rate
    known = (rest_of_area > 0.0) & (rest_of_category > 0.0) & (rest > 1e-9)
    mean = np.where(known, rest_of_area * rest_of_category / np.where(known, rest, 1.0), 0.0)
    spread = _spread(total, weeks * mean, dispersion, cross, known & usable)
    shape = np.where(known, 1.0 / spread, 0.0)
    return LevelPrior(shape, mean)


def _spread(total: Floats, expected: Floats, dispersion: Floats, cross: Cross, use: Bools) -> Floats:
    """Squared coefficient of variation of true levels about the prior mean, per series (the same within a category).

    An upper estimate: by as many standard errors as `_PRIOR_CAUTION`, but at most twice the estimate itself.
    """
    # Thick series say it directly, thin ones next to nothing; the weights bound both.
    weight = np.where(use, 1.0 / (1.0 + expected) ** 2, 0.0)
    excess = weight * ((total - expected) ** 2 - dispersion * expected)
    scale = weight * expected**2
    overall = max(float(excess.sum()) / max(float(scale.sum()), 1e-9), 0.0)
    known = cross.over_areas(scale) + _SPREAD_WEIGHT
    spread = np.maximum((cross.over_areas(excess) + _SPREAD_WEIGHT * overall) / known, 0.0)
    safe = np.where(use & (expected > 0.0), expected, 1.0)
    ratio = dispersion + spread * safe
    variance = variance_of_square(safe, ratio) * (weight * ratio * safe) ** 2
    error = np.sqrt(cross.over_areas(variance)) / known
    spread += np.minimum(_PRIOR_CAUTION * error, spread)
    return np.clip(spread, _SMALLEST_SPREAD, _LARGEST_SPREAD)


def _group_sums(values: Floats, codes: Ints) -> Floats:
    """Sums by group along the last axis: (..., n_series) to (..., n_groups)."""
    n_groups = int(codes.max()) + 1
    flat = values.reshape(-1, values.shape[-1])
    # Row by row: several times as fast as one count over all cells, and without an index as large as the table.
    sums = np.array([np.bincount(codes, weights=row, minlength=n_groups) for row in flat], dtype=float)
    return sums.reshape(*values.shape[:-1], n_groups)
