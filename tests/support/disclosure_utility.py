"""What disclosure costs: cells withheld, and how few would do.

The fewest cells are those of a mixed integer programme: small cells stay back, and so many others that under every
figure that is shown the withheld ones are none or two at least and add up to the minimum. That is what the engine asks
too; it also lets the first two of a group stand in whatever their size, so that a reader who knows the program learns
nothing from the choice, and the programme is free of that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import Bounds, LinearConstraint, milp

from service._suppression import Tree, build_tree, with_total, withhold
from tests.support.attacker import MINIMUM, Table, random_table
from tests.support.joint_attacker import COUNTS, random_joint_city, released

Say = Callable[[str], None]


def fewest(tree: Tree, figures: list[int | None], minimum: int = MINIMUM) -> int:
    """The smallest number of cells to withhold in one column of a table in which all units have rows, and the sum too.

    Unknowns for every node: h, whether it is withheld (the root never, whose sum is known); m, whether it is shown with
    something withheld right below it; and v, how much of it can be seen: all of it if it is shown, else what is seen of
    its children. Where m is 1, two children at least are withheld, and what is not seen of them is no small count.
    Where all children are shown their sum is, so a withheld node has a withheld child.
    """
    nodes = tree.root + 1
    values = np.array([figure or 0 for figure in figures], dtype=float)
    if values[tree.root] < minimum:
        return nodes - 1  # nothing but small ones
    rows: list[np.ndarray] = []
    least: list[float] = []

    def ask(at_least: float, *, h: dict[int, float], m: dict[int, float], v: dict[int, float]) -> None:
        row = np.zeros(3 * nodes)
        for shift, terms in enumerate((h, m, v)):
            for node, sign in terms.items():
                row[shift * nodes + node] += sign
        rows.append(row)
        least.append(at_least)

    for node in range(nodes):
        children = tree.children[node]
        ask(values[node], h={node: values[node]}, m={}, v={node: 1})
        ask(0, h={}, m={}, v={node: 1, **dict.fromkeys(children, -1.0)})
        if not children:
            continue
        for child in children:
            ask(0, h={child: -1, node: 1}, m={node: 1}, v={})
        ask(0, h=dict.fromkeys(children, 1.0), m={node: -2}, v={})
        # values[node] - sum of v >= minimum, unless m is 0
        ask(-values[node], h={}, m={node: -minimum}, v=dict.fromkeys(children, -1.0))
        if node != tree.root:
            ask(0, h={**dict.fromkeys(children, 1.0), node: -1}, m={}, v={})
    lowest, highest = np.zeros(3 * nodes), np.r_[np.ones(2 * nodes), np.maximum(values, 0)]
    highest[tree.root] = 0
    lowest[: tree.root] = values[:-1] < minimum
    found = milp(
        np.r_[np.ones(nodes), np.zeros(2 * nodes)],
        constraints=LinearConstraint(np.array(rows), np.array(least), np.inf),
        integrality=np.r_[np.ones(2 * nodes), np.zeros(nodes)],
        bounds=Bounds(lowest, highest),
    )
    assert found.status == 0, found.message
    return round(float(found.fun))


def full_table(rng: np.random.Generator) -> Table:
    """A random table in which all units have a row, and several stand at the top."""
    table = random_table(rng)
    while len(table.listed) != len(table.parent) or [*table.parent.values()].count(None) < 2 or len(table.parent) < 4:
        table = random_table(rng)
    return table


def measured(number: int, seed: int, *, say: Say = print) -> dict[str, Any]:
    """How much is withheld of so many cities and, of as many tables, how much more than the fewest cells."""
    rng = np.random.default_rng(seed)
    own, best, small, cells, worst = 0, 0, 0, 0, 0.0
    for _ in range(number):
        table = full_table(rng)
        units = [*table.parent]
        tree = build_tree(units, table.parent, table.size)
        figures = with_total(tree, [int(table.truth[unit]["backlog"]) for unit in units])
        hidden = sum(withhold(tree, figures, MINIMUM)[:-1])
        fewest_ = fewest(tree, figures)
        own, best, cells = own + hidden, best + fewest_, cells + len(units)
        small += sum((figure or 0) < MINIMUM for figure in figures[:-1])
        worst = max(worst, hidden / max(fewest_, 1))
    told: dict[str, Any] = {
        "tables": {
            "cells": cells, "small": small, "withheld": own, "fewest": best,
            "ratio": round(own / max(best, 1), 3), "largest_ratio": round(worst, 2),
        }
    }  # fmt: skip
    told["cities"] = withheld_in(released(city) for city in _cities(number, seed))
    for name, figures_ in told.items():
        say(f"{name}: {figures_}")
    return told


def _cities(number: int, seed: int) -> Any:
    return (random_joint_city(np.random.default_rng([seed, place])) for place in range(number))


def withheld_in(releases: Any) -> dict[str, dict[str, int]]:
    """By count, how many figures of areas are shown and how many withheld."""
    counted: dict[str, Counter[str]] = {name: Counter() for name in COUNTS}
    for seen in releases:
        for name in COUNTS:
            counted[name].update("withheld" if getattr(one, name).withheld else "shown" for one in seen.areas.values())
    return {name: dict(one) for name, one in counted.items()}


def primary_and_secondary(pressure: pd.DataFrame, shown: dict[str, Any], minimum: int = MINIMUM) -> dict[str, Any]:
    """Of a stored pressure table and what is published of it, by count: cells, small ones, and others withheld."""
    told = {}
    for name in COUNTS:
        small = {row.unit for row in pressure.itertuples() if getattr(row, name) < minimum}
        hidden = {unit for unit, one in shown.items() if getattr(one, name).withheld}
        told[name] = {"cells": len(shown), "primary": len(small), "secondary": len(hidden - small)}
    return told
