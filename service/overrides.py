"""How offices judged cases otherwise than the risks, and what came of those cases: counts of the whole city.

There is no area, no office and nobody who noted it among them. What is told is coarse on purpose: of each way to divide
the cases, counts under the minimum stay back, with as many others as it takes that none follows from the sum
(`service.disclosure.disclose`); all others are told to the nearest five, so that one mark more or less seldom shows.
A mark says nothing of which outcome it is about, so that each is asked what came of it in every way to fail.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import pandas as pd
from sqlalchemy import Connection, Select, and_, func, select

from data import tables
from data.event_log import fold_cases
from data.observation import observed_until
from data.store import Store
from data.store_append import read_log
from data.store_tables import frame_of
from features.facts import opened_only
from service._disclosure_rules import Rules, suppressed
from service.disclosure import MINIMUM, disclose
from service.drift import matured
from service.marks import OVERRIDE_REASONS, OVERRIDES
from service.open_case import OUTCOME
from service.published import Figure

Few = Literal["few", "all_but_few"]
Nearer = Literal["office", "risk", "open"]

ROUNDED_TO: Final = 5
BANDS: Final = ("high", "medium", "low")
# Of a case that no scoring before the mark told of, or that is of no known type.
UNKNOWN: Final = "unknown"
# How far what came lies from what was told before chance explains it in fewer than one of twenty cases.
_BEYOND_CHANCE: Final = 1.96
_CASES: Final = 500
_MARK: Final = tables.case_mark.c
_RISK: Final = tables.risk.c


@dataclass(frozen=True, slots=True)
class CameOf:
    """What came of the cases that were judged otherwise in one way, as far as that is mature.

    Attributes
    ----------
    choice : how the offices saw them, of `service.marks.OVERRIDES`
    outcome : in which way to fail
    cases : how many, to the nearest five; None: fewer than the minimum
    failed : of those, failed in this way; None where they, or the others, are under the minimum
    few : which of the two that is; None where neither is, or nothing is told
    told : how many the risks made of it that stood when it was noted, to the nearest five; None as `cases`
    nearer : whether the offices or the risks proved right, where both counts are told: `office` where what came lies
        beyond chance on their side of what was told, `risk` on the other, else `open`
    """

    choice: str
    outcome: str
    cases: int | None
    failed: int | None
    few: Few | None
    told: int | None
    nearer: Nearer | None


@dataclass(frozen=True, slots=True)
class Overrides:
    """All cases that are marked as judged otherwise: how many, by what, and what came of them.

    `by`: `choice`, `reason`, `band` (of the risk that the list went by, when it was noted) and `category`, each from
    code to its count.
    """

    minimum: int
    cases: Figure
    by: Mapping[str, Mapping[str, Figure]]
    came: tuple[CameOf, ...]


def read_overrides(store: Store, as_of: int, *, minimum: int = MINIMUM) -> Overrides:
    """The cases that are judged otherwise today, with what had become of them strictly before `as_of` (seconds in UTC).

    The newest step of a case's mark counts; one that was taken back is none.
    """
    with store.reading() as connection:
        marks = frame_of(connection, _marks())
        told = frame_of(connection, _told())
        events = _events(connection, sorted(marks["case_id"]), as_of)
    seen = observed_until(store, cases=sorted(marks["case_id"])).clip(upper=as_of)
    late = told[told["outcome"] == OUTCOME].set_index("case_id")["band"]
    cases = fold_cases(events).set_index("case_id")["category"] if len(events) else pd.Series(dtype="str")
    marks = marks.assign(
        band=marks["case_id"].map(late).fillna(UNKNOWN), category=marks["case_id"].map(cases).fillna(UNKNOWN)
    )
    codes: dict[str, Sequence[str]] = {
        "choice": [*OVERRIDES],
        "reason": [*OVERRIDE_REASONS],
        "band": [*BANDS, UNKNOWN],
        "category": [*store.read_categories()["category"].astype(str)],
    }
    came = matured(told, events, as_of, seen, told["outcome"].unique()) if len(events) else told.assign(came=0.0)[:0]
    came = came.merge(marks[["case_id", "choice"]], on="case_id")
    return Overrides(
        minimum=minimum,
        cases=_figure(len(marks), minimum),
        by={name: parts_of(marks[name], known, minimum) for name, known in codes.items()},
        came=tuple(
            came_of(
                choice, str(outcome), own["probability"].to_numpy("float64"), own["came"].to_numpy("float64"), minimum
            )
            for choice in OVERRIDES
            for outcome, own in came[came["choice"] == choice].groupby("outcome", sort=True)
        ),
    )


def parts_of(values: pd.Series, codes: Sequence[str], minimum: int) -> dict[str, Figure]:
    """How many cases have each code, disclosed beside each other and their sum; one without any has a row too."""
    every = list(dict.fromkeys([*codes, *sorted(set(values) - set(codes))]))
    if not every:
        return {}
    counts = values.value_counts().reindex(every, fill_value=0)
    frame = pd.DataFrame({"unit": every, "cases": counts.to_numpy("int64")})
    # What stands in for a small count is always the same, the last of the codes, and not what is small today.
    size = {code: float(len(every) - place) for place, code in enumerate(every)}
    shown = disclose(frame, Rules(counts=("cases",)), parent={}, size=size, minimum=minimum)
    return {
        str(unit): Figure(None, withheld=True) if withheld else Figure(rounded(count))
        for unit, count, withheld in zip(shown["unit"], shown["cases"], shown[suppressed("cases")], strict=True)
    }


def came_of(choice: str, outcome: str, told: np.ndarray, came: np.ndarray, minimum: int) -> CameOf:
    """What came of n cases.

    Parameters
    ----------
    choice, outcome : see `CameOf`
    told : (n,) probabilities
    came : (n,) 1 failed, 0 not
    minimum : the smallest count that is told
    """
    n, failed = len(came), int(came.sum())
    if n < minimum:
        return CameOf(choice, outcome, None, None, None, None, None)
    expected = rounded(float(told.sum()))
    few_failed, few_others = failed < minimum, n - failed < minimum
    if few_failed or few_others:
        few: Few | None = None if few_failed and few_others else "few" if few_failed else "all_but_few"
        return CameOf(choice, outcome, rounded(n), None, few, expected, None)
    spread = float(np.sqrt((told * (1 - told)).sum()))
    more = failed - float(told.sum())
    if abs(more) <= _BEYOND_CHANCE * spread:
        nearer: Nearer = "open"
    else:
        nearer = "office" if (more > 0) == (choice == "higher") else "risk"
    return CameOf(choice, outcome, rounded(n), rounded(failed), None, expected, nearer)


def rounded(count: float) -> int:
    """To the nearest five."""
    return ROUNDED_TO * round(count / ROUNDED_TO)


def _figure(count: int, minimum: int) -> Figure:
    return Figure(None, withheld=True) if count < minimum else Figure(rounded(count))


def _marks() -> Select[tuple[str, str, str, int]]:
    newest = select(func.max(_MARK.mark_id)).where(_MARK.mark == "overridden").group_by(_MARK.case_id)
    return select(_MARK.case_id, _MARK.choice, _MARK.reason, _MARK.recorded_at).where(
        _MARK.mark_id.in_(newest), _MARK.is_set == 1
    )


def _told() -> Select[tuple[str, str, int, float, str]]:
    """The risks of each case at the newest scoring before it was marked."""
    marks = _marks().subquery()
    before = and_(_RISK.case_id == marks.c.case_id, _RISK.as_of <= marks.c.recorded_at)
    newest = (
        select(_RISK.case_id, func.max(_RISK.as_of).label("as_of"))
        .select_from(marks.join(tables.risk, before))
        .group_by(_RISK.case_id)
        .subquery()
    )
    same = and_(_RISK.case_id == newest.c.case_id, _RISK.as_of == newest.c.as_of)
    return select(_RISK.case_id, _RISK.outcome, _RISK.as_of, _RISK.probability, _RISK.band).select_from(
        tables.risk.join(newest, same)
    )


def _events(connection: Connection, cases: Sequence[str], as_of: int) -> pd.DataFrame:
    event = tables.event.c
    parts = [
        read_log(connection, event.case_id.in_(cases[start : start + _CASES]), event.known_at < as_of)
        for start in range(0, len(cases), _CASES)
    ]
    return opened_only(pd.concat(parts, ignore_index=True)) if parts else pd.DataFrame()
