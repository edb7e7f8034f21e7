"""False-discovery rate over a whole life of tests: week after week, without knowing how many weeks there will be.

Control of one week at a time keeps the share of false alarms of each week's list. These procedures keep it over all
lists together, by handing out an allowance: it is spent as tests are made, and earned back by discoveries. Each has one
state that is plain numbers (`to_dict`, `from_dict`), and a pure `step`: the state after the new p-values, what was
rejected, and the level each was tested at. The state given is not changed.

- `LordPlusPlus`, one test after another: false-discovery rate at most `alpha` for independent p-values.
- `Saffron` tests only p-values that could become discoveries (below `candidate`), and so spends nothing on the many
  that plainly are none. Likewise for independent p-values.
- `Addis` leaves out those above `discard` too, so that tests which cannot reject need not pay. It asks more of null
  p-values: given that one is below any line, it must lie as evenly below it as a uniform one, or higher. P-values of
  rare counts do not (a tenth of a case a week has 1 nearly always, and 0.095 next): a small one comes as often as it
  says, nothing is ever paid for it, and nearly every life of such tests ends with a false discovery. For continuous
  p-values only; counts are for the other three.
- `BatchBH`: a whole week at once, by Benjamini and Hochberg at a level that depends on the weeks before. The one meant
  for weeks of thousands of series: in the long run its level is about half of `alpha`, whatever the number of series.
  Proven for p-values that are independent within and between weeks.

What holds under which dependence. The proofs ask that a null p-value be uniform (or larger) whatever was rejected
before. Neighbours that rise together, and series watched week after week with overlapping windows, break that: a rise
that lasts is found again and again, which is right, but a chance excess in a window of four weeks is tested four times.
Use the newest week's p-values where the proof matters. Under arbitrary dependence only spending without earning is safe
(`lifetime_spending`), at a great price.

References
----------
Ramdas, Yang, Wainwright and Jordan (2017), Advances in Neural Information Processing Systems 30: LORD++.
Ramdas, Zrnic, Wainwright and Jordan (2018), Proc. 35th Int. Conf. on Machine Learning, 4286: SAFFRON.
Tian and Ramdas (2019), Advances in Neural Information Processing Systems 32: ADDIS.
Zrnic, Jiang, Ramdas and Jordan (2020), Proc. 23rd Int. Conf. on Artificial Intelligence and Statistics, 3806: batches.
Foster and Stine (2008), J. R. Statist. Soc. B 70:429: allowances that are spent and earned.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray
from scipy import special

from data.errors import InputError, UsageError

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

# The share of the allowance that falls to the j-th test after it was earned falls like j ** -1.6; the sum is one.
_POWER: Final = 1.6
_SUM: Final = float(special.zeta(_POWER, 1))


def spending(j: Floats) -> Floats:
    """Share of an allowance for the j-th test after it was earned, j = 1, 2, ...; 0 before. The shares sum to one."""
    with np.errstate(divide="ignore"):
        return np.where(j >= 1.0, np.maximum(j, 1.0) ** -_POWER / _SUM, 0.0)


def lifetime_spending(week: int, alpha: float) -> float:
    """Level for the family of one week (0, 1, ...) such that all weeks together spend at most `alpha`.

    With a procedure that is valid within a week whatever the dependence ("by"), the rate over all weeks is then at
    most `alpha` whatever the dependence between them, for the expected proportions add up.
    """
    return alpha * float(spending(np.array(week + 1.0)))


@dataclass(frozen=True, slots=True)
class Step:
    """What came of one batch: (n,) each. A p-value that is NaN is not tested: not rejected, its level NaN."""

    rejected: Bools
    level: Floats


@dataclass(frozen=True, slots=True)
class _OneByOne:
    """State of a procedure that takes one test after another."""

    alpha: float = 0.10
    # What may be spent before the first discovery.
    start: float = 0.05
    tested: int = 0
    # One entry per discovery: how many tests, of those that are paid for, there have been since.
    since: tuple[int, ...] = ()
    paid: int = 0  # tests paid for so far

    def __post_init__(self) -> None:
        if not 0.0 < self.alpha < 1.0:
            raise UsageError(f"alpha must lie between 0 and 1, for example 0.10; it is {self.alpha}.")
        if not 0.0 < self.start < self.alpha:
            raise UsageError(f"start must lie above 0 and below alpha; it is {self.start} with alpha {self.alpha}.")

    def _budget(self) -> float:
        """Sum over earnings of the share that falls to the next test, times alpha."""
        first = self.start * float(spending(np.array(self.paid + 1.0)))
        if not self.since:
            return first
        shares = spending(np.array(self.since, dtype=float) + 1.0)
        # The first discovery earns what is left of alpha beside the start; each later one earns alpha.
        return first + (self.alpha - self.start) * float(shares[0]) + self.alpha * float(shares[1:].sum())

    def _after(self, *, paid: bool, rejected: bool) -> Self:
        step = int(paid)
        since = tuple(count + step for count in self.since)
        return replace(
            self,
            tested=self.tested + 1,
            paid=self.paid + step,
            since=(*since, 0) if rejected else since,
        )

    def _one(self, p: float) -> tuple[Self, bool, float]:
        raise NotImplementedError

    def step(self, p_values: Floats) -> tuple[Self, Step]:
        """Test `p_values` (n,) in the order given; the state after them, and what came of them.

        The order must not depend on the p-values: any fixed order of the series will do.

        Raises
        ------
        InputError
            If a p-value lies outside 0 to 1.
        """
        p_values = _checked(p_values)
        state = self
        rejected, level = np.zeros(len(p_values), dtype=bool), np.full(len(p_values), np.nan)
        for place in np.flatnonzero(~np.isnan(p_values)):
            state, rejected[place], level[place] = state._one(float(p_values[place]))
        return state, Step(rejected, level)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, for JSON; back with `from_dict`."""
        return {**asdict(self), "since": list(self.since)}

    @classmethod
    def from_dict(cls, told: dict[str, Any]) -> Self:
        """The state that `to_dict` gave."""
        return cls(**{**told, "since": tuple(told["since"])})


