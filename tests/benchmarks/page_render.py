"""How long the server takes for each page of a large city, and how many bytes it sends.

    python -m tests.benchmarks.page_render [--cases 60000] [--rounds 40]

In one process, without a network: the application is called as its server calls it. Areas, signals and their pages are
remembered between scorings, so their first answer (`first`) is the one that is made. `cpu` is the middle of the time
that the process itself took: on a machine with other work it tells more than the clock on the wall.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from models.registry import Registry
from tests.support.service_client import Client, client_of
from tests.support.service_store import fill_store
from tests.unit.test_cli_models import bundle

_PAGE = {"accept": "text/html", "accept_encoding": "gzip"}


def main() -> None:
    """Fill a store, time every page, print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=60_000)
    parser.add_argument("--rounds", type=int, default=40)
    asked = parser.parse_args()
    out = Console(width=110)
    with tempfile.TemporaryDirectory(prefix="heed-pages-") as name:
        folder = Path(name)
        started = time.perf_counter()
        store = fill_store(folder / "city.db", cases=asked.cases)
        registry = Registry(folder / "models")
        versions = [registry.save("failures", bundle(number)) for number in range(2)]
        registry.promote("failures", versions[0])
        out.print(f"{asked.cases:,} cases stored in {time.perf_counter() - started:.0f} s")
        client = client_of(store, model_dir=registry.folder, recheck_seconds=1)
        try:
            out.print(_table(client, versions[1], asked.rounds))
        finally:
            client.close()


def _table(client: Client, version: str, rounds: int) -> Table:
    table = Table(
        "page", "first, ms", "p50, ms", "p99, ms", "cpu, ms", "bytes", "as sent", title="server time of a page"
    )
    cases = [case["id"] for case in client.json(f"/v1/cases?deadline=ahead&limit={min(rounds, 200)}")["cases"]]
    signals = [signal["id"] for signal in client.json("/v1/signals")["signals"]]
    pages = {
        "nothing but the asking": ["/health/live"],
        "cases": ["/cases"],
        "cases of an office": [f"/cases?office=O-{number}" for number in range(1, 5)],
        "cases past their deadline": ["/cases?deadline=passed"],
        "a case, each another": [f"/cases/{case}" for case in cases],
        "areas": ["/areas"],
        "an area": [f"/areas/A-{number:02d}" for number in range(1, 12)],
        "signals": ["/signals"],
        "a signal": [f"/signals/{signal}" for signal in signals],
        "map of the areas": ["/charts/areas/map.svg"],
        "board": ["/board"],
        "board.svg": ["/charts/board.svg"],
        "boundary": ["/boundary"],
        "models": ["/models"],
        "a model": [f"/models/{version}"],
        "drift": ["/models/drift"],
        "a what-if, each another": [f"/cases/{case}/what-if" for case in cases],
        "reasons.svg, each another": [f"/charts/cases/{case}/reasons.svg" for case in cases],
        "life.svg, each another": [f"/charts/cases/{case}/life.svg" for case in cases],
        "weeks.svg": [f"/charts/signals/{signal}/weeks.svg" for signal in signals],
        "weeks as a live chart": [f"/charts/signals/{signal}/weeks.svg?drawn=spec" for signal in signals],
        "heed.css": ["/static/heed.css"],
        "charts.js": ["/static/charts.js"],
    }
    for name, paths in pages.items():
        times, own, body, sent = [], [], b"", 0
        for number in range(max(rounds, 1) + 1):
            path = paths[number % len(paths)]
            started, worked = time.perf_counter(), time.process_time()
            answer = client.get(path, **_PAGE)
            times.append(1000 * (time.perf_counter() - started))
            own.append(1000 * (time.process_time() - worked))
            if answer.status_code == 404:
                break  # what this city does not have
            if answer.status_code != 200:
                raise SystemExit(f"{path}: expected 200, got {answer.status_code}")
            body = max(body, answer.content, key=len)
            sent = max(sent, int(answer.headers.get("content-length", len(answer.content))))
        if not body:
            table.add_row(name, "none here")
            continue
        p50, p99 = np.percentile(times[1:], [50, 99])
        sizes = f"{len(body):,}", f"{sent:,}"
        table.add_row(name, f"{times[0]:.1f}", f"{p50:.1f}", f"{p99:.1f}", f"{np.median(own[1:]):.1f}", *sizes)
    return table


if __name__ == "__main__":
    main()
