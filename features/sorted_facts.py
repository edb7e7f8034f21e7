"""The kernel: facts of one table under one key set, sorted by key and moment, with running sums beside them.

Key and moment are packed into one 64-bit integer, the key above. All facts of a key in `[t - w, t)` then lie between
two places of one sorted array, found by binary search, and the sum of a measure over them is the difference of two
running sums. `t` itself is outside: a fact of the very second that is asked about is not yet known. Everything is an
integer, so no answer depends on the order of rows, on how many are asked for at once, or on the machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from features.terms import Int64s

TIME_BITS: Final = 34
TIME_MASK: Final = (1 << TIME_BITS) - 1
_KEY_LIMIT: Final = 1 << (63 - TIME_BITS)
COUNT: Final = "n"

Ints = NDArray[Any]


@dataclass(frozen=True, slots=True)
class SortedFacts:
    """Facts under one key set.

    Attributes
    ----------
    packed : (n,) int64, sorted: code of the key above `TIME_BITS` bits of the moment
    running : measure -> (n + 1,) integers, the sum of all facts before each place; in the narrowest type that holds
        them. The measure `n` is left out where every fact counts once: the place itself is its running sum.
    """

    packed: Int64s
    running: Mapping[str, Ints]

    @classmethod
    def build(cls, codes: Int64s, at: Int64s, measures: Mapping[str, Ints]) -> SortedFacts:
        """Sort facts; those whose key has the code 0 are left out.

        Parameters
        ----------
        codes : (n,) int64, of their keys
        at : (n,) int64 seconds in UTC, from 1970 to 2514
        measures : name -> (n,) integers

        Raises
        ------
        ValueError
            If a moment or a code does not fit into its bits.
        """
        if len(at) and not (int(at.min()) >= 0 and int(at.max()) <= TIME_MASK):
            raise ValueError("Expected moments from 1970 to 2514, got one outside.")
        if len(codes) and int(codes.max()) >= _KEY_LIMIT:
            raise ValueError(f"Expected fewer than {_KEY_LIMIT:,} keys, got {int(codes.max()):,}.")
        packed, order = _sorted(codes, at)
        running = {name: _running(values, order) for name, values in measures.items() if not _is_one(name, values)}
        return cls(packed, running)

    @property
    def plain(self) -> bool:
        """Whether every fact counts once, so that none takes another back."""
        return COUNT not in self.running

    def places(self, codes: Int64s, at: Int64s) -> Int64s:
        """How many facts come before each key and moment: shape (n,). Fastest where both are sorted together."""
        return np.searchsorted(self.packed, (codes << TIME_BITS) | at)

    def between(self, measure: str, lower: Int64s, upper: Int64s) -> Int64s:
        """The sum of a measure over the facts between places; shape (n,), int64."""
        if measure == COUNT and self.plain:
            return upper - lower
        sums = self.running[measure]
        return np.subtract(sums.take(upper), sums.take(lower), dtype=np.int64)

    def moment_before(self, codes: Int64s, upper: Int64s) -> Int64s:
        """The moment of the fact just before each place, if it is of the same key; otherwise -1."""
        if not len(self.packed):
            return np.full(len(upper), -1, dtype=np.int64)
        last = self.packed[np.maximum(upper - 1, 0)]
        return np.where((upper > 0) & (last >> TIME_BITS == codes), last & TIME_MASK, -1)

    def rows(self) -> tuple[Int64s, Int64s, dict[str, Int64s]]:
        """Codes, moments and measures of the facts again, sorted."""
        measures = {name: np.diff(sums).astype(np.int64) for name, sums in self.running.items()}
        if self.plain:
            measures[COUNT] = np.ones(len(self.packed), dtype=np.int64)
        return self.packed >> TIME_BITS, self.packed & TIME_MASK, measures


def order_of(codes: Int64s, at: Int64s) -> Int64s:
    """The rows by code and moment; those of the same code and moment in any order.

    What is in the order of time already is only dealt out by code, which keeps it: a counting sort, as sparse matrices
    are put in row order, at a third of what sorting costs.
    """
    n = len(codes)
    if not n or not bool((at[1:] >= at[:-1]).all()):
        return np.argsort((codes << TIME_BITS) | at)
    from scipy.sparse import coo_array  # noqa: PLC0415 - only for many rows

    dealt = coo_array(
        (np.empty(n, dtype=np.int8), (codes.astype(np.int32), np.arange(n, dtype=np.int32))),
        shape=(int(codes.max()) + 1, n),
    )
    dealt.has_canonical_format = True
    # As NumPy wants places, so that they are not converted at each of the many uses.
    return np.asarray(dealt.tocsr().indices, dtype=np.intp)


def _sorted(codes: Int64s, at: Int64s) -> tuple[Int64s, Int64s]:
    """(packed keys and moments in order, the rows in that order), without the rows of code 0."""
    known = codes != 0
    rows = None if known.all() else np.flatnonzero(known)
    if rows is not None:
        codes, at = codes[rows], at[rows]
    order = order_of(codes, at)
    packed = ((codes << TIME_BITS) | at).take(order)
    return packed, order if rows is None else rows.take(order)


def _running(values: Ints, order: Int64s) -> Ints:
    sums = np.empty(len(order) + 1, dtype=np.int64)
    sums[0] = 0
    np.cumsum(values.take(order), dtype=np.int64, out=sums[1:])
    small = np.iinfo(np.int32)
    return sums.astype(np.int32) if small.min <= int(sums.min()) and int(sums.max()) <= small.max else sums


def _is_one(name: str, values: Ints) -> bool:
    return name == COUNT and bool((values == 1).all())
