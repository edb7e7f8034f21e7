"""Which families of features help: each left out of all of them, and each added to what models learn from by default.

    python -m tests.benchmarks.families [--files boston stlouis animal_pest demo] [--where openings life] [--json]

On every file, twice: at openings with heed's own `models.training.train`, and along the life (openings, events, and at
most five mornings of each case, drawn at random; every case counts once) with plain LightGBM. The split is that of a
back-test: a model learns from cases opened before the cut whose outcome was mature at it, and is judged by the cases
opened after it. All models of a file are judged on the same cases.

A figure in a table is what the family adds: with it less without it, mean over several seeds of the training. Intervals
are those of a paired bootstrap by week of opening (by day where there are fewer than eight weeks) with the noise of
training added, see `tests/support/paired_bootstrap.py`. They are of one comparison each: of twenty that mean nothing,
one leaves out zero by chance. What models learn from by default, and how, was chosen with the public exports at hand:
that flatters the default a little, and the simulated city says nothing of real ones.

Along the life a landmark counts 1 / (landmarks of its case that are there), in teaching and in judging: a moment of a
case that stays open for long counts less than one of a case that is answered at once. That weighs as the future turned
out, so the figures rank families and are no forecast of how good a model of open cases is.

Working hours are not in the exports: 08:30 to 17:00 on weekdays that are no public holiday of the state are taken, and
the desk hours of the simulated city.

At openings the score starts from the record of what is like a case (`features.base_score`), whatever the features: the
family `record` left out there is the columns of the trees and of the regression left out, not the start.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Literal
from unittest.mock import patch

import lightgbm as lgb
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from features.catalogue import CATALOGUE
from features.feature import Family
from models import risk
from models.training import train
from tests.benchmarks.family_files import SOURCES, Life, Ready, families, missing_families, read
from tests.benchmarks.machine import machine
from tests.support.paired_bootstrap import (
    METRICS,
    BlockUnit,
    Difference,
    Verdict,
    block_unit,
    blocks,
    differences,
    redrawn_figures,
    redraws,
    verdict,
)

Floats = NDArray[np.float64]
Int64s = NDArray[np.int64]
Tell = Callable[[str], None]
Question = Literal["left out", "added"]

SEEDS: Final = 3
REPLICATIONS: Final = 1000
ROUNDS: Final = 300
# Larger trees than at openings, since age and promise work together; drawing rows and columns as there.
LIFE_PARAMETERS: Final[dict[str, Any]] = {
    **{name: value for name, value in risk.PARAMETERS.items() if name not in ("max_depth", "lambda_l2")},
    "learning_rate": 0.05,
    "num_leaves": 31,
    "num_threads": 1,
}
# The families that tell how long a case has waited: at openings they say little, along the life nothing goes without.
OWN_STATE: Final[tuple[Family, ...]] = ("progress", "deadline")
_SHORT: Final = {"auc": "AUC", "average_precision": "AP", "brier": "Brier", "ece": "ECE"}
_MARKS: Final[dict[Verdict, str]] = {"helps": "helps", "hurts": "hurts", "both": "both ways", "unclear": ""}


@dataclass(frozen=True)
class Variant:
    """A choice of features: `words` say which, `names` are their columns in the order of the catalogue."""

    words: str
    names: list[str]


@dataclass(frozen=True)
class Pair:
    """Two variants that differ by a family, or by two.

    Attributes
    ----------
    family : which
    question : "left out" of all features, or "added" to those a model learns from by default
    features : by how many columns that vary the two differ
    more, less : the words of the variant with the family and of the one without it
    """

    family: str
    question: Question
    features: int
    more: str
    less: str


@dataclass(frozen=True)
class Comparison:
    """What the family of a pair adds, by figure."""

    pair: Pair
    adds: dict[str, Difference]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        adds = {name: one.as_dict() for name, one in self.adds.items()}
        return vars(self.pair) | {"adds": adds, "verdict": verdict(self.adds)}


@dataclass(frozen=True)
class Judged:
    """All comparisons of one file at openings, or along the life.

    Attributes
    ----------
    where : "openings" or "life"
    n_train, n_test, base_rate : landmarks that taught and that judged, and the share of the latter that was late; along
        the life every case counts once
    unit, n_blocks : what the bootstrap drew
    not_there : families of which nothing varies in what taught
    figures : variant -> figure -> mean over the seeds
    comparisons : what every family adds
    """

    where: str
    n_train: int
    n_test: int
    base_rate: float
    unit: BlockUnit
    n_blocks: int
    not_there: list[str]
    figures: dict[str, dict[str, float]]
    comparisons: list[Comparison]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        told = {name: value for name, value in vars(self).items() if name != "comparisons"}
        return told | {"comparisons": [one.as_dict() for one in self.comparisons]}


def variants(
    features: pd.DataFrame, default: Sequence[str], own_state: Sequence[Family] = ()
) -> tuple[list[Variant], list[Pair]]:
    """The choices of features to compare, and which of them differ by which family.

    Parameters
    ----------
    features : of what teaches; only families of which something varies there are compared
    default : names that a model learns from unless told otherwise
    own_state : families that are added to the default before any other is. Without them trees find out how long a case
        has waited from whatever the hour of a morning or the date can tell of it, and any family would seem to help.
        Left out they are one by one, and together: each says most of what the other does.
    """
    names = [str(name) for name in features]
    varying = families(features)
    made = [Variant("all", names)]
    pairs: list[Pair] = []

    def add(words: str, chosen: Iterable[str]) -> str:
        kept = {*chosen}
        made.append(Variant(words, [name for name in names if name in kept]))
        return words

    def compare_left_out(group: Sequence[Family]) -> None:
        told, varied = " and ".join(group), sum(len(varying[family]) for family in group)
        without = add(f"all without {told}", (name for name in names if CATALOGUE[name].family not in group))
        pairs.append(Pair(told, "left out", varied, "all", without))

    def compare_added(group: Sequence[Family], to: str, base: set[str]) -> tuple[str, set[str]]:
        more = {name for family in group for name in varying[family]} - base
        if not more:
            return to, base
        told = " and ".join(group)
        words = add(f"{to} {'and' if to != 'default' else 'with'} {told}", base | more)
        pairs.append(Pair(told, "added", len(more), words, to))
        return words, base | more

    own = [family for family in own_state if family in varying]
    groups = [[family] for family in varying] + ([own] if len(own) > 1 else [])
    for group in groups:
        compare_left_out(group)
    to, base = add("default", default), {*default}
    for family in own if len(own) > 1 else []:
        compare_added([family], to, base)
    if own:
        to, base = compare_added(own, to, base)
    for family in varying:
        if family not in own:
            compare_added([family], to, base)
    return made, pairs


def at_openings(ready: Ready, seed: int, variant: Variant) -> Floats:
    """What heed's own model, trained with this seed, says of the cases opened after the cut."""
    history = ready.history.with_features(variant.names)
    with patch.dict(risk.PARAMETERS, seed=seed):
        model = train(history, cut=ready.split.cut)
    return model.predict_proba(history.matrix.rows(ready.split.test))


