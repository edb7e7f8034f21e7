"""The cases as the tests of label trust read them: local days and months, ages, and what can be said of each at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.event_log import NEAR_INSTANT_SECONDS, NEVER
from data.quality.timeliness import followed_until

Int64s = NDArray[np.int64]
Bools = NDArray[np.bool_]

DAY: Final = 86_400
HOUR: Final = 3_600
# What stands for an office or a category that the source does not say.
UNSAID: Final = ""
# Of a moment that is not there.
NO_MONTH: Final = -1
_DAY_RESOLUTION: Final = 0.9


@dataclass(frozen=True, slots=True)
class Ledger:
    """n cases, in the order given.

    `rows` has one row per case: `case_id`, `office` (now), `category`, `area`, `channel` (str; "" where unsaid);
    `opened`, `closed` (the first closing), `due` (the first promise), `followed` (UTC seconds, NEVER for none);
    `opened_local`, `closed_local` (the local clock as seconds, for cutting days and hours; NEVER for none);
    `open_month`, `close_month` (year · 12 + month - 1; `NO_MONTH` for none); `counted` (bool; neither withdrawn nor a
    duplicate), `duplicate`, `near_instant`, `timed` (bool; both moments have a time of day) and `reopened`.
    """

    rows: pd.DataFrame
    as_of: int
    time_zone: str
    timed_openings: bool

    @classmethod
    def read(
        cls, cases: pd.DataFrame, as_of: int, time_zone: str, observed_until: Int64s | pd.Series | None = None
    ) -> Ledger:
        """Read cases as `data.event_log.fold_cases` gives them, of the events known before `as_of`."""
        opened = cases["opened_at"].to_numpy("int64")
        closed = np.where(cases["first_closed_at"] < as_of, cases["first_closed_at"], NEVER).astype(np.int64)
        is_closed = closed < NEVER
        open_clock, close_clock = local_seconds(opened, time_zone), local_seconds(closed, time_zone)
        duplicate = cases["duplicate_at"].to_numpy("int64") < as_of
        timed = open_clock % DAY != 0
        rows = pd.DataFrame(
            {
                "case_id": cases["case_id"].to_numpy(),
                **{
                    name: cases[name].fillna(UNSAID).astype("str") for name in ("office", "category", "area", "channel")
                },
                "opened": opened,
                "closed": closed,
                "due": cases["due_at_opening"].to_numpy("int64"),
                "followed": followed_until(cases, as_of, observed_until),
                "opened_local": open_clock,
                "closed_local": close_clock,
                "open_month": month_of(open_clock),
                "close_month": np.where(is_closed, month_of(close_clock), NO_MONTH),
                "counted": (cases["withdrawn_known_at"].to_numpy("int64") == NEVER) & ~duplicate,
                "duplicate": duplicate,
                "timed": timed & is_closed & (close_clock % DAY != 0),
                "reopened": cases["reopened"].to_numpy("int64") > 0,
            }
        )
        lasted = closed - opened
        rows["near_instant"] = rows["timed"] & (lasted >= 0) & (lasted <= NEAR_INSTANT_SECONDS)
        return cls(
            rows.reset_index(drop=True), as_of, time_zone, bool(timed.sum() > (1 - _DAY_RESOLUTION) * len(timed))
        )

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def is_closed(self) -> Bools:
        """Which cases have been closed; shape (n,)."""
        return np.asarray(self.rows["closed"] < NEVER)

    @property
    def lasted(self) -> Int64s:
        """Seconds from opening to the first closing; NEVER for none; shape (n,)."""
        return np.where(self.is_closed, self.rows["closed"] - self.rows["opened"], NEVER).astype(np.int64)


def local_seconds(moments: Int64s, time_zone: str) -> Int64s:
    """The local clock at each moment, as seconds since 1970-01-01 00:00 of that clock; NEVER stays NEVER."""
    there = moments < NEVER
    clock = np.full(len(moments), NEVER, dtype=np.int64)
    if there.any():
        # Few hours are distinct, and a zone changes its offset on whole hours, or on their quarters.
        quarter, inverse = np.unique(moments[there] // 900, return_inverse=True)
        start = pd.DatetimeIndex(pd.to_datetime(quarter * 900, unit="s", utc=True)).tz_convert(time_zone)
        local = start.tz_localize(None).as_unit("s").asi8
        clock[there] = moments[there] + (local - quarter * 900)[inverse]
    return clock


def month_of(clock: Int64s) -> Int64s:
    """Year · 12 + month - 1 of local seconds; shape (n,); what NEVER gives means nothing."""
    months = clock.astype("datetime64[s]").astype("datetime64[M]").astype(np.int64)
    return np.asarray(months + 1970 * 12, dtype=np.int64)


def month_name(month: int) -> str:
    """The month as "2013-05"."""
    return f"{month // 12:04d}-{month % 12 + 1:02d}"


def day_name(day: int) -> str:
    """A local day, counted from 1970, as "2013-05-31"."""
    return str(np.datetime64(day, "D"))
