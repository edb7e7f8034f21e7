"""What the risks of n landmarks are worked out from: their features, and where the risk of each outcome starts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.clock import WorkingCalendar
from data.event_log import NEVER
from features.catalogue import CATALOGUE
from features.matrix import Matrix, matrix_at, terms_of
from features.starts import share_passed, start_parts, start_terms
from features.terms import Term, Terms

Mask = NDArray[np.bool_]

# The parts of a start are columns beside the features, many of which bear the same names.
START: Final = "start:"
CITY: Final = "city"
# What evidence is counted by: a type of problem that a model has not seen is left to its start.
EVIDENCE_BY: Final = "evidence:category"
# Each office has an intercept of its own, where offices are known when a case opens.
INTERCEPT_BY: Final = "intercept:office"


@dataclass(frozen=True)
class RiskInputs:
    """What the risks of n landmarks are worked out from.

    Attributes
    ----------
    matrix : features of the landmarks
    starts : outcome (`late`, `reopened_28d`, …) -> DataFrame (n, k) of the parts of its start, in log-odds; the first
        is `city`, the others are named as the features that they belong to
    """

    matrix: Matrix
    starts: Mapping[str, pd.DataFrame]

    def __len__(self) -> int:
        return len(self.matrix)

    @property
    def landmarks(self) -> pd.DataFrame:
        """The n landmarks, see `features.landmarks`."""
        return self.matrix.landmarks

    def rows(self, chosen: np.ndarray, outcomes: Iterable[str] | None = None) -> RiskInputs:
        """The landmarks that a boolean mask or positions choose, with the starts of some outcomes, or of all."""
        places = np.flatnonzero(chosen) if chosen.dtype == bool else chosen
        names = self.starts if outcomes is None else tuple(outcomes)
        starts = {name: self.starts[name].iloc[places].reset_index(drop=True) for name in names}
        return RiskInputs(self.matrix.rows(places), starts)

    def table(self, outcome: str) -> pd.DataFrame:
        """The features, the parts of the outcome's start as `start:…`, the type of problem and the office: n rows.

        Without the office where no feature looks at it: there it is not known when a case opens.
        """
        start = self.starts[outcome].add_prefix(START)
        # A type that is not known is a type too: where no source tells any, all cases are evidence for each other.
        category = self.landmarks["category"].astype("str").fillna("").rename(EVIDENCE_BY)
        offices = [self.landmarks["office"].rename(INTERCEPT_BY)] if self.knows_office else []
        return pd.concat([self.matrix.features, start, category, *offices], axis=1)

    @property
    def knows_office(self) -> bool:
        """Whether any feature looks at the office; then it is known when a case opens (`features.catalogue`)."""
        return any("office" in CATALOGUE[str(name)].keys for name in self.matrix.features)


def risk_inputs(
    source: Terms,
    landmarks: pd.DataFrame,
    names: Sequence[str],
    outcomes: Iterable[str],
    *,
    time_zone: str,
    calendar: WorkingCalendar | None = None,
) -> RiskInputs:
    """Work out features and starts; the arguments are those of `features.matrix.matrix_at`.

    `input_terms(names, outcomes)` is all that the source will be asked for.
    """
    passed = share_passed(landmarks)
    return RiskInputs(
        matrix_at(source, landmarks, names, time_zone=time_zone, calendar=calendar),
        {name: pd.DataFrame(start_parts(name, source, passed)) for name in outcomes},
    )


def input_terms(names: Iterable[str], outcomes: Iterable[str]) -> tuple[Term, ...]:
    """The integers that features and starts are made of."""
    starts = {term for name in outcomes for term in start_terms(name)}
    return tuple(sorted({*terms_of(names), *starts}, key=lambda term: term.name))


def possible(landmarks: pd.DataFrame, outcome: str) -> Mask:
    """At which landmarks the office can still fail a case in this way, by what was known then; (n,) bool.

    As `features.outcomes` asks: late where the case is open and its promise lies ahead, reopened where it has not
    fallen away, the others where it is open.
    """
    is_open = landmarks["is_open"].to_numpy(bool)
    if outcome == "late":
        due, at = (landmarks[name].to_numpy("int64") for name in ("due_at", "landmark_at"))
        return np.asarray(is_open & (due > at) & (due < NEVER))
    return np.asarray(~landmarks["fallen_away"].to_numpy(bool) if outcome.startswith("reopened") else is_open)
