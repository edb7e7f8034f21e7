"""Workbooks: the sheet, its header, dates and results of formulas; and what is refused."""

from __future__ import annotations

import re
import zipfile
from datetime import date, datetime, time, timedelta

import openpyxl
import pandas as pd
import pytest

from data.errors import FileFormatError
from data.read import open_file


def at(*parts: int) -> datetime:
    """A time without a zone, as Excel has them."""
    return datetime(*parts)  # noqa: DTZ001


HEADER = ["case", "kind", "opened"]
ROW = ["1", "Light", at(2024, 3, 1, 9, 30, 7)]


def workbook(path, sheets: dict[str, list[list[object]]], *, hidden: tuple[str, ...] = (), setup=None):
    """A workbook of these sheets."""
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
        sheet.sheet_state = "hidden" if name in hidden else "visible"
    if setup:
        setup(book)
    book.save(path)
    return path


def part(path, name: str, content: str) -> None:
    """Replace one part of a workbook."""
    with zipfile.ZipFile(path) as archive:
        parts = {item: archive.read(item) for item in archive.namelist()}
    parts[name] = content.encode()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for item, text in parts.items():
            archive.writestr(item, text)


SHEET = (
    '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>{}</sheetData></worksheet>'
)
HEADER_XML = (
    '<row r="1"><c r="A1" t="inlineStr"><is><t>case</t></is></c><c r="B1" t="inlineStr"><is><t>kind</t></is></c></row>'
)


def sheet_xml(path, rows: str):
    """A workbook whose one sheet is this XML after a header of `case` and `kind`."""
    workbook(path, {"Cases": [HEADER]})
    part(path, "xl/worksheets/sheet1.xml", SHEET.format(HEADER_XML + rows))
    return path


def test_values_come_as_they_are_meant(tmp_path):
    """Dates are times, whole numbers have no point, empty is null, truth is a word, and text is trimmed."""
    rows = [
        [7, " a ", at(2024, 3, 1, 9, 30, 7)],
        [7.5, True, date(2024, 3, 2)],
        [1.01e11, None, None],
        ["007", "路灯", at(1999, 12, 31, 23, 59, 59)],
    ]
    file = open_file(workbook(tmp_path / "a.xlsx", {"Cases": [HEADER, *rows]}))
    found = file.read(HEADER)
    assert found["case"].tolist() == ["7", "7.5", "101000000000", "007"]
    assert found["kind"].tolist()[:2] == ["a", "true"]
    assert found["kind"].isna().tolist() == [False, False, True, False]
    assert str(found["opened"].dtype) == "datetime64[s]"
    expected = ["2024-03-01 09:30:07", "2024-03-02", None, "1999-12-31 23:59:59"]
    assert found["opened"].tolist() == pd.to_datetime(pd.Series(expected), format="ISO8601").tolist()
    assert file.notes == ()


def test_every_second_of_a_day_survives_excels_fractions(tmp_path):
    """Excel keeps a time as a fraction of a day; it comes back to the second."""
    start = at(2024, 3, 10)
    moments = [start + timedelta(seconds=second) for second in range(0, 86_400, 37)]
    rows = [[str(place), "x", moment] for place, moment in enumerate(moments)]
    file = open_file(workbook(tmp_path / "a.xlsx", {"Cases": [HEADER, *rows]}))
    assert file.read(["opened"])["opened"].tolist() == pd.Series(moments).tolist()


def test_times_among_texts_are_text(tmp_path):
    """A column in which somebody typed some of the dates stays readable, in one part and over several."""
    rows = [[str(n), "x", at(2024, 3, 1, 9) if n < 3 else "2024-03-02 10:00"] for n in range(4)]
    file = open_file(workbook(tmp_path / "a.xlsx", {"Cases": [HEADER, *rows]}))
    whole = file.read(["opened"])["opened"].tolist()
    assert whole == ["2024-03-01 09:00:00"] * 3 + ["2024-03-02 10:00"]
    first, second = file.chunks(["opened"], 3)
    assert [str(first["opened"].dtype), str(second["opened"].dtype)] == ["datetime64[s]", "str"]


