"""Names of offices, areas and categories as places in a sorted list: strings are looked at once and never again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.facts.tables import Bools, Int64s

# The code of a null; pandas' own.
NULL: Final = -1

Codes = NDArray[np.signedinteger[Any]]


@dataclass(frozen=True, slots=True)
class Coded:
    """A column of n names.

    Attributes
    ----------
    codes : (n,), the smallest integers that will do; places in `dtype.categories`, `NULL` for null
    dtype : the categories, text in sorted order, so that they do not depend on the order of the rows
    """

    codes: Codes
    dtype: pd.CategoricalDtype

    def at(self, rows: Int64s) -> Coded:
        """The column at some rows, or in another order."""
        return Coded(self.codes[rows], self.dtype)

    def column(self) -> pd.Categorical:
        """The names, as a column of the dtype `category`."""
        return pd.Categorical.from_codes(self.codes, dtype=self.dtype, validate=False)


def coded(column: pd.Series) -> Coded:
    """Code a column of `str` or `category`, nulls included."""
    places, distinct = column.array.factorize()
    names = pd.Index(distinct)
    if names.dtype != "str":
        names = names.astype("str")
    rank = np.arange(-1, len(names), dtype=_smallest(len(names)))
    if len(names) > 1:
        order = np.argsort(np.asarray(names, dtype=object))
        names = names[order]
        rank[1:][order] = np.arange(len(names))
    # One on, for nulls: `factorize` puts them at -1.
    return Coded(rank[places + 1], pd.CategoricalDtype(names, ordered=False))


def coded_numbers(values: Int64s, known: Bools) -> Coded:
    """Code small whole numbers as their own text, in the order of the numbers; null where not `known`."""
    if not known.any():
        return nulls(len(values))
    low = int(values[known].min())
    shifted = np.where(known, values - low, 0)
    numbers = np.flatnonzero(np.bincount(shifted[known]))
    rank = np.full(int(numbers[-1]) + 1, NULL, dtype=_smallest(len(numbers)))
    rank[numbers] = np.arange(len(numbers))
    codes = rank[np.minimum(shifted, numbers[-1])]
    codes[~known] = NULL
    names = pd.Index([str(low + number) for number in numbers], dtype="str")
    return Coded(codes, pd.CategoricalDtype(names, ordered=False))


def nulls(n: int) -> Coded:
    """A column of which nothing is known."""
    return Coded(np.full(n, NULL, dtype=np.int8), _NO_NAMES)


_NO_NAMES: Final = pd.CategoricalDtype(pd.Index([], dtype="str"), ordered=False)


def _smallest(n: int) -> type[np.signedinteger[Any]]:
    """The type that pandas gives codes of n categories; another would be converted at every use."""
    return np.int8 if n <= 127 else np.int16 if n <= 32_767 else np.int32
