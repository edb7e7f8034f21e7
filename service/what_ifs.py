"""What is known of cases in which an office did one thing more, asked of one open case of the newest scoring.

The answer is worked out from the index and the counts that the scoring left, and from the events of this one case, so
it takes a fraction of a second however large the city is. It is told beside the risk and never in its place.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from data import tables
from data.errors import UsageError
from data.store_append import read_log
from models.failures import FailureModels
from models.what_if import ACTIONS, WhatIf, World, what_ifs
from service.language import marked
from service.online.holder import NotScoredError
from service.online.saved_index import SavedIndex
from service.past_cases import read_past_cases
from service.scoring import refuse_hindsight

# So many days can be asked about, that of the scoring among them.
DAYS: Final = 14
_NO_COUNTS: Final = marked("The newest scoring counted no past cases to compare with. Run `heed score`.")
_OFFICE: Final = marked("Expected the code of another office with `hand_over`, and with nothing else.")
_DAY: Final = marked("Expected a day with `answer_by`, within two weeks of the scoring, and with nothing else.")


@dataclass(frozen=True, slots=True)
class Question:
    """One thing that an office could do with a case.

    Attributes
    ----------
    action : one of `models.what_if.ACTIONS`
    office : code of the office that it is handed over to; None: it is not
    by : the day by whose end it is answered, on the city's clock; None: now
    outcomes : which to tell; None for all
    """

    action: str
    office: str | None = None
    by: date | None = None
    outcomes: tuple[str, ...] | None = None

    def require_whole(self, as_of: int, zone: ZoneInfo) -> None:
        """Refuse what an action lacks, or what it has no use for.

        Raises
        ------
        UsageError
            If an office or a day is missing, not asked for, or out of reach.
        """
        action = ACTIONS[self.action]
        if action.needs_office != (self.office is not None):
            raise UsageError(_OFFICE)
        if action.needs_moment != (self.by is not None):
            raise UsageError(_DAY)
        if self.by is not None and self.by not in days_ahead(as_of, zone):
            raise UsageError(_DAY)


def days_ahead(as_of: int, zone: ZoneInfo) -> list[date]:
    """The days by whose end an answer can be asked about, by the clock of the city."""
    today = datetime.fromtimestamp(as_of, zone).date()
    days = (today + timedelta(days=ahead) for ahead in range(DAYS))
    return [day for day in days if end_of(day, zone) > as_of]


def ask(
    connection: Connection,
    models: FailureModels,
    saved: SavedIndex,
    home: Path,
    case_id: str,
    question: Question,
    *,
    office_name: tuple[str, str] | None = None,
) -> tuple[WhatIf, ...]:
    """The answer for each outcome.

    Parameters
    ----------
    connection : to the store of the case
    models : in use
    saved, home : the index of the newest scoring, and where it lies
    case_id : a case that was open at the scoring
    question : whole, see `Question.require_whole`
    office_name : in Chinese and English, of the office that it names

    Raises
    ------
    NotScoredError
        If the scoring counted no past cases.
    UsageError
        If the case was not open at the scoring, or there is no such outcome.
    """
    past = read_past_cases(home)
    if past is None:
        raise NotScoredError(_NO_COUNTS)
    as_of, zone = saved.about.as_of, saved.about.time_zone
    refuse_hindsight(models, as_of)
    event = tables.event.c
    own = read_log(connection, event.case_id == case_id, event.known_at < as_of)
    world = World(own, as_of, saved.index, models.features, models.outcomes, zone, saved.calendar, past.offices)
    return what_ifs(
        models,
        world,
        past.support,
        case_id,
        question.action,
        outcomes=question.outcomes,
        office=question.office,
        by=None if question.by is None else end_of(question.by, ZoneInfo(zone)),
        office_name=office_name,
    )


def end_of(day: date, zone: ZoneInfo) -> int:
    """The last minute of a day, in seconds in UTC."""
    return int(datetime.combine(day, time(23, 59), tzinfo=zone).timestamp())
