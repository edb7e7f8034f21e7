"""Pressure on areas and offices: what lies on them now, against their own past.

Counts come first, and then three figures that are estimated, each with an interval and with the range that is usual for
the unit itself: the backlog in days of its capacity, inflow against outflow (`models.signals.pressure_rates`), and how
many open cases become late within two weeks (`models.signals.pressure_late`).

No unit is compared with another and none is ranked; the rows come in order of code. Near-instant records of work
already done are not counted, as in `models.signals.counts`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.errors import InputError, UsageError
from models.signals.counts import near_instant
from models.signals.pressure_late import late_soon
from models.signals.pressure_rates import N_WEEKS, Flow, Rate, ratio_quantile, weekly_counts_of, without_bulk

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Days = NDArray[np.datetime64]
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
    "due_14d",
    *(
        f"{figure}{end}"
        for figure in ("backlog_days", "flow_ratio", "late_14d")
        for end in ("", "_low", "_high", "_usual_low", "_usual_high")
    ),
)

_DAY: Final = 86_400
_WEEK: Final = 7 * _DAY
# The past that a backlog is held against: a year of weekly snapshots, without the newest four, which are the present.
_PAST_WEEKS: Final = 52
_LEFT_OUT_WEEKS: Final = 4
# A record begins with no open cases and fills up; its first four weeks say nothing of what is usual.
_FILLING_WEEKS: Final = 4
_SATURDAY: Final = 5
# Fewer snapshots than this give no usual range.
_LEAST_SNAPSHOTS: Final = 8
# Intervals are of 80 percent.
_TAIL: Final = 0.1

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
    working_days: Days | None = None,
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
    working_days : (n,) datetime64[D] or None
        The local dates on which the offices work, over the 56 weeks before `as_of`. None: Monday to Friday.

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
    - `backlog_days`: working days that the backlog takes at the unit's own rate of closing over the newest 28 days,
      drawn towards its year before; a week's closings in bulk count up to what its other weeks make credible. 0 for no
      backlog; null where the unit has closed nothing in a year.
    - `flow_ratio`: cases opened for every one closed, as rates of the newest 28 days drawn towards the unit's year
      before; above 1 the backlog grows. Null where nothing was opened, or nothing closed, in a year.
    - `due_14d`: open cases with a deadline within the next 14 days. `late_14d`: how many of them are expected to become
      late, by the probabilities; a case without one gets the mean of the unit's. Cases yet to arrive are not in it.
      Null without `expected_late`, or where no case due has a probability.
    - `…_low`, `…_high`: 80 percent sure; of the true rate for the first two, of the number to come for the last.
    - `…_usual_low`, `…_usual_high`: 10th and 90th percentile of the same figure over the unit's own past: of the weekly
      snapshots as above, and of the cases that became late in each of the fortnights of the year before (open and known
      as the fortnight began). Null where fewer than eight can be had.

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
    kind = pd.Series([unit] * len(names), dtype="str")
    unit_names = pd.Series(np.asarray(names, dtype=object), dtype="str")
    counted = _counted_now(placed, codes, now, len(names), as_of)
    frame = pd.DataFrame({"as_of": np.int64(as_of), "unit_kind": kind, "unit": unit_names, **counted})
    frame["expected_late"] = _expected_late(placed, codes, now, len(names), expected_late)
    past = _Past.of(codes, since, until, len(names), as_of)
    usual = past.quantiles(past.backlog, past.settled, [0.5, _TAIL, 1.0 - _TAIL])
    frame["usual_backlog"], frame["usual_low"], frame["usual_high"] = usual
    frame["level"] = pd.Series(_level(frame["backlog"].to_numpy(), *usual), dtype="str")
    opened, closed = _weekly_flows(placed, codes, len(names), as_of, time_zone, working_days)
    for figures in (_backlog_days(frame["backlog"].to_numpy(), closed, past), _flow_ratio(opened, closed, past)):
        frame = frame.assign(**figures)
    frame = frame.assign(**_late_soon(placed, codes, now, len(names), as_of, expected_late))
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


def _counted_now(
    placed: pd.DataFrame, codes: Ints, now: NDArray[np.bool_], n_units: int, as_of: int
) -> dict[str, Ints]:
    late = now & (placed["due_at"].to_numpy() < as_of)
    flows = _flows(placed, codes, n_units, as_of)
    return {"backlog": _tally(codes, now, n_units), **flows, "overdue": _tally(codes, late, n_units)}


def _late_soon(
    placed: pd.DataFrame,
    codes: Ints,
    now: NDArray[np.bool_],
    n_units: int,
    as_of: int,
    expected_late: pd.Series | None,
) -> dict[str, NDArray[Any]]:
    late = late_soon(placed, codes, now, n_units, as_of, expected_late, _TAIL)
    ends = {"": "expected", "_low": "low", "_high": "high", "_usual_low": "usual_low", "_usual_high": "usual_high"}
    told: dict[str, NDArray[Any]] = {f"late_14d{end}": getattr(late, name) for end, name in ends.items()}
    return {"due_14d": late.due.astype(np.int64), **told}


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


@dataclass(frozen=True, slots=True)
class _Past:
    """The weekly snapshots of the past: how many weeks ago, each unit's backlog, and which belong to its record."""

    ages: Ints  # (n_snapshots,)
    backlog: Floats  # (n_units, n_snapshots)
    settled: Bools

    @classmethod
    def of(cls, codes: Ints, since: Ints, until: Ints, n_units: int, as_of: int) -> _Past:
        """Taken from when each case was known to be open."""
        ages = np.arange(_PAST_WEEKS, _LEFT_OUT_WEEKS, -1)
        moments = as_of - ages * _WEEK
        backlog = _backlog_at(codes, since, until, n_units, moments).astype(float)
        first = _first_known(codes, since, n_units, as_of)
        return cls(ages, backlog, moments[None, :] >= (first + _FILLING_WEEKS * _WEEK)[:, None])

    def quantiles(self, values: Floats, use: Bools, probabilities: list[float]) -> Floats:
        """Of each unit's `values` over the snapshots used; (n_probabilities, n_units), NaN where they are too few."""
        enough = use.sum(axis=1) >= _LEAST_SNAPSHOTS
        result = np.full((len(probabilities), len(values)), np.nan)
        if enough.any():
            result[:, enough] = np.nanquantile(np.where(use, values, np.nan)[enough], probabilities, axis=1)
        return result


