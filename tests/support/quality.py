"""Clean records to look for false findings in, and the symptoms planted into them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from data.event_log import fold_cases
from data.schema import EVENT_COLUMNS
from data.synthetic import CityPlan, simulate_city

DAY = 86_400
HOUR = 3_600
ZONE = "Asia/Shanghai"


def clean_plan(cases: int = 4000, **change: object) -> CityPlan:
    """A small city in which no office fails, nothing rises, and no channel is rolled out within the year."""
    return CityPlan(cases=cases, villages=12, towns=3, capacity_kept=1.0, rise=(1.0, 1.0), rollout_day=10_000, **change)


def clean_city(seed: int, patch: pytest.MonkeyPatch, plan: CityPlan | None = None) -> tuple[pd.DataFrame, int]:
    """The events of a clean city, in UTC seconds, and its as-of. Nothing is closed on paper before its deadline."""
    patch.setattr("data.synthetic.queues._CLOSES_ON_PAPER", 0.0)
    patch.setattr("data.synthetic.queues._HANDED_UP", 0.0)
    city = simulate_city(seed, plan or clean_plan())
    return as_events(city.events), city.end


def as_events(exported: pd.DataFrame) -> pd.DataFrame:
    """The events of a simulated export as the store would give them; `reference` stands for the case id."""
    events = exported.rename(columns={"reference": "case_id"})
    for name in ("at", "known_at", "due_at"):
        moments = events[name].dt.tz_localize(ZONE).dt.tz_convert("UTC").dt.as_unit("s")
        seconds = moments.astype("int64").where(events[name].notna())
        events[name] = seconds.astype("Int64" if name == "due_at" else "int64")
    return events[[*EVENT_COLUMNS]]


def folded(events: pd.DataFrame, as_of: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Cases and events as known before a moment."""
    known = events[events["known_at"] < as_of]
    return fold_cases(known), known


def cases_frame(rows: int, **columns: object) -> pd.DataFrame:
    """Folded cases written by hand: what is not given is nothing, or NEVER."""
    from data.event_log import NEVER

    values: dict[str, object] = {
        "case_id": [f"c{n:06d}" for n in range(rows)],
        **{name: pd.Series([None] * rows, dtype="str") for name in ("category_group", "area", "closing_reason")},
        "category": "drain",
        "channel": "phone",
        "office": "north",
        **{
            name: np.full(rows, NEVER, dtype=np.int64)
            for name in (
                "due_at_opening", "due_at", "closed_at", "closed_known_at", "first_closed_at",
                "withdrawn_known_at", "duplicate_at", "reopened_known_at",
            )
        },
        "reopened": np.zeros(rows, dtype=np.int64),
        "transfers": np.zeros(rows, dtype=np.int64),
        **columns,
    }  # fmt: skip
    frame = pd.DataFrame(values)
    for name in ("category", "channel", "office", "area"):
        frame[name] = frame[name].astype("str").where(frame[name].notna())
    if "office_at_opening" not in frame:
        frame["office_at_opening"] = frame["office"]
    if "opened_known_at" not in frame:
        frame["opened_known_at"] = frame["opened_at"]
    if "first_closed_at" in columns and "closed_at" not in columns:
        frame["closed_at"] = frame["closed_known_at"] = frame["first_closed_at"]
    return frame


def no_events() -> pd.DataFrame:
    """An event frame without rows."""
    from data.event_log import empty_events

    return empty_events()


# Plants: each changes a clean record in one way, as records are changed in real offices.


def plant_mass_closing(
    events: pd.DataFrame, office: str, at: int, least_age: int = 15 * DAY
) -> tuple[pd.DataFrame, int]:
    """Every case of an office that had been open for long is closed within the hour from `at` on."""
    cases = fold_cases(events)
    old = cases["opened_at"] < at - least_age
    chosen = cases[(cases["office"] == office) & old & (cases["first_closed_at"] > at)]["case_id"]
    kept = events[~(events["case_id"].isin(chosen) & (events["at"] >= at))]
    rows = pd.DataFrame({"case_id": chosen, "kind": "closed", "closing_reason": "resolved"})
    rows["at"] = at + np.linspace(0, HOUR - 1, len(rows)).astype(np.int64)
    rows["known_at"] = rows["at"]
    return with_rows(kept, rows), len(rows)


def plant_heap(events: pd.DataFrame, office: str, share: float, rng: np.random.Generator) -> tuple[pd.DataFrame, int]:
    """A share of an office's closings up to a third of the promise late are booked in the hour before the deadline."""
    cases = fold_cases(events)
    promise = cases["due_at_opening"] - cases["opened_at"]
    late = (cases["first_closed_at"] > cases["due_at_opening"]) & (
        cases["first_closed_at"] < cases["due_at_opening"] + promise / 3
    )
    late &= (cases["office"] == office) & (rng.random(len(cases)) < share)
    moved = cases[late].set_index("case_id")["due_at_opening"] - rng.integers(60, HOUR, int(late.sum()))
    events = events.copy()
    first = events[(events["kind"] == "closed")].drop_duplicates("case_id").index
    rows = first[events.loc[first, "case_id"].isin(moved.index)]
    when = moved.reindex(events.loc[rows, "case_id"]).to_numpy("int64")
    events.loc[rows, "at"] = when
    # A paper closing is known at once; nothing is known of the case after it.
    events.loc[rows, "known_at"] = np.maximum(when, 0)
    return events, len(rows)


def plant_import(events: pd.DataFrame, category: str, second: int, count: int) -> pd.DataFrame:
    """Openings of one second, of one category, all through one channel."""
    rows = pd.DataFrame(
        {
            "case_id": [f"bulk-{second}-{n:04d}" for n in range(count)],
            "kind": "opened",
            "at": second,
            "known_at": second,
            "category": category,
            "channel": "other",
            "area": sorted(events["area"].dropna().unique())[0],
            "office": events["office"].dropna().iloc[0],
        }
    )
    return with_rows(events, rows)


def with_rows(events: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Events and further ones, of the same types."""
    rows = rows.reindex(columns=list(EVENT_COLUMNS))
    return pd.concat([events, rows.astype(events.dtypes.to_dict())], ignore_index=True)
