"""Moving quantiles until they cover as often as they say, on rows that nothing was learned from.

With one row per case and nothing censored this is split conformal prediction (conformalised quantile regression,
Romano, Patterson and Candès 2019), by MAPIE: P(y <= moved quantile) >= level for a new row that is exchangeable with
the calibration rows, in finite samples and whatever the model. With several rows per case, cases are what is
exchangeable; `risk_controlled` then holds the share of *rows* below. Where rows are censored, the same order
statistic is read off the Kaplan–Meier curve of the residuals, and the promise is asymptotic.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.remaining_time.censoring import masses, quantiles

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

# Outwards, so that a rounding error never costs a row.
_ROUNDING: Final = 1e-9


class _Column:
    """What MAPIE asks of a fitted regressor: gives back one column of what it is shown."""

    def __init__(self, column: int) -> None:
        self.column = column
        self.n_features_in_ = 3

    def fit(self, X: Floats, y: Floats) -> _Column:
        """Nothing is learned here."""
        del X, y
        return self

    def predict(self, X: Floats) -> Floats:
        return np.asarray(np.asarray(X)[:, self.column], dtype=np.float64)


def mapie_moves(lower: Floats, middle: Floats, upper: Floats, z: Floats, level: float) -> tuple[float, float]:
    """How far the ends of a central interval have to move, down and up, by MAPIE.

    Parameters
    ----------
    lower, middle, upper : (m,) predictions on calibration rows
    z : (m,) what came
    level : of the interval, such as 0.8

    Returns
    -------
    down, up : to subtract from the lower end and to add to the upper; infinite where there are too few rows
    """
    miss = (1 - level) / 2
    if len(z) < max(1 / miss, 1 / (1 - 2 * miss)):
        # MAPIE wants a row more than it takes; the order statistic is the same.
        none = np.zeros(len(z), dtype=bool)
        return upward_move(lower - z, none, 1 - miss), upward_move(z - upper, none, 1 - miss)
    from mapie.regression import ConformalizedQuantileRegressor  # noqa: PLC0415

    found = ConformalizedQuantileRegressor([_Column(0), _Column(1), _Column(2)], confidence_level=level, prefit=True)
    found.conformalize(np.column_stack([lower, upper, middle]), z)
    # Shown a row far wider than any move, MAPIE gives back the moves themselves.
    wide = float(2 ** np.ceil(np.log2(1 + np.abs(found.conformity_scores).max())))
    _, ends = found.predict_interval(np.array([[-wide, wide, 0.0]]), allow_infinite_bounds=True)
    return float(-wide - ends[0, 0, 0]) + _ROUNDING, float(ends[0, 1, 0] - wide) + _ROUNDING


def upward_move(residual: Floats, censored: Mask, level: float) -> float:
    """The least c for which `residual <= c` holds with the level, one row more being counted as a miss.

    Parameters
    ----------
    residual : (m,) outcome minus quantile
    censored : (m,) bool; the residual is only known to be larger
    """
    m = len(residual)
    wanted = np.ceil(level * (m + 1) - 1e-9) / m if m else np.inf
    mass = masses(residual, censored)
    # Beyond the last jump nothing is known: there is no such c.
    if wanted > mass.sum() + 1e-9:
        return np.inf
    return float(quantiles(residual, mass, np.array([wanted]))[0])


def risk_controlled(residual: Floats, groups: NDArray[np.int64], level: float, most: int | None = None) -> float:
    """The least c at which the share of rows above c stays within 1 - level, for rows that come in cases.

    Conformal risk control with the loss of a case = its rows missed - (1 - level) · its rows, which is at most
    level · (most rows of a case). A new case exchangeable with these K then has an expected loss of at most 0, so of
    all rows of new cases at least the level is covered, in expectation. With one row per case it is split conformal.

    Parameters
    ----------
    residual : (m,) outcome minus quantile
    groups : (m,) case of each row
    most : the most rows that a case can have; None: the most that one has here

    References
    ----------
    Angelopoulos, A. N., Bates, S., Fisch, A., Lei, L. and Schuster, T. (2024). Conformal risk control. ICLR.
    """
    if not len(residual):
        return np.inf
    sizes = np.unique(groups, return_counts=True)[1]
    bound = level * (int(sizes.max()) if most is None else most)
    # Sum over cases of the loss, plus the bound of the one to come, has to reach 0: so many rows may be missed.
    allowed = (1 - level) * len(residual) - bound
    if allowed < -1e-9:
        return np.inf
    missed = int(np.floor(allowed + 1e-9))
    return float(np.sort(residual)[len(residual) - 1 - missed]) if missed < len(residual) else -np.inf


def one_sided_moves(
    knots: Floats, z: Floats, censored: Mask, groups: NDArray[np.int64] | None, levels: Floats
) -> tuple[Floats, Mask]:
    """What to add to each quantile, (k,): up for those above the median, down for those below.

    Below the median the mirror image is used, so that the lower end, too, errs outwards. The median moves to the
    middle of its residuals. The second array, (k,) bool, says for which levels there were enough rows; the others
    move as far as the farthest row, or not at all where there is none.
    """
    several = groups is not None and len(np.unique(groups)) < len(groups)
    moves = np.zeros(len(levels))
    for j, level in enumerate(levels.tolist()):
        residual = z - knots[:, j]
        if level == 0.5:
            moves[j] = 0.0
        elif censored.any():
            moves[j] = _censored(residual, censored, level)
        elif several and groups is not None:
            one = risk_controlled(np.sign(level - 0.5) * residual, groups, max(level, 1 - level))
            moves[j] = np.sign(level - 0.5) * one
        else:
            low, high = sorted((j, len(levels) - 1 - j))
            ends = mapie_moves(knots[:, low], knots[:, len(levels) // 2], knots[:, high], z, abs(2 * level - 1))
            moves[j] = ends[1] if level > 0.5 else -ends[0]
    enough = np.isfinite(moves)
    farthest = np.array([np.max(np.sign(p - 0.5) * (z - knots[:, j]), initial=0.0) for j, p in enumerate(levels)])
    return np.where(enough, moves, np.sign(levels - 0.5) * farthest), enough & (len(z) > 0)


def _censored(residual: Floats, censored: Mask, level: float) -> float:
    if level > 0.5:
        return upward_move(residual, censored, level)
    m = len(residual)
    wanted = np.floor(level * (m + 1) + 1e-9) / m if m else 0.0
    if wanted <= 0:
        return -np.inf
    return float(quantiles(residual, masses(residual, censored), np.array([wanted]))[0]) - _ROUNDING


def moved(knots: Floats, moves: Floats, levels: Floats) -> Floats:
    """Quantiles after their moves, without crossings: outwards from the median, so that no end comes closer."""
    with np.errstate(invalid="ignore"):
        found = np.maximum(knots + moves, 0.0)
    middle = int(np.searchsorted(levels, 0.5))
    found[:, middle:] = np.maximum.accumulate(found[:, middle:], axis=1)
    found[:, : middle + 1] = np.minimum.accumulate(found[:, middle::-1], axis=1)[:, ::-1]
    return found
