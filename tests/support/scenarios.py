"""The 42 scenarios of Noufaily et al. (2013), Statistics in Medicine 32:1206: weekly counts with outbreaks put in.

Seven parameter sets, each with and without trend and with no, one or two seasonal waves. Twelve years of weeks; four
outbreaks in the past (weeks 313 to 575), and one in the last 49 weeks (576 to 624), which are judged.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

WEEKS: Final = 624
FIRST_JUDGED: Final = 576  # weeks are counted from 1
FIRST_PAST_OUTBREAK: Final = 313
PAST_SIZES: Final = (2, 3, 5, 10)
LARGEST_SIZE: Final = 10
# theta, beta, gamma1, gamma2, phi
SETS: Final = (
    (0.1, 0.0025, 0.6, 0.6, 1.5),
    (-2.0, 0.005, 0.1, 0.3, 2.0),
    (1.5, 0.003, 0.2, -0.4, 1.0),
    (0.5, 0.002, 0.5, 0.5, 5.0),
    (2.5, 0.001, 1.0, 0.1, 3.0),
    (3.75, 0.001, 0.1, -0.1, 1.1),
    (5.0, 0.0001, 0.05, 0.01, 1.2),
)


@dataclass(frozen=True)
class Scenario:
    """One of the 42: log mean theta + beta t + waves, variance phi x mean."""

    number: int
    theta: float
    beta: float
    gamma1: float
    gamma2: float
    phi: float
    waves: int

    def mean(self) -> Floats:
        """Expected cases of weeks 1..624; (624,)."""
        week = np.arange(1, WEEKS + 1)
        angle = 2.0 * np.pi * np.arange(1, self.waves + 1)[:, None] * week / 52.0
        season = (self.gamma1 * np.cos(angle) + self.gamma2 * np.sin(angle)).sum(axis=0)
        return np.exp(self.theta + self.beta * week + season)


def scenarios() -> list[Scenario]:
    """All 42, numbered from 1: by set, then without and with trend, then by waves."""
    made = []
    for theta, beta, gamma1, gamma2, phi in SETS:
        for slope in (0.0, beta):
            for waves in range(3):
                made.append(Scenario(len(made) + 1, theta, slope, gamma1, gamma2, phi, waves))
    return made


@dataclass(frozen=True)
class Replicates:
    """Counts of one scenario, weeks 1..624 by replicate."""

    calm: Ints  # (624, n) without any outbreak
    past: Ints  # (624, n) cases of the four past outbreaks
    current: Ints  # (624, n) cases of the current outbreak
    size: Ints  # (n,) of the current outbreak, in standard deviations
    start: Ints  # (n,) its first week, from 1


def replicates(scenario: Scenario, n: int, rng: np.random.Generator) -> Replicates:
    """Draw `n` replicates."""
    mean = scenario.mean()
    calm = negative_binomial(rng, np.broadcast_to(mean[:, None], (WEEKS, n)), scenario.phi)
    past, current = np.zeros((2, WEEKS, n), dtype=np.int64)
    size = rng.integers(1, LARGEST_SIZE + 1, n)
    start = rng.integers(FIRST_JUDGED, WEEKS + 1, n)
    deviation = np.sqrt(scenario.phi * mean)
    for series in range(n):
        for k in PAST_SIZES:
            first = int(rng.integers(FIRST_PAST_OUTBREAK, FIRST_JUDGED))
            past[:, series] += outbreak(rng, first, k * deviation[first - 1], FIRST_JUDGED - 1)
        # An outbreak without a case is none: drawn again.
        while not current[:, series].any():
            first = int(start[series])
            current[:, series] = outbreak(rng, first, size[series] * deviation[first - 1], WEEKS)
    return Replicates(calm, past, current, size, start)


def negative_binomial(rng: np.random.Generator, mean: Floats, phi: float) -> Ints:
    """Counts with this mean and variance phi x mean; Poisson for phi = 1."""
    if phi <= 1.0:
        return rng.poisson(mean).astype(np.int64)
    return rng.negative_binomial(mean / (phi - 1.0), 1.0 / phi).astype(np.int64)


def outbreak(rng: np.random.Generator, first: int, mean_size: float, last: int) -> Ints:
    """Cases by week of one outbreak: Poisson size, each a lognormal(0, 0.5) number of weeks after the first; (624,).

    Cases after week `last` are not seen.
    """
    delay = rng.lognormal(0.0, 0.5, rng.poisson(mean_size))
    week = first + np.floor(delay).astype(np.int64)
    return np.bincount(week[week <= last], minlength=WEEKS + 1)[1:].astype(np.int64)
