"""A refusal can be handed on: a report of what, where, of what kind and what to do; never of content."""

from __future__ import annotations

import json
import shlex
import sys

import pytest

from data.errors import LeakError, PersonalDataError, RowError, UsageError
from data.refusals import Refusal, refusal_of, reported
from data.store import Store
from service import cli
from tests.support.exports import TOWN, write_csv, write_rows

AT = 1_710_000_000


def run(monkeypatch, capsys, *arguments: str) -> tuple[int, str, str]:
    """Run `heed` in this process; exit code, stdout, stderr."""
    monkeypatch.setattr(sys, "argv", ["heed", *arguments])
    try:
        cli.main()
        code = 0
    except SystemExit as stopped:
        code = int(stopped.code or 0)
    told = capsys.readouterr()
    return code, told.out, told.err


@pytest.fixture
def mapping(tmp_path):
    path = tmp_path / "town.toml"
    path.write_text(TOWN)
    return path


def refused(monkeypatch, capsys, tmp_path, mapping, rows, report, *more):
    file = write_csv(tmp_path / "cases.csv", rows)
    return run(
        monkeypatch, capsys, "--store", str(tmp_path / "heed.db"), "import", str(file), "--mapping", str(mapping),
        "--report", str(tmp_path / report), *more,
    )  # fmt: skip


def test_values_that_look_personal_are_reported_without_them(monkeypatch, capsys, tmp_path, mapping):
    """Column, kind, count and first rows; the command that leaves the column out; no telephone number anywhere."""
    rows = [{}, {"village": "13800138000"}, {"village": "13800138000"}]
    code, _, err = refused(monkeypatch, capsys, tmp_path, mapping, rows, "r.json")
    assert code == 3
    text = (tmp_path / "r.json").read_text()
    told = json.loads(text)
    assert told["error"] == "PersonalDataError"
    assert told["file"] == "cases.csv"
    (finding,) = told["findings"]
    assert (finding["code"], finding["column"], finding["count"], finding["rows"]) == (
        "personal_value",
        "village",
        2,
        [2, 3],
    )
    assert finding["expected"] == "looks like a telephone number."
    assert told["again"].endswith("--drop village")
    assert "138001" not in text + err


@pytest.mark.parametrize("format_", ["txt", "html", "json"])
def test_every_format_says_the_same(monkeypatch, capsys, tmp_path, mapping, format_):
    """Plain text, a page and JSON: title, columns, kinds and the command to run again."""
    refused(monkeypatch, capsys, tmp_path, mapping, [{"caller_phone": "1", "queue": "2"}], f"r.{format_}")
    text = (tmp_path / f"r.{format_}").read_text()
    for part in ("Refused: this may be personal data", "caller_phone", "looks like a telephone number", "queue"):
        assert part in text
    assert "--drop caller_phone --drop queue" in text


def test_rows_that_contradict_themselves_are_reported(monkeypatch, capsys, tmp_path, mapping):
    """The command sets them aside openly."""
    rows = [{}, {"closed": "2024-02-01 00:00:00"}]
    code, _, _ = refused(monkeypatch, capsys, tmp_path, mapping, rows, "r.txt")
    assert code == 1
    text = (tmp_path / "r.txt").read_text()
    assert "column 'closed', row 2: it lies before 'opened'." in text
    assert "--set-aside closed_before_opened" in text
    again = next(line.strip() for line in text.splitlines() if line.startswith("  heed ") and "--set-aside" in line)
    code, told, _ = run(monkeypatch, capsys, *shlex.split(again)[1:])
    assert (code, "2 rows, 1 cases" in told) == (0, True)


def test_a_leak_and_a_wrong_mapping_are_reported(monkeypatch, capsys, tmp_path, mapping):
    """Nothing can be left out there: the report says what to mend."""
    mapping.write_text(TOWN.replace('field = "office"\nat = "end"', 'field = "office"\nat = "opened"'))
    code, _, _ = refused(monkeypatch, capsys, tmp_path, mapping, [{}], "r.json")
    told = json.loads((tmp_path / "r.json").read_text())
    assert (code, told["error"], told["again"]) == (3, "LeakError", None)
    assert told["todo"] == ["Say at = 'end' for the column in the mapping, or map one that was frozen at intake."]
    mapping.write_text("[source]")
    code, _, _ = refused(monkeypatch, capsys, tmp_path, mapping, [{}], "r.json")
    assert json.loads((tmp_path / "r.json").read_text())["error"] == "MappingError"


def test_a_file_of_another_mapping_is_not_dropped_away(monkeypatch, capsys, tmp_path, mapping):
    """Where mapped columns are missing too, no command leaves all the others out."""
    file = write_rows(tmp_path / "other.csv", [{"a": "1", "b": "2"}])
    run(
        monkeypatch, capsys, "--store", str(tmp_path / "heed.db"), "import", str(file), "--mapping", str(mapping),
        "--report", str(tmp_path / "r.json"),
    )  # fmt: skip
    told = json.loads((tmp_path / "r.json").read_text())
    assert told["again"] is None
    assert {one["code"] for one in told["findings"]} == {"unknown_column", "missing_column"}


