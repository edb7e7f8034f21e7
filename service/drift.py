"""Drift, worked out at each scoring and stored with its risks: what was told against what came, and how inputs moved.

Nothing that became known at the moment of the scoring or later is used: an outcome counts once it was mature before it,
and the risks it is held against were stored by earlier scorings with the same version of the models. All figures are of
the whole city; there is no office, no area and no case among them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sqlalchemy import select

from data import tables
from data.store import Store
from data.store_tables import frame_of
from features.landmarks import landmarks_now
from features.outcomes import LANDMARK_OUTCOMES, outcomes_at
from features.risk_inputs import RiskInputs
from models.drift import Move, Told, moved, told_against_came
from models.drift.material import INPUTS, RISK
from models.failures import FailureModels
from service.known import Known

Floats = NDArray[np.float64]

TOLD: Final = "told"
GAP: Final = "gap"
# Earlier scorings that are held against what came; more of them say little more of the same cases.
MOST_SCORINGS: Final = 12
_COLUMNS: Final = tuple(column.name for column in tables.model_drift.columns)


@dataclass(frozen=True)
class Drift:
    """The drift of one version, as its newest scoring found it.

    Attributes
    ----------
    as_of : int64 seconds in UTC
    told : outcome -> what was told against what came
    risks : outcome -> how the risks themselves have moved
    inputs : how each feature has moved, those that moved most first; empty where the version kept no material
    """

    as_of: int
    told: Mapping[str, Told]
    risks: Mapping[str, Move]
    inputs: tuple[Move, ...]


def drift_rows(
    store: Store,
    models: FailureModels,
    version: str,
    known: Known,
    inputs: RiskInputs,
    told: Mapping[str, Floats],
) -> pd.DataFrame:
    """Rows of `data.tables.model_drift`.

    Parameters
    ----------
    known : what was known at the scoring
    inputs : of its n open cases
    told : outcome -> (n,) risks, NaN where there is none
    """
    rows = [*_told_rows(store, models, version, known)]
    if models.material is not None:
        for outcome, moves in moved(models.material, inputs, told).items():
            rows += [(outcome, one.measure, one.n, one.index, None, one.limit, one.by_chance) for one in moves]
    frame = pd.DataFrame(rows, columns=["outcome", "measure", "n", "value", "lower", "upper", "reference"])
    figures = ["value", "lower", "upper", "reference"]
    frame[figures] = frame[figures].astype("float64")
    return frame.assign(as_of=known.as_of, model_version=version, n=frame["n"].astype("int64"))[[*_COLUMNS]]


def _told_rows(store: Store, models: FailureModels, version: str, known: Known) -> Iterator[tuple[object, ...]]:
    earlier = _earlier(store, version, known.as_of)
    mature = matured(earlier, known.events, known.as_of, known.observed_until, models.outcomes)
    for outcome in models.outcomes:
        own = mature[mature["outcome"] == outcome]
        cases = pd.factorize(own["case_id"])[0].astype(np.int64)
        found = told_against_came(own["probability"].to_numpy(np.float64), own["came"].to_numpy(np.float64), cases)
        yield outcome, TOLD, found.cases, found.came, found.lower, found.upper, found.told
        yield outcome, GAP, found.cases, found.gap, None, found.gap_by_chance, None


def _earlier(store: Store, version: str, before: int) -> pd.DataFrame:
    """What earlier scorings by a version told: `case_id`, `outcome`, `as_of`, `probability`."""
    row = tables.risk.c
    moments = (
        select(row.as_of).where(row.model_version == version, row.as_of < before).distinct().order_by(row.as_of.desc())
    )
    with store.reading() as connection:
        found = list(connection.scalars(moments))
        step = -(-len(found) // MOST_SCORINGS) if found else 1
        query = select(row.case_id, row.outcome, row.as_of, row.probability).where(
            row.model_version == version, row.as_of.in_(found[::step])
        )
        return frame_of(connection, query)


def matured(
    earlier: pd.DataFrame, events: pd.DataFrame, moment: int, observed_until: pd.Series, outcomes: Iterable[str]
) -> pd.DataFrame:
    """Those of some risks whose outcome was mature before a moment, with what `came`: 1 failed, 0 not.

    A case that was overdue already was no risk of being late: at its moment that outcome was not possible.

    Parameters
    ----------
    earlier : DataFrame with `case_id`, `outcome`, `as_of` (int64 seconds in UTC) and whatever comes along
    events : what was known before the moment of the cases among them, or of more
    moment : int64 seconds in UTC
    observed_until : how far each case was followed, int64 seconds in UTC by `case_id`
    outcomes : names, with their horizon
    """
    outcomes = list(outcomes)
    parts = [pd.DataFrame(columns=[*earlier.columns, "came"])]
    names = [name for name in LANDMARK_OUTCOMES if any(one.startswith(name) for one in outcomes)]
    for as_of, told in earlier.groupby("as_of"):
        marks = landmarks_now(events, int(str(as_of)))
        marks = marks[marks["case_id"].isin(told["case_id"])].reset_index(drop=True)
        if marks.empty or not names:
            continue
        found = outcomes_at(events, marks, as_of=moment, observed_until=observed_until, names=names)
        for column in set(outcomes) & set(found):
            one = found[column]
            came = np.where(one.known_before(moment) & one.eligible, one.value, np.nan)
            labels = pd.Series(came, index=marks["case_id"].to_numpy())
            own = told[told["outcome"] == column]
            parts.append(own.assign(came=own["case_id"].map(labels)).dropna(subset=["came"]))
    return pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)


def read_drift(store: Store, version: str) -> Drift | None:
    """The drift of a version, as its newest scoring found it; None where none did."""
    frame = store.read_drift(version)
    if frame.empty:
        return None
    plain = frame.astype("object").where(frame.notna(), None)
    rows = [dict(zip(_COLUMNS, values, strict=True)) for values in plain[[*_COLUMNS]].itertuples(index=False)]
    told, gaps = ({str(one["outcome"]): one for one in rows if one["measure"] == name} for name in (TOLD, GAP))
    moves = [(str(one["outcome"]), _move(one)) for one in rows if one["measure"] not in (TOLD, GAP)]
    inputs = [move for outcome, move in moves if outcome == INPUTS]
    return Drift(
        int(frame["as_of"].iloc[0]),
        {name: _told(one, gaps.get(name, {})) for name, one in told.items()},
        {outcome: move for outcome, move in moves if outcome != INPUTS and move.measure == RISK},
        tuple(sorted(inputs, key=_most_moved)),
    )


def _most_moved(move: Move) -> tuple[int, float, str]:
    order = ("moved_much", "moved", "stable", "unknown")
    return order.index(move.level), -(move.index or 0.0) + (move.by_chance or 0.0), move.measure


def _told(row: Mapping[str, object], gap: Mapping[str, object]) -> Told:
    return Told(
        int(str(row["n"])),
        _figure(row["reference"]),
        _figure(row["value"]),
        _figure(row["lower"]),
        _figure(row["upper"]),
        _figure(gap.get("value")),
        _figure(gap.get("upper")),
    )


def _move(row: Mapping[str, object]) -> Move:
    return Move(
        str(row["measure"]),
        int(str(row["n"])),
        _figure(row["value"]),
        _figure(row["reference"]),
        _figure(row["upper"]),
    )


def _figure(value: object) -> float | None:
    return None if value is None else float(str(value))
