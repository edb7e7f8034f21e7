"""A sync that is killed with -9 at a random moment leaves all or nothing, and the next one makes it good."""

from __future__ import annotations

from tests.support.kills import kill_until_done


def test_a_killed_sync_is_made_good_by_the_next(tmp_path):
    """Three kills; `tests/guarantees` has thirty."""
    assert kill_until_done(tmp_path, kills=3, seed=7) >= 1
