"""Laws of the readers, on random tables: in parts as whole, in every format the same, and as a simple reader has it."""

from __future__ import annotations

import csv
import io
import json
import tempfile
from pathlib import Path

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from data.read import open_file

# What text may hold: quotes, delimiters, breaks, spaces of all kinds, Chinese; no half characters and no NUL.
LETTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\x00") | st.sampled_from('",;\t\n\r \u3000路é')
VALUES = st.none() | st.text(LETTERS, max_size=8)


@st.composite
def tables(draw: st.DrawFn) -> list[list[str | None]]:
    """One to forty rows of two to five values."""
    width = draw(st.integers(2, 5))
    return draw(st.lists(st.lists(VALUES, min_size=width, max_size=width), min_size=1, max_size=40))


def simple(rows: list[list[str | None]]) -> list[list[str | None]]:
    """What a value is, said in one line: trimmed, and null where empty."""
    return [[(value or "").strip() or None for value in row] for row in rows]


def found(path: Path, size: int) -> list[list[str | None]]:
    file = open_file(path)
    parts = pd.concat(file.chunks(file.columns, size))
    assert parts.equals(file.read(file.columns))
    assert len(parts) == file.rows
    return [[None if pd.isna(value) else value for value in row] for row in parts.to_numpy().tolist()]


@given(
    tables(),
    st.integers(1, 50),
    st.sampled_from([",", ";", "\t"]),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from(["utf-8", "utf-8-sig", "gb18030"]),
)
def test_csv_is_read_as_a_simple_reader_reads_it(rows, size, delimiter, ending, encoding):
    """The parts of a CSV file are what the csv module makes of the whole text, trimmed, whatever its dialect."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator=ending, quoting=csv.QUOTE_ALL)
    names = [f"column{place}" for place in range(len(rows[0]))]
    writer.writerows([names, *rows])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.csv")
        path.write_bytes(text.getvalue().encode(encoding))
        oracle = list(csv.reader(io.StringIO(text.getvalue(), newline=""), delimiter=delimiter))[1:]
        assert found(path, size) == simple(oracle) == simple(rows)


@given(tables(), st.integers(1, 50))
def test_json_and_parquet_hold_the_same_table(rows, size):
    """The same rows are the same text as JSON Lines, as an array and as Parquet."""
    names = [f"column{place}" for place in range(len(rows[0]))]
    items = [json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=row[0] is None) for row in rows]
    with tempfile.TemporaryDirectory() as folder:
        lines, array, parquet = Path(folder, "a.jsonl"), Path(folder, "a.json"), Path(folder, "a.parquet")
        lines.write_text("\n".join(items), encoding="utf-8")
        array.write_text("[" + ", ".join(items) + "]", encoding="utf-8")
        pd.DataFrame(rows, columns=names, dtype="str").to_parquet(parquet, row_group_size=7)
        expected = simple(rows)
        assert found(lines, size) == expected
        assert found(array, size) == expected
        assert found(parquet, size) == expected
