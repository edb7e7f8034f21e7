"""What every answer has, whatever made it: safe headers, a known host, and a word for the unforeseen."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.problems import misdirected, unexpected

# No inline script or style anywhere, nothing from elsewhere, and no page of ours inside another's.
CONTENT_SECURITY_POLICY: Final = (
    "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
HEADERS: Final = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
# As they go over the wire; put together with every answer, they would take longer than the rest of this.
_OF_PAGES: Final = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in HEADERS.items()]
# Data opens no windows and uses no devices. What is polled has so two headers less.
_OF_DATA: Final = [each for each in _OF_PAGES if each[0] not in (b"cross-origin-opener-policy", b"permissions-policy")]
LOOPBACK_HOSTS: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})


class Guard:
    """Middleware around the whole app.

    The host is checked because loopback alone does not keep a web page out: a name on the internet may
    point to 127.0.0.1, and the browser would then let its page read ours ("DNS rebinding").
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                # 304 stands for the copy that the asker has, which has them.
                if message["status"] != 304:
                    present = dict(message["headers"])
                    safe = _OF_DATA if present.get(b"content-type", b"").endswith(b"json") else _OF_PAGES
                    message["headers"] = [*message["headers"], *(each for each in safe if each[0] not in present)]
            await send(message)

        host = _host(scope)
        if host not in LOOPBACK_HOSTS and host not in scope["app"].state.settings.allowed_hosts:
            await misdirected(Request(scope))(scope, receive, send_with_headers)
            return
        try:
            await self._app(scope, receive, send_with_headers)
        except Exception as error:
            # Not raised again: the server above would log the message, which may quote a case.
            answer = unexpected(Request(scope), error)
            if not started:
                await answer(scope, receive, send_with_headers)


def _host(scope: Scope) -> str:
    host = next((value for name, value in scope["headers"] if name == b"host"), b"").decode("latin-1").lower()
    name, _, port = host.rpartition(":")
    return name if name and port.isdigit() else host
