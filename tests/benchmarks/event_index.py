"""The event index beside pandas and Polars: the 65 plain window features of every case at its opening.

    python -m tests.benchmarks.event_index --sizes 100000 1000000 10000000 --engines heed pandas polars
    python -m tests.benchmarks.event_index --online FOLDER     one case at a time, see `event_index_online.py`

Every run is a process of its own, from Parquet to Parquet on the same files, engines taking turns. What is compared is
processor time, of the process and all its threads, start-up included: other work on the machine changes it far less
than the time on the clock. Afterwards every cell that the engines wrote is compared with `==` (NaN equals NaN), and
those of some cases with an oracle that looks at every fact.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Final

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from features.terms import Quantity
from features.windows import WINDOW_FEATURES, WINDOW_KEYS
from tests.benchmarks import event_index_online as online
from tests.benchmarks.machine import machine
from tests.benchmarks.window_engines import ENGINES
from tests.benchmarks.window_rivals import read_feature
from tests.support.window_city import WindowCity, read_facts, read_queries, ready_city
from tests.support.window_oracle import brute_force

REPOSITORY: Final = Path(__file__).parents[2]
_SHORT: Final = {100_000: "100k", 1_000_000: "1m", 10_000_000: "10m"}


@dataclass(frozen=True)
class Run:
    """What one engine took for one city.

    Attributes
    ----------
    engine, cases : who worked, and for how many cases
    cpu, wall : seconds of processors (user and system, of all its processes) and on the clock
    peak_mb : the most memory that the process held
    load : of the machine in the minute before it began
    failed : why there is no result; None where there is one
    """

    engine: str
    cases: int
    cpu: float
    wall: float
    peak_mb: float
    load: float
    failed: str | None = None


@dataclass(frozen=True)
class Agreement:
    """How the results of two agree: how many cells were compared with `==`, and how many differ."""

    ours: str
    theirs: str
    cases: int
    cells: int
    differ: int


def features_of(key_sets: Sequence[str]) -> dict[str, Quantity]:
    """The window features of some key sets, by name."""
    chosen = {WINDOW_KEYS[word] for word in key_sets}
    return {name: each for name, each in WINDOW_FEATURES.items() if each.numerator.keys in chosen}


def city_in(data: Path, cases: int) -> Path:
    """The folder of a city of so many cases, made if it is not there."""
    return ready_city(WindowCity(cases), data / _SHORT.get(cases, str(cases)))


def run(engine: str, folder: Path, out: Path, key_sets: Sequence[str], *, timeout: float | None = None) -> Run:
    """Let one engine work in a process of its own, which writes into the folder `out`."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    told = [sys.executable, "-m", "tests.benchmarks.window_engines", engine, str(folder), str(out), *key_sets]
    cases = pq.read_metadata(folder / "queries.parquet").num_rows
    load, started = os.getloadavg()[0], time.perf_counter()
    with tempfile.TemporaryFile("w+") as told_us:
        process = subprocess.Popen(told, cwd=REPOSITORY, stdout=told_us, stderr=subprocess.STDOUT)
        stop = threading.Timer(timeout or threading.TIMEOUT_MAX, process.kill)
        stop.daemon = True
        stop.start()
        _, status, usage = os.wait4(process.pid, 0)
        stop.cancel()
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        told_us.seek(0)
        last = (told_us.read().strip().splitlines() or [""])[-1]
    took = partial(Run, engine, cases, usage.ru_utime + usage.ru_stime, wall)
    if process.returncode == 0:
        return took(float(last), load)
    return took(float("nan"), load, last or f"stopped by signal {-process.returncode}")


def compare(first: Path, second: Path, names: Sequence[str]) -> tuple[int, int]:
    """(cells compared, cells that differ) of two folders of results."""
    cells = differ = 0
    for name in names:
        ours, theirs = read_feature(first, name), read_feature(second, name)
        cells, differ = cells + len(ours), differ + different(ours, theirs)
    return cells, differ


