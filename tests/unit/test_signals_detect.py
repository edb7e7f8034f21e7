"""From counts to signals: what is told, in which form, and what is not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from data import tables
from data.errors import UsageError
from models.signals import SignalSettings, assess_series, detect_signals, history
from models.signals.detect import EXTRA_COLUMNS, SIGNAL_COLUMNS, window_weeks
from models.signals.long_past import LongPastSettings, judge_by_long_past, long_enough
from models.signals.siblings import Cross
from tests.support.weekly import weekly, world


@pytest.fixture
def planted():
    """A city with a rise in series 30, a silence in series 60, both in the newest weeks."""
    drawn = world(np.random.default_rng(3), areas=20, categories=12, dispersion=(1.0, 1.5))
    matrix = drawn.matrix
    rng = np.random.default_rng(9)
    matrix[:, 30] = rng.poisson(4.0, size=40)
    matrix[-3:, 30] += [12, 14, 15]
    matrix[:, 60] = rng.poisson(18.0, size=40)
    matrix[-2:, 60] = 0
    return drawn.counts()


def test_signals_have_the_columns_that_are_stored(planted):
    """Everything that the table holds but its key comes out, in the table's types, with words of explanation."""
    found = detect_signals(planted)
    columns = [column for column in tables.signal.columns if column.name not in ("signal_id", "as_of")]
    assert list(SIGNAL_COLUMNS) == [column.name for column in columns if not column.nullable]
    # The group of the category is known to whoever counts the cases, not to the detection.
    more = {column.name for column in columns if column.nullable} - {"category_group"}
    assert more <= set(EXTRA_COLUMNS)
    assert list(found.columns) == [*SIGNAL_COLUMNS, *EXTRA_COLUMNS]
    assert str(found["observed"].dtype) == "int64"
    assert str(found["area"].dtype) == "str"


def test_a_planted_rise_and_a_planted_silence_are_found_and_nothing_else(planted):
    """Each comes with its window, its usual range and how long it has run; the clearest comes first."""
    found = detect_signals(planted)
    assert found["direction"].tolist() == ["silence", "rise"] or found["direction"].tolist() == ["rise", "silence"]
    assert found["q_value"].is_monotonic_increasing
    rise = found[found["direction"] == "rise"].iloc[0]
    assert (rise["area"], rise["category"]) == ("a002", "c006")
    assert rise["observed"] == planted.matrix[-rise["window_weeks"] :, 30].sum()
    assert rise["lower"] <= rise["expected"] <= rise["upper"] < rise["observed"]
    assert 2 <= rise["weeks_running"] <= 3
    assert rise["method"] == f"short_past_{rise['window_weeks']}w"
    silence = found[found["direction"] == "silence"].iloc[0]
    assert (silence["area"], silence["category"]) == ("a005", "c000")
    assert silence["observed"] < silence["lower"]
    assert (found["q_value"] <= 0.10).all()
    assert (found["fdr_level"] == 0.10).all()
    assert (found["week"] == planted.newest()).all()


def test_every_series_can_be_looked_at(planted):
    """Two rows a series, with the newest week by itself, whether it is a signal or not."""
    judged = assess_series(planted)
    assert len(judged) == 2 * 240
    rises = judged[judged["direction"] == "rise"]
    assert (rises["week_observed"] == planted.matrix[-1]).all()
    assert judged["signal"].sum() == len(detect_signals(planted))
    silences = judged[judged["direction"] == "silence"]
    # Where nothing at all would be no surprise, there is no silence to look for.
    assert silences["p_value"].isna().sum() > 150
    assert (silences.loc[silences["p_value"].notna(), "expected"] > 3.0).all()


def test_history_is_what_would_have_been_told_live(planted):
    """The replay of each week equals the detection with that week as the newest."""
    told = history(planted, weeks=2)
    for week in planted.weeks[-2:]:
        live = detect_signals(planted.until(int(week)))
        assert_frame_equal(told[told["week"] == week].reset_index(drop=True), live)
    with pytest.raises(UsageError, match="at least one week"):
        history(planted, weeks=0)


def test_a_signal_is_told_from_the_week_asked_for(planted):
    """With `least_weeks_running`, a younger signal is left out."""
    assert (detect_signals(planted, settings=SignalSettings(least_weeks_running=2))["weeks_running"] >= 2).all()
    assert detect_signals(planted, settings=SignalSettings(least_weeks_running=5)).empty


def test_few_cases_are_no_signal():
    """Four reports are told to nobody, however improbable; five of them are."""
    rng = np.random.default_rng(4)
    matrix = rng.poisson(6.0, size=(40, 100))
    matrix[:, 0] = 0
    area, category = np.repeat(np.arange(10), 10), np.tile(np.arange(10), 10)
    matrix[:, area == 0] = 0
    matrix[::4, area == 0] = 1
    matrix[-4:, 0] = 0
    for cases, told in ((4, False), (40, True)):
        matrix[-1, 0] = cases
        found = detect_signals(weekly(matrix, area, category))
        assert bool(((found["area"] == "a000") & (found["category"] == "c000")).any()) == told


