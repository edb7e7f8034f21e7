"""`heed signals detect`: a method of one's choice over a file of counts, as a user meets it."""

from __future__ import annotations

import json
import sys

import numpy as np
import pandas as pd
import pytest

from models.signals.detectors import DETECTORS, Bayes, make_detector
from service import cli


@pytest.fixture
def heed(monkeypatch, capsys):
    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["heed", "signals", "detect", *arguments])
        try:
            cli.main()
            code = 0
        except SystemExit as stopped:
            code = int(stopped.code or 0)
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


@pytest.fixture
def counts(tmp_path):
    """Two calm series of 300 weeks, the second with a rise in the newest; a third of eight weeks."""
    rng = np.random.default_rng(8)
    dates = pd.date_range("2019-01-07", periods=300, freq="7D")
    wide = pd.DataFrame({"a": rng.poisson(4.0, 300), "b": rng.poisson(4.0, 300)}, index=dates)
    wide.iloc[-1, 1] = 30
    rows = wide.rename_axis("date").reset_index().melt("date", var_name="series", value_name="n")
    young = pd.DataFrame({"date": dates[-8:], "series": "c", "n": 3})
    path = tmp_path / "counts.csv"
    pd.concat([rows, young]).to_csv(path, index=False, date_format="%Y-%m-%d")
    wide.index.name = None
    return str(path), wide


def test_every_point_comes_out_in_full(heed, counts):
    """The JSON holds all points of all series, to the last digit of what the detector says."""
    path, wide = counts
    code, text, _ = heed(path, "--method", "bayes", "--param", "alpha=0.01", "--last", "3", "--json")
    told = json.loads(text)
    assert code == 0
    assert told["params"]["alpha"] == 0.01
    assert len(told["points"]) == 9
    expected = Bayes(alpha=0.01).detect(wide, last=3)
    points = [row for row in told["points"] if row["series"] != "c"]
    for name in ("observed", "expected", "upper", "p_value", "score"):
        assert [row[name] for row in points] == expected[name].tolist()
    assert points[-1]["week"] == "2024-09-30"
    assert points[-1]["alarm"] is True
    assert [row["why"] for row in told["points"] if row["series"] == "c"] == ["past_too_short"] * 1 + [None] * 2


def test_rs_names_work_and_its_columns_come_along(heed, counts):
    """With --compatible, R's defaults hold and every column is there under R's name too."""
    path, wide = counts
    code, text, _ = heed(
        path, "--method", "farringtonFlexible", "--compatible", "--param", "b=4", "--param", "limit54=c(0,4)", "--json"
    )
    told = json.loads(text)
    assert code == 0
    detector = make_detector("farringtonFlexible", {"b": 4, "limit54": (0, 4)}, compatible=True)
    found = detector.detect(wide, last=1)
    row = next(point for point in told["points"] if point["series"] == "b")
    assert row["upperbound"] == row["upper"] == found["upper"].iloc[1]
    assert {"mu0", "phi", "trendCoef", "pvalue"} <= set(row)
    assert told["params"]["alpha"] == 0.05


def test_auto_chooses_for_each_series_and_says_why(heed, counts):
    """Years of past, or too little; the reason stands in the JSON and on the terminal."""
    path, _ = counts
    told = json.loads(heed(path, "--json")[1])
    chosen = {one["series"]: (one["rule"], one["method"]) for one in told["choices"]}
    assert chosen["a"] == chosen["b"] == ("years_of_past", "seasonal")
    assert chosen["c"] == ("too_short", None)
    assert told["alarms"] == 1
    _, text, _ = heed(path)
    assert "1 alarm among 3 series and the newest week of each" in text
    assert "2024-09-30" in text
    assert "years_of_past" in text
    assert "there are too few weeks before it" in text


def test_a_file_of_every_point_is_written(heed, counts, tmp_path):
    """-o writes the same rows; they read back to the same numbers."""
    path, wide = counts
    target = tmp_path / "judged.csv"
    assert heed(path, "--method", "ears", "--last", "2", "-o", str(target))[0] == 0
    back = pd.read_csv(target)
    expected = make_detector("ears").detect(wide, last=2)
    assert back[back["series"] != "c"]["upper"].tolist() == expected["upper"].tolist()


