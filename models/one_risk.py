"""The risk of one case at a time, to the bit as `models.risk_model` and `models.failures` tell it of many.

A table of one row costs a thousand times what its arithmetic does. Here a fitted model is laid out once as plain
numbers, and a case is a list of floats: the same additions in the same order, with NumPy and SciPy only where their
logarithms and exponentials are, since other libraries round those differently.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Final

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
from models.one_forest import Forest
from models.one_linear import Linears

if TYPE_CHECKING:
    from models.risk_model import RiskModel

Floats = NDArray[np.float64]
Ends = tuple[float, float, float]
Parts = Sequence[tuple[str, str]]

_TRIALS: Final = 16


class OneRisk:
    """One outcome's model laid out, but for its linear part, which all outcomes work out together.

    Parameters
    ----------
    model : fitted, made of the features of a `features.one_plan.OnePlan`, of the parts of a start, and of one column
        that evidence is counted by
    outcome : whose start it takes
    names : the features in the order of the rows that will come
    parts : outcome and name of the parts of starts in the order in which they stand behind the features

    Attributes
    ----------
    parts : where those of its start stand among all, in order
    limits : of its interval

    Raises
    ------
    ModelError
        If the model was made of other columns.
    """

    def __init__(self, model: RiskModel, outcome: str, names: Sequence[str], parts: Parts) -> None:
        columns = model.columns_
        needed = [(outcome, name.removeprefix(START)) for name in columns.start]
        if columns.features != tuple(names) or columns.categories or not set(needed) <= set(parts):
            raise ModelError("Expected a model of the features that are worked out, and it is of others. Train again.")
        self.parts = tuple(parts.index(part) for part in needed)
        self._base = float(model.base_rate_)
        self._weight = float(model.recipe_.linear_weight)
        self._believed, self._unseen = _believed(model)
        self.intercepts = intercepts_of(model)
        self.limits = _Limits(model.calibration_, LEVEL)

    def score(
        self, begun: Sequence[float], category: str, office: str | None, departure: float, linear: float
    ) -> float:
        """The score in log-odds, before calibration, from all parts of starts and what trees and linear part say."""
        total = self._base
        for place in self.parts:
            total += begun[place]
        believed = self._believed.get(category, self._unseen)
        score = (1 - self._weight) * (total + believed * departure) + self._weight * linear
        return score if self.intercepts is None else score + self.intercepts.get(office, 0.0)


class OneTelling:
    """All outcomes of a bundle of models, and any failure, for one case at a time.

    Parameters
    ----------
    models : as `FailureModels.tell` would tell
    parts : outcome and name of the parts of starts in the order in which they stand behind the features

    Raises
    ------
    ModelError
        If a model was made of other columns.
    """

    def __init__(self, models: FailureModels, parts: Parts) -> None:
        known = models.risks.items()
        self._features = len(models.features)
        self.risks = {name: OneRisk(model, name, models.features, parts) for name, model in known}
        self._forest = Forest([model.ensemble_ for _name, model in known], self._features)
        starts = [[self._features + place for place in risk.parts] for risk in self.risks.values()]
        self._linear = Linears([model.linear_ for _name, model in known], starts, self._features)
        self._weight = models.any_failure.weight

    def tell(
        self, values: Floats, category: str, office: str | None, possible: Collection[str]
    ) -> tuple[dict[str, Ends], Ends | None]:
        """The risks of the outcomes that are possible, and of any failure; None where none is possible.

        Parameters
        ----------
        values : (k + p,) features, then the parts of all starts in log-odds
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
        begun: list[float] = values[self._features :].tolist()
        departures, linears = self.departures(values), self._linear.scores(values)
        for (name, risk), departure, linear in zip(self.risks.items(), departures, linears, strict=True):
            if name in possible:
                asked.append((name, risk))
                edges += risk.limits.edges(risk.score(begun, category, office, departure, linear))
        if not asked:
            return {}, None
        # The curves of all outcomes at once; those that are none of these are put in their places.
        curved: list[float] = expit(edges).tolist()
        told: dict[str, Ends] = {}
        place = 0
        for name, risk in asked:
            told[name] = ends = risk.limits.ends(edges[place], curved[place], curved[place + 1], curved[place + 2])
            if ends[0] != ends[0]:
                raise ModelError(f"Expected a risk of '{name}' for every case, and some are no numbers. Train.")
            place += 3
        probabilities, lowers, uppers = zip(*told.values(), strict=True)
        return told, (self._any(probabilities), self._any(lowers), self._any(uppers))

    def departures(self, values: Floats) -> list[float]:
        """What the trees of each model say of (k + p,) values, in log-odds and in the order of the models."""
        return self._forest.scores(values[: self._features])

    def _any(self, parts: Sequence[float]) -> float:
        # Not `sum`, which newer versions of Python round otherwise.
        total = 0.0
        for part in parts:
            total += part
        low = max(0.0, *parts)
        high = max(low, min(total, 1.0))
        return min(max((1 - self._weight) * low + self._weight * high, low), high)


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
        is_exact = len(grid) > 1 and list(zip(*asked, strict=True)) == [self._read(place) for place in trials]
        # Both values at a place from the first of the grid to the last; NaN at NaN.
        self.at = self._read if is_exact else self._asked

    def _asked(self, place: float) -> tuple[float, float]:
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
        band = getattr(calibration, "band", None)
        self._has_grid = False
        # Only where the interval is the band's, and never without the probability that is told.
        if isinstance(band, Band) and type(calibration) in _BY_BAND:
            far = band.far(level)
            centre = np.array(band.centre)
            grid = np.asarray(band.first + band.step * np.arange(len(centre)), dtype=np.float64)
            self._has_grid, self._at = True, _Lines(grid, centre - far, centre + far).at
            self._first, self._last = float(grid[0]), float(grid[-1])
        # Where the score itself is calibrated, its curve is the probability.
        self._is_curved = self._has_grid and type(calibration) is Identity

    def edges(self, score: float) -> tuple[float, float, float]:
        """The score and the limits of its band, in log-odds."""
        if not self._has_grid:
            return score, score, score
        inside = min(max(score, self._first), self._last)
        beyond = score - inside
        lower, upper = self._at(inside)
        return score, lower + beyond, upper + beyond

    def ends(self, score: float, curved: float, low: float, high: float) -> Ends:
        """Probability, lower and upper end, from a score and what its `edges` are as shares."""
        if self._is_curved:
            return curved, curved if curved < low else low, curved if curved > high else high
        asked = np.array([score])
        probability = float(self._calibration.probability(asked)[0])
        if self._has_grid:
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
