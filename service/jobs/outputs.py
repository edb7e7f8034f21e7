"""Where jobs leave files: in folders beside the store, under names that the jobs choose, whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from data.database import file_of, parse_url
from data.errors import StoreError
from service.settings import Settings


def beside_store(settings: Settings, ending: str) -> Path:
    """The folder NAME.`ending` beside an SQLite store, or heed.`ending` for a server."""
    file = file_of(parse_url(settings.store_url))
    return Path(f"heed.{ending}") if file is None else file.with_suffix(f".{ending}")


def reports_folder(settings: Settings) -> Path:
    """Where pages and figures that jobs made are."""
    return beside_store(settings, "reports")


def backups_folder(settings: Settings) -> Path:
    """Where backups that jobs made are. They hold keys: apart from the reports, which may be shown to others."""
    return beside_store(settings, "backups")


def mappings_folder(settings: Settings) -> Path:
    """Where an operator puts mappings of portals that heed does not ship."""
    return beside_store(settings, "mappings")


class Unfinished:
    """Files of one attempt at a job, in a folder of their own that nobody looks at, until `put_in_place`.

    Parameters
    ----------
    folder : made if it is missing, for its owner only
    name : of the job's folder in it
    attempt : two attempts at once, one of them in vain, do not meet

    Raises
    ------
    StoreError
        If the folder cannot be written to.
    """

    def __init__(self, folder: Path, name: str, attempt: int) -> None:
        self.target = folder / name
        self._made = folder / f".{name}.{attempt}"
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            # What an attempt of this number left that was handed back.
            shutil.rmtree(self._made, ignore_errors=True)
            self._made.mkdir(mode=0o700)
        except OSError as error:
            raise _unwritable(folder, error) from None

    def path(self, name: str) -> Path:
        """Where to write a file of the job, for whoever writes it itself."""
        return self._made / name

    def write(self, files: Mapping[str, str]) -> None:
        """Write texts, as UTF-8, and have the disk keep them."""
        try:
            for name, text in files.items():
                with self.path(name).open("w", encoding="utf-8", newline="") as file:
                    file.write(text)
                    file.flush()
                    os.fsync(file.fileno())
        except OSError as error:
            raise _unwritable(self.target.parent, error) from None

    def put_in_place(self) -> None:
        """Make the files those of the job; for the moment at which the job ends, and nobody else can be at it.

        Whatever ends the process here, the next attempt makes the same files and puts them there.
        """
        try:
            shutil.rmtree(self.target, ignore_errors=True)
            self._made.rename(self.target)
            for left in self.target.parent.glob(f".{self.target.name}.*"):
                shutil.rmtree(left, ignore_errors=True)
        except OSError as error:
            raise _unwritable(self.target.parent, error) from None


def _unwritable(folder: Path, error: OSError) -> StoreError:
    return StoreError(f"{folder.name}: could not be written to ({error.strerror}). Check space and rights there.")
