"""The risk of one case at a time, to the bit as `models.risk_model` and `models.failures` tell it of many.

A table of one row costs a thousand times what its arithmetic does. Here a fitted model is laid out once as plain
numbers, and a case is a list of floats: the same additions in the same order, with NumPy and SciPy only where their
logarithms and exponentials are, since other libraries round those differently.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from data.errors import ModelError
from features.risk_inputs import START
from models.calibration.band import Band
from models.calibration.beta import Beta
from models.calibration.calibrator import Calibrator
from models.calibration.identity import Identity
from models.calibration.isotonic import Isotonic
from models.calibration.platt import Calibration
from models.failures import LEVEL, FailureModels
from models.risk_model.linear import Linear
from models.trees.tree import CATEGORICAL, DEFAULT_LEFT, MISSING_NAN, MISSING_ZERO, Tree

if TYPE_CHECKING:
    from models.risk_model import RiskModel
    from models.risk_model.trees import Ensemble

Floats = NDArray[np.float64]
Ends = tuple[float, float, float]

_FARTHEST: Final = 5.0
_TRIALS: Final = 16
# A whole tree of this depth has 64 places, most of them empty where the tree is not whole.
_DEEPEST: Final = 6
_LARGEST: Final = float(np.finfo(np.float64).max)
# What stands for a null in each of the three copies of a row.
_FILLED: Final = np.array([[-np.inf], [np.inf], [0.0]])


class OneRisk:
    """One outcome's model laid out, but for its linear part, which all outcomes work out together.

    Parameters
    ----------
    model : fitted, made of the features of a `features.one_plan.OnePlan`, of the parts of a start, and of one column
        that evidence is counted by
    names : the features in the order of the rows that will come

    Attributes
    ----------
    parts : of its start, in order
    limits : of its interval

    Raises
    ------
    ModelError
        If the model was made of other columns.
    """

    def __init__(self, model: RiskModel, names: Sequence[str]) -> None:
        columns = model.columns_
        if columns.features != tuple(names) or columns.categories:
            raise ModelError("Expected a model of the features that are worked out, and it is of others. Train again.")
        self.parts = tuple(name.removeprefix(START) for name in columns.start)
        self._base = float(model.base_rate_)
        self._weight = float(model.recipe_.linear_weight)
        self._believed, self._unseen = _believed(model)
        self.intercepts = intercepts_of(model)
        self.limits = _Limits(model.calibration_, LEVEL)

    def score(
        self, start: Mapping[str, float], category: str, office: str | None, departure: float, linear: float
    ) -> float:
        """The score in log-odds, before calibration, with what the trees and the linear part say."""
        begun = self._base
        for name in self.parts:
            begun += start[name]
        believed = self._believed.get(category, self._unseen)
        score = (1 - self._weight) * (begun + believed * departure) + self._weight * linear
        return score if self.intercepts is None else score + self.intercepts.get(office, 0.0)


class OneTelling:
    """All outcomes of a bundle of models, and any failure, for one case at a time.

    Parameters
    ----------
    models : as `FailureModels.tell` would tell
    """

    def __init__(self, models: FailureModels) -> None:
        self.risks = {name: OneRisk(model, models.features) for name, model in models.risks.items()}
        self._forest = _Forest([model.ensemble_ for model in models.risks.values()], len(models.features))
        self._linear = _Linears(
            [model.linear_ for model in models.risks.values()],
            [len(risk.parts) for risk in self.risks.values()],
            len(models.features),
        )
        self._weight = models.any_failure.weight

    def tell(
        self,
        row: Floats,
        starts: Mapping[str, Mapping[str, float]],
        category: str,
        office: str | None,
        possible: Collection[str],
    ) -> tuple[dict[str, Ends], Ends | None]:
        """The risks of the outcomes that are possible, and of any failure; None where none is possible.

        Parameters
        ----------
        row : (k,) features
        starts : outcome -> parts of its start in log-odds
        category : "" where it is not known
        office : None where it is not known
        possible : outcomes by which the office can still fail the case

        Raises
        ------
        ModelError
            If a risk is no number.
        """
        asked: list[tuple[str, OneRisk]] = []
        edges: list[float] = []
        # The parts of each outcome's start stand behind the features, one outcome's after the other's.
        begun = [starts[name][part] for name, risk in self.risks.items() for part in risk.parts]
        linears = self._linear.scores(np.concatenate((row, begun)))
        parts = zip(self.risks.items(), self._forest.scores(row), linears, strict=True)
        for (name, risk), departure, linear in parts:
            if name in possible:
                asked.append((name, risk))
                edges += risk.limits.edges(risk.score(starts[name], category, office, departure, linear))
        if not asked:
            return {}, None
        # The curves of all outcomes at once; those that are none of these are put in their places.
        curved: list[float] = expit(edges).tolist()
        told: dict[str, Ends] = {}
        for place, (name, risk) in enumerate(asked):
            first = 3 * place
            told[name] = ends = risk.limits.ends(edges[first], *curved[first : first + 3])
            if ends[0] != ends[0]:
                raise ModelError(f"Expected a risk of '{name}' for every case, and some are no numbers. Train.")
        listed = list(zip(*told.values(), strict=True))
        return told, (self._any(listed[0]), self._any(listed[1]), self._any(listed[2]))

    def departures(self, row: Floats) -> list[float]:
        """What the trees of each model say of (k,) features, in log-odds and in the order of the models."""
        return self._forest.scores(row)

    def _any(self, parts: Sequence[float]) -> float:
        low, total = 0.0, 0.0
        for part in parts:
            low, total = max(low, part), total + part
        high = max(low, min(total, 1.0))
        return min(max((1 - self._weight) * low + self._weight * high, low), high)


class _Forest:
    """The trees of all models, walked down together for one row.

    LightGBM keeps each list of each tree by itself in memory. For one row between other work its walk is mostly waiting
    for memory: half a millisecond for the 1,443 trees of a city, and a tenth of that here, where all nodes of all trees
    stand level by level in a few arrays. Most splits are at a cut that other trees split at too, so each cut is
    asked once for a row, and a node is the number of its cut, in two bytes. A row comes in three copies, with what a
    split does with a missing value put in its place: far left, far right, or 0.

    Where a model's trees are of another kind, or do not give LightGBM's own score of a row of every kind to the bit,
    LightGBM is asked for that model.
    """

    def __init__(self, ensembles: Sequence[Ensemble | None], columns: int) -> None:
        self._boosters = [None if one is None else one.booster for one in ensembles]
        walked = [one is not None and _is_plain(one.trees) for one in ensembles]
        self._lay_out([one if walk else None for one, walk in zip(ensembles, walked, strict=True)], columns)
        rows = _trials(columns)
        agreed = np.ones(len(ensembles), dtype=bool)
        for row in rows:
            found = self._walked(row)
            agreed &= [booster is None or found[m] == _asked(booster, row) for m, booster in enumerate(self._boosters)]
        self._others = {m: one for m, one in enumerate(self._boosters) if one is not None and not agreed[m]}

    @property
    def walked(self) -> int:
        """Models with trees that are walked here."""
        return sum(booster is not None for booster in self._boosters) - len(self._others)

    def _lay_out(self, ensembles: Sequence[Ensemble | None], columns: int) -> None:
        """Every tree as a whole one of equal depth, level by level: the children of place i are 2i and 2i + 1.

        Below a leaf that ends early all cuts are infinite, and its value stands at the end of the left way.
        """
        trees = [tree for one in ensembles if one is not None for tree in one.trees]
        ends = np.cumsum([0, *(0 if one is None else len(one.trees) for one in ensembles)]).tolist()
        # Which trees are of which model; of one without, nothing is added up.
        self._parts = [(m, start, end) for m, (start, end) in enumerate(pairwise(ends)) if end > start]
        self._nothing = [0.0] * len(ensembles)
        self._first = 2 * np.arange(len(trees))
        self._depth = max((tree.depth() for tree in trees), default=0)
        nodes = [np.array([np.zeros(size), np.full(size, np.inf)]) for size in self._sizes(len(trees))]
        self._value = np.zeros(len(trees) << self._depth)
        for number, tree in enumerate(trees):
            kind = tree.decision >> 2 & 3
            copy = np.where(kind == MISSING_NAN, np.where(tree.decision & DEFAULT_LEFT, 0, 1), 2)
            column = tree.feature + copy * columns
            # At an infinite cut only nulls part from numbers: what stands far right for them lies beyond it.
            cut = np.clip(tree.threshold, -_LARGEST, _LARGEST)
            open_nodes = [(0 if tree.leaves > 1 else -1, 0, number)]
            while open_nodes:
                node, level, place = open_nodes.pop()
                if node < 0:
                    self._value[place << (self._depth - level)] = tree.value[-1 - node]
                    continue
                nodes[level][:, place] = column[node], cut[node]
                open_nodes.append((int(tree.left[node]), level + 1, 2 * place))
                open_nodes.append((int(tree.right[node]), level + 1, 2 * place + 1))

        (column, cuts), split = np.unique(np.hstack([np.empty((2, 0)), *nodes]), axis=1, return_inverse=True)
        self._column, self._cut = column.astype(np.intp), cuts.copy()
        small = split.reshape(-1).astype(np.uint16 if len(cuts) <= 1 << 16 else np.intp)
        self._split = np.split(small, np.cumsum(self._sizes(len(trees)))[:-1])

    def _sizes(self, trees: int) -> list[int]:
        return [trees << level for level in range(self._depth)]

    def scores(self, row: Floats) -> list[float]:
        """The sum of each model's trees, in log-odds; `row` (k,) float64."""
        found = self._walked(row)
        for place, booster in self._others.items():
            found[place] = _asked(booster, row)
        return found

    def _walked(self, row: Floats) -> list[float]:
        found = self._nothing.copy()
        if not self._parts:
            return found
        copies = np.where(np.isnan(row), _FILLED, row).reshape(-1)
        beyond = copies.take(self._column) > self._cut
        place = self._first >> 1
        if self._depth:
            # At the top every tree is at its first place.
            place = self._first + beyond.take(self._split[0])
        for split in self._split[1:]:
            right = beyond.take(split.take(place))
            place += place
            place += right
        values = self._value.take(place)
        for m, start, end in self._parts:
            # Added one after another, as LightGBM does; it starts from 0, so that nothing is -0.
            found[m] = float(np.add.accumulate(values[start:end])[-1]) + 0.0
        return found


