"""Moments in a case's life at which it is scored: its opening, each thing that happens to it, each morning while open.

A landmark holds nothing that became known after it. Of *other* cases it may use what became known strictly before
`landmark_at`; of its own case what became known before `seen_until`. At an opening and at an event that is the landmark
itself and whatever else of the case became known in that second: several events of one second are one landmark, and
which of them came first cannot be told. At a morning it is what became known before it.

A case that is closed within a minute of its opening (`data.event_log.is_near_instant`) has landmarks as every other
has: at its opening nobody can know that it will be closed at once. Whether it counts is for the outcome to say
(`features.outcomes`).
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, Literal
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from data.errors import UsageError
from data.event_log import NEVER, known_before
from data.time_zones import time_zones
from features.case_state import NAMED, STATE_COLUMNS, CaseStates, state_before
from features.event_index import Queries
from features.facts import KEY_COLUMNS, Int64s, promise_keys
from features.some_mornings import taken_mornings

LandmarkKind = Literal["opening", "event", "morning"]
# In the order of landmarks of one case and one moment: a morning knows less than an event of its second.
_BY_KNOWLEDGE: Final[tuple[LandmarkKind, ...]] = ("morning", "opening", "event")
LANDMARK_KINDS: Final[tuple[LandmarkKind, ...]] = ("opening", "event", "morning")

# The hour of the local day at which the officers' list is made.
MORNING: Final = 7

_TIME_BITS: Final = 34
_OWN_STATE: Final = tuple(name for name in STATE_COLUMNS if name not in (*NAMED, "opened_at", "due_at"))

# A set of landmarks: the event that each case's state is read after, and the moment. Both (k,) int64.
_Chosen = tuple[Int64s, Int64s]


def landmarks(
    events: pd.DataFrame,
    *,
    time_zone: str,
    as_of: int,
    kinds: Collection[LandmarkKind] = LANDMARK_KINDS,
    morning: int = MORNING,
    observed_until: pd.Series | None = None,
    from_: int | None = None,
    most_mornings: int | None = None,
) -> pd.DataFrame:
    """All landmarks of the cases of an event log, each with its case's state.

    - `opening`: when the opening became known.
    - `event`: each later second in which something of the case became known, a closing too. None for what withdraws
      the case or calls it a duplicate, nor for anything after that unless it was reopened.
    - `morning`: on each local day when the clock shows the hour `morning`, if the case was known to be open strictly
      before, and was still looked at. Where the clock leaps over that hour it is the first moment after the leap;
      where it shows it twice, the first of the two.

    Parameters
    ----------
    events : DataFrame with `data.schema.EVENT_COLUMNS`, in any order
        Only events known strictly before `as_of` are used. A case whose opening is not among them, which nobody
        could have listed yet, has no landmark.
    time_zone : IANA name of the local clock
    as_of : int64 seconds in UTC; every landmark lies strictly before it
    kinds : which landmarks to make
    morning : hour of the local day, 0 to 23
    observed_until : Series of int64 seconds in UTC by `case_id`, see `data.observation`
        No morning lies after it: nobody looked whether the case was still open. None, and a case that it does not
        name: looked at all along.
    from_ : int64 seconds in UTC; the earliest moment of a landmark. None: no limit
    most_mornings : about how many mornings to take, see `features.some_mornings`; None: all
        Ten years of cases that nobody closes have mornings by the hundred million.

    Returns
    -------
    DataFrame, case by case in the order of their opening (by `opened_at`, then `case_id`), each case's by moment

    - `landmark`: int64, 0 to n - 1; `case_id`; `kind`, category;
    - `landmark_at`, `seen_until`: int64 seconds in UTC; the latter is a second later at openings and events;
    - `KEY_COLUMNS`: category, as known of the case then, null where unknown; `office` is the one responsible then,
      `promise` and `promise_fine` are of the promise as it stood then, from the opening;
    - `opened_at`, `due_at`: int64 seconds in UTC; the promise as it stood then, NEVER for none;
    - the other columns of `features.case_state`.

    Raises
    ------
    UsageError
        If the time zone, a kind or the hour is none.
    InputError
        If the events cannot be read (see `CaseStates.of`).
    """
    _check(time_zone, kinds, morning)
    states = CaseStates.of(known_before(events, as_of))
    known = states.column("opened_known_at")
    chosen: dict[LandmarkKind, _Chosen] = {}
    if "morning" in kinds:
        looked_at = _looked_at(states, observed_until)
        found = _mornings(states, known, np.minimum(looked_at, as_of - 1), from_, morning, time_zone)
        chosen["morning"] = found if most_mornings is None else _some(states, found, most_mornings)
    if "opening" in kinds:
        chosen["opening"] = _at_events(states, states.is_last & (states.known_at == known))
    if "event" in kinds:
        later = states.is_last & (states.known_at > known)
        chosen["event"] = _at_events(states, later & ~states.column("fallen_away"))
    return _frame(states, chosen, -NEVER if from_ is None else from_)


def landmarks_now(events: pd.DataFrame, as_of: int) -> pd.DataFrame:
    """One landmark for each case that was known to be open strictly before a moment, at that moment.

    They are as the mornings of `landmarks` are, for a list that is made at any time of the day.

    Parameters
    ----------
    events : DataFrame with `data.schema.EVENT_COLUMNS`, in any order; later ones are not used
    as_of : int64 seconds in UTC

    Returns
    -------
    DataFrame with the columns of `landmarks`, in the order of the cases' opening.
    """
    states = CaseStates.of(known_before(events, as_of))
    newest = np.append(states.case[1:] != states.case[:-1], True) if len(states.case) else np.zeros(0, dtype=bool)
    known = states.column("opened_known_at")
    places = np.flatnonzero(newest)
    places = places[states.column("is_open")[places] & (known[places] < NEVER)]
    return _frame(states, {"morning": (places, np.full(len(places), as_of, dtype=np.int64))}, -NEVER)


def opening_landmarks(cases: pd.DataFrame) -> pd.DataFrame:
    """One landmark per case, at the moment its opening became known.

    `landmarks` gives the same, from events, where nothing else of a case became known in the second of its opening.

    Parameters
    ----------
    cases : DataFrame as `data.event_log.fold_cases` gives it

    Returns
    -------
    DataFrame in the same order, with `case_id`, `opened_at` and `landmark_at` (int64 seconds in UTC), `due_at` (the
    promise as it stood at opening; `NEVER` for none), and the key columns. Category, group, area and channel are those
    of `cases`, the newest that is known there. The office is null where only a later event names one.
    """
    frame = cases[["case_id", *KEY_COLUMNS[:4]]].copy()
    frame["office"] = cases["office_at_opening"]
    opened, due = cases["opened_at"], cases["due_at_opening"]
    frame = frame.assign(opened_at=opened, **promise_keys(opened, due))
    frame["landmark_at"] = cases["opened_known_at"].to_numpy("int64")
    frame["due_at"] = cases["due_at_opening"].to_numpy("int64")
    return frame


def named_then(landmarks: pd.DataFrame, events: pd.DataFrame) -> pd.DataFrame:
    """The landmarks with category, group, area, channel and office as they were known at each of them.

    Cases that were folded from a whole log bear the newest names, and a correction made later would be seen at the
    opening.

    Parameters
    ----------
    landmarks : DataFrame of n rows with `case_id` and `landmark_at`, as `opening_landmarks` gives it
    events : all events of these cases, in any order; may go on after the landmarks

    Returns
    -------
    DataFrame of n rows in the same order; names are `str`, null where not known then.
    """
    seen = pd.DataFrame({"case_id": landmarks["case_id"], "seen_until": landmarks["landmark_at"] + 1})
    named = state_before(events, seen)
    return landmarks.assign(**{name: named[name].astype("str").to_numpy() for name in NAMED})


def queries_at(landmarks: pd.DataFrame) -> Queries:
    """The landmarks as queries of the event index."""
    return Queries(landmarks["landmark_at"].to_numpy("int64"), landmarks[[*KEY_COLUMNS]].reset_index(drop=True))


def local_mornings(time_zone: str, hour: int, start: int, end: int) -> Int64s:
    """The moments in `[start, end]` at which the local clock first shows a full hour of the day, ascending.

    Parameters
    ----------
    time_zone : IANA name
    hour : 0 to 23
    start, end : int64 seconds in UTC

    Where the clock leaps over the hour it is the first moment after the leap. A day that the place skipped, to change
    its side of the date line, has no morning.
    """
    zone = ZoneInfo(time_zone)
    # A day more on both sides: local dates differ from those in UTC.
    first, last = (datetime.fromtimestamp(moment, UTC).date() for moment in (start, max(start, end)))
    days = (first + timedelta(n) for n in range(-1, (last - first).days + 2))
    found = [moment for day in days if (moment := _moment(day, hour, zone)) is not None and start <= moment <= end]
    return np.array(found, dtype=np.int64)


def _moment(day: date, hour: int, zone: ZoneInfo) -> int | None:
    local = datetime.combine(day, time(hour), tzinfo=zone)
    after, before = (int(local.replace(fold=fold).timestamp()) for fold in (0, 1))
    if after <= before:  # the usual case, and an hour that comes twice
        return after
    # Read with the offset before a leap the hour lies after the leap, and the other way round: between the two it is.
    low, high = before, after
    offset = datetime.fromtimestamp(low, zone).utcoffset()
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if datetime.fromtimestamp(middle, zone).utcoffset() == offset else (low, middle)
    around = (datetime.fromtimestamp(moment, zone).date() for moment in (low, high))
    return high if day in around else None


def _check(time_zone: str, kinds: Collection[LandmarkKind], morning: int) -> None:
    if time_zone not in time_zones():
        raise UsageError(f"Expected an IANA time zone such as 'Asia/Shanghai', got {time_zone!r}.")
    if not 0 <= morning <= 23:
        raise UsageError(f"Expected the hour of the morning as 0 to 23, got {morning}.")
    strange = sorted(set(kinds) - set(LANDMARK_KINDS))
    if strange or not kinds or isinstance(kinds, str):
        raise UsageError(f"Expected some kinds of landmark of {', '.join(LANDMARK_KINDS)}, got {kinds!r}.")


def _looked_at(states: CaseStates, observed_until: pd.Series | None) -> Int64s:
    """How long each case was looked at; NEVER for all along."""
    if observed_until is None:
        return np.full(len(states.case_ids), NEVER, dtype=np.int64)
    return np.asarray(observed_until.reindex(states.case_ids).fillna(NEVER).to_numpy("int64"))


def _at_events(states: CaseStates, which: np.ndarray) -> _Chosen:
    places = np.flatnonzero(which)
    return places, states.known_at[places]


def _mornings(
    states: CaseStates, opening_known: Int64s, until: Int64s, from_: int | None, hour: int, time_zone: str
) -> _Chosen:
    """Every morning up to `until`, per case, at which the case was known to be open."""
    places = np.flatnonzero(states.is_last)
    # What is known after one second of a case stands until the next in which something becomes known, that one
    # included: a morning knows what was known strictly before it.
    stands_until = np.full(len(places), NEVER, dtype=np.int64)
    same_case = states.case[places[1:]] == states.case[places[:-1]]
    stands_until[:-1][same_case] = states.known_at[places[1:]][same_case]
    is_open = states.column("is_open")[places] & (opening_known[places] < NEVER)
    places, stands_until = places[is_open], stands_until[is_open]
    after = states.known_at[places]
    if from_ is not None:
        after = np.maximum(after, from_ - 1)
    last = np.minimum(stands_until, until[states.case[places]])
    some = last > after
    places, after, last = places[some], after[some], last[some]
    if not len(places):
        return places, places
    moments = local_mornings(time_zone, hour, int(after.min()), int(last.max()))
    first = np.searchsorted(moments, after, side="right")
    count = np.searchsorted(moments, last, side="right") - first
    # Within each stretch 0, 1, … count - 1.
    step = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    return np.repeat(places, count), moments[np.repeat(first, count) + step]


def _some(states: CaseStates, found: _Chosen, most: int) -> _Chosen:
    places, moments = found
    known = (states.column(name)[places] for name in ("opened_at", "due_at", "opened_known_at"))
    taken = taken_mornings((moments, *known), most)
    return places[taken], moments[taken]


def _frame(states: CaseStates, chosen: dict[LandmarkKind, _Chosen], from_: int) -> pd.DataFrame:
    given = [kind for kind in _BY_KNOWLEDGE if kind in chosen]
    place, moment = (np.concatenate([chosen[kind][part] for kind in given]) for part in (0, 1))
    kind = np.repeat([LANDMARK_KINDS.index(one) for one in given], [len(chosen[one][0]) for one in given])
    # Stable: of one case and moment, a morning stays before an event.
    order = np.argsort((_case_order(states)[states.case[place]] << _TIME_BITS) | moment, kind="stable")
    order = order[moment[order] >= from_]
    place, moment, kind = place[order], moment[order], kind[order]
    state = states.state(place)
    return pd.DataFrame(
        {
            "landmark": np.arange(len(place)),
            "case_id": states.case_ids[states.case[place]],
            "kind": pd.Categorical.from_codes(kind, categories=pd.Index(LANDMARK_KINDS, dtype="str")),
            "landmark_at": moment,
            "seen_until": moment + (kind != LANDMARK_KINDS.index("morning")),
            **{name: state[name] for name in NAMED},
            **_promise_keys(state["opened_at"], state["due_at"]),
            **{name: state[name] for name in ("opened_at", "due_at", *_OWN_STATE)},
        },
        copy=False,
    )


def _case_order(states: CaseStates) -> Int64s:
    """Place of each case among all by the moment of its opening, then its name; (m,) int64.

    A case whose opening is not known comes last.
    """
    opened = np.full(len(states.case_ids), NEVER, dtype=np.int64)
    # Events are in order: what the last of a case says of its opening is assigned last, and stays.
    opened[states.case] = states.column("opened_at")
    order = np.argsort(opened, kind="stable")
    same = opened[order][1:] == opened[order][:-1]
    # Names settle ties only: sorting all of them takes longer than all the rest.
    slots = np.flatnonzero(np.append(same, False) | np.insert(same, 0, False))
    if len(slots):
        tied = pd.DataFrame(
            {"at": opened[order[slots]], "case_id": states.case_ids[order[slots]], "place": order[slots]}
        )
        order[slots] = tied.sort_values(["at", "case_id"])["place"].to_numpy("int64")
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    return rank


def _promise_keys(opened_at: Int64s, due_at: Int64s) -> dict[str, pd.Categorical]:
    """`features.facts.promise_keys`, worked out once for each distinct promised time."""
    rows, seconds = pd.factorize(np.where(due_at < NEVER, np.maximum(due_at - opened_at, 0), 0))
    found = {}
    for name, values in promise_keys(pd.Series(np.zeros_like(seconds)), pd.Series(seconds)).items():
        codes, words = pd.factorize(values, sort=True)
        found[name] = pd.Categorical.from_codes(codes[rows], categories=words)
    return found
