"""What a file is: its first bytes say it, and its name has to agree."""

from __future__ import annotations

from contextlib import closing
from enum import StrEnum
from pathlib import Path
from typing import Final

from data.errors import FileFormatError
from data.read_bytes import RawFile


class Kind(StrEnum):
    """The types of file that heed reads, as messages name them."""

    CSV = "CSV"
    PARQUET = "Parquet"
    JSON_LINES = "JSON Lines"
    JSON_ARRAY = "a JSON array"
    EXCEL = "Excel"
    XES = "XES"
    XES_GZ = "compressed XES"


EXPECTED: Final = (
    "Expected a table as CSV (UTF-8 or GB18030), Parquet, Excel (.xlsx), JSON Lines or JSON, or an event log as XES."
)

_CLAIMED: Final[dict[str, frozenset[Kind]]] = {
    **dict.fromkeys((".csv", ".txt", ".tsv"), frozenset({Kind.CSV})),
    **dict.fromkeys((".parquet", ".pq"), frozenset({Kind.PARQUET})),
    **dict.fromkeys((".jsonl", ".ndjson"), frozenset({Kind.JSON_LINES})),
    ".json": frozenset({Kind.JSON_LINES, Kind.JSON_ARRAY}),
    **dict.fromkeys((".xlsx", ".xlsm"), frozenset({Kind.EXCEL})),
    ".xes": frozenset({Kind.XES}),
    ".xes.gz": frozenset({Kind.XES_GZ}),
}
# What the content is called when the name says something else.
_CONTENT: Final = {
    Kind.CSV: "plain text",
    Kind.PARQUET: "Parquet",
    Kind.JSON_LINES: "JSON",
    Kind.JSON_ARRAY: "JSON",
    Kind.EXCEL: "an Excel workbook",
    Kind.XES: "XML",
    Kind.XES_GZ: "compressed with gzip",
}
_SPACE: Final = b"\xef\xbb\xbf \t\r\n"

# First bytes -> what it is, and what to do.
_FOREIGN: Final = (
    (b"PARE", "an encrypted Parquet file", "Export it without encryption."),
    (b"\x1f\x8b", "compressed with gzip", "Unpack it first."),
    (b"BZh", "compressed with bzip2", "Unpack it first."),
    (b"\xfd7zXZ", "compressed with xz", "Unpack it first."),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd", "Unpack it first."),
    (b"7z\xbc\xaf", "a 7z archive", "Unpack it first."),
    (b"Rar!", "a RAR archive", "Unpack it first."),
    (b"%PDF", "a PDF", "Ask the source for the table itself."),
    (b"SQLite format 3", "an SQLite database", "Export its table as CSV."),
    (b"<", "XML or a web page", "Export the table as CSV; a download that failed often leaves a web page."),
    (b"\xff\xfe", "text in UTF-16", "Save it as CSV UTF-8."),
    (b"\xfe\xff", "text in UTF-16", "Save it as CSV UTF-8."),
)
_OLD_EXCEL: Final = b"\xd0\xcf\x11\xe0"
_ZIP: Final = b"PK\x03\x04"
# How the directory of an encrypted Office file calls its content.
_ENCRYPTED: Final = "EncryptedPackage".encode("utf-16-le")


def kind_of(raw: RawFile) -> Kind:
    """The type of a file, where the name and the content agree.

    Raises
    ------
    FileFormatError
        If it is empty, of a type that heed does not read (with what to do), or of another type than its name
        says.
    """
    if not raw.head.strip(_SPACE) and raw.size <= len(raw.head):
        raise FileFormatError(f"{raw.name}: the file is empty. {EXPECTED} Export it again.")
    claimed = _claimed(raw.path)
    found = _found(raw, claimed)
    if claimed is None or found in claimed:
        return found
    if Kind.JSON_LINES in claimed and found in (Kind.CSV, Kind.JSON_ARRAY):
        raise FileFormatError(
            f"{raw.name}: expected JSON Lines, one object {{…}} per line. Export it again, or rename it."
        )
    raise FileFormatError(
        f"{raw.name}: the name says {' or '.join(sorted(claimed))}, but the content is {_CONTENT[found]}. "
        "Rename the file if the content is right; otherwise export it again."
    )


def _claimed(path: Path) -> frozenset[Kind] | None:
    name = path.name.lower()
    return _CLAIMED[".xes.gz"] if name.endswith(".xes.gz") else _CLAIMED.get(path.suffix.lower())


def _found(raw: RawFile, claimed: frozenset[Kind] | None) -> Kind:
    head = raw.head
    if head.startswith(b"PAR1"):
        return Kind.PARQUET
    if head.startswith(_ZIP):
        return _zip(raw, claimed)
    if head.startswith(_OLD_EXCEL):
        raise _old_excel(raw)
    if claimed == _CLAIMED[".xes.gz"] and head.startswith(b"\x1f\x8b"):
        return Kind.XES_GZ
    start = head.lstrip(_SPACE)
    if start.startswith(b"<") and _is_xes(start, claimed):
        return Kind.XES
    for begins, what, remedy in _FOREIGN:
        if start.startswith(begins):
            raise FileFormatError(f"{raw.name}: this is {what}. {EXPECTED} {remedy}")
    if b"\x00" in head:
        raise FileFormatError(f"{raw.name}: this is a binary file of an unknown type. {EXPECTED} Export it again.")
    return {b"[": Kind.JSON_ARRAY, b"{": Kind.JSON_LINES}.get(start[:1], Kind.CSV)


def _is_xes(start: bytes, claimed: frozenset[Kind] | None) -> bool:
    """XML that is called XES, or whose first element is that of an event log."""
    return claimed == _CLAIMED[".xes"] or b"<log" in start


def _zip(raw: RawFile, claimed: frozenset[Kind] | None) -> Kind:
    if claimed is not None and Kind.EXCEL in claimed:
        return Kind.EXCEL
    # Imported here: few files are archives.
    import zipfile  # noqa: PLC0415

    try:
        with zipfile.ZipFile(raw.path) as archive:
            names = set(archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        names = set()
    if "xl/workbook.xml" in names:
        return Kind.EXCEL
    raise FileFormatError(
        f"{raw.name}: this is an Excel workbook or another ZIP file. {EXPECTED} "
        "Save the sheet as CSV UTF-8, or unpack the file."
    )


def _old_excel(raw: RawFile) -> FileFormatError:
    kept = b""
    with closing(raw.blocks()) as blocks:
        for block in blocks:
            if _ENCRYPTED in kept + block:
                return FileFormatError(
                    f"{raw.name}: this is an Excel workbook with a password. {EXPECTED} Save it without the password."
                )
            kept = block[-len(_ENCRYPTED) :]
    return FileFormatError(f"{raw.name}: this is an old Excel workbook. {EXPECTED} Save it as .xlsx or as CSV UTF-8.")
