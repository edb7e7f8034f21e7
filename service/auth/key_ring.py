"""The keys of the store as one process knows them, read anew often enough that a revoked one soon counts no more."""

from __future__ import annotations

import secrets
import threading
import time
from pathlib import Path
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError

from data import tables
from data.database import file_of
from data.errors import StoreError
from data.store import Store
from service.auth.keys import ApiKey, key_of
from service.language import marked
from service.settings import Settings

_SESSION: Final = "session_key"
_SECRET: Final = select(tables.secret.c.value).where(tables.secret.c.name == _SESSION)
_UNREADABLE: Final = marked("The keys could not be read from the store, so nobody is let in. Try again.")


class KeyRing:
    """All keys that are not revoked, and the secret that signs sessions. Safe to use from several threads.

    All are read at once and not one by one: there are few, and an id that nobody has costs no look into the store.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._store: Store | None = None
        self._file: tuple[int, int] | None = None
        self._keys: dict[str, ApiKey] = {}
        self._session_secret: bytes | None = None
        self._looked_at = float("-inf")

    @property
    def fresh(self) -> bool:
        """Whether the keys were read within the last `recheck_seconds`."""
        return time.monotonic() - self._looked_at < self._settings.recheck_seconds

    def get(self, key_id: str | None) -> ApiKey | None:
        """The key of that id, as last read; None if there is none, or no longer."""
        return None if key_id is None else self._keys.get(key_id)

    @property
    def session_secret(self) -> bytes | None:
        """What sessions of this store are signed with, as last read; None: no session was ever begun."""
        return self._session_secret

    def refresh(self) -> None:
        """Read the keys, unless another thread does so after this one asked. It waits for the store.

        Raises
        ------
        StoreError
            If the store cannot be read. What was read before then counts no more.
        """
        asked = time.monotonic()
        with self._lock:
            if self._looked_at >= asked:
                return
            # Taken before reading: what is revoked while it reads is found at the next look.
            looked_at = time.monotonic()
            try:
                self._read()
            except (StoreError, SQLAlchemyError, OSError):
                raise StoreError(_UNREADABLE) from None
            self._looked_at = looked_at

    def begin_sessions(self) -> bytes:
        """The secret that signs sessions; made at the first sign-in of the store.

        Raises
        ------
        StoreError
            If the store cannot be written to.
        """
        if self._session_secret is not None:
            return self._session_secret
        try:
            with self._lock:
                store = self._opened()
            # Not under the lock: whoever waits here for another writer must not keep everybody's keys from being read.
            secret = self._make_secret(store)
        except (StoreError, SQLAlchemyError, OSError):
            raise StoreError(marked("The session could not be begun: the store cannot be written to.")) from None
        with self._lock:
            # After whoever is reading now, and may not have found it yet.
            self._session_secret = secret
        return secret

    def close(self) -> None:
        """Close the store."""
        with self._lock:
            if self._store is not None:
                self._store.close()
            self._store = None

    def _read(self) -> None:
        with self._opened().reading() as connection:
            rows = connection.execute(select(tables.api_key).where(tables.api_key.c.revoked_at.is_(None))).fetchall()
            secret = connection.execute(_SECRET).scalar()
        self._keys = {key.key_id: key for row in rows if (key := key_of(row)) is not None}
        self._session_secret = None if secret is None else bytes(secret)

    def _make_secret(self, store: Store) -> bytes:
        row = {"name": _SESSION, "value": secrets.token_bytes(32)}
        dialect: Any = postgresql if store.engine.dialect.name == "postgresql" else sqlite
        with store.writing() as connection:
            # Two processes may be first at once: one secret stays, and both use it.
            connection.execute(dialect.insert(tables.secret).on_conflict_do_nothing(), row)
            return bytes(connection.execute(_SECRET).scalar_one())

    def _opened(self) -> Store:
        found = _identity_of(file_of(self._store.engine.url)) if self._store is not None else None
        if self._store is not None and found != self._file:
            # Deleted or restored from a copy: an open connection would go on reading the keys of the old file.
            self._store.close()
            self._store = None
        if self._store is None:
            self._store = Store.open(self._settings.store_url)
            self._file = _identity_of(file_of(self._store.engine.url))
        return self._store


def _identity_of(file: Path | None) -> tuple[int, int] | None:
    if file is None:
        return None
    stat = file.stat()
    return stat.st_dev, stat.st_ino
