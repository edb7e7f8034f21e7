"""What a term should say, worked out by looking at every fact: slow, plain, and written without any index.

The meaning of `features.terms.Term`, in full:

- Facts of the term's table count whose key columns all equal those asked for; a null equals nothing, not even a null.
- Only facts strictly before t count.
- A correction is a fact with negated measures at the same moment and key. So the facts of one moment are added up
  first, and a moment at which `n` comes to 0 has no facts.
- `LAST_AT` is the latest moment that has facts; -1 where there is none.
- `newest=N`: moments are taken whole, from the newest back, until they hold N facts or more; the measure is summed over
  them. Where all of them together hold fewer, over all.
- Otherwise the measure is summed over `[t - window, t)`, or over everything before t.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from features.facts import Facts
from features.terms import LAST_AT, Term


def brute_terms(facts: Mapping[str, Facts], at: int, keys: Mapping[str, object], term: Term) -> int:
    """The integer of one term for one landmark.

    Parameters
    ----------
    facts : name of a fact table -> Facts; a table that is missing has none
    at : the landmark's moment t
    keys : the landmark's key values by key column; null where unknown
    """
    if term.table not in facts:
        return -1 if term.measure == LAST_AT else 0
    table = facts[term.table]
    chosen = _of_key(table, keys, term) & (table.at < at)
    if term.measure == LAST_AT:
        counts = _by_moment(table, chosen)
        return max((moment for moment, count in counts.items() if count > 0), default=-1)
    if term.newest is not None:
        chosen &= table.at >= _start_of_newest(_by_moment(table, chosen), term.newest)
    elif term.window is not None:
        chosen &= table.at >= at - term.window
    return int(table.measures[term.measure][chosen].sum())


def brute_column(facts: Mapping[str, Facts], at: np.ndarray, keys: pd.DataFrame, term: Term) -> np.ndarray:
    """The same for n landmarks: shape (n,), int64."""
    rows = keys.to_dict("records")
    found = [brute_terms(facts, int(moment), row, term) for moment, row in zip(at, rows, strict=True)]
    return np.array(found, dtype=np.int64)


def _of_key(table: Facts, keys: Mapping[str, object], term: Term) -> np.ndarray:
    chosen = np.ones(len(table.at), dtype=bool)
    for name in term.keys:
        asked = keys[name]
        known = table.keys[name].notna().to_numpy()
        same = [value == asked for value in table.keys[name].tolist()]
        chosen &= known & np.array(same, dtype=bool) & (not pd.isna(asked))
    return chosen


def _by_moment(table: Facts, chosen: np.ndarray) -> dict[int, int]:
    """How many facts each moment has, what was taken back not among them."""
    counts: dict[int, int] = {}
    for moment, n in zip(table.at[chosen].tolist(), table.measures["n"][chosen].tolist(), strict=True):
        counts[moment] = counts.get(moment, 0) + n
    return counts


def _start_of_newest(counts: dict[int, int], wanted: int) -> int:
    """The moment from which on there are so many facts; the first of all where there never are."""
    held = 0
    for moment in sorted(counts, reverse=True):
        held += counts[moment]
        if held >= wanted:
            return moment
    return min(counts, default=0)
