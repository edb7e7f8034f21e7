"""What the past of a series says about its newest weeks: its own level, moved as its category moves elsewhere.

For pasts from about twelve weeks on, and for every series too thin for a regression, however long its past. The
expected count is

    own level  x  how its category moves in the other areas  ,

both shrunken: the level towards what its area and its category lead one to expect (gamma prior, estimated over all
series), the movement towards the movement of everything else. Counts given the level are over-dispersed; level,
dispersion and movement are uncertain; all enter an average of negative binomials, whose exact tails are the p-values.
Windows of one, two and four weeks are looked at, so that a slow rise is seen too, and their p-values are combined by
Bonferroni.

The level comes from weeks before the longest window, so a rise under way does not raise its own expectation. The
movement leaves the series itself out, so it cannot explain itself away; and a category that starts, stops, is renamed
or is doubled everywhere moves its expectation everywhere, and raises no alarm anywhere.

The gamma-Poisson shrinkage is that of Clayton and Kaldor (1987), Biometrics 43:671.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from data.errors import UsageError
from models.signals.baseline import Baseline, Level, Record, learn_levels, read_baseline
from models.signals.dispersion import is_thick
from models.signals.distribution import count_quantile, mixed_lower_tail, mixed_tail
from models.signals.newest_movement import newest_movement
from models.signals.restlessness import Restlessness, usual_movement
from models.signals.siblings import Cross
from models.signals.week_patterns import WeekPatterns, week_patterns

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

# Series whose laws are put together at once.
_AT_ONCE: Final = 2048


@dataclass(frozen=True, slots=True)
class ShortPastSettings:
    """How much past is used."""

    # Sums over so many newest weeks in which a rise is looked for.
    windows: tuple[int, ...] = (1, 2, 4)
    # And a silence. Thick series show it in a week; of thin ones three weeks without any are the first that tell, and
    # every further window makes all of them need more.
    silence_windows: tuple[int, ...] = (1, 3)
    # Six years: a thin series needs all of them, and earlier years weigh less wherever levels wander.
    baseline_weeks: int = 312
    # Fewer than eight weeks do not tell a level from its noise.
    least_baseline_weeks: int = 8
    # From so many weeks of past on, rises of thin series are judged by how cases are spread over a window's weeks, not
    # by their sum alone (`models.signals.week_patterns`). A shorter past tells too little of how weeks vary: in half a
    # year of strongly over-dispersed cities one signal in seven was false where one in ten may be. None: never.
    week_patterns_from: int | None = 104

    def looked_at(self) -> tuple[int, ...]:
        """All windows, the shortest first; the longest decides how many weeks the baseline keeps away from."""
        return tuple(sorted({*self.windows, *self.silence_windows}))


@dataclass(frozen=True, slots=True)
class WindowJudgement:
    """The last `weeks` weeks of every series, summed; arrays of shape (n_series,), NaN where nothing can be said."""

    weeks: int
    observed: Floats
    expected: Floats
    lower: Floats
    upper: Floats
    rise_p: Floats  # P(as many or more); where `patterns` are looked at, P(as much evidence of a lasting rise)
    silence_p: Floats  # P(as few or fewer)
    zero_p: Floats  # P(none at all): no silence can be less probable than this
    # What the counts follow when nothing has changed: an average of negative binomials. None: not kept.
    law: CountLaw | None = None
    # Where rises are told by how cases are spread over the weeks of the window. None: nowhere.
    patterns: WeekPatterns | None = None


@dataclass(frozen=True, slots=True)
class CountLaw:
    """Averages of negative binomials, one per series; (n_series, n_parts). Parts of weight 0 do not matter."""

    mean: Floats
    variance: Floats
    weight: Floats


@dataclass(frozen=True, slots=True)
class ShortPastResult:
    """One judgement per window, and how many weeks of past each series had."""

    windows: tuple[WindowJudgement, ...]
    baseline_weeks: Ints  # (n_series,)


@dataclass(frozen=True, slots=True)
class LearnedPast:
    """What was learned from the weeks before the longest window; `judge` then looks at those newest weeks."""

    cross: Cross
    settings: ShortPastSettings
    baseline: Baseline
    levels: dict[int, Level]  # by the weeks of the window
    restlessness: dict[int, Restlessness]  # likewise

    def judge(
        self,
        newest: Ints,
        *,
        band: float | None = 0.8,
        recorded: Bools | None = None,
        complete: Floats | None = None,
        silences: bool = True,
    ) -> ShortPastResult:
        """Judge the newest weeks; shapes as in `judge_by_short_past`, with the rows of the longest window.

        `band` None leaves the limits out, `silences` False the lower tails (NaN); either saves time.
        """
        windows = tuple(self._window(k, newest, band, recorded, complete, silences) for k in self.settings.looked_at())
        return ShortPastResult(windows, self.baseline.weeks)

    def _window(
        self,
        k: int,
        newest: Ints,
        band: float | None,
        recorded: Bools | None,
        complete: Floats | None,
        silences: bool,
    ) -> WindowJudgement:
        observed = newest[-k:].sum(axis=0).astype(float)
        usable = self.baseline.usable
        if recorded is not None:
            usable = usable & recorded[-k:].all(axis=0)
        level = self.levels.get(k)
        if level is None or not usable.any():
            nothing = np.full(len(observed), np.nan)
            return WindowJudgement(k, observed, nothing, nothing, nothing, nothing, nothing, nothing)
        share = np.ones(len(observed))
        if complete is not None:
            share = np.broadcast_to(complete[-k:], newest[-k:].shape).mean(axis=0)
        rate = np.where(usable, self.baseline.rate, 0.0)
        moved = newest_movement(
            observed * usable, rate * k * share, self.baseline, self.cross, level, self.restlessness[k]
        )
        law = _law_now(level, k, moved.ratio, moved.relative_variance, share, usable)
        mean = np.where(usable, (law.weight * law.mean).sum(axis=1), np.nan)
        lower, upper = np.full_like(mean, np.nan), np.full_like(mean, np.nan)
        if band is not None:
            square = (law.weight * (law.variance + law.mean**2)).sum(axis=1)
            variance = np.maximum(square - mean**2, mean)
            lower = count_quantile((1.0 - band) / 2.0, mean, variance)
            upper = count_quantile((1.0 + band) / 2.0, mean, variance)
        nothing = np.full_like(mean, np.nan)
        hidden = np.where(usable, 0.0, np.nan)
        silences = silences and k in self.settings.silence_windows
        parts = (law.mean, law.variance, law.weight)
        rise_p, patterns = nothing, None
        if k in self.settings.windows:
            rise_p = mixed_tail(observed, *parts) + hidden
            patterns = self._patterns(k, law, mean, usable, complete)
        if patterns is not None:
            rise_p = patterns.p_values(newest[-k:], rise_p)
        return WindowJudgement(
            weeks=k,
            observed=observed,
            expected=mean,
            lower=lower,
            upper=upper,
            rise_p=rise_p,
            silence_p=mixed_lower_tail(observed, *parts) + hidden if silences else nothing,
            zero_p=mixed_lower_tail(np.zeros_like(observed), *parts) + hidden if silences else nothing,
            law=law,
            patterns=patterns,
        )

    def _patterns(
        self, k: int, law: CountLaw, expected: Floats, usable: Bools, complete: Floats | None
    ) -> WeekPatterns | None:
        """Where rises over `k` weeks are told by the weeks: thin series, if all reports of all weeks are known."""
        if self.settings.week_patterns_from is None:
            return None
        thin = usable & ~is_thick(self.baseline.rate) & (self.baseline.weeks >= self.settings.week_patterns_from)
        if not thin.any():
            return None
        if complete is not None and (complete[-k:] < 1.0).any():
            return None
        # Thin series share one grid; what sums vary more than single weeks is what the weeks of a window share.
        phi = self.levels[1].phi[int(np.argmax(thin))]
        return week_patterns(k, law, phi, thin, np.where(usable, expected, np.inf))


def judge_by_short_past(
    matrix: Ints,
    cross: Cross,
    settings: ShortPastSettings = ShortPastSettings(),
    *,
    band: float = 0.8,
    recorded: Bools | None = None,
    complete: Floats | None = None,
) -> ShortPastResult:
    """Judge the newest weeks of every series by the weeks before.

    Parameters
    ----------
    matrix : (n_weeks, n_series) counts, oldest week first
    cross : which series share an area, which a category
    band : share of counts between `lower` and `upper` when nothing has changed
    recorded : (n_weeks, n_series), False for weeks to leave out of a series; None for none. A window that holds such a
        week is not judged, and the series says nothing about its siblings in it.
    complete : (n_weeks, n_series) or (n_weeks, 1), above 0 and at most 1: the share of each week's reports that is
        expected to be known by now; None where all are. A report is taken to be known by chance, independently of the
        others: a window with mean mu and variance v when complete has mean c mu and variance c mu + c^2 (v - mu) at
        share c. `expected` and the limits are those of the counts known. A week of the past of which less than half is
        known is left out.

    Returns
    -------
    ShortPastResult
        Series with fewer than `least_baseline_weeks` weeks of record before the longest window get NaN. The record of a
        series begins in the week after its category, and its area, were first seen anywhere; with the first week of
        `matrix` if they were seen then.

    Raises
    ------
    UsageError
        If `complete` has another shape, or values outside (0, 1].
    """
    complete = checked_complete(complete, matrix)
    if recorded is not None:
        # A week that nobody recorded is no week at all: windows and past reach over it. The newest stays, to be told.
        somebody = np.asarray(recorded.any(axis=1))
        somebody[-1] = True
        matrix, recorded = matrix[somebody], recorded[somebody]
        complete = complete[somebody] if complete is not None and len(complete) > 1 else complete
    learned = learn_short_past(matrix, cross, settings, recorded=recorded, complete=complete)
    longest = max(settings.looked_at())
    newest = slice(-longest, None)
    return learned.judge(
        matrix[newest],
        band=band,
        recorded=None if recorded is None else recorded[newest],
        complete=None if complete is None else complete[newest],
    )


def learn_short_past(
    matrix: Ints,
    cross: Cross,
    settings: ShortPastSettings = ShortPastSettings(),
    *,
    recorded: Bools | None = None,
    complete: Floats | None = None,
) -> LearnedPast:
    """Learn from the weeks before the longest window; the weeks of that window change nothing.

    Parameters are those of `judge_by_short_past`. Use this where several versions of the newest weeks are to be judged.
    """
    end = max(len(matrix) - max(settings.looked_at()), 0)
    used = slice(max(end - settings.baseline_weeks, 0), end)
    record = Record(
        matrix[used],
        recorded_since(matrix[:end], cross) - used.start,
        None if recorded is None else recorded[used],
        None if complete is None else complete[used],
    )
    baseline = read_baseline(record, settings.least_baseline_weeks)
    levels, restlessness = {}, {}
    if baseline.usable.any():
        levels = learn_levels(record, baseline, cross, settings.looked_at())
        phi = levels[1].ratio(np.zeros_like(baseline.rate))
        restlessness = usual_movement(record, baseline, cross, settings.looked_at(), phi)
    return LearnedPast(cross, settings, baseline, levels, restlessness)


def checked_complete(complete: Floats | None, matrix: Ints) -> Floats | None:
    """`complete` as it can be used, or a refusal."""
    if complete is None:
        return None
    n_weeks, n_series = matrix.shape
    if complete.shape not in ((n_weeks, n_series), (n_weeks, 1)):
        raise UsageError(
            f"Expected `complete` of shape ({n_weeks}, {n_series}) or ({n_weeks}, 1), one share per week (and series); "
            f"its shape is {complete.shape}."
        )
    if not ((complete > 0.0) & (complete <= 1.0)).all():
        raise UsageError(
            "Expected shares above 0 and at most 1 in `complete`; leave a week of which nothing is known out with "
            "`recorded`."
        )
    return complete


def recorded_since(matrix: Ints, cross: Cross) -> Ints:
    """First row of each series' record; (n_series,).

    Before a category, or an area, appears for the first time, its zeros say that nobody recorded it, not that nothing
    happened; and the week in which it appears is seldom whole.
    """
    any_case = matrix.any(axis=0)
    # The first row with a case; cheaper than looking for all of them.
    own = np.where(any_case, matrix.astype(bool).argmax(axis=0), len(matrix)) if len(matrix) else 0 * cross.area
    since = np.zeros(matrix.shape[1], dtype=np.int64)
    for codes in (cross.area, cross.category):
        first = np.full(int(codes.max()) + 1, len(matrix), dtype=np.int64)
        np.minimum.at(first, codes, own)
        since = np.maximum(since, np.where(first > 0, first + 1, 0)[codes])
    return since


def _law_now(level: Level, k: int, ratio: Floats, uncertain: Floats, share: Floats, usable: Bools) -> CountLaw:
    """What the sums over the newest `k` weeks follow when nothing has changed."""
    mean, variance = np.empty_like(level.mean), np.empty_like(level.mean)
    weight = level.weight if usable.all() else np.where(usable[:, None], level.weight, 0.0)
    moved = np.where(usable, k * ratio, 0.0)[:, None]
    # Block by block: what is needed in between stays within the processor's cache.
    for first in range(0, len(mean), _AT_ONCE):
        rows = slice(first, first + _AT_ONCE)
        whole = level.mean[rows] * moved[rows]
        over_poisson = level.phi[rows] * (1.0 + level.psi[rows, None] * whole) - 1.0
        excess = whole * (over_poisson + whole * (level.relative_variance[rows] + uncertain[rows, None]))
        # Late reports thin the counts: the mean by the share that is known, what exceeds the mean by its square.
        mean[rows] = share[rows, None] * whole
        variance[rows] = mean[rows] + share[rows, None] ** 2 * excess
    return CountLaw(mean, variance, weight)
