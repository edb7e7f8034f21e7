"""A reader of everything that is published at once, who wants the small figures back.

One table here is one release as it leaves `service.published.publish`: the pressure of areas in a tree of two to four
levels (the city among them) and of the offices that serve them, the signals of single areas and of sums over areas
and over types of problem, and the weeks behind those signals.

The attacker knows every figure of the release; the tree, and which office serves which areas; that reports add up over
types, weeks and areas to signals, weeks and inflows; that what is open is what was open 28 days before, plus what came,
less what left; that of the open cases some are overdue, and all of those expected late; the sum of all areas in every
column of which any figure is shown; and that no count is negative. A figure under the minimum is safe if by all this it
could still be 0 and could still be minimum - 1. A larger one that is withheld must stay as vague as that.

Nothing here is shared with what is attacked but the tables that go in and what is published.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy.optimize import Bounds, LinearConstraint, linprog, milp

from models.signals.counts import ALL
from service.places import Places
from service.published import Figure, Published, publish
from tests.support.signal_attacker import FIRST, MINIMUM, N_WEEKS, WEEK, City, bins_of, flag, targets

# What is known of the cases of one area at one office. Open cases are calm, at risk or overdue.
PARTS = ("inflow", "before", "outflow", "calm", "at_risk", "overdue")
# The columns of the pressure as sums of those, and what can be subtracted although no page shows it.
COLUMNS = {
    "backlog": ("calm", "at_risk", "overdue"),
    "inflow_28d": ("inflow",),
    "outflow_28d": ("outflow",),
    "overdue": ("overdue",),
    "expected_late": ("at_risk", "overdue"),
}
IMPLIED = {"not_overdue": ("calm", "at_risk"), "backlog_before": ("before",)}
COUNTS = ("backlog", "inflow_28d", "outflow_28d", "overdue")
_ESTIMATES = tuple(
    f"{name}{end}"
    for name in ("backlog_days", "flow_ratio", "late_14d")
    for end in ("", "_low", "_high", "_usual_low", "_usual_high")
)
What = tuple[str, str, str]
Release = Callable[["JointCity"], Published]


@dataclass
class JointCity(City):
    """A city with the cases of each area at each office. `villages` are all areas with cases of their own, towns with
    cases whose village is not known among them. `parts`: (pairs, 6), the columns of `PARTS`.
    """

    pairs: list[tuple[str, str]] = field(default_factory=list)
    parts: np.ndarray = field(default_factory=lambda: np.zeros((0, len(PARTS))))

    def pressure(self) -> pd.DataFrame:
        rows = [self._row("area", unit) for unit in self.villages]
        rows += [self._row("office", office) for office in dict.fromkeys(office for _, office in self.pairs)]
        frame = pd.DataFrame(rows)
        usual = dict.fromkeys(("usual_backlog", "usual_low", "usual_high"), 50.0)
        return frame.assign(as_of=self.as_of, level="usual", due_14d=50, **usual, **dict.fromkeys(_ESTIMATES, 1.0))

    def _row(self, kind: str, unit: str) -> dict[str, object]:
        held = self.parts[self.of(kind, unit)].sum(axis=0)
        figures = {name: held[[PARTS.index(part) for part in parts]].sum() for name, parts in COLUMNS.items()}
        return {"unit_kind": kind, "unit": unit, **{k: int(v) if k in COUNTS else v for k, v in figures.items()}}

    def of(self, kind: str, unit: str) -> np.ndarray:
        """Which pairs make up a row of the pressure."""
        return np.array([unit == pair[0 if kind == "area" else 1] for pair in self.pairs])

    def counts_of(self, unit: str) -> np.ndarray:
        """The reports that make up an area's own inflow, without those of the areas in it."""
        own = np.zeros(self.counts.shape, dtype=bool)
        own[self.villages.index(unit)] = np.array(self.in_inflow)
        return own

    def inside(self, area: str) -> np.ndarray:
        """Which pairs lie in an area, its own cases and those of the areas in it."""
        return np.array([area in (unit, *self.above(unit)) for unit, _ in self.pairs])

    def places(self) -> Places:
        served: dict[str, set[str]] = {}
        for unit, office in self.pairs:
            served.setdefault(office, set()).add(unit)
        return Places({}, {}, {}, self.parent, self.size, served={one: frozenset(all_) for one, all_ in served.items()})


