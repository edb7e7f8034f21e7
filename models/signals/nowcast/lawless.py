"""The nowcast of Lawless (1994): reported counts divided by the share that the delay law says is known.

The prediction error is taken as normal with variance N(1 - F)/F^2 (N reported, F the share known), and the final count
cannot be below what is reported already.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from data.errors import UsageError
from models.signals.nowcast.delay import DelayLaw, delay_law
from models.signals.nowcast.triangle import ReportingTriangle

Floats = NDArray[np.float64]

COLUMNS: Final = ("date", "reported", "share_known", "nowcast", "lower", "upper")


def lawless(triangle: ReportingTriangle, *, alpha: float = 0.05, compatible: bool = False) -> pd.DataFrame:
    """Nowcast every row of the triangle that is not older than its longest delay.

    Parameters
    ----------
    triangle : the delay law is learnt from all its rows
    alpha : the final count lies outside `lower` to `upper` with this probability
    compatible : follow R's surveillance (1.20.3). There the nowcast is the median of a normal cut off below the
        reported count, with the mass cut off divided out but not taken off again: for small counts the median comes
        out too low and both limits too narrow. The error of the delay law itself is left out too. Rows without any
        report are nowcast as 0 to 0.

    Returns
    -------
    DataFrame with `COLUMNS`, oldest date first. By default `nowcast` is the expected final count, N/F, and the
    variance includes the estimation error of F; with nothing reported yet the nowcast is 0 and `upper` the largest
    count that would be silent so far with a probability of at least alpha/2. NaN where the share known is 0: nothing
    can be said yet.

    Raises
    ------
    NotEnoughDataError
        If the delay law cannot be learnt; see `delay_law`.
    """
    check_alpha(alpha)
    law = delay_law(triangle)
    newest = triangle.newest(min(triangle.longest + 1, len(triangle.dates)))
    # More taken back than reported leaves nothing to go by.
    reported = np.maximum(newest.reported, 0.0)
    share, log_variance = at_age(law, newest)
    told = _as_in_r(reported, share, alpha) if compatible else _corrected(reported, share, log_variance, alpha)
    return table(newest, reported, share, *told)


def check_alpha(alpha: float) -> None:
    """Refuse a probability outside (0, 1)."""
    if not 0.0 < alpha < 1.0:
        raise UsageError(f"alpha must lie between 0 and 1, for example 0.05; it is {alpha}.")


def at_age(law: DelayLaw, triangle: ReportingTriangle) -> tuple[Floats, Floats]:
    """Share known of each row and the variance of its logarithm."""
    age = np.minimum(triangle.age, triangle.longest)
    return law.cdf[age], law.log_variance[age]


def table(
    triangle: ReportingTriangle, reported: Floats, share: Floats, point: Floats, lower: Floats, upper: Floats
) -> pd.DataFrame:
    """A nowcast as a frame with `COLUMNS`."""
    values = (pd.to_datetime(triangle.dates), reported, share, point, lower, upper)
    return pd.DataFrame(dict(zip(COLUMNS, values, strict=True)))


def _as_in_r(reported: Floats, share: Floats, alpha: float) -> tuple[Floats, Floats, Floats]:
    mean, deviation = _normal(reported, share, np.zeros_like(share))
    kept = special.ndtr((mean - reported) / deviation)
    point, lower, upper = (
        np.maximum(np.ceil(mean + deviation * special.ndtri(p * kept) - _ROUNDING), 0.0)
        for p in (0.5, alpha / 2, 1.0 - alpha / 2)
    )
    return (
        _whole(reported, share, point),
        _whole(reported, share, np.maximum(lower, reported)),
        _whole(reported, share, upper),
    )


# A quantile that is a whole number but for rounding is that number.
_ROUNDING: Final = 1e-9


def _corrected(reported: Floats, share: Floats, log_variance: Floats, alpha: float) -> tuple[Floats, Floats, Floats]:
    mean, deviation = _normal(reported, share, log_variance)
    # Whole counts: the mass of each reaches half a case to both sides.
    cut = special.ndtr((reported - 0.5 - mean) / deviation)
    lower, upper = (
        np.maximum(np.round(mean + deviation * special.ndtri(cut + p * (1.0 - cut))), reported)
        for p in (alpha / 2, 1.0 - alpha / 2)
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        silent = np.floor(np.log(alpha / 2) / np.log1p(-share) + _ROUNDING)
    nothing = reported == 0.0
    upper = np.where(nothing, np.where(share < 1.0, silent, 0.0), np.where(share < 1.0, upper, reported))
    point = np.where(nothing, 0.0, np.where(share < 1.0, mean, reported))
    lower = np.where(nothing | (share >= 1.0), reported, lower)
    unknown = share <= 0.0
    return np.where(unknown, np.nan, point), np.where(unknown, np.nan, lower), np.where(unknown, np.nan, upper)


def _normal(reported: Floats, share: Floats, log_variance: Floats) -> tuple[Floats, Floats]:
    """Mean and standard deviation of the final count; harmless numbers where there is nothing to predict."""
    safe = np.where(share > 0.0, share, 1.0)
    mean = reported / safe
    variance = reported * (1.0 - safe) / safe**2 + mean**2 * np.where(np.isfinite(log_variance), log_variance, 0.0)
    return mean, np.sqrt(np.where(variance > 0.0, variance, 1.0))


def _whole(reported: Floats, share: Floats, value: Floats) -> Floats:
    """`value`, but what is reported where everything is known, and 0 where nothing is reported."""
    return np.where(reported == 0.0, 0.0, np.where(share >= 1.0, reported, value))
