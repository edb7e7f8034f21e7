"""Random event logs for the tables of facts: every kind of event, late recording, and steps of about 28 days."""

from __future__ import annotations

import pandas as pd
from hypothesis import strategies as st

from tests.support.logs import event_frame

DAY = 86_400
START = 1_700_000_000
AREAS = ("A1", "A2", "A3")
# A1 and A2 lie next to each other, and A3 next to A1 only on paper that A1 does not know of.
ADJACENCY = {"A1": ["A2"], "A2": ["A1"], "A3": ["A1", "A2"]}

_KINDS = ("assigned", "transferred", "handed_up", "closed", "reopened", "withdrawn", "duplicate", "amended", "paused")
_REASONS = ("resolved", "noted", "scheduled", "other", None)
# Heavy ties, the end of the first minute, and both sides of four weeks.
_STEPS = (0, 30, 60, DAY, 3 * DAY, 28 * DAY - 1, 28 * DAY, 28 * DAY + 1)
_moments = st.integers(0, 20).map(lambda n: START + n * 2 * DAY)


@st.composite
def _case(draw: st.DrawFn, number: int) -> list[dict[str, object]]:
    opened = draw(_moments)
    name = f"c{number:03d}"
    office = st.sampled_from(["north", "south", "county", None])
    due = st.sampled_from([None, 0, DAY, 10 * DAY, 28 * DAY])
    promised = draw(due)
    rows: list[dict[str, object]] = [
        {
            "case_id": name,
            "kind": "opened",
            "at": opened,
            "known_at": opened + draw(st.sampled_from([0, 0, 0, 45, 2 * DAY])),
            "due_at": None if promised is None else opened + promised,
            "category": draw(st.sampled_from(["drain", "light", None])),
            "category_group": draw(st.sampled_from(["streets", None])),
            "area": draw(st.sampled_from([*AREAS, None])),
            "channel": draw(st.sampled_from(["web", "phone"])),
            "office": draw(office),
        }
    ]
    at = opened
    for kind in draw(st.lists(st.sampled_from(_KINDS), max_size=6)):
        at += draw(st.sampled_from(_STEPS))
        promised = draw(due) if kind == "amended" else None
        rows.append(
            {
                "case_id": name,
                "kind": kind,
                "at": at,
                "known_at": at + draw(st.sampled_from([0, 0, 0, DAY, 30 * DAY])),
                "due_at": None if promised is None else at + promised,
                "category": draw(st.sampled_from(["light", None])) if kind == "amended" else None,
                "office": draw(office),
                "closing_reason": draw(st.sampled_from(_REASONS)) if kind == "closed" else None,
            }
        )
    return rows


@st.composite
def fact_logs(draw: st.DrawFn, max_cases: int = 8) -> pd.DataFrame:
    """A random event log in random order."""
    rows = [row for number in range(draw(st.integers(1, max_cases))) for row in draw(_case(number))]
    return event_frame([rows[i] for i in draw(st.permutations(range(len(rows))))])


@st.composite
def looks(draw: st.DrawFn) -> dict[str, int]:
    """How long some cases of `fact_logs` were followed; nothing for the others."""
    names = [f"c{number:03d}" for number in range(8)]
    return draw(st.dictionaries(st.sampled_from(names), moments(), max_size=6))


def moments() -> st.SearchStrategy[int]:
    """As-of moments on and beside those of `fact_logs`."""
    return st.builds(lambda base, shift: base + shift, _moments, st.sampled_from([0, 1, 61, 10 * DAY, 28 * DAY]))


@st.composite
def inspection_rows(draw: st.DrawFn) -> pd.DataFrame:
    """A few inspections, as the store gives them."""
    rows = draw(
        st.lists(
            st.tuples(st.sampled_from([*AREAS, None]), st.sampled_from(["drain", None]), _moments, st.integers(0, 3)),
            max_size=5,
        )
    )
    frame = pd.DataFrame(rows, columns=["area", "related_category", "known_at", "severity"])
    text = {name: frame[name].astype("str").where(frame[name].notna()) for name in ("area", "related_category")}
    return frame.assign(**text, known_at=frame["known_at"].astype("int64"), severity=frame["severity"].astype("int64"))


@st.composite
def capacity_rows(draw: st.DrawFn) -> pd.DataFrame:
    """A few changes of what offices can do."""
    change = st.tuples(st.sampled_from(["north", "south"]), _moments, st.integers(-2000, 2000))
    frame = pd.DataFrame(draw(st.lists(change, max_size=5)), columns=["office", "at", "change"])
    return frame.astype({"office": "str", "at": "int64", "change": "int64"})


def series(followed: dict[str, int] | None) -> pd.Series | None:
    """`looks` as `data.observation` gives them."""
    return None if followed is None else pd.Series(followed, dtype="int64").rename_axis("case_id")
