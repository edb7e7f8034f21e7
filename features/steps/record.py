"""The record: what became of earlier cases, as far as it was known strictly before each landmark.

These features follow the service by themselves: when a period turns out worse, so does its record, as soon as its
outcomes are known and not before. Published methods know nothing that was learned after training; to be compared with
them, `follow="frozen"` leaves out what became known after the training part ended.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import pandas as pd

from data.errors import UsageError
from features.steps.columns import kind
from features.steps.known import KnownFacts, codes_of, shrunken
from features.steps.log import StepLog, StepTask
from features.steps.runs import Bools, Floats, Int64s

Follow = Literal["rolling", "frozen"]

# As many matured moments of earlier cases as it takes to believe a key's own record as much as that of its parent.
_STRENGTH: Final = 20.0
_RECENT: Final = 365
_FAR_PLACE: Final = 40
_LEAST: Final = 0.002


@dataclass(frozen=True)
class Target:
    """What is to be learned about each moment, and from when on it is known.

    Attributes
    ----------
    value : (n,) the outcome (0 or 1), or log1p of the days that remain; NaN where the moment tells nothing
    known_at : (n,) int64 seconds: when the value was known; a record contains it strictly after
    follow : `rolling` uses what was known before each landmark, `frozen` nothing known from `frozen_at` on
    frozen_at : int64 seconds, the end of the training part; needed for `frozen`
    share : whether values are outcomes, whose mean is a share
    """

    value: Floats
    known_at: Int64s
    follow: Follow = "rolling"
    frozen_at: int | None = None
    share: bool = True

    def __post_init__(self) -> None:
        if self.follow not in ("rolling", "frozen"):
            raise UsageError(f"Expected follow 'rolling' or 'frozen', got {self.follow!r}.")
        if self.follow == "frozen" and self.frozen_at is None:
            raise UsageError("Expected the moment at which a frozen record ends, got none. Give frozen_at.")

    @classmethod
    def of_task(
        cls, log: StepLog, task: StepTask, settles: int = 0, follow: Follow = "rolling", frozen_at: int | None = None
    ) -> Target:
        """Outcomes, known from `StepLog.known_at` on (what decides them is not named in such a log, but it has
        happened by then), and not before `settles` seconds after the opening.
        """
        value = np.where(task.usable, task.outcome[log.case], np.nan)
        return cls(value, _settled(log, log.known_at, settles), follow, frozen_at)

    @classmethod
    def of_remaining(
        cls, log: StepLog, settles: int = 0, follow: Follow = "rolling", frozen_at: int | None = None
    ) -> Target:
        """log1p of the days until the case's last event, known from then on, and not before `settles` either."""
        ended = log.ended_at[log.case]
        value = np.where(log.closed[log.case], np.log1p((ended - log.at) / 86400.0), np.nan)
        return cls(value, _settled(log, log.ended_at, settles), follow, frozen_at, share=False)

    def known(self, known_at: Int64s) -> Bools:
        """Which facts may be used at all."""
        end = self._end()
        return np.ones(len(known_at), dtype=bool) if end is None else known_at < end

    def asked(self, at: Int64s) -> Int64s:
        """The moments that a record is asked about: a frozen one stays as it was at its end."""
        end = self._end()
        return at if end is None else np.minimum(at, end)

    @property
    def middle(self) -> float:
        """What a mean is taken to be before anything is known."""
        return 0.5 if self.share else 1.0

    def scaled(self, mean: Floats) -> Floats:
        """A share in log-odds; any other mean as it is."""
        return _log_odds(mean) if self.share else mean

    def _end(self) -> int | None:
        return self.frozen_at if self.follow == "frozen" else None


def _settled(log: StepLog, known_at: Int64s, settles: int) -> Int64s:
    return np.maximum(known_at, log.opened_at + settles)[log.case]


def record(log: StepLog, target: Target) -> dict[str, Floats]:
    """Means among the matured moments of earlier cases: of this step, of these two steps, of this place in the case,
    and of each category as it stands; NaN before anything has matured.

    Each is drawn towards the level of all and told as the distance from it (in log-odds for an outcome), so that it
    means the same in good years and bad. The level itself is `start_level`: it is where a model starts, not what it
    splits on, because a level that moves tells a tree little more than the date.
    """
    asked = target.asked(log.at)
    keep = np.isfinite(target.value) & target.known(target.known_at)
    one = np.ones(len(log.case), dtype=np.int64)
    columns = _level(log, target, asked, keep)
    moments = KnownFacts.of(one, target.known_at, target.value, keep)
    ever = _mean(*moments.sums(one, asked))
    recent = shrunken(*moments.sums(one, asked, _RECENT), ever, _STRENGTH)
    for name, code in _keys(log).items():
        facts = KnownFacts.of(code, target.known_at, target.value, keep)
        own = shrunken(*facts.sums(code, asked), ever, _STRENGTH)
        late = shrunken(*facts.sums(code, asked, _RECENT), recent, _STRENGTH)
        columns[f"record {name}"] = target.scaled(late) - target.scaled(recent)
        columns[f"record {name} ever"] = target.scaled(own) - target.scaled(ever)
    return columns


def _level(log: StepLog, target: Target, asked: Int64s, keep: Bools) -> dict[str, Floats]:
    """The level of all, each case counting once, by the cases that were known last; and how it moves."""
    one = np.ones(len(log.case), dtype=np.int64)
    cases = KnownFacts.of(one, target.known_at, target.value, keep & (log.place == 1))
    n, total = cases.sums(one, asked)
    ever = shrunken(n, total, np.full(len(n), target.middle), 2.0)
    level = {k: shrunken(*cases.last(one, asked, k), ever, _STRENGTH) for k in (50, 300)}
    return {
        "start_level": target.scaled(level[300]),
        "record_change": target.scaled(level[50]) - target.scaled(level[300]),
        "record_drift": target.scaled(level[300]) - target.scaled(ever),
    }


def _keys(log: StepLog) -> dict[str, Int64s]:
    before = np.where(log.place > 1, np.roll(log.step, 1), -1)
    keys = {
        "step": log.step + 1,
        "two steps": codes_of(log.step, before),
        "place": np.minimum(log.place, _FAR_PLACE),
        "step and place": codes_of(log.step, np.minimum(log.place, _FAR_PLACE)),
    }
    for frame, rows in ((log.static, log.case), (log.attributes, None)):
        for name in (str(n) for n in frame.columns if kind(frame[n]) == "category"):
            held: pd.Series = frame[name] if rows is None else frame[name].iloc[rows]
            keys[name] = codes_of(held)
    return keys


def _log_odds(share: Floats) -> Floats:
    held = np.clip(share, _LEAST, 1 - _LEAST)
    return np.log(held / (1 - held))


def _mean(n: Floats, total: Floats) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        return total / n
