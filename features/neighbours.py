"""The neighbours family: the load of the adjacent areas, by the same formulas as the area's own (`features.workload`).

The fact tables `near_…` hold each fact of an area once for every area that borders on it. Where no borders are given
they are empty, and the features say nothing.
"""

from __future__ import annotations

from typing import Final

from features.feature import Unit
from features.formula import Defined, Formula, keyed, quantity
from features.key_words import NEAR_WORDS
from features.records import DAY
from features.terms import KeySet, Quantity, Term
from features.windows import WINDOW_KEYS
from features.workload import backlog, clearance, inflow, overdue

_NEAR: Final = "near_"
_NO_BORDERS: Final = "never null: 0 where nothing is on record, or no area is known to border on this one"


def _near(prefix: str, key: str, unit: Unit, days: int | None, zh: str, en: str, formula: Formula) -> Defined:
    feature = keyed(
        f"{_NEAR}{prefix}",
        key,
        "neighbours",
        unit,
        days,
        zh,
        en,
        null=_NO_BORDERS,
        use="analysis",
        words=NEAR_WORDS[key],
    )
    return Defined(feature, formula)


def _loads(key: str, keys: KeySet) -> list[Defined]:
    return [
        _near("backlog", key, "log_ratio", 28, "{key}在办积压（相对近28天来件）",
              "open cases of {key}, against what came in over 28 days", backlog(keys, _NEAR)),
        _near("inflow_7d", key, "log_ratio", 7, "{key}近7天来件（相对近28天）",
              "what came in for {key} this week, against the last 28 days", inflow(keys, _NEAR)),
        _near("clearance_28d", key, "log_ratio", 28, "{key}近28天办结与来件之比",
              "what was closed of {key} against what came in, over 28 days", clearance(keys, _NEAR)),
        _near("overdue", key, "share", None, "{key}在办件中已超期的占比",
              "share of the open cases of {key} that are overdue", overdue(keys, _NEAR)),
        _near("arrivals_28d", key, "count", 28, "{key}近28天来件数",
              "cases of {key} that came in over 28 days",
              quantity(Quantity(Term(f"{_NEAR}arrivals", "n", keys, 28 * DAY)))),
    ]  # fmt: skip


NEIGHBOURS: Final[tuple[Defined, ...]] = tuple(
    defined for key in NEAR_WORDS for defined in _loads(key, WINDOW_KEYS[key])
)
