"""Everything that a bad export can be: each gets the file, the column, the row, the remedy, and changes
nothing.
"""

from __future__ import annotations

import shutil

import pandas as pd
import pytest

from data.errors import FileFormatError, HeedError, LeakError, MappingError, PersonalDataError, RowError
from data.import_cases import import_file
from data.mapping import find_mapping
from data.store import Store
from tests.support.exports import ROW, contents, town, write_csv, write_rows


@pytest.fixture(scope="module")
def one_case(tmp_path_factory):
    """The file of a store that holds one case."""
    folder = tmp_path_factory.mktemp("one_case")
    with Store.open(str(folder / "heed.db"), create=True) as opened:
        import_file(opened, write_csv(folder / "before.csv", [{"number": "first"}]), town())
    return folder / "heed.db"


@pytest.fixture
def store(one_case, tmp_path):
    """A store that holds one case, to see that it stays as it is."""
    shutil.copy(one_case, tmp_path / "heed.db")
    with Store.open(str(tmp_path / "heed.db")) as opened:
        assert len(opened.read_events()) == 3
        yield opened


@pytest.fixture
def refused(store, tmp_path):
    """Import rows (or the content of a file) that must be refused; give back the message."""

    def run(rows, error: type[HeedError], mapping=None, name: str = "cases.csv", **options) -> str:
        path = tmp_path / name
        if isinstance(rows, bytes):
            path.write_bytes(rows)
        else:
            write_csv(path, rows)
        before = contents(store)
        with pytest.raises(error) as info:
            import_file(store, path, mapping or town(), **options)
        assert all(was.equals(now) for was, now in zip(before, contents(store), strict=True))
        message = str(info.value)
        assert name in message
        return message

    return run


def has(message: str, *parts: str) -> None:
    for part in parts:
        assert part in message, message


def test_missing_column(refused, tmp_path):
    """A mapped column that the file lacks is named with its field, beside what the file has."""
    rows = write_rows(tmp_path / "x.csv", [{name: ROW[name] for name in ROW if name != "due"}]).read_bytes()
    message = refused(rows, MappingError)
    has(message, "expects 'due' (field due_at)", "Its columns: number, opened, closed", "optional = true")


def test_renamed_column(refused):
    """A renamed column is unknown and missing at once: the door speaks first and doubts the mapping."""
    rows = b"number,opened,Due Date,closed,kind,village,via,unit\n1,2,3,4,5,6,7,8\n"
    message = refused(rows, PersonalDataError)
    has(message, "'Due Date': not known to the mapping", "--drop 'Due Date'", "also expects 'due'")


def test_unknown_vocabulary(refused):
    """An unknown word names its column, rows and where in the mapping to add it, but not the word."""
    message = refused([{}, {"via": "Pigeon"}, {"via": "Owl"}], RowError)
    has(message, "column 'via', 2 rows: 2, 3", "not in [vocabulary.via] of the mapping")
    has(message, "Add it to [vocabulary.via.values]", 'set other = "other" in [vocabulary.via]')
    assert "Pigeon" not in message


def test_naive_time_without_a_declared_zone(refused):
    """A local time without a zone is refused; the remedy is one line in the mapping."""
    mapping = town(('time_zone = "America/New_York"\n', ""))
    message = refused([{}, {"closed": ""}], RowError, mapping)
    has(message, "column 'opened', 2 rows: 1, 2", "column 'closed', row 1", "declares no time zone")
    has(message, "Set time_zone in [source] of the mapping, such as 'Asia/Shanghai'")
    has(refused([{}], RowError, mapping, set_aside=["closed_before_opened"]), "column 'opened', row 1")


def test_closed_before_opened(refused):
    """A case cannot be closed before it is opened."""
    message = refused([{}, {}, {"closed": "2024-02-29 12:00:00"}], RowError)
    has(message, "column 'closed', row 3: it lies before 'opened'", "--set-aside closed_before_opened")


def test_deadline_in_2059(refused):
    """A deadline decades away is a mistake of the source and not a generous promise."""
    message = refused([{"due": "2059-12-31 19:00:00"}, {}], RowError)
    has(message, "column 'due', row 1: it lies more than 1,095 days after 'opened'", "--set-aside due_too_far")
    has(message, "latest_due_days in [rules]")


