"""`heed features` as a user meets it: lists, explanations, and the matrix as a file."""

from __future__ import annotations

import json
import sys

import pandas as pd
import pytest

from data.event_log import NEVER
from features.catalogue import CATALOGUE
from features.terms import LAST_AT, Term
from service import cli
from service.cli.features import told_term, told_together

DAY = 86_400


def run(monkeypatch, capsys, *arguments: str) -> tuple[int, str, str]:
    """Run `heed features` in this process; exit code, stdout, stderr."""
    monkeypatch.setattr(sys, "argv", ["heed", *arguments])
    try:
        cli.main()
        code = 0
    except SystemExit as stopped:
        code = int(stopped.code or 0)
    told = capsys.readouterr()
    return code, told.out, told.err


@pytest.fixture(scope="module")
def store(little_city_url) -> str:
    return little_city_url


def listed(monkeypatch, capsys, *arguments: str) -> list[str]:
    code, text, _ = run(monkeypatch, capsys, *arguments, "--json")
    assert code == 0
    return [feature["name"] for feature in json.loads(text)["features"]]


def test_the_list_can_be_narrowed_by_family_and_use(monkeypatch, capsys, store):
    """Both filters together leave what fits both; the whole catalogue needs no store."""
    assert listed(monkeypatch, capsys, "features", "list", "--all") == list(CATALOGUE)
    loads = listed(monkeypatch, capsys, "features", "list", "--all", "--family", "load", "--use", "model")
    assert "backlog_office" in loads
    assert {(CATALOGUE[name].family, CATALOGUE[name].use) for name in loads} == {("load", "model")}
    known = listed(monkeypatch, capsys, "--store", store, "features", "list")
    assert "hours_since_opening" in known, "what is known after the opening is available too"


def test_the_list_for_people_has_a_line_for_each(monkeypatch, capsys):
    """Name, family, unit, window and what it says; the names are whole however narrow the page."""
    code, text, _ = run(monkeypatch, capsys, "features", "list", "--all", "--family", "staffing")
    assert code == 0
    assert "capacity_change_28d_office" in text
    assert "28 d" in text


@pytest.mark.parametrize(("option", "value"), [("--family", "weather"), ("--use", "gossip")])
def test_a_filter_that_is_none_is_wrong_use(monkeypatch, capsys, option, value):
    """The message says what was expected and what came."""
    code, _, err = run(monkeypatch, capsys, "features", "list", "--all", option, value)
    assert code == 2
    assert f"{option}: expected one of" in err
    assert f"got '{value}'" in err


def test_a_feature_is_described_whole(monkeypatch, capsys):
    """Unit, window, keys, meaning in both languages, what null means, when it is known, use, and what it is made of."""
    code, text, _ = run(monkeypatch, capsys, "features", "describe", "log_time_to_close_91d_office", "--json")
    assert code == 0
    assert json.loads(text) == {
        "name": "log_time_to_close_91d_office",
        "family": "pace",
        "unit": "log_hours",
        "window_days": 91,
        "needs_at_opening": ["office"],
        "label_en": "mean of the log time to close, of this office, over 91 days",
        "label_zh": "本单位近91天办结用时的对数均值",
        "null": "nothing of the kind was closed in the window",
        "known": "opening",
        "use": "analysis",
        "in_model": False,
        "terms": ["closures.log_hours over 91 d by office", "closures.n over 91 d by office"],
    }
    _, text, _ = run(monkeypatch, capsys, "features", "describe", "log_time_to_close_91d_office")
    assert "closures.log_hours, closures.n over 91 d by office" in text
    assert "本单位近91天办结用时的对数均值" in text
    _, text, _ = run(monkeypatch, capsys, "features", "describe", "is_paused")
    assert "made of: the case itself" in text


def test_an_unknown_feature_brings_those_that_are_spelt_like_it(monkeypatch, capsys):
    """A slip of the pen is put right; nonsense is only refused."""
    code, _, err = run(monkeypatch, capsys, "features", "describe", "backlog_ofice")
    assert code == 2
    assert "Near it: backlog_office" in err
    _, _, err = run(monkeypatch, capsys, "features", "describe", "zzz")
    assert "Near it" not in err
    assert "heed features list --all" in err


def test_terms_are_told_in_words():
    """Windows in days, keys by name, the newest so many, the moment of the newest, and the whole city."""
    assert told_term(Term("closures", "log_hours", ("office",), 91 * DAY)) == "closures.log_hours over 91 d by office"
    assert told_term(Term("balance", "open", ("category", "area"))) == "balance.open over all before by category × area"
    assert told_term(Term("matured", "late", (), newest=30)) == "matured.late over the newest 30 in the whole city"
    newest = Term("arrivals", LAST_AT, ("area",))
    assert told_term(newest) == "moment of the newest of arrivals before the landmark by area"
    stages = [Term(f"stage_{j}", "n", (), 28 * DAY) for j in range(8)]
    assert told_together([*stages, newest]) == [
        "moment of the newest of arrivals before the landmark by area",
        "stage_….n over 28 d in the whole city",
    ]


