"""What can be found: with counts like these, how large a rise is noticed within so many weeks, at what price.

The price is false alarms, and it is counted and not taken from the level the detector is set to: the two differ,
because no detector knows the level and the spread of a series, it estimates them. So does the planner; how far off it
may be is told as an interval.

From the counts of one series the process behind them is estimated (`models.signals.count_process`); new records of it
are drawn, and the detector that the series gets is let loose on each (`models.signals.planner_runs`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import interpolate, special

from data.errors import InputError, NotEnoughDataError, UsageError
from models.signals.choice import choose
from models.signals.count_process import CountProcess, fit_process
from models.signals.detectors import Detector, make_detector
from models.signals.planner_runs import Found, chances
from models.signals.planner_seasonal import SeasonalLimits

Floats = NDArray[np.float64]

CURVE_COLUMNS: Final = ("alpha", "weeks", "rise", "power", "low", "high")
SMALLEST_COLUMNS: Final = ("alpha", "weeks", "smallest", "low", "high")
ALARM_COLUMNS: Final = ("alpha", "weekly", "a_year", "years_between")

LARGEST_RISE: Final = 20.0
# Closer together where they are small: a thick series tells 1.1 times the usual from 1.2 times.
_RISES: Final = np.concatenate([[1.0], 1.0 + np.geomspace(0.06, LARGEST_RISE - 1.0, 16)])
# Where the curve is shown.
_SHOWN: Final = np.round(np.concatenate([np.arange(1, 3, 0.05), np.arange(3, 6, 0.15), np.arange(6, 20.5, 0.5)]), 2)
# Weeks of series judged for the main curve, however many weeks are planned for; and the records at least.
_JUDGED: Final = 1600
_LEAST_RECORDS: Final = 200
# A method of many small sums takes longer: fewer records then, and rises further apart.
_SLOW: Final = ("seasonal",)
_SLOW_SHARE: Final = 0.5
_SLOW_COMPARED_SHARE: Final = 0.2
# What is only compared with the main curve, on the same records, needs fewer.
_COMPARED_SHARE: Final = 0.35
# 80 % of a normal law.
_REACH: Final = 1.2816
_MOST_WEEKS: Final = 26
# More cases a week than these take minutes, and tell rises apart that nobody has to plan for.
_LARGEST_LEVEL: Final = 100_000.0


@dataclass(frozen=True, slots=True)
class PlanSettings:
    """What is asked.

    Attributes
    ----------
    weeks : the rise is to be found within so many weeks from its beginning
    power : in such a share of cases
    alpha : level of the detector; None: its own
    horizons : other numbers of weeks to draw curves for; None: 1, 2, 4 and 8, as far as `weeks` allows
    alphas : other levels to draw curves for; None: a fifth and twice that of the plan
    method, params : a detector by name and its parameters; None: the one the series gets (`models.signals.choice`)
    interval : whether to work out intervals (it doubles the time)
    records : series to draw; None: for a Monte-Carlo error of about .01
    seed : of the drawing; the same question has the same answer
    """

    weeks: int = 4
    power: float = 0.8
    alpha: float | None = None
    horizons: tuple[int, ...] | None = None
    alphas: tuple[float, ...] | None = None
    method: str | None = None
    params: dict[str, Any] = field(default_factory=dict)
    interval: bool = True
    records: int | None = None
    seed: int = 20_130_101

    def __post_init__(self) -> None:
        for weeks in (self.weeks, *(self.horizons or ())):
            if not 1 <= weeks <= _MOST_WEEKS:
                raise UsageError(f"Expected between 1 and {_MOST_WEEKS} weeks to find a rise in; got {weeks}.")
        if not 0.0 < self.power < 1.0:
            raise UsageError(f"power must lie between 0 and 1, for example 0.8; it is {self.power!r}.")
        for alpha in (*(() if self.alpha is None else (self.alpha,)), *(self.alphas or ())):
            if not 0.0 < alpha < 0.5:
                raise UsageError(f"alpha must lie between 0 and 0.5, for example 0.005; it is {alpha!r}.")
        if self.records is not None and self.records < 20:
            raise UsageError(f"records must be at least 20, or nothing is known of the error; it is {self.records}.")


@dataclass(frozen=True, slots=True)
class Plan:
    """The answer.

    Attributes
    ----------
    weeks, power, alpha : as asked
    method, params, reason : the detector, its parameters, and why it
    usual, dispersion, weeks_of_past : cases a week over the weeks ahead; variance over mean; weeks of the record
    waves, trend : what the level follows; see `CountProcess`
    curve : DataFrame `alpha, weeks, rise, power, low, high`
        The chance that a rise to `rise` times the usual is found within `weeks` weeks. `low` to `high` is 80 % sure to
        hold it, as far as the counts tell level and spread; null for levels other than the plan's.
    smallest : DataFrame `alpha, weeks, smallest, low, high`
        The smallest rise found with the power asked; null: none up to 20 times the usual. A null `high`: perhaps none.
    alarms : DataFrame `alpha, weekly, a_year, years_between`
        False alarms: the chance in a week, their number a year, and the years from one to the next (inf: none seen).
    error : largest Monte-Carlo standard error of the plan's own curve
    period : steps of the record in a year; of 12 or 365, whatever is called a week here is a month or a day
    """

    weeks: int
    power: float
    alpha: float
    method: str
    params: dict[str, Any]
    reason: str
    usual: float
    dispersion: float
    weeks_of_past: int
    waves: int
    trend: bool
    curve: pd.DataFrame
    smallest: pd.DataFrame
    alarms: pd.DataFrame
    error: float
    period: int = 52

    def smallest_rise(self) -> tuple[float, float, float]:
        """The smallest rise found as asked, and its interval; NaN where there is none."""
        own = self.smallest[(self.smallest["alpha"] == self.alpha) & (self.smallest["weeks"] == self.weeks)].iloc[0]
        return float(own["smallest"]), float(own["low"]), float(own["high"])

    def years_between_false_alarms(self) -> float:
        """At the plan's own level."""
        return float(self.alarms.loc[self.alarms["alpha"] == self.alpha, "years_between"].iloc[0])

    def power_at(self, rise: float, *, weeks: int | None = None, alpha: float | None = None) -> float:
        """The chance that this rise is found; between the rises of the curve by interpolation."""
        own = self.curve[
            (self.curve["alpha"] == (self.alpha if alpha is None else alpha))
            & (self.curve["weeks"] == (self.weeks if weeks is None else weeks))
        ]
        if own.empty:
            raise UsageError("Expected a level and a number of weeks that the plan has a curve for.")
        if not 1.0 <= rise <= LARGEST_RISE:
            raise UsageError(f"Expected a rise between 1 and {LARGEST_RISE:g} times the usual; got {rise!r}.")
        return float(_smooth(own["rise"].to_numpy(), own["power"].to_numpy())(rise))


