"""Symptoms of openings and moves: imports in bulk, cases handed to another office by the heap."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.quality.label_trust_batches import Rule, batches
from data.quality.label_trust_cases import DAY, HOUR, UNSAID, Ledger, day_name, local_seconds
from data.quality.label_trust_findings import TrustFinding
from data.quality.label_trust_nulls import count_tail, q_values, share_tail
from data.quality.label_trust_symptoms import LEVEL, Evidence, combined
from data.schema import EventKind

Floats = NDArray[np.float64]
Int64s = NDArray[np.int64]
Bools = NDArray[np.bool_]

# Openings that bear the very same second. People need longer to write one down.
_SECOND: Final = Rule(fewest=8, times_usual=5.0)
# Openings of a category on one day; a storm does that too, but not through one door.
_DAY_SPIKE: Final = Rule(fewest=25, times_usual=4.0)
_ONE_CHANNEL: Final = 0.8
_MOVES: Final = Rule(fewest=15, times_usual=5.0)
_MOVED: Final = (EventKind.TRANSFERRED.value, EventKind.HANDED_UP.value, EventKind.ASSIGNED.value)


def import_spike(ledger: Ledger) -> Evidence:
    """Many openings of the same second, or of a day and nearly all through one channel."""
    parts = [_same_second(ledger), _same_day(ledger)]
    return combined("import_spike", parts)


def _same_second(ledger: Ledger) -> Evidence:
    name, rows = "import_spike", ledger.rows
    if not ledger.timed_openings:
        return Evidence.none(name, "open_month", len(ledger))
    # Rows of a day without a time of day stand at midnight and are no spike.
    timed = (rows["opened_local"] % DAY != 0).to_numpy()
    opened = rows["opened"].to_numpy("int64")
    seconds, code, count = np.unique(opened, return_inverse=True, return_counts=True)
    hour = seconds // HOUR
    _hours, which = np.unique(hour, return_inverse=True)
    in_hour = np.bincount(which, weights=count.astype(np.float64))[which]
    # The second itself does not make its own hour busy.
    usual = (in_hour - count + 1.0) / HOUR
    p = count_tail(count.astype(np.float64), usual, np.full(len(usual), 2.0))
    p = np.where((count < _SECOND.fewest) | (count < _SECOND.times_usual * usual), 1.0, p)
    table = pd.DataFrame({"code": np.arange(len(seconds)), "count": count, "usual": usual, "p": p})
    table["q"] = q_values(p)
    table["flagged"] = table["q"] <= LEVEL
    table["statistic"] = table["count"]
    code = np.where(timed, code, -1).astype(np.int64)
    evidence = Evidence.spread(name, "open_month", table, code, statistic="statistic", concerned=timed)
    day = rows["opened_local"].to_numpy("int64") // DAY
    _tell(evidence, ledger, table[table["flagged"]], code, day, None)
    return evidence


def _same_day(ledger: Ledger) -> Evidence:
    """A day's spike in a category and, at once, a channel that took nearly all of it and usually does not."""
    name, rows = "import_spike", ledger.rows
    table, code = _days(ledger, "category")
    if table.empty:
        return Evidence.none(name, "open_month", len(ledger))
    table["statistic"] = table["count"] / table["usual"]
    everything = np.ones(len(ledger), dtype=bool)
    evidence = Evidence.spread(name, "open_month", table, code, statistic="statistic", concerned=everything)
    category = pd.factorize(rows["category"])[0].astype(np.int64)
    day = rows["opened_local"].to_numpy("int64") // DAY
    for group, own in table[table["flagged"]].groupby("group"):
        one = str(rows["category"].iloc[int(np.flatnonzero(category == group)[0])])
        _tell(evidence, ledger, own, code, day, one)
    return evidence


def typed_in(ledger: Ledger) -> Bools:
    """Openings of a day on which an area typed in a heap of cases, of whatever category; (n,).

    The paper of months, entered on one day: many times what the area usually reports on a day, and nearly all of it
    through one channel that usually takes less. A storm brings as many, but not through one door.
    """
    table, code = _days(ledger, "area")
    if table.empty:
        return np.zeros(len(ledger), dtype=bool)
    said = (ledger.rows["area"] != UNSAID).to_numpy()
    return np.asarray(said & np.isin(code, table.loc[table["flagged"], "code"]), dtype=bool)


def _days(ledger: Ledger, by: str) -> tuple[pd.DataFrame, Int64s]:
    """Every day of every category (or area) tested for a spike through one channel, and the day of each row.

    Both have to be improbable, the count and the channel's share, so the larger of the two p-values is valid for the
    pair.
    """
    rows = ledger.rows
    group = pd.factorize(rows[by])[0].astype(np.int64)
    day = rows["opened_local"].to_numpy("int64") // DAY
    table = batches(group, day, (group, day), _DAY_SPIKE)
    if table.empty:
        return table, np.full(len(ledger), -1, dtype=np.int64)
    index = pd.MultiIndex.from_arrays([table["group"].to_numpy("int64"), table["slot"].to_numpy("int64")])
    code = index.get_indexer(pd.MultiIndex.from_arrays([group, day])).astype(np.int64)
    table["code"] = np.arange(len(table))
    spikes = table["code"].to_numpy()[(table["p"] < 1).to_numpy()]
    usual_of = rows.groupby(by)["channel"].value_counts(normalize=True)
    channel_p = np.ones(len(table))
    for spike in spikes:
        inside = rows[code == spike]
        most = inside["channel"].value_counts()
        share = float(most.iloc[0]) / len(inside)
        # Twice as dispersed as a binomial: the mix of channels has its own good and bad days.
        usual = float(usual_of[inside[by].iloc[0], most.index[0]])
        part, whole = np.array([float(most.iloc[0])]), np.array([float(len(inside))])
        channel_p[spike] = 1.0 if share < _ONE_CHANNEL else share_tail(part, whole, usual, 2.0)[0]
    table["p"] = np.maximum(table["p"], channel_p)
    table["q"] = q_values(table["p"].to_numpy(np.float64))
    table["flagged"] = table["q"] <= LEVEL
    return table, code


