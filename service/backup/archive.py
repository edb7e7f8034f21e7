"""The archive of a backup: a tar file or a folder with a manifest, checked to the last bit before anything is used.

In a tar file the last member holds the SHA-256 of every byte before it, and the bytes from there on can only be one
thing; in a folder, `manifest.sha256` holds that of the manifest. The manifest holds that of every other file. This
finds damage, not malice: whoever may alter an archive can also write new hashes. Keep it, and its audit head, where he
cannot.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tarfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO, Final

from data.errors import FileFormatError, UsageError

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
MANIFEST_SUM: Final = "manifest.sha256"
ARCHIVE_SUM: Final = "archive.sha256"

Progress = Callable[[str, int, int], None]

_BLOCK: Final = 512
_CHUNK: Final = 1 << 20
_LARGEST_MANIFEST: Final = 50_000_000
_PART: Final = r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}"
_NAME: Final = re.compile(rf"tables/[a-z_]{{1,63}}\.parquet|models(?:/{_PART}){{1,8}}|settings\.json")


@dataclass(frozen=True, slots=True)
class FileSum:
    """The size and the SHA-256 of one file of an archive."""

    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a backup says about itself.

    Attributes
    ----------
    made_at : seconds in UTC
    heed, store_version : of whom and of which version it was made
    rows : table -> rows
    audit_head : the newest entry of the audit trail in it, `HASH@SEQ`
    files : name -> size and hash
    """

    made_at: int
    heed: str
    store_version: str
    engine: str
    rows: Mapping[str, int]
    audit_head: str
    files: Mapping[str, FileSum]

    def to_bytes(self) -> bytes:
        """As JSON, the same for the same contents."""
        return (json.dumps({"format": FORMAT, **asdict(self)}, indent=1, sort_keys=True) + "\n").encode()

    @classmethod
    def parse(cls, content: bytes) -> Manifest:
        """Read a manifest.

        Raises
        ------
        FileFormatError
            If it is none, or of a later format.
        """
        try:
            told = json.loads(content)
            if told.pop("format") != FORMAT:
                raise FileFormatError(
                    f"Expected a backup of format {FORMAT}, got another one. Use the heed that made it, or a later one."
                )
            files = {str(name): FileSum(int(one["bytes"]), str(one["sha256"])) for name, one in told["files"].items()}
            rows = {str(name): int(count) for name, count in told["rows"].items()}
            return cls(**{**told, "files": files, "rows": rows, "made_at": int(told["made_at"])})
        except (AttributeError, KeyError, TypeError, ValueError):
            raise _damaged(MANIFEST, "is no manifest of a backup") from None


class Archive:
    """A backup that was checked whole. Made by `open_archive`."""

    def __init__(self, manifest: Manifest, opener: Callable[[str], BinaryIO]) -> None:
        self.manifest = manifest
        self._opener = opener

    def names(self, under: str) -> list[str]:
        """The files below a folder of the archive, sorted."""
        return sorted(name for name in self.manifest.files if name.startswith(f"{under}/"))

    def open(self, name: str) -> BinaryIO:
        """A file of the manifest, for reading from its beginning."""
        return self._opener(name)


@contextmanager
def open_archive(path: Path, *, progress: Progress | None = None) -> Iterator[Archive]:
    """Check all of an archive, then give its files.

    Raises
    ------
    FileFormatError
        If it is no backup, is damaged or cut off, or holds anything that the manifest doesn't name.
    UsageError
        If there is no such file or folder.
    """
    if path.is_dir():
        yield _checked(_Folder(path), progress)
        return
    try:
        file = path.open("rb")
    except OSError as error:
        raise UsageError(f"{path.name} cannot be read: {error.strerror}. Give the path of a backup.") from None
    with file:
        _check_whole(file, path.name)
        try:
            with tarfile.open(fileobj=file, mode="r:") as tar:
                yield _checked(_Tar(tar), progress)
        except tarfile.TarError:
            raise _damaged(path.name, "is no archive") from None


def pack(folder: Path, names: list[str], file: BinaryIO, *, made_at: int) -> None:
    """Write files of a folder into a tar file, in that order, and its own hash at the end."""
    digest = hashlib.sha256()

    def put(data: bytes) -> None:
        digest.update(data)
        file.write(data)

    for name in names:
        size = (folder / name).stat().st_size
        put(_header(name, size, made_at))
        with (folder / name).open("rb") as source:
            while chunk := source.read(_CHUNK):
                put(chunk)
        put(b"\0" * (-size % _BLOCK))
    file.write(_tail(digest.hexdigest()))


def sum_of(path: Path) -> FileSum:
    """The size and hash of a file on the disk."""
    with path.open("rb") as file:
        return FileSum(path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest())


