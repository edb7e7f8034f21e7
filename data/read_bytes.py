"""The bytes of a file: their hash, and whether they are text and in which encoding; one block at a time."""

from __future__ import annotations

import codecs
import hashlib
import io
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from data.errors import FileFormatError, UsageError
from data.read_table import LONGEST_LINE

BLOCK: Final = 1024 * 1024
# What is taken apart at once, where that makes many small things of it.
SMALL_BLOCK: Final = 64 * 1024
# Of the first bytes so many tell what a file is.
HEAD: Final = 4096

_NOT_UTF8: Final = (
    "The file is not in UTF-8 and was read as GB18030, the Chinese encoding. If its words come out wrong, "
    "save it as UTF-8."
)


class RawFile:
    """A file on disk that has to stay as it is while it is read.

    Attributes
    ----------
    name : str
        For messages.
    head, tail : bytes
        Its first 4,096 bytes and its last one.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise UsageError(f"There is no file {path}. Check the path.")
        self.path = path
        self.name = path.name
        self._state = self._stat()
        with self.open() as stream:
            self.head = stream.read(HEAD)
            stream.seek(max(self.size - 1, 0))
            self.tail = stream.read(1)

    @property
    def size(self) -> int:
        """Its length in bytes."""
        return self._state[1]

    def open(self) -> BinaryIO:
        """The file from its beginning."""
        try:
            return self.path.open("rb")
        except OSError as error:
            raise UsageError(f"The file {self.path} cannot be opened: {error.strerror}.") from None

    def blocks(self, size: int = BLOCK) -> Generator[bytes, None, None]:
        """Its bytes, `size` at a time. Whoever may stop before the end closes it: a refusal that is held holds what
        was under way, and the file with it.
        """
        with self.open() as stream:
            yield from iter(lambda: stream.read(size), b"")

    def check_unchanged(self) -> None:
        """Refuse a file that was written to since it was opened: what was read would be of two files.

        Raises
        ------
        FileFormatError
            If its length, its time of writing or the file itself is another.
        """
        if not self.path.is_file() or self._stat() != self._state:
            raise FileFormatError(
                f"{self.name}: the file was changed while it was read. Wait until the export is written, then "
                "import it again."
            )

    def _stat(self) -> tuple[int, int, int]:
        state = self.path.stat()
        return state.st_ino, state.st_size, state.st_mtime_ns


@dataclass(frozen=True)
class Text:
    """What the first way through a file of text says of it."""

    raw: RawFile
    encoding: str
    notes: tuple[str, ...]
    ends_in_break: bool

    def stream(self) -> io.TextIOWrapper:
        """The text from its beginning, line breaks as they are."""
        return io.TextIOWrapper(self.raw.open(), encoding=self.encoding, newline="")


def sha256_of(raw: RawFile, *watchers: Callable[[bytes], None]) -> str:
    """The hash of a file; each of `watchers` sees every block on the way."""
    digest = hashlib.sha256()
    with closing(raw.blocks()) as blocks:
        for block in blocks:
            digest.update(block)
            for watcher in watchers:
                watcher(block)
    raw.check_unchanged()
    return digest.hexdigest()


class TextWatcher:
    """Decides whether bytes are text in UTF-8, with or without a byte order mark, or in GB18030 (which GBK
    and GB2312 are parts of).
    """

    def __init__(self, raw: RawFile) -> None:
        self._raw = raw
        self._decoder: codecs.IncrementalDecoder | None = codecs.getincrementaldecoder("utf-8")()
        self._broken_at: int | None = None
        self._broken_line = 0
        self._seen = 0
        self._lines = 0
        self._since_break = 0

    def __call__(self, block: bytes) -> None:
        """Look at the next block."""
        self._check_lines(block)
        if self._decoder is not None:
            # Bytes of the last block that were the beginning of a character.
            kept = len(self._decoder.getstate()[0])
            try:
                self._decoder.decode(block)
            except UnicodeDecodeError as error:
                self._break_at(block, error.start - kept)
        self._seen += len(block)
        self._lines += block.count(b"\n")

    def text(self) -> Text:
        """The encoding, once every block was seen.

        And a note if it was GB18030: a file in a Western encoding can pass for it.

        Raises
        ------
        FileFormatError
            If it is in none of them, with the line, or if it ends inside a character.
        """
        if self._decoder is not None:
            kept = len(self._decoder.getstate()[0])
            if kept:
                self._break_at(b"", -kept)
        ends_in_break = self._raw.tail in (b"\n", b"\r")
        if self._broken_at is None:
            return Text(self._raw, "utf-8-sig", (), ends_in_break)
        # A file cut off inside a character is UTF-8 up to its last three bytes.
        if self._broken_at >= self._seen - 3:
            raise FileFormatError(
                f"{self._raw.name}: the file ends in the middle of a character: it is cut off. Copy or export it again."
            )
        self._check_gb18030()
        return Text(self._raw, "gb18030", (_NOT_UTF8,), ends_in_break)

    def _check_gb18030(self) -> None:
        decoder = codecs.getincrementaldecoder("gb18030")()
        try:
            with closing(self._raw.blocks()) as blocks:
                for block in blocks:
                    decoder.decode(block)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            raise FileFormatError(
                f"{self._raw.name}, line {self._broken_line}: the text is neither UTF-8 nor GB18030. "
                "Save the file as UTF-8."
            ) from None

    def _break_at(self, block: bytes, place: int) -> None:
        self._decoder = None
        self._broken_at = self._seen + place
        self._broken_line = self._lines + block[: max(place, 0)].count(b"\n") + 1

    def _check_lines(self, block: bytes) -> None:
        nul = block.find(b"\x00")
        if nul >= 0:
            line = self._lines + block[:nul].count(b"\n") + 1
            raise FileFormatError(
                f"{self._raw.name}, line {line}: there is a NUL byte, which no text holds: the file is damaged. "
                "Copy or export it again."
            )
        last = max(block.rfind(b"\n"), block.rfind(b"\r"))
        self._since_break = self._since_break + len(block) if last < 0 else len(block) - last
        if self._since_break > LONGEST_LINE:
            raise FileFormatError(
                f"{self._raw.name}, line {self._lines + 1}: the line is longer than {LONGEST_LINE // 2**20} MiB, "
                "which no row of a table is. Export it again."
            )
