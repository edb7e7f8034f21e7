"""One case at a time on a large history: `python -m tests.benchmarks.event_index --online FOLDER`.

FOLDER holds a city of `tests.support.window_city`. The index is built and saved beside it, then opened by workers that
map it into memory, as servers do. Each step is a process of its own:

- build : the index of the whole history, saved; and the cases that will be asked about
- worker : opens it, and answers the newest cases one by one. A second one does the same while the first is alive: what
  it holds of its own is the price of one more worker. (With one alone, pages of the files that it has read count as
  its own.)
- day : opens it and adds the facts of the day after
- rebuild : history and day in one index, from the files; its answers are what all others are compared with
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from features.event_index import EventIndex, IndexTerms
from features.online import OnlinePlan
from features.windows import WINDOW_FEATURES, window_terms
from tests.benchmarks.window_engines import peak_mb

if TYPE_CHECKING:
    from features.event_index import Queries

REPOSITORY: Final = Path(__file__).parents[2]
ASKED: Final = 5_000
# The first ones read pages that no one has read yet, and are told apart.
_WARM: Final = 500
_TURNS: Final = 20
Floats = NDArray[np.float64]
# What a worker holds on to until it is let go: its files stay mapped, while others are measured beside it.
_KEPT: Final[list[OnlinePlan]] = []


def online(folder: Path) -> dict[str, Any]:
    """Every step on the city in a folder; the figures by step."""
    with tempfile.TemporaryDirectory(dir=folder) as beside:
        work = Path(beside)
        found: dict[str, Any] = {"build": _finished(_start("build", folder, work))}
        first = _start("worker", work, "first")
        _told(first)
        found["worker"] = _finished(_start("worker", work, "second"))
        first.communicate("go\n")
        found["day"] = _finished(_start("day", folder, work))
        found["rebuild"] = _finished(_start("rebuild", folder, work))
        found["agreement"] = _agreement(work)
    return found


def main(folder: Path, *, as_json: bool) -> None:
    """Print what was found."""
    from tests.benchmarks.machine import machine

    found = {"machine": machine(), **online(folder)}
    if as_json:
        sys.stdout.write(json.dumps(found, indent=1) + "\n")
        return
    for step, figures in found.items():
        sys.stdout.write(f"{step}\n")
        sys.stdout.writelines(f"  {name:32} {value}\n" for name, value in figures.items())


def _start(step: str, *given: object) -> subprocess.Popen[str]:
    told = [sys.executable, "-m", "tests.benchmarks.event_index_online", step, *map(str, given)]
    return subprocess.Popen(told, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _told(process: subprocess.Popen[str]) -> dict[str, Any]:
    """What a step tells, which then waits to be let go."""
    line = process.stdout.readline() if process.stdout else ""
    if not line:
        sys.exit(f"A step of the benchmark failed ({process.wait()}).")
    told: dict[str, Any] = json.loads(line)
    return told


def _finished(process: subprocess.Popen[str]) -> dict[str, Any]:
    with process:
        told = _told(process)
        process.communicate("go\n")
    return told


def _agreement(work: Path) -> dict[str, str]:
    """Cells that differ from those of the index of history and day, built at once from the files."""
    truth = np.load(work / "rebuild.npy")
    found = {}
    for name in ("first", "second", "day online", "day in bulk"):
        part = truth[:ASKED] if name in ("first", "second") else truth[ASKED:]
        values = np.load(work / f"{name}.npy")
        same = (values == part) | (np.isnan(values) & np.isnan(part))
        found[name] = f"{values.size:,} cells, {int((~same).sum()):,} differ"
    return found


def _build(folder: Path, work: Path) -> dict[str, Any]:
    from tests.support.window_city import CityFacts

    used, started = time.process_time(), time.perf_counter()
    EventIndex.build(CityFacts(folder), window_terms()).save(work / "index")
    taken = {"cpu_s": time.process_time() - used, "wall_s": time.perf_counter() - started, "peak_mb": peak_mb()}
    size = sum(path.stat().st_size for path in (work / "index").rglob("*") if path.is_file())
    (work / "asked.json").write_text(json.dumps(_single(_newest(folder))), encoding="utf-8")
    return {**taken, "on_disk_mb": size / 1e6}


def _worker(work: Path, name: Path) -> dict[str, Any]:
    # As a server would have it: no more is loaded than the index and the plan.
    asked = json.loads((work / "asked.json").read_text(encoding="utf-8"))
    started, loaded = time.perf_counter(), _private_mb()
    plan = OnlinePlan(EventIndex.open(work / "index"), WINDOW_FEATURES)
    opened = (time.perf_counter() - started) * 1e3
    timed = _one_by_one(plan, asked, work / f"{name}.npy")
    held = {"private_loaded_mb": loaded, "private_mb": _private_mb(), "resident_mb": peak_mb()}
    _KEPT.append(plan)
    return {"open_ms": opened, **timed, **held}


def _day(folder: Path, work: Path) -> dict[str, Any]:
    from tests.support.window_city import NEXT_DAY, read_facts, read_queries

    index, facts = EventIndex.open(work / "index"), read_facts(folder / NEXT_DAY)
    turns, used = [], time.process_time()
    for _ in range(_TURNS):
        started = time.perf_counter()
        grown = index.add(facts)
        turns.append((time.perf_counter() - started) * 1e3)
    add_cpu = (time.process_time() - used) / _TURNS * 1e3
    queries = read_queries(folder / NEXT_DAY)
    used = time.process_time()
    source = IndexTerms(grown, queries)
    bulk = np.column_stack([each.value(source, queries.at) for each in WINDOW_FEATURES.values()])
    bulk_cpu = time.process_time() - used
    np.save(work / "day in bulk.npy", bulk)
    timed = _one_by_one(OnlinePlan(grown, WINDOW_FEATURES), _single(queries), work / "day online.npy")
    started = time.perf_counter()
    grown.save(work / "index")
    saved = (time.perf_counter() - started) * 1e3
    return {
        "cases": len(queries.at),
        "facts": sum(len(table.at) for table in facts.values()),
        "add_ms": float(np.median(turns)),
        "add_min_ms": min(turns),
        "add_cpu_ms": add_cpu,
        "save_ms": saved,
        "bulk_cpu_s": bulk_cpu,
        **timed,
    }


def _rebuild(folder: Path, work: Path) -> dict[str, Any]:
    from tests.support.window_city import NEXT_DAY, CityFacts, read_queries

    used = time.process_time()
    index = EventIndex.build(CityFacts(folder, folder / NEXT_DAY), window_terms())
    taken = time.process_time() - used
    parts = []
    for queries in (_newest(folder), read_queries(folder / NEXT_DAY)):
        source = IndexTerms(index, queries)
        parts.append(np.column_stack([each.value(source, queries.at) for each in WINDOW_FEATURES.values()]))
    np.save(work / "rebuild.npy", np.concatenate(parts))
    return {"cpu_s": taken, "peak_mb": peak_mb()}


def _newest(folder: Path) -> Queries:
    """Some of the newest cases, in no order: those that a server is asked about."""
    from features.event_index import Queries
    from tests.support.window_city import read_queries

    everyone = read_queries(folder)
    newest = np.arange(len(everyone.at))[-20 * ASKED :]
    chosen = np.random.default_rng(0).choice(newest, ASKED, replace=len(newest) < ASKED)
    return Queries(everyone.at[chosen], everyone.keys.take(chosen).reset_index(drop=True))


def _single(queries: Queries) -> list[tuple[int, dict[str, str | None]]]:
    """Moment and keys of each case."""
    names = ("category", "area", "office")
    rows = zip(*(queries.keys[name].tolist() for name in names), strict=True)
    return [(at, dict(zip(names, row, strict=True))) for at, row in zip(queries.at.tolist(), rows, strict=True)]


def _one_by_one(plan: OnlinePlan, rows: list[tuple[int, dict[str, str | None]]], out: Path) -> dict[str, float]:
    """Milliseconds for each case alone; the values go to a file."""
    values: list[Floats] = []
    taken = np.empty((len(rows), 2), dtype=np.int64)
    for number, (at, keys) in enumerate(rows):
        started, used = time.perf_counter_ns(), time.thread_time_ns()
        values.append(plan.values(at, keys))
        taken[number] = time.perf_counter_ns() - started, time.thread_time_ns() - used
    np.save(out, np.array(values))
    warm = taken[_WARM:] if len(taken) > 2 * _WARM else taken
    (p50, cpu_p50), (p99, cpu_p99) = np.percentile(warm, [50, 99], axis=0) / 1e6
    # On a busy machine the slowest on the clock are those that had to wait for a processor; its own time tells more.
    return {"first_ms": taken[0, 0] / 1e6, "p50_ms": p50, "p99_ms": p99, "cpu_p50_ms": cpu_p50, "cpu_p99_ms": cpu_p99}


def _private_mb() -> float:
    """Memory that this process shares with no other, in MB."""
    told = Path("/proc/self/smaps_rollup").read_text(encoding="utf-8")
    return sum(int(found) for found in re.findall(r"Private_\w+:\s+(\d+) kB", told)) * 1024 / 1e6


_STEPS: Final[dict[str, Callable[..., dict[str, Any]]]] = {
    "build": _build,
    "worker": _worker,
    "day": _day,
    "rebuild": _rebuild,
}


def _step() -> None:
    step, *given = sys.argv[1:]
    sys.stdout.write(json.dumps(_STEPS[step](*map(Path, given))) + "\n")
    sys.stdout.flush()
    sys.stdin.readline()


if __name__ == "__main__":
    _step()
