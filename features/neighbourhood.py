"""What happens beside an area: facts filed a second time, under every area that lies next to theirs.

A sum over such a table for an area is a sum over its neighbours and not over itself. It is the same kind of table as
any other, so every window, every key set with an area in it and every engine can be asked for it; it holds each fact
as many times as its area has neighbours (five or six, for most maps).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.facts import Facts, Int64s

Adjacency = Mapping[str, Collection[str]]


def near_facts(facts: Facts, adjacency: Adjacency) -> Facts:
    """The facts under the areas beside theirs: a fact of area b once for every area that has b as a neighbour.

    Parameters
    ----------
    facts : Facts
    adjacency : code of an area -> codes of the areas beside it (`Store.adjacency`)
        An area is never its own neighbour, and each neighbour counts once, whatever is listed.

    Returns
    -------
    Facts
        Moments, measures and all keys but `area` are those of the fact. A column of categories stays one: `area` with
        the categories it had and then the others of `adjacency`, sorted. Facts without an area, or of an area that is
        beside none, are left out. Copies of one fact stand together, in the order of the names of their areas.
    """
    codes, names = _coded(facts.keys["area"], adjacency)
    beside = _Beside.of(names, adjacency)
    rows, areas = beside.repeated(codes)
    keys = facts.keys.iloc[rows].reset_index(drop=True)
    if isinstance(facts.keys["area"].dtype, pd.CategoricalDtype):
        keys["area"] = pd.Series(pd.Categorical.from_codes(areas, categories=names))
    else:
        keys["area"] = pd.Series(names.take(areas), dtype=facts.keys["area"].dtype)
    return Facts(facts.at[rows], keys, {name: values[rows] for name, values in facts.measures.items()})


def _coded(column: pd.Series, adjacency: Adjacency) -> tuple[Int64s, pd.Index]:
    """Position of each row's area in the names of all areas, -1 for null; the names of the column come first."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        positions, own = column.cat.codes.to_numpy(), column.cat.categories
    else:
        positions, own = pd.factorize(column)
    others = sorted({*adjacency} - {*own})
    return np.asarray(positions, dtype=np.int64), pd.Index([*own, *others], dtype="str")


@dataclass(frozen=True, slots=True)
class _Beside:
    """Who has each area as a neighbour, in compressed rows: those of area b are `areas[start[b] : start[b + 1]]`."""

    start: Int64s
    areas: Int64s

    @classmethod
    def of(cls, names: pd.Index, adjacency: Adjacency) -> _Beside:
        place = {name: position for position, name in enumerate(names)}
        pairs = [
            (place[other], name, place[name])
            for name, others in adjacency.items()
            for other in {*others} - {name}
            if other in place
        ]
        of, areas = np.array([(b, a) for b, _, a in sorted(pairs)], dtype=np.int64).reshape(-1, 2).T
        # One more area at the end, beside none, which the code of a null, -1, points to.
        start = np.searchsorted(of, np.arange(len(names) + 2))
        return cls(start, areas)

    def repeated(self, codes: Int64s) -> tuple[Int64s, Int64s]:
        """(rows, areas) of the copies: which row each is of, and the area it is filed under; both (m,), int64."""
        codes = np.where(codes < 0, len(self.start) - 2, codes)
        copies = self.start[codes + 1] - self.start[codes]
        rows = np.repeat(np.arange(len(codes)), copies)
        ends = np.cumsum(copies)
        within = np.arange(len(rows)) - np.repeat(ends - copies, copies)
        return rows, self.areas[self.start[codes][rows] + within]
