"""Reports through channels that were just introduced: a new way to report is no new problem.

Where an app is introduced, more is reported of the same problems: in all categories or some, everywhere or in one
area after another. A rise that is there only through such a channel is none. So a rise has to show twice: in all
reports, and in those through the channels that the area has had for long. A silence is looked for in all reports,
because those who used to call may write now.

An area has a channel from the week on in which the channel's share of its reports reached a tenth of its share today;
it counts as long-standing after a year, and where the area's record began with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.signals.counts import WeeklyCounts

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

# A channel is new for so long: the past that the newest weeks are compared with, and the longest window.
NEW_FOR: Final = 56
# What an area has within so many weeks of its first report, it has had from the beginning.
_FROM_THE_BEGINNING: Final = 8
_RUNNING: Final = 13
_NEWEST: Final = 4
_PILOT: Final = 0.1
_FEWEST: Final = 3


@dataclass(frozen=True, slots=True)
class Settled:
    """Counts without reports through channels that their area has not had for long, and which those are."""

    matrix: Ints  # (n_weeks, n_series)
    introduced: pd.DataFrame  # area, channel, week (start of the first week with it), reports


def settled_counts(reports: pd.DataFrame, counts: WeeklyCounts) -> Settled | None:
    """Leave out what came through channels just introduced.

    Parameters
    ----------
    reports : one row per report counted: `opened_at`, `area`, `category`, `channel` (null: none was said; not new)
    counts : what they were counted to

    Returns
    -------
    None where no channel is new.
    """
    week = np.searchsorted(counts.weeks, reports["opened_at"].to_numpy("int64"), side="right") - 1
    inside = (week >= 0) & reports["channel"].notna().to_numpy()
    known = reports.loc[inside, ["area", "category", "channel"]].astype("str").assign(week=week[inside])
    known = known[known["week"] < len(counts.weeks)]
    if known.empty:
        return None
    new = _introduced(known, len(counts.weeks))
    if new.empty:
        return None
    left_out = known.merge(new[["area", "channel"]], on=["area", "channel"])
    series = pd.MultiIndex.from_frame(counts.series[["area", "category"]])
    column = series.get_indexer(pd.MultiIndex.from_frame(left_out[["area", "category"]]))
    matrix = counts.matrix.copy()
    there = column >= 0
    np.subtract.at(matrix, (left_out["week"].to_numpy()[there], column[there]), 1)
    new["week"] = counts.weeks[new["week"].to_numpy()]
    return Settled(np.maximum(matrix, 0), new)


def _introduced(known: pd.DataFrame, n_weeks: int) -> pd.DataFrame:
    """Areas and channels that are new to them: area, channel, week (row), reports."""
    groups = known.groupby(["area", "channel"], sort=True)
    keys = groups.size().rename("reports").reset_index()
    cells = np.bincount(groups.ngroup().to_numpy() * n_weeks + known["week"].to_numpy(), minlength=len(keys) * n_weeks)
    own = cells.reshape(-1, n_weeks).astype(np.float64)
    area, names = pd.factorize(keys["area"])
    whole = np.zeros((len(names), n_weeks))
    np.add.at(whole, area, own)
    began = np.argmax(whole > 0, axis=1)
    since = np.array([_since(own[row], whole[area[row]]) for row in range(len(keys))], dtype=np.int64)
    new = (since - began[area] >= _FROM_THE_BEGINNING) & (since >= n_weeks - NEW_FOR)
    new &= own[:, -_NEWEST:].sum(axis=1) > 0
    new &= keys["reports"].to_numpy() >= _FEWEST
    found: pd.DataFrame = keys.assign(week=since)[new].reset_index(drop=True)
    return found


def _since(own: Floats, whole: Floats) -> int:
    """First week from which the channel's share is a tenth of its newest share, and stays so."""
    newest = own[-_NEWEST:].sum() / max(whole[-_NEWEST:].sum(), 1.0)
    sums = np.convolve(own, np.ones(_RUNNING))[: len(own)]
    wholes = np.convolve(whole, np.ones(_RUNNING))[: len(own)]
    pilot = sums <= _PILOT * newest * wholes
    weeks = np.flatnonzero(pilot)
    return int(weeks[-1]) + 1 if len(weeks) else 0