def plan(counts: pd.Series, settings: PlanSettings | None = None) -> Plan:
    """Plan for one series of counts.

    Parameters
    ----------
    counts : Series of counts a week, null where missing; the index is dates or whole numbers, a regular step apart
    settings : what is asked; None: the smallest rise found within 4 weeks in 8 of 10 cases, at the detector's own level

    Raises
    ------
    NotEnoughDataError
        If the record is too short for any detector, or holds no case.
    InputError
        If there are more than 100,000 cases a week.
    UsageError
        If the detector has no level to set, or its parameters are impossible.
    """
    settings = settings or PlanSettings()
    values = counts.to_numpy(dtype=float)
    horizons = _horizons(settings)
    index = _longer(counts.index, max(horizons))
    period = make_detector("rki").steps_a_year(_dates(counts.index))
    detector, reason, begins = _detector(values, settings, period)
    values = np.where(np.arange(len(values)) >= begins, values, np.nan)
    process = fit_process(values, max(horizons), period=period)
    if process.level > _LARGEST_LEVEL:
        raise InputError(
            f"Expected a series of at most {_LARGEST_LEVEL:,.0f} cases a week to plan for; this one has more. Plan for "
            "its parts, by area or by type."
        )
    return _Planner(settings, process, detector, index, horizons, period, reason).answer()


def plan_process(process: CountProcess, index: pd.Index, detector: Detector, settings: PlanSettings) -> Plan:
    """The same for a process that is known, as before there are counts; `index` spans its record and weeks ahead."""
    period = detector.steps_a_year(_dates(index))
    horizons = [weeks for weeks in _horizons(settings) if weeks <= len(process.ahead)]
    return _Planner(settings, process, detector, index, horizons, period, "as given").answer()


