"""One import, or its rival, in a process of its own, and what it took: `python -m tests.support.import_worker`."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]


@dataclass(frozen=True)
class Taken:
    """What a run took: seconds on the clock and of processors, the most memory it held in MB; and how many rows."""

    seconds: float
    cpu: float
    peak_mb: float
    rows: int


def run(kind: str, url: str, path: Path, shape: str) -> Taken:
    """Run `kind` ("heed" or "pandas") on the file at `path`, a file of `tests.support.big_files`, into `url`."""
    command = [sys.executable, "-m", "tests.support.import_worker", kind, url, str(path), shape]
    done = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY, check=False)
    assert done.returncode == 0, done.stderr
    return Taken(**json.loads(done.stdout))


def _heed(url: str, path: str, shape: str) -> int:
    from data.import_cases import import_file
    from data.store import Store
    from tests.support.big_files import big_mapping

    with Store.open(url, create=True) as store:
        return import_file(store, path, big_mapping(shape)).events_added


def _pandas(url: str, path: str, _shape: str) -> int:
    """What anybody would do who checks nothing: read all of it as it is, and write it."""
    import pandas as pd
    from sqlalchemy import create_engine

    frame = pd.read_csv(path)
    frame.to_sql("rows", create_engine(url), index=False, chunksize=50_000, if_exists="replace")
    return len(frame)


def main() -> None:
    kind, url, path, shape = sys.argv[1:]
    started, used = time.perf_counter(), os.times()
    rows = {"heed": _heed, "pandas": _pandas}[kind](url, path, shape)
    seconds, now = time.perf_counter() - started, os.times()
    # Not getrusage: it counts what the process was before it became this program.
    peak = int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text()).group(1))
    cpu = now.user + now.system - used.user - used.system
    sys.stdout.write(json.dumps({"seconds": seconds, "cpu": cpu, "peak_mb": peak / 1024, "rows": rows}))


if __name__ == "__main__":
    main()