@dataclass(frozen=True, slots=True)
class LordPlusPlus(_OneByOne):
    """LORD++: every test is paid for."""

    def _one(self, p: float) -> tuple[Self, bool, float]:
        level = self._budget()
        rejected = p <= level
        return self._after(paid=True, rejected=rejected), rejected, level


@dataclass(frozen=True, slots=True)
class Saffron(_OneByOne):
    """SAFFRON: only tests with p above `candidate` are paid for; the level is `1 - candidate` times the budget."""

    candidate: float = 0.5

    def __post_init__(self) -> None:
        _OneByOne.__post_init__(self)
        if not self.alpha <= self.candidate < 1.0:
            raise UsageError(f"candidate must be at least alpha and below 1; it is {self.candidate}.")

    def _one(self, p: float) -> tuple[Self, bool, float]:
        level = min((1.0 - self.candidate) * self._budget(), self.candidate)
        rejected = p <= level
        return self._after(paid=p > self.candidate, rejected=rejected), rejected, level


@dataclass(frozen=True, slots=True)
class Addis(_OneByOne):
    """ADDIS: as SAFFRON, and tests with p above `discard` are passed over: neither paid for nor able to reject.

    For continuous p-values; those of rare counts break what it rests on, see above.
    """

    candidate: float = 0.25
    discard: float = 0.5

    def __post_init__(self) -> None:
        _OneByOne.__post_init__(self)
        if not self.alpha <= self.candidate < self.discard <= 1.0:
            raise UsageError(
                f"Expected alpha <= candidate < discard <= 1; they are {self.alpha}, {self.candidate}, {self.discard}."
            )

    def _one(self, p: float) -> tuple[Self, bool, float]:
        level = min((self.discard - self.candidate) * self._budget(), self.candidate)
        rejected = p <= level
        return self._after(paid=self.candidate < p <= self.discard, rejected=rejected), rejected, level


@dataclass(frozen=True, slots=True)
class BatchBH:
    """Benjamini and Hochberg on each batch, at levels that keep the rate over all batches at most `alpha`.

    `levels` and `rejections` are those of every batch so far.
    """

    alpha: float = 0.10
    levels: tuple[float, ...] = ()
    rejections: tuple[int, ...] = ()
    # For every batch the most that could have been rejected had any one of its p-values been 0.
    augmented: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not 0.0 < self.alpha < 1.0:
            raise UsageError(f"alpha must lie between 0 and 1, for example 0.10; it is {self.alpha}.")

    def next_level(self, n: int) -> float:
        """Level at which Benjamini and Hochberg will be used on the next batch of `n` tests."""
        week = len(self.levels)
        allowed = self.alpha * float(spending(np.arange(1, week + 2, dtype=float)).sum())
        total = sum(self.rejections)
        # What earlier batches have at risk, at most: level x rejections there / (rejections if one more were sure).
        risk = 0.0
        for level, most, own in zip(self.levels, self.augmented, self.rejections, strict=True):
            risk += level * most / max(most + total - own, 1)
        return max(allowed - risk, 0.0) * (n + total) / max(n, 1)

    def step(self, p_values: Floats) -> tuple[BatchBH, Step]:
        """Test a batch; the state after it, what was rejected, and the level of the batch (the same for all tested).

        Raises
        ------
        InputError
            If a p-value lies outside 0 to 1.
        """
        p_values = _checked(p_values)
        tested = np.flatnonzero(~np.isnan(p_values))
        rejected, levels = np.zeros(len(p_values), dtype=bool), np.full(len(p_values), np.nan)
        n = len(tested)
        if n == 0:
            return self, Step(rejected, levels)
        level = min(self.next_level(n), self.alpha)
        levels[tested] = level
        ordered = np.sort(p_values[tested])
        count = _rejections(ordered, level)
        if count:
            rejected[tested] = p_values[tested] <= ordered[count - 1]
        # The largest p-value set to 0 is the one that helps most.
        most = _rejections(np.concatenate([[0.0], ordered[:-1]]), level)
        state = replace(
            self,
            levels=(*self.levels, level),
            rejections=(*self.rejections, count),
            augmented=(*self.augmented, most),
        )
        return state, Step(rejected, levels)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, for JSON; back with `from_dict`."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, told: dict[str, Any]) -> BatchBH:
        """The state that `to_dict` gave."""
        lists = {name: tuple(told[name]) for name in ("levels", "rejections", "augmented")}
        return cls(alpha=told["alpha"], **lists)


def _rejections(ordered: Floats, level: float) -> int:
    """How many of the sorted p-values Benjamini and Hochberg reject."""
    n = len(ordered)
    below = np.flatnonzero(ordered <= level * np.arange(1, n + 1) / n)
    return int(below[-1]) + 1 if len(below) else 0


def _checked(p_values: Floats) -> Floats:
    p_values = np.asarray(p_values, dtype=float)
    wrong = np.flatnonzero((p_values < 0.0) | (p_values > 1.0))
    if len(wrong):
        raise InputError(
            f"Expected p-values from 0 to 1, or NaN for a test not made; number {wrong[0] + 1} is neither."
        )
    return p_values