def sum_line(manifest: bytes) -> bytes:
    """What `sha256sum --check` reads, for the manifest of a folder."""
    return f"{hashlib.sha256(manifest).hexdigest()}  {MANIFEST}\n".encode()


def may_be_called(name: str) -> bool:
    """Whether a file of an archive may be called so: below one of our folders, and nowhere else."""
    return _NAME.fullmatch(name) is not None


class _Folder:
    """The files of a folder."""

    own: Final = (MANIFEST, MANIFEST_SUM)

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.where = folder.name

    def names(self) -> list[str]:
        found = []
        for path in sorted(self._folder.rglob("*")):
            if path.is_symlink() or not (path.is_dir() or path.is_file()):
                raise _damaged(self.where, "holds something that is no file")
            if path.is_file():
                found.append(path.relative_to(self._folder).as_posix())
        return found

    def open(self, name: str) -> BinaryIO:
        return (self._folder / name).open("rb")


class _Tar:
    """The members of a tar file. They are read where they are and never extracted by their own names."""

    own: Final = (MANIFEST, MANIFEST_SUM, ARCHIVE_SUM)

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar
        self._members: dict[str, tarfile.TarInfo] = {}
        self.where = Path(str(tar.name)).name if tar.name else "archive"

    def names(self) -> list[str]:
        for member in self._tar:
            if not member.isreg() or member.name in self._members:
                raise _damaged(self.where, "holds something that is no file, or twice the same")
            self._members[member.name] = member
        return list(self._members)

    def open(self, name: str) -> BinaryIO:
        found = self._tar.extractfile(self._members[name])
        if found is None:
            raise _damaged(name, "cannot be read")
        return found  # type: ignore[return-value]  # a reader of bytes, as typeshed says less precisely


def _checked(source: _Folder | _Tar, progress: Progress | None) -> Archive:
    names = source.names()
    if not {MANIFEST, MANIFEST_SUM} <= set(names):
        raise _damaged(source.where, f"holds no {MANIFEST}, or not its hash")
    content = _read(source, MANIFEST, _LARGEST_MANIFEST)
    if _read(source, MANIFEST_SUM, _BLOCK) != sum_line(content):
        raise _damaged(MANIFEST, "is not as it was written")
    manifest = Manifest.parse(content)
    if strange := sorted({*names} ^ {*manifest.files, *source.own}):
        raise _damaged(source.where, f"holds {len(strange)} files more or fewer than its manifest")
    if not all(may_be_called(name) for name in manifest.files):
        raise _damaged(source.where, "names a file that no backup holds, or a place outside")
    total = sum(one.bytes for one in manifest.files.values())
    done = 0
    for name, told in manifest.files.items():
        if _sum(source.open(name)) != told:
            raise _damaged(name, "is not as it was written")
        done += told.bytes
        if progress is not None:
            progress("check", done, total)
    return Archive(manifest, source.open)


def _read(source: _Folder | _Tar, name: str, largest: int) -> bytes:
    with source.open(name) as file:
        return file.read(largest + 1)


def _sum(file: BinaryIO) -> FileSum:
    digest, size = hashlib.sha256(), 0
    with file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return FileSum(size, digest.hexdigest())


def _check_whole(file: BinaryIO, where: str) -> None:
    """Compare every byte with the hash at the end; the file is at its beginning again after it."""
    size = file.seek(0, os.SEEK_END)
    tail = len(_tail("0" * 64))
    if size <= tail or size % _BLOCK:
        raise _damaged(where, "is no backup, or was cut off")
    file.seek(0)
    digest, left = hashlib.sha256(), size - tail
    while left:
        chunk = file.read(min(_CHUNK, left))
        if not chunk:
            raise _damaged(where, "was cut off")
        digest.update(chunk)
        left -= len(chunk)
    if file.read() != _tail(digest.hexdigest()):
        raise _damaged(where, "is not as it was written, was cut off, or is no backup")
    file.seek(0)


def _tail(sha256: str) -> bytes:
    """All that follows the bytes of that hash: a last member that tells it, and the end of the archive."""
    content = f"{sha256}\n".encode()
    return _header(ARCHIVE_SUM, len(content), 0) + content + b"\0" * (-len(content) % _BLOCK + 2 * _BLOCK)


def _header(name: str, size: int, made_at: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.mtime, info.mode = size, made_at, 0o600
    return info.tobuf(tarfile.USTAR_FORMAT)


def _damaged(where: str, what: str) -> FileFormatError:
    return FileFormatError(f"{where} {what}. Nothing of it was used. Take another copy of the backup.")


def manifest_pair(manifest: Manifest) -> dict[str, bytes]:
    """The manifest and its hash, by name."""
    content = manifest.to_bytes()
    return {MANIFEST: content, MANIFEST_SUM: sum_line(content)}
