"""A service in a process of its own, with routes that take as long as a test likes.

    python -m tests.support.slow_service STORE PORT FOLDER DRAIN

`/slow` waits on the event loop, `/busy` in a thread, until the file `go` is in FOLDER; each makes a file when it has
begun. What is to be closed at the end makes the file `closed`.
"""

from __future__ import annotations

import asyncio
import sys
import time
import uuid
from pathlib import Path

from fastapi.responses import PlainTextResponse

from service import server
from service.app import create_app
from service.logs import configure
from service.settings import Settings

ANSWER = "whole " * 20_000


def main() -> None:
    """Serve until a signal comes."""
    store, port, folder, drain = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]), float(sys.argv[4])
    settings = Settings(store_url=store, port=port, rate_per_minute=0)
    app = create_app(settings)

    @app.get("/slow")
    async def slow() -> PlainTextResponse:
        (folder / f"begun-{uuid.uuid4().hex}").touch()
        while not (folder / "go").exists():
            await asyncio.sleep(0.01)
        return PlainTextResponse(ANSWER)

    @app.get("/busy")
    def busy() -> PlainTextResponse:
        (folder / f"begun-{uuid.uuid4().hex}").touch()
        while not (folder / "go").exists():
            time.sleep(0.01)
        return PlainTextResponse(ANSWER)

    app.state.closers.append((folder / "closed").touch)
    configure(settings)
    server.serve(app, settings.model_copy(update={"drain_seconds": drain}))


if __name__ == "__main__":
    main()