def _is_plain(trees: Sequence[Tree]) -> bool:
    """Whether all splits are of numbers, with nulls that are nulls, and no tree is deep."""
    return all(
        tree.depth() <= _DEEPEST
        and not (tree.decision & CATEGORICAL).any()
        and not (tree.decision >> 2 & 3 == MISSING_ZERO).any()
        for tree in trees
    )


def _trials(columns: int) -> Floats:
    """Rows of all kinds: small and large numbers of both signs, zeros, and nulls."""
    rng = np.random.default_rng(0)
    rows = rng.normal(0, 1, (_TRIALS, columns)) * 10.0 ** rng.integers(-2, 5, (_TRIALS, columns))
    rows[rng.random(rows.shape) < 0.1] = 0.0
    rows[rng.random(rows.shape) < 0.2] = np.nan
    rows[0] = np.nan
    return rows


def _asked(booster: lgb.Booster, row: Floats) -> float:
    return float(np.asarray(booster.predict(row[None, :], raw_score=True, num_threads=1))[0])


# The order of terms here: the heavy-tailed, plain numbers, whether something is missing, whether it is a level.
_KINDS: Final = {"log": 0, "missing": 2, "level": 3}


class _Linears:
    """The linear parts of all models: all terms at once, each model's added up one after another as by `Linear.score`.

    Terms stand in a table of a row for each model, filled up with terms that are 0.

    Parameters
    ----------
    linears : the linear parts
    parts : how many parts the start of each model has; they stand in a row behind the features, model after model
    features : how many there are
    """

    def __init__(self, linears: Sequence[Linear], parts: Sequence[int], features: int) -> None:
        self._shape = len(linears), max((len(linear.terms) for linear in linears), default=0) + 1
        terms = [(m, n + 1, term) for m, linear in enumerate(linears) for n, term in enumerate(linear.terms)]
        behind = np.cumsum([0, *parts]).tolist()
        # Side by side what is worked out alike, so that it is a stretch and not a choice.
        terms.sort(key=lambda each: _KINDS.get(each[2].kind, 1))
        self._at = np.array([m * self._shape[1] + n for m, n, _term in terms], dtype=np.intp)
        self._place = np.array(
            [term.place + (behind[m] if term.place >= features else 0) for m, _n, term in terms], dtype=np.intp
        )
        self._mean, self._scale, self._coefficient = (
            np.array([getattr(term, name) for _m, _n, term in terms]) for name in ("mean", "scale", "coefficient")
        )
        kinds = [_KINDS.get(term.kind, 1) for _m, _n, term in terms]
        self._logs, self._numbers, self._missing = (bisect_right(kinds, kind) for kind in range(3))
        self._unit = np.array([term.unit for _m, _n, term in terms[: self._logs]])
        self._empty = np.zeros(self._shape)
        self._empty[:, 0] = [linear.intercept for linear in linears]

    def scores(self, row: Floats) -> list[float]:
        """The score of each model's linear part, in log-odds, of features with the parts of all starts behind them."""
        raw = row.take(self._place)
        values = raw.copy()
        if self._logs:
            heavy = raw[: self._logs]
            values[: self._logs] = np.copysign(np.log1p(np.abs(heavy) / self._unit), heavy)
        values -= self._mean
        values /= self._scale
        np.maximum(values, -_FARTHEST, out=values)
        np.minimum(values, _FARTHEST, out=values)
        null = np.isnan(raw)
        np.putmask(values, null, 0.0)
        numbers, missing = self._numbers, self._missing
        if missing > numbers:
            values[numbers:missing] = null[numbers:missing] - self._mean[numbers:missing]
        if len(values) > missing:
            values[missing:] = raw[missing:] == self._scale[missing:]
        values *= self._coefficient
        table = self._empty.copy()
        table.reshape(-1)[self._at] = values
        found: list[float] = np.add.accumulate(table, axis=1)[:, -1].tolist()
        return found


