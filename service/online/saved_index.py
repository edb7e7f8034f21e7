"""The event index of a scoring, kept for the service: cases that are posted are worked out from the very same facts.

    INDEX_FOLDER/1763683200-4f0c9a1b2d3e5a6b/scoring.json    as of when, which clock, which calendar
                                             index.json …    see `features.index_files`

A folder is named by its moment and by a hash of all that is in it. It is written under another name and renamed when it
is whole, so a reader sees all of it or none, and it never changes afterwards. The newest and the one before it are
kept: whoever has an older one mapped keeps what he has mapped.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from data.clock import WorkingCalendar
from data.errors import FileFormatError, StoreError
from features.event_index import EventIndex
from service.known import calendar_of

FORMAT: Final = 1
KEPT: Final = 2
_ABOUT: Final = "scoring.json"
_UNFINISHED: Final = ".unfinished-"
_ABANDONED_AFTER: Final = 3_600.0
_CHUNK: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class About:
    """What goes with an index so that features can be worked out from it.

    Attributes
    ----------
    as_of : int64 seconds in UTC; it holds what was known strictly before
    time_zone : of the city
    standards : the service standards of the store as TOML, one text per source: they tell when the offices work
    model_version : of the models that the scoring told by
    """

    as_of: int
    time_zone: str
    standards: tuple[str, ...]
    model_version: str


@dataclass(frozen=True, slots=True)
class SavedIndex:
    """An index that was opened; its arrays are mapped into memory."""

    name: str
    index: EventIndex
    about: About
    calendar: WorkingCalendar | None


def save_index(folder: Path, index: EventIndex, about: About, beside_it: Mapping[str, bytes] | None = None) -> str:
    """Keep the index of a scoring, and let go of all but the newest two; returns its name.

    `beside_it` are files of other things that the scoring found, by name (`service.past_cases`).

    Raises
    ------
    StoreError
        If the folder cannot be written to. Nothing is left half written under a name that readers look for.
    """
    beside = folder / f"{_UNFINISHED}{uuid.uuid4().hex}"
    try:
        beside.mkdir(parents=True, mode=0o700)
        index.save(beside)
        for file, content in (beside_it or {}).items():
            (beside / file).write_bytes(content)
        listed = {"format": FORMAT, **{name: getattr(about, name) for name in About.__slots__}}
        (beside / _ABOUT).write_text(json.dumps(listed, indent=1, ensure_ascii=False), encoding="utf-8")
        name = f"{about.as_of}-{_fingerprint(beside)}"
        _put(beside, folder / name)
        _prune(folder)
    except OSError as error:
        shutil.rmtree(beside, ignore_errors=True)
        raise StoreError(
            f"The event index could not be kept in {folder} ({type(error).__name__}). The risks are stored. "
            "Make room there, or name another folder with HEED_INDEX_DIR, and score again."
        ) from error
    return name


def newest_index(folder: Path) -> str | None:
    """The name of the index with the latest moment, of those the one saved last; None where there is none."""
    found = _saved(folder)
    return found[-1].name if found else None


def index_of_moment(folder: Path, as_of: int) -> Path | None:
    """Where the index of the scoring of a moment (seconds in UTC) lies, the one saved last; None: nowhere."""
    found = [home for home in _saved(folder) if home.name.startswith(f"{as_of}-")]
    return found[-1] if found else None


def open_index(folder: Path, name: str) -> SavedIndex:
    """Open one that `newest_index` named, after comparing all of it with the hash in its name.

    Raises
    ------
    FileFormatError
        If it is gone or damaged.
    UsageError
        If it was made by a version of heed whose facts are others.
    """
    home = folder / name
    try:
        if _fingerprint(home) != name.rpartition("-")[2]:
            raise FileFormatError(f"{home}: the event index is damaged. Make it anew: `heed score`.")
        about = _about(home)
    except OSError as error:
        raise FileFormatError(f"{home}: expected an event index, and it cannot be read. Score again.") from error
    return SavedIndex(name, EventIndex.open(home), about, calendar_of(about.standards))


def _about(home: Path) -> About:
    try:
        listed: dict[str, Any] = json.loads((home / _ABOUT).read_text(encoding="utf-8"))
        if listed["format"] != FORMAT:
            raise FileFormatError(f"{home}: expected an index of format {FORMAT}. Make it anew: `heed score`.")
        return About(
            int(listed["as_of"]), str(listed["time_zone"]), tuple(listed["standards"]), str(listed["model_version"])
        )
    except (ValueError, KeyError, TypeError) as error:
        raise FileFormatError(
            f"{home / _ABOUT}: expected what an index is of, and it is damaged. Score again."
        ) from error


def _saved(folder: Path) -> list[Path]:
    """Whole indexes, the newest last."""
    found: list[tuple[int, int, Path]] = []
    try:
        for home in folder.iterdir():
            moment = home.name.partition("-")[0]
            about = home / _ABOUT
            if moment.isdigit() and about.exists():
                found.append((int(moment), about.stat().st_mtime_ns, home))
    except FileNotFoundError:
        # No folder yet, or one of them was let go meanwhile; the next look will tell.
        pass
    return [home for _moment, _written, home in sorted(found)]


def _put(beside: Path, home: Path) -> None:
    if (home / _ABOUT).exists():
        # The same contents under the same name: only the order of saving is news.
        os.utime(home / _ABOUT)
        shutil.rmtree(beside)
        return
    try:
        beside.rename(home)
    except OSError:
        # Somebody else put the same one there just now.
        if not (home / _ABOUT).exists():
            raise
        shutil.rmtree(beside)


def _prune(folder: Path) -> None:
    for home in _saved(folder)[:-KEPT]:
        shutil.rmtree(home, ignore_errors=True)
    for beside in folder.glob(f"{_UNFINISHED}*"):
        if time.time() - beside.stat().st_mtime > _ABANDONED_AFTER:
            shutil.rmtree(beside, ignore_errors=True)


def _fingerprint(home: Path) -> str:
    """A hash of all files of a folder and their names."""
    told = hashlib.blake2b(digest_size=8)
    for path in sorted(path for path in home.rglob("*") if path.is_file()):
        told.update(f"{path.relative_to(home).as_posix()}\0{path.stat().st_size}\0".encode())
        with path.open("rb") as file:
            while part := file.read(_CHUNK):
                told.update(part)
    return told.hexdigest()
