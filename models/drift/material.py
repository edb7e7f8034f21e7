"""What a model learned from, in bins that are kept with it, and how far the cases of today are from it.

The cases of a scoring are open cases on a morning, so they are compared with the mornings of the material, and not with
its openings and events; and with its newest quarter of a year, since a record that has just begun is no measure for one
that is full. Measures of the calendar are left out: they move by the clock. So are those that are one number for the
whole city on any morning: a scoring has one value of theirs, which lies in one bin of many, and would always have moved
much; of one value nothing can be said.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.errors import ModelError
from features.catalogue import CATALOGUE
from features.risk_inputs import RiskInputs, possible
from models.drift.bins import Bins, Move
from models.history import History
from models.json_files import refuse_constant

if TYPE_CHECKING:
    from models.failures import FailureModels

Floats = NDArray[np.float64]

FILE: Final = "material.json"
FORMAT: Final = 1
# The measure that is a model's own answer.
RISK: Final = "risk"
# Measures of all open cases, whatever the outcome.
INPUTS: Final = "inputs"
# More mornings make no better bins.
_MOST: Final = 6_000
_WEEK: Final = 7 * 86_400
_NEWEST: Final = 13 * _WEEK
# Fewer mornings of the newest quarter: all are taken.
_ENOUGH: Final = 500


@dataclass(frozen=True)
class Material:
    """The material in bins.

    Attributes
    ----------
    cases : how many it is of
    features : feature -> its bins; one that hardly ever had a value has none, nor one of the whole city
    risks : outcome -> cases, and the bins of what the model told of them
    """

    cases: int
    features: Mapping[str, Bins]
    risks: Mapping[str, tuple[int, Bins]]

    def to_file(self) -> bytes:
        """As JSON; the same bytes for the same material."""
        told = {
            "format": FORMAT,
            "cases": self.cases,
            "features": {name: bins.as_dict() for name, bins in self.features.items()},
            "risks": {name: {"cases": n, **bins.as_dict()} for name, (n, bins) in self.risks.items()},
        }
        return json.dumps(told, indent=None, sort_keys=True, separators=(",", ":")).encode()

    @classmethod
    def from_file(cls, data: bytes) -> Self:
        """What `to_file` gave.

        Raises
        ------
        ModelError
            If it is of another format or damaged.
        """
        try:
            told = json.loads(data, parse_constant=refuse_constant)
            if told["format"] != FORMAT:
                raise ModelError(f"Expected material of format {FORMAT}, got {told['format']!r}. Train again.")
            return cls(
                int(told["cases"]),
                {name: Bins.from_dict(one) for name, one in told["features"].items()},
                {name: (int(one["cases"]), Bins.from_dict(one)) for name, one in told["risks"].items()},
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ModelError(
                f"Expected a whole {FILE}, and parts of it are missing or no figures. Restore it, or train again."
            ) from error


def compared(features: list[str]) -> list[str]:
    """The features that can move: all but those of the calendar."""
    return [name for name in features if name not in CATALOGUE or CATALOGUE[name].family != "calendar"]


def is_of_the_city(values: Floats, mornings: NDArray[np.int64]) -> bool:
    """Whether n values, NaN for missing, are one number on each morning, and not the same on all.

    Where every morning has one row, nothing speaks for it.
    """
    frame = pd.DataFrame({"morning": mornings, "value": values})
    on_each = frame.groupby("morning")["value"]
    several = on_each.size() > 1
    return bool(several.any() and (on_each.nunique(dropna=False) == 1).all() and frame["value"].nunique() > 1)


def material_of(history: History, models: FailureModels, *, cut: int | None = None) -> Material | None:
    """The material that models learned from, None where it has too few mornings.

    Parameters
    ----------
    history : that they were trained on
    models : trained on it
    cut : int64 seconds in UTC; only landmarks before it. The history's as-of when None
    """
    marks = history.landmarks
    moment = history.as_of if cut is None else cut
    at = marks["landmark_at"].to_numpy("int64")
    mornings = (marks["kind"] == "morning").to_numpy() & (at < moment) & marks["is_open"].to_numpy(bool)
    newest = mornings & (at >= moment - _NEWEST)
    places = np.flatnonzero(newest if newest.sum() >= _ENOUGH else mornings)
    if len(places) > _MOST:
        places = places[np.arange(_MOST) * len(places) // _MOST]
    inputs = history.inputs.rows(places)
    weeks = (moment - 1 - at[places]) // _WEEK
    found = {
        name: bins
        for name in compared(models.features)
        if (values := inputs.matrix.features[name].to_numpy(np.float64)) is not None
        and not is_of_the_city(values, at[places])
        and (bins := Bins.of(values, weeks)) is not None
    }
    if not found:
        return None
    risks = {}
    for name, told in _risks(models, inputs).items():
        there = ~np.isnan(told)
        bins = Bins.of(told[there], weeks[there])
        if bins is not None:
            risks[name] = (_cases(inputs.landmarks[there]), bins)
    return Material(_cases(inputs.landmarks), found, risks)


def moved(material: Material, inputs: RiskInputs, told: Mapping[str, Floats]) -> dict[str, list[Move]]:
    """How far n open cases are from the material.

    Parameters
    ----------
    material : kept with the models
    inputs : of the n cases
    told : outcome -> (n,) risks, NaN where there is none

    Returns
    -------
    dict
        `inputs` -> a `Move` of each feature; outcome -> one of its risk.
    """
    names = [name for name in material.features if name in inputs.matrix.features]
    risks = [name for name in material.risks if name in told]
    tests = len(names) + len(risks)
    found = {
        INPUTS: [
            Move.between(
                name,
                material.features[name],
                inputs.matrix.features[name].to_numpy(np.float64),
                cases=material.cases,
                tests=tests,
            )
            for name in names
        ]
    }
    for name in risks:
        cases, bins = material.risks[name]
        said = told[name][~np.isnan(told[name])]
        found[name] = [Move.between(RISK, bins, said, cases=cases, tests=tests)]
    return found


def _risks(models: FailureModels, inputs: RiskInputs) -> dict[str, Floats]:
    found = {}
    for name, model in models.risks.items():
        asked = possible(inputs.landmarks, name)
        told = np.full(len(inputs), np.nan)
        if asked.any():
            told[asked] = model.predict_proba(models.table(inputs.rows(asked), name))[:, 1]
        found[name] = told
    return found


def _cases(landmarks: pd.DataFrame) -> int:
    return int(landmarks["case_id"].nunique())
