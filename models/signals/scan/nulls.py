"""What a scan compares with: the baseline of every place and time step, and data drawn as if there were no cluster.

Each replication has a random stream of its own, made from the seed and its number: replication 17 is the same data
whatever is drawn before it, with it, or not at all.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from data.errors import InputError, NotEnoughDataError, UsageError
from models.signals.scan.statistics import Bernoulli, ConditionalPoisson, ExpectationPoisson, Score, Statistic
from models.signals.scan.windows import Windows

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Numbers = NDArray[Any]

# Cases per cell above which a binomial number for each cell is drawn faster than a cell for each case.
_MANY: Final = 2
# Likewise for a hypergeometric number, and a place without replacement for each case.
_MANY_EXCHANGED: Final = 3
# Cells tried one after another before a binary search takes over: of very small ones a slice may meet many.
_STEPS: Final = 4

# One replication: the cases of every cell.
Draw = Callable[[np.random.Generator], Ints]


@dataclass(frozen=True, slots=True, eq=False)
class Null(ABC):
    """Counts and expectations (n_places, n_times) of a scan, and how to draw others like them."""

    counts: Ints
    expected: Floats

    @property
    @abstractmethod
    def statistic(self) -> Statistic:
        """The statistic that belongs to this null."""

    @property
    def weights(self) -> Floats | None:
        """What each count is multiplied by before it is summed; None: nothing."""
        return None

    @property
    def sizes(self) -> Floats:
        """(n_places,) what the largest share of a zone is a share of."""
        return np.asarray(self.expected.sum(axis=1))

    @abstractmethod
    def drawer(self, first: int, stop: int) -> Draw:
        """What draws one replication of the steps from `first` up to `stop` with a generator.

        It returns the cases of every cell, (n_places x (stop - first),), the steps of a place side by side.
        """

    def weighted(self, values: Numbers) -> Numbers:
        """Values times the weights, where there are any."""
        return values if self.weights is None else values * self.weights


def replications(null: Null, windows: Windows, seed: int, numbers: Sequence[int]) -> Numbers:
    """Draw replications and sum them over the windows: (n_places, n_windows, n_replications)."""
    first, stop = int(windows.start.min()), int(windows.stop.max())
    n_places, n_steps, n = len(null.counts), stop - first, len(numbers)
    draw = null.drawer(first, stop)
    drawn = np.empty((n, n_places * n_steps), dtype=np.int64)
    for row, number in zip(drawn, numbers, strict=True):
        row[:] = draw(_stream(seed, number))
    # No window has more cases than its replication, so that sums may stay in the smallest type that holds those.
    kind = smallest_type(int(drawn.sum(axis=1).max(initial=0)))
    # By cell and then by replication, as the search reads them.
    cells = np.ascontiguousarray(drawn.astype(kind).T).reshape(n_places, n_steps, n)
    part = Windows(n_steps, windows.start - first, windows.stop - first)
    return part.sums(cells if null.weights is None else cells * null.weights[:, first:stop, None])


def smallest_type(largest: int) -> np.dtype[Any]:
    """The smallest type of integers that holds this number and one more."""
    for kind in (np.uint8, np.uint16, np.int32):
        if largest < np.iinfo(kind).max:
            return np.dtype(kind)
    return np.dtype(np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class PoissonNull(Null):
    """All cases thrown on places and times by their expectations, their number fixed (Kulldorff 1997, 2001).

    Expectations are in proportion only: they are scaled to the number of cases.
    """

    def __post_init__(self) -> None:
        """Check, and scale the expectations."""
        _check(self.counts, self.expected)
        total = self.expected.sum()
        if total <= 0.0:
            raise NotEnoughDataError("Expected a population or an expectation above 0 somewhere; all are 0.")
        if (self.counts[self.expected == 0.0] > 0).any():
            raise InputError("Expected no cases where the population or expectation is 0; some places have both.")
        object.__setattr__(self, "expected", self.expected * (self.counts.sum() / total))

    @property
    def statistic(self) -> Statistic:
        """Kulldorff's likelihood ratio."""
        return ConditionalPoisson(float(self.counts.sum()))

    def drawer(self, first: int, stop: int) -> Draw:
        """Cases within the steps: a binomial share of all, each thrown on a cell."""
        total = int(self.counts.sum())
        inside = self.expected[:, first:stop].ravel()
        share = min(float(inside.sum()) / total, 1.0)
        target = _Target(inside)
        return lambda generator: target.throw(generator, int(generator.binomial(total, share)))


