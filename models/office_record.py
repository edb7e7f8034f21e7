"""Which offices keep fewer of their promises than they used to: the newest quarter against each office's own past.

An office is compared with itself only. Offices have different work, and a ranking of them would say which work is hard.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm

from features.facts import Facts
from models.signals.fdr import q_values

Floats = NDArray[np.float64]

_WEEK: Final = 7 * 86_400
RECENT_WEEKS: Final = 13
# A quarter with fewer promises than this is an anecdote, and so is a past.
FEWEST_PROMISES: Final = 50
FDR_LEVEL: Final = 0.05
# One promise in ten: with thousands of cases much smaller changes are certain, and not worth a visit.
LEAST_RISE: Final = 0.10


def office_records(matured: Facts, *, as_of: int) -> pd.DataFrame:
    """Compare each office's broken promises of the last 13 weeks with those before.

    Parameters
    ----------
    matured : the fact table `matured`
    as_of : seconds in UTC; facts at or after it are not used

    Returns
    -------
    DataFrame sorted by `office`, one row per office with at least 50 promises on both sides

    - `office`; `n_recent`, `n_before`: promises that fell due; `late_recent`, `late_before`: shares broken;
    - `p_value`: one-sided, that the share has not risen. Promises of one week share its weather, so the variance is
      that of a binomial times the dispersion of the weekly shares before (Pearson's chi-square over its degrees of
      freedom, never below 1; McCullagh and Nelder, 1989);
    - `q_value`: Benjamini and Hochberg, over the offices;
    - `fell_behind`: q_value at most 0.05 and a rise of at least ten points.
    """
    known = matured.at < as_of
    weekly = pd.DataFrame(
        {
            "office": matured.keys["office"].to_numpy()[known],
            "weeks_ago": (as_of - 1 - matured.at[known]) // _WEEK,
            "n": matured.measures["n"][known],
            "late": matured.measures["late"][known],
        }
    )
    weekly = weekly.dropna(subset="office").groupby(["office", "weeks_ago"], as_index=False)[["n", "late"]].sum()
    rows = [_compare(str(office), weeks) for office, weeks in weekly.groupby("office")]
    found = pd.DataFrame([row for row in rows if row is not None], columns=_COLUMNS)
    q = q_values(found["p_value"].to_numpy(np.float64)) if len(found) else np.empty(0)
    rise = found["late_recent"] - found["late_before"]
    return found.assign(q_value=q, fell_behind=(q <= FDR_LEVEL) & (rise >= LEAST_RISE))


_COLUMNS: Final = ["office", "n_recent", "n_before", "late_recent", "late_before", "p_value"]


def _compare(office: str, weeks: pd.DataFrame) -> tuple[str, int, int, float, float, float] | None:
    recent, before = (weeks[side] for side in (weeks["weeks_ago"] < RECENT_WEEKS, weeks["weeks_ago"] >= RECENT_WEEKS))
    n_recent, n_before = int(recent["n"].sum()), int(before["n"].sum())
    if min(n_recent, n_before) < FEWEST_PROMISES:
        return None
    share_recent, share_before = recent["late"].sum() / n_recent, before["late"].sum() / n_before
    pooled = (recent["late"].sum() + before["late"].sum()) / (n_recent + n_before)
    variance = _dispersion(before, share_before) * pooled * (1 - pooled) * (1 / n_recent + 1 / n_before)
    z = (share_recent - share_before) / np.sqrt(variance) if variance > 0 else 0.0
    return office, n_recent, n_before, float(share_recent), float(share_before), float(norm.sf(z))


def _dispersion(weeks: pd.DataFrame, share: float) -> float:
    """Pearson's dispersion of weekly counts around a common share; 1 where it cannot be told."""
    expected = weeks["n"] * share * (1 - share)
    if len(weeks) < 2 or not (expected > 0).all():
        return 1.0
    chi_square = float((((weeks["late"] - weeks["n"] * share) ** 2) / expected).sum())
    return max(chi_square / (len(weeks) - 1), 1.0)
