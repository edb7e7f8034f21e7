"""A sheet of an Excel workbook (.xlsx) as a table of text and times, in parts."""

from __future__ import annotations

import re
import warnings
import zipfile
import zlib
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import islice
from typing import Any, Final

import pandas as pd

from data.errors import FileFormatError
from data.read_bytes import SMALL_BLOCK, RawFile
from data.read_table import Table, may_show, text_of
from data.read_xml import Elements

# What a workbook unpacks to. Rows are read one at a time; styles and the list of its texts are not.
_LARGEST_SHEET: Final = 4 * 1024**3
_LARGEST_PART: Final = 256 * 1024**2
_MOST_PARTS: Final = 10_000
# Text packs by 10 to 60; what packs by more, and is large, was made to burst.
_PACKED_BY: Final = 300
_LARGE: Final = 64 * 1024**2
# Excel has no more columns.
_MOST_CELLS: Final = 16_384
_LARGEST_WHOLE: Final = 2.0**53

_SHEET_PART: Final = re.compile(r"xl/worksheets/[^/]+\.xml")


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell as the file has it: the text inside, its type, its style, and whether it is a formula."""

    text: str
    type: str
    style: int
    formula: bool


Row = dict[int, Cell]


class ExcelTable(Table):
    """One sheet of a workbook: names of columns in its first row, then rows; formulas count by their last result.

    Rows without any value are skipped. What Excel shows as an error (#REF!) is null, and noted.
    """

    def __init__(self, raw: RawFile, sheet: str | None) -> None:
        self._raw = raw
        _check_archive(raw)
        self._book = _workbook(raw)
        self._part, self._header = self._choose(sheet)
        width = max(self._header, default=-1) + 1
        names = [self._name(place) for place in range(width)]
        _check_header(raw.name, names)
        super().__init__(raw.name, names)

    def parts(self, wanted: Sequence[str], size: int) -> Generator[tuple[int, dict[str, pd.Series]], None, None]:
        """See `Table.parts`. A column is datetime64 in a part in which all its values are times."""
        places = {name: self.columns.index(name) for name in wanted}
        first, errors = 1, 0
        with closing(self._rows(self._part)) as rows:
            next(rows, None)
            while part := list(islice(rows, size)):
                for row, cells in enumerate(part, start=first):
                    if max(cells) >= len(self.columns):
                        raise FileFormatError(
                            f"{self.file}, row {row}: a value stands outside of the named columns. Name its column, or "
                            "delete it."
                        )
                values = {name: self._column(name, first, part, places[name]) for name in wanted}
                errors += sum(1 for cells in part for at in places.values() if at in cells and cells[at].type == "e")
                yield len(part), values
                first += len(part)
        if errors:
            self.notes.append(f"{errors:,} cells show an error of Excel, such as #REF!, and were read as empty.")

    def _column(self, name: str, first: int, part: list[Row], at: int) -> pd.Series:
        values: list[Any] = []
        for row, cells in enumerate(part, start=first):
            cell = cells.get(at)
            try:
                values.append(None if cell is None else self._value(cell))
            except (ValueError, IndexError, OverflowError):
                raise FileFormatError(
                    f"{self.file}, column '{name}', row {row}: the cell is damaged. Copy or export the workbook again."
                ) from None
            if cell is not None and cell.formula and not cell.text and cell.type != "str":
                raise FileFormatError(
                    f"{self.file}, column '{name}', row {row}: a formula without its result. Open the workbook in "
                    "Excel, let it calculate, and save it."
                )
        filled = [value for value in values if value is not None]
        if filled and all(isinstance(value, datetime) for value in filled):
            return pd.Series(values, dtype="datetime64[s]")
        return text_of(self.file, name, first, [_written(value) for value in values])

    def _value(self, cell: Cell) -> Any:
        """The value of a cell; raises ValueError, IndexError or OverflowError where there is none."""
        if cell.type == "e" or not cell.text:
            return None
        if cell.type == "s":
            return self._book.texts[int(cell.text)]
        if cell.type == "b":
            return "true" if cell.text.strip() == "1" else "false"
        if cell.type == "n":
            return self._number(cell)
        return cell.text

    def _number(self, cell: Cell) -> Any:
        if cell.style in self._book.dates:
            from openpyxl.utils.datetime import from_excel  # type: ignore[import-untyped]  # noqa: PLC0415

            span = cell.style in self._book.spans
            try:
                return _moment(from_excel(float(cell.text), self._book.epoch, timedelta=span))
            except (ValueError, OverflowError):
                # A number that is no day: the check of the times names its row.
                return cell.text
        return _number(cell.text)

    def _name(self, place: int) -> str:
        cell = self._header.get(place)
        try:
            value = None if cell is None else self._value(cell)
        except (ValueError, IndexError, OverflowError):
            value = None
        return (_written(value) or "").strip()

    def _choose(self, sheet: str | None) -> tuple[str, Row]:
        """The part of the archive that holds the sheet, and the first row of it that is not empty."""
        known = {_shown(name): part for name, part in self._book.sheets.items()}
        if sheet is not None:
            part = self._book.sheets.get(sheet)
            if part is None:
                raise FileFormatError(
                    f"{self._raw.name}: there is no sheet of the name given. Its sheets: {_listed(known)}."
                )
            header = next(self._rows(part), None)
            if header is None:
                raise FileFormatError(f"{self._raw.name}: the chosen sheet is empty. Choose another.")
            return part, header
        filled = {name: (part, next(self._rows(part), None)) for name, part in known.items()}
        filled = {name: found for name, found in filled.items() if found[1] is not None}
        if not filled:
            raise FileFormatError(f"{self._raw.name}: no sheet of the workbook holds anything. Export it again.")
        if len(filled) > 1:
            raise FileFormatError(
                f"{self._raw.name}: the workbook has several sheets: {_listed(filled)}. Say which one holds the cases, "
                "or save that sheet on its own."
            )
        ((part, header),) = filled.values()
        return part, header or {}

    def _rows(self, part: str) -> Generator[Row, None, None]:
        """The rows of a sheet that hold a value."""
        return _parsed(self._raw, part, _Sheet())


@dataclass(frozen=True)
class _Book:
    """What stands outside of the sheets: name -> part, texts, styles that are dates and spans, the first day."""

    sheets: dict[str, str]
    texts: list[str]
    dates: frozenset[int]
    spans: frozenset[int]
    epoch: datetime


class _Sheet:
    """Gathers the rows of a sheet from its elements."""

    def __init__(self) -> None:
        self.found: list[Row] = []
        self._row: Row = {}
        self._at = -1
        self._type, self._style, self._formula = "n", 0, False
        self._letters: list[str] = []
        self._inside = self._phonetic = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "c":
            reference = attributes.get("r")
            self._at = self._at + 1 if reference is None else _place(reference)
            self._type = attributes.get("t", "n")
            style = attributes.get("s", "0")
            self._style = int(style) if style.isdecimal() and len(style) < 9 else 0
            self._formula = False
            self._letters.clear()
        elif name in ("v", "t"):
            self._inside = not self._phonetic
        elif name == "f":
            self._formula = True
        elif name == "rPh":
            # How a Japanese text is read aloud; not part of it.
            self._phonetic = True
        elif name == "row":
            self._row, self._at = {}, -1

    def end(self, name: str) -> None:
        if name in ("v", "t"):
            self._inside = False
        elif name == "rPh":
            self._phonetic = False
        elif name == "c":
            text = "".join(self._letters)
            if (text.strip() or self._formula) and 0 <= self._at < _MOST_CELLS:
                self._row[self._at] = Cell(text, self._type, self._style, self._formula)
        elif name == "row":
            if self._row:
                self.found.append(self._row)
            self._row = {}

    def letters(self, text: str) -> None:
        if self._inside:
            self._letters.append(text)


class _Texts:
    """Gathers the texts that the cells of all sheets refer to by their number."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self._letters: list[str] = []
        self._inside = self._phonetic = False

    def start(self, name: str, _attributes: dict[str, str]) -> None:
        if name == "si":
            self._letters.clear()
        elif name == "rPh":
            self._phonetic = True
        self._inside = name == "t" and not self._phonetic

    def end(self, name: str) -> None:
        self._inside = False
        if name == "rPh":
            self._phonetic = False
        elif name == "si":
            self.found.append("".join(self._letters))

    def letters(self, text: str) -> None:
        if self._inside:
            self._letters.append(text)


def _place(reference: str) -> int:
    """B7 -> 1; beyond the last column where it is no reference."""
    column = 0
    for letter in reference[:4]:
        if not "A" <= letter <= "Z":
            break
        column = column * 26 + ord(letter) - 64
    return column - 1 if 0 < column <= _MOST_CELLS else _MOST_CELLS


def _number(text: str) -> str:
    """A number as people write it: 7 and not 7.0, and as many digits as it has."""
    text = text.strip()
    if re.fullmatch(r"-?\d+", text):
        return text
    number = float(text)
    return str(int(number)) if number.is_integer() and abs(number) < _LARGEST_WHOLE else repr(number)


def _moment(value: Any) -> Any:
    """A day or a moment as a datetime in whole seconds; a time of day or a span as text."""
    if isinstance(value, datetime):
        return value.replace(microsecond=0)
    return datetime(value.year, value.month, value.day) if isinstance(value, date) else str(value)  # noqa: DTZ001


def _written(value: Any) -> str | None:
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    return str(value) if isinstance(value, time | timedelta) else value


def _check_header(file: str, names: list[str]) -> None:
    if sum(1 for name in names if name) < 2:
        raise FileFormatError(
            f"{file}: expected the names of the columns in the first row of the sheet, got a single cell, such as a "
            "title. Delete the rows above the names."
        )
    if not all(names):
        blank = ", ".join(str(place) for place, name in enumerate(names, start=1) if not name)
        raise FileFormatError(
            f"{file}: column {blank} of the header has no name. Unmerge the cells of the header, delete rows above it, "
            "and name every column."
        )


def _check_archive(raw: RawFile) -> None:
    """Refuse an archive that would burst, before anything of it is unpacked."""
    try:
        with zipfile.ZipFile(raw.path) as archive:
            parts = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        raise _damaged(raw) from None
    if any(part.flag_bits & 1 for part in parts):
        raise FileFormatError(f"{raw.name}: the workbook has a password. Save it without the password.")
    large = [
        part
        for part in parts
        if part.file_size > (_LARGEST_SHEET if _SHEET_PART.fullmatch(part.filename) else _LARGEST_PART)
        or (part.file_size > _LARGE and part.file_size > _PACKED_BY * max(part.compress_size, 1))
    ]
    if large or len(parts) > _MOST_PARTS or sum(part.file_size for part in parts) > 2 * _LARGEST_SHEET:
        raise FileFormatError(
            f"{raw.name}: the workbook would unpack to far more than a table is. Nothing was unpacked. Save the sheet "
            "as CSV UTF-8."
        )


def _workbook(raw: RawFile) -> _Book:
    # Imported here: it takes a fifth of a second, and only workbooks need it. With defusedxml installed, it reads
    # every part through it: entities are refused. Not load_workbook: where a sheet does not tell its size, that reads
    # all of it into memory to find out.
    from openpyxl.reader.excel import ExcelReader  # type: ignore[import-untyped]  # noqa: PLC0415
    from openpyxl.styles.stylesheet import apply_stylesheet  # type: ignore[import-untyped]  # noqa: PLC0415
    from openpyxl.xml.constants import SHARED_STRINGS  # type: ignore[import-untyped]  # noqa: PLC0415

    reader: Any = None
    try:
        with warnings.catch_warnings():
            # About styles and extensions that nothing here uses; they may quote the workbook.
            warnings.simplefilter("ignore")
            reader = ExcelReader(raw.path, read_only=True, data_only=True, keep_links=False)
            reader.read_manifest()
            reader.read_workbook()
            apply_stylesheet(reader.archive, reader.wb)
            sheets = {sheet.name: rel.target for sheet, rel in reader.parser.find_sheets() if _is_shown(sheet, rel)}
        texts = reader.package.find(SHARED_STRINGS)
        return _Book(
            sheets={name: part for name, part in sheets.items() if part in reader.valid_files},
            texts=[] if texts is None else list(_parsed(raw, texts.PartName[1:], _Texts())),
            # Private there, and called so since there are dates in it.
            dates=frozenset(reader.wb._date_formats),
            spans=frozenset(reader.wb._timedelta_formats),
            epoch=reader.wb.epoch,
        )
    except FileFormatError:
        raise
    except Exception:
        # It raises what comes to hand on a damaged part.
        raise _damaged(raw) from None
    finally:
        if reader is not None:
            reader.archive.close()


def _is_shown(sheet: Any, rel: Any) -> bool:
    return sheet.state == "visible" and "chartsheet" not in rel.Type


def _parsed(raw: RawFile, part: str, into: _Sheet | _Texts) -> Generator[Any, None, None]:
    """What is found in one part of the archive."""
    try:
        with zipfile.ZipFile(raw.path) as archive, archive.open(part) as stream:
            elements: Elements[Any] = Elements(raw.name, into.start, into.end, into.letters, into.found)
            yield from elements.over(iter(lambda: stream.read(SMALL_BLOCK), b""))
    except (zipfile.BadZipFile, zlib.error, EOFError, KeyError, NotImplementedError, RuntimeError):
        raw.check_unchanged()
        raise _damaged(raw) from None


def _damaged(raw: RawFile) -> FileFormatError:
    return FileFormatError(
        f"{raw.name}: this begins as an Excel workbook or another ZIP file, but it is cut off, damaged, or of a kind "
        "that cannot be read. Copy or export it again. Save the sheet as CSV UTF-8 if nothing helps."
    )


def _shown(name: str) -> str:
    return name if may_show(name) else "(a name that is not shown)"


def _listed(names: dict[str, Any]) -> str:
    return ", ".join(f"'{name}'" for name in names)
