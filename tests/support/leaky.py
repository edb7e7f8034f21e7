"""Mistakes of real life, each one step of a way to work out features done wrong, and which laws catch it.

`Sound` is the way that all of them spoil: a few features of the catalogue by heed's own steps. It breaks no law, so
whatever a law says of a leak is about its one wrong step. `LEAKS` is the table of laws by leaks. A law that is not
listed for a leak stays silent, and `blind` says why: every law compares a way with itself in two situations, and a
mistake that is the same in both is none to it. No law catches all of them, and each catches some.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa

from data.event_log import NEVER
from features.catalogue import FORMULAS
from features.distributed.stream import Shuffle
from features.facts import Facts
from features.formula import Asked
from features.matrix import terms_of
from features.terms import KeySet, Term, Terms
from tests.support.law_logs import ZONE, Log
from tests.support.laws import Ask, FactTables, Way

_YEAR_2096: Final = 4_000_000_000
_SCALE: Final = 1000

_OF_CATEGORY: Final = Term("arrivals", "n", ("category",))
_OF_OFFICE: Final = Term("arrivals", "n", ("office",))
_OF_CITY: Final = Term("arrivals", "n", ())
_FOUND: Final = Term("findings", "n", ("area",))
_ABLE: Final = Term("capacity", "capacity", ("office",))
_FELL_DUE, _LATE = (Term("matured", measure, ("category",)) for measure in ("n", "late"))
_PROMISED: Final = Term("arrivals", "log_promise", ())


class Sound(Way):
    """A feature of every sort, worked out as heed does."""

    names = (
        "arrivals_7d_area",
        "open_office",
        "late_share_91d_category",
        "log_time_to_close_91d_category",
        "hours_since_arrival_office",
        "findings_28d_area",
        "backlog_days_office",
        "near_arrivals_28d_area",
        "times_handed_over",
        "hours_to_due",
    )

    @cached_property
    def terms(self) -> tuple[Term, ...]:
        return terms_of(self.names, with_base=False)

    def finish_some(self, ask: Ask, marks: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
        asked = Asked(ask(marks), marks, ZONE)
        return pd.DataFrame({name: FORMULAS[name](asked) for name in names}, index=range(len(marks)), dtype=np.float64)


class _Told(Sound):
    """Facts are made of another log than the one that is known."""

    def told(self, log: Log) -> Log:
        """The log that facts are made of."""
        raise NotImplementedError

    def facts(self, log: Log) -> FactTables:
        return super().facts(self.told(log))

    def delta(self, before: Log, after: Log) -> FactTables:
        return super().delta(self.told(before), self.told(after))


class _Own(Sound):
    """One more feature, `leak`."""

    asked: tuple[Term, ...] = ()
    # The key that the feature claims to look at alone.
    claims: KeySet = ()

    def leak(self, ask: Ask, marks: pd.DataFrame) -> np.ndarray:
        """The feature of the landmarks, (n,)."""
        raise NotImplementedError

    @cached_property
    def terms(self) -> tuple[Term, ...]:
        return tuple(dict.fromkeys((*terms_of(self.names, with_base=False), *self.asked)))

    def alone(self, column: str) -> list[str]:
        return [*super().alone(column), *(["leak"] if column in self.claims else [])]

    def finish(self, ask: Ask, marks: pd.DataFrame) -> pd.DataFrame:
        return self.finish_some(ask, marks, (*self.names, "leak"))

    def finish_some(self, ask: Ask, marks: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
        found = super().finish_some(ask, marks, [name for name in names if name != "leak"])
        return found.assign(leak=np.asarray(self.leak(ask, marks), dtype=np.float64)) if "leak" in names else found


class ClosedWindow(Sound):
    """Windows are (t - w, t]: what others did in the very second of the landmark counts."""

    def moments(self, parts: Sequence[FactTables], marks: pd.DataFrame) -> np.ndarray:
        return super().moments(parts, marks) + 1


class LiveIsNow(Sound):
    """The service counts what is in the store by now, the landmark's own second too; training did not."""

    def count_one(self, parts: Sequence[FactTables], mark: pd.DataFrame) -> Terms:
        return super().count_one(parts, mark.assign(landmark_at=mark["landmark_at"] + 1))


class WhenItHappened(_Told):
    """Events count from when they happened and not from when they became known."""

    def told(self, log: Log) -> Log:
        return replace(log, events=log.events.assign(known_at=log.events["at"]))


class FinalOffice(Sound):
    """The office is that of the last state of the case, as an export of last states has it, at all landmarks."""

    def landmarks(self, log: Log, as_of: int) -> pd.DataFrame:
        last = log.events.sort_values(["known_at", "at", "office"]).groupby("case_id")["office"].last()
        marks = super().landmarks(log, as_of)
        return marks.assign(office=marks["case_id"].map(last).astype("category"))


