"""Where a risk starts from obeys the laws of features: it never sees the future, however it is counted."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import pandas as pd
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from features.outcomes import LANDMARK_OUTCOMES
from features.risk_inputs import input_terms, risk_inputs
from features.starts import CHANGED
from features.terms import Term
from tests.support import laws
from tests.support.law_logs import ZONE, Log, logs
from tests.support.laws import Ask, Way

LAWS = [
    laws.the_future_changes_nothing,
    laws.order_changes_nothing,
    laws.online_equals_bulk,
    laws.adding_equals_rebuilding,
]


class Starts(Way):
    """All parts of the starts of all outcomes, in place of features."""

    names: tuple[str, ...] = ("open_office",)

    @cached_property
    def terms(self) -> tuple[Term, ...]:
        return input_terms(self.names, LANDMARK_OUTCOMES)

    def finish_some(self, ask: Ask, marks: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
        found = risk_inputs(ask(marks), marks, names, LANDMARK_OUTCOMES, time_zone=ZONE)
        return pd.concat([start.add_prefix(f"{name}:") for name, start in found.starts.items()], axis=1)


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
@settings(max_examples=4, phases=[Phase.explicit, Phase.generate])
@given(log=logs(), seed=st.integers(0, 999))
def test_the_laws_of_features_hold_for_starts(law, log: Log, seed: int):
    """Part by part, to the bit."""
    law(Starts(), log, np.random.default_rng(seed))


def test_the_laws_are_asked_of_the_change_of_the_office():
    """It is one of the parts."""
    assert any(term.keys == ("office",) and term.table == "matured" for term in Starts().terms)
    assert CHANGED == "trend_office"
