"""Plain facts about a record as a whole that decide what its labels can mean: no test, only counts."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Final

import numpy as np
import pandas as pd

from data.event_log import NEVER
from data.quality.label_trust_cases import DAY, Ledger, local_seconds, month_name
from data.quality.label_trust_findings import TrustFinding

# From what share on a fact is worth a sentence.
_NO_DEADLINE: Final = 0.05
_MIDNIGHT: Final = 0.5
_DUPLICATES: Final = 0.02
_SHORT: Final = 0.05
# Cases opened together and last looked at together: open cases among so many at least.
_LEFT_OPEN_FEWEST: Final = 100
_LEFT_OPEN: Final = 0.10
_YEAR_FEWEST: Final = 200
_YEAR_RATIO: Final = 1.5


def record_findings(ledger: Ledger, set_aside: Mapping[str, int] | None = None) -> list[TrustFinding]:
    """What the whole record says: deadlines, duplicates, how far cases were followed, rows set aside at import.

    `set_aside` gives the number of rows by code of finding (`data.findings.EFFECTS`).
    """
    found = [*_deadlines(ledger), *_duplicates(ledger), *_followed(ledger), *_years(ledger)]
    times = ("closed_before_opened", "withdrawn_before_opened", "due_before_opened", "due_too_far", "unreadable_time")
    rows = sum((set_aside or {}).get(code, 0) for code in times)
    if rows:
        found.append(TrustFinding(code="set_aside", figures={"rows": rows}))
    return found


def _deadlines(ledger: Ledger) -> list[TrustFinding]:
    rows = ledger.rows
    due = (rows["due"] < NEVER).to_numpy()
    found = []
    if len(rows) and (~due).mean() >= _NO_DEADLINE:
        figures = {"cases": len(rows), "without": int((~due).sum()), "share": float((~due).mean())}
        found.append(TrustFinding(code="no_deadline", figures=figures))
    if not due.any():
        return found
    clock = local_seconds(rows["due"].to_numpy("int64")[due], ledger.time_zone)
    midnight = clock % DAY == 0
    if ledger.timed_openings and midnight.mean() >= _MIDNIGHT:
        closed = rows["closed"].to_numpy("int64")[due]
        promised = rows["due"].to_numpy("int64")[due]
        same_day = midnight & (closed > promised) & (closed < promised + DAY)
        figures = {
            "due": int(due.sum()),
            "midnight": int(midnight.sum()),
            "share": float(midnight.mean()),
            "same_day": int(same_day.sum()),
        }
        found.append(TrustFinding(code="midnight_deadline", figures=figures))
    return found


def _years(ledger: Ledger) -> list[TrustFinding]:
    """Years whose median time to close is far from that of the year before; what is open counts as longest."""
    rows = ledger.rows
    lasted = np.where(ledger.is_closed, ledger.lasted, NEVER) / DAY
    reach = (np.minimum(rows["followed"], ledger.as_of) - rows["opened"]).to_numpy("int64")
    # Followed for a month at least: then a median of days is known.
    known = rows["counted"].to_numpy() & ~rows["near_instant"].to_numpy() & (reach >= 30 * DAY)
    years = pd.DataFrame({"year": rows["open_month"] // 12, "days": lasted, "month": rows["open_month"]})[known]
    table = years.groupby("year").agg(median=("days", "median"), size=("days", "size"), months=("month", "nunique"))
    # Part of a year is a season, and no year.
    table = table[(table["size"] >= _YEAR_FEWEST) & (table["months"] >= 10) & (table["median"] < 30)]
    found = []
    for (before, old), (after, new) in pairwise(table["median"].items()):
        low, high = sorted((old, new))
        if int(str(after)) == int(str(before)) + 1 and high >= _YEAR_RATIO * low and high - low >= 1:
            figures = {"year_before": int(str(before)), "median_before": float(old),
                       "year_after": int(str(after)), "median_after": float(new)}  # fmt: skip
            found.append(TrustFinding(code="pace_by_year", figures=figures))
    return found


def _duplicates(ledger: Ledger) -> list[TrustFinding]:
    duplicate = ledger.rows["duplicate"]
    if len(ledger) == 0 or duplicate.mean() < _DUPLICATES:
        return []
    figures = {"cases": len(ledger), "duplicates": int(duplicate.sum()), "share": float(duplicate.mean())}
    return [TrustFinding(code="duplicates", figures=figures)]


def _followed(ledger: Ledger) -> list[TrustFinding]:
    """Cases that nobody looked at again: before their deadline, and in how many months of opening many were open."""
    rows = ledger.rows
    still_open = rows["counted"].to_numpy() & ~ledger.is_closed
    due = rows["due"].to_numpy("int64")
    promised = rows["counted"].to_numpy() & (due < NEVER)
    short = promised & still_open & (rows["followed"].to_numpy("int64") <= due)
    found = []
    if promised.any() and short.sum() >= _SHORT * promised.sum():
        figures = {
            "cases": int(promised.sum()), "short": int(short.sum()), "share": float(short.sum() / promised.sum()),
        }  # fmt: skip
        found.append(TrustFinding(code="followed_short", figures=figures))
    day = (rows["followed"] // DAY).where(rows["counted"])
    looks = pd.DataFrame({"day": day, "open": still_open, "month": rows["open_month"], "opened": rows["opened"],
                          "followed": rows["followed"]}).dropna()  # fmt: skip
    for _day, own in looks.groupby("day"):
        if len(own) < _LEFT_OPEN_FEWEST or own["open"].mean() < _LEFT_OPEN:
            continue
        age = float(np.median(own["followed"] - own["opened"]) / DAY)
        # A look long after the openings says nothing bad about being followed.
        if age > 60:
            continue
        found.append(
            TrustFinding(
                code="left_open",
                first_month=month_name(int(own["month"].min())),
                last_month=month_name(int(own["month"].max())),
                figures={
                    "days": age,
                    "open": int(own["open"].sum()),
                    "cases": len(own),
                    "share": float(own["open"].mean()),
                },
            )
        )
    return found
