"""How a feature is worked out: a function of what engines counted and of the landmarks themselves.

A family of features is a list of `Defined`, each a declaration with its formula beside it, so that neither can be
forgotten. Formulas ask for integers (`Asked.term`, `Asked.sum`) and finish them in float64; whoever counts, the
finishing is this code. They work on no landmark at all too: that is how it is found out what they ask for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import pandas as pd

from data.clock import WorkingCalendar
from data.event_log import NEVER
from features.base_score import offset_parts
from features.facts import promised_seconds
from features.feature import NEVER_NULL, Family, Feature, Unit, Use
from features.key_words import KEY_WORDS
from features.records import DAY, RECORD_KEYS, Floats, Records
from features.terms import Int64s, KeySet, Quantity, Term, Terms

# Key columns that are worked out from the promise, and known wherever a promise is.
_DERIVED: Final = ("promise", "promise_fine")


@dataclass(frozen=True)
class Asked:
    """What a formula may use, for n landmarks.

    Parameters
    ----------
    source : who answers terms
    landmarks : DataFrame of n rows, see `features.landmarks`
    time_zone : IANA name; hours and weekdays are read in it
    calendar : when the offices work; None where that is not known
    """

    source: Terms
    landmarks: pd.DataFrame
    time_zone: str
    calendar: WorkingCalendar | None = None

    def __len__(self) -> int:
        return len(self.landmarks)

    @cached_property
    def records(self) -> Records:
        """The records of promises under every key."""
        return Records(self.source)

    @cached_property
    def offset_parts(self) -> dict[str, Floats]:
        """The parts of the base score, see `features.base_score`."""
        return offset_parts(self.records)

    @cached_property
    def at(self) -> Int64s:
        """The moments of the landmarks, (n,) int64 seconds in UTC."""
        return self.landmarks["landmark_at"].to_numpy("int64")

    def sum(self, table: str, measure: str, keys: KeySet, days: int | None = None) -> Floats:
        """A term as float64, (n,): exact, since sums of small integers stay far below 2**53."""
        window = None if days is None else days * DAY
        return self.source.term(Term(table, measure, keys, window)).astype(np.float64)

    def local(self, column: str) -> pd.Series:
        """A moment of the landmarks on the local clock; null where there is none."""
        moment = self.landmarks[column].where(self.landmarks[column] < NEVER)
        return pd.to_datetime(moment, unit="s", utc=True).dt.tz_convert(self.time_zone)

    @cached_property
    def promised_hours(self) -> Floats:
        """Promised time in hours, (n,); NaN where there is no promise."""
        seconds = promised_seconds(self.landmarks["opened_at"], self.landmarks["due_at"])
        return np.where(seconds > 0, seconds / 3600, np.nan)


Formula = Callable[[Asked], Floats]


@dataclass(frozen=True, slots=True)
class Defined:
    """A feature with the formula that works it out."""

    feature: Feature
    formula: Formula


def quantity(found: Quantity) -> Formula:
    """The formula of a feature that is one term, or one division of two."""
    return lambda asked: found.value(asked.source, asked.at)


def ratio(part: Floats, whole: Floats) -> Floats:
    """The share part / whole, (n,); NaN where there is nothing to divide by."""
    return np.asarray(np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0))


def known_columns(*keys: str) -> tuple[str, ...]:
    """The key columns that a case must be known by to have records of these keys, sorted."""
    return tuple(sorted({name for key in keys for name in RECORD_KEYS[key].columns if name not in _DERIVED}))


def keyed(
    prefix: str,
    key: str,
    family: Family,
    unit: Unit,
    days: int | None,
    zh: str,
    en: str,
    *,
    null: str = NEVER_NULL,
    use: Use = "model",
    words: tuple[str, str] | None = None,
) -> Feature:
    """Declare `prefix_key`; `{key}` in the labels is said as `KEY_WORDS` has it, or as `words`."""
    told = KEY_WORDS[key] if words is None else words
    return Feature(
        name=f"{prefix}_{key}",
        family=family,
        unit=unit,
        keys=known_columns(key),
        window_days=days,
        label_zh=zh.format(key=told[0]),
        label_en=en.format(key=told[1]),
        null=null,
        use=use,
    )
