"""The short way to a new store, which the other tests take, leads to the same store as the migrations."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
from sqlalchemy import inspect, text

from data import migrate, store
from data.store import Store
from tests.support.exports import fresh_schema
from tests.support.new_stores import NewStores


def _shape(opened: Store) -> dict[str, object]:
    """All that a database knows of its tables, and the version that the store says it has."""
    found = inspect(opened.engine)
    tables = {
        name: {
            "columns": [{**column, "type": str(column["type"])} for column in found.get_columns(name)],
            "key": found.get_pk_constraint(name),
            "foreign": found.get_foreign_keys(name),
            "unique": found.get_unique_constraints(name),
            "checks": found.get_check_constraints(name),
            "indexes": found.get_indexes(name),
        }
        for name in sorted(found.get_table_names())
    }
    with opened.reading() as connection:
        version = migrate.stored_version(connection)
        statements = None
        if connection.dialect.name == "sqlite":
            query = text("SELECT type, name, sql FROM sqlite_master ORDER BY type, name")
            statements = [tuple(row) for row in connection.execute(query)]
    return {"tables": tables, "version": version, "statements": statements}


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_said_again_the_statements_make_the_same_store(kind, tmp_path, monkeypatch, request):
    """Tables, keys, indexes and version; the first store of a database is migrated, the second is not."""
    shapes, migrated = [], []
    short = NewStores()

    def counted(connection):
        migrated.append(connection.dialect.name)
        migrate.migrate(connection)

    monkeypatch.setattr("tests.support.new_stores.migrate", counted)
    for number, way in enumerate((migrate.migrate, short.migrate, short.migrate)):
        monkeypatch.setattr(store, "migrate", way)
        with ExitStack() as stack:
            url = str(tmp_path / f"{number}.db")
            if kind == "postgresql":
                url = stack.enter_context(fresh_schema(request.getfixturevalue("postgres_url")))
            shapes.append(_shape(stack.enter_context(Store.open(url, create=True))))
    assert len(shapes[0]["tables"]) > 15
    assert shapes[1] == shapes[0]
    assert shapes[2] == shapes[0]
    assert migrated == [kind]
