"""The service, put together. `create_app` wires and returns; what answers lives in the routers."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import AsyncIterator
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from data.errors import HeedError
from service import idempotency, operations, problems, quick_routes
from service.audit import AuditWriter
from service.auth import described as credentials
from service.auth.gate import Gate
from service.dashboard import (
    areas_page,
    board_page,
    boundary_page,
    cases_page,
    charts,
    life_chart,
    mark_form,
    models_page,
    overrides_page,
    pages,
    review_form,
    sign_in,
    view_form,
    what_if_page,
)
from service.online import install as online
from service.reads import Reads
from service.routers import (
    areas,
    board,
    boundary,
    case_file,
    case_marks,
    cases,
    events,
    health,
    jobs,
    metrics,
    models,
    offices,
    overrides,
    signals,
    views,
    what_if,
)
from service.settings import Settings

_DESCRIPTION: Final = """\
Which cases the offices are about to fail, and why; how each area is doing against its own past.

- Moments are RFC 3339, on the clock of the city. `as_of` is the moment of the scoring: what became known
  later was not used.
- Figures of areas and offices are disclosed: one below `minimum_cell` is withheld, and others with it.
- Nothing here is about a person. The unit is a case and the office's duty to it.
- Errors are problems of RFC 9457. They name a parameter and what was expected, never a value that came.
- What is polled has a strong ETag: ask with `If-None-Match`.
- A write with an `Idempotency-Key` may be sent again: it is done once, and answered as before. What replaces a state
  needs `If-Match` with the strong ETag of the state that it was decided on.
"""

# Which problems an operation can answer with; every one can also be asked for in the wrong way, or fail.
_PROBLEMS: Final[dict[str, tuple[int, ...]]] = {
    "listCases": (400, 410),
    "getCase": (404,),
    "getArea": (404,),
    "getSignal": (404,),
    "getBoard": (404,),
    "getBoardTable": (404,),
    "getBoardSchema": (404,),
    "scoreRisk": (400, 409, 415),
    "getWhatIf": (400, 404, 409),
    "askWhatIf": (400, 404, 409, 415),
    "getCaseMarks": (404,),
    "markCase": (400, 404, 409, 412, 415, 428),
    "exportCases": (400,),
    "listViews": (),
    "saveView": (400, 409, 415),
    "deleteView": (400, 404, 409, 415),
    "reviewSignal": (400, 404, 409, 412, 415, 428),
    "appendEvents": (400, 409, 415),
    "listModels": (409,),
    "getModelDrift": (404, 409),
    "getModel": (404, 409),
    "promoteModel": (400, 404, 409, 412, 415, 428),
    "rollbackModels": (400, 409, 412, 415, 428),
    "listJobs": (400,),
    "addJob": (400, 409, 415),
    "getJob": (404,),
    "cancelJob": (400, 404, 409, 415),
}
_EVERYWHERE: Final = (414, 421, 422, 429, 431, 500, 503)
_WITH_BODY: Final = (408, 413)
_GUARDED: Final = (401, 403)
_NOT_MODIFIED: Final = frozenset(
    {
        "listCases",
        "getCase",
        "getCaseMarks",
        "exportCases",
        "listViews",
        "getBoundary",
        "listAreas",
        "getArea",
        "mapAreas",
        "listOffices",
        "listSignals",
        "getBoard",
        "getBoardTable",
        "getBoardSchema",
        "getSignal",
        "listModels",
        "getModelDrift",
        "getModel",
        "listJobs",
        "getJob",
    }
)
# Those that answer with the new ETag of what they changed.
_TAGGED: Final = frozenset({"markCase", "reviewSignal", "promoteModel", "rollbackModels"})
_REASONS: Final = {
    304: "Nothing has changed since the ETag of If-None-Match",
    400: "The call is wrong",
    401: "No credential came, or one that does not hold",
    403: "The one who asks may not do this",
    404: "Not found",
    408: "The body did not arrive in time",
    409: "It is under way, or cannot be done as things stand",
    410: "The cases were scored anew",
    412: "It has changed since the ETag of If-Match was given",
    413: "The body is larger than is taken",
    414: "The address is too long",
    415: "The body is not of the kind application/json",
    421: "Another host was asked for",
    422: "A parameter or the body is not as expected",
    428: "If-Match is needed",
    429: "This asks more often than is taken",
    431: "The headers are too large",
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
    app = quick_routes.Service(
        title="heed",
        version="1",
        summary="Early warning for public casework",
        description=_DESCRIPTION,
        # Served by `service.auth.described`, to those who may ask.
        openapi_url=None,
        # Their pages load scripts from elsewhere, which our content security policy refuses.
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=_lifespan,
    )
    app.state.settings = settings
    app.state.reads = Reads(settings)
    app.state.gate = Gate(settings)
    app.state.audit = AuditWriter(settings)
    # Called when the service ends, the last one first. What was handed to the audit trail is written before all else.
    app.state.closers = [app.state.gate.close, app.state.reads.close, app.state.audit.close]
    operations.install(app, settings)
    problems.install(app)
    online.install(app, settings)
    for module in (case_file, cases, case_marks, views, areas, offices, signals, events, models, health, jobs, metrics):
        app.include_router(module.router)
    for module in (what_if, boundary, board, overrides):
        app.include_router(module.router)
    pages.install(app)
    for page in (cases_page, mark_form, view_form):
        app.include_router(page.router)
    app.include_router(review_form.router)
    app.include_router(areas_page.router)
    app.include_router(board_page.router)
    # Before the page of a version, which takes any name.
    app.include_router(overrides_page.router)
    app.include_router(models_page.router)
    for page in (what_if_page, boundary_page):
        app.include_router(page.router)
    sign_in.install(app)
    app.include_router(credentials.router)
    quick_routes.install(app)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]  # the documented way to extend it
    return app


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Warm what the first reader would wait for, without holding up the start; close the store at the end."""
    warming = threading.Thread(target=_warm, args=(app.state.reads,), name="heed-warm", daemon=True)
    warming.start()
    online.begin(app)
    yield
    warming.join(timeout=10)
    app.state.stopping.set()
    # One that fails keeps none of the others from closing.
    with contextlib.ExitStack() as closing:
        for close in app.state.closers:
            closing.callback(close)