def _first_known(codes: Ints, since: Ints, n_units: int, as_of: int) -> Ints:
    first = np.full(n_units, as_of, dtype=np.int64)
    np.minimum.at(first, codes, since)
    return first


def _weekly_flows(
    placed: pd.DataFrame, codes: Ints, n_units: int, as_of: int, time_zone: str, working_days: Days | None
) -> tuple[Flow, Flow]:
    """Cases opened and cases closed, week by week before `as_of`."""
    work = placed["withdrawn_known_at"].to_numpy() >= as_of
    since = placed["opened_known_at"].to_numpy()
    begins = as_of - (np.arange(N_WEEKS) + 1) * _WEEK
    settled = begins[None, :] >= (_first_known(codes, since, n_units, as_of) + _FILLING_WEEKS * _WEEK)[:, None]
    days = _worked(as_of, time_zone, working_days)
    opened = weekly_counts_of(codes, placed["opened_at"].to_numpy(), work, n_units, as_of)
    known = work & (placed["closed_known_at"].to_numpy() < as_of)
    closed = weekly_counts_of(codes, placed["closed_at"].to_numpy(), known, n_units, as_of)
    return Flow.of(opened, days, settled), Flow.of(closed, days, settled)


def _worked(as_of: int, time_zone: str, working_days: Days | None) -> Floats:
    """Working days in each of the weeks before `as_of`, the newest first; a day counts to the week its noon lies in."""
    last = pd.Timestamp(as_of, unit="s", tz="UTC").tz_convert(time_zone).tz_localize(None).normalize()
    dates = pd.date_range(last - pd.Timedelta(weeks=N_WEEKS + 1), last, freq="D")
    if working_days is None:
        dates = dates[dates.day_of_week < _SATURDAY]
    else:
        dates = dates[dates.isin(pd.DatetimeIndex(np.asarray(working_days, dtype="datetime64[D]")))]
    noons = (dates + pd.Timedelta(hours=12)).tz_localize(time_zone, nonexistent="shift_forward", ambiguous="NaT")
    at = noons.dropna().tz_convert("UTC").as_unit("s").asi8
    week = (as_of - 1 - at[at < as_of]) // _WEEK
    return np.bincount(week[week < N_WEEKS], minlength=N_WEEKS).astype(float)


def _backlog_days(backlog: Ints, closed: Flow, past: _Past) -> dict[str, Floats]:
    flow = Flow.of(without_bulk(closed.weekly, closed.settled), closed.days, closed.settled)
    rate = flow.now()
    values = [_days(backlog, rate, probability) for probability in (0.5, 1.0 - _TAIL, _TAIL)]
    then = past.backlog / np.maximum(flow.then(past.ages), 1e-12)
    usual = past.quantiles(then, past.settled & flow.known_then(past.ages), [_TAIL, 1.0 - _TAIL])
    usual[:, np.isnan(rate.shape)] = np.nan
    return _named("backlog_days", *values, *usual)


def _days(backlog: Ints, rate: Rate, probability: float) -> Floats:
    days: Floats = backlog / rate.quantile(probability)
    return np.where(backlog == 0, 0.0, days)


def _flow_ratio(opened: Flow, closed: Flow, past: _Past) -> dict[str, Floats]:
    above, below = opened.now(), closed.now()
    values = [ratio_quantile(above, below, probability) for probability in (0.5, _TAIL, 1.0 - _TAIL)]
    then = opened.then(past.ages) / np.maximum(closed.then(past.ages), 1e-12)
    usual = past.quantiles(then, past.settled & closed.known_then(past.ages), [_TAIL, 1.0 - _TAIL])
    usual[:, np.isnan(values[0])] = np.nan
    return _named("flow_ratio", *values, *usual)


def _named(figure: str, *values: Floats) -> dict[str, Floats]:
    ends = ("", "_low", "_high", "_usual_low", "_usual_high")
    return {f"{figure}{end}": value for end, value in zip(ends, values, strict=True)}


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
