"""What a feature asks of the past: integers, each a sum over a window of facts under a key.

A `Term` names one such integer. Whoever answers terms (the event index here, a cluster, a warehouse) is a `Terms`, and
every formula of the catalogue is written against that one protocol; so there is one definition of each feature, and
the engines can only differ in how they count. Counting is on integers and exact. What follows (one division, one
logarithm) is done in one place for all of them.

Which terms a set of features needs is not written down a second time: the formulas are run once over no landmark at
all, and what they ask for is noted (`traced`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

Int64s = NDArray[np.int64]
Floats = NDArray[np.float64]
KeySet = tuple[str, ...]

# The whole city: no key at all.
EVERYWHERE: Final[KeySet] = ()
# Not a measure of any table but the moment of its newest fact; -1 where there is none.
LAST_AT: Final = "last_at"


@dataclass(frozen=True, slots=True)
class Term:
    """One integer that is asked of the facts for every landmark.

    Attributes
    ----------
    table, measure : a fact table and one of its measures (`features.facts`); the measure `LAST_AT` asks for the moment
        of the newest fact before t, in seconds in UTC, -1 where there is none
    keys : names of key columns, `EVERYWHERE` for the whole city. A null or unseen key has no facts: every sum is 0.
    window : seconds; the sum is over `[t - window, t)`. None: over everything strictly before t.
    newest : instead of a window, over the newest facts before t: as many whole moments, from the newest back, as hold
        at least so many facts (over all facts where there are fewer). Whole moments, so that the order of facts of one
        second does not matter. Counted by the measure `n`.
    """

    table: str
    measure: str
    keys: KeySet
    window: int | None = None
    newest: int | None = None

    def __post_init__(self) -> None:
        _require_known(self)
        if self.newest is not None and self.window is not None:
            raise ValueError(f"Expected a window or a number of newest facts, got both for {self.name}.")
        if self.measure == LAST_AT and (self.newest is not None or self.window is not None):
            raise ValueError(f"Expected no window for the moment of the newest fact, got one for {self.name}.")

    @property
    def name(self) -> str:
        """A name that no other term has: a column name for engines that need one."""
        span = "all" if self.window is None else f"{self.window}s"
        if self.newest is not None:
            span = f"newest{self.newest}"
        return f"{self.table}.{self.measure}.{span}.{'x'.join(self.keys) or 'city'}"


def _require_known(term: Term) -> None:
    """Refuse what no facts can answer, and windows that would look ahead."""
    from features.facts.tables import FACT_TABLES, KEY_COLUMNS  # noqa: PLC0415 - facts are built on these words

    measures = FACT_TABLES.get(term.table, ())
    counted = term.measure == LAST_AT or term.newest is not None
    if term.measure not in (*measures, LAST_AT) or (counted and "n" not in measures):
        raise ValueError(f"Expected a measure that the facts have, got {term.measure} of {term.table}.")
    unknown = set(term.keys) - set(KEY_COLUMNS)
    if unknown:
        raise ValueError(f"Expected keys out of {', '.join(KEY_COLUMNS)}, got {', '.join(sorted(unknown))}.")
    if any(span is not None and span <= 0 for span in (term.window, term.newest)):
        raise ValueError(f"Expected a window or a number above 0, got {term.window or term.newest} for {term.table}.")


class Terms(Protocol):
    """Answers terms for n landmarks."""

    def __len__(self) -> int:
        """How many landmarks are asked about."""
        ...

    def term(self, term: Term) -> Int64s:
        """The integer of every landmark, shape (n,), int64."""
        ...


@dataclass(frozen=True)
class KnownTerms:
    """Terms that an engine has counted already: name of a term -> (n,) int64."""

    counted: Mapping[str, Int64s]
    size: int

    def __len__(self) -> int:
        return self.size

    def term(self, term: Term) -> Int64s:
        """The integers as they were counted.

        Raises
        ------
        KeyError
            If the engine was not asked for this term.
        """
        return self.counted[term.name]


@dataclass
class _Traced:
    asked: dict[Term, None] = field(default_factory=dict)

    def __len__(self) -> int:
        return 0

    def term(self, term: Term) -> Int64s:
        self.asked[term] = None
        return np.empty(0, dtype=np.int64)


def traced(formulas: Callable[[Terms], object]) -> tuple[Term, ...]:
    """The terms that formulas ask for, in the order of their names; they are run over no landmark."""
    source = _Traced()
    formulas(source)
    return in_order(source.asked)


def in_order(terms: Iterable[Term]) -> tuple[Term, ...]:
    """Terms without repetition, sorted by name, so that the same features always give the same list."""
    return tuple(sorted(set(terms), key=lambda term: term.name))


def by_keys(terms: Iterable[Term]) -> dict[KeySet, tuple[Term, ...]]:
    """Terms by key set: what one partitioning of the facts can answer."""
    found: dict[KeySet, list[Term]] = {}
    for term in in_order(terms):
        found.setdefault(term.keys, []).append(term)
    return {keys: tuple(listed) for keys, listed in sorted(found.items())}


def sums(source: Terms, table: str, measures: Sequence[str], keys: KeySet, window: int | None) -> dict[str, Floats]:
    """Several measures over one window as float64, exact: the sums of integers stay far below 2**53."""
    return {name: source.term(Term(table, name, keys, window)).astype(np.float64) for name in measures}


@dataclass(frozen=True, slots=True)
class Quantity:
    """A feature that is one term, or one division of two: simple enough to be worked out in any engine.

    Attributes
    ----------
    numerator : the integer
    denominator : None for a plain count. The value is numerator / denominator / scale in float64, null (NaN) where the
        denominator is 0.
    scale : a power of ten that the numerator was multiplied by to be an integer
    since : the numerator is `LAST_AT`, and the value is the hours from there to t; null where there was none
    """

    numerator: Term
    denominator: Term | None = None
    scale: int = 1
    since: bool = False

    def terms(self) -> tuple[Term, ...]:
        """The integers it is made of."""
        return (self.numerator,) if self.denominator is None else (self.numerator, self.denominator)

    def value(self, source: Terms, at: Int64s) -> Floats:
        """The feature at n landmarks whose moments are `at`: shape (n,), float64; NaN for null."""
        top = source.term(self.numerator)
        if self.since:
            return np.where(top >= 0, (at - top) / 3600.0, np.nan)
        if self.denominator is None:
            return top.astype(np.float64)
        below = source.term(self.denominator)
        share = np.full(len(top), np.nan)
        np.divide(top, below, out=share, where=below != 0)
        return share if self.scale == 1 else share / self.scale
