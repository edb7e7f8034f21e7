"""Random tests try a sixth of the examples they name by day, and all of them where that is asked for."""

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from tests.support.examples import examples, scale, scaled


@pytest.mark.parametrize(("named", "by_day"), [(1, 1), (2, 2), (3, 3), (4, 3), (18, 3), (19, 4), (60, 10), (200, 34)])
def test_a_sixth_is_tried_by_day_and_never_fewer_than_three(named, by_day):
    """Rounded up."""
    assert scaled(named, thorough=False) == by_day
    assert scaled(named, thorough=True) == named


def test_a_random_test_inside_another_asks_for_its_number(monkeypatch):
    """By the same rule."""
    monkeypatch.delenv("HEED_THOROUGH", raising=False)
    assert examples(20) == 4
    monkeypatch.setenv("HEED_THOROUGH", "1")
    assert examples(20) == 20


@pytest.mark.parametrize(("thorough", "tried"), [(False, 4), (True, 20)])
def test_a_test_tries_so_many(thorough, tried):
    """Counted as it runs, and the same whether one or many of the collected are it."""
    seen = []

    @settings(max_examples=20, database=None)
    @given(number=st.integers())
    def some(number):
        seen.append(number)

    scale([SimpleNamespace(obj=some), SimpleNamespace(obj=some), SimpleNamespace(obj=len)], thorough=thorough)
    some()
    assert len(seen) == tried


def test_a_state_machine_is_left_as_it_is():
    """Its settings are of its class, and its examples are long stories."""

    class Machine(RuleBasedStateMachine):
        @rule()
        def step(self) -> None:
            """Nothing."""

    scale([SimpleNamespace(obj=Machine.TestCase("runTest").runTest)])


@settings(max_examples=40)
@given(number=st.integers())
def test_this_test_was_scaled_when_it_was_collected(number):
    """By the hook that scales all: one that nothing calls any more would leave forty."""
    own = test_this_test_was_scaled_when_it_was_collected._hypothesis_internal_use_settings
    assert own.max_examples == scaled(40, thorough=bool(os.environ.get("HEED_THOROUGH")))
