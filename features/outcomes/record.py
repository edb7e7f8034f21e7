"""What is known of one outcome at n landmarks: the label, and how long the case ran until it was decided."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from features.outcomes.opening import Outcome
from features.terms import Int64s

Bools = NDArray[np.bool_]

# What ended the wait for an outcome (`LandmarkOutcome.cause`), as competing-risks software numbers it.
CENSORED: Final = 0
FAILED: Final = 1
ENDED: Final = 2

_DAY: Final = 86_400


@dataclass(frozen=True, slots=True)
class LandmarkOutcome(Outcome):
    """One outcome, with one horizon, at n landmarks in their order.

    A value is missing (NaN) where the landmark is not eligible, the outcome was not mature before the as-of, the case
    was not followed beyond maturity, or it is `unsaid`; and nowhere else. A failure that was seen early is *not* known
    early: if it were, the failures among the newest cases would be known and the successes not.

    Attributes
    ----------
    name : one of `LANDMARK_OUTCOMES`, or "any_failure"
    value : (n,) float64; 1 the office failed by maturity, 0 it did not (a competing end included), NaN not known
    matures_at : (n,) int64 seconds in UTC; the last second that counts, so that the value is known from the next second
        on. Told by the landmark alone, never by what came later; `NEVER` where the office could not fail any more.
    eligible : (n,) bool; the office could still fail in this way by what was known at the landmark, and the case was
        not closed within a minute of its opening (a record of work already done: the one thing that is left out by
        what came later, because the row has no meaning)
    horizon : seconds after the landmark; None where the promise is the horizon
    censored : (n,) bool; eligible, and last looked at before maturity with neither failure nor competing end seen
    unsaid : (n,) bool; eligible, and decided by a closing that does not say how it ended the case
    duration : (n,) int64 seconds from the landmark to whatever `cause` names; 0 where not eligible
    cause : (n,) int8; `FAILED`, `ENDED` (a competing end: what makes the failure impossible came first) or `CENSORED`
        (neither was seen: up to maturity, or as far as the case was followed, or up to the closing that is `unsaid`)
    """

    horizon: int | None
    censored: Bools
    unsaid: Bools
    duration: Int64s
    cause: NDArray[np.int8]

    @property
    def column(self) -> str:
        """The outcome's name with its horizon: `late`, `reopened_28d`."""
        return self.name if self.horizon is None else f"{self.name}_{self.horizon // _DAY}d"

    def __len__(self) -> int:
        return len(self.value)
