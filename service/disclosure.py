"""The one function that every figure about an area passes on its way to an API answer, a page or a file.

What it guarantees, for the figures of one release (one as-of) taken together:

- No count under `MINIMUM` is shown. Zero is such a count: were zeros shown, a withheld cell would be known to
  hold at least one case, and the day on which the first case arrives would show.
- No withheld small count can be worked out from what is shown, nor bounded more tightly than the minimum
  itself bounds it. To a reader who knows every shown figure, the sum of all areas (unless all are withheld),
  that parts add up to their area and how the columns hang together, it can still be anything from 0 to
  `MINIMUM` - 1.
- The same holds for two small figures that nobody shows but everybody can subtract: open cases that are not
  overdue, and the backlog at the beginning of the 28 days.
- Figures that were computed from a withheld count fall with it.

What it does not guarantee:

- Against readers who keep the pressure of many releases. Windows of 28 days that end a day or a week apart overlap, and
  their difference is made of the cases of single days or weeks: in an area with one type of problem a week
  can be given away by it. Of two releases exactly 28 days apart a withheld small backlog stays safe, but the net change
  of an area is known wherever both its backlogs are shown, and it bounds a withheld inflow from below. Withheld areas
  follow a fixed order, so they do not change places from poll to poll. Release an as-of per week rather than per
  hour. What signals and their weeks say from release to release is kept apart (`_disclosed_before`).
- Against what a weak signal says by being there. It is always said that a problem type rose, and detection
  asks for some cases before it says so: the count is then at least as many, shown or not.
- Against figures that leave by another way than this function, and people who know of cases themselves. An
  area that never had a case has no row, and so is seen to have none.
- For the small figures of offices beside those of areas: where all other offices of an area are known, so is what it
  has left. Areas are safe beside offices (`published`).

A withheld cell does not say why: it may be small, or stand in for one that is. Word it "withheld: fewer
than 10, or needed to protect another figure", never as zero, and never as "fewer than 10" alone, which
would be untrue.

Background: Hundepool and others, *Statistical Disclosure Control* (Wiley 2012), on cell suppression and its
audit. Which cell stands in for a small one is decided in `_suppression` in a way of our own.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from data.errors import UsageError

from ._disclosed_signals import SIGNAL_FIGURES, disclose_signals
from ._disclosure_rules import Flow, PartOf, Relation, Rules, suppressed
from ._suppression import (
    Column,
    Figures,
    Hidden,
    Tree,
    UnitCycleError,
    broken_sum,
    build_tree,
    with_total,
    withhold,
    withhold_parts,
)

Flags = npt.NDArray[np.bool_]

__all__ = [
    "AREA_PRESSURE",
    "MINIMUM",
    "SIGNAL_FIGURES",
    "Flow",
    "PartOf",
    "Rules",
    "disclose",
    "disclose_pressure",
    "disclose_signals",
]

# Floors in public statistics run from about 3 to 11; ten also leaves room where a reader knows of some cases.
MINIMUM: Final = 10

# Estimates with an interval, and with the range that is usual for the unit.
ESTIMATED: Final = ("backlog_days", "flow_ratio", "late_14d")
_ENDS: Final = ("", "_low", "_high", "_usual_low", "_usual_high")
_DAYS, _RATIO, _SOON = (tuple(f"{name}{end}" for end in _ENDS) for name in ESTIMATED)

AREA_PRESSURE: Final = Rules(
    counts=("backlog", "inflow_28d", "outflow_28d", "overdue"),
    attached={
        # A level says on which side of a number the backlog lies.
        "backlog": ("expected_late", "usual_backlog", "usual_low", "usual_high", "level", *_DAYS, *_SOON),
        # Overdue cases are certain to be late: an expectation of 3.4 says that no more than 3 are overdue.
        "overdue": ("expected_late",),
        # A ratio or a duration gives one count back to whoever has the other.
        "inflow_28d": _RATIO,
        "outflow_28d": (*_RATIO, *_DAYS),
    },
    # The usual range is made of the backlogs of past weeks, which are counts themselves.
    past_counts=("usual_backlog", "usual_low", "usual_high", "late_14d_usual_low", "late_14d_usual_high"),
    relations=(Flow("backlog", "inflow_28d", "outflow_28d"), PartOf("overdue", "backlog")),
    plain=("as_of", "unit_kind", "parent", "name_zh", "name_en", "population", "neighbours"),
)


def disclose(
    frame: pd.DataFrame,
    rules: Rules,
    *,
    parent: Mapping[str, str | None],
    size: Mapping[str, float] | None = None,
    minimum: int = MINIMUM,
    also: Mapping[str, Collection[str]] | None = None,
) -> pd.DataFrame:
    """Withhold what must not leave: small counts, and enough others that no sum gives a small one back.

    Parameters
    ----------
    frame : DataFrame, one row per unit, all of one as-of
        Any order. Give every unit its row, a quiet one with zeros: a unit that `parent` names and the frame
        lacks counts as withheld. A parent may have a row, which must be the sum of its children; if it has
        none, its sums must be shown nowhere else. The sum of all units is taken to be known to everyone,
        unless all units are withheld.
    rules : Rules
        The columns and how they hang together.
    parent : mapping of unit to parent
        A unit whose parent is None, or that is no key, is a top.
    size : mapping of unit to a number that hardly changes
        Population, or the cases of all past years, and nothing computed from `frame`. The two
        smallest units of a group stand in for any other. Units without a size come last, by code.
    minimum : int
        The smallest count that is shown.
    also : mapping of count to units
        Figures that are withheld in any case, whatever they are: another table would give a small one back with them.

    Returns
    -------
    DataFrame, same rows, order and index
        Withheld figures are null, and counts `Int64`. For each count and attached column there is a boolean
        `<column>_suppressed`, which tells a withheld figure from one that never was. The order of the rows
        has no influence; applying the function to its own result changes nothing.

    Raises
    ------
    UsageError
        For columns that are missing or named nowhere, units that repeat, counts that are null, negative or
        not whole, children that do not add up to their parent, and parents in a circle.

    Examples
    --------
    >>> areas = pd.DataFrame({"unit": ["dock", "hill", "lake"], "open": [4, 17, 60]})
    >>> size = {"dock": 90, "hill": 300, "lake": 900}
    >>> disclose(areas, Rules(counts=("open",)), parent={}, size=size)["open"].tolist()
    [<NA>, <NA>, 60]
    """
    rules.check_columns(frame.columns.tolist())
    if minimum < 1:
        raise UsageError(f"the minimum is {minimum}; it must be at least 1.")
    tree = _tree(frame[rules.unit], parent, size or {})
    figures = {column: with_total(tree, _counts(frame, column)) for column in rules.counts}
    for column in rules.counts:
        _check_sums(tree, figures[column], column)
    units = frame[rules.unit].tolist()
    forced = {
        column: [unit in chosen for unit in units] + [False] * (tree.root + 1 - len(units))
        for column, chosen in (also or {}).items()
    }
    hidden = _withhold(tree, figures, rules, minimum, forced)
    return _apply(frame, hidden, rules, minimum)


def disclose_pressure(
    pressure: pd.DataFrame,
    *,
    parent: Mapping[str, str | None],
    size: Mapping[str, float] | None = None,
    minimum: int = MINIMUM,
) -> pd.DataFrame:
    """Apply `disclose` with the rules `AREA_PRESSURE` to area rows of the pressure table, all of one as-of.

    How many cases are due within two weeks, `due_14d`, is not shown at all, since it is a part of the backlog
    beside the overdue ones; what is expected of them falls where they are fewer than the minimum. The names,
    parent, population and neighbours of an area may come along.

    Raises
    ------
    UsageError
        As `disclose`; also if a row is about an office, or the rows are of several as-ofs.
    """
    pressure = without_few_due(pressure, minimum=minimum)
    AREA_PRESSURE.check_columns(pressure.columns.tolist())
    if not pressure["unit_kind"].eq("area").all():
        raise UsageError("disclose_pressure takes rows with unit_kind 'area' only; leave the offices out.")
    if pressure["as_of"].nunique() > 1:
        raise UsageError(f"the pressure is of {pressure['as_of'].nunique()} as-ofs; select one first.")
    return disclose(pressure, AREA_PRESSURE, parent=parent, size=size, minimum=minimum)


def without_few_due(pressure: pd.DataFrame, *, minimum: int) -> pd.DataFrame:
    """The table without `due_14d`, and with the figures about those cases withheld where they are few."""
    if "due_14d" not in pressure.columns:
        return pressure
    few = pressure["due_14d"].lt(minimum).fillna(value=False).astype(bool)
    few &= pressure["late_14d"].notna()
    figures: dict[str, Any] = {}
    for column in _SOON:
        figures[column] = pressure[column].mask(few)
        figures[suppressed(column)] = few
    return pressure.drop(columns="due_14d").assign(**figures)


def _tree(units: pd.Series[Any], parent: Mapping[str, str | None], size: Mapping[str, float]) -> Tree:
    nulls = int(units.isna().sum())
    repeats = len(units) - nulls - units.nunique()
    if nulls or repeats:
        raise UsageError(
            f"column '{units.name}' must name each unit once; it holds {nulls} nulls and {repeats} repeats. "
            "Disclose one as-of at a time."
        )
    try:
        return build_tree(units.tolist(), parent, size)
    except UnitCycleError:
        raise UsageError("the parents of some unit lead back to it; mend the places table.") from None


def _counts(frame: pd.DataFrame, column: str) -> Figures:
    """Read a column of counts; None is one that was withheld when the frame came here before."""
    before = _withheld_before(frame, column)
    if not pd.api.types.is_integer_dtype(frame[column].dtype):
        raise UsageError(f"column '{column}' must hold whole numbers; it has the type {frame[column].dtype}.")
    values = frame[column].to_numpy("int64", na_value=-1)
    wrong = (values < 0) & ~before
    if wrong.any():
        raise UsageError(
            f"column '{column}' must hold counts of 0 or more; {int(wrong.sum())} are null or negative "
            f"(first in row {int(wrong.argmax()) + 1})."
        )
    return [None if withheld else value for value, withheld in zip(values.tolist(), before, strict=True)]


def _withheld_before(frame: pd.DataFrame, column: str) -> Flags:
    if suppressed(column) in frame.columns:
        return frame[suppressed(column)].to_numpy(bool)
    return np.zeros(len(frame), dtype=bool)


def _check_sums(tree: Tree, figures: Figures, column: str) -> None:
    row = broken_sum(tree, figures)
    if row is not None:
        raise UsageError(
            f"column '{column}', row {row + 1}: the children of this unit do not add up to it, so nobody can "
            "say what their figures give away. Add a row for the cases that belong to none of the children."
        )


def _withhold(
    tree: Tree, figures: Mapping[str, Figures], rules: Rules, minimum: int, forced: Mapping[str, Hidden]
) -> dict[str, Hidden]:
    """Decide for each count which units are withheld, wholes before their parts."""
    hidden = {column: withhold(tree, figures[column], minimum, forced.get(column)) for column in rules.free}
    for relation in rules.relations:
        whole = Column(figures[relation.whole], hidden[relation.whole])
        parts, others = _parts(figures, relation)
        also = [forced[column] for column in relation.bound if column in forced]
        together = [any(flags) for flags in zip(*also, strict=True)] if also else None
        flags = withhold_parts(tree, whole, parts, others, minimum, together)
        hidden |= dict.fromkeys(relation.bound, flags)
    return hidden


def _parts(figures: Mapping[str, Figures], relation: Relation) -> tuple[tuple[Figures, Figures], list[Figures]]:
    """Split the whole into what is shown of it and what can be subtracted, and name what falls with both.

    Of the open cases, some are overdue and the rest is not. Of the open cases and those that left, some came
    within the window and the rest was there before.
    """
    whole = figures[relation.whole]
    if isinstance(relation, PartOf):
        part = figures[relation.part]
        return (part, _add((1, whole), (-1, part))), []
    inflow, outflow = figures[relation.inflow], figures[relation.outflow]
    return (inflow, _add((1, whole), (1, outflow), (-1, inflow))), [outflow]


def _add(*columns: tuple[int, Figures]) -> Figures:
    """Add columns up with their signs; None where one of them has no figure."""
    signs = [sign for sign, _ in columns]
    rows = zip(*(values for _, values in columns), strict=True)
    return [
        None if None in row else sum(sign * (value or 0) for sign, value in zip(signs, row, strict=True))
        for row in rows
    ]


def _apply(frame: pd.DataFrame, hidden: Mapping[str, Hidden], rules: Rules, minimum: int) -> pd.DataFrame:
    flags = {column: np.array(hidden[column][: len(frame)], dtype=bool) for column in rules.counts}
    for column in rules.derived:
        flags[column] = _withheld_before(frame, column)
        if column in rules.past_counts:
            flags[column] = flags[column] | frame[column].lt(minimum).fillna(False).to_numpy(bool)
    for count, columns in rules.attached.items():
        for column in columns:
            flags[column] = flags[column] | flags[count]
    shown: dict[Any, Any] = dict(frame.items())
    for column in rules.counts:
        values = frame[column].to_numpy("int64", na_value=0)
        # What is withheld is gone, not only masked.
        shown[column] = pd.arrays.IntegerArray(np.where(flags[column], 0, values), flags[column].copy())
    for column in rules.derived:
        shown[column] = frame[column].mask(flags[column])
    shown |= {suppressed(column): withheld for column, withheld in flags.items()}
    return pd.DataFrame(shown, index=frame.index)
