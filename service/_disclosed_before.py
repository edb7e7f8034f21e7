"""What earlier releases told of signals, for whoever kept their pages.

The same weeks are shown again and again: behind a signal, in the window of a signal, in the window of the next one. Of
two windows that overlap, the difference is known; of a window and the weeks within it that a page of last week showed,
the rest is known. So signals and weeks are judged together with all that earlier detections flagged:

- A signal shows its figures beside earlier ones of its own series if nothing that the windows, and the weeks that could
  be seen, leave over of each other is a small count. The same window again shows them if its count is the same, or
  differs by at least the minimum.
- A signal shows no figures where an earlier one of a wider or narrower series, or a week behind it, could have shown
  some of the same weeks.
- Weeks behind a signal are shown in the window of an earlier one of their series only if all its weeks are, and not
  at all where an earlier one of a wider or narrower series could have shown them.

What an earlier release showed is not looked up: whatever it could have shown counts as shown. "Earlier" goes by as-of.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any, Final, Protocol

import pandas as pd

from models.signals.detect import window_weeks

_WEEK: Final = 7 * 86_400
_SERIES: Final = ["area", "category"]

Series = tuple[str, str]
Row = Mapping[Hashable, Any]


class Wider(Protocol):
    """What tells which series hold a part of another, see `service._disclosed_signals.Tree`."""

    def wider(self, series: Series) -> set[Series]:
        """Those that must not stand beside it."""
        ...


def kept_apart(
    signals: pd.DataFrame, earlier: pd.DataFrame, weeks: pd.DataFrame, tree: Wider, minimum: int
) -> pd.Series:
    """Which signals may show their figures after what was shown before.

    Parameters
    ----------
    signals : of one as-of
    earlier : the signals of as-ofs before it, with `area`, `category`, `week`, `method` and `observed`
    weeks : the counts of the weeks behind the signals, undisclosed
    tree : which series are wider than others
    minimum : the smallest count that is shown

    Returns
    -------
    Series of bool with the index of `signals`
    """
    before = earlier.to_dict("records")
    counts: dict[Series, dict[int, int]] = {}
    for row in weeks.dropna(subset=["observed"]).to_dict("records") if len(before) else []:
        counts.setdefault(_series(row), {})[int(row["week"])] = int(row["observed"])
    kept = [
        not before or _is_apart(row, before, counts.get(_series(row), {}), tree, minimum)
        for row in signals.to_dict("records")
    ]
    return pd.Series(kept, index=signals.index, dtype=bool)


def told_by_kin(weeks: pd.DataFrame, earlier: pd.DataFrame, tree: Wider) -> pd.Series:
    """Which weeks an earlier signal of a wider or narrower series could have shown a part of, or the whole of."""
    newest: dict[Series, int] = {}
    for row in earlier.to_dict("records"):
        newest[_series(row)] = max(int(row["week"]), newest.get(_series(row), 0))
    told = {
        one: max((week for other, week in newest.items() if _are_kin(one, other, tree)), default=-1)
        for one in set(zip(weeks["area"], weeks["category"], strict=True))
    }
    ends = [told[one] for one in zip(weeks["area"], weeks["category"], strict=True)]
    # An hour more or less where clocks change.
    return weeks["week"] < pd.Series(ends, index=weeks.index, dtype="int64") + _WEEK // 2


def _is_apart(
    row: Row, before: list[dict[Hashable, Any]], counts: Mapping[int, int], tree: Wider, minimum: int
) -> bool:
    one, last = _series(row), int(row["week"])
    window = _window(row, last)
    by_week = {_place(week, last): count for week, count in counts.items()}
    seen, windows = min(window) - 1, [window]
    for other in before:
        place = _place(int(other["week"]), last)
        if _are_kin(one, _series(other), tree) and place >= min(window):
            return False
        if _series(other) != one:
            continue
        seen = max(seen, place)
        held = _window(other, last)
        if held == window:
            if 0 < abs(int(other["observed"]) - int(row["observed"])) < minimum:
                return False
        elif other["observed"] >= minimum and held & window:
            windows.append(held)
    return _leave_no_little(windows, seen, by_week, minimum)


def _leave_no_little(windows: list[frozenset[int]], seen: int, counts: Mapping[int, int], minimum: int) -> bool:
    """Whether windows, and the weeks up to `seen` that are large, leave nothing small over of each other."""
    every = frozenset().union(*windows)
    if len(windows) == 1 and seen < min(every):
        return True
    if not every <= counts.keys():
        return False
    rest: dict[tuple[bool, ...], int] = {}
    for week in every:
        if week > seen or counts[week] < minimum:
            parts = tuple(week in window for window in windows)
            rest[parts] = rest.get(parts, 0) + counts[week]
    return all(count >= minimum for count in rest.values())


def _are_kin(one: Series, other: Series, tree: Wider) -> bool:
    return one != other and (other in tree.wider(one) or one in tree.wider(other))


def _series(row: Row) -> Series:
    return str(row["area"]), str(row["category"])


def _window(row: Row, newest: int) -> frozenset[int]:
    last = _place(int(row["week"]), newest)
    return frozenset(range(last - window_weeks(str(row["method"])) + 1, last + 1))


def _place(week: int, newest: int) -> int:
    return round((week - newest) / _WEEK)
