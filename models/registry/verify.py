"""Looking over a whole folder of models: every version, every alias, the history, and what lies about."""

from __future__ import annotations

from dataclasses import dataclass

from data.errors import HeedError
from models.registry.files import UNFINISHED
from models.registry.names import MANIFEST, OWN_FILES, is_version
from models.registry.registry import Registry


@dataclass(frozen=True, slots=True)
class Verified:
    """What was looked at, and what is wrong with it.

    Attributes
    ----------
    name : a version, or a file of the registry itself
    problem : in words; None where nothing is wrong
    signed_by : fingerprint of the trusted key; None where no key is trusted, or nothing could be checked
    """

    name: str
    problem: str | None = None
    signed_by: str | None = None


def verify(registry: Registry) -> list[Verified]:
    """Check all hashes, manifests and signatures, and that every alias stands for a version that is there."""
    if not registry.folder.is_dir():
        return []
    names = sorted(path.name for path in registry.folder.iterdir() if path.is_dir() and is_version(path.name))
    found = [_version(registry, name) for name in names]
    return [*found, _aliases(registry, frozenset(names)), _history(registry)]


def _version(registry: Registry, name: str) -> Verified:
    folder = registry.folder / name
    if not (folder / MANIFEST).is_file():
        return Verified(name, f"{name}/{MANIFEST}: missing. Restore the folder from a backup, or train again.")
    try:
        stored = registry.load(name)
        registry.judged(name)
    except HeedError as error:
        return Verified(name, str(error))
    listed = {*stored.files, *OWN_FILES}
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}
    # What a killed writer left is no stranger's: the next writer sweeps it.
    strange = sorted(name for name in there - listed if not name.startswith(UNFINISHED))
    if strange:
        return Verified(name, f"{name}/{strange[0]}: not in the manifest, and never read. Take it away.")
    refused = stored.boundary_violations()
    return Verified(name, "; ".join(str(one) for one in refused) or None, stored.signed_by)


def _aliases(registry: Registry, names: frozenset[str]) -> Verified:
    try:
        aliases = registry.aliases()
    except HeedError as error:
        return Verified("aliases.json", str(error))
    lost = sorted(
        f"{model}'s {alias} ({version})"
        for model, held in aliases.items()
        for alias, version in held.items()
        if version not in names
    )
    problem = f"Expected versions that are there, and {', '.join(lost)} is not. Promote another." if lost else None
    return Verified("aliases.json", problem)


def _history(registry: Registry) -> Verified:
    try:
        registry.history()
    except HeedError as error:
        return Verified("history.jsonl", str(error))
    return Verified("history.jsonl")
