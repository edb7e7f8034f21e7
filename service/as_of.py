"""What an office could have been told at a moment: its open cases and the figures of that time, the same for ever.

The answer is made of `data.replay` alone, so it does not change with what is imported later. Areas and offices are the
ones the store names now: their tree decides which small figures are withheld, and it keeps no history.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import pandas as pd

from data.errors import NotEnoughDataError
from data.event_log import NEVER, fold_cases
from data.quality.timeliness import timeliness
from data.replay import Replay
from data.store import Store
from data.store_tables import plain_values
from models.signals import pressure
from service.places import read_places
from service.published import Figure, Pressure, Published, publish

_KEYS: Final = ("category", "area", "channel", "office")
_COUNTS: Final = ("closed_on_time", "closed", "on_time", "due")
_SHARES: Final = ("share_of_closed", "share_of_due", "km_share", "km_lower", "km_upper")


def answer(store: Store, as_of: int, *, last_import: int | None = None, minimum: int) -> dict[str, Any]:
    """Everything about a moment as plain values, ready for JSON, in a fixed order.

    Parameters
    ----------
    store : Store
    as_of : int, seconds in UTC
    last_import : int
        See `data.replay.Replay.at`.
    minimum : int
        Smaller figures of areas and offices are withheld, and others with them.

    Returns
    -------
    dict
        `as_of`, `recorded_by` (ISO text, UTC), `imports` (numbers of those that had looked by then), `reconstructed`,
        `figures`, `timeliness`, `areas`, `offices` and `open_cases`, by deadline, those without one last. Times are ISO
        text in the zone of the offices; null means that nothing is known, or withheld where `withheld` says so.

    Raises
    ------
    NotEnoughDataError
        If no case was known then.
    """
    replay = Replay.at(store, as_of, last_import=last_import)
    events = replay.events()
    if events.empty:
        raise NotEnoughDataError("No case was known at that moment. `heed imports` tells what the store holds.")
    zone = store.time_zone()
    cases = fold_cases(events)
    live = cases[(cases["closed_at"] == NEVER) & (cases["withdrawn_known_at"] == NEVER)]
    published = _published(store, cases, as_of, zone, minimum)
    return {
        "as_of": _iso(as_of, UTC),
        "recorded_by": _iso(replay.recorded_by, UTC),
        "reconstructed": replay.reconstructed,
        "imports": replay.looks(),
        "time_zone": zone,
        "minimum_cell": minimum,
        "figures": _figures(cases, live, as_of),
        "timeliness": _timeliness(cases, replay, as_of),
        "areas": [plain(one) for _, one in sorted(published.areas.items())],
        "offices": [plain(one) for _, one in sorted(published.offices.items())],
        "open_cases": _listed(live, as_of, ZoneInfo(zone)),
    }


def _published(store: Store, cases: pd.DataFrame, as_of: int, zone: str, minimum: int) -> Published:
    measured = [pressure(cases, as_of=as_of, unit=unit, time_zone=zone) for unit in ("area", "office")]
    return publish(pd.concat(measured, ignore_index=True), None, read_places(store), minimum=minimum)


def _figures(cases: pd.DataFrame, live: pd.DataFrame, as_of: int) -> dict[str, int]:
    """Of all areas together: counts of the whole are always known."""
    return {
        "cases": len(cases),
        "closed": int((cases["closed_at"] < NEVER).sum()),
        "withdrawn_or_duplicate": int((cases["withdrawn_known_at"] < NEVER).sum()),
        "reopened": int((cases["reopened"] > 0).sum()),
        "open": len(live),
        "open_past_deadline": int((live["due_at"] < as_of).sum()),
        "open_without_deadline": int((live["due_at"] == NEVER).sum()),
    }


def _timeliness(cases: pd.DataFrame, replay: Replay, as_of: int) -> dict[str, Any]:
    row = timeliness(cases, as_of=as_of, observed_until=replay.observed_until()).iloc[0]
    counts = {name: int(row[name]) for name in _COUNTS}
    return counts | {name: None if pd.isna(row[name]) else round(float(row[name]), 6) for name in _SHARES}


def plain(row: Pressure) -> dict[str, Any]:
    """A disclosed row as plain values; a withheld figure is null and named in `withheld`."""
    names = row.__dataclass_fields__
    figures = {name: getattr(row, name) for name in names}
    values = {name: one.value if isinstance(one, Figure) else one for name, one in figures.items()}
    withheld = [name for name, one in figures.items() if isinstance(one, Figure) and one.withheld]
    return {**values, "withheld": withheld}


def _listed(live: pd.DataFrame, as_of: int, zone: ZoneInfo) -> list[dict[str, Any]]:
    ordered = live.sort_values(["due_at", "opened_at", "case_id"], kind="stable")
    rows = zip(*(plain_values(ordered[name]) for name in ("case_id", *_KEYS, "opened_at", "due_at")), strict=True)
    return [
        {
            "case_id": case_id,
            **dict(zip(_KEYS, keys, strict=True)),
            "opened_at": _iso(opened, zone),
            "due_at": None if due == NEVER else _iso(due, zone),
            "state": _state(due, as_of),
        }
        for case_id, *keys, opened, due in rows
    ]


def _state(due: int, as_of: int) -> str:
    if due == NEVER:
        return "no_deadline"
    return "overdue" if due < as_of else "open"


def _iso(seconds: int, zone: Any) -> str:
    return datetime.fromtimestamp(seconds, zone).isoformat().replace("+00:00", "Z")
