"""What the audit trail costs: checking a long one, recording a read, and a look at the store while others read cases.

`python -m tests.benchmarks.audit_trail [ENTRIES]`; with HEED_TEST_POSTGRES_URL also on a server.
"""

from __future__ import annotations

import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from data.audit_log import Act, append
from data.store import Store
from data.store_audit import verify
from service.audit import AuditWriter
from service.reads import change_mark, file_mark, load
from service.settings import Settings
from tests.support.exports import fresh_schema
from tests.support.service_client import client_of
from tests.support.service_store import fill, fill_store

ACT = Act("key:1f2a3b4c", "handler", "case.read", "0123456789abcdef0123456789abcdef", {"part": "case"})


def main(entries: int) -> None:
    """Print three tables."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        urls = {"sqlite": str(folder / "heed.db")}
        if server := os.environ.get("HEED_TEST_POSTGRES_URL"):
            urls["postgresql"] = stack.enter_context(fresh_schema(server))
        for engine, url in urls.items():
            with Store.open(url, create=True) as store:
                fill(store, cases=400)
                _recording(engine, url)
                _checking(engine, store, entries)
                _looking(engine, store)
        _answering(fill_store(folder / "served.db"))


def _checking(engine: str, store: Store, entries: int) -> None:
    started = time.perf_counter()
    for _ in range(entries // 10_000):
        with store.writing() as connection:
            append(connection, [ACT] * 10_000)
    written = time.perf_counter() - started
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started, cpu = time.perf_counter(), time.process_time()
    found = verify(store)
    took, spent = time.perf_counter() - started, time.process_time() - cpu
    more = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert found.fault is None
    print(  # noqa: T201
        f"{engine:<12}{found.entries:>10,} entries: written in {written:6.1f} s, verified in {took:6.1f} s "
        f"({spent:.1f} s CPU), {more:.0f} MB more"
    )


def _recording(engine: str, url: str) -> None:
    writer = AuditWriter(Settings(store_url=url))
    writer.record(ACT)
    alone = _median(lambda: writer.record(ACT), 200)
    commits, count = writer.commits, 4_000
    with ThreadPoolExecutor(40) as pool:
        started = time.perf_counter()
        list(pool.map(lambda _: writer.record(ACT), range(count)))
        together = time.perf_counter() - started
    per_commit = count / (writer.commits - commits)
    writer.close()
    print(  # noqa: T201
        f"{engine:<12}one read alone {alone * 1e6:8,.0f} µs; 40 threads {count / together:8,.0f} reads/s, "
        f"{per_commit:.0f} entries in a commit"
    )


def _looking(engine: str, store: Store) -> None:
    token = _median(lambda: change_mark(store), 200)
    file = _median(lambda: file_mark(store), 200)
    whole = _median(lambda: load(store, minimum=10), 5)
    print(  # noqa: T201
        f"{engine:<12}a look: file {file * 1e6:,.0f} µs, token {token * 1e6:,.0f} µs; "
        f"reading a scoring of 400 cases anew {whole * 1e3:,.0f} ms"
    )


def _answering(path: Path) -> None:
    client = client_of(path)
    address = f"/v1/cases/{client.app.state.reads.current().cases[0].case_id}"
    recorded = _median(lambda: client.get(address), 100)
    client.app.state.audit.record = lambda *_acts: None
    silent = _median(lambda: client.get(address), 100)
    print(f"one case answered: {recorded * 1e3:.2f} ms, without the trail {silent * 1e3:.2f} ms")  # noqa: T201
    client.close()


def _median(work: Callable[[], object], times: int) -> float:
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
