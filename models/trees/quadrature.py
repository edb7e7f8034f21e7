"""SHAP values of single leaves by Gauss-Legendre quadrature.

A Shapley value is the integral over t in [0, 1] of the partial derivative of the game's multilinear extension, taken
on the diagonal. The path-dependent game of one leaf of value v, with m features on its path, is the product
v · Π (z_j + t (o_j - z_j)): z_j is the share of training rows that pass the splits on feature j, and o_j is 1 where the
row passes them and 0 elsewhere. Hence

    φ_i = v ∫ (o_i - z_i) Π_{j≠i} (z_j + t (o_j - z_j)) dt.

The integrand is a polynomial of degree m - 1, so ⌈m / 2⌉ nodes are exact (Wettenstein, Mitchell and Yu,
*Quadrature-TreeSHAP*, arXiv 2605.04497). With o_i either 0 or 1, each factor and each ratio (o_i - z_i) / (z_i +
t (o_i - z_i)) is one of two constants per node: the second is -1 / (1 - t) for o_i = 0, whatever z_i.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@cache
def nodes(m: int) -> tuple[Floats, Floats]:
    """Nodes and weights on [0, 1] that integrate polynomials of degree m - 1 exactly, each (⌈m / 2⌉,)."""
    at, weight = np.polynomial.legendre.leggauss(max((m + 1) // 2, 1))
    return (at + 1) / 2, weight / 2


def factors(z: Floats, t: Floats) -> tuple[Floats, Floats]:
    """Factors z + t (o - z) for o = 1 and o = 0, each (*z.shape, q)."""
    passed = z[..., None] + t * (1 - z[..., None])
    return passed, z[..., None] * (1 - t)


def pattern_tables(value: Floats, z: Floats) -> Floats:
    """SHAP values of N leaves with m features each, for every pattern of passed features.

    Parameters
    ----------
    value : (N,)
    z : (N, m) shares

    Returns
    -------
    tables : (N, m, 2**m)
        In log-odds. Bit j of the last index is set where feature j is passed.
    """
    m = z.shape[1]
    t, weight = nodes(m)
    passed, failed = factors(z, t)
    product = (value[:, None] * weight)[:, None, :]
    for j in range(m):
        product = np.concatenate([product * failed[:, None, j], product * passed[:, None, j]], axis=1)
    when_passed = product @ ((1 - z)[..., None] / passed).transpose(0, 2, 1)
    when_failed = product @ (-1 / (1 - t))
    bits = (np.arange(1 << m)[:, None] >> np.arange(m)) & 1
    tables = np.where(bits == 1, when_passed, when_failed[..., None])
    return np.ascontiguousarray(tables.transpose(0, 2, 1))
