"""The facts of a simulated city of any size, for timing: `python -m tests.support.window_city CASES FOLDER`.

Straight to facts and not through an event log, because a log of ten million cases would take longer to fold than all
that is to be timed. What counts for the timing is like a real one: few categories and offices have most of the cases,
weeks and years have their seasons, and many facts fall on one second (openings on the full hour, closings filed at
midnight). A case is opened, handed over now and then, and closed or never closed; its promise falls due.

Made part by part, from the seed and the number of the part, so that ten million cases need no more memory than one
part, and every run writes the same files:

    FOLDER/arrivals.parquet …   one file per fact table: `at`, `category`, `area`, `office`, and the measures
    FOLDER/queries.parquet      one row per case at its opening: `landmark`, `at`, `category`, `area`, `office`
    FOLDER/next_day/…           the same files for the day after the history: what one day adds to it
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from data.event_log import NEAR_INSTANT_SECONDS, NEVER
from features.event_index import Queries
from features.facts import KEY_COLUMNS, LOG_HOURS_SCALE, Facts

Int64s = NDArray[np.int64]

DAY: Final = 86_400
# Midnight in a zone eight hours ahead of UTC, 1 January 2022.
BEGINS: Final = 1_640_966_400
DAYS: Final = 3 * 365
ENDS: Final = BEGINS + DAYS * DAY
QUERIES: Final = "queries"
NEXT_DAY: Final = "next_day"
# The fact tables that the window features read, with the measures that they read.
TABLES: Final[dict[str, tuple[str, ...]]] = {
    "arrivals": ("n",),
    "balance": ("open",),
    "closures": ("n", "log_hours"),
    "matured": ("n", "late"),
    "moves": ("n",),
}
NAMED_KEYS: Final = ("category", "area", "office")

_ON_THE_HOUR: Final = 0.08
_AT_MIDNIGHT: Final = 0.15
_NEVER_CLOSED: Final = 0.03
_HAND_OVERS: Final = 0.3
_PROMISED_DAYS: Final = (1, 2, 3, 5, 7, 15, 30)
# Openings by hour of the day, from midnight on, and by day of the week, from Saturday on (that is what BEGINS was).
_HOURS: Final = (1, 1, 1, 1, 1, 1, 2, 4, 8, 10, 10, 9, 6, 7, 9, 9, 8, 6, 4, 3, 3, 2, 2, 1)
_WEEK: Final = (0.45, 0.4, 1.3, 1.2, 1.15, 1.1, 1.05)


@dataclass(frozen=True)
class WindowCity:
    """A city to simulate: so many cases over three years, and what they may be about.

    With a `grain`, all moments are cut to whole multiples of so many seconds. With one of hours, nearly every fact has
    others at its very second, and many lie exactly on the edge of a window.
    """

    cases: int
    seed: int = 1
    categories: int = 200
    areas: int = 500
    offices: int = 50
    part: int = 250_000
    grain: int = 1

    def names(self, key: str) -> list[str]:
        """The values of a key column, in the order of their codes."""
        size = {"category": self.categories, "area": self.areas, "office": self.offices}[key]
        return [f"{key}_{number:03d}" for number in range(size)]


@dataclass(frozen=True)
class _Rows:
    """Rows of one table: moments, key codes by column, and the other columns."""

    at: Int64s
    keys: dict[str, NDArray[np.integer]]
    columns: dict[str, Int64s]

    def between(self, start: int, end: int) -> _Rows:
        chosen = (self.at >= start) & (self.at < end)
        return _Rows(
            self.at[chosen],
            {name: codes[chosen] for name, codes in self.keys.items()},
            {name: values[chosen] for name, values in self.columns.items()},
        )


@dataclass(frozen=True)
class _Cases:
    """Some cases, in the order of their openings, with their hand-overs, in the order of (case, moment).

    `steps` is how far a hand-over goes on through the offices, counted around; never 0, so it always is another one.
    """

    city: WindowCity
    opened: Int64s
    closed: Int64s
    due: Int64s
    category: NDArray[np.integer]
    area: NDArray[np.integer]
    office: NDArray[np.integer]
    moved: Int64s = field(repr=False)
    mover: Int64s = field(repr=False)
    steps: Int64s = field(repr=False)

    @classmethod
    def draw(cls, city: WindowCity, starts: Int64s, rng: np.random.Generator) -> _Cases:
        """As many cases as there are `starts`, the midnights before their openings, ascending."""
        n = len(starts)
        opened = starts + _hours(rng, n) * 3600 + rng.integers(0, 3600, n)
        opened = np.where(rng.random(n) < _ON_THE_HOUR, opened - opened % 3600, opened)
        opened = np.sort(opened)
        category = _zipf(rng, n, city.categories, 1.0)
        # A category has an office of its own; three cases in ten are someone else's.
        office = np.where(rng.random(n) < 0.7, category * 7 % city.offices, _zipf(rng, n, city.offices, 0.7))
        usual = np.exp(_by_category(city, 0).uniform(np.log(8), np.log(720), city.categories))[category]
        hours = np.minimum(usual * np.exp(1.1 * rng.standard_normal(n)), 2 * 8760)
        worked = opened + NEAR_INSTANT_SECONDS + 1 + (hours * 3600).astype(np.int64)
        midnight = worked + -(worked - BEGINS) % DAY
        closed = np.where(rng.random(n) < _AT_MIDNIGHT, midnight, worked)
        closed = np.where(rng.random(n) < _NEVER_CLOSED, NEVER, closed)
        promised = _by_category(city, 1).choice(_PROMISED_DAYS, city.categories)[category] * DAY
        mover = np.repeat(np.arange(n), rng.poisson(_HAND_OVERS, n))
        first = opened[mover] + NEAR_INSTANT_SECONDS + 1
        moved = first + (rng.random(len(mover)) * (worked[mover] - first)).astype(np.int64)
        order = np.lexsort((moved, mover))
        return cls(
            city,
            opened,
            closed,
            opened + promised,
            category,
            _zipf(rng, n, city.areas, 0.8),
            office,
            moved[order],
            mover,  # ascending already, so the order leaves it as it is
            rng.integers(1, city.offices, len(mover)),
        )

    def tables(self) -> dict[str, _Rows]:
        """Every fact table, and the queries."""
        filed = self.opened + NEAR_INSTANT_SECONDS
        everyone = np.arange(len(self.opened))
        over = np.flatnonzero(self.closed < NEVER)
        hours = (self.closed[over] - self.opened[over]) / 3600
        log_hours = np.rint(np.log(hours) * LOG_HOURS_SCALE).astype(np.int64)
        at_end, at_promise = self._office_at(self.closed), self._office_at(self.due)
        sender, receiver = self._senders_and_receivers()
        ones = np.ones(len(everyone), dtype=np.int64)
        return {
            QUERIES: self._rows(everyone, self.opened, self.office),
            "arrivals": self._rows(everyone, filed, self.office, n=ones),
            "balance": self._rows(
                np.concatenate([everyone, over, self.mover, self.mover]),
                np.concatenate([filed, self.closed[over], self.moved, self.moved]),
                np.concatenate([self.office, at_end[over], sender, receiver]),
                open=np.repeat([1, -1, -1, 1], [len(everyone), len(over), len(sender), len(receiver)]),
            ),
            "closures": self._rows(over, self.closed[over], at_end[over], n=ones[over], log_hours=log_hours),
            "matured": self._rows(everyone, self.due, at_promise, n=ones, late=(self.closed > self.due).astype(int)),
            "moves": self._rows(self.mover, self.moved, sender, n=np.ones(len(sender), dtype=np.int64)),
        }

    def _rows(self, cases: Int64s, at: Int64s, office: NDArray[np.integer], **columns: Int64s) -> _Rows:
        keys = {"category": self.category[cases], "area": self.area[cases], "office": office}
        return _Rows(at - at % self.city.grain, keys, columns)

    def _office_at(self, at: Int64s) -> NDArray[np.integer]:
        """Who had each case at a moment, `at` included; shape (n,)."""
        until = self.moved <= at[self.mover]
        gone = np.bincount(self.mover[until], self.steps[until], len(self.opened)).astype(np.int64)
        return (self.office + gone) % self.city.offices

    def _senders_and_receivers(self) -> tuple[NDArray[np.integer], NDArray[np.integer]]:
        """Who gave a case away and who got it, for each hand-over."""
        gone = np.cumsum(self.steps)
        new_case = np.append(True, self.mover[1:] != self.mover[:-1])[: len(gone)]
        before = (gone - self.steps)[np.maximum.accumulate(np.where(new_case, np.arange(len(gone)), 0))]
        receiver = (self.office[self.mover] + gone - before) % self.city.offices
        return (receiver - self.steps) % self.city.offices, receiver


def write_city(city: WindowCity, folder: Path) -> None:
    """Write all files of a city into a folder, which is made if it is not there."""
    with ExitStack() as stack:
        history = _Files(city, folder, stack)
        next_day = _Files(city, folder / NEXT_DAY, stack)
        for cases in _parts(city):
            for name, rows in cases.tables().items():
                history.write(name, rows.between(BEGINS, ENDS))
                next_day.write(name, rows.between(ENDS, ENDS + DAY))


def ready_city(city: WindowCity, folder: Path) -> Path:
    """The folder, with the files of this city; written unless they are there already."""
    done = folder / "city.txt"
    if not done.exists() or done.read_text(encoding="utf-8") != str(city):
        done.unlink(missing_ok=True)
        write_city(city, folder)
        done.write_text(str(city), encoding="utf-8")
    return folder


class CityFacts(Mapping[str, Facts]):
    """Every fact table of one or more folders together, read from its files each time it is asked for.

    Key columns are categories, null where the simulation knows no such key.
    """

    def __init__(self, *folders: Path) -> None:
        self._folders = folders

    def __getitem__(self, name: str) -> Facts:
        tables = [
            pq.read_table(folder / f"{name}.parquet", columns=["at", *NAMED_KEYS, *TABLES[name]])
            for folder in self._folders
        ]
        # What differs in two files is only which number stands for which name.
        table = pa.concat_tables(tables).unify_dictionaries()
        measures = {measure: table.column(measure).to_numpy() for measure in TABLES[name]}
        return Facts(table.column("at").to_numpy(), _keys(table), measures)

    def __iter__(self) -> Iterator[str]:
        return iter(TABLES)

    def __len__(self) -> int:
        return len(TABLES)


def read_facts(*folders: Path) -> dict[str, Facts]:
    """The same, all of it in memory."""
    return dict(CityFacts(*folders))


def read_queries(folder: Path) -> Queries:
    """The openings of a folder; row i is landmark i."""
    table = pq.read_table(folder / f"{QUERIES}.parquet", columns=["at", *NAMED_KEYS])
    return Queries(table.column("at").to_numpy(), _keys(table))


def queries_in_parts(folder: Path, rows: int) -> Iterator[Queries]:
    """The same, so many landmarks at a time."""
    table = pq.read_table(folder / f"{QUERIES}.parquet", columns=["at", *NAMED_KEYS])
    for start in range(0, len(table), rows):
        part = table.slice(start, rows)
        yield Queries(part.column("at").to_numpy(), _keys(part))


class _Files:
    """The files of one folder, open for writing; landmarks are numbered as they come."""

    def __init__(self, city: WindowCity, folder: Path, stack: ExitStack) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._names = {key: pa.array(city.names(key)) for key in NAMED_KEYS}
        self._landmarks = 0
        keys = [pa.field(key, pa.dictionary(pa.int16(), pa.string())) for key in NAMED_KEYS]
        self._writers = {}
        for name, columns in {**TABLES, QUERIES: ("landmark",)}.items():
            schema = pa.schema([pa.field("at", pa.int64()), *keys, *(pa.field(one, pa.int64()) for one in columns)])
            self._writers[name] = stack.enter_context(pq.ParquetWriter(folder / f"{name}.parquet", schema))

    def write(self, name: str, rows: _Rows) -> None:
        """Add rows to a table, as a row group of their own."""
        columns = dict(rows.columns)
        if name == QUERIES:
            columns = {"landmark": np.arange(len(rows.at)) + self._landmarks}
            self._landmarks += len(rows.at)
        keys = [pa.DictionaryArray.from_arrays(rows.keys[key].astype(np.int16), self._names[key]) for key in NAMED_KEYS]
        arrays = [pa.array(rows.at), *keys, *(pa.array(values, pa.int64()) for values in columns.values())]
        writer = self._writers[name]
        if len(rows.at):
            writer.write_table(pa.Table.from_arrays(arrays, schema=writer.schema))


def _parts(city: WindowCity) -> Iterator[_Cases]:
    """All cases, whole days at a time; and those of the day after, as many as such a day has."""
    days = np.arange(DAYS + 1)
    # A fifth more in the cold months than on average, and two new cases for every hundred from year to year.
    season = 1 + 0.2 * np.cos(2 * np.pi * days / 365) + 0.02 * days / 365
    weights = season * np.resize(_WEEK, len(days))
    rng = np.random.default_rng([city.seed, 0])
    counts = rng.multinomial(city.cases, weights[:DAYS] / weights[:DAYS].sum())
    counts = np.append(counts, rng.poisson(city.cases * weights[DAYS] / weights[:DAYS].sum()))
    part = np.cumsum(counts) // city.part
    for number in np.unique(part):
        chosen = part == number
        starts = np.repeat(BEGINS + days[chosen] * DAY, counts[chosen])
        yield _Cases.draw(city, starts, np.random.default_rng([city.seed, 1, int(number)]))


def _hours(rng: np.random.Generator, n: int) -> Int64s:
    weights = np.array(_HOURS) / sum(_HOURS)
    return np.searchsorted(np.cumsum(weights)[:-1], rng.random(n), side="right").astype(np.int64)


def _zipf(rng: np.random.Generator, n: int, size: int, power: float) -> Int64s:
    """Codes 0 … size - 1, the first ones the most common: code r with a chance in proportion to 1 / (r + 1)^power."""
    weights = 1 / np.arange(1, size + 1) ** power
    return np.searchsorted(np.cumsum(weights / weights.sum())[:-1], rng.random(n), side="right").astype(np.int64)


def _by_category(city: WindowCity, what: int) -> np.random.Generator:
    # What belongs to a category must be the same in every part.
    return np.random.default_rng([city.seed, 2, what])


def _keys(table: pa.Table) -> pd.DataFrame:
    nothing = pd.Categorical.from_codes(np.full(len(table), -1, dtype=np.int8), categories=pd.Index([], dtype="str"))
    known = table.select(list(NAMED_KEYS)).to_pandas()
    return pd.DataFrame({name: known.get(name, nothing) for name in KEY_COLUMNS}, copy=False)


def main() -> None:
    cases, folder = sys.argv[1:]
    write_city(WindowCity(int(cases)), Path(folder))


if __name__ == "__main__":
    main()
