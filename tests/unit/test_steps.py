"""Features of a log of named steps, worked out by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from data.errors import FileFormatError, UsageError
from features.steps import StepLog, StepVocabulary, Target, remaining_matrix, risk_matrix, step_features
from features.steps.columns import is_planned, names_handler
from features.steps.known import KnownFacts, codes_of, shrunken
from features.steps.record import record
from features.steps.runs import count_so_far, moments_so_far, starts_of

DAY = 86400


def _events() -> pd.DataFrame:
    """Three cases: b opens first; a has three events; c opens last."""
    rows = [
        ("a", "in", "2024-01-02", 1, 10.0, "x", "D1", True),
        ("a", "check", "2024-01-04", 2, None, None, "D1", True),
        ("a", "in", "2024-01-05", 3, 30.0, "y", "D1", True),
        ("b", "in", "2024-01-01", 1, 5.0, "x", "D2", False),
        ("b", "out", "2024-01-03", 2, 5.0, None, "D2", False),
        ("c", "in", "2024-01-10", 1, None, None, "D1", True),
    ]
    names = ["case_id", "activity", "timestamp", "event_nr", "amount", "group", "case_department", "label_late"]
    events = pd.DataFrame(rows, columns=names)
    events["timestamp"] = pd.to_datetime(events["timestamp"])
    events["resource"] = ["R1", "R2", "R1", "R3", "R3", "R1"]
    events["outcome_code"] = "secret"
    return events


def _matrix(events: pd.DataFrame) -> pd.DataFrame:
    log = StepLog.from_frame(events)
    return step_features(log, StepVocabulary(("in", "check"), ("in",), {"group": ("x", "y")}, {}, 0))


def test_log_is_ordered_by_case_opening_and_moment() -> None:
    """Cases are in the order of their first events, events in that of moments."""
    log = StepLog.from_frame(_events().sample(frac=1, random_state=3))
    assert log.case_ids == ("b", "a", "c")
    assert log.case.tolist() == [0, 0, 1, 1, 1, 2]
    assert [log.steps[s] for s in log.step] == ["in", "out", "in", "check", "in", "in"]
    assert log.place.tolist() == [1, 2, 1, 2, 3, 1]


def test_ties_are_settled_by_step_name_then_number() -> None:
    """Events of one moment are in the order of their steps' names, as in the published protocol."""
    events = _events()
    events["timestamp"] = pd.Timestamp("2024-01-01")
    log = StepLog.from_frame(events)
    assert [log.steps[s] for s in log.step[log.case == 0]] == ["check", "in", "in"]


def test_attributes_are_carried_forward_within_the_case_only() -> None:
    """An attribute holds until it is told anew, and never reaches the next case."""
    log = StepLog.from_frame(_events())
    amount = log.attributes["amount"].to_numpy()
    assert amount[:5].tolist() == [5.0, 5.0, 10.0, 10.0, 30.0]
    assert np.isnan(amount[5])
    assert log.attributes["group"].tolist()[:5] == ["x", "x", "x", "x", "y"]


def test_handlers_and_outcomes_are_in_no_column() -> None:
    """Neither who handled a case nor what is known only at its end becomes a feature."""
    log = StepLog.from_frame(_events())
    names = [*log.attributes.columns, *log.static.columns, *_matrix(_events()).columns]
    assert not [n for n in names if "resource" in n or "outcome" in n]


@pytest.mark.parametrize(
    ("name", "is_handler"),
    [
        ("resource", True),
        ("monitoring_resource", True),
        ("case_responsible", True),
        ("case_responsible_actor", True),
        ("assigned_to", True),
        ("case_opened_by", True),
        ("responsible_section", False),
        ("assignment_group", False),
        ("org_role", False),
        ("case_department", False),
    ],
)
def test_columns_of_handlers_are_told_from_those_of_offices(name: str, is_handler: bool) -> None:
    """A name that tells a person at work is passed over; one that tells a part of the office is not."""
    assert names_handler(name) is is_handler


def test_a_moment_written_in_later_is_masked_and_a_plan_is_not() -> None:
    """`date_finished` after the event is unknown at the event; `planned` may lie ahead."""
    events = _events()
    events["date_finished"] = pd.Timestamp("2024-01-04")
    events["planned"] = pd.Timestamp("2024-02-01")
    log = StepLog.from_frame(events)
    assert np.isfinite(log.attributes["date_finished"]).tolist() == [False, False, False, True, True, True]
    assert bool(log.attributes["planned"].notna().all())
    assert is_planned("due_date")
    assert not is_planned("date_finished")


