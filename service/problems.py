"""Every error as an RFC 9457 problem: what was expected, never what came.

A problem names a parameter and what it should have been. It never repeats a value of the request or of a
case: answers are logged, cached and forwarded by programs that should not learn either.
"""

from __future__ import annotations

import logging
import traceback
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.routing import Match, Mount

from data.errors import HeedError, ModelError, StoreError, UsageError
from service.language import Words, choose_language, marked, marked_messages, words_of
from service.problem_words import (
    TOO_LARGE,
    TOO_MANY_REQUESTS,
    http_kind,
    http_words,
    kind_of,
    place_in_body,
    what_was_expected,
)

logger = logging.getLogger("heed.service")

MEDIA_TYPE: Final = "application/problem+json"
_MOST_FIELDS: Final = 50  # told of one request; whoever mends those learns of the rest
_PLACES: Final = 8  # of the code, innermost first: enough to find it, without the whole of the framework


class NotFoundError(UsageError):
    """There is no such case, area or page, or there is no longer."""

    status = 404
    title = "Not found"


class GoneError(UsageError):
    """The list that a cursor points into has been replaced by a newer scoring."""

    status = 410
    title = "No longer available"


class UnauthorisedError(HeedError):
    """Nobody known is asking: no key or token came, or one that does not hold."""

    status = 401
    title = "Sign in first"

    def __init__(self, message: str, challenge: str = 'Bearer realm="heed"') -> None:
        self.challenge = challenge
        super().__init__(message)


class ForbiddenError(HeedError):
    """The one who asks may not do this."""

    status = 403
    title = "Not allowed"

    def __init__(self, message: str, challenge: str | None = None) -> None:
        self.challenge = challenge
        super().__init__(message)


class ConflictError(HeedError):
    """Something else is at it right now, or it no longer stands as it did."""

    status = 409
    title = "In conflict"


class PreconditionFailedError(HeedError):
    """It has changed since the asker read it."""

    status = 412
    title = "Changed meanwhile"


class TooLargeError(HeedError):
    """The body of the request is larger than is taken."""

    status = 413
    title = TOO_LARGE


class MediaTypeError(HeedError):
    """The body is of another kind than this address takes."""

    status = 415
    title = "Another kind of body was expected"


class IdempotencyError(HeedError):
    """An Idempotency-Key came again, with another request."""

    status = 422
    title = "The Idempotency-Key was used for another request"


class PreconditionRequiredError(HeedError):
    """The write has to say which state it was decided on."""

    status = 428
    title = "If-Match is needed"


class TooManyRequestsError(HeedError):
    """The asker asks more often than is taken; `retry_after` seconds later it may again."""

    status = 429
    title = TOO_MANY_REQUESTS

    def __init__(self, message: str, retry_after: int = 1) -> None:
        self.retry_after = retry_after
        super().__init__(message)


class BusyError(HeedError):
    """All is taken just now; `retry_after` seconds later there may be room."""

    status = 503
    title = "Busy"

    def __init__(self, message: str, retry_after: int = 1) -> None:
        self.retry_after = retry_after
        super().__init__(message)


class BodyError(HTTPException):
    """The body of a request cannot be read as what it claims to be.

    An exception of the framework's kind, because it comes up while the framework reads a body, which passes on no
    other.
    """

    def __init__(self, expected: str) -> None:
        self.expected = expected
        super().__init__(422)


@dataclass(frozen=True, slots=True)
class BodyProblem:
    """A place in a body such as `events[3].at`, and what was expected there: a message and what fills it."""

    name: str
    expected: str
    values: Mapping[str, str] = field(default_factory=dict)


class UnfitBodyError(HeedError):
    """A body that is of the right form, and cannot be taken: places and expectations, and never contents."""

    status = 422
    title = "The request is not as expected"

    def __init__(self, fields: Sequence[BodyProblem]) -> None:
        self.fields = tuple(fields)
        super().__init__(type(self).title)


class RefusedDataError(UnfitBodyError):
    """A body with something in it that the boundary keeps out."""

    status = 403
    title = "Refused: this may be personal data"


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


class NotReadyProblem(Problem):
    """A problem that also tells what was looked at."""

    checks: list[Any] = Field(description="As `/health/ready` tells them.")


def install(app: FastAPI) -> None:
    """Make the app answer every error of ours, of the router and of validation as a problem."""
    app.add_exception_handler(HeedError, heed_error)
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
    detail = words.gettext(
        "heed answers only to the names that it was given and to those of this machine: 127.0.0.1, [::1] and localhost."
    )
    return respond(request, _problem(421, "misdirected-request", title, detail))


def not_ready(request: Request, checks: Sequence[BaseModel]) -> Response:
    """The answer of a service that cannot do its work, with each check as an extension member."""
    words = request_words(request)
    title = words.gettext("Not ready")
    detail = words.gettext("Something that the service needs is not there; `checks` tells what.")
    problem = _problem(503, "not-ready", title, detail)
    told = [check.model_dump(exclude_none=True) for check in checks]
    return respond(request, NotReadyProblem(**dict(problem), checks=told), {"Retry-After": "5"})


