"""Random event logs with heavy ties, and small ones written by hand."""

from __future__ import annotations

import pandas as pd
from hypothesis import strategies as st

from data.schema import EVENT_COLUMNS


def event_frame(rows: list[dict[str, object]]) -> pd.DataFrame:
    """An event frame from dicts; what a row does not say is null."""
    frame = pd.DataFrame(rows, columns=list(EVENT_COLUMNS))
    for name in EVENT_COLUMNS:
        if name in ("at", "known_at"):
            frame[name] = frame[name].astype("int64")
        elif name == "due_at":
            frame[name] = frame[name].astype("Int64")
        else:
            frame[name] = frame[name].astype("str").where(frame[name].notna())
    return frame


_HOUR = 3600
# Few distinct moments, so that ties are everywhere: at the landmark, between cases, between events of a case.
_moments = st.integers(1, 24).map(lambda n: 1_700_000_000 + n * 12 * _HOUR)


@st.composite
def case_histories(draw: st.DrawFn, number: int) -> list[dict[str, object]]:
    """One case: opened, perhaps moved, closed, reopened, withdrawn, with late recording."""
    opened = draw(_moments)
    due = draw(st.one_of(st.none(), st.integers(1, 12).map(lambda n: opened + n * 12 * _HOUR)))
    rows: list[dict[str, object]] = [
        {
            "case_id": f"c{number:03d}",
            "kind": "opened",
            "at": opened,
            "known_at": opened,
            "due_at": due,
            "category": draw(st.sampled_from(["drain", "light", None])),
            "area": draw(st.sampled_from(["A1", "A2"])),
            "channel": "web",
            "office": draw(st.sampled_from(["north", "south", None])),
        }
    ]
    at = opened
    kinds = st.sampled_from(["transferred", "closed", "reopened", "withdrawn", "assigned"])
    for kind in draw(st.lists(kinds, max_size=4)):
        at += draw(st.sampled_from([0, 30, 12 * _HOUR, 36 * _HOUR]))
        known = at + draw(st.sampled_from([0, 0, 0, 24 * _HOUR]))
        moved = kind in ("transferred", "assigned")
        rows.append(
            {
                "case_id": f"c{number:03d}",
                "kind": kind,
                "at": at,
                "known_at": known,
                "office": draw(st.sampled_from(["north", "south"])) if moved else None,
                "closing_reason": "resolved" if kind == "closed" else None,
            }
        )
    return rows


@st.composite
def event_logs(draw: st.DrawFn, max_cases: int = 12) -> pd.DataFrame:
    """A random event log with heavy ties, in random order."""
    count = draw(st.integers(1, max_cases))
    rows = [row for number in range(count) for row in draw(case_histories(number))]
    order = draw(st.permutations(range(len(rows))))
    return event_frame([rows[i] for i in order])


def moments() -> st.SearchStrategy[int]:
    """As-of moments on and between the events of `event_logs`."""
    return st.builds(lambda base, shift: base + shift, _moments, st.sampled_from([0, 1, 61, 6 * _HOUR]))
