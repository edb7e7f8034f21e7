"""The share of cases resolved by a moment of their own clock, when some were not followed so far.

Kaplan and Meier's product-limit estimate, S(t) = Π (1 - d_i / n_i) over the distinct times t_i <= t at which d_i of
the n_i cases still followed and open were resolved. A case censored at t_i was still followed when those resolved at
t_i were: it counts in n_i. Greenwood's variance, and 95 % limits on the log(-log) scale, which stay inside (0, 1).

References
----------
Kaplan and Meier (1958), J. Am. Stat. Assoc. 53:457. Greenwood (1926), Reports on Public Health 33.
Kalbfleisch and Prentice (1980), The Statistical Analysis of Failure Time Data, section 1.3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

# Two-sided 95 %.
_NORMAL_95: Final = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Survival:
    """The share of n cases still open after a time, at one time.

    Attributes
    ----------
    share : S(t), in [0, 1]; NaN without cases
    lower, upper : 95 % limits of it; NaN where S(t) is 0 or 1, for which the limits are not defined
    at_risk : cases known to be followed and open just before t, those resolved or censored at t included
    events : cases resolved at or before t
    censored : cases that stopped being followed before t, open when last looked at
    """

    share: float
    lower: float
    upper: float
    at_risk: int
    events: int
    censored: int


def survival_at(duration: Floats, resolved: Bools, at: float) -> Survival:
    """Share still open after `at`.

    Parameters
    ----------
    duration : (n,) time until a case was resolved, or until it was last looked at; any unit, not negative
    resolved : (n,) whether it was resolved then; False: censored
    at : moment asked about, in the same unit

    Raises
    ------
    ValueError
        If a duration is negative or NaN.
    """
    time = np.asarray(duration, dtype=np.float64)
    done = np.asarray(resolved, dtype=np.bool_)
    if np.isnan(time).any() or (time < 0).any():
        raise ValueError("Expected durations that are not negative and not missing.")
    n = len(time)
    if n == 0:
        return Survival(np.nan, np.nan, np.nan, 0, 0, 0)
    events = done & (time <= at)
    moments, deaths = np.unique(time[events], return_counts=True)
    ordered = np.sort(time)
    at_risk = n - np.searchsorted(ordered, moments, side="left")
    share = float(np.prod(1.0 - deaths / at_risk))
    # The term of the last step to zero is infinite; S is 0 then, and no limits are given.
    with np.errstate(divide="ignore"):
        greenwood = float(np.sum(deaths / (at_risk * (at_risk - deaths).astype(np.float64))))
    lower, upper = _limits(share, greenwood)
    return Survival(
        share=share,
        lower=lower,
        upper=upper,
        at_risk=int((time >= at).sum()),
        events=int(events.sum()),
        censored=int((~done & (time < at)).sum()),
    )


def _limits(share: float, greenwood: float) -> tuple[float, float]:
    """95 % limits on the log(-log) scale."""
    if not 0.0 < share < 1.0:
        return float("nan"), float("nan")
    spread = _NORMAL_95 * np.sqrt(greenwood) / np.log(share)
    # log S is negative, so the power above 1 is the lower limit.
    low, high = share ** np.exp(-spread), share ** np.exp(spread)
    return float(min(low, high)), float(max(low, high))
