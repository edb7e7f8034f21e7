"""A smooth curve of log-odds over a score, with its covariance: the fit behind `models.calibration.band`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.special import expit

from models.calibration.blocks import Blocks

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Level and slope of the curve are believed to be those of the score to within these standard deviations, before any
# outcome is seen: wide enough that a hundred cases decide.
_LEVEL, _SLOPE = 1.0, 0.4
# Standard deviations of the bending energy to choose from. The smallest is no straight line: that no bend shows
# in a small sample is no proof that there is none.
_BENDS: Final = (0.3, 0.6, 1.2, 2.4, 5.0, 10.0)
_MOST_KNOTS: Final = 40
# Knots nearer to each other than this (in log-odds) would tell nothing apart.
_NEAREST: Final = 0.1
_CELLS: Final = 2000
_NEVER_FINITE: Final = 1e6
# What is left of a week's luck in the next: queues carry it on. In simulated cities it was a third after one week and
# a fifth after four.
_LASTS: Final = 0.5


@dataclass(frozen=True)
class Smooth:
    """The fitted curve.

    Attributes
    ----------
    knots : (k,) scores
    value : (k,) log-odds at the knots
    covariance : (k, k), as if every row were by itself
    shared : (k, k), from how much whole blocks differ
    degrees : degrees of freedom of `shared`
    """

    knots: Floats
    value: Floats
    covariance: Floats
    shared: Floats
    degrees: float

    @classmethod
    def fit(cls, score: Floats, outcome: Floats, weight: Floats, block: Blocks | None) -> Self:
        """Fit to m cases, see `Band.fit`."""
        knots = place_knots(score)
        cells = _Cells.of(score, outcome, weight, knots)
        theta, inverse, penalty = cells.best(1.0)
        meat, degrees = cells.meat(theta, outcome, weight, block)
        # Where blocks share their luck the evidence is thinner than the rows make believe: fit again by what is left.
        thinner = max(1.0, float(np.trace(meat @ inverse) / max(np.trace(cells.information(theta) @ inverse), 1e-12)))
        if thinner > 1.0:
            theta, inverse, penalty = cells.best(thinner)
            meat, degrees = cells.meat(theta, outcome, weight, block)
        own = inverse @ (cells.information(theta) / thinner + penalty) @ inverse
        shared = inverse @ (meat / thinner**2 + penalty) @ inverse
        return cls(knots, theta, own, shared, degrees)

    def at(self, score: Floats) -> tuple[Floats, Floats, Floats]:
        """Log-odds at (n,) scores, and their standard deviation by rows and by blocks."""
        rows = spline_rows(self.knots, score)
        own, shared = (
            np.einsum("ij,jk,ik->i", rows, covariance, rows) for covariance in (self.covariance, self.shared)
        )
        return rows @ self.value, np.sqrt(np.maximum(own, 0.0)), np.sqrt(np.maximum(shared, 0.0))


@dataclass(frozen=True)
class _Cells:
    """Cases gathered in cells of nearly the same score: a fit costs the same for a thousand cases and a million."""

    knots: Floats
    rows: Floats  # (cells, k) of the spline
    weight: Floats  # (cells,)
    failed: Floats  # (cells,)
    cell: Ints  # (m,) of each case

    @classmethod
    def of(cls, score: Floats, outcome: Floats, weight: Floats, knots: Floats) -> Self:
        if len(score) == 0:
            nothing = np.zeros(0)
            return cls(knots, np.zeros((0, len(knots))), nothing, nothing, np.zeros(0, np.int64))
        # Beyond the outermost knots the curve is a line that few cases bear on.
        inside = np.clip(score, knots[0] - 2, knots[-1] + 2)
        width = max(float(np.ptp(inside)), 1e-9) / _CELLS
        _, cell = np.unique(np.round((inside - inside.min()) / width).astype(np.int64), return_inverse=True)
        count = np.bincount(cell)
        middle = np.bincount(cell, weights=inside) / count
        return cls(
            knots,
            spline_rows(knots, middle),
            np.bincount(cell, weights=weight).astype(np.float64),
            np.bincount(cell, weights=weight * outcome).astype(np.float64),
            cell,
        )

    def information(self, theta: Floats) -> Floats:
        """Fisher information (k, k)."""
        p = expit(self.rows @ theta)
        return np.asarray((self.rows * (self.weight * p * (1 - p))[:, None]).T @ self.rows)

    def best(self, thinner: float) -> tuple[Floats, Floats, Floats]:
        """Values, inverse Hessian and penalty with the bend that is one step more supple than the likeliest.

        The likeliest by marginal likelihood (Laplace) tells the centre best, but an interval must not miss a bend that
        a small sample hides: undersmoothing trades width for coverage (Hall 1992).
        """
        found = [self._fitted(penalty, thinner) for penalty in penalties(self.knots)]
        likeliest = max(range(len(found)), key=lambda index: found[index][0])
        _, theta, inverse, penalty = found[min(likeliest + 1, len(found) - 1)]
        return theta, inverse, penalty

    def _fitted(self, penalty: Floats, thinner: float) -> tuple[float, Floats, Floats, Floats]:
        theta = self.knots.copy()
        value = self._objective(theta, penalty, thinner)
        for _ in range(50):
            eta = self.rows @ theta
            p = expit(eta)
            gradient = self.rows.T @ (self.failed - self.weight * p) / thinner - penalty @ (theta - self.knots)
            hessian = self.information(theta) / thinner + penalty
            step = np.linalg.solve(hessian, gradient)
            # Newton's step, halved until it climbs.
            for _ in range(30):
                risen = self._objective(theta + step, penalty, thinner)
                if risen >= value - 1e-12:
                    break
                step = step / 2
            theta, gained, value = theta + step, risen - value, risen
            if gained < 1e-9:
                break
        hessian = self.information(theta) / thinner + penalty
        evidence = value + 0.5 * (np.linalg.slogdet(penalty)[1] - np.linalg.slogdet(hessian)[1])
        return float(evidence), theta, np.asarray(np.linalg.inv(hessian), dtype=np.float64), penalty

    def _objective(self, theta: Floats, penalty: Floats, thinner: float) -> float:
        eta = self.rows @ theta
        away = theta - self.knots
        likelihood = float(np.sum(self.failed * eta - self.weight * np.logaddexp(0, eta)))
        return likelihood / thinner - 0.5 * float(away @ penalty @ away)

    def meat(self, theta: Floats, outcome: Floats, weight: Floats, block: Blocks | None) -> tuple[Floats, float]:
        """Covariance of the score function by blocks (k, k), and the degrees of freedom it has."""
        if block is None or block.count < 2:
            return self.information(theta), _NEVER_FINITE
        sums = self._block_sums(theta, outcome, weight, block)
        if block.in_time:
            return _long_run(sums)
        return sums.T @ sums * (block.count / (block.count - 1)), float(block.count - 1)

    def _block_sums(self, theta: Floats, outcome: Floats, weight: Floats, block: Blocks) -> Floats:
        """The score function of every block (blocks, k), less its mean."""
        residual = weight * (outcome - expit(self.rows @ theta)[self.cell])
        # Summed cell by cell within blocks, so that no (m, k) array is needed.
        key, inverse = np.unique(block.code * len(self.rows) + self.cell, return_inverse=True)
        gathered = np.bincount(inverse, weights=residual)
        sums = np.zeros((block.count, len(theta)))
        np.add.at(sums, key // len(self.rows), self.rows[key % len(self.rows)] * gathered[:, None])
        return np.asarray(sums - sums.mean(axis=0))


def place_knots(score: Floats) -> Floats:
    """Knots at evenly spread shares of the scores, at least two, more with more cases."""
    if len(score) == 0:
        return np.array([-3.0, 0.0, 3.0])
    most = int(np.clip(3 + len(score) ** (1 / 3), 4, _MOST_KNOTS))
    wanted = np.quantile(score, np.linspace(0.005, 0.995, most))
    kept = [float(wanted[0])]
    for knot in wanted[1:]:
        if knot - kept[-1] >= _NEAREST:
            kept.append(float(knot))
    if len(kept) == 1:
        return np.array([kept[0] - 0.5, kept[0] + 0.5])
    return np.array(kept)


def spline_rows(knots: Floats, score: Floats) -> Floats:
    """Rows (n, k) that turn values at the knots into the natural cubic spline through them, linear beyond."""
    spline = CubicSpline(knots, np.eye(len(knots)), bc_type="natural")
    inside = np.clip(score, knots[0], knots[-1])
    beyond = (score - inside)[:, None]
    return np.asarray(spline(inside) + beyond * spline(inside, 1), dtype=np.float64)


def penalties(knots: Floats) -> list[Floats]:
    """Precision matrices (k, k) of the prior, from stiff to supple: level, slope and bending energy."""
    line = np.column_stack((np.ones_like(knots), knots - knots.mean()))
    least_squares = np.linalg.pinv(line)
    # The level at a typical score and the slope, each pulled weakly towards the score's own.
    prior = least_squares.T @ np.diag([1 / _LEVEL**2, 1 / _SLOPE**2]) @ least_squares
    if len(knots) == 2:
        return [prior]
    energy = _bending_energy(knots)
    return [prior + energy / bend**2 for bend in _BENDS]


def _bending_energy(knots: Floats) -> Floats:
    """Integral of the products of second derivatives (k, k); they are broken lines between the knots."""
    second = CubicSpline(knots, np.eye(len(knots)), bc_type="natural")(knots, 2)
    left, right = second[:-1], second[1:]
    width = np.diff(knots)[:, None]
    energy = (left * width).T @ left + (right * width).T @ right
    energy += ((left * width).T @ right + (right * width).T @ left) / 2
    return np.asarray(energy / 3)


def _long_run(sums: Floats) -> tuple[Floats, float]:
    """Covariance (k, k) of the total of b weeks whose luck lasts from one week to the next, and its degrees of freedom.

    Equal-weighted cosines: the slowest 0.4 b^(2/3) waves tell how far the total may swing; their number is few, and
    Student's t pays for that (Lazarus, Lewis, Stock and Watson 2018). In a short history even the slowest wave is too
    quick to show luck that lasts: each is raised by what it lacks if half of a week's luck is left in the next
    (prewhitening, Andrews and Monahan 1992, with a persistence that is assumed and not estimated from a few weeks).
    """
    weeks = len(sums)
    waves = max(2, round(0.4 * weeks ** (2 / 3)))
    phase = np.pi * np.outer(np.arange(1, waves + 1), np.arange(weeks) + 0.5) / weeks
    lacking = 1 + _LASTS**2 - 2 * _LASTS * np.cos(np.pi * np.arange(1, waves + 1) / weeks)
    raised = np.sqrt(2.0 * lacking) / (1 - _LASTS)
    swings = raised[:, None] * np.cos(phase) @ sums
    return np.asarray(swings.T @ swings / waves), float(waves)
