"""`heed backtest` as people and machines meet it."""

from __future__ import annotations

import json

import pytest

from tests.unit.test_cli import run

# What the JSON had before there were folds; machines read these.
KEYS = {
    *("auc", "average_precision", "brier", "ece", "n_train", "n_test", "base_rate_test", "cut_at", "baselines"),
    *("near_instant_left_out", "reliability", "features", "importance_points", "trusted", "outcome", "split"),
}
FEW = ("--quick", "--landmark", "opening", "--feature", "record_category", "--feature", "promised_hours")


def test_folds_in_json_and_as_files(monkeypatch, capsys, little_city_url, tmp_path):
    """Every figure with its interval; the old keys stay; page and JSON are written beside."""
    arguments = ("--store", little_city_url, "backtest", *FEW, "--folds", "2", "--capacity", "3", "--json")
    code, text, err = run(monkeypatch, capsys, *arguments, "--output", str(tmp_path / "report"), "--language", "zh")
    assert (code, err) == (0, "")
    told = json.loads(text)
    assert set(told) >= KEYS
    assert {"auc", "average_precision", "brier", "ece", "n", "base_rate"} == set(told["baselines"]["category_rate"])
    inner = told["validation"]
    assert len(inner["folds"]) == 2
    assert inner["figures"]["auc"]["low"] < told["auc"] < inner["figures"]["auc"]["high"]
    assert set(inner["baselines"]) == {
        *("city_rate", "category_rate", "age", "queue_length", "record", "logistic_regression")
    }
    assert {"precision_at_capacity", "recall_at_capacity"} <= set(inner["figures"])
    assert json.loads((tmp_path / "report" / "backtest.json").read_text("utf-8")) == told
    assert '<html lang="zh-Hans">' in (tmp_path / "report" / "backtest.html").read_text("utf-8")


def test_people_get_figures_with_intervals(monkeypatch, capsys, little_city_url):
    """A table in which no word is cut at eighty columns, with what was left out and what was drawn."""
    monkeypatch.setenv("COLUMNS", "80")
    code, text, _err = run(monkeypatch, capsys, "--store", little_city_url, "backtest", *FEW, "--split", "0.7")
    assert code == 0
    assert "Cut at 2025-" in text
    assert "category rate" in text
    assert "…" not in text
    assert "closed within a minute of opening are left out" in text
    assert "Intervals of 95%: 1,000 redraws of whole weeks" in text


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--outcome", "dissent"), "--outcome: expected one of late"),
        (("--split", "2"), "--split: expected a share"),
        (("--folds", "0"), "--folds: expected one fold"),
        (("--jobs", "0"), "--jobs: expected one process"),
        (("--capacity", "0"), "--capacity: expected a number of cases above 0"),
        (("--landmark", "night"), "--landmark: expected one of"),
    ],
)
def test_wrong_use_is_told_with_the_option(monkeypatch, capsys, little_city_url, arguments, told):
    """Exit code 2, nothing on stdout."""
    code, text, err = run(monkeypatch, capsys, "--store", little_city_url, "backtest", *FEW, *arguments)
    assert (code, text) == (2, "")
    assert told in err