def test_a_time_of_day_and_a_span_are_text(tmp_path):
    """They are no moment."""
    rows = [["1", time(9, 30), ROW[2]], ["2", timedelta(hours=30), ROW[2]]]
    found = open_file(workbook(tmp_path / "a.xlsx", {"Cases": [HEADER, *rows]})).read(["kind"])
    assert found["kind"].tolist() == ["09:30:00", "1 day, 6:00:00"]


def test_days_count_from_1904_where_the_workbook_says_so(tmp_path):
    """A workbook from an old Mac counts its days from 1904."""
    path = workbook(
        tmp_path / "a.xlsx", {"Cases": [HEADER, ROW]}, setup=lambda book: setattr(book, "epoch", at(1904, 1, 1))
    )
    assert open_file(path).read(["opened"])["opened"].tolist() == [pd.Timestamp(ROW[2])]


def share_texts(path, texts: str, rows: str) -> None:
    """Give a workbook a list of texts, as Excel writes it, and rows that refer to it."""
    part(path, "xl/worksheets/sheet1.xml", SHEET.format(HEADER_XML + rows))
    part(path, "xl/sharedStrings.xml", texts)
    with zipfile.ZipFile(path) as archive:
        types = archive.read("[Content_Types].xml").decode()
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
    override = f'<Override PartName="/xl/sharedStrings.xml" ContentType="{kind}"/></Types>'
    part(
        path,
        "[Content_Types].xml",
        re.sub(r"<Override [^>]*sharedStrings[^>]*>", "", types).replace("</Types>", override),
    )


TEXTS = (
    '<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><si><t>路灯</t></si>'
    '<si><r><t>积</t></r><r><t>水</t></r><rPh sb="0" eb="1"><t>たまりみず</t></rPh></si><si><t/></si></sst>'
)
SHARED = (
    '<row><c t="s"><v>0</v></c><c t="s"><v>1</v></c></row>'
    '<row><c t="s"><v>1</v></c><c t="s"><v>2</v></c></row><row><c t="s"><v>0</v></c><c t="s"><v>0</v></c></row>'
)


def test_shared_texts_are_read(tmp_path):
    """Excel keeps every text once and refers to it; how it is read aloud is not part of it."""
    path = workbook(tmp_path / "a.xlsx", {"Cases": [HEADER]})
    share_texts(path, TEXTS, SHARED)
    found = open_file(path).read(["case", "kind"])
    assert found["case"].tolist() == ["路灯", "积水", "路灯"]
    assert found["kind"].fillna("").tolist() == ["积水", "", "路灯"]


def test_formulas_count_by_their_last_result(tmp_path):
    """The result that Excel stored is the value; a result that is an empty text is null."""
    path = sheet_xml(
        tmp_path / "a.xlsx",
        '<row><c r="A2"><f>1+1</f><v>2</v></c><c r="B2" t="str"><f>"a"</f><v>a</v></c></row>'
        '<row><c r="A3"><v>3</v></c><c r="B3" t="str"><f>""</f><v></v></c></row>',
    )
    found = open_file(path).read(["case", "kind"])
    assert found["case"].tolist() == ["2", "3"]
    assert found["kind"].tolist()[0] == "a"
    assert found["kind"].isna().tolist() == [False, True]


def test_a_formula_that_was_never_calculated_is_refused(tmp_path):
    """A program that writes formulas leaves no results: they must not read as empty."""
    path = workbook(tmp_path / "a.xlsx", {"Cases": [HEADER, ["1", "=A2", ROW[2]]]})
    with pytest.raises(FileFormatError, match=r"column 'kind', row 1: a formula without its result. Open the workbook"):
        open_file(path).read(["kind"])
    assert open_file(path).read(["case"])["case"].tolist() == ["1"]


