"""The service, put together. `create_app` wires and returns; what answers lives in the routers."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import AsyncIterator
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from data.errors import HeedError
from service import problems
from service.dashboard import charts, pages
from service.guard import Guard
from service.reads import Reads
from service.routers import areas, cases, health, offices, signals
from service.settings import Settings

_DESCRIPTION: Final = """\
Which cases the offices are about to fail, and why; how each area is doing against its own past.

- Moments are RFC 3339, on the clock of the city. `as_of` is the moment of the scoring: what became known
  later was not used.
- Figures of areas and offices are disclosed: one below `minimum_cell` is withheld, and others with it.
- Nothing here is about a person. The unit is a case and the office's duty to it.
- Errors are problems of RFC 9457. They name a parameter and what was expected, never a value that came.
- What is polled has a strong ETag: ask with `If-None-Match`.
"""

# Which problems an operation can answer with; every one can also be asked for in the wrong way, or fail.
_PROBLEMS: Final[dict[str, tuple[int, ...]]] = {
    "listCases": (400, 410),
    "getCase": (404,),
    "getArea": (404,),
    "getSignal": (404,),
}
_EVERYWHERE: Final = (421, 422, 500, 503)
_NOT_MODIFIED: Final = frozenset({"listCases", "getCase", "listAreas", "getArea", "listOffices", "listSignals"})
_REASONS: Final = {
    304: "Nothing has changed since the ETag of If-None-Match",
    400: "The call is wrong",
    404: "Not found",
    410: "The cases were scored anew",
    421: "Another host was asked for",
    422: "A parameter is not as expected",
    500: "Something went wrong inside",
    503: "The store cannot be read, or holds no scoring yet",
}


def create_app(settings: Settings | None = None) -> FastAPI:
    """Build the service.

    The store is opened with the first request, so that a service that starts before its store can wait for
    it; `/health/ready` tells.

    Parameters
    ----------
    settings : Settings, optional
        Without them, those of the environment.

    Raises
    ------
    UsageError
        If the settings would make the service reachable from another machine.
    """
    settings = Settings.read() if settings is None else settings
    settings.refuse_unsafe()
    app = FastAPI(
        title="heed",
        version="1",
        summary="Early warning for public casework",
        description=_DESCRIPTION,
        openapi_url="/v1/openapi.json",
        # Their pages load scripts from elsewhere, which our content security policy refuses.
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=_lifespan,
    )
    app.state.settings = settings
    app.state.reads = Reads(settings)
    app.add_middleware(Guard)
    problems.install(app)
    for module in (cases, areas, offices, signals, health):
        app.include_router(module.router)
    pages.install(app)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]  # the documented way to extend it
    return app


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Warm what the first reader would wait for, without holding up the start; close the store at the end."""
    warming = threading.Thread(target=_warm, args=(app.state.reads,), name="heed-warm", daemon=True)
    warming.start()
    yield
    warming.join(timeout=10)
    app.state.reads.close()


def _warm(reads: Reads) -> None:
    charts.warm()
    # The first request will say what is wrong, to someone who can read it.
    with contextlib.suppress(HeedError):
        reads.current()


def _openapi(app: FastAPI) -> dict[str, Any]:
    """The description of the API: what FastAPI finds, and the problems an operation may answer with."""
    if app.openapi_schema is None:
        described = get_openapi(
            title=app.title,
            version=app.version,
            summary=app.summary,
            description=app.description,
            routes=app.routes,
            license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        )
        schemas = described["components"]["schemas"]
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        problem = problems.Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas |= problem.pop("$defs")
        schemas["Problem"] = problem
        for path in described["paths"].values():
            for operation in path.values():
                _add_answers(operation)
        app.openapi_schema = described
    return app.openapi_schema


def _add_answers(operation: dict[str, Any]) -> None:
    name = operation["operationId"]
    statuses = [*_PROBLEMS.get(name, ()), *_EVERYWHERE]
    content = {problems.MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for status in sorted(statuses):
        operation["responses"][str(status)] = {"description": _REASONS[status], "content": content}
    if name in _NOT_MODIFIED:
        operation["responses"]["304"] = {"description": _REASONS[304]}
        operation["responses"]["200"]["headers"] = {
            "ETag": {"description": "Strong validator of this answer.", "schema": {"type": "string"}}
        }
    if name == "listCases":
        operation["responses"]["200"]["headers"]["Link"] = {
            "description": 'Address of the next page, with rel="next"; absent on the last.',
            "schema": {"type": "string"},
        }
    operation["responses"] = dict(sorted(operation["responses"].items()))