def released(city: JointCity) -> Published:
    """What the service publishes."""
    return publish(city.pressure(), city.signals(), city.places(), minimum=MINIMUM, record=city.record())


# -- random cities


def random_joint_city(rng: np.random.Generator) -> JointCity:
    """Draw a city: its tree, types of problem, weeks, offices, and what was flagged."""
    parent, leaves = _random_tree(rng)
    inner = [*dict.fromkeys(parent.values())]
    own = [area for area in inner if rng.random() < 0.3]
    # An area that never had a case has no row, which tells that it has none.
    units = [leaf for leaf in leaves if rng.random() > 0.06] + own or leaves
    kinds = [f"k{n}" for n in range(int(rng.integers(1, 5)))]
    group = (
        dict.fromkeys(kinds[: int(rng.integers(2, len(kinds) + 1))], "g")
        if len(kinds) > 1 and rng.random() < 0.4
        else {}
    )
    late_days = int(rng.choice([0, 0, 2]))
    bins = bins_of(late_days)
    shape = len(units), len(kinds), len(bins)
    scale = rng.choice([0.0, 0.3, 2.0, 6.0, 15.0], size=shape[:2], p=[0.1, 0.25, 0.25, 0.2, 0.2])
    # Of a busy city more is shown, and so there is more to work with.
    scale *= rng.choice([1.0, 3.0], p=[0.6, 0.4])
    counts = rng.poisson(scale[:, :, None] * rng.choice([0.5, 1.0, 1.0, 2.0], size=shape))
    counts[rng.random(len(units)) < 0.05] = 0
    size = {area: int(rng.integers(1, 6)) for area in [*leaves, *inner]} if rng.random() < 0.6 else {}
    pairs = _random_offices(rng, parent, units)
    city = JointCity(parent, units, kinds, group, bins, counts, [], size, late_days, pairs=pairs)
    city.parts = _random_parts(rng, city)
    areas = [*dict.fromkeys([*units, *(one for unit in units for one in city.above(unit)), ALL])]
    flag(city, rng, [*itertools.product(areas, [*kinds, *dict.fromkeys(group.values())])])
    return city


def _random_tree(rng: np.random.Generator) -> tuple[dict[str, str], list[str]]:
    """Areas in one to three levels under the city, up to seven at the bottom, chains and single children among them."""
    depth = int(rng.choice([1, 2, 2, 3]))
    parent: dict[str, str] = {}
    leaves: list[str] = []

    def grow(name: str, level: int) -> None:
        if level == depth or rng.random() < 0.15:
            leaves.append(name)
            return
        for number in range(int(rng.choice([1, 2, 2, 3]))):
            parent[f"{name}.{number}"] = name
            grow(f"{name}.{number}", level + 1)

    tops = int(rng.integers(2, 7)) if depth == 1 else int(rng.integers(1, 4 if depth == 2 else 3))
    for number in range(tops):
        grow(f"a{number}", 1)
    return parent, leaves


def _random_offices(rng: np.random.Generator, parent: dict[str, str], units: list[str]) -> list[tuple[str, str]]:
    """Which office has cases of which area: city-wide ones, one for each top area or for single areas, or a mixture."""
    top = {unit: unit.split(".")[0] for unit in units}
    way = rng.choice(["wide", "local", "towns", "all"], p=[0.3, 0.25, 0.25, 0.2])
    wide = [f"w{n}" for n in range(int(rng.integers(1, 3)))] if way in ("wide", "all") or rng.random() < 0.5 else []
    pairs = [(unit, office) for unit in units for office in wide]
    if way in ("local", "all"):
        pairs += [(unit, f"l-{unit}") for unit in units if way == "local" or rng.random() < 0.5]
    if way in ("towns", "all"):
        pairs += [(unit, f"t-{top[unit]}") for unit in units]
    return pairs


