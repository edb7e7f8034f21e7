"""The state of one case, worked out one event after another: slow, plain, and written without `features.case_state`."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from data.event_log import NEVER
from data.schema import EventKind

Row = dict[str, object]
State = dict[str, object]

KINDS = [kind.value for kind in EventKind]
_NAMED = ("category", "category_group", "area", "channel", "office")
_ENDS_A_PAUSE = ("resumed", "closed", "reopened", "withdrawn", "duplicate")
_NOTHING_YET: State = {
    **dict.fromkeys(_NAMED),
    **dict.fromkeys(("is_open", "fallen_away"), False),
    **dict.fromkeys(("events", "handovers", "handed_up", "returns", "reopened", "replies"), 0),
    **dict.fromkeys(("pauses", "paused_seconds", "promise_changes"), 0),
    **dict.fromkeys(("opened_at", "opened_known_at", "closed_at", "reopened_at", "last_event_at"), NEVER),
    **dict.fromkeys(("office_since", "paused_since", "due_at", "first_due_at", "promise_changed_at"), NEVER),
}


def state_by_loop(told: pd.DataFrame) -> State:
    """The state of a case of which these events are known, in any order."""
    state = dict(_NOTHING_YET)
    had: list[object] = []
    ends: list[int] = []
    heard_of = False
    for row in sorted(told.to_dict("records"), key=_order):
        standing = _standing(row)
        if row["kind"] == "opened" and heard_of:
            # What is known to be over, or open again, is not opened by hearing of its opening.
            standing = {name: standing[name] for name in ("opened_at", "opened_known_at")}
        heard_of = heard_of or bool(standing)
        for part in (standing, _counts(row, state), _place(row, state, had), _promise(row, state)):
            state |= dict(part)
        # Whether a case can be paused depends on whether it is open.
        state |= dict(_pause(row, state, ends))
        state |= {name: row[name] for name in _NAMED if value(row[name]) is not None}
    return state


def value(said: object) -> object:
    """What a cell says; None for any kind of null."""
    return None if isinstance(said, float) or said is None or said is pd.NA else said


def _order(row: Row) -> tuple[object, ...]:
    return (row["known_at"], row["at"], KINDS.index(row["kind"]))


def _standing(row: Row) -> State:
    kind, at, known = row["kind"], row["at"], row["known_at"]
    if kind == "opened":
        return {"opened_at": at, "opened_known_at": known, "is_open": True, "fallen_away": False}
    if kind == "reopened":
        return {"reopened_at": known, "is_open": True, "fallen_away": False, "closed_at": NEVER}
    if kind == "closed":
        return {"is_open": False, "closed_at": at}
    return {"is_open": False, "fallen_away": True} if kind in ("withdrawn", "duplicate") else {}


def _counts(row: Row, state: State) -> State:
    words = {"handed_up": "handed_up", "reopened": "reopened", "replies": "replied"}
    counted = {name: state[name] + (row["kind"] == word) for name, word in words.items()}
    return {
        **counted,
        "events": state["events"] + 1,
        "stage": KINDS.index(row["kind"]),
        "last_event_at": row["known_at"],
    }


def _place(row: Row, state: State, had: list[object]) -> Iterator[tuple[str, object]]:
    office = value(row["office"])
    if office is None:
        yield "handovers", state["handovers"] + (row["kind"] in ("transferred", "handed_up"))
    elif office != state["office"]:
        if row["kind"] in ("assigned", "transferred", "handed_up") and state["office"] is not None:
            yield "handovers", state["handovers"] + 1
            yield "returns", state["returns"] + (office in had)
        yield "office_since", row["at"]
        had.append(office)


def _promise(row: Row, state: State) -> Iterator[tuple[str, object]]:
    if pd.isna(row["due_at"]):
        return
    if state["due_at"] == NEVER:
        yield "first_due_at", row["due_at"]
    elif state["due_at"] != row["due_at"]:
        yield "promise_changes", state["promise_changes"] + 1
        yield "promise_changed_at", row["known_at"]
    yield "due_at", row["due_at"]


def _pause(row: Row, state: State, ends: list[int]) -> Iterator[tuple[str, object]]:
    at, since = row["at"], state["paused_since"]
    if row["kind"] == "paused" and any(end > at for end in ends):
        yield "pauses", state["pauses"] + 1
        yield "paused_seconds", state["paused_seconds"] + max(ends) - at
    elif row["kind"] == "paused" and state["is_open"] and since == NEVER:
        yield "pauses", state["pauses"] + 1
        yield "paused_since", at
    elif row["kind"] in _ENDS_A_PAUSE:
        if since != NEVER:
            yield "paused_seconds", state["paused_seconds"] + max(at - since, 0)
        yield "paused_since", NEVER
        ends.append(at)
