"""From contributions in log-odds to reasons in percentage points that add up exactly.

A risk is p = g(s): a score s in log-odds, put through a calibration g that never falls. The score is a sum of exact
parts, s = s0 + φ1 + … + φk: the base, the record that it starts from, and the TreeSHAP value of every feature. Let P be
the sum of the parts that raise the score and N that of those that lower it. There are two ways to walk from the base to
the case that take nobody by surprise: first all that raises, then all that lowers,

    s0  ->  s0 + P  ->  s,            or the other way round,            s0  ->  s0 + N  ->  s.

On each leg only parts of one sign move, all of them together along a straight line, and what a part adds to the
probability is its share of the leg: the path integral ∫ g'(…) φi dt = φi · (change of g over the leg) / (length of the
leg). A part gets the mean of what it gets on both walks:

    raising:   φi / P · ½ [ (g(s0 + P) - g(s0)) + (g(s) - g(s0 + N)) ]
    lowering:  φi / N · ½ [ (g(s0 + N) - g(s0)) + (g(s) - g(s0 + P)) ]

Then, for any g that never falls, smooth or with steps (isotonic, Venn-Abers):

- base and parts sum to the probability: the four differences telescope;
- no order of the features enters: both walks count alike, and within a leg all move at once;
- a part has the sign of its φ (or is 0), and of two parts of one sign the larger φ gets the more;
- no part, and no sum of parts, exceeds 100 points: each lies within what g spans between s0 + N and s0 + P;
- equal φ get equal points, and a part of 0 gets 0.

Each walk is a path method in the sense of Aumann and Shapley (1974; Sundararajan, Taly and Yan 2017 call it integrated
gradients), and the mean of the two is Shapley's value of the game between what raises and what lowers. The single
straight line from s0 to s, which we used before, divides g(s) - g(s0) by s - s0: where the parts nearly cancel and g
has a step between, that quotient has no bound. On a simulated city with an isotonic calibration it gave single parts of
up to 349 percentage points, and no reason at all to the one case in thirteen that ended on the step where it began; the
two walks gave at most 35, and reasons to all.

References
----------
Aumann and Shapley (1974), Values of Non-Atomic Games. Friedman (2004), Paths and consistency in additive cost sharing,
Int. J. Game Theory 32:501. Sundararajan, Taly and Yan (2017), Axiomatic attribution for deep networks, ICML.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import reduce
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.catalogue import CATALOGUE

Floats = NDArray[np.float64]
Int64s = NDArray[np.int64]

# Rows up to which sums are taken in one call: a call for each column takes longer then.
_FEW = 64
OTHER_FAMILY = "other"
# What a family of the catalogue is called where reasons are told: Chinese, English.
FAMILY_NAMES: dict[str, tuple[str, str]] = {
    "record": ("以往记录", "the record so far"),
    "trend": ("近期变化", "how things have changed lately"),
    "load": ("在办负担", "how much there is to do"),
    "pace": ("办结快慢", "how fast cases are closed"),
    "place": ("设施检查", "inspections of public assets"),
    "promise": ("承诺时长", "the time promised"),
    "calendar": ("日期与钟点", "day and hour"),
    "neighbours": ("相邻区域", "areas nearby"),
    "staffing": ("办理能力", "what the office can do"),
    "progress": ("办理进展", "how far the case has come"),
    "deadline": ("时限余量", "the time left"),
    OTHER_FAMILY: ("其他", "other"),
}


class Explained(Protocol):
    """n probabilities and what they are made of, as a risk model's `explain` gives them.

    Attributes
    ----------
    base : (n,) probability that a case starts from
    points : DataFrame (n, k), one column per feature; what each adds, in probability (times 100: percentage points)
    probability : (n,), `base` plus the row sum of `points`, to rounding
    """

    @property
    def base(self) -> Floats: ...  # noqa: D102
    @property
    def points(self) -> pd.DataFrame: ...  # noqa: D102
    @property
    def probability(self) -> Floats: ...  # noqa: D102


def percentage_points(
    contributions: Floats, base: Floats, link: Callable[[Floats], Floats], score: Floats | None = None
) -> tuple[Floats, Floats]:
    """Allocate calibrated probabilities to the parts of their scores, as this module's head says.

    Parameters
    ----------
    contributions : (n, k) parts of the scores, in log-odds
    base : (n,) or scalar, score of the base, in log-odds
    link : never-falling function from scores to probabilities, elementwise on an array of shape (n,)
    score : (n,) the scores themselves; `base` plus the parts when None. Worth giving where the link has steps: the
        score and a sum that misses it by a rounding error may lie on two sides of one.

    Returns
    -------
    points : (n, k) in probability (multiply by 100 for percentage points)
    base_probability : (n,)
        `base_probability + points.sum(axis=1)` is the probability, to rounding. The points of a row are the same bits
        whatever other rows there are.
    """
    raising, lowering = np.clip(contributions, 0.0, None), np.clip(contributions, None, 0.0)
    up, down = row_sums(raising), row_sums(lowering)
    start = np.array(np.broadcast_to(np.asarray(base, dtype=np.float64), up.shape))
    end = start + (up + down) if score is None else np.asarray(score, dtype=np.float64)
    # Where nothing moves, the start is the end, to the bit.
    start = np.where((up == 0) & (down == 0), end, start)
    first, highest, lowest, last = link(start), link(start + up), link(start + down), link(end)
    raised = 0.5 * ((highest - first) + (last - lowest))
    lowered = 0.5 * ((lowest - first) + (last - highest))
    # With one sign only, both walks are the same, and all of the change is that sign's.
    raised = np.where(down == 0, last - first, raised)
    lowered = np.where(up == 0, last - first, lowered)
    return raising * _share(raised, up)[:, None] + lowering * _share(lowered, down)[:, None], first


def allocate(
    parts: pd.DataFrame, score: Floats, link: Callable[[Floats], Floats]
) -> tuple[Floats, pd.DataFrame, Floats]:
    """The probabilities of n scores as a base and what each part adds: `base, points, probability`.

    Parameters
    ----------
    parts : (n, k) in log-odds
    score : (n,) log-odds of which the parts are parts; what they leave is the base's
    link : never-falling function from scores to probabilities, elementwise
    """
    values = parts.to_numpy(np.float64)
    points, base = percentage_points(values, score - row_sums(values), link, score)
    return base, pd.DataFrame(points, index=parts.index, columns=parts.columns), link(score)


def _share(change: Floats, length: Floats) -> Floats:
    """What each unit of a leg changes, (n,); 0 where there is no leg."""
    return np.asarray(np.divide(change, length, out=np.zeros_like(change), where=length != 0))


def row_sums(values: Floats) -> Floats:
    """Sums of rows, (n,), one column after another: NumPy adds up one row in another order than many."""
    if values.shape[1] > 0 and len(values) <= _FEW:
        # The same additions in one call; from 0, so that nothing is -0.
        return np.asarray(np.add.accumulate(values, axis=1)[:, -1] + 0.0)
    return np.asarray(reduce(np.add, values.T, np.zeros(len(values))), dtype=np.float64)


def grouped(explanation: Explained, by: Mapping[str, str] | None = None) -> pd.DataFrame:
    """The points of an explanation summed by group: a group's points are exactly those of its members, added up.

    Parameters
    ----------
    explanation : of n rows
    by : feature -> group; the families of the catalogue when None. A feature without a group is in `other`.

    Returns
    -------
    DataFrame (n, g), in probability; columns are groups in the order of their first member. `base` plus its row sum
    is the probability, to rounding. Names of families in both languages: `FAMILY_NAMES`.
    """
    points = explanation.points
    values = points.to_numpy(np.float64)
    groups: dict[str, list[int]] = {}
    for place, name in enumerate(map(str, points.columns)):
        groups.setdefault(group_of(name, by), []).append(place)
    summed = {group: row_sums(values[:, places]) for group, places in groups.items()}
    return pd.DataFrame(summed, index=points.index, columns=list(groups))


def group_of(name: str, by: Mapping[str, str] | None = None) -> str:
    """The group of a feature: its family in the catalogue, or what `by` says; `other` for one that has none."""
    if by is not None:
        return by.get(name, OTHER_FAMILY)
    return CATALOGUE[name].family if name in CATALOGUE else OTHER_FAMILY


def in_tenths(base: Floats, points: pd.DataFrame | Floats, probability: Floats) -> tuple[Int64s, Int64s, Int64s]:
    """Probabilities and their parts in whole tenths of a percentage point that still add up, row by row.

    Parameters
    ----------
    base, probability : (n,)
    points : (n, k), features or groups; `base` plus the row sum is the probability to within rounding

    Returns
    -------
    base, points, total : (n,), (n, k), (n,) int64; `base + points.sum(axis=1) == total`, and `total` is the probability
        rounded to the nearest tenth

    Raises
    ------
    ValueError
        If the parts miss the probability by more than rounding can explain.
    """
    parts = np.column_stack([base, np.asarray(points, dtype=np.float64)]) * 1000
    total = np.rint(np.asarray(probability, dtype=np.float64) * 1000).astype(np.int64)
    rounded = np.array([apportion_points(row, int(whole)) for row, whole in zip(parts, total, strict=True)])
    rounded = rounded.reshape(parts.shape).astype(np.int64)
    return rounded[:, 0], rounded[:, 1:], total


def apportion_points(points: Floats | Iterable[float], total: int) -> Int64s:
    """Round parts so that the rounded parts still add up, by largest remainder.

    Parameters
    ----------
    points : (k,) parts, in units of the last digit shown
    total : the rounded total that they must sum to

    Raises
    ------
    ValueError
        If the parts miss the total by more than rounding them can make good.

    Examples
    --------
    >>> apportion_points(np.array([33.4, 33.3, 33.3]), 100).tolist()
    [34, 33, 33]
    """
    values = np.asarray(points, dtype=np.float64)
    floor = np.floor(values).astype(np.int64)
    missing = int(total - floor.sum())
    remainder = values - floor
    # Ties go to the earlier part, so that the same case always shows the same figures.
    order = np.argsort(-remainder, kind="stable")
    if 0 <= missing <= len(values):
        floor[order[:missing]] += 1
        return floor
    raise ValueError(f"Expected parts that sum to {total} within rounding, but they miss it by {missing}.")
