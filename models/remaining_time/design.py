"""From what a caller passes as X to one matrix of numbers, the same way each time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.errors import ModelError

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Design:
    """The columns of X, and the values of those that are categories.

    Attributes
    ----------
    names : of the columns, in order; None when X came without names
    values : by position of each category column, its values in the order of their codes
    """

    names: list[str] | None
    values: dict[int, list[str]]

    @classmethod
    def of(cls, X: Any) -> Self:
        """Learn the columns of a frame; an array has neither names nor categories."""
        if not isinstance(X, pd.DataFrame):
            return cls(None, {})
        kinds = X.dtypes.to_numpy()
        texts = [i for i, kind in enumerate(kinds) if not _numeric(kind)]
        return cls([str(name) for name in X], {i: _values(X.iloc[:, i]) for i in texts})

    @property
    def categorical(self) -> list[int]:
        """Positions of the category columns."""
        return sorted(self.values)

    def position(self, name: str | int) -> int:
        """Where a column stands."""
        if isinstance(name, int):
            return name
        if self.names is None or name not in self.names:
            raise ModelError(f"Expected a column '{name}' to tell like cases by, but X has none of that name.")
        return self.names.index(name)

    def matrix(self, X: Any) -> Floats:
        """(n, k) float64; categories as codes; nan for null, and for a category never seen."""
        if not isinstance(X, pd.DataFrame):
            return np.asarray(X, dtype=np.float64)
        columns = [self._column(X.iloc[:, i], i) for i in range(X.shape[1])]
        return np.column_stack(columns) if columns else np.empty((len(X), 0))

    def _column(self, column: pd.Series[Any], i: int) -> Floats:
        if i not in self.values:
            return column.to_numpy(dtype=np.float64, na_value=np.nan)
        codes = pd.Index(self.values[i]).get_indexer(pd.Index(column.astype("str").where(column.notna(), None)))
        return np.where(codes < 0, np.nan, codes.astype(np.float64))

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"names": self.names, "values": {str(i): found for i, found in self.values.items()}}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """What `as_dict` gave."""
        return cls(values["names"], {int(i): list(found) for i, found in values["values"].items()})


def _numeric(kind: Any) -> bool:
    return bool(pd.api.types.is_numeric_dtype(kind) or pd.api.types.is_bool_dtype(kind))


def _values(column: pd.Series[Any]) -> list[str]:
    """Sorted, so that the order of rows or of declared categories changes nothing."""
    return sorted(column.dropna().astype("str").unique().tolist())
