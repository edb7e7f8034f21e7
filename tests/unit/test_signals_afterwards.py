"""What the weeks after a signal showed."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from data.errors import InputError
from models.signals.afterwards import Lasted, afterwards, lasted, lasted_sentence
from tests.support.weekly import MONDAY, WEEK, weekly


def counts_of(values: list[int]):
    """One area and category, week by week."""
    return weekly(np.array(values, dtype=np.int64)[:, None], np.array([0]), np.array([0]))


def signal(week: int, observed: float, expected: float, *, direction: str = "rise", weeks: int = 1) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "week": [MONDAY + week * WEEK],
            "area": ["a000"],
            "category": ["c000"],
            "direction": [direction],
            "observed": [observed],
            "expected": [expected],
            "method": [f"short_past_{weeks}w"],
        }
    )


def test_a_rise_that_stays_has_lasted_and_one_that_goes_has_faded():
    """Usual 4, flagged 12: a mean of 9 keeps five eighths, a mean of 8 keeps half, which is not more than half."""
    told = afterwards(signal(1, 12, 4), counts_of([4, 12, 9, 9, 10, 8]))
    assert told.to_dict("records") == [{"later": "lasted", "kept": 0.625}]
    told = afterwards(signal(1, 12, 4), counts_of([4, 12, 8, 8, 10, 6]))
    assert told.to_dict("records") == [{"later": "faded", "kept": 0.5}]


def test_a_silence_that_stays_has_lasted():
    """Usual 8, flagged none in two weeks: a mean of 2 keeps three quarters."""
    told = afterwards(signal(2, 0, 16, direction="silence", weeks=2), counts_of([8, 0, 0, 2, 2, 2, 2]))
    assert told.to_dict("records") == [{"later": "lasted", "kept": 0.75}]


def test_nothing_is_said_too_early():
    """Three weeks after are not four, whatever they hold."""
    told = afterwards(signal(1, 12, 4), counts_of([4, 12, 9, 9, 10]))
    assert told["later"].tolist() == ["too_early"]
    assert told["kept"].isna().all()


def test_weeks_that_were_not_recorded_say_nothing():
    """One of the four suffices; nor does a series that is no longer there, nor counts that begin after the signal."""
    counts = counts_of([4, 12, 0, 9, 10, 8])
    there = np.ones((6, 1), dtype=bool)
    there[2] = False
    assert afterwards(signal(1, 12, 4), counts.recorded_as(there))["later"].tolist() == ["not_recorded"]
    before = afterwards(signal(-3, 12, 4), counts_of([4, 12, 9, 9, 10, 8]))
    assert before["later"].tolist() == ["not_recorded"]
    gone = signal(1, 12, 4).assign(area="elsewhere")
    assert afterwards(gone, counts)["later"].tolist() == ["not_recorded"]


def test_only_the_four_weeks_count():
    """What comes after them changes nothing."""
    values = [4, 12, 9, 9, 10, 8]
    first = afterwards(signal(1, 12, 4), counts_of(values))
    assert first.equals(afterwards(signal(1, 12, 4), counts_of([*values, 0, 500])))


def test_by_chance_alone_a_false_alarm_fades():
    """Calm Poisson series, flagged where a week happens to be high: nine in ten are told to have faded."""
    rng = np.random.default_rng(2)
    matrix = rng.poisson(5.0, size=(6, 4_000))
    flagged = np.flatnonzero(matrix[1] >= 11)
    counts = weekly(matrix, np.arange(4_000), np.zeros(4_000, dtype=np.int64))
    signals = pd.concat(
        [signal(1, float(matrix[1, n]), 5.0).assign(area=counts.series["area"].iloc[n]) for n in flagged],
        ignore_index=True,
    )
    later = afterwards(signals, counts)["later"]
    assert len(later) > 30
    assert (later == "faded").mean() >= 0.9


def test_missing_columns_are_named():
    """The message says which."""
    with pytest.raises(InputError, match="missing: expected, method"):
        afterwards(signal(1, 12, 4).drop(columns=["expected", "method"]), counts_of([1] * 6))


def test_the_share_that_lasted_and_its_sentence():
    """What cannot be told yet is in neither figure."""
    assert lasted(pd.Series(["lasted", "faded", "too_early", "lasted", "not_recorded"])) == Lasted(2, 3)
    assert lasted(pd.Series(["too_early"])) is None
    assert lasted_sentence(Lasted(1, 4), direction="silence", language="en") == (
        "Of 4 earlier silences that were signalled, 1 was still there four weeks later."
    )
    assert lasted_sentence(Lasted(2, 3), direction="rise", language="zh") == (
        "以往发出信号的3次上升中，2次在四周后仍然存在。"
    )


def villages(values: list[list[int]], *, categories: tuple[int, ...] = (0, 0, 0)):
    """Three villages, week by week; two of them in a town. Thirty calm weeks of 4 reports each come before."""
    matrix = np.array([[4, 4, 4]] * 30 + values, dtype=np.int64)
    return weekly(matrix, np.arange(3), np.array(categories))


TOWN = {"a000": "T", "a001": "T"}


def of_sum(area: str, observed: float, expected: float, *, category: str = "c000") -> pd.DataFrame:
    return signal(31, observed, expected).assign(area=area, category=category, level="sum")


@pytest.mark.parametrize(("area", "later"), [("T", "lasted"), ("*", "faded")])
def test_a_sum_is_followed_by_the_weeks_of_its_parts(area, later):
    """The town's two villages stay up; all three do not, because the third has fallen far below."""
    counts = villages([[4, 4, 4], [10, 10, 4], *[[9, 9, 0]] * 4])
    flagged = {"T": (20, 8), "*": (32, 12)}[area]
    told = afterwards(of_sum(area, *flagged), counts, parents=TOWN)
    assert told["later"].tolist() == [later]
    after = {"T": 18, "*": 18}[area]
    assert told["kept"].tolist() == [(after - flagged[1]) / (flagged[0] - flagged[1])]