def _warm(reads: Reads) -> None:
    charts.warm()
    life_chart.warm()
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
        for schema in schemas.values():
            _restore_nulls(schema)
        credentials.add_session(described)
        for path in described["paths"].values():
            for operation in path.values():
                _add_answers(operation)
        app.openapi_schema = described
    return app.openapi_schema


def _restore_nulls(schema: dict[str, Any]) -> None:
    """FastAPI drops what is null, from the examples as well; there it means something."""
    properties = schema.get("properties", {})
    nullable = [name for name in schema.get("required", ()) if {"type": "null"} in properties[name].get("anyOf", ())]
    for example in schema.get("examples", ()):
        for name in nullable:
            example.setdefault(name, None)


def _add_answers(operation: dict[str, Any]) -> None:
    name = operation["operationId"]
    statuses = {*_PROBLEMS.get(name, ()), *_EVERYWHERE, *(_GUARDED if "security" in operation else ())}
    statuses |= set(_WITH_BODY if "requestBody" in operation else ())
    content = {problems.MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for status in sorted(statuses):
        operation["responses"][str(status)] = {"description": _REASONS[status], "content": content}
    tag = {"description": "Strong validator of what is read at this address.", "schema": {"type": "string"}}
    if name in _NOT_MODIFIED:
        operation["responses"]["304"] = {"description": _REASONS[304]}
    if name in _NOT_MODIFIED | _TAGGED:
        operation["responses"]["200"]["headers"] = {"ETag": tag}
    if any(parameter["name"] == idempotency.HEADER for parameter in operation.get("parameters", ())):
        _add_replays(operation)
    if name == "listCases":
        operation["responses"]["200"]["headers"]["Link"] = {
            "description": 'Address of the next page, with rel="next"; absent on the last.',
            "schema": {"type": "string"},
        }
    operation["responses"] = dict(sorted(operation["responses"].items()))


def _add_replays(operation: dict[str, Any]) -> None:
    told = {
        "description": "`true` where this is the answer that the same key and request were given before.",
        "schema": {"type": "string", "enum": ["true"]},
    }
    for status, answer in operation["responses"].items():
        if status.startswith("2"):
            answer.setdefault("headers", {})[idempotency.REPLAYED] = told
