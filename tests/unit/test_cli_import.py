"""`heed import` with several files: each a transaction of its own, told one by one, and resumable."""

from __future__ import annotations

import json
import sys

import pytest

from data.store import Store
from service import cli
from tests.support.exports import TOWN, write_csv


@pytest.fixture
def heed(monkeypatch, capsys, tmp_path):
    """Run `heed import` on files of rows; exit code, stdout, stderr."""
    (tmp_path / "town.toml").write_text(TOWN)
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["heed", "--store", "x.db", "import", *arguments, "--mapping", "town.toml"])
        try:
            cli.main()
            code = 0
        except SystemExit as stopped:
            code = int(stopped.code or 0)
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


def test_a_list_of_files_goes_on_where_it_stopped(heed, tmp_path):
    """What came before the bad file is in, what comes after is not; mended, the same command takes the rest."""
    write_csv(tmp_path / "a.csv", [{}, {}])
    write_csv(tmp_path / "b.csv", [{"number": "7", "via": "Owl"}])
    write_csv(tmp_path / "c.csv", [{"number": "8"}])
    code, out, err = heed("a.csv", "b.csv", "c.csv")
    assert code == 1
    assert out.startswith("a.csv: town: 2 rows, 2 cases, 6 new events")
    assert "1 of 3 files are in; b.csv is not, nor is any after it. The same command goes on from there." in err
    assert "column 'via', row 1" in err
    write_csv(tmp_path / "b.csv", [{"number": "7"}])
    code, out, err = heed("a.csv", "b.csv", "c.csv")
    lines = out.splitlines()
    assert (code, err) == (0, "")
    assert lines[0] == "a.csv: was in already, nothing has changed (town, 2 rows)."
    assert lines[1].startswith("b.csv: town: 1 rows, 1 cases, 3 new events")
    assert lines[2].startswith("c.csv: town: 1 rows")
    with Store.open(str(tmp_path / "x.db")) as store:
        assert store.read_events()["case_id"].nunique() == 4


def test_json_is_one_object_for_one_file_and_a_list_for_several(heed, tmp_path):
    """A machine gets each report, also of files that were in already."""
    write_csv(tmp_path / "a.csv", [{}])
    write_csv(tmp_path / "b.csv", [{"number": "7"}])
    code, out, _ = heed("a.csv", "--json")
    assert (code, json.loads(out)["events_added"]) == (0, 3)
    code, out, _ = heed("a.csv", "b.csv", "--json")
    told = json.loads(out)["imports"]
    assert [(report["file"], report["events_added"]) for report in told] == [("a.csv", 0), ("b.csv", 3)]
    assert [report["import_id"] for report in told] == [None, 2]


def test_nothing_but_results_in_a_pipe(heed, tmp_path):
    """No bar, no spinner, no colours where nobody is watching."""
    write_csv(tmp_path / "a.csv", [{}])
    code, out, err = heed("a.csv")
    assert (code, err) == (0, "")
    assert "\x1b" not in out
    assert len(out.splitlines()) == 1
