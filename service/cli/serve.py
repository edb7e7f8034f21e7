"""`heed serve`: the API and the pages."""

from __future__ import annotations

import logging
from typing import Annotated

import typer

from service.cli._app import app, err, settings
from service.settings import Settings

logger = logging.getLogger("heed.serve")


@app.command("serve")
def serve(
    host: Annotated[str | None, typer.Option("--host", help="Address to listen on; only this machine's own.")] = None,
    port: Annotated[int | None, typer.Option("--port", help="Port to listen on.")] = None,
    drain: Annotated[
        float | None,
        typer.Option(
            "--drain",
            min=0,
            max=600,
            help="Seconds to go on answering after SIGTERM, being not ready (HEED_DRAIN_SECONDS).",
        ),
    ] = None,
) -> None:
    """Serve the pages and the API.

    On SIGTERM it says at /health/ready that it is not ready, goes on for --drain seconds, finishes what was begun, and
    ends with exit code 0.

    Example: heed --store heed.db serve --port 8000
    """
    asked = {"host": host, "port": port, "drain_seconds": drain}
    run(settings(**{name: value for name, value in asked.items() if value is not None}))


def run(chosen: Settings) -> None:
    """Serve until stopped.

    Raises
    ------
    ModelError, UsageError, BoundaryError
        If a model in use is damaged, not signed as asked, or refused by the boundary.
    """
    # Here, and not above: `heed --help` should not have to load a web server.
    from models.registry import Registry  # noqa: PLC0415
    from service import server  # noqa: PLC0415
    from service.app import create_app  # noqa: PLC0415
    from service.auth.start import require_someone  # noqa: PLC0415
    from service.logs import configure  # noqa: PLC0415
    from service.settings_told import warnings_of  # noqa: PLC0415

    Registry(chosen.models_folder()).require_in_use()
    require_someone(chosen)
    application = create_app(chosen)
    configure(_for_readers(chosen))
    for warning in warnings_of(chosen):
        logger.warning(warning)
    scheme = "http" if chosen.tls_certificate is None else "https"
    if err.is_terminal:
        err.print(f"heed serves {scheme}://{chosen.host}:{chosen.port}/ (stop with Ctrl+C)")
    else:
        logger.info("serving", extra={"fields": {"scheme": scheme, "port": chosen.port}})
    server.serve(application, chosen)


def _for_readers(chosen: Settings) -> Settings:
    """The format of log lines: text on a terminal, unless one was asked for."""
    if "log_format" in chosen.model_fields_set or not err.is_terminal:
        return chosen
    return chosen.model_copy(update={"log_format": "console"})
