"""How good risks are in parts of the test: by office, category, area, channel and month.

Slices are for analysts, and still no small cell leaves: a value with fewer than ten cases, or fewer than ten that were
failed, or fewer than ten that were not, is not told alone. Such values are put together into one, with the smallest
others where they are too few together, so that no difference from the whole gives a small one back. Slices stand in
the order of their names: they are no ranking of offices.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd

from models.validation.judge import LEVEL, REPLICATIONS, Estimate, Judge
from models.validation.rows import KEYS, Floats, Int64s, Rows

# As `service.disclosure.MINIMUM`; the layers below the service cannot see that one, and a test holds them together.
MINIMUM: Final = 10
DIMENSIONS: Final = (*KEYS, "month")


@dataclass(frozen=True)
class Slice:
    """One value of a dimension, or the values of it that are not told alone.

    Attributes
    ----------
    name : the value (a month as `2026-03`); None where the rows have none
    together : how many values it stands for; 1 for one that is told alone
    cases, rows : how many
    base_rate, mean_probability : share of the rows that failed, and the mean of what was said
    difference : mean probability less base rate; above 0 where risks are too high
    auc : None where it cannot be told
    """

    name: str | None
    together: int
    cases: int
    rows: int
    base_rate: Estimate
    mean_probability: Estimate
    difference: Estimate
    auc: Estimate

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "name": self.name,
            "together": self.together,
            "cases": self.cases,
            "rows": self.rows,
            "base_rate": self.base_rate.as_dict(),
            "mean_probability": self.mean_probability.as_dict(),
            "difference": self.difference.as_dict(),
            "auc": self.auc.as_dict(),
        }


@dataclass(frozen=True)
class Sliced:
    """The slices of one dimension.

    Attributes
    ----------
    dimension : one of `DIMENSIONS`
    told : slices told alone, in the order of their names
    pooled : the others together; None where there are none, or even together they are too few to tell
    withheld : how many values are not told alone
    """

    dimension: str
    told: tuple[Slice, ...]
    pooled: Slice | None
    withheld: int

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "told": [one.as_dict() for one in self.told],
            "pooled": None if self.pooled is None else self.pooled.as_dict(),
            "withheld": self.withheld,
        }


def sliced(
    rows: Rows, probability: Floats, *, replications: int = REPLICATIONS, level: float = LEVEL, seed: int = 1
) -> tuple[Sliced, ...]:
    """Slices of n tested rows along every dimension that has two values or more.

    Parameters
    ----------
    rows : n rows whose labels are all known
    probability : (n,)
    replications, level, seed : of the intervals, see `Judge.of`
    """

    def slice_of(places: Int64s, name: str | None, together: int) -> Slice:
        judge = Judge.of(rows.rows(places), replications=replications, level=level, seed=seed)
        return _slice(judge, rows.groups[places], probability[places], name, together)

    found = []
    for dimension, code, names in dimensions(rows):
        counts = value_counts(rows, code, len(names))
        together = pooled_values(counts)
        alone = [value for value in range(len(names)) if value not in together]
        told = tuple(slice_of(np.flatnonzero(code == value), names[value], 1) for value in alone)
        pooled = None
        if together and _enough(counts[sorted(together)].sum(axis=0)):
            pooled = slice_of(np.flatnonzero(np.isin(code, sorted(together))), None, len(together))
        found.append(Sliced(dimension, told, pooled, len(together)))
    return tuple(found)


def pooled_values(counts: Int64s) -> frozenset[int]:
    """Which of m values are not told alone.

    Parameters
    ----------
    counts : (m, 3) int64; cases, cases that were failed, cases that were not

    Returns
    -------
    frozenset of int
        Every value with a small count, and the smallest others until there are two and their sums are not small; all,
        where even that is not enough.
    """
    small = {int(value) for value in np.flatnonzero((counts < MINIMUM).any(axis=1))}
    if not small:
        return frozenset()
    rest = [int(value) for value in np.argsort(counts[:, 0], kind="stable") if int(value) not in small]
    while rest and (len(small) < 2 or not _enough(counts[sorted(small)].sum(axis=0))):
        small.add(rest.pop(0))
    return frozenset(small)


def _enough(counts: Int64s) -> bool:
    return bool((counts >= MINIMUM).all())


def dimensions(rows: Rows) -> Iterator[tuple[str, Int64s, list[str | None]]]:
    """Each dimension with two values or more: the code of each row, and the names of the codes in their order."""
    local = pd.to_datetime(pd.Series(rows.at), unit="s", utc=True).dt.tz_convert(rows.time_zone)
    columns = {name: rows.keys[name] for name in KEYS if name in rows.keys}
    for dimension, values in {**columns, "month": local.dt.strftime("%Y-%m")}.items():
        code, names = pd.factorize(
            values.astype("object").where(values.notna(), None), sort=False, use_na_sentinel=True
        )
        order = np.argsort(np.asarray([str(name) for name in names], dtype=object), kind="stable")
        rank = np.empty(len(order) + 1, dtype=np.int64)
        rank[order] = np.arange(len(order))
        rank[-1] = len(order)  # the code of a null is -1
        told: list[str | None] = [str(names[place]) for place in order]
        if (code < 0).any():
            told.append(None)
        if len(told) > 1:
            yield dimension, rank[code], told


def value_counts(rows: Rows, code: Int64s, size: int) -> Int64s:
    """Cases, failed cases and other cases of every value, (size, 3); a case with two values counts under both."""
    cases = pd.DataFrame({"code": code, "group": rows.groups, "failed": rows.y}).groupby(["code", "group"])["failed"]
    worst = cases.max()
    where = worst.index.get_level_values("code").to_numpy("int64")
    every = np.bincount(where, minlength=size)
    failed = np.bincount(where, weights=worst.to_numpy(), minlength=size).astype(np.int64)
    return np.column_stack([every, failed, every - failed])


def _slice(judge: Judge, groups: Int64s, probability: Floats, name: str | None, together: int) -> Slice:
    return Slice(
        name=name,
        together=together,
        cases=len(np.unique(groups)),
        rows=len(groups),
        base_rate=judge.share(judge.outcome),
        mean_probability=judge.share(probability),
        difference=judge.share(probability - judge.outcome),
        auc=judge.estimate("auc", judge.auc(probability)),
    )