def along_life(life: Life, seed: int, variant: Variant) -> Floats:
    """What plain trees say of the landmarks of the cases opened after the cut."""
    columns = life.matrix.features[variant.names]
    data = lgb.Dataset(columns[life.train], label=life.outcome[life.train], weight=life.weight[life.train])
    trees = lgb.train({**LIFE_PARAMETERS, "seed": seed}, data, num_boost_round=ROUNDS)
    return np.asarray(trees.predict(columns[life.test], num_threads=1), dtype=np.float64)


def judge_openings(ready: Ready, seeds: int, replications: int, tell: Tell) -> Judged:
    """Compare at openings."""
    split, matrix = ready.split, ready.history.matrix
    made, pairs = variants(matrix.features[split.train], ready.default[0])
    opened = ready.history.cases["opened_at"].to_numpy("int64")[split.test]
    test = _Test(ready.history.outcome.value[split.test], None, opened, ready.history.time_zone)
    predict = partial(at_openings, ready)
    missing = missing_families(matrix.features[split.train])
    return _judge("openings", test, int(split.train.sum()), missing, made, pairs, predict, seeds, replications, tell)


def judge_life(ready: Ready, seeds: int, replications: int, tell: Tell) -> Judged:
    """Compare along the life."""
    life = ready.life
    features, opened = life.matrix.features[life.train], life.matrix.landmarks["opened_at"].to_numpy("int64")
    made, pairs = variants(features, ready.default[1], OWN_STATE)
    test = _Test(life.outcome[life.test], life.weight[life.test], opened[life.test], ready.history.time_zone)
    predict, missing = partial(along_life, life), missing_families(features)
    return _judge("life", test, int(life.train.sum()), missing, made, pairs, predict, seeds, replications, tell)


JUDGES: Final = {"openings": judge_openings, "life": judge_life}


@dataclass(frozen=True)
class _Test:
    """What all variants are judged by, (n,) each; `weight` None: all the same."""

    outcome: Floats
    weight: Floats | None
    opened_at: Int64s
    time_zone: str