@dataclass(frozen=True, slots=True, eq=False)
class ExpectationNull(Null):
    """Independent Poisson counts with known expectations (expectation-based Poisson; Neill et al. 2005)."""

    def __post_init__(self) -> None:
        """Check."""
        _check(self.counts, self.expected)

    @property
    def statistic(self) -> Statistic:
        """The expectation-based likelihood ratio."""
        return ExpectationPoisson()

    def drawer(self, first: int, stop: int) -> Draw:
        """A Poisson number of cases, each thrown on a cell."""
        inside = self.expected[:, first:stop].ravel()
        total, target = inside.sum(), _Target(inside)
        return lambda generator: target.throw(generator, int(generator.poisson(total)))


@dataclass(frozen=True, slots=True, eq=False)
class NegativeBinomialNull(Null):
    """Independent negative binomial counts: mean m, variance m (1 + m/size) (Tango, Takahashi & Kohriyama 2011)."""

    size: Floats | float = np.inf
    # Relative variance of each place's level, shared by all its steps: how well the expectation is known.
    level_variance: Floats | float = 0.0
    # The efficient score, or the likelihood ratio of counts over their variance over mean: the first is what the
    # literature has, the second serves thin counts better, whose scores are skewed.
    by_score: bool = True

    def __post_init__(self) -> None:
        """Check; sizes may be one number or one per cell, variances of levels one number or one per place."""
        _check(self.counts, self.expected)
        sizes = np.broadcast_to(np.asarray(self.size, dtype=np.float64), self.counts.shape)
        level = np.broadcast_to(np.asarray(self.level_variance, dtype=np.float64), self.counts.shape[:1])
        if not (sizes > 0.0).all():
            raise UsageError("Expected sizes of the negative binomial above 0.")
        if not ((level >= 0.0) & np.isfinite(level)).all():
            raise UsageError("Expected variances of the levels from 0 on.")
        object.__setattr__(self, "size", sizes)
        object.__setattr__(self, "level_variance", level)

    @property
    def statistic(self) -> Statistic:
        """See `by_score`."""
        return Score() if self.by_score else ExpectationPoisson()

    @property
    def weights(self) -> Floats:
        """One over each cell's variance over mean."""
        return np.asarray(
            1.0 / (1.0 + self.expected * (1.0 / np.asarray(self.size) + np.asarray(self.level_variance)[:, None]))
        )

    def drawer(self, first: int, stop: int) -> Draw:
        """A level for each place, a mean for each cell, and Poisson cases around it."""
        expected, level_variance = self.expected[:, first:stop], np.asarray(self.level_variance)
        variance = 1.0 / np.asarray(self.size)[:, first:stop]

        def draw(generator: np.random.Generator) -> Ints:
            level = _gamma(generator, level_variance)
            return np.asarray(generator.poisson(expected * level[:, None] * _gamma(generator, variance))).ravel()

        return draw


