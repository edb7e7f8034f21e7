"""What share of each week's reports is known by a given moment, per area and category.

Reverse-time hazards (see `models.signals.nowcast.delay`) of the weeks' own reporting triangles, all looked at on the
weekday and hour of the as-of moment (`models.signals.nowcast.snapshots`). Thin series cannot tell their delays, so the
hazards are pooled: one law over everything; the law of a category and that of an area, each shrunken towards it; and a
series' own, shrunken towards what its category and its area together lead one to expect. How firmly is estimated from
how far groups lie apart beyond chance (beta-binomial, by moments). Old weeks count less, so that the law follows as
delays drift.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.errors import UsageError
from models.signals.counts import ALL
from models.signals.nowcast.snapshots import Snapshots, known_before, nothing_is_late, snapshots

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# A share below this would only blow noise up.
_LEAST_SHARE: Final = 0.01
# Weight of a group's parent, in reports: at least and at most.
_LEAST_WEIGHT: Final = 5.0
_MOST_WEIGHT: Final = 1e5


@dataclass(frozen=True, slots=True)
class CompletenessSettings:
    """How much past the delays are learnt from.

    Attributes
    ----------
    longest : weeks; a report that comes in later than this counts as this late, and older weeks as complete
    most_weeks : the newest weeks used
    half_life : weeks after which what was seen counts half
    """

    longest: int = 13
    most_weeks: int = 52
    half_life: float = 8.0

    def __post_init__(self) -> None:
        if not (1 <= self.longest < self.most_weeks and self.half_life > 0.0):
            raise UsageError(
                "Expected longest of at least one week, most_weeks above it and half_life above 0; "
                f"got {self.longest}, {self.most_weeks} and {self.half_life:g}."
            )


@dataclass(frozen=True, slots=True, eq=False)
class Completeness:
    """Expected share of each week's reports known by the as-of, and how uncertain it is for that very week.

    Attributes
    ----------
    share : (n_weeks, n_series), in (0, 1]; exactly 1 where no report has been seen to come in later
    sd : (n_weeks, n_series); standard deviation of the share a week really has, by estimation and from week to week
    reports_late : reports of the past weeks used that came in after their week's first look
    """

    share: Floats
    sd: Floats
    reports_late: int


def completeness(
    cases: pd.DataFrame,
    *,
    as_of: int,
    time_zone: str,
    series: pd.DataFrame,
    weeks: Ints,
    settings: CompletenessSettings = CompletenessSettings(),
) -> Completeness:
    """Estimate how complete each week of each series is.

    Parameters
    ----------
    cases : DataFrame, one row per case, any order
        `opened_at`, `opened_known_at`, `area`, `category`, and the columns that `weekly_counts` uses where present.
    as_of : int, UTC seconds. What was known at or after it does not count.
    time_zone : of the offices
    series : (n_series rows) `area`, `category`; "*" for a sum over all of them, as in `WeeklyCounts.series`
    weeks : (n_weeks,) starts of the weeks as in `WeeklyCounts.weeks`; all have ended by `as_of`

    Returns
    -------
    Completeness
        All ones and sd 0, without any estimation, where every case was known the moment it was opened; likewise where
        nothing can be learnt yet, because all there is came in with one import.

    Raises
    ------
    InputError
        If columns are missing, or the newest week has not ended by the as-of.
    """
    shape = (len(weeks), len(series))
    known = known_before(cases, as_of)
    if len(weeks) == 0 or nothing_is_late(known):
        return _complete(shape)
    seen = snapshots(
        known,
        as_of=as_of,
        time_zone=time_zone,
        weeks=weeks,
        most_weeks=settings.most_weeks,
        longest=settings.longest,
    )
    if not (seen.delay > 0).any():
        return _complete(shape)
    tallies = _tally(seen, settings)
    laws = _laws(tallies, seen, series)
    return _shares(laws, tallies, shape)


@dataclass(frozen=True, slots=True)
class _Tallies:
    """Per delay 1..longest (first axis): weighted reports with it (`at`) and known up to it (`base`)."""

    at: Floats  # (longest, n_areas, n_categories)
    base: Floats
    from_week_to_week: Floats  # (longest,) correlation within a week and category, beyond binomial
    late: int


@dataclass(frozen=True, slots=True)
class _Laws:
    """Hazards per delay and series, and the variance of each as its estimation leaves it; (longest, n_series)."""

    hazard: Floats
    variance: Floats


def _complete(shape: tuple[int, int]) -> Completeness:
    return Completeness(np.broadcast_to(1.0, shape), np.broadcast_to(0.0, shape), 0)


def _tally(seen: Snapshots, settings: CompletenessSettings) -> _Tallies:
    """Reports by delay, over the weeks old enough to show it and not hidden behind an import."""
    n_areas, n_categories, n_weeks = len(seen.areas), len(seen.categories), seen.n_weeks
    cell = (seen.week * n_areas + seen.area) * n_categories + seen.category
    shape = (n_weeks, n_areas, n_categories)
    up_to = np.bincount(cell, minlength=int(np.prod(shape))).reshape(shape).astype(float)
    age = n_weeks - 1 - np.arange(n_weeks)
    at, base, spread = [], [], []
    late = 0
    for delay in range(settings.longest, 0, -1):
        with_it = seen.delay == delay
        number = np.bincount(cell[with_it], minlength=up_to.size).reshape(shape).astype(float)
        usable = ((age >= delay)[:, None] & (seen.hidden < delay))[:, None, :]
        # What became known in the newest period weighs 1, whichever week it belongs to.
        recency = 0.5 ** ((age - delay) / settings.half_life)
        weight = np.where(usable, recency[:, None, None], 0.0)
        at.append((weight * number).sum(axis=0))
        base.append((weight * up_to).sum(axis=0))
        spread.append(_week_to_week((number * usable).sum(axis=1), (up_to * usable).sum(axis=1)))
        late += int((number * usable).sum())
        up_to -= number
    return _Tallies(np.stack(at[::-1]), np.stack(base[::-1]), np.array(spread[::-1]), late)


def _week_to_week(at: Floats, base: Floats) -> float:
    """Correlation of reports of one week and category in being this late: weeks differ beyond chance; (m, n) each."""
    total = base.sum(axis=0)
    share = np.where(total > 0.0, at.sum(axis=0) / np.where(total > 0.0, total, 1.0), 0.0)
    return _correlation(at, base, np.broadcast_to(share, at.shape))


def _correlation(at: Floats, base: Floats, share: Floats) -> float:
    """Intraclass correlation of a beta-binomial, by moments; in [0, 1)."""
    binomial = base * share * (1.0 - share)
    excess = float(((at - base * share) ** 2 - binomial).sum())
    scale = float((np.maximum(base - 1.0, 0.0) * binomial).sum())
    return float(np.clip(excess / scale, 0.0, 0.99)) if scale > 0.0 else 0.0


def _laws(tallies: _Tallies, seen: Snapshots, series: pd.DataFrame) -> _Laws:
    area = _codes(seen.areas, series["area"])
    category = _codes(seen.categories, series["category"])
    hazards, variances = [], []
    for at, base in zip(tallies.at, tallies.base, strict=True):
        overall = float(at.sum() / base.sum()) if base.sum() > 0.0 else 0.0
        by_area, weight_area = _shrunken(at.sum(axis=1), base.sum(axis=1), np.full(at.shape[0], overall))
        by_category, weight_category = _shrunken(at.sum(axis=0), base.sum(axis=0), np.full(at.shape[1], overall))
        expected = _together(by_area[:, None], by_category[None, :], overall)
        own, weight_own = _shrunken(at, base, expected)
        # One row and one column more for sums over all areas or categories, and for names never seen.
        table = np.full((at.shape[0] + 1, at.shape[1] + 1), overall)
        weight = np.full(table.shape, float(base.sum()) + 1.0)
        table[:-1, :-1], weight[:-1, :-1] = own, weight_own
        table[:-1, -1], weight[:-1, -1] = by_area, weight_area
        table[-1, :-1], weight[-1, :-1] = by_category, weight_category
        hazard = table[area, category]
        hazards.append(hazard)
        variances.append(hazard * (1.0 - hazard) / (weight[area, category] + 1.0))
    return _Laws(np.stack(hazards), np.stack(variances))


def _codes(names: pd.Index, wanted: pd.Series) -> Ints:
    """Place of each name; one past the last for a sum over all, and for a name without reports."""
    codes: Ints = names.get_indexer(pd.Index(wanted.where(wanted != ALL))).astype(np.int64)
    return np.where(codes < 0, len(names), codes)


def _shrunken(at: Floats, base: Floats, expected: Floats) -> tuple[Floats, Floats]:
    """Hazards of groups shrunken towards what is expected of them, and the reports each rests on, borrowed ones too."""
    correlation = _correlation(at, base, expected)
    weight = float(np.clip(1.0 / max(correlation, 1e-9) - 1.0, _LEAST_WEIGHT, _MOST_WEIGHT))
    return (at + weight * expected) / (base + weight), base + weight


def _together(first: Floats, second: Floats, overall: float) -> Floats:
    """Hazard with the odds of both against the odds of all: area and category taken as independent."""
    if not 0.0 < overall < 1.0:
        return np.full(np.broadcast_shapes(first.shape, second.shape), overall)
    odds = first / (1.0 - first) * second / (1.0 - second) * (1.0 - overall) / overall
    combined: Floats = odds / (1.0 + odds)
    return combined


def _shares(laws: _Laws, tallies: _Tallies, shape: tuple[int, int]) -> Completeness:
    share, sd = np.ones(shape), np.zeros(shape)
    product, relative = np.ones(shape[1]), np.zeros(shape[1])
    longest = len(laws.hazard)
    # From the longest delay down: a week of age a misses the delays above a.
    for age in range(longest - 1, -1, -1):
        hazard = np.minimum(laws.hazard[age], 1.0 - _LEAST_SHARE)
        product = product * (1.0 - hazard)
        week = tallies.from_week_to_week[age] * hazard / (1.0 - hazard)
        relative = relative + laws.variance[age] / (1.0 - hazard) ** 2 + week
        if age < shape[0]:
            share[-1 - age] = np.maximum(product, _LEAST_SHARE)
            sd[-1 - age] = np.minimum(
                share[-1 - age] * np.sqrt(relative), np.sqrt(share[-1 - age] * (1 - share[-1 - age]))
            )
    return Completeness(share, sd, tallies.late)
