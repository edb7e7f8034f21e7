"""Runs of weeks without a report, and how likely each is where reports are recorded."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.quality.label_trust_nulls import zero_run

Ints = NDArray[np.int64]

Code = Literal["start", "stop", "gap", "roll_out", "rename"]

# Weeks beside a run that its rate is taken from, the nearest first; the week next to it is left out, for it is
# seldom whole and its reports are why the run begins there.
_BESIDE: Final = (4, 13)
# Weeks between the middles of the two.
_APART: Final = 4.5
SHORTEST_RUN: Final = 2
# Weeks of the running level about which a series varies.
_RUNNING: Final = 9
_LEAST_REPORTS: Final = 10


@dataclass(frozen=True)
class Weeks:
    """Weekly counts of one unit: `counts` (n_series, n_weeks), `keys` (n_series rows)."""

    unit: str
    counts: Ints
    keys: pd.DataFrame


@dataclass(frozen=True)
class Run:
    """A run of empty weeks `[first, end)` of one series; `kind` start: before it, stop: after it, gap: inside."""

    unit: str
    row: int
    kind: Code
    first: int
    end: int
    usual: float
    reports: int
    p: float
    key: dict[str, str] = field(default_factory=dict)


def empty_runs(weeks: Weeks) -> list[Run]:
    """The empty weeks of every series with enough reports: before the first, after the last, the longest between."""
    found = []
    everything = weeks.counts.sum(axis=0)
    names = weeks.keys.astype("str").to_dict("records")
    for row in np.flatnonzero(weeks.counts.sum(axis=1) >= _LEAST_REPORTS):
        counts = weeks.counts[row]
        filled = np.flatnonzero(counts)
        ratio = _ratio(counts[filled[0] : filled[-1] + 1])
        spans: list[tuple[Code, int, int]] = [("start", 0, int(filled[0])), ("stop", int(filled[-1]) + 1, len(counts))]
        inner = np.diff(filled)
        longest = int(np.argmax(inner)) if len(inner) else -1
        if longest >= 0:
            spans.append(("gap", int(filled[longest]) + 1, int(filled[longest + 1])))
        for kind, first, end in spans:
            # Weeks in which nothing at all was recorded are a gap of the record, told by its largest series.
            nothing_at_all = weeks.unit != "category" and everything[first:end].sum() == 0
            if end - first < SHORTEST_RUN or (kind != "gap" and nothing_at_all):
                continue
            usual, p = _chance(counts, kind, first, end, ratio)
            # The longest run inside was chosen among all weeks at which one could begin.
            p = min(p * len(counts), 1.0) if kind == "gap" else p
            key = {str(name): value for name, value in names[row].items()}
            found.append(Run(weeks.unit, int(row), kind, first, end, usual, int(counts.sum()), p, key))
    return found


def _ratio(counts: Ints) -> float:
    """Variance to mean of a series about its running level, at least 1: seasons do not count as noise."""
    if len(counts) < _RUNNING:
        return 2.0
    window = np.ones(_RUNNING)
    level = np.convolve(counts, window, mode="same") / np.convolve(np.ones(len(counts)), window, mode="same")
    ratio = float(((counts - level) ** 2).sum() / max(level.sum(), 1e-9)) * _RUNNING / (_RUNNING - 1)
    return max(ratio, 1.2)


def _chance(counts: Ints, kind: Code, first: int, end: int, ratio: float) -> tuple[float, float]:
    """The usual rate beside a run, and the probability of the run; the side and the stretch that make it likelier.

    A rate that was falling towards the run is taken to go on falling as fast.
    """
    usual, p = np.inf, 0.0
    sides = {"start": (1,), "stop": (-1,), "gap": (-1, 1)}[kind]
    for side in sides:
        # Nearest week first; the week beside the run is left out.
        beside = counts[end + 1 :] if side == 1 else counts[: max(first - 1, 0)][::-1]
        if len(beside) == 0:
            return 0.0, 1.0
        near, far = (float(beside[:length].mean()) for length in _BESIDE)
        fall = min(near / far, 1.0) ** (1 / _APART) if far > 0 else 0.0
        run = float(end - first) if fall > 1 - 1e-9 else (1 - fall ** (end - first)) / (1 - fall)
        for length in _BESIDE:
            stretch = beside[:length]
            p = max(p, zero_run(float(stretch.sum()), float(len(stretch)), run, ratio))
        usual = min(usual, near, far)
    return usual, p
