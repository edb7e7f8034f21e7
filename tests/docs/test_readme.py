"""The README shows commands that exist, in words that the house uses."""

from __future__ import annotations

import re
from pathlib import Path

import typer

from data.mapping import SHIPPED
from service.cli import app

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
# What is set as code: blocks, and words between backticks.
CODE = "\n".join(block or word for block, word in re.findall(r"```sh\n(.*?)```|`([^`\n]+)`", README, flags=re.DOTALL))


def _commands() -> set[str]:
    return set(typer.main.get_command(app).commands)


def test_every_command_shown_exists():
    """A line of the README that starts with heed can be typed."""
    shown = set(re.findall(r"^heed (?:--store \S+ )?([\w-]+)", CODE, flags=re.MULTILINE))
    assert {"import", "backtest", "train", "score", "signals", "serve"} <= shown
    assert shown <= _commands()


def test_every_command_is_shown():
    """A command that nobody is told of does not help."""
    assert _commands() <= set(re.findall(r"^heed (?:--store \S+ )?([\w-]+)", CODE, flags=re.MULTILINE))


def test_every_make_target_shown_exists():
    """The two commands, and what `make help` lists."""
    targets = set(re.findall(r"^([a-z.]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    assert set(re.findall(r"^make ([a-z]+)", CODE, flags=re.MULTILINE)) <= targets


def test_the_mappings_named_are_shipped():
    """What the README calls shipped is there."""
    shipped = {path.stem for path in SHIPPED.glob("*.toml")}
    assert {"boston", "stlouis", "chicago_sanitation"} <= shipped


def test_no_lock_line_names_a_host():
    """The lock holds names, versions and hashes only."""
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert "://" not in lock
    assert lock.count("--hash=sha256:") > 500
