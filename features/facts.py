"""The event log turned into facts: small integer rows at the moment they became known, to be summed over windows.

A fact is never taken back or moved by what comes later. That is why facts are made from events and not from folded
cases: folding lets a second closing erase the first, and a query about the time between would see the future.

    fact table   one row per …                                   measures (int64)
    arrivals     case that has stood open for a minute            n, promised, log_promise (as log_hours)
    balance      opening, ending, reopening, change of office     open (+1 or -1)
    overdue      promise passed unkept, and its end               overdue (+1 or -1)
    matured      promise that fell due                            n, late
    stage_0 … 7  stretch of a promise that a case began open      n, closed (within the stretch)
    closures     closing that was not near-instant                n, log_hours (ln of hours, in thousandths),
                                                                  within_1d, within_7d, within_30d
    moves        hand-over to another office or tier              n
    findings     inspection of a place or asset                   n, serious
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.event_log import NEAR_INSTANT_SECONDS, NEVER, in_order, is_near_instant
from data.schema import EventKind

Int64s = NDArray[np.int64]

KEY_COLUMNS: Final = (
    "category",
    "category_group",
    "area",
    "channel",
    "office",
    "promise",  # promised time in octaves: cases that were promised about as long
    "promise_fine",  # in half octaves
)
_NAMED: Final = KEY_COLUMNS[:5]
_FIXED: Final = KEY_COLUMNS[:4]

# Ends of the eight stretches that a promise is cut into, as shares of it. Closer together early on, where most
# closings are: a stretch is only informative if some cases end in it and some do not.
STAGES: Final = (0.0, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0)

FACT_TABLES: Final[dict[str, tuple[str, ...]]] = {
    "arrivals": ("n", "promised", "log_promise"),
    "balance": ("open",),
    "overdue": ("overdue",),
    "matured": ("n", "late"),
    "closures": ("n", "log_hours", "within_1d", "within_7d", "within_30d"),
    "moves": ("n",),
    **{f"stage_{j}": ("n", "closed") for j in range(len(STAGES) - 1)},
    "findings": ("n", "serious"),
}

# Thousandths of a natural log-hour: an integer sum of them is exact in any order and on any engine, and the rounding
# (0.05 %) is far below what a mean time to close is good for.
LOG_HOURS_SCALE: Final = 1000
_DAY: Final = 86_400

_STATE: Final = {
    EventKind.OPENED.value: 1,
    EventKind.REOPENED.value: 1,
    EventKind.CLOSED.value: 0,
    EventKind.WITHDRAWN.value: 0,
    EventKind.DUPLICATE.value: 0,
}
# Calling a case a duplicate is an answer; its duty lives on in the case that it repeats.
_ANSWERS: Final = (EventKind.CLOSED.value, EventKind.DUPLICATE.value)
_MOVES: Final = (EventKind.ASSIGNED.value, EventKind.TRANSFERRED.value, EventKind.HANDED_UP.value)


@dataclass(frozen=True, slots=True)
class Facts:
    """One fact table: `at` (n,) int64 seconds in UTC; `keys` a DataFrame of n rows with the columns `KEY_COLUMNS`,
    null where unknown; `measures` name -> (n,) int64.
    """

    at: Int64s
    keys: pd.DataFrame
    measures: dict[str, Int64s]

    def __post_init__(self) -> None:
        sizes = {len(self.at), len(self.keys), *(len(values) for values in self.measures.values())}
        if len(sizes) != 1:
            raise ValueError(f"Expected equally many moments, keys and measures, got {sorted(sizes)}.")


def facts_from_events(
    events: pd.DataFrame,
    inspections: pd.DataFrame | None = None,
    observed_until: pd.Series | None = None,
) -> dict[str, Facts]:
    """All fact tables of an event log.

    Parameters
    ----------
    events : DataFrame with `data.schema.EVENT_COLUMNS`, in any order
    inspections : DataFrame with `area`, `related_category`, `known_at`, `severity`; None for none
    observed_until : Series of int64 seconds in UTC by `case_id`, see `data.observation`
        After it a case says nothing about promises: it may have been answered unseen. None: all were followed.

    Returns
    -------
    dict, one `Facts` for each name in `FACT_TABLES`.
        Category, group, area, channel and promise are those that the opening named; the office is the one
        responsible at the moment of the fact, as known then.
    """
    if events.empty:
        log = events.assign(case=pd.Series(dtype="int64"))
    else:
        log = in_order(events)
        log["case"] = pd.factorize(log["case_id"])[0]
    story = _Story.read(log, _followed(log, observed_until))
    return {
        "arrivals": story.arrivals(),
        "balance": story.balance(),
        "overdue": story.overdue(),
        "matured": story.matured(),
        "closures": story.closures(),
        "moves": story.moves(),
        **story.stages(),
        "findings": _findings(inspections),
    }


@dataclass(frozen=True)
class _Story:
    """Every event with what was known of its case then: keys, office before and after, open or not."""

    log: pd.DataFrame  # in order, with `case`, the state columns below, and the office carried forward
    opened: pd.DataFrame  # one row per case: its opening
    promised_at: Int64s  # per case: the promise that counted when it fell due; NEVER for none
    followed: Int64s  # per case: how long it was looked at

    @classmethod
    def read(cls, log: pd.DataFrame, followed: Int64s) -> _Story:
        opened = log[log["kind"] == EventKind.OPENED.value].drop_duplicates("case").set_index("case")
        opened = opened.assign(**promise_keys(opened["at"], opened["due_at"]))
        at_opening = [*_FIXED, "promise", "promise_fine"]
        log = log.drop(columns=[*_FIXED, "case_id"]).join(opened[at_opening], on="case")
        by_case = log.groupby("case", sort=False)
        log["office"] = by_case["office"].ffill()
        log["office_before"] = log.groupby("case", sort=False)["office"].shift()
        log["opened_at"] = opened["at"].reindex(log["case"]).to_numpy()
        log["counts_from"] = opened["known_at"].reindex(log["case"]).to_numpy() + NEAR_INSTANT_SECONDS
        log["state"] = log["kind"].map(_STATE)
        log["state"] = log.groupby("case", sort=False)["state"].ffill().fillna(0).astype("int64")
        before = log.groupby("case", sort=False)["state"].shift().fillna(0).astype("int64")
        log["change"] = log["state"] - before
        # Nothing of a case counts in its first minute, when it may yet turn out to be near-instant.
        log["known"] = log[["known_at", "counts_from"]].max(axis=1)
        promised_at = _promise_that_counted(log, len(opened))
        # A promise that fell due when nobody looked at the case any more was neither kept nor broken.
        promised_at[promised_at > followed] = NEVER
        return cls(log=log, opened=opened, promised_at=promised_at, followed=followed)

    @property
    def _passed_over(self) -> NDArray[np.bool_]:
        """Rows of cases that were closed, and known to be, within a minute of opening: never work that waited."""
        log = self.log
        closed = log["kind"].to_numpy() == EventKind.CLOSED.value
        quick = closed & (
            log["known_at"].to_numpy("int64") - log["opened_at"].to_numpy("int64") <= NEAR_INSTANT_SECONDS
        )
        cases = np.zeros(len(self.opened), dtype=bool)
        cases[log["case"].to_numpy()[quick]] = True
        return np.asarray(cases[log["case"].to_numpy("int64")])

    def _facts(self, rows: pd.DataFrame, at: Int64s, **measures: Int64s) -> Facts:
        return Facts(at=at, keys=rows[[*KEY_COLUMNS]].reset_index(drop=True), measures=measures)

    def arrivals(self) -> Facts:
        rows = self.log[(self.log["kind"] == EventKind.OPENED.value).to_numpy() & ~self._passed_over]
        seconds = promised_seconds(rows["at"], rows["due_at"])
        promised = (seconds > 0).astype(np.int64)
        log_promise = promised * np.rint(np.log(np.maximum(seconds, 1) / 3600) * LOG_HOURS_SCALE).astype(np.int64)
        n = np.ones(len(rows), dtype=np.int64)
        return self._facts(rows, rows["known"].to_numpy("int64"), n=n, promised=promised, log_promise=log_promise)

    def balance(self) -> Facts:
        """Openings and endings where they happened, and a pair of rows for each change of office while open."""
        live = self.log[~self._passed_over]
        turns = live[live["change"] != 0]
        moved = live[(live["change"] == 0) & (live["state"] == 1) & _office_changed(live)]
        left = moved.assign(office=moved["office_before"])
        rows = pd.concat([turns, left, moved], ignore_index=True)
        change = np.concatenate(
            [turns["change"].to_numpy("int64"), np.full(len(left), -1), np.ones(len(moved), dtype=np.int64)]
        ).astype(np.int64)
        return self._facts(rows, rows["known"].to_numpy("int64"), open=change)

    def matured(self) -> Facts:
        rows, late = self._at_promise()
        return self._facts(rows, rows["promised_at"].to_numpy("int64"), n=np.ones(len(rows), dtype=np.int64), late=late)

    def overdue(self) -> Facts:
        """+1 when a promise passes unkept; what ends, reopens or moves the case afterwards changes the count."""
        due, late = self._at_promise()
        broken = due[late == 1]
        log = self.log.assign(promised_at=self.promised_at[self.log["case"].to_numpy("int64")])
        matured = np.zeros(len(self.promised_at), dtype=bool)
        matured[due["case"].to_numpy("int64")] = True
        after = log[(log["known"] > log["promised_at"]).to_numpy() & matured[log["case"].to_numpy("int64")]]
        turns = after[after["change"] != 0]
        moved = after[(after["change"] == 0) & (after["state"] == 1) & _office_changed(after)]
        left = moved.assign(office=moved["office_before"])
        rows = pd.concat([broken, turns, left, moved], ignore_index=True)
        at = np.concatenate(
            [
                broken["promised_at"].to_numpy("int64"),
                *(part["known"].to_numpy("int64") for part in (turns, left, moved)),
            ]
        )
        change = np.concatenate(
            [
                np.ones(len(broken), dtype=np.int64),
                turns["change"].to_numpy("int64"),
                np.full(len(left), -1, dtype=np.int64),
                np.ones(len(moved), dtype=np.int64),
            ]
        )
        return self._facts(rows, at, overdue=change)

    def closures(self) -> Facts:
        log = self.log
        closed = (log["kind"] == EventKind.CLOSED.value).to_numpy() & (log["change"] == -1).to_numpy()
        slow = ~is_near_instant(log["opened_at"].to_numpy("int64"), log["at"].to_numpy("int64"))
        rows = log[closed & slow]
        seconds = np.maximum(rows["at"].to_numpy("int64") - rows["opened_at"].to_numpy("int64"), 1)
        log_hours = np.rint(np.log(seconds / 3600) * LOG_HOURS_SCALE).astype(np.int64)
        within = {f"within_{days}d": (seconds <= days * _DAY).astype(np.int64) for days in (1, 7, 30)}
        n = np.ones(len(rows), dtype=np.int64)
        return self._facts(rows, rows["known"].to_numpy("int64"), n=n, log_hours=log_hours, **within)

    def stages(self) -> dict[str, Facts]:
        """A life table of promises: which stretches of its promised time each case began open, and in which it closed.

        Both answers are filed at the end of the stretch. Filing a closing when it happens would let early closers be
        seen before those that are still open at the same age, and a young category would look prompt.
        """
        log = self.log
        keys = self.opened.index.to_numpy("int64")
        closed = _per_case(log[log["kind"].isin(_ANSWERS)], len(keys))
        withdrawn = _per_case(log[_is_withdrawal(log)], len(keys))
        over = np.zeros(len(keys), dtype=bool)
        over[log["case"].to_numpy("int64")[self._passed_over]] = True
        rows = self.opened.sort_index()
        opened = rows["at"].to_numpy("int64")
        counts_from = rows["known_at"].to_numpy("int64") + NEAR_INSTANT_SECONDS
        seconds = promised_seconds(rows["at"], rows["due_at"])
        tables = {}
        for j in range(len(STAGES) - 1):
            start = opened + np.rint(STAGES[j] * seconds).astype(np.int64)
            end = np.maximum(opened + np.rint(STAGES[j + 1] * seconds).astype(np.int64), counts_from)
            seen = ~over & (withdrawn > end) & (self.followed >= end)
            began = (seconds > 0) & seen & ((closed > start) | (j == 0))
            n = np.ones(int(began.sum()), dtype=np.int64)
            done = (closed[began] <= end[began]).astype(np.int64)
            tables[f"stage_{j}"] = self._facts(rows[began], end[began], n=n, closed=done)
        return tables

    def moves(self) -> Facts:
        """Hand-overs, counted for the office that gave the case away."""
        log = self.log
        moved = log[log["kind"].isin(_MOVES) & _office_changed(log) & log["office_before"].notna()]
        rows = moved.assign(office=moved["office_before"])
        return self._facts(rows, rows["known"].to_numpy("int64"), n=np.ones(len(rows), dtype=np.int64))

    def _at_promise(self) -> tuple[pd.DataFrame, Int64s]:
        """The state of each case when its promise fell due, by what was known then.

        Returns the last event known at or before the promise, one row per case that had neither been withdrawn nor
        passed over, and whether the promise was broken (the case still open), (n,) int64.
        """
        log = self.log.assign(promised_at=self.promised_at[self.log["case"].to_numpy("int64")])
        made = (log["promised_at"] < NEVER) & (log["promised_at"] > log["counts_from"])
        log = log[made.to_numpy() & ~self._passed_over]
        last = log[log["known_at"] <= log["promised_at"]].drop_duplicates("case", keep="last")
        ended = last["case"].isin(log.loc[_is_withdrawal(log) & (log["known_at"] <= log["promised_at"]), "case"])
        last = last[~ended]
        return last, last["state"].to_numpy("int64")


def promised_seconds(opened_at: pd.Series, due_at: pd.Series) -> Int64s:
    """Time from opening to promise in seconds, shape (n,); 0 where no promise was made, or one in the past."""
    due = due_at.fillna(0).to_numpy("int64")
    due = np.where(due >= NEVER, 0, due)
    return np.asarray(np.maximum(due - opened_at.to_numpy("int64"), 0))


def promise_keys(opened_at: pd.Series, due_at: pd.Series) -> dict[str, pd.Series]:
    """The promised time as keys: `promise` (octaves of hours, 4 hours to 2 years) and `promise_fine` (half octaves).

    Null where no promise was made. What was promised about as long ago fails about as often: the best guess for a type
    of problem that has no record of its own yet.
    """
    seconds = promised_seconds(opened_at, due_at)
    octaves = np.log2(np.maximum(seconds, 1) / 3600)
    coarse = np.clip(np.floor(octaves + 0.5), 2, 14).astype(np.int64)
    fine = np.floor(2 * octaves + 0.5).astype(np.int64)
    made = seconds > 0
    return {
        "promise": _coded(coarse, made, opened_at.index),
        "promise_fine": _coded(fine, made, opened_at.index),
    }


def _coded(values: Int64s, known: NDArray[np.bool_], index: pd.Index) -> pd.Series:
    return pd.Series(values, index=index).astype("str").where(known)


def _per_case(rows: pd.DataFrame, n_cases: int) -> Int64s:
    """When the first of these events became known, per case; NEVER where there is none."""
    first = np.full(n_cases, NEVER, dtype=np.int64)
    np.minimum.at(first, rows["case"].to_numpy("int64"), rows["known_at"].to_numpy("int64"))
    return first


def _office_changed(rows: pd.DataFrame) -> pd.Series:
    """Whether another office is responsible from this event on, or one is named for the first time."""
    return rows["office"].notna() & (rows["office"] != rows["office_before"])


def _is_withdrawal(rows: pd.DataFrame) -> pd.Series:
    return rows["kind"] == EventKind.WITHDRAWN.value


def _followed(log: pd.DataFrame, observed_until: pd.Series | None) -> Int64s:
    """How long each case was looked at, by its number in the log; NEVER where it always was."""
    first = log.drop_duplicates("case")
    if observed_until is None:
        return np.full(len(first), NEVER, dtype=np.int64)
    return np.asarray(observed_until.reindex(first["case_id"]).fillna(NEVER).to_numpy("int64"))


def _promise_that_counted(log: pd.DataFrame, n_cases: int) -> Int64s:
    """Per case the first promise that fell due before another one replaced it; NEVER where none was made."""
    promises = log.loc[log["due_at"].notna(), ["case", "known_at", "due_at"]]
    due = promises["due_at"].to_numpy("int64")
    replaced = promises.groupby("case", sort=False)["known_at"].shift(-1).fillna(NEVER).to_numpy("int64")
    stood = promises[due <= replaced].drop_duplicates("case")
    result = np.full(n_cases, NEVER, dtype=np.int64)
    result[stood["case"].to_numpy("int64")] = stood["due_at"].to_numpy("int64")
    return result


def _findings(inspections: pd.DataFrame | None) -> Facts:
    if inspections is None or inspections.empty:
        empty = np.empty(0, dtype=np.int64)
        keys = pd.DataFrame({name: pd.Series(dtype="str") for name in KEY_COLUMNS})
        return Facts(at=empty, keys=keys, measures={"n": empty, "serious": empty})
    keys = pd.DataFrame(
        {
            "category": inspections["related_category"].to_numpy(),
            "category_group": None,
            "area": inspections["area"].to_numpy(),
            "channel": None,
            "office": None,
            "promise": None,
            "promise_fine": None,
        }
    )
    at = inspections["known_at"].to_numpy("int64")
    serious = (inspections["severity"].to_numpy("int64") >= 2).astype(np.int64)
    return Facts(at=at, keys=keys, measures={"n": np.ones(len(at), dtype=np.int64), "serious": serious})
