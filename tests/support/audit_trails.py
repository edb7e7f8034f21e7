"""Audit trails to alter, and a process that records without an end."""

from __future__ import annotations

import sys
import threading
from typing import Any

from sqlalchemy import delete, insert, select

from data import tables
from data.audit_log import Act, append
from data.store import Store
from data.store_audit import appending
from service.audit import AuditWriter
from service.settings import Settings

READ = Act("key:1f", "handler", "case.read", "c1", {"part": "case"})
LISTED = Act("local", "admin", "case.list", None, {"cases": 3, "filters": {"office": "桥头"}})


def add(store: Store, count: int, *, now: int, step: int = 60) -> None:
    """Record so many reads, a minute apart."""
    for number in range(count):
        with store.writing() as connection:
            append(connection, [READ if number % 2 else LISTED], now=now + number * step)


def rows_of(store: Store) -> list[dict[str, Any]]:
    """Every entry as it is stored, in order."""
    with store.reading() as connection:
        found = connection.execute(select(tables.audit_entry).order_by(tables.audit_entry.c.seq)).mappings()
        return [dict(row) for row in found]


def put(store: Store, rows: list[dict[str, Any]]) -> None:
    """Write these entries in place of those that are there, past every rule."""
    with store.writing() as connection:
        connection.execute(delete(tables.audit_entry))
        if rows:
            connection.execute(insert(tables.audit_entry), rows)


def append_many(url: str, name: str, count: int) -> None:
    """Record from a process of its own, by both ways in turn."""
    with Store.open(url) as store:
        for number in range(count):
            act = Act(f"key:{name}", "handler", "case.read", f"{name}-{number}")
            way = appending(store, patience=60) if number % 2 else store.writing()
            with way as connection:
                append(connection, [act])


def main(url: str) -> None:
    """Record from four threads until killed; each tells what is safe as soon as it is."""
    writer = AuditWriter(Settings(store_url=url), patience=60)
    telling = threading.Lock()

    def record(thread: int) -> None:
        number = 0
        while True:
            target = f"{thread}-{number}"
            writer.record(Act(f"key:{thread}", "handler", "case.read", target))
            with telling:
                sys.stdout.write(f"{target}\n")
                sys.stdout.flush()
            number += 1

    for thread in range(4):
        threading.Thread(target=record, args=(thread,)).start()


if __name__ == "__main__":
    main(sys.argv[1])
