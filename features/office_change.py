"""How far an office has changed of late, against its own past and beside the city, as far as it is believed.

The record of promises of the last 28 days moves with every short spell: a week of sick leave, a festival, a storm. In
calm offices it lies about half a unit of log-odds to either side of their own past, and comes back. An office that
begins to fail goes much further and stays there. So the change is believed by how far it goes: of small ones next to
nothing, of large ones nearly all. That is the posterior mean of an effect that is mostly nought and rarely large
(needles in a haystack, Johnstone and Silverman 2004): a mixture of no lasting change, seen with the spread of calm
offices, and a lasting one.

Why a start needs it: how an office failed that never failed before cannot be learned from its past. What can be learned
there, from many small changes that went away again, is not to believe any; trees go no further than what they have
seen, and a line goes on as it was. A start follows the service by itself.

References
----------
Johnstone, I. and Silverman, B. (2004). Needles and straw in haystacks: empirical Bayes estimates of possibly sparse
sequences. Annals of Statistics 32.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from features.records import ALL, MONTH, Floats, Records

# Spread of the change of calm offices, in log-odds, and of a lasting one; how many changes are lasting.
_CALM: Final = 0.45
_LASTING: Final = 1.2
_SHARE: Final = 0.1


def office_change(records: Records) -> Floats:
    """What the change of the office adds to the log-odds of a broken promise, (n,); 0 where the office is not known.

    Against the city, since a month that is hard for all is no office's doing, and is in the city's own record.
    """
    office, city = (records.level(key, (MONTH,)) - records.level(key, (ALL,)) for key in ("office", "city"))
    return believed_change(office - city)


def believed_change(change: Floats) -> Floats:
    """The posterior mean of a lasting change, (n,), given the change that was seen, (n,), both in log-odds.

    It has the sign of what was seen and never goes beyond it.
    """
    spread = _CALM**2 + _LASTING**2
    # In logs, so that a change that no spell explains divides nothing by nothing.
    odds = np.log(_SHARE / (1 - _SHARE)) + 0.5 * np.log(_CALM**2 / spread) + change**2 / 2 * (1 / _CALM**2 - 1 / spread)
    return np.asarray(change * (_LASTING**2 / spread) / (1.0 + np.exp(-odds)))
