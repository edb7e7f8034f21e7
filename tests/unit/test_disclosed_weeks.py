"""The weeks behind a signal: which counts are shown, and that no shown one gives a withheld one back."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest

from data.errors import UsageError
from service._disclosed_weeks import disclose_weeks

WEEK = 7 * 86_400
FIRST = 1_704_067_200  # Monday 2024-01-01 in UTC


def weeks_of(area: str, category: str, observed: list[float], area_reports: list[int]) -> pd.DataFrame:
    """Consecutive weeks of one series."""
    return pd.DataFrame(
        {
            "as_of": FIRST + (len(observed) + 9) * WEEK,
            "area": area,
            "category": category,
            "week": [FIRST + n * WEEK for n in range(len(observed))],
            "observed": pd.array([None if np.isnan(x) else int(x) for x in observed], dtype="Int64"),
            "expected": 5.0,
            "lower": 3.0,
            "upper": 6.0,
            "alarm": None,
            "area_reports": area_reports,
        }
    )


def signal_of(area: str, category: str, week: int, observed: int | None, weeks: int = 1) -> pd.DataFrame:
    """A disclosed signal whose window ends with the week of that number."""
    return pd.DataFrame(
        {
            "area": [area],
            "category": [category],
            "week": [FIRST + week * WEEK],
            "method": [f"short_past_{weeks}w"],
            "observed": pd.array([observed], dtype="Int64"),
        }
    )


NO_SIGNAL = signal_of("x", "x", 0, 1).iloc[:0]


def states(weeks: pd.DataFrame, signals: pd.DataFrame = NO_SIGNAL, parent=None, minimum: int = 10) -> list[str]:
    return disclose_weeks(weeks, signals, parent=parent or {}, minimum=minimum)["state"].tolist()


def test_small_weeks_are_withheld_and_missing_ones_said():
    """A count under ten is withheld with its band, zero too; a week without a record is neither."""
    weeks = weeks_of("a", "lamp", [12, 9, 0, np.nan, 10], [40] * 5)
    told = disclose_weeks(weeks, NO_SIGNAL, parent={}, minimum=10)
    assert told["state"].tolist() == ["shown", "withheld", "withheld", "not_recorded", "shown"]
    assert told["observed"].isna().tolist() == told["upper"].isna().tolist() == [False, True, True, True, False]
    assert "area_reports" not in told.columns


def test_a_week_is_withheld_where_the_rest_of_its_area_is_small():
    """12 of 20 leave 8 for all other types: the 12 is withheld; 12 of 22 is not."""
    assert states(weeks_of("a", "lamp", [12, 12], [20, 22])) == ["withheld", "shown"]


def test_two_series_of_an_area_share_its_rest():
    """12 and 13 of 34 leave 9: both are withheld; of 35 they leave 10."""
    both = pd.concat(
        [weeks_of("a", "lamp", [12, 12], [34, 35]), weeks_of("a", "drain", [13, 13], [34, 35])], ignore_index=True
    )
    assert states(both) == ["withheld", "shown", "withheld", "shown"]


def test_a_window_that_is_shown_hides_its_weeks_unless_all_can_be_seen():
    """12, 10 and 11 in a window of three may all stand beside their sum; 12, 3 and 11 may not."""
    weeks = weeks_of("a", "lamp", [15, 12, 10, 11], [90] * 4)
    assert states(weeks, signal_of("a", "lamp", 3, 33, weeks=3)) == ["shown"] * 4
    weeks = weeks_of("a", "lamp", [15, 12, 3, 11], [90] * 4)
    assert states(weeks, signal_of("a", "lamp", 3, 26, weeks=3)) == ["shown", "withheld", "withheld", "withheld"]


def test_a_signal_that_is_withheld_is_not_given_back_by_its_weeks():
    """The window of a withheld figure shows no week at all."""
    weeks = weeks_of("a", "lamp", [15, 12, 10, 11], [90] * 4)
    assert states(weeks, signal_of("a", "lamp", 3, None, weeks=2)) == ["shown", "shown", "withheld", "withheld"]


def test_a_town_never_stands_beside_its_villages():
    """Where a village shows weeks of a type, its town and county show none of that type; other types they do."""
    weeks = pd.concat(
        [
            weeks_of("village", "lamp", [12], [40]),
            weeks_of("town", "lamp", [30], [90]),
            weeks_of("county", "lamp", [50], [190]),
            weeks_of("county", "drain", [50], [190]),
        ],
        ignore_index=True,
    )
    parent = {"village": "town", "town": "county"}
    assert states(weeks, parent=parent) == ["shown", "withheld", "withheld", "shown"]


def test_an_area_cannot_have_fewer_reports_than_one_of_its_series():
    """Figures that contradict each other are refused, without a number."""
    with pytest.raises(UsageError, match=r"^a series has more reports in a week than its area; compute the signals"):
        states(weeks_of("a", "lamp", [12], [11]))
    with pytest.raises(UsageError, match="no column area_reports"):
        states(weeks_of("a", "lamp", [12], [20]).drop(columns="area_reports"))


def test_no_sum_gives_a_withheld_week_back():
    """Over random tables, each withheld small week could as well be 0 or 9: some table shown the same way has it."""
    rng = np.random.default_rng(4)
    attacked = 0
    for _ in range(100):
        n_weeks, n_series = int(rng.integers(2, 5)), int(rng.integers(1, 3))
        counts = rng.poisson(rng.choice([6.0, 14.0], size=(n_series, n_weeks)))
        rest = rng.poisson(rng.choice([8.0, 30.0], size=n_weeks))
        window = int(rng.integers(1, n_weeks + 1))
        shown_sum = bool(rng.random() < 0.7)
        told = _release(counts, rest, window, shown_sum=shown_sum)
        for series, week in itertools.product(range(n_series), range(n_weeks)):
            if counts[series, week] >= 10:
                continue
            attacked += 1
            assert pd.isna(told[series, week])
            known = set(range(n_weeks - window, n_weeks))
            if series == 0 and shown_sum and week in known and counts[0, -window:].sum() >= 10:
                others = [told[0, other] for other in known - {week}]
                # The window's sum is known: with a second withheld week beside it, this one stays open.
                assert others
                assert all(pd.isna(other) for other in others)
    assert attacked > 100


def _release(counts: np.ndarray, rest: np.ndarray, window: int, *, shown_sum: bool) -> np.ndarray:
    n_series, n_weeks = counts.shape
    total = (counts.sum(axis=0) + rest).tolist()
    weeks = pd.concat([weeks_of("a", f"c{n}", counts[n].tolist(), total) for n in range(n_series)], ignore_index=True)
    observed = int(counts[0, -window:].sum())
    signals = signal_of("a", "c0", n_weeks - 1, observed if shown_sum and observed >= 10 else None, weeks=window)
    told = disclose_weeks(weeks, signals, parent={}, minimum=10)
    return told["observed"].to_numpy(dtype=object, na_value=None).reshape(n_series, n_weeks)
