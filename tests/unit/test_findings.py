"""Findings about the parts of a file, put together."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from data.findings import Tally, as_findings, found_only, looked_at


def look(marked: list[tuple[bool, bool]], first: int = 1):
    """Two things looked for in rows numbered from `first`."""
    rows = pd.Series(np.arange(first, first + len(marked)))
    masks = np.array(marked, dtype=bool).reshape(-1, 2)
    return [
        looked_at(code, "closed", masks[:, place], rows, expected="e", remedy="r")
        for place, code in enumerate(("missing_time", "after_extraction"))
    ]


@given(marked=st.lists(st.tuples(st.booleans(), st.booleans()), max_size=30), size=st.integers(1, 30), data=st.data())
def test_parts_in_any_order_tell_what_the_whole_tells(marked, size, data):
    """Counts, first rows and the order of the findings are those of the whole file."""
    parts = [look(marked[start : start + size], start + 1) for start in range(0, len(marked), size)]
    tally = Tally()
    for part in data.draw(st.permutations(parts)):
        tally.add(part)
    assert tally.findings() == as_findings(found_only(look(marked)))


def test_what_turns_out_to_be_none_is_forgotten():
    """A finding that only a part could take for one is left out."""
    tally = Tally()
    tally.add(look([(True, True)]))
    tally.forget("missing_time", "closed")
    assert [finding.code for finding in tally.findings()] == ["after_extraction"]
