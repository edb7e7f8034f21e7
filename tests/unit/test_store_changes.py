"""A store tells by one token whether anything that is shown has changed."""

from __future__ import annotations

from contextlib import ExitStack

import pandas as pd
import pytest
from sqlalchemy import delete, insert, update

from data import tables
from data.audit_log import append
from data.store import Store
from data.store_audit import appending
from data.store_changes import change_token
from tests.support.audit_trails import READ
from tests.support.exports import fresh_schema

JOB = {"kind": "score", "arguments": "{}", "state": "queued", "created_at": 1, "created_by": "x", "not_before": 0}
REQUEST = {
    "actor": "x",
    "idempotency_key": "k",
    "request_sha256": "",
    "started_at": 1,
    "lease_until": 2,
    "attempt": "a",
}
KEY = {"key_id": "1f", "secret_sha256": "0" * 64, "role": "analyst", "purpose": "x", "created_at": 1}


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request, tmp_path):
    """A new store on each engine."""
    with ExitStack() as stack:
        if request.param == "sqlite":
            url = str(tmp_path / "heed.db")
        else:
            url = stack.enter_context(fresh_schema(request.getfixturevalue("postgres_url")))
        yield stack.enter_context(Store.open(url, create=True))


def _token(store: Store) -> bytes | None:
    with store.reading() as connection:
        return change_token(connection)


def test_what_is_written_all_the_time_is_no_change(store):
    """Entries of the trail, jobs and their heartbeats, answered requests, keys."""
    before = _token(store)
    assert before is not None
    with store.writing() as connection:
        append(connection, [READ])
        connection.execute(insert(tables.job).values(job_id="j", attempts=0, cancel_asked=0, **JOB))
        connection.execute(insert(tables.idempotent_request), [REQUEST])
        connection.execute(insert(tables.api_key), [KEY])
    with store.writing() as connection:
        connection.execute(update(tables.job).values(lease_until=9))
        connection.execute(delete(tables.idempotent_request))
        connection.execute(delete(tables.audit_entry).where(tables.audit_entry.c.seq < 1))
    with appending(store, patience=5) as connection:
        append(connection, [READ])
    with store.writing() as connection:
        connection.exec_driver_sql("SELECT 1")
    assert _token(store) == before


def test_everything_else_is_a_change(store):
    """Every time anew, by whatever way it is written, also beside what is none."""
    tokens = [_token(store)]
    places = pd.DataFrame({"category": ["a"], "name_en": ["A"]})
    for _ in range(2):
        store.write_places(categories=places)
        tokens.append(_token(store))
    with store.writing() as connection:
        append(connection, [READ])
        connection.execute(update(tables.category).values(name_en="B"))
        append(connection, [READ])
    tokens.append(_token(store))
    with store.writing() as connection:
        connection.exec_driver_sql("delete from category")
    tokens.append(_token(store))
    with store.writing() as connection:
        row = {"source": "s", "time_zone": "UTC", "known_at_opening": "[]", "mapping_sha256": ""}
        connection.execute(insert(tables.source), [row])
    tokens.append(_token(store))
    assert len(set(tokens)) == len(tokens) == 6


def test_what_is_undone_is_no_change(store):
    """The token is of the transaction."""
    before = _token(store)

    def undone() -> None:
        with store.writing() as connection:
            connection.execute(update(tables.category).values(name_en="B"))
            raise RuntimeError("undone")

    with pytest.raises(RuntimeError, match="undone"):
        undone()
    assert _token(store) == before