def test_deadline_before_opening(refused):
    """A promise for yesterday was never kept by anyone."""
    has(refused([{"due": "2024-02-01"}], RowError), "column 'due', row 1: it lies before 'opened'")


def test_duplicate_ids(refused):
    """A number that stands twice is refused at its second row, also when the rows are the same."""
    message = refused([{"number": "7"}, {"number": "8"}, {"number": "7"}], RowError)
    has(message, "column 'number', row 3: the number of the case stands in an earlier row too")
    has(message, "Export one row per case", "--set-aside duplicate_reference")


def test_missing_number_and_missing_opening(refused):
    """A case needs a number and a time of opening."""
    message = refused([{"number": ""}, {"opened": ""}, {"opened": "yesterday"}], RowError)
    has(message, "column 'number', row 1: every row needs the number of its case")
    has(message, "column 'opened', row 2: every case needs a time of opening")
    has(message, "column 'opened', row 3: expected a time such as", "Set time_format in [source]")
    assert "yesterday" not in message


def test_status_that_contradicts_the_dates(refused):
    """A closed case without a closing, or an open one with one, is a question to the source."""
    mapping = town(
        ('[columns.outcome]\nfield = "closing_reason"', '[columns.outcome]\nfield = "status"'),
        ('"Done" = "resolved"\n"Seen" = "noted"', '"Done" = "closed"\n"Seen" = "open"'),
    )
    rows = [{"outcome": "Done"}, {"outcome": "Done", "closed": ""}, {"outcome": "Seen"}]
    has(refused(rows, RowError, mapping), "column 'outcome', 2 rows: 2, 3: it contradicts 'closed'")


def test_time_after_the_export(refused):
    """Nothing in an export can be later than the export."""
    message = refused([{}, {"closed": "2199-01-01 00:00:00"}], RowError)
    has(message, "column 'closed', row 2: it lies after the moment at which the export was made", "Check time_zone")
    has(refused([{}], RowError, extracted_at=1_709_400_000), "column 'closed', row 1: it lies after")
    rows = [{"snapshot": "2024-03-04"}]
    has(refused(rows, RowError), "column 'closed', row 1: it lies after")


def test_all_findings_are_listed_together(refused):
    """One run shows everything that is wrong, so that an export is mended once."""
    rows = [{"closed": "2024-02-29"}, {"due": "2059-01-01"}, {"via": "Owl"}, {"number": "1"}, {"opened": "?"}]
    message = refused(rows, RowError)
    assert message.count("\n  - column") == 5
    has(message, "nothing was imported")


def test_only_the_first_rows_are_listed(refused):
    """A thousand bad rows are a count and five numbers."""
    message = refused([{"via": "Owl"} for _ in range(1000)], RowError)
    has(message, "1,000 rows: 1, 2, 3, 4, 5, …")


@pytest.mark.parametrize("name", ["cases.csv", "cases.parquet", "cases.jsonl"])
def test_empty_file(refused, name):
    """No byte, or nothing but a header, is no export."""
    has(refused(b"", FileFormatError, name=name), "the file is empty", "Export it again")


def test_header_only(refused):
    """Column names without a row are an export with a filter that fits nothing."""
    content = (",".join(ROW) + "\n").encode()
    has(refused(content, FileFormatError), "column names and no rows", "Check the period and the filters")


def test_wrong_file_type(refused):
    """A name that promises another type than the content is refused both ways."""
    content = (",".join(ROW) + "\n" + ",".join(ROW.values()) + "\n").encode()
    message = refused(content, FileFormatError, name="cases.parquet")
    has(message, "the name says Parquet, but the content is plain text", "Rename the file")
    has(refused(b"PK\x03\x04", FileFormatError, name="cases.xlsx"), "an Excel workbook", "Save the sheet as CSV")


