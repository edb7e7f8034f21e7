"""What a fact is: a moment, the keys that it is counted under, and small integers to be summed."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Int64s = NDArray[np.int64]
Bools = NDArray[np.bool_]

KEY_COLUMNS: Final = (
    "category",
    "category_group",
    "area",
    "channel",
    "office",
    "promise",  # promised time in octaves: cases that were promised about as long
    "promise_fine",  # in half octaves
)

# Ends of the eight stretches that a promise is cut into, as shares of it. Closer together early on, where most
# closings are: a stretch is only informative if some cases end in it and some do not.
STAGES: Final = (0.0, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0)

# A table of neighbours -> the table whose facts it files under every area that they lie next to.
NEAR_TABLES: Final[dict[str, str]] = {f"near_{name}": name for name in ("arrivals", "balance", "overdue", "closures")}
_OWN_TABLES: Final[dict[str, tuple[str, ...]]] = {
    "arrivals": ("n", "promised", "log_promise"),
    "balance": ("open",),
    "overdue": ("overdue",),
    "matured": ("n", "late"),
    "closures": ("n", "log_hours", "within_1d", "within_7d", "within_30d", "judged", "unresolved"),
    "moves": ("n",),
    **{f"stage_{j}": ("n", "closed") for j in range(len(STAGES) - 1)},
    "held": ("n", "reopened"),
    "tiers": ("n", "handed_up"),
    "findings": ("n", "serious", "dangerous"),
    "capacity": ("capacity",),
}
FACT_TABLES: Final[dict[str, tuple[str, ...]]] = {
    **_OWN_TABLES,
    **{near: _OWN_TABLES[own] for near, own in NEAR_TABLES.items()},
}

# Thousandths of a natural log-hour: an integer sum of them is exact in any order and on any engine, and the rounding
# (0.05 %) is far below what a mean time to close is good for.
LOG_HOURS_SCALE: Final = 1000


# What the facts mean, as a number: raised whenever the same events give other facts, so that neither an index nor a
# model that was made of the old ones is asked about the new.
FACTS_VERSION: Final = 1


def facts_contract() -> str:
    """What the facts of this version are, as a SHA-256: with the same one, the same events give the same integers."""
    meaning = [FACTS_VERSION, FACT_TABLES, KEY_COLUMNS, STAGES, LOG_HOURS_SCALE]
    return hashlib.sha256(json.dumps(meaning, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Facts:
    """One fact table of n rows, in no particular order.

    Attributes
    ----------
    at : (n,) int64 seconds in UTC; when each fact became known
    keys : DataFrame of n rows with the columns `KEY_COLUMNS`, `category` or `str`, null where unknown. Tables that
        come from the same events share their categories if they have any rows; not every category need occur.
    measures : name -> (n,) int64, the names of `FACT_TABLES`
    """

    at: Int64s
    keys: pd.DataFrame
    measures: dict[str, Int64s]

    def __post_init__(self) -> None:
        sizes = {len(self.at), len(self.keys), *(len(values) for values in self.measures.values())}
        if len(sizes) != 1:
            raise ValueError(f"Expected equally many moments, keys and measures, got {sorted(sizes)}.")


def no_facts(table: str) -> Facts:
    """A fact table without rows."""
    none = np.empty(0, dtype=np.int64)
    # One case has more empty tables than others, and making a frame takes longer than counting it: hence a copy.
    return Facts(none, _NO_KEYS.copy(deep=False), dict.fromkeys(FACT_TABLES[table], none))


_NO_KEYS: Final = pd.DataFrame(
    dict.fromkeys(KEY_COLUMNS, pd.Categorical([], categories=pd.Index([], dtype="str"))), columns=list(KEY_COLUMNS)
)
