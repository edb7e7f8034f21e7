"""Risks on three public exports and the simulated city, at intake and along the life of the cases, beside baselines.

    python -m tests.benchmarks.cities [--files boston stlouis animal_pest demo] [--json]

Each file is imported by the shipped mapping and cut once in time, where the table that comes with the exports cuts it
(70 % of the promised cases, St. Louis 50 %). Models learn from what was known at the cut and are judged by landmarks
after it, of cases that taught nothing: the openings alone (`intake`), and all landmarks (`life`), where every case
counts once. A row `on the list` is each morning's list: mornings only, every one alike. Intervals are those of
`models.validation`: a bootstrap by week, 95 %. Outcomes that an export doesn't tell are left out.

Near-instant closings (within a minute) are left out, as in the README of the exports; withdrawn cases stay in, since at
intake nobody knows of a withdrawal. The table of that README is shown beside: plain LightGBM and the past rate of the
category, on the columns known at intake.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterable
from typing import Any, Final

import numpy as np
from rich.console import Console
from rich.table import Table

from data.errors import NotEnoughDataError
from data.event_log import NEVER
from features.landmarks import LANDMARK_KINDS, LandmarkKind
from models.evaluate import figures
from models.history import History
from models.validation.folds import fold_at
from models.validation.history_rows import risk_model_of, rows_of
from models.validation.judge import Estimate
from models.validation.result import Validation
from models.validation.rows import Rows
from models.validation.run import backtest_folds
from service.training import history_of
from tests.benchmarks.histories import SOURCES, Source, opened
from tests.benchmarks.machine import machine

FIGURES: Final = ("auc", "average_precision", "brier", "ece")
# The better of the two honest rows of the exports' README: AUC, average precision, Brier.
PUBLISHED: Final = {
    "boston": {"category rate": (0.793, 0.611, 0.146), "LightGBM, intake": (0.802, 0.634, 0.149)},
    "animal_pest": {
        "category rate": (0.679, 0.316, 0.124),
        "LightGBM, intake": (0.793, 0.450, 0.114),
        "LightGBM, intake and promised days": (0.842, 0.517, 0.104),
    },
    "stlouis": {"category rate": (0.685, 0.624, 0.222), "LightGBM, intake": (0.682, 0.629, 0.240)},
}
_KINDS: Final[dict[str, tuple[LandmarkKind, ...]]] = {"intake": ("opening",), "life": LANDMARK_KINDS}


def measured(key: str, outcomes: Iterable[str] | None = None, replications: int = 1000) -> Iterable[dict[str, Any]]:
    """Every outcome of one file, at intake and along the life."""
    source = SOURCES[key]
    for where, kinds in _KINDS.items():
        with opened(source) as (store, as_of):
            history = history_of(store, as_of=as_of, kinds=kinds)
        for outcome in outcomes or history.outcomes:
            found = _judged(history, outcome, source, replications)
            if found is not None:
                yield {"file": key, "where": where, "outcome": outcome, **found}


def cut_of(history: History, source: Source) -> int:
    """Where the share of the promised cases had been opened; int64 seconds in UTC."""
    promised = history.cases["due_at_opening"] < NEVER
    return int(np.quantile(history.cases["opened_at"][promised], source.share))


def _judged(history: History, outcome: str, source: Source, replications: int) -> dict[str, Any] | None:
    rows = rows_of(history, outcome)
    fold = fold_at(rows, cut_of(history, source), history.as_of)
    began = time.process_time()
    try:
        found = backtest_folds(risk_model_of(history, outcome), rows, folds=[fold], replications=replications)
    except NotEnoughDataError:
        return None
    result = _told(found) | {"cpu_seconds": round(time.process_time() - began, 1)}
    listed = _on_the_list(rows, found)
    return result if listed is None else result | {"on_the_list": listed}


def _told(found: Validation) -> dict[str, Any]:
    figured = found.figured
    return {
        "n": figured.n,
        "cases": found.cases,
        "base_rate": figured.base_rate.value,
        "figures": {name: figured.figures[name].as_dict() for name in FIGURES},
        "baselines": {
            name: {figure: one.figures[figure].as_dict() for figure in FIGURES}
            for name, one in figured.baselines.items()
        },
        "beats": found.beats(),
    }


def _on_the_list(rows: Rows, found: Validation) -> dict[str, Any] | None:
    """The figures of mornings alone, every one alike: what an officer's list is worth."""
    if "kind" not in rows.keys:
        return None
    tested = rows.rows(found.places)
    morning = (tested.keys["kind"] == "morning").to_numpy()
    told = figures(tested.y[morning], found.probability[morning])
    rate = figures(tested.y[morning], found.baseline_probability["category_rate"][morning])
    return {"model": told.as_dict(), "category_rate": rate.as_dict()}


def _table(results: list[dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("", "where", "outcome", "cases", "failed", "AUC", "AP", "Brier", "ECE", "category rate", "beats"):
        table.add_column(name)
    for one in results:
        cells = [_cell(one["figures"][name]) for name in FIGURES]
        rate = one["baselines"].get("category_rate", {})
        told = " ".join(_cell(rate[name], digits=3) for name in ("auc", "brier")) if rate else ""
        beaten = sum(verdict == "beats" for verdict in one["beats"].values())
        counts = (f"{one['cases']:,}", f"{one['base_rate']:.1%}")
        table.add_row(one["file"], one["where"], one["outcome"], *counts, *cells, told, f"{beaten}/{len(one['beats'])}")
    return table


def _cell(found: dict[str, Any], digits: int = 4) -> str:
    told = Estimate(**{name: found.get(name) for name in ("value", "low", "high")})
    if told.value is None:
        return "–"
    ends = "" if told.low is None or told.high is None else f" [{told.low:.3f}, {told.high:.3f}]"
    return f"{told.value:.{digits}f}{ends}"


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.cities", description=__doc__)
    parser.add_argument("--files", nargs="+", choices=SOURCES, default=list(SOURCES))
    parser.add_argument("--outcomes", nargs="+")
    parser.add_argument("--replications", type=int, default=1000)
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args(arguments)
    console = Console(stderr=True)
    results = []
    for key in chosen.files:
        for one in measured(key, chosen.outcomes, chosen.replications):
            console.print(f"{one['file']} {one['where']} {one['outcome']}: {one['cpu_seconds']} CPU s")
            results.append(one)
    if chosen.json:
        json.dump({"machine": machine(), "published": PUBLISHED, "results": results}, sys.stdout, indent=1)
        return
    out = Console(width=220)
    out.print(_table(results))
    for key in chosen.files:
        for name, row in PUBLISHED.get(key, {}).items():
            out.print(f"published, {key}, {name}: AUC {row[0]:.3f}, AP {row[1]:.3f}, Brier {row[2]:.3f}")


if __name__ == "__main__":
    main()
