"""API keys: how one looks, how it is stored, and who it lets in.

A key is 256 random bits. It is told once and stored as a hash: nothing could be guessed, so the hash need not be slow.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
import time
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Row, insert, select, update

from data import tables
from data.audit_log import Act, append
from data.errors import UsageError
from data.store import Store
from service.identity import SCOPES, Identity, Role

PREFIX: Final = "heed_"
_KEY: Final = re.compile(r"heed_([0-9a-f]{12})_[A-Za-z0-9_-]{43}")
_PURPOSE: Final = re.compile(r"[a-z0-9-]{1,40}")
_DAY: Final = 86_400
_MOST_DAYS: Final = 3_650
# Of no key: what an unknown id is compared with, so that it takes as long as a known one.
_NO_HASH: Final = "0" * 64


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One key, without its secret. Times are seconds in UTC.

    Attributes
    ----------
    offices : codes of the offices whose cases a handler may read; None: of another role
    expires_at : None: never
    revoked_at : None: it still counts
    """

    key_id: str
    secret_sha256: str
    role: Role
    offices: frozenset[str] | None
    purpose: str
    created_at: int
    expires_at: int | None
    revoked_at: int | None

    def state(self, now: float) -> str:
        """`good`, `expired` or `revoked`."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at is not None and self.expires_at <= now else "good"

    def identity(self) -> Identity:
        """Who asks with this key."""
        # Only an administrator sees every office; of a role that reads no case, no office either.
        offices = None if self.role is Role.ADMIN else self.offices or frozenset()
        return Identity(f"key:{self.key_id}", self.role, offices, SCOPES[self.role])


def key_id_of(text: str) -> str | None:
    """The id in the text of a key, or None if it does not look like one."""
    found = _KEY.fullmatch(text)
    return None if found is None else found[1]


def hashed(text: str) -> str:
    """SHA-256 of the text of a key, in hex."""
    return hashlib.sha256(text.encode()).hexdigest()


def opens(text: str, key: ApiKey | None, now: float) -> bool:
    """Whether the text is that key, and the key still counts. It takes as long for every text of the same length."""
    same = hmac.compare_digest(hashed(text), _NO_HASH if key is None else key.secret_sha256)
    return key is not None and same and key.state(now) == "good"


def add_key(
    store: Store, role: Role, *, offices: Collection[str], purpose: str, days: int, now: int | None = None
) -> tuple[str, ApiKey]:
    """Make a key, store its hash, and write that into the audit trail.

    Parameters
    ----------
    offices : whose cases it may read; for a handler at least one, for others none
    purpose : a word for the desk or program, such as counter-2; never a name
    days : until it expires; 0: never
    now : seconds in UTC; None: this moment

    Returns
    -------
    The text of the key, which is not stored, and what is stored of it.

    Raises
    ------
    UsageError
        If the purpose is no such word, or the offices do not fit the role or are not among those of the store.
    """
    _require_sound(role, offices, purpose, days)
    moment = int(time.time()) if now is None else now
    expires_at = moment + days * _DAY if days else None
    with store.writing() as connection:
        known = {str(code) for code in connection.execute(select(tables.office.c.office)).scalars()}
        unknown = len(set(offices) - known) if known else 0
        if unknown:
            raise UsageError(
                f"Expected offices of this store, and {unknown} of those given are not among its {len(known)}. "
                "`heed places show` lists them."
            )
        key_id = secrets.token_hex(6)
        text = f"{PREFIX}{key_id}_{secrets.token_urlsafe(32)}"
        held = frozenset(offices) if role is Role.HANDLER else None
        key = ApiKey(key_id, hashed(text), role, held, purpose, moment, expires_at, None)
        connection.execute(insert(tables.api_key), _row_of(key))
        told = {"role": role.value, "offices": sorted(offices), "purpose": purpose, "expires_at": expires_at}
        append(connection, [Act.own("command", "key.add", key_id, told)], now=moment)
    return text, key


def list_keys(store: Store) -> list[ApiKey]:
    """Every key that was ever made, the oldest first."""
    column = tables.api_key.c
    with store.reading() as connection:
        rows = connection.execute(select(tables.api_key).order_by(column.created_at, column.key_id)).fetchall()
    return [key for row in rows if (key := key_of(row)) is not None]


def revoke_key(store: Store, key_id: str, *, now: int | None = None) -> ApiKey:
    """Make a key count no longer, and write that into the audit trail. Doing it twice changes nothing.

    Raises
    ------
    UsageError
        If there is no such key.
    """
    moment = int(time.time()) if now is None else now
    column = tables.api_key.c
    with store.writing() as connection:
        row = connection.execute(select(tables.api_key).where(column.key_id == key_id)).first()
        key = None if row is None else key_of(row)
        if key is None:
            raise UsageError(
                "Expected the id of a key of this store; there is none with this id. See `heed keys list`."
            )
        if key.revoked_at is not None:
            return key
        connection.execute(update(tables.api_key).where(column.key_id == key_id).values(revoked_at=moment))
        append(connection, [Act.own("command", "key.revoke", key_id)], now=moment)
        row = connection.execute(select(tables.api_key).where(column.key_id == key_id)).one()
    revoked = key_of(row)
    return key if revoked is None else revoked


def key_of(row: Row[Any]) -> ApiKey | None:
    """The key of a row of `api_key`; None if its role or its offices are none that this version knows."""
    try:
        role = Role(row.role)
        offices = None if row.offices is None else frozenset(json.loads(row.offices))
    except (ValueError, TypeError):
        return None
    columns = (row.purpose, int(row.created_at), row.expires_at, row.revoked_at)
    return ApiKey(row.key_id, row.secret_sha256, role, offices, *columns)


def _row_of(key: ApiKey) -> dict[str, object]:
    offices = None if key.offices is None else json.dumps(sorted(key.offices), ensure_ascii=False)
    names = ("key_id", "secret_sha256", "purpose", "created_at", "expires_at", "revoked_at")
    return {**{name: getattr(key, name) for name in names}, "role": key.role.value, "offices": offices}


def _require_sound(role: Role, offices: Collection[str], purpose: str, days: int) -> None:
    if not _PURPOSE.fullmatch(purpose):
        raise UsageError(
            "--purpose: expected a word of a-z, 0-9 and -, at most 40 letters, for the desk or program that will use "
            "the key, such as counter-2; never a name."
        )
    if not 0 <= days <= _MOST_DAYS:
        raise UsageError(f"--days: expected at most {_MOST_DAYS:,} days, or 0 for a key that never expires.")
    if role is Role.HANDLER and not offices:
        raise UsageError(
            "--office: expected at least one office, because a handler reads the cases of its own offices."
        )
    if role is not Role.HANDLER and offices:
        raise UsageError(f"--office: expected none, because the role {role.value} is not bound to offices.")
