"""The load family: how much work a key has, how much comes in and goes out, and how much of it is passed on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from features.feature import Use
from features.formula import Asked, Defined, Formula, keyed, quantity
from features.records import Floats
from features.terms import KeySet
from features.windows import WINDOW_FEATURES, WINDOW_KEYS

_COUNT_NULL: Final = "never null: 0 where nothing is on record"
_RATIO_NULL: Final = "never null: 0 where nothing is on record, as if as much came as ever"

# How the four ratios of a key are asked for, wherever they are filed: `prefix` names the fact tables ("" the case's
# own key, "near_" the adjacent areas).


def backlog(keys: KeySet, prefix: str = "") -> Formula:
    """ln((open + 1) / (came in over 28 days + 1)); the ones make a key without work no extreme."""

    def formula(asked: Asked) -> Floats:
        came = asked.sum(f"{prefix}arrivals", "n", keys, 28)
        return np.log((asked.sum(f"{prefix}balance", "open", keys) + 1) / (came + 1))

    return formula


def inflow(keys: KeySet, prefix: str = "") -> Formula:
    """ln((came in over 7 days + 1) / (a quarter of what came in over 28 days + 1))."""

    def formula(asked: Asked) -> Floats:
        week, month = (asked.sum(f"{prefix}arrivals", "n", keys, days) for days in (7, 28))
        return np.log((week + 1) / (month / 4 + 1))

    return formula


def clearance(keys: KeySet, prefix: str = "") -> Formula:
    """ln((closed + 1) / (came in + 1)), over 28 days."""

    def formula(asked: Asked) -> Floats:
        closed, came = (asked.sum(f"{prefix}{table}", "n", keys, 28) for table in ("closures", "arrivals"))
        return np.log((closed + 1) / (came + 1))

    return formula


def overdue(keys: KeySet, prefix: str = "") -> Formula:
    """Overdue cases / (open cases + 5). Five cases of nothing: the share of two open cases is not a share yet."""

    def formula(asked: Asked) -> Floats:
        passed = asked.sum(f"{prefix}overdue", "overdue", keys)
        return passed / (asked.sum(f"{prefix}balance", "open", keys) + 5)

    return formula


def _handed_on(keys: KeySet) -> Formula:
    return lambda asked: asked.sum("moves", "n", keys, 28) / (asked.sum("arrivals", "n", keys, 28) + 5)


def _ratios(key: str) -> list[Defined]:
    use: Use = "model" if "office" in key else "analysis"
    keys = WINDOW_KEYS[key]
    return [
        Defined(
            keyed("backlog", key, "load", "log_ratio", 28, "{key}在办积压（相对近28天来件）",
                  "open cases of {key}, against what came in over 28 days", null=_RATIO_NULL, use=use),
            backlog(keys),
        ),
        Defined(
            keyed("inflow_7d", key, "load", "log_ratio", 7, "{key}近7天来件（相对近28天）",
                  "what came in for {key} this week, against the last 28 days", null=_RATIO_NULL, use=use),
            inflow(keys),
        ),
        Defined(
            keyed("clearance_28d", key, "load", "log_ratio", 28, "{key}近28天办结与来件之比",
                  "what {key} closed against what came in, over 28 days", null=_RATIO_NULL, use=use),
            clearance(keys),
        ),
        Defined(
            keyed("overdue", key, "load", "share", None, "{key}在办件中已超期的占比",
                  "share of the open cases of {key} that are overdue", null=_COUNT_NULL, use=use),
            overdue(keys),
        ),
    ]  # fmt: skip


def _counted(prefix: str, key: str, days: int | None, zh: str, en: str, *, null: str = _COUNT_NULL) -> Defined:
    feature = keyed(prefix, key, "load", "count", days, zh, en, null=null, use="analysis")
    return Defined(feature, quantity(WINDOW_FEATURES[feature.name]))


def _arrived(key: str, days: int) -> Defined:
    span = "a day" if days == 1 else f"{days} days"
    return _counted(
        f"arrivals_{days}d", key, days, f"{{key}}近{days}天来件数", f"cases of {{key}} that came in over {span}"
    )


def _closed(key: str, days: int) -> Defined:
    return _counted(
        f"closures_{days}d", key, days, f"{{key}}近{days}天办结数", f"cases of {{key}} closed over {days} days"
    )


def _open(key: str) -> Defined:
    return _counted("open", key, None, "{key}在办件数", "open cases of {key}")


def _moved(key: str) -> Defined:
    return _counted("moves_28d", key, 28, "{key}近28天转出件数", "hand-overs of cases of {key}, over 28 days")


def _since_arrival(key: str) -> Defined:
    feature = keyed(
        "hours_since_arrival",
        key,
        "load",
        "hours",
        None,
        "{key}距上一次来件的小时数",
        "hours since the last case of {key} came in",
        null="none of the kind ever came in",
        use="analysis",
    )
    return Defined(feature, quantity(WINDOW_FEATURES[feature.name]))


_PLAIN: Final[tuple[Callable[[str], Defined], ...]] = (_open, _moved, _since_arrival)

LOADS: Final[tuple[Defined, ...]] = (
    *(defined for key in WINDOW_KEYS for defined in _ratios(key)),
    *(_arrived(key, days) for days in (7, 28, 91) for key in WINDOW_KEYS),
    Defined(
        keyed(
            "handed_on_28d",
            "office",
            "load",
            "share",
            28,
            "{key}近28天转出的占比",
            "share of cases that {key} handed on, over 28 days",
            null=_COUNT_NULL,
        ),
        _handed_on(WINDOW_KEYS["office"]),
    ),
    *(_arrived(key, 1) for key in WINDOW_KEYS),
    *(_closed(key, days) for days in (7, 28) for key in WINDOW_KEYS),
    *(declare(key) for declare in _PLAIN for key in WINDOW_KEYS),
)
