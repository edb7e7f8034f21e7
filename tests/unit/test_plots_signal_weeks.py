"""The picture of a signal: what is drawn, what is not, and the file that `heed signals detect --picture` writes."""

from __future__ import annotations

import json
import sys

import numpy as np
import pandas as pd
import pytest

from data.errors import UsageError
from models.plots.signal_weeks import WeekWords, many_weeks_chart, weeks_chart, weeks_summary
from models.plots.theme import svg
from service import cli

WORDS = WeekWords("每周件数", "通常", "已报", "信号：上升", "信号：沉默", "不予显示", "未登记")


def frame() -> pd.DataFrame:
    """Six weeks: shown, withheld, not recorded, shown and flagged, withheld and flagged silent, shown."""
    return pd.DataFrame(
        {
            "week": pd.date_range("2026-01-05", periods=6, freq="7D"),
            "observed": [12.0, np.nan, np.nan, 31.0, np.nan, 14.0],
            "lower": [9.0, np.nan, np.nan, 9.0, np.nan, 9.0],
            "upper": [19.0, np.nan, np.nan, 19.0, np.nan, 19.0],
            "alarm": [None, None, None, "rise", "silence", None],
            "state": ["shown", "withheld", "not_recorded", "shown", "withheld", "shown"],
        }
    )


def drawn_rows(chart) -> list[dict]:
    data = chart.to_dict()["datasets"]
    assert len(data) == 1
    return next(iter(data.values()))


def test_a_withheld_week_is_a_box_and_never_a_point():
    """From 0 to nine; without a figure anywhere in the drawing's data; a week without a record has neither."""
    rows = drawn_rows(weeks_chart(frame(), minimum=10))
    assert [row["box"] for row in rows] == [None, 9.0, None, None, 9.0, None]
    assert [row["observed"] for row in rows] == [12.0, None, None, 31.0, None, 14.0]
    # A flagged week is marked where its box is: that it was flagged is no secret, how many is.
    assert [row["mark_at"] for row in rows] == [12.0, None, None, 31.0, 4.5, 14.0]


def test_a_figure_of_a_withheld_week_is_not_drawn_even_if_it_is_handed_over():
    """The state decides, not the figure."""
    leaky = frame().assign(observed=[12.0, 3.0, 0.0, 31.0, 2.0, 14.0])
    assert [row["observed"] for row in drawn_rows(weeks_chart(leaky))] == [12.0, None, None, 31.0, None, 14.0]


def test_no_line_crosses_a_gap():
    """Weeks on either side of a gap are of different runs."""
    rows = drawn_rows(weeks_chart(frame()))
    assert rows[0]["run"] != rows[3]["run"] != rows[5]["run"]


def test_the_legend_names_only_what_is_there():
    """In the words given: without a silence there is no entry for one."""
    text = svg(weeks_chart(frame(), WORDS)).decode()
    assert all(word in text for word in ("每周件数", "已报", "信号：上升", "信号：沉默"))
    calm = svg(weeks_chart(frame().assign(alarm=None), WORDS)).decode()
    assert "信号" not in calm


def test_the_summary_counts_what_the_chart_shows():
    """For the text alternative."""
    assert weeks_summary(frame()) == {
        "weeks": 6,
        "shown": 3,
        "withheld": 2,
        "not_recorded": 1,
        "flagged": 2,
        "above": 1,
    }


def test_many_series_stand_under_each_other_with_their_names():
    """Each with its own title; none at all is refused."""
    text = svg(many_weeks_chart({"drains": frame(), "lamps": frame()})).decode()
    assert text.index("drains") < text.index("lamps")
    with pytest.raises(UsageError, match=r"^Expected at least one series to draw"):
        many_weeks_chart({})


@pytest.fixture
def counts(tmp_path):
    """Two years of two calm series, the second with a rise in the newest week."""
    dates = pd.date_range("2024-01-01", periods=110, freq="7D")
    wide = pd.DataFrame({"calm": np.tile([4, 5, 6, 5, 3], 22), "drains": np.tile([4, 6, 5, 3, 5], 22)}, index=dates)
    wide.iloc[-1, 1] = 40
    path = tmp_path / "counts.csv"
    wide.rename_axis("date").reset_index().melt("date", var_name="series", value_name="n").to_csv(path, index=False)
    return path


def _run(monkeypatch, capsys, *arguments: str) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["heed", "signals", "detect", *arguments])
    code = 0
    try:
        cli.main()
    except SystemExit as stopped:
        code = int(stopped.code or 0)
    told = capsys.readouterr()
    return code, told.out, told.err


def test_the_command_draws_the_series_with_alarms(monkeypatch, capsys, tmp_path, counts):
    """Only the one with a rise; the picture names it and the answer says so."""
    picture = tmp_path / "picture.svg"
    code, out, _ = _run(
        monkeypatch, capsys, str(counts), "--method", "ears", "--last", "8", "--picture", str(picture), "--json"
    )
    assert code == 0
    assert json.loads(out)["drawn"] == ["drains"]
    text = picture.read_text(encoding="utf-8")
    assert text.startswith("<svg")
    assert "drains" in text
    assert "calm" not in text
    assert "signal: a rise" in text


def test_the_command_refuses_another_kind_of_picture_before_it_works(monkeypatch, capsys, tmp_path, counts):
    """And writes nothing."""
    code, _, err = _run(monkeypatch, capsys, str(counts), "--picture", str(tmp_path / "picture.gif"))
    assert code == 2
    assert "expected a file that ends in .svg or .png; this one ends in '.gif'" in " ".join(err.split())
    assert not (tmp_path / "picture.gif").exists()


def test_counts_without_dates_cannot_be_drawn(monkeypatch, capsys, tmp_path):
    """The message says what is needed."""
    path = tmp_path / "counts.csv"
    pd.DataFrame({"k": range(60), "n": 4}).to_csv(path, index=False)
    code, _, err = _run(monkeypatch, capsys, str(path), "--method", "ears", "--picture", str(tmp_path / "picture.svg"))
    assert code == 1
    assert "--picture needs a column date; this table tells its weeks by number." in " ".join(err.split())
