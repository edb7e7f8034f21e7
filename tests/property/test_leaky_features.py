"""Deliberate mistakes are caught by each law that should catch them, and by no law that cannot see them."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.law_logs import log_of
from tests.support.laws import LAWS
from tests.support.leaky import LEAKS, Sound

# Random logs that a law may look at until it finds a counterexample.
TRIES = 20
# Logs over which a law that cannot see a leak must stay silent. Silence takes the longest: of seven leaks in eight it
# is listened for with the slow guarantees only.
SILENT = (1,)
LISTENED_FOR_BY_DAY = 8
# Some mistakes need many cases to show, others few, so that a type of problem is missing from a part of the log.
_CASES = (14, 5)
# Of the logs, the first that show these; the others show theirs in the very first.
_SHOWN_BY = {
    ("office code", "future"): 11,
    ("same second, same case", "increment"): 4,
    ("as of the outcome", "future"): 3,
}
_SHOWN_BY |= dict.fromkeys(
    [
        *[(name, "future") for name in ("any finding", "capacity of today", "closed window")],
        *[("forgets to take back", law) for law in ("increment", "online")],
        ("same second, same case", "rename"),
    ],
    2,
)
_CAUGHT = [(name, law) for name, leak in LEAKS.items() for law in leak.caught_by]


def _catches(law, way, seed):
    try:
        LAWS[law](way, log_of(seed, _CASES[seed % 2]), np.random.default_rng(seed))
    except AssertionError:
        return True
    return False


@pytest.mark.parametrize("law", LAWS)
def test_the_way_that_leaks_spoil_breaks_no_law(law):
    """What a law finds in a leak is the leak, and not something that every way does."""
    assert not any(_catches(law, Sound(), seed) for seed in range(2))


@pytest.mark.parametrize(("name", "law"), _CAUGHT)
def test_a_law_catches_the_leaks_that_it_is_for(name, law):
    """A counterexample is found within a few random logs."""
    # All of them are tried; beginning with one that is known to show it only saves time.
    seeds = sorted(range(TRIES), key=lambda seed: seed != _SHOWN_BY.get((name, law), 0))
    assert any(_catches(law, LEAKS[name].way, seed) for seed in seeds), LEAKS[name].way.__doc__


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow) if number % LISTENED_FOR_BY_DAY else name
        for number, name in enumerate(LEAKS)
    ],
)
def test_laws_that_cannot_see_a_leak_stay_silent(name):
    """The table says which laws are blind to it and why; none of them finds anything."""
    leak = LEAKS[name]
    assert leak.blind
    blind = set(LAWS) - set(leak.caught_by)
    assert not [law for law in blind for seed in SILENT if _catches(law, leak.way, seed)]


def test_every_law_catches_something():
    """A check that cannot fail is none."""
    assert {law for leak in LEAKS.values() for law in leak.caught_by} == set(LAWS)
    assert all(leak.caught_by for leak in LEAKS.values())