def test_an_import_that_goes_well_leaves_no_report(monkeypatch, capsys, tmp_path, mapping):
    """An old one is gone, so that nobody reads it as today's."""
    (tmp_path / "r.json").write_text("old")
    code, _, _ = refused(monkeypatch, capsys, tmp_path, mapping, [{}], "r.json")
    assert code == 0
    assert not (tmp_path / "r.json").exists()


def test_a_report_of_no_known_format_is_wrong_use(monkeypatch, capsys, tmp_path, mapping):
    """Said before the file is read."""
    code, _, err = refused(monkeypatch, capsys, tmp_path, mapping, [{}], "r.pdf")
    assert code == 2
    assert "--report: expected a name that ends in .json, .html, .txt" in err
    with (
        pytest.raises(UsageError, match="there is no folder"),
        reported(tmp_path / "no" / "r.json", file="f", mapping="m", command=["heed"], at=AT),
    ):
        pass


def test_a_password_of_the_store_stays_out():
    """The command is repeated without the password in its address."""
    error = PersonalDataError("f.csv: refused", ())
    command = ["heed", "--store", "postgresql+psycopg://me:secret@host/db", "import", "my file.csv"]
    told = refusal_of(error, file="f.csv", mapping="m", command=command, at=AT)
    assert told.same == "heed --store 'postgresql+psycopg://…@host/db' import 'my file.csv'"
    assert "secret" not in told.to_text() + told.to_html() + json.dumps(told.to_dict())


def test_a_page_escapes_what_a_file_calls_its_columns(tmp_path):
    """The name of a column is text and no markup."""
    from data.errors import Finding

    finding = Finding("unknown_column", "<script>", 0, (), "not known to the mapping.", "Leave it out.")
    told = refusal_of(PersonalDataError("x", [finding]), file="f", mapping="m", command=["heed"], at=AT)
    assert "<script>" not in told.to_html()
    assert "&lt;script&gt;" in told.to_html()
    assert isinstance(told, Refusal)


def test_other_errors_write_nothing(tmp_path):
    """A call that is wrong is no refusal of a file."""
    with pytest.raises(UsageError), reported(tmp_path / "r.txt", file="f", mapping="m", command=["heed"], at=AT):
        raise UsageError("no such file")
    assert not (tmp_path / "r.txt").exists()
    with pytest.raises(RowError), reported(None, file="f", mapping="m", command=["heed"], at=AT):
        raise RowError("f", [])
    with pytest.raises(LeakError), reported(tmp_path / "r.txt", file="f", mapping="m", command=["heed"], at=AT):
        raise LeakError("too late")
    assert (tmp_path / "r.txt").exists()


def test_imports_are_listed_with_what_was_left_out(monkeypatch, capsys, tmp_path, mapping):
    """What was dropped and when, set aside, left out by the mapping; for people and as JSON."""
    store = str(tmp_path / "heed.db")
    rows = [{"queue": "x", "zip": "1"}, {"closed": "2024-02-01 00:00:00"}, {"closed": "2024-03-01 09:00:30"}]
    file = write_csv(tmp_path / "cases.csv", rows)
    run(
        monkeypatch, capsys, "--store", store, "import", str(file), "--mapping", str(mapping), "--drop", "queue",
        "--set-aside", "closed_before_opened",
    )  # fmt: skip
    code, text, _ = run(monkeypatch, capsys, "--store", store, "imports", "--json")
    (one,) = json.loads(text)["imports"]
    assert code == 0
    assert (one["source"], one["file"], one["rows"], one["cases"]) == ("town", "cases.csv", 3, 2)
    assert one["dropped"] == ["queue"]
    assert one["left_out"] == ["zip"]
    assert one["set_aside"] == {"closed_before_opened": 1}
    assert one["near_instant"] == 1
    assert one["imported_at"].endswith("Z")
    code, text, _ = run(monkeypatch, capsys, "--store", store, "imports")
    assert "cases.csv" in text
    assert "1: dropped on 20" in text
    assert ": queue." in text
    assert "set aside: closed_before_opened 1." in text
    _, text, _ = run(monkeypatch, capsys, "--store", store, "imports", "--source", "other", "--json")
    assert json.loads(text) == {"imports": []}


def test_places_come_in_and_are_shown(monkeypatch, capsys, tmp_path):
    """`heed places import` and `show`; an error has its exit code and stores nothing."""
    store = str(tmp_path / "heed.db")
    areas = write_rows(tmp_path / "areas.csv", [{"area": "A", "name_en": "North", "population": "5"}])
    code, text, _ = run(monkeypatch, capsys, "--store", store, "places", "import", "--areas", str(areas))
    assert (code, text.strip()) == (0, "1 areas stored.")
    code, text, _ = run(monkeypatch, capsys, "--store", store, "places", "show", "--json")
    assert json.loads(text)["areas"] == [
        {"area": "A", "parent": None, "name_zh": None, "name_en": "North", "population": 5, "neighbours": [],
         "boundary": False}
    ]  # fmt: skip
    code, text, _ = run(monkeypatch, capsys, "--store", store, "places", "show")
    assert "North" in text
    assert "No offices." in text
    bad = write_rows(tmp_path / "bad.csv", [{"area": "A", "parent": "X"}])
    code, _, err = run(monkeypatch, capsys, "--store", store, "places", "import", "--areas", str(bad))
    assert code == 1
    assert "the parent is not a code of this file" in err
    with Store.open(store) as opened:
        assert opened.read_areas()["parent"].isna().all()
