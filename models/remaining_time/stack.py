"""Trees and the quantiles of like cases, mixed as far as each has proved itself on later cases."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from models.remaining_time.censoring import masses
from models.remaining_time.like_cases import LikeCases
from models.remaining_time.trees import IMPUTED, QuantileTrees, Sample

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

# Shares of (trees, like cases, like cases of late) that are tried. Coarse: finer ones would fit the noise.
MIXTURES: Final[tuple[tuple[float, float, float], ...]] = tuple(
    (trees / 4, like / 4, (4 - trees - like) / 4) for trees in range(4, -1, -1) for like in range(4 - trees, -1, -1)
)
# Only a gain of this share counts: what was best last season by less is as often worse the next.
CLEARLY: Final = 0.02
# Where there is nothing to judge by.
UNJUDGED: Final = (0.5, 0.5, 0.0)


@dataclass(frozen=True)
class Rows:
    """Rows to learn from or to judge by; `like` is (n,) the key of like cases, `age` seconds before the newest."""

    X: Floats
    like: Floats
    y: Floats
    censored: Mask
    weight: Floats
    at: NDArray[np.int64]
    groups: NDArray[np.int64]

    def take(self, rows: Mask | NDArray[np.int64]) -> Rows:
        """Some of them."""
        return Rows(*(part[rows] for part in vars(self).values()))

    def as_of(self, moment: int, known_at: NDArray[np.int64]) -> Rows:
        """What was known of these rows strictly before a moment: a case then open is censored at it.

        `known_at` is (n,): from when the outcome, or of censored rows the wait, was known.
        """
        later = known_at >= moment
        waited = np.minimum(np.maximum(moment - self.at, 0), self.y)
        return Rows(
            self.X, self.like, np.where(later, waited, self.y), self.censored | later, self.weight, self.at, self.groups
        )


def drawn(rows: Rows, most: int | None, seed: int) -> Rows:
    """At most so many of them, at random, in their order."""
    if most is None or len(rows.y) <= most:
        return rows
    return rows.take(np.sort(np.random.default_rng(seed).choice(len(rows.y), most, replace=False)))


@dataclass(frozen=True)
class Stack:
    """Fitted members and their shares."""

    trees: QuantileTrees
    like: LikeCases
    late: LikeCases
    shares: tuple[float, float, float]

    @classmethod
    def fit(
        cls,
        rows: Rows,
        unit: float,
        levels: Floats,
        parameters: Mapping[str, Any],
        rounds: int,
        categorical: list[int],
        shares: tuple[float, float, float] = UNJUDGED,
    ) -> Self:
        """Learn all members."""
        z = np.log1p(rows.y / unit)
        recent = rows.weight * _recency(rows.at)
        like = LikeCases.fit(rows.like, z, rows.censored, rows.weight, levels)
        late = LikeCases.fit(rows.like, z, rows.censored, recent, levels)
        beyond = like.beyond(rows.like, z, rows.censored, rows.weight, IMPUTED)
        sample = Sample.of(rows.X, z, rows.censored, rows.weight, beyond)
        return cls(QuantileTrees.fit(sample, levels, parameters, rounds, categorical), like, late, shares)

    def members(self, X: Floats, like: Floats, levels: Floats) -> Floats:
        """(3, n, k) knots of each member, in the order of the shares."""
        trees = np.maximum(np.sort(self.trees.predict(X, levels), axis=1), 0.0)
        return np.stack([trees, self.like.predict(like), self.late.predict(like)])

    def knots(self, X: Floats, like: Floats, levels: Floats) -> Floats:
        """(n, k): the members' quantiles, averaged; non-decreasing in the level since each of them is."""
        members = self.members(X, like, levels)
        found = sum(share * one for share, one in zip(self.shares, members, strict=True))
        return np.maximum.accumulate(np.asarray(found, dtype=np.float64), axis=1)

    def judged(self, rows: Rows, unit: float) -> tuple[float, float, float]:
        """The shares whose median errs least on later rows, in seconds; the trees, unless another errs clearly less."""
        mass = masses(rows.y, rows.censored, rows.weight)
        if not mass.any():
            return UNJUDGED
        members = self._medians(rows, np.array([0.5]))

        def error(shares: tuple[float, float, float]) -> float:
            return float(mass @ np.abs(np.expm1(np.asarray(shares) @ members) * unit - rows.y))

        best = min(MIXTURES, key=error)
        return best if error(best) < (1 - CLEARLY) * error(MIXTURES[0]) else MIXTURES[0]

    def _medians(self, rows: Rows, middle: Floats) -> Floats:
        at = self.like.table.shape[1] // 2
        trees = np.maximum(self.trees.predict(rows.X, middle)[:, 0], 0.0)
        return np.stack([trees, self.like.predict(rows.like)[:, at], self.late.predict(rows.like)[:, at]])

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON, without the trees."""
        return {"like": self.like.as_dict(), "late": self.late.as_dict(), "shares": list(self.shares)}

    @classmethod
    def from_dict(cls, values: dict[str, Any], trees: QuantileTrees) -> Self:
        """What `as_dict` gave."""
        shares = tuple(float(share) for share in values["shares"])
        like, late = LikeCases.from_dict(values["like"]), LikeCases.from_dict(values["late"])
        return cls(trees, like, late, (shares[0], shares[1], shares[2]))


def _recency(at: NDArray[np.int64]) -> Floats:
    """Weights that halve every eighth of the time covered, (n,)."""
    newest, oldest = float(at.max()), float(at.min())
    return np.asarray(0.5 ** ((newest - at) / max((newest - oldest) / 8, 1.0)), dtype=np.float64)