def respond(request: Request, problem: Problem, headers: Mapping[str, str] | None = None) -> Response:
    """A problem as a page for a reader of pages, and as JSON for everyone else."""
    # Imported here: the pages stand on this module for their own errors.
    from service.dashboard.pages import error_page, wants_page  # noqa: PLC0415

    # For the log, which tells the kind of a problem and its number.
    request.state.problem = (problem.type, problem.instance)
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


async def heed_error(request: Request, error: Exception) -> Response:
    """The answer to an error of ours."""
    if not isinstance(error, HeedError):  # what the handler was installed for; a type checker cannot know
        return unexpected(request, error)
    words = request_words(request)
    kind = kind_of(type(error).__name__.removesuffix("Error"))
    problem = _problem(error.status, kind, words.gettext(error.title), words.gettext(_detail(error)))
    if isinstance(error, UnfitBodyError):
        fields = [
            FieldProblem(**{"in": "body"}, name=each.name, expected=words.gettext(each.expected, **each.values))
            for each in error.fields[:_MOST_FIELDS]
        ]
        problem = problem.model_copy(update={"detail": _told(words, fields), "errors": fields})
    return respond(request, problem, _headers_of(error))


def _detail(error: HeedError) -> str:
    """What may be told of an error. What a store or a registry says of itself is for whoever sits at the machine: it
    names files and servers. Only what was marked for the catalogues was written for everybody.
    """
    message = str(error)
    if isinstance(error, StoreError | ModelError) and message not in marked_messages():
        logger.warning("%s: %s", type(error).__name__, message)
        return _AT_THE_MACHINE
    return message


_AT_THE_MACHINE: Final = marked("It cannot be read or written just now. The log of the service says why.")


def _headers_of(error: HeedError) -> dict[str, str]:
    challenge = getattr(error, "challenge", None)
    if challenge is not None:
        return {"WWW-Authenticate": challenge}
    retry_after = getattr(error, "retry_after", None)
    return {} if retry_after is None else {"Retry-After": str(retry_after)}


async def _http_error(request: Request, error: Exception) -> Response:
    return http_problem(request, error) if isinstance(error, HTTPException) else unexpected(request, error)


def http_problem(request: Request, error: HTTPException) -> Response:
    """The answer to an error that a server or the framework has a number for."""
    headers = dict(error.headers or {})
    if error.status_code == 405:
        headers["Allow"] = ", ".join(_methods_of(request))
        if request.method == "OPTIONS":
            # Which methods there are is all that this asks; who may use them from another page is told to nobody.
            return Response(status_code=204, headers={**headers, "Cache-Control": "no-store"})
    words = request_words(request)
    title, detail = http_words(words, error.status_code)
    problem = _problem(error.status_code, http_kind(error.status_code), title, detail)
    if isinstance(error, BodyError):
        expected = FieldProblem(**{"in": "body", "name": None, "expected": words.gettext(error.expected)})
        problem = problem.model_copy(update={"detail": f"body: {expected.expected}", "errors": [expected]})
    return respond(request, problem, headers)


def _methods_of(request: Request) -> list[str]:
    """The methods that the address of a request takes; HEAD wherever there is GET."""
    routes = request.app.router.routes
    # As it was before something mounted took its part of the path.
    scope = {**request.scope, "root_path": request.scope.get("app_root_path", "")}
    taken = {"OPTIONS"}
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        asked = {**scope, "method": method}
        matching = [route for route in routes if route.matches(asked)[0] is Match.FULL]
        # What is mounted takes every method to itself; here that is files.
        if any(method == "GET" or not isinstance(route, Mount) for route in matching):
            taken |= {"GET", "HEAD"} if method == "GET" else {method}
    return sorted(taken)


async def _validation_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        return unexpected(request, error)
    words = request_words(request)
    fields = [_field_problem(words, each) for each in error.errors()[:_MOST_FIELDS]]
    title = words.gettext("The request is not as expected")
    problem = _problem(422, "invalid-request", title, _told(words, fields))
    return respond(request, problem.model_copy(update={"errors": fields}))


def _told(words: Words, fields: Sequence[FieldProblem]) -> str:
    unknown = words.gettext("unknown parameter")
    names = (each.name or (unknown if each.place == "query" else each.place) for each in fields)
    return "; ".join(f"{name}: {each.expected}" for name, each in zip(names, fields, strict=True))


def _problem(status: int, kind: str, title: str, detail: str) -> Problem:
    return Problem(
        type=f"urn:heed:problem:{kind}", title=title, status=status, detail=detail, instance=uuid.uuid4().urn
    )


def _unexpected_detail(words: Words) -> str:
    return words.gettext(
        "heed could not answer. The log of the service holds the place under the number of this problem."
    )


def _field_problem(words: Words, error: Mapping[str, Any]) -> FieldProblem:
    location: Sequence[Any] = error["loc"]
    # The last part of the place of something that is not known here is its name, as it came.
    known = location[1:-1] if error["type"] == "extra_forbidden" else location[1:]
    return FieldProblem(
        **{"in": str(location[0])},
        name=place_in_body(known) or None,
        expected=what_was_expected(words, error["type"], error.get("ctx") or {}),
    )
