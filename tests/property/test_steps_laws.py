"""Laws of the features of named steps: nothing is known before it happened, and names and order mean nothing."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from features.steps import StepLog, StepVocabulary, remaining_matrix, risk_matrix

DAY = 86400
START = 1_500_000_000


def _random_log(seed: int, cases: int = 25) -> pd.DataFrame:
    """A log with ties between cases, attributes that come and go, lists, a deadline and a label."""
    rng = np.random.default_rng(seed)
    frames = []
    for case in range(cases):
        n = int(rng.integers(1, 7))
        opened = START + int(rng.integers(0, 200)) * DAY
        at = opened + np.sort(rng.choice(200, n, replace=False)) * (DAY // 4)
        frames.append(
            pd.DataFrame(
                {
                    "case_id": f"k{case:03d}",
                    "activity": rng.choice(["ask", "check", "reply", "wait"], n),
                    "timestamp": pd.to_datetime(at, unit="s"),
                    "event_nr": np.arange(n) + 1,
                    "amount": np.where(rng.random(n) < 0.4, np.nan, rng.normal(size=n)),
                    "unit": rng.choice(np.array(["u1", "u2", None], dtype=object), n),
                    "planned": pd.to_datetime(at + rng.integers(-5, 5, n) * DAY, unit="s"),
                    "date_finished": pd.to_datetime(at + rng.integers(-5, 5, n) * DAY, unit="s"),
                    "case_kind": rng.choice(["p", "q", "p,q"]),
                    "case_deadline": pd.Timestamp(opened + 20 * DAY, unit="s"),
                    "label_late": bool(rng.random() < 0.4),
                    "in_late": np.arange(n) < max(1, n - 1),
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def _matrices(events: pd.DataFrame, vocabulary: StepVocabulary) -> tuple[StepLog, list[pd.DataFrame]]:
    log = StepLog.from_frame(events)
    return log, [risk_matrix(log, "late", vocabulary), remaining_matrix(log, vocabulary)]


def _spoilt_after(events: pd.DataFrame, moment: pd.Timestamp, seed: int) -> pd.DataFrame:
    """Everything that happened or became known at the moment or later is changed: labels of cases still going on,
    later events (changed, dropped and added) and new cases.
    """
    rng = np.random.default_rng(seed)
    ended = events.groupby("case_id")["timestamp"].transform("max")
    past, later = events[events["timestamp"] < moment].copy(), events[events["timestamp"] >= moment].copy()
    going = (ended >= moment)[past.index].to_numpy()
    later["activity"] = rng.permutation(later["activity"].to_numpy())
    later["amount"] = later["amount"] * 1e9 + 1
    later["unit"] = "u9"
    extra = pd.concat([later, later.assign(case_id="new " + later["case_id"])], ignore_index=True)
    extra["timestamp"] += pd.to_timedelta(rng.integers(0, 90, len(extra)), unit="D")
    # Those that go on must still go on, or their end would have become known earlier.
    last = events[(ended >= moment) & (events["timestamp"] == ended)]
    extra = pd.concat([extra.sample(frac=0.7, random_state=seed), last.assign(activity="reply")], ignore_index=True)
    past.loc[going, "label_late"] = False
    extra["label_late"] = extra["case_id"].str.startswith("new")
    return pd.concat([past, extra], ignore_index=True)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), share=st.floats(0.1, 0.95))
def test_what_comes_at_or_after_a_moment_changes_nothing_before_it(seed: int, share: float) -> None:
    """Bit for bit, for the risk and for the remaining time."""
    events = _random_log(seed)
    moment = events["timestamp"].sort_values().iloc[int(len(events) * share)]
    vocabulary = StepVocabulary.learn(StepLog.from_frame(events), int(moment.timestamp() * 1000))
    log, matrices = _matrices(events, vocabulary)
    other, spoilt = _matrices(_spoilt_after(events, moment, seed), vocabulary)
    cut = int(moment.timestamp()) * 1000
    for x, z in zip(matrices, spoilt, strict=True):
        before, after = (_keyed(one, m)[one.moment < cut] for one, m in ((log, x), (other, z)))
        pd.testing.assert_frame_equal(before.sort_index(), after.sort_index(), check_exact=True)


def _keyed(log: StepLog, x: pd.DataFrame) -> pd.DataFrame:
    names = np.asarray(log.case_ids, dtype=object)[log.case]
    return x.set_index(pd.MultiIndex.from_arrays([names, log.place], names=["case", "place"]))


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_the_vocabulary_knows_only_what_came_before_its_moment(seed: int) -> None:
    """Levels, steps and settling time learned before a moment do not see what came at it or later."""
    events = _random_log(seed, cases=60)
    moment = events["timestamp"].sort_values().iloc[len(events) // 2]
    cut = int(moment.timestamp()) * 1000
    first = StepVocabulary.learn(StepLog.from_frame(events), cut)
    assert first == StepVocabulary.learn(StepLog.from_frame(_spoilt_after(events, moment, seed)), cut)


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_the_order_of_rows_does_not_matter(seed: int) -> None:
    """Rows in any order give the same bits."""
    events = _random_log(seed)
    vocabulary = StepVocabulary.learn(StepLog.from_frame(events))
    mixed = events.sample(frac=1, random_state=seed)
    assert vocabulary == StepVocabulary.learn(StepLog.from_frame(mixed))
    for x, z in zip(_matrices(events, vocabulary)[1], _matrices(mixed, vocabulary)[1], strict=True):
        pd.testing.assert_frame_equal(x, z, check_exact=True)


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_the_names_of_levels_do_not_matter(seed: int) -> None:
    """Other names for steps, units and cases, in the same alphabetical order, give the same numbers."""
    events = _random_log(seed)
    other = events.assign(activity="z" + events["activity"], unit="w" + events["unit"], case_id="y" + events["case_id"])
    found = []
    for frame in (events, other):
        log = StepLog.from_frame(frame)
        found.append(risk_matrix(log, "late", StepVocabulary.learn(log)))
    assert len(found[0].columns) == len(found[1].columns)
    for name, renamed in zip(found[0].columns, found[1].columns, strict=True):
        x, z = found[0][name], found[1][renamed]
        if str(x.dtype) == "category":
            np.testing.assert_array_equal(x.cat.codes, z.cat.codes)
        else:
            np.testing.assert_array_equal(x.to_numpy(), z.to_numpy())


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_a_frozen_record_never_sees_labels_from_its_end_on(seed: int) -> None:
    """Turning the label of every case that was known at the cut or later changes no frozen feature of any landmark."""
    events = _random_log(seed)
    log = StepLog.from_frame(events)
    cut = int(np.quantile(log.at, 0.6))
    vocabulary = StepVocabulary.learn(log, cut * 1000)
    late = events["case_id"].map(dict(zip(log.case_ids, log.known_at >= cut, strict=True)))
    turned = events.assign(label_late=events["label_late"] ^ late)
    found = [
        risk_matrix(StepLog.from_frame(e), "late", vocabulary, follow="frozen", frozen_at=cut) for e in (events, turned)
    ]
    pd.testing.assert_frame_equal(found[0], found[1], check_exact=True)


@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_handlers_and_outcomes_change_nothing(seed: int) -> None:
    """Whatever is in columns that name a handler, or tell the end, no feature moves."""
    events = _random_log(seed)
    rng = np.random.default_rng(seed)
    marked = events.assign(
        resource=rng.integers(0, 5, len(events)).astype(str),
        case_responsible=events["label_late"].map({True: "A", False: "B"}),
        outcome_code=events["label_late"].astype(str),
    )
    vocabulary = StepVocabulary.learn(StepLog.from_frame(events))
    assert vocabulary == StepVocabulary.learn(StepLog.from_frame(marked))
    for x, z in zip(_matrices(events, vocabulary)[1], _matrices(marked, vocabulary)[1], strict=True):
        pd.testing.assert_frame_equal(x, z, check_exact=True)
