"""The matrix of a log: one row for each landmark, which is the moment after an event."""

from __future__ import annotations

import re
from collections.abc import Iterable

import pandas as pd

from features.steps.log import StepLog
from features.steps.office import load, pace
from features.steps.record import Follow, Target, record
from features.steps.so_far import attributes_so_far, static_of, steps_so_far, times_so_far
from features.steps.vocabulary import StepVocabulary


def step_features(log: StepLog, vocabulary: StepVocabulary, target: Target | None = None) -> pd.DataFrame:
    """Features of every landmark of a log.

    Of its own case a landmark knows the events up to and including its own; of all others what happened strictly
    before its second.

    Parameters
    ----------
    log : n events
    vocabulary : which steps and levels have columns; learned from the training part
    target : whose record is kept; without one, neither record nor pace are among the features

    Returns
    -------
    DataFrame with n rows in the order of the log: float64 (NaN where nothing is known) and category columns. Times are
    in days unless the name says otherwise.
    """
    columns: dict[str, object] = {}
    for part in (steps_so_far, times_so_far, attributes_so_far, static_of):
        columns.update(part(log, vocabulary))
    columns.update(load(log))
    if target is not None:
        columns.update(pace(log, target))
        columns.update(record(log, target))
    return pd.DataFrame(dict(zip(_plain(columns), columns.values(), strict=True)))


def risk_matrix(
    log: StepLog, task: str, vocabulary: StepVocabulary, *, follow: Follow = "rolling", frozen_at: int | None = None
) -> pd.DataFrame:
    """Features of a task's landmarks, with the record of its outcomes; see `step_features` and `Target`."""
    return step_features(log, vocabulary, Target.of_task(log, log.task(task), vocabulary.settles, follow, frozen_at))


def remaining_matrix(
    log: StepLog, vocabulary: StepVocabulary, *, follow: Follow = "rolling", frozen_at: int | None = None
) -> pd.DataFrame:
    """Features of all landmarks, with the record of the time that remained."""
    return step_features(log, vocabulary, Target.of_remaining(log, vocabulary.settles, follow, frozen_at))


def _plain(names: Iterable[str]) -> list[str]:
    """Names that every learner takes: letters, digits and underscores, no two alike."""
    taken: dict[str, int] = {}
    plain = []
    for name in names:
        short = re.sub(r"\W+", "_", name).strip("_") or "column"
        taken[short] = taken.get(short, 0) + 1
        plain.append(short if taken[short] == 1 else f"{short}_{taken[short]}")
    return plain


__all__ = ["remaining_matrix", "risk_matrix", "step_features"]
