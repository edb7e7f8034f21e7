"""What became of past cases like one: counts, worked out once for all cases, and never a record.

A case that has waited five days is compared with cases that had waited five days as well: those answered sooner tell
nothing about it any more. Each past case is therefore looked at again at each of `WAITED` days after its opening, as it
stood then (its type, its office, whether it was open), and counts there once what became of it is known. The future
has no say: an outcome counts when it had matured strictly before the as-of, and only of cases that were followed so
far.

What is told of it is coarse on purpose. Counts under ten are never told, neither of the failed nor of the others, and
all others to the nearest five, so that one case more or less in tomorrow's answer gives no case away.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.errors import FileFormatError
from data.event_log import NEVER, known_before
from features.case_state import CaseStates
from features.outcomes import LANDMARK_OUTCOMES, outcomes_at

_DAY: Final = 86_400
# Days that a case has waited, at which past cases are looked at.
WAITED: Final = (0, 1, 2, 3, 5, 7, 10, 14, 21, 30, 45, 60, 90, 120, 180, 365)
# Older cases were dealt with by other people under other rules.
LOOK_BACK: Final = 3 * 365 * _DAY
# With fewer, a share says little: cases further off are taken with them.
FEWEST: Final = 30
SMALL_CELL: Final = 10
ROUNDED_TO: Final = 5

Scope = Literal["type_at_office", "type", "group"]
SCOPES: Final[tuple[Scope, ...]] = ("type_at_office", "type", "group")
Few = Literal["few", "all_but_few"]
_Key = tuple[Scope, str, str, int]
_ROW: Final = ("outcome", "scope", "value", "office", "waited", "cases", "failed")


@dataclass(frozen=True, slots=True)
class SimilarTold:
    """What may be told of past cases like one, for one outcome.

    Attributes
    ----------
    outcome : `late`, `unresolved_28d`, …
    cases : how many there were, to the nearest five; None: fewer than ten
    failed : how many of them were failed in this way, to the nearest five; None where one of the parts is under ten
    few : which part that is: `few` failed, or `all_but_few`; None where both are told, or nothing is
    """

    outcome: str
    cases: int | None
    failed: int | None
    few: Few | None


@dataclass(frozen=True, slots=True)
class Similar:
    """What became of past cases like one.

    Attributes
    ----------
    scope : which cases are like it: of its type at its office, of its type at all offices, of its group of types
    waited : days that all of them had waited at least
    told : one for each outcome, in the order of the question
    """

    scope: Scope
    waited: int
    told: tuple[SimilarTold, ...]


@dataclass(frozen=True)
class SimilarCounts:
    """Counts of past cases.

    Attributes
    ----------
    counts : outcome -> (scope, type or group, office or "", days waited) -> cases, and how many of them were failed
    """

    counts: Mapping[str, Mapping[_Key, tuple[int, int]]]

    @classmethod
    def of(cls, events: pd.DataFrame, *, as_of: int, observed_until: pd.Series | None = None) -> Self:
        """Count what was known strictly before `as_of` (int64 seconds in UTC).

        Parameters
        ----------
        events : event frame, see `data.schema.EVENT_COLUMNS`, in any order
        observed_until : how far each case was followed, by `case_id`; None: up to `as_of`
        """
        known = known_before(events, as_of)
        frame = _landmarks(known, as_of)
        if frame.empty:
            return cls({})
        found = outcomes_at(known, frame, as_of=as_of, observed_until=observed_until, names=LANDMARK_OUTCOMES)
        counts = {name: dict(_counted(frame, outcome.value)) for name, outcome in found.items()}
        return cls({name: listed for name, listed in counts.items() if listed})

    def similar(
        self,
        outcomes: tuple[str, ...],
        *,
        category: str | None,
        category_group: str | None,
        office: str | None,
        seconds: int,
    ) -> Similar | None:
        """What became of cases like one that has waited so many seconds; None where there were too few.

        The narrowest scope with thirty cases for the first outcome is taken, for all of them.
        """
        waited = max((days for days in WAITED if days * _DAY <= seconds), default=0)
        for scope in SCOPES:
            value = category_group if scope == "group" else category
            if value is None or (scope == "type_at_office" and office is None):
                continue
            key: _Key = (scope, value, office or "" if scope == "type_at_office" else "", waited)
            if outcomes and self._counts(outcomes[0], key)[0] >= FEWEST:
                return Similar(scope, waited, tuple(_told(name, *self._counts(name, key)) for name in outcomes))
        return None

    def _counts(self, outcome: str, key: _Key) -> tuple[int, int]:
        return self.counts.get(outcome, {}).get(key, (0, 0))

    def to_plain(self) -> dict[str, list[Any]]:
        """As columns of plain values, for a file."""
        rows = [
            (outcome, *key, *numbers)
            for outcome, found in sorted(self.counts.items())
            for key, numbers in sorted(found.items())
        ]
        return {name: [row[place] for row in rows] for place, name in enumerate(_ROW)}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Self:
        """Read such columns.

        Raises
        ------
        FileFormatError
            If they are not as `to_plain` gives them.
        """
        counts: dict[str, dict[_Key, tuple[int, int]]] = {}
        try:
            for outcome, scope, value, office, waited, cases, failed in zip(*(plain[one] for one in _ROW), strict=True):
                counts.setdefault(outcome, {})[(scope, value, office, int(waited))] = (int(cases), int(failed))
        except (KeyError, TypeError, ValueError) as error:
            raise FileFormatError("Expected counts of past cases, and they are damaged. Run `heed score`.") from error
        return cls(counts)


def _landmarks(known: pd.DataFrame, as_of: int) -> pd.DataFrame:
    """Each case as it stood at each of `WAITED`, where it was open then."""
    states = CaseStates.of(known)
    newest = np.append(states.case[1:] != states.case[:-1], True) if len(states.case) else np.zeros(0, dtype=bool)
    opened, opened_known = (states.column(name)[newest] for name in ("opened_at", "opened_known_at"))
    recent = (opened_known < NEVER) & (opened >= as_of - LOOK_BACK)
    ids = pd.Series(states.case_ids)[recent]
    opened, opened_known = opened[recent], opened_known[recent]
    parts = []
    for days in WAITED:
        at = opened_known if days == 0 else opened + days * _DAY
        seen_until = at + (days == 0)
        asked = (seen_until > opened_known) & (at < as_of)
        moments = {"landmark_at": at[asked], "seen_until": seen_until[asked], "waited": days}
        parts.append(pd.DataFrame({"case_id": ids.to_numpy()[asked], **moments}))
    frame = pd.concat(parts, ignore_index=True)
    places = states.places_before(frame["case_id"], frame["seen_until"].to_numpy("int64"))
    is_open = states.column("is_open")[places]
    state = states.frame(places[is_open])[["category", "category_group", "office", "due_at"]]
    return pd.concat([frame[is_open].reset_index(drop=True), state], axis=1)


def _counted(frame: pd.DataFrame, value: NDArray[np.float64]) -> Iterator[tuple[_Key, tuple[int, int]]]:
    known = ~np.isnan(value)
    seen = frame[known].assign(failed=value[known].astype(np.int64))
    for scope in SCOPES:
        column = "category_group" if scope == "group" else "category"
        by = [column, *(["office"] if scope == "type_at_office" else []), "waited"]
        found = seen.groupby(by, observed=True)["failed"].agg(["size", "sum"])
        for key, cases, failed in found.itertuples():
            office = str(key[1]) if scope == "type_at_office" else ""
            yield (scope, str(key[0]), office, int(key[-1])), (int(cases), int(failed))


def _told(outcome: str, cases: int, failed: int) -> SimilarTold:
    if cases < SMALL_CELL:
        return SimilarTold(outcome, None, None, None)
    few: Few | None = None
    if min(failed, cases - failed) < SMALL_CELL:
        few = "few" if failed < SMALL_CELL else "all_but_few"
        # Both parts may be small: then neither word would tell the truth without telling too much.
        if cases - failed < SMALL_CELL and failed < SMALL_CELL:
            return SimilarTold(outcome, _rounded(cases), None, None)
    return SimilarTold(outcome, _rounded(cases), None if few else _rounded(failed), few)


def _rounded(count: int) -> int:
    return ROUNDED_TO * round(count / ROUNDED_TO)
