"""Facts that come from no case: what inspections found, and how much an office can do in a day."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd

from data.errors import InputError
from data.schema import Severity
from features.facts.codes import Coded, coded, nulls
from features.facts.tables import KEY_COLUMNS, Facts, no_facts

_SEVERITY: Final = list(Severity)
_SERIOUS: Final = _SEVERITY.index(Severity.SERIOUS)
_DANGEROUS: Final = _SEVERITY.index(Severity.DANGEROUS)

CAPACITY_COLUMNS: Final = ("office", "at", "change")


def findings(inspections: pd.DataFrame | None) -> Facts:
    """Inspections of places and assets, under the area and the type of problem that such findings announce.

    `inspections` has `area`, `related_category`, `known_at` (int64 seconds in UTC) and `severity` (0 to 3).
    """
    if inspections is None or inspections.empty:
        return no_facts("findings")
    severity = inspections["severity"].to_numpy("int64")
    measures = {
        "n": np.ones(len(severity), dtype=np.int64),
        "serious": (severity >= _SERIOUS).astype(np.int64),
        "dangerous": (severity >= _DANGEROUS).astype(np.int64),
    }
    keys = {"category": coded(inspections["related_category"]), "area": coded(inspections["area"])}
    return Facts(inspections["known_at"].to_numpy("int64"), _keys(keys, len(severity)), measures)


def capacity(changes: pd.DataFrame | None) -> Facts:
    """Changes of what offices can do, as they became known.

    Parameters
    ----------
    changes : DataFrame with `office`; `at`, int64 seconds in UTC, when the change was known and in force; `change`,
        int64 thousandths of a case per working day, added to what stood before

    Raises
    ------
    InputError
        If a column is missing, or a moment or a change is no whole number.
    """
    if changes is None:
        return no_facts("capacity")
    missing = [name for name in CAPACITY_COLUMNS if name not in changes.columns]
    if missing:
        raise InputError(
            f"Expected capacity with the columns {', '.join(CAPACITY_COLUMNS)}, and '{missing[0]}' is missing. "
            "Give each change of an office's capacity one row."
        )
    if changes.empty:
        return no_facts("capacity")
    for name in ("at", "change"):
        if not pd.api.types.is_integer_dtype(changes[name]) or changes[name].isna().any():
            raise InputError(
                f"Expected whole numbers in '{name}' of the capacity, got '{changes[name].dtype}' or nulls. "
                "Moments are seconds in UTC, changes thousandths of a case per working day."
            )
    keys = _keys({"office": coded(changes["office"])}, len(changes))
    return Facts(changes["at"].to_numpy("int64"), keys, {"capacity": changes["change"].to_numpy("int64")})


def _keys(known: dict[str, Coded], n: int) -> pd.DataFrame:
    nothing = nulls(n).column()
    return pd.DataFrame({name: known[name].column() if name in known else nothing for name in KEY_COLUMNS})
