"""The published protocol for event logs: which moments train, which are judged, and the baseline that must be beaten.

Teinemaa, I., Dumas, M., La Rosa, M., Maggi, F. M. (2019). Outcome-oriented predictive process monitoring: review and
benchmark. ACM TKDD 13(2). Verenich, I. and others (2019), Survey and cross-benchmark comparison of remaining time
prediction methods in business process monitoring. ACM TIST 10(4).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from data.errors import NotEnoughDataError
from features.steps import StepLog

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
TRAIN_SHARE = 0.8
FEWEST = 10
# The benchmark's own exception: its prefixes of fines are ten events long, not as many as the rule gives.
_CAPS = {"traffic_fines": 10}


@dataclass(frozen=True)
class Split:
    """Rows of a log: `train` and `test` are (n,) bool, `cut` int64 milliseconds of the first test event."""

    train: Bools
    test: Bools
    cut: int
    cap: int

    def drawn(self, case: NDArray[np.int64], most: int | None, seed: int = 1) -> Split:
        """With about `most` training rows, of whole cases drawn at random; all test rows stay. None: no limit."""
        rows = int(self.train.sum())
        if most is None or rows <= most:
            return self
        kept = np.random.default_rng(seed).random(int(case.max()) + 1) < most / rows
        return replace(self, train=self.train & kept[case])


def risk_split(log: StepLog, task: str, name: str) -> Split:
    """The first 80 % of the task's cases train, without what happened at or after the first test event; prefixes up to
    min(40, ceil of the 90 % quantile of the length of positive cases), in events that may be used.
    """
    asked = log.task(task)
    lengths = np.bincount(log.case[asked.usable], minlength=len(log.case_ids))
    positive = lengths[(asked.outcome == 1) & (lengths > 0)]
    rule = min(40, int(np.ceil(np.quantile(positive, 0.90)))) if len(positive) else 40
    cap = _CAPS.get(name, rule)
    rows = asked.usable & (log.place <= cap)
    return _split(log, np.flatnonzero(np.isfinite(asked.outcome)), rows, cap, strict=True)


def remaining_split(log: StepLog) -> Split:
    """The first 80 % of the cases that are over train; prefixes up to min(20, floor of the 90 % quantile of length)."""
    cases = np.flatnonzero(log.closed)
    cap = min(20, int(np.floor(np.quantile(np.bincount(log.case)[cases], 0.90))))
    return _split(log, cases, log.closed[log.case] & (log.place <= cap), cap, strict=False)


def _split(log: StepLog, cases: NDArray[np.int64], rows: Bools, cap: int, *, strict: bool) -> Split:
    if len(cases) < FEWEST:
        raise NotEnoughDataError(f"Expected at least {FEWEST} cases to divide by time, got {len(cases)}.")
    first_test = cases[int(len(cases) * TRAIN_SHARE)]
    cut = int(log.moment[(log.case == first_test) & (log.place == 1)][0])
    train = rows & (log.case < first_test)
    return Split(train & (log.moment < cut) if strict else train, rows & (log.case >= first_test), cut, cap)


def median_dummy(place: NDArray[np.int64], value: Floats, split: Split) -> Floats:
    """(n,) the median of the training moments at the same place of their case; of all where there is none."""
    guess = np.full(len(value), float(np.median(value[split.train])))
    for p in np.unique(place[split.train]):
        guess[place == p] = float(np.median(value[split.train & (place == p)]))
    return guess
