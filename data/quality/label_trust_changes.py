"""Symptoms that are changes: what is reopened, never closed, or closed within minutes, from some month on."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.event_log import NEVER
from data.quality.label_trust_cases import DAY, UNSAID, Ledger, month_name
from data.quality.label_trust_findings import TrustFinding
from data.quality.label_trust_shifts import Shift, ShiftRule, shifts
from data.quality.label_trust_symptoms import LEVEL, QUICK_SECONDS, Evidence, Month
from data.schema import EventKind

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

# How long a closing is waited for, longest first: the one is taken for which most of the record was followed.
_HORIZONS: Final = (180 * DAY, 90 * DAY)
_FOLLOWED_ENOUGH: Final = 0.6
_NEVER_CLOSED_CHANGE: Final = 0.20
# Where fewer than this stayed open, "open" is no bad word for it.
_NEVER_CLOSED_MUCH: Final = 0.25
_REOPEN_WITHIN: Final = 30 * DAY
_REOPEN_CHANGE: Final = 0.04
# What begins to be recorded comes from next to nothing.
_REOPEN_LOW: Final = 0.25
_QUICK_CHANGE: Final = 0.15
# A queue carries its length from month to month, and a year shows each season once: no shift of pace in less than that.
_PACE: Final = ShiftRule(0.15, LEVEL, fewest_months=18, serial=True)
_PACE_RATIO: Final = 1.4


def never_closed(ledger: Ledger) -> Evidence:
    """The share never formally closed drops or rises abruptly, in one category.

    Of cases followed for 180 days (90 where the record is short), those without a closing within them, by month of
    opening. In doubt are the unclosed cases of the months in which many were left open.
    """
    rows = ledger.rows
    counted = rows["counted"].to_numpy() & ~rows["near_instant"].to_numpy()
    reach = (np.minimum(rows["followed"], ledger.as_of) - rows["opened"]).to_numpy("int64")
    horizon = next((h for h in _HORIZONS if counted.any() and (reach[counted] >= h).mean() >= _FOLLOWED_ENOUGH), None)
    if horizon is None:
        return Evidence.none("never_closed", "open_month", len(ledger))
    known = counted & (reach >= horizon)
    unclosed = known & (ledger.lasted > horizon)
    table = _named(_monthly(ledger, "category", "open_month", known, unclosed))
    found, tested = shifts(table, ShiftRule(_NEVER_CLOSED_CHANGE, LEVEL))
    much = np.zeros(len(ledger), dtype=bool)
    for shift in found:
        here = (rows["category"] == shift.key).to_numpy() & known
        after = here & (rows["open_month"] >= shift.month).to_numpy()
        high = after if shift.after > shift.before else here & ~after
        inside = rows["open_month"].between(shift.first, shift.last).to_numpy()
        if max(shift.before, shift.after) >= _NEVER_CLOSED_MUCH:
            much |= high & inside
    findings = [_shift_finding("never_closed", shift, {"days": horizon // DAY}, category=shift.key) for shift in found]
    return _changed("never_closed", "open_month", ledger, tested, known, unclosed, much & unclosed, findings)


def reopen_shift(ledger: Ledger, events: pd.DataFrame) -> Evidence:
    """The share of closings reopened within 30 days changes sharply, in one category or in all.

    It puts no answer in doubt, but what the record says of reopening before or after.
    """
    rows = ledger.rows
    reopened = events[(events["kind"] == EventKind.REOPENED.value) & (events["known_at"] < ledger.as_of)]
    first = reopened.groupby("case_id")["at"].min().reindex(rows["case_id"]).fillna(NEVER).to_numpy("int64")
    closed = rows["closed"].to_numpy("int64")
    limit = np.minimum(rows["followed"].to_numpy("int64"), ledger.as_of)
    known = ledger.is_closed & rows["counted"].to_numpy() & ~rows["near_instant"].to_numpy()
    known &= np.where(ledger.is_closed, closed, 0) + _REOPEN_WITHIN <= limit
    again = known & (first >= closed) & (first - np.where(first < NEVER, closed, 0) <= _REOPEN_WITHIN)
    table = _monthly(ledger, "category", "close_month", known, again)
    found, tested = shifts(
        pd.concat([_named(table), _in_all(table)]), ShiftRule(_REOPEN_CHANGE, LEVEL, low_of_high=_REOPEN_LOW)
    )
    findings = []
    for shift in found:
        category = None if shift.key == _EVERYTHING else shift.key
        findings.append(_shift_finding("reopen_shift", shift, {}, category=category))
    flags = known & np.isin(rows["category"], [shift.key for shift in found])
    nothing = np.zeros(len(ledger), dtype=bool)
    return _changed("reopen_shift", "close_month", ledger, tested, known, flags, nothing, findings)


def quick_shift(ledger: Ledger) -> Evidence:
    """The share closed within ten minutes changes sharply, in one category."""
    rows = ledger.rows
    # By month of opening, and of all opened: what is closed after a record's end was opened long before.
    known = rows["counted"].to_numpy() & (ledger.is_closed <= rows["timed"].to_numpy())
    known &= (rows["followed"] - rows["opened"]).to_numpy() > QUICK_SECONDS
    quick = known & (ledger.lasted <= QUICK_SECONDS)
    return _plain_shift(ledger, "quick_shift", "open_month", known, quick, ShiftRule(_QUICK_CHANGE, LEVEL))


def pace_shift(ledger: Ledger) -> Evidence:
    """The usual time to close changes sharply, in one category: the share closed by its median over all years."""
    rows = ledger.rows
    counted = rows["counted"].to_numpy() & ~rows["near_instant"].to_numpy()
    lasted = pd.Series(np.where(ledger.is_closed, ledger.lasted, NEVER))
    usual = lasted[counted].groupby(rows["category"][counted]).median().reindex(rows["category"]).to_numpy(np.float64)
    reach = (np.minimum(rows["followed"], ledger.as_of) - rows["opened"]).to_numpy("int64")
    # Waiting for twice the median: then half of nearly every month's cases are known.
    known = counted & (usual < NEVER) & (reach >= np.maximum(2 * usual, 14 * DAY))
    fast = known & (ledger.lasted <= usual)
    evidence = _plain_shift(ledger, "pace_shift", "open_month", known, fast, _PACE, everything=True)
    told = [_with_medians(ledger, finding, known) for finding in evidence.findings]
    return replace(evidence, findings=[finding for finding in told if _moved(finding)])


def _moved(finding: TrustFinding) -> bool:
    """Whether the medians before and after differ enough to tell; one may be 0 days, or never."""
    low, high = sorted((finding.figures["median_before"], finding.figures["median_after"]))
    return high >= _PACE_RATIO * low and high > low


_EVERYTHING: Final = "\x1f"


def _plain_shift(
    ledger: Ledger, name: str, month: str, known: Bools, part: Bools, rule: ShiftRule, *, everything: bool = False
) -> Evidence:
    table = _monthly(ledger, "category", month, known, part)
    together = [_in_all(table)] if everything else []
    found, tested = shifts(pd.concat([_named(table), *together]), rule)
    findings = [
        _shift_finding(name, shift, {}, category=None if shift.key == _EVERYTHING else shift.key) for shift in found
    ]
    nothing = np.zeros(len(ledger), dtype=bool)
    return _changed(name, month, ledger, tested, known, part, nothing, findings)


def _changed(
    name: str,
    month: str,
    ledger: Ledger,
    tested: pd.DataFrame,
    known: Bools,
    part: Bools,
    doubt: Bools,
    findings: list[TrustFinding],
) -> Evidence:
    """The evidence of a change: the statistic of a case is its category's share in its month."""
    rows = ledger.rows
    share = pd.DataFrame({"c": rows["category"], "m": rows[month], "part": part.astype(np.float64)})[known]
    mean = share.groupby(["c", "m"])["part"].transform("mean").reindex(range(len(rows))).to_numpy(np.float64)
    by_key = tested.set_index("key") if len(tested) else pd.DataFrame({"p": [], "q": []}, index=pd.Index([], dtype=str))
    p, q = (by_key[column].reindex(rows["category"]).to_numpy(np.float64) for column in ("p", "q"))
    flagged = doubt if doubt.any() else part & (np.nan_to_num(q, nan=1.0) <= LEVEL)
    which: Month = "open_month" if month == "open_month" else "close_month"
    return Evidence(name, which, mean, p, q, np.asarray(flagged), doubt.astype(np.float64), findings)


