"""A version beside the one in use, on the same later cases.

A model that is to be put to use has learned from all there is, so no case is left to judge it by. What is judged is its
way: its features and settings, fitted anew on what was known at a cut, and tested on the cases that came later. The one
in use is asked about the same cases: as it is stored where it had learned of nothing after the cut, and fitted anew in
its own way where it had. Both are judged on the same draws of whole weeks, so that what makes a draw hard for both
cancels in their difference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from data.errors import NotEnoughDataError
from models.failures import FailureModels
from models.history import History
from models.learning import MOST_LANDMARKS, thinned
from models.lineage import Lineage
from models.risk_model import RiskModel
from models.validation.capacity import SHARES, DayLists
from models.validation.folds import Fold, single_fold
from models.validation.history_rows import rows_of
from models.validation.judge import Estimate, Judge
from models.validation.rows import Floats, Rows
from models.validation.slices import dimensions, pooled_values, value_counts

Progress = Callable[[str, int, int], None]
How = Literal["as_stored", "fitted_anew", "made_alike"]

FORMAT: Final = 1
SPLIT: Final = 0.7
REPLICATIONS: Final = 400
_FEWEST: Final = 50
# What is told of each, besides the curves.
FIGURES: Final = ("brier", "log_loss", "auc", "average_precision", "ece", "slope")
AT_CAPACITY: Final = ("precision_at_capacity", "recall_at_capacity")


@dataclass(frozen=True)
class Contender:
    """One of the two.

    Attributes
    ----------
    version : its name
    lineage : tells its features and settings
    models : as stored; None: only its way is asked
    """

    version: str
    lineage: Lineage
    models: FailureModels | None = None


def judged(
    history: History,
    challenger: Contender,
    champion: Contender | None = None,
    *,
    split: float = SPLIT,
    capacity: pd.DataFrame | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Judge a version, beside the one in use where there is one.

    Parameters
    ----------
    history : with the outcomes and features of both
    split : share of the history before the cut
    capacity : as for `models.validation.history_rows.rows_of`
    progress : told of outcomes that are done

    Returns
    -------
    dict
        Plain values for JSON: `format`, `as_of` (seconds in UTC), `data` (fingerprint), `split`, `beside` (a version,
        or None), `outcomes`: name -> figures, or `{"too_little": …}` where they cannot be told.
    """
    step = progress or (lambda _text, _done, _total: None)
    if champion is not None and not set(champion.lineage.features) <= set(history.inputs.matrix.features):
        # A source that knows less has come: what is in use cannot be asked of it any more.
        champion = None
    names = [name for name in challenger.lineage.parameters if name in history.outcomes]
    found: dict[str, Any] = {}
    for done, name in enumerate(names):
        step("judge", done, len(names))
        found[name] = _one(history, name, challenger, champion, split, capacity)
    step("judge", len(names), len(names))
    return {
        "format": FORMAT,
        "as_of": history.as_of,
        "data": history.fingerprint,
        "split": split,
        "beside": None if champion is None else champion.version,
        "outcomes": found,
    }


def _one(
    history: History,
    outcome: str,
    challenger: Contender,
    champion: Contender | None,
    split: float,
    capacity: pd.DataFrame | None,
) -> dict[str, Any]:
    rows = rows_of(history, outcome, capacity=capacity)
    try:
        (fold,) = single_fold(rows, split)
    except NotEnoughDataError:
        return {"too_little": True, "cases": 0, "failed": 0}
    tested = rows.rows(fold.test)
    cases, failed = len(np.unique(tested.groups)), len(np.unique(tested.groups[tested.y == 1]))
    taught = rows.taught(fold.train[thinned(np.ones(len(fold.train), dtype=bool), MOST_LANDMARKS)], fold.cut)
    one_sided = len(taught) < _FEWEST or len(np.unique(taught.y)) < 2
    if cases < _FEWEST or failed in (0, cases) or one_sided:
        return {"too_little": True, "cases": cases, "failed": failed}
    new = _fitted(challenger, outcome, taught, tested)
    beside = None
    if champion is not None and outcome in champion.lineage.parameters:
        beside = _answers(champion, challenger, outcome, taught, tested, fold, new)
    return _compared(tested, fold, cases, failed, new, beside)


def _answers(
    champion: Contender,
    challenger: Contender,
    outcome: str,
    taught: Rows,
    tested: Rows,
    fold: Fold,
    new: Floats,
) -> tuple[How, Floats]:
    stored = champion.models
    if stored is not None and stored.trained_before <= fold.cut and outcome in stored.risks:
        return "as_stored", stored.risks[outcome].predict_proba(_asked(tested.X, champion, outcome))[:, 1]
    if _way(champion, outcome) == _way(challenger, outcome):
        return "made_alike", new
    return "fitted_anew", _fitted(champion, outcome, taught, tested)


