"""Laws of the echo board: what is learnt after the following up changes nothing, and every case is in one block."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from data.schema import EVENT_COLUMNS
from service.board_block import FOLLOWED_WEEKS, WEEKS, Block
from service.board_counts import count_block

ZONE = "Asia/Shanghai"
DAY = 86_400
BLOCK = Block.newest(1_763_683_200, ZONE)
KINDS = ("closed", "reopened", "withdrawn", "duplicate", "replied", "transferred")


def history(seed: int, cases: int = 60) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    rows = []
    for case in range(cases):
        opened = int(rng.integers(BLOCK.since - 20 * DAY, BLOCK.until + 20 * DAY))
        one = {"case_id": f"{case:032x}", "category": f"k{case % 3}", "area": f"v{case % 4}", "office": "o"}
        rows.append({**one, "kind": "opened", "at": opened, "known_at": opened + int(rng.integers(0, 5 * DAY))})
        at = opened
        for kind in rng.choice(KINDS, rng.integers(0, 4)):
            at += int(rng.integers(3_600, 40 * DAY))
            reason = "resolved" if kind == "closed" and rng.random() < 0.7 else None
            known = max(at, rows[-1]["known_at"]) + int(rng.integers(0, 9 * DAY))
            rows.append({**one, "kind": str(kind), "at": at, "known_at": known, "closing_reason": reason})
    long_ago = BLOCK.since - 30 * DAY
    first = {"case_id": "f" * 32, "kind": "opened", "at": long_ago, "known_at": long_ago}
    frame = pd.DataFrame([{**first, "category": "k0", "area": "v0"}, *rows], columns=[*EVENT_COLUMNS])
    frame["due_at"] = pd.array([None] * len(frame), dtype="Int64")
    return frame.astype({name: "str" for name in EVENT_COLUMNS if name not in ("at", "known_at", "due_at")})


def told(events: pd.DataFrame):
    counted = count_block(events, BLOCK, ZONE)
    assert counted is not None
    return (counted.areas, counted.types, counted.weekly.tolist(), counted.solved.tolist(), counted.still_open.tolist())


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_what_becomes_known_after_the_following_up_changes_nothing(seed):
    """Closings, reopenings and cases that come in later are in no count; nor is one of that very moment."""
    events = history(seed)
    before = events[events["known_at"] < BLOCK.counted_at]
    at_the_end = before.tail(1).assign(kind="closed", closing_reason="resolved", known_at=BLOCK.counted_at)
    assert told(pd.concat([events, at_the_end], ignore_index=True)) == told(before)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_solved_and_still_open_are_parts_of_what_was_raised(seed):
    """In every area and type; and the backlog holds at least what is still open."""
    counted = count_block(history(seed), BLOCK, ZONE)
    assert counted is not None
    assert ((counted.solved + counted.still_open) <= counted.weekly.sum(axis=2)).all()
    assert (counted.still_open.sum(axis=1) <= counted.backlog).all()
    assert (counted.solved >= 0).all()


@settings(max_examples=60, deadline=None)
@given(
    as_of=st.integers(600_000_000, 2_000_000_000), zone=st.sampled_from(["Asia/Shanghai", "America/New_York", "UTC"])
)
def test_blocks_lie_end_to_end_and_the_newest_has_been_followed_up(as_of, zone):
    """No case is in two boards, whatever the moment, also where clocks change."""
    block = Block.newest(as_of, zone)
    assert block.counted_at <= as_of
    assert len(block.weeks) == WEEKS
    following = Block.newest(block.counted_at + (WEEKS * 7 + 1) * DAY, zone)
    assert following.since == block.until
    assert abs(block.counted_at - block.until - FOLLOWED_WEEKS * 7 * DAY) <= 3_600
    assert Block.since_week(block.since, zone) == block
