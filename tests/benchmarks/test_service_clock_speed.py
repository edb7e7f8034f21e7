"""How long the clock engine takes over a city's case histories."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest

from data.schema import EVENT_COLUMNS
from data.service_clock import find_clock
from data.service_clock_store import fill_promises

pytestmark = pytest.mark.benchmark

CASES = 100_000
OFFICES = pd.DataFrame({"office": ["T", "C"], "tier": ["town", "city"]})


@pytest.fixture(scope="module")
def histories() -> pd.DataFrame:
    """100,000 cases with up to three pauses each, some handed up, most closed: about half a million events."""
    rng = np.random.default_rng(1)
    opened = 1_704_067_200 + rng.integers(0, 600 * 86_400, CASES)
    cases = np.array([f"{number:032x}" for number in rng.permutation(CASES)], dtype=object)
    categories = np.array(["pothole", "water_leak", "water_bill_query", "suggestion"], dtype=object)
    office = np.array(["T", "C"], dtype=object)[rng.integers(0, 2, CASES)]
    said = {"category": categories[rng.integers(0, 4, CASES)], "office": office}
    parts = [pd.DataFrame({"case_id": cases, "kind": "opened", "at": opened, **said})]
    at = opened
    for _ in range(3):
        chosen = rng.random(CASES) < 0.5
        for kind in ("paused", "resumed"):
            at = at + rng.integers(3600, 4 * 86_400, CASES)
            parts.append(pd.DataFrame({"case_id": cases[chosen], "kind": kind, "at": at[chosen]}))
    up, closed = rng.random(CASES) < 0.2, rng.random(CASES) < 0.9
    handed = pd.DataFrame({"case_id": cases[up], "kind": "handed_up", "at": opened[up] + 2 * 86_400, "office": "C"})
    parts += [handed, pd.DataFrame({"case_id": cases[closed], "kind": "closed", "at": at[closed] + 86_400})]
    log = pd.concat(parts, ignore_index=True)
    log["known_at"] = log["at"]
    for name in EVENT_COLUMNS:
        if name not in ("at", "known_at"):
            log[name] = (log[name] if name in log else pd.Series(None, index=log.index)).astype(
                "Int64" if name == "due_at" else "str"
            )
    return log[[*EVENT_COLUMNS]]


def test_a_hundred_thousand_cases_in_a_few_seconds(histories, record_property):
    """Three clocks of 100,000 cases with pauses, as of a morning."""
    start = time.perf_counter()
    found = find_clock("hotline_12345").due(histories, OFFICES, as_of=1_790_000_000)
    taken = time.perf_counter() - start
    record_property("seconds", taken)
    assert len(found) == 3 * CASES
    assert taken < 10


def test_promises_of_a_hundred_thousand_cases(histories, record_property):
    """The promises of the same cases, with every pause that moves one."""
    start = time.perf_counter()
    filled = fill_promises(histories, find_clock("hotline_12345"), OFFICES)
    taken = time.perf_counter() - start
    record_property("seconds", taken)
    assert len(filled) > len(histories)
    assert taken < 40
