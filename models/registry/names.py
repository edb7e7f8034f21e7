"""What versions and the files in them may be called: names that mean the same on every disk and lead nowhere else."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from data.errors import ModelError, UsageError
from models.registry.files import LARGEST_FILE

MANIFEST: Final = "manifest.json"
SIGNATURES: Final = "signatures.json"
# How a version did beside the champion, see `models.registry.additions`.
JUDGED: Final = "judged.json"
# What describes a whole: a bundle, or a single model. A card may also stand alone.
BUNDLE: Final = "bundle.json"
SINGLE: Final = "model.json"
CARD: Final = "card.json"
# What the registry itself puts beside the files of a model.
OWN_FILES: Final = frozenset({MANIFEST, SIGNATURES, JUDGED})

MODEL_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,47}")
VERSION: Final = re.compile(rf"(?P<name>{MODEL_NAME.pattern})-(?P<hash>[0-9a-f]{{12}})")
# Lower case, because some disks take `A.txt` and `a.txt` for one file; text and JSON, because a model is data. A level
# may stand in a name, as in `quantile_0.025.txt`.
_FOLDER: Final = r"[a-z][a-z0-9_]{0,47}"
_FILE: Final = re.compile(rf"(?:{_FOLDER}/){{0,2}}[a-z][a-z0-9_]{{0,47}}(?:\.[0-9]{{1,9}})?\.(?:txt|json)")
# Names that Windows keeps for devices, whatever follows them.
_DEVICES: Final = frozenset({"con", "prn", "aux", "nul", *(f"{kind}{n}" for kind in ("com", "lpt") for n in range(10))})
_MOST_FILES: Final = 200


def check_model_name(name: str) -> None:
    """Refuse a name that cannot begin the name of a version.

    Raises
    ------
    UsageError
        If it is not a lower-case word.
    """
    if not MODEL_NAME.fullmatch(name) or name in _DEVICES:
        raise UsageError(
            "Expected the name of a model as a lower-case word of letters, digits and underscores, such as 'late', "
            f"got {name!r}."
        )


def is_version(text: str) -> bool:
    """Whether a text is formed as the name of a version."""
    return VERSION.fullmatch(text) is not None


def model_name_of(version: str) -> str | None:
    """The name of the model that a version is of; None where the text is not formed as a version."""
    found = VERSION.fullmatch(version)
    return None if found is None else found["name"]


def is_file_name(name: str) -> bool:
    """Whether a file of a model may be called so: at most two folders deep, `.txt` or `.json`, no way out."""
    return (
        _FILE.fullmatch(name) is not None
        and name not in OWN_FILES
        and not any(part.split(".")[0] in _DEVICES for part in name.split("/"))
    )


def check_files(files: Mapping[str, bytes]) -> None:
    """Refuse files that are no model.

    Raises
    ------
    ModelError
        If a name is not allowed, two of them cannot stand on one disk, or none of them describes a model.
    """
    strange = sorted(name for name in files if not is_file_name(name))
    if strange:
        raise ModelError(
            "Expected files called such as 'model.json' or 'late/booster.txt' (lower case, .txt or .json, at most two "
            f"folders), got {strange[0]!r}."
        )
    if len(files) > _MOST_FILES:
        raise ModelError(f"Expected at most {_MOST_FILES} files in a model, got {len(files)}.")
    large = sorted(name for name, data in files.items() if len(data) > LARGEST_FILE)
    if large:
        raise ModelError(f"{large[0]}: expected at most {LARGEST_FILE:,} bytes, got {len(files[large[0]]):,}.")
    if not any(name.rpartition("/")[2] == "model.json" for name in files):
        raise ModelError(
            "Expected a 'model.json' at the top or in a folder of its own, got the files "
            f"{', '.join(sorted(files)) or '(none)'}."
        )


def part_names(files: Iterable[str]) -> tuple[str, ...]:
    """The parts of a model, sorted: the folders that hold a `model.json`; '' is the model itself, where it is one."""
    return tuple(sorted(name.rpartition("/")[0] for name in files if name.rpartition("/")[2] == "model.json"))
