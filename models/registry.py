"""Models on disk: data, not objects. A version is a folder of LightGBM text and JSON under a manifest of hashes.

    FOLDER/
      aliases.json                  {"late": {"champion": VERSION, "previous": VERSION}}
      late-4f0c9a1b2d3e/
        booster.txt                 LightGBM's own text
        model.json                  features, offset, calibration, card
        manifest.json               SHA-256 and size of the two

The name of a version is the hash of its contents, so the same training gives the same version, and a changed file
can't keep its name. Nothing here is ever unpickled.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from data.errors import ModelError, UsageError

MODEL_FILES: Final = ("booster.txt", "model.json")
_MANIFEST: Final = "manifest.json"
_ALIASES: Final = "aliases.json"
CHAMPION: Final = "champion"
_PREVIOUS: Final = "previous"

# A text model of a million leaves is about 100 MB. What is larger was not made by heed.
_LARGEST_FILE: Final = 200_000_000


@dataclass(frozen=True, slots=True)
class StoredModel:
    """The files of one version, with hashes already checked."""

    version: str
    files: dict[str, bytes]

    @property
    def description(self) -> dict[str, Any]:
        """What `model.json` says."""
        described: dict[str, Any] = json.loads(self.files["model.json"])
        return described


class Registry:
    """The models of one store, in a folder.

    Parameters
    ----------
    folder : Path
        Made on the first save.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def save(self, outcome: str, files: dict[str, bytes]) -> str:
        """Store the files of a model and return its version; the same files twice are one version."""
        if set(files) != set(MODEL_FILES):
            raise ModelError(f"Expected the files {', '.join(MODEL_FILES)}, got {', '.join(sorted(files))}.")
        version = f"{outcome}-{_content_hash(files)[:12]}"
        target = self.folder / version
        if not target.exists():
            self._write_whole(target, files)
        return version

    def load(self, version: str) -> StoredModel:
        """Read one version and check every hash before anything is parsed.

        Raises
        ------
        UsageError
            If there is no such version.
        ModelError
            If a file is missing, too large, or not what the manifest says.
        """
        target = self.folder / version
        if version not in self.versions():
            known = ", ".join(self.versions()) or "none yet; run `heed train`"
            raise UsageError(f"Expected a model version, and '{version}' is none. There is: {known}.")
        manifest = _read_json(target / _MANIFEST)
        files = {name: _checked_bytes(target / name, manifest.get(name)) for name in MODEL_FILES}
        if not version.endswith(_content_hash(files)[:12]):
            raise ModelError(
                f"{version}: its contents belong to another version. Restore the folder from a backup, or train again."
            )
        return StoredModel(version, files)

    def versions(self, outcome: str | None = None) -> list[str]:
        """Names of all versions, sorted."""
        if not self.folder.is_dir():
            return []
        names = sorted(path.parent.name for path in self.folder.glob(f"*/{_MANIFEST}"))
        return [name for name in names if outcome is None or name.startswith(f"{outcome}-")]

    def champion(self, outcome: str) -> str | None:
        """The version in use for an outcome, or None."""
        version: str | None = self._aliases().get(outcome, {}).get(CHAMPION)
        return version

    def promote(self, outcome: str, version: str) -> None:
        """Put a version to use. The one before it is kept for `rollback`."""
        self.load(version)
        if not version.startswith(f"{outcome}-"):
            raise UsageError(f"'{version}' is no model for '{outcome}'.")
        aliases = self._aliases()
        before = aliases.get(outcome, {}).get(CHAMPION)
        if before == version:
            return
        aliases[outcome] = {CHAMPION: version, _PREVIOUS: before}
        _replace(self.folder / _ALIASES, json.dumps(aliases, indent=2, sort_keys=True).encode())

    def rollback(self, outcome: str) -> str:
        """Put the version before the champion back to use, and return it."""
        before = self._aliases().get(outcome, {}).get(_PREVIOUS)
        if before is None:
            raise UsageError(f"There is no earlier model for '{outcome}' to go back to.")
        self.promote(outcome, before)
        restored: str = before
        return restored

    def _aliases(self) -> dict[str, Any]:
        path = self.folder / _ALIASES
        return _read_json(path) if path.exists() else {}

    def _write_whole(self, target: Path, files: dict[str, bytes]) -> None:
        """Write beside the target and rename: a version is there whole, or it is not there."""
        self.folder.mkdir(parents=True, exist_ok=True)
        manifest = {
            name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)} for name, data in files.items()
        }
        with tempfile.TemporaryDirectory(dir=self.folder, prefix=".new-") as made:
            for name, data in files.items():
                (Path(made) / name).write_bytes(data)
            (Path(made) / _MANIFEST).write_text(json.dumps(manifest, indent=2, sort_keys=True))
            # Another process may have stored the same version meanwhile: equal contents, so its copy serves.
            with contextlib.suppress(OSError):
                os.rename(made, target)  # noqa: PTH104  Path.rename follows the same call; this one names it
            Path(made).mkdir(exist_ok=True)
        if not target.exists():
            raise ModelError(f"{target.name}: could not be written to {self.folder}. Check space and rights there.")


def _content_hash(files: dict[str, bytes]) -> str:
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(f"{name}:{len(files[name])}:".encode())
        digest.update(files[name])
    return digest.hexdigest()


def _checked_bytes(path: Path, promised: dict[str, Any] | None) -> bytes:
    where = f"{path.parent.name}/{path.name}"
    if promised is None or not path.is_file():
        raise ModelError(f"{where}: missing. Restore the folder from a backup, or train again.")
    if path.stat().st_size > _LARGEST_FILE:
        raise ModelError(f"{where}: larger than {_LARGEST_FILE:,} bytes; heed writes no such file. Train again.")
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != promised.get("sha256"):
        raise ModelError(
            f"{where}: its SHA-256 is not the one in the manifest, so it was damaged or changed. "
            "Restore it from a backup, or train again."
        )
    return data


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ModelError(
            f"{path.parent.name}/{path.name}: cannot be read as JSON. Restore it from a backup."
        ) from error
    if not isinstance(content, dict):
        raise ModelError(f"{path.parent.name}/{path.name}: expected a JSON object. Restore it from a backup.")
    return content


def _replace(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(f".{os.getpid()}.new")
    beside.write_bytes(data)
    beside.replace(path)
