"""The list of cases as a file for a spreadsheet: what the list shows, and nothing else."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Final

from data.errors import UsageError
from service import display
from service.dependencies import Telling
from service.language import marked
from service.listing import CasePage
from service.marks import mark_text
from service.open_case import OUTCOME, OpenCase
from service.reasons import explain
from service.spreadsheet import safe_cell

# Rows of one file. A longer list is refused and not cut, for nobody would see what is missing.
MOST_ROWS: Final = 5_000
TOP_REASONS: Final = 3
_HEADINGS: Final = (
    marked("Number in heed"),
    marked("Type of problem"),
    marked("Area"),
    marked("Office"),
    marked("Deadline"),
    marked("Time left"),
    marked("Opened"),
    marked("What can happen"),
    marked("Risk"),
    marked("Of 100 like this"),
    marked("Range"),
    marked("The day before"),
    *(marked("First reason"), marked("Second reason"), marked("Third reason")),
    marked("Noted by the office"),
)
_TOO_MANY: Final = marked("Expected a list of at most 5,000 cases for a file, and this one is longer. Filter it first.")


def case_file(telling: Telling, page: CasePage) -> bytes:
    """A page of cases as CSV (RFC 4180, UTF-8 with its mark, so that a spreadsheet reads Chinese), with a first row of
    headings in the language of `telling`; moments on the clock of the city.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow([telling.words.gettext(heading) for heading in _HEADINGS])
    writer.writerows([safe_cell(value) for value in _row(telling, page, case)] for case in page.cases)
    return text.getvalue().encode("utf-8-sig")


def refuse_too_many(page: CasePage) -> None:
    """Refuse a list that is longer than a file.

    Raises
    ------
    UsageError
        If it has more than `MOST_ROWS` cases.
    """
    if page.total > MOST_ROWS:
        raise UsageError(_TOO_MANY)


def _row(telling: Telling, page: CasePage, case: OpenCase) -> Iterator[str]:
    words, places, as_of = telling.words, telling.snapshot.places, telling.snapshot.as_of
    risk = case.risks[0]
    yield case.case_id
    yield display.place(words, places, "category", case.category)
    yield display.place(words, places, "area", case.area)
    yield display.place(words, places, "office", case.office)
    yield "" if case.due_at is None else _moment(telling, case.due_at)
    yield display.deadline(words, case.due_at, as_of)
    yield _moment(telling, case.opened_at)
    yield display.outcome(words, case.outcome)
    yield display.word(words, display.BANDS, case.band)
    yield str(display.per_100(case.probability))
    told = risk.lower is not None and risk.upper is not None and case.probability < 1
    yield display.interval(risk.lower or 0, risk.upper or 0) if told else ""
    yield _before(telling, case)
    reasons = [f"{reason.text(words)} ({display.points(words, reason.tenths)})" for reason in explain(case).reasons]
    yield from [*reasons, "", "", ""][:TOP_REASONS]
    yield words.gettext("; ").join(mark_text(words, mark) for mark in page.marks.get(case.case_id, ()))


def _before(telling: Telling, case: OpenCase) -> str:
    """The risk of the day before as cases of 100; nothing where it is not known."""
    earlier = telling.snapshot.earlier
    risk = None if earlier is None or case.outcome != OUTCOME else earlier.risks.get(case.case_id)
    return "" if risk is None else str(display.per_100(risk))


def _moment(telling: Telling, ts: int) -> str:
    return f"{display.local(ts, telling.time_zone):%Y-%m-%d %H:%M}"
