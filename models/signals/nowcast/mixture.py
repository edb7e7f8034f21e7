"""Quantiles of mixtures of negative binomials: a count's law averaged over what is not known exactly."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.signals.distribution import count_lower_tail

Floats = NDArray[np.float64]

# Five points and weights that stand for a standard normal distribution (Gauss-Hermite).
_POINTS, _WEIGHTS = np.polynomial.hermite_e.hermegauss(5)
_SHARES: Final = _WEIGHTS / _WEIGHTS.sum()
# A share closer to 0 or 1 than this is not moved further.
_EDGE: Final = 1e-9


def share_nodes(share: Floats, sd: Floats) -> tuple[Floats, Floats]:
    """Points and weights that stand for an uncertain share, normal on the scale of log odds.

    Returns
    -------
    nodes : (5, *share.shape), each in (0, 1]; all equal to `share` where it is 1 or `sd` is 0
    weights : (5,), which sum to 1
    """
    exact = (share >= 1.0) | (sd <= 0.0)
    inner = np.clip(share, _EDGE, 1.0 - _EDGE)
    spread = np.where(exact, 0.0, sd / (inner * (1.0 - inner)))
    points = _POINTS.reshape(-1, *(1,) * share.ndim)
    odds = np.exp(np.clip(np.log(inner / (1.0 - inner)) + points * spread, -40.0, 40.0))
    nodes = np.where(exact, share, odds / (1.0 + odds))
    return np.maximum(nodes, _EDGE), _SHARES


def mixture_quantile(probability: float, mean: Floats, variance: Floats, weights: Floats) -> Floats:
    """Smallest count with at least this probability at or below it.

    Parameters
    ----------
    mean, variance : (n_parts, ...) of the negative binomials mixed
    weights : (n_parts,), which sum to 1
    """

    def below(count: Floats) -> Floats:
        total: Floats = np.tensordot(weights, count_lower_tail(np.broadcast_to(count, mean.shape), mean, variance), 1)
        return total

    low = np.full(mean.shape[1:], -1.0)
    high = np.ceil((mean + 8.0 * np.sqrt(variance)).max(axis=0)) + 8.0
    while (short := below(high) < probability).any():
        high = np.where(short, 2.0 * high, high)
    while (open_ := high - low > 1.0).any():
        middle = np.floor((low + high) / 2.0)
        reached = below(np.maximum(middle, 0.0)) >= probability
        high = np.where(open_ & reached, middle, high)
        low = np.where(open_ & ~reached, middle, low)
    found: Floats = high
    return found
