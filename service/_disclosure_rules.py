"""What a table of area figures consists of, as the disclosure function needs to know it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from data.errors import UsageError


@dataclass(frozen=True, slots=True)
class PartOf:
    """`part` counts some of the cases that `whole` counts: overdue cases among the open ones."""

    part: str
    whole: str

    @property
    def bound(self) -> tuple[str, ...]:
        """The columns that are withheld wherever the whole is."""
        return (self.part,)


@dataclass(frozen=True, slots=True)
class Flow:
    """`whole` is a stock: what it was at the beginning of the window, plus `inflow`, less `outflow`."""

    whole: str
    inflow: str
    outflow: str

    @property
    def bound(self) -> tuple[str, ...]:
        """The columns that are withheld wherever the stock is, and together."""
        return (self.inflow, self.outflow)


Relation = PartOf | Flow


@dataclass(frozen=True, slots=True)
class Rules:
    """The columns of a table, one row per unit, and how they hang together.

    Parameters
    ----------
    counts : names of integer columns
        Additive over the units.
    unit : str
        The column with the unit's code.
    attached : mapping of count to columns
        Figures that fall with the count. One that falls with several counts is named under each.
    past_counts : names of attached columns
        Counts of other weeks, withheld also where they are themselves under the minimum.
    relations : PartOf and Flow
        How the counts bound each other. A whole is never itself a part or a flow.
    plain : names of columns that say nothing about cases
        Names and populations; they may be missing. Any other column is refused, so that no figure slips past.

    Raises
    ------
    UsageError
        If a name is used that no count or attached column has, or in two relations.
    """

    counts: tuple[str, ...]
    unit: str = "unit"
    attached: Mapping[str, Sequence[str]] = field(default_factory=dict)
    past_counts: tuple[str, ...] = ()
    relations: tuple[Relation, ...] = ()
    plain: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        wholes = [relation.whole for relation in self.relations]
        bound = [column for relation in self.relations for column in relation.bound]
        unknown = sorted({*self.attached, *wholes, *bound} - set(self.counts))
        if unknown:
            raise UsageError(f"{', '.join(unknown)}: not among the counts {', '.join(self.counts)}.")
        stray = sorted(set(self.past_counts) - set(self.derived))
        if stray:
            raise UsageError(f"past_counts names {', '.join(stray)}, which no count has attached.")
        twice = sorted({column for column in bound if bound.count(column) > 1 or column in wholes})
        if twice:
            raise UsageError(f"{', '.join(twice)}: a part or a flow once, and then never a whole.")

    @property
    def derived(self) -> tuple[str, ...]:
        """All attached columns, each once."""
        return tuple(dict.fromkeys(column for columns in self.attached.values() for column in columns))

    @property
    def free(self) -> tuple[str, ...]:
        """The counts that no relation binds to a whole."""
        bound = {column for relation in self.relations for column in relation.bound}
        return tuple(column for column in self.counts if column not in bound)

    def check_columns(self, columns: Sequence[str]) -> None:
        """Refuse a table that lacks a column, or has one that is named nowhere."""
        figures = {*self.counts, *self.derived}
        missing = sorted({self.unit, *figures} - set(columns))
        if missing:
            raise UsageError(f"the table has no column {', '.join(missing)}; it has {', '.join(columns)}.")
        flags = {suppressed(column) for column in figures}
        unnamed = sorted(set(columns) - {self.unit, *figures, *flags, *self.plain})
        if unnamed:
            raise UsageError(
                f"nothing is said about the columns {', '.join(unnamed)}. Name each as a count, as attached "
                "to one, or as plain if it says nothing about cases; or leave it out."
            )


def suppressed(column: str) -> str:
    """Name of the column that tells a withheld figure from one that never was."""
    return f"{column}_suppressed"
