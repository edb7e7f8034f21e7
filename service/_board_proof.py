"""The proof that a board gives no small count away: two tables for each, in whole numbers, that agree with all of it.

In the one the small count is 0, in the other it is the minimum less 1 or more. Whoever reads the board cannot tell
either from the truth, whatever they reckon. The tables are found by linear programming and checked by adding up, so
nothing hangs on the precision of a solver, or on its being right: what it does not find is not shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import Bounds, LinearConstraint, linprog, milp

from service._board_table import BoardTable, Bools, Ints, small, widen

Floats = NDArray[np.float64]

# Branches of a search in whole numbers. A limit in seconds would find more on one machine than on another, and two
# boards could be shown that are safe only one at a time.
_BRANCHES: Final = 200
# Counts that only one figure limits could be anything; a table with larger ones proves no more.
_LARGEST: Final = 1_000


@dataclass(frozen=True, eq=False)
class Known:
    """What a reader may know from elsewhere: that some cells add up to `bound` or more (`sign` 1), or to `bound` or
    fewer (`sign` -1).

    `leaves` (n_leaves,) and `types` (n_types,) bool choose the cells; `measure` is one of `_board_table`. `rest`: what
    is left over is a count of its own, and must not be known where it is small.
    """

    leaves: Bools
    types: Bools
    measure: int
    sign: int
    bound: int
    rest: bool = True


def disclosed(table: BoardTable, minimum: int, known: Sequence[Known] = ()) -> Bools:
    """Which figures stay back, in the shape of `table.values`.

    No figure under `minimum` is shown. Every count under it, shown or not, that is a sum of `table.kept`, or what is
    left of one beside what is `known`, could be 0 and could be `minimum` - 1 or more by all that is shown.
    """
    proof = _Proof(table, minimum, known)
    hidden = widen(table, small(table, minimum), _MARGIN * minimum)
    while True:
        if hidden.all():
            return hidden
        found = proof.missing(hidden)
        if not found:
            return hidden
        for figure in found:
            hidden.flat[figure] = True
        hidden = widen(table, hidden, _MARGIN * minimum)


class _Proof:
    """Tables that were found stay good when more is hidden: they agree with fewer figures all the same."""

    def __init__(self, table: BoardTable, minimum: int, known: Sequence[Known]) -> None:
        self._table = table
        self._truth = table.cells.ravel()
        self._width = minimum - 1
        told = [one.sign * table.row(one.leaves, one.types, one.measure) for one in known]
        self._told = sparse.vstack([sparse.csr_array((0, len(self._truth)), dtype=np.int64), *told], format="csr")
        # What is told from elsewhere may have been counted otherwise: it cannot be more than the truth allows.
        bounds = np.array([one.sign * one.bound for one in known], dtype=np.int64)
        self._bounds = np.minimum(bounds, self._told @ self._truth)
        rows = sparse.vstack([table.kept, self._told], format="csr")
        offsets = np.r_[np.zeros(table.kept.shape[0], dtype=np.int64), self._bounds]
        asked = rows @ self._truth - offsets < minimum
        asked[table.kept.shape[0] :] &= np.array([one.rest for one in known], dtype=bool)
        self._asked, self._offsets = rows[asked], offsets[asked]
        self._low = np.zeros(int(asked.sum()), dtype=bool)
        self._high = self._low.copy()
        self._see(self._truth)
        self._cost = _costs(table)

    def missing(self, hidden: Bools) -> list[int]:
        """Figures to hide, one for each small count that lacks a table; none when the proof is complete."""
        self._shown = np.flatnonzero(~hidden.ravel())
        self._left = self._table.figures[self._shown]
        self._right = self._left @ self._truth
        for flags in (self._low, self._high):
            self._together(flags)
        found: list[int] = []
        for flags, sign in ((self._low, 1.0), (self._high, -1.0)):
            for one in np.flatnonzero(~flags):
                # An earlier one's table may show it too.
                if not flags[one] and not self._alone(int(one), flags, sign):
                    found.append(self._culprit)
                if len(found) >= _AT_ONCE:
                    return list(dict.fromkeys(found))
        return list(dict.fromkeys(found))

    def _together(self, flags: Bools) -> None:
        """Look for tables that show many at once."""
        while not flags.all():
            before = int(flags.sum())
            if flags is self._low:
                self._search(np.asarray(self._asked[~flags].sum(axis=0)).ravel().astype(float))
            else:
                self._search_wide(self._asked[~flags], self._offsets[~flags])
            if int(flags.sum()) == before:
                return

    def _alone(self, one: int, flags: Bools, sign: float) -> bool:
        row = np.asarray(self._asked[[one]].todense()).ravel().astype(float)
        reached = self._solve(sign * row)
        if not flags[one] and reached:
            goal = int(self._offsets[one]) if sign > 0 else int(self._offsets[one]) + self._width
            self._solve_whole(row, goal, sign)
        if not flags[one] and not self._is_open_elsewhere(row, int(self._offsets[one]), sign):
            # What is told without the board is not the board's to hide.
            flags[one] = True
        return bool(flags[one])

    def _is_open_elsewhere(self, row: Floats, offset: int, sign: float) -> bool:
        """Whether a small count could be so small, or so large, by what is known from elsewhere alone."""
        goal = offset if sign > 0 else offset + self._width
        answer = linprog(
            sign * row,
            A_ub=-self._told if len(self._bounds) else None,
            b_ub=-self._bounds if len(self._bounds) else None,
            bounds=(0, self._ceiling),
            method="highs-ds",
        )
        return answer.status == 0 and bool(answer.fun <= sign * goal + 1e-6)

    def _solve(self, objective: Floats) -> bool:
        """Look for a table; whether the solver got to an end. `_culprit`: the cheapest shown figure in its way."""
        answer = linprog(
            objective,
            A_ub=-self._told if len(self._bounds) else None,
            b_ub=-self._bounds if len(self._bounds) else None,
            A_eq=self._left,
            b_eq=self._right,
            bounds=(0, self._ceiling),
            method="highs-ds",
        )
        if answer.status != 0:
            self._culprit = self._cheapest(np.ones(len(self._shown), dtype=bool))
            return False
        self._culprit = self._cheapest(np.abs(answer.eqlin.marginals) > 1e-9)
        self._see(np.rint(answer.x).astype(np.int64))
        return True

    def _search_wide(self, rows: sparse.csr_array, offsets: Ints) -> None:
        """Look for a table in which as many as possible are wide: the sum of each, up to the width, is largest."""
        n, m = self._left.shape[1], rows.shape[0]
        below = sparse.hstack([rows, -sparse.eye_array(m)], format="csr")
        objective = np.r_[np.zeros(n), -np.ones(m)]
        self._search(objective, LinearConstraint(below, offsets, np.inf), more=m)

    def _search(self, objective: Floats, *limits: LinearConstraint, more: int = 0) -> None:
        """Look for a table in whole numbers; the first `more` or fewer hundredths off the best one will do."""
        n = self._left.shape[1]
        none = sparse.csr_array((self._left.shape[0], more))
        rows = [LinearConstraint(sparse.hstack([self._left, none], format="csr"), self._right, self._right), *limits]
        if len(self._bounds):
            none = sparse.csr_array((len(self._bounds), more))
            rows.append(LinearConstraint(sparse.hstack([self._told, none], format="csr"), self._bounds, np.inf))
        answer = milp(
            objective,
            constraints=rows,
            integrality=np.r_[np.ones(n), np.zeros(more)],
            bounds=Bounds(0, np.r_[np.full(n, self._ceiling), np.full(more, float(self._width))]),
            options={"node_limit": _BRANCHES, "mip_rel_gap": 0.05},
        )
        if answer.x is not None:
            self._see(np.rint(answer.x[:n]).astype(np.int64))

    def _solve_whole(self, row: Floats, goal: int, sign: float) -> None:
        """Look for a table in whole numbers in which one small count is as small, or as large, as asked."""
        end = (-np.inf, goal) if sign > 0 else (goal, np.inf)
        self._search(np.zeros(len(row)), LinearConstraint(row[None, :], *end))

    def _see(self, cells: Ints) -> None:
        """Take a table as a proof, if it is one."""
        agrees = (cells >= 0).all() and (self._told @ cells >= self._bounds).all()
        if not agrees or (hasattr(self, "_left") and (self._left @ cells != self._right).any()):
            return
        counts = self._asked @ cells - self._offsets
        self._low |= counts <= 0
        self._high |= counts >= self._width

    def _cheapest(self, among: Bools) -> int:
        candidates = self._shown[among] if among.any() else self._shown
        return int(candidates[np.argmin(self._cost[candidates])])

    @property
    def _ceiling(self) -> float:
        return float(max(_LARGEST, int(self._truth.sum())))


# Small counts that are mended before the board is looked at anew: mending one often mends others.
# What adds up in each group by itself to a little more than it must seldom needs mending afterwards.
_MARGIN: Final = 2
_AT_ONCE: Final = 24


def _costs(table: BoardTable) -> Floats:
    """What hiding a figure costs: one over many areas and types more than one over few, then a large one more."""
    n_nodes, n_columns, _ = table.shape
    spread = table.members.sum(axis=1)[:, None, None] * np.ones((n_nodes, n_columns, 1))
    spread[:, -1] *= max(n_columns - 1, 1)
    order = np.array([2.0, 1.0, 0.0])
    total = float(table.values.max(initial=1)) + 1.0
    costs: Floats = (spread * 10.0 + order + table.values / total).ravel()
    return costs
