"""Risks in natural frequencies: "about 62 of 100 cases like this, between 58 and 66".

People judge a frequency of countable cases far better than a percentage of one case (Gigerenzer and Hoffrage 1995), and
a limit on both sides keeps a guess from sounding like a fact. What is counted are cases like this one, and what happens
to them is what the office does or leaves undone; nothing is said of whoever asked.

How figures are rounded: the risk to the nearest whole case, its limits outwards, so that rounding never makes them
narrower. Under one in a hundred is told per thousand. Nothing that is not certain is told as none or as all.

References
----------
Gigerenzer, G. and Hoffrage, U. (1995). How to improve Bayesian reasoning without instruction. Psychological Review 102.
Spiegelhalter, D. (2017). Risk and uncertainty communication. Annual Review of Statistics and Its Application 4.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor, isfinite
from typing import Final, Literal

from data.errors import UsageError

Language = Literal["en", "zh"]

# Under this, of a hundred cases there would be none or one, and ten risks of very different size would read alike.
_RARE: Final = 0.01
# Floats that stand for a whole number of cases are taken as it when they are as near as this.
_EXACT: Final = 1e-9

# What happens, as what the office does or leaves undone.
_HAPPENS: Final[dict[str, dict[str, str]]] = {
    "late": {"en": "the office answers after its deadline", "zh": "办理单位超过时限才答复"},
    "unresolved": {"en": "the office closes the case without solving it", "zh": "办理单位未解决问题就办结"},
    "reopened": {
        "en": "the office's answer does not hold and the case is taken up again",
        "zh": "办理单位的答复未能真正解决问题，案件需要重办",
    },
    "handed_up": {
        "en": "the office does not settle the case and it goes up a tier",
        "zh": "办理单位未能办结，案件上报上一级",
    },
    "any_failure": {
        "en": "the office fails its duty in at least one way",
        "zh": "办理单位至少有一项职责没有尽到",
    },
}
OUTCOMES: Final = tuple(_HAPPENS)


@dataclass(frozen=True, slots=True)
class Frequency:
    """A risk as whole cases.

    Attributes
    ----------
    of : 100, or 1,000 for a rare risk
    cases : the nearest whole number; 0 and `of` only if `certain`, or else of a risk that is told as "fewer than 1" and
        "more than" one less than `of`
    lower, upper : limits, rounded outwards
    certain : the risk and both its limits are 0, or 1
    """

    of: int
    cases: int
    lower: int
    upper: int
    certain: bool


def as_frequency(probability: float, lower: float, upper: float) -> Frequency:
    """Round a risk and its limits to whole cases.

    Raises
    ------
    UsageError
        If they are not probabilities with lower <= probability <= upper.
    """
    given = (lower, probability, upper)
    if not (all(map(isfinite, given)) and 0 <= lower <= probability <= upper <= 1):
        raise UsageError(
            "Expected a probability between its limits, and all of them from 0 to 1. "
            "Take the limits from the `interval` of the calibration that told the probability."
        )
    of = 1000 if 0 < probability < _RARE else 100
    return Frequency(
        of=of,
        cases=floor(probability * of + 0.5),
        lower=floor(lower * of + _EXACT),
        upper=ceil(upper * of - _EXACT),
        certain=lower == upper and probability in (0, 1),
    )


def natural_frequency(probability: float, lower: float, upper: float, language: Language) -> str:
    """The risk in words, without what happens: "about 62 of 100 cases like this, between 58 and 66".

    Parameters
    ----------
    probability, lower, upper : the risk and its limits, from 0 to 1
    language : "en" or "zh"

    Raises
    ------
    UsageError
        If the language is unknown, or the probability does not lie between its limits.
    """
    _check(language, None)
    told = as_frequency(probability, lower, upper)
    return _english(told) if language == "en" else _chinese(told)


def frequency_sentence(probability: float, lower: float, upper: float, outcome: str, language: Language) -> str:
    """A whole sentence: how many of the cases like this one the office fails, and in which way.

    Parameters
    ----------
    outcome : "late", "unresolved", "reopened", "handed_up" or "any_failure"
    probability, lower, upper, language : as in `natural_frequency`

    Raises
    ------
    UsageError
        If the outcome or the language is unknown, or the probability does not lie between its limits.
    """
    _check(language, outcome)
    told = natural_frequency(probability, lower, upper, language)
    happens = _HAPPENS[outcome][language]
    if language == "zh":
        return f"{told}：{happens}。"
    return f"In {told}, {happens}."


def outcome_of(column: str) -> str:
    """The outcome that a column tells of: `reopened` of `reopened_28d`.

    Raises
    ------
    UsageError
        If it tells of none.
    """
    for outcome in OUTCOMES:
        if column == outcome or column.startswith(f"{outcome}_"):
            return outcome
    raise UsageError(f"Expected an outcome out of {', '.join(OUTCOMES)}, got '{column}'.")


def _check(language: str, outcome: str | None) -> None:
    if language not in {"en", "zh"}:
        raise UsageError(f"Expected the language 'en' or 'zh', got '{language}'.")
    if outcome is not None and outcome not in _HAPPENS:
        raise UsageError(f"Expected an outcome out of {', '.join(OUTCOMES)}, got '{outcome}'.")


def _english(told: Frequency) -> str:
    like = f"{told.of:,} cases like this"
    if told.certain:
        start = f"{told.cases} of {like}"
    elif told.cases == 0:
        start = f"fewer than 1 of {like}"
    elif told.cases == told.of:
        start = f"more than {told.of - 1} of {like}"
    else:
        start = f"about {told.cases} of {like}"
    nothing = ", with too little known to say it more closely"
    return start + _limits(told, ", between {} and {}", ", at most {}", ", at least {}", nothing)


def _chinese(told: Frequency) -> str:
    start = f"每{told.of}件类似案件中"
    limits = _limits(told, "（{}至{}件）", "（至多{}件）", "（至少{}件）", "（所知太少，无法说得更准）")
    if told.certain:
        return f"{start}有{told.cases}件{limits}"
    if told.cases == 0:
        return f"{start}不到1件{limits}"
    if told.cases == told.of:
        return f"{start}超过{told.of - 1}件{limits}"
    return f"{start}约有{told.cases}件{limits}"


def _limits(told: Frequency, between: str, at_most: str, at_least: str, nothing: str) -> str:
    """The limits in words; none where they say nothing that the figure before them does not."""
    none, every = told.lower == 0, told.upper == told.of
    if told.certain or (told.lower == told.upper == told.cases):
        return ""
    if none and every:
        return nothing
    if none:
        # "Fewer than 1, at most 1" says it twice.
        return "" if told.cases == 0 and told.upper <= 1 else at_most.format(told.upper)
    if every:
        return "" if told.cases == told.of and told.lower >= told.of - 1 else at_least.format(told.lower)
    return between.format(told.lower, told.upper)
