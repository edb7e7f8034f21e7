"""The benchmark's protocol and figures: by hand, against scikit-learn, and against the published counts."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from sklearn.metrics import roc_auc_score

from data.errors import NotEnoughDataError
from features.steps import StepLog
from tests.benchmarks.event_log_figures import Judged, auc, auc_weighted, draws, ece, ece_by_chance, figures, paired
from tests.benchmarks.event_log_models import (
    START,
    Rows,
    heed_remaining_rolling,
    heed_risk,
    heed_risk_rolling,
    heed_score,
    life_matrix,
    life_scores,
)
from tests.benchmarks.event_log_protocol import median_dummy, remaining_split, risk_split
from tests.benchmarks.event_logs import line, main, path_of, summary

FOLDER = Path(__file__).parents[2].parent / "shared" / "data" / "event_logs"
COUNTS = {
    ("bpic2015_1", "missing_data"): (160, 696),
    ("bpic2015_2", "missing_data"): (146, 753),
    ("bpic2015_4", "missing_data"): (93, 577),
    ("coselog_receipt", "deadline_missed"): (377, 1_329),
    ("coselog_receipt", "receipt_over_7d"): (305, 1_434),
    ("helpdesk_it", "reopened"): (389, 4_580),
    ("helpdesk_it", "over_45d"): (1_366, 4_580),
    ("bpic2013_closed_problems", "over_60d"): (858, 1_487),
    ("uci_servicenow_incidents", "sla_breach"): (8_818, 23_099),
    ("uci_servicenow_incidents", "reopened"): (272, 23_099),
    ("uci_servicenow_incidents", "bounced_3plus"): (2_848, 24_918),
    ("bpic2020_prepaid", "rejected"): (338, 2_099),
    ("bpic2020_prepaid", "over_14d"): (1_494, 2_099),
    ("bpic2020_requests_for_payment", "rejected"): (1_067, 6_886),
    ("bpic2020_requests_for_payment", "over_14d"): (1_663, 6_886),
    ("traffic_fines", "credit_collection"): (59_013, 129_615),
}
# Published medians of the same prefix length, mean absolute error in days: fixed by the split, the cap and the cases.
DUMMIES = {"coselog_receipt": 1.42, "helpdesk_it": 9.80, "bpic2015_2": 62.8, "bpic2020_requests_for_payment": 4.88}
# The large ones are read by `make benchmark`, not by every run.
SMALL = sorted({log for log, _task in COUNTS} - {"traffic_fines", "uci_servicenow_incidents"})


def _log() -> StepLog:
    """Ten cases a day apart, of 1 to 4 events; the last of the training cases runs into the test period."""
    rows: list[tuple[str, str, pd.Timestamp, bool]] = []
    for case in range(10):
        days = [pd.Timestamp("2024-01-01") + pd.Timedelta(days=case + event) for event in range(1 + case % 4)]
        rows.extend((f"c{case}", "s", day, case % 2 == 1) for day in days)
    return StepLog.from_frame(pd.DataFrame(rows, columns=["case_id", "activity", "timestamp", "label_late"]))


def test_strict_split_by_hand() -> None:
    """Eight of ten cases train, without what happened at or after the ninth's first event."""
    log = _log()
    split = risk_split(log, "late", "made_up")
    assert split.cap == 4
    assert set(log.case[split.test]) == {8, 9}
    assert set(log.case[split.train]) == set(range(8))
    assert log.moment[split.train].max() < split.cut == log.moment[split.test].min()
    assert int(split.train.sum()) == sum(1 + c % 4 for c in range(8)) - 4


def test_remaining_split_keeps_overlapping_training_events() -> None:
    """Without the strict rule every training event up to the cap stays."""
    log = _log()
    split = remaining_split(log)
    assert split.cap == 4
    assert int(split.train.sum()) == sum(1 + c % 4 for c in range(8))


def test_a_smaller_training_part_is_of_whole_cases() -> None:
    """Training cases are drawn as a whole and always the same; test rows stay, and so does all that is few enough."""
    log = _log()
    split = risk_split(log, "late", "made_up")
    assert split.drawn(log.case, None) is split
    assert split.drawn(log.case, int(split.train.sum())) is split
    less = split.drawn(log.case, 8)
    assert 0 < less.train.sum() < split.train.sum()
    drawn = np.unique(log.case[less.train])
    assert (less.train == (split.train & np.isin(log.case, drawn))).all()
    assert (less.test == split.test).all()
    assert (less.train == split.drawn(log.case, 8).train).all()


