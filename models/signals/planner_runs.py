"""How often a detector finds a rise in new series of a known process: the simulation behind the planner.

Only the records are drawn at random, and judged by the detector itself. Given a record, its limit for a week leaves
the chance of an alarm in that week to the law of the count, which is known: it is added up and not drawn. That makes a
few hundred records say as much as some thousand drawn alarms (Rao-Blackwell), and the chance smooth in the rise.

A detector that compares with the newest weeks draws its later limits from weeks that are risen already. There the weeks
are drawn one by one from the counts that raise no alarm, weighted by how likely those are: the product of the weights
has the chance of no alarm in all of them as its mean. The seasonal regression needs no such weeks
(`models.signals.planner_seasonal`). The records themselves are weighed by what is known of them
(`models.signals.planner_controls`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.signals.count_process import CountProcess, draw_counts
from models.signals.detectors import Cdc, Detector, Farrington1996, FarringtonFlexible
from models.signals.detectors.seasonal import Seasonal
from models.signals.distribution import count_lower_tail
from models.signals.planner_controls import Controls
from models.signals.planner_seasonal import SeasonalLimits

Floats = NDArray[np.float64]

# Weeks so near to the one judged are no past for it; the limits of the weeks planned for are then all known at once.
_LEFT_OUT: Final = {FarringtonFlexible: "weeks_left_out", Farrington1996: "weeks_left_out"}
_TRIED: Final = 25


@dataclass(frozen=True, slots=True)
class Found:
    """Chances of an alarm.

    Attributes
    ----------
    within : (n_weeks, n_rises) of at least one alarm within so many weeks from the rise's beginning
    weekly : of an alarm in a week in which nothing rises
    error : (n_weeks, n_rises) Monte-Carlo standard error of `within`
    """

    within: Floats
    weekly: float
    error: Floats


def chances(
    detector: Detector,
    process: CountProcess,
    rises: Floats,
    index: pd.Index,
    *,
    records: int,
    seed: int,
    fits: dict[int, SeasonalLimits] | None = None,
) -> Found:
    """The chance that `detector` raises an alarm after a rise, over new records of `process`.

    Parameters
    ----------
    rises : (n_rises,) how many times the usual the weeks ahead are
    index : of the weeks of the record and of those ahead, as in the table of counts
    records : how many to draw
    fits : of this process and seed by the number of records, kept here for a detector that differs in its level alone
    """
    rng = np.random.default_rng(seed)
    past = process.draw(records, rng)
    run = _Run(detector, process, index)
    if isinstance(detector, Seasonal):
        kept = None if fits is None else fits.get(records)
        fitted = (
            SeasonalLimits.of(detector, past, index, run.n_weeks) if kept is None else replace(kept, detector=detector)
        )
        if fits is not None and fitted is not None:
            fits[records] = fitted
        if fitted is not None:
            return run.by_fits(past, rises, rng, fitted)
    if not run.draws_limits(past, rng):
        return run.by_drawing(past, rises, rng)
    if run.fixed():
        return run.by_known_limits(past, rises)
    return run.by_drawn_weeks(past, rises, rng)


@dataclass(frozen=True, slots=True)
class _Run:
    detector: Detector
    process: CountProcess
    index: pd.Index

    @property
    def n_weeks(self) -> int:
        """Weeks ahead."""
        return len(self.process.ahead)

    def fixed(self) -> bool:
        """Whether no limit depends on a week ahead."""
        if isinstance(self.detector, Cdc):
            return True
        name = next((name for kind, name in _LEFT_OUT.items() if isinstance(self.detector, kind)), None)
        if name is None:
            return False
        left_out = getattr(self.detector, name, None)
        return left_out is not None and left_out >= self.n_weeks - 1 and self._any_number()

    def _any_number(self) -> bool:
        return getattr(self.detector, "minimum_cases", (0, 1))[0] == 0

    def draws_limits(self, past: Floats, rng: np.random.Generator) -> bool:
        """Whether an alarm is a count above a limit that follows from the weeks before; tried on a few records."""
        if not self._any_number():
            return False
        few = past[:, :_TRIED]
        ahead = draw_counts(np.full((min(2, self.n_weeks), few.shape[1]), 2.0 * self.process.level), 1.0, rng)
        judged = self._judge(few, ahead)
        said = judged["alarm"].notna().to_numpy(dtype=bool)
        limit = judged["upper"].to_numpy(dtype=float)
        alarm = judged["alarm"].fillna(False).to_numpy(dtype=bool)
        if not np.array_equal(alarm, said & (judged["observed"].to_numpy() > limit)) or np.isnan(limit[said]).any():
            return False
        # A method that adds up evidence says something else of a week when the judging begins with it.
        alone = self._limits(np.vstack([few, ahead[:-1]]), ahead[-1:])
        together = np.where(said, limit, np.nan).reshape(few.shape[1], len(ahead)).T
        return bool(np.array_equal(alone[0], together[-1], equal_nan=True))

    def by_known_limits(self, past: Floats, rises: Floats) -> Found:
        """All limits at once; they are the same whatever rises."""
        limits = self._limits(past, np.tile(np.round(self.process.ahead)[:, None], (1, past.shape[1])))
        quiet = np.stack([self._quiet(limits, rise) for rise in rises], axis=2)  # (n_weeks, n_records, n_rises)
        weekly = 1.0 - self._quiet(limits, 1.0).mean(axis=0)
        return self._found(past, np.cumprod(quiet, axis=0, dtype=np.float64), weekly)

    def by_fits(self, past: Floats, rises: Floats, rng: np.random.Generator, fitted: SeasonalLimits) -> Found:
        """Nothing but the records is drawn, where no more than the week before a week matters to it."""
        silent = fitted.silence(self.process, np.append(rises, 1.0), past[-1])
        if silent is None:
            return self.by_drawn_weeks(past, rises, rng, fitted)
        return self._found(past, silent[:, :, :-1], 1.0 - silent[0, :, -1])

    def by_drawn_weeks(
        self, past: Floats, rises: Floats, rng: np.random.Generator, fitted: SeasonalLimits | None = None
    ) -> Found:
        """Week by week, each drawn from the counts that raise no alarm."""
        n_records, n_rises = past.shape[1], len(rises)
        known = np.repeat(past, n_rises, axis=1)
        quiet = np.ones((self.n_weeks, n_records * n_rises))
        weekly = np.zeros(n_records)
        for week in range(self.n_weeks):
            if fitted is None:
                limits = self._limits(known, np.zeros((1, known.shape[1])))[0]
            else:
                limits = fitted.of_week(week, np.arange(known.shape[1]) // n_rises, known[-1])
                limits = self._held_to_least(limits, known)
            drawn = np.empty(known.shape[1])
            # The same chance for every rise: neighbouring rises then differ by the rise alone.
            chance = np.repeat(rng.random(n_records), n_rises)
            for place, rise in enumerate(rises):
                cells = slice(place, None, n_rises)
                quiet[week, cells], drawn[cells] = self._no_alarm(limits[cells], rise, week, chance[cells])
            if week == 0:
                weekly = 1.0 - self._quiet(limits[None, ::n_rises], 1.0)[0]
            known = np.vstack([known, drawn])
        shaped: Floats = np.cumprod(quiet, axis=0, dtype=np.float64).reshape(self.n_weeks, n_records, n_rises)
        return self._found(past, shaped, weekly)

    def by_drawing(self, past: Floats, rises: Floats, rng: np.random.Generator) -> Found:
        """Alarms themselves, for methods that add up evidence from week to week."""
        n_records = past.shape[1]
        quiet = np.empty((self.n_weeks, n_records, len(rises)))
        for place, rise in enumerate(rises):
            quiet[:, :, place] = np.cumprod(~self._alarms(past, rise, rng), axis=0, dtype=np.float64)
        return self._found(past, quiet, self._alarms(past, 1.0, rng).mean(axis=0))

    def _alarms(self, past: Floats, rise: float, rng: np.random.Generator) -> NDArray[np.bool_]:
        mean = np.broadcast_to(rise * self.process.ahead[:, None], (self.n_weeks, past.shape[1]))
        judged = self._judge(past, draw_counts(mean, self.process.dispersion, rng))
        alarm = judged["alarm"].fillna(False).to_numpy(dtype=bool)
        return alarm.reshape(past.shape[1], self.n_weeks).T

    def _quiet(self, limits: Floats, rise: float) -> Floats:
        """Chance of no alarm in each week; (n_weeks, n_records). Where nothing can be said, none is raised."""
        mean = np.broadcast_to(rise * self.process.ahead[: len(limits), None], limits.shape)
        floor = np.floor(np.where(np.isnan(limits), 0.0, limits))
        table = np.maximum(floor, 0.0)
        calm = np.empty(limits.shape)
        for week in range(len(limits)):
            # Limits are few whole numbers, over and over.
            values, places = np.unique(table[week], return_inverse=True)
            means = np.full(len(values), mean[week, 0])
            calm[week] = count_lower_tail(values, means, means * self.process.dispersion)[places]
        calm = np.where(floor < 0.0, 0.0, calm)
        return np.where(np.isnan(limits), 1.0, calm)

    def _no_alarm(self, limits: Floats, rise: float, week: int, chance: Floats) -> tuple[Floats, Floats]:
        """Chance of no alarm in one week, and a count drawn from those that raise none."""
        mean = rise * float(self.process.ahead[week])
        known = ~np.isnan(limits)
        spread = np.sqrt(self.process.dispersion * mean)
        top = np.where(known, np.floor(limits), np.inf)
        most = int(max(top[known].max() if known.any() else 0.0, np.ceil(mean + 12.0 * spread + 12.0))) + 1
        # So far below the mean no count ever is: of large counts all others would fill the memory.
        least = int(max(np.floor(mean - 12.0 * spread - 12.0), 0.0))
        values = np.arange(least, most + 1, dtype=float)
        means = np.full(len(values), mean)
        law = count_lower_tail(values, means, means * self.process.dispersion)
        calm = np.where(top < least, 0.0, law[(np.clip(top, least, most) - least).astype(np.int64)])
        drawn = least + np.searchsorted(law, chance * calm, side="left").astype(float)
        return np.where(known, calm, 1.0), np.minimum(drawn, np.maximum(np.minimum(top, most), 0.0))

    def _limits(self, known: Floats, ahead: Floats) -> Floats:
        judged = self._judge(known, ahead)
        limits = np.where(judged["alarm"].isna(), np.nan, judged["upper"].to_numpy(dtype=float))
        return limits.reshape(known.shape[1], len(ahead)).T

    def _held_to_least(self, limits: Floats, known: Floats) -> Floats:
        """Limits raised to where the newest weeks hold the least number of cases that an alarm needs."""
        cases, over = getattr(self.detector, "minimum_cases", (0, 1))
        held = np.nansum(known[len(known) - over + 1 :], axis=0) if over > 1 else np.zeros(known.shape[1])
        return np.maximum(limits, cases - 1.0 - held)

    def _judge(self, known: Floats, ahead: Floats) -> pd.DataFrame:
        table = pd.DataFrame(np.vstack([known, ahead]), index=self.index[: len(known) + len(ahead)])
        return self.detector.detect(table, last=len(ahead))

    def _found(self, past: Floats, quiet: Floats, weekly: Floats) -> Found:
        """From chances by record: of no alarm up to each week (n_weeks, n_records, n_rises), and of one in a week."""
        period = self.detector.steps_a_year(_dates(self.index))
        controls = Controls.of(self.process, past, period)
        calm = np.einsum("wrk,r->wk", quiet, controls.weights)
        error = np.stack([controls.error(one) for one in quiet])
        return Found(1.0 - calm, float(weekly @ controls.weights), error)


def _dates(index: pd.Index) -> NDArray[np.datetime64] | None:
    return index.to_numpy().astype("datetime64[D]") if isinstance(index, pd.DatetimeIndex) else None
