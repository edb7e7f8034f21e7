"""Signals week after week, with one false-discovery rate over all weeks together.

The control of `models.signals.detect` keeps the share of false alarms of each week's list. An office that reads a list
every week for years may want the promise over all of them: of everything it was ever told, at most so much is false.
That costs: the level of a week is then about half of the whole, more after weeks that told much, less after a long
silence. See `models.signals.online_fdr.BatchBH` for the procedure, its source and what it rests on.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
import pandas as pd

from models.signals.counts import WeeklyCounts
from models.signals.detect import assess_series, detect_signals
from models.signals.fdr import Procedure
from models.signals.hierarchy import Groups, Parents
from models.signals.online_fdr import BatchBH
from models.signals.settings import SignalSettings

# A week whose allowance is spent tells nothing, but for what no chance could bring.
_NOTHING: Final = 1e-12


def detect_over_weeks(
    counts: WeeklyCounts,
    state: BatchBH,
    *,
    settings: SignalSettings | None = None,
    parents: Parents | None = None,
    groups: Groups | None = None,
) -> tuple[pd.DataFrame, BatchBH]:
    """Weak signals of the newest complete week, given what all weeks before have told.

    Parameters
    ----------
    state : `BatchBH(alpha=0.10)` in the first week; later what this function returned the week before. To be called
        once a week, in order. `state.to_dict()` is plain numbers, to be kept.
    settings : its `fdr_level` is not used
    parents, groups : as in `detect_signals`. The proof is for series alone; with sums, the filter that keeps them from
        being told twice tells no more than the procedure allows.

    Returns
    -------
    The frame of `detect_signals`, and the state after this week. `fdr_level` is that of all weeks together; the
    q-values are at or below the level of this week, which is lower.
    """
    settings = settings or SignalSettings()
    p = assess_series(counts, settings=settings, parents=parents, groups=groups)["tested_p"].to_numpy(dtype=float)
    tests = int((~np.isnan(p)).sum())
    level = min(state.next_level(tests), state.alpha) if tests else 0.0
    # What the state accounts for is Benjamini and Hochberg's choice; no other may tell more than that.
    procedure: Procedure = "by" if settings.procedure == "by" else "bh"
    this_week = replace(settings, fdr_level=max(level, _NOTHING), procedure=procedure)
    found = detect_signals(counts, settings=this_week, parents=parents, groups=groups)
    after = state.step(p)[0]
    if tests:
        # Sums that finer signals explain are rejected and not told: only what is told may earn for later weeks.
        earned = min(after.rejections[-1], len(found))
        after = replace(after, rejections=(*after.rejections[:-1], earned))
    return found.assign(fdr_level=state.alpha), after
