"""New stores made by the statements of one real migration: hundreds of tests begin with an empty store."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, event

from data.database import _prepare_sqlite
from data.migrate import migrate, stored_version

_CHANGES = ("CREATE", "ALTER", "DROP", "INSERT", "UPDATE")


class NewStores:
    """In place of `data.migrate.migrate`: the first new store of each database is migrated, and what was said to the
    database is said again for the next ones. A store that has a version is migrated as ever.
    """

    def __init__(self) -> None:
        self._said: dict[str, list[tuple[str, Any]]] = {}

    def migrate(self, connection: Connection) -> None:
        """Create the tables of a new store, or bring an older one up to date."""
        said = self._said.get(connection.dialect.name)
        if stored_version(connection) is not None:
            migrate(connection)
        elif said is None:
            self._said[connection.dialect.name] = recorded(connection)
        elif connection.dialect.name == "postgresql" and not any(parameters for _, parameters in said):
            # One journey to the server, where each takes as long as the work that it asks for.
            connection.exec_driver_sql(";".join(statement for statement, _ in said))
        else:
            for statement, parameters in said:
                connection.exec_driver_sql(statement, parameters)


def prepare_without_waiting(connection: Any, record: Any) -> None:
    """In place of `data.database._prepare_sqlite`: the same, but nothing is forced to the disk."""
    _prepare_sqlite(connection, record)
    connection.execute("PRAGMA synchronous = OFF")


def recorded(connection: Connection) -> list[tuple[str, Any]]:
    """Migrate a new store, and return the statements that changed it, with their parameters."""
    said: list[tuple[str, Any]] = []

    def listen(_connection: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool) -> None:
        if statement.lstrip().upper().startswith(_CHANGES):
            said.append((statement, parameters))

    event.listen(connection, "before_cursor_execute", listen)
    try:
        migrate(connection)
    finally:
        event.remove(connection, "before_cursor_execute", listen)
    return said
