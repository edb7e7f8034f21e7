"""The folder of versions: each is there whole, or not there, whatever happens while it is written or taken away."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from data.errors import HeedError, ModelError, UsageError
from models.registry.files import UNFINISHED, one_writer, sync_folder, write_synced
from models.registry.manifest import checked_files, manifest_in
from models.registry.names import MANIFEST, is_version, model_name_of

_PATIENCE: Final = 60.0


class Versions:
    """The versions in a folder. Writing is for whoever is in the `writing` block.

    Parameters
    ----------
    folder : Path
        Made by the first writer.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def names(self, model: str | None = None) -> list[str]:
        """Names of all versions, sorted; with `model`, those of that one."""
        if not self.folder.is_dir():
            return []
        names = sorted(path.parent.name for path in self.folder.glob(f"*/{MANIFEST}"))
        return [found for found in names if is_version(found) and model in (None, model_name_of(found))]

    def path(self, version: str) -> Path:
        """The folder of one version.

        Raises
        ------
        UsageError
            If there is no such version.
        """
        names = self.names()
        if version not in names:
            known = ", ".join(names) or "none yet; run `heed train`"
            raise UsageError(f"Expected a model version, and '{version}' is none. There is: {known}.")
        return self.folder / version

    def is_whole(self, version: str) -> bool:
        """Whether a version is there and its hashes are right."""
        target = self.folder / version
        try:
            checked_files(target, manifest_in(target))
        except HeedError:
            return False
        return True

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Be the only writer, and sweep what a killed one left: whoever holds the lock knows that nobody is at it.

        Raises
        ------
        ModelError
            If another process still writes after a minute, or the folder cannot be written to.
        """
        try:
            with one_writer(self.folder, patience=_PATIENCE):
                for left in (*self.folder.glob(f"{UNFINISHED}*"), *self.folder.glob(f"*/{UNFINISHED}*")):
                    shutil.rmtree(left) if left.is_dir() else left.unlink()
                yield
        except OSError as error:
            raise ModelError(
                f"{self.folder.name}: could not be written to ({error.strerror}). Check space and rights there."
            ) from error

    def write(self, version: str, files: Mapping[str, bytes]) -> None:
        """Write beside the target, sync, and rename; a damaged version of that name makes way.

        Raises
        ------
        ModelError
            If it could not be written; nothing of it is left then.
        """
        target = self.folder / version
        made = self._aside(version)
        try:
            made.mkdir()
            for name, data in files.items():
                (made / name).parent.mkdir(parents=True, exist_ok=True)
                write_synced(made / name, data)
            for folder in (made, *(path for path in made.rglob("*") if path.is_dir())):
                sync_folder(folder)
            if target.exists():
                self.take_away(version)
            made.rename(target)
            sync_folder(self.folder)
        except OSError as error:
            raise ModelError(
                f"{version}: could not be written to {self.folder.name} ({error.strerror}). Check space and rights "
                "there."
            ) from error
        finally:
            shutil.rmtree(made, ignore_errors=True)

    def take_away(self, version: str) -> None:
        """Take a version away whole: it is renamed first, so that no half of it can ever be seen."""
        aside = self._aside(version)
        (self.folder / version).rename(aside)
        sync_folder(self.folder)
        shutil.rmtree(aside, ignore_errors=True)

    def _aside(self, version: str) -> Path:
        return self.folder / f"{UNFINISHED}{version}-{os.getpid()}-{time.monotonic_ns()}"
