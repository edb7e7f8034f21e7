"""Pressure on areas and offices: what lies on them now, against their own past.

No unit is compared with another and none is ranked; the rows come in order of code. Near-instant records of work
already done are not counted, as in `models.signals.counts`.
"""

from __future__ import annotations

from typing import Final, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.errors import InputError, UsageError
from models.signals.counts import near_instant

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Unit = Literal["area", "office"]

PRESSURE_COLUMNS: Final = (
    "as_of",
    "unit_kind",
    "unit",
    "backlog",
    "inflow_28d",
    "outflow_28d",
    "overdue",
    "expected_late",
    "usual_backlog",
    "usual_low",
    "usual_high",
    "level",
)

_DAY: Final = 86_400
_WEEK: Final = 7 * _DAY
# The past that a backlog is held against: a year of weekly snapshots, without the newest four, which are the present.
_PAST_WEEKS: Final = 52
_LEFT_OUT_WEEKS: Final = 4
# A record begins with no open cases and fills up; its first four weeks say nothing of what is usual.
_FILLING_WEEKS: Final = 4
# Fewer snapshots than this give no usual range.
_LEAST_SNAPSHOTS: Final = 8

_NEEDED: Final = (
    "case_id",
    "opened_at",
    "opened_known_at",
    "due_at",
    "closed_at",
    "closed_known_at",
    "withdrawn_known_at",
)


def pressure(
    cases: pd.DataFrame,
    *,
    as_of: int,
    unit: Unit = "area",
    time_zone: str,
    expected_late: pd.Series | None = None,
) -> pd.DataFrame:
    """Backlog, inflow, outflow and overdue cases of every unit, as known strictly before `as_of`.

    Parameters
    ----------
    cases : DataFrame of `data.event_log.fold_cases`, any order
        `office` is the one responsible now, for snapshots of the past too. A case reopened since counts as open
        throughout.
    as_of : int, UTC seconds
    unit : "area" or "office"
    time_zone : str
        Of the offices.
    expected_late : Series of probabilities by `case_id`, or None
        Of the open cases; see below.

    Returns
    -------
    DataFrame with the columns of `data.tables.pressure`, sorted by `unit`, one row per unit with any case

    - `backlog`: cases known to be open; `overdue`: those of them with a deadline before `as_of`.
    - `inflow_28d`, `outflow_28d`: opened, and closed, within the 28 days before. A case withdrawn is neither: it was
      no work, and nobody did it.
    - `expected_late`: sum of the probabilities of the open cases, those without one counting nothing; null without
      `expected_late`.
    - `usual_backlog`, `usual_low`, `usual_high`: median, 10th and 90th percentile of the unit's backlog at the same
      hour of the week, over up to 48 weeks (of the 52 before, the newest four left out), each as known then; null
      where fewer than eight weeks can be had.
    - `level`: "usual" up to the 90th percentile, "raised" above it, "high" above the median by more than twice the
      distance of the 90th percentile (and of chance, the root of the median); "unknown" without a usual range.

    `attrs["cases_without_unit"]` counts open cases left out because their unit is not known, and
    `attrs["open_cases_not_scored"]` those in the frame without a probability (0 without `expected_late`).
    """
    _check(cases, unit)
    known = cases[(cases["opened_known_at"] < as_of) & (cases["opened_at"] < as_of)]
    known = known[~near_instant(known, as_of, time_zone)]
    placed = known[known[unit].notna()]
    codes, names = pd.factorize(placed[unit], sort=True)
    since, until = _open_spans(placed)
    now = until >= as_of
    frame = pd.DataFrame(
        {
            "as_of": np.full(len(names), as_of, dtype=np.int64),
            "unit_kind": pd.Series([unit] * len(names), dtype="str"),
            "unit": pd.Series(np.asarray(names, dtype=object), dtype="str"),
            "backlog": _tally(codes, now, len(names)),
            **_flows(placed, codes, len(names), as_of),
            "overdue": _tally(codes, now & (placed["due_at"].to_numpy() < as_of), len(names)),
            "expected_late": _expected_late(placed, codes, now, len(names), expected_late),
        }
    )
    usual = _usual(codes, since, until, len(names), as_of)
    frame["usual_backlog"], frame["usual_low"], frame["usual_high"] = usual
    frame["level"] = pd.Series(_level(frame["backlog"].to_numpy(), *usual), dtype="str")
    nowhere = known[known[unit].isna()]
    frame.attrs["cases_without_unit"] = int((_open_spans(nowhere)[1] >= as_of).sum())
    frame.attrs["open_cases_not_scored"] = _not_scored(placed, now, expected_late)
    return frame[[*PRESSURE_COLUMNS]]


