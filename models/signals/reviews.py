"""What became of signals: the steps of a review, and how often signals of a kind held up.

A review is about a signal: a type of problem in an area in a week. It says what was found there and what was done, as
codes and never as text; it does not say who looked. Nobody is asked to look at every signal, so the figures tell of
those that somebody did look into, and say how many those were.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import pandas as pd

from data.errors import UsageError

Language = Literal["zh", "en"]
Status = Literal["new", "checked", "confirmed", "dismissed", "acted"]

# In the order in which a signal passes through them; "new" is the one that nobody has looked at.
STATUSES: Final[tuple[Status, ...]] = ("new", "checked", "confirmed", "dismissed", "acted")
# Why a signal was no weak signal.
REASONS: Final[dict[str, dict[Language, str]]] = {
    "known_event": {"en": "an event that was known beforehand", "zh": "事先已知的活动或事件"},
    "season": {"en": "the usual course of the season", "zh": "正常的季节变化"},
    "counted_otherwise": {"en": "reports were counted or recorded otherwise", "zh": "登记或统计口径变化"},
    "one_off": {"en": "many reports of one and the same defect", "zh": "同一处缺陷的重复报告"},
    "nothing_found": {"en": "nothing was found on the spot", "zh": "现场未发现问题"},
}
# A problem was there: whoever acted has confirmed it, too.
_HELD: Final = ("confirmed", "acted")
_DECIDED: Final = (*_HELD, "dismissed")


@dataclass(frozen=True, slots=True)
class TurnedOut:
    """Earlier signals of a kind that somebody looked into: `decided` in all, of which `held` were a problem.

    `kind` tells how wide the kind is: "category" (this type of problem, in any area) or "direction" (all rises, or all
    silences), where the narrower one has too few.
    """

    held: int
    decided: int
    kind: Literal["category", "direction"]


def check_step(status: str, reason: str | None) -> None:
    """Refuse a step that a review has not.

    Raises
    ------
    UsageError
        For a status other than checked, confirmed, dismissed, acted; a dismissal without one of `REASONS`; a reason
        for anything else.
    """
    if status not in STATUSES[1:]:
        raise UsageError(f"Expected a status out of {', '.join(STATUSES[1:])}.")
    if status == "dismissed" and reason not in REASONS:
        raise UsageError(f"A dismissal needs a reason out of {', '.join(REASONS)}.")
    if status != "dismissed" and reason is not None:
        raise UsageError(f"Only a dismissal has a reason; leave it out for {status!r}.")


def current(reviews: pd.DataFrame) -> pd.DataFrame:
    """The newest step of each signal; `reviews` oldest first, with the columns of `data.tables.signal_review`."""
    return reviews.drop_duplicates("signal_id", keep="last")


def turned_out(
    reviews: pd.DataFrame, *, category: str, direction: str, before: int, least: int = 5
) -> TurnedOut | None:
    """How signals of a kind turned out, as far as it was recorded before a moment.

    Parameters
    ----------
    reviews : DataFrame as `current` takes it
    before : seconds in UTC; steps recorded then or later are not used
    least : so many decided signals make a figure; with fewer of the category, those of all categories count

    Returns
    -------
    TurnedOut, or None where even all signals of the direction are too few. A signal that is only checked, or new, is
    not decided.
    """
    known = current(reviews[reviews["recorded_at"] < before])
    decided = known[known["status"].isin(_DECIDED) & (known["direction"] == direction)]
    kinds: tuple[tuple[Literal["category", "direction"], pd.DataFrame], ...] = (
        ("category", decided[decided["category"] == category]),
        ("direction", decided),
    )
    for kind, rows in kinds:
        if len(rows) >= least:
            return TurnedOut(int(rows["status"].isin(_HELD).sum()), len(rows), kind)
    return None


def turned_out_sentence(found: TurnedOut, *, category: str, direction: str, language: Language) -> str:
    """The figure in words.

    >>> turned_out_sentence(TurnedOut(7, 9, "category"), category="Blocked drain", direction="rise", language="en")
    'Of 9 earlier signals on “Blocked drain” that were looked into, 7 were a real problem.'
    """
    if language == "zh":
        kind = f"“{category}”" if found.kind == "category" else ("上升类" if direction == "rise" else "沉默类")
        return f"以往经核查的{found.decided}个{kind}信号中，{found.held}个确有问题。"
    subject = f"on “{category}”" if found.kind == "category" else ("of a rise" if direction == "rise" else "of silence")
    verb = "was" if found.held == 1 else "were"
    return f"Of {found.decided} earlier signals {subject} that were looked into, {found.held} {verb} a real problem."