class _Lines:
    """Two broken lines over one grid, read at one place at a time: the numbers of `np.interp`, which takes ten times as
    long for one. Where they differ in a bit on this machine, `np.interp` is asked.

    Parameters
    ----------
    grid : (n,) increasing
    values : two of (n,)
    """

    def __init__(self, grid: Floats, *values: Floats) -> None:
        self._arrays = grid, values
        self._grid: list[float] = grid.tolist()
        first, second = values
        # A stretch of both: where they are at its begin, and how steep. There is none behind the last of the grid.
        slopes = [np.append(np.diff(line) / np.diff(grid), 0.0).tolist() for line in values]
        self._stretches = list(zip(self._grid, first.tolist(), slopes[0], second.tolist(), slopes[1], strict=True))
        rng = np.random.default_rng(0)
        trials = [*self._grid, *rng.uniform(grid[0], grid[-1], _TRIALS * len(grid)).tolist()]
        asked = [tuple(np.interp(trials, grid, line).tolist()) for line in values]
        self._is_exact = len(grid) > 1 and list(zip(*asked, strict=True)) == [self._read(place) for place in trials]

    def at(self, place: float) -> tuple[float, float]:
        """Both values at a place from the first of the grid to the last; NaN at NaN."""
        if self._is_exact:
            return self._read(place)
        grid, (first, second) = self._arrays
        return float(np.interp(place, grid, first)), float(np.interp(place, grid, second))

    def _read(self, place: float) -> tuple[float, float]:
        start, first, first_slope, second, second_slope = self._stretches[bisect_right(self._grid, place) - 1]
        if place == start:
            return first, second
        way = place - start
        return first_slope * way + first, second_slope * way + second