class AsOfTheOutcome(_Own):
    """The record of the category is joined on the day of the outcome, when the case's own outcome is in it."""

    asked = (_FELL_DUE, _LATE)

    def leak(self, ask: Ask, marks: pd.DataFrame) -> np.ndarray:
        due = np.where(marks["due_at"] < NEVER, marks["due_at"], 0)
        source = ask(marks.assign(landmark_at=np.maximum(marks["landmark_at"], due + 1)))
        return source.term(_LATE) / (source.term(_FELL_DUE) + 1)


class WholeHistoryMean(_Own):
    """What came in so far, against the mean of the whole history."""

    asked = (_OF_CATEGORY,)

    def leak(self, ask: Ask, marks: pd.DataFrame) -> np.ndarray:
        return ask(marks).term(_OF_CATEGORY) / (ask(_at_the_end(marks)).term(_OF_CATEGORY) + 1)


class AnyFinding(_Own):
    """Inspections count for their area whenever they were made."""

    asked = (_FOUND,)

    def leak(self, ask: Ask, marks: pd.DataFrame) -> np.ndarray:
        return ask(_at_the_end(marks)).term(_FOUND)


class CapacityOfToday(_Own):
    """The capacity is what the table of offices says today."""

    asked = (_ABLE,)

    def leak(self, ask: Ask, marks: pd.DataFrame) -> np.ndarray:
        return ask(_at_the_end(marks)).term(_ABLE)


class HowLongFollowed(_Own):
    """How long a case was still in the exports, which is as long as it was open."""

    def landmarks(self, log: Log, as_of: int) -> pd.DataFrame:
        marks = super().landmarks(log, as_of)
        return marks.assign(followed=marks["case_id"].map(log.observed_until).fillna(_YEAR_2096).astype("int64"))

    def leak(self, ask: Ask, marks: pd.DataFrame) -> np.ndarray:
        return (marks["followed"] - marks["landmark_at"]) / 3600


class FromTheNewestEvent(Sound):
    """Windows are those of the end of the file and not of the landmark: "the last 28 days" of the export."""

    def moments(self, parts: Sequence[FactTables], marks: pd.DataFrame) -> np.ndarray:
        at = np.concatenate([part[name].at for part in parts for name in ("arrivals", "balance", "closures")])
        return np.full(len(marks), int(at.max(initial=0)) + 1)


class FirstRowWins(_Told):
    """Of events of a case that became known in one second, the row that comes first is kept."""

    def told(self, log: Log) -> Log:
        events = log.events.assign(is_opening=log.events["kind"] == "opened")
        kept = events.drop_duplicates(["case_id", "known_at", "is_opening"]).drop(columns="is_opening")
        return replace(log, events=kept)


class SameSecondSameCase(_Told):
    """Cases that were opened in the same second are taken for one, the first by its name."""

    def told(self, log: Log) -> Log:
        openings = log.events[log.events["kind"] == "opened"].sort_values("case_id")
        kept = openings.drop_duplicates("at")["case_id"]
        return replace(log, events=log.events[log.events["case_id"].isin(kept)])


class RankInTheBatch(_Own):
    """How busy the office is, as its rank among the landmarks that are asked about together."""

    asked = (_OF_OFFICE,)

    def leak(self, ask: Ask, marks: pd.DataFrame) -> np.ndarray:
        return pd.Series(ask(marks).term(_OF_OFFICE)).rank().to_numpy()


class OfficeCode(_Own):
    """The office as its number in the sorted list of those that occur."""

    def leak(self, ask: Ask, marks: pd.DataFrame) -> np.ndarray:
        return pd.Categorical(marks["office"].astype("str")).codes


class OfficeHash(_Own):
    """The office as a hash of its name."""

    def leak(self, ask: Ask, marks: pd.DataFrame) -> np.ndarray:
        return np.array([zlib.crc32(str(name).encode()) % 64 for name in marks["office"]])


class ForgetsToTakeBack(Sound):
    """A day's facts are added, and what they replace is not taken back."""

    def delta(self, before: Log, after: Log) -> FactTables:
        return {name: _rows(table, table.measures.get("n", _ones(table)) > 0)
                for name, table in super().delta(before, after).items()}  # fmt: skip


class HighWaterMark(Sound):
    """A day adds the facts that are newer than all that was known, and none that came in late."""

    def delta(self, before: Log, after: Log) -> FactTables:
        mark = before.events["known_at"].max() if len(before.events) else 0
        return {name: _rows(table, table.at > mark) for name, table in super().delta(before, after).items()}


