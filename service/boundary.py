"""Everything that the boundary is checked on, in one place."""

from __future__ import annotations

from pathlib import Path

from data.boundary import Violation, mapping_violations, schema_violations
from data.errors import UsageError
from data.mapping import find_mapping, shipped_mappings
from data.schema import CASE_FIELDS, EVENT_FIELDS, INSPECTION_FIELDS
from data.tables import metadata
from features.catalogue import CATALOGUE, catalogue_violations
from models.registry import Registry, StoredModel


def check(model: Path | None = None) -> list[Violation]:
    """What the schema, the mappings, the catalogue and a model version hold against the boundary; empty when it holds.

    Raises
    ------
    ModelError
        If the model's hashes do not match.
    """
    found = schema_violations() + catalogue_violations()
    for name in shipped_mappings():
        found += mapping_violations(find_mapping(name))
    if model is not None:
        found += _stored(model).boundary_violations()
    return found


def checked_parts(model: Path | None = None) -> dict[str, int]:
    """What was looked at, and how many names it has."""
    parts = {
        "fields of the allow-list": len(CASE_FIELDS) + len(EVENT_FIELDS) + len(INSPECTION_FIELDS),
        "columns of the store": sum(len(table.columns) for table in metadata.sorted_tables),
        "features": len(CATALOGUE),
        "shipped mappings": len(shipped_mappings()),
    }
    if model is not None:
        parts["features of the model"] = len(list(_stored(model).columns()))
    return parts


def _stored(folder: Path) -> StoredModel:
    if not (folder / "manifest.json").is_file():
        raise UsageError(f"--model: expected the folder of a model version, and {folder.name} has no manifest.json.")
    return Registry(folder.parent).load(folder.name)
