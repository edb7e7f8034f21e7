"""What the weeks after a signal showed: did the rise, or the silence, last?

A signal compares a window of weeks with what the past explains. Once four more weeks are complete, their mean is
compared with both: where more than half of the distance between the usual and the flagged level is still there, the
change has lasted; otherwise it has faded. Half is where a later level is nearer to the signal than to the past; by
chance alone a false alarm fades, since the weeks after it know nothing of it.

This asks of the counts only. Whether somebody found the problem is told by reviews (`models.signals.reviews`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import pandas as pd

from data.errors import InputError
from models.signals.counts import WeeklyCounts
from models.signals.detect import window_weeks

WEEKS_AFTER: Final = 4
Later = Literal["lasted", "faded", "too_early", "not_recorded"]
Language = Literal["zh", "en"]
_NEEDED: Final = ("week", "area", "category", "direction", "observed", "expected", "method")


@dataclass(frozen=True, slots=True)
class Lasted:
    """Of `known` earlier signals of a direction whose next weeks are complete, `lasted` did."""

    lasted: int
    known: int


def afterwards(signals: pd.DataFrame, counts: WeeklyCounts) -> pd.DataFrame:
    """What the four weeks after each signal showed.

    Parameters
    ----------
    signals : DataFrame with `week` (start of the newest flagged week, UTC seconds), `area`, `category`, `direction`,
        `observed`, `expected` (sums over the window that `method` names)
    counts : what is known now; only its complete weeks are used

    Returns
    -------
    DataFrame, same rows and index, with

    - `later`: "lasted" or "faded"; "too_early" until four weeks are complete; "not_recorded" where a week of them was
      not recorded, the series is no longer there, or the counts begin after the signal;
    - `kept`: the share of the distance from the usual that was still there (below 0: beyond the usual on the other
      side; null where `later` says neither of the first two).
    """
    missing = [name for name in _NEEDED if name not in signals.columns]
    if missing:
        raise InputError(f"Expected signals with {', '.join(_NEEDED)}; missing: {', '.join(missing)}.")
    rows = {key: place for place, key in enumerate(zip(counts.series["area"], counts.series["category"], strict=True))}
    told = [_one(signal, rows, counts) for signal in signals[[*_NEEDED]].to_dict("records")]
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
        return f"以往发出信号的 {found.known} 次{kind}中，{found.lasted} 次在四周后仍然存在。"
    kind = "rises" if direction == "rise" else "silences"
    verb = "was" if found.lasted == 1 else "were"
    return f"Of {found.known} earlier {kind} that were signalled, {found.lasted} {verb} still there four weeks later."


def _one(signal: dict, rows: dict[tuple[str, str], int], counts: WeeklyCounts) -> tuple[Later, float]:  # type: ignore[type-arg]
    first = int(np.searchsorted(counts.weeks, signal["week"], side="right"))
    after = slice(first, first + WEEKS_AFTER)
    if first + WEEKS_AFTER > len(counts.weeks):
        return "too_early", np.nan
    series = rows.get((signal["area"], signal["category"]))
    if first == 0 or series is None or (counts.recorded is not None and not counts.recorded[after, series].all()):
        return "not_recorded", np.nan
    weeks = window_weeks(str(signal["method"]))
    usual, flagged = signal["expected"] / weeks, signal["observed"] / weeks
    if usual == flagged:
        return "faded", 0.0
    kept = float((counts.matrix[after, series].mean() - usual) / (flagged - usual))
    return ("lasted" if kept > 0.5 else "faded"), kept
