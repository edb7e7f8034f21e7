"""Random histories for the laws of features: cases, inspections, capacities and looks, with ties wherever they can be.

Moments lie on a grid of half days that begins with a morning, a few windows of features apart (7, 28 and 91 days), so
that facts stand exactly on both ends of windows and on landmarks. Hypothesis and a seed choose from the same lists.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final, TypeVar

import numpy as np
import pandas as pd
from hypothesis import strategies as st

from tests.support.logs import event_frame

DAY: Final = 86_400
ZONE: Final = "Asia/Shanghai"
# 7:00 in Shanghai: events of the grid fall on mornings.
START: Final = 1_700_002_800
ADJACENCY: Final = {"A1": ["A2"], "A2": ["A1", "A3"], "A3": ["A1"]}

_KINDS: Final = (
    *("assigned", "transferred", "handed_up", "replied", "paused", "resumed", "closed", "closed", "closed"),
    *("reopened", "withdrawn", "duplicate", "amended"),
)
_REASONS: Final = ("resolved", "noted", "scheduled", "other", None)
_NAMED_BY_KEY: Final = ("category", "category_group", "area", "channel", "office")
_GRID: Final = (0, 0, 0, 0.5, 1, 1, 7, 28, 63)
_STEPS: Final = (0, 30, 60, DAY // 2, DAY, 6 * DAY, 7 * DAY, 28 * DAY)

_T = TypeVar("_T")
Choose = Callable[[Sequence[_T]], _T]


@dataclass(frozen=True)
class Log:
    """All that features are made of.

    Attributes
    ----------
    events : event frame
    inspections : DataFrame with `area`, `related_category`, `known_at`, `severity`
    capacity : DataFrame with `office`, `at`, `change`
    observed_until : Series of int64 by `case_id`; a case that it does not name was always followed
    adjacency : area -> the areas that it lies next to
    """

    events: pd.DataFrame
    inspections: pd.DataFrame
    capacity: pd.DataFrame
    observed_until: pd.Series
    adjacency: dict[str, list[str]]

    @property
    def end(self) -> int:
        """Two days after the last thing became known: landmarks are made up to then."""
        return int(self.events["known_at"].max()) + 2 * DAY

    def before(self, at: int) -> Log:
        """What was known strictly before a moment; a case that was followed up to it or beyond has no end yet."""
        return Log(
            opened_only(self.events[self.events["known_at"] < at]),
            self.inspections[self.inspections["known_at"] < at],
            self.capacity[self.capacity["at"] < at],
            self.observed_until[self.observed_until < at],
            self.adjacency,
        )

    def of_cases(self, cases: Sequence[str]) -> Log:
        """Some cases alone, without what belongs to none."""
        events = self.events[self.events["case_id"].isin(cases)]
        return replace(self, events=events, inspections=self.inspections[:0], capacity=self.capacity[:0])


def random_log(choose: Choose, most_cases: int = 7) -> Log:
    """A history with ties; `choose` picks one of a list, every time it is asked."""
    count = choose(range(2, most_cases + 1))
    rows = [row for number in range(count) for row in _case(choose, f"c{number:02d}")]
    events = event_frame([rows[i] for i in _mixed(choose, len(rows))])
    # Two events of a case that agree in kind and both times and contradict each other are left out: which of them came
    # first is what the order of rows says, and nothing else.
    events = events.drop_duplicates(["case_id", "kind", "at", "known_at"], ignore_index=True)
    cases = sorted(set(events["case_id"]))
    seen = {case: _moment(choose) for case in cases if choose((False, False, True))}
    return Log(
        events,
        _inspections([_inspection(choose) for _ in range(choose(range(7)))]),
        _capacity([_change(choose) for _ in range(choose(range(6)))]),
        pd.Series(seen, dtype="int64").rename_axis("case_id"),
        ADJACENCY,
    )


@st.composite
def logs(draw: st.DrawFn, most_cases: int = 7) -> Log:
    """Such a history, chosen by hypothesis."""
    return random_log(lambda options: draw(st.sampled_from(options)), most_cases)


@lru_cache(maxsize=64)
def log_of(seed: int, most_cases: int = 7) -> Log:
    """Such a history, chosen by a seed."""
    rng = np.random.default_rng([seed, most_cases])
    return random_log(lambda options: options[int(rng.integers(len(options)))], most_cases)


def opened_only(events: pd.DataFrame) -> pd.DataFrame:
    """The events of cases whose opening is among them."""
    return events[events["case_id"].isin(events.loc[events["kind"] == "opened", "case_id"])]


def shuffled(log: Log, rng: np.random.Generator) -> Log:
    """The same in another order of rows, wherever there are rows."""
    areas = [list(log.adjacency)[i] for i in rng.permutation(len(log.adjacency))]
    return Log(
        log.events.iloc[rng.permutation(len(log.events))],
        log.inspections.iloc[rng.permutation(len(log.inspections))],
        log.capacity.iloc[rng.permutation(len(log.capacity))],
        log.observed_until.iloc[rng.permutation(len(log.observed_until))],
        {area: list(log.adjacency[area])[::-1] for area in areas},
    )


def with_other_future(log: Log, at: int, rng: np.random.Generator) -> Log:
    """The same past, and from `at` on whatever happened to the cases of another history, under the same names."""
    other, past = log_of(int(rng.integers(1 << 20))), log.before(at)
    to_come = other.events[other.events["known_at"] >= at]
    to_come = to_come[(to_come["kind"] != "opened") | ~to_come["case_id"].isin(past.events["case_id"])]
    events = opened_only(pd.concat([past.events, to_come], ignore_index=True))
    looks = {case: at + int(rng.integers(0, 9)) * DAY for case in set(events["case_id"]) if rng.random() < 0.5}
    return Log(
        events.drop_duplicates(["case_id", "kind", "at", "known_at"], ignore_index=True),
        pd.concat([past.inspections, other.inspections[other.inspections["known_at"] >= at]], ignore_index=True),
        pd.concat([past.capacity, other.capacity[other.capacity["at"] >= at]], ignore_index=True),
        pd.Series(looks | past.observed_until.to_dict(), dtype="int64").rename_axis("case_id"),
        log.adjacency,
    )


def growing(log: Log, rng: np.random.Generator, steps: int) -> list[Log]:
    """The log as it grew, day after day: the last is all of it.

    Most rows came in when they became known; some came in days later, as when a file of a past month is imported late.
    """
    known = log.events["known_at"].to_numpy()
    days = np.sort(rng.choice(known, steps - 1)) + rng.integers(0, 2, steps - 1)
    arrived = np.minimum(np.searchsorted(days, known, side="right") + (rng.random(len(known)) < 0.2), steps - 1)
    found = []
    for step, day in enumerate(days):
        seen, able = (rng.random(len(frame)) < 0.7 for frame in (log.inspections, log.capacity))
        found.append(
            Log(
                opened_only(log.events[arrived <= step]),
                log.inspections[seen & (log.inspections["known_at"] < day).to_numpy()],
                log.capacity[able & (log.capacity["at"] < day).to_numpy()],
                log.observed_until.clip(upper=int(day)),
                log.adjacency,
            )
        )
    return [*found, log]


def renamed(log: Log, rng: np.random.Generator) -> tuple[Log, dict[str, str]]:
    """The same history under other names of cases and keys, whose order has nothing to do with that of the old.

    Returns
    -------
    the log, and the new name of every case
    """
    events = log.events
    words: dict[str, set[str]] = {name: set(events[name].dropna()) for name in ("case_id", *_NAMED_BY_KEY)}
    words["area"] |= {*log.adjacency, *log.inspections["area"].dropna()}
    words["category"] |= set(log.inspections["related_category"].dropna())
    words["office"] |= set(log.capacity["office"])
    new = {name: dict(zip(sorted(old), _names(rng, name, len(old)), strict=True)) for name, old in words.items()}
    area = new["area"]
    inspections = log.inspections.assign(
        area=_told(log.inspections["area"], area),
        related_category=_told(log.inspections["related_category"], new["category"]),
    )
    return Log(
        events.assign(**{name: _told(events[name], mapping) for name, mapping in new.items()}),
        inspections,
        log.capacity.assign(office=_told(log.capacity["office"], new["office"])),
        log.observed_until.rename(index=new["case_id"]),
        {area[one]: [area[other] for other in others] for one, others in log.adjacency.items()},
    ), new["case_id"]


def _names(rng: np.random.Generator, name: str, count: int) -> list[str]:
    return [f"{letter}-{name}" for letter in rng.choice(list("abcdefghijklmnopqrstuvwxyz"), count, replace=False)]


def _told(column: pd.Series, new: dict[str, str]) -> pd.Series:
    return column.map(new).astype("str").where(column.notna())


def _case(choose: Choose, name: str) -> list[dict[str, object]]:
    at = _moment(choose)
    opening = {"case_id": name, "kind": "opened", "at": at, "known_at": at + choose((0, 0, 0, 0, 45, 2 * DAY))}
    opening |= {
        "due_at": _promise(choose, at),
        "category": choose(("drain", "drain", "light", None)),
        "category_group": choose(("streets", None)),
        "area": choose(("A1", "A2", "A2", "A3", None)),
        "channel": choose(("web", "phone")),
        "office": choose(("north", "south", "county", None)),
    }
    rows = [opening]
    for _ in range(choose(range(7))):
        at += choose(_STEPS)
        rows.append(_event(choose, name, choose(_KINDS), at))
    return rows


def _event(choose: Choose, name: str, kind: str, at: int) -> dict[str, object]:
    row: dict[str, object] = {
        "case_id": name,
        "kind": kind,
        "at": at,
        "known_at": at + choose((0, 0, 0, DAY, 28 * DAY)),
    }
    if kind in ("assigned", "transferred", "handed_up"):
        row["office"] = choose(("north", "south", "county", None))
    if kind in ("amended", "reopened"):
        row["due_at"] = _promise(choose, at)
    if kind == "amended":
        row |= {"category": choose(("light", "drain", None)), "area": choose(("A1", None))}
    if kind == "closed":
        row["closing_reason"] = choose(_REASONS)
    return row


def _moment(choose: Choose) -> int:
    # A minute on: a case counts as work from then on, so that others are opened in the very second of a fact.
    return START + int((choose(_GRID) + choose(_GRID)) * DAY) + choose((0, 0, 60))


def _promise(choose: Choose, at: int) -> int | None:
    after = choose((None, 0, DAY // 2, DAY, 7 * DAY, 28 * DAY))
    return None if after is None else at + after


def _mixed(choose: Choose, count: int) -> np.ndarray:
    # One choice for the whole order, so that hypothesis has little to shrink.
    return np.random.default_rng(choose(range(64))).permutation(count)


def _inspection(choose: Choose) -> tuple[object, ...]:
    return choose(("A1", "A2", "A3", None)), choose(("drain", "light", None)), _moment(choose), choose(range(4))


def _change(choose: Choose) -> tuple[object, ...]:
    return choose(("north", "south")), _moment(choose), choose((500, 2000, 3000, -1000))


def _inspections(rows: list[tuple[object, ...]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["area", "related_category", "known_at", "severity"])
    text = {name: frame[name].astype("str").where(frame[name].notna()) for name in ("area", "related_category")}
    return frame.assign(**text).astype({"known_at": "int64", "severity": "int64"})


def _capacity(rows: list[tuple[object, ...]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["office", "at", "change"])
    return frame.astype({"office": "str", "at": "int64", "change": "int64"})
