"""The base score: the record of what is like a case, in log-odds, as a sum of parts that have names.

It needs no training, and a risk model starts from it. Its parts are those of features, so that the reasons of a risk
can tell them apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from typing import Final

import numpy as np

from features.records import Floats, Records

# What the area's own record counts in the base score: half, since the type of problem already carries part of it.
_AREA_WEIGHT: Final = 0.5
_RECENT_WEIGHT: Final = 0.125


def offset_parts(records: Records) -> dict[str, Floats]:
    """The base score of n landmarks in parts, each (n,): `city`, then each record as its departure from the one above.

    Named as the features that the parts belong to; `city` is where every case starts.
    """
    level = records.level
    category, channel = level("category"), level("category_channel")
    return {
        "city": level("city"),
        "record_promise": level("promise") - level("city"),
        "record_category": category - level("promise"),
        "record_category_channel": channel - category,
        "record_category_promise": level("category_promise") - category,
        "record_area": _AREA_WEIGHT * (level("area") - level("city")),
        "recent_category": _RECENT_WEIGHT * (records.recent("category") - category),
        "recent_category_channel": _RECENT_WEIGHT * (records.recent("category_channel") - channel),
    }


def base_score(parts: Mapping[str, Floats]) -> Floats:
    """The sum of the parts, shape (n,), in log-odds.

    One after another: NumPy and pandas add up rows in another order for one landmark than for many, and the last bit
    would tell whether a case was asked about alone.
    """
    return np.asarray(reduce(np.add, parts.values()), dtype=np.float64)
