"""What a list of risks is worth to an office that can attend to so many cases a day.

The cases of an office on a local day are one list; where the office is not known, those of the whole day. Of each list
the riskiest are attended, as many as the capacity. Equal risks at the edge share the places that are left, so that
nothing else, and no deadline, decides between them; and nobody is put behind the place that the deadline gives: what
is measured is where extra attention would go.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from models.validation.bootstrap import blocks
from models.validation.rows import Floats, Int64s, Mask, Rows

# Shares of every list, for the curve.
SHARES: Final = (0.01, 0.02, 0.05, *np.arange(0.1, 1.01, 0.1).round(2).tolist())


@dataclass(frozen=True)
class DayLists:
    """The lists of a set of rows.

    Attributes
    ----------
    list_of : (n,) int64; rows with the same number stand on one list
    counts : (n,) bool; the row stands on its list. A case stands once on a list, with its newest row of the day.
    size : (n,) rows on the list of each
    capacity : (n,) how many of its list are attended; NaN where not known
    """

    list_of: Int64s
    counts: Mask
    size: Floats
    capacity: Floats

    @classmethod
    def of(cls, rows: Rows, capacity: float | None = None) -> DayLists:
        """The lists of n rows; `capacity` a day and office, in place of that of the rows, where given."""
        day = blocks(rows.at, rows.time_zone, "day")
        office = pd.factorize(rows.keys["office"])[0] if "office" in rows.keys else np.zeros(len(rows), dtype=np.int64)
        list_of = pd.factorize(pd.MultiIndex.from_arrays([day, office]))[0].astype(np.int64)
        order = np.lexsort((np.arange(len(rows)), rows.at, rows.groups, list_of))
        last = np.ones(len(rows), dtype=bool)
        last[:-1] = (np.diff(list_of[order]) != 0) | (np.diff(rows.groups[order]) != 0)
        counts = np.zeros(len(rows), dtype=bool)
        counts[order] = last
        size = np.bincount(list_of[counts], minlength=int(list_of.max(initial=-1)) + 1).astype(np.float64)[list_of]
        if capacity is not None:
            given = np.full(len(rows), float(capacity))
        else:
            given = np.full(len(rows), np.nan) if rows.capacity is None else rows.capacity
        return cls(list_of, counts, size, given)

    @property
    def known(self) -> Mask:
        """Rows that stand on a list whose capacity is known; (n,) bool."""
        return np.asarray(self.counts & ~np.isnan(self.capacity))

    def attended(self, probability: Floats, places: Floats) -> Floats:
        """How far each row is attended, (n,) in [0, 1], if `places`, (n,), of its list are: 1 is in, 0 is out.

        Rows of equal probability at the edge share what is left. Rows that stand on no list are 0.
        """
        found = np.zeros(len(probability))
        on = np.flatnonzero(self.counts)
        order = on[np.lexsort((-probability[on], self.list_of[on]))]
        if not len(order):
            return found
        lists, risk = self.list_of[order], probability[order]
        new_list = np.append(True, np.diff(lists) != 0)
        new_tie = new_list | np.append(True, np.diff(risk) != 0)
        place = np.arange(len(order))
        rank = place - place[new_list][np.cumsum(new_list) - 1]
        tie = np.cumsum(new_tie) - 1
        first, size = rank[new_tie], np.bincount(tie)
        found[order] = np.clip((np.nan_to_num(places[order]) - first[tie]) / size[tie], 0.0, 1.0)
        return found

    def share_attended(self, probability: Floats, share: float) -> Floats:
        """As `attended`, with the same share of every list."""
        return self.attended(probability, share * self.size)
