"""Which cells of a table over a tree of units stay back, so that no sum gives a small one away.

A *cell* is the figure of one unit in one column. A cell under the minimum is small, and withheld (primary
suppression). Where a parent's figure is shown, the shown figures of its children can be subtracted from it;
what is left, `unseen` below, is known to every reader. So others stay back with the small ones (secondary
suppression), by two rules:

1. Under a shown figure the withheld children are none or at least two, and what is unseen is no small figure
   itself. Each withheld unit at the bottom can then be anything from 0 to the unseen amount.
2. Who stands in is decided by a fixed order of the units and by what every reader can work out anyway, never
   by how large a withheld cell is. Whoever has read this file learns nothing more from the pattern, and the
   same units stay back from one poll to the next. The usual choice, the smallest sibling of the day, fails at
   both: it says that the withheld sibling is no larger than the smallest shown one, and it hops from sibling
   to sibling.

In a group with a withheld cell, the first two in that order are therefore always withheld: cells of whose
size nothing is known, which can take up whatever the others leave. With one of them, that one itself would
be given away whenever all the others are known to be small; with none, two small cells that add up to 18
would both be 9.

Rule 2 holds for each column by itself. The few cells that join because a part and its whole bound each other
(`withhold_parts`) join because some cell is small, and so tell that one is.

Everything here is integer arithmetic on a tree. The tests attack it, with linear programmes and by going
through all small tables.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

# One figure per node; None: no figure at all (a unit without a row, or one withheld before).
Figures = list[int | None]
# One flag per node: True is withheld.
Hidden = list[bool]
Safe = Callable[[int], bool]


class UnitCycleError(ValueError):
    """The parents of a unit lead back to it."""


@dataclass(frozen=True, slots=True)
class Tree:
    """Units by position: first those with a row, then those without, last the sum of all (`root`).

    The `children` of a node are in the fixed order. `top_down` lists the nodes with children, parents first.
    `sums` are the areas that have parts and no row: the node they lie under, and those of its children in them.
    """

    children: tuple[tuple[int, ...], ...]
    top_down: tuple[int, ...]
    sums: tuple[tuple[int, tuple[int, ...]], ...]

    @property
    def root(self) -> int:
        """Position of the sum of all units; it has no row, yet it is taken to be known."""
        return len(self.children) - 1


@dataclass(frozen=True, slots=True)
class Column:
    """The figures of one column, and those of them that are withheld."""

    figures: Figures
    hidden: Hidden


def build_tree(units: Sequence[str], parent: Mapping[str, str | None], size: Mapping[str, float]) -> Tree:
    """Hang every unit under its nearest ancestor that has a row.

    A unit without parts that `parent` names and `units` does not is withheld: it has no row to read. One with
    parts shows nothing, and drops out but for its sum.

    Raises
    ------
    UnitCycleError
        If the parents of a unit lead back to it.
    """
    listed = {unit: position for position, unit in enumerate(units)}
    has_parts = {above for above in parent.values() if above is not None}
    names = [*units, *sorted(set(parent) - listed.keys() - has_parts)]
    root = len(names)
    below: list[list[int]] = [[] for _ in range(root + 1)]
    ways: list[tuple[str, ...]] = []
    for position, unit in enumerate(names):
        anchor, way = _way_down(unit, parent, listed, root)
        ways.append(way)
        if anchor != root or position < len(units):
            below[anchor].append(position)
    for group in below:
        # Units without a row come first: they are withheld whatever the day's figures are.
        group.sort(key=lambda at: (at < len(units), size.get(names[at], math.inf), names[at]))
        if len(group) == 1 and group[0] >= len(units):
            group.clear()  # an only part without a row is the unit itself
        _part_first_two(group, ways)
    children = tuple(map(tuple, below))
    return Tree(children, tuple(_top_down(children, root)), tuple(_sums(children, ways)))


def _way_down(
    unit: str, parent: Mapping[str, str | None], listed: Mapping[str, int], root: int
) -> tuple[int, tuple[str, ...]]:
    """The nearest ancestor with a row, the root for none, and the units without a row from there to `unit`."""
    way = [unit]
    above = parent.get(unit)
    while above is not None and above not in listed:
        if above in way:
            raise UnitCycleError
        way.append(above)
        above = parent.get(above)
    return root if above is None else listed[above], tuple(reversed(way))


def _part_first_two(group: list[int], ways: Sequence[tuple[str, ...]]) -> None:
    """Let the first two of a group lie in different areas without a row, if the group spans several.

    Otherwise all that is withheld could lie in one such area, and its sum would be what is unseen.
    """
    if len(group) < 2:
        return
    steps = 1
    while not (apart := [at for at in group if ways[at][:steps] != ways[group[0]][:steps]]):
        steps += 1
    group.remove(apart[0])
    group.insert(1, apart[0])


def _sums(children: Sequence[Sequence[int]], ways: Sequence[tuple[str, ...]]) -> Iterator[tuple[int, tuple[int, ...]]]:
    for node, group in enumerate(children):
        for area in dict.fromkeys(area for at in group for area in ways[at][:-1]):
            yield node, tuple(at for at in group if area in ways[at][:-1])


def _top_down(children: Sequence[Sequence[int]], root: int) -> list[int]:
    """Nodes with children in an order that puts every node before its children.

    Units in a cycle are not reachable from the root.
    """
    order, stack, reached = [], [root], 0
    while stack:
        node = stack.pop()
        reached += 1
        if children[node]:
            order.append(node)
            stack.extend(children[node])
    if reached <= sum(map(len, children)):
        raise UnitCycleError
    return order


def with_total(tree: Tree, figures: Sequence[int | None]) -> Figures:
    """Complete the figures of the units with a row: none for those without, and the sum of all at the root.

    The sum is taken to be known even where no page shows it. A single unit at the top is its own sum.
    """
    complete: Figures = [*figures, *[None] * (tree.root + 1 - len(figures))]
    tops = [complete[child] for child in tree.children[tree.root]]
    if len(tops) > 1 and None not in tops:
        complete[tree.root] = sum(figure for figure in tops if figure is not None)
    return complete


def broken_sum(tree: Tree, figures: Figures) -> int | None:
    """Position of the first unit whose figure is not the sum of its children; None where all add up.

    With a child whose figure is missing, the sum of the others may be smaller.
    """
    for node in tree.top_down:
        total = figures[node]
        if total is None:
            continue
        parts = [figures[child] for child in tree.children[node]]
        known = sum(part for part in parts if part is not None)
        if known > total or (known < total and None not in parts):
            return node
    return None


def withhold(tree: Tree, figures: Figures, minimum: int, also: Hidden | None = None) -> Hidden:
    """Primary and secondary suppression of one column by itself (rules 1 and 2); `also`: withheld in any case."""
    hidden = [figure is None or figure < minimum for figure in figures]
    if also is not None:
        hidden = [small or other for small, other in zip(hidden, also, strict=True)]
    # A sum of all that is small itself is on no page.
    protect(tree, hidden, lambda node: _is_wide(tree, Column(figures, hidden), node, minimum))
    return hidden


def withhold_parts(
    tree: Tree,
    whole: Column,
    parts: tuple[Figures, Figures],
    others: Sequence[Figures],
    minimum: int,
    also: Hidden | None = None,
) -> Hidden:
    """Suppress two parts of a whole together, and `others` with them.

    Both parts are columns of their own, whether a page shows both or not. They bound each other: one can be
    0 in a unit only if the other fills the unit's whole, so at least the whole must be unseen of the other.
    Where the whole is withheld too, it can shrink instead, and nothing more is asked.
    """
    columns = [*parts, *others]
    alone = [withhold(tree, figures, minimum, also) for figures in columns]
    # More withheld cells only leave more unseen: the union is safe in each column.
    hidden = [any(flags) for flags in zip(whole.hidden, *alone, strict=True)]
    one, two = (Column(part, hidden) for part in parts)

    def safe(node: int) -> bool:
        return (
            all(_is_wide(tree, Column(figures, hidden), node, minimum) for figures in columns)
            and _leaves_room(tree, (whole, one, two), node, minimum)
            and _leaves_room(tree, (whole, two, one), node, minimum)
        )

    protect(tree, hidden, safe)
    return hidden


def protect(tree: Tree, hidden: Hidden, safe: Safe) -> None:
    """Withhold further cells until `safe` holds under every shown figure that has withheld ones below it."""
    while any(_widen(tree, hidden, node, safe) for node in tree.top_down):
        pass  # a figure that had to fall itself is one more withheld child of its parent


def _widen(tree: Tree, hidden: Hidden, node: int, safe: Safe) -> bool:
    """Make one group of children safe. True if its parent's figure had to be withheld for it."""
    children = tree.children[node]
    if hidden[node] or not any(hidden[child] for child in children):
        return False
    for place, child in enumerate(children):
        _hide(tree, hidden, child)
        if place >= 1 and safe(node):  # the first two always
            return False
    _hide_all_below(tree, hidden, node)
    # The sum of all has no row that could be withheld; everything under it is.
    hidden[node] = node != tree.root and not safe(node)
    return hidden[node]


