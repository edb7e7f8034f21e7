"""Quasi-Poisson regression of many count series at once: seasonal levels and perhaps a straight line in time.

The model is that of seasonal surveillance: log mean = effect of the season (+ slope x time) (+ offset). How it is
fitted stands in `glm_search`, what is said of a fit in `glm_fit`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.signals.glm_fit import SeasonalFit
from models.signals.glm_points import Points
from models.signals.glm_search import Search

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]


class SeasonalCounts(Points):
    """Counts of many series at the same points, ready to be fitted with several weights.

    Parameters
    ----------
    counts : (n_series, n_points)
        Not negative. What stands where a weight is 0 does not matter, but must not be NaN.
    seasons : (n_points,) integers 0..n_seasons-1, each used
    times : (n_points,), or None if no trend will be asked for
    offset : (n_series, n_points) or None
    """

    def fit(
        self, weights: Floats | None = None, *, trend: bool, settle: bool = False, start: Floats | None = None
    ) -> SeasonalFit:
        """Fit every series.

        Parameters
        ----------
        weights : (n_series, n_points) or None
            Prior weights; 0 leaves a point out. None: 1 everywhere.
        trend : bool
            With a slope in time.
        settle : bool
            Find the optimum, and say how certain the estimates are there. False: take the usual steps and say it at the
            means one step before, as the usual programs do; published figures rest on that.
        start : (n_series,) or None
            Slopes to begin the search for the optimum from; not used by the steps.
        """
        with np.errstate(divide="ignore", invalid="ignore", over="ignore", under="ignore"):
            search = Search(self, weights, trend=trend)
            converged = search.settle(start) if settle else search.step()
            return SeasonalFit.of(search, converged)


def outbreak_weights(model: SeasonalCounts, fit: SeasonalFit, present: Floats | None, threshold: float) -> Floats:
    """Weights that fall with the square of the Anscombe residual above `threshold`; they sum to the number of weeks.

    Residuals are standardised by the dispersion (at least 1) and the leverage. `present` (n_series, n_points) is 0 for
    points to leave out, None for none; 1 everywhere is what a series without a fit gets.
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore", under="ignore"):
        residual = fit.sixth_root * fit.sixth_root
        residual *= residual
        np.subtract(model.two_thirds, residual, out=residual)
        residual /= fit.sixth_root
        spread = 1.0 - fit.leverage
        np.sqrt(spread, out=spread)
        residual /= spread
        residual *= (1.5 / np.sqrt(np.maximum(fit.dispersion, 1.0)))[:, None]
        raw = np.ones_like(residual)
        high = np.flatnonzero(residual.ravel() > threshold)
        raw.ravel()[high] = residual.ravel()[high] ** -2.0
        if present is not None:
            raw *= present
        points = raw.shape[1] if present is None else present.sum(axis=1)
        raw *= (points / raw.sum(axis=1))[:, None]
    lost = np.flatnonzero(~np.isfinite(raw).all(axis=1))
    if len(lost):
        raw[lost] = 1.0 if present is None else present[lost]
    return raw
