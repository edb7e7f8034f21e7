"""Three figures of timeliness side by side, each with its denominator.

They answer different questions, and an office looks best in the first:

- *closed on time of closed*: of what was closed, how much in time. A case that is left open never counts against it.
- *on time of due*: of the promises that fell due, how many were kept. What is open after its promise counts as broken;
  only cases that were followed up to their promise count at all.
- *resolved by the deadline* (Kaplan-Meier): the same share, from all promises made, those still running included. A
  case last looked at before its promise counts for as long as it was followed. On the promise's own clock, where
  every deadline is at 1.

What counts as an answer is as in `features.outcomes.late`: the first closing, or being called a duplicate, whichever
came first, against the promise made at the opening. A case that was withdrawn (and not as a duplicate) and a
near-instant closing have no timeliness. A case without a promise has none either, and is counted beside.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.errors import InputError
from data.event_log import NEVER, is_near_instant
from data.quality.kaplan_meier import survival_at

Seconds = NDArray[np.int64]

COLUMNS: Final = (
    "closed_on_time",
    "closed",
    "share_of_closed",
    "on_time",
    "due",
    "share_of_due",
    "km_cases",
    "km_share",
    "km_lower",
    "km_upper",
    "km_at_risk",
    "km_censored",
    "promised",
    "without_promise",
)


def timeliness(
    cases: pd.DataFrame,
    as_of: int,
    observed_until: Seconds | pd.Series | None = None,
    by: str | Sequence[str] | None = None,
) -> pd.DataFrame:
    """The three figures, in all or per group.

    Parameters
    ----------
    cases : DataFrame as `data.event_log.fold_cases` gives it, of the events known before `as_of`
    as_of : int64 seconds in UTC
    observed_until : how far each case was followed, seconds in UTC: (n,), or a Series by `case_id` (see
        `data.observation`); up to `as_of` where not given
    by : columns of `cases` to group by, such as "category"; a null is a group of its own. None: one row in all.

    Returns
    -------
    DataFrame, one row per group in sorted order (nulls last), the columns `by` and then

    - `promised`: cases with a promise that have a timeliness; `without_promise`: those that were promised nothing;
    - `closed_on_time` / `closed` = `share_of_closed`: of the promised cases, those answered before `as_of`;
    - `on_time` / `due` = `share_of_due`: of those whose promise fell due before `as_of` and that were followed so far;
    - `km_share` with its 95 % limits `km_lower`, `km_upper` (Greenwood, log-log): share answered by the deadline,
      from `km_cases` promised cases, of which `km_censored` were last looked at, open, before their promise;
      `km_at_risk` were followed up to it and still open just before.

    Counts are int64, shares float64; a share whose denominator is 0 is NaN. The limits are NaN where the share is 0
    or 1: the log-log scale has none there.

    Raises
    ------
    InputError
        If a column of `by` is not there.
    """
    keys = [by] if isinstance(by, str) else list(by or ())
    missing = [name for name in keys if name not in cases.columns]
    if missing:
        raise InputError(f"Expected cases with the columns {', '.join(keys)}; missing: {', '.join(missing)}.")
    judged = _judged(cases, as_of, followed_until(cases, as_of, observed_until))
    if not keys:
        return pd.DataFrame([_figures(judged)], columns=[*COLUMNS])
    for name in keys:
        judged[name] = cases[name].to_numpy()
    rows = [
        {**dict(zip(keys, group, strict=True)), **_figures(part)}
        for group, part in judged.groupby(keys, dropna=False, sort=True)
    ]
    return pd.DataFrame(rows, columns=[*keys, *COLUMNS])


def followed_until(cases: pd.DataFrame, as_of: int, observed_until: Seconds | pd.Series | None) -> Seconds:
    """How far each case was followed, no further than `as_of`; shape (n,), int64 seconds in UTC."""
    if observed_until is None:
        return np.full(len(cases), as_of, dtype=np.int64)
    if isinstance(observed_until, pd.Series):
        given = observed_until.reindex(cases["case_id"]).fillna(as_of).to_numpy("int64")
    else:
        given = np.asarray(observed_until, dtype=np.int64)
    return np.asarray(np.minimum(given, as_of), dtype=np.int64)


def _judged(cases: pd.DataFrame, as_of: int, followed: Seconds) -> pd.DataFrame:
    """Per case: whether it has a timeliness, and its time to the answer on the promise's own clock."""
    opened, due, closed, duplicate, withdrawn = (
        cases[name].to_numpy("int64")
        for name in ("opened_at", "due_at_opening", "first_closed_at", "duplicate_at", "withdrawn_known_at")
    )
    answered = np.minimum(closed, duplicate)
    answered = np.where(answered < as_of, answered, NEVER)
    counted = ~((withdrawn < NEVER) & (duplicate == NEVER)) & ~is_near_instant(opened, closed)
    promised = counted & (due < NEVER) & (due > opened)
    done = answered < NEVER
    # An answer is known whenever it was seen; only what is open is no longer known after the last look.
    end = np.where(done, answered, np.maximum(followed, opened))
    length = np.where(promised, due - opened, 1)
    return pd.DataFrame(
        {
            "promised": promised,
            "without_promise": counted & ~promised,
            "closed": promised & done,
            "closed_on_time": promised & done & (answered <= due),
            "due": promised & (due < as_of) & (due < followed),
            "on_time": promised & (due < as_of) & (due < followed) & (answered <= due),
            # Integers, so that an answer at the very deadline is at it, and not a rounding error beyond.
            "clock": np.where(answered == due, 1.0, np.maximum(end - opened, 0) / length),
            "done": done,
        }
    )


def _figures(judged: pd.DataFrame) -> dict[str, float | int]:
    counts = {name: int(judged[name].sum()) for name in ("closed_on_time", "closed", "on_time", "due")}
    rows = judged[judged["promised"]]
    survival = survival_at(rows["clock"].to_numpy(np.float64), rows["done"].to_numpy(np.bool_), 1.0)
    return {
        **counts,
        "share_of_closed": _share(counts["closed_on_time"], counts["closed"]),
        "share_of_due": _share(counts["on_time"], counts["due"]),
        "km_cases": len(rows),
        "km_share": 1.0 - survival.share,
        "km_lower": 1.0 - survival.upper,
        "km_upper": 1.0 - survival.lower,
        "km_at_risk": survival.at_risk,
        "km_censored": survival.censored,
        "promised": len(rows),
        "without_promise": int(judged["without_promise"].sum()),
    }


def _share(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
