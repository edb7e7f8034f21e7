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
from models.signals.few_cases import PHI, dispersion_law, mixed_quantile
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
        tell = self._poisson if self.dispersion == "poisson" else self._weighed
        lower, upper, tail = tell(observed, compared, expected, n)
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

    def _poisson(self, observed: Floats, _: Floats, expected: Floats, n: Floats) -> tuple[Floats, Floats, Floats]:
        """Both limits, and the probability of as many cases or more; each (n_judged, n_series)."""
        variance = expected * (1.0 + 1.0 / n)
        lower, upper = (smallest_count(level, expected, variance) for level in (self.alpha, 1.0 - self.alpha))
        return lower, upper, upper_tail(observed, expected, variance)

    def _weighed(
        self, observed: Floats, compared: Floats, expected: Floats, n: Floats
    ) -> tuple[Floats, Floats, Floats]:
        """The same, averaged over what the dispersion may be."""
        told = np.flatnonzero(~np.isnan(expected.ravel()))
        counts = compared.reshape(len(compared), -1)[:, told].T
        seen = ~np.isnan(counts)
        counts = np.floor(np.where(seen, counts, 0.0))
        level = np.broadcast_to(expected.ravel()[told, None], counts.shape)
        weight = dispersion_law(counts, level, seen.astype(float), in_log=True)
        points = n.ravel()[told, None]
        mean = (counts.sum(axis=1, keepdims=True) + PHI / 2.0) / points
        variance = PHI * mean * (1.0 + 1.0 / points)
        lower, upper, tail = (np.full(expected.size, np.nan) for _ in range(3))
        for limit, probability_ in ((lower, self.alpha), (upper, 1.0 - self.alpha)):
            limit[told] = mixed_quantile(probability_, mean, variance, weight)
        tail[told] = mixed_tail(observed.ravel()[told], mean, variance, weight)
        return lower.reshape(expected.shape), upper.reshape(expected.shape), tail.reshape(expected.shape)