def test_a_column_of_population_is_used(heed, tmp_path):
    """With population_offset the expectation follows the population."""
    rng = np.random.default_rng(1)
    people = np.where(np.arange(330) == 329, 2000, 1000)
    frame = pd.DataFrame({"k": np.arange(1, 331), "series": "a", "n": rng.poisson(6.0, 330), "population": people})
    path = tmp_path / "counts.csv"
    frame.to_csv(path, index=False)
    given = ["--method", "farrington_flexible", "--param", "trend=false", "--json"]
    plain = json.loads(heed(str(path), *given)[1])["points"][0]["expected"]
    offset = json.loads(heed(str(path), *given, "--param", "population_offset=true")[1])["points"][0]["expected"]
    assert offset == pytest.approx(2 * plain, rel=1e-6)


def test_names_that_look_like_markup_are_told_as_they_are(heed, tmp_path):
    """Brackets in the name of a series neither end the command nor get lost: alarms, choices, and what was drawn."""
    names = ["[/a]", "[bold]x"]
    dates = pd.date_range("2024-01-01", periods=60, freq="7D").strftime("%Y-%m-%d")
    rows = [(day, name, 40 if day == dates[-1] else 4 + at % 3) for name in names for at, day in enumerate(dates)]
    path = tmp_path / "counts.csv"
    pd.DataFrame(rows, columns=["date", "series", "n"]).to_csv(path, index=False)
    code, text, _ = heed(str(path), "--picture", str(tmp_path / "[b]drawn.svg"))
    assert code == 0
    assert "2 alarms among 2 series" in text
    table, choice, drawn = text.split("2 series by")[0], text.split("2 series by")[1], text.split("Drawn in ")[1]
    assert all(name in table for name in names)
    assert "; [/a], for example, has 59 weeks of past" in choice
    assert "[b]drawn.svg: [/a], [bold]x." in drawn


def test_a_series_that_ends_before_the_others_is_named(heed, tmp_path):
    """Its newest week is an old one; with zeros for what is missing it ends with the others."""
    dates = pd.date_range("2023-01-02", periods=80, freq="7D").strftime("%Y-%m-%d")
    counts = np.random.default_rng(4).poisson(3.0, 80)
    whole = pd.DataFrame({"date": dates, "series": "a", "n": counts})
    path = tmp_path / "ends.csv"
    pd.concat([whole, whole[:60].assign(series="[b]")]).to_csv(path, index=False)
    told = "1 of 2 series ends before 2024-07-08 ([b] with 2024-02-19)"
    _, text, err = heed(str(path), "--json")
    assert json.loads(text)["hint"].startswith(told)
    assert err.startswith(told)
    _, text, err = heed(str(path), "--missing", "zero", "--json")
    assert (json.loads(text)["hint"], err) == (None, "")


def _lasting_rise(path, step: str, level: float, steps: int = 300) -> str:
    """A calm series whose three newest steps hold three times as many cases."""
    counts = np.random.default_rng(5).poisson(level, steps)
    counts[-3:] = round(3 * level)
    dates = pd.date_range("2019-01-07", periods=steps, freq=step)
    pd.DataFrame({"date": dates, "n": counts}).to_csv(path, index=False, date_format="%Y-%m-%d")
    return str(path)


def test_days_are_called_days_and_large_counts_stand_in_full(heed, tmp_path):
    """A table of days speaks of no weeks, and no case of a count is rounded away."""
    _, days, _ = heed(_lasting_rise(tmp_path / "days.csv", "D", 10.0), "--method", "ears", "--last", "2")
    assert "among 1 series and the newest 2 days of each" in days
    assert "week" not in days
    _, weeks, _ = heed(_lasting_rise(tmp_path / "weeks.csv", "7D", 123_457.0), "--method", "ears")
    assert "1 alarm among 1 series and the newest week of each" in weeks
    assert "370,371" in weeks


def test_a_limit_below_what_is_expected_is_explained(heed, tmp_path):
    """The newest two weeks are judged together: after a high one, less than usual would be an alarm."""
    told = "A limit below what is expected: the week before was high, and the two are judged together"
    path = _lasting_rise(tmp_path / "rise.csv", "7D", 10.0)
    _, text, _ = heed(path)
    assert told in text
    _, text, _ = heed(path, "--method", "ears")
    assert told not in text


def test_a_method_that_asks_for_more_past_is_named(heed, counts):
    """With years of weeks at hand it is the parameters that ask for more; `auto` names the rule instead."""
    path, _ = counts
    _, text, _ = heed(path, "--method", "farrington_flexible", "--param", "b=9")
    assert "there are too few weeks before it for farrington_flexible with these parameters" in text
    _, text, _ = heed(path)
    assert "with these parameters" not in text


