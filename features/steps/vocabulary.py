"""Which steps and levels a log's matrix has columns for: learned from the training part, as a model's weights are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from features.steps.columns import kind
from features.steps.log import StepLog
from features.steps.runs import Bools, Int64s

OTHER: Final = "(other)"
_STEPS: Final = 120
_TIMED: Final = 30
_LEVELS: Final = 100
_COUNTED: Final = 8
# A step or level that fewer cases had tells no rule that would hold for the next ones.
_FEW: Final = 5
SETTLED: Final = 0.8


@dataclass(frozen=True)
class StepVocabulary:
    """What has a column of its own.

    Attributes
    ----------
    counted : steps that are counted, the others together
    timed : steps whose age is told
    levels : categorical column -> levels of the training part, by how many cases had them; others are `OTHER`
    several : categorical column -> what its levels are lists of, where they are (`roof,fence`)
    settles : seconds from its opening after which most cases are over (`SETTLED` of those that ended); a record waits
        as long for every case, because the cases that are over soonest are not like the others
    """

    counted: tuple[str, ...]
    timed: tuple[str, ...]
    levels: Mapping[str, tuple[str, ...]]
    several: Mapping[str, tuple[str, ...]]
    settles: int

    @classmethod
    def learn(cls, log: StepLog, before: int | None = None) -> StepVocabulary:
        """From the events before a moment (int64 milliseconds, as `StepLog.moment`), or from all."""
        rows = np.ones(len(log.case), dtype=bool) if before is None else log.moment < before
        names = np.asarray(log.steps, dtype=object)
        counts = _cases_of(names[log.step[rows]], log.case[rows])
        common = [s for s, n in counts.items() if n >= _FEW] or list(counts)[:1]
        cases = np.unique(log.case[rows])
        levels, several = {}, {}
        for name in _categories(log.attributes):
            levels[name] = _levels(log.attributes[name].to_numpy()[rows], log.case[rows])
        for name in _categories(log.static):
            held = log.static[name].to_numpy()[cases]
            levels[name] = _levels(held, cases)
            several[name] = _members(held, cases)
        several = {name: members for name, members in several.items() if members}
        return cls(tuple(common[:_STEPS]), tuple(common[:_TIMED]), levels, several, _settles(log, before))


def _settles(log: StepLog, before: int | None) -> int:
    over = log.closed if before is None else log.closed & (log.moment[log.last_rows] < before)
    lasted = (log.ended_at - log.opened_at)[over]
    return int(np.quantile(lasted, SETTLED, method="lower")) if len(lasted) else 0


def _categories(frame: pd.DataFrame) -> list[str]:
    return [str(n) for n in frame.columns if kind(frame[n]) == "category"]


def _cases_of(values: np.ndarray, case: Int64s) -> dict[str, int]:
    """Level -> how many cases had it; the commonest first, equals by name."""
    pairs = pd.DataFrame({"value": values, "case": case}).dropna().drop_duplicates()
    counts = pairs["value"].value_counts()
    found = pd.DataFrame({"n": counts, "name": counts.index}).sort_values(["n", "name"], ascending=[False, True])
    return {str(k): int(v) for k, v in found["n"].items()}


def _levels(values: np.ndarray, case: Int64s) -> tuple[str, ...]:
    return tuple([level for level, n in _cases_of(values, case).items() if n >= _FEW][:_LEVELS])


def _members(values: np.ndarray, cases: Int64s) -> tuple[str, ...]:
    """What the levels are lists of, if at least a fifth of them are lists; else nothing."""
    levels = pd.unique(pd.Series(values, dtype=object).dropna())
    listed = [v for v in levels if "," in str(v)]
    if len(listed) < 3 or len(listed) < 0.2 * len(levels):
        return ()
    split = [(part, c) for value, c in zip(values, cases, strict=True) if value for part in str(value).split(",")]
    parts, codes = zip(*split, strict=True)
    return _levels(np.asarray(parts, dtype=object), np.asarray(codes, dtype=np.int64))


def coded(values: pd.Series, levels: tuple[str, ...]) -> pd.Series:
    """As pandas category with these levels and `OTHER`; null stays null."""
    held = values.where(values.isna() | values.isin(levels), OTHER)
    return pd.Series(pd.Categorical(held, categories=[*levels, OTHER]), index=values.index)


def counted_levels(levels: tuple[str, ...]) -> tuple[str, ...]:
    """The levels of an event's attribute that are counted over the case."""
    return levels[:_COUNTED] if len(levels) > 1 else ()


__all__ = ["OTHER", "Bools", "StepVocabulary", "coded", "counted_levels"]
