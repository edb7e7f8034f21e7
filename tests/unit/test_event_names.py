"""Names of events: the same for ever, and different for different facts."""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from data.event_names import event_ids, event_words, hex_names
from data.schema import EVENT_COLUMNS
from tests.support.logs import event_frame

WORD = (1 << 64) - 1
CODES = st.none() | st.sampled_from(["North", "北街", "", "a\x1fb", "x" * 160])
MOMENTS = st.integers(-(2**50), 2**50)
EVENTS = st.fixed_dictionaries(
    {
        "case_id": st.sampled_from(["1", "2"]),
        "kind": st.sampled_from(["opened", "closed", "amended"]),
        "at": MOMENTS,
        "known_at": MOMENTS,
        "due_at": st.none() | MOMENTS,
        **dict.fromkeys(("category", "category_group", "area", "channel", "office", "closing_reason"), CODES),
    }
)


def one_by_one(source: str, event: dict) -> str:
    """The definition, one event at a time, as `data.event_names` says it in words."""
    name = text(source)
    for field in EVENT_COLUMNS[1:]:
        name = mixed(name ^ word_of(field, event[field]))
    return f"{name:016x}"


def word_of(field: str, value: int | str | None) -> int:
    if value is None:
        return WORD
    return value & WORD if field in ("at", "known_at", "due_at") else text(value)


def text(value: str) -> int:
    return int.from_bytes(hashlib.blake2b(value.encode(), digest_size=8).digest(), "big")


def mixed(word: int) -> int:
    word = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) & WORD
    word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & WORD
    return word ^ (word >> 31)


@given(events=st.lists(EVENTS, min_size=1, max_size=6))
def test_columns_at_once_are_rows_one_by_one(events):
    """The quick way over columns gives what the definition gives for each row."""
    assert event_ids("town", event_frame(events)) == [one_by_one("town", event) for event in events]


def test_a_name_is_the_same_on_every_machine():
    """A stored log must be known again by any later version: this name may never change."""
    event = {"case_id": "c", "kind": "opened", "at": 1_700_000_000, "known_at": 1_700_000_060, "area": "北街"}
    assert event_ids("town", event_frame([event])) == ["42065d07a44ce603"]


def test_a_million_near_neighbours_have_names_of_their_own():
    """Times that differ by seconds, in both columns, never meet."""
    at = np.repeat(np.arange(1_600_000_000, 1_600_001_000), 1_000)
    known = at + np.tile(np.arange(1_000), 1_000)
    frame = pd.DataFrame({"at": at, "known_at": known, "due_at": pd.array([None] * len(at), dtype="Int64")})
    for name in set(EVENT_COLUMNS) - set(frame.columns):
        frame[name] = pd.Series("x", index=frame.index, dtype="str")
    words = event_words("town", frame)
    assert len(np.unique(words)) == len(words)
    assert hex_names(words[:2]) == [f"{word:016x}" for word in words[:2].tolist()]
