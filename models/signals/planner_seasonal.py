"""The seasonal regression over many records, each fitted once, and the chance that it stays silent.

The regression leaves the newest weeks out, so what rises in the weeks planned for does not change it; the limit of a
week then depends on the week before alone. Fitted anew for every rise and week, as the detector does, a plan would take
half a minute. And because no more than the week before matters, the chance of no alarm in all weeks up to one is added
up from week to week over what may be counted, without drawing: a Markov chain whose states are the classes of counts
that the limit tells apart.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.signals.count_process import CountProcess
from models.signals.detectors.base import Weeks
from models.signals.detectors.seasonal import Seasonal
from models.signals.distribution import count_lower_tail
from models.signals.rise_evidence import Expected, limits_after, rise_evidence
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

    def silence(self, process: CountProcess, rises: Floats, newest: Floats) -> Floats | None:
        """The chance of no alarm from the first week ahead up to each; (n_weeks, n_records, n_rises).

        None where an alarm depends on more than the count of the week before, through `minimum_cases`.

        Parameters
        ----------
        rises : (n_rises,) how many times the usual the weeks ahead are
        newest : (n_records,) last counts of the records, NaN where missing
        """
        cases, over = self.detector.minimum_cases
        if over > 2:
            return None
        records = np.arange(len(newest))
        held = np.where(np.isnan(newest), 0.0, newest) if over == 2 else 0.0
        limits = np.maximum(self.of_week(0, records, newest), cases - 1.0 - held)[:, None]
        # Before the first week there is one state: the record as it is.
        chance = np.ones((len(rises), len(newest), 1))
        silent = np.empty((len(process.ahead), len(newest), len(rises)))
        for week in range(len(process.ahead)):
            last = week + 1 == len(process.ahead)
            edges, following = (np.zeros((len(newest), 1)), None) if last else self._after(week + 1)
            for place, rise in enumerate(rises):
                law = _Law.of(rise * float(process.ahead[week]), process.dispersion)
                below = law.below(np.minimum(limits[:, :, None] + 1.0, edges[:, None, :]))
                upto = np.concatenate([below[:, :, 1:], law.below(limits + 1.0)[:, :, None]], axis=2)
                moved = np.matmul(chance[place][:, None, :], upto - below)[:, 0]
                silent[week, :, place] = moved.sum(axis=1)
                if place == 0:
                    told = np.empty((len(rises), *moved.shape))
                told[place] = moved
            chance = told
            if following is None:
                break
            least = edges if over == 2 else np.zeros_like(edges)
            most = np.append(edges[:, 1:] - 1.0, np.full((len(edges), 1), np.inf), axis=1) if over == 2 else least
            limits = np.maximum(following, cases - 1.0 - least)
            if (limits != np.maximum(following, cases - 1.0 - most)).any():
                return None
        return silent

    def _after(self, week: int) -> tuple[Floats, Floats]:
        """Classes of the counts of the week before and the limits after each; (n_records, n_classes)."""
        expected, fit = self._expected(week)
        parts = []
        for first in range(0, len(fit.cases), _AT_ONCE):
            k = slice(first, first + _AT_ONCE)
            now, then = (Expected(one.mean[k], one.error[k]) for one in expected)
            parts.append(limits_after((now, then), fit.dispersion[k], fit.dispersion_sd[k], self.detector.alpha))
        edges, limits = (np.concatenate(one) for one in zip(*parts, strict=True))
        return edges, limits

    def _expected(self, week: int) -> tuple[tuple[Expected, Expected], Fit]:
        """Of one week ahead and of the week before, every record."""
        row = self.n_past + week
        end = _end(self.detector, row, self.n_past)
        fit = self.fits[end]
        mean, error = fit.expect(design_matrix(self.years[row - 1 : row + 1], self.years[end - 1], self.waves))
        return (Expected(mean[1], error[1]), Expected(mean[0], error[0])), fit

    def of_week(self, week: int, record: Ints, before: Floats) -> Floats:
        """Limits of one week ahead, of these records after these counts in the week before; the same shape."""
        pairs = np.stack([record.astype(float), np.where(np.isnan(before), -1.0, before)])
        unique, places = np.unique(pairs, axis=1, return_inverse=True)
        records, newest = unique[0].astype(np.int64), np.where(unique[1] < 0.0, np.nan, unique[1])
        (now, then), fit = self._expected(week)
        limits = np.empty(len(records))
        for first in range(0, len(records), _AT_ONCE):
            part = slice(first, first + _AT_ONCE)
            k = records[part]
            expected = Expected(now.mean[k], now.error[k]), Expected(then.mean[k], then.error[k])
            found = rise_evidence(
                np.zeros(len(k)), newest[part], expected, fit.dispersion[k], fit.dispersion_sd[k], self.detector.alpha
            )
            limits[part] = found.limit
        return limits[places.ravel()]


@dataclass(frozen=True, slots=True)
class _Law:
    """The distribution of one week's count, as a table over all counts that ever come."""

    least: int
    upto: Floats  # P(count <= least + place)

    @classmethod
    def of(cls, mean: float, dispersion: float) -> _Law:
        reach = 12.0 * np.sqrt(dispersion * mean) + 12.0
        least = int(max(np.floor(mean - reach), 0.0))
        values = np.arange(least, np.ceil(mean + reach) + 1.0)
        means = np.full(len(values), mean)
        return cls(least, count_lower_tail(values, means, means * dispersion))

    def below(self, counts: Floats) -> Floats:
        """P(fewer); whole numbers."""
        place = np.minimum(counts - 1.0 - self.least, len(self.upto) - 1.0)
        found: Floats = np.where(place < 0.0, 0.0, self.upto[np.maximum(place, 0.0).astype(np.int64)])
        return found


def _end(detector: Seasonal, row: int, n_past: int) -> int:
    """Weeks that the regression sees; of a rise that lasts beyond the weeks left out, none more than before it."""
    return min(row - detector.weeks_left_out, n_past) // detector.refit_every * detector.refit_every
