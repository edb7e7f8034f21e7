"""Limits of the seasonal regression over many records, each fitted once.

The regression leaves the newest weeks out, so what rises in the weeks planned for does not change it; the limit of a
week then depends on the week before alone. Fitted anew for every rise and week, as the detector does, a plan would take
half a minute.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.signals.detectors.base import Weeks
from models.signals.detectors.seasonal import Seasonal
from models.signals.rise_evidence import Expected, rise_evidence
from models.signals.seasonal_fit import MOST_WAVES, Fit, design_matrix, fit_seasonal

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Records worked on at a time: their arrays stay in the processor's cache.
_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class SeasonalLimits:
    """The fits of `records`, and the limits that follow."""

    detector: Seasonal
    years: Floats  # of the record's weeks and those ahead
    n_past: int
    fits: dict[int, Fit]
    waves: int

    @classmethod
    def of(cls, detector: Seasonal, past: Floats, index: pd.Index, ahead: int) -> SeasonalLimits | None:
        """Fit; None where the detector would say nothing of these records."""
        dates = index.to_numpy().astype("datetime64[D]") if isinstance(index, pd.DatetimeIndex) else None
        period = detector.steps_a_year(dates)
        weeks = Weeks(past, len(past), dates, period, None)
        spanned = Weeks(np.zeros((len(index), 1)), len(past), dates, period, None)
        years = detector._years(spanned)
        waves = min(MOST_WAVES, max((period - 1) // 2, 0))
        ends = {_end(detector, weeks.start + week, len(past)) for week in range(ahead)}
        if min(ends) <= 1:
            return None
        if ((~np.isnan(past[: min(ends)])).sum(axis=0) < detector.least_years * period - 0.5).any():
            return None
        fits = {end: fit_seasonal(past[:end], design_matrix(years[:end], years[end - 1], waves)) for end in ends}
        return cls(detector, years, len(past), fits, waves)

    def of_week(self, week: int, record: Ints, before: Floats) -> Floats:
        """Limits of one week ahead, of these records after these counts in the week before; the same shape."""
        pairs = np.stack([record.astype(float), np.where(np.isnan(before), -1.0, before)])
        unique, places = np.unique(pairs, axis=1, return_inverse=True)
        records, newest = unique[0].astype(np.int64), np.where(unique[1] < 0.0, np.nan, unique[1])
        row = self.n_past + week
        end = _end(self.detector, row, self.n_past)
        fit = self.fits[end]
        mean, error = fit.expect(design_matrix(self.years[row - 1 : row + 1], self.years[end - 1], self.waves))
        limits = np.empty(len(records))
        for first in range(0, len(records), _AT_ONCE):
            part = slice(first, first + _AT_ONCE)
            k = records[part]
            expected = Expected(mean[1, k], error[1, k]), Expected(mean[0, k], error[0, k])
            found = rise_evidence(
                np.zeros(len(k)), newest[part], expected, fit.dispersion[k], fit.dispersion_sd[k], self.detector.alpha
            )
            limits[part] = found.limit
        return limits[places.ravel()]


def _end(detector: Seasonal, row: int, n_past: int) -> int:
    """Weeks that the regression sees; of a rise that lasts beyond the weeks left out, none more than before it."""
    return min(row - detector.weeks_left_out, n_past) // detector.refit_every * detector.refit_every