def test_a_group_of_types_is_followed_as_one():
    """Two types of one group in one area: what one loses, the other has."""
    matrix = np.array([[4, 4]] * 31 + [[10, 10], *[[16, 2]] * 4], dtype=np.int64)
    counts = weekly(matrix, np.array([0, 0]), np.array([0, 1]))
    told = afterwards(of_sum("a000", 20, 8, category="g"), counts, parents={}, groups={"c000": "g", "c001": "g"})
    assert told["kept"].tolist() == [10 / 12]


def test_a_sum_is_no_series_of_the_same_name():
    """Reports on the town itself are a part of its sum; a sum that is not known, or a tree not given, says nothing."""
    counts = weekly(
        np.array([[4, 4, 4]] * 31 + [[4, 10, 10], *[[4, 9, 9]] * 4], dtype=np.int64), np.arange(3), np.zeros(3, int)
    )
    tree = {"a001": "a000", "a002": "a000"}
    assert afterwards(of_sum("a000", 24, 12), counts, parents=tree)["kept"].tolist() == [10 / 12]
    assert afterwards(of_sum("a000", 24, 12), counts)["later"].tolist() == ["not_recorded"]
    assert afterwards(of_sum("nowhere", 24, 12), counts, parents=tree)["later"].tolist() == ["not_recorded"]


def test_what_was_recorded_later_is_no_part_of_the_sum():
    """A village that begins after the signal does not make it last; one that ends leaves nothing to be said."""
    begins = villages([[4, 4, 4], [10, 10, 4], *[[4, 4, 4]] * 4])
    matrix = begins.matrix.copy()
    matrix[:31, 2], matrix[31:, 2] = 0, 40
    there = np.ones(matrix.shape, dtype=bool)
    there[:31, 2] = False
    late = weekly(matrix, np.arange(3), np.zeros(3, dtype=np.int64)).recorded_as(there)
    assert afterwards(of_sum("*", 20, 8), late, parents=TOWN)["later"].tolist() == ["faded"]
    ends = np.ones(matrix.shape, dtype=bool)
    ends[33:, 0] = False
    assert afterwards(of_sum("T", 20, 8), begins.recorded_as(ends), parents=TOWN)["later"].tolist() == ["not_recorded"]
