"""When the service looks again, and what it says while there is nothing to show."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import update

from data import tables
from data.errors import StoreError
from data.store import Store
from service import reads as module
from service.reads import Reads, change_mark, load
from service.settings import Settings
from tests.support.exports import fresh_schema
from tests.support.service_store import AS_OF, DAY, fill, score, small_store

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def store_file(tmp_path):
    """A small store that a test may change."""
    return small_store(tmp_path)


@pytest.fixture
def reads(store_file):
    """The service's view of that store, looking with every question."""
    view = Reads(Settings(store_url=str(store_file), recheck_seconds=0))
    yield view
    view.close()


def test_an_unchanged_store_is_read_once(reads, monkeypatch):
    """Polling costs a look at the file and no query."""
    first = reads.current()
    monkeypatch.setattr(module, "load", lambda *_args, **_kwargs: pytest.fail("the store was read again"))
    assert all(reads.current() is first for _ in range(50))


def test_a_new_scoring_is_shown_and_the_one_before_is_kept_for_cursors(reads, store_file):
    """The newest as-of is what is shown; a reader half-way through the list before can finish it."""
    before = reads.current()
    with Store.open(str(store_file)) as store:
        score(store, as_of=AS_OF + DAY, seed=3)
    after = reads.current()
    assert (before.as_of, after.as_of) == (AS_OF, AS_OF + DAY)
    assert reads.at(before.version) is before
    with Store.open(str(store_file)) as store:
        score(store, as_of=AS_OF + 2 * DAY, seed=4)
    assert reads.at(before.version) is None
    assert reads.at(after.version) is after


def test_scoring_the_same_moment_anew_is_seen(reads, store_file):
    """A new model may change every risk without a new as-of."""
    before = reads.current()
    with Store.open(str(store_file)) as store:
        score(store, as_of=AS_OF, seed=99)
    after = reads.current()
    assert after.as_of == before.as_of
    assert after.version != before.version


def test_a_write_that_changes_nothing_shown_keeps_every_finished_answer(reads, store_file):
    """The snapshot is known by its contents, so an import that adds no open case does not empty the caches."""
    before = reads.current()
    with Store.open(str(store_file)) as store, store.writing() as connection:
        connection.execute(update(tables.source).values(mapping_sha256="0" * 64))
    assert reads.current() is before


def test_the_mark_tells_a_scoring_of_the_same_moment_anew(store_file):
    """Without a look at the file, as on a server."""
    with Store.open(str(store_file)) as store:
        before = change_mark(store)
        assert change_mark(store) == before
        score(store, as_of=AS_OF, seed=98)
        assert change_mark(store) not in (None, before)


def test_names_of_places_are_seen_on_a_server_too(postgres_url):
    """They change no figure, and are shown all the same."""
    with fresh_schema(postgres_url) as url, Store.open(url, create=True) as store:
        fill(store, cases=40)
        view = Reads(Settings(store_url=url, recheck_seconds=0))
        before = view.current()
        store.write_places(categories=store.read_categories().assign(name_en="Renamed"))
        assert view.current().version != before.version
        view.close()


def test_a_postgresql_store_is_served_and_watched(postgres_url):
    """The same answers from a server as from a file."""
    with fresh_schema(postgres_url) as url, Store.open(url, create=True) as store:
        fill(store, cases=40)
        view = Reads(Settings(store_url=url, recheck_seconds=0))
        first = view.current()
        assert len(first.cases) == 40
        assert view.timeline(first, first.cases[0].case_id)[0].kind == "opened"
        assert view.current() is first
        score(store, as_of=AS_OF, seed=97)
        assert view.current().version != first.version
        view.close()


def test_every_process_calls_the_same_scoring_by_the_same_name(store_file):
    """A cursor that one process gave holds in another, and after a restart: sets are in another order in each."""
    ask = "import sys; from data.store import Store; from service.reads import load\n"
    ask += "with Store.open(sys.argv[1]) as store: print(load(store, minimum=10).version)"
    told = {
        subprocess.run(
            [sys.executable, "-c", ask, str(store_file)],
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=REPOSITORY,
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(told) == 1


def test_within_the_recheck_time_nothing_is_looked_at(store_file):
    """Thousands of polls a second share one look."""
    view = Reads(Settings(store_url=str(store_file), recheck_seconds=60))
    first = view.current()
    with Store.open(str(store_file)) as store:
        score(store, as_of=AS_OF + DAY, seed=3)
    assert view.current() is first
    view.close()


def test_a_store_that_is_not_there_says_so_and_is_found_when_it_comes(tmp_path):
    """The service may start first."""
    view = Reads(Settings(store_url=str(tmp_path / "later.db"), recheck_seconds=0))
    with pytest.raises(StoreError, match="There is no store at"):
        view.current()
    small_store(tmp_path).rename(tmp_path / "later.db")
    assert len(view.current().cases) == 40
    view.close()


def test_a_store_without_a_scoring_says_what_to_run(tmp_path):
    """An empty list would look like an office without work."""
    Store.open(str(tmp_path / "empty.db"), create=True).close()
    view = Reads(Settings(store_url=str(tmp_path / "empty.db"), recheck_seconds=0))
    with pytest.raises(StoreError, match=r"holds no scored cases yet\. Run `heed score`"):
        view.current()
    view.close()


def test_a_store_that_was_deleted_is_not_served_from_an_open_file(reads, store_file):
    """Readiness tells the truth: the old file is not read on through an open connection."""
    reads.current()
    for path in store_file.parent.glob("heed.db*"):
        path.unlink()
    with pytest.raises(StoreError, match="There is no store at"):
        reads.current()


def test_many_threads_get_one_snapshot(reads):
    """The first questions of the morning do not each read the store."""
    with ThreadPoolExecutor(8) as pool:
        snapshots = set(map(id, pool.map(lambda _: reads.current(), range(40))))
    assert len(snapshots) == 1


def test_nobody_waits_while_a_new_scoring_is_read(reads, store_file, monkeypatch):
    """A dashboard that polls gets the scoring before until the new one is there."""
    before = reads.current()
    begun, go_on = threading.Event(), threading.Event()

    def slow_load(*args: object, **kwargs: object) -> object:
        begun.set()
        go_on.wait(timeout=10)
        return load(*args, **kwargs)

    with Store.open(str(store_file)) as store:
        score(store, as_of=AS_OF + DAY, seed=3)
    monkeypatch.setattr(module, "load", slow_load)
    with ThreadPoolExecutor(1) as pool:
        after = pool.submit(reads.current)
        assert begun.wait(timeout=10)
        assert reads.current() is before
        go_on.set()
        assert after.result(timeout=10).as_of == AS_OF + DAY


def test_only_what_was_known_before_the_scoring_is_told_of_a_case(reads):
    """A timeline read later does not show what the risk could not know."""
    snapshot = reads.current()
    for case in snapshot.cases:
        timeline = reads.timeline(snapshot, case.case_id)
        assert timeline[0].kind == "opened"
        assert all(event.known_at < snapshot.as_of for event in timeline)
        assert [event.known_at for event in timeline] == sorted(event.known_at for event in timeline)
