"""Sums of series: which there are, what they are made of, and what is told of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from data.errors import UsageError
from models.signals import SignalSettings, assess_series, detect_signals, history, reason_sentence
from models.signals.detect import EXTRA_COLUMNS, SIGNAL_COLUMNS
from models.signals.hierarchy import hierarchy_of, summed
from models.signals.pooling import pooled_levels
from tests.support.hierarchy import towns
from tests.support.weekly import World, draw, weekly, world

GROUPS = {"c000": "roads", "c001": "roads", "c002": "water", "c003": "water"}


def series_of(areas: list[str], categories: list[str]) -> pd.DataFrame:
    pairs = [(area, category) for area in areas for category in categories]
    return pd.DataFrame(pairs, columns=["area", "category"]).astype("str")


def told(series: pd.DataFrame, **kin: object) -> list[tuple[str, str]]:
    return [
        pair
        for level in hierarchy_of(series, **kin).levels  # type: ignore[arg-type]
        for pair in level.sums[level.told].itertuples(index=False, name=None)
    ]


def test_every_sum_is_told_once_finest_first():
    """Towns before the county before the city; a town of one village is that village and no sum."""
    series = series_of(["v1", "v2", "v3", "v4"], ["x"])
    parents = {"v1": "t1", "v2": "t1", "v3": "t2", "v4": "t3", "t1": "k1", "t2": "k1", "t3": "k2", "k1": "c", "k2": "c"}
    assert told(series, parents=parents) == [("t1", "x"), ("k1", "x"), ("c", "x")]


def test_areas_without_one_top_are_summed_to_all_of_them():
    """Two tops, or an area that no parent is named of, make the whole city "*"."""
    assert told(series_of(["v1", "v2"], ["x"]), parents={}) == [("*", "x")]
    assert told(series_of(["v1", "v2", "v3"], ["x"]), parents={"v1": "t", "v2": "t", "t": None}) == [
        ("t", "x"),
        ("*", "x"),
    ]


def test_groups_are_summed_in_areas_of_every_level():
    """A group of two categories in each village and in the whole; a group of one category is no sum."""
    found = told(series_of(["v1", "v2"], ["x", "y", "z"]), parents={}, groups={"x": "g", "y": "g", "z": "h"})
    assert found == [("v1", "g"), ("v2", "g"), ("*", "x"), ("*", "y"), ("*", "z"), ("*", "g")]


def test_reports_of_the_town_itself_are_a_part_of_its_sum():
    """An area with others in it has one row, its sum; its own reports are in it, and in no row of their own."""
    series = series_of(["t", "v1"], ["x"])
    hierarchy = hierarchy_of(series, {"v1": "t"})
    assert hierarchy.kept.tolist() == [False, True]
    counts = weekly(np.array([[5, 7]] * 12), np.array([0, 1]), np.array([0, 0]))
    sums = summed(counts, hierarchy.levels[0], np.ones(2, dtype=bool))
    assert sums.series["area"].tolist() == ["t"]
    assert (sums.matrix == 12).all()


def test_a_circle_and_a_borrowed_name_are_refused():
    """Areas in each other, a group called like a category, an area called like the whole."""
    series = series_of(["a", "b"], ["x"])
    with pytest.raises(UsageError, match="without a circle"):
        hierarchy_of(series, {"a": "b", "b": "a"})
    with pytest.raises(UsageError, match="names of their own"):
        hierarchy_of(series, None, {"x": "x"})
    with pytest.raises(UsageError, match="no area of the name"):
        hierarchy_of(series_of(["a", "*"], ["x"]), {})


def test_shares_are_shrunken_towards_size_by_hand():
    """Two villages of one town: (cases + weight x share of size) / (cases of the sum + weight)."""
    total = np.array([24.0, 60.0, 8.0, 40.0])  # village a: x 24, y 60; village b: x 8, y 40
    area, category = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
    level = pooled_levels(total, np.full(4, 10.0), category, (area,))
    sizes = {0: np.array([61.0, 41.0]) / 102.0, 1: np.array([25.0, 9.0]) / 34.0}
    counts = {0: np.array([24.0, 8.0]), 1: np.array([60.0, 40.0])}
    statistic = sum(
        (((counts[c] - counts[c].sum() * sizes[c]) ** 2) / (counts[c].sum() * sizes[c])).sum() for c in (0, 1)
    )
    weight = (31.0 + 99.0) / (statistic - 2.0) - 1.0
    assert weight > 1.0
    for one in (0, 1):
        share = (counts[one] + weight * sizes[one]) / (counts[one].sum() + weight)
        np.testing.assert_allclose(level[category == one], share * counts[one].sum() / 10.0, rtol=1e-12)


def spread_rise(factor: float = 2.5) -> World:
    """Forty villages in four towns; in town t01 category c002 rises thinly in all ten villages for four weeks."""
    city = world(np.random.default_rng(11), areas=40, categories=4, level=1.5, dispersion=(1.0, 1.5), weeks=44)
    inside = (city.area // 10 == 1) & (city.category == 2)
    matrix = city.matrix.copy()
    quiet = np.full((44, int(inside.sum())), 0.8)
    rng = np.random.default_rng(2)
    matrix[:, inside] = rng.poisson(quiet)
    matrix[-4:, inside] += draw(rng, quiet[-4:] * (factor - 1.0), np.ones(quiet.shape[1]))
    return World(matrix, city.usual, city.dispersion, city.area, city.category)


def test_a_thin_rise_of_a_town_is_told_of_the_town_alone():
    """No village is told, nor the city; the row says of how many villages it is made and how many rise."""
    counts = spread_rise().counts()
    assert detect_signals(counts).empty
    found = detect_signals(counts, parents=towns(40, 10))
    assert found[["area", "category", "level", "part_kind"]].values.tolist() == [["t01", "c002", "sum", "area"]]
    row = found.iloc[0]
    assert list(found.columns) == [*SIGNAL_COLUMNS, *EXTRA_COLUMNS]
    inside = (counts.series["category"] == "c002") & counts.series["area"].between("a010", "a019")
    assert row["observed"] == counts.matrix[-row["window_weeks"] :, inside].sum()
    assert row["lower"] <= row["expected"] <= row["upper"] < row["observed"]
    assert (row["n_parts"], row["parts_told"], row["parts_left_out"]) == (10, 0, 0)
    assert 6 <= row["parts_rising"] <= 10
    assert row["told"]


def test_a_rise_of_one_village_is_told_of_the_village_alone():
    """Town and city are covered by it, though the town by itself would be a signal."""
    city = world(np.random.default_rng(12), areas=40, categories=4, level=1.5, dispersion=(1.0, 1.5), weeks=44)
    matrix = city.matrix.copy()
    one = int(np.flatnonzero((city.area == 13) & (city.category == 2))[0])
    matrix[-4:, one] += 60
    judged = assess_series(weekly(matrix, city.area, city.category), parents=towns(40, 10))
    assert judged.loc[judged["signal"], ["area", "category"]].values.tolist() == [["a013", "c002"]]
    covered = judged[judged["covered"]]
    assert ("t01", "c002") in set(zip(covered["area"], covered["category"], strict=True))
    assert (covered["q_value"] <= 0.10).all()
    assert (covered["parts_told"] == 1).all()


def test_what_remains_of_a_town_is_told_beside_its_village():
    """A strong rise in one village and a thin one in the nine others: both are told, the town with one part told."""
    city = spread_rise(3.0)
    matrix = city.matrix.copy()
    matrix[-4:, (city.area == 13) & (city.category == 2)] += 60
    found = detect_signals(weekly(matrix, city.area, city.category), parents=towns(40, 10))
    rows = found.set_index("area")
    assert {"a013", "t01"} <= set(rows.index)
    assert "city" not in rows.index
    assert rows.loc["t01", "parts_told"] == len(rows) - 1
    assert rows.loc["a013", "parts_told"] == 0


def test_a_rise_of_a_whole_category_is_told_of_the_city():
    """Three times the usual in every village: the city says so, and no village or town does."""
    city = world(np.random.default_rng(13), areas=40, categories=8, level=2.0, season=0.1, shock=0.05, weeks=60)
    matrix = city.matrix.copy()
    matrix[-3:, city.category == 2] *= 3
    counts = weekly(matrix, city.area, city.category)
    found = detect_signals(counts, parents=towns(40, 10))
    assert found[["area", "category"]].values.tolist() == [["city", "c002"]]
    assert found.iloc[0]["method"].startswith("own_past_")
    assert found.iloc[0]["n_parts"] == 40
    for language in ("en", "zh"):
        assert "{" not in reason_sentence(found.iloc[0].to_dict(), language=language)


def test_everything_doubled_raises_hardly_any_sum():
    """An import that comes in twice, or a week of holidays, moves all categories; of their sums 1 % alarm at most."""
    alarms = tests = 0
    for seed in (14, 15, 16):
        city = world(np.random.default_rng(seed), areas=40, categories=8, season=0.1, shock=0.05, weeks=60)
        for factor in (0, 2):
            matrix = city.matrix.copy()
            matrix[-1] *= factor
            judged = assess_series(weekly(matrix, city.area, city.category), parents=towns(40, 10), groups=GROUPS)
            sums = judged[judged["level"] == "sum"]
            alarms, tests = alarms + int(sums["signal"].sum()), tests + len(sums) // 2
    assert tests > 700
    assert alarms <= 0.01 * tests


def test_a_village_that_is_new_or_not_recorded_is_left_out_of_its_town():
    """A town does not rise because one more of its villages began to record; it says that it is made without it."""
    city = world(np.random.default_rng(15), areas=40, categories=4, level=3.0, weeks=60)
    matrix = city.matrix.copy()
    big = int(np.argmax(np.bincount(city.area, weights=matrix.sum(axis=0))))
    matrix[:-3, city.area == big] = 0
    town = f"t{big // 10:02d}"
    judged = assess_series(weekly(matrix, city.area, city.category), parents=towns(40, 10))
    rows = judged[(judged["area"] == town) & (judged["direction"] == "rise")]
    assert (rows["parts_left_out"] == 1).all()
    assert (rows["n_parts"] == 9).all()
    assert not judged["signal"].any()
    counts = city.counts()
    recorded = np.ones(counts.matrix.shape, dtype=bool)
    recorded[-2, city.area == big] = False
    judged = assess_series(counts.recorded_as(recorded), parents=towns(40, 10))
    rows = judged[(judged["area"] == town) & (judged["direction"] == "rise")]
    assert (rows["parts_left_out"] == 1).all()
    assert rows["p_value"].notna().all()


def test_late_reports_of_a_town_are_no_silence_of_it():
    """With half of the newest week's reports still to come, and known to be, sums expect half as many."""
    city = world(np.random.default_rng(16), areas=40, categories=4, level=4.0, dispersion=(1.0, 1.2), weeks=60)
    rng = np.random.default_rng(1)
    matrix = city.matrix.copy()
    matrix[-1] = rng.binomial(matrix[-1], 0.5)
    counts = weekly(matrix, city.area, city.category)
    share = np.ones(matrix.shape)
    share[-1] = 0.5
    late = assess_series(counts.completed_as(share), parents=towns(40, 10))
    full = assess_series(city.counts(), parents=towns(40, 10))
    sums = (late["level"] == "sum") & (late["direction"] == "rise") & (late["area"] != "city")
    ratio = late.loc[sums, "week_expected"].sum() / full.loc[sums, "week_expected"].sum()
    assert ratio == pytest.approx(0.5, abs=0.05)
    assert not late["signal"].any()
    with pytest.raises(UsageError, match="shares of shape"):
        counts.completed_as(share[1:])
    with pytest.raises(UsageError, match="above 0"):
        counts.completed_as(share - 0.5)


