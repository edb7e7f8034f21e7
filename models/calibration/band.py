"""How far the true share of failures may lie from what is told, at every score.

The share of failures among cases with score s is some smooth curve. It is estimated by a penalised logistic regression:
in log-odds a natural cubic spline on a handful of knots, pulled towards a straight line by its bending energy (how
strongly is chosen by marginal likelihood) and, weakly, towards the score itself. Its Bayesian covariance counts both
chance and what the pull may have bent; such intervals cover the truth across the curve as often as they claim (Wahba
1983; Nychka 1988; Marra and Wood 2012). Cases of one week share that week's luck, a queue carries it into the next,
and landmarks of one case share its fate. So the chance part is counted twice, by rows and by whole blocks (the sandwich
of Liang and Zeger 1986; over weeks the long-run covariance of Lazarus, Lewis, Stock and Watson 2018, with the quantile
of Student's t that goes with it), and the wider limits hold. Luck that lasts longer than the history is beyond any of
this: it has not been seen to change.

That is the share of all cases with a score. Cases of one kind in one week lie to one side of it; how far, is measured
on the same later cases (`models.calibration.heterogeneity`), and where kinds are told, the limits are no nearer than
that. It is not added: what the curve is off by is in it already.

One band serves every calibrator: what is uncertain is the share of failures, however it is told.

References
----------
Wahba, G. (1983). Bayesian "confidence intervals" for the cross-validated smoothing spline. JRSS B 45.
Nychka, D. (1988). Bayesian confidence intervals for smoothing splines. JASA 83.
Marra, G. and Wood, S. (2012). Coverage properties of confidence intervals for generalized additive model components.
Lazarus, E., Lewis, D., Stock, J. and Watson, M. (2018). HAR inference: recommendations for practice. JBES 36.
Hall, P. (1992). Effect of bias estimation on coverage accuracy of bootstrap confidence intervals. Annals of Stat. 20.
Liang, K.-Y. and Zeger, S. (1986). Longitudinal data analysis using generalized linear models. Biometrika 73.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit

from data.errors import UsageError
from models.calibration.blocks import Blocks
from models.calibration.smooth import Smooth

Floats = NDArray[np.float64]

# The curve is kept at this many scores, evenly spaced, and a bit beyond those that were seen.
_POINTS: Final = 101
_BEYOND: Final = 2.0


@dataclass(frozen=True, slots=True)
class Band:
    """Centre and spread of the true log-odds at evenly spaced scores.

    Attributes
    ----------
    first, step : the scores are first, first + step, …
    centre : (k,) log-odds
    spread, shared : (k,) standard deviations of the centre, by rows and by blocks
    degrees : degrees of freedom of `shared`
    apart : standard deviation of the true log-odds of like cases around what is told of them; 0 where it is not known
    """

    first: float
    step: float
    centre: tuple[float, ...]
    spread: tuple[float, ...]
    shared: tuple[float, ...]
    degrees: float
    apart: float = 0.0

    @classmethod
    def fit(cls, score: Floats, outcome: Floats, weight: Floats, block: Blocks | None) -> Self:
        """Fit to m cases; without any, the band says how little is known of a score that nothing has tested.

        Parameters
        ----------
        score : (m,) log-odds, finite
        outcome : (m,) of 0 and 1
        weight : (m,) not negative
        block : what shares its luck (weeks, or cases); every row by itself when None
        """
        smooth = Smooth.fit(score, outcome, weight, block)
        low, high = smooth.knots[0] - _BEYOND, smooth.knots[-1] + _BEYOND
        grid, step = np.linspace(low, high, _POINTS, retstep=True)
        centre, spread, shared = (tuple(values.tolist()) for values in smooth.at(grid))
        return cls(float(low), float(step), centre, spread, shared, smooth.degrees)

    def limits(self, score: Floats, level: float) -> tuple[Floats, Floats]:
        """Lower and upper limits in log-odds, (n,) each.

        They may fall where the share of failures does: a score can have lost its order in places, and limits that were
        made to rise would hide it. Beyond the scores that are kept they go on in parallel to the score.

        Raises
        ------
        UsageError
            If the level is not between 0 and 1.
        """
        if not 0 < level < 1:
            raise UsageError(f"Expected a level between 0 and 1, such as 0.8 for 80 %, got {level}.")
        far = self.far(level)
        lower, upper = np.array(self.centre) - far, np.array(self.centre) + far
        grid = self.first + self.step * np.arange(len(self.centre))
        inside = np.clip(score, grid[0], grid[-1])
        beyond = score - inside
        return np.interp(inside, grid, lower) + beyond, np.interp(inside, grid, upper) + beyond

    def far(self, level: float) -> Floats:
        """How far the limits lie from the centre at each score that is kept, in log-odds, (k,)."""
        tail = (1 + level) / 2
        own, shared = ndtri(tail) * np.array(self.spread), stdtrit(self.degrees, tail) * np.array(self.shared)
        return np.asarray(np.maximum(np.maximum(own, shared), ndtri(tail) * self.apart), dtype=np.float64)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "first": self.first,
            "step": self.step,
            "centre": list(self.centre),
            "spread": list(self.spread),
            "shared": list(self.shared),
            "degrees": self.degrees,
            "apart": self.apart,
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """What `as_dict` gave."""
        return cls(
            first=float(values["first"]),
            step=float(values["step"]),
            centre=tuple(float(value) for value in values["centre"]),
            spread=tuple(float(value) for value in values["spread"]),
            shared=tuple(float(value) for value in values["shared"]),
            degrees=float(values["degrees"]),
            apart=float(values.get("apart", 0.0)),
        )
