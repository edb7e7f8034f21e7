"""What several processes of a test run need is made by one of them."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path

import pytest

from tests.support.made_once import made_once, shared_folder


def _noted(folder: Path) -> None:
    with (folder / "made").open("a") as file:
        file.write(f"{os.getpid()}\n")


def _ask(name: str) -> str:
    return (made_once(name, _noted) / "made").read_text()


def test_processes_that_ask_at_once_get_what_one_of_them_made():
    """All read the same, and it was made once."""
    name = f"asked-by-{os.getpid()}"
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        told = pool.map(_ask, [name] * 4)
    assert len(set(told)) == 1
    assert len(told[0].splitlines()) == 1
    assert _ask(name) == told[0]


def test_what_failed_half_way_is_made_again():
    """Half of it is never taken for the whole."""
    name = f"failed-{os.getpid()}"

    def fails(folder: Path) -> None:
        (folder / "half").touch()
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="the disk is full"):
        made_once(name, fails)
    assert [path.name for path in made_once(name, _noted).iterdir()] == ["made"]
    assert shared_folder().is_dir()
