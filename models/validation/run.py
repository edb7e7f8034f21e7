"""A back-test: a model made anew at every cut, as if it were that moment, and judged by what came next.

Folds run side by side in processes of their own (joblib); every fold depends on its own rows only, so the result is
the same for any number of them. No more folds are sent out than there are processes, so that no more tables are held.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import pandas as pd

from data.errors import NotEnoughDataError
from models.baselines import rows_baselines
from models.learning import MOST_LANDMARKS, thinned
from models.validation.capacity import SHARES, DayLists
from models.validation.folds import FOLDS, Fold, Window, rolling_folds
from models.validation.judge import LEVEL, REPLICATIONS, Estimate, Judge, verdict
from models.validation.result import AtCapacity, Compared, Figured, FoldFigures, Validation
from models.validation.rows import Floats, Int64s, Rows
from models.validation.slices import sliced

Progress = Callable[[str, int, int], None]
MakeModel = Callable[[], Any]

_MOST_EXPLAINED: Final = 2000
# Below, a fold says nothing, and a model of so few rows is none.
_FEWEST: Final = 50


@dataclass(frozen=True)
class _Task:
    make_model: MakeModel
    fold: Fold
    taught: Rows
    tested: Rows


@dataclass(frozen=True)
class _Told:
    probability: Floats
    baselines: dict[str, Floats]
    importance: dict[str, float]


def backtest_folds(
    make_model: MakeModel,
    rows: Rows,
    *,
    folds: Sequence[Fold] | None = None,
    n_folds: int = FOLDS,
    window: Window = "expanding",
    capacity: float | None = None,
    replications: int = REPLICATIONS,
    level: float = LEVEL,
    seed: int = 1,
    n_jobs: int = 1,
    progress: Progress | None = None,
) -> Validation:
    """Judge a way of making models by what came after each cut.

    Parameters
    ----------
    make_model : makes an unfitted model with `fit(X, y, sample_weight, …)` and `predict_proba(X)`. What else of `at`,
        `matures_at` and `groups` its `fit` takes by name, it is given. Must travel to another process if `n_jobs` > 1.
    rows : n rows
    folds : as `rolling_folds` makes them; `n_folds` of `window` when None
    capacity : cases that an office attends to on a day, for all; those of the rows when None
    replications, level, seed : of the intervals
    n_jobs : processes; the result is the same for any number
    progress : told of folds that are done

    Raises
    ------
    NotEnoughDataError
        If no fold has 50 rows on both sides with both outcomes among those that teach, or all tested rows have the
        same outcome.
    """
    step = progress or (lambda _text, _done, _total: None)
    chosen = rolling_folds(rows, n_folds, window=window) if folds is None else folds
    usable = [fold for fold in chosen if _usable(rows, fold)]
    if not usable:
        raise NotEnoughDataError(
            f"Expected cuts with {_FEWEST} rows or more on both sides, some of them failed and some not, and none of "
            f"{len(chosen)} is such. Choose fewer folds or another split, or import a longer history."
        )
    step("back-test", 0, len(usable) + 1)
    told = []
    for one in _run(make_model, rows, usable, n_jobs):
        told.append(one)
        step("back-test", len(told), len(usable) + 1)
    found = _judged(rows, usable, told, capacity, (replications, level, seed))
    step("back-test", len(usable) + 1, len(usable) + 1)
    return replace(found, skipped=len(chosen) - len(usable))


def _usable(rows: Rows, fold: Fold) -> bool:
    labels = rows.labels_known_at(fold.cut)
    believed = np.ones(len(fold.train)) if labels.weight is None else labels.weight[fold.train]
    value = labels.value[fold.train][believed > 0]
    return len(value) >= _FEWEST and len(fold.test) >= _FEWEST and bool(value.min() < value.max())


def _tasks(make_model: MakeModel, rows: Rows, folds: Sequence[Fold]) -> Iterator[_Task]:
    for fold in folds:
        # As many as teach a model that is put to use.
        places = fold.train[thinned(np.ones(len(fold.train), dtype=bool), MOST_LANDMARKS)]
        yield _Task(make_model, fold, rows.taught(places, fold.cut), rows.rows(fold.test))


def _run(make_model: MakeModel, rows: Rows, folds: Sequence[Fold], n_jobs: int) -> Iterator[_Told]:
    tasks = _tasks(make_model, rows, folds)
    if n_jobs == 1 or len(folds) == 1:
        yield from map(_fitted, tasks)
        return
    from joblib import Parallel, delayed  # noqa: PLC0415 (only where asked for)

    at_once = Parallel(n_jobs=min(n_jobs, len(folds)), return_as="generator", pre_dispatch="n_jobs", batch_size=1)
    yield from at_once(delayed(_fitted)(task) for task in tasks)


def _fitted(task: _Task) -> _Told:
    """One fold: the model, the baselines, and what moved the risks most."""
    taught, tested = task.taught, task.tested
    model = task.make_model()
    takes = inspect.signature(model.fit).parameters
    anything = any(one.kind is inspect.Parameter.VAR_KEYWORD for one in takes.values())
    more: dict[str, Any] = {"at": taught.at, "matures_at": taught.matures_at, "groups": taught.groups}
    if taught.weight is not None:
        more["sample_weight"] = taught.weight
    model.fit(taught.X, taught.y.astype(np.int64), **{name: v for name, v in more.items() if anything or name in takes})
    probability = np.asarray(model.predict_proba(tested.X), dtype=np.float64)[:, 1]
    return _Told(probability, rows_baselines(taught, tested), _importance(model, tested.X))


def _importance(model: Any, table: Any) -> dict[str, float]:
    """Mean absolute percentage points per feature, over evenly spaced tested rows; empty where a model can't say."""
    if not hasattr(model, "explain"):
        return {}
    size = len(table)
    places = np.unique(np.linspace(0, size - 1, min(size, _MOST_EXPLAINED)).astype(np.int64))
    shown = table.iloc[places] if isinstance(table, pd.DataFrame) else np.asarray(table)[places]
    mean = model.explain(shown).points.abs().mean().sort_values(ascending=False, kind="stable") * 100
    return {str(name): round(float(value), 3) for name, value in mean.items()}