def _judge(
    where: str,
    test: _Test,
    n_train: int,
    missing: list[str],
    made: list[Variant],
    pairs: list[Pair],
    predict: Callable[[int, Variant], Floats],
    seeds: int,
    replications: int,
    tell: Tell,
) -> Judged:
    unit = block_unit(test.opened_at, test.time_zone)
    names, block = np.unique(blocks(test.opened_at, test.time_zone, unit), return_inverse=True)
    counts = redraws(len(names), replications, seed=1)
    drawn: dict[str, list[dict[str, Floats]]] = {}
    for place, variant in enumerate(made):
        tell(f"{where}: {variant.words}, {len(variant.names)} features ({place + 1} of {len(made)})")
        drawn[variant.words] = [
            redrawn_figures(test.outcome, predict(seed, variant), block, counts, test.weight)
            for seed in range(1, seeds + 1)
        ]
    by_seed = {
        words: {name: np.array([one[name] for one in each]) for name in METRICS} for words, each in drawn.items()
    }
    return Judged(
        where=where,
        n_train=n_train,
        n_test=len(test.outcome),
        base_rate=float(np.average(test.outcome, weights=test.weight)),
        unit=unit,
        n_blocks=len(names),
        not_there=missing,
        figures={words: {name: float(each[name][:, 0].mean()) for name in METRICS} for words, each in by_seed.items()},
        comparisons=_compared(pairs, by_seed, len(names)),
    )


def _compared(pairs: list[Pair], by_seed: dict[str, dict[str, Floats]], n_blocks: int) -> list[Comparison]:
    adds = {
        name: differences([(by_seed[pair.more][name], by_seed[pair.less][name]) for pair in pairs], n_blocks, seed=1)
        for name in METRICS
    }
    return [Comparison(pair, {name: adds[name][place] for name in METRICS}) for place, pair in enumerate(pairs)]


def show(title: str, judged: Judged, console: Console) -> None:
    """Print one table: figures in thousandths, ** where the 95 % interval leaves out zero and * where the 90 % does."""
    told = "every case counts once" if judged.where == "life" else "heed's own model"
    console.print(
        f"{title}, {judged.where} ({told}): {judged.n_train:,} taught, {judged.n_test:,} judged, "
        f"{judged.base_rate:.1%} of them late; {judged.n_blocks} {judged.unit}s drawn from",
        highlight=False,
    )
    if judged.not_there:
        console.print(f"not in these data: {', '.join(judged.not_there)}", highlight=False)
    table = Table()
    for heading in ("adds, in thousandths", "columns", *(_SHORT[name] for name in METRICS), "verdict"):
        table.add_column(heading, no_wrap=True)
    for words in ("default", "all"):
        table.add_row(words, "", *(f"{judged.figures[words][name]:.4f}" for name in METRICS), "")
    for question in ("left out", "added"):
        table.add_section()
        for one in judged.comparisons:
            if one.pair.question == question:
                words = f"{one.pair.family}, to {'all others' if question == 'left out' else one.pair.less}"
                cells = (_cell(one.adds[name]) for name in METRICS)
                table.add_row(words, str(one.pair.features), *cells, _MARKS[verdict(one.adds)])
    console.print(table)


def _cell(found: Difference) -> str:
    low, high = found.intervals[0.95]
    stars = "*" * (abs(found.side(0.9)) + abs(found.side(0.95)))
    return f"{found.value * 1000:+.1f} [{low * 1000:+.1f}, {high * 1000:+.1f}]{stars}"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.families")
    parser.add_argument("--files", nargs="+", choices=SOURCES, default=list(SOURCES))
    parser.add_argument("--where", nargs="+", choices=JUDGES, default=list(JUDGES), help="in a case's life")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="trainings of every variant")
    parser.add_argument("--replications", type=int, default=REPLICATIONS, help="draws of the bootstrap, 500 or more")
    parser.add_argument("--json", action="store_true", help="print JSON and no tables")
    given = parser.parse_args()
    if given.replications < 500 or given.seeds < 2:
        parser.error("expected at least 2 seeds and 500 replications: with fewer there is no interval to speak of")
    return given


def main() -> None:
    """Compare on every file, one after the other."""
    given = _arguments()
    found: dict[str, Any] = {
        "machine": machine(),
        "seeds": given.seeds,
        "replications": given.replications,
        "files": {},
    }
    console, chosen = Console(width=190), [JUDGES[where] for where in given.where]
    for name in given.files:
        tell = partial(_tell, name)
        tell("importing, and working out features")
        ready = read(SOURCES[name])
        parts = [judge(ready, given.seeds, given.replications, tell) for judge in chosen]
        found["files"][name] = {"title": ready.source.title, "cut": ready.split.cut} | {
            part.where: part.as_dict() for part in parts
        }
        if not given.json:
            for part in parts:
                show(ready.source.title, part, console)
    found["cpu_seconds"] = round(sum(os.times()[:4]), 1)
    if given.json:
        sys.stdout.write(json.dumps(found, indent=1) + "\n")
    else:
        console.print(f"{found['cpu_seconds']:,.0f} seconds of processor time", highlight=False)


def _tell(name: str, words: str) -> None:
    sys.stderr.write(f"{time.process_time():7.0f} s  {name}: {words}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    main()
