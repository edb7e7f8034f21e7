"""The command as a user meets it: exit codes, messages, JSON."""

from __future__ import annotations

import json
import shutil
import sys

import pytest

from data.store import Store
from models.validation.folds import FOLDS, rolling_folds
from service import cli


def run(monkeypatch, capsys, *arguments: str) -> tuple[int, str, str]:
    """Run `heed` in this process; exit code, stdout, stderr."""
    monkeypatch.setattr(sys, "argv", ["heed", *arguments])
    try:
        cli.main()
        code = 0
    except SystemExit as stopped:
        code = int(stopped.code or 0)
    told = capsys.readouterr()
    return code, told.out, told.err


pytestmark = pytest.mark.usefixtures("short_training")


@pytest.fixture(scope="module")
def city(little_city_url, tmp_path_factory):
    """A copy of the small city's store that the commands may write to."""
    path = tmp_path_factory.mktemp("cli") / "city.db"
    shutil.copy(little_city_url.removeprefix("sqlite:///"), path)
    return str(path)


@pytest.fixture
def trained(monkeypatch, capsys, city):
    """The version of models of everything that the city's store knows; made once, found again later."""
    _, text, _ = run(monkeypatch, capsys, "--store", city, "models", "list", "--json")
    known = [row["version"] for row in json.loads(text)["models"] if "champion" in row["aliases"]]
    if known:
        return known[0]
    _, text, _ = run(monkeypatch, capsys, "--store", city, "train", "--outcome", "late", "--json")
    return json.loads(text)["version"]


def test_the_days_work_in_commands(monkeypatch, capsys, city, trained):
    """Back-test, train, score, signals: each answers in JSON and leaves its results in the store."""
    code, text, _ = run(
        monkeypatch, capsys, "--store", city, "backtest", "--outcome", "late", "--split", "0.7", "--quick", "--json"
    )
    tested = json.loads(text)
    assert code == 0
    assert {"auc", "average_precision", "brier", "ece", "n_train", "n_test", "cut_at", "baselines"} <= set(tested)
    assert {"auc", "average_precision", "brier", "ece"} <= set(tested["baselines"]["category_rate"])

    _, text, _ = run(monkeypatch, capsys, "--store", city, "score", "--json")
    scored = json.loads(text)
    assert scored["model_version"] == trained
    assert scored["open_cases"] > 0
    _, text, _ = run(monkeypatch, capsys, "--store", city, "signals", "--json")
    assert {"signals", "areas", "offices", "office_records", "fdr_level"} <= set(json.loads(text))

    with Store.open(city) as store:
        risks = store.read_risks()
        waits = store.read_remaining_times()
    late = risks[risks["outcome"] == "late"]
    assert len(late) == scored["open_cases"] - scored["without_promise"]
    assert set(risks["outcome"]) == {"late", "any_failure"}
    assert (risks["lower"] <= risks["probability"]).all()
    assert (risks["probability"] <= risks["upper"]).all()
    assert len(waits) == scored["open_cases"]
    assert (waits["lower_95"] <= waits["lower_80"]).all()
    assert (waits["lower_80"] <= waits["median"]).all()
    assert risks["probability"].between(0, 1).all()


def test_people_get_a_table(monkeypatch, capsys, city):
    """Without --json the back-test speaks in sentences and a table, baselines beside it; nothing else need be given."""
    asked = []

    def two_folds(rows, n_folds, **options):
        asked.append(n_folds)
        return rolling_folds(rows, 2, **options)

    monkeypatch.setattr("service.cli.backtest.LANDMARK_KINDS", ("opening",))
    monkeypatch.setattr("service.cli.backtest.rolling_folds", two_folds)
    code, text, _ = run(monkeypatch, capsys, "--store", city, "backtest")
    assert code == 0
    assert asked == [FOLDS]
    assert "category rate" in text
    assert "closed within a minute of opening are left out" in text


def test_scoring_without_a_model_says_how_to_make_one(monkeypatch, capsys, little_city_url):
    """Wrong use, exit code 2, and the remedy."""
    code, out, err = run(monkeypatch, capsys, "--store", little_city_url, "score")
    assert (code, out) == (2, "")
    assert "Make them with `heed train`" in err


