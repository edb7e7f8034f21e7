"""What a symptom says of every case, and the symptoms of closing: batches, updates, heaps, minutes.

Every symptom is a function from a ledger to an `Evidence`: per case the statistic of the test that it fell under, the
p- and q-value, whether the test is flagged, and how far the case's label is in doubt.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.event_log import NEVER
from data.quality.label_trust_batches import Rule, batches
from data.quality.label_trust_cases import DAY, HOUR, Ledger, day_name, month_name
from data.quality.label_trust_findings import TrustFinding
from data.quality.label_trust_heap import heaps, in_last_bin
from data.quality.label_trust_nulls import q_values, share_tail

Floats = NDArray[np.float64]
Int64s = NDArray[np.int64]
Bools = NDArray[np.bool_]
Month = Literal["open_month", "close_month"]

# Of all that a symptom flags, so large a part is expected to be nothing.
LEVEL: Final = 0.05

# At least so many closings of old cases in a day or an hour, and so many times what is usual there.
_MASS: Final = Rule(fewest=12, times_usual=5.0)
# A case is old at its closing if it stood open longer than half of its category's closed cases did, and two days.
_OLD: Final = 0.5
_LEAST_OLD: Final = 2 * DAY
# A cohort that an update closed: so many of it on one day, and so large a part of all that was ever closed of it.
_UPDATE: Final = Rule(fewest=15, times_usual=5.0)
_UPDATE_SHARE: Final = 0.3
QUICK_SECONDS: Final = 600
# A share of quick closings that any office has: the telephone rings, and somebody knows the answer.
_QUICK_USUAL: Final = 0.05
_QUICK_TOLD: Final = 0.10
_QUICK_FEWEST: Final = 20
_QUICK_RATIO: Final = 2.0


@dataclass(frozen=True)
class Evidence:
    """One symptom over n cases.

    `statistic`, `p`, `q` (n,) are NaN where nothing was tested; `flagged` (n,) bool; `doubt` (n,) in [0, 1]: how much
    of the label is in doubt. `month` says whether it counts in the month of opening or of closing.
    """

    name: str
    month: Month
    statistic: Floats
    p: Floats
    q: Floats
    flagged: Bools
    doubt: Floats
    findings: list[TrustFinding] = field(default_factory=list)

    @classmethod
    def none(cls, name: str, month: Month, n: int) -> Evidence:
        """Nothing tested, nothing found."""
        empty = np.full(n, np.nan)
        return cls(name, month, empty, empty, empty, np.zeros(n, dtype=bool), np.zeros(n))

    @classmethod
    def spread(
        cls, name: str, month: Month, table: pd.DataFrame, code: Int64s, *, statistic: str, concerned: Bools
    ) -> Evidence:
        """Give every case what the test says that it fell under: `table` by `code`, negative for none.

        `concerned` (n,) are the cases whose label is in doubt if their test is flagged; `table` has the columns
        `code`, `p`, `q`, `flagged` and the one named by `statistic`.
        """
        found = table.set_index("code")
        values = {
            column: found[column].reindex(code).to_numpy(np.float64) for column in (statistic, "p", "q", "flagged")
        }
        flagged = np.nan_to_num(values["flagged"]) > 0
        doubt = (flagged & concerned).astype(np.float64)
        return cls(name, month, values[statistic], values["p"], values["q"], flagged & concerned, doubt)


def combined(name: str, parts: Iterable[Evidence]) -> Evidence:
    """Several tests of one symptom: the clearest of each case."""
    given = list(parts)
    p = np.stack([part.p for part in given])
    best = np.argmin(np.where(np.isnan(p), 2.0, p), axis=0)
    columns = np.arange(p.shape[1])

    def picked(attribute: str) -> Floats:
        return np.asarray(np.stack([getattr(part, attribute) for part in given])[best, columns])

    return Evidence(
        name,
        given[0].month,
        picked("statistic"),
        picked("p"),
        picked("q"),
        np.logical_or.reduce([part.flagged for part in given]),
        np.maximum.reduce([part.doubt for part in given]),
        [finding for part in given for finding in part.findings],
    )


def old_at_closing(ledger: Ledger) -> Bools:
    """Closed cases that had stood open longer than half of their category's; shape (n,)."""
    lasted = ledger.lasted
    closed = ledger.is_closed & ledger.rows["counted"].to_numpy() & ~ledger.rows["near_instant"].to_numpy()
    table = pd.DataFrame({"category": ledger.rows["category"], "lasted": np.where(closed, lasted, np.nan)})
    usual = table.groupby("category")["lasted"].transform("quantile", _OLD).to_numpy(np.float64)
    return np.asarray(closed & (lasted >= np.maximum(np.nan_to_num(usual, nan=np.inf), _LEAST_OLD)))


