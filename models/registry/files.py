"""Reading and writing so that a file is there whole, or not there: hashes, limits, syncing, one writer at a time."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from data.errors import ModelError

# A text model of a million leaves is about 100 MB. What is larger was not made by heed.
LARGEST_FILE: Final = 200_000_000
LARGEST_JSON: Final = 20_000_000

# What is being written, or taken away, begins so; what a killed process leaves of it is swept by the next writer.
UNFINISHED: Final = ".new-"

_LOCK: Final = ".lock"
_BETWEEN_TRIES: Final = 0.02


def sha256(data: bytes) -> str:
    """The SHA-256 of some bytes, 64 hex digits."""
    return hashlib.sha256(data).hexdigest()


def content_hash(files: Mapping[str, bytes]) -> str:
    """One SHA-256 of all files, of their names and of nothing else: 64 hex digits."""
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(f"{name}:{len(files[name])}:".encode())
        digest.update(files[name])
    return digest.hexdigest()


def read_limited(path: Path, where: str, largest: int = LARGEST_FILE) -> bytes:
    """The bytes of a file of a model.

    Raises
    ------
    ModelError
        If it is no file, cannot be read, or is larger than any that heed writes.
    """
    if path.is_symlink() or not path.is_file():
        raise ModelError(f"{where}: missing. Restore the folder from a backup, or train again.")
    if path.stat().st_size > largest:
        raise ModelError(f"{where}: larger than {largest:,} bytes; heed writes no such file. Train again.")
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelError(f"{where}: cannot be read. Check the rights on the folder of models.") from error


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object.

    Raises
    ------
    ModelError
        If there is none that can be read.
    """
    where = f"{path.parent.name}/{path.name}"
    return parse_json(read_limited(path, where, LARGEST_JSON), where)


def parse_json(data: bytes, where: str) -> dict[str, Any]:
    """A JSON object out of bytes; `where` they came from is for the message.

    Raises
    ------
    ModelError
        If they hold none.
    """
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{where}: cannot be read as JSON. Restore it from a backup.") from error
    if not isinstance(content, dict):
        raise ModelError(f"{where}: expected a JSON object. Restore it from a backup.")
    return content


def as_json(content: Mapping[str, Any]) -> bytes:
    """JSON that is the same bytes for the same content."""
    return json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False).encode()


def write_synced(path: Path, data: bytes) -> None:
    """Write a new file, and return when it would outlive a power cut."""
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Make the names in a folder outlive a power cut."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def replace_synced(path: Path, data: bytes) -> None:
    """Put a file in the place of another: a reader sees the old or the new one, a crash leaves one of them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{UNFINISHED}{path.name}-{os.getpid()}-{time.monotonic_ns()}")
    try:
        write_synced(beside, data)
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


@contextmanager
def one_writer(folder: Path, *, patience: float) -> Iterator[None]:
    """Be the only one who writes to a folder until the block ends; readers go on reading.

    The lock is the system's own, so that it ends with the process that holds it, killed or not.

    Raises
    ------
    ModelError
        If another process still writes after `patience` seconds.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / _LOCK).open("ab") as lock:
        until = time.monotonic() + patience
        while not _taken(lock.fileno()):
            if time.monotonic() >= until:
                raise ModelError(
                    f"Expected to be the only one who writes to {folder.name}, and another process has been writing "
                    f"for {patience:g} seconds. Try again when it is done."
                )
            time.sleep(_BETWEEN_TRIES)
        yield


def _taken(file: int) -> bool:
    """Whether the lock could be taken; it ends when the file is closed."""
    import fcntl  # noqa: PLC0415 - only Unix has it, and only writers need it

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