def test_the_dummy_is_the_median_of_its_prefix_length() -> None:
    """By hand on the training rows of each place."""
    log = _log()
    split, y = remaining_split(log), (log.ended_at[log.case] - log.at) / 86400.0
    guess = median_dummy(log.place, y, split)
    assert guess[log.place == 1].tolist() == [1.5] * 10
    assert guess[log.place == 4].tolist() == [0.0] * 2


def test_auc_equals_scikit_learn() -> None:
    """With ties, and with weights."""
    rng = np.random.default_rng(3)
    score, outcome = np.round(rng.random(500), 2), (rng.random(500) < 0.3).astype(float)
    weight = rng.integers(0, 4, 500).astype(float)
    assert auc(score, outcome) == pytest.approx(roc_auc_score(outcome, score), abs=1e-12)
    assert auc(score, outcome, weight) == pytest.approx(roc_auc_score(outcome, score, sample_weight=weight), abs=1e-12)


def test_weighted_auc_by_hand() -> None:
    """Perfect at length 1 (four rows), reversed at length 2 (two rows), and length 3 tells nothing: 4/6."""
    rows = Judged(
        np.array([0, 0, 1, 1, 0, 1, 1], dtype=float), np.array([0, 1, 2, 3, 0, 2, 3]), np.array([1, 1, 1, 1, 2, 2, 3])
    )
    assert auc_weighted(np.array([0.1, 0.2, 0.8, 0.9, 0.9, 0.1, 0.5]), rows) == pytest.approx(4 / 6)


def test_ece_by_hand() -> None:
    """Two bins: ten rows at 0.1 with two positives, ten at 0.9 with nine."""
    risk = np.repeat([0.1, 0.9], 10)
    outcome = np.array([1, 1] + [0] * 8 + [1] * 9 + [0], dtype=float)
    assert ece(risk, outcome) == pytest.approx(0.05)
    assert ece(np.full(30, 0.5), np.tile([0.0, 1.0], 15), equal_count=True) == pytest.approx(0.0)


def test_calibration_error_by_chance() -> None:
    """Of sure risks there is none; of a coin for each of two cases half is usual, whatever the number of their rows."""
    case = np.repeat([3, 8], 50)
    assert ece_by_chance(np.repeat([0.0, 1.0], 50), case) == 0
    assert ece_by_chance(np.full(100, 0.5), case, n=41) in (0.0, 0.5)
    many = np.arange(4000)
    assert ece_by_chance(np.full(4000, 0.5), many) < 0.02


def test_bootstrap_draws_whole_cases() -> None:
    """All rows of a case have the same weight, and as many cases are drawn as there are."""
    case = np.array([4, 4, 4, 7, 9, 9])
    for weight in draws(case, 20):
        assert len(set(weight[:3])) == 1
        assert weight[0] + weight[3] + weight[4] == 3


def test_paired_interval_of_a_better_model_is_above_nought() -> None:
    """The better of two is told apart on the same draws, and nothing from itself."""
    rng = np.random.default_rng(5)
    outcome = (rng.random(400) < 0.4).astype(float)
    rows = Judged(outcome, np.arange(400), np.ones(400, dtype=np.int64))
    good, bad = outcome + rng.normal(size=400), rng.normal(size=400)
    weights = draws(rows.case, 200)
    assert paired(good, bad, rows, weights)[0] > 0
    assert paired(good, good, rows, weights) == (0.0, 0.0)


def test_figures_and_their_table_go_together() -> None:
    """A row of the table names its figures; the summary counts what falls below the plain baseline."""
    rng = np.random.default_rng(2)
    outcome = (rng.random(60) < 0.5).astype(float)
    rows = Judged(outcome, np.arange(60), np.ones(60, dtype=np.int64))
    found = figures(np.where(outcome == 1, 0.8, 0.2), rows, 0.5, draws(rows.case, 50)).as_dict()
    assert (found["auc_pooled"], found["brier_base"]) == (1.0, 0.25)
    row = {"kind": "risk", "log": "x", "task": "t", "cap": 3, "positives": 1, "cases": 2}
    row |= {"published_best": None, "plain_published": None}
    row["models"] = {m: found | {"auc_above_plain": (-0.2, -0.1)} for m in ("rolling", "frozen")}
    assert "AUC 1.000" in line(row)
    assert "below plain beyond the interval: x t" in summary([row])[0]