def test_personal_data_column(refused):
    """A column of telephone numbers refuses the file with exit code 3, by its name alone."""
    message = refused([{"caller_phone": "617-555-0123"}], PersonalDataError)
    has(message, "'caller_phone': looks like a telephone number, by its name", "--drop caller_phone", "[leave_out]")
    assert PersonalDataError.exit_code == 3
    assert "617" not in message


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("jane@example.org", "an e-mail address"),
        ("12 Elm Street", "a street address"),
        ("13800138000", "a telephone number"),
        ("幸福小区3幢2单元", "a street address"),
        ("My neighbour is loud. Please do something about it.", "a free text"),
    ],
)
def test_personal_data_in_a_mapped_column(refused, value, kind):
    """Whatever a column is called, a value that looks personal refuses the file and is not shown."""
    message = refused([{}, {"village": value}], PersonalDataError)
    has(message, f"column 'village', row 2: looks like {kind}", "--drop COLUMN")
    assert value not in message


def test_a_person_as_the_number_of_a_case(refused):
    """A case must not be called after a person."""
    message = refused([{"number": "11010519491231002X"}], PersonalDataError)
    has(message, "column 'number'", "looks like a Chinese identity number", "map the source's own number")


def test_final_owner_called_known_at_opening():
    """The refusal of the leak explains itself and ends with exit code 3."""
    with pytest.raises(LeakError, match=r"keeps only the last state of a case"):
        town(('field = "office"\nat = "end"', 'field = "office"\nat = "opened"'))


@pytest.mark.parametrize("share", [0.3, 0.6, 0.97])
def test_csv_cut_off_half_way(refused, tmp_path, share):
    """A CSV file that ends inside a row is refused at that row."""
    whole = write_csv(tmp_path / "whole.csv", [{} for _ in range(50)]).read_bytes()
    cut = whole[: int(len(whole) * share)]
    cut = cut[: cut.rindex(b"2024") + 6]
    message = refused(cut, FileFormatError)
    row = cut.count(b"\n")
    has(message, f"cases.csv, row {row}, the last one: expected 8 fields", "cut off", "Copy or export it again")


def test_parquet_cut_off_half_way(refused, tmp_path):
    """A Parquet file that lost its end is refused as that."""
    pd.DataFrame([{**ROW, "number": str(n)} for n in range(2000)]).to_parquet(tmp_path / "whole.parquet")
    whole = (tmp_path / "whole.parquet").read_bytes()
    message = refused(whole[: len(whole) // 2], FileFormatError, name="cases.parquet")
    has(message, "its end, where Parquet lists its columns, is missing", "Copy or export it again")


def test_json_lines_cut_off_half_way(refused):
    """A JSON Lines file that ends inside an object is refused at that row."""
    message = refused(b'{"number": "1"}\n{"number": "2", "open', FileFormatError, name="cases.jsonl")
    has(message, "cases.jsonl, row 2: expected one JSON object", "the file is cut off")


def test_the_mapping_of_another_city(refused, real_file):
    """Reading one city's file with the mapping of another is refused at the door."""
    content = real_file("chicago_sanitation_2011_2014.parquet").read_bytes()
    message = refused(content, PersonalDataError, find_mapping("boston"), name="cases.parquet")
    has(message, "'community_area': not known to the mapping", "is it the mapping of this file?")


def test_a_personal_column_in_a_real_file(refused, real_file, tmp_path):
    """A real export with one column too many is refused whole; dropping the column imports it."""
    frame = pd.read_parquet(real_file("stlouis_csb_2018_01.parquet")).head(500)
    frame.assign(CALLER_NAME="x").to_parquet(tmp_path / "cases.parquet")
    content = (tmp_path / "cases.parquet").read_bytes()
    message = refused(content, PersonalDataError, find_mapping("stlouis"), name="cases.parquet")
    has(message, "'CALLER_NAME': looks like something about a person", "--drop CALLER_NAME")


def test_times_where_a_code_is_expected(refused, tmp_path):
    """A Parquet column of times that is mapped to a vocabulary is read as text, and refused as words are."""
    path = write_csv(tmp_path / "x.csv", [{}])
    frame = pd.read_csv(path, dtype="str")
    frame["via"] = pd.Timestamp("2024-03-01 10:00")
    frame.to_parquet(tmp_path / "x.parquet")
    message = refused((tmp_path / "x.parquet").read_bytes(), RowError, name="cases.parquet")
    has(message, "column 'via'", "not in [vocabulary.via] of the mapping")
