"""The reasons of one case's risks, to the bit as `models.failures` and `models.reasons` tell those of many.

As in `models.one_risk`, what does not depend on the case is laid out once for each version of the models: the terms of
the linear parts side by side, the names that parts are reported under, and where each stands. Most of the time that is
left goes into the tables of the trees.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.one_plan import OneInputs
from features.risk_inputs import START
from models.explain import percentage_points
from models.failures import ANY, FailureModels
from models.one_risk import OneTelling, _believed, intercepts_of
from models.risk_model.linear import _FARTHEST, Linear

if TYPE_CHECKING:
    from models.risk_model import RiskModel

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class OneExplained:
    """A risk of one case and what it is made of.

    Attributes
    ----------
    names : what the parts are reported under, in order
    base : probability that the case starts from
    points : (k,) what each part adds, in probability
    probability : `base` plus the sum of `points`, to rounding
    """

    names: tuple[str, ...]
    base: float
    points: Floats
    probability: float


class OneReasons:
    """All outcomes of a bundle of models, and any failure, taken apart for one case at a time.

    Parameters
    ----------
    models : as `FailureModels.explain` would explain
    telling : of the same models
    """

    def __init__(self, models: FailureModels, telling: OneTelling) -> None:
        self._telling = telling
        self._any = models.any_failure
        self._parts = {name: _Parts(model, models.features) for name, model in models.risks.items()}
        self._names = _together([parts.names for parts in self._parts.values()])
        place = {name: number for number, name in enumerate(self._names)}
        self._places = {
            outcome: np.array([place[name] for name in parts.names], dtype=np.intp)
            for outcome, parts in self._parts.items()
        }

    def explain(
        self,
        inputs: OneInputs,
        category: str,
        office: str | None,
        possible: Collection[str],
        outcomes: Collection[str],
    ) -> dict[str, OneExplained]:
        """Exact parts of the risks that are asked for.

        Parameters
        ----------
        inputs : features and starts, of the plan that `telling` was laid out for
        category : "" where it is not known
        office : None where it is not known
        possible : outcomes by which the office can still fail the case; at least one
        outcomes : those of them to explain, and perhaps `any_failure`
        """
        needed = possible if ANY in outcomes else [name for name in possible if name in outcomes]
        row, starts = inputs.row, inputs.starts
        begun: list[float] = inputs.values[len(row) :].tolist()
        departures = dict(zip(self._parts, self._telling.departures(inputs.values), strict=True))
        told = {}
        for name, parts in self._parts.items():
            # Any failure is told by all outcomes, by a share of 0 of what is not possible.
            if name in needed or ANY in outcomes:
                start = starts[name]
                linear = parts.linear(row, start)
                score = self._telling.risks[name].score(begun, category, office, departures[name], linear.total)
                told[name] = parts.explain(row, start, linear.values, category, office, score)
        found = {name: one for name, one in told.items() if name in outcomes and name in possible}
        if ANY in outcomes:
            found[ANY] = self._whole(told, possible)
        return found

    def _whole(self, told: Mapping[str, OneExplained], possible: Collection[str]) -> OneExplained:
        parts = [one.probability if name in possible else np.nan for name, one in told.items()]
        shares = self._any.shares(np.array([parts]))[0].tolist()
        base, probability, points = 0.0, 0.0, np.zeros(len(self._names))
        for share, (name, one) in zip(shares, told.items(), strict=True):
            base += share * one.base
            probability += share * one.probability
            points[self._places[name]] += share * one.points
        return OneExplained(self._names, base, points, probability)


@dataclass(frozen=True, slots=True)
class _LinearParts:
    """The linear part of one case: what each feature and each part of the start adds, (k + s,), and the score."""

    values: Floats
    total: float


class _Parts:
    """One outcome's model, laid out to be taken apart."""

    def __init__(self, model: RiskModel, features: Sequence[str]) -> None:
        self._start = tuple(name.removeprefix(START) for name in model.columns_.start)
        self._believed, self._unseen = _believed(model)
        self._weight = float(model.recipe_.linear_weight)
        self._trees, self._link = model.ensemble_, model.calibration_.probability
        self._terms = _Terms(model.linear_)
        self._features = len(features)
        names = list(features)
        # Where each part of the start is reported; None: in the base.
        self._under: list[int | None] = []
        for under in model.columns_.start.values():
            if under is not None and under not in names:
                names.append(under)
            self._under.append(None if under is None else names.index(under))
        # Where the intercept of the office is reported, and what it is; None: in the base, or there is none.
        self._intercepts, self._own = None, -1
        if model.intercept_under is not None and (found := intercepts_of(model)) is not None:
            if model.intercept_under not in names:
                names.append(model.intercept_under)
            self._intercepts, self._own = found, names.index(model.intercept_under)
        self.names = tuple(names)

    def linear(self, row: Floats, start: Mapping[str, float]) -> _LinearParts:
        """The linear part of a case."""
        return self._terms.parts(np.concatenate((row, [start[name] for name in self._start])))

    def explain(
        self, row: Floats, start: Mapping[str, float], linear: Floats, category: str, office: str | None, score: float
    ) -> OneExplained:
        """The parts of a score, as `RiskModel.explain` has them."""
        w, k = self._weight, self._features
        drawn = w * linear
        parts = np.zeros(len(self.names))
        parts[:k] = drawn[:k]
        if self._trees is not None:
            believed = self._believed.get(category, self._unseen)
            parts[:k] += (1 - w) * believed * self._trees.contributions(row[None, :])[0, :-1]
        for under, name, more in zip(self._under, self._start, drawn[k:].tolist(), strict=True):
            if under is not None:
                parts[under] += (1 - w) * start[name] + more
        if self._intercepts is not None:
            parts[self._own] += self._intercepts.get(office, 0.0)
        scores = np.array([score])
        begun = scores - (np.add.accumulate(parts)[-1] + 0.0)
        points, base = percentage_points(parts[None, :], begun, self._link, scores)
        return OneExplained(self.names, float(base[0]), points[0], float(self._link(scores)[0]))


