"""Write through the service as a program would, without a socket; and count what a write left in a store."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI
from sqlalchemy import Connection, func, select

from data import tables
from data.store import Store
from service.app import create_app
from service.settings import Settings
from tests.support.exports import fresh_schema
from tests.support.service_store import fill, small_store

SOURCE = "simulated"
OPENED = "2026-03-02T09:30:00+08:00"
LATER = "2026-03-02T10:15:00+08:00"


class Writer:
    """A synchronous client that sends bodies. Errors inside the app come back as answers, as over a socket."""

    def __init__(self, app: FastAPI) -> None:
        self.app = app

    def ask(
        self, method: str, address: str, body: Any = None, /, content: bytes | None = None, **headers: str
    ) -> httpx.Response:
        """Send a body as JSON, or `content` as it is; `if_match=…` becomes the header If-Match."""
        return asyncio.run(self._ask(method, address, body, content, headers))

    async def _ask(
        self, method: str, address: str, body: Any, content: bytes | None, headers: dict[str, str]
    ) -> httpx.Response:
        transport = httpx.ASGITransport(app=self.app, raise_app_exceptions=False)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None:
            content = json.dumps(body).encode()
            sent.setdefault("content-type", "application/json")
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as client:
            return await client.request(method, address, content=content, headers=sent)

    def post_events(self, *events: Mapping[str, Any], key: str = "one", **more: Any) -> httpx.Response:
        """Append events of the simulated source."""
        body = {"source": SOURCE, "events": list(events), **more}
        return self.ask("POST", "/v1/events", body, idempotency_key=key)

    def close(self) -> None:
        """Close what the app holds open."""
        for close in reversed(self.app.state.closers):
            close()


def writer_of(url: str, **settings: Any) -> Writer:
    """A client of a service on that store, which looks for changes with every request."""
    return Writer(create_app(Settings(store_url=url, recheck_seconds=0, rate_per_minute=0, **settings)))


@contextmanager
def filled_store(engine: str, folder: Path, postgres_url: Any) -> Iterator[str]:
    """The address of a small store with a scoring and signals, on "sqlite" or "postgresql"; `postgres_url` gives that
    of the server when called.
    """
    with ExitStack() as stack:
        if engine == "sqlite":
            yield str(small_store(folder))
            return
        url = stack.enter_context(fresh_schema(postgres_url()))
        with Store.open(url, create=True) as store:
            fill(store, cases=40)
        yield url


def opened(number: int = 1, **said: Any) -> dict[str, Any]:
    """The opening of a case."""
    told = {"category": "street_light", "area": "A-02", "channel": "phone", "office": "O-1"}
    return {"reference": f"2026-{number:06d}", "kind": "opened", "at": OPENED, **told, **said}


def moved(number: int = 1, **said: Any) -> dict[str, Any]:
    """A hand-over of a case."""
    return {"reference": f"2026-{number:06d}", "kind": "transferred", "at": LATER, "office": "O-3", **said}


def counted(connection: Connection, table: Any) -> int:
    """How many rows a table has."""
    return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


def left_in(store: Store) -> dict[str, int]:
    """How many rows a store has of what a write through the service may leave."""
    names = ("event", "import_run", "audit_entry", "idempotent_request", "signal_review", "case_mark")
    with store.reading() as connection:
        return {name: counted(connection, tables.metadata.tables[name]) for name in names}


def acts(store: Store, action: str) -> list[dict[str, Any]]:
    """The details of the entries of the trail with that action, oldest first."""
    row = tables.audit_entry.c
    with store.reading() as connection:
        told = connection.execute(select(row.detail).where(row.action == action).order_by(row.seq)).scalars()
        return [json.loads(text) for text in told]
