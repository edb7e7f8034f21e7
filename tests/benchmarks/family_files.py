"""The histories on which families of features are compared, with all their features, split by time.

Each is imported into a store of its own by the shipped mapping (`tests.benchmarks.histories`) and read twice: the
openings of its cases, and the landmarks along their lives that models learn from (`models.history`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.calendars import CalendarSettings, HolidaySettings, build_calendar
from data.clock import WorkingCalendar
from data.event_log import fold_cases
from data.synthetic.calendars import make_calendars
from features.catalogue import CATALOGUE, available
from features.feature import Family
from features.landmarks import LANDMARK_KINDS, LandmarkKind
from features.risk_inputs import RiskInputs
from models.history import History
from models.learning import Lesson, lesson
from models.validation import once_per_case
from service.known import Known
from tests.benchmarks.cities import cut_of
from tests.benchmarks.histories import Source, opened

Floats = NDArray[np.float64]
Where = Literal["openings", "life"]

OUTCOME: Final = "late"
KINDS: Final[dict[Where, tuple[LandmarkKind, ...]]] = {"openings": ("opening",), "life": LANDMARK_KINDS}


@dataclass(frozen=True)
class Ready:
    """A history with all features, those for analysis among them, split by time.

    Attributes
    ----------
    source, where : which, and at which of its landmarks
    cut : int64 seconds in UTC
    taught : what could be learned about lateness at the cut
    tested : m landmarks after it, of cases that taught nothing, with a lateness known by now
    outcome : (m,) of 0 and 1
    default : names that a model learns from unless told otherwise
    time_zone : of the offices
    """

    source: Source
    where: Where
    cut: int
    taught: Lesson
    tested: RiskInputs
    outcome: Floats
    default: list[str]
    time_zone: str

    @property
    def weight(self) -> Floats:
        """1 / (tested landmarks of its case), (m,): every case counts once."""
        return once_per_case(pd.factorize(self.tested.landmarks["case_id"])[0])


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


def with_features(inputs: RiskInputs, names: list[str]) -> RiskInputs:
    """The same landmarks and starts with some of the features."""
    return replace(inputs, matrix=replace(inputs.matrix, features=inputs.matrix.features[names]))


def read(source: Source, where: Where) -> Ready:
    """Import a history, work out all its features, and split it where the published figures do."""
    with opened(source) as (store, as_of):
        known, keys, time_zone = Known.at(store, as_of), store.known_at_opening(), store.time_zone()
    later = where == "life"
    history = History.build(
        known.events,
        as_of=known.as_of,
        time_zone=time_zone,
        known_at_opening=keys,
        kinds=KINDS[where],
        names=available(keys, for_model=False, after_opening=later),
        outcomes=[OUTCOME],
        inspections=known.inspections,
        observed_until=known.observed_until,
        capacity=known.capacity,
        adjacency=known.adjacency,
        calendar=_calendar(source, known, time_zone),
    )
    cut = cut_of(history, source)
    return Ready(source, where, cut, *split(history, cut), available(keys, after_opening=later), time_zone)


def split(history: History, cut: int) -> tuple[Lesson, RiskInputs, Floats]:
    """What teaches at a cut, what tests after it, and whether that was late; as `models.validation.folds` splits."""
    taught, found, landmarks = lesson(history, OUTCOME, cut), history.outcomes[OUTCOME], history.landmarks
    tests = found.known_before(history.as_of) & (landmarks["landmark_at"].to_numpy("int64") >= cut)
    tests &= ~landmarks["case_id"].isin(taught.inputs.landmarks["case_id"]).to_numpy()
    return taught, history.inputs.rows(tests), found.value[tests]


def _calendar(source: Source, known: Known, time_zone: str) -> WorkingCalendar:
    """The desk hours of the simulated city; for a real one the usual hours, which no export tells."""
    first = datetime.fromtimestamp(int(fold_cases(known.events)["opened_at"].min()), UTC)
    if source.state is None:
        return make_calendars(first.date()).desk
    usual = CalendarSettings(
        time_zone=time_zone,
        first_year=first.year - 1,
        last_year=datetime.fromtimestamp(known.as_of, UTC).year + 3,
        weekly={"monday-friday": ("08:30-17:00",)},
        holidays=HolidaySettings(country="US", subdivision=source.state),
    )
    return build_calendar("usual", usual).working
