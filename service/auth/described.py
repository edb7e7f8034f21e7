"""How the description of the API tells what is needed to ask, and who may read it."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from service.dependencies import allowed
from service.identity import Scope

_SESSION: Final = {
    "type": "apiKey",
    "in": "cookie",
    "name": "__Host-heed",
    "description": "A session of the pages (/sign-in); over plain HTTP on this machine its cookie is called `heed`. A "
    "write with it has to come from a page of heed.",
}

router = APIRouter(include_in_schema=False)


# Every role may read the figures of areas, and so also how to ask for anything.
@router.get("/v1/openapi.json", dependencies=[allowed(Scope.AREAS_READ)])
def openapi(request: Request) -> JSONResponse:
    """The description of the API."""
    return JSONResponse(request.app.openapi(), headers={"Cache-Control": "private, no-cache"})


def add_session(described: dict[str, Any]) -> None:
    """Say of every operation that needs a scope that a session does as well as a bearer credential."""
    for path in described["paths"].values():
        for operation in path.values():
            for needed in list(operation.get("security", [])):
                operation["security"].append({"session": needed["bearer"]})
    described["components"].setdefault("securitySchemes", {})["session"] = _SESSION
