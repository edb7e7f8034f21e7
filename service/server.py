"""The server around the app: it ends without dropping a request, and waits for nobody without end.

Told to stop (SIGTERM), it first says so where it is asked whether it is ready, and goes on answering for a while, so
that whoever sends it requests can send them elsewhere. Then it takes no new connection, finishes what was begun, and
ends with exit code 0. Ctrl+C on a terminal skips the while.
"""

from __future__ import annotations

import asyncio
import json
import signal
import time
from types import FrameType
from typing import Any, Final

import h11
import uvicorn
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from service.answer_head import QuickHead
from service.guard import HEADERS
from service.limits import MAX_HEAD_BYTES
from service.problems import MEDIA_TYPE, Problem
from service.settings import Settings

# From the first byte of a head to its last. Whoever takes longer keeps a connection busy and says nothing.
HEAD_SECONDS: Final = 10.0
KEEP_ALIVE_SECONDS: Final = 30
# Below the 1,024 open files that many systems allow a process.
CONNECTIONS: Final = 800
# For what was begun when the end came; one thousand cases with reasons take a few seconds.
FINISH_SECONDS: Final = 30
# What is said before the answer: that the body may come. Nothing follows it by itself.
_INTERIM: Final = b"HTTP/1.1 1"


class Protocol(H11Protocol):
    """HTTP/1.1 that gives up on a head which does not come, and refuses one that is none with a problem."""

    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first head."""
        super().connection_made(transport)
        # What a request and its answer get; the server itself goes on with the bare one.
        self.transport = _Together(transport)  # type: ignore[assignment]
        self._asked: Any = self.app
        self.app = self._answer
        self._await_head()

    def data_received(self, data: bytes) -> None:
        """Take some bytes; wait on where they end within a head."""
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._head_came()
        elif self.conn.trailing_data[0]:
            self._await_head()
        else:
            self._head_came()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._head_came()
        super().connection_lost(exc)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        # The next request is not read before this one is answered, so the cycle is this one's.
        await self._asked(scope, receive, QuickHead(self.cycle, send).send)

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  the signature of the server's
        """Say that this is no request, as a problem; the reason is not told, as it may quote what came."""
        problem = Problem(
            type="urn:heed:problem:bad-request",
            title="Not a request",
            status=400,
            detail=f"Expected HTTP/1.1 with a request line and headers of at most {MAX_HEAD_BYTES} bytes.",
            instance="about:blank",
        )
        body = json.dumps(problem.model_dump(exclude_none=True)).encode()
        fields = {"Content-Type": MEDIA_TYPE, "Content-Length": str(len(body)), "Cache-Control": "no-store", **HEADERS}
        headers = [*fields.items(), ("Connection", "close")]
        for event in (h11.Response(status_code=400, headers=headers), h11.Data(data=body), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def _await_head(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _head_came(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _give_up(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()


class _Together:
    """A transport that sends the head of an answer with the first part of its body: one packet and one call of the
    system for most answers, where there would be two. As ASGI has it, a head waits for that part, which is empty where
    there is no body.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head = b""

    def write(self, data: bytes) -> None:
        """Send, or keep until there is more."""
        if self._head:
            data, self._head = self._head + data, b""
        elif data.startswith(b"HTTP/1.1 ") and not data.startswith(_INTERIM):
            self._head = data
            return
        if data:
            self._transport.write(data)

    def is_closing(self) -> bool:
        """Asked with every answer, so without a search for it."""
        return self._transport.is_closing()

    def close(self) -> None:
        """Send what was kept, and close."""
        self.write(b"")
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class Server(uvicorn.Server):
    """A server that says that it is about to stop before it does.

    Parameters
    ----------
    config : as uvicorn has it
    app : `app.state.stopping` is set at the first signal
    drain_seconds : for which it goes on answering after SIGTERM
    """

    def __init__(self, config: uvicorn.Config, app: FastAPI, drain_seconds: float) -> None:
        super().__init__(config)
        self._app = app
        self._drain_seconds = drain_seconds
        self._ends: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002  the signature of a handler
        """Stop soon; at a second signal, at once."""
        self._app.state.stopping.set()
        if self._ends is None:
            self._ends = time.monotonic() + (self._drain_seconds if sig == signal.SIGTERM else 0)
        elif self.should_exit and sig == signal.SIGINT:
            self.force_exit = True
        else:
            self._ends = time.monotonic()

    async def on_tick(self, counter: int) -> bool:
        """Look, ten times a second, whether it is time to stop."""
        if self._ends is not None and time.monotonic() >= self._ends:
            self.should_exit = True
        return await super().on_tick(counter)


def serve(app: FastAPI, settings: Settings) -> None:
    """Serve until a signal comes.

    Parameters
    ----------
    app : of `create_app`
    settings : where to listen, how, and for how long after SIGTERM
    """
    Server(uvicorn.Config(app, **_options(settings)), app, settings.drain_seconds).run()


def _options(settings: Settings) -> dict[str, Any]:
    tls = {"ssl_certfile": settings.tls_certificate, "ssl_keyfile": settings.tls_key}
    return {
        "host": settings.host,
        "port": settings.port,
        **{name: path for name, path in tls.items() if path is not None},
        "http": Protocol,
        "ws": "none",
        "log_config": None,
        "access_log": False,
        "server_header": False,
        # Only a proxy that ends TLS may say where a request came from: it is what the rate of requests goes by. Who it
        # is, our own setting says, and not a variable of the server's that another program may have set.
        "proxy_headers": settings.behind_proxy,
        "forwarded_allow_ips": list(settings.proxy_addresses),
        "h11_max_incomplete_event_size": MAX_HEAD_BYTES,
        "limit_concurrency": CONNECTIONS,
        "timeout_keep_alive": KEEP_ALIVE_SECONDS,
        "timeout_graceful_shutdown": FINISH_SECONDS,
    }
