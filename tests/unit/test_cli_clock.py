"""`heed clock` as a user meets it."""

from __future__ import annotations

import json
import shutil
import sys

import pytest

from data.store import Store
from service import cli
from service.cli import clock as _clock  # noqa: F401  # the command joins the others when it is imported


def run(monkeypatch, capsys, *arguments: str) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["heed", *arguments])
    try:
        cli.main()
        code = 0
    except SystemExit as stopped:
        code = int(stopped.code or 0)
    told = capsys.readouterr()
    return code, told.out, told.err


@pytest.fixture(scope="module")
def city(small_city_url, tmp_path_factory):
    """A copy of the small city's store that the commands may write to."""
    path = tmp_path_factory.mktemp("clock") / "city.db"
    shutil.copy(small_city_url.removeprefix("sqlite:///"), path)
    return str(path)


def test_check_shows_what_is_promised(monkeypatch, capsys):
    """Calendars with their years, clocks with their rules, and a row per standard."""
    code, text, _ = run(monkeypatch, capsys, "clock", "check", "demo")
    assert code == 0
    assert "make-up working days are published until" in text
    assert "2025: 248 working days, 19 holidays, 5 make-up days" in text
    assert "36 working hours" in text
    code, text, _ = run(monkeypatch, capsys, "clock", "check", "us_311", "--json")
    value = json.loads(text)
    assert value["calendars"][0]["years"][0] == {"year": 2011, "working_days": 251, "holidays": 11, "make_up_days": 0}
    assert value["standards"][3]["last_day"] == "working"


def test_check_refuses_a_wrong_file(monkeypatch, capsys, tmp_path):
    """Exit code 1 for a file that is wrong, 2 for one that is not there, and the place in the message."""
    path = tmp_path / "mine.toml"
    path.write_text("[about]\nname = 'x'\nnom = 1\n")
    code, _, told = run(monkeypatch, capsys, "clock", "check", str(path))
    assert code == 1
    assert "mine.toml: the service standards are wrong." in told
    assert "[about] nom: there is no such setting." in told
    code, _, told = run(monkeypatch, capsys, "clock", "check", "nowhere.toml")
    assert code == 2
    assert "There are no service standards 'nowhere.toml'" in told


def test_explain_tells_a_case_of_the_command_line(monkeypatch, capsys):
    """Pauses and hand-overs given, in either language, or as JSON."""
    asked = ("clock", "explain", "--standards", "hotline_12345", "--category", "pothole", "--tier", "town")
    asked += ("--opened", "2025-03-10T10:00+08:00", "--pause", "2025-03-12T10:00+08:00/2025-03-13T10:00+08:00")
    code, text, _ = run(monkeypatch, capsys, *asked)
    assert code == 0
    # 15 working days from Tue 11 March end on Mon 31 March; the pause takes one; 4 April is a holiday anyway.
    assert "因此，时限为2025年4月1日（周二）17:30。" in text
    _, text, _ = run(monkeypatch, capsys, *asked, "--hand-over", "2025-03-14T10:00+08:00=city", "--lang", "en")
    assert "Therefore due on Wed 9 Apr 2025 17:30." in text
    _, text, _ = run(monkeypatch, capsys, *asked, "--pause", "2025-03-17T10:00+08:00/", "--json")
    assert json.loads(text)["state"] == "paused"
    _, text, _ = run(monkeypatch, capsys, *asked, "--clock", "first_reply", "--json")
    assert json.loads(text)["due_at"]["local"] == "2025-03-11T17:30:00+08:00"


@pytest.mark.parametrize(
    ("extra", "told"),
    [
        (("--pause", "soon/later"), "--pause: expected a moment such as"),
        (("--pause", "2025-03-12T10:00+08:00/2025-03-11T10:00+08:00"), "--pause: expected FROM/TO with TO not before"),
        (("--pause", "2025-03-01T10:00+08:00/"), "expected moments not before --opened"),
        (("--hand-over", "2025-03-12T10:00+08:00=parish"), "--hand-over: expected MOMENT=TIER with a tier of village"),
        (("--lang", "fr"), "--lang: expected zh or en"),
        (("--clock", "mediate"), "--clock: expected one of first_reply, resolve, pre_mediation"),
        (("--as-of", "2025-03-12"), "--as-of: expected a moment with its time zone"),
    ],
)
def test_explain_names_the_option_that_is_wrong(monkeypatch, capsys, extra, told):
    """Wrong use is exit code 2."""
    asked = ("clock", "explain", "--standards", "demo", "--category", "pothole", "--opened", "2025-03-10T10:00+08:00")
    code, _, message = run(monkeypatch, capsys, *asked, *extra)
    assert code == 2
    assert told in message


def test_set_keeps_standards_and_case_uses_them(monkeypatch, capsys, city):
    """Without standards the command says how to keep some; with them a stored case is told."""
    with Store.open(city) as store:
        events = store.read_events()
    closed = events.loc[events["kind"] == "closed", "case_id"].iloc[0]
    code, _, told = run(monkeypatch, capsys, "--store", city, "clock", "case", closed)
    assert code == 2
    assert "heed clock set --source demo FILE" in told

    code, text, _ = run(monkeypatch, capsys, "--store", city, "clock", "set", "demo", "--source", "demo", "--json")
    assert code == 0
    assert json.loads(text)["clocks"] == ["resolve"]
    code, _, told = run(monkeypatch, capsys, "--store", city, "clock", "set", "demo", "--source", "dmeo")
    assert code == 2
    assert "The store has no source 'dmeo'. It has: demo" in told

    code, text, _ = run(monkeypatch, capsys, "--store", city, "clock", "case", closed[:14], "--json")
    value = json.loads(text)
    assert code == 0
    assert value["case_id"] == closed
    assert value["clocks"][0]["state"] in ("met", "missed")
    assert value["logged_due_at"] is not None
    code, text, _ = run(monkeypatch, capsys, "--store", city, "clock", "case", closed, "--lang", "en")
    assert code == 0
    assert "Therefore due on" in text
    # The demo's standards are those of its log, to the second.
    assert "the log holds" not in text
    other = ("--standards", "hotline_12345", "--clock", "resolve", "--lang", "en")
    _, text, _ = run(monkeypatch, capsys, "--store", city, "clock", "case", closed, *other)
    assert "and the log holds; the above is what the standards would give." in text


@pytest.mark.parametrize(("case_id", "told"), [("zzzz", "no case whose id begins so"), ("%", "letters and digits")])
def test_case_needs_a_case(monkeypatch, capsys, city, case_id, told):
    """An unknown id, and one that is none, are refused without repeating them."""
    code, _, message = run(monkeypatch, capsys, "--store", city, "clock", "case", case_id, "--standards", "demo")
    assert code == 2
    assert told in message


def test_every_command_has_help_with_an_example(monkeypatch, capsys):
    """`--help` shows how it is called."""
    for name in ("check", "explain", "set", "case"):
        code, text, _ = run(monkeypatch, capsys, "clock", name, "--help")
        assert code == 0
        assert "Example: heed" in text
