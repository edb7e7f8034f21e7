"""Notebooks run from top to bottom, hold no outputs, and define nothing that code needs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))


def _cells(path: Path) -> list[dict]:
    return json.loads(path.read_text(encoding="utf-8"))["cells"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_from_top_to_bottom(path):
    """Every code cell runs, in order, in one fresh namespace."""
    names: dict[str, object] = {"__name__": "notebook"}
    for number, cell in enumerate(_cells(path)):
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), f"{path.name}[{number}]", "exec"), names)  # noqa: S102
    assert names["tested"].beats()["category_rate"] == "beats"
    assert names["city"].truth.failing_office in set(names["found"].offices.query("fell_behind")["office"])


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_without_outputs(path):
    """What a run shows belongs to the run; rows never enter the repository."""
    cells = _cells(path)
    assert len(cells) > 5
    assert not any(cell.get("outputs") for cell in cells)
    assert sum(cell["cell_type"] == "markdown" for cell in cells) >= 4
