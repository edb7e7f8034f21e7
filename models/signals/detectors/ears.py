"""EARS C1, C2 and C3: this week against the mean and spread of the weeks just before (Hutwagner et al. 2003).

C1 compares with the newest `baseline` weeks, C2 leaves out the two newest so that a rise under way does not explain
itself, C3 adds up how far the newest three weeks lie above one standard deviation in C2.

References
----------
Hutwagner, Thompson, Seeman, Treadwell (2003), Journal of Urban Health 80(2 Suppl 1):i89.
Fricker, Hegler, Dunfee (2008), Statistics in Medicine 27:3407.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from scipy import stats

from data.errors import UsageError
from models.signals.detectors.base import Detector, Floats, Judged, Weeks, flag, one_of, probability
from models.signals.detectors.windows import mean_and_sd, past, reasons

_LAGS = {"C1": 0, "C2": 2, "C3": 2}
# The published limits: 3 standard deviations for C1 and C2, a sum of 2 for C3.
_ALPHA = {"C1": 0.001, "C2": 0.001, "C3": 0.025}


@dataclass(eq=False)
class Ears(Detector):
    """EARS.

    Attributes
    ----------
    kind : "C1", "C2" or "C3"
    baseline : weeks compared with, at least 3
    alpha : one-sided level of the limit; None: 0.001 for C1 and C2, 0.025 for C3
    least_sd : standard deviations below it are taken for it; weeks without a case have none at all
    compatible : C3 as in R, whose limit is centred on this week's own count in place of the baseline's mean, so that
        the week judged plays no part in its alarm. A missing week then silences all windows it lies in.

    Notes
    -----
    `score` is C1 or C2 in standard deviations, or the sum that C3 is; the alarm of C3 needs no high count now where the
    two weeks before are enough (`alarm_at_any_count`, without a limit).
    """

    method: ClassVar[str] = "ears"
    r_defaults: ClassVar[dict[str, Any]] = {"kind": "C1", "baseline": 7, "alpha": None, "least_sd": 0.0}

    kind: str = "C2"
    baseline: int = 7
    alpha: float | None = None
    least_sd: float = 0.0
    compatible: bool = False
    period: int | None = None

    def check(self) -> None:
        """Refuse impossible parameters."""
        one_of("kind", self.kind, tuple(_LAGS))
        if self.baseline < 3:
            raise UsageError(f"baseline must be at least 3 weeks; it is {self.baseline!r}.")
        if self.alpha is not None:
            probability("alpha", self.alpha)

    def _judge(self, weeks: Weeks) -> Judged:
        z = float(stats.norm.isf(self.alpha if self.alpha is not None else _ALPHA[self.kind]))
        mean, sd, n = self._level(weeks, 0)
        observed = weeks.judged
        score = self._deviation(observed, mean, sd)
        p_value = stats.norm.sf(score)
        upper = mean + z * sd
        alarm = observed > upper
        offsets = self._offsets(0)
        always = np.zeros(mean.shape, dtype=bool)
        if self.kind == "C3":
            before = self._excess(weeks, 1) + self._excess(weeks, 2)
            offsets = self._offsets(2)
            score, p_value = np.maximum(score - 1.0, 0.0) + before, weeks.nothing()
            if self.compatible:
                upper = np.maximum(observed + sd * (z - before), 0.0)
                alarm = observed > upper
            else:
                always = before > z
                upper = np.where(always, np.nan, np.maximum(mean + sd * (1.0 + z - before), 0.0))
                alarm = score > z
        known = ~np.isnan(upper) | always
        if self.compatible:
            known &= ~np.isnan(observed)
        why = reasons(weeks, offsets, n, np.where(always, 0.0, upper))
        why[always] = "alarm_at_any_count"
        return Judged(
            observed=observed,
            expected=mean,
            lower=np.maximum(mean - z * sd, 0.0),
            upper=upper,
            p_value=np.where(known, p_value, np.nan),
            score=np.where(known, score, np.nan),
            alarm=flag(alarm, known),
            why=why,
            extra={"sd": sd},
        )

    def _offsets(self, back: int) -> np.ndarray[Any, np.dtype[np.int64]]:
        return np.arange(self.baseline, 0, -1, dtype=np.int64) + _LAGS[self.kind] + back

    def _level(self, weeks: Weeks, back: int) -> tuple[Floats, Floats, Floats]:
        mean, sd, n = mean_and_sd(past(weeks, self._offsets(back)), skip_missing=not self.compatible)
        return mean, np.maximum(sd, self.least_sd), n

    def _deviation(self, observed: Floats, mean: Floats, sd: Floats) -> Floats:
        with np.errstate(divide="ignore", invalid="ignore"):
            plain: Floats = (observed - mean) / sd
        # Without any spread, an equal count is no deviation; R has no number for it and gives up.
        return plain if self.compatible else np.where((sd == 0.0) & (observed == mean), 0.0, plain)

    def _excess(self, weeks: Weeks, back: int) -> Floats:
        """How far the week `back` rows earlier lay above one standard deviation of its own baseline."""
        mean, sd, _ = self._level(weeks, back)
        observed = past(weeks, np.array([back]))[0]
        excess: Floats = np.maximum(self._deviation(observed, mean, sd) - 1.0, 0.0)
        if self.compatible:
            return excess
        # A missing week adds nothing.
        return np.where(np.isnan(observed) & ~np.isnan(mean), 0.0, excess)
