"""An event log in XES (IEEE 1849), plain or packed with gzip, as a table with one row per event, in parts.

An attribute of a trace is a column with `case:` before its key, as in `case:concept:name`; an attribute of an event
is a column called as its key, as in `concept:name`, `time:timestamp` or `org:resource`.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Generator, Sequence
from contextlib import closing
from itertools import islice
from typing import Final

import pandas as pd

from data.errors import FileFormatError
from data.read_bytes import SMALL_BLOCK, RawFile
from data.read_table import MOST_COLUMNS, Table, check_names, text_of
from data.read_xml import Elements

Event = dict[str, str | None]

CASE: Final = "case:"

_VALUES: Final = frozenset({"string", "date", "int", "float", "boolean", "id"})
_NESTED: Final = frozenset({"list", "container"})
_ATTRIBUTES: Final = _VALUES | _NESTED
# Such logs pack by 10 to 60; what packs by more, and is large, was made to burst.
_PACKED_BY: Final = 300
_LARGE: Final = 64 * 1024**2


class XesTable(Table):
    """An event log. It is read twice: once to find the columns, since each event may have others.

    An attribute inside of another one, and lists, have no place in a table; neither have the log's own attributes.
    """

    def __init__(self, raw: RawFile, *, packed: bool) -> None:
        self._raw = raw
        self._packed = packed
        names: dict[str, None] = {}
        log = _Log(raw.name)
        with closing(self._over(log)) as events:
            for event in events:
                if event.keys() - names.keys():
                    names.update(dict.fromkeys(event))
                    if len(names) > MOST_COLUMNS:
                        check_names(raw.name, list(names))
        if not log.is_log:
            raise FileFormatError(
                f"{raw.name}: expected an event log in XES, whose first element is <log>; this is other XML. Export "
                "the log as XES, or the table as CSV."
            )
        if not names:
            raise FileFormatError(
                f"{raw.name}: the log holds no events. Check the period and the filters of the export."
            )
        super().__init__(raw.name, list(names), log.notes())
        self._nested = log.nested

    def parts(self, wanted: Sequence[str], size: int) -> Generator[tuple[int, dict[str, pd.Series]], None, None]:
        """See `Table.parts`."""
        for name in wanted:
            if name in self._nested:
                raise FileFormatError(
                    f"{self.file}, column '{name}', row {self._nested[name]}: expected one value, got a list. "
                    "Leave the column out."
                )
        first = 1
        with closing(self._over(_Log(self.file))) as events:
            while part := list(islice(events, size)):
                values = {name: text_of(self.file, name, first, [event.get(name) for event in part]) for name in wanted}
                yield len(part), values
                first += len(part)

    def _over(self, log: _Log) -> Generator[Event, None, None]:
        elements = Elements(self._raw.name, log.start, log.end, found=log.found)
        try:
            with closing(self._unpacked() if self._packed else self._raw.blocks(SMALL_BLOCK)) as blocks:
                yield from elements.over(blocks)
        except (gzip.BadGzipFile, EOFError, zlib.error):
            self._raw.check_unchanged()
            raise FileFormatError(
                f"{self._raw.name}: the compressed file is cut off or damaged. Copy or export it again."
            ) from None

    def _unpacked(self) -> Generator[bytes, None, None]:
        done = 0
        with self._raw.open() as stream, gzip.GzipFile(fileobj=stream) as unpacked:
            while block := unpacked.read(SMALL_BLOCK):
                done += len(block)
                if done > _LARGE and done > _PACKED_BY * stream.tell():
                    raise FileFormatError(
                        f"{self._raw.name}: the file unpacks to more than {_PACKED_BY} times its size, as no event log "
                        "does. Reading was stopped. Export it again."
                    )
                yield block


class _Log:
    """Gathers the events of a log from its elements."""

    def __init__(self, file: str) -> None:
        self.found: list[Event] = []
        self.is_log = False
        self.empty_traces = 0
        # Column -> row of the first list in it.
        self.nested: dict[str, int] = {}
        self._file = file
        self._row = 0
        self._open: list[str] = []
        self._trace: Event = {}
        self._event: Event = {}
        self._events_of_trace = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        holder = self._open[-1] if self._open else ""
        self._open.append(name)
        if not holder:
            self.is_log = name == "log"
        elif name == "trace" and holder == "log":
            self._trace, self._events_of_trace = {}, 0
        elif name == "event" and holder in ("trace", "log"):
            self._row += 1
            self._event = dict(self._trace) if holder == "trace" else {}
            self._events_of_trace += 1
        elif holder == "event":
            self._add(self._event, name, attributes, "")
        elif holder == "trace":
            self._add(self._trace, name, attributes, CASE)

    def end(self, name: str) -> None:
        self._open.pop()
        holder = self._open[-1] if self._open else ""
        if name == "event" and holder in ("trace", "log"):
            if self.is_log:
                self.found.append(self._event)
        elif name == "trace" and holder == "log":
            self.empty_traces += not self._events_of_trace
            self._trace = {}

    def notes(self) -> list[str]:
        """What the log holds and the table does not."""
        if not self.empty_traces:
            return []
        return [f"{self.empty_traces:,} traces of the log hold no event, and so give no row."]

    def _add(self, to: Event, kind: str, attributes: dict[str, str], prefix: str) -> None:
        key = attributes.get("key")
        if key is None or kind not in _ATTRIBUTES:
            return
        name = f"{prefix}{key.strip()}"
        if prefix and self._events_of_trace:
            raise FileFormatError(
                f"{self._file}, after row {self._row}: an attribute of a trace stands after its events; expected "
                "before. Export the log again."
            )
        if name in to:
            raise FileFormatError(
                f"{self._file}, row {self._row + bool(prefix)}: '{name}' stands twice. Name every value once."
            )
        if kind in _NESTED:
            self.nested.setdefault(name, self._row + bool(prefix))
        to[name] = None if kind in _NESTED else attributes.get("value")