def test_case_so_far_by_hand() -> None:
    """Counts, gaps, elapsed and repeats of the case with three events."""
    row = _matrix(_events()).iloc[4]
    assert (row["events"], row["count_in"], row["count_check"], row["count_other"]) == (3, 2, 1, 0)
    assert (row["elapsed_days"], row["gap_days"], row["gap_mean"], row["gap_max"]) == (3, 1, 1.5, 2)
    assert row["gap_std"] == pytest.approx(0.5)
    assert (row["steps_distinct"], row["steps_repeated"], row["step_is_repeat"]) == (2, 1, 1)
    assert (row["step_now"], row["step_before"], row["step_before_that"]) == ("in", "check", "in")
    assert (row["since_in"], row["clock_weekday"], row["clock_month"]) == (0, 4, 0)
    assert (row["amount"], row["amount_mean"], row["amount_changes"], row["group_changes"]) == (
        30,
        pytest.approx(50 / 3),
        1,
        1,
    )


def test_the_offices_own_time_by_hand() -> None:
    """What the office did since the opening and since the event before, in its usual days; nothing at the opening."""
    x = _matrix(_events())
    usual = 4 / 4 + 0.01  # four events strictly before the fifth of January, in the four days since the first
    assert x["load_since_opening"].iloc[4] == pytest.approx(3 / usual)
    assert x["load_since_event"].iloc[4] == pytest.approx(1 / usual)
    assert x.loc[[0, 2, 5], ["load_since_opening", "load_since_event"]].to_numpy().tolist() == [[0.0, 0.0]] * 3


def test_the_offices_own_time_stands_still_while_nothing_is_done() -> None:
    """A night or a holiday without work passes without any of it: only the event that ends it was done."""
    days = ["2024-01-01", "2024-01-02", "2024-01-03", "2024-03-03"]
    events = pd.DataFrame({"case_id": "a", "activity": "do", "timestamp": pd.to_datetime(days)})
    x = _matrix(events)
    done = x["load_since_event"] * np.array([0.01, 1.01, 1.01, 3 / 62 + 0.01])
    assert done.tolist() == pytest.approx([0.0, 1.0, 1.0, 1.0])


def test_steps_that_training_never_had_are_pooled() -> None:
    """A step without a column of its own counts among the others."""
    row = _matrix(_events()).iloc[1]
    assert (row["count_other"], row["step_now"]) == (1, "(other)")


def test_deadline_known_at_opening() -> None:
    """Time left and share passed, for a moment that lies ahead of the opening."""
    events = _events()
    events["case_deadline"] = events.groupby("case_id")["timestamp"].transform("min") + pd.Timedelta(days=10)
    row = _matrix(events).iloc[4]
    assert (row["case_deadline_given"], row["case_deadline_left"]) == (10, 7)
    assert row["case_deadline_passed"] == pytest.approx(0.3)


def test_the_record_holds_what_was_known_before_and_no_more() -> None:
    """Case b (not late) was known on the 3rd: the record of a's second event has it, that of its first has not."""
    log = StepLog.from_frame(_events())
    target = Target.of_task(log, log.task("late"))
    columns = record(log, target)
    level = columns["start_level"]
    half = np.log(0.5 / 0.5)
    assert level[:3].tolist() == [half, half, half]
    # One case, none late: (0 + 2 · ½) / (1 + 2) = ⅓, drawn with strength 20 towards itself by one 0.
    share = (0 + 20 / 3) / 21
    assert level[3] == pytest.approx(np.log(share / (1 - share)))


def test_a_frozen_record_takes_nothing_in_after_its_end() -> None:
    """From `frozen_at` on the record stands still, while the rolling one goes on."""
    log = StepLog.from_frame(_events())
    cut = int(pd.Timestamp("2024-01-02").timestamp())
    frozen = record(log, Target.of_task(log, log.task("late"), follow="frozen", frozen_at=cut))
    rolling = record(log, Target.of_task(log, log.task("late")))
    assert len(set(frozen["start_level"].tolist())) == 1
    assert len(set(rolling["start_level"].tolist())) > 1


def test_what_settles_late_is_known_late() -> None:
    """A record waits as long for the quick cases as for the others of their week."""
    log = StepLog.from_frame(_events())
    target = Target.of_task(log, log.task("late"), settles=30 * DAY)
    assert (target.known_at - log.opened_at[log.case]).tolist() == [30 * DAY] * 6


def test_labels_are_known_by_the_latest_moment_of_their_outcome() -> None:
    """Where an outcome column lies after the last event, the label was not known before it."""
    events = _events()
    events["outcome_end_date"] = pd.Timestamp("2024-02-01")
    log = StepLog.from_frame(events)
    assert log.known_at.tolist() == [int(pd.Timestamp("2024-02-01").timestamp())] * 3


def test_task_leaves_out_cases_without_label_or_usable_event() -> None:
    """A null label, or no usable event, leaves a case out."""
    events = _events()
    events["label_late"] = events["label_late"].astype("boolean").where(events["case_id"] != "c")
    events["in_late"] = events["case_id"] != "b"
    outcome = StepLog.from_frame(events).task("late").outcome
    assert np.isnan(outcome).tolist() == [True, False, True]


