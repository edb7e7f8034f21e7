"""Two versions side by side: their figures, how they were made, and what they were made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from models.lineage import LINEAGE, lineage_differences
from models.registry.names import BUNDLE
from models.registry.stored import StoredModel

# Parts of a description that are the model itself, and columns, which are told apart by name.
_NOT_SETTINGS: Final = frozenset({"card", "evidence", "linear", "features", LINEAGE})


def compare(one: StoredModel, other: StoredModel) -> dict[str, Any]:
    """What two versions say of themselves, as plain values.

    Returns
    -------
    dict with

    - `versions`: the two names;
    - `figures`: dotted name -> [one, other], every number that a card holds outside the lineage, None where it is not
      said; those that are equal too;
    - `settings`: the same of the single values of the descriptions, of those that differ;
    - `features`: `added` and `removed`, names as seen from the first;
    - `lineage`: dotted name -> [one, other], of what differs.
    """
    figures = [_figures(stored) for stored in (one, other)]
    settings = [_settings(stored) for stored in (one, other)]
    before, after = (frozenset(stored.columns()) for stored in (one, other))
    lineages = [stored.card.get(LINEAGE) for stored in (one, other)]
    told = [lineage if isinstance(lineage, dict) else {} for lineage in lineages]
    return {
        "versions": [one.version, other.version],
        "figures": {name: [found.get(name) for found in figures] for name in sorted({*figures[0], *figures[1]})},
        "settings": {
            name: [found.get(name) for found in settings]
            for name in sorted({*settings[0], *settings[1]})
            if settings[0].get(name) != settings[1].get(name)
        },
        "features": {"added": sorted(after - before), "removed": sorted(before - after)},
        "lineage": {name: list(pair) for name, pair in lineage_differences(*told).items()},
    }


def _figures(stored: StoredModel) -> dict[str, float]:
    found = _leaves({name: value for name, value in stored.card.items() if name != LINEAGE})
    for part, described in stored.descriptions().items():
        if part and isinstance(described.get("card"), dict):
            found |= {f"{part}.{name}": value for name, value in _leaves(described["card"]).items()}
    return {name: value for name, value in found.items() if _is_number(value)}


def _settings(stored: StoredModel) -> dict[str, Any]:
    found: dict[str, Any] = {}
    described_by_part = {"": stored.description} if BUNDLE in stored.files else {}
    for part, described in {**described_by_part, **stored.descriptions()}.items():
        own = {name: value for name, value in described.items() if name not in _NOT_SETTINGS}
        found |= {f"{part}.{name}" if part else name: value for name, value in _leaves(own).items()}
    return found


def _leaves(told: Mapping[str, Any], start: str = "") -> dict[str, Any]:
    """The single values in nested objects, by dotted name; lists are none."""
    found: dict[str, Any] = {}
    for name, value in told.items():
        if isinstance(value, Mapping):
            found |= _leaves(value, f"{start}{name}.")
        elif not isinstance(value, list):
            found[f"{start}{name}"] = value
    return found


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