def test_a_rise_that_has_gone_is_no_news():
    """High weeks followed by a usual one give no signal, though the four weeks together are high."""
    rng = np.random.default_rng(4)
    matrix = rng.poisson(6.0, size=(40, 100))
    matrix[-4:, 5] = [30, 30, 30, 4]
    area, category = np.repeat(np.arange(10), 10), np.tile(np.arange(10), 10)
    assert detect_signals(weekly(matrix, area, category)).empty
    matrix[-1, 5] = 12
    assert len(detect_signals(weekly(matrix, area, category))) == 1


def test_too_short_a_record_gives_no_signal_and_says_why():
    """Eleven weeks give an empty frame with all columns, and every series says that it is too short."""
    drawn = world(np.random.default_rng(1), areas=4, categories=4, weeks=11)
    found = detect_signals(drawn.counts())
    assert found.empty
    assert list(found.columns) == [*SIGNAL_COLUMNS, *EXTRA_COLUMNS]
    judged = assess_series(drawn.counts())
    assert (judged["method_reason"] == "too_short").all()
    assert (judged["method"] == "too_short").all()
    assert judged["p_value"].isna().all()


def test_the_method_follows_from_weeks_and_counts():
    """Three years and enough cases: the regression too; thin cells and single years: the short past alone."""
    drawn = world(np.random.default_rng(5), areas=8, categories=6, weeks=170, level=3.0)
    judged = assess_series(drawn.counts())
    judged = judged[judged["direction"] == "rise"].reset_index(drop=True)
    thick = drawn.matrix[:-1].mean(axis=0) >= 1.0
    assert (judged.loc[thick, "method_reason"] == "years_of_past").all()
    assert (judged.loc[~thick, "method_reason"] == "thin_counts").all()
    young = assess_series(drawn.counts().until(int(drawn.counts().weeks[60])))
    assert (young["method_reason"] == "months_of_past").all()


def test_a_long_past_finds_what_its_own_season_does_not_explain():
    """A jump in one series is judged improbable; a jump of the whole category, in all areas alike, is not."""
    drawn = world(np.random.default_rng(6), areas=20, categories=4, weeks=215, level=8.0, dispersion=(1, 1.5))
    cross = Cross(drawn.area, drawn.category)
    dates = np.arange(np.datetime64("2020-01-06"), np.datetime64("2020-01-06") + 7 * 215, 7)
    assert long_enough(drawn.matrix, cross, LongPastSettings()).mean() > 0.8
    thick = int(np.argsort(drawn.usual[-1])[60])
    matrix = drawn.matrix.copy()
    matrix[-1, thick] += round(6 * np.sqrt(drawn.usual[-1, thick]) + 10)
    alone = judge_by_long_past(matrix, cross, dates, LongPastSettings())
    assert alone.rise_p[thick] < 1e-4
    doubled = drawn.matrix.copy()
    category = cross.category == cross.category[thick]
    doubled[-1, category] *= 3
    together = judge_by_long_past(doubled, cross, dates, LongPastSettings())
    assert np.nanmin(together.rise_p[category]) > 1e-3


def test_series_on_their_own_are_judged_too():
    """Sums over all areas, or over everything, have no siblings, and a jump in them is found all the same."""
    drawn = world(np.random.default_rng(7), areas=10, categories=1, level=5.0, season=0.0, shock=0.0)
    matrix = drawn.matrix.copy()
    matrix[-1] *= 4
    total = weekly(matrix, drawn.area, drawn.category).totals("both")
    found = detect_signals(total)
    assert found["area"].tolist() == ["*"]
    assert found["category"].tolist() == ["*"]


def test_impossible_settings_are_refused():
    """A level outside (0, 1), an unknown procedure, or windows without the newest week."""
    with pytest.raises(UsageError, match="between 0 and 1"):
        SignalSettings(fdr_level=1.0)
    with pytest.raises(UsageError, match="one of bh, by, discrete"):
        SignalSettings(procedure="none")
    with pytest.raises(UsageError, match="must contain 1"):
        SignalSettings(short_past=type(SignalSettings().short_past)(windows=(2, 4)))


def test_the_stricter_procedure_tells_fewer(planted):
    """Benjamini and Yekutieli ask for more evidence than Benjamini and Hochberg."""
    usual = assess_series(planted)
    strict = assess_series(planted, settings=SignalSettings(procedure="by"))
    both = pd.concat([usual["q_value"], strict["q_value"]], axis=1).dropna()
    assert (both.iloc[:, 1] >= both.iloc[:, 0]).all()


def test_the_discrete_procedure_tells_no_fewer(planted):
    """Tests that cannot reach a threshold cost nothing: no q-value is larger and some are smaller, with sums or not."""
    town_of = {area: f"t{int(area[1:]) // 10}" for area in planted.series["area"].unique()}
    for parents in (None, town_of):
        usual = assess_series(planted, parents=parents)["q_value"]
        discrete = assess_series(planted, parents=parents, settings=SignalSettings(procedure="discrete"))["q_value"]
        assert (usual.isna() == discrete.isna()).all()
        assert (discrete.dropna() <= usual.dropna() + 1e-12).all()
        assert (discrete.dropna() < 0.95 * usual.dropna()).any()


def test_the_window_is_read_from_the_method():
    """A stored signal knows over how many weeks its figures are summed."""
    assert [window_weeks(name) for name in ("short_past_4w", "long_past_1w", "too_short")] == [4, 1, 1]
