"""The audit trail grows by entries that stand on one another."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from data import tables
from data.audit_log import GENESIS, Act, append, entry_hash
from data.store import Store

READ = Act("key:1f", "handler", "case.read", "c1")
PROMOTED = Act("local", "admin", "model.promote", "risk-0a", {"before": None})


@pytest.fixture
def store(tmp_path):
    """An empty store."""
    with Store.open(str(tmp_path / "heed.db"), create=True) as opened:
        yield opened


def _entries(store: Store) -> list[dict]:
    with store.reading() as connection:
        rows = connection.execute(select(tables.audit_entry).order_by(tables.audit_entry.c.seq)).mappings()
        return [dict(row) for row in rows]


def test_each_entry_holds_the_hash_of_the_one_before(store):
    """Within one transaction and over several."""
    with store.writing() as connection:
        append(connection, [READ, PROMOTED], now=100)
    with store.writing() as connection:
        append(connection, [READ], now=160)
    found = _entries(store)
    assert [entry["seq"] for entry in found] == [1, 2, 3]
    assert [entry["previous_hash"] for entry in found] == [GENESIS, *(entry["entry_hash"] for entry in found[:-1])]
    assert all(entry_hash(entry) == entry["entry_hash"] for entry in found)
    assert [entry["at"] for entry in found] == [100, 100, 160]
    assert found[1]["detail"] == '{"before": null}'


def test_an_entry_never_stands_before_the_one_before_it(store):
    """A clock set back makes no entry that looks older than the trail it stands on."""
    for now in (100, 40):
        with store.writing() as connection:
            append(connection, [READ], now=now)
    assert [entry["at"] for entry in _entries(store)] == [100, 100]


def test_what_is_undone_leaves_no_entry(store):
    """The entry is of the transaction that it tells of."""
    with pytest.raises(RuntimeError, match="undone"):
        _append_and_fail(store)
    assert _entries(store) == []


def _append_and_fail(store: Store) -> None:
    with store.writing() as connection:
        append(connection, [READ])
        raise RuntimeError("undone")