def _random_parts(rng: np.random.Generator, city: JointCity) -> np.ndarray:
    scale, stay = rng.choice([3, 12, 40, 150, 150]), rng.choice([0.1, 0.5, 0.9])
    late = rng.choice([0.02, 0.2, 0.6, 0.97])
    parts = np.zeros((len(city.pairs), len(PARTS)))
    for unit in city.villages:
        rows = np.flatnonzero(city.of("area", unit))
        weight = rng.dirichlet(np.full(len(rows), 0.7))
        came = int(city.counts[city.villages.index(unit)][:, city.in_inflow].sum())
        before = int(rng.poisson(scale * rng.choice([0, 0.2, 1, 3], p=[0.1, 0.2, 0.4, 0.3])))
        inflow, start = rng.multinomial(came, weight), rng.multinomial(before, weight)
        backlog = rng.binomial(inflow + start, stay)
        overdue = rng.binomial(backlog, late)
        # Halves, which pass the rounding of what is shown.
        at_risk = np.round(rng.random(len(rows)) * (backlog - overdue) * 2) / 2
        parts[rows] = np.column_stack(
            [inflow, start, inflow + start - backlog, backlog - overdue - at_risk, at_risk, overdue]
        )
    return parts


# -- the attack


@dataclass
class Finding:
    """A figure that a reader can bound too tightly; `what`: area or office, figure, and when."""

    what: What
    truth: float
    low: float
    high: float

    @property
    def exact(self) -> bool:
        """Whether the figure is given away to the unit."""
        return self.high - self.low < 1e-6


@dataclass
class Verdict:
    """How many small figures and stand-ins were attacked, how many figures were shown, and what was found."""

    small: int
    stand_ins: int
    shown: int
    found: list[Finding]


