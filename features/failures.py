"""The record of failures other than lateness: closed unresolved, reopened, handed up.

The share of each is shrunken as the record of promises is (`features.records`): the posterior mean of a beta-binomial,
(failed + m·parent) / (n + m), whose prior mean is the share of the parent key in the same window. The parents are
plainer than those of promises, since these failures have nothing to do with how long a promise is: a type of problem,
an area or an office departs from the city, and a pair from its type of problem.

The shares are those of cases whose answer was known before the landmark, judged when it became known: closings that
say how they ended, closings followed for 28 days, and openings followed for 28 days (`features.facts`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from features.records import DAY, RECORD_KEYS, Floats
from features.terms import Term, Terms

# As for promises: a key speaks for itself from about twenty cases on, the city from four.
_STRENGTH: Final = 20.0
_CITY_STRENGTH: Final = 4.0

# key -> the key that it is shrunken towards
_PARENTS: Final[dict[str, str]] = {
    "office": "city",
    "category": "city",
    "area": "city",
    "category_office": "category",
    "category_area": "category",
}
FAILURE_KEYS: Final = tuple(_PARENTS)


@dataclass(frozen=True, slots=True)
class Failure:
    """Something else than lateness that an office does wrong.

    Attributes
    ----------
    name : as the outcome is called
    table, failed, judged : the fact table, and its measures: how many failed, of how many that could be judged
    prior : share of failures that a city is taken to have before anything is known of it
    label_zh, label_en : what the share is called
    """

    name: str
    table: str
    failed: str
    judged: str
    prior: float
    label_zh: str
    label_en: str


# A prior of one in ten and one in twenty: rarer than lateness, and worth only four cases of evidence.
FAILURES: Final = (
    Failure(
        "unresolved",
        "closures",
        "unresolved",
        "judged",
        0.10,
        "办结而未解决的占比",
        "share closed without being resolved",
    ),
    Failure(
        "reopened", "held", "reopened", "n", 0.05, "办结后被重办的占比", "share reopened within 28 days of closing"
    ),
    Failure(
        "handed_up",
        "tiers",
        "handed_up",
        "n",
        0.05,
        "受理后被上报的占比",
        "share handed up a tier within 28 days of opening",
    ),
)


def shrunken_share(source: Terms, failure: Failure, key: str, days: int | None) -> Floats:
    """Shrunken share of a failure under a key, over a window of days or all history: shape (n,), inside (0, 1)."""
    window = None if days is None else days * DAY
    columns = RECORD_KEYS[key].columns
    failed, judged = (
        source.term(Term(failure.table, name, columns, window)) for name in (failure.failed, failure.judged)
    )
    if key == "city":
        return (failed + _CITY_STRENGTH * failure.prior) / (judged + _CITY_STRENGTH)
    prior = shrunken_share(source, failure, _PARENTS[key], days)
    return (failed + _STRENGTH * prior) / (judged + _STRENGTH)
