"""A file of capacities: what is wrong with it, and what of it the store does not know yet.

A file tells from when on an office can answer so many cases a day; seldom since when that was known. heed cannot know
it. A figure that came in today may have been a plan that everybody knew, or may have been worked out afterwards from
what was answered, and a model given that would look far better on paper than it can be on the day. So a row that does
not say since when is known from its import on, and whoever can answer for it says openly that it was known in time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from data.capacity import CAPACITY_KEY
from data.errors import RowError
from data.event_log import NEVER
from data.findings import BadRows, as_findings, bad_rows
from data.moments import Mask, Moments, Seconds, next_midnight, parse_moments

# Since when a figure was known of which the file does not say it: since it came in, or since it began.
KnownWhen = Literal["import", "from"]
KNOWN_WHEN: Final[tuple[KnownWhen, ...]] = ("import", "from")

# All offices of a city of eight million together are told of about ten thousand cases a day; ten times that is no
# office but a slip of the keyboard.
MOST_PER_DAY: Final = 100_000.0

_ZONE: Final = (
    "Write it with an offset, as 2025-03-01T00:00+08:00: the store has no one time zone to read it in. It has one once "
    "cases of one time zone were imported."
)
_DAY: Final = r"\d{4}-?\d{2}-?\d{2}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CapacityReport:
    """What became of the rows of a file of capacities.

    Attributes
    ----------
    stored : rows that the store did not know yet
    known_already : rows that say what was known anyway
    corrections : of those stored, the ones that say otherwise than was known before of the same beginning
    known_from_import : of those stored, the ones that are known from this import on, since the file does not say
    unknown_offices : offices of the file that are neither in the store nor named by any case
    """

    stored: int
    known_already: int
    corrections: int
    known_from_import: int
    unknown_offices: int

    def to_dict(self) -> dict[str, Any]:
        """The report as plain values."""
        return asdict(self)

    def warnings(self) -> list[str]:
        """One sentence for each thing that may not be what was meant."""
        found = []
        if self.known_from_import:
            found.append(
                f"Known from this import on, because the file does not say since when: {self.known_from_import:,}. If "
                "they were known when they began, import them with `--capacity-known from`."
            )
        if self.unknown_offices:
            found.append(
                f"The file of capacities names {self.unknown_offices:,} offices that neither the store nor any case "
                "has; they are kept by their code."
            )
        return found


def checked_capacity(
    file: str, frame: pd.DataFrame, *, zone: ZoneInfo | None, imported_at: int, remedy: str
) -> pd.DataFrame:
    """The rows of a file, if everything in them is right.

    Parameters
    ----------
    frame : DataFrame with `row`, `office`, `from`, `known` and `capacity_per_day` as they stand in the file
    zone : time zone of moments without an offset; None: the store has none
    imported_at : seconds in UTC; nothing can have been known later

    Returns
    -------
    DataFrame with `row`, `office`, `from_at` (int64), `known_at` (`Int64`; null: the file does not say) and
    `capacity_per_day` (float64)
        Times are seconds in UTC. A day without a time begins at its local midnight; something known on a day was known
        at its end.

    Raises
    ------
    RowError
        With the rows of each thing that is wrong, and none of their content.
    """
    check = _Check(frame, remedy)
    check.add("missing_value", "office", frame["office"].isna(), "every row needs the code of its office.")
    check.add("missing_time", "from", frame["from"].isna(), "every row needs the moment it holds from.")
    begins = check.moments("from", zone)
    known = check.known(zone, imported_at)
    numbers = pd.to_numeric(frame["capacity_per_day"], errors="coerce")
    wrong = ~numbers.between(0, MOST_PER_DAY)
    check.add("bad_number", "capacity_per_day", wrong, f"expected a number from 0 to {MOST_PER_DAY:,.0f}.")
    told = pd.DataFrame(
        {
            "row": frame["row"],
            "office": frame["office"].astype("str"),
            "from_at": begins,
            "known_at": pd.Series(known, index=frame.index, dtype="Int64").mask(known == NEVER),
            "capacity_per_day": numbers.astype("float64"),
        }
    )
    check.repeats(told)
    if check.found:
        raise RowError(file, as_findings(check.found))
    return told


class _Check:
    """What is wrong with one file of capacities."""

    def __init__(self, frame: pd.DataFrame, remedy: str) -> None:
        self.frame, self.remedy = frame, remedy
        self.found: list[BadRows] = []

    def add(self, code: str, column: str, mask: pd.Series | Mask, expected: str, remedy: str | None = None) -> None:
        rows = self.frame["row"]
        self.found += bad_rows(code, column, mask, rows, expected=expected, remedy=remedy or self.remedy)

    def moments(self, column: str, zone: ZoneInfo | None) -> Seconds:
        """A column of times in seconds in UTC; NEVER where there is none, or none that can be read."""
        moments: Moments = parse_moments(self.frame[column], zone)
        self.add("unreadable_time", column, moments.unreadable, "expected a day or a time since 1970, in ISO 8601.")
        self.add("naive_time", column, moments.naive, "the time carries no offset.", _ZONE)
        return moments.seconds

    def known(self, zone: ZoneInfo | None, imported_at: int) -> Seconds:
        """When each row was known; NEVER where the file does not say."""
        seconds = self.moments("known", zone)
        late = (seconds != NEVER) & (seconds > imported_at)
        self.add("after_import", "known", late, "nothing that comes in today became known later than now.")
        day = _is_day(self.frame["known"]) & (seconds != NEVER) & ~late
        if zone is not None and day.any():
            # Of today it is not known yet how it ends.
            seconds = np.where(day, np.minimum(next_midnight(seconds, zone), imported_at), seconds)
        return seconds

    def repeats(self, told: pd.DataFrame) -> None:
        """Rows of which both cannot be true, or of which nobody can tell which is newer."""
        silent = told["known_at"].isna()
        again = told.duplicated([*CAPACITY_KEY])
        dated = "the same office, beginning and moment it was known stand in an earlier row too."
        self.add("duplicate_row", "known", again & ~silent, dated)
        # A beginning that could not be read is like no other.
        alike = told.duplicated(["office", "from_at"], keep=False) & (told["from_at"] != NEVER)
        undated = "other rows are of the same office and beginning, so each has to say since when it was known."
        self.add("duplicate_row", "from", alike & silent, undated)


def _is_day(values: pd.Series) -> Mask:
    """Which values are a day without a time; a file that knows its times itself writes a day as its midnight."""
    if pd.api.types.is_datetime64_dtype(values.dtype):
        return np.asarray(values.notna() & (values == values.dt.normalize()), dtype=bool)
    if isinstance(values.dtype, pd.DatetimeTZDtype):
        return np.zeros(len(values), dtype=bool)
    return np.asarray(values.astype("str").str.fullmatch(_DAY).fillna(False), dtype=bool)


@dataclass(frozen=True, slots=True)
class Settled:
    """The rows to store, with the columns of `data.tables.office_capacity`, and what became of the others."""

    rows: pd.DataFrame
    known_already: int
    corrections: int
    known_from_import: int


def settle(file: str, told: pd.DataFrame, stored: pd.DataFrame, *, known: KnownWhen, imported_at: int) -> Settled:
    """Compare the rows of a file with what the store knows.

    A row that says since when it was known is stored with that, unless the same was known then already. Any other is
    known from the import on or, with `known="from"`, since it began; but where the store has another figure of the same
    office and beginning, heed itself has seen that another one was known before, and the row is a correction, known
    from the import on in either case.

    Parameters
    ----------
    told : DataFrame as `checked_capacity` gives it
    stored : DataFrame with `data.capacity.CAPACITY_COLUMNS`, all that the store has
    imported_at : seconds in UTC

    Raises
    ------
    RowError
        If the store has another figure as known at the very moment that a row names.
    """
    before = _by_beginning(stored)
    found: list[tuple[str, int, int, float]] = []
    clashes: list[int] = []
    already = corrections = of_import = 0
    ordered = told.sort_values(["office", "from_at", "known_at"], kind="stable")
    for row, office, begins, said, capacity in zip(
        *(ordered[name].tolist() for name in ("row", "office", "from_at", "known_at", "capacity_per_day")), strict=True
    ):
        figures = before.setdefault((office, begins), {})
        if pd.isna(said):
            since = _since(figures, capacity, begins, known, imported_at)
        elif figures.get(said, capacity) != capacity:
            clashes.append(row)
            continue
        else:
            since = None if _figure_at(figures, said) == capacity else int(said)
        if since is None:
            already += 1
            continue
        corrections += _figure_at(figures, since) is not None
        of_import += pd.isna(said) and since >= imported_at
        figures[since] = capacity
        found.append((office, begins, since, capacity))
    if clashes:
        raise RowError(file, as_findings(_clashing(told, clashes)))
    rows = pd.DataFrame(found, columns=["office", "from_at", "known_at", "capacity_per_day"])
    rows = rows.astype({"office": "str", "from_at": "int64", "known_at": "int64", "capacity_per_day": "float64"})
    return Settled(rows.assign(recorded_at=imported_at), already, corrections, of_import)


def _by_beginning(stored: pd.DataFrame) -> dict[tuple[str, int], dict[int, float]]:
    """(office, beginning) -> when each figure became known -> the figure."""
    found: dict[tuple[str, int], dict[int, float]] = {}
    columns = (stored[name].tolist() for name in ("office", "from_at", "known_at", "capacity_per_day"))
    for office, begins, since, capacity in zip(*columns, strict=True):
        found.setdefault((office, begins), {})[since] = capacity
    return found


def _figure_at(figures: Mapping[int, float], moment: int) -> float | None:
    """The figure known at a moment, that very second included; None where none was."""
    since = max((known for known in figures if known <= moment), default=None)
    return None if since is None else figures[since]


def _since(
    figures: Mapping[int, float], capacity: float, begins: int, known: KnownWhen, imported_at: int
) -> int | None:
    """Since when a row was known that does not say it; None where it says nothing new."""
    # Nothing that is told today was known later than today: a plan is known when it comes in.
    own = imported_at if known == "import" else min(begins, imported_at)
    if not figures:
        return own
    newest = max(figures)
    if figures[newest] != capacity:
        return max(imported_at, newest + 1)
    # The same figure, now said to have been known from its beginning; unless another one was known in between.
    return own if own < min(figures) and len(set(figures.values())) == 1 else None


def _clashing(told: pd.DataFrame, clashes: list[int]) -> list[BadRows]:
    return bad_rows(
        "another_figure",
        "known",
        told["row"].isin(clashes),
        told["row"],
        expected="the store has another figure as known at that very moment.",
        remedy="A correction became known later: say when, or leave `known` out to have it known from now on.",
    )
