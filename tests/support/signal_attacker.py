"""A reader of weak signals who wants the small counts back, with a linear programme over everything there is to know.

The attacker knows every shown figure (inflows, signals, weeks); which types of problem there are; that villages add up
to their town and to the city, types to their group and to the inflow of their area, weeks to the window of a signal
and, as far as they lie in them, to the 28 days of the inflow; the inflow of the whole city wherever any inflow is
shown; and that no count is negative. A count under the minimum is safe if, by all this, it could still be 0 and could
still be minimum - 1.

Nothing here is shared with the functions under attack but the tables that go in and what is published.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy.optimize import linprog

from models.signals.counts import ALL
from service.places import Places
from service.signal_record import SignalRecord

MINIMUM = 10
WEEK = 7 * 86_400
FIRST = 1_704_067_200  # Monday 2024-01-01 in UTC
N_WEEKS = 6
_FIGURES = ("expected", "lower", "upper", "p_value", "q_value")
# An upper end beyond every sum keeps each programme finite and changes no answer that matters.
_BEYOND = 1e4
# A week, whether it lies within the 28 days of the inflow, and so its place on the last axis of the counts.
Bin = tuple[int | None, bool]


@dataclass
class City:
    """Counts by village, type of problem and piece of a week; and what was flagged: area, kind, weeks of the window."""

    parent: dict[str, str]
    villages: list[str]
    kinds: list[str]
    group: dict[str, str]
    bins: list[Bin]
    counts: np.ndarray
    flagged: list[tuple[str, str, int]]
    size: dict[str, int] = field(default_factory=dict)
    late_days: int = 0

    @property
    def as_of(self) -> int:
        return FIRST + N_WEEKS * WEEK + self.late_days * 86_400

    def cells(self, area: str, kind: str | None, bins: list[bool]) -> np.ndarray:
        """Which counts make up a figure; `kind` None: of all types."""
        inside = [area in (village, ALL, *self.above(village)) for village in self.villages]
        of_kind = [kind is None or kind in (one, self.group.get(one)) for one in self.kinds]
        return np.array(inside)[:, None, None] & np.array(of_kind)[:, None] & np.array(bins)

    def above(self, area: str) -> list[str]:
        step, found = self.parent.get(area), []
        while step is not None:
            found.append(step)
            step = self.parent.get(step)
        return found

    def in_weeks(self, first: int, last: int) -> list[bool]:
        return [week is not None and first <= week <= last for week, _ in self.bins]

    @property
    def in_inflow(self) -> list[bool]:
        return [inside for _, inside in self.bins]

    def total(self, cells: np.ndarray) -> int:
        return int(self.counts[cells].sum())

    # -- what the detection would have stored

    def signals(self) -> pd.DataFrame:
        rows = []
        for number, (area, kind, weeks) in enumerate(self.flagged):
            observed = self.total(self.cells(area, kind, self.in_weeks(N_WEEKS - weeks, N_WEEKS - 1)))
            village = area in self.villages
            rows.append(
                {
                    **dict.fromkeys(_FIGURES, 0.5),
                    "signal_id": f"{number:032d}",
                    "as_of": self.as_of,
                    "week": FIRST + (N_WEEKS - 1) * WEEK,
                    "area": area,
                    "category": kind,
                    "direction": "rise",
                    "observed": observed,
                    "fdr_level": 0.1,
                    "weeks_running": 1,
                    "method": f"short_past_{weeks}w",
                    "method_reason": "months_of_past",
                    "weeks_of_past": 40,
                    "category_group": self.group.get(kind),
                    "level": "series" if village and kind in self.kinds else "sum",
                    "part_kind": "category" if village else "area",
                    "n_parts": 2,
                    "parts_rising": 1,
                    "parts_told": 0,
                    "told": 1,
                }
            )
        return pd.DataFrame(rows)

    def weeks(self) -> pd.DataFrame:
        rows = []
        for (area, kind, _), week in itertools.product(self.flagged, range(N_WEEKS)):
            bins = self.in_weeks(week, week)
            rows.append(
                {
                    **dict.fromkeys(("expected", "lower", "upper"), 5.0),
                    "as_of": self.as_of,
                    "area": area,
                    "category": kind,
                    "week": FIRST + week * WEEK,
                    "observed": self.total(self.cells(area, kind, bins)),
                    "alarm": None,
                    "area_reports": self.total(self.cells(area, None, bins)),
                }
            )
        return pd.DataFrame(rows).astype({"observed": "Int64"})

    def pressure(self) -> pd.DataFrame:
        """Rows of the villages. Backlog and outflow are large, so that the inflow alone is attacked."""
        inflow = [self.total(self.cells(village, None, self.in_inflow)) for village in self.villages]
        rest = {"backlog": 500, "outflow_28d": 500, "overdue": 100, "level": "usual", "unit_kind": "area"}
        empty = dict.fromkeys(("expected_late", "usual_backlog", "usual_low", "usual_high"), 50.0)
        ends = ("", "_low", "_high", "_usual_low", "_usual_high")
        estimates = {f"{name}{end}": 1.0 for name in ("backlog_days", "flow_ratio", "late_14d") for end in ends}
        frame = pd.DataFrame({"unit": self.villages, "inflow_28d": inflow})
        return frame.assign(as_of=self.as_of, due_14d=50, **rest, **empty, **estimates)

    def places(self) -> Places:
        return Places({}, {}, {}, self.parent, self.size)

    def record(self) -> SignalRecord:
        return SignalRecord(weeks=self.weeks())


def bins_of(late_days: int) -> list[Bin]:
    """The pieces of time that weeks and the 28 days before the as-of make."""
    if late_days == 0:
        return [(week, week >= N_WEEKS - 4) for week in range(N_WEEKS)]
    cut = N_WEEKS - 4
    return [*((week, False) for week in range(cut + 1)), *((week, True) for week in range(cut, N_WEEKS)), (None, True)]


def random_city(rng: np.random.Generator) -> City:
    """One to three towns of one to three villages, two to four types of problem, one to six signals."""
    parent: dict[str, str] = {}
    villages = []
    towns = int(rng.integers(0, 3))
    for town in range(max(towns, 1)):
        for number in range(int(rng.integers(1, 4)) if towns else int(rng.integers(2, 6))):
            villages.append(f"v{town}{number}")
            if towns:
                parent[f"v{town}{number}"] = f"t{town}"
    if towns == 2 and rng.random() < 0.4:
        parent |= {"t0": "c", "t1": "c"}
    kinds = [f"k{n}" for n in range(int(rng.integers(2, 5)))]
    group = dict.fromkeys(kinds[: int(rng.integers(2, len(kinds) + 1))], "g") if rng.random() < 0.5 else {}
    late_days = int(rng.choice([0, 0, 2]))
    bins = bins_of(late_days)
    shape = len(villages), len(kinds), len(bins)
    scale = rng.choice([0.3, 2.0, 6.0, 15.0], size=shape[:2], p=[0.3, 0.3, 0.2, 0.2])
    counts = rng.poisson(scale[:, :, None] * rng.choice([0.5, 1.0, 1.0, 2.0], size=shape))
    areas = [*villages, *dict.fromkeys(parent.values()), ALL]
    size = {area: int(rng.integers(1, 6)) for area in areas if area != ALL} if rng.random() < 0.5 else {}
    city = City(parent, villages, kinds, group, bins, counts, [], size, late_days)
    return flag(city, rng, [*itertools.product(areas, [*kinds, *dict.fromkeys(group.values())])])


def flag(city: City, rng: np.random.Generator, choices: list[tuple[str, str]]) -> City:
    """Let some series and sums be signals, preferably large ones: there is something to be seen of those."""
    last = city.in_weeks(N_WEEKS - 2, N_WEEKS - 1)
    weight = np.array([1 + min(city.total(city.cells(area, kind, last)), 40) for area, kind in choices], dtype=float)
    number = min(int(rng.integers(1, 7)), len(choices))
    chosen = rng.choice(len(choices), size=number, replace=False, p=weight / weight.sum())
    city.flagged = [(*choices[n], int(rng.choice([1, 2, 4]))) for n in chosen]
    return city


@dataclass
class Finding:
    """A count that a reader can bound too tightly, `what` says of which area, kind and weeks."""

    what: tuple[str, str, str]
    truth: int
    low: float
    high: float


@dataclass
class Release:
    """What can be seen: the tables of inflows, signals and weeks, null where withheld."""

    areas: pd.DataFrame
    signals: pd.DataFrame
    weeks: pd.DataFrame


def equations(city: City, seen: Release) -> list[tuple[np.ndarray, float]]:
    """What the figures that can be seen say of the counts."""
    known = [
        (city.cells(area, None, city.in_inflow), inflow)
        for area, inflow in zip(seen.areas["unit"], seen.areas["inflow_28d"], strict=True)
    ]
    if seen.areas["inflow_28d"].notna().any():
        whole = city.cells(ALL, None, city.in_inflow)
        known.append((whole, city.total(whole)))
    windows = {(area, kind): weeks for area, kind, weeks in city.flagged}
    for area, kind, observed in seen.signals[["area", "category", "observed"]].itertuples(index=False):
        window = city.in_weeks(N_WEEKS - windows[area, kind], N_WEEKS - 1)
        known.append((city.cells(area, kind, window), observed))
    for area, kind, week, observed in seen.weeks[["area", "category", "week", "observed"]].itertuples(index=False):
        number = (week - FIRST) // WEEK
        known.append((city.cells(area, kind, city.in_weeks(number, number)), observed))
    return [(cells, float(value)) for cells, value in known if not pd.isna(value)]


def targets(city: City) -> dict[tuple[str, str, str], np.ndarray]:
    """Counts under the minimum: of each area and type, in each week and within the 28 days; and the inflows."""
    areas = [*city.villages, *dict.fromkeys(city.parent.values()), ALL]
    times = {f"week {week}": city.in_weeks(week, week) for week in range(N_WEEKS)} | {"28 days": city.in_inflow}
    times |= {f"{weeks} weeks": city.in_weeks(N_WEEKS - weeks, N_WEEKS - 1) for _, _, weeks in city.flagged}
    found = {}
    for area, kind, when in itertools.product(areas, [*city.kinds, *dict.fromkeys(city.group.values())], times):
        found[area, kind, when] = city.cells(area, kind, times[when])
    found |= {(village, "all", "28 days"): city.cells(village, None, city.in_inflow) for village in city.villages}
    return {what: cells for what, cells in found.items() if city.total(cells) < MINIMUM}


def attack(city: City, seen: Release) -> tuple[int, list[Finding]]:
    """How many small counts were attacked, and those that can be bounded too tightly."""
    asked = targets(city)
    known = equations(city, seen)
    if not asked or not known:
        return len(asked), []
    programme = _Programme(city, known, [*asked.values()])
    low, high = programme.bounds()
    tight = (low > 1e-6) | (high < MINIMUM - 1 - 1e-6)
    names = [*asked]
    return len(asked), [
        Finding(names[n], city.total(asked[names[n]]), float(low[n]), float(high[n])) for n in np.flatnonzero(tight)
    ]


class _Programme:
    """Bounds of many forms at once: a solution that shows one of them at 0, or at 9, shows it for many."""

    def __init__(self, city: City, known: list[tuple[np.ndarray, float]], asked: list[np.ndarray]) -> None:
        everything = np.array([cells.ravel() for cells, _ in known] + [cells.ravel() for cells in asked])
        # Counts that every figure and every question treats alike are one unknown.
        columns = np.unique(everything, axis=1).astype(float)
        self.left = columns[: len(known)]
        self.right = np.array([value for _, value in known], dtype=float)
        self.asked = columns[len(known) :]

    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Smallest and largest value of each question; exact only where that is too tight, else merely safe."""
        return self._ends(self._towards_zero, 0.0, 1), self._ends(self._towards_nine, MINIMUM - 1.0, -1)

    def _ends(self, together: Callable[[np.ndarray], np.ndarray], goal: float, sign: int) -> np.ndarray:
        best = np.full(len(self.asked), np.inf)
        while len(open_ := np.flatnonzero(best > sign * goal + 1e-6)):
            before = len(open_)
            best = np.minimum(best, sign * (self.asked @ together(open_)))
            if (best > sign * goal + 1e-6).sum() == before:
                # No further one falls with others: each by itself, which is its exact end.
                for number in open_:
                    if best[number] > sign * goal + 1e-6:
                        x = self._solve(sign * self.asked[number], self.left, self.right)
                        best = np.minimum(best, sign * (self.asked @ x))
                break
        return sign * best

    def _towards_zero(self, open_: np.ndarray) -> np.ndarray:
        return self._solve(self.asked[open_].sum(axis=0), self.left, self.right)

    def _towards_nine(self, open_: np.ndarray) -> np.ndarray:
        """Maximise the sum of min(question, 9) over the open questions."""
        n, m = self.left.shape[1], len(open_)
        objective = np.r_[np.zeros(n), -np.ones(m)]
        left = np.hstack([self.left, np.zeros((len(self.left), m))])
        below = np.hstack([-self.asked[open_], np.eye(m)])
        highest = np.r_[np.full(n, _BEYOND), np.full(m, MINIMUM - 1.0)]
        return self._solve(objective, left, self.right, below, highest)[:n]

    @staticmethod
    def _solve(
        objective: np.ndarray,
        left: np.ndarray,
        right: np.ndarray,
        below: np.ndarray | None = None,
        highest: np.ndarray | float = _BEYOND,
    ) -> np.ndarray:
        found = linprog(
            objective,
            A_eq=left,
            b_eq=right,
            A_ub=below,
            b_ub=None if below is None else np.zeros(len(below)),
            bounds=np.column_stack([np.zeros(len(objective)), np.broadcast_to(highest, len(objective))]),
            method="highs",
        )
        assert found.status == 0, found.message
        return found.x
