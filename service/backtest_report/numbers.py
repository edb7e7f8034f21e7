"""Figures of a back-test in words: as many digits as a reader can use, and the same on page and terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

Estimated = Mapping[str, Any]

NOTHING: Final = "–"
_SHARES: Final = ("precision_at_capacity", "recall_at_capacity", "share", "skill")
_FOUR: Final = ("brier", "reliability", "resolution", "uncertainty")


def figure(name: str, value: float | None) -> str:
    """A figure: shares in percent, Brier scores to four digits, all else to three."""
    if value is None:
        return NOTHING
    if name in _SHARES:
        return percent(value)
    return _signed(f"{value:.4f}" if name in _FOUR else f"{value:.3f}")


def percent(value: float | None) -> str:
    """A share in percent with one decimal."""
    return NOTHING if value is None else _signed(f"{value * 100:.1f}") + "%"


def _signed(told: str) -> str:
    """With a minus sign in place of a hyphen, and none before nothing."""
    return told.replace("-", "−" if float(told) else "")


def points(value: float | None) -> str:
    """A difference of shares in percentage points, with its sign."""
    if value is None:
        return NOTHING
    told = f"{abs(value) * 100:.1f}"
    return told if float(told) == 0 else f"{'−' if value < 0 else '+'}{told}"


def spread(found: Estimated, told: Callable[[float | None], str]) -> str:
    """The interval of a figure, each end as `told` tells it; empty where there is none.

    Ends that may be below 0 are parted by dots, which no minus sign can be mistaken for.
    """
    if found["low"] is None or found["high"] is None:
        return ""
    low, high = told(found["low"]), told(found["high"])
    # One sign for both ends is enough.
    if low.endswith("%") and high.endswith("%"):
        low = low.removesuffix("%")
    return f"{low}{'–' if found['low'] >= 0 and not low.startswith('+') else ' … '}{high}"
