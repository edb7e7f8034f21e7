"""The door for posted events: the same as for an imported file, and what is posted late never looks known earlier.

What is posted goes through `data.import_intake` and `data.import_settling` as the rows of a file of events would: the
scan of values for personal data, the checks of rows, hashed case numbers, the service standards of the source. Two
things differ. An event counts as known when it was received, whatever it says about when it happened, so that no answer
about an earlier moment changes. And so its time of receipt cannot tell a repetition from a new event: what the store
holds already is told by what the event says.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Collection, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np
import pandas as pd
from sqlalchemy import Connection, func, select

from data import tables
from data.errors import BoundaryError, FileFormatError, Finding, PersonalDataError, RowError
from data.event_log import NEVER
from data.import_intake import Intake, take_in
from data.import_report import ImportReport, Snapshot
from data.import_settling import settle_in
from data.import_spool import Spool
from data.mapping import KEYS, Column, Mapping, Source
from data.read import CHUNK_ROWS, SourceFile
from data.read_table import text_of
from data.schema import EVENT_FIELDS
from data.store import ImportRun, Store
from data.store_append import events_of
from service.event_payloads import AppendedEvents, NewEvents
from service.language import marked
from service.problems import BodyProblem, RefusedDataError, UnfitBodyError

# What the note of an import is called by whose events came through here.
NAME: Final = "POST /v1/events"
_SAID: Final = tuple(name for name in EVENT_FIELDS if name not in ("reference", "known_at"))
_ATTRIBUTES: Final = tuple(name for name in _SAID if name not in ("kind", "at"))

_UNKNOWN_SOURCE: Final = marked("a source that something was imported from; `heed imports` lists them")
_TOO_MANY: Final = marked("at most %(most)s events; send the rest in a call of its own")
_NOT_YET: Final = marked("a moment no later than now")
_PERSONAL: Final = marked("a short code; this looks like personal data or free text, which heed does not store")
_CONDUCT: Final = marked("a type of problem; heed takes no category about what people do")
_UNFIT: Final = marked("a value as this address describes it")
# By the codes of `data.findings`.
_EXPECTED: Final = {
    "after_extraction": _NOT_YET,
    "due_before_opened": marked("a promised moment after the opening"),
    "due_too_far": marked("a promised moment within three years"),
    "second_opening": marked("one opening for each case; this one was opened at another moment"),
    "no_opening": marked("an event of a case whose opening is in the store or in this post"),
    "before_opening": marked("a moment no earlier than the opening of the case"),
    "personal_value": _PERSONAL,
}


@dataclass(frozen=True, slots=True)
class Appended:
    """What a post changed, and the import that it is noted as; None where nothing was new."""

    told: AppendedEvents
    import_id: int | None


class Posting:
    """One post of events on its way into the store: `read` first, then `settle` in the transaction of the write.

    Use it in a `with` block.
    """

    def __init__(self, store: Store, asked: NewEvents, *, most: int) -> None:
        self._store, self._asked, self._most = store, asked, most
        self._spool = Spool()
        self._intake: Intake | None = None
        self._sha256 = ""
        self._noted_mapping = ""

    def __enter__(self) -> Posting:
        self._spool.__enter__()
        return self

    def __exit__(self, *_error: object) -> None:
        self._spool.__exit__(None, None, None)

    def read(self) -> None:
        """Take the events through the door, as far as that needs no writing.

        Raises
        ------
        UnfitBodyError, RefusedDataError
            If they are too many, of no known source, not yet happened, or look personal; with their positions.
        """
        asked, now = self._asked, int(time.time())
        if len(asked.events) > self._most:
            raise _unfit("events", _TOO_MANY, most=f"{self._most:,}")
        if asked.extracted_at is not None and asked.extracted_at.timestamp() > now:
            raise _unfit("extracted_at", _NOT_YET)
        mapping = self._mapping()
        key = self._store.case_key()
        self._sha256 = _keyed_hash(asked, key)
        file = _PostedFile(self._sha256, asked)
        with _refusing():
            self._intake = take_in(
                file, mapping, self._spool, key=key, drop=(), allowed=(), latest=now, extracted_at=None,
                chunk=CHUNK_ROWS, tell=_silent,
            )  # fmt: skip

    def settle(self, connection: Connection) -> Appended:
        """Compare with the store, and store what is new, in the transaction of `connection` (of `Store.writing`).

        Raises
        ------
        UnfitBodyError
            If a case has no opening, another one, or a later one than the event.
        """
        assert self._intake is not None  # noqa: S101  (what was not read cannot be stored)
        intake = self._intake
        moment = _receipt(connection)
        rows = pd.concat(list(intake.spool.groups()), ignore_index=True)
        new = _unsaid(rows, events_of(connection, self._asked.source, rows["case_id"]))
        new["known_at"] = np.int64(moment)
        # That nothing else has happened is news, too.
        is_news = len(new) > 0 or self._asked.extracted_at is not None
        added, import_id = self._store_rows(connection, intake, new, moment) if is_news else (0, None)
        told = AppendedEvents(
            source=self._asked.source,
            known_at=datetime.fromtimestamp(moment, intake.mapping.zone),
            events=len(rows),
            stored=len(new),
            already_stored=len(rows) - len(new),
            cases=int(rows["case_id"].nunique()),
            promises=max(added - len(new), 0),
        )
        return Appended(told, import_id)

    def _store_rows(
        self, connection: Connection, intake: Intake, new: pd.DataFrame, moment: int
    ) -> tuple[int, int | None]:
        cases = int(new["case_id"].nunique())
        report = self._report(len(new), cases, moment)
        run = ImportRun(
            source=report.source,
            time_zone=str(intake.mapping.source.time_zone),
            # What is posted as it happens is known when it happens; what the source's exports show of openings stays
            # what it is.
            known_at_opening=KEYS,
            file_name=NAME,
            file_sha256=self._sha256,
            mapping_sha256=self._noted_mapping,
            extracted_at=moment,
            rows=len(new),
            cases=cases,
        )
        with Spool() as spool, _refusing():
            spool.add(new)
            intake.spool = spool
            stored = settle_in(self._store, connection, intake, report, run, allowed=(), tell=_silent)
        return stored.events_added, stored.import_id

    def _mapping(self) -> Mapping:
        """A mapping in which every field is called as itself.

        A source whose posts name deadlines keeps its own; where they name none, the service standards move those that
        they made.
        """
        source = tables.source.c
        with self._store.reading() as connection:
            found = connection.execute(select(tables.source).where(source.source == self._asked.source)).first()
        if found is None:
            raise _unfit("source", _UNKNOWN_SOURCE)
        self._noted_mapping = str(found.mapping_sha256)
        said = [name for name in _SAID if any(getattr(event, name) is not None for event in self._asked.events)]
        return Mapping(
            source=Source(name=self._asked.source, shape="events", time_zone=str(found.time_zone)),
            columns={name: Column(field=name) for name in ("reference", *said)},
            sha256=self._noted_mapping,
        )

    def _report(self, rows: int, cases: int, moment: int) -> ImportReport:
        whole = self._asked.extracted_at
        # Where the post speaks of its own cases only, it is a look at no other: a span that no opening lies in.
        look = Snapshot(seen_at=moment, opened_from=NEVER, opened_to=-NEVER, cases=cases)
        if whole is not None:
            look = Snapshot(seen_at=int(whole.timestamp()), opened_from=-NEVER, opened_to=NEVER, cases=cases)
        return ImportReport(
            source=self._asked.source,
            file=NAME,
            import_id=None,
            rows=rows,
            cases=cases,
            events_added=0,
            events_known_already=0,
            set_aside=(),
            dropped=(),
            left_out=(),
            forced={},
            known_at_opening=KEYS,
            near_instant=0,
            ambiguous_times=0,
            skipped_times=0,
            extracted_at=moment,
            snapshots=(look,),
            file_sha256=self._sha256,
            mapping_sha256=self._noted_mapping,
        )


class _PostedFile(SourceFile):
    """Posted events as a file of events; in memory, because the numbers of cases are to stand on no disk."""

    def __init__(self, sha256: str, asked: NewEvents) -> None:
        self.name = NAME
        self.sha256 = sha256
        columns = {name: [getattr(event, name) for event in asked.events] for name in ("reference", *_SAID)}
        self._columns = {
            name: _column(name, values)
            for name, values in columns.items()
            if name == "reference" or any(value is not None for value in values)
        }
        self.columns = tuple(self._columns)
        self._number = len(asked.events)

    @property
    def notes(self) -> tuple[str, ...]:
        """Nothing is doubtful about how the values came."""
        return ()

    @property
    def rows(self) -> int:
        """How many events."""
        return self._number

    def chunks(self, wanted: Collection[str], size: int = CHUNK_ROWS) -> Generator[pd.DataFrame, None, None]:
        """See `SourceFile.chunks`."""
        frame = pd.DataFrame({name: self._columns[name] for name in self.columns if name in wanted})
        for start in range(0, len(frame), size):
            yield frame.iloc[start : start + size]


def _column(name: str, values: Sequence[object]) -> pd.Series:
    if EVENT_FIELDS[name].type == "time":
        moments = [value.timestamp() if isinstance(value, datetime) else None for value in values]
        return pd.to_datetime(pd.Series(moments, dtype="float64").floordiv(1), unit="s", utc=True)
    return text_of(NAME, name, 1, [None if value is None else str(value) for value in values])


def _keyed_hash(asked: NewEvents, key: bytes) -> str:
    """A name for the note of the import. Keyed, because a post of one event could be guessed and hashed."""
    return hashlib.blake2b(asked.model_dump_json().encode(), key=key, digest_size=32).hexdigest()


def _receipt(connection: Connection) -> int:
    """The moment from which on the events are known: now, and never before anything that is known already, or that
    the newest scoring and detection have spoken of.
    """
    run = tables.import_run.c
    newest, looked = connection.execute(select(func.max(run.newest_known_at), func.max(run.extracted_at))).one()
    moment = max(int(time.time()), int(newest or 0), int(looked or 0))
    # They speak of one second after the last thing known, and the clock may show an earlier one still.
    answered = [table.c.as_of == moment + 1 for table in (tables.risk, tables.pressure)]
    return moment + any(connection.execute(select(at).where(at).limit(1)).first() is not None for at in answered)


def _unsaid(rows: pd.DataFrame, stored: pd.DataFrame) -> pd.DataFrame:
    """The rows that tell something which no earlier row and no stored event of their case tells.

    A stored event tells a row if it is of the same kind and moment and says at least as much.
    """
    said = [name for name in _SAID if name in rows.columns]
    rows = rows.drop_duplicates(["case_id", *said]).reset_index(drop=True)
    if stored.empty:
        return rows
    keys = ["case_id", "kind", "at"]
    both = rows[["row", *keys]].merge(stored, on=keys)
    asked = rows.set_index("row").loc[both["row"]].reset_index()
    told = np.ones(len(both), dtype=bool)
    for name in _ATTRIBUTES:
        mine, theirs = asked[name].astype(object), both[name].astype(object)
        silent = mine.isna() | (mine == NEVER)
        told &= (silent | (mine == theirs)).to_numpy(dtype=bool)
    return rows[~rows["row"].isin(both.loc[told, "row"])].reset_index(drop=True)


@contextmanager
def _refusing() -> Iterator[None]:
    """What the door says of rows and columns, as positions in the body; its own words speak of files and commands."""
    try:
        yield
    except (RowError, PersonalDataError) as error:
        found = [problem for finding in error.findings for problem in _problems(finding)]
        refused = RefusedDataError if isinstance(error, PersonalDataError) else UnfitBodyError
        raise refused(found) from None
    except BoundaryError:
        raise RefusedDataError([BodyProblem("events", _CONDUCT)]) from None
    except FileFormatError:
        raise _unfit("events", _UNFIT) from None


def _problems(finding: Finding) -> list[BodyProblem]:
    expected = _EXPECTED.get(finding.code, _UNFIT)
    return [BodyProblem(f"events[{row - 1}].{finding.column}", expected) for row in finding.rows]


def _unfit(name: str, expected: str, **values: str) -> UnfitBodyError:
    return UnfitBodyError([BodyProblem(name, expected, values)])


def _silent(_step: str, _done: int, _total: int) -> None:
    pass
