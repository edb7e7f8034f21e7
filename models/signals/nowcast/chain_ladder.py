"""The chain-ladder nowcast of a reporting triangle, as public-health nowcasting uses it as a baseline."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.signals.nowcast.delay import DelayLaw, delay_law
from models.signals.nowcast.lawless import at_age, check_alpha, table
from models.signals.nowcast.mixture import mixture_quantile, share_nodes
from models.signals.nowcast.triangle import ReportingTriangle

Floats = NDArray[np.float64]


def chain_ladder(triangle: ReportingTriangle, *, alpha: float = 0.05) -> pd.DataFrame:
    """Nowcast every row of the triangle that is not older than its longest delay.

    The triangle is filled delay by delay. With x reports known by delay d and F the share known by then, a row is
    expected to have (x + 1 - F)/F in the end: the mean of the final count when any count was as likely before as any
    other. The next delay's share of that is filled in, x grows by it, and so on.

    Parameters
    ----------
    triangle : the delay law is learnt from all its rows; pass `triangle.newest(n)` to use fewer
    alpha : the final count lies outside `lower` to `upper` with this probability: quantiles of the negative binomial
        that belongs to the same flat prior, averaged over the estimation error of the delay law.

    Returns
    -------
    DataFrame with the columns `date`, `reported`, `share_known`, `nowcast`, `lower`, `upper`, oldest date first; NaN
    where the share known is 0: nothing can be said yet.

    Raises
    ------
    NotEnoughDataError
        If the delay law cannot be learnt; see `delay_law`.
    """
    check_alpha(alpha)
    law = delay_law(triangle)
    newest = triangle.newest(min(triangle.longest + 1, len(triangle.dates)))
    reported = newest.reported
    share, log_variance = at_age(law, newest)
    point = _filled(newest, reported, law)
    lower, upper = _limits(np.maximum(reported, 0.0), share, log_variance, alpha)
    return table(newest, reported, share, point, lower, upper)


def _filled(triangle: ReportingTriangle, reported: Floats, law: DelayLaw) -> Floats:
    total = reported.copy()
    pmf = law.pmf
    for delay in range(1, triangle.longest + 1):
        known = law.cdf[delay - 1]
        ahead = triangle.age < delay
        expected = (total + 1.0 - known) / known if known > 0.0 else np.full_like(total, np.nan)
        total = np.where(ahead, total + pmf[delay] * expected, total)
    return total


def _limits(reported: Floats, share: Floats, log_variance: Floats, alpha: float) -> tuple[Floats, Floats]:
    unknown = share <= 0.0
    safe = np.where(unknown, 0.5, share)
    sd = safe * np.sqrt(np.where(np.isfinite(log_variance), log_variance, 0.0))
    means, variances = [], []
    nodes, weights = share_nodes(safe, sd)
    for node in nodes:
        mean = (reported + 1.0) * (1.0 - node) / node
        means.append(mean)
        variances.append(mean / node)
    lower, upper = (
        np.where(unknown, np.nan, reported + mixture_quantile(p, np.stack(means), np.stack(variances), weights))
        for p in (alpha / 2, 1.0 - alpha / 2)
    )
    return lower, upper
