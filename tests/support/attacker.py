"""A reader who wants the small figures back, with a linear programme over everything there is to know.

The attacker knows every shown figure; that a parent is the sum of its children; the sum of all areas,
wherever any figure of the column is shown; that no count is negative; that overdue cases are expected late
and that those are open; and that the backlog 28 days ago, which is the backlog less the inflow plus the
outflow, was not negative. For each figure under the minimum the programme finds the smallest and the
largest value that agree with all this. The figure is safe if they are no further in than 0 and minimum - 1.

Nothing here is shared with the function under attack but the table that goes in and the table that comes out.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy.optimize import linprog
from scipy.sparse import block_diag, coo_array, csr_array

MINIMUM = 10
COUNTS = ("backlog", "inflow_28d", "outflow_28d", "overdue")
FIGURES = (*COUNTS, "expected_late")
# What can be subtracted although no page shows it: the columns it is made of, with their signs.
IMPLIED = {
    "not_overdue": {"backlog": 1, "overdue": -1},
    "backlog_before": {"backlog": 1, "inflow_28d": -1, "outflow_28d": 1},
}
# Nothing of this is ever negative.
NEVER_NEGATIVE = [
    *IMPLIED.values(),
    {"expected_late": 1, "overdue": -1},
    {"backlog": 1, "expected_late": -1},
]

Cells = dict[str, dict[str, float]]
Form = dict[tuple[str, str], float]


@dataclass
class Table:
    """A tree of units, the true figures of all of them, and those that have a row."""

    parent: dict[str, str | None]
    truth: Cells
    listed: list[str]
    size: dict[str, float] = field(default_factory=dict)

    @property
    def frame(self) -> pd.DataFrame:
        rows = [{"unit": unit, **self.truth[unit]} for unit in self.listed]
        return pd.DataFrame(rows, columns=["unit", *FIGURES]).astype(dict.fromkeys(COUNTS, "int64"))

    def bottom(self, unit: str | None = None) -> list[str]:
        """The units without children below a unit, itself if it has none; all of them without an argument."""
        below = [child for child, above in self.parent.items() if above == unit]
        return [leaf for child in below for leaf in self.bottom(child)] if below else [str(unit)]

    def tops(self) -> list[str]:
        """The units with a row that lie in no other unit with a row."""

        def inside(unit: str) -> bool:
            above = self.parent[unit]
            return above is not None and (above in self.listed or inside(above))

        return [unit for unit in self.listed if not inside(unit)]

    def value(self, unit: str, terms: dict[str, int]) -> float:
        return sum(sign * self.truth[unit][column] for column, sign in terms.items())


def add_up(parent: dict[str, str | None], bottom: Cells) -> Cells:
    """Figures of all units from those at the bottom."""

    def figures(unit: str) -> dict[str, float]:
        below = [child for child, above in parent.items() if above == unit]
        parts = [figures(child) for child in below] or [bottom[unit]]
        return {column: sum(part[column] for part in parts) for column in parts[0]}

    return {unit: figures(unit) for unit in parent}


def random_table(rng: np.random.Generator) -> Table:
    """Draw a tree of up to three levels, with quiet areas, failing offices, and rows that are missing."""
    parent: dict[str, str | None] = {}
    depth = int(rng.integers(1, 4))

    def grow(name: str, above: str | None, level: int) -> None:
        parent[name] = above
        if level < depth and rng.random() < 0.85:
            for number in range(int(rng.integers(1, 6 - depth + level // 2))):
                grow(f"{name}.{number}", name, level + 1)

    for number in range(int(rng.integers(1, 8 if depth == 1 else 4 if depth == 2 else 3))):
        grow(f"u{number}", None, 1)
    inner = set(parent.values())
    show_parents, some_missing = rng.random() < 0.7, rng.random() < 0.2

    def has_row(unit: str) -> bool:
        if unit in inner:
            return bool(show_parents or rng.random() < 0.3)
        return not (some_missing and rng.random() < 0.3)

    listed = [unit for unit in parent if has_row(unit)] or ["u0"]
    size = {unit: float(rng.integers(1, 6)) for unit in parent} if rng.random() < 0.7 else {}
    truth = add_up(parent, {unit: cases for unit, cases in _random_figures(rng, parent).items() if unit not in inner})
    return Table(parent, truth, [str(unit) for unit in rng.permutation(listed)], size)


def _random_figures(rng: np.random.Generator, units: dict[str, str | None]) -> Cells:
    scale, stay = rng.choice([3, 12, 40, 200]), rng.choice([0.1, 0.5, 0.9])
    late = rng.choice([0.02, 0.2, 0.6, 0.97])
    drawn = {}
    for unit in units:
        before, inflow = (int(rng.poisson(scale * rng.choice([0, 0.2, 1, 3]))) for _ in range(2))
        drawn[unit] = random_cells(rng, before, inflow, stay=stay, late=late)
    return drawn


def random_cells(rng: np.random.Generator, before: int, inflow: int, *, stay: float, late: float) -> dict[str, float]:
    """Draw the figures of one area from its backlog 28 days ago and its inflow."""
    backlog = int(rng.binomial(before + inflow, stay))
    overdue = int(rng.binomial(backlog, late))
    # Sixteenths, which add up exactly.
    at_risk = round(float(rng.random()) * (backlog - overdue) * 16) / 16
    return {
        "backlog": backlog,
        "inflow_28d": inflow,
        "outflow_28d": before + inflow - backlog,
        "overdue": overdue,
        "expected_late": overdue + at_risk,
    }


class Knowledge:
    """Equations and inequalities over the figures of the units at the bottom: what a reader can write."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.equal: list[tuple[Form, float]] = []
        self.not_negative: list[Form] = []

    def form(self, unit: str, terms: dict[str, int], names: dict[str, str] | None = None) -> Form:
        """Write a figure, or what is subtracted from figures, in the cells at the bottom."""
        names = names or {}
        bottom = self.table.bottom(unit)
        return {(leaf, names.get(column, column)): float(sign) for leaf in bottom for column, sign in terms.items()}

    def learn(self, table: Table, shown: pd.DataFrame, names: dict[str, str] | None = None) -> None:
        """Add what one release says; `names` tells the columns of several releases apart."""
        rows, tops = shown.set_index("unit"), table.tops()
        for column in FIGURES:
            for unit, value in rows[column].dropna().items():
                self.equal.append((self.form(str(unit), {column: 1}, names), float(value)))
            if len(tops) > 1 and rows[column].notna().any():
                total = sum(table.truth[unit][column] for unit in tops)
                sums = [self.form(unit, {column: 1}, names) for unit in tops]
                self.equal.append(({cell: 1.0 for form in sums for cell in form}, float(total)))
        for terms in NEVER_NEGATIVE:
            self.not_negative += [self.form(unit, terms, names) for unit in table.bottom()]

    def bounds(self, questions: list[Form]) -> np.ndarray:
        """Smallest and largest value of each form, as an array of shape (questions, 2).

        All programmes are solved as one with a block for each, so that HiGHS starts once per table.
        """
        known = {cell: total for form, total in self.equal if len(form) == 1 for cell in form}
        everything = [*questions, *self.not_negative, *(form for form, _ in self.equal)]
        free = sorted({cell for form in everything for cell in form} - known.keys())
        asked, offset = _matrix([(form, 0.0) for form in questions], free, known)
        if not free:
            return np.column_stack([-offset, -offset])
        a_eq, b_eq = _matrix(self.equal, free, known)
        a_ub, b_ub = _matrix([(form, 0.0) for form in self.not_negative], free, known)
        objective = np.concatenate([asked, -asked])
        copies = len(objective)
        found = linprog(
            objective.ravel(),
            A_eq=_blocks(a_eq[a_eq.any(axis=1)], copies),
            b_eq=np.tile(b_eq[a_eq.any(axis=1)], copies),
            A_ub=_blocks(-a_ub[a_ub.any(axis=1)], copies),
            b_ub=np.tile(-b_ub[a_ub.any(axis=1)], copies),
            # An upper end beyond every sum changes no answer that matters.
            bounds=(0, 1e6),
            method="highs",
        )
        assert found.status == 0, found.message
        low, high = (objective * found.x.reshape(copies, -1)).sum(axis=1).reshape(2, -1)
        return np.column_stack([low - offset, -high - offset])


