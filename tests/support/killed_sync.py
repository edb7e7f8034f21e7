"""A sync in a process of its own, to be killed: `python -m tests.support.killed_sync STORE MAPPING NOW`."""

from __future__ import annotations

import sys
from pathlib import Path

from data.sources.sync import Surroundings, sync_source
from data.store import Store
from tests.support.sync_runs import QUICK


def main(store: str, mapping: str, now: str) -> None:
    with Store.open(store) as opened:
        print("ready", flush=True)  # noqa: T201 — the parent waits for it
        moment = int(now)
        sync_source(opened, Path(mapping), surroundings=Surroundings(limits=QUICK, now=lambda: moment))
    print("done", flush=True)  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
