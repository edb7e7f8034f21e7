"""Workers that are killed and paused at any moment: each job has exactly one effect, and none is lost."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pandas as pd
import pytest

from data.import_cases import import_file
from data.mapping import find_mapping
from data.store import Store
from data.synthetic import write_city
from models.learning import train
from models.registry import Registry
from service.jobs.kinds import KINDS
from service.jobs.worker import Worker
from service.training import FAILURES, lineage_of
from tests.support.exports import fresh_schema
from tests.support.job_runs import added, settings_of

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    """Where a new store is to be, on each engine."""
    with ExitStack() as stack:
        if request.param == "sqlite":
            yield str(tmp_path / "heed.db")
        else:
            yield stack.enter_context(fresh_schema(request.getfixturevalue("postgres_url")))


def run(what: str, url: str, seed: int, times: int, models: Path) -> dict:
    """What happened to jobs in workers of their own."""
    command = [sys.executable, "-m", "tests.support.job_kills", what, url, str(seed), str(times)]
    environment = {**os.environ, "HEED_MODEL_DIR": str(models)}
    done = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def each_once(found: dict) -> None:
    """Every job ended well, once, by the attempt that has the effect."""
    assert found["states"] == ["done"]
    assert found["lost"] == []
    assert found["ended_once"]
    assert found["trail"]


def test_each_job_has_one_effect_whoever_is_killed(url, tmp_path):
    """Forty kills of two workers: effects in parts, and effects that would count twice if they were done twice."""
    found = run("fake", url, 1, 40, tmp_path)
    # Fewer than forty where the jobs are done before that many kills have come.
    assert found["kills"] >= 20
    # The kills hit: jobs were begun anew.
    assert found["begun"] >= found["jobs"] + 8
    assert found["once"]
    assert found["by_the_last_attempt"]
    each_once(found)


def test_a_worker_that_wakes_up_late_changes_nothing(url, tmp_path):
    """Paused for longer than its lease, while another did its job."""
    found = run("zombies", url, 2, 6, tmp_path)
    assert found["taken"] == 6
    assert found["once"]
    assert found["by_the_last_attempt"]
    each_once(found)


def test_models_are_promoted_once_whoever_is_killed(url, tmp_path):
    """The registry is no part of the database, and its history still tells of one promotion for each job."""
    found = run("promote", url, 3, 30, tmp_path / "models")
    assert found["kills"] >= 20
    assert found["begun"] >= found["jobs"] + 4
    assert found["promoted_once"]
    assert found["steps"]["steps"] > 5
    assert found["steps"]["wrong"] == []
    each_once(found)


@pytest.fixture(scope="session")
def models(small_history, small_city_url, tmp_path_factory):
    """A folder with models of the small city's lateness in use."""
    folder = tmp_path_factory.mktemp("models")
    made = train(small_history, outcomes=["late"])
    made.card = {**made.card, "lineage": lineage_of(small_history, made).as_dict()}
    registry = Registry(folder)
    registry.promote(FAILURES, registry.save(FAILURES, made.to_files()))
    return folder


def test_a_scoring_that_is_killed_ends_as_one_that_is_not(url, models, small_city, small_city_url, tmp_path, request):
    """About one moment, in one piece, and to the bit."""
    if url.startswith("postgresql"):
        with Store.open(url, create=True) as store:
            paths = write_city(small_city, tmp_path)
            import_file(store, paths["events"], find_mapping("demo"), extracted_at=small_city.end - 1)
    else:
        shutil.copy(small_city_url.removeprefix("sqlite:///"), url)
    found = run("score", url, 4, 12, models)
    assert (found["state"], found["ends"]) == ("done", 1)
    assert found["begun"] > 1, "no kill hit the scoring"
    with Store.open(url) as store:
        after_kills = store.read_risks(), store.read_remaining_times()
        added(store, "score", now=1_700_000_001)
        Worker(store, settings_of(url, model_dir=models), KINDS).run(once=True)
        undisturbed = store.read_risks(), store.read_remaining_times()
    assert len(after_kills[0]) > 100
    for one, other in zip(after_kills, undisturbed, strict=True):
        pd.testing.assert_frame_equal(one, other)