def test_matrices_have_names_that_every_learner_takes() -> None:
    """Names are words of letters, digits and underscores, no two alike; values are numbers or categories."""
    log = StepLog.from_frame(_events())
    vocabulary = StepVocabulary.learn(log)
    for x in (risk_matrix(log, "late", vocabulary), remaining_matrix(log, vocabulary)):
        assert x.columns.is_unique
        assert x.columns.str.fullmatch(r"\w+").all()
        assert {str(d) for d in x.dtypes} <= {"float64", "category"}
        assert len(x) == len(log.case)


def test_counts_and_sums_are_strictly_before() -> None:
    """A fact of the very second is not known yet."""
    one = np.ones(3, dtype=np.int64)
    facts = KnownFacts.of(one, np.array([10, 20, 30]), np.array([1.0, 0.5, 0.25]))
    at = np.array([10, 11, 31])
    assert facts.count(one, at).tolist() == [0, 1, 3]
    assert facts.sums(one, at)[1].tolist() == [0.0, 1.0, 1.75]
    assert facts.last(one, at, 2)[1].tolist() == [0.0, 1.0, 0.75]


def test_codes_tell_combinations_apart_and_nulls_out() -> None:
    """Equal combinations have equal codes; a null has the code 0."""
    codes = codes_of(pd.Series(["a", "a", "b", None]), np.array([1, 1, 1, 2]))
    assert codes[0] == codes[1] != codes[2]
    assert codes[3] == 0


def test_shrinking_ends_at_parent_and_at_own_mean() -> None:
    """Without cases the parent's mean, with many one's own."""
    parent = np.array([0.2, 0.2, np.nan])
    found = shrunken(np.array([0.0, 1e9, 4.0]), np.array([0.0, 5e8, 1.0]), parent, 20.0)
    assert found[0] == pytest.approx(0.2)
    assert found[1] == pytest.approx(0.5, abs=1e-6)
    assert found[2] == 0.25


def test_running_figures_are_those_of_a_loop() -> None:
    """Mean, spread, least and largest equal NumPy's on each prefix."""
    rng = np.random.default_rng(1)
    case = np.sort(rng.integers(0, 6, 60))
    values = np.where(rng.random(60) < 0.2, np.nan, rng.normal(1e6, 3, 60))
    start = starts_of(case)
    found = moments_so_far(values, case, start)
    for row in range(60):
        known = values[start[row] : row + 1][np.isfinite(values[start[row] : row + 1])]
        if not len(known):
            assert np.isnan(found["mean"][row])
            continue
        assert found["mean"][row] == pytest.approx(known.mean())
        assert found["std"][row] == pytest.approx(known.std(), abs=1e-5)
        assert (found["min"][row], found["max"][row]) == (known.min(), known.max())
    assert count_so_far(case >= 0, start).tolist() == [r - s + 1 for r, s in enumerate(start)]


def test_lists_in_a_static_column_become_members() -> None:
    """`roof,fence` is two things, told one by one."""
    values = ["roof,fence", "roof", "fence,gate", "roof,gate"] * 6
    events = pd.DataFrame(
        {
            "case_id": [f"c{i}" for i in range(24)],
            "activity": "in",
            "timestamp": pd.Timestamp("2024-01-01") + pd.to_timedelta(range(24), unit="D"),
            "case_parts": values,
        }
    )
    log = StepLog.from_frame(events)
    x = step_features(log, StepVocabulary.learn(log))
    assert x["case_parts_has_roof"].tolist() == [1.0, 1.0, 0.0, 1.0] * 6
    assert x["case_parts_members"].tolist() == [2.0, 1.0, 2.0, 2.0] * 6


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda e: e.drop(columns="activity"), "got none called activity"),
        (lambda e: e.iloc[:0], "got a table without rows"),
        (lambda e: e.assign(timestamp="soon"), "timestamp as a moment"),
        (lambda e: e.assign(activity=None), "got empty ones in activity"),
    ],
)
def test_what_is_no_log_is_refused(spoil, told) -> None:  # type: ignore[no-untyped-def]
    """The message says what was expected and what came."""
    with pytest.raises(FileFormatError, match=told):
        StepLog.from_frame(spoil(_events()))


def test_unknown_tasks_and_follows_are_refused() -> None:
    """The message says which tasks there are."""
    log = StepLog.from_frame(_events())
    with pytest.raises(UsageError, match=r"a task of this log \(late\), got 'early'"):
        log.task("early")
    with pytest.raises(UsageError, match="Expected follow"):
        Target.of_remaining(log, follow="behind")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="Give frozen_at"):
        Target.of_remaining(log, follow="frozen")


def test_a_file_that_is_no_parquet_is_refused(tmp_path) -> None:  # type: ignore[no-untyped-def]
    """A text file under the name of a log is told as such."""
    path = tmp_path / "log.parquet"
    path.write_text("no table")
    with pytest.raises(FileFormatError, match="Expected a Parquet file of events"):
        StepLog.read(path)
