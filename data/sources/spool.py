"""The spool: what a fetch has got so far, on disk beside the store, so that one that was killed goes on.

It holds the mapped columns and nothing else; `data.sources.portal.Columns` has refused the rest before. The number of
a case is there as the portal gives it, as it is in an export: only the import can hash it, under the key of the store.
So the file is readable by its owner only, and gone when its rows are in the store or were refused.

A page is there when its closing line is: what a kill left behind it is cut off. Nothing of a page counts twice, as
each row has a name, and of several rows of one name the last one counts.
"""

from __future__ import annotations

import json
import os
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import numpy as np
import pandas as pd

from data.errors import StoreError
from data.sources.portal import Page, name_of

_HEAD: Final = "head"
_PAGE: Final = "page"
_DONE: Final = "done"

Rows = Callable[[list[dict[str, Any]]], list[dict[str, Any]]]
_AT_ONCE: Final = 5_000


@dataclass
class Progress:
    """How far a fetch has come. `seen_at` is when the last page was asked for; `stamp` the latest change seen."""

    pages: int = 0
    rows: int = 0
    cursor: dict[str, Any] | None = None
    seen_at: int | None = None
    stamp: int | None = None
    expected: int | None = None
    done: bool = False


@dataclass
class Spool:
    """The spool of one source. Use it in a `with` block: it is locked while it is open."""

    folder: Path
    source: str
    progress: Progress = field(default_factory=Progress, init=False)
    _lock: Any = field(default=None, init=False)
    _file: Any = field(default=None, init=False)

    @property
    def part(self) -> Path:
        """The pages."""
        return self.folder / f"{self.source}.part"

    @property
    def table(self) -> Path:
        """The rows as a file that `heed import` reads."""
        return self.folder / f"{self.source}.jsonl"

    def __enter__(self) -> Self:
        """Take the lock.

        Raises
        ------
        StoreError
            If another sync of this source is running, or the folder cannot be written to.
        """
        # Imported here: only Unix has it, and only `heed sync` needs it.
        import fcntl  # noqa: PLC0415

        try:
            self.folder.mkdir(mode=0o700, exist_ok=True)
            self._lock = (self.folder / f"{self.source}.lock").open("w")
        except OSError as error:
            raise StoreError(
                f"{self.folder}: the folder for unfinished fetches cannot be written to ({error.strerror})."
            ) from None
        try:
            # Let go by the system when the process ends, however it ends.
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            raise StoreError(
                f"Another sync of '{self.source}' is running on this store. Wait for it, or look what it does."
            ) from None
        return self

    def __exit__(self, *_error: type[BaseException] | BaseException | TracebackType | None) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
        self._lock.close()

    # ---- writing ----

    def begin(self, head: dict[str, Any]) -> dict[str, Any]:
        """Go on with the unfinished fetch if it was asked for the same way (all of `head` but `started_at`), or begin.

        Returns
        -------
        dict
            The head of the fetch that goes on or begins.
        """
        found = read_head(self.part)
        same = found is not None and _question(found) == _question(head)
        if not same:
            self.discard()
        ends = self._read() if same else 0
        self._file = os.fdopen(os.open(self.part, os.O_RDWR | os.O_CREAT, 0o600), "r+b")
        self._file.truncate(ends)
        self._file.seek(ends)
        if ends == 0:
            self._write([{_HEAD: head}])
            return head
        return found or head

    def add(self, page: Page) -> None:
        """Keep a page, all of it or nothing."""
        progress = self.progress
        stamp = max((s for s in (progress.stamp, page.stamp) if s is not None), default=None)
        lines: list[Any] = [[row.key, int(row.late), row.values] for row in page.rows]
        lines.append(
            {
                _PAGE: page.cursor,
                "rows": len(page.rows),
                "seen_at": page.seen_at,
                "stamp": stamp,
                "expected": page.expected,
            }
        )
        self._write(lines)
        self._note(lines[-1])

    def finish(self) -> None:
        """Note that all pages are there."""
        self._write([{_DONE: True}])
        self.progress.done = True

    def reopen(self) -> None:
        """Take back that all pages are there."""
        self.progress.done = False

    def discard(self) -> None:
        """Forget the fetch."""
        if self._file is not None:
            self._file.close()
            self._file = None
        self.part.unlink(missing_ok=True)
        self.table.unlink(missing_ok=True)
        self.progress = Progress()

    def _write(self, lines: list[Any]) -> None:
        content = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines).encode(
            "utf-8", "surrogatepass"
        )
        try:
            self._file.write(content)
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise StoreError(f"{self.part}: the fetched rows cannot be kept ({error.strerror}).") from None

    # ---- reading ----

    def _read(self) -> int:
        """Read how far the fetch has come; the length of what is whole, in bytes."""
        self.progress = Progress()
        ends = 0
        with self.part.open("rb") as file:
            for line in iter(file.readline, b""):
                if not line.endswith(b"\n"):
                    break
                if line.startswith(b"["):
                    continue
                try:
                    self._note(json.loads(line))
                except ValueError:
                    break
                ends = file.tell()
        return ends

    def _note(self, line: dict[str, Any]) -> None:
        progress = self.progress
        if _PAGE in line:
            progress.pages += 1
            progress.rows += int(line["rows"])
            progress.cursor, progress.seen_at = line[_PAGE], int(line["seen_at"])
            progress.stamp, progress.expected = line["stamp"], line["expected"]
            progress.done = False
        elif _DONE in line:
            progress.done = True

    def distinct(self) -> int:
        """How many rows there are, each name once."""
        keys = array("Q")
        with self.part.open("rb") as file:
            # The name stands first, as 16 hex digits between quotes: no need to read the rest.
            keys.extend(int(line[2:18], 16) for line in file if line.startswith(b"["))
        return len(np.unique(np.frombuffer(keys, np.uint64)))

    def write_table(self, reference: str, turn: Rows) -> int:
        """Write the rows as a table: of each name the last, by `turn` as they are to be imported.

        A row that the portal replaced while the fetch ran has two names, under one number of the case. Where one of
        them changed after the fetch began, those that did not are from before.

        Parameters
        ----------
        reference : str
            The column of the number of the case.
        turn : callable
            Gets some rows, and gives those to be written.

        Returns
        -------
        int
            The count of rows written.
        """
        keys, cases, late = array("Q"), array("Q"), array("B")  # 17 bytes a row, however many there are
        for key, is_late, values in self._rows():
            keys.append(int(key, 16))
            cases.append(int(name_of(str(values.get(reference))), 16))
            late.append(is_late)
        kept = _kept(np.frombuffer(keys, np.uint64), np.frombuffer(cases, np.uint64), np.frombuffer(late, np.bool_))
        count = 0
        with os.fdopen(os.open(self.table, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            for part in _parts(self._rows(), kept):
                rows = turn(part)
                count += len(rows)
                file.write(
                    "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode("utf-8", "replace")
                )
        return count

    def _rows(self) -> Iterator[tuple[str, int, dict[str, Any]]]:
        with self.part.open("rb") as file:
            for line in file:
                if line.startswith(b"["):
                    key, late, values = json.loads(line)
                    yield key, late, values


def read_head(part: Path) -> dict[str, Any] | None:
    """What an unfinished fetch was asked for; None if there is none, or none that can be read."""
    try:
        with part.open("rb") as file:
            head = json.loads(file.readline()).get(_HEAD)
    except (OSError, ValueError, AttributeError):
        return None
    return head if isinstance(head, dict) else None


def look_into(folder: Path, source: str) -> tuple[dict[str, Any], Progress] | None:
    """The unfinished fetch of a source, without taking the lock; None if there is none."""
    spool = Spool(folder, source)
    head = read_head(spool.part)
    if head is None:
        return None
    spool._read()
    return head, spool.progress


def _question(head: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in head.items() if name != "started_at"}


def _kept(keys: np.ndarray, cases: np.ndarray, late: np.ndarray) -> np.ndarray:
    """Which rows count: bool, shape (n,)."""
    last = ~pd.Series(keys).duplicated(keep="last").to_numpy()
    replaced = np.isin(cases, cases[late & last]) & ~late
    return np.asarray(last & ~replaced)


def _parts(rows: Iterator[tuple[str, int, dict[str, Any]]], kept: np.ndarray) -> Iterator[list[dict[str, Any]]]:
    part: list[dict[str, Any]] = []
    for (_key, _late, values), keep in zip(rows, kept, strict=True):
        if keep:
            part.append(values)
        if len(part) == _AT_ONCE:
            yield part
            part = []
    if part:
        yield part
