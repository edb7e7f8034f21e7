"""What every test finds here: the hypothesis profile, the real exports where there are any, PostgreSQL."""

from __future__ import annotations

import gc
import os
import shutil
import sys
from collections.abc import Iterator
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from tests.support.examples import scale
from tests.support.made_once import made_once, shared_folder

if TYPE_CHECKING:
    from data.synthetic import SimulatedCity
    from models.history import History

# What is tested is imported where it is used: the process that only hands out the tests does without.

# LightGBM's threads wait in a loop for one another otherwise, and two test processes on two cores take the loops' time
# from each other. It is read when the library is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# Random tests are the same on every machine and every day; a failing example is then everybody's.
settings.register_profile(
    "heed", derandomize=True, deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("heed")

# Named before other processes are started: they share it.
shared_folder()

REPOSITORY = Path(__file__).parents[1]
# Files with few tests that take long: begun early, so that no process is left alone with one at the end.
LONG_FILES = (
    "test_notebooks.py",
    "test_api_fuzz.py",
    "test_learning.py",
    "test_cli.py",
    "test_engines_agree.py",
    "test_service_shutdown.py",
    "test_service_faults.py",
)
REAL_DATA = REPOSITORY.parent / "shared" / "data"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Scale the random tests. Put those first that share a browser, side by side, and the long files next."""
    scale(items)
    items.sort(key=lambda item: (item.path.parent.name != "browser", item.path.name not in LONG_FILES))


def pytest_collection_finish() -> None:
    """What was imported and collected stays: nobody need look through it for garbage again and again."""
    gc.freeze()


@pytest.fixture
def real_file():
    """Find a real export by name, or skip: the project ships only simulated data."""

    def find(name: str) -> Path:
        path = REAL_DATA / name
        if not path.exists():
            pytest.skip(f"the real export {name} is not on this machine")
        return path

    return find


@pytest.fixture(scope="session")
def postgres_url() -> str:
    url = os.environ.get("HEED_TEST_POSTGRES_URL")
    if not url:
        pytest.skip("HEED_TEST_POSTGRES_URL is not set: no PostgreSQL to test on")
    return url


@pytest.fixture(scope="session", autouse=True)
def _whole_command() -> Iterator[None]:
    """Every command is imported before a test replaces what it imports: it would keep that replacement. The whole is
    put together once, which each call of `heed` in this process would do again.
    """
    import typer.testing

    from service.cli import app
    from service.cli._on_demand import COMMANDS

    for module, _ in COMMANDS.values():
        import_module(f"service.cli.{module}")
    put_together = typer.main.get_command
    whole = put_together(app)

    def known(asked: typer.Typer):
        return whole if asked is app else put_together(asked)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("typer.main.get_command", known)
        patched.setattr("typer.testing._get_command", known)
        yield


@pytest.fixture(scope="session", autouse=True)
def _known_routes() -> Iterator[None]:
    """A new app is as good as the last one (`tests/unit/test_known_routes.py`): what its routes depend on is found
    again, where the tests that run have to do with the service.
    """
    if "service.app" not in sys.modules:
        yield
        return
    from fastapi import routing

    from service.app import create_app
    from service.settings import Settings
    from tests.support.known_routes import KnownRoutes

    known = KnownRoutes(routing._build_dependant_with_parameterless_dependencies)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("fastapi.routing._build_dependant_with_parameterless_dependencies", known.build)
        known.learn(create_app(Settings()))
        yield


@pytest.fixture(scope="session", autouse=True)
def _quick_stores():
    """New stores are made the short way (`tests/unit/test_new_stores.py` shows that it leads to the same), and this
    process does not wait for the disk: whatever is killed here is another process, and the power stays on.
    """
    from tests.support.new_stores import NewStores, prepare_without_waiting

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("data.store.migrate", NewStores().migrate)
        patched.setattr("data.database._prepare_sqlite", prepare_without_waiting)
        yield


@pytest.fixture(scope="module")
def short_training():
    """Trainings of a twelfth of the rounds, for tests of what is done with models and not of how good they are."""
    from models.waits import fit_remaining

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("models.risk_model.validation.MOST_ROUNDS", 50)
        patched.setattr("models.learning.fit_remaining", partial(fit_remaining, rounds=20))
        yield


@pytest.fixture(scope="session")
def small_city():
    """A simulated city of about 4,000 cases, with its planted truth."""
    from data.synthetic import CityPlan, simulate_city

    return simulate_city(7, CityPlan(cases=4000, villages=12, towns=3))


@pytest.fixture(scope="session")
def small_city_url(small_city, tmp_path_factory) -> str:
    """A store that holds the small city, imported through the door; read it, don't write to it."""
    return _imported("small", small_city, tmp_path_factory.mktemp("city"))


def _imported(name: str, city: SimulatedCity, folder: Path) -> str:
    """A copy of its store, imported once for all processes."""
    made = made_once(f"{name}-city", lambda empty: _import(city, empty))
    shutil.copytree(made, folder, dirs_exist_ok=True)
    return f"sqlite:///{folder / 'city.db'}"


def _import(city: SimulatedCity, folder: Path) -> None:
    from data.import_cases import import_file
    from data.mapping import find_mapping
    from data.store import Store
    from data.synthetic import write_city

    url = f"sqlite:///{folder / 'city.db'}"
    with Store.open(url, create=True) as store:
        paths = write_city(city, folder)
        import_file(store, paths["events"], find_mapping("demo"), extracted_at=city.end - 1)
        store.write_places(city.areas, city.offices, city.categories, city.inspections, city.capacities)


@pytest.fixture(scope="session")
def small_history(small_city_url) -> History:
    """Every landmark of the small city's cases, ready to learn from."""
    return _history(small_city_url)


@pytest.fixture(scope="session")
def little_city():
    """One of half as many cases, for what is done with models and not for how good they are."""
    from data.synthetic import CityPlan, simulate_city

    return simulate_city(7, CityPlan(cases=2000, villages=8, towns=2))


@pytest.fixture(scope="session")
def little_city_url(little_city, tmp_path_factory) -> str:
    """A store that holds it; read it, don't write to it."""
    return _imported("little", little_city, tmp_path_factory.mktemp("little"))


@pytest.fixture(scope="session")
def little_history(little_city_url) -> History:
    """Every landmark of its cases."""
    return _history(little_city_url)


def _history(url: str) -> History:
    """All landmarks of a store, worked out by each process: no objects are read from a file, here neither."""
    from data.store import Store
    from service.training import history_of

    with Store.open(url) as store:
        return history_of(store)
