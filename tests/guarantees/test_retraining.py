"""Retraining on the same data gives the same models, bit for bit; no kill of a writer ever shows in the registry."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from data.import_cases import import_file
from data.mapping import find_mapping
from data.store import Store
from data.synthetic import CityPlan, simulate_city, write_city
from models.learning import train
from models.registry import Registry
from service.training import champion, history_of, train_models
from tests.support.kills import REPOSITORY

pytestmark = pytest.mark.slow

CASES = 4_000


@pytest.fixture(scope="module")
def stores(tmp_path_factory) -> list[Path]:
    """One city in two stores with keys of their own, the second imported in another order."""
    city = simulate_city(7, CityPlan(cases=CASES, villages=12, towns=3))
    found = []
    for number in range(2):
        folder = tmp_path_factory.mktemp("city")
        paths = write_city(city, folder)
        if number:
            events = pd.read_parquet(paths["events"])
            events.sample(frac=1.0, random_state=5).to_parquet(paths["events"], index=False)
        with Store.open(f"sqlite:///{folder / 'city.db'}", create=True) as store:
            import_file(store, paths["events"], find_mapping("demo"), extracted_at=city.end - 1)
            store.write_places(city.areas, city.offices, city.categories, city.inspections, city.capacities)
        found.append(folder)
    return found


def test_the_daily_training_makes_one_version_in_two_stores(stores, tmp_path):
    """All outcomes, all landmarks, everything chosen by the history itself: the same hash, and it can be used."""
    registry = Registry(tmp_path)
    versions = []
    for folder in stores:
        with Store.open(f"sqlite:///{folder / 'city.db'}") as store:
            version, _models = train_models(store, registry, history_of(store))
        versions.append(version)
    assert versions[0] == versions[1]
    assert champion(registry)[0] == versions[0]
    assert registry.versions() == [versions[0]]


def test_the_number_of_threads_changes_no_bit(stores):
    """One hand or two, the trees are the same."""
    with Store.open(f"sqlite:///{stores[0] / 'city.db'}") as store:
        history = history_of(store, outcomes=("late",))
    assert train(history, threads=1).to_files() == train(history, threads=2).to_files()


def test_hundreds_of_kills_leave_whole_registries(tmp_path):
    """A writer that saves, promotes and prunes without rest, killed at random: whole after every kill."""
    script = (
        "import json, sys; from pathlib import Path; from tests.support.registry_kills import at_random; "
        "print(json.dumps(at_random(Path(sys.argv[1]), 400)))"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "models")]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"wrong": [], "left": []}
