"""The landmarks at which outcomes are asked for, and how long each answer is waited for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.errors import InputError
from data.event_log import NEVER, is_near_instant
from features.outcomes.stories import Stories
from features.terms import Int64s

Bools = NDArray[np.bool_]
_Values = TypeVar("_Values", bound=np.generic)

_COLUMNS: Final = ("case_id", "landmark_at", "seen_until", "due_at")


@dataclass(frozen=True, slots=True)
class Wait:
    """How far the story of each case goes, for outcomes that mature at given moments. All arrays have shape (n,).

    Attributes
    ----------
    matures_at : seconds in UTC; `NEVER` where there is nothing to wait for
    until : how far the case is looked at: up to maturity, or as far as it was followed
    followed : whether that is up to maturity, and beyond
    stop : where its events known by `until` end
    fall : where it fell away by then, if that still stood; some position from `stop` on where it did not
    near_instant : whether it was known by then to have been closed within a minute of its opening
    """

    matures_at: Int64s
    until: Int64s
    followed: Bools
    stop: Int64s
    fall: Int64s
    near_instant: Bools


@dataclass(frozen=True, slots=True)
class Asked:
    """n landmarks, sorted by (case, `seen_until`): neighbouring searches then touch neighbouring memory.

    Attributes
    ----------
    order : (n,) where each of them stood as given
    code : (n,) code of the case in `Stories`
    start, first : (n,) the case's events known at the landmark stand from `start` up to and without `first`
    landmark_at, due_at : (n,) seconds in UTC
    followed_until : (n,) seconds in UTC, no later than the as-of
    is_open, is_live : (n,) bool; the state at the landmark. A closed case is live; a fallen one is not, nor is one
        that was not opened yet or is known to have been closed within a minute of its opening.
    """

    order: Int64s
    code: Int64s
    start: Int64s
    first: Int64s
    landmark_at: Int64s
    due_at: Int64s
    followed_until: Int64s
    is_open: Bools
    is_live: Bools

    @classmethod
    def read(
        cls, stories: Stories, landmarks: pd.DataFrame, as_of: int, observed_until: pd.Series | Int64s | None
    ) -> Asked:
        """The landmarks with their places in the stories.

        Raises
        ------
        InputError
            If a column is missing, or a case has no events.
        """
        missing = [name for name in _COLUMNS if name not in landmarks]
        if missing:
            raise InputError(
                f"Expected landmarks with the columns {', '.join(_COLUMNS)}, and '{missing[0]}' is missing. Make them "
                "with `features.landmarks`."
            )
        code, seen = stories.codes_of(landmarks["case_id"]), landmarks["seen_until"].to_numpy("int64")
        order = np.lexsort((seen, code))
        code, seen = code[order], seen[order]
        start, first = stories.before(code, np.zeros_like(code)), stories.before(code, seen)
        opened = stories.is_opened(start, first) & ~_near_instant(stories, start, first)
        is_live = opened & ~stories.has_fallen(start, first)
        return cls(
            order=order,
            code=code,
            start=start,
            first=first,
            landmark_at=landmarks["landmark_at"].to_numpy("int64")[order],
            due_at=landmarks["due_at"].to_numpy("int64")[order],
            followed_until=_followed_until(landmarks["case_id"], as_of, observed_until)[order],
            is_open=is_live & ~stories.is_closed(start, first),
            is_live=is_live,
        )

    @property
    def is_promised(self) -> Bools:
        """Whether there is a promise and it still lies ahead; (n,), bool."""
        return np.asarray((self.due_at > self.landmark_at) & (self.due_at < NEVER))

    def wait(self, stories: Stories, matures_at: Int64s) -> Wait:
        """How far the stories go for outcomes that mature at these moments, (n,) seconds in UTC."""
        until = np.minimum(matures_at, self.followed_until)
        stop = np.maximum(stories.before(self.code, until + 1), self.first)
        return Wait(
            matures_at=matures_at,
            until=until,
            followed=matures_at < self.followed_until,
            stop=stop,
            fall=stories.fall(self.start, stop),
            near_instant=_near_instant(stories, self.start, stop),
        )

    def in_place(self, values: NDArray[_Values]) -> NDArray[_Values]:
        """Values of the sorted landmarks, put in the order in which the landmarks were given."""
        placed = np.empty_like(values)
        placed[self.order] = values
        return placed


def _near_instant(stories: Stories, start: Int64s, stop: Int64s) -> Bools:
    """Whether the first closing, known before `stop`, was within a minute of the opening; shape (n,), bool."""
    opening, closing = stories.next_opening[start], stories.next_closing[start]
    at = np.append(stories.at, 0)  # a position behind the last event: of a case without an opening or a closing
    return np.asarray((closing < stop) & (opening < stop) & is_near_instant(at[opening], at[closing]))


def _followed_until(case_ids: pd.Series, as_of: int, observed_until: pd.Series | Int64s | None) -> Int64s:
    if observed_until is None:
        return np.full(len(case_ids), as_of, dtype=np.int64)
    seen: Any = observed_until
    if isinstance(observed_until, pd.Series):
        # A case that nobody says was lost is taken as followed.
        seen = observed_until.reindex(case_ids).fillna(as_of).to_numpy("int64")
    if len(seen) != len(case_ids):
        raise InputError(
            f"Expected `observed_until` by case, or for each of {len(case_ids):,} landmarks, got {len(seen):,} moments."
        )
    return np.minimum(np.asarray(seen, dtype=np.int64), as_of)
