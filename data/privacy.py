"""The privacy door: what may come in, and what a case is called once it is in.

A column comes in only if the mapping gives it a field, and there is no field for a person. A column that the
mapping neither maps nor leaves out is refused, not ignored: a file that carries more than was agreed should
not lie around.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Sequence
from typing import Final

import pandas as pd

from data.errors import Finding, PersonalDataError
from data.mapping import Mapping
from data.personal import looks_personal, names_a_person, personal_kind
from data.value_scan import BOUNDARY, ValueScan


def check_columns(file: str, columns: Sequence[str], mapping: Mapping, drop: Collection[str] = ()) -> None:
    """Refuse a file with a column that is neither mapped, nor left out by the mapping, nor dropped openly.

    The columns of [location] pass: they are read by `data.location` alone, and become an area.

    Raises
    ------
    PersonalDataError
        Naming every such column and whether its name looks personal; or if a mapped column is called as a
        person's data are.
    """
    kept = [column for column in columns if column not in set(drop)]
    spoken = {*mapping.columns, *mapping.leave_out, *mapping.location_columns}
    extra = [column for column in kept if column not in spoken]
    if extra:
        raise PersonalDataError(
            _refused(file, columns, extra, mapping),
            [
                *(Finding("unknown_column", column, 0, (), _looks(column) + ".", _DROP) for column in extra),
                *(Finding("missing_column", name, 0, (), _EXPECTED, _OTHER_FILE) for name in _absent(columns, mapping)),
            ],
        )
    for column in kept:
        kind = names_a_person(column) if column in mapping.columns else None
        if kind is not None:
            raise PersonalDataError(
                f"{file}: column '{column}' is mapped to '{mapping.columns[column].field}', but its name "
                "says "
                f"that it holds {kind}. {BOUNDARY} Leave it out with `--drop {column}`, or with a reason in "
                "[leave_out]; if it holds nothing but codes, rename it in the export.",
                [Finding("personal_column", column, 0, (), f"its name says that it holds {kind}.", _DROP)],
            )


_EXPECTED: Final = "the mapping expects it, and the file does not have it."
_OTHER_FILE: Final = "See whether this is the mapping of this file."
_COORDINATE: Final = re.compile(
    r"(?i)(?:^|_)(?:lat|lon|lng|latitude|longitude|geom?|point|location|coord\w*)\d?$|经度|纬度|坐标"
)
_DROP: Final = "Leave it out with `--drop COLUMN`, or with a reason in [leave_out] of the mapping."


def _refused(file: str, columns: Sequence[str], extra: list[str], mapping: Mapping) -> str:
    lines = [f"  - '{column}': {_looks(column)}" for column in extra]
    drops = " ".join(f"--drop {_quoted(column)}" for column in extra)
    listed = "\n".join(lines)
    text = (
        f"{file}: the mapping does not speak of {_columns(len(extra))} of it, so nothing was "
        f"read:\n{listed}\n"
        f"{BOUNDARY} Leave out openly what is not needed, with {drops} or with a reason in [leave_out] of "
        "the "
        "mapping. Personal data cannot be mapped: there is no field for them."
    )
    if mapping.location is None and any(_COORDINATE.search(column) for column in extra):
        text += " Coordinates can become an area and be dropped: see [location]."
    absent = _absent(columns, mapping)
    if absent:
        listed = ", ".join(f"'{name}'" for name in absent)
        text += f"\nThe mapping also expects {listed}, not in the file: is it the mapping of this file?"
    return text


def _absent(columns: Sequence[str], mapping: Mapping) -> list[str]:
    return [name for name, column in mapping.columns.items() if name not in columns and not column.optional]


def _looks(column: str) -> str:
    kind = looks_personal(column)
    return "not known to the mapping" if kind is None else f"looks like {kind}, by its name"


def _columns(count: int) -> str:
    return "1 column" if count == 1 else f"{count} columns"


def _quoted(column: str) -> str:
    return column if column.replace("_", "").isalnum() else f"'{column}'"


def check_values(file: str, values: Iterable[tuple[str, pd.Series]], rows: pd.Series) -> None:
    """Refuse codes that look like personal data or free text, whatever their column is called.

    Parameters
    ----------
    file : str
        Its name, for the message.
    values : pairs of a column name and its str values (null: none)
        The columns that would be stored as they are.
    rows : Series of int
        The 1-based row numbers of the values.

    Raises
    ------
    PersonalDataError
        With the column, the kind of thing, the count and the first rows; never with the content.
    """
    scan = ValueScan(file)
    for column, series in values:
        scan.look_at_codes(column, series, rows.to_numpy(dtype="int64"))
    scan.refuse()


def case_id(key: bytes, source: str, reference: str) -> str:
    """The name of a case: 32 hex digits that say nothing without the key of the store.

    Keyed, so that nobody who knows a number from a letter can look the case up in a copied table by hashing
    it.
    """
    digest = hashlib.blake2b(key=key, digest_size=16)
    digest.update(f"{source}\x1f{reference}".encode())
    return digest.hexdigest()


def case_ids(key: bytes, source: str, references: pd.Series) -> pd.Series:
    """`case_id` for every reference, in their order; references must not be null."""
    start = hashlib.blake2b(f"{source}\x1f".encode(), key=key, digest_size=16)

    def one(reference: str) -> str:
        digest = start.copy()
        digest.update(reference.encode())
        return digest.hexdigest()

    return pd.Series([one(reference) for reference in references.tolist()], index=references.index, dtype="str")


def shown_name(file_name: str, sha256: str) -> str:
    """The name of a file as it may be kept: one that looks personal itself is replaced by a piece of its hash."""
    stem, dot, suffix = file_name.rpartition(".")
    if personal_kind(stem or suffix) is None:
        return file_name[:255]
    return f"file-{sha256[:8]}{dot}{suffix if stem else ''}"
