"""Cases loaded twice under other numbers: a stretch in which every row has its double.

One case alone may equal another by chance, above all where moments have no time of day. That all of them come in
pairs does not happen by chance: where every case was loaded twice, each set of equal rows has an even number. So a
stretch (a day, a week, a week of an area or of a category) is a doubled load where the share of even sets is far
beyond the usual one; the same for three times. No single pair is ever called a copy.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from data.quality.label_trust_cases import DAY, local_seconds
from data.quality.label_trust_nulls import q_values

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

LEVEL: Final = 0.001
# What makes two rows equal; the number is all that tells a copy from its original.
SAME: Final = ("opened_at", "category", "area", "channel", "office_at_opening", "due_at_opening")
_TIMES: Final = (2, 3)
_FEWEST_SETS: Final = 5
# Nearly all: a copy may have been withdrawn by hand.
_NEARLY_ALL: Final = 0.9
# Sets of the same size by chance: at most half of them, for where more are even that is no chance.
_MOST_BY_CHANCE: Final = 0.5
# 1970-01-01 was a Thursday; a week begins on Monday.
_MONDAY: Final = 3


def copies(cases: pd.DataFrame, as_of: int, time_zone: str) -> Bools:
    """Which cases are copies of others, loaded with a stretch in which all were; (n_cases,).

    Parameters
    ----------
    cases : DataFrame as `data.event_log.fold_cases` gives it; columns of `SAME` that it lacks are not compared
    as_of : cases not known before it are neither copies nor originals
    time_zone : IANA name; days and weeks are cut there

    Returns
    -------
    bool array: of each set of equal rows one stays (two of four, of a set that was two before). Which one stays has no
    meaning: they are equal.
    """
    copied = np.zeros(len(cases), dtype=bool)
    known = np.flatnonzero(cases["opened_known_at"].to_numpy("int64") < as_of)
    if len(known) == 0:
        return copied
    rows = cases.iloc[known]
    code = rows.groupby([name for name in SAME if name in rows], sort=False, dropna=False).ngroup().to_numpy()
    size = np.bincount(code)
    if size.max() < min(_TIMES):
        return copied
    place = pd.Series(code).groupby(code).cumcount().to_numpy()
    day = local_seconds(rows["opened_at"].to_numpy("int64"), time_zone) // DAY
    first = np.unique(code, return_index=True)[1]
    sets = pd.DataFrame({"day": day[first], "week": (day[first] + _MONDAY) // 7, "size": size})
    for name in ("area", "category"):
        sets[name] = pd.factorize(rows[name].iloc[first])[0]
    for times in _TIMES:
        doubled = np.zeros(len(sets), dtype=bool)
        for stretch in (["week"], ["day"], ["week", "area"], ["week", "category"]):
            doubled |= _doubled(sets, stretch, times)
        copied[known] |= doubled[code] & (place >= (size // times)[code]) & (size % times == 0)[code]
    return copied


def _doubled(sets: pd.DataFrame, stretch: list[str], times: int) -> Bools:
    """Which sets lie in a stretch where nearly all sets have a size divisible by `times`; (n_sets,)."""
    even = (sets["size"] % times == 0).to_numpy()
    group = sets.groupby(stretch, sort=False).ngroup().to_numpy()
    n = np.bincount(group).astype(np.float64)
    n_even = np.bincount(group, weights=even)
    chance = min(float(np.mean(even)), _MOST_BY_CHANCE)
    short = (n < _FEWEST_SETS) | (n_even < _NEARLY_ALL * n)
    p: Floats = np.where(short, 1.0, stats.binom.sf(n_even - 1, n, chance))
    flagged = q_values(p) <= LEVEL
    return np.asarray(flagged[group], dtype=bool)
