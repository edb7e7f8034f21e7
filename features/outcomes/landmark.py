"""Four outcomes at every landmark of a case's life, with competing ends and censoring.

Every outcome asks one question at a landmark L and waits for the answer until M, the moment at which it matures:

    late         M = the promise that stands at L. Failed: nothing was answered by M. An answer is the first closing
                 after L, or being called a duplicate. A promise that is extended after L rescues nobody: an office
                 could otherwise make its late cases disappear, and at L nobody knows of the extension. Landmarks after
                 it go by the new promise. Asked where the case is open and the promise still lies ahead.
    unresolved   M = L + horizon. Failed: the next closing ends the case for a reason in `UNSOLVED_REASONS`. A reason
                 that is corrected by M counts as corrected. Asked where the case is open.
    reopened     M = L + horizon. Failed: the case is reopened after a closing. At an open case's landmark it has to be
                 closed first, within the same horizon: counting from the closing instead would let the future decide
                 when the outcome matures. At the landmark of a closing it is the usual "reopened within 28 days".
                 Asked where the case has not fallen away.
    handed_up    M = L + horizon. Failed: the case goes up a tier, before or after it is closed and reopened.
                 Asked where the case is open.

**Competing ends.** What makes a failure impossible is neither a failure nor a loss from sight (Aalen and Johansen 1978;
Fine and Gray 1999): the case falls away (withdrawn, duplicate); for `late` it is answered in time; for `unresolved` its
next closing leaves nothing to solve. Its value is 0 and it stays in the denominator, so that the mean of the values
estimates the cumulative incidence P(failed by M), the chance that somebody at L is asking for; nobody knows at L that
the case will be withdrawn, and leaving such cases out would be choosing by what came later. A closing is no competing
end of `reopened` (it is the way there) nor of `handed_up`: a closed case can be reopened and then go up. A falling-away
that was taken back (reopened) by M was an error in the record and ends nothing.

**What is seen.** A case's own events count by `known_at`: those before `seen_until` are known at the landmark, those up
to M decide. What becomes known after M changes nothing any more, a closing entered late or dated back no more than
others. So a value never changes once it is known, and a model made at a cut learns the same labels from the history
as it was then and from the history as it is now. The facts of promises (`features.facts`) count in the same way. `at`
is used for one thing, whether a closing was near-instant.

**Censoring.** A value is known if the as-of and the last look at the case both lie after M, and else not known,
whatever was seen on the way. Counting failures that were seen in a case that was lost later would count failures
only. `duration` and `cause` keep what was seen, for methods that know what to do with it.

Whether a source records reopenings, hand-ups or reasons at all is not judged here. An export of last states shows no
hand-up, and the zeros of a whole source say nothing about its offices; where it gives no reasons, `unsaid` says so.

References
----------
Aalen and Johansen (1978), Scand. J. Statist. 5:141. Fine and Gray (1999), J. Am. Statist. Assoc. 94:496.
van Houwelingen (2007), Scand. J. Statist. 34:70, for landmarks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from data.errors import UsageError
from data.event_log import NEVER
from data.schema import ClosingReason
from features.outcomes.asked import Asked, Wait
from features.outcomes.reasons import SETTLING_REASONS, UNSOLVED_REASONS
from features.outcomes.record import CENSORED, ENDED, FAILED, Bools, LandmarkOutcome
from features.outcomes.stories import Stories
from features.terms import Int64s

# Days after the landmark: how long the outcomes without a promise of their own are waited for.
HORIZONS: Final = (28,)
HORIZON_CHOICES: Final = (7, 28, 91)

_DAY: Final = 86_400


def outcomes_at(
    events: pd.DataFrame,
    landmarks: pd.DataFrame,
    *,
    as_of: int,
    observed_until: pd.Series | Int64s | None = None,
    horizons: Sequence[int] = HORIZONS,
    names: Sequence[str] | None = None,
) -> dict[str, LandmarkOutcome]:
    """Outcomes of n landmarks, as far as they were known strictly before `as_of`.

    Parameters
    ----------
    events : event frame, see `data.schema.EVENT_COLUMNS`, in any order; later events are not read
    landmarks : DataFrame of n rows with `case_id`, `landmark_at`, `seen_until` (own events known before it are known at
        the landmark) and `due_at` (the promise as it stands at the landmark; `NEVER` for none), int64 seconds in UTC
    as_of : int64 seconds in UTC
    observed_until : how far each case was followed, see `data.observation`: Series of seconds in UTC by `case_id`, or
        (n,) by landmark; None: every case up to `as_of`
    horizons : in days; `HORIZON_CHOICES` are usual
    names : some of `LANDMARK_OUTCOMES`; None for all

    Returns
    -------
    dict, column name -> `LandmarkOutcome`, one for each outcome and horizon: "late", "unresolved_28d", …
        `late` has the promise as its horizon, and is there once.

    Raises
    ------
    UsageError
        If there is no such outcome, or a horizon is not a whole number of days above 0.
    InputError
        If `landmarks` lacks a column, or has a case without events.
    """
    chosen = _known_names(LANDMARK_OUTCOMES if names is None else names)
    days = _whole_days(horizons)
    stories = Stories.read(events, as_of)
    asked = Asked.read(stories, landmarks, as_of, observed_until)
    found: list[LandmarkOutcome] = []
    if "late" in chosen:
        found.append(_outcome("late", None, stories, asked, asked.wait(stories, asked.due_at)))
    for horizon in days:
        # One search serves all outcomes of a horizon.
        wait = asked.wait(stories, asked.landmark_at + horizon * _DAY)
        found += [_outcome(name, horizon * _DAY, stories, asked, wait) for name in chosen if name != "late"]
    return {outcome.column: outcome for outcome in sorted(found, key=lambda outcome: chosen.index(outcome.name))}


@dataclass(frozen=True, slots=True)
class _Course:
    """When each case failed, ended otherwise, or was closed without saying how: seconds in UTC, `NEVER` for not seen.

    At most one of the three is seen.
    """

    failed_at: Int64s
    ended_at: Int64s
    unsaid_at: Int64s


@dataclass(frozen=True, slots=True)
class _Definition:
    """An outcome: where it is asked, by what was known at the landmark, and what became of it."""

    asked: Callable[[Asked], Bools]
    course: Callable[[Stories, Asked, Wait], _Course]


def _late(stories: Stories, asked: Asked, wait: Wait) -> _Course:
    answer = np.minimum(stories.next_closing[asked.first], wait.fall)
    ended_at = stories.known_where(answer, wait.stop)
    failed_at = np.where((ended_at == NEVER) & wait.followed, wait.matures_at, NEVER)
    return _Course(failed_at, ended_at, np.full_like(ended_at, NEVER))


def _unresolved(stories: Stories, asked: Asked, wait: Wait) -> _Course:
    closing = stories.next_closing[asked.first]
    # What stands is the newest reason that the same closing, or a correction of it, gave: up to the next reopening.
    until = np.minimum(stories.next_reopening[closing], wait.stop)
    said = stories.last_reason[until]
    reason = np.where(said >= closing, np.append(stories.reason, _UNSAID)[said], _UNSAID)
    closed_at = np.where(closing < wait.fall, stories.known_where(closing, wait.stop), NEVER)
    fell_at = np.where(closing < wait.fall, NEVER, stories.known_where(wait.fall, wait.stop))
    return _Course(
        np.where(_UNSOLVED[reason], closed_at, NEVER),
        np.minimum(np.where(_SETTLED[reason], closed_at, NEVER), fell_at),
        np.where(_UNSOLVED[reason] | _SETTLED[reason], NEVER, closed_at),
    )


def _reopened(stories: Stories, asked: Asked, wait: Wait) -> _Course:
    return _first_of(stories, stories.next_undone_closing[asked.first], wait)


def _handed_up(stories: Stories, asked: Asked, wait: Wait) -> _Course:
    return _first_of(stories, stories.next_hand_up[asked.first], wait)


def _first_of(stories: Stories, failure: Int64s, wait: Wait) -> _Course:
    """A failure that only a falling-away can forestall."""
    fails = failure < wait.fall
    return _Course(
        np.where(fails, stories.known_where(failure, wait.stop), NEVER),
        np.where(fails, NEVER, stories.known_where(wait.fall, wait.stop)),
        np.full_like(failure, NEVER),
    )


# By place in `ClosingReason`, and one more for a reason that is not given: -1, the last.
_UNSAID: Final = -1
_UNSOLVED: Final = np.array([*(reason in UNSOLVED_REASONS for reason in ClosingReason), False])
_SETTLED: Final = np.array([*(reason in SETTLING_REASONS for reason in ClosingReason), False])

_DEFINITIONS: Final[dict[str, _Definition]] = {
    "late": _Definition(lambda asked: asked.is_open & asked.is_promised, _late),
    "unresolved": _Definition(lambda asked: asked.is_open, _unresolved),
    "reopened": _Definition(lambda asked: asked.is_live, _reopened),
    "handed_up": _Definition(lambda asked: asked.is_open, _handed_up),
}
LANDMARK_OUTCOMES: Final = tuple(_DEFINITIONS)


def _outcome(name: str, horizon: int | None, stories: Stories, asked: Asked, wait: Wait) -> LandmarkOutcome:
    """One outcome at the landmarks as they were given."""
    definition = _DEFINITIONS[name]
    possible = definition.asked(asked)
    eligible = possible & ~wait.near_instant
    course = definition.course(stories, asked, wait)
    failed, ended = eligible & (course.failed_at < NEVER), eligible & (course.ended_at < NEVER)
    unsaid = eligible & (course.unsaid_at < NEVER)
    known = eligible & wait.followed & ~unsaid
    decided_at = np.minimum(np.minimum(course.failed_at, course.ended_at), course.unsaid_at)
    duration = np.maximum(np.minimum(decided_at, wait.until) - asked.landmark_at, 0)
    cause = np.select([failed, ended], [FAILED, ENDED], CENSORED)
    return LandmarkOutcome(
        name=name,
        value=asked.in_place(np.where(known, failed.astype(np.float64), np.nan)),
        matures_at=asked.in_place(np.where(possible, wait.matures_at, NEVER)),
        eligible=asked.in_place(eligible),
        horizon=horizon,
        censored=asked.in_place(eligible & ~wait.followed & ~failed & ~ended & ~unsaid),
        unsaid=asked.in_place(unsaid),
        duration=asked.in_place(np.where(eligible, duration, 0)),
        cause=asked.in_place(cause.astype(np.int8)),
    )


def _known_names(names: Iterable[str]) -> tuple[str, ...]:
    chosen = tuple(dict.fromkeys(names))
    for name in chosen:
        if name not in _DEFINITIONS:
            raise UsageError(f"Expected outcomes out of {', '.join(LANDMARK_OUTCOMES)}, got '{name}'.")
    return chosen


def _whole_days(horizons: Iterable[int]) -> tuple[int, ...]:
    days = tuple(dict.fromkeys(horizons))
    for horizon in days:
        if horizon != int(horizon) or horizon <= 0:
            raise UsageError(f"Expected horizons in whole days above 0, such as 7, 28 or 91, got {horizon}.")
    return tuple(int(horizon) for horizon in days)
