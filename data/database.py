"""Connections to a store: one way to open an engine, to read, to write, and to say what went wrong.

SQLite and PostgreSQL differ here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from data.errors import StoreError, UsageError

# Two imports at once wait for each other. A minute is longer than an import of a million rows holds the lock.
BUSY_SECONDS: Final = 60
# An arbitrary number that all writers of one PostgreSQL database agree on.
_WRITE_LOCK: Final = 0x68656564


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
def writing(engine: Engine) -> Iterator[Connection]:
    """A connection in one transaction that no other writer shares; all of it is stored, or nothing.

    The lock is taken at once and not with the first write: an import compares with what is stored before it
    writes, and two that compare with the same state would both be right and together wrong.
    """
    with translated_errors(engine), engine.connect() as opened:
        connection = opened.execution_options(heed_writes=True)
        with connection.begin():
            if engine.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _WRITE_LOCK})
            yield connection


@contextmanager
def translated_errors(engine: Engine) -> Iterator[None]:
    """Raise StoreError for what the database raises, without the rows that its own message may quote."""
    try:
        yield
    except (DBAPIError, engine.dialect.loaded_dbapi.Error) as error:
        reason = error.orig if isinstance(error, DBAPIError) else error
        # Only the first line: PostgreSQL quotes the offending row in the lines after it.
        said = (str(reason).strip().splitlines() or ["no reason given"])[0]
        where = engine.url.render_as_string(hide_password=True)
        raise StoreError(f"{where}: the database refused: {said}. {_remedy(said)}") from None


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
        f"busy_timeout = {BUSY_SECONDS * 1000}",
        "journal_mode = WAL",  # readers go on while an import writes
        "synchronous = NORMAL",  # with WAL this can lose the last import in a power cut, never half of it
        "foreign_keys = ON",
        "cache_size = -65536",  # 64 MB: an import touches its indexes all over, and 2 MB would be written many times
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("heed_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _shown(url: str) -> str:
    """An address as it may be shown: without what stands before an @."""
    return url.rsplit("@", 1)[-1]
