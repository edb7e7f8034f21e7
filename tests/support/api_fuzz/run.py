"""Run Schemathesis against a live service, and read what it found."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_HERE = Path(__file__).parent
_CONFIG = """\
hooks = "tests.support.api_fuzz.hooks"
continue-on-failure = true

# A cursor is a text that only the page before can give: another one is answered as a wrong call, or as gone.
[[operations]]
include-operation-id = ["listCases", "listJobs"]
checks.positive_data_acceptance.expected-statuses = ["2xx", "304", "400", "404", "410", "429"]

# A write depends on what is there: on the state that If-Match names, on a key that is fresh, on sources and offices
# that no description can list.
[[operations]]
include-operation-id = [
  "appendEvents", "reviewSignal", "promoteModel", "rollbackModels", "addJob", "cancelJob", "scoreRisk",
  "markCase", "saveView", "deleteView", "getWhatIf", "askWhatIf",
]
checks.positive_data_acceptance.expected-statuses = ["2xx", "400", "403", "404", "409", "412", "422", "428", "429"]

"""
_UNCOVERED = """
[[operations]]
include-operation-id = {}
phases.coverage.enabled = false
"""


@dataclass(frozen=True)
class Fuzzed:
    """What a run found: how many calls were generated, of which operations, and what failed."""

    calls: int
    operations: int
    failures: tuple[str, ...]
    errors: tuple[str, ...]
    output: str


def fuzz(
    url: str,
    folder: Path,
    *,
    key: str | None,
    calls_per_operation: int,
    seed: int,
    phases: str = "examples,coverage,fuzzing,stateful",
    exclude: tuple[str, ...] = (),
    uncovered: tuple[str, ...] = (),
) -> Fuzzed:
    """Call every operation, rightly and wrongly, with all checks of Schemathesis and ours.

    Parameters
    ----------
    url : of a live service
    folder : where the configuration and the report go
    key : API key sent with every call; None: none
    calls_per_operation : examples that Hypothesis makes up, beside those that cover the description
    seed : the same calls every time
    phases : of Schemathesis
    exclude : operation ids to leave out
    uncovered : operation ids that are called with random values alone, and not with every kind of value that their
        description allows or forbids
    """
    config, report = folder / "schemathesis.toml", folder / "report.json"
    config.write_text(_CONFIG + (_UNCOVERED.format(json.dumps(uncovered)) if uncovered else ""), encoding="utf-8")
    words = [
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(config), "run", f"{url}/v1/openapi.json"),
        *("--url", url, "--checks", "all", "--phases", phases, "--max-examples", str(calls_per_operation)),
        *("--seed", str(seed), "--report", "json", "--report-json-path", str(report), "--request-timeout", "60"),
        *(word for name in exclude for word in ("--exclude-operation-id", name)),
    ]
    if key is not None:
        words += ["-H", f"Authorization: Bearer {key}"]
    repository = _HERE.parents[2]
    environment = {**os.environ, "PYTHONPATH": str(repository)}
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if not report.exists():
        raise AssertionError(f"Schemathesis did not run:\n{done.stdout[-4_000:]}\n{done.stderr[-4_000:]}")
    told: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
    if told["operations"] is None:
        raise AssertionError(f"Schemathesis called nothing:\n{done.stdout[-4_000:]}\n{done.stderr[-4_000:]}")
    return Fuzzed(
        calls=told["test_cases"]["generated"],
        operations=told["operations"]["tested"],
        failures=tuple(f"{one['title']}: {', '.join(one['operations'])}" for one in told["failures"]),
        errors=tuple(str(one) for one in told["errors"]),
        output=done.stdout,
    )


def answers_of(log: Path) -> dict[str, Counter[int]]:
    """How often each route was answered with each status, by the log of the service; the most asked one first."""
    found: dict[str, Counter[int]] = defaultdict(Counter)
    for line in log.read_text(encoding="utf-8").splitlines():
        told = json.loads(line) if line.startswith("{") else {}
        if told.get("event") == "request":
            found[f"{told['method']} {told['route']}"][told["status"]] += 1
    return dict(sorted(found.items(), key=lambda one: -one[1].total()))