@dataclass(frozen=True, slots=True, eq=False)
class PermutationNull(Null):
    """Times of cases exchanged at random among the cases (space-time permutation; Kulldorff et al. 2005).

    Made by `permutation_null`: `expected` is row total x column total / total, within strata, and summed over them.
    """

    place: Ints  # (n_cases,) of each case, sorted by stratum
    time: Ints
    stratum: Ints

    @property
    def statistic(self) -> Statistic:
        """Kulldorff's likelihood ratio, of which this is an approximation for permutations."""
        return ConditionalPoisson(float(self.counts.sum()))

    def drawer(self, first: int, stop: int) -> Draw:
        """Places for the cases within the steps, drawn without replacement: case by case, or of many cell by cell."""
        inside = (self.time >= first) & (self.time < stop)
        step, n, n_cells = self.time[inside] - first, len(self.place), len(self.counts) * (stop - first)
        strata = int(self.stratum.max()) + 1
        if len(step) > _MANY_EXCHANGED * n_cells * strata:
            return self._by_margins(strata, stop - first, inside, step)
        first_cell = self.place * (stop - first)
        one_stratum = self.stratum[0] == self.stratum[-1]
        holder = np.full(n, -1, dtype=np.int64)

        def draw(generator: np.random.Generator) -> Ints:
            if one_stratum:
                chosen = _without_replacement(generator, n, len(step), holder)
            else:
                chosen = np.lexsort((generator.random(n), self.stratum))[inside]
            return np.bincount(first_cell[chosen] + step, minlength=n_cells)

        return draw

    def _by_margins(self, n_strata: int, n_steps: int, inside: NDArray[np.bool_], step: Ints) -> Draw:
        """Step by step, how many of its cases each place gets: hypergeometric, of the cases that no step has had."""
        n_places = len(self.counts)
        places = np.bincount(self.stratum * n_places + self.place, minlength=n_strata * n_places)
        of_step = np.bincount(self.stratum[inside] * n_steps + step, minlength=n_strata * n_steps).reshape(n_strata, -1)

        def draw(generator: np.random.Generator) -> Ints:
            drawn = np.zeros((n_places, n_steps), dtype=np.int64)
            left = places.reshape(n_strata, n_places).copy()
            for number in range(n_steps):
                for held, cases in zip(left, of_step[:, number], strict=True):
                    got = generator.multivariate_hypergeometric(held, int(cases), method="marginals")
                    np.subtract(held, got, out=held)
                    drawn[:, number] += got
            return drawn.ravel()

        return draw


@dataclass(frozen=True, slots=True, eq=False)
class BernoulliNull(Null):
    """Cases among trials (cases and controls), labels exchanged at random (Kulldorff & Nagarwalla 1995).

    Made by `bernoulli_null`: `expected` is trials x all cases / all trials.
    """

    trials: Ints

    @property
    def statistic(self) -> Statistic:
        """The Bernoulli likelihood ratio."""
        return Bernoulli(float(self.counts.sum()), float(self.trials.sum()))

    def drawer(self, first: int, stop: int) -> Draw:
        """So many of the trials as there are cases, drawn without replacement."""
        inside = self.trials[:, first:stop].ravel()
        groups, total = np.append(inside, self.trials.sum() - inside.sum()), int(self.counts.sum())
        return lambda generator: generator.multivariate_hypergeometric(groups, total, method="marginals")[:-1]


def permutation_null(counts: Ints) -> PermutationNull:
    """The null of a space-time permutation scan.

    Parameters
    ----------
    counts : (n_places, n_times) or (n_strata, n_places, n_times)
        With strata, times are exchanged only within each of them.
    """
    cube = np.asarray(counts)
    cube = cube[None] if cube.ndim == 2 else cube
    _check_counts(cube)
    stratum, place, time = (np.repeat(one, cube[cube > 0]) for one in np.nonzero(cube))
    if not len(stratum):
        raise NotEnoughDataError("Expected at least one case; there is none.")
    rows, columns, totals = cube.sum(axis=2), cube.sum(axis=1), cube.sum(axis=(1, 2))
    used = totals > 0
    expected = np.einsum("si,st->it", rows[used] / totals[used, None], columns[used].astype(np.float64))
    whole = cube.sum(axis=0).astype(np.int64)
    return PermutationNull(whole, expected, place.astype(np.int64), time.astype(np.int64), stratum.astype(np.int64))


