"""Ask the service as a program would, without a socket."""

from __future__ import annotations

import asyncio
from functools import cache
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI

from service.app import create_app
from service.settings import Settings
from tests.support.service_store import shared_store


class Client:
    """A synchronous client of one app. Errors inside the app come back as answers, as they would over a socket."""

    def __init__(self, app: FastAPI) -> None:
        self.app = app

    def get(self, address: str, /, **headers: str) -> httpx.Response:
        """Ask for an address; `accept_language="zh"` becomes the header Accept-Language."""
        return self.request("GET", address, **headers)

    def request(
        self, method: str, address: str, /, *, content: str | bytes | None = None, **headers: str
    ) -> httpx.Response:
        """Ask with any method, and perhaps a body."""
        return asyncio.run(self._request(method, address, content, headers))

    async def _request(
        self, method: str, address: str, content: str | bytes | None, headers: dict[str, str]
    ) -> httpx.Response:
        transport = httpx.ASGITransport(app=self.app, raise_app_exceptions=False)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as client:
            return await client.request(method, address, content=content, headers=sent)

    def json(self, address: str, /, **headers: str) -> Any:
        """The JSON at an address that must be there."""
        answer = self.get(address, **headers)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def close(self) -> None:
        """Close the store, once what was read is recorded."""
        self.app.state.audit.close()
        self.app.state.reads.close()


def client_of(store: Path, **settings: Any) -> Client:
    """A client of a service on that store, which looks for changes with every request."""
    # Tests ask more often than an asker may.
    given = {"recheck_seconds": 0, "rate_per_minute": 0, **settings}
    return Client(create_app(Settings(store_url=str(store), **given)))


@cache
def shared_client() -> Client:
    """The service on the shared store, for tests that only read."""
    return client_of(shared_store())
