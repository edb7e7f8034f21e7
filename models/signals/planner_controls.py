"""Weights for simulated records, so that what is known of them exactly comes out exactly (control variates).

Records drawn by chance have a little too many or too few cases, scatter a little too much, end a little too high; the
limits that a detector draws from them follow, and with them the chance of an alarm. What such sums are on average is
known without drawing. The weights make their weighted means just that (regression estimator: Hammersley & Handscomb
1964, chapter 5; as weights of the draws: Deville & Särndal 1992), and the error of a chance averaged with them falls to
what these sums leave unexplained.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.signals.count_process import CountProcess

Floats = NDArray[np.float64]

_MOST_WAVES: Final = 3
# Records for each sum held to its mean: with fewer the weights would follow chance.
_RECORDS_EACH: Final = 8
_RIDGE: Final = 1e-6


@dataclass(frozen=True, slots=True)
class Controls:
    """Records of a process and what is known of them.

    Attributes
    ----------
    weights : (n_records,) not negative, summing to 1; all alike where the records are too few to tell
    sums : (n_sums, n_records) sums over each record whose expectation is 0, scaled to a spread of 1
    """

    weights: Floats
    sums: Floats

    @classmethod
    def of(cls, process: CountProcess, past: Floats, period: int) -> Controls:
        """Weigh records.

        Parameters
        ----------
        past : (n_weeks, n_records) drawn from `process`, NaN where it has no count
        period : weeks in a year
        """
        n_records = past.shape[1]
        sums = _sums(process, past, period)[: n_records // _RECORDS_EACH]
        spread = sums.std(axis=1)
        sums = sums[spread > 0.0] / spread[spread > 0.0, None]
        mean = sums.mean(axis=1)
        centred = sums - mean[:, None]
        moments = centred @ centred.T + _RIDGE * n_records * np.eye(len(sums))
        weights = 1.0 / n_records - np.linalg.solve(moments, mean) @ centred
        # A chance lies between 0 and 1, and so does its mean only where no weight is negative.
        weights = np.maximum(weights, 0.0)
        return cls(weights / weights.sum(), sums)

    def error(self, values: Floats) -> Floats:
        """Standard error of the weighted mean of values by record (n_records, ...): of what the sums leave open."""
        flat = values.reshape(len(values), -1)
        known = np.vstack([np.ones(len(flat)), self.sums])
        left = flat - known.T @ np.linalg.lstsq(known.T, flat, rcond=None)[0]
        spare = max(len(flat) - len(known), 1)
        error: Floats = np.sqrt((left**2).sum(axis=0) / spare * (self.weights**2).sum()).reshape(values.shape[1:])
        return error


def _sums(process: CountProcess, past: Floats, period: int) -> Floats:
    """Sums over each record whose expectation is 0, what matters most first; (n_sums, n_records)."""
    mean, seen = process.past[:, None], process.seen[:, None]
    variance = process.dispersion * mean
    surplus = np.where(seen, past - mean, 0.0)
    scatter = np.where(seen, (past - mean) ** 2 / mean - process.dispersion, 0.0)
    weeks = np.arange(len(past))
    newest = weeks >= len(past) - period // 2
    level = surplus.sum(axis=0)
    shapes = [weeks - weeks.mean()]
    for wave in range(1, min(_MOST_WAVES, (period - 1) // 2) + 1):
        turn = 2.0 * np.pi * wave * weeks / period
        shapes += [np.cos(turn), np.sin(turn)]
    sums = [
        level,
        scatter.sum(axis=0),
        surplus[newest].sum(axis=0),
        level**2 - (variance * seen).sum(),
        surplus[-1],
        scatter[newest].sum(axis=0),
        *(shape @ surplus for shape in shapes),
    ]
    return np.stack(sums)
