"""The features of one case, and where its risks start from, in microseconds: the plan of a service that is asked often.

The numbers are those of `features.risk_inputs`, to the bit, and the formulas are the same formulas. What makes it quick
is that most of what is asked of a case is not about the case: how late its office has been, or its type of problem, is
the same for every case of the office at one moment. So features are parted by what they ask for:

- of the city: answered once for each value of their key columns and each moment, and kept;
- of the promise, beside the city or alone: kept for each opening and promise too;
- of what has happened to the case since: plain numbers (`features.own_numbers`);
- anything else by its formula, on a table of one row.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from operator import attrgetter
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.clock import WorkingCalendar
from features.base_score import offset_parts
from features.case_state import NAMED
from features.catalogue import FORMULAS
from features.event_index import EventIndex
from features.facts import STAGES
from features.formula import Asked
from features.matrix import _NO_LANDMARKS, terms_of
from features.one_case import OneCase, landmarks_of_cases
from features.online import OnlineTerms
from features.own_numbers import OWN_NUMBERS, PROMISE_NUMBERS, OneCalendar, OneLandmark, RecordNumbers
from features.records import LEVEL_WINDOWS, RECORD_KEYS, Records, logit
from features.starts import WAITED, city_parts, start_names, start_parts, start_terms
from features.terms import Int64s, KeySet, Term, Terms, traced
from features.waiting import _BOUNDS, _KEY

Floats = NDArray[np.float64]
Keys = Mapping[str, str | None]
Parts = tuple[tuple[str, str], ...]

# Moments whose answers are kept, and answers of one group of features: enough for a city, and no leak.
_MOMENTS: Final = 4
_ANSWERS: Final = 50_000
# Cases alike in keys and promise of which the whole row is kept: a case is asked about again with every event.
_CASES: Final = 4_096
LATE: Final = "late"
_PROMISE: Final = frozenset({"opened_at", "due_at"})
_STRETCHES: Final = tuple(pairwise(STAGES))
# What the city, and the promise, are asked for a case by: cases alike in these differ by their own record alone.
_ALIKE: Final = attrgetter(*NAMED, "opened_at", "due_at")


@dataclass(frozen=True, slots=True)
class OneInputs:
    """What the risks of one case are worked out from.

    Attributes
    ----------
    values : (k + p,) float64, the features in the order of the plan, NaN for null; then the parts of all starts in
        log-odds
    parts : (p,) outcome and name of each part of a start
    """

    values: Floats
    parts: Parts

    @property
    def row(self) -> Floats:
        """The features, (k,)."""
        return self.values[: len(self.values) - len(self.parts)]

    @property
    def starts(self) -> dict[str, dict[str, float]]:
        """Outcome -> name of each part of its start -> log-odds, in the order of `features.starts.start_parts`."""
        found: dict[str, dict[str, float]] = {}
        begun = self.values[len(self.values) - len(self.parts) :].tolist()
        for (outcome, name), value in zip(self.parts, begun, strict=True):
            found.setdefault(outcome, {})[name] = value
        return found


@dataclass(frozen=True, slots=True)
class _Group:
    """Features that ask the city about the same key columns, and the starts that do."""

    columns: tuple[str, ...]
    names: tuple[str, ...]
    places: NDArray[np.intp]
    promised: bool  # whether they look at the promise too
    starts: tuple[str, ...] = ()


@dataclass(slots=True)
class _Waiting:
    """What waiting adds for one kind of case (`features.waiting.waiting_adds`), but for how long it has waited."""

    survivals: tuple[tuple[float, ...], ...]  # one for each window: log-odds of living through each stretch
    whole: list[float]

    @classmethod
    def of(cls, records: Records) -> _Waiting:
        survivals, whole = [], []
        for window in LEVEL_WINDOWS:
            found = [float(np.log1p(-records.hazard(_KEY, window, stage))[0]) for stage in range(len(_STRETCHES))]
            survivals.append(tuple(found))
            total = 0.0
            for survival in found:
                total += survival
            whole.append(total)
        return cls(tuple(survivals), logit(np.clip(np.exp(np.array(whole)), *_BOUNDS)).tolist())

    def adds(self, passed: float) -> float:
        left = [0.0] * len(self.survivals)
        for stage, (start, end) in enumerate(_STRETCHES):
            if end <= passed:
                continue
            share = min((end - passed) / (end - start), 1.0)
            for window, survivals in enumerate(self.survivals):
                left[window] += share * survivals[stage]
        least, most = _BOUNDS
        shares = [min(max(share, least), most) for share in np.exp(left).tolist()]
        levels = np.log([share / (1.0 - share) for share in shares]).tolist()
        added = 0.0
        for level, whole in zip(levels, self.whole, strict=True):
            added += (level - whole) / len(LEVEL_WINDOWS)
        return added


@dataclass(slots=True)
class _Moment:
    """What was answered for one moment."""

    terms: dict[tuple[Any, ...], dict[Term, Int64s]] = field(default_factory=dict)
    records: dict[tuple[Any, ...], Floats] = field(default_factory=dict)
    groups: list[dict[Any, Any]] = field(default_factory=list)
    cases: dict[tuple[Any, ...], Floats] = field(default_factory=dict)


class _KnownRecords(Records):
    """Records of one landmark, each answered once for its own key and those above it, at one moment."""

    def __init__(self, source: _OneSource) -> None:
        super().__init__(source)
        self._known, self._keys = source.records, source.keys

    def _once(self, work_out: Callable[..., Floats], key: str, *given: Any) -> Floats:
        asked = (work_out.__name__, key, given, tuple([self._keys[name] for name in _columns_above(key)]))
        found = self._known.get(asked)
        if found is None:
            found = self._known[asked] = work_out(key, *given)
        return found

    def matured(self, key: str, window: int | None) -> Floats:
        return self._once(super().matured, key, window)

    def hazard(self, key: str, window: int | None, stage: int) -> Floats:
        return self._once(super().hazard, key, window, stage)

    def life_table(self, key: str, window: int | None) -> Floats:
        return self._once(super().life_table, key, window)

    def level(self, key: str, windows: tuple[int | None, ...] = LEVEL_WINDOWS) -> Floats:
        return self._once(super().level, key, windows)

    def recent(self, key: str) -> Floats:
        return self._once(super().recent, key)


@cache
def _columns_above(key: str) -> tuple[str, ...]:
    """The key columns of a record and of all that it is shrunken towards."""
    known = RECORD_KEYS[key]
    above = () if known.parent is None else _columns_above(known.parent)
    return (*known.columns, *above)


class _Cells:
    """A column of moments, as formulas read one."""

    __slots__ = ("_values",)

    def __init__(self, values: tuple[int, ...]) -> None:
        self._values = values

    def to_numpy(self, dtype: str = "int64", *, na_value: object = None) -> NDArray[Any]:  # noqa: ARG002
        return np.array(self._values, dtype=dtype)


class _Row:
    """A table of one landmark, or of none, that has moments only."""

    columns = ("landmark_at", "opened_at", "due_at")

    def __init__(self, *moments: int) -> None:
        parts = zip(*(moments,), strict=True) if moments else [()] * len(self.columns)
        self._cells = {name: _Cells(tuple(part)) for name, part in zip(self.columns, parts, strict=True)}
        self._size = 1 if moments else 0

    def __getitem__(self, name: str) -> _Cells:
        return self._cells[name]

    def __len__(self) -> int:
        return self._size


class _Watched:
    """A table without rows that notes which of its columns a formula looks at."""

    def __init__(self) -> None:
        self.seen: set[str] = set()
        self.columns = _NO_LANDMARKS.columns

    def __getitem__(self, name: str) -> pd.Series:
        self.seen.add(name)
        return _NO_LANDMARKS[name]

    def __len__(self) -> int:
        return 0


class OnePlan:
    """Features and starts of one case at a time, from an index.

    Parameters
    ----------
    index : EventIndex that has the terms of the features and outcomes (`features.risk_inputs.input_terms`)
    names : features, in the order of the model
    outcomes : whose starts are needed
    time_zone, calendar : as for `features.matrix.matrix_at`

    Attributes
    ----------
    names : features, in the order of the rows
    parts : of all starts, in the order in which they stand behind the features

    Raises
    ------
    KeyError
        If the index was made for other features.
    """

    def __init__(
        self,
        index: EventIndex,
        names: Sequence[str],
        outcomes: Sequence[str],
        *,
        time_zone: str,
        calendar: WorkingCalendar | None = None,
    ) -> None:
        self.names = tuple(names)
        self._zone_name, self._zone = time_zone, ZoneInfo(time_zone)
        self._calendar, self._one_calendar = calendar, None if calendar is None else OneCalendar(calendar)
        self.parts: Parts = tuple((outcome, name) for outcome in outcomes for name in start_names(outcome))
        place = {name: number for number, name in enumerate(self.names)}
        self._record = RecordNumbers(self.names)
        self._record_places = np.array([place[name] for name in self._record.names], dtype=np.intp)
        self._promised = [(place[name], number) for name, number in PROMISE_NUMBERS.items() if name in place]
        self._groups, self._by_formula, terms = _parted(self.names, outcomes)
        by_keys: dict[KeySet, list[Term]] = {}
        for term in terms:
            by_keys.setdefault(term.keys, []).append(term)
        self._terms = {keys: OnlineTerms(index, found) for keys, found in by_keys.items()}
        self._moments: OrderedDict[int, _Moment] = OrderedDict()

    def inputs(self, case: OneCase, at: int) -> OneInputs:
        """What the risks of a case are worked out from at a moment.

        Parameters
        ----------
        case : its state, from what was known of it before the moment
        at : seconds in UTC; of the city, only what was known strictly before it counts
        """
        moment, alike = self._moment(at), _ALIKE(case)
        mark = OneLandmark(case, at, self._zone, self._one_calendar)
        found = moment.cases.get(alike)
        if found is None:
            found = self._of_alike(moment, mark)
            if len(moment.cases) >= _CASES:
                moment.cases.clear()
            moment.cases[alike] = found
        values = found.copy()
        values[self._record_places] = self._record.of(mark)
        if self._by_formula:
            self._finish(values, case, at, moment)
        return OneInputs(values, self.parts)

    def _of_alike(self, moment: _Moment, mark: OneLandmark) -> Floats:
        """The values of cases alike in keys and promise, without what their own records say."""
        case, keys = mark.case, mark.case.keys()
        values = np.empty(len(self.names) + len(self.parts))
        for place, number in self._promised:
            values[place] = number(mark)
        starts: dict[tuple[str, str], float] = {}
        for group, known in zip(self._groups, moment.groups, strict=True):
            asked: tuple[Any, ...] = tuple([keys[name] for name in group.columns])
            if group.promised:
                asked += (case.opened_at, case.due_at)
            answer = known.get(asked)
            if answer is None:
                answer = self._answered(group, moment, mark.at, keys, case)
                if len(known) >= _ANSWERS:
                    known.clear()
                known[asked] = answer
            found, parts, waiting = answer
            if found is not None:
                values[group.places] = found
            starts.update(parts)
            if waiting is not None:
                starts[LATE, WAITED] = waiting.adds(mark.passed)
        values[len(self.names) :] = [starts[part] for part in self.parts]
        return values

    def base_parts(self, case: OneCase, at: int) -> dict[str, float]:
        """The parts of the base score of a case, as `Matrix.offset_parts`."""
        source = _OneSource(self._terms, self._moment(at), at, case.keys())
        return {name: float(part[0]) for name, part in offset_parts(_KnownRecords(source)).items()}

    def _moment(self, at: int) -> _Moment:
        found = self._moments.get(at)
        if found is None:
            found = self._moments[at] = _Moment(groups=[{} for _ in self._groups])
            while len(self._moments) > _MOMENTS:
                self._moments.popitem(last=False)
        return found

    def _answered(self, group: _Group, moment: _Moment, at: int, keys: Keys, case: OneCase) -> tuple[Any, ...]:
        source = _OneSource(self._terms, moment, at, keys)
        asked = Asked(source, _Row(at, case.opened_at, case.due_at), self._zone_name)  # type: ignore[arg-type]
        records = asked.__dict__["records"] = _KnownRecords(source)
        values = np.array([FORMULAS[name](asked)[0] for name in group.names]) if group.names else None
        parts: dict[tuple[str, str], float] = {}
        waiting = None
        for outcome in group.starts:
            if outcome == LATE:
                found, waiting = city_parts(records), _Waiting.of(records)
            else:
                found = start_parts(outcome, source, np.zeros(1))
            parts.update({(outcome, name): float(part[0]) for name, part in found.items()})
        return values, parts, waiting

    def _finish(self, values: Floats, case: OneCase, at: int, moment: _Moment) -> None:
        """What is neither the city's nor a plain number, on a table of one row."""
        landmarks = landmarks_of_cases([case], at, ["case"])
        asked = Asked(_OneSource(self._terms, moment, at, case.keys()), landmarks, self._zone_name, self._calendar)
        for place in self._by_formula:
            values[place] = FORMULAS[self.names[place]](asked)[0]


