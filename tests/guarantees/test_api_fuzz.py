"""Nothing that is sent, rightly or wrongly, makes the API fail, answer what it does not describe, or tell too much."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from service.app import create_app
from service.settings import Settings
from tests.support.api_fuzz.run import answers_of, fuzz
from tests.support.live_service import command, live_service
from tests.support.service_store import fill_store

# At least so many calls over all operations; `--max-examples` counts for each operation and each phase.
WANTED = 20_000
EXAMPLES = 700
# They need models, which the small store has none of: without them 503 is the right answer, and any 5xx is a failure.
NEED_MODELS = ("scoreRisk", "getWhatIf", "askWhatIf")
# By day: each kind of address, parameter and body that the others are made of too.
BY_DAY = (
    *("addJob", "deleteView", "getBoard", "getCase", "getSignal", "listCases", "markCase", "reviewSignal"),
    "saveView",
)
# A body of several kinds, of which each field alone would be called rightly and wrongly: in the long run.
UNCOVERED_BY_DAY = ("addJob",)


def _key(store: Path) -> str:
    added = command("--store", str(store), "keys", "add", "--role", "admin", "--purpose", "fuzz", "--json")
    assert added.returncode == 0, added.stderr
    return str(json.loads(added.stdout)["key"])


def _settings(**others: str) -> dict[str, str]:
    return {"HEED_AUTH": "required", "HEED_RATE_PER_MINUTE": "0", **others}


@pytest.mark.parametrize(
    "only", [pytest.param(BY_DAY, id="some"), pytest.param(None, id="all", marks=pytest.mark.slow)]
)
def test_a_short_run_finds_nothing(tmp_path, only):
    """Operations that need no models, with all checks, some hundred calls."""
    every = _operations()
    assert set(BY_DAY) <= every
    left_out = set(NEED_MODELS) if only is None else every - set(only)
    store = fill_store(tmp_path / "heed.db")
    key = _key(store)
    with live_service(str(store), tmp_path / "log", environment=_settings()) as service:
        found = fuzz(
            service.url,
            tmp_path,
            key=key,
            calls_per_operation=5,
            seed=1,
            phases="coverage,fuzzing",
            exclude=tuple(sorted(left_out)),
            uncovered=() if only is None else UNCOVERED_BY_DAY,
        )
    assert (found.failures, found.errors) == ((), ()), found.output
    assert found.operations == len(every - left_out)
    assert found.calls > (300 if only is None else 100)


def _operations() -> set[str]:
    described = create_app(Settings()).openapi()["paths"].values()
    return {method["operationId"] for methods in described for method in methods.values()}


@pytest.mark.slow
def test_twenty_thousand_calls_find_nothing(tmp_path):
    """Every operation, on a city with models, signals and jobs; the log of the service knows of no failure either."""
    made = command("demo", "--no-serve", "--dir", str(tmp_path / "demo"))
    assert made.returncode == 0, made.stderr
    store = tmp_path / "demo" / "city.db"
    key, log = _key(store), tmp_path / "log"
    with live_service(str(store), log, environment=_settings()) as service:
        found = fuzz(service.url, tmp_path, key=key, calls_per_operation=EXAMPLES, seed=20_261_121)
    answers = answers_of(log)
    for route, statuses in answers.items():
        print(f"{statuses.total():>6}  {route}  {dict(sorted(statuses.items()))}")  # noqa: T201  with -s, the figures
    assert (found.failures, found.errors) == ((), ()), found.output
    assert found.calls >= WANTED
    assert "internal" not in {
        json.loads(line).get("problem") for line in log.read_text().splitlines() if line[:1] == "{"
    }
    trail = command("--store", str(store), "audit", "verify")
    assert trail.returncode == 0, trail.stdout + trail.stderr
