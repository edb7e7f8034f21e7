"""Files in parts: the same rows as whole, in little memory, and nothing of a file that changes."""

from __future__ import annotations

import csv
import gc
import io
import json
import os
import tracemalloc
from contextlib import suppress

import numpy as np
import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.errors import FileFormatError, UsageError
from data.read import open_file

NAMES = ["case", "kind", "at"]


def rows(count: int) -> list[list[str]]:
    return [[str(n), f"kind {n % 7}", f"2024-03-{n % 28 + 1:02} 09:00:00"] for n in range(count)]


def write(path, count: int):
    """A file of `count` rows in the format that its name says."""
    kind = path.suffix
    if kind == ".csv":
        with path.open("w", newline="") as file:
            csv.writer(file).writerows([NAMES, *rows(count)])
    elif kind in (".jsonl", ".json"):
        items = [json.dumps(dict(zip(NAMES, row, strict=True))) for row in rows(count)]
        path.write_text("\n".join(items) + "\n" if kind == ".jsonl" else "[" + ",\n".join(items) + "]")
    elif kind == ".parquet":
        pd.DataFrame(rows(count), columns=NAMES).to_parquet(path, row_group_size=max(count // 10, 1))
    elif kind == ".xlsx":
        book = openpyxl.Workbook(write_only=True)
        sheet = book.create_sheet()
        for row in [NAMES, *rows(count)]:
            sheet.append(row)
        book.save(path)
    else:
        events = "".join(
            f'<event><string key="case" value="{a}"/><string key="kind" value="{b}"/>'
            f'<date key="at" value="{c}"/></event>'
            for a, b, c in rows(count)
        )
        path.write_text(f"<log><trace>{events}</trace></log>")
    return path


KINDS = [".csv", ".jsonl", ".json", ".parquet", ".xlsx", ".xes"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [1, 7, 100, 1000])
def test_parts_are_the_whole_in_order(tmp_path, kind, size):
    """However a file is cut into parts, they are its rows, and their index goes on from part to part."""
    file = open_file(write(tmp_path / f"a{kind}", 100))
    parts = list(file.chunks(NAMES, size))
    assert all(len(part) <= size for part in parts)
    assert [part.columns.tolist() for part in parts] == [NAMES] * len(parts)
    whole = file.read(NAMES)
    pd.testing.assert_frame_equal(pd.concat(parts), whole)
    assert whole.to_numpy().tolist() == rows(100)
    assert whole.index.tolist() == list(range(100))
    assert file.rows == 100


@pytest.mark.parametrize("kind", KINDS)
def test_the_count_of_rows_is_known_without_reading_a_column(tmp_path, kind):
    """Asked for the count before the rows, a file is read for it."""
    assert open_file(write(tmp_path / f"a{kind}", 33)).rows == 33


@pytest.mark.parametrize("kind", [".csv", ".jsonl", ".json", ".xlsx", ".xes"])
def test_memory_does_not_grow_with_the_file(tmp_path, kind):
    """Four times the rows take no more memory: only one part is held. (Arrow's own memory is not counted here.)"""
    peaks = []
    for count in (1_500, 6_000) if kind in (".xlsx", ".xes") else (5_000, 20_000):
        path = write(tmp_path / f"a{count}{kind}", count)
        open_file(path).rows  # noqa: B018 (what is loaded once should not count)
        tracemalloc.start()
        seen = sum(len(part) for part in open_file(path).chunks(NAMES, 500))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert seen == count
    # All rows would be two to five megabytes more; a block of one megabyte is read at once.
    assert peaks[1] < 1.25 * peaks[0] + 1_000_000, peaks


def test_parquet_is_read_batch_by_batch(tmp_path):
    """A part comes before the rest of the file was decoded."""
    path = write(tmp_path / "a.parquet", 200_000)
    before = pa.total_allocated_bytes()
    parts = open_file(path).chunks(["case"], 1_000)
    assert len(next(parts)) == 1_000
    assert pa.total_allocated_bytes() - before < 2_000_000
    parts.close()


def test_a_file_that_is_written_meanwhile_is_refused(tmp_path):
    """Half of the old and half of the new export are no export."""
    path = write(tmp_path / "a.csv", 5_000)
    file = open_file(path)
    parts = file.chunks(NAMES, 1_000)
    next(parts)
    with path.open("a") as more:
        more.write("x,y,2024-03-01\n")
    with pytest.raises(FileFormatError, match=r"a.csv: the file was changed while it was read"):
        list(parts)
    path.unlink()
    with pytest.raises((FileFormatError, UsageError), match=r"a\.csv.*(changed|cannot be opened)"):
        file.read(NAMES)


def test_what_was_read_before_an_error_was_only_lent(tmp_path):
    """An error in the middle is raised when it is reached, with its row."""
    table = rows(3_000)
    table[2_500] = ["1", "a", "b", "c"]
    path = tmp_path / "a.csv"
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows([NAMES, *table])
    parts = open_file(path).chunks(NAMES, 1_000)
    assert [len(next(parts)), len(next(parts))] == [1_000, 1_000]
    with pytest.raises(FileFormatError, match=r"row 2501: expected 3 fields as in the header, got 4"):
        next(parts)


@pytest.mark.parametrize("at", [0, 999, 1000, 1001, 2999])
def test_broken_quotes_are_told_with_their_row_wherever_they_stand(tmp_path, at):
    """At the edges of the parts, too; and what is wrong first is told first."""
    lines = [",".join(row) for row in rows(3_000)]
    lines[at] = '"a"b,c,d'
    path = tmp_path / "a.csv"
    path.write_text("case,kind,at\n" + "\n".join(lines) + "\n")
    with pytest.raises(FileFormatError, match=rf"row {at + 1}: a quoted field does not end, or the quotes"):
        for _part in open_file(path).chunks(NAMES, 1_000):
            pass
    lines[10] = "a,b"
    path.write_text("case,kind,at\n" + "\n".join(lines) + "\n")
    first = min(at + 1, 11)
    with pytest.raises(FileFormatError, match=rf"row {first}: "):
        open_file(path).read(NAMES)


def test_the_encoding_is_told_by_the_whole_file(tmp_path):
    """One Chinese word in GB18030 after megabytes of English makes the file GB18030; UTF-8 is cut anywhere."""
    start = "case,kind\n" + "1,abc\n" * 200_000
    (tmp_path / "a.csv").write_bytes((start + "2,路灯\n3,abc\n").encode("gb18030"))
    file = open_file(tmp_path / "a.csv")
    assert file.read(["kind"])["kind"].iloc[-2] == "路灯"
    assert "GB18030" in file.notes[0]
    for shift in range(3):
        # A character of three bytes across the border of two blocks.
        text = "case,kind\n" + "12345,78\n" * (2**20 // 9 - 1)
        text += "1," + "a" * (2**20 - len(text) - 3 - shift) + "路灯\n"
        (tmp_path / "c.csv").write_text(text, encoding="utf-8")
        assert open_file(tmp_path / "c.csv").read(["kind"])["kind"].iloc[-1].endswith("路灯")


def test_parquet_decimals_are_codes_only_if_all_of_them_are(tmp_path):
    """Ward 7.0 is ward 7, also where a later batch has none; a column with 7.5 stays as it is; nothing overflows."""
    frame = pd.DataFrame(
        {
            "ward": [7.0] * 2_000 + [np.nan] * 2_000,
            "share": [7.0] * 3_999 + [7.5],
            "huge": [1e300] * 4_000,
            "none": pd.array([np.nan, 1.0, np.inf, 3.0] * 1_000, dtype="Float64"),
        }
    )
    frame.to_parquet(tmp_path / "a.parquet", row_group_size=500)
    parts = list(open_file(tmp_path / "a.parquet").chunks(frame.columns, 1_000))
    found = pd.concat(parts)
    assert found["ward"].dropna().unique().tolist() == ["7"]
    assert set(found["share"]) == {"7", "7.5"}
    assert found["huge"].unique().tolist() == ["1e+300"]


def test_parquet_text_that_is_none_is_refused(tmp_path):
    """Bytes that are no UTF-8, and NULs, would break in a database; the column is named and nothing shown."""
    broken = pa.array([b"ok", b"secret\xff"]).cast(pa.binary()).view(pa.binary())
    column = pa.StringArray.from_buffers(2, *broken.buffers()[1:])
    pq.write_table(pa.table({"case": ["1", "2"], "kind": column}), tmp_path / "a.parquet")
    with pytest.raises(FileFormatError, match=r"a part of the file is damaged, after row 0") as info:
        open_file(tmp_path / "a.parquet").read(["kind"])
    assert "secret" not in str(info.value)
    pq.write_table(pa.table({"case": ["1", "2"], "kind": ["a", "sec\x00ret"]}), tmp_path / "b.parquet")
    with pytest.raises(FileFormatError, match=r"column 'kind': expected text, got characters that no text holds"):
        open_file(tmp_path / "b.parquet").read(["kind"])


def test_parquet_times_beyond_all_calendars_stay_writable(tmp_path):
    """A time in the year 148108 is pulled back to the last one of the year 9999; zones and nulls stay as they are."""
    times = {
        "case": pa.array([2**62, -(2**62), 0, None], pa.timestamp("us")),
        "utc": pa.array([2**62, -(2**62), 0, None], pa.timestamp("us", "UTC")),
        "local": pa.array([2**62, -(2**62), 1_700_000_000_000_000, None], pa.timestamp("us", "Asia/Shanghai")),
        "day": pa.array([2**30, -(2**31), 0, None], pa.date32()),
    }
    pq.write_table(pa.table(times), tmp_path / "a.parquet")
    found = open_file(tmp_path / "a.parquet").read(list(times))
    assert found.isna().to_numpy()[3].all()
    assert found["case"].astype("str").tolist()[:3] == [
        "9999-12-30 23:59:59",
        "0001-01-02 00:00:00",
        "1970-01-01 00:00:00",
    ]
    assert found["local"].iloc[2] == pd.Timestamp(1_700_000_000, unit="s", tz="Asia/Shanghai")
    assert str(found["utc"].dtype) == "datetime64[s, UTC]"
    assert found["day"].iloc[2] == pd.Timestamp("1970-01-01")


def test_parquet_columns_are_named_as_every_other(tmp_path):
    """Parquet allows what a header must not be: the same name twice, or none."""
    table = pa.table([pa.array(["1"]), pa.array(["2"])], names=["case", "case"])
    pq.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(FileFormatError, match=r"the header names 'case' twice"):
        open_file(tmp_path / "a.parquet")


def test_parquet_of_types_without_text_is_refused(tmp_path):
    """Bytes are no text; what is wanted is looked at before anything is decoded."""
    pq.write_table(pa.table({"case": pa.array([b"1", b"2"])}), tmp_path / "a.parquet")
    with pytest.raises(FileFormatError, match=r"column 'case': expected text, numbers or times, got binary"):
        open_file(tmp_path / "a.parquet").read(["case"])


def test_a_sheet_of_a_file_without_sheets_is_a_wrong_call(tmp_path):
    """Only workbooks have sheets."""
    with pytest.raises(UsageError, match=r"only a workbook has sheets"):
        open_file(write(tmp_path / "a.csv", 1), sheet="Cases")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(tmp_path):
    """A file without permission is told as that."""
    path = write(tmp_path / "a.csv", 1)
    path.chmod(0)
    with pytest.raises(UsageError, match=r"cannot be opened"):
        open_file(path)


def test_old_line_ends_and_blank_lines(tmp_path):
    """Carriage returns alone end lines, and blank lines are none."""
    path = tmp_path / "a.csv"
    for text in ("case,kind\r1,a\r\r2,b\r", "\r\ncase,kind\r\n1,a\r\n\r\n\r\n2,b\r\n", "case,kind\n1,a\n\n2,b\n"):
        path.write_bytes(text.encode())
        assert open_file(path).read(["case", "kind"]).to_numpy().tolist() == [["1", "a"], ["2", "b"]]
    path.write_text(io.StringIO('case,kind\n1,"a\nb"\n2,"c,""d"""\n').read())
    assert open_file(path).read(["kind"])["kind"].tolist() == ["a\nb", 'c,"d"']


def write_spoilt(path):
    """A file of twenty rows of which the sixth is refused, with more to come after it."""
    if path.suffix == ".xlsx":
        book = openpyxl.Workbook(write_only=True)
        sheet = book.create_sheet()
        for at, row in enumerate([NAMES, *rows(20)]):
            sheet.append([*row, "beside the columns"] if at == 6 else row)
        book.save(path)
        return path
    if path.suffix == ".parquet":
        frame = pd.DataFrame(rows(20), columns=NAMES)
        frame.loc[5, "kind"] = "kind\x00"
        frame.to_parquet(path, row_group_size=1)
        return path
    whole = write(path, 20).read_text()
    broken = {".csv": "5,kind 5\n#", ".xes": "<event><!DOCTYPE"}.get(path.suffix, "{{")
    mark = {".csv": "5,kind 5,", ".xes": '<event><string key="case" value="5"/>'}.get(path.suffix, '{"case": "5"')
    assert whole.count("\n" + mark if path.suffix == ".csv" else mark) == 1
    path.write_text(whole.replace(mark, broken))
    return path


def is_open(path) -> bool:
    """Whether this process has the file open."""
    file = path.stat()
    for number in range(1024):
        with suppress(OSError):
            found = os.fstat(number)
            if (found.st_dev, found.st_ino) == (file.st_dev, file.st_ino):
                return True
    return False


@pytest.mark.parametrize("kind", KINDS)
def test_a_refused_file_is_closed_at_once(tmp_path, kind):
    """Whoever keeps the refusal, to log it or to show it, does not keep the file open with it."""
    path = write_spoilt(tmp_path / f"a{kind}")
    gc.collect()
    gc.disable()
    try:
        with path.open("rb"):
            assert is_open(path)
        with pytest.raises(FileFormatError) as refusal:
            for _part in open_file(path).chunks(NAMES, 1):
                pass
        assert refusal.value.__traceback__ is not None
        assert not is_open(path)
    finally:
        gc.enable()
