"""The staffing family: the work of an office against what it can do, where that is given.

Capacity is of an office and never of anyone in it: how many cases it can close in a working day. The fact table
`capacity` holds its changes in thousandths of a case, so the sum of all before t is the capacity in force at t.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from features.feature import Unit
from features.formula import Asked, Defined, Formula, keyed, ratio
from features.records import Floats
from features.terms import KeySet

_KEYS: Final[KeySet] = ("office",)
_SCALE: Final = 1000.0
# Working days in 28 days; holidays are left out, so that one number serves every office and engine.
_WORKING_DAYS: Final = 20
_NOT_GIVEN: Final = "no capacity is given for the office, or it is 0"


def _in_force(asked: Asked) -> Floats:
    """Cases that the office can close in a working day, (n,); NaN where none is given, or none is left."""
    capacity = asked.sum("capacity", "capacity", _KEYS) / _SCALE
    return np.where(capacity > 0, capacity, np.nan)


def _backlog_days(asked: Asked) -> Floats:
    return asked.sum("balance", "open", _KEYS) / _in_force(asked)


def _demand(asked: Asked) -> Floats:
    """ln((came in over 28 days + 1) / (could be closed in 28 days + 1))."""
    return np.log((asked.sum("arrivals", "n", _KEYS, 28) + 1) / (_WORKING_DAYS * _in_force(asked) + 1))


def _change(asked: Asked) -> Floats:
    """Share by which the capacity changed in 28 days, against what it was before."""
    changed = asked.sum("capacity", "capacity", _KEYS, 28)
    return ratio(changed, asked.sum("capacity", "capacity", _KEYS) - changed)


def _staffed(
    prefix: str, unit: Unit, days: int | None, zh: str, en: str, formula: Formula, null: str = _NOT_GIVEN
) -> Defined:
    feature = keyed(prefix, "office", "staffing", unit, days, zh, en, null=null, use="analysis")
    return Defined(feature, formula)


STAFFING: Final[tuple[Defined, ...]] = (
    _staffed("backlog_days", "days", None, "{key}在办件需要的工作日（按办理能力）",
             "working days that the open cases of {key} take at its capacity", _backlog_days),
    _staffed("demand_28d", "log_ratio", 28, "{key}近28天来件与办理能力之比",
             "what came in for {key} over 28 days, against what it can close in them", _demand),
    _staffed("capacity_change_28d", "share", 28, "{key}近28天办理能力的变化",
             "how far the capacity of {key} has changed in 28 days", _change,
             "no capacity was given for the office 28 days before"),
)  # fmt: skip
