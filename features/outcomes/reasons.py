"""Which ways of closing leave a case unsolved.

The question is what the closing says of the problem, not whether anybody is to blame, and whether there was anything
left for this office to solve. Whether a closing is to be *believed* is another question, with another answer: the
grades of `data.quality.label_trust` weigh cases in training and never change what a record says.

    resolved      the problem was solved                                                       settled
    invalid       there was no such problem: nothing to solve                                  settled
    no_violation  the office looked, and nothing was against the rules: nothing to solve       settled
    referred      somebody outside the service has to solve it: not this office's to solve     settled
    noted         recorded, and nothing more was to be done: ended, and not said to be solved  unsolved
    scheduled     put on a list for later: the case is over and the problem is not             unsolved
    no_access     the office could not get to the place: the problem is where it was           unsolved
    other, null   the source says nothing of it                                                unsaid

`other` is what a mapping makes of every code that it does not know. To call it unsolved would charge an office with
its source's vocabulary, and to call it settled would let a failure vanish behind a new code; so it says as little as a
null, and the outcome of such a case is not known.
"""

from __future__ import annotations

from typing import Final

from data.schema import ClosingReason

UNSOLVED_REASONS: Final = frozenset({ClosingReason.NOTED, ClosingReason.SCHEDULED, ClosingReason.NO_ACCESS})
SETTLING_REASONS: Final = frozenset(
    {ClosingReason.RESOLVED, ClosingReason.INVALID, ClosingReason.NO_VIOLATION, ClosingReason.REFERRED}
)
UNSAYING_REASONS: Final = frozenset({ClosingReason.OTHER})
