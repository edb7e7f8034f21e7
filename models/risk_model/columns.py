"""What each column of a table is to a risk model: a feature, a part of the start, or what evidence is counted by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, Final, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.errors import ModelError, UsageError

Floats = NDArray[np.float64]
# Columns of the start, with the feature that each is reported under; None: it belongs to the base.
Start = Sequence[str] | Mapping[str, str | None] | None

_FORBIDDEN: Final = str.maketrans(dict.fromkeys('",:{}[] \t\n\r', "_"))


@dataclass(frozen=True)
class Table:
    """n rows of a table, taken apart.

    Attributes
    ----------
    features : (n, k) float64; NaN is missing, a category is its place among the levels, and one never seen is missing
    start : s arrays (n,), log-odds, in the order of `Columns.start`
    evidence : (n,) codes of what evidence is counted by, -1 for one never seen or missing; None where not asked for
    group : (n,) codes of what has an intercept of its own, likewise
    """

    features: Floats
    start: tuple[Floats, ...]
    evidence: NDArray[np.int64] | None
    group: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.features)

    def start_score(self, base: float) -> Floats:
        """Base and parts of the start, (n,), added one after another: a row alone has the same bits as among others."""
        return np.asarray(reduce(np.add, self.start, np.full(len(self), base)), dtype=np.float64)

    def rows(self, chosen: NDArray[Any]) -> Table:
        """The rows that a mask or positions choose."""
        evidence, group = (None if codes is None else codes[chosen] for codes in (self.evidence, self.group))
        return Table(self.features[chosen], tuple(part[chosen] for part in self.start), evidence, group)


@dataclass(frozen=True)
class Columns:
    """The columns that a model was fitted on.

    Attributes
    ----------
    names : of all columns, in order
    start : column -> feature that it is reported under; None for the base
    evidence_by : column, or None
    levels : column of categories -> their names, sorted; the columns of evidence and of intercepts are among them
    intercept_by : column, or None
    """

    names: tuple[str, ...]
    start: Mapping[str, str | None]
    evidence_by: str | None
    levels: Mapping[str, tuple[str, ...]]
    intercept_by: str | None = None

    @classmethod
    def learn(
        cls,
        table: pd.DataFrame,
        start: Start = None,
        evidence_by: str | None = None,
        monotone: Mapping[str, int] | None = None,
        intercept_by: str | None = None,
    ) -> Self:
        """Read off the kinds and levels of the columns.

        Raises
        ------
        UsageError
            If `start`, `evidence_by`, `intercept_by` or `monotone` name columns that are not there or cannot be what
            they are asked to be, or nothing is left to be a feature.
        """
        names = tuple(map(str, table.columns))
        parts = _named(start)
        coded = [name for name in (evidence_by, intercept_by) if name is not None]
        asked = [*parts, *coded]
        absent = [name for name in (*asked, *(monotone or {})) if name not in names]
        if absent:
            raise UsageError(
                f"Expected columns named {', '.join(absent)} (start, evidence_by, intercept_by, monotone), and X has "
                "none such."
            )
        if len(set(names)) < len(names):
            raise UsageError("Expected columns with different names, and some are named alike. Rename them.")
        if not set(names) - set(asked):
            raise UsageError(
                "Expected at least one column that is a feature, and all are start, evidence or intercepts."
            )
        _require_signs(table, monotone or {}, asked)
        chosen = [name for name in names if name not in parts and (name in coded or is_category(table[name]))]
        return cls(names, parts, evidence_by, {name: _levels(table[name]) for name in chosen}, intercept_by)

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the features, in order."""
        others = (self.evidence_by, self.intercept_by)
        return tuple(name for name in self.names if name not in self.start and name not in others)

    @property
    def categories(self) -> tuple[int, ...]:
        """Places of the categories among the features."""
        return tuple(place for place, name in enumerate(self.features) if name in self.levels)

    @property
    def tree_names(self) -> tuple[str, ...]:
        """The features' names as LightGBM takes them: without blanks and punctuation of JSON, and still different."""
        plain = [name.translate(_FORBIDDEN) for name in self.features]
        seen: dict[str, int] = {}
        for name in plain:
            seen[name] = seen.get(name, 0) + 1
        return tuple(
            name if seen[name] == 1 and name.isascii() else f"{name if name.isascii() else 'f'}_{place}"
            for place, name in enumerate(plain)
        )

    def read(self, table: pd.DataFrame) -> Table:
        """Take a table with these columns apart.

        Raises
        ------
        ModelError
            If a column of numbers holds names, or the other way round.
        UsageError
            If a part of the start is missing in a row.
        ValueError
            If a number is infinite.
        """
        features = self._features(table)
        if np.isinf(features).any():
            raise ValueError("Expected finite numbers or missing ones in X, and some are infinite.")
        start = tuple(_finite(table[name], name) for name in self.start)
        evidence, group = (
            None if name is None else _codes(table[name], self.levels[name])
            for name in (self.evidence_by, self.intercept_by)
        )
        return Table(features, start, evidence, group)

    def _features(self, table: pd.DataFrame) -> Floats:
        names = list(self.features)
        kinds = dict(zip(table.columns, table.dtypes, strict=True))
        if all(isinstance(kinds[name], np.dtype) and kinds[name].kind in "fiub" for name in names):
            if self.categories:
                raise _not_numbers(next(name for name in names if name in self.levels), "names", "numbers")
            # One block stays one block: a large table is not copied.
            return np.asarray(table[names].to_numpy(), dtype=np.float64)
        found = np.empty((len(table), len(names)), dtype=np.float64, order="F")
        for place, name in enumerate(names):
            found[:, place] = self._values(table[name], name)
        return found

    def _values(self, column: pd.Series, name: str) -> Floats:
        if name in self.levels:
            if not is_category(column):
                raise _not_numbers(name, "names", "numbers")
            codes = _codes(column, self.levels[name])
            return np.where(codes < 0, np.nan, codes)
        return numbers(column, name)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "names": list(self.names),
            "start": [[name, under] for name, under in self.start.items()],
            "evidence_by": self.evidence_by,
            "intercept_by": self.intercept_by,
            "levels": {name: list(levels) for name, levels in self.levels.items()},
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """What `as_dict` gave."""
        levels = {str(name): tuple(found) for name, found in values["levels"].items()}
        # Descriptions of format 3 and below know no intercepts.
        asked = values["evidence_by"], levels, values.get("intercept_by")
        return cls(tuple(values["names"]), dict(values["start"]), *asked)


