"""Every error as an RFC 9457 problem: what was expected, never what came.

A problem names a parameter and what it should have been. It never repeats a value of the request or of a
case: answers are logged, cached and forwarded by programs that should not learn either.
"""

from __future__ import annotations

import logging
import traceback
import uuid
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from data.errors import HeedError, UsageError
from service.language import Words, choose_language, marked, words_of

logger = logging.getLogger("heed.service")

MEDIA_TYPE: Final = "application/problem+json"
_PLACES: Final = 8  # of the code, innermost first: enough to find it, without the whole of the framework


class NotFoundError(UsageError):
    """There is no such case, area or page, or there is no longer."""

    status = 404
    title = "Not found"


class GoneError(UsageError):
    """The list that a cursor points into has been replaced by a newer scoring."""

    status = 410
    title = "No longer available"


class FieldProblem(BaseModel):
    """One part of a request that was not as expected."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"in": "query", "name": "limit", "expected": "at most 200"}]}
    )

    place: str = Field(alias="in", description="query, path, header or body")
    name: str | None = Field(description="Name of the parameter; null for one that is not known here.")
    expected: str


class Problem(BaseModel):
    """An RFC 9457 problem."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "urn:heed:problem:not-found",
                    "title": "Not found",
                    "status": 404,
                    "detail": "There is no open case with this id in the newest scoring.",
                    "instance": "urn:uuid:7d1f2a9e-58c3-4a53-8a20-0e4c9f0f7f11",
                }
            ]
        }
    )

    type: str = Field(description="A URN that stays the same for the same kind of problem.")
    title: str
    status: int
    detail: str
    instance: str = Field(description="A URN for this occurrence; the log of the service knows it too.")
    errors: list[FieldProblem] | None = Field(default=None, description="With status 422: what was expected where.")


def install(app: FastAPI) -> None:
    """Make the app answer every error of ours, of the router and of validation as a problem."""
    app.add_exception_handler(HeedError, _heed_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _validation_error)


def unexpected(request: Request, error: Exception) -> Response:
    """The answer to an error that nobody foresaw. The log gets where it happened and its kind, and no
    message: the message of an unforeseen error may hold anything, a value from a case included.
    """
    words = request_words(request)
    problem = _problem(500, "internal", words.gettext("Something went wrong inside"), _unexpected_detail(words))
    places = " < ".join(
        f"{frame.filename}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)[: -_PLACES - 1 : -1]
    )
    logger.error("%s %s at %s", problem.instance, type(error).__name__, places)
    return respond(request, problem)


def misdirected(request: Request) -> Response:
    """The answer to a request for another host."""
    words = request_words(request)
    title = words.gettext("Another host was asked for")
    detail = words.gettext("heed answers only to the names of this machine: 127.0.0.1, [::1] and localhost.")
    return respond(request, _problem(421, "misdirected-request", title, detail))


def respond(request: Request, problem: Problem, headers: Mapping[str, str] | None = None) -> Response:
    """A problem as a page for a reader of pages, and as JSON for everyone else."""
    # Imported here: the pages stand on this module for their own errors.
    from service.dashboard.pages import error_page, wants_page  # noqa: PLC0415

    words = request_words(request)
    sent = {
        "Cache-Control": "no-store",
        "Content-Language": words.language,
        "Vary": "Accept, Accept-Language",
        **(headers or {}),
    }
    if wants_page(request):
        return error_page(request, words, problem, headers=sent)
    body = problem.model_dump(by_alias=True, exclude_none=True)
    for entry, error in zip(body.get("errors", []), problem.errors or [], strict=True):
        entry["name"] = error.name
    return JSONResponse(body, status_code=problem.status, media_type=MEDIA_TYPE, headers=sent)


def request_words(request: Request) -> Words:
    """The language of a request, also of one that is wrong."""
    default = request.app.state.settings.language
    return words_of(choose_language(request.query_params, request.headers.get("accept-language"), default))


async def _heed_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, HeedError):  # what the handler was installed for; a type checker cannot know
        return unexpected(request, error)
    words = request_words(request)
    kind = _kind(type(error).__name__.removesuffix("Error"))
    return respond(request, _problem(error.status, kind, words.gettext(error.title), words.gettext(str(error))))


async def _http_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        return unexpected(request, error)
    words = request_words(request)
    title, detail = _http_words(words, error.status_code)
    kind = _kind(HTTPStatus(error.status_code).phrase)
    return respond(request, _problem(error.status_code, kind, title, detail), error.headers)


async def _validation_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        return unexpected(request, error)
    words = request_words(request)
    fields = [_field_problem(words, each) for each in error.errors()]
    unknown = words.gettext("unknown parameter")
    problem = _problem(
        422,
        "invalid-request",
        words.gettext("The request is not as expected"),
        "; ".join(f"{field.name or unknown}: {field.expected}" for field in fields),
    )
    return respond(request, problem.model_copy(update={"errors": fields}))


def _problem(status: int, kind: str, title: str, detail: str) -> Problem:
    return Problem(
        type=f"urn:heed:problem:{kind}", title=title, status=status, detail=detail, instance=uuid.uuid4().urn
    )


def _kind(name: str) -> str:
    """`NotFound` and `Not Found` as `not-found`."""
    spaced = "".join(f" {letter}" if letter.isupper() else letter for letter in name)
    return "-".join(spaced.lower().replace("-", " ").split())


def _http_words(words: Words, status: int) -> tuple[str, str]:
    if status == 404:
        return words.gettext("Not found"), words.gettext("There is nothing at this address.")
    if status == 405:
        return (
            words.gettext("Method not allowed"),
            words.gettext("This address does not take this method; the header Allow lists those that it takes."),
        )
    return words.gettext("The request cannot be answered"), HTTPStatus(status).phrase


def _unexpected_detail(words: Words) -> str:
    return words.gettext(
        "heed could not answer. The log of the service holds the place under the number of this problem."
    )


def _field_problem(words: Words, error: Mapping[str, Any]) -> FieldProblem:
    location: Sequence[Any] = error["loc"]
    known = error["type"] != "extra_forbidden" and len(location) > 1
    return FieldProblem(
        **{"in": str(location[0])},
        name=str(location[1]) if known else None,
        expected=_expected(words, error["type"], error.get("ctx") or {}),
    )


def _expected(words: Words, kind: str, limits: Mapping[str, Any]) -> str:
    """What a value should have been. Pydantic's own words are not used: they may quote what came."""
    message = _EXPECTED.get(kind, _AS_DESCRIBED)
    shown = {name: str(limit).replace(" or ", ", ") for name, limit in limits.items() if f"%({name})s" in message}
    return words.gettext(message, **shown)


_AS_DESCRIBED: Final = marked("a value as this address describes it")
_EXPECTED: Final = {
    "int_parsing": marked("a whole number"),
    "literal_error": marked("one of %(expected)s"),
    "greater_than_equal": marked("at least %(ge)s"),
    "less_than_equal": marked("at most %(le)s"),
    "string_too_long": marked("at most %(max_length)s characters"),
    "extra_forbidden": marked("only parameters that this address knows; its description lists them"),
    "missing": marked("a value"),
}