class RunningFloats(_Own):
    """Log-hours promised are added up as floats of 32 bits, in the order in which their rows lie."""

    asked = (_PROMISED,)

    def count(self, parts: Sequence[FactTables], marks: pd.DataFrame) -> Terms:
        return _FloatSums(super().count(parts, marks), parts, marks)

    def leak(self, ask: Ask, marks: pd.DataFrame) -> np.ndarray:
        found = ask(marks).term(_PROMISED)
        return found if found.dtype == np.float32 else found / _SCALE


class ShareOfTheCity(_Own):
    """Said to be about the office, but divided by what came in for the whole city."""

    asked = (_OF_OFFICE, _OF_CITY)
    claims = ("office",)

    def leak(self, ask: Ask, marks: pd.DataFrame) -> np.ndarray:
        return ask(marks).term(_OF_OFFICE) / (ask(marks).term(_OF_CITY) + 1)


class DealtByRow(Sound):
    """Facts and landmarks are dealt out row by row, so that a partition has a part of a key's facts."""

    def dealt(self, rows: pa.Table, share: Shuffle, partitions: int) -> np.ndarray:
        return np.arange(len(rows)) % partitions


@dataclass(frozen=True)
class Leak:
    """A mistake, the laws that catch it (names of `tests.support.laws.LAWS`), and why the others cannot."""

    way: Way
    caught_by: tuple[str, ...]
    blind: str


_SAME_LOG: Final = "the other laws look at one and the same log with one and the same future"

LEAKS: Final[Mapping[str, Leak]] = {
    "closed window": Leak(ClosedWindow(), ("future",), f"{_SAME_LOG}, and everyone counts the same second too much"),
    "live is now": Leak(LiveIsNow(), ("online",), "bulk is right, and they ask in bulk only"),
    "when it happened": Leak(WhenItHappened(), ("future",), _SAME_LOG),
    "final office": Leak(FinalOffice(), ("future",), _SAME_LOG),
    "as of the outcome": Leak(AsOfTheOutcome(), ("future",), _SAME_LOG),
    "whole-history mean": Leak(WholeHistoryMean(), ("future",), _SAME_LOG),
    "any finding": Leak(AnyFinding(), ("future",), _SAME_LOG),
    "capacity of today": Leak(CapacityOfToday(), ("future",), _SAME_LOG),
    "how long followed": Leak(HowLongFollowed(), ("future",), _SAME_LOG),
    "from the newest event": Leak(FromTheNewestEvent(), ("future", "split"), _SAME_LOG),
    "first row wins": Leak(FirstRowWins(), ("order",), "the others leave rows in their order"),
    "same second, same case": Leak(
        SameSecondSameCase(), ("increment", "split", "rename"), "the first by name is the first in any order"
    ),
    "rank in the batch": Leak(
        RankInTheBatch(), ("future", "online"), "the others ask about the same landmarks together"
    ),
    "office code": Leak(OfficeCode(), ("future", "online", "rename"), "the others leave names and landmarks alone"),
    "office hash": Leak(OfficeHash(), ("rename",), "a name has the same hash whenever and wherever it is asked"),
    "forgets to take back": Leak(ForgetsToTakeBack(), ("increment", "online"), "the others build the history at once"),
    "high-water mark": Leak(HighWaterMark(), ("increment", "online"), "the others build the history at once"),
    "running floats": Leak(
        RunningFloats(),
        ("order", "increment", "online", "engines", "split"),
        "rows lie in the same order for the others",
    ),
    "share of the city": Leak(ShareOfTheCity(), ("split",), "the others leave the city whole"),
    "dealt by row": Leak(DealtByRow(), ("engines",), "the others count in one place"),
}


class _FloatSums:
    def __init__(self, source: Terms, parts: Sequence[FactTables], marks: pd.DataFrame) -> None:
        self._source, self._marks = source, marks
        tables = [part["arrivals"] for part in parts]
        self._at = np.concatenate([table.at for table in tables])
        self._hours = np.concatenate([table.measures["log_promise"] for table in tables]).astype(np.float32)
        self._hours /= np.float32(_SCALE)

    def __len__(self) -> int:
        return len(self._marks)

    def term(self, term: Term) -> np.ndarray:
        if term != _PROMISED:
            return self._source.term(term)
        return np.array([self._hours[self._at < at].cumsum()[-1:].sum() for at in self._marks["landmark_at"]])


def _at_the_end(marks: pd.DataFrame) -> pd.DataFrame:
    return marks.assign(landmark_at=_YEAR_2096)


def _ones(table: Facts) -> np.ndarray:
    return np.ones(len(table.at), dtype=np.int64)


def _rows(table: Facts, which: np.ndarray) -> Facts:
    rows = np.flatnonzero(which)
    measures = {name: values[rows] for name, values in table.measures.items()}
    return Facts(table.at[rows], table.keys.iloc[rows].reset_index(drop=True), measures)
