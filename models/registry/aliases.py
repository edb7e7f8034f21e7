"""Which versions are in use, and the history of how that came about.

`aliases.json` is replaced in one step and bears the newest entry of the history, which is then appended to
`history.jsonl`. Whatever a crash leaves, the next writer finds the entry there and appends it: no promotion happens
without being told, and none is told that did not happen.
"""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from data.errors import ModelError
from models.registry.files import as_json, read_json, replace_synced, sync_folder

CHAMPION: Final = "champion"
CHALLENGER: Final = "challenger"
SHADOW: Final = "shadow"
PREVIOUS: Final = "previous"
# What a version can be promoted to. `previous` is kept by the registry itself.
ALIASES: Final = (CHAMPION, CHALLENGER, SHADOW)

_FILE: Final = "aliases.json"
_HISTORY: Final = "history.jsonl"
_FORMAT: Final = 2

Aliases = dict[str, dict[str, str]]


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the history.

    Attributes
    ----------
    when : seconds in UTC, by the clock of the machine that wrote it
    action : saved, promoted, rolled_back, signed or pruned
    model : name of the model; `version` : the version it is about
    alias : what it was promoted to; None where the action is no promotion
    before : the version that had the alias; None for none
    reason : as given; may be empty
    serial : place of a promotion among all promotions, from 1; None for other actions
    """

    when: int
    action: str
    model: str
    version: str
    alias: str | None = None
    before: str | None = None
    reason: str = ""
    serial: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Entry:
        """What `as_dict` gave; columns that this version does not know are left out."""
        return cls(**{name: values[name] for name in cls.__slots__ if name in values})


class AliasFile:
    """The aliases and the history of one folder of models. Writing is for whoever holds the folder's lock."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self) -> Aliases:
        """Model -> alias -> version.

        Raises
        ------
        ModelError
            If the file is damaged: it is not taken for an empty one.
        """
        return self._read()[0]

    def write(self, aliases: Aliases, entry: Entry) -> None:
        """Replace the aliases and tell why.

        Raises
        ------
        ModelError
            If they could not be written; they are then as they were.
        """
        self._tell_what_is_owed()
        numbered = Entry(**{**entry.as_dict(), "serial": self._serial() + 1})
        content = {"format": _FORMAT, "aliases": aliases, "newest": numbered.as_dict()}
        try:
            replace_synced(self.folder / _FILE, as_json(content))
        except OSError as error:
            raise ModelError(_not_written(self.folder)) from error
        # The entry is safe in the aliases: should the disk be full just now, the next writer appends it.
        with contextlib.suppress(ModelError):
            self._append(numbered)

    def note(self, entry: Entry) -> None:
        """Append something that changes no alias. It is told as well as can be: the act itself has succeeded."""
        with contextlib.suppress(ModelError):
            self._append(entry)

    def history(self) -> list[Entry]:
        """All entries, oldest first. A last line that a crash cut off is left out.

        Raises
        ------
        ModelError
            If a whole line cannot be read.
        """
        entries = [_entry(line, number) for number, line in enumerate(self._lines(), start=1)]
        newest = self._read()[1]
        if newest is not None and all(entry.serial != newest.serial for entry in entries):
            entries.append(newest)
        return entries

    def _read(self) -> tuple[Aliases, Entry | None]:
        path = self.folder / _FILE
        if not path.exists():
            return {}, None
        content = read_json(path)
        newest = None
        if content.get("format") == _FORMAT:
            newest = Entry.from_dict(content["newest"]) if isinstance(content.get("newest"), dict) else None
            content = content.get("aliases", {})
        return _checked(content), newest

    def _serial(self) -> int:
        newest = self._read()[1]
        return 0 if newest is None or newest.serial is None else newest.serial

    def _lines(self) -> list[bytes]:
        path = self.folder / _HISTORY
        if not path.exists():
            return []
        # What follows the last line break was not written to its end.
        return path.read_bytes().split(b"\n")[:-1]

    def _tell_what_is_owed(self) -> None:
        newest = self._read()[1]
        if newest is not None and all(entry.serial != newest.serial for entry in self.history_told()):
            self._append(newest)

    def history_told(self) -> list[Entry]:
        """The entries that stand in the history's own file."""
        return [_entry(line, number) for number, line in enumerate(self._lines(), start=1)]

    def _append(self, entry: Entry) -> None:
        line = json.dumps(entry.as_dict(), sort_keys=True, ensure_ascii=False).encode() + b"\n"
        path = self.folder / _HISTORY
        try:
            with path.open("ab") as file:
                whole = sum(len(told) + 1 for told in self._lines())
                # A line that a crash cut off would run into this one.
                file.truncate(whole)
                try:
                    file.write(line)
                    file.flush()
                    os.fsync(file.fileno())
                except OSError:
                    with contextlib.suppress(OSError):
                        file.truncate(whole)
                    raise
            sync_folder(self.folder)
        except OSError as error:
            raise ModelError(_not_written(self.folder)) from error


def _entry(line: bytes, number: int) -> Entry:
    try:
        return Entry.from_dict(json.loads(line))
    except (ValueError, TypeError, AttributeError) as error:
        raise ModelError(f"{_HISTORY}, line {number}: cannot be read. Restore the file from a backup.") from error


def _checked(content: object) -> Aliases:
    """Aliases of the right shape; those that are not set are left out."""
    if not isinstance(content, dict) or not all(isinstance(held, dict) for held in content.values()):
        raise ModelError(f"{_FILE}: expected a JSON object of objects. Restore it from a backup.")
    return {
        str(model): {str(alias): version for alias, version in held.items() if isinstance(version, str)}
        for model, held in content.items()
    }


def _not_written(folder: Path) -> str:
    return f"{folder.name}: could not be written to, and nothing was changed. Check space and rights there."
