"""What it says of a case that it is still open.

A risk told at the opening is too low for a case that has waited through most of its promise: many like it have been
closed by then, and it has not. By the life table of what is like the case (`features.records`), the chance of a broken
promise is the chance of living through all stretches of it; for a case still open after a share u, through those that
remain. The difference of the two log-odds is what waiting adds:

    logit P(late | open at u) = logit P(late) + logit Π_remaining(1 - h) - logit Π_all(1 - h)

The last stretch begun counts by the part of it that is left. No hazard is negative, so waiting never lowers a risk.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from features.facts import STAGES
from features.records import LEVEL_WINDOWS, Records, logit
from features.terms import Term, traced

Floats = NDArray[np.float64]

# Cases of the type with about as long a promise; falls back on the type, and on the promise.
_KEY = "category_promise"
# Beyond one in a thousand, a life table of a few hundred cases knows nothing.
_BOUNDS = (0.001, 0.999)


def waiting_adds(records: Records, share_passed: Floats) -> Floats:
    """What waiting adds to the log-odds of a broken promise.

    Parameters
    ----------
    records : at n queries, asked at the moment that the n cases are known to be open
    share_passed : (n,), share of the promised time that has passed; clipped to [0, 1]

    Returns
    -------
    (n,) of log-odds, never negative; 0 at the opening.
    """
    added = np.zeros(len(share_passed))
    for window in LEVEL_WINDOWS:
        whole, left = np.zeros_like(added), np.zeros_like(added)
        for stage, (start, end) in enumerate(pairwise(STAGES)):
            survival = np.log1p(-records.hazard(_KEY, window, stage))
            whole += survival
            left += np.clip((end - share_passed) / (end - start), 0.0, 1.0) * survival
        added += (logit(np.clip(np.exp(left), *_BOUNDS)) - logit(np.clip(np.exp(whole), *_BOUNDS))) / len(LEVEL_WINDOWS)
    return added


def waiting_terms() -> tuple[Term, ...]:
    """The integers that `waiting_adds` asks for."""
    return traced(lambda source: waiting_adds(Records(source), np.zeros(0)))
