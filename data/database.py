"""Connections to a store: one way to open an engine, to read, to write, and to say what went wrong.

SQLite and PostgreSQL differ here and nowhere else.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, OperationalError

from data.errors import StoreError, UsageError

# How long what is quickly written (scores, signals, places) waits for another writer.
BUSY_SECONDS: Final = 60
# How long an import waits for another: a large one holds the lock for minutes.
IMPORT_PATIENCE: Final = 30 * 60
_LOOK_AGAIN: Final = 0.5
# And what opens a file for another that is opening or closing it, which takes a moment.
_OPEN_AGAIN: Final = 0.005
# An arbitrary number that all writers of one PostgreSQL database agree on.
_WRITE_LOCK: Final = 0x68656564


Waiting = Callable[[int, int], None]
# Entered by a writing transaction once it is the only writer, and left just before it is committed. What it raises
# undoes the transaction.
Fence = Callable[[Connection], AbstractContextManager[None]]
_FENCE: Final = "heed_fence"


def parse_url(url: str) -> URL:
    """The address of a store: `sqlite:///x.db`, a bare path such as `x.db`, or `postgresql+psycopg://…`.

    Raises
    ------
    UsageError
        If the address is of another engine, or of a database that lives in memory only.
    """
    try:
        parsed = make_url(url) if "://" in url else URL.create("sqlite", database=url)
    except ArgumentError:
        raise UsageError(f"'{_shown(url)}' is not the address of a store. {_FORMS}") from None
    if parsed.get_backend_name() == "postgresql":
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.get_backend_name() != "sqlite":
        raise UsageError(f"Expected SQLite or PostgreSQL, got '{parsed.get_backend_name()}'. {_FORMS}")
    if parsed.database in (None, "", ":memory:"):
        raise UsageError(f"Expected a file: a store in memory is gone with the command. {_FORMS}")
    return parsed


_FORMS: Final = "Use a path (heed.db), sqlite:///heed.db, or postgresql+psycopg://user@host/database."


def open_engine(url: URL) -> Engine:
    """An engine whose errors never show a row and whose transactions begin when we say so."""
    options: dict[str, Any] = {"hide_parameters": True}
    if url.get_backend_name() == "sqlite":
        options["connect_args"] = {"timeout": BUSY_SECONDS}
    try:
        engine = create_engine(url, **options)
    except (ImportError, NoSuchModuleError):
        raise StoreError(
            "PostgreSQL needs the package psycopg, which is not installed. "
            "Install heed with its extra: pip install 'heed[postgres]'."
        ) from None
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def file_of(url: URL) -> Path | None:
    """The file of an SQLite store; None for a server."""
    return Path(str(url.database)) if url.get_backend_name() == "sqlite" else None


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A connection in one transaction: everything read inside is of the same moment."""
    with translated_errors(engine):
        # Read committed, PostgreSQL's default, would let two statements of one answer see two states.
        level = {"isolation_level": "REPEATABLE READ"} if engine.dialect.name == "postgresql" else {}
        with engine.connect() as opened:
            connection = opened.execution_options(**level)
            with connection.begin():
                yield connection


@contextmanager
def writing(engine: Engine, *, patience: float | None = None, waiting: Waiting | None = None) -> Iterator[Connection]:
    """A connection in one transaction that no other writer shares; all of it is stored, or nothing.

    The lock is taken at once and not with the first write: an import compares with what is stored before it
    writes, and two that compare with the same state would both be right and together wrong.

    Parameters
    ----------
    patience : seconds to wait for another writer; None: `BUSY_SECONDS`
    waiting : called about once a second while waiting, as (seconds waited, patience); what it raises ends the waiting

    Raises
    ------
    StoreError
        If another writer had not finished by then, or for what the database says.
    """
    limit = BUSY_SECONDS if patience is None else patience
    begin = _begin_postgresql if engine.dialect.name == "postgresql" else _begin_sqlite_writer
    with translated_errors(engine), engine.connect() as opened:
        connection = opened.execution_options(heed_writes=True)
        started = time.monotonic()
        while not begin(connection):
            waited = time.monotonic() - started
            if waited >= limit:
                raise StoreError(
                    f"{_where(engine)}: the store is locked. Another command has been writing for {_spoken(limit)}: "
                    "wait for it to end, then try again. Nothing of this command was stored."
                )
            if waiting is not None:
                waiting(int(waited), int(limit))
            time.sleep(min(_LOOK_AGAIN, max(limit - waited, 0)))
        fence: Fence = engine.get_execution_options().get(_FENCE, nullcontext)
        with connection.get_transaction() or connection.begin(), fence(connection):
            yield connection