def is_category(column: pd.Series) -> bool:
    """Whether a column's values are names rather than numbers."""
    return not (pd.api.types.is_bool_dtype(column) or pd.api.types.is_numeric_dtype(column))


def numbers(column: pd.Series, name: str) -> Floats:
    """A column of numbers as float64, NaN for missing.

    Raises
    ------
    ModelError
        If it holds something else.
    """
    if is_category(column):
        raise _not_numbers(name, "numbers", "names")
    return np.asarray(column.to_numpy(dtype=np.float64, na_value=np.nan), dtype=np.float64)


def _require_signs(table: pd.DataFrame, monotone: Mapping[str, int], taken: Sequence[str]) -> None:
    wrong = [
        name for name, sign in monotone.items() if sign not in (-1, 1) or name in taken or is_category(table[name])
    ]
    if wrong:
        raise UsageError(f"Expected 1 or -1 for features that are numbers (monotone); not so: {', '.join(wrong)}.")


def _not_numbers(name: str, expected: str, came: str) -> ModelError:
    return ModelError(f"Expected {expected} in column '{name}', as the model was fitted on, and got {came}.")


def _finite(column: pd.Series, name: str) -> Floats:
    values = numbers(column, name)
    if not np.isfinite(values).all():
        raise UsageError(f"Expected log-odds in every row of the start column '{name}', and some are missing.")
    return values


def _named(start: Start) -> dict[str, str | None]:
    if start is None:
        return {}
    return dict(start) if isinstance(start, Mapping) else {str(name): str(name) for name in start}


def _as_category(column: pd.Series) -> Any:
    if isinstance(column.dtype, pd.CategoricalDtype):
        return pd.Categorical(column)
    if pd.api.types.is_datetime64_any_dtype(column):
        raise UsageError(f"Expected numbers or categories in column '{column.name}', and got moments. Use durations.")
    return pd.Categorical(column.astype("str").where(column.notna()))


def _levels(column: pd.Series) -> tuple[str, ...]:
    found = _as_category(column)
    used = np.unique(np.asarray(found.codes))
    return tuple(sorted({str(found.categories[code]) for code in used if code >= 0}))


def _codes(column: pd.Series, levels: Sequence[str]) -> NDArray[np.int64]:
    found = _as_category(column)
    place = {level: code for code, level in enumerate(levels)}
    known = np.array([*(place.get(str(level), -1) for level in found.categories), -1], dtype=np.int64)
    return np.asarray(known[np.asarray(found.codes)])
