"""What an office did or failed to do with a case, and from when on that can be said.

`late` asks once for each case, at its opening. `outcomes_at` asks at every landmark of a case's life, about four
failures at once (`features.outcomes.landmark` defines them):

    late         the promise that stands at the landmark passes unanswered        matures at that promise
    unresolved   the next closing ends the case without solving it                matures a horizon after the landmark
    reopened     a closing does not hold: the case is reopened                    the same
    handed_up    the case goes up a tier                                          the same
"""

from features.outcomes.any_failure import any_failure
from features.outcomes.frame import outcome_frame
from features.outcomes.landmark import HORIZON_CHOICES, HORIZONS, LANDMARK_OUTCOMES, outcomes_at
from features.outcomes.opening import OUTCOMES, Outcome, late
from features.outcomes.reasons import SETTLING_REASONS, UNSAYING_REASONS, UNSOLVED_REASONS
from features.outcomes.record import CENSORED, ENDED, FAILED, LandmarkOutcome

__all__ = [
    "CENSORED",
    "ENDED",
    "FAILED",
    "HORIZONS",
    "HORIZON_CHOICES",
    "LANDMARK_OUTCOMES",
    "OUTCOMES",
    "SETTLING_REASONS",
    "UNSAYING_REASONS",
    "UNSOLVED_REASONS",
    "LandmarkOutcome",
    "Outcome",
    "any_failure",
    "late",
    "outcome_frame",
    "outcomes_at",
]
