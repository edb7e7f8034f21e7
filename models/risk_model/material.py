"""All that a model is made of: rows with their outcomes, and what the columns are to it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.risk_model.columns import Table
from models.risk_model.folds import Timing
from models.risk_model.linear import Design
from models.risk_model.trees import Lesson

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Material:
    """n rows that teach.

    Attributes
    ----------
    table : the rows
    outcome : (n,) of 0 and 1
    weight : (n,) how far each label is believed, above 0
    timing : of the rows
    names : of the features, as LightGBM takes them
    categories : places of the categories
    linear_columns : places of the features of the linear part; None for all
    monotone : place -> 1 or -1
    row : (n,) places among the rows that the model was given; None where nobody asks
    """

    table: Table
    outcome: Floats
    weight: Floats
    timing: Timing
    names: tuple[str, ...]
    categories: tuple[int, ...]
    linear_columns: tuple[int, ...] | None
    monotone: dict[int, int]
    row: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.outcome)

    def rows(self, chosen: NDArray[Any]) -> Material:
        """The rows that a mask or positions choose."""
        return replace(
            self,
            table=self.table.rows(chosen),
            outcome=self.outcome[chosen],
            weight=self.weight[chosen],
            timing=self.timing.rows(chosen),
            row=None if self.row is None else self.row[chosen],
        )

    def some(self, most: int, seed: int) -> Material:
        """About so many rows at most: whole groups, drawn at random."""
        if len(self) <= most:
            return self
        return self.rows(self.timing.drawn(most / len(self), seed))

    @property
    def base_rate(self) -> float:
        """Where the trees start, in log-odds: at the base rate, or, if there are columns of the start, at 0."""
        if self.table.start:
            return 0.0
        share = float(self.weight @ self.outcome / self.weight.sum())
        return float(np.log(share / (1 - share)))

    def design(self) -> Design:
        """What the linear part learns from."""
        return Design.make(
            self.table.features,
            self.outcome,
            self.weight,
            start=self.table.start,
            categories=self.categories,
            columns=self.linear_columns,
            monotone=self.monotone,
        )

    def lesson(self) -> Lesson:
        """What the trees learn from; what is recent counts more."""
        return Lesson(
            self.table.features,
            self.outcome,
            self.weight * self.timing.recency(),
            self.table.start_score(self.base_rate),
            self.names,
            self.categories,
            self.monotone,
        )

    def evidence(self) -> Floats | None:
        """Groups, each as far as its labels are believed, of every value that evidence is counted by: (levels,)."""
        if self.table.evidence is None:
            return None
        told = np.zeros(self.timing.groups)
        np.maximum.at(told, self.timing.group, self.weight)
        first = np.unique(self.timing.group, return_index=True)[1]
        value = self.table.evidence[first]
        known = value >= 0
        counted = np.bincount(value[known], weights=told[known], minlength=int(value.max(initial=-1)) + 1)
        return np.asarray(counted, dtype=np.float64)


def belief(evidence: Floats | None, table: Table, strength: float) -> Floats:
    """How far the trees' departure is believed, (n,): n / (n + k) by the evidence for each row's value."""
    if evidence is None or table.evidence is None:
        return np.ones(len(table))
    place = np.where((table.evidence >= 0) & (table.evidence < len(evidence)), table.evidence, len(evidence))
    found = np.append(evidence, 0.0)[place]
    return np.asarray(found / (found + strength))


def blend(start: Floats, departures: Floats, linear: Floats, believed: Floats, weight: float) -> Floats:
    """The score: (1 - w) · (start + s · trees) + w · linear, in log-odds."""
    return np.asarray((1 - weight) * (start + believed * departures) + weight * linear)
