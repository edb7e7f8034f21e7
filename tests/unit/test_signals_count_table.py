"""Tables of counts from CSV: what is understood, and what is refused by its row."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from data.errors import FileFormatError, InputError
from models.signals.count_table import read_count_tables


@pytest.fixture
def read(tmp_path):
    def write_and_read(text: str, **options: bool):
        path = tmp_path / "counts.csv"
        path.write_text(text, encoding="utf-8")
        return read_count_tables(path, **options)

    return write_and_read


def test_weeks_come_in_any_order_and_gaps_are_missing(read):
    """The table has every week from the first to the last; NA and an absent row are both null."""
    (table,) = read("date,series,n\n2024-01-22,a,3\n2024-01-01,a,1\n2024-01-08,a,NA\n")
    assert [str(day)[:10] for day in table.counts.index] == ["2024-01-01", "2024-01-08", "2024-01-15", "2024-01-22"]
    np.testing.assert_array_equal(table.counts["a"], [1, np.nan, np.nan, 3])
    assert table.population is None


def test_weeks_by_number_with_a_population(read):
    """`k` in place of a date, `count` in place of n; an empty population is 1."""
    (table,) = read("series,k,count,population\na,3,5,\na,4,6,20\n")
    assert table.counts.index.tolist() == [3, 4]
    assert table.population["a"].tolist() == [1.0, 20.0]


def test_series_of_one_span_come_together(read):
    """Each from its own first week to its own last; series with other spans, or numbered, stand apart."""
    tables = read("series,k,date,n\na,1,,1\na,2,,2\nb,1,,3\nb,2,,4\nc,1,,5\nd,1,2024-01-01,6\n")
    assert sorted(sorted(table.counts.columns) for table in tables) == [["a", "b"], ["c"], ["d"]]


def test_missing_weeks_can_be_zeros_over_the_whole_span(read):
    """For exports that have rows only where something happened."""
    (table,) = read("date,series,n\n2024-01-01,a,1\n2024-01-15,b,2\n2024-01-08,a,4\n", missing_is_zero=True)
    assert table.counts["a"].tolist() == [1, 4, 0]
    assert table.counts["b"].tolist() == [0, 0, 2]


def test_months_are_steps_of_a_month(read):
    """First days of months are a regular step, however long the months are; weekly series may stand beside them."""
    months = "".join(f"2023-{month:02d}-01,m,{month}\n" for month in range(1, 13))
    weeks = "2023-01-02,w,1\n2023-01-09,w,2\n2023-01-23,w,3\n"
    tables = read(f"date,series,n\n{months}{weeks}")
    shapes = {table.counts.columns[0]: len(table.counts) for table in tables}
    assert shapes == {"m": 12, "w": 4}


def test_one_series_needs_no_name(read):
    """Without a column `series` there is one, called all."""
    (table,) = read("k,n\n1,2\n2,3\n")
    assert table.counts.columns.tolist() == ["all"]


@pytest.mark.parametrize("first", ["2024-02-29", "2023-04-30", "2023-01-31", "2023-01-30"])
def test_last_days_of_months_are_months_whatever_month_comes_first(read, first):
    """A month that is shorter than those after it, too; a gap of a month is a missing month."""
    begin = pd.Timestamp(first)
    days = [begin + pd.DateOffset(months=n) for n in range(14)]
    if begin.is_month_end:
        days = [day + pd.offsets.MonthEnd(0) for day in days]
    rows = "".join(f"{day:%Y-%m-%d},{n}\n" for n, day in enumerate(days) if n != 5)
    (table,) = read(f"date,n\n{rows}")
    assert table.counts.index.tolist() == days
    assert np.flatnonzero(table.counts["all"].isna()).tolist() == [5]


@pytest.mark.parametrize("missing_is_zero", [False, True])
@pytest.mark.parametrize("rows", ["k,n\n1,2\n100000000000,3\n", "date,n\n1700-01-01,1\n2024-01-01,1\n2024-01-02,3\n"])
def test_a_span_that_only_a_slip_can_make_is_refused(read, rows, missing_is_zero):
    """Before a table so long is laid out."""
    with pytest.raises(InputError, match=r"at most 40,000 steps of time .* Look for mistyped dates or numbers"):
        read(rows, missing_is_zero=missing_is_zero)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("date,series,n\n2024-01-01,a,1\n01.02.2024,a,2\n", r"column 'date', row 2: expected a date as YYYY-MM-DD"),
        ("date,series,n\n2024-01-01,a,secret\n", r"column 'n', row 1: expected a whole number"),
        ("date,series,n\n2024-01-01,a,-1\n2024-01-08,a,1.5\n", r"column 'n', 2 rows: 1, 2: expected a whole number"),
        ("date,series,n\n2024-01-01,a,1\n2024-01-01,a,2\n", r"row 2: the same series has a row for this week"),
        ("date,series,n\n2024-01-01,,1\n", r"column 'series', row 1: expected a name"),
        ("date,series,n\n,a,1\n", r"column 'date', row 1: expected a date or a number k"),
        ("k,n,population\n1,2,-3\n", r"column 'population', row 1: expected a number from 0 on"),
        ("k,n\n1.5,2\n", r"column 'k', row 1: expected a whole number"),
        (
            "date,n\n2024-01-01,1\n2024-01-08,1\n2024-01-15,1\n2024-01-18,1\n",
            r"column 'date', row 4: expected dates a regular step apart \(here 7 days",
        ),
        ("date,n\n2024-01-01,1\n9999-01-08,2\n", r"column 'date', row 2: expected a date"),
        ("date,n\n2024-01-01,1\n0201-01-08,2\n", r"column 'date', row 2: expected a date"),
        ("date,series\n2024-01-01,a\n", r"expected the columns date \(or k\), series, n .* there is no n"),
        ("series,n\na,1\n", r"there is neither date nor k"),
        ("date,series,n\n", r"expected rows of counts; there are none"),
    ],
)
def test_what_is_wrong_is_named_by_row_and_never_shown(read, text, message):
    """Column, row and what was expected; the content of a cell is never repeated."""
    with pytest.raises(InputError, match=message) as told:
        read(text)
    assert "secret" not in str(told.value)


def test_what_is_no_table_is_refused(read, tmp_path):
    """No file, an empty file, bytes that are no text."""
    with pytest.raises(FileFormatError, match="there is no such file"):
        read_count_tables(tmp_path / "nothing.csv")
    with pytest.raises(FileFormatError, match="the file is empty"):
        read("")
    with pytest.raises(
        FileFormatError, match=r"as many fields in every row as names in the header; the rows have more"
    ):
        read("k,n\n1,5,7\n2,6,7\n")
    (tmp_path / "binary.csv").write_bytes(b"k,n\n\xff\xfe\x00,1\n")
    with pytest.raises(FileFormatError, match=r"binary\.csv, line 2: there is a NUL byte"):
        read_count_tables(tmp_path / "binary.csv")
    (tmp_path / "torn.csv").write_bytes(b"k,n\n1,2\n\xff\xff,1\n2,5\n")
    with pytest.raises(FileFormatError, match=r"torn\.csv, line 3: the text is neither UTF-8 nor GB18030"):
        read_count_tables(tmp_path / "torn.csv")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("k,n\n1,2\n2,secret,4\n", r"counts\.csv, line 3: expected 2 fields as in the header; there are 3"),
        ('k,n\n1,2\n2,"secret\n3,4\n', r"counts\.csv, row 2: a quote is opened and never closed"),
        ("k;n\n1;2\n", r"with commas between; there is no n"),
        ("K,N\n1,2\n", r"in small letters and with commas between; there is no n"),
    ],
)
def test_a_torn_row_is_named_by_its_line(read, text, message):
    """Where to look, and what for; nothing of what stands there."""
    with pytest.raises(InputError, match=message) as told:
        read(text)
    assert "secret" not in str(told.value)


def test_tables_in_gb18030_are_read_as_those_in_utf8(read, tmp_path):
    """As a spreadsheet in Chinese saves them: the same series, by the same names."""
    text = "date,series,n\n2024-01-01,路灯,3\n2024-01-08,路灯,4\n"
    (tmp_path / "saved.csv").write_bytes(text.encode("gb18030"))
    (table,) = read_count_tables(tmp_path / "saved.csv")
    (same,) = read(text)
    assert table.counts.columns.tolist() == ["路灯"]
    pd.testing.assert_frame_equal(table.counts, same.counts)


def test_weeks_of_the_calendar_are_their_mondays(tmp_path):
    """2020 has 53 weeks, and the week after is the first of 2021; a week that a year has not is refused by its row."""
    path = tmp_path / "weeks.csv"
    path.write_text("date,series,n\n2020-W52,a,1\n2020-W53,a,2\n2021W01,a,3\n2021-01-11,a,4\n", encoding="utf-8")
    (table,) = read_count_tables(path)
    assert table.counts.index.strftime("%Y-%m-%d").tolist() == ["2020-12-21", "2020-12-28", "2021-01-04", "2021-01-11"]
    assert table.counts["a"].tolist() == [1.0, 2.0, 3.0, 4.0]
    path.write_text("date,series,n\n2021-W52,a,1\n2021-W53,a,2\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"row 2: expected a date as YYYY-MM-DD, or a week as 2024-W05"):
        read_count_tables(path)


def test_heads_in_chinese_are_read(tmp_path):
    """日期, 序列, 数量, 人口 are date, series, n and population; beside a date they are columns like any other."""
    path = tmp_path / "counts.csv"
    path.write_text("日期,序列,数量,人口\n2024-01-01,路灯,3,500\n2024-01-08,路灯,4,500\n", encoding="utf-8")
    (table,) = read_count_tables(path)
    assert table.counts["路灯"].tolist() == [3.0, 4.0]
    assert table.population is not None
    path.write_text("date,日期,n\n2024-01-01,x,3\n", encoding="utf-8")
    assert read_count_tables(path)[0].counts["all"].tolist() == [3.0]