def mass_closing(ledger: Ledger) -> Evidence:
    """Many of an office's old cases closed within one hour, or one day."""
    office, names = pd.factorize(ledger.rows["office"])
    closed, old = ledger.is_closed, old_at_closing(ledger)
    clock = ledger.rows["closed_local"].to_numpy("int64")
    scales = [("day", DAY, closed), ("hour", HOUR, closed & ledger.rows["timed"].to_numpy())]
    tables = []
    for slot_name, length, usable in scales:
        slot = clock // length
        rows = old & usable
        table = batches(office[rows], slot[rows], (office[usable], slot[usable]), _MASS, slots_a_day=DAY // length)
        tables.append(table.assign(scale=slot_name, length=length))
    both = pd.concat(tables, ignore_index=True)
    if both.empty:
        return Evidence.none("mass_closing", "close_month", len(ledger))
    # Two looks at the same closings: one family, and twice the p-value.
    both["p"] = np.minimum(both["p"] * len(scales), 1.0)
    both["q"] = q_values(both["p"].to_numpy(np.float64))
    both["flagged"] = both["q"] <= LEVEL
    both["statistic"] = both["count"] / both["usual"]
    parts = []
    for slot_name, length, usable in scales:
        own = both[both["scale"] == slot_name]
        code, table = _coded(own, office, clock // length, usable)
        parts.append(
            Evidence.spread("mass_closing", "close_month", table, code, statistic="statistic", concerned=old & usable)
        )
    evidence = combined("mass_closing", parts)
    flagged = both[both["flagged"]].assign(day=lambda t: t["slot"] * t["length"] // DAY)
    for _group, own in flagged.groupby("group"):
        # A busy hour lies in a busy day: each day is one batch.
        largest = own.sort_values(["count", "p"], ascending=[False, True]).drop_duplicates("day")
        top = largest.iloc[0]
        cases = int((evidence.flagged & (office == int(top["group"]))).sum())
        days = np.sort(largest["day"].to_numpy("int64"))
        evidence.findings.append(
            TrustFinding(
                code="mass_closing",
                office=str(names[int(top["group"])]) or None,
                first_month=_month_of_day(int(days[0])),
                last_month=_month_of_day(int(days[-1])),
                figures={
                    "batch": int(top["count"]),
                    "usual": round(float(top["usual"]), 2),
                    "batches": len(largest),
                    "cases": cases,
                    "q_value": float(top["q"]),
                },
                words={
                    "day": day_name(int(top["day"])),
                    "slot_en": str(top["scale"]),
                    "slot_zh": {"day": "日", "hour": "小时"}[str(top["scale"])],
                },
            )
        )
    return evidence


def update_date(ledger: Ledger) -> Evidence:
    """A cohort (category and month of opening) closed on one day, or closings on the record's last day."""
    rows = ledger.rows
    usable = ledger.is_closed & rows["counted"].to_numpy() & ~rows["near_instant"].to_numpy()
    # What is closed in the month it was opened in is closed on few days by itself.
    late_enough = usable & (ledger.lasted >= _LEAST_OLD)
    cohort = pd.factorize(rows["category"] + "\x1f" + rows["open_month"].astype("str"))[0].astype(np.int64)
    day = rows["closed_local"].to_numpy("int64") // DAY
    table = batches(cohort[late_enough], day[late_enough], (cohort[late_enough], day[late_enough]), _UPDATE)
    sizes = np.bincount(cohort[late_enough], minlength=int(cohort.max()) + 1 if len(cohort) else 0)
    if not table.empty:
        whole = sizes[table["group"].to_numpy("int64")]
        table["p"] = np.where(table["count"] >= _UPDATE_SHARE * whole, table["p"], 1.0)
        table["cohort"] = whole
    category = pd.factorize(rows["category"])[0].astype(np.int64)
    last_day = int(day[usable].max()) if usable.any() else 0
    last = batches(category[late_enough], day[late_enough], (category[usable], day[usable]), _UPDATE)
    last = last[last["slot"] == last_day].reset_index(drop=True)
    parts = []
    for kind, found, group in (("update_date", table, cohort), ("last_day_closing", last, category)):
        if found.empty:
            continue
        found["q"] = q_values(found["p"].to_numpy(np.float64))
        found["flagged"] = found["q"] <= LEVEL
        found["statistic"] = found["count"] / found["usual"]
        code, coded = _coded(found, group, day, late_enough)
        one = Evidence.spread("update_date", "close_month", coded, code, statistic="statistic", concerned=late_enough)
        one.findings.extend(_update_findings(ledger, kind, found[found["flagged"]], group))
        parts.append(one)
    return combined("update_date", parts) if parts else Evidence.none("update_date", "close_month", len(ledger))


def _update_findings(ledger: Ledger, code: str, flagged: pd.DataFrame, group: Int64s) -> list[TrustFinding]:
    found = []
    for row in flagged.to_dict("records"):
        one = ledger.rows.iloc[int(np.flatnonzero(group == row["group"])[0])]
        cohort = {"cohort": int(row["cohort"])} if code == "update_date" else {}
        month = month_name(int(one["open_month"])) if code == "update_date" else _month_of_day(int(row["slot"]))
        figures = {"batch": int(row["count"]), "usual": round(float(row["usual"]), 2), "q_value": float(row["q"])}
        found.append(
            TrustFinding(
                code=code,
                category=str(one["category"]) or None,
                first_month=month,
                last_month=month,
                figures={**figures, **cohort},
                words={"day": day_name(int(row["slot"]))},
            )
        )
    return found


def deadline_heap(ledger: Ledger) -> Evidence:
    """More closings in the last twentieth of the promised time than a smooth curve makes likely."""
    rows = ledger.rows
    units = {
        "office and category": rows["office"] + "\x1f" + rows["category"],
        "office and month": rows["office"] + "\x1f" + rows["close_month"].astype("str"),
    }
    last = in_last_bin(ledger)
    codes, tables = {}, []
    for name, key in units.items():
        codes[name] = pd.factorize(key)[0].astype(np.int64)
        tables.append(heaps(ledger, codes[name]).assign(kind=name))
    both = pd.concat([table for table in tables if len(table)] or tables[:1], ignore_index=True)
    if both.empty:
        return Evidence.none("deadline_heap", "close_month", len(ledger))
    both["q"] = q_values(both["p"].to_numpy(np.float64))
    both["flagged"] = both["q"] <= LEVEL
    both["statistic"] = both["count"] / np.maximum(both["expected"], 1e-9)
    both["code"] = both["unit"].astype("int64")
    parts = []
    for name, code in codes.items():
        table = both[both["kind"] == name]
        one = Evidence.spread("deadline_heap", "close_month", table, code, statistic="statistic", concerned=last)
        # Of those in the bin, the part that the curve makes likely is not in doubt.
        excess = 1.0 - 1.0 / np.maximum(np.nan_to_num(one.statistic, nan=1.0), 1.0)
        parts.append(Evidence(one.name, one.month, one.statistic, one.p, one.q, one.flagged, one.doubt * excess))
    evidence = combined("deadline_heap", parts)
    for row in both[both["flagged"]].to_dict("records"):
        first = ledger.rows.iloc[int(np.flatnonzero(codes[row["kind"]] == row["unit"])[0])]
        by_month = row["kind"] == "office and month"
        months = rows["close_month"].to_numpy("int64")[(codes[row["kind"]] == row["unit"]) & last]
        evidence.findings.append(
            TrustFinding(
                code="deadline_heap",
                office=str(first["office"]) or None,
                category=None if by_month else str(first["category"]) or None,
                first_month=month_name(int(months.min())),
                last_month=month_name(int(months.max())),
                figures={
                    "count": int(row["count"]),
                    "expected": round(float(row["expected"]), 1),
                    "closings": int(row["closings"]),
                    "q_value": float(row["q"]),
                },
            )
        )
    return evidence


def quick_closing(ledger: Ledger) -> Evidence:
    """Cells in which a good part of the closings came within ten minutes of the opening.

    Looked for in each office, category and month; in each category and month; and in each office and category, for
    where the cells are thin. All of them are one family.
    """
    rows = ledger.rows
    closed = ledger.is_closed & rows["timed"].to_numpy() & rows["counted"].to_numpy()
    quick = closed & (ledger.lasted >= 0) & (ledger.lasted <= QUICK_SECONDS)
    month = rows["close_month"].astype("str")
    keys = (
        rows["office"] + "\x1f" + rows["category"] + "\x1f" + month,
        rows["category"] + "\x1f" + month,
        rows["office"] + "\x1f" + rows["category"],
    )
    codes = [np.where(closed, pd.factorize(key)[0], -1).astype(np.int64) for key in keys]
    counted = [
        pd.DataFrame({"code": code[closed], "quick": quick[closed]})
        .groupby("code")["quick"]
        .agg(["sum", "size"])
        .reset_index()
        .assign(unit=unit)
        for unit, code in enumerate(codes)
    ]
    table = pd.concat(counted, ignore_index=True)
    table = table[table["size"] >= _QUICK_FEWEST].reset_index(drop=True)
    if table.empty:
        return Evidence.none("quick_closing", "close_month", len(ledger))
    part, whole = table["sum"].to_numpy(np.float64), table["size"].to_numpy(np.float64)
    p = share_tail(part, whole, _QUICK_USUAL, _QUICK_RATIO)
    table["p"] = np.where(part < _QUICK_TOLD * whole, 1.0, p)
    table["q"] = q_values(table["p"].to_numpy(np.float64))
    table["flagged"] = table["q"] <= LEVEL
    table["statistic"] = part / whole
    evidence = combined(
        "quick_closing",
        [
            Evidence.spread(
                "quick_closing",
                "close_month",
                table[table["unit"] == unit],
                code,
                statistic="statistic",
                concerned=quick,
            )
            for unit, code in enumerate(codes)
        ],
    )
    evidence.findings.extend(_quick_findings(ledger, evidence, closed, quick))
    return evidence


def _quick_findings(ledger: Ledger, evidence: Evidence, closed: Bools, quick: Bools) -> list[TrustFinding]:
    """One finding for each category, over the months from the first to the last that is flagged."""
    rows, found = ledger.rows, []
    concerned = rows.assign(quick=quick, flagged=evidence.flagged)
    touched = concerned.groupby("category")["flagged"].transform("any")
    for category, own in concerned[touched & closed].groupby("category"):
        channel = own.loc[own["quick"], "channel"].value_counts()
        months = own.loc[own["flagged"], "close_month"]
        inside = own[(own["close_month"] >= months.min()) & (own["close_month"] <= months.max())]
        found.append(
            TrustFinding(
                code="quick_closing",
                category=str(category) or None,
                first_month=month_name(int(months.min())),
                last_month=month_name(int(months.max())),
                figures={
                    "quick": int(inside["quick"].sum()),
                    "instant": int((inside["quick"] & inside["near_instant"]).sum()),
                    "closed": len(inside),
                    "share": float(inside["quick"].mean()),
                },
                words={"most_channel": str(channel.index[0]) or "?"},
            )
        )
    return found


def impossible_dates(ledger: Ledger) -> Evidence:
    """Cases closed before they were opened, or due before."""
    rows = ledger.rows
    bad = ledger.is_closed & (rows["closed"] < rows["opened"]).to_numpy()
    bad |= ((rows["due"] < NEVER) & (rows["due"] < rows["opened"])).to_numpy()
    nothing = np.full(len(ledger), np.nan)
    findings = [TrustFinding(code="impossible_dates", figures={"cases": int(bad.sum())})] if bad.any() else []
    return Evidence(
        "impossible_dates",
        "open_month",
        bad.astype(np.float64),
        nothing,
        nothing,
        bad,
        bad.astype(np.float64),
        findings,
    )


def _coded(table: pd.DataFrame, group: Int64s, slot: Int64s, usable: Bools) -> tuple[Int64s, pd.DataFrame]:
    """One code per (group, slot) of the table, and that of every usable case; -1 for none."""
    index = pd.MultiIndex.from_arrays([table["group"].to_numpy("int64"), table["slot"].to_numpy("int64")])
    found = index.get_indexer(pd.MultiIndex.from_arrays([group, slot]))
    code = np.where(usable, found, -1).astype(np.int64)
    return code, table.assign(code=np.arange(len(table)))


def _month_of_day(day: int) -> str:
    return str(np.datetime64(day, "D").astype("datetime64[M]"))