class _Terms:
    """The terms of a linear part side by side, (m,) each; one at a time takes a hundred times the arithmetic."""

    def __init__(self, linear: Linear) -> None:
        terms = linear.terms
        self._intercept = linear.intercept
        self._place = np.array([term.place for term in terms], dtype=np.intp)
        self._mean, self._scale, self._coefficient = (
            np.array([getattr(term, name) for term in terms], dtype=np.float64)
            for name in ("mean", "scale", "coefficient")
        )
        kinds = np.array([term.kind for term in terms], dtype=object)
        self._unit = np.array([term.unit for term in terms if term.kind == "log"], dtype=np.float64)
        self._logs, self._missing, self._levels = (
            np.flatnonzero(kinds == kind) for kind in ("log", "missing", "level")
        )

    def parts(self, row: Floats) -> _LinearParts:
        """What each place of a row adds, in the order of the terms, and all together with the intercept."""
        raw = row[self._place]
        null = np.isnan(raw)
        values = raw.copy()
        heavy = raw[self._logs]
        values[self._logs] = np.copysign(np.log1p(np.abs(heavy) / self._unit), heavy)
        values = np.clip((values - self._mean) / self._scale, -_FARTHEST, _FARTHEST)
        values[null] = 0.0
        values[self._missing] = null[self._missing] - self._mean[self._missing]
        values[self._levels] = raw[self._levels] == self._scale[self._levels]
        values *= self._coefficient
        found = np.zeros(len(row))
        # One after another, also where several are of one place.
        np.add.at(found, self._place, values)
        return _LinearParts(found, float(np.add.accumulate(np.concatenate(([self._intercept], values)))[-1]))


def _together(names: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """The names of several tables in the order that they have once the tables were added up."""
    whole = pd.DataFrame(index=range(1))
    for some in names:
        whole = whole.add(pd.DataFrame(0.0, index=range(1), columns=list(some)), fill_value=0.0)
    return tuple(map(str, whole.columns))
