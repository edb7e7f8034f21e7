"""How many examples a random test tries: by day a sixth of what it names; with `HEED_THOROUGH` set, all of them.

`make guarantees` sets it. An example is often a whole history, a store or a model, and most faults are found by the
first few; the rest are for the night.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from hypothesis import is_hypothesis_test, settings

# Fewer than so many are never tried.
FEWEST = 3
# By day one in so many.
_ONE_IN = 6
# Where Hypothesis keeps the settings of a test; its own plugin for pytest changes them there.
_SETTINGS = "_hypothesis_internal_use_settings"


def scaled(named: int, *, thorough: bool) -> int:
    """How many are tried of so many named."""
    return named if thorough else max(min(named, FEWEST), -(-named // _ONE_IN))


def examples(named: int) -> int:
    """The same for a random test inside another test, which nobody collects."""
    return scaled(named, thorough=_thorough())


def _thorough() -> bool:
    return bool(os.environ.get("HEED_THOROUGH"))


def scale(items: Iterable[Any], *, thorough: bool | None = None) -> None:
    """Scale every random test among the collected ones; one with several parameters once.

    Parameters
    ----------
    thorough : as many as they name; None: as the environment says
    """
    whole = _thorough() if thorough is None else thorough
    for test in {id(test): test for item in items if is_hypothesis_test(test := getattr(item, "obj", None))}.values():
        # A state machine keeps its settings in its class, and is left as it is.
        own = getattr(test, _SETTINGS, None)
        if own is not None:
            setattr(test, _SETTINGS, settings(own, max_examples=scaled(own.max_examples, thorough=whole)))
