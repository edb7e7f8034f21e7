"""CDC: four weeks together against the same four weeks, and those beside them, of earlier years (Stroup et al. 1989).

References
----------
Stroup, Williamson, Herndon, Karon (1989), Statistics in Medicine 8:323.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
from scipy import stats

from data.errors import UsageError
from models.signals.detectors.base import Detector, Floats, Judged, Weeks, exceedance, flag, probability
from models.signals.detectors.windows import mean_and_sd, past, reasons

_BLOCK: Final = 4


@dataclass(eq=False)
class Cdc(Detector):
    """CDC.

    Attributes
    ----------
    years_back : earlier years compared with
    blocks_beside : blocks of four weeks on either side of the same four weeks
    alpha : probability of a sum above the limit while nothing has changed
    compatible : as in R, the limit is that of a two-sided interval (alpha / 2), and `observed` is the count of the week
        alone although limit and alarm speak of the sum of four

    Notes
    -----
    `observed`, `expected`, `lower` and `upper` are sums over the newest four weeks (but see `compatible`).
    """

    method: ClassVar[str] = "cdc"
    r_defaults: ClassVar[dict[str, Any]] = {"years_back": 5, "blocks_beside": 1, "alpha": 0.025}

    years_back: int = 5
    blocks_beside: int = 1
    alpha: float = 0.025
    compatible: bool = False
    period: int | None = None

    def check(self) -> None:
        """Refuse impossible parameters."""
        if self.years_back < 1 or self.blocks_beside < 0 or self.years_back * (2 * self.blocks_beside + 1) < 2:
            raise UsageError(
                "Expected years_back of at least 1, blocks_beside of at least 0, and two blocks to compare with at "
                f"least; they are {self.years_back!r} and {self.blocks_beside!r}."
            )
        probability("alpha", self.alpha)

    def _judge(self, weeks: Weeks) -> Judged:
        now = self._sums(weeks, np.array([0]))[0]
        beside = range(-self.blocks_beside, self.blocks_beside + 1)
        ends = np.array(
            [year * weeks.period - _BLOCK * block for year in range(self.years_back, 0, -1) for block in beside]
        )
        mean, sd, n = mean_and_sd(self._sums(weeks, ends), skip_missing=not self.compatible)
        spread = sd * np.sqrt(1.0 + 1.0 / n)
        z = float(stats.norm.isf(self.alpha / 2.0 if self.compatible else self.alpha))
        upper = mean + z * spread
        known = ~np.isnan(upper) & ~np.isnan(now)
        why = reasons(weeks, ends + _BLOCK - 1, n, upper)
        why[np.isnan(now) & ~np.isnan(upper)] = "missing_in_past"
        return Judged(
            observed=weeks.judged if self.compatible else now,
            expected=mean,
            lower=np.maximum(mean - z * spread, 0.0),
            upper=upper,
            p_value=np.where(known & (spread > 0.0), stats.norm.sf((now - mean) / spread), np.nan),
            score=exceedance(now, mean, upper),
            alarm=flag(now > upper, known),
            why=why,
        )

    @staticmethod
    def _sums(weeks: Weeks, ends: np.ndarray[Any, np.dtype[np.int64]]) -> Floats:
        """Sums of four weeks, the last of which lies `ends` rows back; (n_ends, n_judged, n_series)."""
        total: Floats = sum(past(weeks, ends + back) for back in range(_BLOCK))  # type: ignore[assignment]
        return total
