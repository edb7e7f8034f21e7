"""Files as tables: what is read, what is refused, and how the refusal reads."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from data.errors import FileFormatError, UsageError
from data.read import open_file

TWO_ROWS = "case,kind,village\n1,Light,North\n2,,South\n"


def table(path) -> pd.DataFrame:
    file = open_file(path)
    return file.read(file.columns)


def written(path, content) -> object:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "gbk"])
def test_chinese_csv_is_read_in_every_encoding_that_offices_use(tmp_path, encoding):
    """UTF-8 with and without its mark, and GB18030 with its parts, give the same table."""
    path = written(tmp_path / "cases.csv", "编号,类别\n1,路灯\n2,积水\n".encode(encoding))
    assert table(path).to_dict("list") == {"编号": ["1", "2"], "类别": ["路灯", "积水"]}


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_delimiters_are_told_by_the_header(tmp_path, delimiter):
    """Commas, semicolons and tabs are all called CSV somewhere."""
    found = table(written(tmp_path / "cases.csv", TWO_ROWS.replace(",", delimiter)))
    assert found.columns.tolist() == ["case", "kind", "village"]
    assert found["village"].tolist() == ["North", "South"]


def test_text_is_never_guessed_to_be_something_else(tmp_path):
    """Codes keep their leading zeros, and an empty field is null and nothing else is."""
    found = table(written(tmp_path / "cases.csv", 'case,ward\n007,"NA"\n1e5,\n 8 ,nan\n'))
    assert found["case"].tolist() == ["007", "1e5", "8"]
    assert found["ward"].isna().tolist() == [False, True, False]


def test_json_lines_and_csv_give_the_same_table(tmp_path):
    """The same rows in both formats are the same text; a key that is missing in a line is null."""
    csv = table(written(tmp_path / "cases.csv", TWO_ROWS))
    lines = ['{"case": 1, "kind": "Light", "village": "North"}', '{"case": "2", "village": "South"}']
    found = table(written(tmp_path / "cases.jsonl", "\n".join(lines)))
    pd.testing.assert_frame_equal(found[csv.columns], csv)


def test_parquet_keeps_times_and_turns_codes_into_text(tmp_path):
    """Times stay times; a ward that a null turned into 7.0 is ward 7 again; categories are text."""
    frame = pd.DataFrame(
        {
            "at": pd.to_datetime(["2024-03-01 09:00:00.123", None]),
            "utc": pd.to_datetime(["2024-03-01 09:00", None]).tz_localize("UTC"),
            "ward": [7.0, np.nan],
            "lat": [42.36, np.nan],
            "kind": pd.Categorical(["Light", None]),
            "none": [None, None],
        }
    )
    frame.to_parquet(tmp_path / "cases.parquet")
    found = table(tmp_path / "cases.parquet")
    assert str(found["at"].dtype) == "datetime64[s]"
    assert str(found["utc"].dtype) == "datetime64[s, UTC]"
    assert found["ward"].tolist()[0] == "7"
    assert found["lat"].tolist()[0] == "42.36"
    assert found["kind"].tolist()[0] == "Light"
    assert found.isna().to_numpy()[1].all()


def test_only_the_columns_asked_for_are_decoded(tmp_path):
    """What is left out never becomes a value in memory."""
    pd.DataFrame({"case": ["1"], "text": ["x"]}).to_parquet(tmp_path / "cases.parquet")
    assert open_file(tmp_path / "cases.parquet").read({"case"}).columns.tolist() == ["case"]


def test_a_missing_file_is_a_wrong_call():
    """No file is the caller's mistake, exit code 2."""
    with pytest.raises(UsageError, match=r"There is no file nowhere.csv"):
        open_file("nowhere.csv")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "", "a.csv: the file is empty"),
        ("a.csv", "\ufeff \n", "a.csv: the file is empty"),
        ("a.parquet", "", "a.parquet: the file is empty"),
        ("a.csv", "case,kind\n", "a.csv: the file has column names and no rows"),
        ("a.csv", "hello\nworld\n", "expected a header with the names of the columns"),
        ("a.csv", "case,,kind\n1,2,3\n", "column 2 of the header has no name"),
        ("a.csv", "case,kind,case\n1,2,3\n", "the header names 'case' twice"),
        ("a.parquet", TWO_ROWS, "the name says Parquet, but the content is plain text"),
        ("a.csv", b"PAR1" + b"x" * 100, "the name says CSV, but the content is Parquet"),
        ("a.csv", '{"case": 1}\n', "the name says CSV, but the content is JSON"),
        ("a.jsonl", TWO_ROWS, "a.jsonl: expected JSON Lines, one object"),
        ("a.jsonl", '[{"case": 1}]', "a.jsonl: expected JSON Lines, one object"),
        ("a.json", "[]", "the array holds no objects"),
        ("a.csv", "case,2024-03-01\n1,2\n", "got numbers, dates or texts in the place of name 2"),
        ("a.csv", "case,12 Elm Street\n1,2\n", "texts in the place of name 2"),
        ("a.csv", "case,jane@example.org\n1,2\n", "place of name 2. Does the header stand in the first row"),
        ("a.csv", "case,kind\n1,a\x00b\n" + "2,c\n" * 2000, "a.csv: this is a binary file"),
        ("a.csv", "case,kind\n" + "2,c\n" * 2000 + "1,a\x00b\n", "line 2002: there is a NUL byte"),
        ("a.csv", ",".join(f"c{n}" for n in range(2001)) + "\n1\n", "at most 2,000 columns, got 2,001"),
        ("a.csv", b"PK\x03\x04rest", "this is an Excel workbook or another ZIP file.*CSV UTF-8"),
        ("a.xlsx", b"PK\x03\x04rest", "begins as an Excel workbook or another ZIP file, but it is cut off"),
        ("a.xls", b"\xd0\xcf\x11\xe0rest", "this is an old Excel workbook.*Save it as .xlsx"),
        ("a.csv", "case,kind\n1,路灯\n".encode("gb18030")[:-2] + b"\xff,2\n3,4\n", "line 2: the text is neither UTF-8"),
        ("a.csv.gz", b"\x1f\x8brest", "this is compressed with gzip.*Unpack it"),
        ("a.csv", "<html>Not found</html>", "this is XML or a web page"),
        ("a.csv", "case,kind\n".encode("utf-16"), "this is text in UTF-16"),
        ("a.bin", b"a\x00b\x00c", "a binary file of an unknown type"),
        ("a.csv", b"case,kind\n1,\xff\xff\n2,x\n", "line 2: the text is neither UTF-8 nor GB18030"),
        ("a.jsonl", '{"case": 1}\n[2]\n', "row 2: expected one JSON object per line"),
    ],
)
def test_what_is_no_table_is_refused_with_the_remedy(tmp_path, name, content, message):
    """Empty, of another type, or damaged: each is told apart."""
    with pytest.raises(FileFormatError, match=message):
        open_file(written(tmp_path / name, content))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "a.csv",
            "case,kind,village\n1,Light,North\n2,Li",
            "row 2, the last one: expected 3 fields, got 2.*cut off",
        ),
        ("a.csv", 'case,kind\n1,Light\n2,"Li', "row 2: a quoted field does not end.*cut off"),
        (
            "a.csv",
            "case,kind\n1,路灯\n2,路".encode()[:-1],
            "ends in the middle of a character: it is cut off",
        ),
        ("a.jsonl", '{"case": 1}\n{"case": 2, "ki', "row 2: expected one JSON object.*the file is cut off"),
        ("a.jsonl", '{"case": 1\n{"case": 2}\n', "row 1: expected one JSON object.*the line is damaged"),
        (
            "a.csv",
            "case,kind\n1,Light, bright\n2,Drain\n",
            "row 1: expected 2 fields as in the header, got 3",
        ),
    ],
)
def test_a_file_cut_off_half_way_is_refused_with_the_row(tmp_path, name, content, message):
    """The row where the file ends is named, and so is what to do."""
    with pytest.raises(FileFormatError, match=message):
        table(written(tmp_path / name, content))


