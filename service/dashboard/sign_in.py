"""Signing in to the pages with a key, and out again; complete without a script."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final
from urllib.parse import parse_qs, quote, urlencode

from fastapi import APIRouter, FastAPI, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import Field

from service import problems
from service.auth import sessions
from service.auth.attempts import Attempts
from service.auth.gate import Gate
from service.dashboard.forms import posted_form
from service.dashboard.pages import render, wants_page
from service.dashboard.show import Links
from service.dependencies import Spoken
from service.language import LanguageQuery, Words, marked
from service.limits import network_of
from service.problems import TooManyRequestsError, UnauthorisedError
from service.settings import Settings

PATH: Final = "/sign-in"
_NO_STORE: Final = {"Cache-Control": "no-store", "Vary": "Accept-Language, Cookie"}
# A form says in Origin where it stands only if its page may say so at all.
_SAYS_ORIGIN: Final = {"Referrer-Policy": "same-origin"}
# Printable, so that no browser drops a character and reads the rest as another host; and no backslash, which some
# take for a slash.
_LOCAL: Final = re.compile(r"/(?![/\\])[!-\[\]-~]*")
# Of an address to go on to.
_LONGEST: Final = 2_000
_WRONG: Final = marked("This key is unknown here, has expired or was revoked. Check that all of it was copied.")

router = APIRouter(include_in_schema=False)


class SignInQuery(LanguageQuery):
    """What the page takes."""

    next: str | None = Field(default=None, max_length=_LONGEST)


@router.get(PATH)
def sign_in_page(request: Request, query: Annotated[SignInQuery, Query()], words: Spoken) -> Response:
    """The form; where nobody has to sign in, the pages."""
    if _settings(request).auth == "none":
        return RedirectResponse(_onward(query), status_code=303, headers=_NO_STORE)
    return _form(request, words, query)


@router.post(PATH)
async def sign_in(request: Request, query: Annotated[SignInQuery, Query()], words: Spoken) -> Response:
    """Begin a session with the key of the form.

    Raises
    ------
    ForbiddenError
        If the form stood on a page of another site.
    MediaTypeError, TooLargeError
        If what came is no such form.
    TooManyRequestsError
        If wrong keys came from there too often.
    """
    settings, attempts, gate = _settings(request), _attempts(request), _gate(request)
    form = await posted_form(request)
    address = "" if request.client is None else network_of(request.client.host)
    seconds = attempts.wait(address)
    if seconds:
        raise TooManyRequestsError(marked("Too many wrong keys came from this address. Wait, then try again."), seconds)
    try:
        session = await gate.begin_session(form.get("key", "").strip())
    except UnauthorisedError as error:
        attempts.failed(address)
        return _form(request, words, query, wrong=words.gettext(_WRONG), challenge=error.challenge)
    answer = RedirectResponse(_onward(query), status_code=303, headers=_NO_STORE)
    sessions.begin(answer, settings, session)
    return answer


@router.post("/sign-out")
def sign_out(request: Request) -> Response:
    """End the session of this browser.

    Raises
    ------
    ForbiddenError
        If another site asks for it.
    """
    settings = _settings(request)
    sessions.refuse_cross_site(request, settings)
    answer = RedirectResponse(Links(request).to(PATH), status_code=303, headers=_NO_STORE)
    sessions.end(answer, settings)
    return answer


def install(app: FastAPI) -> None:
    """Add the page, and lead there whoever asks for a page without having signed in."""
    app.state.attempts = Attempts()
    app.include_router(router)
    app.add_exception_handler(UnauthorisedError, _unauthorised)


async def _unauthorised(request: Request, error: Exception) -> Response:
    if not wants_page(request):
        return await problems.heed_error(request, error)
    links = {name: value for name, value in request.query_params.items() if name == "lang" and value in ("en", "zh")}
    # What the form would not take is not gone on to.
    if request.method in ("GET", "HEAD") and len(asked := _asked(request)) <= _LONGEST:
        links["next"] = asked
    location = f"{PATH}?{urlencode(links)}" if links else PATH
    return RedirectResponse(location, status_code=303, headers=_NO_STORE)


def _form(
    request: Request, words: Words, query: SignInQuery, *, wrong: str | None = None, challenge: str | None = None
) -> Response:
    action = Links(request).to(PATH, next=query.next if _local(query.next) == query.next else None)
    html = render(request, words, "sign_in.html", action=action, wrong=wrong)
    headers = {**_NO_STORE, **_SAYS_ORIGIN, "Content-Language": words.language}
    if challenge is not None:
        headers["WWW-Authenticate"] = challenge
    return HTMLResponse(html, status_code=200 if wrong is None else 401, headers=headers)


def _asked(request: Request) -> str:
    """The path and query that were asked for, as they came."""
    scope: dict[str, Any] = dict(request.scope)
    raw = scope.get("raw_path") or quote(request.url.path).encode()
    asked = raw.decode("latin-1").partition("?")[0]
    query = scope.get("query_string", b"").decode("latin-1")
    return f"{asked}?{query}" if query else asked


def _local(address: str | None) -> str:
    """Where to go on: a page of this service, and never another site; else the first page."""
    if address is None or not _LOCAL.fullmatch(address) or address.startswith((PATH, "/sign-out")):
        return "/"
    return address


def _onward(query: SignInQuery) -> str:
    """Where to go on, in the language of the form unless the address says one itself."""
    address = _local(query.next)
    path, _, asked = address.partition("?")
    if query.lang is None or "#" in address or "lang" in parse_qs(asked):
        return address
    return f"{path}?{asked}&lang={query.lang}" if asked else f"{path}?lang={query.lang}"


def _settings(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


def _attempts(request: Request) -> Attempts:
    attempts: Attempts = request.app.state.attempts
    return attempts


def _gate(request: Request) -> Gate:
    gate: Gate = request.app.state.gate
    return gate
