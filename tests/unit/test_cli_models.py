"""`heed models` as a user meets it: tables, JSON, exit codes, and refusals that say what to do."""

from __future__ import annotations

import io
import json
import stat
import sys

import pytest
from rich.console import Console

from models.lineage import Lineage
from models.registry import Registry
from service import cli
from service.cli import _models_shown
from tests.support.judgements import judge_all

NAMES = ("record_category", "backlog_office")


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


def bundle(number: int, names: tuple[str, ...] = NAMES) -> dict[str, bytes]:
    """A bundle of one model with a lineage and figures."""
    lineage = Lineage.of(
        data=f"{number:064d}",
        features=NAMES,
        seeds={"late": 1},
        parameters={"rounds": 100 + number},
        trained_before=1_700_000_000 + number,
        counts={"late": {"n": 500, "failed": 60}},
    )
    card = {"lineage": lineage.as_dict(), "backtest": {"brier": 0.125 * (1 + number), "auc": 0.8}}
    described = {"features": list(names), "rounds": 100 + number, "outcome": "late"}
    return {
        "card.json": json.dumps(card).encode(),
        "late/model.json": json.dumps(described).encode(),
        "late/booster.txt": f"tree {number}\nfeature_names={' '.join(names)}\n".encode(),
    }


@pytest.fixture
def models(monkeypatch, capsys, tmp_path):
    """Three versions of one model beside a store, and a way to ask `heed models` about them."""
    registry = Registry(tmp_path / "city.models")
    versions = [registry.save("failures", bundle(number)) for number in range(3)]

    def asked(*arguments: str) -> tuple[int, str, str]:
        return run(monkeypatch, capsys, "--store", str(tmp_path / "city.db"), "models", *arguments)

    return registry, versions, asked


def answered(found: tuple[int, str, str]) -> dict:
    code, text, error = found
    assert code == 0, error
    return json.loads(text)


def test_the_list_says_what_each_version_is_in_use_as(models):
    """In JSON for machines, as a table for people."""
    registry, versions, asked = models
    registry.promote("failures", versions[1])
    rows = answered(asked("list", "--json"))["models"]
    assert [row["version"] for row in rows] == sorted(versions)
    assert {row["version"]: row["aliases"] for row in rows}[versions[1]] == ["champion"]
    assert all(row["problem"] is None for row in rows)
    code, text, _ = asked("list")
    assert code == 0
    assert "champion" in next(line for line in text.splitlines() if versions[1] in line)


def test_a_terminal_gets_a_fitted_table_with_brackets_as_they_are(models, monkeypatch):
    """What is in brackets is text, and nothing is wider than the screen."""
    registry, versions, asked = models
    registry.promote("failures", versions[0], reason="[north] as agreed")
    screen = io.StringIO()
    monkeypatch.setattr(_models_shown, "out", Console(file=screen, force_terminal=True, width=110, color_system=None))
    assert asked("history")[0] == 0
    assert asked("show", versions[0])[0] == 0
    lines = screen.getvalue().splitlines()
    assert any("[north]" in line for line in lines)
    assert max(len(line) for line in lines if "columns:" not in line) <= 110


def test_an_empty_store_says_how_to_get_a_model(monkeypatch, capsys, tmp_path):
    """The first thing a newcomer asks."""
    store = str(tmp_path / "none.db")
    for command in ("list", "verify"):
        code, text, _ = run(monkeypatch, capsys, "--store", store, "models", command)
        assert code == (0)
        assert "heed train" in text


def test_a_version_is_shown_with_where_it_comes_from(models):
    """The card with its lineage, the parts, and whether it can be used here."""
    registry, versions, asked = models
    registry.promote("failures", versions[0])
    told = answered(asked("show", "failures:champion", "--json"))
    assert told["version"] == versions[0]
    assert told["parts"] == ["late"]
    assert told["usable"] is True
    assert told["card"]["lineage"]["counts"] == {"late": {"n": 500, "failed": 60}}
    code, text, _ = asked("show", versions[0])
    assert code == 0
    for words in ("trained_before", "2023-11-14T22:13:20Z", "backtest.brier", "feature_contract", "lightgbm"):
        assert words in text


def test_two_versions_are_told_side_by_side(models):
    """Figures of both, and what differs in how they were made."""
    _, versions, asked = models
    told = answered(asked("compare", versions[0], versions[2], "--json"))
    assert told["figures"]["backtest.brier"] == [0.125, 0.375]
    assert told["settings"] == {"late.rounds": [100, 102]}
    assert told["lineage"]["parameters.rounds"] == [100, 102]
    code, text, _ = asked("compare", versions[0], versions[2])
    assert code == 0
    assert "backtest.brier" in text
    assert "Columns added: none." in text


