"""The manifest of a version: what its files are called, how long they are, and what their hashes must be."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from data.errors import ModelError
from models.registry.files import LARGEST_JSON, as_json, content_hash, parse_json, read_limited, sha256
from models.registry.names import MANIFEST, is_file_name

# 1: a flat object of the two files booster.txt and model.json. 2: any files, with the version and the whole hash.
FORMAT: Final = 2
_HASH_LENGTH: Final = 12


def version_of(name: str, files: Mapping[str, bytes]) -> str:
    """What a version of the model `name` with this content is called."""
    return f"{name}-{content_hash(files)[:_HASH_LENGTH]}"


def manifest_of(version: str, files: Mapping[str, bytes]) -> bytes:
    """The manifest as it is stored; the same bytes for the same content."""
    listed = {name: {"sha256": sha256(data), "bytes": len(data)} for name, data in files.items()}
    return as_json({"format": FORMAT, "version": version, "content": content_hash(files), "files": listed})


def manifest_in(folder: Path) -> bytes:
    """The manifest of the version in a folder, as it is stored.

    Raises
    ------
    ModelError
        If there is none.
    """
    return read_limited(folder / MANIFEST, f"{folder.name}/{MANIFEST}", LARGEST_JSON)


def checked_files(folder: Path, manifest_bytes: bytes) -> dict[str, bytes]:
    """The files of the version in a folder, each read once and held against its hash in the manifest.

    Raises
    ------
    ModelError
        If the manifest is none of ours, a file is missing, too large, or not what the manifest says, or the contents
        belong to a version of another name.
    """
    version = folder.name
    manifest = parse_json(manifest_bytes, f"{version}/{MANIFEST}")
    listed = _listed(version, manifest)
    files = {name: _checked(folder, name, promised) for name, promised in sorted(listed.items())}
    found = content_hash(files)
    whole = manifest.get("content", found) == found and manifest.get("version", version) == version
    if not whole or not version.endswith(f"-{found[:_HASH_LENGTH]}"):
        raise ModelError(
            f"{version}: its contents belong to another version. Restore the folder from a backup, or train again."
        )
    return files


def _listed(version: str, manifest: dict[str, Any]) -> dict[str, Any]:
    """The part of a manifest that lists files, with every name checked before a path is made of it."""
    given = manifest.get("format", 1)
    if given not in (1, FORMAT):
        raise ModelError(
            f"{version}: expected a manifest of format {FORMAT}, got {given!r}. It was written by another version of "
            "heed: use that one, or train again."
        )
    listed = manifest if given == 1 else manifest.get("files")
    if not isinstance(listed, dict) or not listed or not all(is_file_name(name) for name in listed):
        raise ModelError(
            f"{version}/{MANIFEST}: expected a list of the model's files under plain names. Restore it from a backup, "
            "or train again."
        )
    return listed


def _checked(folder: Path, name: str, promised: object) -> bytes:
    where = f"{folder.name}/{name}"
    data = read_limited(folder / name, where)
    if not isinstance(promised, dict) or sha256(data) != promised.get("sha256"):
        raise ModelError(
            f"{where}: its SHA-256 is not the one in the manifest, so it was damaged or changed. "
            "Restore it from a backup, or train again."
        )
    return data
