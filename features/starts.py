"""Where the risk of each outcome starts from: the record of what is like the case, in log-odds, as named parts.

A risk model learns departures from its start. The start needs no training: it is worked out strictly before each
landmark, and so follows the service by itself. Its parts are named as the features that they belong to; the first,
`city`, is where every case starts, and their sum is the start.

- `late`: the base score (`features.base_score`), how far the office has changed of late (`features.office_change`), and
  what it says of a case that it is still open (`features.waiting`).
- the others: the shrunken share of that failure (`features.failures`) in the whole city, then the departures of the
  type of problem from the city, of the type at the office from the type, and half of the office's own, since the type
  already carries part of it.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd

from data.event_log import NEVER
from features.base_score import offset_parts
from features.failures import FAILURES, Failure, shrunken_share
from features.office_change import office_change
from features.records import Floats, Records, logit
from features.terms import Term, Terms, traced
from features.waiting import waiting_adds

WAITED: Final = "time_waited"
CHANGED: Final = "trend_office"

_OFFICE_WEIGHT: Final = 0.5
_FAILURES: Final = {failure.name: failure for failure in FAILURES}


def start_parts(outcome: str, source: Terms, passed: Floats) -> dict[str, Floats]:
    """The start of n landmarks in parts, each (n,) in log-odds.

    Parameters
    ----------
    outcome : `late`, or another of `features.outcomes.LANDMARK_OUTCOMES`, with or without its horizon
    source : who answers the terms of n landmarks
    passed : (n,) share of the promised time that has passed, see `share_passed`

    Raises
    ------
    KeyError
        If there is no such outcome.
    """
    if outcome == "late":
        records = Records(source)
        return {**city_parts(records), WAITED: waiting_adds(records, passed)}
    return _failure_parts(_FAILURES[failure_of(outcome)], source)


def city_parts(records: Records) -> dict[str, Floats]:
    """The start of lateness but for what waiting adds: what is the same for every case of the same keys at a moment."""
    return {**offset_parts(records), CHANGED: office_change(records)}


def start_terms(outcome: str) -> tuple[Term, ...]:
    """The integers that `start_parts` asks for."""
    return traced(lambda source: start_parts(outcome, source, np.zeros(0)))


def start_names(outcome: str) -> tuple[str, ...]:
    """The names of the parts that `start_parts` works out, in their order."""
    names: list[str] = []
    traced(lambda source: names.extend(start_parts(outcome, source, np.zeros(0))))
    return tuple(names)


def failure_of(outcome: str) -> str:
    """The name of an outcome without its horizon: `reopened` of `reopened_28d`."""
    return next((name for name in _FAILURES if outcome.startswith(name)), outcome)


def share_passed(landmarks: pd.DataFrame) -> Floats:
    """Share of the promised time that has passed, (n,), in [0, 1]; 0 where nothing is promised."""
    at, opened, due = (landmarks[name].to_numpy("int64") for name in ("landmark_at", "opened_at", "due_at"))
    passed = np.clip((at - opened) / np.maximum(due - opened, 1), 0.0, 1.0)
    return np.where(due < NEVER, passed, 0.0)


def _failure_parts(failure: Failure, source: Terms) -> dict[str, Floats]:
    def level(key: str) -> Floats:
        return logit(shrunken_share(source, failure, key, None))

    city, category, office = level("city"), level("category"), level("office")
    share = f"{failure.name}_share"
    return {
        "city": city,
        f"{share}_category": category - city,
        f"{share}_category_office": level("category_office") - category,
        f"{share}_office": _OFFICE_WEIGHT * (office - city),
    }