def _check(cases: pd.DataFrame, unit: str) -> None:
    if unit not in ("area", "office"):
        raise UsageError("Expected unit to be 'area' or 'office'; no smaller unit is measured.")
    missing = [name for name in (*_NEEDED, unit) if name not in cases.columns]
    if missing:
        raise InputError(f"Expected the columns of folded cases; missing: {', '.join(missing)}.")


def _open_spans(cases: pd.DataFrame) -> tuple[Ints, Ints]:
    """From when and until when each case was known to be open; open at s if since < s <= until."""
    since = cases["opened_known_at"].to_numpy()
    until = np.minimum(cases["closed_known_at"].to_numpy(), cases["withdrawn_known_at"].to_numpy())
    return since, np.maximum(until, since)


def _tally(codes: Ints, chosen: NDArray[np.bool_], n_units: int) -> Ints:
    return np.bincount(codes[chosen], minlength=n_units).astype(np.int64)


def _flows(placed: pd.DataFrame, codes: Ints, n_units: int, as_of: int) -> dict[str, Ints]:
    begin = as_of - 28 * _DAY
    work = placed["withdrawn_known_at"].to_numpy() >= as_of
    opened = placed["opened_at"].to_numpy() >= begin
    closed_at = placed["closed_at"].to_numpy()
    closed = (placed["closed_known_at"].to_numpy() < as_of) & (closed_at >= begin) & (closed_at < as_of)
    return {
        "inflow_28d": _tally(codes, work & opened, n_units),
        "outflow_28d": _tally(codes, work & closed, n_units),
    }


def _expected_late(
    placed: pd.DataFrame, codes: Ints, now: NDArray[np.bool_], n_units: int, probabilities: pd.Series | None
) -> Floats:
    if probabilities is None:
        return np.full(n_units, np.nan)
    values = placed.loc[now, "case_id"].map(probabilities).fillna(0.0).to_numpy(dtype=float)
    late: Floats = np.bincount(codes[now], weights=values, minlength=n_units).astype(float)
    return late


def _not_scored(placed: pd.DataFrame, now: NDArray[np.bool_], probabilities: pd.Series | None) -> int:
    if probabilities is None:
        return 0
    return int((~placed.loc[now, "case_id"].isin(probabilities.dropna().index)).sum())


def _usual(codes: Ints, since: Ints, until: Ints, n_units: int, as_of: int) -> tuple[Floats, Floats, Floats]:
    """Median, 10th and 90th percentile of each unit's backlog over its past snapshots; NaN where too few."""
    ages = np.arange(_PAST_WEEKS, _LEFT_OUT_WEEKS, -1)
    moments = as_of - ages * _WEEK
    backlog = _backlog_at(codes, since, until, n_units, moments).astype(float)
    first = np.full(n_units, as_of, dtype=np.int64)
    np.minimum.at(first, codes, since)
    settled = moments[None, :] >= (first + _FILLING_WEEKS * _WEEK)[:, None]
    enough = settled.sum(axis=1) >= _LEAST_SNAPSHOTS
    result = np.full((3, n_units), np.nan)
    if enough.any():
        past = np.where(settled, backlog, np.nan)[enough]
        result[:, enough] = np.nanquantile(past, [0.5, 0.1, 0.9], axis=1)
    return result[0], result[1], result[2]


def _backlog_at(codes: Ints, since: Ints, until: Ints, n_units: int, moments: Ints) -> Ints:
    """Open cases per unit at each of the rising `moments`; (n_units, n_moments)."""
    n_moments = len(moments)
    come = np.searchsorted(moments, since, side="right")  # first snapshot strictly after it became known
    gone = np.searchsorted(moments, until, side="right")
    width = n_moments + 1
    change = np.bincount(codes * width + come, minlength=n_units * width)
    change = change - np.bincount(codes * width + gone, minlength=n_units * width)
    backlog: Ints = np.cumsum(change.reshape(n_units, width), axis=1)[:, :n_moments]
    return backlog


def _level(backlog: Ints, usual: Floats, _low: Floats, high: Floats) -> list[str]:
    chance = np.sqrt(np.maximum(usual, 1.0))
    far = usual + 2.0 * np.maximum(high - usual, chance)
    # Two cases more than the median is the least that is worth a word in a unit with hardly any.
    raised = (backlog > high) & (backlog >= usual + 2.0)
    words = np.select([np.isnan(usual), raised & (backlog > far), raised], ["unknown", "high", "raised"], "usual")
    return [str(word) for word in words]
