"""Whether the office failed a case in any of several ways."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from data.errors import UsageError
from data.event_log import NEVER
from features.outcomes.record import CENSORED, ENDED, FAILED, Bools, LandmarkOutcome
from features.terms import Int64s


def any_failure(outcomes: Iterable[LandmarkOutcome]) -> LandmarkOutcome:
    """One outcome out of several at the same landmarks: 1 if the office failed in at least one of these ways.

    At a landmark only the parts that are eligible there count. It matures with the last of them, so a promise that lies
    far ahead is waited for. Its value is known where every such part's is, and is then the largest of them. A part that
    stays unknown leaves the whole unknown even where another part failed: of the cases like it, those that did not fail
    would stay unknown, and failures would be all that is known of them.

    For survival work it failed when the first part failed, and it ended otherwise when the last part did. Else it is
    censored: at the first closing that is `unsaid`, or as far as the last undecided part goes.

    Parameters
    ----------
    outcomes : of the same landmarks, each name once, all with the same horizon (`late` has none of its own)

    Raises
    ------
    UsageError
        If there is none, a name comes twice, horizons differ, or they are not of equally many landmarks.
    """
    parts = tuple(outcomes)
    horizon = _common_horizon(parts)
    eligible = np.array([part.eligible for part in parts])
    value = np.array([part.value for part in parts])
    cause = np.array([part.cause for part in parts])
    unsaid = np.array([part.unsaid for part in parts])
    duration = np.array([part.duration for part in parts])
    matures_at = np.array([part.matures_at for part in parts])

    asked = np.asarray(eligible.any(axis=0))
    known = asked & (~eligible | ~np.isnan(value)).all(axis=0)
    failed = (eligible & (cause == FAILED)).any(axis=0)
    ended = asked & (~eligible | (cause == ENDED)).all(axis=0)
    unsaying = np.asarray(unsaid.any(axis=0))
    open_parts = eligible & (cause == CENSORED)
    lasted = np.select(
        [failed, ended, unsaying],
        [_least(duration, cause == FAILED), _most(duration, eligible), _least(duration, unsaid)],
        _most(duration, open_parts),
    )
    lost = np.array([part.censored for part in parts]).any(axis=0)
    waiting = matures_at < NEVER
    return LandmarkOutcome(
        name="any_failure",
        value=np.where(known, failed.astype(np.float64), np.nan),
        matures_at=np.where(waiting.any(axis=0), _most(matures_at, waiting), NEVER),
        eligible=asked,
        horizon=horizon,
        censored=lost & ~failed & ~unsaying,
        unsaid=unsaying,
        duration=lasted,
        cause=np.select([failed, ended], [FAILED, ENDED], CENSORED).astype(np.int8),
    )


def _least(values: Int64s, chosen: Bools) -> Int64s:
    """The least chosen value of each column; `NEVER` where none is."""
    return np.asarray(np.where(chosen, values, NEVER).min(axis=0))


def _most(values: Int64s, chosen: Bools) -> Int64s:
    """The largest chosen value of each column; 0 where none is."""
    return np.asarray(np.where(chosen, values, 0).max(axis=0))


def _common_horizon(parts: tuple[LandmarkOutcome, ...]) -> int | None:
    names = [part.name for part in parts]
    horizons = {part.horizon for part in parts if part.horizon is not None}
    sizes = {len(part) for part in parts}
    if not parts or len(set(names)) < len(names) or len(horizons) > 1 or len(sizes) > 1:
        got = ", ".join(part.column for part in parts) or "none"
        raise UsageError(
            "Expected outcomes of the same landmarks, each once and all with one horizon, got "
            f"{got} of {' and '.join(str(size) for size in sorted(sizes)) or 'no'} landmarks. Choose one horizon."
        )
    return next(iter(horizons), None)
