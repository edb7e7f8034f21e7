"""What the columns of the table of areas are called, said once: at its head, and on a phone before each figure.

A phone shows a row as a card, whose figures need their names beside them. Said in every cell they would be a sixth of
the page; here they are a style sheet of half a kilobyte in the reader's language.
"""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Query, Request, Response

from service.dependencies import Spoken
from service.etags import REVALIDATE, Answer, respond
from service.language import LanguageQuery, Words, marked

PATH: Final = "/static/areas-labels.css"
_CSS: Final = "text/css; charset=utf-8"
# After the name of the area; whether it is a column of numbers.
COLUMNS: Final = (
    (marked("Against its own past"), False),
    (marked("Open now"), True),
    (marked("Usual range"), False),
    (marked("Working days to clear the backlog"), False),
    (marked("New in 28 days"), True),
    (marked("Closed in 28 days"), True),
    (marked("Overdue"), True),
    (marked("Expected late"), True),
    (marked("Signals"), True),
)

router = APIRouter(include_in_schema=False)


def columns(words: Words) -> list[tuple[str, bool]]:
    """The columns in the language of a reader, each with whether it holds numbers."""
    return [(words.gettext(label), numeric) for label, numeric in COLUMNS]


@router.get(PATH)
def labels_sheet(request: Request, _query: Annotated[LanguageQuery, Query()], words: Spoken) -> Response:
    """The names of the columns for a phone. It holds nothing of the store."""
    rules = [
        f".areas td:nth-of-type({place})::before{{content:{_quoted(label)}}}"
        for place, (label, _) in enumerate(columns(words), start=1)
    ]
    # What is withheld altogether is one wide cell, and the signals are the one after it.
    rules += [
        ".areas td.wide::before{content:none}",
        f".areas td.wide+td::before{{content:{_quoted(words.gettext(COLUMNS[-1][0]))}}}",
    ]
    body = "@media (max-width: 63.99rem) {\n" + "\n".join(rules) + "\n}\n"
    answer = Answer.of(body.encode())
    return respond(request, answer, language=words.language, cache=REVALIDATE, media_type=_CSS)


def _quoted(text: str) -> str:
    """A text as a string of a style sheet."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
    return f'"{escaped}"'
