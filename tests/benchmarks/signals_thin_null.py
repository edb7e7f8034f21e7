"""How often the seasonal regression's p-values lie at or below 1e-4, .001 and .01 where nothing happens, by level.

`python -m tests.benchmarks.signals_thin_null [SERIES] [SEED] [WEEKS]` draws so many pasts of each level and dispersion.
Given a past, the probability over the two newest weeks is worked out, not drawn: for every count of the week before,
the lowest count of the newest week that is that improbable is looked for, and the chance of it or more added up.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from models.signals.rise_evidence import Expected, rise_evidence
from models.signals.seasonal_fit import Fit, design_matrix, fit_seasonal
from tests.support.scenarios import negative_binomial
from tests.support.weekly import show

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LEVELS = (0.01, 0.03, 0.1, 0.3, 1.0, 5.0)
DISPERSIONS = (1.0, 1.5, 3.0, 5.0)
P_VALUES = (1e-4, 1e-3, 1e-2)
WEEKS = 300
# Weeks between the last one of the past and the one judged, as many as the detector leaves out.
AHEAD = 6
SEED = 1
_AT_ONCE = 64


def shares(
    level: float, dispersion: float, n: int, seed: int, weeks: int = WEEKS
) -> tuple[dict[float, float], dict[float, float]]:
    """P(p <= x) over x, and standard errors over `n` pasts."""
    rng = np.random.default_rng([seed, int(level * 1000), int(dispersion * 10)])
    counts = negative_binomial(rng, np.full((weeks, n), level), dispersion).astype(float)
    years = np.arange(weeks + AHEAD) / 52.0
    ahead = design_matrix(years[-2:], years[weeks - 1])
    law: Any = stats.poisson(level) if dispersion <= 1.0 else stats.nbinom(level / (dispersion - 1.0), 1.0 / dispersion)
    most = int(law.isf(1e-7)) + 1
    before = np.arange(most + 1.0)
    chance = law.pmf(before)
    found: dict[float, list[float]] = {x: [] for x in P_VALUES}
    for part in np.array_split(np.arange(n), -(-n // _AT_ONCE)):
        fit = fit_seasonal(counts[:, part], design_matrix(years[:weeks], years[weeks - 1]))
        mean, error = fit.expect(ahead)
        for x in P_VALUES:
            lowest = lowest_counts(fit, mean, error, before, x)
            found[x].extend((law.sf(lowest - 1.0) * chance).sum(axis=1))
    return (
        {x: float(np.mean(values)) for x, values in found.items()},
        {x: float(np.std(values) / np.sqrt(n)) for x, values in found.items()},
    )


def lowest_counts(fit: Fit, mean: Floats, error: Floats, before: Floats, x: float) -> Floats:
    """Lowest counts of the newest week with p <= x after each count of the week before; (n_series, n_before)."""
    n = len(fit.cases)
    rows, last = np.repeat(np.arange(n), len(before)), np.tile(before, n)
    parts = np.array_split(np.arange(len(rows)), -(-len(rows) // _AT_ONCE))
    # More evidence comes with every case more; beyond four times the largest count asked about, all is.
    low, high = np.zeros(len(rows)), np.full(len(rows), 4.0 * before[-1] + 40.0)
    while (high - low > 1.0).any():
        middle = np.floor((low + high) / 2.0)
        p = np.concatenate([_p_values(fit, rows[k], (middle[k], last[k]), mean, error) for k in parts])
        high, low = np.where(p <= x, middle, high), np.where(p <= x, low, middle)
    return high.reshape(n, len(before))


def _p_values(fit: Fit, rows: Ints, counts: tuple[Floats, Floats], mean: Floats, error: Floats) -> Floats:
    """Of these counts of the newest week and the week before, each in the series `rows` says."""
    expected = Expected(mean[1, rows], error[1, rows]), Expected(mean[0, rows], error[0, rows])
    return rise_evidence(*counts, expected, fit.dispersion[rows], fit.dispersion_sd[rows], 0.005).p_value


def main() -> None:
    """Print the table."""
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else SEED
    weeks = int(sys.argv[3]) if len(sys.argv) > 3 else WEEKS
    started = time.process_time()
    show(f"{n} pasts of {weeks} weeks each, seed {seed}: P(p <= x) / x")
    show(f"{'level':>6}{'dispersion':>12}" + "".join(f"{f'x = {x:g}':>18}" for x in P_VALUES))
    for level in LEVELS:
        for dispersion in DISPERSIONS:
            share, error = shares(level, dispersion, n, seed, weeks)
            show(
                f"{level:6.2f}{dispersion:12.1f}"
                + "".join(f"{share[x] / x:10.2f} ± {error[x] / x:4.2f}" for x in P_VALUES)
            )
    show(f"{time.process_time() - started:.0f} CPU s")


if __name__ == "__main__":
    main()
