"""Checks of our own, loaded by Schemathesis: no answer tells of the machine, and no problem says what was sent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import schemathesis

# Signs of what goes on inside: code, files, databases.
_INSIDE = ("Traceback", "site-packages", '.py"', "sqlalchemy", "sqlite3.", "psycopg.", "pydantic", "Errno")
# A shorter text may stand in a message by chance.
_TELLING = 6


@schemathesis.check
def nothing_of_the_inside(ctx: Any, response: Any, case: Any) -> None:
    """No answer holds a stack trace, a path or a message of a library."""
    text = response.text
    found = [sign for sign in _INSIDE if sign in text]
    assert not found, f"the answer tells of the inside: {found}"


@schemathesis.check
def problems_do_not_echo(ctx: Any, response: Any, case: Any) -> None:
    """A problem names a parameter and what was expected, never a value that came."""
    if response.status_code < 400 or "problem" not in (response.headers.get("content-type") or [""])[0]:
        return
    told = json.loads(response.text)
    # A number of this very answer, and the name of the kind of problem, as `invalid-request`.
    told = {name: value for name, value in told.items() if name not in ("instance", "type")}
    words = " ".join(_texts(told))
    sent = {text for part in (case.query, case.path_parameters, case.body) for text in _texts(part)}
    echoed = sorted(text for text in sent if len(text) >= _TELLING and text in words and text not in _known(case))
    assert not echoed, f"the problem repeats {len(echoed)} of the values that were sent"


def _texts(value: Any) -> Iterator[str]:
    """Every text among the values; names of parameters and fields may be told, so keys do not count."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from _texts(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _texts(part)


def _known(case: Any) -> str:
    """All that the description of the operation itself says, and every word that a schema lists: they may be told to
    anyone.
    """
    raw = getattr(getattr(case.operation, "schema", None), "raw_schema", {})
    return json.dumps([case.operation.definition.raw, sorted(_listed(raw))], default=str)


def _listed(schema: Any) -> Iterator[str]:
    """The words of every `enum` in a description."""
    if isinstance(schema, dict):
        yield from (word for word in schema.get("enum") or () if isinstance(word, str))
        for part in schema.values():
            yield from _listed(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from _listed(part)
