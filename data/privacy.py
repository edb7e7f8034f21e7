"""The privacy door: what may come in, and what a case is called once it is in.

A column comes in only if the mapping gives it a field, and there is no field for a person. A column that the
mapping neither maps nor leaves out is refused, not ignored: a file that carries more than was agreed should
not lie around.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Sequence
from typing import Final

import pandas as pd

from data.errors import PersonalDataError
from data.findings import FIRST_ROWS
from data.mapping import Mapping
from data.personal import looks_personal, names_a_person, scan_values

_BOUNDARY: Final = "heed stores nothing about people; this is not a setting."


def check_columns(file: str, columns: Sequence[str], mapping: Mapping, drop: Collection[str] = ()) -> None:
    """Refuse a file with a column that is neither mapped, nor left out by the mapping, nor dropped openly.

    Raises
    ------
    PersonalDataError
        Naming every such column and whether its name looks personal; or if a mapped column is called as a
        person's data are.
    """
    kept = [column for column in columns if column not in set(drop)]
    extra = [column for column in kept if column not in mapping.columns and column not in mapping.leave_out]
    if extra:
        raise PersonalDataError(_refused(file, columns, extra, mapping))
    for column in kept:
        kind = names_a_person(column) if column in mapping.columns else None
        if kind is not None:
            raise PersonalDataError(
                f"{file}: column '{column}' is mapped to '{mapping.columns[column].field}', but its name "
                "says "
                f"that it holds {kind}. {_BOUNDARY} Leave it out with `--drop {column}`, or with a reason in "
                "[leave_out]; if it holds nothing but codes, rename it in the export."
            )


def _refused(file: str, columns: Sequence[str], extra: list[str], mapping: Mapping) -> str:
    lines = [f"  - '{column}': {_looks(column)}" for column in extra]
    drops = " ".join(f"--drop {_quoted(column)}" for column in extra)
    listed = "\n".join(lines)
    text = (
        f"{file}: the mapping does not speak of {_columns(len(extra))} of it, so nothing was "
        f"read:\n{listed}\n"
        f"{_BOUNDARY} Leave out openly what is not needed, with {drops} or with a reason in [leave_out] of "
        "the "
        "mapping. Personal data cannot be mapped: there is no field for them."
    )
    absent = [name for name, column in mapping.columns.items() if name not in columns and not column.optional]
    if absent:
        listed = ", ".join(f"'{name}'" for name in absent)
        text += f"\nThe mapping also expects {listed}, not in the file: is it the mapping of this file?"
    return text


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
    lines = []
    for column, series in values:
        for kind, mask in scan_values(series):
            marked = rows.to_numpy()[mask]
            first = ", ".join(str(row) for row in marked[:FIRST_ROWS])
            more = ", …" if len(marked) > FIRST_ROWS else ""
            in_rows = f"row {first}" if len(marked) == 1 else f"{len(marked):,} rows: {first}{more}"
            lines.append(f"  - column '{column}', {in_rows}: looks like {kind}")
    if lines:
        listed = "\n".join(lines)
        raise PersonalDataError(
            f"{file}: nothing was imported.\n{listed}\n{_BOUNDARY} Expected short codes or names of areas, "
            "offices and types of problem. Leave the column out with `--drop COLUMN`, or replace it by codes "
            "in the export."
        )


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
