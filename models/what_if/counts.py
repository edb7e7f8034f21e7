"""How often the like of each action was seen, counted once for all questions.

The landmarks of a history are hundreds of thousands of rows, and all that a what-if asks of them are four numbers.
They are counted when the cases are scored and kept beside the scoring, so that a question about one case is answered
from a table of counts, and no case of the past is looked at again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.errors import FileFormatError
from data.schema import EventKind
from features.case_state import STEPS
from models.what_if.actions import ACTIONS
from models.what_if.support import SCOPES, Like, Support, standing

# What a count is of: scope, its value, how much of the promise has passed, what was done, at which office (None: any).
Point = tuple[str, str, int, str, str | None]

_KINDS: Final = tuple(action.kind for action in ACTIONS.values())
_BY_OFFICE: Final = frozenset(action.kind for action in ACTIONS.values() if action.needs_office)
_ROW: Final = ("outcome", "scope", "value", "standing", "kind", "office", "done", "failed", "others")


@dataclass(frozen=True)
class SupportCounts:
    """The counts of `models.what_if.Support`, for every question that can be asked of it.

    Attributes
    ----------
    counts : outcome -> point -> cases with the action, how many of them were failed, cases without it
    """

    counts: Mapping[str, Mapping[Point, tuple[int, int, int]]]

    @classmethod
    def of(cls, support: Support) -> Self:
        """Count the landmarks of a history."""
        # Texts are compared once here, and not in each of the forty counts.
        keys = {name: support.frame[name].astype("category") for name in (*SCOPES, "office")}
        frame = support.frame.assign(case=pd.factorize(support.frame["case_id"])[0], **keys).drop(columns="case_id")
        return cls({outcome: dict(_counted(frame, value)) for outcome, value in support.values.items()})

    def like(self, after: pd.DataFrame, kind: EventKind, outcome: str, *, office: str | None = None) -> Like:
        """As `Support.like`."""
        points = self.counts.get(outcome)
        found = Like(0, 0, 0, SCOPES[-1] if points is None else SCOPES[0])
        if points is None:
            return found
        place = int(standing(after)[0])
        for scope in SCOPES:
            value = after[scope].iloc[0]
            asked = (scope, str(value), place, kind.value)
            _done, _failed, others = points.get((*asked, None), (0, 0, 0))
            done, failed, _others = points.get((*asked, office), (0, 0, 0))
            found = Like(done, failed, others, scope) if isinstance(value, str) else Like(0, 0, 0, scope)
            if found.is_enough:
                break
        return found

    def to_plain(self) -> dict[str, list[Any]]:
        """As columns of plain values, for a file."""
        rows = [
            (outcome, *point, *numbers)
            for outcome, points in sorted(self.counts.items())
            for point, numbers in sorted(points.items(), key=lambda item: tuple(map(str, item[0])))
        ]
        return {"outcomes": sorted(self.counts), **{name: [row[i] for row in rows] for i, name in enumerate(_ROW)}}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Self:
        """Read such columns.

        Raises
        ------
        FileFormatError
            If they are not as `to_plain` gives them.
        """
        try:
            counts: dict[str, dict[Point, tuple[int, int, int]]] = {name: {} for name in plain["outcomes"]}
            rows = zip(*(plain[name] for name in _ROW), strict=True)
            for outcome, scope, value, place, kind, office, *numbers in rows:
                done, failed, others = (int(number) for number in numbers)
                counts[outcome][(scope, value, int(place), kind, office)] = (done, failed, others)
        except (KeyError, TypeError, ValueError) as error:
            raise FileFormatError("Expected counts of past cases, and they are damaged. Run `heed score`.") from error
        return cls(counts)


def _counted(frame: pd.DataFrame, value: NDArray[np.float64]) -> Iterator[tuple[Point, tuple[int, int, int]]]:
    """Every point of one outcome at which an action, or anything else, was seen."""
    known = ~np.isnan(value)
    seen = frame[known].assign(failed=value[known].astype(np.int64))
    for scope in SCOPES:
        of_scope = seen[seen[scope].notna()]
        for kind in _KINDS:
            yield from _of_kind(of_scope, scope, kind)


def _of_kind(seen: pd.DataFrame, scope: str, kind: EventKind) -> Iterator[tuple[Point, tuple[int, int, int]]]:
    taken = seen["stage"] == STEPS.index(kind)
    # At a point at which nothing could be restarted, not restarting says nothing.
    without = seen[~taken & seen["is_paused"]] if kind == EventKind.RESUMED else seen[~taken]
    by = [scope, "standing"]
    others = without.drop_duplicates([*by, "case"]).groupby(by, observed=True).size()
    done = _first_of_each(seen[taken], by)
    for value, place in sorted({*others.index, *done}):
        numbers = (*done.get((value, place), (0, 0)), int(others.get((value, place), 0)))
        yield (scope, str(value), int(place), kind.value, None), numbers
    if kind in _BY_OFFICE:
        for (value, place, office), (made, failed) in _first_of_each(seen[taken], [*by, "office"]).items():
            yield (scope, str(value), int(place), kind.value, str(office)), (made, failed, 0)


def _first_of_each(taken: pd.DataFrame, by: list[str]) -> dict[Any, tuple[int, int]]:
    """How many cases, each at its first such landmark, and how many of them were failed."""
    first = taken.drop_duplicates([*by, "case"]).groupby(by, observed=True)["failed"].agg(["size", "sum"])
    return {key: (int(done), int(failed)) for key, done, failed in first.itertuples()}
