"""Which families of features help: each left out of all of them, and each added to what models learn from by default.

    python -m tests.benchmarks.families [--files boston stlouis animal_pest demo] [--where openings life] [--json]

On every file, twice: at openings, and along the life, on the landmarks that models learn from (`models.history`:
openings, events, and a share of the mornings). Models are made as heed makes them, by `models.learning.fit`, with a
recipe that is fixed: the one of a history that cannot tell which would be better (`models.risk_model.recipe`), with
larger trees along the life and without calibration. So a comparison is one of features, and not of what a search over
recipes made of them. The split is that of a back-test: a model learns from what was mature at the cut, and is judged by
landmarks after it, of cases that taught nothing. All models of a file are judged on the same landmarks, and every case
counts once.

A figure in a table is what the family adds: with it less without it, mean over several seeds of the training. Intervals
are those of a paired bootstrap by week of opening (by day where there are fewer than eight weeks) with the noise of
training added, see `tests/support/paired_bootstrap.py`. They are of one comparison each: of twenty that mean nothing,
one leaves out zero by chance. What models learn from by default, and how, was chosen with the public exports at hand:
that flatters the default a little, and the simulated city says nothing of real ones.

A family that is among the defaults as a whole cannot be added to them; what it is worth is told by leaving it out.
Progress and deadline are, but for little, and each says most of what the other does: they are left out together, too.

Along the life a case counts as 1 / (landmarks of it that are there): a moment of a case that stays open for long counts
less than one of a case that is answered at once. That weighs as the future turned out, so the figures rank families and
are no forecast of how good a model of open cases is.

Working hours are not in the exports: 08:30 to 17:00 on weekdays that are no public holiday of the state are taken, and
the desk hours of the simulated city.

The score starts from the record of what is like a case (`features.starts`), whatever the features: the family `record`
left out is the columns of the trees and of the regression left out, not the start.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from features.catalogue import CATALOGUE
from features.feature import Family
from models.learning import fit
from models.risk_model.recipe import Recipe
from tests.benchmarks.family_files import KINDS, OUTCOME, Ready, Where, families, missing_families, read, with_features
from tests.benchmarks.histories import SOURCES
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
Tell = Callable[[str], None]
Question = Literal["left out", "added"]

SEEDS: Final = 3
REPLICATIONS: Final = 1000
_RECIPE: Final[dict[str, Any]] = {
    **{name: value for name, value in Recipe().as_dict().items() if name != "random_thresholds"},
    "calibration": "identity",
}
# Larger trees along the life than at openings, since age and promise work together.
RECIPES: Final[dict[Where, dict[str, Any]]] = {"openings": _RECIPE, "life": {**_RECIPE, "num_leaves": 31}}
# The families that tell how long a case has waited.
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
    n_train, n_test, base_rate : landmarks that taught and that judged, and the share of the latter that was late; every
        case counts once
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


def variants(features: pd.DataFrame, default: Collection[str]) -> tuple[list[Variant], list[Pair]]:
    """The choices of features to compare, and which of them differ by which family.

    Parameters
    ----------
    features : of what teaches; only families of which something varies there are compared
    default : names that a model learns from unless told otherwise
    """
    names = [str(name) for name in features]
    varying = families(features)
    made = [Variant("all", names), Variant("default", [name for name in names if name in default])]
    pairs: list[Pair] = []

    def compare(group: Sequence[Family], question: Question, kept: Collection[str], columns: int) -> None:
        told = " and ".join(group)
        base, joined = ("all", "without") if question == "left out" else ("default", "with")
        made.append(Variant(f"{base} {joined} {told}", [name for name in names if name in kept]))
        sides = (base, made[-1].words) if question == "left out" else (made[-1].words, base)
        pairs.append(Pair(told, question, columns, *sides))

    groups: list[tuple[Family, ...]] = [(family,) for family in varying]
    for group in [*groups, OWN_STATE] if varying.keys() >= {*OWN_STATE} else groups:
        kept = [name for name in names if CATALOGUE[name].family not in group]
        compare(group, "left out", kept, sum(len(varying[family]) for family in group))
    for family, columns in varying.items():
        more = {*columns} - {*default}
        if more:
            compare((family,), "added", {*default} | more, len(more))
    return made, pairs


def told(ready: Ready, seed: int, variant: Variant) -> Floats:
    """What a model of these features, trained with this seed, says of the landmarks after the cut, (m,)."""
    taught = replace(ready.taught, inputs=with_features(ready.taught.inputs, variant.names))
    model = fit(taught, random_state=seed, **RECIPES[ready.where])
    return model.predict_proba(with_features(ready.tested, variant.names).table(OUTCOME))[:, 1]


def judge(ready: Ready, seeds: int, replications: int, tell: Tell) -> Judged:
    """Compare all families on one history."""
    features = ready.taught.inputs.matrix.features
    made, pairs = variants(features, ready.default)
    opened_at = ready.tested.landmarks["opened_at"].to_numpy("int64")
    unit = block_unit(opened_at, ready.time_zone)
    names, block = np.unique(blocks(opened_at, ready.time_zone, unit), return_inverse=True)
    counts = redraws(len(names), replications, seed=1)
    by_seed: dict[str, dict[str, Floats]] = {}
    for place, variant in enumerate(made):
        tell(f"{ready.where}: {variant.words}, {len(variant.names)} features ({place + 1} of {len(made)})")
        drawn = [
            redrawn_figures(ready.outcome, told(ready, seed, variant), block, counts, ready.weight)
            for seed in range(1, seeds + 1)
        ]
        by_seed[variant.words] = {name: np.array([one[name] for one in drawn]) for name in METRICS}
    return Judged(
        where=ready.where,
        n_train=len(ready.taught),
        n_test=len(ready.outcome),
        base_rate=float(np.average(ready.outcome, weights=ready.weight)),
        unit=unit,
        n_blocks=len(names),
        not_there=missing_families(features),
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
    console.print(
        f"{title}, {judged.where}: {judged.n_train:,} landmarks taught, {judged.n_test:,} judged, "
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
    parser.add_argument("--where", nargs="+", choices=KINDS, default=list(KINDS), help="in a case's life")
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
    console = Console(width=190)
    for name in given.files:
        tell = partial(_tell, name)
        found["files"][name] = {"title": SOURCES[name].title}
        for where in given.where:
            tell(f"{where}: importing, and working out features")
            ready = read(SOURCES[name], where)
            judged = judge(ready, given.seeds, given.replications, tell)
            found["files"][name] |= {"cut": ready.cut, where: judged.as_dict()}
            if not given.json:
                show(ready.source.title, judged, console)
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
