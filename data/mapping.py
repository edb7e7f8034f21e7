"""The mapping of a source: which column is which field, in what words, in which time zone, and known since
when.

A mapping is a TOML file. What is not said in it is not read, and a column of the file that it does not speak
of is refused (see `data.privacy`).
"""

from __future__ import annotations

import hashlib
import tomllib
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from data.boundary import CONDUCT, mapping_violations, refuse
from data.errors import MappingError, UsageError
from data.mapping_parts import (
    KEYS,
    STATUSES,
    Closing,
    Column,
    Location,
    Mapping,
    Rules,
    Scale,
    Source,
    Vocabulary,
)
from data.mapping_rules import allowed_values, explained, problems, refuse_leaks

__all__ = [
    "KEYS",
    "SHIPPED",
    "STATUSES",
    "Closing",
    "Column",
    "Location",
    "Mapping",
    "Rules",
    "Scale",
    "Source",
    "Vocabulary",
    "allowed_values",
    "find_mapping",
    "parse_mapping",
    "shipped_mappings",
]

SHIPPED: Final = Path(__file__).parent / "mappings"


def find_mapping(name_or_path: str | Path) -> Mapping:
    """The shipped mapping of that name, or the mapping in the file at that path.

    Raises
    ------
    UsageError
        If there is neither.
    MappingError
        If the file is not a mapping; the message names the place inside it and what is allowed there. Also if the
        file of areas that it names beside it is not there.
    LeakError
        If it calls a column known at the opening that the source shows only as it ended.
    BoundaryError
        If it gives rows a word about conduct.
    """
    shipped = SHIPPED / f"{name_or_path}.toml"
    path = shipped if str(name_or_path) in shipped_mappings() else Path(name_or_path)
    if not path.is_file():
        raise UsageError(
            f"There is no mapping '{name_or_path}'. Shipped with heed: {', '.join(shipped_mappings())}. "
            "For your own, give the path of a TOML file."
        )
    return parse_mapping(path.read_bytes(), path.name, folder=path.parent)


def shipped_mappings() -> tuple[str, ...]:
    """The names of the mappings that come with heed."""
    return tuple(sorted(path.stem for path in SHIPPED.glob("*.toml")))


def parse_mapping(content: bytes, file: str = "mapping", *, folder: Path | None = None) -> Mapping:
    """The mapping in `content` (TOML, UTF-8); `file` is its name in messages, `folder` where it stands. Raises as
    `find_mapping` does.
    """
    try:
        parsed = tomllib.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise MappingError(f"{file}: expected TOML in UTF-8. Save the file as UTF-8.") from None
    except tomllib.TOMLDecodeError as error:
        raise MappingError(f"{file}: this is not TOML: {error}.") from None
    for name in ("sha256", "folder"):
        parsed.pop(name, None)
    try:
        mapping = Mapping(**parsed, sha256=hashlib.sha256(content).hexdigest(), folder=folder)
    except ValidationError as error:
        lines = "\n".join(f"  - {explained(item)}" for item in error.errors())
        raise MappingError(f"{file}: the mapping is wrong.\n{lines}") from None
    except TypeError:
        raise MappingError(f"{file}: expected tables such as [source] and [columns.NAME].") from None
    found = list(problems(mapping))
    if found:
        lines = "\n".join(f"  - {problem}" for problem in found)
        raise MappingError(f"{file}: the mapping is wrong.\n{lines}")
    refuse([found for found in mapping_violations(mapping) if found.reason == CONDUCT])
    refuse_leaks(mapping, file)
    return _with_areas(mapping, content, file)


def _with_areas(mapping: Mapping, content: bytes, file: str) -> Mapping:
    """The mapping under a hash that also follows its file of areas: with other borders, rows get other areas."""
    if mapping.location is None or mapping.location.areas is None:
        return mapping
    path = areas_file(mapping)
    if path is None:
        return mapping
    if not path.is_file():
        raise MappingError(
            f"{file}: [location] areas: there is no file '{mapping.location.areas}' beside the mapping. Put the "
            "GeoJSON file of the areas there, or leave the setting out to use the boundaries in the store."
        )
    return mapping.model_copy(update={"sha256": hashlib.sha256(content + path.read_bytes()).hexdigest()})


def areas_file(mapping: Mapping) -> Path | None:
    """The file of areas that the mapping names beside it; None where it names none or stands nowhere."""
    if mapping.location is None or mapping.location.areas is None or mapping.folder is None:
        return None
    return mapping.folder / mapping.location.areas