def different(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> int:
    """How many values are not equal to the bit; NaN equals NaN."""
    return int((~((ours == theirs) | (np.isnan(ours) & np.isnan(theirs)))).sum())


def against_oracle(folder: Path, out: Path, names: Sequence[str], landmarks: int) -> tuple[int, int]:
    """(cells compared, cells that differ) of a folder of results and the oracle, for landmarks drawn at random."""
    queries = read_queries(folder)
    rng = np.random.default_rng(len(queries.at))
    chosen = np.sort(rng.choice(len(queries.at), min(landmarks, len(queries.at)), replace=False))
    truth = brute_force(read_facts(folder), queries, chosen)
    differ = sum(different(read_feature(out, name)[chosen], truth[name].to_numpy()) for name in names)
    return len(chosen) * len(names), differ


def benchmark(
    sizes: Sequence[int],
    engines: Sequence[str],
    key_sets: Sequence[str],
    *,
    data: Path,
    repeats: int = 1,
    oracle: int = 2000,
    timeout: float | None = None,
    tell: Callable[[str], None] = lambda _text: None,
) -> tuple[list[Run], list[Agreement]]:
    """Run engines in turns over cities of several sizes, and compare what they wrote.

    Parameters
    ----------
    sizes, engines, key_sets : how many cases, who, and which key sets (all engines the same)
    data : folder where cities are kept between runs; made where one is missing
    repeats : how often each engine has its turn
    oracle : landmarks whose features are worked out by brute force as well; 0 for none
    timeout : seconds on the clock after which an engine is stopped
    tell : is told what begins
    """
    runs, agreements = [], []
    names = list(features_of(key_sets))
    for cases in sizes:
        tell(f"{cases:,} cases: data")
        folder = city_in(data, cases)
        with tempfile.TemporaryDirectory(dir=data) as beside:
            for _ in range(repeats):
                for engine in engines:
                    tell(f"{cases:,} cases: {engine}")
                    runs.append(run(engine, folder, Path(beside) / engine, key_sets, timeout=timeout))
            done = [one for one in engines if not any(r.failed for r in runs if (r.engine, r.cases) == (one, cases))]
            for engine in done[1:]:
                tell(f"{cases:,} cases: {done[0]} == {engine}")
                found = compare(Path(beside) / done[0], Path(beside) / engine, names)
                agreements.append(Agreement(done[0], engine, cases, *found))
            if oracle and done:
                tell(f"{cases:,} cases: {done[0]} == oracle")
                found = against_oracle(folder, Path(beside) / done[0], names, oracle)
                agreements.append(Agreement(done[0], "oracle", cases, *found))
    return runs, agreements


def usual(runs: Sequence[Run], engine: str, cases: int) -> Run | None:
    """The median of an engine's runs, measure by measure; None where it could not do it."""
    own = [one for one in runs if (one.engine, one.cases) == (engine, cases)]
    if not own or any(one.failed for one in own):
        return None
    middle = {name: median(getattr(one, name) for one in own) for name in ("cpu", "wall", "peak_mb", "load")}
    return Run(engine, cases, **middle)


def ratio(runs: Sequence[Run], cases: int, rival: str) -> float | None:
    """Processor time of heed over that of a rival; None where one of them could not do it."""
    ours, theirs = usual(runs, "heed", cases), usual(runs, rival, cases)
    return None if ours is None or theirs is None else ours.cpu / theirs.cpu


def show(runs: Sequence[Run], agreements: Sequence[Agreement], key_sets: Sequence[str], repeats: int) -> None:
    """Print the tables."""
    console = Console(width=110)
    console.print(", ".join(f"{name} {value}" for name, value in machine().items()), highlight=False)
    console.print(f"key sets: {', '.join(key_sets)} ({len(features_of(key_sets))} features); medians of {repeats}")
    table = Table("cases", "engine", "CPU s", "wall s", "peak GB", "CPU µs/case", "heed to it", "load")
    for cases in dict.fromkeys(one.cases for one in runs):
        for engine in dict.fromkeys(one.engine for one in runs):
            one = usual(runs, engine, cases)
            if one is None:
                reason = next(run.failed for run in runs if run.engine == engine and run.cases == cases and run.failed)
                table.add_row(f"{cases:,}", engine, "could not:", (reason or "")[:40])
                continue
            share = ratio(runs, cases, engine)
            figures = (
                f"{one.cpu:,.1f}",
                f"{one.wall:,.1f}",
                f"{one.peak_mb / 1000:.2f}",
                f"{one.cpu / cases * 1e6:.1f}",
            )
            compared = "" if share is None or engine == "heed" else f"{share:.3f} = 1/{1 / share:.1f}"
            table.add_row(f"{cases:,}", engine, *figures, compared, f"{one.load:.1f}")
    console.print(table)
    for told in agreements:
        sides = f"{told.ours} == {told.theirs}"
        console.print(f"{told.cases:,} cases: {sides}: {told.cells:,} cells, {told.differ:,} differ", highlight=False)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.event_index")
    parser.add_argument("--sizes", type=int, nargs="+", default=[100_000, 1_000_000], help="how many cases")
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=list(ENGINES))
    parser.add_argument("--key-sets", nargs="+", choices=WINDOW_KEYS, default=list(WINDOW_KEYS))
    parser.add_argument("--repeats", type=int, default=1, help="turns of each engine")
    parser.add_argument("--oracle", type=int, default=2000, help="landmarks to work out by brute force; 0 for none")
    parser.add_argument("--timeout", type=float, help="seconds on the clock after which an engine is stopped")
    parser.add_argument("--data", type=Path, default=Path(tempfile.gettempdir()) / "window_city", help="for the cities")
    parser.add_argument("--online", type=Path, metavar="FOLDER", help="time one case at a time on the city in FOLDER")
    parser.add_argument("--json", action="store_true", help="print JSON and no tables")
    return parser.parse_args()


def main() -> None:
    """Run the comparison, or the online one."""
    given = _arguments()
    if given.online:
        online.main(given.online, as_json=given.json)
        return
    tell = partial(print, file=sys.stderr, flush=True)
    given.data.mkdir(parents=True, exist_ok=True)
    runs, agreements = benchmark(
        given.sizes,
        given.engines,
        given.key_sets,
        data=given.data,
        repeats=given.repeats,
        oracle=given.oracle,
        timeout=given.timeout,
        tell=tell,
    )
    if given.json:
        found = {"machine": machine(), "key_sets": given.key_sets}
        found |= {"runs": [asdict(one) for one in runs], "agreements": [asdict(one) for one in agreements]}
        sys.stdout.write(json.dumps(found, indent=1) + "\n")
    else:
        show(runs, agreements, given.key_sets, given.repeats)
    if any(one.differ for one in agreements):
        sys.exit("The engines do not agree.")


if __name__ == "__main__":
    main()