class Knowledge:
    """What a reader of one release or several can write down, as equations over the cells that nobody sees."""

    def __init__(self, city: JointCity) -> None:
        self.city = city
        self.cells = city.counts.size
        self.left: list[np.ndarray] = []
        self.right: list[float] = []
        for unit in city.villages:
            rows = city.of("area", unit)
            link = self.parts(rows, ("inflow",)) - self.counts(city.counts_of(unit))
            self.add(link, 0.0)
        for number in range(len(city.pairs)):
            row = np.arange(len(city.pairs)) == number
            flow = self.parts(row, ("before", "inflow")) - self.parts(row, ("outflow", "calm", "at_risk", "overdue"))
            self.add(flow, 0.0)

    def add(self, row: np.ndarray, value: float) -> None:
        self.left.append(row)
        self.right.append(value)

    def counts(self, cells: np.ndarray) -> np.ndarray:
        """A sum of reports."""
        return np.concatenate([cells.ravel().astype(float), np.zeros(self.city.parts.size)])

    def parts(self, pairs: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
        """A sum of parts over pairs of area and office."""
        chosen = np.zeros(self.city.parts.shape)
        for name in names:
            chosen[:, PARTS.index(name)] = pairs
        return np.concatenate([np.zeros(self.cells), chosen.ravel()])

    @property
    def truth(self) -> np.ndarray:
        """The cells as they are."""
        return np.concatenate([self.city.counts.ravel().astype(float), self.city.parts.ravel()])

    def learn(self, seen: Published) -> int:
        """Add what a release says; returns how many figures it shows."""
        city, before = self.city, len(self.left)
        for kind, told in (("area", seen.areas), ("office", seen.offices)):
            for unit, pressure in told.items():
                for column, parts in COLUMNS.items():
                    self._figure(self.parts(city.of(kind, unit), parts), getattr(pressure, column))
        windows = {(area, kind): weeks for area, kind, weeks in city.flagged}
        for one in seen.signals:
            window = city.in_weeks(N_WEEKS - windows[one.area, one.category], N_WEEKS - 1)
            self._figure(self.counts(city.cells(one.area, one.category, window)), one.observed)
            for week in one.weeks:
                number = (week.week - FIRST) // WEEK
                cells = city.cells(one.area, one.category, city.in_weeks(number, number))
                self._figure(self.counts(cells), week.observed)
        shown = len(self.left) - before
        everyone = np.ones(len(city.pairs), dtype=bool)
        for column, parts in COLUMNS.items():
            if any(getattr(one, column).value is not None for one in seen.areas.values()):
                row = self.parts(everyone, parts)
                self.add(row, float(row @ self.truth))
        return shown

    def _figure(self, row: np.ndarray, figure: Figure) -> None:
        if figure.value is not None:
            self.add(row, float(figure.value))

    def questions(self, *, offices: bool) -> dict[What, np.ndarray]:
        """Every figure that somebody might want back; of offices only where asked."""
        city = self.city
        asked: dict[What, np.ndarray] = {what: self.counts(cells) for what, cells in targets(city).items()}
        areas = [("own", unit, city.of("area", unit)) for unit in city.villages]
        areas += [("area", area, city.inside(area)) for area in dict.fromkeys(city.parent.values())]
        if offices:
            areas += [("office", one, city.of("office", one)) for one in dict.fromkeys(o for _, o in city.pairs)]
        for (kind, unit, pairs), name in itertools.product(areas, [*COUNTS, *IMPLIED]):
            asked[kind, unit, name] = self.parts(pairs, {**COLUMNS, **IMPLIED}[name])
        return asked


def small_figures(knowledge: Knowledge, *, offices: bool = False) -> dict[What, np.ndarray]:
    """Every figure under the minimum, shown or withheld or on no page at all."""
    asked, truth = knowledge.questions(offices=offices), knowledge.truth
    return {what: row for what, row in asked.items() if row.any() and row @ truth < MINIMUM}


def attack(city: JointCity, seen: Published, *, offices: bool = False) -> Verdict:
    """Attack every figure under the minimum, and every larger one of the pressure that is withheld."""
    knowledge = Knowledge(city)
    shown = knowledge.learn(seen)
    small = small_figures(knowledge, offices=offices)
    stand_ins = {
        ("own", unit, column): knowledge.parts(city.of("area", unit), COLUMNS[column])
        for unit, column in itertools.product(seen.areas, COUNTS)
        if getattr(seen.areas[unit], column).withheld and ("own", unit, column) not in small
    }
    if not shown:
        return Verdict(len(small), len(stand_ins), 0, [])
    programme = Programme(knowledge)
    found = programme.too_tight(small) + programme.too_narrow(stand_ins)
    return Verdict(len(small), len(stand_ins), shown, found)


class Programme:
    """Linear programmes over what is known, all over the same equations."""

    def __init__(self, knowledge: Knowledge) -> None:
        self._truth = knowledge.truth
        self._cells = knowledge.cells
        self._left = np.array(knowledge.left)
        self._right = np.array(knowledge.right)

    def too_tight(self, asked: dict[What, np.ndarray]) -> list[Finding]:
        """The small figures that could not be 0, or could not be the minimum less 1."""
        if not asked:
            return []
        names, rows = [*asked], np.array([*asked.values()])
        left, rows = _merged(self._left, rows)
        ends = _Ends(left, self._right, rows)
        low, high = ends.lowest(), ends.highest()
        wrong = (low > 1e-6) | (high < MINIMUM - 1 - 1e-6)
        truth = np.array([row @ self._truth for row in asked.values()])
        return [Finding(names[n], float(truth[n]), float(low[n]), float(high[n])) for n in np.flatnonzero(wrong)]

    def too_narrow(self, asked: dict[What, np.ndarray]) -> list[Finding]:
        """The stand-ins that are known more closely than a small figure."""
        if not asked:
            return []
        left, rows = _merged(self._left, np.array([*asked.values()]))
        ends = _Ends(left, self._right, rows)
        found = []
        for number, (what, row) in enumerate(asked.items()):
            truth = float(row @ self._truth)
            if ends.reaches(number, truth, MINIMUM - 1.0):
                continue
            low, high = ends.exactly(number)
            if high - low < MINIMUM - 1 - 1e-6:
                found.append(Finding(what, truth, low, high))
        return found

    def intervals(self, asked: dict[What, np.ndarray]) -> dict[What, tuple[float, float]]:
        """Both ends of every figure asked for, exactly."""
        left, rows = _merged(self._left, np.array([*asked.values()]))
        ends = _Ends(left, self._right, rows)
        return {what: ends.exactly(number) for number, what in enumerate(asked)}

    def whole(self, asked: dict[What, np.ndarray]) -> list[Finding]:
        """As `too_tight`, for a reader who also knows that counts are whole numbers."""
        found = []
        # Of the open cases, only what is expected late is no count.
        broken = np.tile([name in ("calm", "at_risk") for name in PARTS], len(self._truth) // len(PARTS) + 1)
        broken = np.r_[np.zeros(self._cells, dtype=bool), broken[: len(self._truth) - self._cells]]
        left, rows, broken = _merged_with(self._left, np.array([*asked.values()]), broken)
        limits = LinearConstraint(left, self._right, self._right)
        for (what, own), row in zip(asked.items(), rows, strict=True):
            ends = []
            for sign in (1, -1):
                answer = milp(sign * row, constraints=limits, integrality=~broken, bounds=Bounds(0, 1e4))
                assert answer.status == 0, answer.message
                ends.append(sign * float(answer.fun))
            if ends[0] > 1e-6 or ends[1] < MINIMUM - 1 - 1e-6:
                found.append(Finding(what, float(own @ self._truth), *ends))
        return found


def _merged(left: np.ndarray, asked: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cells that every equation and every question treats alike are one unknown."""
    columns = np.unique(np.vstack([left, asked]), axis=1)
    return columns[: len(left)], columns[len(left) :]


def _merged_with(left: np.ndarray, asked: np.ndarray, mark: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """As `_merged`, but that marked cells stay apart from others."""
    columns = np.unique(np.vstack([left, asked, mark]), axis=1)
    return columns[: len(left)], columns[len(left) : -1], columns[-1] > 0


class _Ends:
    """Smallest and largest values of many rows; a solution that shows one of them wide enough shows it for many."""

    def __init__(self, left: np.ndarray, right: np.ndarray, asked: np.ndarray) -> None:
        self.left, self.right, self.asked = left, right, asked
        self.least = np.full(len(asked), np.inf)
        self.most = np.full(len(asked), -np.inf)

    def lowest(self) -> np.ndarray:
        """Smallest values; exact only where they are above 0."""
        return self._until(lambda: self.least > 1e-6, lambda open_: self.asked[open_].sum(axis=0), 1.0)

    def highest(self) -> np.ndarray:
        """Largest values; exact only where they are below the minimum less 1."""
        return self._until(lambda: self.most < MINIMUM - 1 - 1e-6, None, -1.0)

    def reaches(self, number: int, truth: float, width: float) -> bool:
        """Whether solutions seen so far already show that a row can differ by so much."""
        return bool(max(self.most[number], truth) - min(self.least[number], truth) >= width - 1e-6)

    def exactly(self, number: int) -> tuple[float, float]:
        """Both ends of one row."""
        self._see(self._solve(self.asked[number]))
        self._see(self._solve(-self.asked[number]))
        return float(self.least[number]), float(self.most[number])

    def _until(
        self, open_: Callable[[], np.ndarray], aim: Callable[[np.ndarray], np.ndarray] | None, sign: float
    ) -> np.ndarray:
        while len(rows := np.flatnonzero(open_())):
            before = len(rows)
            self._see(self._solve(aim(rows)) if aim else self._towards_nine(rows))
            if open_().sum() == before:
                for number in rows:
                    if open_()[number]:
                        self._see(self._solve(sign * self.asked[number]))
                break
        return self.least if sign > 0 else self.most

    def _see(self, x: np.ndarray) -> None:
        values = self.asked @ x
        self.least = np.minimum(self.least, values)
        self.most = np.maximum(self.most, values)

    def _towards_nine(self, rows: np.ndarray) -> np.ndarray:
        """Maximise the sum of min(row, 9) over rows."""
        n, m = self.left.shape[1], len(rows)
        left = np.hstack([self.left, np.zeros((len(self.left), m))])
        below = np.hstack([-self.asked[rows], np.eye(m)])
        return self._solve(np.r_[np.zeros(n), -np.ones(m)], left, below, MINIMUM - 1.0)[:n]

    def _solve(
        self,
        objective: np.ndarray,
        left: np.ndarray | None = None,
        below: np.ndarray | None = None,
        highest: float | None = None,
    ) -> np.ndarray:
        extra = 0 if below is None else len(below)
        # An upper end beyond every sum keeps each programme finite and changes no answer that matters.
        upper = np.r_[np.full(self.left.shape[1], 1e4), np.full(extra, highest or 0.0)]
        found = linprog(
            objective,
            A_eq=self.left if left is None else left,
            b_eq=self.right,
            A_ub=below,
            b_ub=None if below is None else np.zeros(extra),
            bounds=np.column_stack([np.zeros(len(upper)), upper]),
            method="highs",
        )
        assert found.status == 0, found.message
        return found.x


def cities(number: int, seed: int) -> Iterator[JointCity]:
    """Random cities, each from a seed of its own, so that any one of them can be drawn again by itself."""
    for place in range(number):
        yield random_joint_city(np.random.default_rng([seed, place]))
