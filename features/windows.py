"""The plain window features: counts, shares and means over trailing windows, each of them one term or two divided.

They are what every engine can give by itself: five key sets × thirteen quantities. For a key `k` these are

    open_k                     cases open at t
    arrivals_{1,7,28,91}d_k    cases that came in
    closures_{7,28}d_k         closings that were not near-instant
    late_share_{91,365}d_k     share broken of the promises that fell due in the window
    log_time_to_close_{91,365}d_k  mean of ln(hours from opening to closing) of what was closed in the window
    moves_28d_k                hand-overs
    hours_since_arrival_k      hours since the newest case came in

A window of w days at t is `[t - w, t)`; the oldest second is inside, t itself is not.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from features.facts import LOG_HOURS_SCALE
from features.terms import LAST_AT, KeySet, Quantity, Term, in_order

_DAY: Final = 86_400

# The key sets, by the word that ends the names of their features.
WINDOW_KEYS: Final[dict[str, KeySet]] = {
    "office": ("office",),
    "category": ("category",),
    "area": ("area",),
    "category_office": ("category", "office"),
    "category_area": ("category", "area"),
}


def _quantities(keys: KeySet) -> dict[str, Quantity]:
    """The thirteen quantities of one key set, by the prefix of their names."""

    def over(table: str, measure: str, days: int) -> Term:
        return Term(table, measure, keys, days * _DAY)

    return {
        "open": Quantity(Term("balance", "open", keys)),
        **{f"arrivals_{days}d": Quantity(over("arrivals", "n", days)) for days in (1, 7, 28, 91)},
        **{f"closures_{days}d": Quantity(over("closures", "n", days)) for days in (7, 28)},
        **{
            f"late_share_{days}d": Quantity(over("matured", "late", days), over("matured", "n", days))
            for days in (91, 365)
        },
        **{
            f"log_time_to_close_{days}d": Quantity(
                over("closures", "log_hours", days), over("closures", "n", days), scale=LOG_HOURS_SCALE
            )
            for days in (91, 365)
        },
        "moves_28d": Quantity(over("moves", "n", 28)),
        "hours_since_arrival": Quantity(Term("arrivals", LAST_AT, keys), since=True),
    }


WINDOW_FEATURES: Final[dict[str, Quantity]] = {
    f"{prefix}_{key}": quantity for key, keys in WINDOW_KEYS.items() for prefix, quantity in _quantities(keys).items()
}


def window_terms(names: Iterable[str] | None = None) -> tuple[Term, ...]:
    """The integers that these features are made of, without repetition; of all of them when None."""
    chosen = WINDOW_FEATURES if names is None else names
    return in_order(term for name in chosen for term in WINDOW_FEATURES[name].terms())
