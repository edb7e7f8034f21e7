"""Whether anything that is shown has changed in a store, for a look that costs one row.

Every writing transaction leaves a new random token in the table of secrets, except one that wrote nothing but the
audit trail, jobs, answered requests, keys, marks of cases and saved views: these are written all the time, and no page
or answer that is kept is made from them.
"""

from __future__ import annotations

import re
import secrets
from typing import Any, Final

from sqlalchemy import Connection, event, insert, select, update

from data import tables

_NAME: Final = "changes"
_QUIET: Final = "audit_entry|job|idempotent_request|api_key|case_mark|saved_view"
_NO_CHANGE: Final = re.compile(
    rf"\s*(?:(?:SELECT|PRAGMA|BEGIN|SET|SAVEPOINT|RELEASE|ROLLBACK|EXPLAIN|ANALYZE)\b"
    rf'|(?:INSERT\s+INTO|UPDATE|DELETE\s+FROM)\s+"?(?:{_QUIET})\b)',
    re.IGNORECASE,
)
_TOKEN: Final = tables.secret.c.name == _NAME


class Changes:
    """Watches what a writing transaction does."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._any = False
        event.listen(connection, "before_cursor_execute", self._see)

    def note(self) -> None:
        """Leave a new token, if the transaction has changed what is shown; just before it is committed."""
        if not self._any:
            return
        token = secrets.token_bytes(16)
        changed = self._connection.execute(update(tables.secret).where(_TOKEN).values(value=token))
        if not changed.rowcount:
            self._connection.execute(insert(tables.secret).values(name=_NAME, value=token))

    def _see(self, _connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        self._any = self._any or _NO_CHANGE.match(statement) is None


def change_token(connection: Connection) -> bytes | None:
    """The token of the newest change; None for a store that nobody has written to since tokens are kept."""
    token = connection.execute(select(tables.secret.c.value).where(_TOKEN)).scalar()
    return None if token is None else bytes(token)