def test_promoting_and_rolling_back_from_the_command(models):
    """The champion changes, the history tells why, and nobody is overrun."""
    registry, versions, asked = models
    judge_all(registry, [versions[1]], beside=versions[0])
    judge_all(registry, [versions[2]], beside=versions[1])
    told = answered(asked("promote", versions[0], "--expect", "none", "--reason", "first", "--json"))
    assert told == {"model": "failures", "version": versions[0], "alias": "champion", "before": None}
    code, text, _ = asked("promote", versions[1], "--expect", versions[0])
    assert (code, text) == (0, f"{versions[1]} is champion of failures now, after {versions[0]}.\n")
    code, text, error = asked("promote", versions[2], "--expect", versions[0])
    assert (code, text) == (1, "")
    assert "somebody else has promoted meanwhile" in error
    assert answered(asked("promote", versions[2], "--as", "challenger", "--json"))["alias"] == "challenger"
    told = answered(asked("rollback", "--reason", "worse in the north", "--json"))
    assert (told["version"], told["before"]) == (versions[0], versions[1])
    assert registry.champion("failures") == versions[0]
    history = answered(asked("history", "--json"))["history"]
    assert [(one["action"], one["reason"]) for one in history[3:]] == [
        ("promoted", "first"),
        ("promoted", ""),
        ("promoted", ""),
        ("rolled_back", "worse in the north"),
    ]
    code, text, _ = asked("history")
    assert code == 0
    assert "worse in the north" in text


def test_the_boundary_refuses_a_promotion_with_exit_code_3(models):
    """A model that learned from what it must not is never put to use."""
    registry, _, asked = models
    version = registry.save("failures", bundle(9, (*NAMES, "complainant_history")))
    code, text, error = asked("promote", version)
    assert (code, text) == (3, "")
    assert "complainant_history" in error
    assert registry.champion("failures") is None


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("show", "failures-000000000000"), "and 'failures-000000000000' is none. There is: "),
        (("show", "failures:champion"), "there is no champion of 'failures'"),
        (("promote", "../../etc"), "Expected a model version"),
        (("rollback",), "Expected the name of a model; there is: none yet"),
        (("rollback", "failures"), "no earlier model for 'failures'"),
        (("prune", "--keep", "-1"), "--keep: expected 0 or more"),
        (("sign", "failures:champion"), "Expected a private key: give it with --sign-with KEY"),
    ],
)
def test_wrong_use_is_told_with_exit_code_2(models, arguments, told):
    """What was expected, what came, what to do."""
    _, _, asked = models
    code, text, error = asked(*arguments)
    assert (code, text) == (2, "")
    assert told in error


def test_an_alias_that_is_none_is_wrong_use(models):
    """Only what the registry knows can be promoted to."""
    _, versions, asked = models
    code, _, error = asked("promote", versions[0], "--as", "best")
    assert code == 2
    assert "Expected one of champion, challenger, shadow" in error


def test_verifying_fails_on_a_changed_file_and_says_which(models):
    """Exit code 0 where all is whole, 1 where it is not; the JSON is whole either way."""
    registry, versions, asked = models
    assert answered(asked("verify", "--json"))["whole"] is True
    (registry.folder / versions[1] / "late" / "booster.txt").write_bytes(b"changed")
    code, text, error = asked("verify", "--json")
    assert code == 1
    told = json.loads(text)
    assert told["whole"] is False
    assert [one["name"] for one in told["checked"] if one["problem"]] == [versions[1]]
    assert "late/booster.txt" in error
    code, text, _ = asked("verify")
    assert code == 1
    assert "SHA-256" in text
    rows = {row["version"]: row["problem"] for row in answered(asked("list", "--json"))["models"]}
    assert "SHA-256" in rows[versions[1]]


def test_pruning_says_what_it_would_take_before_it_does(models):
    """A dry run changes nothing, and the champion stays."""
    registry, versions, asked = models
    registry.promote("failures", versions[0])
    told = answered(asked("prune", "--keep", "0", "--dry-run", "--json"))
    assert told == {"removed": sorted(versions[1:]), "dry_run": True}
    assert len(registry.versions()) == 3
    code, text, _ = asked("prune", "--keep", "1")
    assert code == 0
    assert text.startswith("1 versions taken away: ")
    assert answered(asked("prune", "--keep", "0", "--json"))["dry_run"] is False
    assert registry.versions() == [versions[0]]


def test_keys_are_made_used_and_asked_for(models, monkeypatch, tmp_path):
    """A pair, a signature, and a folder of trusted keys that lets nothing else through."""
    registry, versions, asked = models
    made = answered(asked("keygen", str(tmp_path / "office"), "--json"))
    assert stat.S_IMODE((tmp_path / "office.key").stat().st_mode) == 0o600
    trusted = tmp_path / "trusted"
    trusted.mkdir()
    (tmp_path / "office.pem").rename(trusted / "office.pem")
    monkeypatch.setenv("HEED_MODEL_TRUSTED_KEYS", str(trusted))
    code, _, error = asked("promote", versions[0])
    assert code == 1
    assert f"heed models sign {versions[0]} --sign-with KEY" in error
    told = answered(asked("sign", versions[0], "--sign-with", str(tmp_path / "office.key"), "--json"))
    assert told == {"version": versions[0], "signed_by": made["fingerprint"]}
    assert answered(asked("promote", versions[0], "--json"))["version"] == versions[0]
    code, text, _ = asked("list")
    assert f"signed by {made['fingerprint']}" in text
    assert text.count("refused: ") == 2
    code, _, error = asked("keygen", str(tmp_path / "office"))
    assert code == 2
    assert "office.key: expected a new file" in error
    assert registry.champion("failures") == versions[0]


COMMANDS = (
    "list",
    "show",
    "compare",
    "promote",
    "rollback",
    "verify",
    "prune",
    "sign",
    "keygen",
    "history",
)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_an_example(models, command):
    """`--help` says what it does and shows one call."""
    _, _, asked = models
    code, text, _ = asked(command, "--help")
    assert code == 0
    assert "Example: heed" in text
    assert "--json" in text
