"""The checks that the generated calls are held to can fail."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from tests.support.api_fuzz.hooks import nothing_of_the_inside, problems_do_not_echo

SENT = "a-place-that-nobody-knows"


def _answer(detail: str, status: int = 422) -> SimpleNamespace:
    body = {"title": "The call is wrong", "status": status, "detail": detail, "instance": "urn:uuid:1"}
    return SimpleNamespace(
        status_code=status, text=json.dumps(body), headers={"content-type": ["application/problem+json"]}
    )


def _case(raw: dict | None = None, schemas: dict | None = None) -> SimpleNamespace:
    return SimpleNamespace(
        query={"area": SENT},
        path_parameters={},
        body={"cases": [{"office": "another-long-value"}]},
        operation=SimpleNamespace(
            definition=SimpleNamespace(raw=raw or {}), schema=SimpleNamespace(raw_schema={"schemas": schemas or {}})
        ),
    )


@pytest.mark.parametrize("told", [f"no area {SENT}", "office another-long-value is unknown"])
def test_a_problem_that_repeats_what_was_sent_is_found(told):
    """In the query or deep within the body."""
    with pytest.raises(AssertionError, match="repeats 1 of the values"):
        problems_do_not_echo(None, _answer(told), _case())


def test_words_of_the_description_may_be_told():
    """A value that the description itself names is nobody's secret; an answer that is no problem may hold it."""
    problems_do_not_echo(None, _answer(f"one of {SENT}"), _case({"enum": [SENT]}))
    problems_do_not_echo(None, _answer(f"one of {SENT}"), _case(schemas={"Action": {"anyOf": [{"enum": [SENT]}]}}))
    with pytest.raises(AssertionError, match="repeats"):
        problems_do_not_echo(None, _answer(f"no area {SENT}"), _case(schemas={"Place": {"examples": [SENT]}}))
    problems_do_not_echo(None, _answer(SENT, status=200), _case())
    problems_do_not_echo(None, _answer("Expected at most 160 characters."), _case())


def test_an_answer_that_tells_of_the_inside_is_found():
    """Whatever its status."""
    with pytest.raises(AssertionError, match="tells of the inside"):
        nothing_of_the_inside(None, _answer("sqlalchemy.exc.OperationalError"), _case())
    nothing_of_the_inside(None, _answer("Something went wrong inside"), _case())
