"""A version as it was read: its files, with hashes already checked, and what can be said of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from data.boundary import Violation, violations
from data.errors import ModelError
from models.registry.files import parse_json
from models.registry.names import BUNDLE, CARD, SINGLE, part_names

# Where a description of a model may list columns it learned from.
_COLUMN_LISTS: Final = ("features", "feature_names", "feature_names_in", "columns", "start", "linear_columns")
# part of a description -> its entries that name columns, as a list, as the keys of a mapping, or alone
_COLUMN_PARTS: Final = {
    "columns": ("names", "levels", "start", "evidence_by", "intercept_by"),
    "design": ("names", "values", "levels"),
    "parameters": ("start", "evidence_by", "intercept_by", "like", "linear_columns", "monotone"),
}
# What LightGBM calls a column that was given no name.
_UNNAMED: Final = re.compile(r"Column_\d+")
_TREE_COLUMNS: Final = re.compile(rb"^feature_names=(.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class StoredModel:
    """The files of one version, with hashes already checked.

    Attributes
    ----------
    version : its name
    files : name -> bytes; of a bundle, names are such as `late/model.json`
    signed_by : the trusted key whose signature was checked; None where no key had to be
    """

    version: str
    files: dict[str, bytes]
    signed_by: str | None = None

    @property
    def parts(self) -> tuple[str, ...]:
        """The models in it, sorted; `('',)` where it is a single one."""
        return part_names(self.files)

    def part(self, name: str) -> dict[str, bytes]:
        """The files of one model of a bundle, by their names within it; '' for a version that is a single model.

        Raises
        ------
        ModelError
            If there is no such part.
        """
        if name not in self.parts:
            held = ", ".join(part or "a single model" for part in self.parts)
            raise ModelError(f"Expected a model '{name}' in {self.version}, and it holds {held}. Train again.")
        start = f"{name}/" if name else ""
        return {file[len(start) :]: data for file, data in self.files.items() if file.startswith(start)}

    @property
    def description(self) -> dict[str, Any]:
        """What is said of the whole: `bundle.json` of a bundle, `model.json` of a single model."""
        return self._json(BUNDLE if BUNDLE in self.files else SINGLE)

    def descriptions(self) -> dict[str, dict[str, Any]]:
        """What the `model.json` of each part says, by part."""
        return {part: self._json(f"{part}/model.json" if part else "model.json") for part in self.parts}

    @property
    def card(self) -> dict[str, Any]:
        """How the version was made: `card.json`, or the card in the description of the whole; empty for none."""
        if CARD in self.files:
            return self._json(CARD)
        described = BUNDLE in self.files or SINGLE in self.files
        card = self.description.get("card", {}) if described else {}
        return card if isinstance(card, dict) else {}

    def columns(self) -> tuple[str, ...]:
        """Every column that the version learned from, by its descriptions and by its trees; sorted."""
        found: set[str] = set()
        told = [*self.descriptions().values(), *([self.description] if BUNDLE in self.files else [])]
        for described in told:
            for key in _COLUMN_LISTS:
                listed = described.get(key)
                found.update(name for name in listed if isinstance(name, str)) if isinstance(listed, list) else None
            found.update(_named_within(described))
        for data in self.files.values():
            for names in _TREE_COLUMNS.findall(data):
                found.update(names.decode(errors="replace").split())
        return tuple(sorted(name for name in found if not _UNNAMED.fullmatch(name)))

    def boundary_violations(self) -> list[Violation]:
        """What the columns, the outcomes and the parts of the version hold against the boundary."""
        outcomes = [str(one["outcome"]) for one in self.descriptions().values() if "outcome" in one]
        names = dict.fromkeys((*self.columns(), *outcomes, *(part for part in self.parts if part)))
        return violations(f"model {self.version}", names)

    def _json(self, name: str) -> dict[str, Any]:
        if name not in self.files:
            raise ModelError(f"Expected {name} in {self.version}, and it holds {', '.join(sorted(self.files))}.")
        return parse_json(self.files[name], f"{self.version}/{name}")


def _named_within(described: dict[str, Any]) -> set[str]:
    """The columns that the parts of a description name: of its table, its parameters, and like cases."""
    found: set[str] = set()
    for part, keys in _COLUMN_PARTS.items():
        inner = described.get(part)
        if not isinstance(inner, dict):
            continue
        for key in keys:
            value = inner.get(key)
            listed = value if isinstance(value, (list, dict)) else [value]
            found.update(name for name in listed if isinstance(name, str))
    return found
