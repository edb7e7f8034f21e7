"""Facts of promises: which fell due, which were broken, and which stretches of a promise a case lived through."""

from __future__ import annotations

import numpy as np

from data.event_log import NEVER
from data.schema import EventKind
from features.facts.story import Draft, Rows, Story
from features.facts.tables import STAGES, Bools
from features.facts.work import turns

# Calling a case a duplicate is an answer; its duty lives on in the case that it repeats.
_ANSWERS = (EventKind.CLOSED, EventKind.DUPLICATE)


def matured_and_overdue(story: Story) -> dict[str, Draft]:
    """The tables `matured` and `overdue`."""
    case, last = _at_promise(story)
    late = story.is_open[last]
    at, office = story.promised_at[case], story.office[last]
    measures = {"n": np.ones(len(case), dtype=np.int64), "late": late.astype(np.int64)}
    return {
        "matured": Draft(at, case, office, measures),
        "overdue": _overdue(story, case, Draft(at[late], case[late], office[late], {})),
    }


def stages(story: Story) -> dict[str, Draft]:
    """A life table of promises: which stretches of its promised time each case began open, and in which it closed.

    Both answers are filed at the end of the stretch. Filing a closing when it happens would let early closers be
    seen before those that are still open at the same age, and a young category would look prompt.
    """
    closed = story.first_known(*_ANSWERS)
    last = np.minimum(story.followed, story.first_known(EventKind.WITHDRAWN) - 1)
    promised = (story.promised > 0) & ~story.passed_over
    tables = {}
    for j in range(len(STAGES) - 1):
        start = story.opened_at + np.rint(STAGES[j] * story.promised).astype(np.int64)
        end = story.opened_at + np.rint(STAGES[j + 1] * story.promised).astype(np.int64)
        end = np.maximum(end, story.counts_from)
        began = promised & (end <= last)
        if j > 0:
            began &= closed > start
        case = np.flatnonzero(began)
        measures = {"n": np.ones(len(case), dtype=np.int64), "closed": (closed[case] <= end[case]).astype(np.int64)}
        tables[f"stage_{j}"] = Draft(end[case], case, story.opened_by[case], measures)
    return tables


def _at_promise(story: Story) -> tuple[Rows, Rows]:
    """Cases whose promise fell due, and the row of the last event of each that was known then.

    Left out are cases that had been withdrawn by then, or passed over.
    """
    due = story.promised_at
    made = (due < NEVER) & (due > story.counts_from) & ~story.passed_over
    last = story.last_known_by(due)
    case = np.flatnonzero(made & (story.first_known(EventKind.WITHDRAWN) > due) & (last >= story.first))
    return case, last[case]


def _overdue(story: Story, matured: Rows, broken: Draft) -> Draft:
    """+1 when a promise passes unkept; what ends, reopens or moves the case afterwards changes the count."""
    has_matured = np.zeros(len(story.first), dtype=bool)
    has_matured[matured] = True
    after: Bools = (story.known > story.promised_at[story.case]) & has_matured[story.case]
    at, case, office, change = turns(story, after)
    return Draft(
        np.concatenate([broken.at, at]),
        np.concatenate([broken.case, case]),
        np.concatenate([broken.office, office]),
        {"overdue": np.concatenate([np.ones(len(broken.at), dtype=np.int64), change])},
    )
