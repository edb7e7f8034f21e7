"""A history holds what was known at each landmark, and nothing that came later."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from data.errors import LeakError, NotEnoughDataError, UsageError
from data.event_log import known_before
from data.store import Store
from models.history import History
from service.training import history_of
from tests.support.logs import event_frame

DAY = 86_400
START = 1_700_000_000
EVERY_KEY = ("category", "category_group", "area", "channel", "office")
KEYS = ["case_id", "landmark_at", "seen_until"]


def told(history: History) -> pd.DataFrame:
    """Everything that a history says of its landmarks but the outcomes, by landmark."""
    starts = [parts.add_prefix(f"{name} ") for name, parts in history.inputs.starts.items()]
    whole = pd.concat([history.landmarks[KEYS], history.inputs.matrix.features, *starts], axis=1)
    return whole.set_index(KEYS).sort_index()


def values(history: History, before: int) -> pd.DataFrame:
    """The outcomes of each landmark that were mature before a moment, by landmark."""
    found = {
        name: np.where(outcome.known_before(before), outcome.value, np.nan)
        for name, outcome in history.outcomes.items()
    }
    return pd.DataFrame(found).set_index(pd.MultiIndex.from_frame(history.landmarks[KEYS])).sort_index()


@pytest.mark.parametrize("share", [0.4, 0.75])
def test_the_future_changes_neither_features_nor_starts_nor_mature_outcomes(small_city_url, small_history, share):
    """A history of an earlier moment says the same bits of the landmarks that both hold."""
    cut = int(np.quantile(small_history.cases["opened_at"], share))
    with Store.open(small_city_url) as store:
        then = history_of(store, as_of=cut)
    both = told(then).index.intersection(told(small_history).index)
    # Which mornings are taken depends on how many there are; openings and events are all taken.
    assert len(both) > 0.6 * len(then.landmarks)
    pd.testing.assert_frame_equal(told(then).loc[both], told(small_history).loc[both], check_exact=True)
    mature_then, mature_now = values(then, cut).loc[both], values(small_history, cut).loc[both]
    pd.testing.assert_frame_equal(mature_then, mature_now, check_exact=True)


def test_a_start_that_looks_ahead_is_caught(small_city_url, small_history):
    """The comparison above fails when one column knows how the case ended."""
    cut = int(np.quantile(small_history.cases["opened_at"], 0.5))
    with Store.open(small_city_url) as store:
        then = history_of(store, as_of=cut)
    both = told(then).index.intersection(told(small_history).index)
    leaks = [told(one).assign(leak=values(one, one.as_of)["late"]).loc[both] for one in (then, small_history)]
    with pytest.raises(AssertionError, match="leak"):
        pd.testing.assert_frame_equal(*leaks, check_exact=True)


def test_an_answer_is_waited_for_as_long_as_the_case_was_followed():
    """Two days to the closing; open and followed for nine days; withdrawn after three."""
    rows = [
        {"case_id": name, "kind": "opened", "at": START, "known_at": START, "due_at": START + 5 * DAY}
        for name in ("closed", "open", "withdrawn")
    ]
    rows.append({"case_id": "closed", "kind": "closed", "at": START + 2 * DAY, "known_at": START + 2 * DAY})
    rows.append({"case_id": "withdrawn", "kind": "withdrawn", "at": START + 3 * DAY, "known_at": START + 3 * DAY})
    history = History.build(
        event_frame(rows), as_of=START + 9 * DAY, time_zone="UTC", known_at_opening=["category"], kinds=["opening"]
    )
    answer = history.answer
    found = sorted(zip((answer.seconds / DAY).tolist(), answer.seen.tolist(), strict=True))
    assert found == [(2.0, True), (3.0, True), (9.0, False)]
    assert answer.eligible.all()


def test_mornings_are_thinned_and_nothing_else(small_history, small_city_url):
    """All openings and events are there; mornings about as many as there are cases."""
    counts = small_history.landmarks["kind"].value_counts()
    assert counts["opening"] == len(small_history.cases)
    assert counts["morning"] == pytest.approx(len(small_history.cases), rel=0.05)
    with Store.open(small_city_url) as store:
        openings = history_of(store, kinds=["opening"])
    assert len(openings.landmarks) == len(small_history.cases)


def test_label_trust_at_a_moment_uses_nothing_known_later(small_history):
    """Judged at a moment, cases have the weights that a history ending there gives."""
    cut = int(np.quantile(small_history.cases["opened_at"], 0.6))
    then = History.build(
        known_before(small_history.events, cut),
        as_of=cut,
        time_zone=small_history.time_zone,
        known_at_opening=EVERY_KEY,
        kinds=["opening"],
    )
    assert small_history.trust_at(cut).weight_of(then.cases).equals(then.trust_at(cut).weight_of(then.cases))


def test_what_cannot_be_learned_from_is_refused(small_city_url):
    """An outcome or a feature that there is not, a key known only at the end, and nothing at all."""
    with Store.open(small_city_url) as store:
        with pytest.raises(UsageError, match="Expected outcomes out of late, unresolved, reopened, handed_up"):
            history_of(store, outcomes=["angry"])
        with pytest.raises(UsageError, match="Expected a feature of the catalogue, and 'mood' is none"):
            history_of(store, names=["mood"])
        with pytest.raises(LeakError, match="whoever ended up with the case"):
            History.build(
                store.read_events(),
                as_of=store.last_known_at() + 1,
                time_zone=store.time_zone(),
                known_at_opening=("category",),
                names=["record_office"],
            )
        with pytest.raises(NotEnoughDataError, match="Nothing was known at that moment"):
            history_of(store, as_of=1)
