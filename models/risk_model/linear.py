"""The linear part of a risk: a logistic regression with a ridge penalty, whose parts need no explaining.

Trees cannot go beyond what they have seen; a straight line can. On short histories it is also the steadier of the two.
Each number is standardised, one with a heavy tail a second time after it was taken to logs (which keeps the order); a
missing one counts as the mean and has an indicator; categories are one-hot, with the rare ones pooled into the
reference. The parts of a start are numbers beside the others: how far a record is to be believed is learned, and not
only departed from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit
from threadpoolctl import threadpool_limits

Floats = NDArray[np.float64]

# Kurtosis beyond which a column is taken to logs: a normal one has 3, an exponential one 9.
_HEAVY: Final = 12.0
# Standard deviations beyond which a value counts no further: the line may go beyond what was seen, but not without end.
_FARTHEST: Final = 5.0
# A level with fewer rows is pooled; of the others the most frequent are kept.
_FEWEST_ROWS: Final = 10.0
_MOST_LEVELS: Final = 60


@dataclass(frozen=True, slots=True)
class Term:
    """One column of the regression, worked out from one feature, or from one part of the start.

    Attributes
    ----------
    place : of its feature; from the number of features on, of a part of the start
    kind : "number", "log", "missing" or "level"
    mean, scale : what it is standardised by; for a "level" (0, its code)
    unit : what a "log" divides by first
    coefficient : in log-odds
    """

    place: int
    kind: str
    mean: float
    scale: float
    unit: float = 1.0
    coefficient: float = 0.0

    def values(self, column: Floats) -> Floats:
        """The term's column, (n,), before its coefficient."""
        if self.kind == "level":
            return np.asarray(column == self.scale, dtype=np.float64)
        if self.kind == "missing":
            return np.asarray(np.isnan(column) - self.mean, dtype=np.float64)
        if self.kind == "log":
            column = signed_log(column, self.unit)
        moved = np.clip((column - self.mean) / self.scale, -_FARTHEST, _FARTHEST)
        return np.asarray(np.nan_to_num(moved, nan=0.0), dtype=np.float64)


@dataclass(frozen=True)
class Linear:
    """Log-odds = intercept + Σ coefficient · term.

    Attributes
    ----------
    terms : those whose coefficient is not 0
    intercept : log-odds of a case that is average in every term
    """

    terms: tuple[Term, ...]
    intercept: float

    def score(self, features: Floats, start: Sequence[Floats] = ()) -> Floats:
        """Log-odds, shape (n,), of (n, k) features and s parts (n,) of the start; a row alone has the same bits."""
        found = np.full(len(features), self.intercept)
        for term in self.terms:
            found = found + term.coefficient * term.values(_column(features, start, term.place))
        return found

    def parts(self, features: Floats, start: Sequence[Floats] = ()) -> Floats:
        """What each feature and each part of the start adds, in log-odds: (n, k + s).

        Against the average case, the regression's Shapley values.
        """
        found = np.zeros((len(features), features.shape[1] + len(start)))
        for term in self.terms:
            found[:, term.place] += term.coefficient * term.values(_column(features, start, term.place))
        return found

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        rows = [[t.place, t.kind, t.mean, t.scale, t.unit, t.coefficient] for t in self.terms]
        return {"intercept": self.intercept, "terms": rows}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """What `as_dict` gave."""
        return cls(tuple(Term(*row) for row in values["terms"]), float(values["intercept"]))


