"""The echo board as a table to take away: CSV, and the Table Schema that says what its columns mean.

UTF-8 without a byte order mark, as the Table Schema and most readers of data expect; a spreadsheet is told the encoding
by the type of the answer. A text that a spreadsheet would take for a formula gets an apostrophe in front. A figure that
is not there is an empty cell, and the column beside it says why: withheld is not nothing.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any, Final

from service.board_payloads import BoardAnswer, BoardCountsItem
from service.language import Words, marked
from service.payload_parts import FigureItem, PlaceName
from service.spreadsheet import safe_cell

MEDIA_TYPE: Final = "text/csv; charset=utf-8"
FILE_NAME: Final = "heed-board.csv"
_ALL: Final = "*"
_FIGURES: Final = ("raised", "solved", "still_open")
_STATES: Final = ["shown", "withheld"]
# Name, type, title, description; in the order of the columns.
_COLUMNS: Final = (
    ("first_day", "date", marked("First day"), marked("Of the twelve weeks in which the cases were raised.")),
    ("last_day", "date", marked("Last day"), marked("Of the twelve weeks in which the cases were raised.")),
    (
        "counted_at",
        "datetime",
        marked("Followed up until"),
        marked("The moment up to which it was seen what became of the cases."),
    ),
    ("area", "string", marked("Area, code"), marked("* stands for the whole city.")),
    ("area_name", "string", marked("Area"), marked("In the language of the file.")),
    (
        "within",
        "string",
        marked("Lies in, code"),
        marked("The area that this one is counted in as well; may be empty."),
    ),
    (
        "category",
        "string",
        marked("Type of problem, code"),
        marked("* stands for all types, *others for those that are not listed one by one."),
    ),
    ("category_name", "string", marked("Type of problem"), marked("In the language of the file.")),
    ("raised", "integer", marked("Raised"), marked("Cases raised in the weeks of the board.")),
    ("raised_status", "string", marked("Raised: status"), marked("Whether the figure is shown, or why it is not.")),
    ("solved", "integer", marked("Solved"), marked("Of the cases raised: closed as solved, and not open again.")),
    ("solved_status", "string", marked("Solved: status"), marked("Whether the figure is shown, or why it is not.")),
    ("still_open", "integer", marked("Still open"), marked("Of the cases raised: open when the following up ended.")),
    (
        "still_open_status",
        "string",
        marked("Still open: status"),
        marked("Whether the figure is shown, or why it is not."),
    ),
)


def as_csv(board: BoardAnswer, words: Words) -> bytes:
    """Every figure of the board, one row per area and type; the same as the JSON."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([name for name, *_ in _COLUMNS])
    every = PlaceName(code=_ALL, name=words.gettext("All types"))
    about = [board.first_day.isoformat(), board.last_day.isoformat(), board.counted_at.isoformat()]
    for place in (board.city, *board.areas):
        where = [place.area.code, place.area.name, place.within.code if place.within else ""]
        for category, counts in ((every, place.total), *((one.category, one) for one in place.types)):
            texts = [safe_cell(part) for part in (*where, category.code, category.name)]
            writer.writerow([*about, *texts, *_cells(counts)])
    return text.getvalue().encode()


def table_schema(words: Words, minimum: int) -> dict[str, Any]:
    """What the columns of the CSV mean, as a Frictionless Table Schema."""
    return {
        "fields": [_field(words, minimum, *column) for column in _COLUMNS],
        "missingValues": [""],
        "primaryKey": ["first_day", "area", "category"],
    }


def _cells(counts: BoardCountsItem) -> Iterator[str]:
    for name in _FIGURES:
        figure: FigureItem = getattr(counts, name)
        yield "" if figure.value is None else str(figure.value)
        yield "withheld" if figure.withheld else "shown"


def _field(words: Words, minimum: int, name: str, kind: str, title: str, description: str) -> dict[str, Any]:
    field: dict[str, Any] = {"name": name, "type": kind}
    field |= {"title": words.gettext(title), "description": words.gettext(description)}
    if name in _FIGURES:
        field["constraints"] = {"minimum": minimum}
    elif name.endswith("_status"):
        field["constraints"] = {"required": True, "enum": _STATES}
    elif name != "within":
        field["constraints"] = {"required": True}
    return field