def test_a_log_is_named_or_pointed_at() -> None:
    """A path stays a path; a name is looked for in the folder."""
    assert path_of("a/b.parquet", Path("f")) == Path("a/b.parquet")
    assert path_of("b", Path("f")) == Path("f/b.parquet")


def _made_up(cases: int = 150) -> pd.DataFrame:
    """A log with nothing but what every log has: two labels, one of them null for some cases, the other always true."""
    rng = np.random.default_rng(7)
    late = rng.random(cases) < 0.4
    events = pd.DataFrame({"case": np.repeat(np.arange(cases), 3), "event": np.tile(np.arange(3), cases)})
    slow = np.where(late[events["case"]], 9.0, 1.0) * events["event"]
    events["timestamp"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(events["case"] * 20.0 + slow, unit="h")
    events["activity"] = np.where((events["event"] == 1) & late[events["case"]], "wait", "do")
    events["label_late"] = pd.array(late[events["case"]], dtype="boolean")
    events.loc[events["case"] % 10 == 0, "label_late"] = pd.NA
    events["label_sure"] = True
    return events.assign(case_id=events["case"].astype(str)).drop(columns=["case", "event"])


def test_any_log_of_the_form_is_judged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without `in_` and `case_` columns, with null labels, and with a task that cannot be learned."""
    path = tmp_path / "made_up.parquet"
    _made_up().to_parquet(path)
    main([str(path), "--json", "--no-remaining"])
    told = capsys.readouterr()
    rows = {row["task"]: row for row in json.loads(told.out)["rows"]}
    assert "late 49/135" in told.err
    assert rows["sure"]["kind"] == "left_out"
    assert rows["late"]["cases"] == 135
    assert rows["late"]["models"]["rolling"]["auc_pooled"] > 0.6
    assert rows["late"]["models"]["plain"]["auc_pooled"] > 0.6


def _rows(seed: int, n: int) -> Rows:
    """One row for each case; the outcome depends on `own` and not on `load_now`."""
    rng = np.random.default_rng(seed)
    x = pd.DataFrame(rng.normal(size=(n, 3)), columns=["own", "load_now", START])
    y = (rng.random(n) < 1 / (1 + np.exp(-2 * x["own"].to_numpy()))).astype(float)
    at = np.arange(n, dtype=np.int64) * 86_400
    return Rows(x, y, at, at + 5 * 86_400, np.arange(n, dtype=np.int64), np.ones(n, dtype=np.int64))


def test_what_the_case_tells_has_nothing_of_the_office() -> None:
    """Neither load, record, pace nor month is among it, and everything else is."""
    names = ["own", "load_now", "record_step", "pace_year", "step_wait_days", "step_now", "clock_month", "clock_hour"]
    kept = life_matrix(pd.DataFrame(np.zeros((1, len(names))), columns=names))
    assert kept.columns.tolist() == ["own", "step_now", "clock_hour"]


def test_the_score_of_a_row_depends_on_no_other_and_not_on_the_level() -> None:
    """A test row beside others that are changed, and with another level, is told the same bits."""
    train, test = _rows(1, 150), _rows(2, 40)
    score = heed_score(train, test, 1)
    told = score.told
    changed = test.x.assign(**{START: 99.0})
    changed.loc[20:, "own"] = 0.0
    again = heed_score(train, replace(test, x=changed), 1, life_scores(train, replace(test, x=changed), 1)).told
    assert np.array_equal(again[:20], told[:20])
    assert auc(told, test.y) > 0.7
    # Too few cases to choose a curve by: the risk is the score's own.
    assert np.array_equal(heed_risk(train, test, 1), expit(told))
    assert len(score.later) == len(score.rows)


def test_a_forest_tells_later_rows_by_what_was_known_before_their_cut() -> None:
    """Turning the outcomes of rows at or after the first inner cut changes no bit of what it says of the next ones."""
    train, test = _rows(1, 500), _rows(2, 40)
    *_others, forest = life_scores(train, test, 1)
    assert auc(forest.told, test.y) > 0.7
    began = train.at[forest.rows]
    first = forest.rows[began < np.quantile(began, 0.25)]
    turned = np.where(train.at >= train.at[first].min(), 1 - train.y, train.y)
    again = life_scores(replace(train, y=turned), test, 1)[-1]
    before, after = (dict(zip(one.rows, one.later, strict=True)) for one in (forest, again))
    assert all(before[row] == after[row] for row in first)
    assert not np.array_equal(forest.later, again.later)
    assert np.isfinite(forest.later).all()


def test_a_rolling_risk_knows_nothing_that_became_known_later() -> None:
    """Turning the outcomes that were known at or after a landmark changes no bit of what was told there."""
    train, test = _rows(1, 150), _rows(2, 40)
    told = heed_risk_rolling(train, test, 1)
    moment = int(test.at[20])
    turned = np.where(test.known_at >= moment, 1 - test.y, test.y)
    again = heed_risk_rolling(train, replace(test, y=turned), 1)
    assert np.array_equal(again[test.at <= moment], told[test.at <= moment])
    assert not np.array_equal(again, told)


def test_a_rolling_remaining_time_knows_nothing_that_became_known_later() -> None:
    """Making open cases last longer changes no bit of what was told before they were known to end."""
    train, test = _rows(1, 150), _rows(2, 60)
    train, test = (
        replace(r, x=r.x.assign(events=1.0), y=86_400.0 * (2 + 3 * r.y), known_at=r.at + 5 * 86_400)
        for r in (train, test)
    )
    test = replace(test, at=test.at + 150 * 86_400, known_at=test.known_at + 150 * 86_400, case=test.case + 150)
    told = heed_remaining_rolling(train, test, 1)
    moment = int(test.at[40])
    later = test.known_at >= moment
    longer = replace(
        test,
        y=np.where(later, test.y + 9e6, test.y),
        known_at=np.where(later, test.known_at + 9_000_000, test.known_at),
    )
    again = heed_remaining_rolling(train, longer, 1)
    assert np.array_equal(again[:41], told[:41])
    assert not np.array_equal(again, told)


def test_too_few_cases_are_refused() -> None:
    """Nine cases cannot be divided by time."""
    rows = [(f"c{i}", "s", pd.Timestamp("2024-01-01") + pd.Timedelta(days=i), i % 2 == 1) for i in range(9)]
    log = StepLog.from_frame(pd.DataFrame(rows, columns=["case_id", "activity", "timestamp", "label_late"]))
    with pytest.raises(NotEnoughDataError, match="at least 10 cases to divide by time, got 9"):
        risk_split(log, "late", "few")


@pytest.mark.skipif(not FOLDER.exists(), reason="the shared event logs are not here")
@pytest.mark.parametrize("name", SMALL)
def test_tasks_have_the_published_cases_and_positives(name: str) -> None:
    """Which cases a task keeps is settled by the log alone, and agrees with the table; so does the dummy."""
    log = StepLog.read(FOLDER / f"{name}.parquet")
    found = {(name, t): (int(np.nansum(a.outcome)), int(np.isfinite(a.outcome).sum())) for t, a in log.labels.items()}
    assert found == {key: counts for key, counts in COUNTS.items() if key[0] == name}
    if name in DUMMIES:
        split, y = remaining_split(log), (log.ended_at[log.case] - log.at) / 86400.0
        error = np.abs(median_dummy(log.place, y, split) - y)[split.test].mean()
        assert error == pytest.approx(DUMMIES[name], abs=0.05)


@pytest.mark.benchmark
@pytest.mark.skipif(not FOLDER.exists(), reason="the shared event logs are not here")
@pytest.mark.parametrize("name", ["traffic_fines", "uci_servicenow_incidents"])
def test_large_tasks_have_the_published_cases_and_positives(name: str) -> None:
    """As above, for the two logs that take long to read."""
    log = StepLog.read(FOLDER / f"{name}.parquet")
    found = {(name, t): (int(np.nansum(a.outcome)), int(np.isfinite(a.outcome).sum())) for t, a in log.labels.items()}
    assert found == {key: counts for key, counts in COUNTS.items() if key[0] == name}