def _hide(tree: Tree, hidden: Hidden, node: int) -> None:
    """Withhold a node, and with it its first two children: a sum of shown figures is as good as shown."""
    hidden[node] = True
    for child in tree.children[node][:2]:
        _hide(tree, hidden, child)


def _hide_all_below(tree: Tree, hidden: Hidden, node: int) -> None:
    for child in tree.children[node]:
        hidden[child] = True
        _hide_all_below(tree, hidden, child)


def _is_wide(tree: Tree, column: Column, node: int, minimum: int) -> bool:
    """Rule 1 for one node whose figure is shown."""
    withheld = sum(column.hidden[child] for child in tree.children[node])
    return withheld >= 2 and _unseen(tree, column, node) >= minimum


def _leaves_room(tree: Tree, columns: tuple[Column, Column, Column], node: int, minimum: int) -> bool:
    """Whether each small part under a shown figure could be 0, as the other part could fill its whole."""
    whole, part, other = columns
    unseen = _unseen(tree, other, node)
    withheld = [*_withheld_below(tree, part.hidden, node)]
    sums = [members for anchor, members in tree.sums if anchor == node or anchor in withheld]
    return all(
        sum(_capacity(tree, whole, member) for member in members) <= unseen
        for members in [*((below,) for below in withheld), *sums]
        if _is_small([part.figures[member] for member in members], minimum)
    )


def _is_small(figures: Sequence[int | None], minimum: int) -> bool:
    known = [figure for figure in figures if figure is not None]
    return len(known) == len(figures) and sum(known) < minimum


def _unseen(tree: Tree, column: Column, node: int) -> int:
    """What a reader knows the withheld cells under a shown figure to add up to."""
    return _shown(column, node) - _shown_below(tree, column, node)


def _shown_below(tree: Tree, column: Column, node: int) -> int:
    return sum(
        _shown_below(tree, column, child) if column.hidden[child] else _shown(column, child)
        for child in tree.children[node]
    )


def _shown(column: Column, node: int) -> int:
    return column.figures[node] or 0  # a missing figure is always withheld


def _withheld_below(tree: Tree, hidden: Hidden, node: int) -> Iterator[int]:
    for child in tree.children[node]:
        if hidden[child]:
            yield child
            yield from _withheld_below(tree, hidden, child)


def _capacity(tree: Tree, whole: Column, node: int) -> int:
    """How much of the whole a reader knows to lie in this unit."""
    figure = whole.figures[node]
    if figure is not None and not whole.hidden[node]:
        return figure
    return sum(_capacity(tree, whole, child) for child in tree.children[node])
