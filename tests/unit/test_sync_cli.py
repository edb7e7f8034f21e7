"""`heed sync` as cron meets it: exit codes, messages, JSON, the state."""

from __future__ import annotations

import json
import sys

import pytest

from service import cli
from service.cli import sync as _sync  # noqa: F401 — adds its command
from tests.support.portals import SOCRATA, TABLE, TOWN_COLUMNS, SocrataPortal, row, status
from tests.support.sync_runs import DAY, NOON, open_keyed


@pytest.fixture
def portal():
    rows = [row(n, changed=NOON - 9 * DAY + n) for n in range(1, 8)]
    server = SocrataPortal(rows=rows, columns=dict(TOWN_COLUMNS))
    with server.serving():
        yield server


@pytest.fixture
def heed(monkeypatch, capsys, tmp_path, portal):
    """Run `heed sync …` on a store in a folder of its own; exit code, stdout, stderr."""
    open_keyed(tmp_path / "heed.db").close()
    mapping = tmp_path / "town.toml"
    mapping.write_text(TABLE.replace("URL", portal.url) + SOCRATA)

    def run(*arguments: str) -> tuple[int, str, str]:
        given = [str(mapping) if item == "TOWN" else item for item in arguments]
        monkeypatch.setattr(sys, "argv", ["heed", "--store", str(tmp_path / "heed.db"), "sync", *given])
        try:
            cli.main()
            code = 0
        except SystemExit as stopped:
            code = int(stopped.code or 0)
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


def test_a_sync_tells_what_it_did(heed):
    """For people and for machines."""
    code, out, _ = heed("TOWN")
    assert code == 0
    assert "town: 7 rows in 4 pages; as of " in out
    assert "7 cases, 14 new events." in out
    code, out, _ = heed("TOWN", "--json")
    told = json.loads(out)
    assert (code, told["source"], told["plan"]["mode"], told["dry_run"]) == (0, "town", "changes", False)
    assert told["imported"]["events_added"] == 0


def test_a_dry_run_tells_the_count(heed):
    """And says that the columns fit."""
    code, out, _ = heed("TOWN", "--dry-run")
    assert code == 0
    assert "the portal's columns fit the mapping; a sync would fetch 7 rows" in out
    assert "Nothing has been fetched into this store" in heed("--status")[1]


def test_the_state_is_shown(heed, portal):
    """Up to when, since when, and what is unfinished."""
    portal.faults.extend([None, None, status(404)])
    code, _, err = heed("TOWN")
    assert code == 1
    assert "there is nothing there (HTTP 404)" in err
    code, out, _ = heed("--status")
    assert "town: nothing fetched yet" in out
    assert "A fetch is unfinished: 3 rows in 1 pages" in out
    heed("TOWN")
    told = json.loads(heed("--status", "--json")[1])["sources"]
    assert [(item["source"], item["watermark"], item["unfinished"]) for item in told] == [
        ("town", NOON - 9 * DAY + 7, None)
    ]
    assert "number" in told[0]["columns"]


def test_a_personal_column_is_refused_with_code_3(heed, portal):
    """By name, with the way out."""
    portal.columns["caller_name"] = "text"
    code, _, err = heed("TOWN")
    assert code == 3
    assert "'caller_name': looks like something about a person" in err
    assert heed("TOWN", "--drop", "caller_name")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "Expected the name of a mapping with [sync]. Shipped: "),
        (("TOWN", "--since", "yesterday"), "--since: expected a day such as 2024-03-15"),
        (("TOWN", "--since", "2024-03-02", "--until", "2024-03-01"), "Expected --since before --until"),
        (("demo",), "does not say how to fetch its source"),
        (("nowhere",), "There is no mapping 'nowhere'"),
        (("TOWN", "--status"), "--status shows every source"),
        (("TOWN", "--set-aside", "nonsense"), "Expected codes of findings to set aside"),
    ],
)
def test_wrong_use_is_told_with_code_2(heed, arguments, said):
    """What was expected, and nothing fetched."""
    code, _, err = heed(*arguments)
    assert code == 2
    assert said in err
