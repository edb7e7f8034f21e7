"""The pace family: how long closing takes, of what was closed in a window.

Means of logarithms and shares closed within so many days: both are sums of integers, unlike a median, so they can be
counted in any engine and added to day by day. What has not been closed yet is not in them; `features.records` has the
life table for that.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from features.facts import LOG_HOURS_SCALE
from features.feature import Use
from features.formula import Asked, Defined, Formula, keyed, quantity, ratio
from features.records import Floats
from features.terms import KeySet
from features.windows import WINDOW_FEATURES, WINDOW_KEYS

_NOTHING_CLOSED: Final = "nothing of the kind was closed in the window"


def _time_to_close(keys: KeySet) -> Formula:
    """Mean ln(hours to close) over 91 days minus ln(promised hours) of the case."""

    def formula(asked: Asked) -> Floats:
        hours, n = (asked.sum("closures", measure, keys, 91) for measure in ("log_hours", "n"))
        mean = ratio(hours, n) / LOG_HOURS_SCALE
        return np.asarray(mean - np.log(asked.promised_hours), dtype=np.float64)

    return formula


def _closed_within(keys: KeySet, days: int) -> Formula:
    def formula(asked: Asked) -> Floats:
        return ratio(asked.sum("closures", f"within_{days}d", keys, 91), asked.sum("closures", "n", keys, 91))

    return formula


def _against_promise(key: str) -> Defined:
    feature = keyed(
        "time_to_close_91d",
        key,
        "pace",
        "log_ratio",
        91,
        "{key}近91天的办结用时（相对承诺时限）",
        "time to close {key} over 91 days, against the promised time",
        null=f"{_NOTHING_CLOSED}, or no promise was made",
        use=_use(key),
    )
    return Defined(feature, _time_to_close(WINDOW_KEYS[key]))


def _share_within(key: str, days: int) -> Defined:
    span_en = "a day" if days == 1 else f"{days} days"
    feature = keyed(
        "closed_in_1_day_91d" if days == 1 else f"closed_in_{days}_days_91d",
        key,
        "pace",
        "share",
        91,
        f"{{key}}近91天{days}天内办结的占比",
        f"share of {{key}} closed within {span_en}, over 91 days",
        null=_NOTHING_CLOSED,
        use=_use(key),
    )
    return Defined(feature, _closed_within(WINDOW_KEYS[key], days))


def _mean(key: str, days: int) -> Defined:
    feature = keyed(
        f"log_time_to_close_{days}d",
        key,
        "pace",
        "log_hours",
        days,
        f"{{key}}近{days}天办结用时的对数均值",
        f"mean of the log time to close, of {{key}}, over {days} days",
        null=_NOTHING_CLOSED,
        use="analysis",
    )
    return Defined(feature, quantity(WINDOW_FEATURES[feature.name]))


def _use(key: str) -> Use:
    return "model" if "office" in key else "analysis"


PACES: Final[tuple[Defined, ...]] = (
    *(
        defined
        for key in WINDOW_KEYS
        for defined in (_against_promise(key), *(_share_within(key, days) for days in (1, 7, 30)))
    ),
    *(_mean(key, days) for key in WINDOW_KEYS for days in (91, 365)),
)