def test_without_sums_nothing_changes():
    """Parents that sum nothing leave series as they were; the columns of sums say that there is none."""
    counts = spread_rise().counts()
    plain = assess_series(counts)
    assert (plain["level"] == "series").all()
    alone = assess_series(counts, groups={})
    shared = [name for name in plain.columns if name not in ("usual", "q_value")]
    pd.testing.assert_frame_equal(alone[shared], plain[shared])
    np.testing.assert_allclose(alone["q_value"], plain["q_value"])


@pytest.mark.slow
def test_history_tells_sums_as_live():
    """The replay of each week equals the detection with that week as the newest, sums included."""
    counts = spread_rise(3.0).counts()
    kin = {"parents": towns(40, 10), "groups": GROUPS}
    replayed = history(counts, weeks=2, **kin)
    for week in counts.weeks[-2:]:
        live = detect_signals(counts.until(int(week)), **kin)
        pd.testing.assert_frame_equal(replayed[replayed["week"] == week].reset_index(drop=True), live)
    assert (replayed["level"] == "sum").any()


def test_the_limits_of_what_is_told_first_enter_the_settings():
    """One signal a week: the clearest is marked, and all are listed."""
    city = world(np.random.default_rng(12), areas=40, categories=4, level=1.5, dispersion=(1.0, 1.5), weeks=44)
    matrix = city.matrix.copy()
    for area, more in ((3, 40), (13, 60), (23, 80)):
        matrix[-4:, (city.area == area) & (city.category == 2)] += more
    counts = weekly(matrix, city.area, city.category)
    found = detect_signals(counts, settings=SignalSettings(most_per_week=1), parents=towns(40, 10))
    assert len(found) >= 3
    assert found["told"].tolist() == [True] + [False] * (len(found) - 1)
    # Towns look silent beside such rises; judged without them, they are not.
    assert (found["level"] == "series").all()
    with pytest.raises(UsageError, match="most_per_area must be at least 1"):
        SignalSettings(most_per_area=0)
