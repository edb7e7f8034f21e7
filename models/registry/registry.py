"""The registry: versions of models in a folder, saved whole, checked before use, put to use one at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from data.boundary import refuse
from data.errors import ModelError, UsageError
from models.registry.additions import read_judged, write_judged
from models.registry.aliases import ALIASES, CHALLENGER, CHAMPION, PREVIOUS, SHADOW, Aliases, AliasFile, Entry
from models.registry.files import replace_synced
from models.registry.manifest import checked_files, manifest_in, manifest_of, version_of
from models.registry.names import MANIFEST, SIGNATURES, check_files, check_model_name, model_name_of
from models.registry.signature import (
    TrustedKeys,
    fingerprint_of,
    signatures_of,
    signed,
    signing_key_from_environment,
    trusted_from_environment,
)
from models.registry.stored import StoredModel
from models.registry.versions import Versions

# For `expected`: whatever is in use may be replaced.
ANYONE: Final = "*"


class Registry:
    """The models of one store, in a folder.

    Any number of processes may read while one writes; writers wait for each other.

    Parameters
    ----------
    folder : Path
        Made on the first save.
    trusted_keys : Path or None
        Folder of public keys (`.pem`); a version that none of them signed is not loaded, and not put to use. None:
        the folder that HEED_MODEL_TRUSTED_KEYS names, so that no door forgets it; without one no signature is asked
        for.
    clock : seconds in UTC, for the history; the machine's own when None
    """

    def __init__(
        self, folder: Path, *, trusted_keys: Path | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        self.folder = folder
        self._trusted_folder = trusted_keys or trusted_from_environment()
        self._trusted: TrustedKeys | None = None
        self._clock = clock
        self._alias_file = AliasFile(folder)
        self._stored = Versions(folder)

    # ---- saving and loading ----

    def save(self, name: str, files: Mapping[str, bytes], *, sign_with: Path | None = None) -> str:
        """Store the files of a model, or of a bundle of models, and return the version.

        The same files twice are one version. Where its folder was damaged it is written anew.

        Parameters
        ----------
        name : of the model: the outcome, or what a bundle is called; a lower-case word
        files : name -> bytes. A single model has its files at the top (`booster.txt`, `model.json`), a bundle has a
            folder for each (`late/booster.txt`, `late/model.json`, …) and a `bundle.json` for all.
        sign_with : file of a private key; None: the one that HEED_MODEL_SIGNING_KEY names, if any

        Raises
        ------
        UsageError
            If the name or the key cannot be used.
        ModelError
            If a file may not be called so, or the folder cannot be written to; nothing is left half written.
        """
        check_model_name(name)
        check_files(files)
        version = version_of(name, files)
        manifest = manifest_of(version, files)
        key = sign_with or signing_key_from_environment()
        own = {MANIFEST: manifest}
        if key is not None:
            own[SIGNATURES] = signed(version, manifest, key)
        with self._stored.writing():
            if not self._stored.is_whole(version):
                self._stored.write(version, {**files, **own})
                self._alias_file.note(Entry(self._now(), "saved", name, version))
                return version
        if key is not None:
            self.sign(version, key)
        return version

    def load(self, version: str) -> StoredModel:
        """Read one version, and check every hash, and the signature where keys are trusted, before anything is parsed.

        Raises
        ------
        UsageError
            If there is no such version.
        ModelError
            If a file is missing, too large, or not what the manifest says, or nobody who is trusted signed it.
        """
        target = self._stored.path(version)
        manifest = manifest_in(target)
        trusted = self._keys()
        signer = None if trusted is None else trusted.checked(target, manifest)
        return StoredModel(version, checked_files(target, manifest), signer)

    def versions(self, name: str | None = None) -> list[str]:
        """Names of all versions, sorted; with `name`, those of that model."""
        return self._stored.names(name)

    def saved_at(self, version: str) -> int:
        """When a version was saved, seconds in UTC: by the history, or by the disk where that doesn't tell."""
        told = [entry.when for entry in self.history() if entry.action == "saved" and entry.version == version]
        return told[-1] if told else int((self._stored.path(version) / MANIFEST).stat().st_mtime)

    # ---- what is in use ----

    def champion(self, name: str) -> str | None:
        """The version in use for a model, or None."""
        return self.alias(name, CHAMPION)

    def alias(self, name: str, alias: str) -> str | None:
        """The version that a model's alias stands for: champion, challenger, shadow, or previous; None for none."""
        return self.aliases().get(name, {}).get(alias)

    def aliases(self) -> Aliases:
        """Model -> alias -> version, of those that are set."""
        return self._alias_file.read()

    def history(self) -> list[Entry]:
        """What was saved, promoted, rolled back, signed and pruned; oldest first."""
        return self._alias_file.history()

    def promote(
        self,
        name: str,
        version: str,
        *,
        alias: str = CHAMPION,
        expected: str | None = ANYONE,
        reason: str = "",
    ) -> str | None:
        """Put a version to use; the champion before it is kept for `rollback`. Returns what had the alias before.

        Parameters
        ----------
        name : of the model
        version : to be promoted
        alias : champion (in use), challenger (next in line), or shadow (scored beside, not shown)
        expected : the version that must have the alias now, None for that it must be free; anything if not given
        reason : for the history

        Raises
        ------
        UsageError
            If there is no such version or alias, or the version is of another model.
        ModelError
            If the version cannot be loaded, or another than the expected one has the alias: somebody was faster.
        BoundaryError
            If the version learned from something that the boundary refuses.
        """
        if alias not in ALIASES:
            raise UsageError(f"Expected one of {', '.join(ALIASES)} to promote to, got '{alias}'.")
        self._require_promotable(name, version)
        with self._stored.writing():
            self._stored.path(version)  # not pruned since
            aliases = self.aliases()
            before = aliases.get(name, {}).get(alias)
            _require_expected(name, alias, before, expected)
            if before != version:
                self._put(aliases, name, alias, version, ("promoted", reason))
        return before

    def rollback(self, name: str, *, expected: str | None = ANYONE, reason: str = "") -> str:
        """Put the version before the champion back to use, and return it. A second one goes forth again.

        Raises
        ------
        UsageError
            If there is none to go back to.
        ModelError, BoundaryError
            As `promote`.
        """
        before = self.alias(name, PREVIOUS)
        if before is None:
            raise UsageError(f"There is no earlier model for '{name}' to go back to.")
        self._require_promotable(name, before)
        with self._stored.writing():
            aliases = self.aliases()
            held = aliases.get(name, {})
            _require_expected(name, CHAMPION, held.get(CHAMPION), expected)
            # Between the two reads somebody may have promoted: what was checked is what is put back, or nothing.
            _require_expected(name, PREVIOUS, held.get(PREVIOUS), before)
            self._put(aliases, name, CHAMPION, before, ("rolled_back", reason))
        return before

    def sign(self, version: str, key: Path) -> str:
        """Sign a version that is stored already, beside those who signed it before; its hashes are checked first.

        Returns the fingerprint of the key.

        Raises
        ------
        UsageError, ModelError
            If there is no such version or key, or the version is damaged.
        """
        target = self._stored.path(version)
        manifest = manifest_in(target)
        checked_files(target, manifest)
        with self._stored.writing():
            replace_synced(target / SIGNATURES, signed(version, manifest, key, signatures_of(target)))
            self._alias_file.note(Entry(self._now(), "signed", str(model_name_of(version)), version))
        return fingerprint_of(key)

    def keep_judged(self, version: str, told: Mapping[str, Any]) -> None:
        """Keep how a version did (`models.judging`), in place of what was kept of it; its hashes are checked first.

        Raises
        ------
        UsageError, ModelError
            If there is no such version, it is damaged, or what is to be kept is none.
        """
        target = self._stored.path(version)
        checked_files(target, manifest_in(target))
        with self._stored.writing():
            write_judged(target, told)

    def judged(self, version: str) -> dict[str, Any] | None:
        """How a version did, as it was kept; None where it was not judged.

        Raises
        ------
        UsageError, ModelError
            If there is no such version, or what was kept is damaged.
        """
        return read_judged(self._stored.path(version))

    @property
    def asks_for_signatures(self) -> bool:
        """Whether versions have to be signed by a trusted key."""
        return self._trusted_folder is not None

    # ---- keeping house ----

    def require_in_use(self) -> None:
        """Refuse to start with a model in use that cannot be trusted.

        Raises
        ------
        ModelError, UsageError, BoundaryError
            On the first alias whose version is missing, damaged, not signed as asked, or refused by the boundary.
        """
        for name, held in sorted(self.aliases().items()):
            for alias in ALIASES:
                if alias in held:
                    self._require_promotable(name, held[alias])

    def prune(self, *, keep: int, name: str | None = None, dry_run: bool = False) -> list[str]:
        """Take away all but the newest versions of each model, and return those taken.

        Never one that an alias stands for, the one for `rollback` included, whatever its age; those do not count
        among the `keep` newest.

        Raises
        ------
        UsageError
            If `keep` is negative.
        ModelError
            If the aliases cannot be read: without them nothing is known to be free.
        """
        if keep < 0:
            raise UsageError(f"--keep: expected 0 or more versions to keep, got {keep}.")
        with self._stored.writing():
            aliased = {version for held in self.aliases().values() for version in held.values()}
            free = [version for version in self.versions(name) if version not in aliased]
            taken = [version for one in _by_model(free) for version in self._newest_first(one)[keep:]]
            for version in () if dry_run else taken:
                self._stored.take_away(version)
                self._alias_file.note(Entry(self._now(), "pruned", str(model_name_of(version)), version))
        return sorted(taken)

    def _newest_first(self, versions: Sequence[str]) -> list[str]:
        return sorted(versions, key=lambda version: (self.saved_at(version), version), reverse=True)

    def _require_promotable(self, name: str, version: str) -> None:
        stored = self.load(version)
        if model_name_of(version) != name:
            raise UsageError(f"'{version}' is no model for '{name}'.")
        refuse(stored.boundary_violations())
        if "lineage" in stored.card:
            from models.lineage import require_usable  # noqa: PLC0415 - it stands on this module

            require_usable(stored)

    def _put(self, aliases: Aliases, name: str, alias: str, version: str, why: tuple[str, str]) -> None:
        """Write an alias; for whoever holds the lock."""
        action, reason = why
        held = dict(aliases.get(name, {}))
        before = held.get(alias)
        held[alias] = version
        if alias == CHAMPION:
            if before is not None:
                held[PREVIOUS] = before
            # What is in use is nobody's challenger any more.
            held = {key: one for key, one in held.items() if key not in (CHALLENGER, SHADOW) or one != version}
        entry = Entry(self._now(), action, name, version, alias, before, reason)
        self._alias_file.write({**aliases, name: held}, entry)

    def _keys(self) -> TrustedKeys | None:
        if self._trusted is None and self._trusted_folder is not None:
            self._trusted = TrustedKeys.read(self._trusted_folder)
        return self._trusted

    def _now(self) -> int:
        return int(self._clock())


def _require_expected(name: str, alias: str, found: str | None, expected: str | None) -> None:
    if expected not in (ANYONE, found):
        raise ModelError(
            f"Expected {expected or 'no version'} to be the {alias} of '{name}', and it is {found or 'none'}: somebody "
            "else has promoted meanwhile, and nothing was changed. See `heed models list`, and decide again."
        )


def _by_model(versions: Sequence[str]) -> list[list[str]]:
    found: dict[str | None, list[str]] = {}
    for version in versions:
        found.setdefault(model_name_of(version), []).append(version)
    return list(found.values())
