"""Features of any log of cases with named steps, at every landmark: after each event of each case.

Many bodies keep a log in which each event is a named step (`send letter`, `waiting for papers`) and nothing more is
promised about it. Here are the features that such a log yields without knowing what its steps mean: the case so far,
its deadlines, the office's load and pace, and the record of outcomes that were known by then. Nothing looks at what
came at or after the moment of a landmark, and nothing is kept per handler.
"""

from __future__ import annotations

from features.steps.log import StepLog, StepTask
from features.steps.matrix import remaining_matrix, risk_matrix, step_features
from features.steps.record import Target
from features.steps.vocabulary import StepVocabulary

__all__ = [
    "StepLog",
    "StepTask",
    "StepVocabulary",
    "Target",
    "remaining_matrix",
    "risk_matrix",
    "step_features",
]