def test_the_matrix_is_written_with_outcomes_maturity_and_censoring(monkeypatch, capsys, store, tmp_path):
    """With or without the word `export`: at openings one row per case, and no feature of the time after them."""
    paths = [tmp_path / "one.parquet", tmp_path / "two.parquet"]
    code, text, _ = run(monkeypatch, capsys, "--store", store, "features", "export", "-o", str(paths[0]))
    assert code == 0
    assert "landmarks of" in text
    assert run(monkeypatch, capsys, "--store", store, "features", "-o", str(paths[1]))[0] == 0
    frames = [pd.read_parquet(path) for path in paths]
    pd.testing.assert_frame_equal(*frames, check_exact=True)
    frame = frames[0]
    assert frame["case_id"].is_unique
    assert {"late", "late_matures_at", "late_censored", "reopened_28d", "reopened_28d_matures_at"} <= set(frame)
    there = [name for name in frame if name in CATALOGUE]
    assert {(CATALOGUE[name].use, CATALOGUE[name].known) for name in there} == {("model", "opening")}
    assert (frame["late_matures_at"] < NEVER).any()


def test_all_landmarks_of_a_past_moment_hold_nothing_later(monkeypatch, capsys, store, tmp_path):
    """Openings, events and mornings before the as-of, each with what was known of its case, and every family."""
    path = tmp_path / "all.parquet"
    as_of = "2025-03-01T08:00+08:00"
    arguments = ["features", "--as-of", as_of, "--landmarks", "all", "--all", "-o", str(path)]
    assert run(monkeypatch, capsys, "--store", store, *arguments)[0] == 0
    frame = pd.read_parquet(path)
    assert set(frame["kind"]) == {"opening", "event", "morning"}
    assert frame["landmark_at"].max() < pd.Timestamp(as_of).timestamp()
    assert {CATALOGUE[name].family for name in frame if name in CATALOGUE} == {
        feature.family for feature in CATALOGUE.values()
    }
    assert (frame.loc[frame["kind"] == "opening", "hours_since_last_event"] == 0).all()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["export", "--landmarks", "noon"], "--landmarks: expected one of opening, event, morning, all, got 'noon'"),
        (["export", "--engine", "abacus"], "--engine: expected one of embedded, spark, dask, ibis, got 'abacus'"),
        (["--as-of", "2025-03-01T08:00+08:00"], "Expected a file to write the matrix to"),
        (["--all", "list"], "Expected options behind the command that they belong to: `heed features list …`"),
    ],
)
def test_wrong_use_is_refused_with_the_remedy(monkeypatch, capsys, store, tmp_path, arguments, told):
    """Nothing is written, and the message says what to type."""
    file = tmp_path / "none.parquet"
    output = ["-o", str(file)] if "export" in arguments else []
    code, _, err = run(monkeypatch, capsys, "--store", store, "features", *arguments, *output)
    assert code == 2
    assert told in err
    assert not file.exists()


def test_help_shows_how_it_is_typed(monkeypatch, capsys):
    """Every command has an example."""
    for command in ([], ["list"], ["describe"], ["export"]):
        code, text, _ = run(monkeypatch, capsys, "features", *command, "--help")
        assert code == 0
        assert "Example:" in text


def test_a_file_that_cannot_be_written_is_refused_before_any_work(monkeypatch, capsys, store, tmp_path):
    """A folder that is not there, or a folder in place of a file: wrong use, and nothing is made."""
    for target in (tmp_path / "nowhere" / "m.parquet", tmp_path):
        code, _, error = run(monkeypatch, capsys, "--store", store, "features", "export", "-o", str(target))
        assert code == 2
        assert "expected a file in a folder that exists" in error.replace("\n", " ")
    assert list(tmp_path.iterdir()) == []


def test_rows_after_the_opening_say_how_far_the_case_has_come(monkeypatch, capsys, store, tmp_path):
    """Without asking for every feature; and a bare day is its midnight in the offices' zone."""
    file = tmp_path / "m.parquet"
    code, _, error = run(
        monkeypatch,
        capsys,
        "--store",
        store,
        "features",
        "--as-of",
        "2025-06-01",
        "--landmarks",
        "event",
        "-o",
        str(file),
    )
    assert (code, error) == (0, "")
    frame = pd.read_parquet(file)
    assert {"hours_since_opening", "hours_to_due", "is_overdue"} <= set(frame.columns)
    assert (frame["hours_since_opening"] >= 0).all()
    assert (frame["hours_since_opening"] > 0).any()


def test_a_list_without_a_store_says_what_needs_none(monkeypatch, capsys, tmp_path):
    """The whole catalogue can be read before anything is imported."""
    missing = f"sqlite:///{tmp_path / 'none.db'}"
    code, _, error = run(monkeypatch, capsys, "--store", missing, "features", "list")
    assert code == 1
    assert "heed features list --all" in error.replace("\n", " ")
