"""Choosing how a model is put together by what would have served later cases best.

Provisional models learn from what was known at inner cuts of the training history, and speak about what began after
them. What is chosen is then fitted once, to everything. A large history is judged by some of its cases: that costs
little beside the one fit, and thousands of later cases tell the choices apart well enough.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Final

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from models.calibration.blocks import share_luck
from models.calibration.choice import standard_error
from models.risk_model.folds import SHARES, Fold, folds
from models.risk_model.linear import Linear
from models.risk_model.material import Material, belief, blend
from models.risk_model.recipe import MOST_ROUNDS, Options, Recipe, settings_for
from models.risk_model.trees import Ensemble, Growing, Lesson, TreeSettings, grow

Floats = NDArray[np.float64]

# Rounds at which the growing trees are looked at.
_STEP: Final = 25
# Looks without gain after which trees grow no further: what they learn from then on is the rows themselves.
_PATIENCE: Final = 6
# More rows than this are judged by a draw, at one cut.
MANY_ROWS: Final = 40_000
_ONE_CUT: Final = (0.8,)
# The linear part has few numbers to learn; more rows tell it nothing.
_LINEAR_ROWS: Final = 100_000
# With more rows to learn from in the end, more trees are worth growing; slowly, and not without end.
_GROWTH_POWER: Final = 0.25
_MOST_FINAL_ROUNDS: Final = 1200
_FEWEST_AFTER: Final = 50
_NEWTON_STEPS: Final = 5


@dataclass(frozen=True)
class Judged:
    """What the members said about later rows; m rows of all folds together.

    Attributes
    ----------
    material : of the m rows
    fold : (m,) which fold each belongs to
    start : (m,)
    departures : trees -> (m, steps), after so many rounds each; fewer steps where the trees stopped growing
    rounds : (steps,)
    linear : ridge -> (m,)
    belief : strength -> (m,)
    growth : rows to learn from in the end, for each one that taught here
    """

    material: Material
    fold: NDArray[np.int64]
    start: Floats
    departures: dict[tuple[int, bool], Floats]
    rounds: NDArray[np.int64]
    linear: dict[float, Floats]
    belief: dict[float, Floats]
    growth: float


@dataclass(frozen=True)
class Choice:
    """A recipe and what it would have said of later rows.

    Attributes
    ----------
    recipe : how the model is put together
    score : (m,) log-odds of the later rows, by models that knew nothing of them; empty where nothing could be judged
    material : of those rows; None where there are none
    """

    recipe: Recipe
    score: Floats
    material: Material | None


def inner_folds(material: Material, fewest: int, seed: int, *, many: bool) -> list[Fold]:
    """Folds with enough on both sides, and both outcomes among what teaches; one where there are `many` rows."""
    found = folds(material.timing, shares=_ONE_CUT if many else SHARES, seed=seed)
    return [
        fold
        for fold in found
        if fold.before.sum() >= fewest
        and fold.after.sum() >= _FEWEST_AFTER
        and 0 < material.outcome[fold.before].mean() < 1
    ]


def decide(
    material: Material,
    options: Options,
    settings: TreeSettings,
    *,
    later: Sequence[Fold],
    rows: int,
    depth: int | None = None,
    threads: int = 1,
) -> Choice:
    """Judge by later rows, and choose.

    Parameters
    ----------
    material : the rows to judge by, all or a draw
    later : folds of them; without any, what `options` name first is taken
    rows : that the model will learn from in the end
    """
    if not later:
        return Choice(options.first(), np.empty(0), None)
    return _choose(_judge(material, later, options, settings, rows, depth, threads), options)


def _judge(
    material: Material,
    later: Sequence[Fold],
    options: Options,
    settings: TreeSettings,
    rows: int,
    depth: int | None,
    threads: int,
) -> Judged:
    """Let every member learn from what was known at each cut, and speak about what came after."""
    most = MOST_ROUNDS if options.rounds is None else options.rounds
    stages = np.array([most]) if options.rounds is not None else np.arange(_STEP, most + 1, _STEP)
    start: list[Floats] = []
    linear: dict[float, list[Floats]] = {ridge: [] for ridge in options.ridges}
    believed: dict[float, list[Floats]] = {strength: [] for strength in options.strengths}
    lessons: list[tuple[Lesson, lgb.Dataset, Floats]] = []
    for fold in later:
        taught, judged = material.rows(fold.before), material.rows(fold.after)
        lesson, design, features = taught.lesson(), taught.design(), judged.table.features
        lessons.append((lesson, lesson.dataset(), features))
        start.append(judged.table.start_score(taught.base_rate))
        for ridge in options.ridges:
            linear[ridge].append(design.fit(ridge).score(features, judged.table.start))
        for strength in options.strengths:
            believed[strength].append(belief(taught.evidence(), judged.table, strength))
    found = Judged(
        material.rows(np.concatenate([np.flatnonzero(fold.after) for fold in later])),
        np.repeat(np.arange(len(later)), [int(fold.after.sum()) for fold in later]),
        np.concatenate(start),
        {},
        stages,
        {ridge: np.concatenate(parts) for ridge, parts in linear.items()},
        {strength: np.concatenate(parts) for strength, parts in believed.items()},
        rows * len(later) / sum(int(fold.before.sum()) for fold in later),
    )
    kinds = {trees: settings_for(Recipe(*trees), settings, depth) for trees in options.trees}
    departures = {
        trees: _staged([Growing(lesson, grown, threads, data, asked) for lesson, data, asked in lessons], found)
        for trees, grown in kinds.items()
    }
    return replace(found, departures=departures)


def _staged(growing: Sequence[Growing], judged: Judged) -> Floats:
    """Departures of later rows after so many rounds, (m, steps): of all stages, or of those until nothing is gained.

    The trees of all folds grow side by side, since their rounds are chosen by all later rows together.
    """
    found: list[Floats] = []
    best, at = np.inf, 0
    for stage, rounds in enumerate(judged.rounds):
        found.append(np.concatenate([one.until(int(rounds)) for one in growing]))
        loss = _loss(judged.start + found[-1], judged)
        if loss < best:
            best, at = loss, stage
        if stage - at >= _PATIENCE:
            break
    return np.column_stack(found)


def _choose(judged: Judged, options: Options) -> Choice:
    """The recipe with the least log loss on later rows, and the weakest penalty that stands beside the best.

    Where later rows are few, the share of the linear part is drawn towards the default.
    """

    def loss(score: Floats) -> float:
        return _loss(score, judged)

    _, trees, column = min(
        (loss(judged.start + staged[:, column]), trees, column)
        for trees, staged in judged.departures.items()
        for column in range(staged.shape[1])
    )
    departures = judged.departures[trees][:, column]
    ridge = _weakest(judged)
    linear = judged.linear[ridge]
    doubt = 1 / max(_rarer_groups(judged.material), 1.0)

    def tried(weight: float, strength: float) -> float:
        score = blend(judged.start, departures, linear, judged.belief[strength], weight)
        return loss(score) + doubt * (weight - options.linear_default) ** 2

    _, weight, strength = min(
        (tried(weight, strength), weight, strength)
        for strength, weight in product(options.strengths, options.linear_weights)
    )
    rounds = int(judged.rounds[column])
    if options.rounds is None:
        rounds = min(round(rounds * max(judged.growth, 1.0) ** _GROWTH_POWER), _MOST_FINAL_ROUNDS)
    score = blend(judged.start, departures, linear, judged.belief[strength], weight)
    return Choice(Recipe(*trees, rounds, ridge, weight, strength), score, judged.material)


def _weakest(judged: Judged) -> float:
    """The weakest penalty of the linear part that later rows do not refuse by more than one standard error.

    What a stronger one gains at an inner cut is mostly what the rows that taught there were short of, and in the end
    there are more of them.
    """
    losses = {ridge: _losses(score, judged) for ridge, score in sorted(judged.linear.items())}
    weight, timing = judged.material.weight, judged.material.timing
    block = share_luck(len(weight), timing.at, timing.group)
    code = None if block is None else block.code
    best = min(losses, key=lambda ridge: float(weight @ losses[ridge]))
    for ridge, loss in losses.items():
        worse = loss - losses[best]
        if ridge == best or float(weight @ worse / weight.sum()) <= standard_error(worse, weight, code):
            return ridge
    return best


def _rarer_groups(material: Material) -> float:
    """Groups of the rarer outcome, by the share of it among the rows."""
    share = float(material.outcome.mean())
    return material.timing.groups * min(share, 1 - share)


def _loss(score: Floats, judged: Judged) -> float:
    """Weighted mean of `_losses`."""
    weight = judged.material.weight
    return float(weight @ _losses(score, judged) / weight.sum())


def _losses(score: Floats, judged: Judged) -> Floats:
    """Log loss of each row, (m,); without a start, the level of every fold is set right first.

    How a base rate drifts from one year to the next says nothing about which member tells cases apart better, and the
    calibration follows the level anyway. Where the start is a record, it follows the service by itself: there the level
    is the members' own doing, and counts.
    """
    outcome, weight, fold = judged.material.outcome, judged.material.weight, judged.fold
    level = np.zeros(int(fold.max()) + 1)
    for _ in range(0 if judged.material.table.start else _NEWTON_STEPS):
        share = expit(score + level[fold])
        away = np.bincount(fold, weights=weight * (outcome - share))
        curvature = np.bincount(fold, weights=weight * share * (1 - share))
        level = level + np.clip(away / np.maximum(curvature, 1e-9), -2, 2)
    moved = score + level[fold]
    return np.asarray(np.logaddexp(0, moved) - outcome * moved)


def fitted(
    material: Material,
    recipe: Recipe,
    settings: TreeSettings,
    *,
    depth: int | None = None,
    threads: int = 1,
    seed: int = 1,
) -> tuple[Ensemble | None, Linear]:
    """Trees and linear part of a recipe; None where it has no trees."""
    ensemble = None
    if recipe.rounds > 0 and recipe.linear_weight < 1:
        ensemble = grow(material.lesson(), settings_for(recipe, settings, depth), recipe.rounds, threads)
    if recipe.linear_weight == 0:
        return ensemble, Linear((), 0.0)
    return ensemble, material.some(_LINEAR_ROWS, seed).design().fit(recipe.ridge)
