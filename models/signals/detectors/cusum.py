"""CUSUM of counts: small rises add up, week after week, until the sum is an alarm (Rossi, Lampugnani, Marchi 1999).

Counts are made roughly standard normal; what exceeds the reference value is added up, never below zero.

References
----------
Rossi, Lampugnani, Marchi (1999), Statistics in Medicine 18:2111.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
from scipy import special

from data.errors import UsageError
from models.signals.detectors.base import Detector, Floats, Judged, Weeks, flag, one_of, positive
from models.signals.detectors.in_control import fit_in_control, seasonal_design

_TRANSFORMATIONS: Final = (
    "standard",
    "rossi",
    "anscombe",
    "anscombe2nd",
    "pearson_neg_bin",
    "anscombe_neg_bin",
    "none",
)

# R has no limit in counts for these: it gives how far the sum is from the limit.
_NOT_TURNED_IN_R: Final = ("anscombe_neg_bin", "none")


@dataclass(eq=False)
class Cusum(Detector):
    """CUSUM.

    Attributes
    ----------
    reference : what a week must exceed, in standard deviations, to add to the sum; half the shift worth finding
    limit : the sum that is an alarm
    transformation : how counts are made standard normal, see the notes
    mean : in-control mean of every series; None: the mean of the history; "glm": a Poisson regression of the history on
        the season (one pair of harmonics)
    overdispersion : of the negative-binomial transformations; variance = mean + overdispersion x mean squared
    reset : begin again at zero after an alarm
    compatible : as in R, a missing week, or a mean of zero, ends the chart; the limit of "standard" is rounded up; that
        of "none" and "anscombe_neg_bin" is how far the sum is from the limit; "anscombe2nd" has the standard deviation
        to first order only, and a limit that is not quite its inverse

    Notes
    -----
    With count x and mean m: "standard" (x - m) / sqrt(m); "rossi" (x - 3m + 2 sqrt(xm)) / (2 sqrt(m)); "anscombe" the
    Anscombe residual of a Poisson count, "anscombe2nd" with its second-order terms; "pearson_neg_bin" and
    "anscombe_neg_bin" the residuals of a negative binomial; "none" x itself.

    The chart begins with the first week judged. `score` is the sum, `upper` the smallest count (seldom whole) that
    would bring it to the limit, `expected` the in-control mean. There is no p-value.
    """

    method: ClassVar[str] = "cusum"
    r_columns: ClassVar[dict[str, str]] = {
        "alarm": "alarm",
        "upperbound": "upper",
        "cusum": "score",
        "m": "expected",
    }
    r_defaults: ClassVar[dict[str, Any]] = {
        "reference": 1.04,
        "limit": 2.26,
        "transformation": "standard",
        "mean": None,
        "reset": False,
    }

    reference: float = 1.04
    limit: float = 2.26
    transformation: str = "standard"
    mean: float | str | None = None
    overdispersion: float = 0.1
    reset: bool = False
    compatible: bool = False
    period: int | None = None

    def check(self) -> None:
        """Refuse impossible parameters."""
        one_of("transformation", self.transformation, _TRANSFORMATIONS)
        positive("limit", self.limit)
        if isinstance(self.mean, str):
            one_of("mean", self.mean, ("glm",))
        elif self.mean is not None:
            positive("mean", self.mean)
        if "neg_bin" in self.transformation:
            positive("overdispersion", self.overdispersion)

    def _judge(self, weeks: Weeks) -> Judged:
        mean = self._mean(weeks)
        observed = weeks.judged
        with np.errstate(divide="ignore", invalid="ignore"):
            standard = self._standard(observed, mean)
        sums, before = self._add_up(standard)
        upper = self._limit_in_counts(mean, before, sums)
        known = ~np.isnan(sums) & (self.compatible | ~np.isnan(mean))
        if self.compatible:
            upper = np.where(np.isnan(upper), 0.0, upper)
        why = weeks.no_reason()
        why[np.isnan(sums)] = "missing_in_past"
        why[~known & ~(mean > 0.0)] = "no_cases_in_past" if weeks.start else "past_too_short"
        return Judged(
            observed=observed,
            expected=mean,
            lower=weeks.nothing(),
            upper=upper,
            p_value=weeks.nothing(),
            score=sums,
            alarm=flag(sums >= self.limit, known),
            why=why,
        )

    def _mean(self, weeks: Weeks) -> Floats:
        """In-control mean of every week to judge; (n_judged, n_series)."""
        history = weeks.counts[: weeks.start]
        shape = weeks.judged.shape
        if isinstance(self.mean, str):
            design = seasonal_design(len(weeks.counts), 1, weeks.period, trend=False)
            return fit_in_control(history, design, 0.0, cut_short=self.compatible).mean[weeks.start :]
        if self.mean is not None:
            return np.full(shape, float(self.mean))
        if len(history) == 0:
            return np.full(shape, np.nan)
        present = ~np.isnan(history)
        n = present.sum(axis=0)
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = np.where(present, history, 0.0).sum(axis=0) / n
        usable = n == len(history) if self.compatible else mean > 0.0
        mean = np.where(usable, mean, np.nan)
        return np.broadcast_to(mean, shape).copy()

    def _standard(self, x: Floats, m: Floats) -> Floats:
        a = self.overdispersion
        values: dict[str, Any] = {
            "standard": lambda: (x - m) / np.sqrt(m),
            "rossi": lambda: (x - 3.0 * m + 2.0 * np.sqrt(x * m)) / (2.0 * np.sqrt(m)),
            "anscombe": lambda: 1.5 * (x ** (2 / 3) - m ** (2 / 3)) / m ** (1 / 6),
            "anscombe2nd": lambda: (x ** (2 / 3) - _second_mean(m)) / self._second_sd(m),
            "pearson_neg_bin": lambda: (x - m) / np.sqrt(m + a * m**2),
            "anscombe_neg_bin": lambda: (_neg_bin_power(x, a) - _neg_bin_power(m, a)) / (m + a * m**2) ** (1 / 6),
            "none": lambda: x + 0.0,
        }
        standard: Floats = values[self.transformation]()
        return standard

    def _add_up(self, standard: Floats) -> tuple[Floats, Floats]:
        """The sum of every week, and the sum it started from; (n_judged, n_series)."""
        sums, before = np.zeros_like(standard), np.zeros_like(standard)
        now = np.zeros(standard.shape[1])
        for row, value in enumerate(standard):
            before[row] = now
            new = np.maximum(now + value - self.reference, 0.0)
            # A missing week adds nothing and takes nothing away.
            now = new if self.compatible else np.where(np.isnan(new), now, new)
            sums[row] = now
            if self.reset:
                now = np.where(now >= self.limit, 0.0, now)
        if not self.compatible:
            sums = np.where(np.isnan(standard).all(axis=0), np.nan, sums)
        return sums, before

    def _limit_in_counts(self, mean: Floats, before: Floats, sums: Floats) -> Floats:
        """The count that brings the sum to the limit: the transformation, turned round."""
        need = self.limit + self.reference - before
        with np.errstate(divide="ignore", invalid="ignore"):
            upper = self._turned_round(need, mean)
            if self.compatible and self.transformation in _NOT_TURNED_IN_R:
                upper = self.limit - sums
            if self.transformation == "standard" and self.compatible:
                upper = np.ceil(upper)
        upper = np.maximum(upper, 0.0)
        # A mean of zero has the limit zero in R, whatever the sum; without a transformation the mean plays no part.
        return np.where(mean == 0.0, 0.0, upper) if self.compatible and self.transformation != "none" else upper

    def _turned_round(self, need: Floats, m: Floats) -> Floats:
        a, root = self.overdispersion, np.sqrt(m)
        if self.transformation == "standard":
            return m + root * need
        if self.transformation == "rossi":
            inside = np.sqrt(np.maximum(4.0 * m + 2.0 * root * need, 0.0)) - root
            turned: Floats = np.maximum(inside, 0.0) ** 2
            if self.compatible:
                # R squares a negative root too: a sum just above the limit then has a limit above zero again.
                turned = np.where(4.0 * m + 2.0 * root * need >= 0.0, inside**2, 0.0)
        elif self.transformation == "anscombe":
            turned = np.maximum(m ** (2 / 3) + need * 2 / 3 * m ** (1 / 6), 0.0) ** 1.5
        elif self.transformation == "anscombe2nd":
            # R turns it round with another second-order term, so its limit does not bring the sum to the limit.
            centre = m ** (2 / 3) - m ** (1 / 3) / 9.0 if self.compatible else _second_mean(m)
            turned = np.maximum(centre + need * self._second_sd(m), 0.0) ** 1.5
        elif self.transformation == "pearson_neg_bin":
            turned = m + need * np.sqrt(m + a * m**2)
        elif self.transformation == "anscombe_neg_bin":
            turned = self._turned_by_search(need, m)
        else:
            turned = need + 0.0 * m
        return turned

    def _second_sd(self, m: Floats) -> Floats:
        """Standard deviation of a Poisson count to the power 2/3, to second order; in R to first."""
        sd: Floats = 2 / 3 * m ** (1 / 6) * (1.0 if self.compatible else 1.0 + 1.0 / (16.0 * m))
        return sd

    def _turned_by_search(self, need: Floats, m: Floats) -> Floats:
        """Bisection for the one transformation that has no plain inverse; it rises with the count."""
        low = np.zeros_like(m)
        high = m + 1.0
        while (short := self._standard(high, m) < need).any():
            high = np.where(short, 2.0 * high, high)
            if (high > 1e12).any():
                raise UsageError("The limit of the CUSUM is out of reach; give a smaller limit.")
        for _ in range(200):
            middle = (low + high) / 2.0
            below = self._standard(middle, m) < need
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        return high


def _second_mean(m: Floats) -> Floats:
    """Mean of a Poisson count to the power 2/3, to second order."""
    mean: Floats = m ** (2 / 3) - m ** (-1 / 3) / 9.0
    return mean


def _neg_bin_power(x: Floats, a: float) -> Floats:
    """The integral of variance to the power -1/3 up to x: the variance-stabilising scale of a negative binomial."""
    power: Floats = 1.5 * x ** (2 / 3) * special.hyp2f1(1 / 3, 2 / 3, 5 / 3, -a * x)
    return power