def test_a_table_with_gaps_and_no_zero_is_asked_about(heed, tmp_path):
    """Weeks without a row in a file that holds no 0: the hint stands on stderr and in the JSON, until followed."""
    counts = np.random.default_rng(3).poisson(1.5, 200)
    frame = pd.DataFrame({"k": np.arange(200), "series": "a", "n": counts})
    sparse, whole = tmp_path / "sparse.csv", tmp_path / "whole.csv"
    frame[frame["n"] > 0].to_csv(sparse, index=False)
    frame[(frame["n"] == 0) | (frame["k"] % 5 > 0)].to_csv(whole, index=False)
    _, text, err = heed(str(sparse), "--json")
    assert "give --missing zero" in json.loads(text)["hint"]
    assert err.strip() == json.loads(text)["hint"]
    for given in ([str(sparse), "--missing", "zero", "--json"], [str(whole), "--json"]):
        _, text, err = heed(*given)
        assert (json.loads(text)["hint"], err) == (None, "")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--method", "prophet"], 2, "There is no method 'prophet'"),
        (["--method", "bayes", "--param", "alpha"], 2, "expected NAME=VALUE"),
        (["--param", "alpha=0.1"], 2, "auto chooses the parameters"),
        (["--method", "bayes", "--params", "/no/such/file.json"], 2, "--params: file.json cannot be read as JSON"),
        (["--method", "bayes", "--last", "900"], 1, "the longest series has 300"),
        (["--method", "bayes", "--missing", "never"], 2, "--missing is unknown or zero"),
        (["-o", "/no/such/x.csv"], 2, "--output: /no/such/x.csv cannot be written: there is no such folder"),
        (["-o", "/"], 2, "--output: / cannot be written: it is a folder"),
    ],
)
def test_wrong_use_is_told_with_the_remedy(heed, counts, arguments, code, message):
    """Exit code and message."""
    found, _, err = heed(counts[0], *arguments)
    assert found == code
    assert message in err


def test_help_names_the_methods_and_the_bare_command_stays(monkeypatch, capsys):
    """`signals --help` lists detect beside its own options."""
    monkeypatch.setattr(sys, "argv", ["heed", "signals", "--help"])
    with pytest.raises(SystemExit):
        cli.main()
    told = capsys.readouterr().out
    assert "detect" in told
    assert "--as-of" in told


def test_help_names_every_parameter_of_every_method_with_rs_name(heed):
    """What R's control lists hold can be found in the help, and what is said there is what is taken."""
    code, told, _ = heed("--help")
    plain = " ".join(told.split())
    assert code == 0
    for method, kind in DETECTORS.items():
        own = plain.split(f" {method}, in R" if method != "seasonal" else " seasonal: alpha")[1].split(
            " period (freq)"
        )[0]
        for name in kind().get_params():
            assert name in own or name in {"compatible", "period"} or method == "seasonal"
    for name in (
        *("b", "w", "noPeriods", "pThresholdTrend", "weightsThreshold", "pastWeeksNotIncluded", "thresholdMethod"),
        *(
            "limit54",
            "populationOffset",
            "powertrans",
            "actY",
            "c.ARL",
            "theta",
            "dir",
            "M",
            "k",
            "h",
            "trans",
            "minSigma",
        ),
    ):
        assert f"({name})" in plain or f" {name} " in plain


def test_a_file_of_settings_is_a_control_list(heed, counts, tmp_path):
    """R's control list as JSON gives what the same parameters give one by one; one given beside it goes before it."""
    path, _ = counts
    control = {"b": 3, "limit54": [0, 4], "pastWeeksNotIncluded": None, "thresholdMethod": "muan", "verbose": False}
    (tmp_path / "control.json").write_text(json.dumps(control), encoding="utf-8")
    asked = [path, "--method", "farringtonFlexible", "--compatible", "--json"]
    one_by_one = [f"--param={name}={json.dumps(value).strip(chr(34))}" for name, value in control.items()]
    _, by_file, _ = heed(*asked, "--params", str(tmp_path / "control.json"))
    _, by_param, _ = heed(*asked, *one_by_one)
    assert json.loads(by_file) == json.loads(by_param)
    _, other, _ = heed(*asked, "--params", str(tmp_path / "control.json"), "--param", "b=2")
    assert json.loads(other)["params"]["years_back"] == 2
    (tmp_path / "control.json").write_text("[1]", encoding="utf-8")
    code, _, err = heed(*asked, "--params", str(tmp_path / "control.json"))
    assert (code, "expected one JSON object" in err) == (2, True)
