"""What the weeks after a signal showed: did the rise, or the silence, last?

A signal compares a window of weeks with what the past explains. Once four more weeks are complete, their mean is
compared with both: where more than half of the distance between the usual and the flagged level is still there, the
change has lasted; otherwise it has faded. Half is where a later level is nearer to the signal than to the past; by
chance alone a false alarm fades, since the weeks after it know nothing of it.

A sum is compared with the weeks of the parts that it was made of then: what begins to be recorded later is no rise.

This asks of the counts only. Whether somebody found the problem is told by reviews (`models.signals.reviews`).
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.errors import InputError
from models.signals.counts import WeeklyCounts
from models.signals.detect import window_weeks
from models.signals.hierarchy import Groups, Hierarchy, Parents, hierarchy_of
from models.signals.parts import Parts, parts_of
from models.signals.settings import SignalSettings

Ints = NDArray[np.int64]

WEEKS_AFTER: Final = 4
Later = Literal["lasted", "faded", "too_early", "not_recorded"]
Language = Literal["zh", "en"]
_NEEDED: Final = ("week", "area", "category", "direction", "observed", "expected", "method")


@dataclass(frozen=True, slots=True)
class Lasted:
    """Of `known` earlier signals of a direction whose next weeks are complete, `lasted` did."""

    lasted: int
    known: int


def afterwards(
    signals: pd.DataFrame,
    counts: WeeklyCounts,
    *,
    settings: SignalSettings | None = None,
    parents: Parents | None = None,
    groups: Groups | None = None,
) -> pd.DataFrame:
    """What the four weeks after each signal showed.

    Parameters
    ----------
    signals : DataFrame with `week` (start of the newest flagged week, UTC seconds), `area`, `category`, `direction`,
        `observed`, `expected` (sums over the window that `method` names), and `level` where some are sums
    counts : what is known now; only its complete weeks are used
    settings, parents, groups : as the signals were detected with; without the last two no sum is known

    Returns
    -------
    DataFrame, same rows and index, with

    - `later`: "lasted" or "faded"; "too_early" until four weeks are complete; "not_recorded" where a week of them was
      not recorded (of a sum: by one of its parts), the series or sum is no longer there, or the counts begin after the
      signal;
    - `kept`: the share of the distance from the usual that was still there (below 0: beyond the usual on the other
      side; null where `later` says neither of the first two).
    """
    missing = [name for name in _NEEDED if name not in signals.columns]
    if missing:
        raise InputError(f"Expected signals with {', '.join(_NEEDED)}; missing: {', '.join(missing)}.")
    rows = {key: place for place, key in enumerate(_keys(counts.series))}
    sums = None
    if parents is not None or groups is not None:
        sums = _Sums(counts, settings or SignalSettings(), hierarchy_of(counts.series, parents, groups))
    told = [_one(signal, rows, sums, counts) for signal in signals.to_dict("records")]
    return pd.DataFrame(
        {
            "later": pd.Series([later for later, _ in told], dtype="str", index=signals.index),
            "kept": pd.Series([kept for _, kept in told], dtype="float64", index=signals.index),
        }
    )


def lasted(later: pd.Series) -> Lasted | None:
    """How many lasted of those that can be told; None where none can."""
    known = int(later.isin(["lasted", "faded"]).sum())
    return Lasted(int(later.eq("lasted").sum()), known) if known else None


def lasted_sentence(found: Lasted, *, direction: str, language: Language) -> str:
    """The figure in words.

    >>> lasted_sentence(Lasted(14, 20), direction="rise", language="en")
    'Of 20 earlier rises that were signalled, 14 were still there four weeks later.'
    """
    if language == "zh":
        kind = "上升" if direction == "rise" else "沉默"
        return f"以往发出信号的{found.known}次{kind}中，{found.lasted}次在四周后仍然存在。"
    kind = "rises" if direction == "rise" else "silences"
    verb = "was" if found.lasted == 1 else "were"
    return f"Of {found.known} earlier {kind} that were signalled, {found.lasted} {verb} still there four weeks later."


class _Sums:
    """Which series a sum was made of in a week."""

    def __init__(self, counts: WeeklyCounts, settings: SignalSettings, hierarchy: Hierarchy) -> None:
        self._counts = counts
        self._settings = settings
        self._hierarchy = hierarchy
        self._places = [{key: n for n, key in enumerate(_keys(level.sums))} for level in hierarchy.levels]
        self._parts: dict[int, Parts] = {}

    def members(self, key: tuple[str, str], week: int) -> Ints:
        """Places of its series in the counts; none where there is no such sum. `week`: start of a week counted."""
        for level, places in zip(self._hierarchy.levels, self._places, strict=True):
            if key in places and level.told[places[key]]:
                if week not in self._parts:
                    self._parts[week] = parts_of(self._counts.until(week), self._hierarchy, self._settings.short_past)
                return np.flatnonzero((level.codes == places[key]) & self._parts[week].included(level))
        return np.array([], dtype=np.int64)


def _keys(series: pd.DataFrame) -> list[tuple[str, str]]:
    return list(zip(series["area"], series["category"], strict=True))


def _one(
    signal: Mapping[Hashable, Any], rows: Mapping[tuple[str, str], int], sums: _Sums | None, counts: WeeklyCounts
) -> tuple[Later, float]:
    first = int(np.searchsorted(counts.weeks, signal["week"], side="right"))
    after = slice(first, first + WEEKS_AFTER)
    if first + WEEKS_AFTER > len(counts.weeks):
        return "too_early", np.nan
    key, series = (signal["area"], signal["category"]), np.array([], dtype=np.int64)
    if signal.get("level") != "sum":
        series = np.array([rows[key]] if key in rows else [], dtype=np.int64)
    elif sums is not None and first > 0:
        series = sums.members(key, int(counts.weeks[first - 1]))
    recorded = counts.recorded is None or counts.recorded[after][:, series].all()
    if first == 0 or not len(series) or not recorded:
        return "not_recorded", np.nan
    weeks = window_weeks(str(signal["method"]))
    usual, flagged = signal["expected"] / weeks, signal["observed"] / weeks
    if usual == flagged:
        return "faded", 0.0
    kept = float((counts.matrix[after][:, series].sum(axis=1).mean() - usual) / (flagged - usual))
    return ("lasted" if kept > 0.5 else "faded"), kept
