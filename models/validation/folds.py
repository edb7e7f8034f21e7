"""Folds in time: cut after cut, train on what was known, test on what came next.

At each cut a model is made as if it were that moment. A row teaches if it lies before the cut and its label was mature
then; rows whose label was still open belong to neither side, which is the gap. A row tests if it lies at or after the
cut and before the next, and its label is known by now. What teaches is so told by the past alone: nothing that happens
at a cut or later can move a row into a training set or out of it.

A case may straddle a cut. If any of its rows taught, its later rows do not test: the model has seen how the case ended
up. The other way, to test such a case and take its early rows out of the training, would choose the training set by
what came later. Rows lost so are counted in every fold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal

import numpy as np

from data.errors import NotEnoughDataError, UsageError
from data.event_log import NEVER
from models.validation.rows import Int64s, Rows

Window = Literal["expanding", "sliding"]

# The first model gets half of the history, so that the earliest fold is not a judgement of two weeks of data.
FIRST_SHARE: Final = 0.5
FOLDS: Final = 5


@dataclass(frozen=True)
class Fold:
    """One cut, and what lies on both sides of it.

    Attributes
    ----------
    number : 0 for the earliest
    cut, until : int64 seconds in UTC; tested rows lie in `[cut, until)`
    since : int64 seconds in UTC; rows before it do not teach (a sliding window), or None
    train, test : places of rows, ascending
    open_at_cut : rows before the cut whose label was not known at it: the gap
    straddling : rows that could have tested, but whose case taught
    """

    number: int
    cut: int
    until: int
    since: int | None
    train: Int64s
    test: Int64s
    open_at_cut: int
    straddling: int


def rolling_folds(
    rows: Rows,
    n_folds: int = FOLDS,
    *,
    first_share: float = FIRST_SHARE,
    window: Window = "expanding",
    cuts: Sequence[int] | None = None,
) -> tuple[Fold, ...]:
    """Folds of which each tests what came after the last, up to the end of the history.

    Parameters
    ----------
    rows : n rows
    n_folds : how many
    first_share : share of the rows before the first cut; the other cuts leave equally many rows in each fold. Rows
        that had not matured by the as-of are not counted: where a cut falls is told by moments and never by labels.
    window : "expanding": all the past teaches; "sliding": as long a stretch before every cut as before the first
    cuts : int64 seconds in UTC, ascending; in place of `n_folds` and `first_share`

    Raises
    ------
    UsageError
        For a share outside (0, 1), no fold, or cuts that do not ascend.
    NotEnoughDataError
        If no row had matured by the as-of.
    """
    moments = _cuts(rows, n_folds, first_share) if cuts is None else _given(cuts)
    first = int(rows.at.min()) if len(rows) else 0
    ends = (*moments[1:], rows.as_of)
    folds = []
    for number, (cut, until) in enumerate(zip(moments, ends, strict=True)):
        since = cut - (moments[0] - first) if window == "sliding" else None
        folds.append(fold_at(rows, cut, until, number=number, since=since))
    return tuple(folds)


def single_fold(rows: Rows, share: float) -> tuple[Fold, ...]:
    """One cut, where `share` of the rows that matured by the as-of lie before it.

    Raises
    ------
    UsageError, NotEnoughDataError
        As `rolling_folds`.
    """
    return rolling_folds(rows, 1, first_share=share)


def fold_at(rows: Rows, cut: int, until: int, *, number: int = 0, since: int | None = None) -> Fold:
    """What teaches at a cut, and what tests up to `until`; all moments int64 seconds in UTC."""
    known = ~np.isnan(rows.labels_known_at(cut).value)
    before = rows.at < cut
    if since is not None:
        before &= rows.at >= since
    teaches = before & known
    ahead = (rows.at >= cut) & (rows.at < until) & ~np.isnan(rows.y) & (rows.matures_at < rows.as_of)
    taught = np.isin(rows.groups, np.unique(rows.groups[teaches]))
    return Fold(
        number=number,
        cut=cut,
        until=until,
        since=since,
        train=np.flatnonzero(teaches),
        test=np.flatnonzero(ahead & ~taught),
        open_at_cut=int((before & ~known & (rows.matures_at < NEVER)).sum()),
        straddling=int((ahead & taught).sum()),
    )


def _cuts(rows: Rows, n_folds: int, first_share: float) -> tuple[int, ...]:
    if not 0 < first_share < 1:
        raise UsageError(f"--split: expected a share between 0 and 1, such as 0.7, and got {first_share:g}.")
    if n_folds < 1:
        raise UsageError(f"--folds: expected one fold or more, and got {n_folds}.")
    matured = rows.at[rows.matures_at < rows.as_of]
    if not len(matured):
        raise NotEnoughDataError(
            "Expected cases whose outcome is mature, and none is: nothing can be tested. Import a longer history, or "
            "wait until more promises have fallen due."
        )
    shares = first_share + (1 - first_share) * np.arange(n_folds) / n_folds
    found = np.unique(np.quantile(matured, shares).astype(np.int64))
    return tuple(int(cut) for cut in found)


def _given(cuts: Sequence[int]) -> tuple[int, ...]:
    moments = tuple(int(cut) for cut in cuts)
    if not moments or any(later <= earlier for earlier, later in pairwise(moments)):
        raise UsageError(f"Expected cuts that ascend, and got {len(moments)} that do not.")
    return moments