@dataclass(frozen=True, slots=True)
class _Planner:
    settings: PlanSettings
    process: CountProcess
    detector: Detector
    index: pd.Index
    horizons: Sequence[int]
    period: int
    reason: str

    def answer(self) -> Plan:
        """Run everything."""
        alpha = _level_of(self.detector)
        most = max(self.horizons)
        records = self.settings.records or max(_JUDGED // most, _LEAST_RECORDS)
        slow = _slow(self.detector)
        if self.settings.records is None and slow:
            records = int(records * _SLOW_SHARE)
        fewer = max(int(records * (_SLOW_COMPARED_SHARE if slow else _COMPARED_SHARE)), 20)
        fits: dict[int, SeasonalLimits] = {}
        main = self._run(self.process, alpha, records)
        base = self._run(self.process, alpha, fewer, fits)
        spread = self._spread(alpha, fewer, base, main)
        curves, smallest = [], []
        alarms = [(alpha, main.weekly)]
        rows = self._tell(alpha, main.within, spread)
        curves.append(rows[0])
        smallest.append(rows[1])
        for other in self._other_levels(alpha):
            compared = self._run(self.process, other, fewer, fits)
            # What the smaller run is off by, the two levels share.
            moved = special.expit(_logit(main.within) + _logit(compared.within) - _logit(base.within))
            rows = self._tell(other, moved, None)
            curves.append(rows[0])
            smallest.append(rows[1])
            alarms.append((other, compared.weekly * _ratio(main.weekly, base.weekly)))
        return Plan(
            weeks=self.settings.weeks,
            power=self.settings.power,
            alpha=alpha,
            method=self.detector.method,
            params=self.detector.get_params(),
            reason=self.reason,
            usual=self.process.level,
            dispersion=self.process.dispersion,
            weeks_of_past=len(self.process.past),
            waves=self.process.waves,
            trend=self.process.trend,
            curve=_sorted(pd.concat(curves, ignore_index=True)),
            smallest=_sorted(pd.concat(smallest, ignore_index=True)),
            alarms=_sorted(_alarms(alarms, self.period)),
            error=float(main.error.max()),
            period=self.period,
        )

    def _run(
        self, process: CountProcess, alpha: float, records: int, fits: dict[int, SeasonalLimits] | None = None
    ) -> Found:
        detector = type(self.detector)(**{**self.detector.get_params(), "alpha": alpha})
        seed = self.settings.seed
        return chances(detector, process, self._rises(), self.index, records=records, seed=seed, fits=fits)

    def _rises(self) -> Floats:
        """Rises tried, the same for every run of this plan."""
        fine = _fine(self.process)
        rises = np.concatenate([[1.0], fine, [LARGEST_RISE]]) if len(fine) else _RISES
        return rises[::2] if _slow(self.detector) else rises

    def _spread(self, alpha: float, records: int, base: Found, main: Found) -> Floats | None:
        """Standard deviation of the logit of the power: what the counts leave open of level and dispersion, and chance.

        Chance is that of the simulation itself.
        """
        if not self.settings.interval:
            return None
        level, dispersion = np.exp(self.process.level_sd), np.exp(self.process.dispersion_sd)
        steps = [self.process.varied(level, 1.0), self.process.varied(1.0, dispersion)]
        moved = [_logit(self._run(one, alpha, records).within) - _logit(base.within) for one in steps]
        inside = np.clip(main.within, 1e-6, 1.0 - 1e-6)
        spread: Floats = np.sqrt(moved[0] ** 2 + moved[1] ** 2 + (main.error / (inside * (1.0 - inside))) ** 2)
        return spread

    def _other_levels(self, alpha: float) -> list[float]:
        given = self.settings.alphas
        wanted = (alpha / 5.0, alpha * 2.0) if given is None else given
        return sorted({round(one, 12) for one in wanted if one < 0.5} - {alpha})

    def _tell(self, alpha: float, within: Floats, spread: Floats | None) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Curve and smallest rise of one level, for every horizon."""
        curves, smallest = [], []
        for weeks in self.horizons:
            lines = {"power": within[weeks - 1]}
            if spread is not None:
                reach = _REACH * spread[weeks - 1]
                lines["low"] = special.expit(_logit(lines["power"]) - reach)
                lines["high"] = special.expit(_logit(lines["power"]) + reach)
            smooth = {name: _smooth(self._rises(), values) for name, values in lines.items()}
            shown = np.union1d(_SHOWN, _fine(self.process))
            nothing = np.full(len(shown), np.nan)
            curves.append(
                pd.DataFrame(
                    {
                        "alpha": alpha,
                        "weeks": weeks,
                        "rise": shown,
                        **{n: smooth[n](shown) if n in smooth else nothing for n in ("power", "low", "high")},
                    }
                )
            )
            # The rise that surely suffices is where the lower curve reaches the power, and the other way round.
            ends = {"smallest": "power", "low": "high", "high": "low"}
            reached = {n: _reach(smooth[of], self.settings.power) if of in smooth else np.nan for n, of in ends.items()}
            smallest.append(pd.DataFrame({"alpha": [alpha], "weeks": [weeks], **{n: [v] for n, v in reached.items()}}))
        return pd.concat(curves, ignore_index=True), pd.concat(smallest, ignore_index=True)


def _slow(detector: Detector) -> bool:
    return detector.method in _SLOW or getattr(detector, "dispersion", None) == "weighed"


def _fine(process: CountProcess) -> Floats:
    """Rises within chance's reach of a thick series, which `_RISES` steps over; none for others."""
    chance = np.sqrt(process.dispersion / process.level)
    if chance >= _RISES[1] - 1.0:
        return np.empty(0)
    fine: Floats = 1.0 + np.geomspace(chance, 30.0 * chance, len(_RISES) - 2)
    return fine


def _horizons(settings: PlanSettings) -> list[int]:
    given = settings.horizons
    if given is None:
        given = tuple(weeks for weeks in (1, 2, 4, 8) if weeks < settings.weeks)
    return sorted({settings.weeks, *given})


def _detector(values: Floats, settings: PlanSettings, period: int) -> tuple[Detector, str, int]:
    """The detector, why it is this one, and the row from which on the series was counted."""
    begins = 0
    if settings.method is not None:
        detector, reason = make_detector(settings.method, settings.params), "as asked"
    else:
        if settings.params:
            raise UsageError("Without a method the parameters are chosen as well; name a method to give parameters.")
        choice = choose(values, period)
        if choice.method is None:
            raise NotEnoughDataError(f"Nothing can be planned yet: {choice.reason}.")
        detector, reason, begins = make_detector(choice.method, choice.params), choice.reason, choice.begins
    if "alpha" not in detector.get_params():
        raise UsageError(f"{detector.method} has no level alpha, so no curve can be drawn for it; use another method.")
    return (detector if settings.alpha is None else detector.set_params(alpha=settings.alpha)), reason, begins


def _level_of(detector: Detector) -> float:
    alpha = detector.get_params()["alpha"]
    # The published limit of the methods that have one.
    return 0.001 if alpha is None else float(alpha)


def _longer(index: pd.Index, ahead: int) -> pd.Index:
    """The index with so many steps more."""
    if len(index) < 2:
        raise NotEnoughDataError("Expected a record of some weeks; there is one at most.")
    step = index[-1] - index[-2]
    return index.append(pd.Index([index[-1] + step * (n + 1) for n in range(ahead)]))


def _dates(index: pd.Index) -> Any:
    return index.to_numpy().astype("datetime64[D]") if isinstance(index, pd.DatetimeIndex) else None


def _logit(power: Floats) -> Floats:
    inside = np.clip(power, 1e-6, 1.0 - 1e-6)
    logit: Floats = np.log(inside / (1.0 - inside))
    return logit


def _ratio(whole: float, part: float) -> float:
    return whole / part if part > 0.0 else 1.0


def _smooth(rises: Floats, power: Floats) -> Callable[[Floats | float], Floats]:
    """The power as a smooth rising curve of the rise, through what was simulated.

    Between the rises simulated it is drawn on the scales on which it is nearly straight, logit and log.
    """
    curve = interpolate.PchipInterpolator(_log_rise(rises), _logit(np.maximum.accumulate(power)), extrapolate=True)
    return lambda rise: np.asarray(special.expit(curve(_log_rise(rise))), dtype=np.float64)


def _log_rise(rise: Floats | float) -> Floats:
    return np.asarray(np.log(np.asarray(rise, dtype=np.float64) - 0.9), dtype=np.float64)


def _reach(curve: Callable[[Floats | float], Floats], power: float) -> float:
    """The smallest rise at which the curve comes up to `power`; NaN where it never does."""
    fine = np.concatenate([[1.0], 1.0 + np.geomspace(1e-4, LARGEST_RISE - 1.0, 4000)])
    enough = np.flatnonzero(curve(fine) >= power)
    return float(fine[enough[0]]) if len(enough) else float("nan")


def _alarms(levels: list[tuple[float, float]], period: int) -> pd.DataFrame:
    rows = pd.DataFrame(levels, columns=["alpha", "weekly"])
    rows["a_year"] = rows["weekly"] * period
    rows["years_between"] = np.where(
        rows["a_year"] > 0.0, 1.0 / rows["a_year"].where(rows["a_year"] > 0.0, 1.0), np.inf
    )
    return rows


def _sorted(rows: pd.DataFrame) -> pd.DataFrame:
    keys = [name for name in ("alpha", "weeks", "rise") if name in rows.columns]
    return rows.sort_values(keys, ignore_index=True)
