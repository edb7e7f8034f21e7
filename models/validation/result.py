"""What a back-test found, as values and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from models.evaluate import Figures
from models.validation.bootstrap import BlockUnit
from models.validation.judge import Bins, Estimate, Verdict
from models.validation.rows import Floats, Int64s
from models.validation.slices import Sliced

_NONE: Int64s = np.zeros(0, dtype=np.int64)


def _told(figures: Mapping[str, Estimate]) -> dict[str, Any]:
    return {name: one.as_dict() for name, one in figures.items()}


@dataclass(frozen=True)
class Compared:
    """A baseline beside the model, judged on the same draws.

    Attributes
    ----------
    figures : of the baseline
    differences : the model's figure less the baseline's
    skill : Brier skill score of the model against it; above 0 where the model is better
    verdict : whether the model beats it, see `models.validation.judge.verdict`
    """

    figures: dict[str, Estimate]
    differences: dict[str, Estimate]
    skill: Estimate
    verdict: Verdict

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "figures": _told(self.figures),
            "differences": _told(self.differences),
            "skill": self.skill.as_dict(),
            "verdict": self.verdict,
        }


@dataclass(frozen=True, slots=True)
class AtCapacity:
    """What was attended.

    Attributes
    ----------
    lists : days, or days and offices
    places : mean number of cases attended on a list
    share : share of all cases on the lists that are attended
    """

    lists: int
    places: float
    share: float

    def as_dict(self) -> dict[str, float]:
        """Plain values for JSON."""
        return {"lists": self.lists, "places": self.places, "share": self.share}


@dataclass(frozen=True)
class Figured:
    """The figures of the model on a set of rows, and the baselines beside it.

    Attributes
    ----------
    n : rows
    base_rate, mean_probability : share that failed, and the mean of what was said
    figures : name -> figure, see `models.validation.judge.Judge.draws`
    baselines : by name
    capacity : None where no capacity is known
    """

    n: int
    base_rate: Estimate
    mean_probability: Estimate
    figures: dict[str, Estimate]
    baselines: dict[str, Compared]
    capacity: AtCapacity | None

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "n": self.n,
            "base_rate": self.base_rate.as_dict(),
            "mean_probability": self.mean_probability.as_dict(),
            "figures": _told(self.figures),
            "baselines": {name: one.as_dict() for name, one in self.baselines.items()},
            "capacity": None if self.capacity is None else self.capacity.as_dict(),
        }


@dataclass(frozen=True)
class FoldFigures:
    """One fold: its cut, its sizes, and how the model of that moment did.

    Attributes
    ----------
    number, cut, until, since, open_at_cut, straddling : see `models.validation.folds.Fold`
    n_train, n_test : rows
    cases_train, cases_test : cases
    base_rate, mean_probability : of the tested rows
    figures : name -> figure; AUC and others without a value where all had one outcome
    """

    number: int
    cut: int
    until: int
    since: int | None
    n_train: int
    cases_train: int
    n_test: int
    cases_test: int
    open_at_cut: int
    straddling: int
    base_rate: Estimate
    mean_probability: Estimate
    figures: dict[str, Estimate]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; moments in seconds."""
        plain = ("number", "cut", "until", "since", "n_train", "cases_train", "n_test", "cases_test")
        return {
            **{name: getattr(self, name) for name in (*plain, "open_at_cut", "straddling")},
            "base_rate": self.base_rate.as_dict(),
            "mean_probability": self.mean_probability.as_dict(),
            "figures": _told(self.figures),
        }


@dataclass(frozen=True)
class Validation:
    """What a back-test found.

    Attributes
    ----------
    outcome, as_of, time_zone : of the rows
    unit, n_blocks, level, replications : of the intervals: what was drawn, from how many, how sure, how often
    cases : tested cases
    figured : figures over all folds together, with the baselines
    folds : each fold by itself
    reliability : reliability curve
    curve : (share of every list attended, precision, recall)
    slices : by office, category, area, channel and month; small cells are not in them
    trusted : the model's figures on rows with trusted labels; None where nobody judged, or there are too few
    importance : feature -> mean absolute percentage points in the newest fold; empty where the model can't say
    skipped : folds with too few rows, left out
    places : (m,) tested rows, fold by fold
    probability : (m,) what the models said of them
    baseline_probability : what the baselines said, by name
    """

    outcome: str
    as_of: int
    time_zone: str
    unit: BlockUnit
    n_blocks: int
    level: float
    replications: int
    cases: int
    figured: Figured
    folds: tuple[FoldFigures, ...]
    reliability: Bins
    curve: tuple[tuple[float, Estimate, Estimate], ...]
    slices: tuple[Sliced, ...]
    trusted: Figured | None
    importance: dict[str, float]
    skipped: int = 0
    places: Int64s = field(default_factory=lambda: _NONE, repr=False)
    probability: Floats = field(default_factory=lambda: _NONE.astype(np.float64), repr=False)
    baseline_probability: dict[str, Floats] = field(default_factory=dict, repr=False)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON: finite numbers, null where there is none; moments in seconds, no row of its own."""
        return {
            "outcome": self.outcome,
            "as_of": self.as_of,
            "time_zone": self.time_zone,
            "intervals": {
                "level": self.level,
                "blocks": self.n_blocks,
                "unit": self.unit,
                "replications": self.replications,
            },
            "cases": self.cases,
            **self.figured.as_dict(),
            "folds": [fold.as_dict() for fold in self.folds],
            "folds_skipped": self.skipped,
            "reliability": self.reliability.as_dict(),
            "capacity_curve": [
                {"share": share, "precision": precision.as_dict(), "recall": recall.as_dict()}
                for share, precision, recall in self.curve
            ],
            "slices": {one.dimension: one.as_dict() for one in self.slices},
            "trusted": None if self.trusted is None else self.trusted.as_dict(),
            "importance_points": self.importance,
        }

    def beats(self) -> dict[str, Verdict]:
        """By baseline: whether the model beats it."""
        return {name: one.verdict for name, one in self.figured.baselines.items()}


def plain_figures(figures: Mapping[str, Estimate], n: int, base_rate: float) -> Figures:
    """The four figures without their intervals.

    Raises
    ------
    ValueError
        If one of them has no value.
    """
    values = {}
    for name in ("auc", "average_precision", "brier", "ece"):
        value = figures[name].value
        if value is None:
            raise ValueError(f"{name}: all cases have the same outcome.")
        values[name] = value
    return Figures(**values, n=n, base_rate=base_rate)