@dataclass(frozen=True)
class Design:
    """The terms of a regression with their values, ready to be fitted at any strength of the penalty.

    Attributes
    ----------
    terms : without coefficients
    values : (n, m)
    outcome, weight : (n,)
    signs : (m,) of -1, 0 and 1; the sign that a coefficient must have (0: any)
    """

    terms: tuple[Term, ...]
    values: Floats
    outcome: Floats
    weight: Floats
    signs: NDArray[np.int64]

    @classmethod
    def make(
        cls,
        features: Floats,
        outcome: Floats,
        weight: Floats,
        *,
        start: Sequence[Floats] = (),
        categories: Sequence[int] = (),
        columns: Sequence[int] | None = None,
        monotone: Mapping[int, int] | None = None,
    ) -> Self:
        """Learn the terms of (n, k) features and s parts of the start, (n,) each.

        `columns` are the places of the features to use, all and the start when None.
        """
        places = range(features.shape[1] + len(start)) if columns is None else columns
        terms: list[Term] = []
        for place in places:
            learn = _levels_of if place in categories else _numbers_of
            terms.extend(learn(place, _column(features, start, place), weight))
        values = np.empty((len(features), len(terms)), order="F")
        for column, term in enumerate(terms):
            values[:, column] = term.values(_column(features, start, term.place))
        wanted = monotone or {}
        signs = [wanted.get(term.place, 0) if term.kind in ("number", "log") else 0 for term in terms]
        return cls(tuple(terms), values, outcome, weight, np.array(signs, dtype=np.int64))

    def fit(self, ridge: float) -> Linear:
        """Penalised maximum likelihood: `ridge` / 2 · Σ coefficient² is taken from the log-likelihood."""
        with threadpool_limits(1):
            found = minimize(
                self._loss(ridge),
                self._begin(),
                jac=True,
                method="L-BFGS-B",
                bounds=[(None, None), *(_BOUNDS[int(sign)] for sign in self.signs)],
                options={"maxiter": 300, "ftol": 1e-10, "gtol": 1e-6 * max(float(self.weight.sum()), 1.0)},
            )
        kept = tuple(
            Term(t.place, t.kind, t.mean, t.scale, t.unit, float(c))
            for t, c in zip(self.terms, found.x[1:], strict=True)
            if c != 0
        )
        return Linear(kept, float(found.x[0]))

    def _begin(self) -> Floats:
        share = self.weight @ self.outcome / self.weight.sum()
        return np.concatenate([[np.log(share / (1 - share))], np.zeros(len(self.terms))])

    def _loss(self, ridge: float) -> Callable[[Floats], tuple[float, Floats]]:
        values, outcome, weight = self.values, self.outcome, self.weight

        def loss(theta: Floats) -> tuple[float, Floats]:
            score = theta[0] + values @ theta[1:]
            error = weight * (expit(score) - outcome)
            value = weight @ (np.logaddexp(0, score) - outcome * score) + ridge / 2 * theta[1:] @ theta[1:]
            return float(value), np.concatenate([[error.sum()], values.T @ error + ridge * theta[1:]])

        return loss


_BOUNDS: Final = {-1: (None, 0.0), 0: (None, None), 1: (0.0, None)}


def _column(features: Floats, start: Sequence[Floats], place: int) -> Floats:
    """A feature, or from the number of features on a part of the start: (n,)."""
    k = features.shape[1]
    return np.asarray(features[:, place] if place < k else start[place - k])


def signed_log(values: Floats, unit: float) -> Floats:
    """sign(x) · log(1 + |x| / unit): straight near 0, logarithmic far away, and never out of order."""
    return np.asarray(np.copysign(np.log1p(np.abs(values) / unit), values))


def _numbers_of(place: int, column: Floats, weight: Floats) -> list[Term]:
    known = ~np.isnan(column)
    total, told = weight.sum(), weight[known].sum()
    terms = []
    if told > 0:
        terms.extend(_number(place, column[known], weight[known]))
    if 0 < told < total:
        terms.append(Term(place, "missing", float(1 - told / total), 1.0))
    return terms


def _number(place: int, values: Floats, weight: Floats) -> list[Term]:
    """A number as it is and, with a heavy tail, in logs too: which of the two the risk follows is learned."""
    mean, spread, kurtosis = _moments(values, weight)
    if not spread > 1e-12 * max(1.0, abs(mean)):
        return []
    plain = Term(place, "number", mean, spread)
    if kurtosis <= _HEAVY:
        return [plain]
    unit = float(weight @ np.abs(values) / weight.sum())
    mean, spread, _kurtosis = _moments(signed_log(values, unit), weight)
    return [plain, Term(place, "log", mean, spread, unit)]


def _moments(values: Floats, weight: Floats) -> tuple[float, float, float]:
    """Weighted mean, standard deviation and kurtosis."""
    total = weight.sum()
    mean = weight @ values / total
    square = (values - mean) ** 2
    variance = weight @ square / total
    kurtosis = weight @ square**2 / total / variance**2 if variance > 0 else 0.0
    return float(mean), float(np.sqrt(variance)), float(kurtosis)


def _levels_of(place: int, column: Floats, weight: Floats) -> list[Term]:
    known = ~np.isnan(column)
    count = np.bincount(column[known].astype(np.int64), weights=weight[known])
    frequent = np.argsort(-count, kind="stable")[:_MOST_LEVELS]
    return [Term(place, "level", 0.0, float(code)) for code in sorted(frequent) if count[code] >= _FEWEST_ROWS]
