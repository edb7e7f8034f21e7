"""Reviews of signals: the steps there are, and how often signals of a kind held up."""

from __future__ import annotations

import pandas as pd
import pytest

from data.errors import UsageError
from models.signals.reviews import REASONS, TurnedOut, check_step, current, turned_out, turned_out_sentence


def steps(*rows: tuple[str, str, str, str, int]) -> pd.DataFrame:
    """Reviews from (signal, category, direction, status, moment)."""
    frame = pd.DataFrame(rows, columns=["signal_id", "category", "direction", "status", "recorded_at"])
    return frame.assign(area="a", week=0, reason=None)


def decided(n_held: int, n_dismissed: int, category: str = "lamp", direction: str = "rise") -> pd.DataFrame:
    names = [("confirmed", n) for n in range(n_held)] + [("dismissed", n_held + n) for n in range(n_dismissed)]
    return steps(*((f"{category}{direction}{n}", category, direction, status, n) for status, n in names))


def test_the_newest_step_of_a_signal_counts():
    """Confirmed and then dismissed is dismissed."""
    reviews = steps(("s", "lamp", "rise", "confirmed", 1), ("s", "lamp", "rise", "dismissed", 2))
    assert current(reviews)["status"].tolist() == ["dismissed"]


def test_acted_counts_as_held_and_checked_not_at_all():
    """4 confirmed, 1 acted, 2 dismissed, 3 checked only: 5 of 7."""
    reviews = pd.concat(
        [
            decided(4, 2),
            steps(("x", "lamp", "rise", "acted", 9), *((f"y{n}", "lamp", "rise", "checked", 9) for n in range(3))),
        ]
    )
    assert turned_out(reviews, category="lamp", direction="rise", before=99) == TurnedOut(5, 7, "category")


def test_too_few_of_the_category_widen_the_kind():
    """With four of the category all rises count; silences never do; too few of all say nothing."""
    reviews = pd.concat([decided(3, 1), decided(2, 4, category="drain"), decided(9, 0, direction="silence")])
    assert turned_out(reviews, category="lamp", direction="rise", before=99) == TurnedOut(5, 10, "direction")
    assert turned_out(decided(3, 1), category="lamp", direction="rise", before=99) is None


def test_what_is_recorded_later_is_not_known_yet():
    """A dismissal recorded at the moment itself leaves the confirmation standing."""
    later = steps(*((f"lamprise{n}", "lamp", "rise", "dismissed", 50) for n in range(6)))
    reviews = pd.concat([decided(6, 0), later])
    assert turned_out(reviews, category="lamp", direction="rise", before=50) == TurnedOut(6, 6, "category")
    assert turned_out(reviews, category="lamp", direction="rise", before=51) == TurnedOut(0, 6, "category")


@pytest.mark.parametrize(
    ("status", "reason", "message"),
    [
        ("new", None, "Expected a status out of checked, confirmed, dismissed, acted."),
        ("dismissed", None, "A dismissal needs a reason out of known_event, season,"),
        ("dismissed", "boring", "A dismissal needs a reason out of"),
        ("confirmed", "season", "Only a dismissal has a reason; leave it out for 'confirmed'."),
    ],
)
def test_steps_that_are_none_are_refused(status, reason, message):
    """The message says what there is."""
    with pytest.raises(UsageError) as refused:
        check_step(status, reason)
    assert str(refused.value).startswith(message)


def test_steps_that_are_some_pass():
    """Each status, and each reason for a dismissal."""
    for status in ("checked", "confirmed", "acted"):
        check_step(status, None)
    for reason in REASONS:
        check_step("dismissed", reason)


def test_the_sentence_in_both_languages():
    """One and many, of a category and of a direction."""
    one = TurnedOut(1, 5, "category")
    assert turned_out_sentence(one, category="Lamp", direction="rise", language="en") == (
        "Of 5 earlier signals on “Lamp” that were looked into, 1 was a real problem."
    )
    wide = TurnedOut(3, 8, "direction")
    assert turned_out_sentence(wide, category="路灯", direction="silence", language="zh") == (
        "以往经核查的8个沉默类信号中，3个确有问题。"
    )