class _Limits:
    """A calibration with the limits of its interval worked out ahead, but for the score."""

    def __init__(self, calibration: Calibrator, level: float) -> None:
        self._calibration, self._level = calibration, level
        self._is_identity = type(calibration) is Identity
        band = getattr(calibration, "band", None)
        self._grid: Floats | None = None
        # Only where the interval is the band's, and never without the probability that is told.
        if isinstance(band, Band) and type(calibration) in _BY_BAND:
            far = band.far(level)
            centre = np.array(band.centre)
            grid = np.asarray(band.first + band.step * np.arange(len(centre)), dtype=np.float64)
            self._grid, self._lines = grid, _Lines(grid, centre - far, centre + far)
            self._first, self._last = float(grid[0]), float(grid[-1])

    def edges(self, score: float) -> tuple[float, float, float]:
        """The score and the limits of its band, in log-odds."""
        grid = self._grid
        if grid is None:
            return score, score, score
        inside = min(max(score, self._first), self._last)
        beyond = score - inside
        lower, upper = self._lines.at(inside)
        return score, lower + beyond, upper + beyond

    def ends(self, score: float, curved: float, low: float, high: float) -> Ends:
        """Probability, lower and upper end, from a score and what its `edges` are as shares."""
        if self._is_identity and self._grid is not None:
            return curved, min(low, curved), max(high, curved)
        asked = np.array([score])
        probability = float(self._calibration.probability(asked)[0])
        if self._grid is not None:
            return probability, min(low, probability), max(high, probability)
        lower, upper = self._calibration.interval(asked, self._level)
        return probability, float(lower[0]), float(upper[0])


_BY_BAND: Final = (Identity, Calibration, Beta, Isotonic)


def _believed(model: RiskModel) -> tuple[dict[str, float], float]:
    """How far the trees are believed, by the value that evidence is counted by, and of a value never seen."""
    if model.evidence_ is None or model.columns_.evidence_by is None:
        return {}, 1.0
    strength = model.recipe_.evidence_strength
    shares = np.append(model.evidence_, 0.0) / (np.append(model.evidence_, 0.0) + strength)
    levels = model.columns_.levels[model.columns_.evidence_by]
    known = {level: float(share) for level, share in zip(levels, shares[:-1], strict=False)}
    return known, float(shares[-1])


def intercepts_of(model: RiskModel) -> dict[str | None, float] | None:
    """The intercept of each group by its name; None of a model without."""
    if model.intercepts_ is None or model.columns_.intercept_by is None:
        return None
    levels = model.columns_.levels[model.columns_.intercept_by]
    return dict(zip(levels, model.intercepts_.tolist(), strict=True))
