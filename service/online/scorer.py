"""The risks of posted cases, as `heed score` tells them of cases in the store: with the same models, facts and bits."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np
import pandas as pd

from data.event_log import NEVER
from features.event_index import IndexTerms
from features.landmarks import queries_at
from features.matrix import Matrix
from features.one_case import OneCase, landmarks_of_cases
from features.one_plan import OnePlan
from features.own_numbers import share_passed
from features.risk_inputs import RiskInputs, risk_inputs
from models.failures import ANY, FailureModels, Told
from models.one_reasons import OneReasons
from models.one_risk import Ends, OneTelling
from models.reasons import OVERDUE_REASONS, facts_of_one, stored_reasons_of_one
from service.online.saved_index import SavedIndex
from service.risk_payloads import Status
from service.scoring import HIGH, LATE, MEDIUM, reasons_of, remaining_rows

# Cases of which reasons are worked out before it is asked whether anyone still waits for them.
_AT_ONCE: Final = 50
# Up to so many cases one after another are faster than a table of them.
_FEW: Final = 8
_CERTAIN: Final = (1.0, 1.0, 1.0)
_NONE: Final = (float("nan"), float("nan"), float("nan"))


class OneTold(NamedTuple):
    """The risk of one outcome of one case, as a scoring stores it; `reasons` is JSON, "" where not asked for."""

    outcome: str
    probability: float
    lower: float
    upper: float
    band: str
    reasons: str = ""


class CaseTold(NamedTuple):
    """What is told of one case. `remaining` are seconds: median and the ends of two intervals; None if not asked."""

    status: Status
    risks: tuple[OneTold, ...]
    remaining: dict[str, float] | None = None


class StoppedError(Exception):
    """Nobody waits for the answer any more."""


def _nobody_stops() -> bool:
    return False


class Scorer:
    """One version of the models with one index: made once, used for many requests, never changed.

    Parameters
    ----------
    version : of the models
    models : FailureModels
    saved : the index of a scoring

    Raises
    ------
    KeyError
        If the index was made for other features than the models have.
    ModelError
        If the models are made of columns that cannot be worked out for one case.
    """

    def __init__(self, version: str, models: FailureModels, saved: SavedIndex) -> None:
        self.version = version
        self.models = models
        self.saved = saved
        self._plan = OnePlan(
            saved.index, models.features, models.outcomes, time_zone=saved.about.time_zone, calendar=saved.calendar
        )
        self._telling = OneTelling(models, self._plan.parts)
        self._promised = models.outcomes
        self._not_late = tuple(name for name in models.outcomes if name != LATE)
        self._reasons = OneReasons(models, self._telling)

    @property
    def as_of(self) -> int:
        """What the city was known until; seconds in UTC."""
        return self.saved.about.as_of

    @property
    def outcomes(self) -> tuple[str, ...]:
        """Outcomes that are told."""
        return (*self.models.outcomes, ANY)

    def one(self, case: OneCase, as_of: int, outcomes: Collection[str] | None = None) -> CaseTold:
        """The risks of one case at a moment, without reasons: in a tenth of a millisecond."""
        if not case.is_open:
            return CaseTold("closed", ())
        possible = self._possible(case, as_of)
        inputs = self._plan.inputs(case, as_of)
        told, whole = self._telling.tell(inputs.values, case.category or "", case.office, possible)
        late = _is_overdue(case, as_of)
        if late:
            told[LATE] = told[ANY] = _CERTAIN
        elif whole is not None:
            told[ANY] = whole
        risks = [_told(name, *ends) for name, ends in told.items() if outcomes is None or name in outcomes]
        return CaseTold("overdue" if late else "open", tuple(risks))

    def _possible(self, case: OneCase, as_of: int) -> tuple[str, ...]:
        """As `features.risk_inputs.possible` says of an open case."""
        return self._promised if as_of < case.due_at < NEVER else self._not_late

    def many(
        self,
        cases: Sequence[OneCase],
        as_of: int,
        outcomes: Collection[str] | None = None,
        *,
        reasons: bool = False,
        remaining: bool = False,
        stopped: Callable[[], bool] = _nobody_stops,
    ) -> list[CaseTold]:
        """The risks of n cases at a moment, in their order.

        Parameters
        ----------
        cases : states, read strictly before the moment
        as_of : seconds in UTC
        outcomes : which to tell; None for all
        reasons, remaining : whether to tell why, and how long each will still wait
        stopped : asked now and then; once it says so, the work is left

        Raises
        ------
        StoppedError
            If it was stopped.
        ModelError
            If a risk is no number.
        """
        open_ = [place for place, case in enumerate(cases) if case.is_open]
        chosen = [cases[place] for place in open_]
        found: list[CaseTold] = [CaseTold("closed", ())] * len(cases)
        if len(open_) <= _FEW:
            few = self._few(chosen, as_of, outcomes, reasons=reasons, remaining=remaining, stopped=stopped)
            for place, one in zip(open_, few, strict=True):
                found[place] = one
            return found
        inputs, told = self._told_of_many(chosen, as_of)
        late = np.array([_is_overdue(case, as_of) for case in chosen])
        risks: list[list[OneTold]] = [[] for _ in chosen]
        for outcome, ends in told.items():
            if outcomes is None or outcome in outcomes:
                asked = ~np.isnan(ends.probability) & (~late if outcome == ANY else True)
                self._tell(inputs, outcome, ends, np.flatnonzero(asked), risks, reasons=reasons, stopped=stopped)
        certain = OVERDUE_REASONS if reasons else ""
        for place in np.flatnonzero(late).tolist():
            wanted = (name for name in (LATE, ANY) if outcomes is None or name in outcomes)
            risks[place].extend(_told(name, *_CERTAIN, certain) for name in wanted)
        waits = self._waits(inputs, told, as_of) if remaining else [None] * len(chosen)
        for place, own, is_late, wait in zip(open_, risks, late, waits, strict=True):
            found[place] = CaseTold("overdue" if is_late else "open", tuple(own), wait)
        return found

    def _few(
        self,
        cases: list[OneCase],
        as_of: int,
        outcomes: Collection[str] | None,
        *,
        reasons: bool,
        remaining: bool,
        stopped: Callable[[], bool],
    ) -> list[CaseTold]:
        """Open cases one after another: the same numbers, without a table where none is needed."""
        found = []
        for case in cases:
            if stopped():
                raise StoppedError
            told = self.one(case, as_of, outcomes)
            found.append(self._with_reasons(told, case, as_of) if reasons else told)
        if not remaining or not cases:
            return found
        waits = self._waits(*self._told_of_few(cases, as_of), as_of)
        return [told._replace(remaining=wait) for told, wait in zip(found, waits, strict=True)]

    def _with_reasons(self, told: CaseTold, case: OneCase, as_of: int) -> CaseTold:
        certain = (LATE, ANY) if told.status == "overdue" else ()
        asked = [risk.outcome for risk in told.risks if risk.outcome not in certain]
        texts = self._reasons_of_one(case, as_of, asked) if asked else {}
        risks = tuple(risk._replace(reasons=texts.get(risk.outcome, OVERDUE_REASONS)) for risk in told.risks)
        return told._replace(risks=risks)

    def _reasons_of_one(self, case: OneCase, as_of: int, outcomes: Sequence[str]) -> dict[str, str]:
        """The reasons of risks that are none of a certainty, as `service.scoring.reasons_of` has them."""
        inputs = self._plan.inputs(case, as_of)
        possible = self._possible(case, as_of)
        explained = self._reasons.explain(inputs, case.category or "", case.office, possible, outcomes)
        features, begun = dict(zip(self._plan.names, inputs.row.tolist(), strict=True)), inputs.starts
        city, passed = self._plan.base_parts(case, as_of)["city"], share_passed(case, as_of)
        texts = {}
        for name, one in explained.items():
            starts = list(begun.values()) if name == ANY else [begun[name]]
            facts = facts_of_one(features, city, passed, starts)
            texts[name] = stored_reasons_of_one(one.names, one.base, one.points, facts)
        return texts

    def _told_of_many(self, cases: list[OneCase], as_of: int) -> tuple[RiskInputs, dict[str, Told]]:
        landmarks = landmarks_of_cases(cases, as_of, [str(place) for place in range(len(cases))])
        inputs = risk_inputs(
            IndexTerms(self.saved.index, queries_at(landmarks)),
            landmarks,
            self.models.features,
            self.models.outcomes,
            time_zone=self.saved.about.time_zone,
            calendar=self.saved.calendar,
        )
        return inputs, self.models.tell(inputs)

    def _told_of_few(self, cases: list[OneCase], as_of: int) -> tuple[RiskInputs, dict[str, Told]]:
        """The same numbers, one case after another."""
        rows = [self._plan.inputs(case, as_of) for case in cases]
        told: dict[str, list[Ends]] = {name: [] for name in self.outcomes}
        for case, row in zip(cases, rows, strict=True):
            possible = self._possible(case, as_of)
            parts, whole = self._telling.tell(row.values, case.category or "", case.office, possible)
            for name, ends in told.items():
                ends.append((whole if name == ANY else parts.get(name)) or _NONE)
        landmarks = landmarks_of_cases(cases, as_of, [str(place) for place in range(len(cases))])
        begun = [row.starts for row in rows]
        starts = {name: pd.DataFrame([one[name] for one in begun]) for name in self.models.outcomes}
        features = pd.DataFrame(np.stack([row.row for row in rows]), columns=list(self._plan.names))
        offsets = pd.DataFrame([self._plan.base_parts(case, as_of) for case in cases])
        inputs = RiskInputs(Matrix(landmarks, features, offsets), starts)
        return inputs, {name: Told(*np.array(ends).T) for name, ends in told.items()}

    def _tell(
        self,
        inputs: RiskInputs,
        outcome: str,
        ends: Told,
        asked: np.ndarray,
        risks: list[list[OneTold]],
        *,
        reasons: bool,
        stopped: Callable[[], bool],
    ) -> None:
        for part in _parts(asked):
            if stopped():
                raise StoppedError
            texts = reasons_of(self.models, inputs.rows(part), outcome) if reasons else [""] * len(part)
            for place, text in zip(part.tolist(), texts, strict=True):
                told = float(ends.probability[place]), float(ends.lower[place]), float(ends.upper[place])
                risks[place].append(_told(outcome, *told, text))

    def _waits(self, inputs: RiskInputs, told: dict[str, Told], as_of: int) -> list[dict[str, float] | None]:
        rows = remaining_rows(self.models, self.version, inputs, told, as_of)
        if rows.empty:
            return [None] * len(inputs)
        figures: list[dict[str, float]] = _figures(rows).to_dict("records")  # type: ignore[assignment]
        return list(figures)


def _figures(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.drop(columns=["case_id", "as_of", "model_version"])


def _parts(asked: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(asked), _AT_ONCE):
        yield asked[start : start + _AT_ONCE]


def _is_overdue(case: OneCase, as_of: int) -> bool:
    """As `service.scoring.overdue`: its promise has passed, and was made since it was last reopened."""
    return case.due_at <= as_of and (case.reopened_at == NEVER or case.due_at > case.reopened_at)


def _told(outcome: str, probability: float, lower: float, upper: float, reasons: str = "") -> OneTold:
    if not (0.0 <= probability <= 1.0 and 0.0 <= lower <= 1.0 and 0.0 <= upper <= 1.0):
        probability, lower, upper = (min(max(end, 0.0), 1.0) for end in (probability, lower, upper))
    band = "high" if probability >= HIGH else "medium" if probability >= MEDIUM else "low"
    return OneTold(outcome, probability, lower, upper, band, reasons)
