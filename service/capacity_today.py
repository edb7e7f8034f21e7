"""How many cases the offices can answer on a working day, as was known at a scoring."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from data.capacity import CAPACITY_SCALE, capacity_changes
from data.store import Store
from data.store_tables import plain_values

_THOUSANDTHS: Final = 1 / CAPACITY_SCALE


def read_capacities(store: Store, as_of: int) -> Mapping[str, float]:
    """Cases per working day by office, as in force and known before `as_of` (seconds in UTC).

    A dated capacity goes before the undated figure of the office itself. An office of which neither is known is left
    out.
    """
    offices = store.read_offices()
    undated = zip(offices["office"], plain_values(offices["capacity_per_day"]), strict=True)
    found = {str(office): float(value) for office, value in undated if value is not None}
    changes = capacity_changes(store.read_capacity(as_of), as_of)
    dated = changes.groupby("office")["change"].sum() * _THOUSANDTHS
    return found | {str(office): float(value) for office, value in dated.items()}
