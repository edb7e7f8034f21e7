"""The small city of the service's tests, as wide as a real one: so many areas, offices, types and words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final
from unittest.mock import patch

from tests.support import service_store

TOWNS: Final = 2
VILLAGES: Final = 36
_PLACES: Final = ("Quanwan", "Zaoping", "Meilong", "Xinglong", "Guizhou", "Landun")
_TYPES: Final = (
    "Manhole cover missing or loose",
    "Noise from a building site",
    "Repair of a shared area",
    "Rubbish not collected",
    "Mosquito breeding site",
    "Pavement damaged",
)


def _areas() -> list[tuple[str, str | None, str, str, int]]:
    towns = [(f"T-{n}", None, f"第{n}镇", f"{_PLACES[n - 1]} Town", 20_000 + n) for n in range(1, TOWNS + 1)]
    villages = [
        (f"A-{n:02d}", f"T-{1 + (n - 1) * TOWNS // VILLAGES}", f"第{n}村", f"{_PLACES[n % 6]} Village {n}", 2_500 + n)
        for n in range(1, VILLAGES + 1)
    ]
    return [*towns, *villages]


def _categories() -> list[tuple[str, str, str]]:
    more = [(f"type_{n:02d}", f"第{n}类问题", f"{_TYPES[n % 6]} {n}") for n in range(17)]
    return [*service_store.CATEGORIES, *more]


@contextmanager
def wide_city() -> Iterator[None]:
    """While it lasts, stores are filled with 36 villages in two towns, 24 types and reasons as long as real ones."""
    reasons = [
        (
            *reason[:4],
            f"{reason[4]}，全市平均约22件，近91天常用时长是承诺的6.9倍",
            f"{reason[5]}, against about 22 for the whole city",
        )
        for reason in service_store.REASONS
    ]
    offices = [(code, tier, zh, f"{en} service office") for code, tier, zh, en in service_store.OFFICES]
    wide = {"AREAS": _areas(), "CATEGORIES": _categories(), "REASONS": reasons, "OFFICES": offices}
    service_store.simulated_areas.cache_clear()
    try:
        with patch.multiple(service_store, **wide):
            yield
    finally:
        service_store.simulated_areas.cache_clear()