@contextmanager
def appending(engine: Engine, *, patience: float) -> Iterator[Connection]:
    """A short transaction that adds to the audit trail and to nothing else, safe on the disk when the block has ended.

    SQLite has one writer at a time, an import included; on PostgreSQL only those wait for each other who add to the
    trail (`data.audit_log.hold`).

    Parameters
    ----------
    patience : seconds to wait for another writer

    Raises
    ------
    StoreError
        If the other had not finished by then, or for what the database says.
    """
    milliseconds = int(patience * 1000)
    with translated_errors(engine), engine.connect() as opened:
        if engine.dialect.name == "postgresql":
            with opened.begin():
                opened.exec_driver_sql(f"SET LOCAL lock_timeout = {milliseconds}")
                yield opened
            return
        connection = opened.execution_options(heed_waits=milliseconds)
        with connection.begin():
            yield connection


def fenced(engine: Engine, fence: Fence) -> Engine:
    """The same engine, with the same connections, whose writing transactions all stand within `fence`."""
    return engine.execution_options(**{_FENCE: fence})


def _begin_sqlite_writer(connection: Connection) -> bool:
    try:
        connection.begin()
    except OperationalError as error:
        if "locked" in str(error.orig):
            return False
        raise
    return True


def _begin_postgresql(connection: Connection) -> bool:
    """Ask in a transaction of its own each time: one that stays open while it waits would hold up the server."""
    transaction = connection.begin()
    taken = connection.execute(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": _WRITE_LOCK}).scalar_one()
    if not taken:
        transaction.rollback()
    return bool(taken)


def _where(engine: Engine) -> str:
    return engine.url.render_as_string(hide_password=True)


def _spoken(seconds: float) -> str:
    return f"{seconds / 60:,.0f} minutes" if seconds >= 120 else f"{seconds:,.0f} s"


@contextmanager
def translated_errors(engine: Engine) -> Iterator[None]:
    """Raise StoreError for what the database raises, without the rows that its own message may quote."""
    try:
        yield
    except (DBAPIError, engine.dialect.loaded_dbapi.Error) as error:
        reason = error.orig if isinstance(error, DBAPIError) else error
        # Only the first line: PostgreSQL quotes the offending row in the lines after it.
        said = (str(reason).strip().splitlines() or ["no reason given"])[0]
        raise StoreError(f"{_where(engine)}: the database refused: {said}. {_remedy(said)}") from None


def _remedy(said: str) -> str:
    if "locked" in said:
        return f"Another command has been writing for {BUSY_SECONDS} s: wait for it, then try again."
    if "not a database" in said or "malformed" in said:
        return "The file is not a store of heed, or is damaged: give another path with --store."
    if "unable to open" in said or "readonly" in said or "read-only" in said:
        return "Check that the folder exists and may be written to."
    if "connection" in said.lower():
        return "Check that the server runs, and the user, the password and the database in the address."
    return "Nothing of this command was stored."


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # The driver opens transactions on its own, too late and for some statements only; see `_begin_sqlite`.
    connection.isolation_level = None
    for pragma in (
        f"busy_timeout = {int(BUSY_SECONDS * 1000)}",
        "journal_mode = WAL",  # readers go on while an import writes
        "synchronous = NORMAL",  # with WAL this can lose the last import in a power cut, never half of it
        "foreign_keys = ON",
        "cache_size = -65536",  # 64 MB
        "journal_size_limit = 67108864",  # a large import leaves no large file behind
    ):
        _patiently(connection, f"PRAGMA {pragma}")


def _patiently(connection: Any, statement: str) -> None:
    """Ask again what SQLite refuses without any waiting: two that open one new file at the same moment, or one that
    opens it while the last other one closes it, would lock each other out, and it tells one of them so at once.
    """
    until = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute(statement)
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() >= until:
                raise
            time.sleep(_OPEN_AGAIN)
        else:
            return


def _begin_sqlite(connection: Connection) -> None:
    options = connection.get_execution_options()
    if "heed_waits" in options:
        _begin_durable(connection, options["heed_waits"])
        return
    if not options.get("heed_writes", False):
        connection.exec_driver_sql("BEGIN")
        return
    # `writing` waits itself, and can say so meanwhile.
    connection.exec_driver_sql("PRAGMA busy_timeout = 0")
    try:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    finally:
        connection.exec_driver_sql(f"PRAGMA busy_timeout = {int(BUSY_SECONDS * 1000)}")


def _begin_durable(connection: Connection, milliseconds: int) -> None:
    """Begin to write, waiting as SQLite itself does: in steps of a millisecond and more, not of half a second."""
    # What was committed before, by whomever, is in the same log and so on the disk with it.
    for pragma in (f"busy_timeout = {milliseconds}", "synchronous = FULL"):
        connection.exec_driver_sql(f"PRAGMA {pragma}")
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _shown(url: str) -> str:
    """An address as it may be shown: without what stands before an @."""
    return url.rsplit("@", 1)[-1]
