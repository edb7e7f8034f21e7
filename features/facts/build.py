"""All fact tables of what is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from data.event_log import NEVER
from features.facts import places, promises, work
from features.facts.story import Draft, Story, numbered
from features.facts.tables import NEAR_TABLES, Facts, Int64s, no_facts

Adjacency = Mapping[str, Sequence[str]]


def facts_from_events(
    events: pd.DataFrame,
    inspections: pd.DataFrame | None = None,
    observed_until: pd.Series | None = None,
    *,
    capacity: pd.DataFrame | None = None,
    adjacency: Adjacency | None = None,
) -> dict[str, Facts]:
    """All fact tables of an event log, or of some of its cases.

    Parameters
    ----------
    events : DataFrame with `data.schema.EVENT_COLUMNS`, in any order; all events of every case that it has any of
    inspections : DataFrame with `area`, `related_category`, `known_at`, `severity`; None for none
    observed_until : Series of int64 seconds in UTC by `case_id`, see `data.observation`
        After it a case says nothing about promises: it may have been answered unseen. None: all were followed.
    capacity : DataFrame of changes with `office`, `at` and `change`, see `features.facts.places`; None for none
    adjacency : area -> the areas that it lies next to; without it the tables of neighbours are empty

    Returns
    -------
    dict, one `Facts` for each name in `FACT_TABLES`.
        Category, group, area, channel and promise are those that the opening named; the office is the one
        responsible at the moment of the fact, as known then. A fact at a moment uses what was known up to that
        moment, itself included; one whose moment the log has not reached yet stands for the log going on in silence,
        and is replaced (`delta_facts`) if it does not. Nothing depends on other cases: the facts of a log are those of
        its parts, put together, if each case is whole in one part.

    Raises
    ------
    InputError
        If a case has no opening, an event no case, or the capacity is not as described.
    """
    case, ids = numbered(events["case_id"])
    story = Story.read(events, case, followed(ids, observed_until))
    facts = {name: story.facts(name, draft) for name, draft in drafts(story).items()}
    facts |= {"findings": places.findings(inspections), "capacity": places.capacity(capacity)}
    return with_neighbours(facts, adjacency)


def drafts(story: Story) -> dict[str, Draft]:
    """Every fact table that comes from events, before its keys are spelled out."""
    return {
        "arrivals": work.arrivals(story),
        "balance": work.balance(story),
        **promises.matured_and_overdue(story),
        "closures": work.closures(story),
        "moves": work.moves(story),
        **promises.stages(story),
        "held": work.held(story),
        "tiers": work.tiers(story),
    }


def followed(ids: pd.Index, observed_until: pd.Series | None) -> Int64s:
    """How long each case was looked at, (n,) int64 seconds in UTC; `NEVER` where it always was."""
    if observed_until is None:
        return np.full(len(ids), NEVER)
    return np.asarray(observed_until.reindex(ids).fillna(NEVER).to_numpy("int64"))


def with_neighbours(facts: dict[str, Facts], adjacency: Adjacency | None) -> dict[str, Facts]:
    """The fact tables, and those of neighbours made from them; empty ones without adjacency."""
    if adjacency is None:
        return facts | {near: no_facts(near) for near in NEAR_TABLES}
    from features.neighbourhood import near_facts  # noqa: PLC0415 - it needs `Facts`, which is defined here

    return facts | {near: near_facts(facts[own], adjacency) for near, own in NEAR_TABLES.items()}
