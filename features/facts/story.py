"""The events case by case, each with what was known of its case then: who had it, and whether it was open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.errors import InputError
from data.event_log import NEAR_INSTANT_SECONDS, NEVER
from data.schema import EventKind
from features.facts.codes import NULL, Coded, Codes, coded
from features.facts.promised import NO_DUE, coded_promise, due_moments, seconds_promised
from features.facts.tables import KEY_COLUMNS, Bools, Facts, Int64s, no_facts

# The place of a kind in the list of kinds; it decides between events of a case that bear the same second.
RANK: Final = {kind: rank for rank, kind in enumerate(EventKind)}
_AFTER_ALL: Final = len(EventKind)

_OPEN: Final = (EventKind.OPENED, EventKind.REOPENED)
_OVER: Final = (EventKind.CLOSED, EventKind.WITHDRAWN, EventKind.DUPLICATE)
_FIXED: Final = KEY_COLUMNS[:4]

# Places in the log, or of cases.
Rows = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Draft:
    """Rows of a fact table whose keys are not spelled out yet: `at`, the case and the office of each, and measures."""

    at: Int64s
    case: Rows
    office: Codes
    measures: dict[str, Int64s]


@dataclass(frozen=True, slots=True)
class Story:
    """N events of n cases, case by case and in the order in which they became known.

    Attributes
    ----------
    case : (N,) number of the case, ascending
    kind : (N,) `RANK` of what happened
    at, known_at, due : (N,) int64 seconds in UTC; `due` is `NO_DUE` where the event promises nothing
    office, office_before : (N,) codes of the office responsible from this event on, and until it
    is_open : (N,) whether the case was open after it
    change : (N,) 1 where it opened the case, -1 where it ended it, 0 otherwise
    known : (N,) when the event counts: once known, and never in the first minute of a case, when it may yet turn out
        to be near-instant
    reason : (N,) places of closing reasons in `reasons`, `NULL` for none
    first, opening : (n,) row of the first event of each case, and of its opening
    opened_at, counts_from : (n,) when each case was opened; when its first minute was over
    promised : (n,) seconds promised by the opening, 0 for none
    promised_at : (n,) the promise that counted when it fell due, `NEVER` for none
    passed_over : (n,) closed, and known to be, within a minute of opening: never work that waited
    followed : (n,) how long each case was looked at, `NEVER` where it always was
    opened_by : (n,) code of the office that the opening itself names
    keys : the key columns that the opening decided, (n,) each
    offices, reasons : what the codes of offices and the places of reasons mean
    """

    case: Rows
    kind: Codes
    at: Int64s
    known_at: Int64s
    due: Int64s
    office: Codes
    office_before: Codes
    is_open: Bools
    change: Codes
    known: Int64s
    reason: Rows
    first: Rows
    opening: Rows
    opened_at: Int64s
    counts_from: Int64s
    promised: Int64s
    promised_at: Int64s
    passed_over: Bools
    followed: Int64s
    opened_by: Codes
    keys: dict[str, Coded]
    offices: pd.CategoricalDtype
    reasons: pd.Index

    @classmethod
    def read(cls, events: pd.DataFrame, case: Rows, followed: Int64s) -> Story:
        """The story of an event log.

        Parameters
        ----------
        events : DataFrame of N rows with `data.schema.EVENT_COLUMNS`, in any order
        case : (N,) numbers of the cases, 0 … n-1, each of which occurs
        followed : (n,) int64 seconds in UTC

        Raises
        ------
        InputError
            If a case has no opening.
        """
        kind = _ranks(events["kind"])
        at, known_at = events["at"].to_numpy("int64"), events["known_at"].to_numpy("int64")
        order = _in_order(case, known_at, at, kind)
        case, kind, at, known_at = case[order], kind[order], at[order], known_at[order]
        first = np.flatnonzero(_starts(case))
        opening = _openings(case, kind, len(first))
        opened_at, counts_from = at[opening], known_at[opening] + NEAR_INSTANT_SECONDS
        due = due_moments(events["due_at"])[order]
        promised = seconds_promised(opened_at, due[opening])
        named = coded(events["office"]).at(order)
        office = _carried(named.codes, named.codes != NULL, first[case], NULL)
        is_open = _open_after(kind, first[case])
        quick = (kind == RANK[EventKind.CLOSED]) & (known_at - opened_at[case] <= NEAR_INSTANT_SECONDS)
        promised_at = _promise_that_counted(case, known_at, due, len(first))
        reason, reasons = pd.factorize(events["closing_reason"])
        opened_rows = order[opening]
        return cls(
            case=case,
            kind=kind,
            at=at,
            known_at=known_at,
            due=due,
            office=office,
            office_before=_before(office, first, NULL),
            is_open=is_open,
            change=is_open.view(np.int8) - _before(is_open.view(np.int8), first, 0),
            known=np.maximum(known_at, counts_from[case]),
            reason=reason[order],
            first=first,
            opening=opening,
            opened_at=opened_at,
            counts_from=counts_from,
            promised=promised,
            # A promise that fell due when nobody looked at the case any more was neither kept nor broken.
            promised_at=np.where(promised_at > followed, NEVER, promised_at),
            passed_over=np.bincount(case[quick], minlength=len(first)) > 0,
            followed=followed,
            opened_by=named.codes[opening],
            keys={name: coded(events[name]).at(opened_rows) for name in _FIXED} | coded_promise(promised),
            offices=named.dtype,
            reasons=pd.Index(reasons),
        )

    def is_kind(self, *kinds: EventKind) -> Bools:
        """Which events are of one of these kinds, (N,)."""
        chosen = np.zeros(_AFTER_ALL + 1, dtype=bool)
        chosen[[RANK[kind] for kind in kinds]] = True
        return np.asarray(chosen[self.kind])

    def first_of(self, *kinds: EventKind) -> Rows:
        """The row of the first event of these kinds of each case, (n,); N where there is none."""
        rows = np.flatnonzero(self.is_kind(*kinds))
        rows = rows[_starts(self.case[rows])]
        found = np.full(len(self.first), len(self.case))
        found[self.case[rows]] = rows
        return found

    def first_known(self, *kinds: EventKind) -> Int64s:
        """When the first event of these kinds of each case became known, (n,); `NEVER` where there is none."""
        return np.append(self.known_at, NEVER)[self.first_of(*kinds)]

    def last_known_by(self, moment: Int64s) -> Rows:
        """The row of the newest event of each case known at its moment, (n,); `first - 1` where there was none.

        `moment` is (n,) int64 seconds in UTC, itself included.
        """
        by_then = self.known_at <= moment[self.case]
        count = np.bincount(self.case, weights=by_then, minlength=len(self.first)).astype(np.intp)
        return np.asarray(self.first + count - 1)

    def office_changed(self) -> Bools:
        """Where another office is responsible from the event on, or one is named for the first time; (N,)."""
        return np.asarray((self.office != NULL) & (self.office != self.office_before))

    def facts(self, table: str, draft: Draft) -> Facts:
        """A fact table with its keys spelled out."""
        if not len(draft.at):
            return no_facts(table)
        columns = {name: key.at(draft.case) for name, key in self.keys.items()}
        columns["office"] = Coded(draft.office, self.offices)
        keys = pd.DataFrame({name: columns[name].column() for name in KEY_COLUMNS}, copy=False)
        return Facts(draft.at, keys, draft.measures)


def numbered(case_id: pd.Series) -> tuple[Rows, pd.Index]:
    """Numbers of the cases, 0 … n-1, and their ids in that order.

    Raises
    ------
    InputError
        If an event has no case.
    """
    case, ids = pd.factorize(case_id)
    if len(case) and case.min() < 0:
        raise InputError(
            f"Expected every event to name its case, but {int((case < 0).sum()):,} have an empty 'case_id'. "
            "Leave them out, or fill in the cases they belong to."
        )
    return case, pd.Index(ids)


def opened_cases(case: Rows, kind: pd.Series) -> Bools:
    """Whether each case, by its number, has an opening among its events."""
    opened = _ranks(kind) == RANK[EventKind.OPENED]
    found = np.zeros(int(case.max(initial=-1)) + 1, dtype=bool)
    found[case[opened]] = True
    return found


def _ranks(kind: pd.Series) -> Codes:
    places, names = pd.factorize(kind)
    # One more for the place -1, a null; a kind that is not on the list changes nothing and sorts last.
    known = {str(name): rank for name, rank in RANK.items()}
    ranks = [known.get(str(name), _AFTER_ALL) for name in names]
    return np.array([*ranks, _AFTER_ALL], dtype=np.int8)[places]


# After an event of each kind the case is open (1), over (0), or as it was (-1).
_IS_OPEN: Final = np.array([1 if kind in _OPEN else 0 if kind in _OVER else -1 for kind in EventKind] + [-1], np.int8)


def _in_order(case: Rows, known_at: Int64s, at: Int64s, kind: Codes) -> Rows:
    """The rows by (case, known_at, at, kind), and in the order given where all are equal."""
    if not len(case):
        return np.empty(0, dtype=np.intp)
    low = int(known_at.min())
    bits = (int(known_at.max()) - low).bit_length()
    if int(case.max()).bit_length() + bits > 63:
        return np.lexsort((kind, at, known_at, case))
    # One sort of one integer, and a small one of those few events that became known in the same second.
    packed = (case.astype(np.int64) << bits) | (known_at - low)
    order = np.argsort(packed, kind="stable")
    packed = packed[order]
    same = packed[1:] == packed[:-1]
    tied = np.flatnonzero(np.append(same, False) | np.append(False, same))
    if len(tied):
        rows = order[tied]
        order[tied] = rows[np.lexsort((kind[rows], at[rows], packed[tied]))]
    return order


def _starts(case: Rows) -> Bools:
    """Where another case begins in a list of cases, each of which stands together."""
    starts = np.ones(len(case), dtype=bool)
    np.not_equal(case[1:], case[:-1], out=starts[1:])
    return starts


def _openings(case: Rows, kind: Codes, n_cases: int) -> Rows:
    rows = np.flatnonzero(kind == RANK[EventKind.OPENED])
    rows = rows[_starts(case[rows])]
    if len(rows) != n_cases:
        raise InputError(
            f"Expected every case to begin with an event 'opened', but {n_cases - len(rows):,} have none. "
            "Import the file that holds their openings first."
        )
    return rows


def _open_after(kind: Codes, first: Rows) -> Bools:
    """Whether the case is open after every event.

    Its opening opens a case only if nothing was known of it before: one whose ending became known first was over when
    it was heard of, and a second opening says nothing new.
    """
    said = _IS_OPEN[kind] >= 0
    so_far = np.cumsum(said)
    before = so_far - said - (so_far - said)[first] if len(kind) else so_far
    said &= (kind != RANK[EventKind.OPENED]) | (before == 0)
    return np.asarray(_carried(_IS_OPEN[kind], said, first, 0) == 1)


def _carried(values: Codes, said: Bools, first: Rows, otherwise: int) -> Codes:
    """The newest value that was said of the case so far, at every event; `otherwise` where none was.

    `first` is the row of the first event of each event's case.
    """
    rows = np.where(said, np.arange(len(values)), -1)
    np.maximum.accumulate(rows, out=rows)
    return np.where(rows >= first, values[rows], values.dtype.type(otherwise))


def _before(values: Codes, first: Rows, otherwise: int) -> Codes:
    """The value at the event before, in the same case."""
    shifted = np.empty_like(values)
    shifted[1:] = values[:-1]
    shifted[first] = otherwise
    return shifted


def _promise_that_counted(case: Rows, known_at: Int64s, due: Int64s, n_cases: int) -> Int64s:
    """Per case the first promise that fell due before another one replaced it; NEVER where none was made.

    One that became known only after it had fallen due does not count: at its moment nobody knew of it.
    """
    rows = np.flatnonzero(due != NO_DUE)
    replaced = np.full(len(rows), NEVER)
    again = np.flatnonzero(~_starts(case[rows])[1:])
    replaced[again] = known_at[rows[again + 1]]
    stood = rows[(due[rows] <= replaced) & (known_at[rows] <= due[rows])]
    stood = stood[_starts(case[stood])]
    result = np.full(n_cases, NEVER)
    result[case[stood]] = due[stood]
    return result
