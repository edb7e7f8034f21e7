"""What counts as a signal: the settings of a detection."""

from __future__ import annotations

from dataclasses import dataclass, field

from data.errors import UsageError
from models.signals.fdr import PROCEDURES, Procedure
from models.signals.long_past import LongPastSettings
from models.signals.short_past import ShortPastSettings


@dataclass(frozen=True, slots=True)
class SignalSettings:
    """What counts as a signal.

    Attributes
    ----------
    fdr_level : expected share of false alarms among the signals of a week, rises and silences together.
    procedure : "bh" (Benjamini and Hochberg); "discrete", the same for tests of rare counts, which cannot take small
        p-values as often as others (see `models.signals.attainable`); "by" for a bound that holds whatever the
        dependence between series.
    minimum_count : a rise needs so many reports, a silence so many expected ones, within its window.
    least_weeks_running : a signal is told only from this week in a row on.
    band : share of counts between `lower` and `upper` when nothing has changed: "3 to 6 would be usual".
    most_per_area, most_per_week : so many signals of an area, and of a week over all, are told first (`told`); the
        others are listed after them. None: all.
    """

    fdr_level: float = 0.10
    procedure: Procedure = "bh"
    minimum_count: int = 5
    least_weeks_running: int = 1
    band: float = 0.8
    short_past: ShortPastSettings = field(default_factory=ShortPastSettings)
    long_past: LongPastSettings = field(default_factory=LongPastSettings)
    most_per_area: int | None = None
    most_per_week: int | None = None

    def __post_init__(self) -> None:
        if not 0.0 < self.fdr_level < 1.0:
            raise UsageError(f"fdr_level must lie between 0 and 1, for example 0.10; it is {self.fdr_level}.")
        if self.procedure not in PROCEDURES:
            raise UsageError(f"procedure must be one of {', '.join(PROCEDURES)}; it is {self.procedure!r}.")
        for name in ("windows", "silence_windows"):
            if 1 not in getattr(self.short_past, name):
                raise UsageError(f"short_past.{name} must contain 1: the newest week is always judged by itself.")
        for name in ("most_per_area", "most_per_week"):
            most = getattr(self, name)
            if most is not None and most < 1:
                raise UsageError(f"{name} must be at least 1, or None for no limit; it is {most}.")
