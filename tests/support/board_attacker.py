"""A reader of one echo board who wants the small counts back.

The attacker knows every figure that the board shows, which area lies in which, that figures are sums, that no count is
negative, and everything that other pages may have told of the same weeks at their worst. Nothing here is shared with
what is attacked but the counts that go in and the rows that come out.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy.optimize import linprog

from service.board_block import Block
from service.board_counts import LISTED as N_LISTED
from service.board_counts import Counted, board_of

MINIMUM = 10
PARTS = {"solved": (0,), "still_open": (1,), "neither": (2,), "raised": (0, 1, 2), "unsolved": (1, 2), "ended": (0, 2)}
BLOCK = Block.newest(1_763_683_200, "Asia/Shanghai")


@dataclass
class BoardCity:
    """Counts of every area, type, week and part, (areas, types, 12, 3), and the tree that the areas stand in."""

    counts: np.ndarray
    parents: dict[str, str]
    backlog: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))

    @property
    def areas(self) -> list[str]:
        return [f"v{n:02d}" for n in range(len(self.counts))]

    @property
    def types(self) -> list[str]:
        return [f"k{n:02d}" for n in range(self.counts.shape[1])]

    def counted(self) -> Counted:
        by_part = self.counts.sum(axis=2)
        return Counted(self.areas, self.types, self.counts.sum(axis=3), by_part[..., 0], by_part[..., 1], self.backlog)


Engine = Callable[[BoardCity], pd.DataFrame]


def released(city: BoardCity) -> pd.DataFrame:
    return board_of(city.counted(), BLOCK, parents=city.parents, minimum=MINIMUM)


def random_city(rng: np.random.Generator, *, most: int = 5) -> BoardCity:
    """One to two levels of towns above some villages, some with cases of their own; types of very different size."""
    n_areas, n_types = int(rng.integers(1, most + 2)), int(rng.integers(1, most + 1))
    areas = [f"v{n:02d}" for n in range(n_areas)]
    parents: dict[str, str] = {}
    for area in areas[1:]:
        if rng.random() < 0.8:
            # The first area may hold others and have cases of its own.
            parents[area] = str(rng.choice(["t1", "t2", areas[0]]))
    if rng.random() < 0.3:
        parents |= dict.fromkeys(({"t1", "t2"} & set(parents.values())), "city")
    scale = rng.gamma(0.7, 1.0, (n_areas, 1)) * rng.gamma(0.7, 1.0, (1, n_types)) * rng.choice([0.3, 2.0, 8.0, 20.0])
    shares = rng.dirichlet([4.0, 0.7, 1.0], size=(n_areas, n_types))
    counts = rng.poisson(np.repeat(scale[..., None, None] * shares[..., None, :], 12, axis=2))
    other = rng.choice([0, 0, 3, 40], n_areas)
    return BoardCity(counts, parents, counts.sum(axis=(1, 2))[:, 1] + other)


@dataclass(frozen=True)
class Found:
    what: tuple[str, str, str]
    truth: int
    low: float
    high: float


def attack(city: BoardCity, board: pd.DataFrame) -> tuple[int, list[Found]]:
    """How many small counts there are, and those that are known more closely than 0 to the minimum less 1."""
    view = _View(city)
    left, right = view.equations(board)
    told, least = view.told()
    asked = view.small(told, least)
    rows = np.array([row for _, row, _ in asked.values()]).reshape(len(asked), len(view.truth))
    offsets = np.array([offset for *_, offset in asked.values()])
    low, high = _ends((left, right, told, least), rows, offsets)
    wide = (low < 1e-6) & (high > MINIMUM - 1 - 1e-6)
    return len(asked), [
        Found(what, truth, *ends)
        for (what, (truth, *_)), *ends, good in zip(asked.items(), low.tolist(), high.tolist(), wide, strict=True)
        if not good
    ]


class _View:
    def __init__(self, city: BoardCity) -> None:
        self.city = city
        self.shape = len(city.areas), len(city.types), 3
        self.truth = city.counts.sum(axis=2).ravel()
        everywhere = {"*", *city.areas, *city.parents.values()}
        self.inside = {area: [self._lies_in(one, area) for one in city.areas] for area in sorted(everywhere)}
        totals = city.counts.sum(axis=(0, 2, 3))
        order = sorted(range(len(totals)), key=lambda kind: (-totals[kind], kind))
        listed = order if len(order) <= N_LISTED + 1 else order[:N_LISTED]
        self.kinds = {city.types[kind]: [kind == one for one in range(len(order))] for kind in listed}
        self.kinds["*"] = [True] * len(order)
        if len(listed) < len(order):
            self.kinds["*others"] = [one not in listed for one in range(len(order))]

    def _lies_in(self, area: str, wider: str) -> bool:
        while area != wider and area in self.city.parents:
            area = self.city.parents[area]
        return wider in {"*", area}

    def row(self, areas: list[bool], kinds: list[bool], parts: tuple[int, ...]) -> np.ndarray:
        chosen = np.zeros(self.shape)
        for part in parts:
            chosen[np.ix_(areas, kinds, [part])] = 1.0
        return chosen.ravel()

    def equations(self, board: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        rows, right = [], []
        for one in board.to_dict("records"):
            for name in ("raised", "solved", "still_open"):
                if not pd.isna(one[name]):
                    rows.append(self.row(self.inside[one["area"]], self.kinds[one["category"]], PARTS[name]))
                    right.append(float(one[name]))
                    assert rows[-1] @ self.truth == one[name], "what is shown must be true"
                    assert one[name] >= MINIMUM, "what is shown must not be small"
        return np.array(rows).reshape(len(rows), self.truth.size), np.array(right)

    def told(self) -> tuple[np.ndarray, np.ndarray]:
        """Weeks of ten and more, of every type in every area, town and the city; and the backlogs."""
        rows, least = [], []
        weekly = self.city.counts.sum(axis=3)
        singles = [flags for code, flags in self.kinds.items() if not code.startswith("*")]
        for inside, kind in itertools.product(self.inside.values(), singles):
            weeks = weekly[np.ix_(inside, kind)].sum(axis=(0, 1))
            if 0 < (weeks >= MINIMUM).sum() < 12:
                rows.append(self.row(inside, kind, PARTS["raised"]))
                least.append(float(weeks[weeks >= MINIMUM].sum()))
        for place, backlog in enumerate(self.city.backlog):
            if backlog >= MINIMUM:
                alone = [one == place for one in range(len(self.city.areas))]
                rows.append(-self.row(alone, self.kinds["*"], PARTS["still_open"]))
                least.append(-float(backlog))
        return np.array(rows).reshape(len(rows), self.truth.size), np.array(least)

    def small(self, told: np.ndarray, least: np.ndarray) -> dict[tuple[str, str, str], tuple[int, np.ndarray, float]]:
        """Everything small that must stay vague: counts, what can be subtracted, what is left beside what is told."""
        found: dict[tuple[str, str, str], tuple[int, np.ndarray, float]] = {}
        places = dict(self.inside)
        places |= {f"{area} itself": [area == one for one in self.city.areas] for area in self.city.areas}
        for (area, inside), (kind, kinds), (part, parts) in itertools.product(
            places.items(), self.kinds.items(), PARTS.items()
        ):
            row = self.row(inside, kinds, parts)
            truth = int(row @ self.truth)
            if truth < MINIMUM:
                found[area, kind, part] = truth, row, 0.0
        for number, (row, offset) in enumerate(zip(told, least, strict=True)):
            rest = int(row @ self.truth - offset)
            if rest < MINIMUM:
                found["rest", str(number), ""] = rest, row, float(offset)
        return found


def _ends(
    known: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray], asked: np.ndarray, offsets: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Smallest and largest values, exact only where they are too close; one solution shows many to be wide enough."""
    left, right, told, least = known
    low, high = np.full(len(asked), np.inf), np.full(len(asked), -np.inf)
    for sign in (1.0, -1.0):
        for number, row in enumerate(asked):
            if (low[number] < 1e-6) if sign > 0 else (high[number] > MINIMUM - 1 - 1e-6):
                continue
            answer = linprog(
                sign * row,
                A_eq=left if len(left) else None,
                b_eq=right if len(left) else None,
                A_ub=-told if len(told) else None,
                b_ub=-least if len(told) else None,
                bounds=(0, 1e4),
                method="highs",
            )
            assert answer.status == 0, answer.message
            seen = asked @ answer.x - offsets
            np.minimum(low, seen, out=low)
            np.maximum(high, seen, out=high)
    return low, high