def test_errors_of_excel_are_null_and_noted(tmp_path):
    """#REF! says that Excel knows no value; the note counts such cells."""
    path = sheet_xml(
        tmp_path / "a.xlsx",
        '<row><c r="A2"><v>1</v></c><c r="B2" t="e"><v>#REF!</v></c></row><row><c r="A3"><v>2</v></c></row>',
    )
    file = open_file(path)
    assert file.read(["case", "kind"])["kind"].isna().all()
    assert file.notes == ("1 cells show an error of Excel, such as #REF!, and were read as empty.",)


def test_a_number_that_is_no_day_stays_a_number(tmp_path):
    """A cell formatted as a date whose number is none: the check of the times names its row."""
    path = workbook(tmp_path / "a.xlsx", {"Cases": [HEADER, ROW, ["2", "x", ROW[2]]]})
    with zipfile.ZipFile(path) as archive:
        xml = archive.read("xl/worksheets/sheet1.xml").decode()
    start = xml.rindex("<v>4535")
    part(path, "xl/worksheets/sheet1.xml", xml[:start] + "<v>99999999999</v>" + xml[xml.index("</v>", start) + 4 :])
    assert open_file(path).read(["opened"])["opened"].tolist() == ["2024-03-01 09:30:07", "99999999999"]


def test_empty_rows_are_skipped_and_missing_cells_are_null(tmp_path):
    """Formatted rows at the end of a sheet are no cases."""
    rows = [[], ROW, [None, None, None], ["2"], [""]]
    found = open_file(workbook(tmp_path / "a.xlsx", {"Cases": [HEADER, *rows]})).read(HEADER)
    assert found["case"].tolist() == ["1", "2"]
    assert found["kind"].isna().tolist() == [False, True]


def test_empty_and_hidden_sheets_are_passed_over(tmp_path):
    """The one sheet that is shown and holds something is the table."""
    path = workbook(
        tmp_path / "a.xlsx", {"Sheet1": [], "Data": [HEADER, ROW], "Lists": [["a", "b"]]}, hidden=("Lists",)
    )
    assert open_file(path).columns == tuple(HEADER)


def test_one_of_several_sheets_has_to_be_chosen(tmp_path):
    """Which sheet holds the cases is not guessed."""
    path = workbook(tmp_path / "a.xlsx", {"2023": [HEADER, ROW], "2024": [HEADER, ROW, ROW]})
    with pytest.raises(FileFormatError, match=r"a.xlsx: the workbook has several sheets: '2023', '2024'. Say which"):
        open_file(path)
    assert open_file(path, sheet="2024").rows == 2
    with pytest.raises(FileFormatError, match=r"no sheet of the name given. Its sheets: '2023', '2024'"):
        open_file(path, sheet="2025")


def title(book):
    book["Cases"].insert_rows(1)
    book["Cases"]["A1"] = "Cases of March 2024"
    book["Cases"].merge_cells("A1:C1")


def merged(book):
    book["Cases"].merge_cells("A1:B1")


@pytest.mark.parametrize(
    ("rows", "setup", "message"),
    [
        ([HEADER, ROW], title, "expected the names of the columns in the first row of the sheet, got a single cell"),
        ([HEADER, ROW], merged, "column 2 of the header has no name. Unmerge the cells of the header"),
        ([["case", "kind", 2024], ROW], None, "numbers, dates or texts in the place of name 3"),
        ([["case", "kind", ROW[2]], ROW], None, "numbers, dates or texts in the place of name 3"),
        ([["case", "case"], ["1", "2"]], None, "the header names 'case' twice"),
        ([HEADER], None, "the file has column names and no rows"),
        ([], None, "no sheet of the workbook holds anything"),
        ([HEADER, [*ROW, "secret"]], None, "row 1: a value stands outside of the named columns"),
    ],
)
def test_sheets_that_are_no_table_are_refused(tmp_path, rows, setup, message):
    """Titles, merged headers, values beside the table: each is told apart, and nothing is shown."""
    path = workbook(tmp_path / "a.xlsx", {"Cases": rows}, setup=setup)
    with pytest.raises(FileFormatError, match=message) as info:
        open_file(path).read(HEADER)
    assert "secret" not in str(info.value)


