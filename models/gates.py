"""What must hold before a version is put to use in place of another.

Gates stand between a training and the offices' mornings: no version goes into use that the boundary refuses, that does
not fit here, or that does worse on later cases than the one it would replace.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

GateName = Literal["boundary", "fit", "signature", "outcomes", "judged", "cases", "brier", "calibration", "slices"]

# Never overridden: what fails here cannot be put to use at all.
HARD: Final[frozenset[str]] = frozenset({"boundary", "fit", "signature"})
FEWEST_CASES: Final = 200
FEWEST_FAILED: Final = 20
HIGHEST_ECE: Final = 0.05
# With tens of thousands of cases the smallest difference is sure; up to a hundredth it is none that matters.
WORSE: Final = 0.01
# By how much a Brier score may surely be worse in one part of the cases: a fiftieth.
MUCH_WORSE: Final = 0.02

WORDS: Final[Mapping[str, str]] = {
    "boundary": "Nothing that it learned from or tells is refused by the boundary",
    "fit": "Its features, facts and libraries are those of here",
    "signature": "It is signed by a trusted key, where keys are trusted",
    "outcomes": "It tells every outcome that the one in use tells",
    "judged": "It was judged on later cases beside the one in use",
    "cases": "Enough mature cases judged it: 200 of each outcome, 20 of them failed",
    "brier": "Its Brier score is not surely worse than that of the one in use by over a hundredth of it, "
    "on the same cases",
    "calibration": "Its risks mean what they say: a calibration error of 0.05 at most",
    "slices": "No office, area, type of problem or channel is told much worse",
}


@dataclass(frozen=True)
class Gate:
    """One thing that must hold.

    Attributes
    ----------
    name : see `WORDS`
    passed : None where it cannot be told; that is no pass
    figure, limit : what was found, and what it may be at most (of `cases`: at least); None where there is no number
    outcome : the one that the figure is of, the worst of them; None where it is of the whole
    """

    name: GateName
    passed: bool | None
    figure: float | None = None
    limit: float | None = None
    outcome: str | None = None

    @property
    def words(self) -> str:
        """What must hold, in English."""
        return WORDS[self.name]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**asdict(self), "words": self.words}


@dataclass(frozen=True)
class Facts:
    """What gates are asked of.

    Attributes
    ----------
    violations : how many names the boundary refuses
    fits : made for the features, facts and libraries of here
    signed : by a trusted key; None where none is asked for
    outcomes, champion_outcomes : what it tells, and what the one in use tells
    champion : the version in use; None where there is none, and nothing need be compared
    judged : as `models.judging.judged` gave it; None where it was not judged
    """

    violations: int
    fits: bool
    signed: bool | None
    outcomes: frozenset[str]
    champion: str | None = None
    champion_outcomes: frozenset[str] = frozenset()
    judged: Mapping[str, Any] | None = None


def gates(facts: Facts) -> list[Gate]:
    """All gates of a version. Where nothing is in use, only those that are never overridden must hold."""
    found = [
        Gate("boundary", facts.violations == 0, float(facts.violations), 0.0),
        Gate("fit", facts.fits),
        Gate("signature", facts.signed is not False),
    ]
    if facts.champion is None:
        return found
    lost = facts.champion_outcomes - facts.outcomes
    found.append(Gate("outcomes", not lost, float(len(lost)), 0.0, min(lost, default=None)))
    beside = facts.judged is not None and facts.judged.get("beside") == facts.champion
    found.append(Gate("judged", beside))
    if facts.judged is None or not beside:
        return [*found, *(Gate(name, None) for name in _OF_CASES)]
    told = dict(facts.judged["outcomes"])
    return [*found, _cases(told), _brier(told), _calibration(told), _slices(told)]


def failed(found: list[Gate]) -> list[Gate]:
    """Those that do not hold, or cannot be told."""
    return [gate for gate in found if gate.passed is not True]


_OF_CASES: Final[tuple[GateName, ...]] = ("cases", "brier", "calibration", "slices")
_Told = Mapping[str, Mapping[str, Any]]


def _cases(told: _Told) -> Gate:
    """Of one outcome at least. Asked of each, a rare one would keep every new version away for good."""
    if not told:
        return Gate("cases", False, 0.0, float(FEWEST_CASES))
    name = max(told, key=lambda each: (told[each]["failed"] >= FEWEST_FAILED, told[each]["cases"]))
    cases, failed = told[name]["cases"], told[name]["failed"]
    if cases >= FEWEST_CASES and failed < FEWEST_FAILED:
        return Gate("cases", False, float(failed), float(FEWEST_FAILED), name)
    return Gate("cases", cases >= FEWEST_CASES, float(cases), float(FEWEST_CASES), name)


def _brier(told: _Told) -> Gate:
    """By the lower end of the interval of the difference, as a share of what the one in use has."""
    ends = {
        name: one["differences"]["brier"]["low"] / one["champion"]["figures"]["brier"]["value"]
        for name, one in told.items()
        if one.get("differences") and one["differences"]["brier"]["low"] is not None
    }
    return _highest("brier", ends, WORSE)


def _calibration(told: _Told) -> Gate:
    found = {
        name: one["challenger"]["figures"]["ece"]["value"]
        for name, one in told.items()
        if one.get("challenger") and one["challenger"]["figures"]["ece"]["value"] is not None
    }
    return _highest("calibration", found, HIGHEST_ECE)


def _slices(told: _Told) -> Gate:
    found = {
        name: one["slices"]["worst"]["low"]
        for name, one in told.items()
        if one.get("slices") and one["slices"]["worst"]["low"] is not None
    }
    if not found and any(one.get("slices") for one in told.values()):
        # Compared, and no part is large enough to be judged by itself.
        return Gate("slices", True, None, MUCH_WORSE)
    return _highest("slices", found, MUCH_WORSE)


def _highest(gate: GateName, found: Mapping[str, float], limit: float) -> Gate:
    if not found:
        return Gate(gate, None, None, limit)
    name = max(found, key=lambda each: found[each])
    return Gate(gate, found[name] <= limit, found[name], limit, name)
