"""What new events change in the facts: rows that are new, and rows that take back what was filed before.

A fact is never moved or erased. Where the log turns out to say something else than it did (a promise that was taken to
be broken was kept, a correction came in about a past month), the row that stood is filed once more with all of its
measures negated, at the same moment and under the same keys, and the right one beside it. The sum over every window
is then what it would be had the facts been made anew, to the last bit, since all measures are integers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from features.facts import places
from features.facts.build import Adjacency, drafts, followed, with_neighbours
from features.facts.story import Story, numbered, opened_cases
from features.facts.tables import KEY_COLUMNS, Bools, Facts, Int64s

_LIMIT: Final = 1 << 62


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of some cases and places; the arguments of `facts_from_events`."""

    events: pd.DataFrame
    inspections: pd.DataFrame | None = None
    observed_until: pd.Series | None = None
    capacity: pd.DataFrame | None = None


def delta_facts(before: Known, after: Known, *, adjacency: Adjacency | None = None) -> dict[str, Facts]:
    """What to add to the facts that were made of `before`, so that they sum to those of `after`.

    Facts of a case depend on no other case, so only the cases that something changed for need be given: those with new
    events, and those that are followed for longer than before (`observed_until`). Of each of these, `before` holds all
    events known before and `after` all events. Likewise for inspections and capacity: rows that both sides have cancel
    out, so that either all rows may be given or only those that came or went.

        touched = new_events["case_id"].unique()
        delta = delta_facts(Known(events_of(touched)), Known(pd.concat([events_of(touched), new_events])))

    Parameters
    ----------
    before, after : what was known, and what is known now; a case of `before` without an opening had no facts yet
    adjacency : area -> the areas that it lies next to; the one that the facts were made with

    Returns
    -------
    dict, one `Facts` for each name in `FACT_TABLES`, without any two rows that would cancel out.

    Raises
    ------
    InputError
        If a case of `after` has no opening, or as `facts_from_events` says.
    """
    events = pd.concat([opened_only(before.events), after.events], ignore_index=True)
    n_before = len(events) - len(after.events)
    story, is_after = _both(events, n_before, before.observed_until, after.observed_until)
    delta = {name: _netted(story.facts(name, draft), is_after[draft.case]) for name, draft in drafts(story).items()}
    inspections, is_new = _stacked(before.inspections, after.inspections)
    delta["findings"] = _netted(places.findings(inspections), is_new)
    capacity, is_new = _stacked(before.capacity, after.capacity)
    delta["capacity"] = _netted(places.capacity(capacity), is_new)
    return with_neighbours(delta, adjacency)


def opened_only(events: pd.DataFrame) -> pd.DataFrame:
    """The events of cases whose opening is among them: of others nothing can be said yet."""
    case, _ids = numbered(events["case_id"])
    opened = opened_cases(case, events["kind"])
    return events if opened.all() else events[opened[case]]


def _both(
    events: pd.DataFrame, n_before: int, observed_before: pd.Series | None, observed_after: pd.Series | None
) -> tuple[Story, Bools]:
    """One story of both sides, in which a case before and the same case after are two; and which cases are after."""
    case, ids = numbered(events["case_id"])
    twice = 2 * case
    twice[n_before:] += 1
    case, sides = pd.factorize(twice)
    is_after = sides % 2 == 1
    ids = ids[sides // 2]
    until = np.where(is_after, followed(ids, observed_after), followed(ids, observed_before))
    return Story.read(events, case, until), is_after


def _stacked(before: pd.DataFrame | None, after: pd.DataFrame | None) -> tuple[pd.DataFrame | None, Bools]:
    """Rows of both sides, and which are those of after."""
    sides = [(frame, is_after) for frame, is_after in ((before, False), (after, True)) if frame is not None]
    is_after = np.concatenate([np.empty(0, dtype=bool), *(np.full(len(frame), side) for frame, side in sides)])
    return (pd.concat([frame for frame, _side in sides], ignore_index=True) if sides else None), is_after


def _netted(facts: Facts, is_after: Bools) -> Facts:
    """Rows of after less rows of before: equal rows cancel out, and what is left of before is negated."""
    row, distinct = pd.factorize(_row_numbers(facts))
    net = np.bincount(row[is_after], minlength=len(distinct)) - np.bincount(row[~is_after], minlength=len(distinct))
    some = np.empty(len(distinct), dtype=np.intp)  # any of the equal rows will do
    some[row] = np.arange(len(row))
    rows = np.repeat(some, np.abs(net))
    sign = np.repeat(np.sign(net), np.abs(net))
    keys = facts.keys.iloc[rows].reset_index(drop=True)
    return Facts(facts.at[rows], keys, {name: values[rows] * sign for name, values in facts.measures.items()})


def _row_numbers(facts: Facts) -> Int64s:
    """A number for every row, the same for rows that agree in everything and for no others."""
    number, size = np.zeros(len(facts.at), dtype=np.int64), 1
    if not len(number):
        return number
    for values in _columns(facts):
        low, high = int(values.min()), int(values.max())
        if high - low >= _LIMIT // len(number):
            values, distinct = pd.factorize(values)  # noqa: PLW2901 - the same column, in smaller numbers
            low, high = 0, len(distinct) - 1
        if size > _LIMIT // (high - low + 1):
            number, distinct = pd.factorize(number)
            size = len(distinct)
        number = number * (high - low + 1) + (values - low)
        size *= high - low + 1
    return number


def _columns(facts: Facts) -> Iterator[Int64s]:
    for name in KEY_COLUMNS:
        yield facts.keys[name].cat.codes.to_numpy().astype(np.int64)
    yield facts.at
    yield from facts.measures.values()
