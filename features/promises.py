"""The promise family: how long a time was promised, how that compares, and how much of it has passed."""

from __future__ import annotations

from typing import Final

import numpy as np

from features.facts import LOG_HOURS_SCALE
from features.feature import Feature
from features.formula import Asked, Defined
from features.records import Floats

_NO_PROMISE: Final = "no promise was made"


def _promised(asked: Asked) -> Floats:
    return np.log(asked.promised_hours)


def _against_usual(asked: Asked) -> Floats:
    own = np.log(asked.promised_hours)
    hours = asked.sum("arrivals", "log_promise", ("category",)) / LOG_HOURS_SCALE
    # The case itself counts once, so that the first of its type is usual by definition.
    return own - (hours + own) / (asked.sum("arrivals", "promised", ("category",)) + 1)


def _time_waited(asked: Asked) -> Floats:
    """Time since the opening / promised time, within [0, 1]."""
    opened = asked.landmarks["opened_at"].to_numpy("int64")
    return np.asarray(np.clip((asked.at - opened) / 3600 / asked.promised_hours, 0.0, 1.0), dtype=np.float64)


PROMISES: Final[tuple[Defined, ...]] = (
    Defined(
        Feature(
            "time_waited",
            "progress",
            "share",
            (),
            None,
            "已用去的承诺时限",
            "the promised time that has already passed",
            _NO_PROMISE,
            known="after_opening",
            use="analysis",
        ),
        _time_waited,
    ),
    Defined(
        Feature(
            "promised_hours",
            "promise",
            "log_hours",
            (),
            None,
            "承诺时限的长短",
            "how long a time was promised",
            _NO_PROMISE,
        ),
        _promised,
    ),
    Defined(
        Feature(
            "promised_against_usual",
            "promise",
            "log_ratio",
            ("category",),
            None,
            "承诺时限与这类问题平常相比",
            "the promised time, against what is usual for this type of problem",
            _NO_PROMISE,
        ),
        _against_usual,
    ),
)
