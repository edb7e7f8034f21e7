"""Rows for a back-test from a history: every landmark at which an outcome was possible."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from data.capacity import CAPACITY_SCALE
from data.errors import UsageError
from data.event_log import NEVER
from data.quality.label_trust import TRUSTED
from features.catalogue import FORMULAS
from features.event_index import EventIndex, IndexTerms
from features.facts import facts_from_events
from features.formula import Asked
from features.landmarks import queries_at
from features.matrix import terms_of
from features.starts import share_passed
from models.history import History
from models.learning import columns_of
from models.risk_model import RiskModel
from models.validation.rows import Floats, Labels, Mask, Rows, once_per_case

_OPEN_AT_OFFICE, _OPEN_IN_CATEGORY = "open_office", "open_category"
# An office that most rows don't know yet is no queue to compare by.
_OFFICE_KNOWN = 0.9


def rows_of(history: History, outcome: str = "late", *, capacity: pd.DataFrame | None = None) -> Rows:
    """The landmarks of a history at which an outcome was possible, ready for a back-test.

    Labels are those known before the history's as-of; at a cut, those that were mature then, each believed as far as
    label trust went then. In figures every case counts once, however many landmarks it has.

    Parameters
    ----------
    history : see `models.history.History.build`
    outcome : one of `history.outcomes`, such as `late` or `reopened_28d`
    capacity : changes of what offices can do, as `data.capacity.capacity_changes` gives them; None where not given

    Raises
    ------
    UsageError
        If the history doesn't have that outcome.
    """
    if outcome not in history.outcomes:
        raise UsageError(f"--outcome: expected one of {', '.join(history.outcomes)}, got '{outcome}'.")
    found = history.outcomes[outcome]
    eligible = found.eligible
    inputs = history.inputs.rows(eligible)
    landmarks = inputs.landmarks
    groups = pd.factorize(landmarks["case_id"])[0].astype(np.int64)
    passed = share_passed(landmarks)
    at = landmarks["landmark_at"].to_numpy("int64")
    value = np.where(found.known_before(history.as_of), found.value, np.nan)[eligible]
    return Rows(
        X=inputs.table(outcome),
        y=value,
        at=at,
        matures_at=found.matures_at[eligible],
        groups=groups,
        keys=_keys(landmarks),
        as_of=history.as_of,
        weight=once_per_case(groups),
        start=inputs.starts[outcome].to_numpy(np.float64).sum(axis=1),
        passed=np.where(landmarks["due_at"].to_numpy("int64") < NEVER, passed, np.nan),
        queue=_queue(history, landmarks),
        labels_at=partial(_labels_at, history, landmarks["case_id"], value, found.matures_at[eligible]),
        trusted=_trusted(history, landmarks["case_id"]),
        capacity=None if capacity is None else _capacity(capacity, landmarks["office"], at),
        outcome=outcome,
        time_zone=history.time_zone,
    )


def risk_model_of(history: History, outcome: str = "late", **settings: Any) -> Callable[[], RiskModel]:
    """A factory of the models that `models.learning` makes of an outcome; `settings` of `RiskModel` go before its own.

    What the model learns from is named here; no row of the history is looked at.
    """
    return partial(RiskModel, **columns_of(history.inputs, outcome), **settings)


def _keys(landmarks: pd.DataFrame) -> pd.DataFrame:
    named = {name: landmarks[name].astype("str") for name in ("office", "category", "area", "channel")}
    if "kind" in landmarks and landmarks["kind"].nunique() > 1:
        named["kind"] = landmarks["kind"].astype("str")
    return pd.DataFrame(named)


def _labels_at(history: History, case: pd.Series, value: Floats, matures_at: np.ndarray, moment: int) -> Labels:
    """What a landmark says never changes once it is known; how far it is believed does."""
    judged = history.judged_at(moment)
    if judged is None:
        return Labels(value, matures_at)
    known, trusted = judged
    weight = trusted.weight_of(known[known["case_id"].isin(case)]).reindex(case).fillna(1.0)
    return Labels(value, matures_at, weight.to_numpy(np.float64))


def _trusted(history: History, case: pd.Series) -> Mask | None:
    judged = history.trust_at(history.as_of)
    if judged is None:
        return None
    cases = history.cases[history.cases["case_id"].isin(case)]
    return np.asarray(judged.grade_of(cases).isin(TRUSTED).reindex(case).fillna(False).to_numpy(bool))


def _queue(history: History, landmarks: pd.DataFrame) -> Floats | None:
    """Cases open at the landmark's office, or in its category where offices are mostly not known; (n,)."""
    name = _OPEN_AT_OFFICE if landmarks["office"].notna().mean() >= _OFFICE_KNOWN else _OPEN_IN_CATEGORY
    if not len(landmarks):
        return None
    facts = facts_from_events(history.events, None, history.observed_until)
    index = EventIndex.build(facts, terms_of([name], with_base=False))
    asked = Asked(IndexTerms(index, queries_at(landmarks)), landmarks, history.time_zone)
    return np.asarray(FORMULAS[name](asked), dtype=np.float64)


def _capacity(changes: pd.DataFrame, office: pd.Series, at: np.ndarray) -> Floats | None:
    """What the office could do on a day, as was known strictly before each moment; None where no office has any."""
    found = np.full(len(at), np.nan)
    names = office.to_numpy(dtype=object)
    for name, own in changes.groupby("office", observed=True):
        rows = np.flatnonzero(names == name)
        order = np.argsort(own["at"].to_numpy("int64"), kind="stable")
        level = np.cumsum(own["change"].to_numpy("int64")[order]) / CAPACITY_SCALE
        place = np.searchsorted(own["at"].to_numpy("int64")[order], at[rows], side="left") - 1
        found[rows] = np.where(place >= 0, level[np.maximum(place, 0)], np.nan)
    return None if np.isnan(found).all() else found
