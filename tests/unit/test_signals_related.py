"""Which signals are told first, and which belong together."""

from __future__ import annotations

import pandas as pd
import pytest

from data.errors import UsageError
from models.signals import more_signals, related, told_first


def signals(*rows: tuple[str, str, float, int]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["area", "category", "q_value", "observed"])
    return frame.assign(week=0, direction="rise", expected=2.0)


LIST = signals(("a", "x", 0.01, 9), ("a", "y", 0.02, 9), ("b", "x", 0.02, 30), ("a", "z", 0.03, 9), ("c", "x", 0.09, 9))


def test_the_clearest_signals_of_an_area_come_first():
    """At most one of each area, by q-value."""
    assert told_first(LIST, most_per_area=1).tolist() == [True, False, True, False, True]


def test_an_area_cannot_take_up_the_week():
    """With three a week and two an area: among equal q-values the larger excess, and nothing is dropped."""
    told = told_first(LIST, most_per_area=2, most_per_week=3)
    assert told.tolist() == [True, True, True, False, False]
    assert told_first(LIST, most_per_week=2).tolist() == [True, False, True, False, False]
    assert more_signals(LIST.assign(told=told)) == 2


def test_without_a_limit_all_are_told_and_order_does_not_matter():
    """No limit, no signals, shuffled rows, and weeks each by themselves."""
    assert told_first(LIST).all()
    assert told_first(LIST.iloc[:0], most_per_week=1).empty
    shuffled = LIST.sample(frac=1.0, random_state=1)
    pd.testing.assert_series_equal(
        told_first(shuffled, most_per_week=2).sort_index(), told_first(LIST, most_per_week=2)
    )
    two = pd.concat([LIST, LIST.assign(week=1)], ignore_index=True)
    assert told_first(two, most_per_week=2).tolist() == [True, False, True, False, False] * 2
    with pytest.raises(UsageError, match="at least one signal"):
        told_first(LIST, most_per_week=0)


def test_related_signals_lie_within_beside_or_are_akin():
    """Each relation, from both sides."""
    found = related(
        signals(
            ("v1", "x", 0.1, 9), ("v2", "x", 0.1, 9), ("v1", "y", 0.1, 9), ("t", "x", 0.1, 9), ("*", "g", 0.1, 9)
        ).set_index(pd.Index(["v1x", "v2x", "v1y", "tx", "all"])),
        parents={"v1": "t", "v2": "t", "t": None},
        neighbours={"v1": ["v2"]},
        groups={"x": "g", "y": "g"},
    )
    pairs = {(row.signal, row.other): row.relation for row in found.itertuples()}
    assert pairs == {
        ("v1x", "v2x"): "neighbour",
        ("v2x", "v1x"): "neighbour",
        ("v1x", "v1y"): "same_group",
        ("v1y", "v1x"): "same_group",
        ("v1x", "tx"): "contains",
        ("tx", "v1x"): "within",
        ("v2x", "tx"): "contains",
        ("tx", "v2x"): "within",
        **{(one, "all"): "contains" for one in ("v1x", "v2x", "v1y", "tx")},
        **{("all", one): "within" for one in ("v1x", "v2x", "v1y", "tx")},
    }
    assert found["signal"].tolist()[:3] == ["v1x"] * 3


def test_signals_of_other_weeks_are_not_related():
    """The same village a week later is another story; nothing related gives an empty frame with its columns."""
    one = signals(("v1", "x", 0.1, 9), ("v1", "y", 0.1, 9))
    one["week"] = [0, 1]
    found = related(one, groups={"x": "g", "y": "g"})
    assert found.empty
    assert list(found.columns) == ["signal", "other", "relation"]
