"""`heed demo`: a simulated city from its first case to a page that answers."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer

from data.import_cases import import_file
from data.mapping import find_mapping
from data.store import Store
from data.synthetic import SimulatedCity, simulate_city, write_city
from models.history import History
from models.registry import Registry
from models.validation.folds import single_fold
from models.validation.history_rows import risk_model_of, rows_of
from models.validation.result import Validation
from models.validation.run import backtest_folds
from service.cli._app import Json, Step, app, emit, err, out, progress
from service.cli.serve import run
from service.detection import Detected, detect
from service.scoring import Scored, score_open_cases
from service.settings import Settings
from service.training import history_of, train_models

# The demo asks for the same split as anyone would: the last third of the year is the future.
_SPLIT = 0.7
_FIGURES = ("auc", "average_precision", "brier", "ece")
# Fewer draws than a report has: the demo shows an interval and is not judged by its ends.
_REPLICATIONS = 200
# Outcomes are learned side by side; more than two at once would ask for a gigabyte each.
_JOBS = min(2, os.cpu_count() or 1)


@dataclass
class _Demo:
    """What the demo has done so far, with the seconds that each step took."""

    folder: Path
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"sqlite:///{self.folder / 'city.db'}"

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - start, 2)


@app.command("demo")
def demo(
    seed: Annotated[int, typer.Option("--seed", help="Another seed is another city, with other planted trouble.")] = 2,
    folder: Annotated[Path, typer.Option("--dir", metavar="FOLDER", help="Where the city is written.")] = Path(
        "heed-demo"
    ),
    serve: Annotated[bool, typer.Option("--serve/--no-serve", help="Serve the pages at the end.")] = True,
    port: Annotated[int, typer.Option("--port", help="Port to listen on.")] = 8000,
    as_json: Json = False,
) -> None:
    """Simulate a city, import, train, score, detect, and serve it.

    The city is made up: offices with queues, villages, seasons, one office that fails and one problem that rises.

    Example: heed demo --no-serve --json
    """
    made = _Demo(folder)
    with progress(quiet=as_json) as step:
        city, store, found = _build(made, seed, step)
    with store:
        summary = _summary(made, city, *found)
    if as_json:
        emit(summary)
    else:
        _tell(summary, made)
    if serve:
        run(Settings.read(store_url=made.url, port=port))


def _build(made: _Demo, seed: int, step: Step) -> tuple[SimulatedCity, Store, tuple[Validation, Scored, Detected, str]]:
    """Every step of the house, one after the other."""
    with made.step("simulate"):
        step("simulate a year of the city", 0, 1)
        city = simulate_city(seed)
        paths = write_city(city, made.folder)
        step("simulate a year of the city", 1, 1)
    _forget_the_last_city(made.folder)
    store = Store.open(made.url, create=True)
    with made.step("import"):
        import_file(store, paths["events"], find_mapping("demo"), extracted_at=city.end - 1, progress=step)
        store.write_places(city.areas, city.offices, city.categories, city.inspections, city.capacities)
    settings = Settings.read(store_url=made.url)
    registry = Registry(settings.models_folder())
    with made.step("features"):
        step("features", 0, 1)
        history = history_of(store, as_of=city.end)
        step("features", 1, 1)
    with made.step("backtest"):
        tested = _backtest(history, step)
    with made.step("train"):
        version, _models = train_models(store, registry, history, jobs=_JOBS, progress=step)
    with made.step("score"):
        scored = score_open_cases(store, registry, as_of=city.end, index_folder=settings.index_folder(), progress=step)
    with made.step("signals"):
        detected = detect(store, as_of=city.end, progress=step)
    return city, store, (tested, scored, detected, version)


def _backtest(history: History, step: Step) -> Validation:
    rows = rows_of(history)
    make_model, folds = risk_model_of(history), single_fold(rows, _SPLIT)
    return backtest_folds(make_model, rows, folds=folds, replications=_REPLICATIONS, progress=step)


def _forget_the_last_city(folder: Path) -> None:
    """A demo begins anew: another seed's cases in the same store would be one city with two histories."""
    for path in folder.glob("city.db*"):
        path.unlink()


def _summary(
    made: _Demo,
    city: SimulatedCity,
    tested: Validation,
    scored: Scored,
    detected: Detected,
    version: str,
) -> dict[str, Any]:
    figures = {name: tested.figured.figures[name].value for name in _FIGURES}
    baselines = {
        name: {figure: one.figures[figure].value for figure in _FIGURES}
        for name, one in tested.figured.baselines.items()
    }
    behind = sorted(detected.offices.loc[detected.offices["fell_behind"], "office"])
    rises = detected.signals[detected.signals["direction"] == "rise"]
    cells = sorted(zip(rises["area"], rises["category"], strict=True))
    return {
        "seed": city.seed,
        "cases": int(city.events["reference"].nunique()),
        "events": len(city.events),
        "offices": len(city.offices),
        "areas": len(city.areas),
        **figures,
        "n_train": tested.folds[0].cases_train,
        "n_test": tested.folds[0].cases_test,
        "baselines": baselines,
        "model": version,
        "open_cases": scored.open_cases,
        "overdue": scored.overdue,
        "high_risk": scored.high,
        "expected": {name: round(number, 1) for name, number in scored.expected.items()},
        "signals_found": len(detected.signals),
        "signals": [{"area": area, "category": category} for area, category in cells],
        "offices_fallen_behind": behind,
        "planted": {
            "failing_office": city.truth.failing_office,
            "rising_area": city.truth.rising_area,
            "rising_category": city.truth.rising_category,
        },
        "planted_found": {
            "failing_office": city.truth.failing_office in behind,
            "rising_problem": (city.truth.rising_area, city.truth.rising_category) in cells,
        },
        "seconds": made.seconds,
        "store": made.url,
    }


def _tell(summary: dict[str, Any], made: _Demo) -> None:
    found = summary["planted_found"]
    best = min(summary["baselines"].items(), key=lambda one: one[1]["brier"])
    out.print(
        f"A simulated city (seed {summary['seed']}): {summary['cases']:,} cases of one year, "
        f"{summary['offices']} offices, {summary['areas']} areas, in {sum(made.seconds.values()):.0f} s."
    )
    out.print(
        f"Lateness told along the cases' lives: AUC {summary['auc']:.3f}, "
        f"average precision {summary['average_precision']:.3f}, "
        f"Brier {summary['brier']:.4f}, ECE {summary['ece']:.3f} on {summary['n_test']:,} later cases; "
        f"the best baseline ({best[0].replace('_', ' ')}) has Brier {best[1]['brier']:.4f}."
    )
    out.print(
        f"This morning: {summary['open_cases']:,} open cases, {summary['high_risk']:,} at high risk, "
        f"{summary['overdue']:,} overdue already; weak signals: {summary['signals_found']}."
    )
    out.print(
        f"Planted failing office {_found(found['failing_office'])}; "
        f"planted rising problem {_found(found['rising_problem'])}."
    )
    out.print("Look around, with `serve` or any other command in its place:")
    out.print(f"  heed --store {made.url} signals")
    err.print("Seconds: " + ", ".join(f"{name} {taken:.0f}" for name, taken in made.seconds.items()) + ".")


def _found(found: bool) -> str:
    return "found" if found else "NOT found"