def _judged(
    rows: Rows, folds: Sequence[Fold], told: Sequence[_Told], capacity: float | None, settings: tuple[int, float, int]
) -> Validation:
    replications, level, seed = settings
    places = np.concatenate([fold.test for fold in folds])
    # The table itself is not looked at any more.
    tested = replace(rows, X=np.empty((len(rows), 0))).rows(places)
    probability = np.concatenate([one.probability for one in told])
    names = [name for name in told[0].baselines if all(name in one.baselines for one in told)]
    baselines = {name: np.concatenate([one.baselines[name] for one in told]) for name in names}
    _require_both(tested.y)
    judge = Judge.of(tested, replications=replications, level=level, seed=seed)
    lists = DayLists.of(tested, capacity)
    figured = _figured(judge, probability, baselines, lists)
    return Validation(
        outcome=rows.outcome,
        as_of=rows.as_of,
        time_zone=rows.time_zone,
        unit=judge.unit,
        n_blocks=judge.n_blocks,
        level=level,
        replications=replications,
        cases=len(np.unique(tested.groups)),
        figured=figured,
        folds=tuple(_fold(rows, tested, probability, place, fold, settings) for place, fold in _spans(folds)),
        reliability=judge.reliability(probability),
        curve=_curve(judge, probability, lists),
        slices=sliced(tested, probability, replications=replications, level=level, seed=seed),
        trusted=_trusted(tested, probability, settings),
        importance=told[-1].importance,
        places=places,
        probability=probability,
        baseline_probability=baselines,
    )


def _require_both(outcome: Floats) -> None:
    if outcome.min() == outcome.max():
        raise NotEnoughDataError(
            f"Expected cases that failed and cases that did not, but all {len(outcome):,} have the same outcome. "
            "Choose another split, or import a longer history."
        )


def _figured(judge: Judge, probability: Floats, baselines: Mapping[str, Floats], lists: DayLists) -> Figured:
    known = lists.known

    def draws(said: Floats) -> dict[str, Floats]:
        made = judge.draws(said)
        return {**made, **judge.attended(lists.attended(said, lists.capacity), known)} if known.any() else made

    mine = draws(probability)
    compared = {}
    for name, said in baselines.items():
        theirs = draws(said)
        differences = judge.differences(mine, theirs)
        compared[name] = Compared(
            figures=judge.estimates(theirs),
            differences=differences,
            skill=judge.skill(mine, theirs),
            verdict=verdict(differences),
        )
    at_capacity = None
    if known.any():
        firsts = np.unique(lists.list_of[known], return_index=True)[1]
        places = np.minimum(lists.capacity[known][firsts], lists.size[known][firsts])
        at_capacity = AtCapacity(len(firsts), float(places.mean()), float(places.sum() / known.sum()))
    rates = judge.share(judge.outcome), judge.share(probability)
    return Figured(len(judge.outcome), *rates, judge.estimates(mine), compared, at_capacity)


def _curve(judge: Judge, probability: Floats, lists: DayLists) -> tuple[tuple[float, Estimate, Estimate], ...]:
    """Share of every list that is attended, and precision and recall there."""
    found = []
    for share in SHARES:
        made = judge.estimates(judge.attended(lists.share_attended(probability, share), lists.counts))
        found.append((share, made["precision_at_capacity"], made["recall_at_capacity"]))
    return tuple(found)


def _spans(folds: Sequence[Fold]) -> Iterator[tuple[slice, Fold]]:
    start = 0
    for fold in folds:
        yield slice(start, start + len(fold.test)), fold
        start += len(fold.test)


def _fold(
    rows: Rows, tested: Rows, probability: Floats, span: slice, fold: Fold, settings: tuple[int, float, int]
) -> FoldFigures:
    replications, level, seed = settings
    places = np.arange(span.start, span.stop)
    own = tested.rows(places)
    judge = Judge.of(own, replications=replications, level=level, seed=seed)
    return FoldFigures(
        number=fold.number,
        cut=fold.cut,
        until=fold.until,
        since=fold.since,
        n_train=len(fold.train),
        cases_train=len(np.unique(rows.groups[fold.train])),
        n_test=len(fold.test),
        cases_test=len(np.unique(own.groups)),
        open_at_cut=fold.open_at_cut,
        straddling=fold.straddling,
        base_rate=judge.share(own.y),
        mean_probability=judge.share(probability[span]),
        figures=judge.estimates(judge.draws(probability[span])),
    )


def _trusted(tested: Rows, probability: Floats, settings: tuple[int, float, int]) -> Figured | None:
    """The model's figures on rows whose labels are trusted; None where nobody judged, or they are too few."""
    if tested.trusted is None:
        return None
    places: Int64s = np.flatnonzero(tested.trusted)
    own = tested.rows(places)
    if len(own) < _FEWEST or own.y.min() == own.y.max():
        return None
    replications, level, seed = settings
    judge = Judge.of(own, replications=replications, level=level, seed=seed)
    said = probability[places]
    return Figured(len(own), judge.share(own.y), judge.share(said), judge.estimates(judge.draws(said)), {}, None)