def _monthly(ledger: Ledger, key: str, month: str, known: Bools, part: Bools) -> pd.DataFrame:
    rows = pd.DataFrame({"key": ledger.rows[key], "month": ledger.rows[month], "part": part, "whole": known})[known]
    return rows.groupby(["key", "month"], as_index=False)[["part", "whole"]].sum()


def _named(table: pd.DataFrame) -> pd.DataFrame:
    """Without the cases whose category nobody said: they are no series of their own."""
    return table[table["key"] != UNSAID]


def _in_all(table: pd.DataFrame) -> pd.DataFrame:
    """The months of all categories together."""
    return table.groupby("month", as_index=False)[["part", "whole"]].sum().assign(key=_EVERYTHING)


def _shift_finding(code: str, shift: Shift, more: dict[str, float | int], *, category: str | None) -> TrustFinding:
    return TrustFinding(
        code=code,
        category=category,
        first_month=month_name(shift.month),
        last_month=month_name(shift.month),
        figures={
            "before": shift.before,
            "after": shift.after,
            "n_before": shift.n_before,
            "n_after": shift.n_after,
            "p_value": shift.p,
            **more,
        },
        words={"from_month": month_name(shift.first), "to_month": month_name(shift.last)},
    )


def _with_medians(ledger: Ledger, finding: TrustFinding, known: Bools) -> TrustFinding:
    """Add the median days to close of the cases opened on either side; what is open counts as longest."""
    rows = ledger.rows
    first, month, last = (
        _month(finding.words["from_month"]),
        _month(finding.first_month),
        _month(finding.words["to_month"]),
    )
    here = known if finding.category is None else known & (rows["category"] == finding.category).to_numpy()
    opened = rows["open_month"].to_numpy("int64")
    days = np.where(ledger.is_closed, ledger.lasted, NEVER) / DAY
    before = float(np.median(days[here & (opened >= first) & (opened < month)]))
    after = float(np.median(days[here & (opened >= month) & (opened <= last)]))
    figures = {**finding.figures, "median_before": before, "median_after": after}
    return TrustFinding(
        code=finding.code,
        category=finding.category,
        first_month=finding.first_month,
        last_month=finding.last_month,
        figures=figures,
        words=finding.words,
    )


def _month(name: str | None) -> int:
    year, month = (name or "0000-01").split("-")
    return int(year) * 12 + int(month) - 1
