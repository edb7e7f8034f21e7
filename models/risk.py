"""The risk that an office answers a case late, as a probability that can be taken apart.

The score of a case in log-odds is

    score = (1 - w) · (base score + s · trees) + w · linear,        s = n / (n + k)

The base score is the record of what is like this case, worked out strictly before it (`features.records`), so it
is as honest on the day as in training, and it needs no training at all. LightGBM starts from it (`init_score`) and
learns departures. How far the departures are believed grows with n, the number of matured training cases of the same
type of problem: with two weeks of history the record is hard to beat, and with years the trees win. The linear part
(`models.linear`) can follow a trend beyond what the trees have seen.

All three are sums of named terms, so the reasons are exact: TreeSHAP values from `pred_contrib`, the terms of the base
score, and those of the regression, weighted as above.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

import lightgbm as lgb
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.errors import ModelError, NotEnoughDataError
from features.catalogue import CATALOGUE
from features.matrix import Matrix
from models.calibration import Calibration
from models.explain import percentage_points
from models.linear import LinearPart

Floats = NDArray[np.float64]

FORMAT: Final = 1
# What short histories get, where there is no telling which would be better.
DEFAULT_BELIEF: Final = 1000.0
DEFAULT_LINEAR: Final = 0.25
# Below this, LightGBM's own minimum of cases in a leaf allows no split worth having.
FEWEST_CASES: Final = 200

# Small trees: on short and drifting histories eight leaves did as well as any, and their exact reasons are cheap.
PARAMETERS: Final[dict[str, Any]] = {
    "objective": "binary",
    "learning_rate": 0.03,
    "num_leaves": 8,
    "max_depth": 4,
    "min_data_in_leaf": 60,
    "feature_fraction": 0.5,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "lambda_l2": 10.0,
    "max_bin": 63,
    "seed": 1,
    "deterministic": True,
    "force_row_wise": True,
    "verbose": -1,
}


@dataclass
class RiskModel:
    """Calibrated risk of one outcome at the opening of a case.

    Parameters
    ----------
    outcome : the outcome it is for
    rounds : number of trees
    evidence_strength : matured cases of a type at which half of the trees' departure is believed (k above)
    linear_weight : share of the linear part (w above), in [0, 1)
    threads : LightGBM threads; the result is the same for any number

    Attributes
    ----------
    feature_names_in_ : list of str
        Columns that `fit` saw, in order.
    booster_ : lightgbm.Booster
    linear_ : LinearPart
    evidence_ : dict, category -> matured training cases, each counted as far as its label is believed
    calibration_ : Calibration
    trained_before_ : int
        Seconds in UTC; no outcome known later went into the model.
    n_train_ : int
    """

    outcome: str = "late"
    rounds: int = 300
    evidence_strength: float = DEFAULT_BELIEF
    linear_weight: float = DEFAULT_LINEAR
    threads: int = 1
    card: dict[str, Any] = field(default_factory=dict)

    def fit(
        self,
        matrix: Matrix,
        outcome: Floats,
        *,
        cut: int,
        calibration: Calibration | None = None,
        weight: Floats | None = None,
    ) -> Self:
        """Fit to n matured landmarks.

        Parameters
        ----------
        matrix : n landmarks
        outcome : (n,) of 0 and 1
        cut : seconds in UTC; the moment up to which outcomes are known. Cases count the less the longer before it
            they were opened (half at the middle of the history): offices change.
        calibration : put on the score; none when not given
        weight : (n,) not negative; how far each outcome is believed, see `data.quality.label_trust`. A case of weight 0
            teaches nothing and is no evidence. All count in full when None.

        Raises
        ------
        NotEnoughDataError
            With fewer than 200 cases that teach, or with one outcome only.
        """
        if weight is not None and (weight < 1).any():
            taught = weight > 0
            matrix, outcome, weight = matrix.rows(taught), outcome[taught], weight[taught]
        else:
            # Full weights are no weights, to the bit.
            weight = None
        _require_enough(outcome)
        self.feature_names_in_ = list(matrix.features.columns)
        opened = matrix.landmarks["landmark_at"].to_numpy("int64")
        half_life = max((cut - int(opened.min())) / 2, 1.0)
        data = lgb.Dataset(
            matrix.features,
            label=outcome,
            weight=0.5 ** ((cut - opened) / half_life) * (1.0 if weight is None else weight),
            init_score=base_score(matrix),
            free_raw_data=True,
        )
        self.booster_ = lgb.train({**PARAMETERS, "num_threads": self.threads}, data, num_boost_round=self.rounds)
        self.linear_ = LinearPart.fit(matrix.features, outcome, weight)
        believed = pd.Series(np.ones(len(outcome)) if weight is None else weight)
        counted = believed.groupby(matrix.landmarks["category"].to_numpy()).sum()
        self.evidence_ = {str(name): round(count) for name, count in sorted(counted.items())}
        self.calibration_ = calibration or Calibration()
        self.trained_before_ = cut
        self.n_train_ = len(outcome)
        return self

    def score(self, matrix: Matrix) -> Floats:
        """Log-odds before calibration, shape (n,)."""
        departures = self._trees(matrix, raw_score=True)
        grown = base_score(matrix) + self._belief(matrix) * departures
        w = self.linear_weight
        return np.asarray((1 - w) * grown + w * self.linear_.score(matrix.features), dtype=np.float64)

    def predict_proba(self, matrix: Matrix, waiting: Floats | None = None) -> Floats:
        """Calibrated probability that the office fails, shape (n,).

        Told at the opening; with `waiting`, (n,) of log-odds from `models.waiting`, for cases that are still open.
        """
        return self.calibration_.probability(self.score(matrix) + self._in_score(matrix, waiting))

    def explain(self, matrix: Matrix, waiting: Floats | None = None) -> Explanation:
        """Exact parts of every probability, see `Explanation`. `waiting` becomes the part `time_waited`."""
        values = self._trees(matrix, pred_contrib=True)
        w = self.linear_weight
        believed = values * ((1 - w) * self._belief(matrix))[:, None]
        parts = pd.DataFrame(believed[:, :-1], columns=self.feature_names_in_)
        linear = self.linear_.parts(matrix.features) * w
        records = matrix.offset_parts.drop(columns="city") * (1 - w)
        for more in (linear, records):
            for name in more.columns:
                parts[name] = parts[name] + more[name] if name in parts else more[name]
        if waiting is not None:
            parts["time_waited"] = self._in_score(matrix, waiting)
        base = (1 - w) * matrix.offset_parts["city"].to_numpy() + believed[:, -1] + w * self.linear_.intercept
        points, start = percentage_points(parts.to_numpy(), base, self.calibration_.probability)
        return Explanation(
            base=start,
            points=pd.DataFrame(points, columns=parts.columns),
            probability=start + points.sum(axis=1),
        )

    def to_files(self) -> dict[str, bytes]:
        """The model as LightGBM text and JSON; `from_files` gives back one that predicts the same bits."""
        description = {
            "format": FORMAT,
            "outcome": self.outcome,
            "features": self.feature_names_in_,
            "evidence": self.evidence_,
            "evidence_strength": self.evidence_strength,
            "linear_weight": self.linear_weight,
            "linear": self.linear_.as_dict(),
            "rounds": self.rounds,
            "calibration": self.calibration_.as_dict(),
            "trained_before": self.trained_before_,
            "n_train": self.n_train_,
            "card": self.card,
        }
        return {
            # The number of threads is not part of a model, and must not change its version.
            "booster.txt": re.sub(
                r"\[num_threads: \d+\]", "[num_threads: 0]", self.booster_.model_to_string()
            ).encode(),
            "model.json": json.dumps(description, indent=1, sort_keys=True, ensure_ascii=False).encode(),
        }

    @classmethod
    def from_files(cls, files: Mapping[str, bytes], *, threads: int = 1) -> Self:
        """Rebuild a model whose hashes the registry has already checked.

        Raises
        ------
        ModelError
            If it is of another format, or names features that this version's catalogue doesn't know.
        """
        described = json.loads(files["model.json"])
        if described.get("format") != FORMAT:
            raise ModelError(
                f"Expected a model of format {FORMAT}, got {described.get('format')!r}. Train again with this version."
            )
        unknown = [name for name in described["features"] if name not in CATALOGUE]
        if unknown:
            raise ModelError(
                f"The model uses features that this version does not have: {', '.join(unknown)}. Train again."
            )
        model = cls(
            outcome=described["outcome"],
            rounds=described["rounds"],
            evidence_strength=described["evidence_strength"],
            linear_weight=described["linear_weight"],
            threads=threads,
            card=described["card"],
        )
        model.linear_ = LinearPart.from_dict(described["linear"])
        model.feature_names_in_ = described["features"]
        model.booster_ = lgb.Booster(model_str=files["booster.txt"].decode())
        if model.booster_.feature_name() != model.feature_names_in_:
            raise ModelError("The trees and the description of the model name different features. Train again.")
        model.evidence_ = described["evidence"]
        model.calibration_ = Calibration.from_dict(described["calibration"])
        model.trained_before_ = described["trained_before"]
        model.n_train_ = described["n_train"]
        return model

    def _trees(self, matrix: Matrix, **asked: bool) -> Floats:
        """What LightGBM answers; it refuses a matrix without rows, for which the answer is as empty."""
        columns = self._columns(matrix)
        if len(columns) == 0:
            width = len(self.feature_names_in_) + 1 if asked.get("pred_contrib") else 0
            return np.empty((0, width) if width else 0)
        answer = self.booster_.predict(columns, num_threads=self.threads, validate_features=True, **asked)
        return np.asarray(answer, dtype=np.float64)

    def _in_score(self, matrix: Matrix, waiting: Floats | None) -> Floats:
        """Log-odds to add after calibration, as what to add to the score before it."""
        return np.zeros(len(matrix)) if waiting is None else waiting / self.calibration_.slope

    def _belief(self, matrix: Matrix) -> Floats:
        """The s of each landmark, by the matured training cases of its category; 0 for an unseen one."""
        evidence = matrix.landmarks["category"].map(self.evidence_).fillna(0).to_numpy(np.float64)
        return evidence / (evidence + self.evidence_strength)

    def _columns(self, matrix: Matrix) -> pd.DataFrame:
        given = list(matrix.features.columns)
        if given != self.feature_names_in_:
            missing = [name for name in self.feature_names_in_ if name not in given]
            extra = [name for name in given if name not in self.feature_names_in_]
            raise ModelError(
                "Expected the features that the model was fitted on, in their order. "
                f"Missing: {', '.join(missing) or 'none'}; not expected: {', '.join(extra) or 'none'}. "
                "Work them out with `names=model.feature_names_in_`."
            )
        return matrix.features


@dataclass(frozen=True)
class Explanation:
    """n probabilities and what they are made of.

    Attributes
    ----------
    base : (n,) probability that every case of the city starts from at that moment
    points : DataFrame (n, k), one column per feature; what each adds, in probability (times 100: percentage points)
    probability : (n,), `base` plus the row sum of `points`, to rounding
    """

    base: Floats
    points: pd.DataFrame
    probability: Floats


def base_score(matrix: Matrix) -> Floats:
    """Sum of the base score's parts, shape (n,), in log-odds."""
    return matrix.base_score()


def _require_enough(outcome: Floats) -> None:
    failed = int(outcome.sum())
    if len(outcome) < FEWEST_CASES or failed in (0, len(outcome)):
        raise NotEnoughDataError(
            f"Expected at least {FEWEST_CASES} matured cases, some late and some not, and got {len(outcome):,} with "
            f"{failed:,} late. Import a longer history, or wait until more promises have fallen due."
        )
