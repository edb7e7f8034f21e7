"""The histories on which families of features are compared: three public exports, and the simulated city.

Each is imported into a store of its own by the shipped mapping. Features are worked out twice: of every case at its
opening, and of landmarks along the lives of the cases that were promised something.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.calendars import CalendarSettings, HolidaySettings, build_calendar
from data.capacity import capacity_changes
from data.clock import WorkingCalendar
from data.import_cases import import_file
from data.mapping import find_mapping
from data.quality.label_trust import LabelTrust
from data.replay import Replay
from data.store import Store
from data.synthetic import simulate_city, write_city
from data.synthetic.calendars import make_calendars
from features.catalogue import CATALOGUE, available
from features.event_index import EventIndex, IndexTerms
from features.facts import facts_from_events
from features.feature import Family
from features.landmarks import landmarks, queries_at
from features.matrix import Matrix, matrix_at, terms_of
from features.outcomes import outcomes_at
from models.splits import TimeSplit, split_at_share
from models.training import History
from service.pipeline import history_of

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

REAL_DATA: Final = Path(__file__).parents[2].parent / "shared" / "data"
# Of the simulated city, and of the choice of mornings.
SEED: Final = 1
MORNINGS: Final = 5


@dataclass(frozen=True)
class Source:
    """A history to compare on.

    Attributes
    ----------
    title, mapping : what it is, and the shipped mapping that reads it
    share : of the promised cases that were opened before the cut
    file : its name; None for the simulated city
    state : whose public holidays the offices keep
    most_cases : of each side of the cut, for landmarks along the life; more are drawn at random. None: all
    """

    title: str
    mapping: str
    share: float
    file: str | None = None
    state: str | None = None
    most_cases: int | None = None


SOURCES: Final[dict[str, Source]] = {
    "boston": Source("Boston, July to December 2011", "boston", 0.7, "boston_311_2011h2.parquet", "MA"),
    "stlouis": Source("St. Louis, January 2018", "stlouis", 0.5, "stlouis_csb_2018_01.parquet", "MO"),
    "animal_pest": Source(
        "Boston, animals and pests, 2013 to 2023", "boston", 0.7, "boston_311_animal_pest_2013_2023.parquet", "MA"
    ),
    "demo": Source("the simulated city, seed 1", "demo", 0.7, most_cases=10_000),
}


@dataclass(frozen=True)
class Remembered(History):
    """A history that works out label trust once per moment, for all the models that are made of it."""

    judged: dict[int, LabelTrust | None] = field(default_factory=dict)

    def trust_at(self, moment: int) -> LabelTrust | None:
        if moment not in self.judged:
            self.judged[moment] = super().trust_at(moment)
        return self.judged[moment]

    def with_features(self, names: list[str]) -> Remembered:
        return replace(self, matrix=with_features(self.matrix, names))


@dataclass(frozen=True)
class Life:
    """Landmarks along the lives of cases, at which it is known whether they were answered late.

    Attributes
    ----------
    matrix : n landmarks with all features
    outcome : (n,) of 0 and 1
    train, test : (n,) bool; by when the case was opened, as for openings; what trains was mature before the cut
    """

    matrix: Matrix
    outcome: Floats
    train: Mask
    test: Mask

    @cached_property
    def weight(self) -> Floats:
        """1 / (landmarks of its case that are here), (n,): every case counts once."""
        case = self.matrix.landmarks["case_id"]
        return (1 / case.groupby(case.to_numpy()).transform("size")).to_numpy(np.float64)


@dataclass(frozen=True)
class Ready:
    """A history with its features, split by time.

    Attributes
    ----------
    history : with all features at the opening, those for analysis among them
    split : of its cases
    life : the same along their lives
    default : names that a model learns from unless told otherwise, at openings and along the life
    """

    source: Source
    history: Remembered
    split: TimeSplit
    life: Life
    default: tuple[list[str], list[str]]


def with_features(matrix: Matrix, names: list[str]) -> Matrix:
    """The same landmarks with some of their features."""
    return replace(matrix, features=matrix.features[names])


def families(features: pd.DataFrame) -> dict[Family, list[str]]:
    """The features that vary at all, by family, in the order of the catalogue.

    A null is a value: a feature that is null for some has something to say.
    """
    found: dict[Family, list[str]] = {}
    for name in features:
        if features[name].nunique(dropna=False) > 1:
            found.setdefault(CATALOGUE[str(name)].family, []).append(str(name))
    return found


def missing_families(features: pd.DataFrame) -> list[str]:
    """The families of the catalogue of which nothing varies."""
    return sorted({feature.family for feature in CATALOGUE.values()} - set(families(features)))


def some_mornings(landmarks: pd.DataFrame, most: int, seed: int) -> Mask:
    """All openings and events, and of each case at most so many mornings, drawn at random; (n,) bool."""
    morning = (landmarks["kind"] == "morning").to_numpy()
    drawn = pd.Series(np.random.default_rng(seed).random(len(landmarks))).where(morning)
    place = drawn.groupby(landmarks["case_id"].to_numpy()).rank(method="first").to_numpy()
    return ~morning | (place <= most)


def some_cases(case_ids: pd.Series, most: int | None, seed: int) -> Mask:
    """The rows of at most so many cases, drawn at random; (n,) bool. None: all."""
    codes, cases = pd.factorize(case_ids)
    if most is None or len(cases) <= most:
        return np.ones(len(codes), dtype=bool)
    kept = np.zeros(len(cases), dtype=bool)
    kept[np.random.default_rng(seed).choice(len(cases), most, replace=False)] = True
    return kept[codes]


@contextmanager
def opened(source: Source) -> Iterator[tuple[Store, int | None]]:
    """A store that holds the history, and the as-of that belongs to it (None: just after the last thing known)."""
    with TemporaryDirectory() as folder, Store.open(f"sqlite:///{folder}/store.db", create=True) as store:
        if source.file is not None:
            import_file(store, REAL_DATA / source.file, find_mapping(source.mapping))
            yield store, None
            return
        city = simulate_city(SEED)
        paths = write_city(city, Path(folder))
        import_file(store, paths["events"], find_mapping(source.mapping), extracted_at=city.end - 1)
        store.write_places(city.areas, city.offices, city.categories, city.inspections, city.capacities)
        yield store, city.end


def read(source: Source) -> Ready:
    """Import a history, work out all its features, and split it."""
    with opened(source) as (store, as_of):
        keys = store.known_at_opening()
        default = available(keys), available(keys, after_opening=True)
        history = history_of(store, as_of=as_of, names=default[0])
        replay = Replay.at(store, history.as_of, everything=as_of is None)
        capacity = store.read_capacity(history.as_of, recorded_by=replay.recorded_by)
        facts = facts_from_events(
            history.events,
            replay.inspections(),
            history.observed_until,
            capacity=capacity_changes(capacity, history.as_of),
            adjacency=store.adjacency(),
        )
    calendar = _calendar(source, history)
    index = EventIndex.build(facts, terms_of(available(keys, for_model=False, after_opening=True)))
    matrix = _matrix(index, history.matrix.landmarks, available(keys, for_model=False), history, calendar)
    # What is compared with is what heed's own path makes, to the bit.
    pd.testing.assert_frame_equal(matrix.features[default[0]], history.matrix.features, check_exact=True)
    told = {name: getattr(history, name) for name in History.__dataclass_fields__}
    ready = Remembered(**{**told, "matrix": matrix})
    split = split_at_share(ready.cases, ready.outcome, share=source.share, as_of=ready.as_of)
    names = available(keys, for_model=False, after_opening=True)
    return Ready(source, ready, split, _life(index, ready, source, split.cut, names, calendar), default)


def _matrix(
    index: EventIndex, frame: pd.DataFrame, names: list[str], history: History, calendar: WorkingCalendar
) -> Matrix:
    return matrix_at(IndexTerms(index, queries_at(frame)), frame, names, time_zone=history.time_zone, calendar=calendar)


def _life(
    index: EventIndex, history: History, source: Source, cut: int, names: list[str], calendar: WorkingCalendar
) -> Life:
    events, followed = history.events, history.observed_until
    due = events.dropna(subset=["due_at"]).groupby("case_id")["due_at"].max().astype("int64")
    promised = events[events["case_id"].isin(due.index)]
    # After its last promise no landmark of a case has the outcome: some cases stay open for years.
    until = pd.concat([due, followed.reindex(due.index)], axis=1).min(axis=1).astype("int64")
    frame = landmarks(promised, time_zone=history.time_zone, as_of=history.as_of, observed_until=until)
    late = outcomes_at(promised, frame, as_of=history.as_of, observed_until=followed, names=["late"])["late"]
    before = frame["opened_at"].to_numpy("int64") < cut
    kept = late.known_before(history.as_of) & (~before | (late.matures_at < cut))
    # Drawn last, and of what can be used: a landmark that falls to neither side takes no place.
    for side in (before, ~before):
        chosen = np.flatnonzero(kept & side)
        kept[chosen] = some_cases(frame["case_id"].iloc[chosen], source.most_cases, SEED)
    chosen = np.flatnonzero(kept)
    chosen = chosen[some_mornings(frame.iloc[chosen], MORNINGS, SEED)]
    frame = frame.iloc[chosen].reset_index(drop=True)
    before = before[chosen]
    return Life(_matrix(index, frame, names, history, calendar), late.value[chosen], before, ~before)


def _calendar(source: Source, history: History) -> WorkingCalendar:
    """The desk hours of the simulated city; for a real one the usual hours, which no export tells."""
    first = datetime.fromtimestamp(int(history.cases["opened_at"].min()), UTC)
    if source.state is None:
        return make_calendars(first.date()).desk
    last = datetime.fromtimestamp(history.as_of, UTC)
    usual = CalendarSettings(
        time_zone=history.time_zone,
        first_year=first.year - 1,
        last_year=last.year + 3,
        weekly={"monday-friday": ("08:30-17:00",)},
        holidays=HolidaySettings(country="US", subdivision=source.state),
    )
    return build_calendar("usual", usual).working
