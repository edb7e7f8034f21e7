"""`kill -9` at any moment of an import: the store opens, and holds all of it or nothing."""

from __future__ import annotations

import multiprocessing
import os
import random
import re
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from multiprocessing.context import BaseContext
from pathlib import Path

import pytest
from sqlalchemy import select, text, true, update

from data import tables
from data.import_cases import WAITING, import_file
from data.import_intake import Sizes
from data.store import Store
from tests.support.big_files import big_mapping, write_big
from tests.support.exports import fresh_schema
from tests.support.processes import quick_context

# Many parts and groups, so that there are many moments in between.
SIZES = Sizes(chunk=2_000, at_once=3_000, buckets=32)
# Looks as they are told by the process that will be killed; 0 before the first, 5 when it is through.
PHASES = ("start", "read", "check", "compare", "store", "done")
EVERYTHING = ("event", "import_run", "source", "secret")


def _import(url: str, path: str, ready, phase, took) -> None:
    def tell(step: str, _done: int, _total: int) -> None:
        # The server needs a moment to see that the one before is dead, and this one waits meanwhile.
        if step != WAITING:
            phase.value = PHASES.index(step)

    with Store.open(url) as store:
        ready.set()
        started = time.monotonic()
        import_file(store, path, big_mapping("cases"), progress=tell, sizes=SIZES)
        took.value = time.monotonic() - started
    phase.value = PHASES.index("done")


@dataclass
class Killing:
    """Imports that are killed after a while; each in a process that holds nothing of the last one.

    `seconds` is how long the quickest import took that nobody killed.
    """

    path: Path
    seconds: float = 60.0
    context: BaseContext = field(default_factory=quick_context)

    def start(self, url: str):
        ready, phase, took = self.context.Event(), self.context.Value("i", 0), self.context.Value("d", 0.0)
        process = self.context.Process(target=_import, args=(url, str(self.path), ready, phase, took))
        process.start()
        assert ready.wait(60)
        return process, phase, took

    def run(self, url: str, kill_after: float | None = None) -> str:
        """An import, killed so many seconds after its beginning, or never; where it was in the end."""
        process, phase, took = self.start(url)
        process.join(120 if kill_after is None else kill_after)
        if process.is_alive():
            os.kill(process.pid, signal.SIGKILL)
            process.join(60)
        assert process.exitcode in (0, -signal.SIGKILL)
        if took.value:
            self.seconds = min(self.seconds, took.value)
        return PHASES[phase.value]


@pytest.fixture(params=["sqlite", "postgresql"])
def stores(request, tmp_path) -> Iterator[object]:
    """Makes stores of an engine that hold the first file already, all with the same key."""
    before = tmp_path / "before.db"
    first = write_big(tmp_path / "first.csv", "cases", 400)
    with Store.open(str(before), create=True) as store:
        import_file(store, first, big_mapping("cases"))
        key = store.case_key()
    with ExitStack() as stack:
        made = iter(range(1_000))

        def make() -> str:
            if request.param == "sqlite":
                path = tmp_path / f"store{next(made)}.db"
                shutil.copy(before, path)
                return str(path)
            url = stack.enter_context(fresh_schema(request.getfixturevalue("postgres_url")))
            with Store.open(url, create=True) as store:
                with store.writing() as connection:
                    is_key = tables.secret.c.name == "case_key"
                    connection.execute(update(tables.secret).where(is_key).values(value=key))
                import_file(store, first, big_mapping("cases"))
            return url

        yield make


def _contents(url: str) -> list[str]:
    """Every row of every table that an import writes, but for the time on the clock and numbers given by the engine."""
    rows = []
    with Store.open(url) as store, store.reading() as connection:
        for name in EVERYTHING:
            table = tables.metadata.tables[name]
            columns = [column for column in table.columns if column.name not in ("imported_at", "import_id")]
            # Every write leaves a random token that only says that there was one.
            kept = tables.secret.c.name != "changes" if name == "secret" else true()
            rows += [repr((name, *row)) for row in connection.execute(select(*columns).where(kept))]
    return sorted(re.sub(r'"import_id": \d+', '"import_id": 0', row) for row in rows)


def _kill_again_and_again(stores, tmp_path, kills: int, cases: int) -> Counter[str]:
    """Kill so many imports of so many cases; where they were. Checks the store after each, and at the end."""
    killing = Killing(write_big(tmp_path / "second.csv", "cases", cases))
    uninterrupted = stores()
    nothing = _contents(uninterrupted)
    assert killing.run(uninterrupted) == "done"
    everything = _contents(uninterrupted)
    assert len(everything) > len(nothing) + 2 * cases
    url, moments, died = stores(), random.Random(kills), Counter[str]()  # noqa: S311
    for _ in range(kills):
        phase = killing.run(url, moments.uniform(0, 1.05 * killing.seconds))
        held = _contents(url)
        assert held in (nothing, everything), phase
        died[f"{phase}, {'all' if held == everything else 'nothing'} stored"] += 1
        if held == everything:
            # It came through: go on with a store that lacks it.
            url = stores()
    killing.run(url)
    assert _contents(url) == everything
    return died


def test_three_kills(stores, tmp_path):
    """The short form of `test_fifty_kills`."""
    _kill_again_and_again(stores, tmp_path, kills=3, cases=4_000)


@pytest.mark.slow
def test_fifty_kills(stores, tmp_path):
    """Fifty kills at random moments leave all or nothing each time; finished, the store is as if nothing had been."""
    died = _kill_again_and_again(stores, tmp_path, kills=50, cases=25_000)
    sys.stdout.write(f"\n{dict(died)}\n")
    # The moments reach into every part of the work, or the test would say little.
    assert any(phase.startswith(("compare", "store")) for phase in died), died
    assert any(phase.startswith(("read", "check")) for phase in died), died


def test_a_killed_import_leaves_no_lock_and_no_file_behind(stores, tmp_path, monkeypatch):
    """Killed with rows on disk and the store locked, it leaves no temporary file, and the next import need not wait."""
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    killing = Killing(write_big(tmp_path / "second.csv", "cases", 12_000), context=multiprocessing.get_context("spawn"))
    url = stores()
    process, phase, _ = killing.start(url)
    while phase.value < PHASES.index("store"):
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    process.join(60)
    assert not [path for path in (tmp_path / "temporary").iterdir() if path.name.startswith("heed")]
    with Store.open(url) as store, store.writing(patience=5) as connection:
        assert connection.execute(text("SELECT count(*) FROM import_run")).scalar_one() in (1, 2)