class _OneSource:
    """Terms of one landmark, each key set looked up once for each key and moment."""

    def __init__(self, plans: Mapping[KeySet, OnlineTerms], moment: _Moment, at: int, keys: Keys) -> None:
        self._plans, self._moment, self._at, self.keys = plans, moment, at, keys
        if len(moment.records) >= _ANSWERS:
            moment.records.clear()
        self.records = moment.records

    def __len__(self) -> int:
        return 1

    def term(self, term: Term) -> Int64s:
        """The integer, shape (1,)."""
        values = tuple([self.keys[name] for name in term.keys])
        known = self._moment.terms.get((term.keys, values))
        if known is None:
            plan = self._plans[term.keys]
            found = plan.integers(self._at, self.keys)
            known = {one: found[slot : slot + 1] for slot, one in enumerate(plan.terms)}
            if len(self._moment.terms) >= _ANSWERS:
                self._moment.terms.clear()
            self._moment.terms[term.keys, values] = known
        return known[term]


def _parted(
    names: Sequence[str], outcomes: Sequence[str]
) -> tuple[tuple[_Group, ...], tuple[int, ...], tuple[Term, ...]]:
    """Groups of features and starts, places of the features that only their formulas tell, and all terms."""
    found: dict[tuple[tuple[str, ...], bool], list[int]] = {}
    by_formula: list[int] = []
    terms: set[Term] = set()
    for place, name in enumerate(names):
        if name in OWN_NUMBERS:
            continue
        asked, seen = _asked_for(name)
        terms.update(asked)
        if seen <= _PROMISE and _is_plain(name):
            found.setdefault((_columns(asked), bool(seen)), []).append(place)
        else:
            by_formula.append(place)
    # Every matrix holds the parts of the base score.
    terms.update(terms_of(()))
    groups = [
        _Group(columns, tuple(names[place] for place in places), np.array(places, dtype=np.intp), promised)
        for (columns, promised), places in found.items()
    ]
    for outcome in outcomes:
        asked = start_terms(outcome)
        terms.update(asked)
        groups.append(_Group(_columns(asked), (), np.empty(0, dtype=np.intp), promised=False, starts=(outcome,)))
    return tuple(groups), tuple(by_formula), tuple(sorted(terms, key=lambda term: term.name))


def _asked_for(name: str) -> tuple[tuple[Term, ...], set[str]]:
    """The terms of a feature, and the columns of the landmark that it looks at beside its moment."""
    watched = _Watched()

    def formula(source: Terms) -> None:
        FORMULAS[name](Asked(source, watched, "UTC"))  # type: ignore[arg-type]

    return traced(formula), watched.seen - {"landmark_at"}


def _is_plain(name: str) -> bool:
    """Whether a formula asks nothing of its table but moments as integers."""
    try:
        traced(lambda source: FORMULAS[name](Asked(source, _Row(), "UTC")))  # type: ignore[arg-type]
    except (AttributeError, KeyError, TypeError):
        return False
    return True


def _columns(terms: Sequence[Term]) -> tuple[str, ...]:
    return tuple(sorted({name for term in terms for name in term.keys}))