def _way(one: Contender, outcome: str) -> tuple[Any, ...]:
    return one.lineage.features, one.lineage.parameters[outcome], one.lineage.code.get("sources")


def _fitted(one: Contender, outcome: str, taught: Rows, tested: Rows) -> Floats:
    settings = {**one.lineage.parameters[outcome], "n_jobs": 1}
    model = RiskModel(**settings)
    with threadpool_limits(limits=1, user_api="blas"):
        model.fit(
            _asked(taught.X, one, outcome),
            taught.y.astype(np.int64),
            taught.weight,
            at=taught.at,
            matures_at=taught.matures_at,
            groups=taught.groups,
        )
        return np.asarray(model.predict_proba(_asked(tested.X, one, outcome))[:, 1], dtype=np.float64)


def _asked(table: pd.DataFrame, one: Contender, outcome: str) -> pd.DataFrame:
    """What a version learns from, of a table of all features."""
    settings = one.lineage.parameters[outcome]
    named = {*(settings.get("start") or ()), settings.get("evidence_by"), settings.get("intercept_by")}
    return table[[*one.lineage.features, *(name for name in table.columns if name in named)]]


def _compared(
    tested: Rows, fold: Fold, cases: int, failed: int, new: Floats, beside: tuple[How, Floats] | None
) -> dict[str, Any]:
    bare = tested.rows(np.arange(len(tested)))
    judge = Judge.of(bare, replications=REPLICATIONS)
    lists = DayLists.of(bare)
    mine = _draws(judge, lists, new)
    told: dict[str, Any] = {
        "cases": cases,
        "failed": failed,
        "landmarks": len(tested),
        "cut": fold.cut,
        "until": fold.until,
        "intervals": {"level": judge.level, "unit": judge.unit, "blocks": judge.n_blocks},
        "base_rate": judge.share(judge.outcome).as_dict(),
        "challenger": _told(judge, lists, mine, new),
        "champion": None,
        "how": None,
        "differences": None,
        "slices": None,
    }
    if beside is not None:
        how, old = beside
        theirs = _draws(judge, lists, old)
        told["how"] = how
        told["champion"] = _told(judge, lists, theirs, old)
        told["differences"] = {name: one.as_dict() for name, one in judge.differences(mine, theirs).items()}
        told["slices"] = _slices(bare, new, old)
    return told


def _draws(judge: Judge, lists: DayLists, said: Floats) -> dict[str, Floats]:
    made = judge.draws(said)
    if lists.known.any():
        made |= judge.attended(lists.attended(said, lists.capacity), lists.known)
    return {name: drawn for name, drawn in made.items() if name in (*FIGURES, *AT_CAPACITY)}


def _told(judge: Judge, lists: DayLists, draws: Mapping[str, Floats], said: Floats) -> dict[str, Any]:
    return {
        "mean_risk": judge.share(said).as_dict(),
        "figures": {name: one.as_dict() for name, one in judge.estimates(draws).items()},
        "reliability": judge.reliability(said).as_dict(),
        "capacity": [
            {"share": share, "recall": recall.as_dict(), "precision": precision.as_dict()}
            for share, precision, recall in _curve(judge, lists, said)
        ],
    }


def _curve(judge: Judge, lists: DayLists, said: Floats) -> Iterator[tuple[float, Estimate, Estimate]]:
    for share in SHARES:
        made = judge.estimates(judge.attended(lists.share_attended(said, share), lists.counts))
        yield share, made["precision_at_capacity"], made["recall_at_capacity"]


# What a version may not be much worse in; the month and the kind of a landmark are no part of a service.
_PARTS: Final = frozenset({"office", "area", "category", "channel"})


def _slices(tested: Rows, new: Floats, old: Floats) -> dict[str, Any]:
    """How much worse the Brier score is in the part of the test where it is worst, by the lower end of its interval.

    Parts with few cases are put together (`models.validation.slices`), and what they are called is not kept.
    """
    worse = (new - tested.y) ** 2 - (old - tested.y) ** 2
    number, worst, dimension = 0, Estimate(None), None
    for name, code, names in dimensions(tested):
        if name not in _PARTS:
            continue
        together = pooled_values(value_counts(tested, code, len(names)))
        parts = [np.flatnonzero(code == value) for value in range(len(names)) if value not in together]
        for places in parts:
            number += 1
            own = Judge.of(tested.rows(places), replications=REPLICATIONS)
            found = own.share(worse[places])
            if found.low is not None and (worst.low is None or found.low > worst.low):
                worst, dimension = found, name
    return {"judged": number, "dimension": dimension, "worst": worst.as_dict()}
