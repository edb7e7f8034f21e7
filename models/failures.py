"""The risks of all failures of a case, told together: one model per outcome, and any failure, which agrees with them.

What is made together is used together: the models of one training share their features and their moment, so they are
kept as one bundle of files and promoted as one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.errors import ModelError, UsageError
from features.catalogue import CATALOGUE
from features.risk_inputs import INTERCEPT_BY, RiskInputs, possible
from models.any_failure import AnyFailure
from models.drift.material import FILE as MATERIAL
from models.drift.material import Material
from models.json_files import refuse_constant
from models.remaining_time import DeadlineShape, Distribution, RemainingTime
from models.risk_model import Explanation, RiskModel
from models.waits import bent

Floats = NDArray[np.float64]

FORMAT: Final = 1
ANY: Final = "any_failure"
REMAINING: Final = "remaining_time"
DESCRIPTION: Final = "bundle.json"
# The interval that is told beside a risk.
LEVEL: Final = 0.8


@dataclass(frozen=True)
class Told:
    """The risk of one outcome at n landmarks.

    Attributes
    ----------
    probability, lower, upper : (n,); NaN where the office cannot fail the case in this way any more
    """

    probability: Floats
    lower: Floats
    upper: Floats


@dataclass
class FailureModels:
    """Models of all outcomes that a history could teach.

    Attributes
    ----------
    risks : outcome (`late`, `reopened_28d`, …) -> its model
    any_failure : how they make the risk of any failure
    remaining : how long an open case will wait for its answer; None where there was too little to learn from
    shape : how that bends at the deadline; None where the newest cases could not tell
    features : names of the catalogue, in order
    trained_before : seconds in UTC; no outcome known later went into the models
    card : how they were made, and what was left out why; plain values
    material : what they learned from, in bins; None of versions that did not keep it, or where there was too little
    """

    risks: dict[str, RiskModel]
    any_failure: AnyFailure
    features: list[str]
    trained_before: int
    remaining: RemainingTime | None = None
    shape: DeadlineShape | None = None
    card: dict[str, Any] = field(default_factory=dict)
    material: Material | None = None

    @property
    def outcomes(self) -> tuple[str, ...]:
        """The outcomes with a model, in order."""
        return tuple(self.risks)

    def tell(self, inputs: RiskInputs, *, level: float = LEVEL) -> dict[str, Told]:
        """The risk of every outcome and of any failure (`any_failure`) at n landmarks, with its interval.

        Raises
        ------
        ModelError
            If the landmarks have other features than the models were made of.
        """
        self._require_features(inputs)
        told = {name: self._tell_one(name, inputs, level) for name in self.risks}
        ends = (np.column_stack([getattr(one, end) for one in told.values()]) for end in _ENDS)
        return {**told, ANY: Told(*(self.any_failure.probability(parts) for parts in ends))}

    def table(self, inputs: RiskInputs, outcome: str) -> pd.DataFrame:
        """What the model of an outcome is asked by: without the office where it was made by a version without that."""
        table = inputs.table(outcome)
        known = self.risks[outcome].columns_.intercept_by is not None
        return table if known else table.drop(columns=INTERCEPT_BY, errors="ignore")

    def _tell_one(self, outcome: str, inputs: RiskInputs, level: float) -> Told:
        asked = possible(inputs.landmarks, outcome)
        ends = [np.full(len(inputs), np.nan) for _ in _ENDS]
        if asked.any():
            found = self.risks[outcome].tell(self.table(inputs.rows(asked), outcome), level)
            for end, values in zip(ends, found, strict=True):
                if np.isnan(values).any():
                    raise ModelError(f"Expected a risk of '{outcome}' for every case, and some are no numbers. Train.")
                end[asked] = values
        return Told(*ends)

    def tell_remaining(self, inputs: RiskInputs, p_late: Floats | None = None) -> Distribution:
        """How long each of n open cases will wait on for its answer, in agreement with its risk of being late.

        Parameters
        ----------
        inputs : n landmarks of open cases
        p_late : (n,) risk of being late as `tell` gave it, NaN where there is none; None: no lateness is told

        Raises
        ------
        UsageError
            If the history was too short for it.
        ModelError
            If the landmarks have other features than the models were made of.
        """
        self._require_features(inputs)
        if self.remaining is None:
            raise UsageError("The history was too short to tell remaining times. Train again when it is longer.")
        told = self.remaining.distribution(inputs.matrix.features)
        return bent(told, inputs, np.full(len(inputs), np.nan) if p_late is None else p_late, self.shape)

    def explain(self, inputs: RiskInputs, outcome: str) -> Explanation:
        """Exact parts of the risks of one outcome, or of `any_failure`, at n landmarks at which it is possible.

        The reasons of any failure are those of its parts, each by its share (`AnyFailure.shares`); at a landmark where
        a part is not possible, its reasons are 0.
        """
        self._require_features(inputs)
        if outcome != ANY:
            return self.risks[outcome].explain(self.table(inputs, outcome))
        told = self.tell(inputs)
        shares = self.any_failure.shares(np.column_stack([told[name].probability for name in self.risks]))
        base, probability = np.zeros(len(inputs)), np.zeros(len(inputs))
        points = pd.DataFrame(index=range(len(inputs)))
        for share, name in zip(shares.T, self.risks, strict=True):
            part = self.risks[name].explain(self.table(inputs, name))
            base += share * part.base
            probability += share * part.probability
            points = points.add(part.points.mul(share, axis=0), fill_value=0.0)
        return Explanation(base=base, points=points, probability=probability)

    def to_files(self) -> dict[str, bytes]:
        """The bundle: a folder of files for each outcome, and a description of the whole."""
        description = {
            "format": FORMAT,
            "outcomes": list(self.risks),
            "any_failure": self.any_failure.as_dict(),
            "features": self.features,
            "trained_before": self.trained_before,
            "has_remaining": self.remaining is not None,
            "shape": None if self.shape is None else self.shape.as_dict(),
            "card": self.card,
        }
        files = {DESCRIPTION: json.dumps(description, indent=1, sort_keys=True, ensure_ascii=False).encode()}
        for name, model in self.risks.items():
            files |= {f"{name}/{file}": content for file, content in model.to_files().items()}
        if self.material is not None:
            files[MATERIAL] = self.material.to_file()
        if self.remaining is not None:
            files |= {f"{REMAINING}/{file}": content for file, content in self.remaining.to_files().items()}
        return files

    @classmethod
    def from_files(cls, files: Mapping[str, bytes], *, threads: int = 1) -> Self:
        """Rebuild a bundle whose hashes the registry has already checked.

        Raises
        ------
        ModelError
            If it is of another format, a part is missing, or it names features that this version doesn't have.
        """
        if DESCRIPTION not in files:
            raise ModelError(f"Expected a bundle of models with {DESCRIPTION}, and there is none. Train again.")
        try:
            described = json.loads(files[DESCRIPTION], parse_constant=refuse_constant)
            found = described.get("format")
        except (ValueError, AttributeError) as error:
            raise ModelError(f"Expected {DESCRIPTION} as a JSON object. Restore it from a copy, or train.") from error
        if found != FORMAT:
            raise ModelError(f"Expected models of format {FORMAT}, got {found!r}. Train again with this version.")
        try:
            return cls._rebuilt(described, files, threads)
        except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
            raise ModelError(
                f"Expected a whole {DESCRIPTION}, and parts of it are missing or no figures. The file is damaged: "
                "restore it from a copy, or train again."
            ) from error

    @classmethod
    def _rebuilt(cls, described: Mapping[str, Any], files: Mapping[str, bytes], threads: int) -> Self:
        unknown = [name for name in described["features"] if name not in CATALOGUE]
        if unknown:
            raise ModelError(
                f"The models use features that this version does not have: {', '.join(unknown)}. Train again."
            )
        risks = {name: RiskModel.from_files(_part(files, name), n_jobs=threads) for name in described["outcomes"]}
        return cls(
            risks=risks,
            any_failure=AnyFailure.from_dict(described["any_failure"]),
            features=described["features"],
            trained_before=int(described["trained_before"]),
            remaining=RemainingTime.from_files(_part(files, REMAINING)) if described["has_remaining"] else None,
            shape=None if described["shape"] is None else DeadlineShape.from_dict(described["shape"]),
            card=described["card"],
            material=Material.from_file(files[MATERIAL]) if MATERIAL in files else None,
        )

    def _require_features(self, inputs: RiskInputs) -> None:
        given = list(inputs.matrix.features.columns)
        if given != self.features:
            missing = [name for name in self.features if name not in given]
            extra = [name for name in given if name not in self.features]
            raise ModelError(
                "Expected the features that the models were made of, in their order. "
                f"Missing: {', '.join(missing) or 'none'}; not expected: {', '.join(extra) or 'none'}. "
                "Work them out with `names=models.features`."
            )


_ENDS: Final = ("probability", "lower", "upper")


def require_outcome(models: FailureModels, outcome: str) -> None:
    """Refuse an outcome that the models do not tell.

    Raises
    ------
    UsageError
        Saying which there are, and why this one is not among them.
    """
    if outcome in (*models.risks, ANY):
        return
    why = models.card.get("not_modelled", {}).get(outcome)
    because = f" ({why})" if why else ""
    raise UsageError(
        f"Expected an outcome that the models tell, {', '.join((*models.risks, ANY))}, got '{outcome}'{because}."
    )


def _part(files: Mapping[str, bytes], name: str) -> dict[str, bytes]:
    found = {path.removeprefix(f"{name}/"): content for path, content in files.items() if path.startswith(f"{name}/")}
    if not found:
        raise ModelError(f"Expected the files of the model '{name}', and there are none. Restore the bundle, or train.")
    return found
