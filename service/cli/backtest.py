"""`heed backtest`: how good models made back then would have been."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import typer
from rich.table import Table

from data.errors import UsageError
from data.quality.check_finding import Language
from data.store import Store
from features.catalogue import CATALOGUE
from features.landmarks import LANDMARK_KINDS, LandmarkKind
from features.outcomes import LANDMARK_OUTCOMES
from models.history import History
from models.validation.folds import FOLDS, rolling_folds, single_fold
from models.validation.history_rows import risk_model_of, rows_of
from models.validation.judge import Estimate
from models.validation.result import Validation, plain_figures
from models.validation.run import backtest_folds
from service._disclosed_slices import disclose_slices
from service.backtest_report.numbers import figure, percent, spread
from service.backtest_report.words import BASELINES, UNITS, VERDICT_SHAPES, VERDICTS
from service.cli._app import Json, Step, app, emit, open_store, out, progress, settings, shown
from service.known import Known
from service.training import history_of

_SHOWN: Final = ("auc", "average_precision", "brier", "ece")
_AT_CAPACITY: Final = ("precision_at_capacity", "recall_at_capacity")
_HEADS: Final = {"auc": "AUC", "average_precision": "average\nprecision", "brier": "Brier", "ece": "ECE"}
# Small trees, nothing tuned: seconds in place of minutes, to see how the land lies.
_QUICK: Final[dict[str, Any]] = {
    "rounds": 100,
    "num_leaves": 8,
    "learning_rate": 0.1,
    "evidence_strength": 1000.0,
    "linear_weight": 0.25,
    "ridge": 1.0,
    "calibration": "identity",
}


@dataclass(frozen=True)
class _Asked:
    """How the history is to be cut."""

    folds: int
    split: float | None
    window: Literal["expanding", "sliding"]
    capacity: float | None
    jobs: int
    quick: bool


@app.command("backtest")
def backtest_(
    outcome: Annotated[
        str, typer.Option("--outcome", help=f"What the office may fail at: {', '.join(LANDMARK_OUTCOMES)}.")
    ] = "late",
    split: Annotated[
        float | None,
        typer.Option("--split", help="One cut, with this share of the history before it, in place of --folds."),
    ] = None,
    folds: Annotated[int, typer.Option("--folds", help="How many cuts, one after another.")] = FOLDS,
    window: Annotated[
        Literal["expanding", "sliding"],
        typer.Option("--window", help="What teaches at a cut: all the past, or as much as before the first cut."),
    ] = "expanding",
    landmark: Annotated[
        list[str] | None,
        typer.Option(
            "--landmark",
            metavar="KIND",
            help="Moments to learn from and test: opening, event, morning; all unless given.",
        ),
    ] = None,
    capacity: Annotated[
        float | None,
        typer.Option("--capacity", metavar="N", help="Cases an office attends to on a day; default: as the store has."),
    ] = None,
    jobs: Annotated[int, typer.Option("--jobs", help="Processes; the result is the same for any number.")] = 1,
    quick: Annotated[bool, typer.Option("--quick", help="Smaller models, nothing tuned.")] = False,
    feature: Annotated[
        list[str] | None,
        typer.Option("--feature", metavar="NAME", help="Use these features only; see `heed features`."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", metavar="FOLDER", help="Write backtest.json and backtest.html here."),
    ] = None,
    language: Annotated[Literal["zh", "en"], typer.Option("--language", help="Language of the page: zh or en.")] = "en",
    as_json: Json = False,
) -> None:
    """Cut the history again and again, train on what was known at each cut, and test on what came next.

    Example: heed --store heed.db backtest --folds 5 --output report
    """
    asked = _Asked(folds, split, window, capacity, jobs, quick)
    _check(asked, outcome, landmark or [])
    if output is not None:
        _make_folder(output)
    with open_store() as store, progress(quiet=as_json) as step:
        history, found = _found(store, outcome, landmark, feature, asked, step)
    result = _result(history, found, split)
    if output is not None:
        _write(output, result, history.near_instant, language)
    if as_json:
        emit(result)
        return
    _tell(history, found)
    if output is not None:
        out.print(str(output / "backtest.html"), highlight=False)


def _check(asked: _Asked, outcome: str, kinds: Sequence[str]) -> None:
    if outcome not in LANDMARK_OUTCOMES:
        raise UsageError(f"--outcome: expected one of {', '.join(LANDMARK_OUTCOMES)}, got '{outcome}'.")
    if asked.folds < 1:
        raise UsageError(f"--folds: expected one fold or more, and got {asked.folds}.")
    if asked.split is not None and not 0 < asked.split < 1:
        raise UsageError(f"--split: expected a share between 0 and 1, such as 0.7, and got {asked.split:g}.")
    for kind in kinds:
        if kind not in LANDMARK_KINDS:
            raise UsageError(f"--landmark: expected one of {', '.join(LANDMARK_KINDS)}, got '{kind}'.")
    if asked.jobs < 1:
        raise UsageError(f"--jobs: expected one process or more, and got {asked.jobs}.")
    if asked.capacity is not None and not asked.capacity > 0:
        raise UsageError(f"--capacity: expected a number of cases above 0, and got {asked.capacity:g}.")


def _found(
    store: Store, outcome: str, kinds: list[str] | None, names: list[str] | None, asked: _Asked, step: Step
) -> tuple[History, Validation]:
    step("read", 0, 1)
    chosen: Sequence[LandmarkKind] = [kind for kind in LANDMARK_KINDS if not kinds or kind in kinds]
    history = history_of(store, kinds=chosen, outcomes=[outcome], names=names)
    # With all horizons of an outcome asked for, the first is the one that is named.
    column = next(iter(history.outcomes))
    rows = rows_of(history, column, capacity=Known.at(store).capacity)
    step("read", 1, 1)
    if asked.split is not None:
        folds = single_fold(rows, asked.split)
    else:
        folds = rolling_folds(rows, asked.folds, window=asked.window)
    make_model = risk_model_of(history, column, **(_QUICK if asked.quick else {}))
    found = backtest_folds(make_model, rows, folds=folds, capacity=asked.capacity, n_jobs=asked.jobs, progress=step)
    return history, found


def _result(history: History, found: Validation, split: float | None) -> dict[str, Any]:
    """Everything as JSON: the figures of all folds together at the top, then everything with its interval."""
    n, rate = found.figured.n, found.figured.base_rate.value or 0.0
    own = plain_figures(found.figured.figures, n, rate).as_dict()
    plain = {name: value for name, value in own.items() if name not in ("n", "base_rate")}
    compared = found.figured.baselines.items()
    curve = found.reliability
    newest = found.folds[-1]
    return {
        **plain,
        "outcome": found.outcome,
        "split": split,
        "n_train": newest.n_train,
        "n_test": n,
        "base_rate_test": rate,
        "cut_at": shown(newest.cut),
        "baselines": {name: plain_figures(one.figures, n, rate).as_dict() for name, one in compared},
        "near_instant_left_out": history.near_instant,
        "reliability": {
            "n": list(curve.n),
            "predicted": list(curve.predicted),
            "observed": [one.value for one in curve.observed],
        },
        "features": [str(name) for name in history.inputs.matrix.features.columns],
        "importance_points": found.importance,
        "trusted": _trusted(found),
        "validation": disclose_slices(found.as_dict(), minimum=settings().minimum_cell),
    }


def _trusted(found: Validation) -> dict[str, Any] | None:
    judged = found.trusted
    if judged is None:
        return None
    return plain_figures(judged.figures, judged.n, judged.base_rate.value or 0.0).as_dict()


def _write(folder: Path, result: Mapping[str, Any], near_instant: int, language: Language) -> None:
    # Imported here: drawing needs a library that takes a second to load.
    from service.backtest_report.page import page_of  # noqa: PLC0415

    text = json.dumps(result, ensure_ascii=False, allow_nan=False, indent=1)
    page = page_of(result["validation"], language, near_instant=near_instant)
    for name, content in (("backtest.json", text + "\n"), ("backtest.html", page)):
        beside = folder / f".{name}.new"
        beside.write_text(content, "utf-8")
        beside.replace(folder / name)


def _make_folder(folder: Path) -> None:
    """Before the work, not after it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--output: expected a folder that can be written to, and {folder.name} is none.") from error
    if not os.access(folder, os.W_OK):
        raise UsageError(f"--output: expected a folder that can be written to, and {folder.name} cannot.")


