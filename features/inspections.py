"""The place family: what inspections of places and public assets found in the area before the landmark.

Findings are of a *related kind* where the inspection names the type of problem that such a finding leads to; those are
filed under category and area. They are about drains, lifts and lights, never about anyone who lives there.
"""

from __future__ import annotations

from typing import Final

from features.feature import Feature, Unit
from features.formula import Defined, keyed, quantity
from features.records import DAY
from features.terms import LAST_AT, KeySet, Quantity, Term

_RELATED: Final[KeySet] = ("category", "area")
_ANY: Final[KeySet] = ("area",)
_NEVER_NULL: Final = "never null: 0 where nothing was found, or nothing inspected"


def _over(measure: str, days: int, keys: KeySet = _RELATED) -> Term:
    return Term("findings", measure, keys, days * DAY)


def _place(
    prefix: str, key: str, unit: Unit, days: int | None, labels: tuple[str, str], null: str, found: Quantity
) -> Defined:
    feature = keyed(prefix, key, "place", unit, days, *labels, null=null, use="analysis")
    return Defined(feature, quantity(found))


def _counted(days: int) -> Defined:
    labels = (
        f"本地近{days}天相关设施检查发现问题的件数",
        f"findings of any severity at related assets in this area, over {days} days",
    )
    return _place(f"findings_{days}d", "category_area", "count", days, labels, _NEVER_NULL, Quantity(_over("n", days)))


PLACES: Final[tuple[Defined, ...]] = (
    Defined(
        Feature(
            "findings_28d",
            "place",
            "count",
            ("area", "category"),
            28,
            "本地近28天相关设施检查发现的问题",
            "problems found by inspections of related assets in this area, in 28 days",
            "never null: 0 where nothing serious was found, or nothing inspected",
        ),
        quantity(Quantity(_over("serious", 28))),
    ),
    *(_counted(days) for days in (7, 28, 91)),
    _place(
        "dangerous_findings_91d",
        "category_area",
        "count",
        91,
        ("本地近91天相关设施检查发现危险问题的件数", "dangerous findings at related assets in this area, over 91 days"),
        _NEVER_NULL,
        Quantity(_over("dangerous", 91)),
    ),
    _place(
        "serious_share_91d",
        "category_area",
        "share",
        91,
        (
            "本地近91天相关设施检查发现中严重问题的占比",
            "share of findings at related assets here that were serious, over 91 days",
        ),
        "nothing was found at related assets in the window",
        Quantity(_over("serious", 91), _over("n", 91)),
    ),
    _place(
        "hours_since_finding",
        "category_area",
        "hours",
        None,
        ("距本地相关设施上一次检查发现问题的小时数", "hours since the last finding at a related asset in this area"),
        "nothing was ever found at related assets here",
        Quantity(Term("findings", LAST_AT, _RELATED), since=True),
    ),
    _place(
        "findings_28d",
        "area",
        "count",
        28,
        ("本区域近28天检查发现问题的件数", "findings of any kind in this area, over 28 days"),
        _NEVER_NULL,
        Quantity(_over("n", 28, _ANY)),
    ),
)
