"""What is declared of every feature: its name, its unit, its meaning in both languages, and when it may be used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Unit = Literal[
    "log_odds", "log_ratio", "share", "count", "hour", "weekday", "log_hours", "hours", "month", "flag", "days"
]
# What kind of evidence a feature is. Reasons are grouped by it.
Family = Literal[
    "record", "trend", "load", "pace", "place", "promise", "calendar", "progress", "deadline", "neighbours", "staffing"
]
# From when on the feature has something to say: at every landmark of a case, or only at those after its opening (at
# the opening itself nothing has passed, and it is constant).
Known = Literal["opening", "after_opening"]
# Who may use it: models learn from it unless told otherwise, or analysts only.
Use = Literal["model", "analysis"]

NEVER_NULL: Final = "never null"


@dataclass(frozen=True, slots=True)
class Feature:
    """One column of the matrix.

    Attributes
    ----------
    name : of the column; English, snake_case
    family : what kind of evidence it is; reasons are grouped by it
    unit : of the number
    keys : the key columns that the case must be known by
    window_days : length of the window; None for all history, or where there is no window
    label_zh, label_en : what an officer reads
    null : what a null (NaN) means
    known : from when on it has something to say
    use : who may use it. Those for analysis are worked out on demand: on real histories they carried the calendar more
        than the service, and made models worse.
    """

    name: str
    family: Family
    unit: Unit
    keys: tuple[str, ...]
    window_days: int | None
    label_zh: str
    label_en: str
    null: str = NEVER_NULL
    known: Known = "opening"
    use: Use = "model"

    @property
    def in_model(self) -> bool:
        """Whether a model learns from it unless told otherwise."""
        return self.use == "model"