def test_a_store_that_is_not_there_is_not_made_by_asking(monkeypatch, capsys, tmp_path):
    """Only an import makes a store."""
    path = tmp_path / "none.db"
    code, _, err = run(monkeypatch, capsys, "--store", str(path), "backtest")
    assert code == 1
    assert "heed:" in err
    assert not path.exists()


def test_an_error_in_json_is_json(monkeypatch, capsys, city):
    """Machines get the error as an object on stderr."""
    code, out, err = run(monkeypatch, capsys, "--store", city, "backtest", "--split", "2", "--json")
    assert (code, out) == (2, "")
    assert json.loads(err)["error"] == "UsageError"


def test_a_file_with_people_in_it_is_refused_with_exit_code_three(monkeypatch, capsys, tmp_path):
    """The door names the columns, and no store is left with anything in it."""
    file = tmp_path / "export.csv"
    file.write_text("case_id,opened_at,category,caller_phone\n1,2024-01-01 10:00:00,Pothole,6175550100\n")
    store = tmp_path / "x.db"
    code, _, err = run(monkeypatch, capsys, "--store", str(store), "import", str(file), "--mapping", "boston")
    assert code == 3
    assert "caller_phone" in err
    assert "6175550100" not in err
    with Store.open(str(store)) as opened:
        assert opened.read_events().empty


def test_the_boundary_check_counts_what_it_looked_at(monkeypatch, capsys):
    """A clean check says on how many names it rests."""
    code, text, _ = run(monkeypatch, capsys, "boundary", "check", "--json")
    told = json.loads(text)
    assert code == 0
    assert told["clean"] is True
    assert min(told["checked"].values()) > 0


def test_every_command_has_an_example(monkeypatch, capsys):
    """`--help` shows how it is typed."""
    for command in ("import", "train", "backtest", "score", "signals", "serve", "demo"):
        code, text, _ = run(monkeypatch, capsys, command, "--help")
        assert code == 0
        assert "Example:" in text, command


def test_features_are_listed_and_described(monkeypatch, capsys, city):
    """An analyst can ask what a feature means; an unknown one is wrong use."""
    _, text, _ = run(monkeypatch, capsys, "--store", city, "features", "list", "--json")
    names = [feature["name"] for feature in json.loads(text)["features"]]
    assert "backlog_office" in names
    code, text, _ = run(monkeypatch, capsys, "features", "describe", "backlog_office")
    assert (code, "open cases of this office" in text) == (0, True)
    code, _, err = run(monkeypatch, capsys, "features", "describe", "nonsense")
    assert code == 2
    assert "heed features list" in err


def test_the_matrix_is_written_whole(monkeypatch, capsys, city, tmp_path):
    """One row per case, with outcome and maturity."""
    import pandas as pd

    file = tmp_path / "matrix.parquet"
    code, _, _ = run(monkeypatch, capsys, "--store", city, "features", "export", "-o", str(file))
    frame = pd.read_parquet(file)
    assert code == 0
    assert {"case_id", "landmark_at", "late", "late_matures_at", "record_category"} <= set(frame.columns)


@pytest.mark.parametrize("command", [("score",), ("signals",), ("train", "--outcome", "late")])
def test_no_moment_ahead_is_worked_out(monkeypatch, capsys, city, command):
    """What is stored of the year 2199 would count as the newest until then."""
    code, text, err = run(monkeypatch, capsys, "--store", city, *command, "--as-of", "2199-01-01T08:30+08:00")
    assert code == 2
    assert "--as-of: expected a moment that has come, got one ahead. Leave it out for the newest." in " ".join(
        (text + err).split()
    )


@pytest.mark.usefixtures("trained")
def test_no_morning_is_scored_with_hindsight(monkeypatch, capsys, city):
    """A model that learned from later outcomes is refused for an earlier moment, with the remedy."""
    code, _, err = run(monkeypatch, capsys, "--store", city, "score", "--as-of", "2025-06-02T08:30+08:00")
    assert code == 2
    assert "heed train --as-of 2025-06-02T00:30:00+00:00" in err
    then = ("--as-of", "2025-06-02T08:30+08:00", "--override", "replay")
    run(monkeypatch, capsys, "--store", city, "train", "--outcome", "late", *then)
    code, text, _ = run(monkeypatch, capsys, "--store", city, "score", "--as-of", "2025-06-02T08:30+08:00")
    assert code == 0
    assert "open cases at 2025-06-02T00:30:00Z" in text
