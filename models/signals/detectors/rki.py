"""RKI: the rule of thumb of the German surveillance system, mean plus two standard deviations.

Up to a mean of 20 the limit is read from a table of confidence limits of a Poisson mean (those of Casella and Robert
1989), at the mean cut to a whole number; above, it is the mean plus two standard deviations of the comparable weeks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np

from models.signals.detectors.base import Detector, Judged, Weeks, exceedance, flag
from models.signals.detectors.windows import check_windows, mean_and_sd, offsets_of_years, past, reasons

# Upper 95 % limits of a Poisson mean for 0 to 20 cases.
_FIRST_TEN: Final = (3.285, 5.323, 6.686, 8.102, 9.598, 11.177, 12.817, 13.765, 14.921, 16.768)
_TO_TWENTY: Final = (17.633, 19.05, 20.335, 21.364, 22.945, 23.762, 25.4, 26.306, 27.735, 28.966, 30.017)
_LIMITS: Final = np.array([*_FIRST_TEN, *_TO_TWENTY])
_TABLE_ENDS: Final = 20.0


@dataclass(eq=False)
class Rki(Detector):
    """RKI.

    Attributes
    ----------
    years_back, half_window : the same week of so many earlier years, and so many weeks around it
    this_year : the newest `half_window` weeks count too
    compatible : a missing week silences all windows it lies in, as in R

    Notes
    -----
    The level is fixed, and there is no p-value. At a mean of 20 the rule jumps from the table to the sample's own
    spread: a window whose weeks are alike then has a limit right at its mean.
    """

    method: ClassVar[str] = "rki"
    r_defaults: ClassVar[dict[str, Any]] = {"years_back": 2, "half_window": 4, "this_year": False}

    years_back: int = 0
    half_window: int = 6
    this_year: bool = True
    compatible: bool = False
    period: int | None = None

    def check(self) -> None:
        """Refuse impossible parameters."""
        check_windows(self.years_back, self.half_window, this_year=self.this_year)

    def _judge(self, weeks: Weeks) -> Judged:
        offsets = offsets_of_years(self.years_back, self.half_window, weeks.period, this_year=self.this_year)
        mean, sd, n = mean_and_sd(past(weeks, offsets), skip_missing=not self.compatible)
        in_table = mean <= _TABLE_ENDS
        whole = np.floor(np.where(in_table, mean, 0.0)).astype(np.int64)
        upper = np.where(in_table, _LIMITS[whole], mean + 2.0 * sd)
        observed = weeks.judged
        return Judged(
            observed=observed,
            expected=mean,
            lower=np.where(in_table, np.nan, np.maximum(mean - 2.0 * sd, 0.0)),
            upper=upper,
            p_value=weeks.nothing(),
            score=exceedance(observed, mean, upper),
            alarm=flag(observed > upper, ~np.isnan(upper) & ~np.isnan(observed)),
            why=reasons(weeks, offsets, n, upper),
        )