def _matrix(
    rows: list[tuple[Form, float]], free: list[tuple[str, str]], known: dict[tuple[str, str], float]
) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients of the free cells, and the right-hand sides less what is known."""
    place = {cell: number for number, cell in enumerate(free)}
    matrix, right = np.zeros((len(rows), len(free))), np.zeros(len(rows))
    for number, (form, total) in enumerate(rows):
        right[number] = total - sum(sign * known.get(cell, 0) for cell, sign in form.items())
        for cell in form.keys() & place.keys():
            matrix[number, place[cell]] = form[cell]
    return matrix, right


def _blocks(matrix: np.ndarray, copies: int) -> csr_array | None:
    return csr_array(block_diag([coo_array(matrix)] * copies)) if matrix.size else None


@dataclass
class Finding:
    """A figure that a reader can bound too tightly."""

    unit: str
    figure: str
    low: float
    high: float

    @property
    def exact(self) -> bool:
        return self.high - self.low < 1e-6


@dataclass
class Verdict:
    """How many small figures were attacked, how many stand-ins, and what was found."""

    small: int
    stand_ins: int
    found: list[Finding]


def attack(table: Table, shown: pd.DataFrame) -> Verdict:
    """Attack every figure under the minimum, and every withheld one above it.

    Small figures are attacked whether they are shown, withheld, without a row, or only implied. A stand-in
    need not hide its size, but must stay as vague as a small figure; otherwise it would be withheld for
    nothing.
    """
    knowledge = Knowledge(table)
    knowledge.learn(table, shown)
    terms = {column: {column: 1} for column in COUNTS} | IMPLIED
    small = [(unit, name) for unit, name in small_figures(table, terms)]
    withheld = shown.set_index("unit").isna()
    stand_ins = [
        (unit, column)
        for unit, column in itertools.product(table.listed, COUNTS)
        if withheld.at[unit, column] and table.truth[unit][column] >= MINIMUM
    ]
    names = [*small, *stand_ins]
    if not names:
        return Verdict(0, 0, [])
    bounds = knowledge.bounds([knowledge.form(unit, terms[name]) for unit, name in names])
    found = [Finding(unit, name, float(a), float(b)) for (unit, name), (a, b) in zip(names, bounds, strict=True)]
    tight = [finding for finding in found[: len(small)] if is_too_tight(finding.low, finding.high)]
    tight += [finding for finding in found[len(small) :] if finding.high - finding.low < MINIMUM - 1 - 1e-6]
    return Verdict(len(small), len(stand_ins), tight)


def small_figures(table: Table, terms: dict[str, dict[str, int]]) -> list[tuple[str, str]]:
    return [
        (unit, name)
        for unit, name in itertools.product(table.parent, terms)
        if table.value(unit, terms[name]) < MINIMUM
    ]


def is_too_tight(low: float, high: float) -> bool:
    return low > 1e-6 or high < MINIMUM - 1 - 1e-6