def test_a_damaged_workbook_is_refused_wherever_it_is_cut(tmp_path):
    """A ZIP file lists its parts at its end, so every cut shows."""
    path = workbook(tmp_path / "a.xlsx", {"Cases": [HEADER, ROW]})
    whole = path.read_bytes()
    for share in (0.1, 0.5, 0.99):
        path.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(FileFormatError, match=r"cut off, damaged, or of a kind that cannot be read"):
            open_file(path)


def test_a_workbook_with_a_password_is_refused_as_that(tmp_path):
    """Excel wraps an encrypted workbook in the format of its old ones."""
    path = tmp_path / "a.xlsx"
    path.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x00" * 70_000 + "EncryptedPackage".encode("utf-16-le"))
    with pytest.raises(FileFormatError, match=r"a.xlsx: this is an Excel workbook with a password"):
        open_file(path)


def test_a_workbook_called_otherwise_is_refused(tmp_path):
    """The name has to agree; and a ZIP file of something else is no workbook."""
    path = workbook(tmp_path / "a.xlsx", {"Cases": [HEADER, ROW]})
    path.rename(tmp_path / "a.csv")
    with pytest.raises(FileFormatError, match=r"the name says CSV, but the content is an Excel workbook"):
        open_file(tmp_path / "a.csv")
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        archive.writestr("cases.csv", "a,b\n1,2\n")
    with pytest.raises(FileFormatError, match=r"an Excel workbook or another ZIP file.*unpack the file"):
        open_file(tmp_path / "b.zip")


def test_a_workbook_that_would_burst_is_refused_before_it_is_unpacked(tmp_path):
    """Zeros pack by a thousand: such a part is no table."""
    path = workbook(tmp_path / "a.xlsx", {"Cases": [HEADER, ROW]})
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/media/bomb.xml", b" " * (65 * 2**20))
    with pytest.raises(FileFormatError, match=r"would unpack to far more than a table is. Nothing was unpacked"):
        open_file(path)


@pytest.mark.parametrize(
    "name", ["xl/worksheets/sheet1.xml", "xl/sharedStrings.xml", "xl/styles.xml", "xl/workbook.xml"]
)
def test_entities_in_any_part_are_refused(tmp_path, name):
    """A billion laughs in a workbook expand to nothing."""
    path = workbook(tmp_path / "a.xlsx", {"Cases": [HEADER]})
    share_texts(path, TEXTS, SHARED)
    with zipfile.ZipFile(path) as archive:
        xml = archive.read(name).decode()
    xml = xml[xml.index("?>") + 2 :] if xml.startswith("<?xml") else xml
    root = xml[1:].split(maxsplit=1)[0].rstrip(">")
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10 if n else "ha"}">' for n in range(10))
    part(path, name, f"<!DOCTYPE {root} [{laughs}]>" + xml.replace(">", ">&l9;", 1))
    with pytest.raises(FileFormatError, match=r"document type|cannot be read"):
        open_file(path).read(HEADER)


def test_cells_at_absurd_places_are_refused_or_ignored(tmp_path):
    """A row number of a billion makes no billion rows; a cell beyond the last column of Excel is not read."""
    path = sheet_xml(
        tmp_path / "a.xlsx",
        '<row r="1000000000"><c r="A1000000000"><v>1</v></c><c r="ZZZZ2"><v>5</v></c><c r="!"><v>5</v></c></row>',
    )
    assert open_file(path).read(["case"])["case"].tolist() == ["1"]
    sheet_xml(tmp_path / "b.xlsx", '<row><c t="s"><v>999</v></c></row>')
    with pytest.raises(FileFormatError, match=r"column 'case', row 1: the cell is damaged"):
        open_file(tmp_path / "b.xlsx").read(["case"])
    sheet_xml(tmp_path / "c.xlsx", "<row>" + "<c>" * 100 + "</c>" * 100 + "</row>")
    with pytest.raises(FileFormatError, match=r"nested more than 64 deep"):
        open_file(tmp_path / "c.xlsx")
