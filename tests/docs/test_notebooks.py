"""Notebooks run from top to bottom, hold no outputs, and define nothing that code needs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from data import synthetic

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))


def _cells(path: Path) -> list[dict]:
    return json.loads(path.read_text(encoding="utf-8"))["cells"]


def _first_hour(names: dict) -> None:
    assert names["tested"].beats()["category_rate"] == "beats"
    assert names["city"].truth.failing_office in set(names["found"].offices.query("fell_behind")["office"])


def _your_own_export(names: dict) -> None:
    assert "'contact': looks like something about a person" in names["refused"]
    assert "1380013" not in names["refused"]
    assert names["known"] == ["area", "category"]
    assert (names["again"].events_added, names["first"].cases) == (0, len(names["export"]))
    assert len(names["risks"]) > 50


def _weak_signals(names: dict) -> None:
    assert len(names["hit"]) == 1
    assert names["naive"] > 20 * names["controlled"]


def _good_enough(names: dict) -> None:
    assert names["tested"].beats()["category_rate"] == "beats"
    assert {part["by"] for part in names["parts"]} >= {"office", "channel", "month"}


def _retraining(names: dict) -> None:
    assert "somebody else has promoted meanwhile" in names["refused"]
    assert "its SHA-256 is not the one in the manifest" in names["damaged"]
    assert names["told"]["action"].tolist()[-1] == "rolled_back"


# What a notebook has to have found by its end.
FOUND = {
    "first_hour": _first_hour,
    "your_own_export": _your_own_export,
    "weak_signals": _weak_signals,
    "good_enough": _good_enough,
    "retraining": _retraining,
}


# A notebook whose finding does not ask for all of its cases runs on half of them by day.
HALVED = {"first_hour", "your_own_export", "good_enough", "retraining"}


@pytest.mark.usefixtures("short_training")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_from_top_to_bottom(path, monkeypatch):
    """Every code cell runs, in order, in one fresh namespace, and finds what its text says."""
    if path.stem in HALVED:
        real = synthetic.simulate_city
        monkeypatch.setattr(
            synthetic, "simulate_city", lambda seed, plan: real(seed, replace(plan, cases=plan.cases // 2))
        )
    run(path)


@pytest.mark.slow
@pytest.mark.usefixtures("short_training")
@pytest.mark.parametrize("path", [path for path in NOTEBOOKS if path.stem in HALVED], ids=lambda path: path.stem)
def test_a_notebook_runs_on_its_own_cases(path):
    """As it is written."""
    run(path)


def run(path: Path) -> None:
    """Execute the cells, and look at what they found."""
    names: dict[str, object] = {"__name__": "notebook"}
    for number, cell in enumerate(_cells(path)):
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), f"{path.name}[{number}]", "exec"), names)  # noqa: S102
    FOUND[path.stem](names)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_without_outputs(path):
    """What a run shows belongs to the run; rows never enter the repository."""
    cells = _cells(path)
    assert len(cells) > 5
    assert not any(cell.get("outputs") for cell in cells)
    assert sum(cell["cell_type"] == "markdown" for cell in cells) >= 4
