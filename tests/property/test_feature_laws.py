"""Every law of features holds for the whole catalogue, at every kind of landmark, over random logs full of ties."""

from __future__ import annotations

import importlib.util
from functools import cached_property

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from features.catalogue import CATALOGUE
from features.distributed.engines import Embedded, engine
from features.matrix import terms_of
from features.terms import Term
from tests.support import laws
from tests.support.law_logs import Log, log_of, logs
from tests.support.laws import Way

HEED = Way()
# Of each family one, under few key sets: an engine's time goes into its shuffles, one for each of these.
A_FEW = (
    "arrivals_7d_area",
    "hours_since_arrival_area",
    "near_arrivals_28d_area",
    "findings_28d_area",
    "open_office",
    "late_share_91d_office",
    "log_time_to_close_91d_office",
    "backlog_days_office",
    "times_handed_over",
    "landmark_hour",
)
_ENGINES = {
    "dask": ("dask", {"scheduler": "synchronous", "partitions": 3}),
    "ibis": ("ibis", {"threads": 1}),
}


class _Few(Way):
    """Some features of heed's own way, counted without the base score."""

    names = A_FEW

    @cached_property
    def terms(self) -> tuple[Term, ...]:
        return terms_of(self.names)


def _rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def _examples(count: int) -> settings:
    # Logs are small as they come; making one smaller would work out the whole catalogue hundreds of times.
    return settings(max_examples=count, phases=[Phase.explicit, Phase.generate])


seeds = st.integers(0, 999)


def test_the_laws_are_asked_of_the_whole_catalogue():
    """No feature is left out, those for analysis included, and there are landmarks of every kind to ask at."""
    assert HEED.names == tuple(CATALOGUE)
    log = log_of(1)
    assert set(HEED.landmarks(log, log.end)["kind"]) == {"opening", "event", "morning"}


@_examples(4)
@given(log=logs(), seed=seeds)
def test_the_future_changes_no_feature(log: Log, seed: int):
    """Events, looks, inspections and capacities known at t or later may be missing or others."""
    laws.the_future_changes_nothing(HEED, log, _rng(seed))


@_examples(4)
@given(log=logs(), seed=seeds)
def test_the_order_of_arrival_changes_no_feature(log: Log, seed: int):
    """Rows may come in any order, and landmarks may be asked about in any order."""
    laws.order_changes_nothing(HEED, log, _rng(seed))


@_examples(3)
@given(log=logs(), seed=seeds)
def test_adding_days_gives_the_features_of_an_index_built_anew(log: Log, seed: int):
    """Several days one after another, with corrections and events that came in late."""
    laws.adding_equals_rebuilding(HEED, log, _rng(seed))


@_examples(3)
@given(log=logs(), seed=seeds)
def test_one_case_online_has_the_features_that_it_has_in_bulk(log: Log, seed: int):
    """One landmark, counted and finished alone, is its row of the matrix."""
    laws.online_equals_bulk(HEED, log, _rng(seed))


@_examples(3)
@given(log=logs(), seed=seeds)
def test_any_number_of_partitions_gives_the_same_features(log: Log, seed: int):
    """Facts and landmarks dealt out by key, as every cluster does."""
    laws.partitions_agree(HEED, log, _rng(seed))


@_examples(2)
@given(log=logs(), seed=seeds)
def test_splitting_history_changes_no_feature(log: Log, seed: int):
    """Facts of one key alone, and facts made of some cases at a time."""
    laws.splitting_changes_nothing(HEED, log, _rng(seed))


@_examples(4)
@given(log=logs(), seed=seeds)
def test_renaming_keys_changes_no_feature(log: Log, seed: int):
    """Other names of cases and keys, in another alphabetical order."""
    laws.renaming_changes_only_names(HEED, log, _rng(seed))


def test_the_embedded_engine_gives_the_features_of_the_index():
    """From an Arrow table of events, by way of the stream of facts."""
    laws.engine_agrees(HEED, log_of(3), Embedded(), by_case=True)


def _opened(name: str):
    kind, options = _ENGINES[name]
    needed = {"dask": ("dask", "distributed"), "ibis": ("ibis", "duckdb")}[name]
    if any(importlib.util.find_spec(module) is None for module in needed):
        pytest.skip(f"{name} is not installed (`make engines`)")
    return engine(kind, **options)


@pytest.mark.parametrize("name", _ENGINES)
def test_engines_give_the_same_bits(name):
    """Features of every family, counted by another engine."""
    laws.engine_agrees(_Few(), log_of(4), _opened(name))


@pytest.mark.slow
@pytest.mark.parametrize("name", _ENGINES)
@pytest.mark.parametrize("seed", [5, 6, 7])
def test_engines_give_the_same_bits_of_the_whole_catalogue(name, seed):
    """All features, from facts that the engine made case by case."""
    laws.engine_agrees(HEED, log_of(seed), _opened(name), by_case=True)
