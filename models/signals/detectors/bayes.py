"""Bayes: the predictive distribution of a count, given the counts of comparable weeks (Riebler 2004; Höhle 2007).

Comparable weeks are taken for Poisson counts with one mean, about which nothing is known beforehand (Jeffreys' prior,
gamma with shape 1/2). What follows for the week judged is a negative binomial, and its quantile is the limit.

Where counts may vary more than Poisson's, every dispersion is weighed by what the same weeks say of it
(`models.signals.few_cases`), and the law of the week judged is the average of theirs. With dispersion phi a past of Y
cases counts for Y / phi, and its mean is (Y + phi / 2) / weeks: at phi = 1 that is the law above.

References
----------
Riebler (2004), Empirischer Vergleich von statistischen Methoden zur Ausbruchserkennung; LMU München.
Höhle (2007), Computational Statistics 22:571.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from models.signals.detectors.base import (
    Detector,
    Floats,
    Judged,
    Weeks,
    exceedance,
    flag,
    one_of,
    probability,
)
from models.signals.detectors.windows import check_windows, mean_and_sd, offsets_of_years, past, reasons
from models.signals.distribution import mixed_tail
from models.signals.few_cases import dispersions_of_level, mixed_quantile
from models.signals.tails import smallest_count, upper_tail


@dataclass(eq=False)
class Bayes(Detector):
    """Bayes.

    Attributes
    ----------
    years_back, half_window : the same week of so many earlier years, and so many weeks around it
    this_year : the newest `half_window` weeks count too
    alpha : probability of a count above the limit while nothing has changed
    dispersion : "poisson", as published; "weighed": counts may vary more than chance makes them
    compatible : as in R, a single week that is there is enough, and a window without a week is no mistake but says
        nothing; the default asks for half of the weeks

    Notes
    -----
    With `dispersion` "poisson" the weeks are taken to vary no more than Poisson counts do; where they vary more, false
    alarms come more often, and p-values at or below 1e-4 a hundred times as often as they say. "weighed" takes a rise
    of calm thin series less seriously, for a few weeks cannot tell that they are calm.
    """

    method: ClassVar[str] = "bayes"
    r_defaults: ClassVar[dict[str, Any]] = {"years_back": 0, "half_window": 6, "this_year": True, "alpha": 0.05}

    years_back: int = 0
    half_window: int = 6
    this_year: bool = True
    alpha: float = 0.05
    dispersion: str = "poisson"
    compatible: bool = False
    period: int | None = None

    def check(self) -> None:
        """Refuse impossible parameters."""
        if not self.compatible:
            check_windows(self.years_back, self.half_window, this_year=self.this_year)
        probability("alpha", self.alpha)
        one_of("dispersion", self.dispersion, ("poisson", "weighed"))

    def _judge(self, weeks: Weeks) -> Judged:
        offsets = offsets_of_years(self.years_back, self.half_window, weeks.period, this_year=self.this_year)
        compared = past(weeks, offsets)
        mean, _, n = mean_and_sd(compared, skip_missing=True, least=1 if self.compatible else None)
        expected = (mean * n + 0.5) / n
        observed = weeks.judged
        if self.dispersion == "poisson":
            lower, upper, tail = self._poisson(observed, expected, n)
        else:
            lower, upper, tail = self._weighed(observed, compared, expected)
        return Judged(
            observed=observed,
            expected=expected,
            lower=lower,
            upper=upper,
            p_value=np.where(np.isnan(upper), np.nan, tail),
            score=exceedance(observed, expected, upper),
            alarm=flag(observed > upper, ~np.isnan(upper) & ~np.isnan(observed)),
            why=reasons(weeks, offsets, n, upper),
        )

    def _poisson(self, observed: Floats, expected: Floats, n: Floats) -> tuple[Floats, Floats, Floats]:
        """Both limits, and the probability of as many cases or more; each (n_judged, n_series)."""
        variance = expected * (1.0 + 1.0 / n)
        lower, upper = (smallest_count(level, expected, variance) for level in (self.alpha, 1.0 - self.alpha))
        return lower, upper, upper_tail(observed, expected, variance)

    def _weighed(self, observed: Floats, compared: Floats, expected: Floats) -> tuple[Floats, Floats, Floats]:
        """The same, averaged over what the dispersion may be."""
        told = np.flatnonzero(~np.isnan(expected.ravel()))
        # Where a hundred records are planned with, most pasts hold the same counts in another order.
        pasts, which = _distinct(compared.reshape(len(compared), -1)[:, told].T)
        seen = pasts >= 0
        phi, weight = dispersions_of_level(np.where(seen, pasts, 0.0), seen)
        points = seen.sum(axis=1, keepdims=True)
        mean = (np.where(seen, pasts, 0.0).sum(axis=1, keepdims=True) + phi / 2.0) / points
        variance = phi * mean * (1.0 + 1.0 / points)
        limits = [mixed_quantile(level, mean, variance, weight)[which] for level in (self.alpha, 1.0 - self.alpha)]
        asked, same = np.unique(np.stack([which, observed.ravel()[told]]), axis=1, return_inverse=True)
        past_of = asked[0].astype(np.int64)
        tails = mixed_tail(asked[1], mean[past_of], variance[past_of], weight[past_of])[same.ravel()]
        lower, upper, tail = (np.full(expected.size, np.nan) for _ in range(3))
        for whole, values in zip((lower, upper, tail), (*limits, tails), strict=True):
            whole[told] = values
        return lower.reshape(expected.shape), upper.reshape(expected.shape), tail.reshape(expected.shape)


def _distinct(counts: Floats) -> tuple[Floats, NDArray[np.int64]]:
    """Rows that hold the same whole counts in any order, once each, -1 for a missing one; and which row is which."""
    rows = np.sort(np.where(np.isnan(counts), -1.0, np.floor(counts)), axis=1)
    distinct, which = np.unique(rows, axis=0, return_inverse=True)
    return distinct, which.ravel()
