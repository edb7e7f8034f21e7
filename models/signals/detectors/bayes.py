"""Bayes: the predictive distribution of a count, given the counts of comparable weeks (Riebler 2004; Höhle 2007).

Comparable weeks are taken for Poisson counts with one mean, about which nothing is known beforehand (Jeffreys' prior,
gamma with shape 1/2). What follows for the week judged is a negative binomial, and its quantile is the limit.

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
    Judged,
    Weeks,
    exceedance,
    flag,
    probability,
)
from models.signals.detectors.windows import check_windows, mean_and_sd, offsets_of_years, past, reasons
from models.signals.tails import smallest_count, upper_tail


@dataclass(eq=False)
class Bayes(Detector):
    """Bayes.

    Attributes
    ----------
    years_back, half_window : the same week of so many earlier years, and so many weeks around it
    this_year : the newest `half_window` weeks count too
    alpha : probability of a count above the limit while nothing has changed
    compatible : as in R, a single week that is there is enough, and a window without a week is no mistake but says
        nothing; the default asks for half of the weeks

    Notes
    -----
    The weeks are taken to vary no more than Poisson counts do; where they vary more, so do the false alarms.
    """

    method: ClassVar[str] = "bayes"
    r_defaults: ClassVar[dict[str, Any]] = {"years_back": 0, "half_window": 6, "this_year": True, "alpha": 0.05}

    years_back: int = 0
    half_window: int = 6
    this_year: bool = True
    alpha: float = 0.05
    compatible: bool = False
    period: int | None = None

    def check(self) -> None:
        """Refuse impossible parameters."""
        if not self.compatible:
            check_windows(self.years_back, self.half_window, this_year=self.this_year)
        probability("alpha", self.alpha)

    def _judge(self, weeks: Weeks) -> Judged:
        offsets = offsets_of_years(self.years_back, self.half_window, weeks.period, this_year=self.this_year)
        mean, _, n = mean_and_sd(past(weeks, offsets), skip_missing=True, least=1 if self.compatible else None)
        shape = mean * n + 0.5
        expected = shape / n
        variance = expected * (1.0 + 1.0 / n)
        upper = smallest_count(1.0 - self.alpha, expected, variance)
        observed = weeks.judged
        return Judged(
            observed=observed,
            expected=expected,
            lower=smallest_count(self.alpha, expected, variance),
            upper=upper,
            p_value=np.where(np.isnan(upper), np.nan, upper_tail(observed, expected, variance)),
            score=exceedance(observed, expected, upper),
            alarm=flag(observed > upper, ~np.isnan(upper) & ~np.isnan(observed)),
            why=reasons(weeks, offsets, n, upper),
        )
