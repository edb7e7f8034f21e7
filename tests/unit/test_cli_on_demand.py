"""A command is imported when it is asked for, and the overview tells of all without importing any."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from service import cli
from service.cli import app
from service.cli._on_demand import COMMANDS

REPOSITORY = Path(__file__).parents[2]
# What takes long to load, and what neither the help nor a list of keys needs.
HEAVY = ("scipy", "sklearn", "lightgbm", "fastapi", "altair")


def _loaded(*words: str) -> list[str]:
    code = (
        "import sys\n"
        "from service.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        f"print([name for name in {(*HEAVY, 'pandas')!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, check=True, cwd=REPOSITORY
    )
    return str(done.stderr).strip().splitlines()[-1].strip("[]").replace("'", "").split(", ")


def test_the_help_loads_nothing_that_takes_long():
    """Whoever wants to know what there is does not wait for the libraries of what there is."""
    assert _loaded("--help") == [""]


def test_a_list_of_keys_loads_no_model_library(tmp_path):
    """The store alone, which brings pandas."""
    assert _loaded("--store", str(tmp_path / "none.db"), "keys", "list") == ["pandas"]


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_the_overview_says_what_the_command_says_of_itself(name):
    """The sentence stands twice; both are the same."""
    found = typer.main.get_command(app).commands[name]
    assert COMMANDS[name][1] == found.get_short_help_str(500)


def test_every_module_that_adds_a_command_is_listed():
    """A command whose module nobody imports could not be asked for."""
    modules = Path(cli.__file__).parent.glob("*.py")
    adds = {path.stem for path in modules if "@app.command" in (text := path.read_text()) or "app.add_typer" in text}
    assert adds - {"models"} <= {module for module, _ in COMMANDS.values()}
    every = typer.main.get_command(app).commands
    assert set(dict(every)) == set(every._made)


def test_the_overview_lists_them_all():
    """In the order of the alphabet."""
    said = CliRunner().invoke(app, ["--help"]).output
    shown = [line.split()[0] for line in said[said.index("Commands:") :].splitlines() if line[:3].strip()]
    assert shown[1:] == sorted(COMMANDS)
    assert all(COMMANDS[name][1].split()[0] in said for name in COMMANDS)


def test_a_mistyped_command_is_answered_with_what_was_meant():
    """Without importing what it might have been."""
    said = CliRunner().invoke(app, ["sgnals"])
    assert said.exit_code == 2
    assert "Did you mean 'signals'" in said.output