def _tell(history: History, found: Validation) -> None:
    rate = percent(found.figured.base_rate.value)
    cuts = "Cut at" if len(found.folds) == 1 else f"{len(found.folds)} cuts, the last at"
    out.print(
        f"{cuts} {shown(found.folds[-1].cut)}: trained on what was mature then, tested on {found.cases:,} cases that "
        f"came later ({found.figured.n:,} landmarks); the office failed at {rate} of them.",
        highlight=False,
    )
    out.print(
        f"{history.near_instant:,} cases that were closed within a minute of opening are left out: "
        "nobody waited for them.",
        highlight=False,
    )
    out.print(_table(found))
    _tell_capacity(found)
    drawn = UNITS[found.unit].in_("en")
    out.print(
        f"Intervals of {found.level:.0%}: {found.replications:,} redraws of whole {drawn}, {found.n_blocks} of them.",
        highlight=False,
    )
    if found.importance:
        out.print("What moved the risks most, in percentage points on average:")
        for name, points in list(found.importance.items())[:8]:
            told = CATALOGUE[name].label_en if name in CATALOGUE else name
            out.print(f"  {points:5.1f}  {told}", highlight=False)


def _table(found: Validation) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("", no_wrap=True)
    for name in (*(_HEADS[name] for name in _SHOWN), "heed is"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_row("heed", *(_cell(name, found.figured.figures[name]) for name in _SHOWN), "")
    for name, one in found.figured.baselines.items():
        label = BASELINES[name].en if name in BASELINES else name.replace("_", " ")
        verdict = f"{VERDICT_SHAPES[one.verdict]} {VERDICTS[one.verdict].en}"
        table.add_row(label, *(_cell(each, one.figures[each]) for each in _SHOWN), verdict)
    return table


def _cell(name: str, one: Estimate) -> str:
    """A figure with its interval below it, in as few digits as leave room for all in eighty columns."""
    digits = 3 if name == "brier" else 2
    ends = spread(one.as_dict(), lambda value: f"{value:.{digits}f}")
    return f"{figure(name, one.value)}\n[dim]{ends}[/]" if ends else figure(name, one.value)


def _tell_capacity(found: Validation) -> None:
    attended = found.figured.capacity
    if attended is None:
        return
    precision, recall = (found.figured.figures[name] for name in _AT_CAPACITY)
    told = partial(figure, "share")
    out.print(
        f"At capacity, {attended.places:.1f} cases of a day's list are attended on average: precision "
        f"{percent(precision.value)} ({spread(precision.as_dict(), told)}), recall {percent(recall.value)} "
        f"({spread(recall.as_dict(), told)}).",
        highlight=False,
    )
