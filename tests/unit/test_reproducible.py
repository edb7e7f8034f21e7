"""The same data make the same model, bit for bit, whatever store they lie in and in whatever order they came."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from data.import_cases import import_file
from data.mapping import find_mapping
from data.store import Store
from data.synthetic import write_city
from models.history import History
from models.learning import train
from models.registry import Registry
from service.training import history_of, lineage_of

# Small and quick: what could differ between stores would differ here too.
QUICK = {
    "rounds": 10,
    "num_leaves": 8,
    "linear_weight": 0.25,
    "evidence_strength": 1000.0,
    "ridge": 100.0,
    "calibration": "platt",
}

# The remaining time, which is part of a version as well, is learned by fewer trees.
pytestmark = pytest.mark.usefixtures("short_training")


def tied(city):
    """The city with openings of the same second: every tenth case opens with the one before it."""
    events = city.events.copy()
    opened = np.flatnonzero((events["kind"] == "opened").to_numpy())
    later, earlier = opened[10::10], opened[9:-1:10]
    size = min(len(later), len(earlier))
    for name in ("at", "known_at"):
        values = events[name].to_numpy().copy()
        values[later[:size]] = values[earlier[:size]]
        events[name] = values
    return dataclasses.replace(city, events=events)


@pytest.fixture(scope="module")
def histories(little_city, tmp_path_factory) -> list[History]:
    """The history of one city in two stores with keys of their own; the second was imported in another order."""
    found = []
    for number in range(2):
        folder = tmp_path_factory.mktemp("city")
        paths = write_city(tied(little_city), folder)
        if number:
            events = pd.read_parquet(paths["events"])
            events.sample(frac=1.0, random_state=3).to_parquet(paths["events"], index=False)
        with Store.open(f"sqlite:///{folder / 'city.db'}", create=True) as store:
            import_file(store, paths["events"], find_mapping("demo"), extracted_at=little_city.end - 1)
            places = little_city.areas, little_city.offices, little_city.categories, little_city.inspections
            store.write_places(*places, little_city.capacities)
            found.append(history_of(store, kinds=("opening",), outcomes=("late",)))
    return found


def version_of(history: History, folder, *, threads: int = 1) -> str:
    """The version that training on a history gives, with its lineage in the card."""
    models = train(history, threads=threads, **QUICK)
    models.card = {**models.card, "lineage": lineage_of(history, models).as_dict()}
    return Registry(folder).save("failures", models.to_files())


@pytest.fixture(scope="module")
def expected(histories, tmp_path_factory) -> str:
    """The version that the first store's history gives."""
    return version_of(histories[0], tmp_path_factory.mktemp("models"))


def test_the_stores_differ_in_nothing_but_names(histories):
    """Ties are there to be broken, and the fingerprint sees the same data."""
    one, other = histories
    assert one.fingerprint == other.fingerprint
    assert len(one.fingerprint) == 64
    assert one.cases["opened_at"].duplicated().sum() > 50


def test_both_histories_are_the_same_to_the_bit(histories):
    """Landmarks, features, starts and outcomes, row by row."""
    one, other = histories
    pd.testing.assert_frame_equal(one.landmarks, other.landmarks, check_exact=True)
    pd.testing.assert_frame_equal(one.inputs.matrix.features, other.inputs.matrix.features, check_exact=True)
    for name, found in one.outcomes.items():
        pd.testing.assert_frame_equal(one.inputs.starts[name], other.inputs.starts[name], check_exact=True)
        np.testing.assert_array_equal(found.value, other.outcomes[name].value)
        np.testing.assert_array_equal(found.matures_at, other.outcomes[name].matures_at)


def test_the_same_data_in_two_stores_make_one_version(histories, expected, tmp_path):
    """Other keys and another order of import: the same hash."""
    assert version_of(histories[1], tmp_path) == expected


def test_the_number_of_threads_is_no_part_of_a_version(histories, expected, tmp_path):
    """One hand or two, the trees are the same, and so is the card."""
    assert version_of(histories[0], tmp_path, threads=2) == expected


def test_other_data_make_another_version(histories, expected, tmp_path):
    """One label turned round is enough."""
    history = histories[0]
    late = history.outcomes["late"]
    value = late.value.copy()
    known = np.flatnonzero(~np.isnan(value) & (late.matures_at < history.as_of))
    value[known[0]] = 1 - value[known[0]]
    changed = dataclasses.replace(
        history, outcomes={**history.outcomes, "late": dataclasses.replace(late, value=value)}
    )
    assert version_of(changed, tmp_path) != expected
