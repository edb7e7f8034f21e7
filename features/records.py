"""The record of a key: how often promises like this were broken, as far as could be known at a moment.

Two estimates are made for every key and window, both shrunken towards the key's parent (empirical Bayes; the posterior
mean of a beta-binomial whose prior mean is the parent's estimate and whose strength m is fixed):

- *matured*: of the promises that fell due in the window, the share broken, (late + m·parent) / (n + m);
- *life table*: the chance of living through all eight stretches of a promise, Π(1 - h_j) with the hazard
  h_j = (closed + m·parent_j) / (began + m). It also learns from cases whose promise has not fallen due yet, so it
  moves first when an office slows down and knows something of problems too young to have matured (Kaplan and
  Meier's product-limit estimate, on the promise's own clock).

The level of a key is the mean of the logits of both, over all history and the last 91 days: the long memory is
steady, the short one follows change, and averaging logits is averaging evidence.

Why shrunken: in a cell of three cases the share of broken promises is 0, ⅓, ⅔ or 1, whatever the office does. Taken
as it is, thin cells would fill both ends of every ranking. The posterior mean moves each share towards its parent's by
m / (n + m), much where little is known and hardly at all where much is, which lowers the total squared error of the
shares (Casella 1985, "An introduction to empirical Bayes data analysis", The American Statistician 39: 83-87). The
prior mean is estimated from the data, which is the empirical part. The strength is not: estimated anew at every moment
it would make a feature jump when nothing happened to the key, and need the whole city's keys to answer for one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from features.facts import STAGES
from features.terms import KeySet, Term, Terms, sums

Floats = NDArray[np.float64]

DAY: Final = 86_400
ALL: Final = None
QUARTER: Final = 91 * DAY
MONTH: Final = 28 * DAY
LEVEL_WINDOWS: Final[tuple[int | None, ...]] = (ALL, QUARTER)

# What a city is taken to be before anything is known of it: one promise in four broken, worth four cases of evidence.
_PRIOR_SHARE: Final = 0.25
_PRIOR_HAZARD: Final = 0.15
_PRIOR_CASES: Final = 4.0
_RECENT_CASES: Final = 30
_RECENT_STRENGTH: Final = 5.0
_N_STAGES: Final = len(STAGES) - 1


@dataclass(frozen=True, slots=True)
class RecordKey:
    """A key that has a record: its columns, the key it is shrunken towards, and the prior's weight in cases."""

    columns: KeySet
    parent: str | None
    strength: float


# Strength 20: a key speaks for itself from about twenty promises on. A type of problem is shrunken less (5), because
# cases with an equally long promise are only a rough stand-in for it.
RECORD_KEYS: Final[dict[str, RecordKey]] = {
    "city": RecordKey((), None, _PRIOR_CASES),
    "promise": RecordKey(("promise",), "city", 20.0),
    "category": RecordKey(("category",), "promise", 5.0),
    "category_channel": RecordKey(("category", "channel"), "category", 20.0),
    "category_area": RecordKey(("category", "area"), "category", 20.0),
    "category_promise": RecordKey(("category", "promise_fine"), "category", 20.0),
    "category_office": RecordKey(("category", "office"), "category", 20.0),
    "area": RecordKey(("area",), "city", 20.0),
    "channel": RecordKey(("channel",), "city", 20.0),
    "category_group": RecordKey(("category_group",), "city", 20.0),
    "office": RecordKey(("office",), "city", 20.0),
}


def logit(share: Floats) -> Floats:
    """Log-odds of a share strictly between 0 and 1."""
    return np.log(share / (1.0 - share))


def expit(score: Floats) -> Floats:
    """The share that has these log-odds."""
    return 1.0 / (1.0 + np.exp(-score))


@dataclass
class Records:
    """Records of all keys at n landmarks, computed when first asked for.

    Parameters
    ----------
    source : who answers the terms of n landmarks
    """

    source: Terms
    _matured: dict[tuple[str, int | None], Floats] = field(default_factory=dict, repr=False)
    _hazard: dict[tuple[str, int | None, int], Floats] = field(default_factory=dict, repr=False)

    def matured(self, key: str, window: int | None) -> Floats:
        """Shrunken share of promises broken, of those that fell due in the window; shape (n,), inside (0, 1)."""
        if (key, window) not in self._matured:
            known = RECORD_KEYS[key]
            found = sums(self.source, "matured", ("n", "late"), known.columns, window)
            prior: Floats | float = _PRIOR_SHARE if known.parent is None else self.matured(known.parent, window)
            self._matured[key, window] = (found["late"] + known.strength * prior) / (found["n"] + known.strength)
        return self._matured[key, window]

    def hazard(self, key: str, window: int | None, stage: int) -> Floats:
        """Shrunken chance of being closed within a stretch of the promise, for a case that began it open; (n,)."""
        if (key, window, stage) not in self._hazard:
            known = RECORD_KEYS[key]
            found = sums(self.source, f"stage_{stage}", ("n", "closed"), known.columns, window)
            prior: Floats | float = _PRIOR_HAZARD if known.parent is None else self.hazard(known.parent, window, stage)
            self._hazard[key, window, stage] = (found["closed"] + known.strength * prior) / (
                found["n"] + known.strength
            )
        return self._hazard[key, window, stage]

    def life_table(self, key: str, window: int | None) -> Floats:
        """Chance of being still open at the promise, by the life table; shape (n,), within [0.001, 0.999]."""
        surviving = np.ones(len(self.source))
        for stage in range(_N_STAGES):
            surviving = surviving * (1.0 - self.hazard(key, window, stage))
        return np.clip(surviving, 0.001, 0.999)

    def level(self, key: str, windows: tuple[int | None, ...] = LEVEL_WINDOWS) -> Floats:
        """Mean log-odds of a broken promise, over both estimates and the windows; shape (n,)."""
        total = np.zeros(len(self.source))
        for window in windows:
            total += logit(self.matured(key, window)) + logit(self.life_table(key, window))
        return total / (2 * len(windows))

    def recent(self, key: str) -> Floats:
        """Log-odds of a broken promise among the last 30 that fell due, shrunken towards all of them; shape (n,).

        More than 30 where several fell due in the second of the thirtieth: there is no telling which of them was last.
        """
        columns = RECORD_KEYS[key].columns
        late, n = (self.source.term(Term("matured", name, columns, newest=_RECENT_CASES)) for name in ("late", "n"))
        prior = self.matured(key, ALL)
        share = (late + _RECENT_STRENGTH * prior) / (n + _RECENT_STRENGTH)
        return logit(np.clip(share, 0.002, 0.998))
