"""Outcomes as columns beside the features of a matrix."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pandas as pd

from features.outcomes.record import LandmarkOutcome


def outcome_frame(outcomes: Mapping[str, LandmarkOutcome] | Iterable[LandmarkOutcome]) -> pd.DataFrame:
    """Columns for the exported matrix, one row per landmark in the order of the landmarks.

    Parameters
    ----------
    outcomes : as `outcomes_at` gives them, or some of them; of the same landmarks

    Returns
    -------
    DataFrame, for each outcome (say `reopened_28d`)

    - `reopened_28d`: float64, the value; null where it is not known;
    - `reopened_28d_matures_at`: int64 seconds in UTC; `NEVER` where the office could not fail any more;
    - `reopened_28d_eligible`, `reopened_28d_censored`, `reopened_28d_unsaid`: bool;
    - `reopened_28d_duration`: int64 seconds, `reopened_28d_cause`: int8, see `LandmarkOutcome`.
    """
    listed = outcomes.values() if isinstance(outcomes, Mapping) else outcomes
    columns = {}
    for outcome in listed:
        columns[outcome.column] = outcome.value
        for part in ("matures_at", "eligible", "censored", "unsaid", "duration", "cause"):
            columns[f"{outcome.column}_{part}"] = getattr(outcome, part)
    return pd.DataFrame(columns)
