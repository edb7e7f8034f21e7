"""`heed serve`: the API and the pages, on this machine."""

from __future__ import annotations

from typing import Annotated

import typer

from service.cli._app import app, err, settings
from service.settings import Settings


@app.command("serve")
def serve(
    host: Annotated[str | None, typer.Option("--host", help="Address to listen on; only this machine's own.")] = None,
    port: Annotated[int | None, typer.Option("--port", help="Port to listen on.")] = None,
) -> None:
    """Serve the pages and the API.

    Example: heed --store heed.db serve --port 8000
    """
    given = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    run(settings(**given))


def run(chosen: Settings) -> None:
    """Serve until stopped.

    Raises
    ------
    ModelError, UsageError, BoundaryError
        If a model in use is damaged, not signed as asked, or refused by the boundary.
    """
    # Here, and not above: `heed --help` should not have to load a web server.
    import uvicorn  # noqa: PLC0415

    from models.registry import Registry  # noqa: PLC0415
    from service.app import create_app  # noqa: PLC0415

    Registry(chosen.models_folder()).require_in_use()
    application = create_app(chosen)
    err.print(f"heed serves http://{chosen.host}:{chosen.port}/ (stop with Ctrl+C)")
    uvicorn.run(
        application, host=chosen.host, port=chosen.port, log_level="warning", access_log=False, server_header=False
    )
