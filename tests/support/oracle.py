"""What the event index should say, worked out case by case with loops: slow, plain, and written without it."""

from __future__ import annotations

import pandas as pd

_DAY = 86_400
_STATE = {"opened": 1, "reopened": 1, "closed": 0, "withdrawn": 0, "duplicate": 0}
_ORDER = [
    "opened",
    "assigned",
    "transferred",
    "handed_up",
    "replied",
    "paused",
    "resumed",
    "closed",
    "reopened",
]


def _stories(events: pd.DataFrame) -> list[list[dict]]:
    rank = {kind: i for i, kind in enumerate([*_ORDER, "withdrawn", "duplicate", "amended"])}
    rows = events.to_dict("records")
    stories: dict[str, list[dict]] = {}
    for row in rows:
        stories.setdefault(row["case_id"], []).append(row)
    for story in stories.values():
        story.sort(key=lambda row: (row["known_at"], row["at"], rank[row["kind"]]))
    return list(stories.values())


def backlog(events: pd.DataFrame, t: int, **keys: str) -> int:
    """Cases of a key that were open, and known to be, strictly before t."""
    return sum(_open_before(story, t, keys) for story in _stories(events))


def _open_before(story: list[dict], t: int, keys: dict[str, str]) -> int:
    opening = story[0]
    if _passed_over(story) or opening["known_at"] + 60 >= t:
        return 0
    state, office = 0, None
    for row in story:
        if row["known_at"] < t:
            state = _STATE.get(row["kind"], state)
            office = row["office"] if isinstance(row["office"], str) else office
    return int(state == 1 and _matches(opening, office, keys))


def arrivals(events: pd.DataFrame, t: int, days: int, **keys: str) -> int:
    """Cases of a key that had stood open for a minute at some moment in [t - days, t)."""
    count = 0
    for story in _stories(events):
        at = story[0]["known_at"] + 60
        if not _passed_over(story) and t - days * _DAY <= at < t and _matches(story[0], story[0]["office"], keys):
            count += 1
    return count


def matured(events: pd.DataFrame, t: int, days: int, **keys: str) -> tuple[int, int]:
    """Promises of a key that fell due in [t - days, t), and how many of them were broken, as known when due."""
    n = late = 0
    for story in _stories(events):
        due = story[0]["due_at"]
        if pd.isna(due) or not t - days * _DAY <= due < t or _passed_over(story) or story[0]["known_at"] + 60 >= due:
            continue
        known = [row for row in story if row["known_at"] <= due]
        if any(row["kind"] in ("withdrawn", "duplicate") for row in known):
            continue
        offices = [row["office"] for row in known if isinstance(row["office"], str)]
        if not _matches(story[0], offices[-1] if offices else None, keys):
            continue
        state = [_STATE[row["kind"]] for row in known if row["kind"] in _STATE][-1]
        n, late = n + 1, late + state
    return n, late


def _passed_over(story: list[dict]) -> bool:
    limit = story[0]["at"] + 60
    return any(row["kind"] == "closed" and row["known_at"] <= limit for row in story)


def _matches(opening: dict, office: object, keys: dict[str, str]) -> bool:
    now = {**opening, "office": office}
    return all(now[name] == value for name, value in keys.items())
