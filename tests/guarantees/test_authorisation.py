"""Nobody is let in who should not be: every route of the service, with every role and every faulty credential.

The routes are those that the app has, so that one that is added later is asked as well. See
`tests.support.authorisation` for the table, and run it as a module to print it.
"""

from __future__ import annotations

import pytest
from fastapi import APIRouter, FastAPI

from service.app import create_app
from service.dependencies import allowed
from service.identity import SCOPES, Role, Scope
from service.settings import Settings
from tests.support.authorisation import Row, authorisation_table, named, routes_of, shown

# Every route is asked with one in so many of the faults, and every fault of one in so many routes; all by all is slow.
SHARE = 4


@pytest.fixture(scope="module", params=[SHARE, pytest.param(1, marks=pytest.mark.slow)], ids=["in turns", "all by all"])
def share(request) -> int:
    return request.param


@pytest.fixture(scope="module")
def table(share) -> list[Row]:
    """The table, once."""
    return authorisation_table(share=share)


def test_nobody_is_let_in_who_should_not_be(table):
    """Not one wrong answer in the whole table."""
    print("\n" + shown(table))  # noqa: T201  with -s, the figures
    assert [(row.what, row.wrong[:5]) for row in table if row.wrong] == []


def test_the_table_asks_everything(table, share):
    """A table that had become empty would be right as well."""
    routes = len(routes_of(create_app(Settings())))
    asked = {row.what: row.asked for row in table}
    assert routes >= 30
    assert len(table) >= 60
    assert asked["a scope is asked for"] == routes
    assert {asked[f"role {role.value}, by key, token and session"] for role in Role} == {3 * routes}
    assert asked["a write for another site, with the session"] >= 5 * 5
    assert asked["one case: own office, another, none"] >= 3 * 18
    assert all(
        count * share >= routes - share for what, count in asked.items() if what.startswith(("token:", "session:"))
    )
    assert sum(asked.values()) > {SHARE: 35, 1: 75}[share] * routes


def test_every_route_is_written_down_with_who_may_ask_it():
    """A route that the table of roles does not name is judged by its own scope alone: name it there."""
    assert [route.name for route in routes_of(create_app(Settings())) if not named(route)] == []


def test_the_roles_are_those_of_the_design():
    """The figures are for all; cases for handlers and administrators; models and jobs for analysts."""
    assert all(SCOPES[role] >= {Scope.AREAS_READ, Scope.SIGNALS_READ} for role in Role)
    assert {role for role in Role if Scope.CASES_READ in SCOPES[role]} == {Role.HANDLER, Role.ADMIN}
    assert {role for role in Role if Scope.MODELS_PROMOTE in SCOPES[role]} == {Role.ANALYST, Role.ADMIN}
    assert {role for role in Role if Scope.EVENTS_WRITE in SCOPES[role]} == {Role.ADMIN}
    assert SCOPES[Role.DASHBOARD] == {Scope.AREAS_READ, Scope.SIGNALS_READ}


def _open(app: FastAPI) -> None:
    router = APIRouter()

    @router.get("/v1/cases/{case_id}/notes")
    def notes(case_id: str) -> str:
        """A route that someone forgot to guard."""
        return case_id

    app.include_router(router)


def _too_wide(app: FastAPI) -> None:
    router = APIRouter()

    @router.get("/v1/models/{version}/cases", dependencies=[allowed(Scope.AREAS_READ)])
    def cases(version: str) -> str:
        """A route with a scope that too many have, and with every case in its answer."""
        return " ".join(case.case_id for case in app.state.reads.current().cases)

    app.include_router(router)


@pytest.mark.parametrize(
    ("hole", "route", "rows"),
    [
        (_open, "GET /v1/cases/{case_id}/notes", {"a scope is asked for", "nothing", "token: alg none"}),
        (
            _too_wide,
            "GET /v1/models/{version}/cases",
            {"role handler, by key, token and session", "role dashboard, by key, token and session"},
        ),
    ],
)
def test_a_hole_is_found(hole, route, rows):
    """A route that is added without a scope, or with one that lets too many in, does not pass unseen."""
    found = authorisation_table(hole, only=route)
    wrong = {row.what for row in found if any(route in line for line in row.wrong)}
    assert rows <= wrong
