"""Which detector a series gets when nobody names one: by its weeks of past, its counts and how much they vary.

One table, `RULES`, read from the top; the first line that fits is taken. It rests on false alarms counted over
thousands of simulated series in which nothing happens, with counts that vary as chance makes them ("calm") or twice as
much ("restless"):

- From two years and a case a week on, Farrington flexible at 0.005 raises 0.1 to 0.4 % false alarms over calm series
  and 0.5 to 1.0 % over restless ones, with or without a season. Farrington 1996 raises 0.4 to 1.2 % and 1.6 to 4 %,
  CDC up to 5 %.
- Thinner series leave whole seasons without a case. The predictive distribution of the same weeks of earlier years
  (Bayes at 0.005) raises 0.0 to 0.2 % and about 2 %.
- With less than two years no season can be told from a rise. Bayes over half a year raises 0.1 to 0.5 % over calm
  series, but 2 to 3 % over restless ones. There EARS C2 at 0.001 over half a year does better from about five cases a
  week on (0.9 % at ten); below, and over fewer weeks, it does not, and with its usual seven weeks it raises 2 to 8 %.
- That ten weeks are needed is a judgement: fewer do not say what is usual.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_LEVEL: Final = 0.005
_HALF_YEAR: Final = 26


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of the table. A line fits where all of its conditions hold."""

    code: str
    method: str | None
    reason: str
    least_weeks: int = 0
    least_years: int = 0  # of the series' own calendar, with half a window in hand
    least_mean: float = 0.0  # cases a week
    least_dispersion: float = 0.0  # variance over mean
    params: dict[str, Any] = field(default_factory=dict)


RULES: Final = (
    Rule(
        "years_of_past",
        "farrington_flexible",
        "{years} years of past and {mean:.1f} cases a week: season, trend and past outbreaks can be told apart",
        least_weeks=10,
        least_years=2,
        least_mean=1.0,
        params={"alpha": _LEVEL},
    ),
    Rule(
        "thin_counts",
        "bayes",
        "{years} years of past, but only {mean:.2f} cases a week: compared with the same weeks of those years and the "
        "newest, by a law that is exact for few cases",
        least_weeks=10,
        least_years=2,
        params={"half_window": 3, "this_year": True, "alpha": _LEVEL},
    ),
    Rule(
        "restless_months",
        "ears",
        "{weeks} weeks of past, too few for a season, whose counts vary {dispersion:.1f} times as much as chance makes "
        "them: compared with the newest weeks and their own spread",
        least_weeks=_HALF_YEAR + 2,
        least_mean=5.0,
        least_dispersion=1.5,
        params={"kind": "C2", "alpha": 0.001, "least_sd": 0.5},
    ),
    Rule(
        "months_of_past",
        "bayes",
        "{weeks} weeks of past, too few for a season: compared with the newest weeks, by a law that is exact for few "
        "cases",
        least_weeks=10,
        params={"years_back": 0, "this_year": True, "alpha": _LEVEL},
    ),
    Rule("too_short", None, "{weeks} weeks of past; ten are needed to tell a level from its noise"),
)


@dataclass(frozen=True, slots=True)
class Choice:
    """What a series gets: `method` None means that nothing can be said of it yet."""

    method: str | None
    params: dict[str, Any]
    code: str
    reason: str


def choose(past: Floats, period: int = 52) -> Choice:
    """Choose by the past of one series; (n_weeks,) counts, NaN where missing, without the weeks to judge.

    Weeks before the first count do not count as past.
    """
    seen = np.flatnonzero(~np.isnan(past))
    weeks = len(past) - int(seen[0]) if len(seen) else 0
    counts = past[seen]
    mean = float(counts.mean()) if len(counts) else 0.0
    dispersion = float(counts[-_HALF_YEAR:].var(ddof=1) / counts[-_HALF_YEAR:].mean()) if _spread_known(counts) else 1.0
    # A calendar year is a day longer than 52 weeks, and a window reaches three weeks beyond it.
    years = min((weeks - 4) // period, 5) if weeks > 4 else 0
    rule = next(
        rule
        for rule in RULES
        if weeks >= rule.least_weeks
        and years >= rule.least_years
        and mean >= rule.least_mean
        and dispersion >= rule.least_dispersion
    )
    reason = rule.reason.format(weeks=weeks, years=years, mean=mean, dispersion=dispersion)
    params = dict(rule.params)
    if rule.least_years:
        params["years_back"] = years
    elif rule.method == "bayes":
        params["half_window"] = min(weeks, _HALF_YEAR)
    elif rule.method == "ears":
        params["baseline"] = _HALF_YEAR
    return Choice(rule.method, params, rule.code, reason)


def _spread_known(counts: Floats) -> bool:
    return len(counts) >= 2 and bool(counts[-_HALF_YEAR:].mean() > 0.0)
