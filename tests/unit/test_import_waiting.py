"""Two imports at once: the second waits for the first, says so, and gives up clearly."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import nullcontext

import pytest
from sqlalchemy import text

from data.errors import StoreError
from data.import_cases import WAITING, import_file
from data.store import Store
from tests.support.exports import contents, fresh_schema, town, write_csv
from tests.support.processes import quick_context


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path) -> Iterator[str]:
    """The address of an empty store of each engine."""
    at = nullcontext(str(tmp_path / "heed.db"))
    if request.param == "postgresql":
        at = fresh_schema(request.getfixturevalue("postgres_url"))
    with at as address:
        Store.open(address, create=True).close()
        yield address


def _hold(url: str, path: str, holding, go_on) -> None:
    """Import, and stop in the middle of the transaction until told to go on."""

    def wait(step: str, _done: int, _total: int) -> None:
        if step == "store" and not holding.is_set():
            holding.set()
            go_on.wait(60)

    with Store.open(url, create=True) as store:
        import_file(store, path, town(), progress=wait)


def _follow(url: str, path: str, waiting, told) -> None:
    """Import, and tell every step in its order."""
    steps: list[str] = []

    def tell(step: str, _done: int, _total: int) -> None:
        if step == WAITING:
            waiting.set()
        if steps[-1:] != [step]:
            steps.append(step)

    # With `create`, as the command does: it must not wait for a lock only to open a store that is up to date.
    with Store.open(url, create=True) as store:
        report = import_file(store, path, town(), progress=tell)
    told.put((steps, report.import_id, report.events_added))


def _start(context, target, *arguments):
    process = context.Process(target=target, args=arguments)
    process.start()
    return process


@pytest.mark.parametrize("same", [False, True], ids=["another file", "the same file"])
def test_the_second_import_waits_and_says_so(url, tmp_path, same):
    """It reads and checks meanwhile, waits while the first stores, and then finds what the first brought."""
    first = write_csv(tmp_path / "a.csv", [{}, {"closed": ""}])
    second = first if same else write_csv(tmp_path / "b.csv", [{}, {"number": "7"}])
    context = quick_context()
    holding, go_on, waiting, told = context.Event(), context.Event(), context.Event(), context.Queue()
    leader = _start(context, _hold, url, str(first), holding, go_on)
    assert holding.wait(60)
    follower = _start(context, _follow, url, str(second), waiting, told)
    assert waiting.wait(60)
    with Store.open(url) as reader:
        # Readers wait for nobody, and see nothing of what is under way.
        assert reader.read_events().empty
    go_on.set()
    steps, import_id, added = told.get(timeout=60)
    leader.join(60)
    follower.join(60)
    assert (leader.exitcode, follower.exitcode) == (0, 0)
    if same:
        assert (steps, import_id, added) == (["read", "check", WAITING], None, 0)
    else:
        assert steps[:3] == ["read", "check", WAITING]
        assert {"compare", "store"} <= set(steps[3:])
        assert added == 3
    with Store.open(url) as store:
        assert len(store.imports()) == (1 if same else 2)


def test_patience_ends_with_a_clear_message(url, tmp_path):
    """Who waited long enough hears why, what to do, and that nothing was stored."""
    path = write_csv(tmp_path / "a.csv", [{}])
    waited: list[tuple[int, int]] = []
    with Store.open(url) as first, Store.open(url) as second:
        before = contents(second)
        with first.writing(), pytest.raises(StoreError, match=r"the store is locked\. Another command") as caught:
            import_file(
                second,
                path,
                town(),
                patience=1.2,
                progress=lambda step, done, total: waited.append((done, total)) if step == WAITING else None,
            )
        assert "wait for it to end, then try again. Nothing of this command was stored." in str(caught.value)
        assert len(waited) >= 2
        assert waited == sorted(waited)
        assert all(was.equals(now) for was, now in zip(before, contents(second), strict=True))
        # And once the first is through, the same call goes well.
        assert import_file(second, path, town(), patience=1.2).events_added == 3


def test_an_import_is_more_patient_than_the_rest():
    """A large import holds the lock for minutes, which no quick command should have to wait for in silence."""
    from data import database

    assert database.IMPORT_PATIENCE >= 30 * 60 > 10 * database.BUSY_SECONDS


def test_a_failure_before_the_lock_waits_for_nobody(url, tmp_path):
    """A file that is refused is refused at once, whoever is writing."""
    from data.errors import RowError

    path = write_csv(tmp_path / "a.csv", [{"due": "2059-01-01"}])
    with Store.open(url) as first, Store.open(url) as second, first.writing():
        started = time.monotonic()
        with pytest.raises(RowError):
            import_file(second, path, town())
        assert time.monotonic() - started < 10


def test_a_busy_store_can_be_opened_by_an_importer(tmp_path):
    """Opening with `create` writes only where there is something to write."""
    path = tmp_path / "heed.db"
    Store.open(str(path), create=True).close()
    other = sqlite3.connect(path)
    other.execute("BEGIN IMMEDIATE")
    with Store.open(str(path), create=True) as store, store.reading() as connection:
        assert connection.execute(text("SELECT count(*) FROM event")).scalar_one() == 0
    other.close()