def _tell(
    evidence: Evidence, ledger: Ledger, flagged: pd.DataFrame, code: Int64s, day: Int64s, category: str | None
) -> None:
    if flagged.empty:
        return
    top = flagged.sort_values(["count", "p"], ascending=[False, True]).iloc[0]
    inside = ledger.rows[code == int(top["code"])]
    most = inside["channel"].value_counts()
    days = np.sort(np.unique(day[np.isin(code, flagged["code"])]))
    evidence.findings.append(
        TrustFinding(
            code="import_spike",
            category=category,
            first_month=day_name(int(days[0]))[:7],
            last_month=day_name(int(days[-1]))[:7],
            figures={
                "batch": int(top["count"]),
                "usual": round(float(top["usual"]), 2),
                "of_channel": int(most.iloc[0]),
                "batches": len(flagged),
                "cases": int(np.isin(code, flagged["code"]).sum()),
                "q_value": float(top["q"]),
            },
            words={"day": day_name(int(days[0]) if len(days) == 1 else int(day[code == int(top["code"])][0])),
                   "most_channel": str(most.index[0]) or "?"},
        )
    )  # fmt: skip


def office_move(ledger: Ledger, events: pd.DataFrame) -> Evidence:
    """Many cases moved to an office on one day: a new division of work, not a judgement of each case.

    It puts no closing in doubt, but who had the case before.
    """
    name = "office_move"
    moves = events[events["kind"].isin(_MOVED) & events["office"].notna() & (events["known_at"] < ledger.as_of)]
    position = pd.Series(np.arange(len(ledger)), index=ledger.rows["case_id"]).reindex(moves["case_id"])
    there = position.notna().to_numpy()
    of_case = ledger.rows.iloc[position.fillna(0).to_numpy("int64")]
    at = moves["at"].to_numpy("int64")
    # What is assigned with the opening is no move; and an export of last states names the office with the closing, or
    # when the case was looked at.
    named = [of_case[name].to_numpy("int64") for name in ("opened", "closed", "followed")]
    later = there & (at > named[0]) & (at != named[1]) & (at < named[2])
    moves, position = moves[later], position[later].to_numpy("int64")
    if len(moves) == 0:
        return Evidence.none(name, "open_month", len(ledger))
    office, names = pd.factorize(moves["office"].astype("str"))
    day = local_seconds(moves["at"].to_numpy("int64"), ledger.time_zone) // DAY
    # An office that hardly ever gets a case by a move is compared with all days on which any case was moved.
    days, often = np.unique(day), np.flatnonzero(np.bincount(office) >= _MOVES.fewest)
    chosen = np.isin(office, often)
    active = (np.repeat(often, len(days)), np.tile(days, len(often)))
    table = batches(office[chosen], day[chosen], active, _MOVES)
    if table.empty:
        return Evidence.none(name, "open_month", len(ledger))
    table["q"] = q_values(table["p"].to_numpy(np.float64))
    flagged = table[table["q"] <= LEVEL]
    index = pd.MultiIndex.from_arrays([table["group"].to_numpy("int64"), table["slot"].to_numpy("int64")])
    of_move = index.get_indexer(pd.MultiIndex.from_arrays([office, day]))
    evidence = Evidence.none(name, "open_month", len(ledger))
    values = {c: np.full(len(ledger), np.nan) for c in ("statistic", "p", "q")}
    tested = of_move >= 0
    values["statistic"][position[tested]] = (table["count"] / table["usual"]).to_numpy()[of_move[tested]]
    for column in ("p", "q"):
        values[column][position[tested]] = table[column].to_numpy(np.float64)[of_move[tested]]
    moved = np.zeros(len(ledger), dtype=bool)
    moved[position[np.isin(of_move, flagged.index)]] = True
    for _group, own in flagged.groupby("group"):
        top = own.sort_values("count", ascending=False).iloc[0]
        evidence.findings.append(
            TrustFinding(
                code=name,
                office=str(names[int(top["group"])]),
                first_month=day_name(int(own["slot"].min()))[:7],
                last_month=day_name(int(own["slot"].max()))[:7],
                figures={
                    "batch": int(top["count"]),
                    "usual": round(float(top["usual"]), 2),
                    "batches": len(own),
                    "cases": int(own["count"].sum()),
                    "q_value": float(top["q"]),
                },
                words={"day": day_name(int(top["slot"]))},
            )
        )
    doubt = np.zeros(len(ledger))
    return Evidence(name, "open_month", values["statistic"], values["p"], values["q"], moved, doubt, evidence.findings)