def bernoulli_null(counts: Ints, trials: Ints) -> BernoulliNull:
    """The null of a Bernoulli scan; `trials` counts cases and controls, both (n_places, n_times)."""
    _check_counts(np.asarray(counts))
    _check_counts(np.asarray(trials))
    if counts.shape != trials.shape:
        raise UsageError(f"Expected cases and trials of one shape, got {counts.shape} and {trials.shape}.")
    if (counts > trials).any():
        raise InputError("Expected at least as many trials as cases everywhere; some place has fewer.")
    total, n = int(counts.sum()), int(trials.sum())
    if not 0 < total < n:
        raise NotEnoughDataError("Expected some cases and some that are none; there is only one kind.")
    expected = trials.astype(np.float64) * (total / n)
    return BernoulliNull(counts.astype(np.int64), expected, trials.astype(np.int64))


def _stream(seed: int, number: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(number,))))


def _gamma(generator: np.random.Generator, variance: Floats) -> Floats:
    """Gamma variables of mean 1 and this variance; exactly 1 where it is 0."""
    if not variance.any():
        return np.ones(variance.shape)
    shape = 1.0 / np.where(variance > 0.0, variance, 1.0)
    return np.where(variance > 0.0, generator.gamma(shape) / shape, 1.0)


def _without_replacement(generator: np.random.Generator, n: int, size: int, holder: Ints) -> Ints:
    """So many different numbers below `n`, in random order; `holder` is (n,) of -1 before and after."""
    if 2 * size > n:
        return np.asarray(generator.permutation(n)[:size])
    # Numbers met twice are drawn anew: every arrangement stays as likely as any other, for no number is special.
    drawn = generator.integers(0, n, size)
    waiting = np.arange(size)
    while len(waiting):
        free = waiting[holder[drawn[waiting]] < 0]
        holder[drawn[free]] = free
        waiting = waiting[holder[drawn[waiting]] != waiting]
        drawn[waiting] = generator.integers(0, n, len(waiting))
    # Whoever was met twice left one holder, who kept the number: nothing else was written.
    holder[drawn] = -1
    return drawn


class _Target:
    """Cells on which cases are thrown by weight: the same cells for the same random numbers as a binary search finds.

    A table tells for each slice of the unit interval the first cell that it meets (Chen & Asau 1974), so that all cases
    are found in a few steps together.
    """

    def __init__(self, weights: Floats) -> None:
        self.weights = weights
        self.cell = np.flatnonzero(weights)
        edges = np.cumsum(weights)[self.cell]
        self.total = float(edges[-1]) if len(edges) else 0.0
        self.slices = 1 << (4 * len(self.cell)).bit_length()
        starts = np.arange(self.slices) / self.slices * self.total
        # The last cell has no end: a number that rounding makes as large as the whole belongs to it too.
        self.edges = np.append(edges[:-1], np.inf)
        self.first = np.searchsorted(self.edges, starts, side="right")

    def throw(self, generator: np.random.Generator, n_cases: int) -> Ints:
        """How many of so many cases each cell gets."""
        if n_cases > _MANY * len(self.weights):
            return np.asarray(generator.multinomial(n_cases, self.weights / self.weights.sum()))
        thrown = generator.random(n_cases)
        # A power of two slices: the product is exact, and no slice begins beyond a number in it.
        found = self.first[(thrown * self.slices).astype(np.int64)]
        thrown *= self.total
        waiting = np.flatnonzero(self.edges[found] <= thrown)
        for _ in range(_STEPS):
            found[waiting] += 1
            waiting = waiting[self.edges[found[waiting]] <= thrown[waiting]]
        found[waiting] = np.searchsorted(self.edges, thrown[waiting], side="right")
        counted = np.zeros(len(self.weights), dtype=np.int64)
        counted[self.cell] = np.bincount(found, minlength=len(self.cell))
        return counted


def _check(counts: Ints, expected: Floats) -> None:
    _check_counts(counts)
    if counts.shape != expected.shape or counts.ndim != 2:
        raise UsageError(
            f"Expected counts and expectations of one shape (places, times), got {counts.shape} and {expected.shape}."
        )
    if not np.isfinite(expected).all() or (expected < 0.0).any():
        raise InputError("Expected expectations or populations from 0 on; some are missing or negative.")


def _check_counts(counts: Numbers) -> None:
    if not np.issubdtype(counts.dtype, np.integer) or (counts < 0).any():
        raise InputError("Expected counts that are whole numbers from 0 on.")