def test_a_line_without_an_end_is_refused_before_it_is_read(tmp_path):
    """One line is in memory at a time, so it has to have an end."""
    path = written(tmp_path / "a.csv", b"case,kind\n2,c\n1," + b"a" * (18 * 2**20) + b"\n")
    with pytest.raises(FileFormatError, match="line 3: the line is longer than 16 MiB"):
        open_file(path)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.99])
def test_a_parquet_file_cut_off_anywhere_is_refused(tmp_path, share):
    """Parquet lists its columns at its end, so every cut shows."""
    path = tmp_path / "cases.parquet"
    pd.DataFrame({"case": [str(n) for n in range(5000)]}).to_parquet(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(FileFormatError, match=r"cases.parquet: this begins as Parquet.*cut off"):
        open_file(path)


def test_a_last_line_without_its_break_is_noted(tmp_path):
    """A cut inside the last field cannot be proved, but it can be doubted."""
    assert open_file(written(tmp_path / "a.csv", TWO_ROWS)).notes == ()
    assert "does not end in a line break" in open_file(written(tmp_path / "b.csv", TWO_ROWS.rstrip())).notes[0]


def test_chinese_that_is_not_utf8_is_noted(tmp_path):
    """A Western file can pass for GB18030, so the guess is told."""
    chinese = written(tmp_path / "a.csv", "编号,类别\n1,路灯\n".encode("gb18030"))
    assert "was read as GB18030" in open_file(chinese).notes[0]


def test_nested_values_are_refused_with_their_place(tmp_path):
    """A list inside a row has no place in a table; the message does not show it."""
    lines = [json.dumps({"case": 1, "kind": "x"}), json.dumps({"case": 2, "kind": ["secret"]})]
    file = open_file(written(tmp_path / "a.jsonl", "\n".join(lines)))
    with pytest.raises(FileFormatError, match="column 'kind', row 2: expected one value") as info:
        file.read({"case", "kind"})
    assert "secret" not in str(info.value)
    pd.DataFrame({"case": ["1"], "kind": [["secret"]]}).to_parquet(tmp_path / "b.parquet")
    with pytest.raises(FileFormatError, match="column 'kind': expected text, numbers or times, got list"):
        table(tmp_path / "b.parquet")
