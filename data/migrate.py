"""Bring a store to the version of this heed, or say that it is of another one."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from data.errors import StoreError

_FOLDER: Final = Path(__file__).parent / "migrations"


def migrate(connection: Connection) -> None:
    """Create the tables of a new store, or bring an older one up to date, in the transaction of `connection`.

    Raises
    ------
    StoreError
        If the store was written by a later heed.
    """
    if stored_version(connection) == current_version():
        return
    _refuse_later(connection)
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def make_version(connection: Connection, version: str) -> None:
    """Create the tables of a store of a given version where there are none, in the transaction of `connection`.

    Raises
    ------
    StoreError
        If this heed does not know the version.
    """
    if version not in _known_versions():
        raise _later(version)
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, version)


def check_version(connection: Connection) -> None:
    """Raise StoreError, with the remedy, unless the store has the version that this heed reads."""
    version = stored_version(connection)
    if version == current_version():
        return
    if version is None:
        raise StoreError(
            "This database holds no store of heed yet. Make one with `heed import FILE --mapping NAME`, or "
            "`heed demo`, or give another address with --store."
        )
    _refuse_later(connection)
    raise StoreError(
        f"Expected a store of version {current_version()}, got {version}. "
        "The next `heed import` into it brings it up to date; make a copy first."
    )


def stored_version(connection: Connection) -> str | None:
    """The version a store says it has; None for a database without one."""
    return MigrationContext.configure(connection).get_current_revision()


@cache
def current_version() -> str:
    """The version that this heed writes."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    if head is None:
        raise StoreError(f"The folder {_FOLDER.name} holds no migration: this installation is incomplete.")
    return head


def _refuse_later(connection: Connection) -> None:
    version = stored_version(connection)
    if version is not None and version not in _known_versions():
        raise _later(version)


def _known_versions() -> frozenset[str]:
    return frozenset(script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions())


def _later(version: str) -> StoreError:
    return StoreError(
        f"Expected a store of version {current_version()} or older, got {version}, which this heed does "
        "not know. Use the heed that wrote it, or a later one."
    )


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    return config
