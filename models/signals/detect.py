"""Weak signals of a week: which series rise, or fall silent, beyond what their past explains.

Every area and category is judged by the method its past allows; all rises and silences of the week then form one family
whose false-discovery rate is controlled, so that one promise covers the whole list: at most about a tenth of it (with
the default level) is false alarm. Conditions that make a signal worth telling, such as a least number of cases, enter
before that control, as a p-value of 1. Striking signals off afterwards would spoil the promise.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.errors import UsageError
from models.signals.counts import WeeklyCounts
from models.signals.fdr import PROCEDURES, Procedure, q_values
from models.signals.long_past import LongPastSettings, judge_by_long_past, long_enough
from models.signals.reference_weeks import Dates
from models.signals.short_past import ShortPastSettings, WindowJudgement, judge_by_short_past
from models.signals.siblings import Cross

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

Direction = Literal["rise", "silence"]

# The columns of a signal as they are stored, without its key; see data.tables.signal.
SIGNAL_COLUMNS: Final = (
    "week",
    "area",
    "category",
    "direction",
    "observed",
    "expected",
    "lower",
    "upper",
    "p_value",
    "q_value",
    "fdr_level",
    "weeks_running",
    "method",
)
EXTRA_COLUMNS: Final = ("window_weeks", "method_reason", "weeks_of_past")

# A silence is looked for only where nothing at all would be as improbable as this; elsewhere it could never become a
# signal among many series. That depends on the expectation and not on the week's count, so leaving the others out of
# the family is fair.
_SILENCE_POSSIBLE: Final = 0.001
# Why a series may have no judgement at all: its past is too short, or its newest week was not recorded.
_UNJUDGED: Final = ("too_short", "not_recorded")
# Weeks in a row are counted back so far and no further.
_LONGEST_RUN: Final = 12


@dataclass(frozen=True, slots=True)
class SignalSettings:
    """What counts as a signal.

    Attributes
    ----------
    fdr_level : expected share of false alarms among the signals of a week, rises and silences together.
    procedure : "bh", or "by" for a bound that holds whatever the dependence between series.
    minimum_count : a rise needs so many reports, a silence so many expected ones, within its window.
    least_weeks_running : a signal is told only from this week in a row on.
    band : share of counts between `lower` and `upper` when nothing has changed: "3 to 6 would be usual".
    """

    fdr_level: float = 0.10
    procedure: Procedure = "bh"
    minimum_count: int = 5
    least_weeks_running: int = 1
    band: float = 0.8
    short_past: ShortPastSettings = field(default_factory=ShortPastSettings)
    long_past: LongPastSettings = field(default_factory=LongPastSettings)

    def __post_init__(self) -> None:
        if not 0.0 < self.fdr_level < 1.0:
            raise UsageError(f"fdr_level must lie between 0 and 1, for example 0.10; it is {self.fdr_level}.")
        if self.procedure not in PROCEDURES:
            raise UsageError(f"procedure must be one of {', '.join(PROCEDURES)}; it is {self.procedure!r}.")
        if 1 not in self.short_past.windows:
            raise UsageError("short_past.windows must contain 1: the newest week is always judged by itself.")


def detect_signals(counts: WeeklyCounts, *, settings: SignalSettings | None = None) -> pd.DataFrame:
    """Weak signals of the newest complete week.

    Weeks that `counts.recorded` leaves out are no past to compare with, and a series whose newest week is left out
    raises no signal: that a recording stopped is one finding (`data.quality.recording`), and not many silences.

    Returns
    -------
    DataFrame sorted by q-value (then p-value, area, category), one row per signal, with the columns `SIGNAL_COLUMNS`
    and `EXTRA_COLUMNS`.

    - `observed`, `expected`, `lower`, `upper` are sums over the newest `window_weeks` weeks: the window in which the
      signal is clearest. `method` ends in it too, as in "short_past_4w".
    - `week`: start of the newest week, UTC seconds.
    - `p_value`: before, `q_value`: after the control over all series of the week.
    - `weeks_running`: for so many weeks in a row, this one included, a signal; counted up to 12.
    - `method_reason`: why this method, as a code; `models.signals.sentence.reason_sentence` says it in words.

    No signal gives an empty frame with the same columns; so does a record too short to judge anything.
    """
    settings = settings or SignalSettings()
    judged = assess_series(counts, settings=settings)
    signals = judged[judged["signal"]].copy()
    signals["weeks_running"] = _weeks_running(counts, signals, settings)
    return _told(signals, settings)


def assess_series(counts: WeeklyCounts, *, settings: SignalSettings | None = None) -> pd.DataFrame:
    """Judge every series of the newest week, signal or not: for charts, for checks, and to see why there is none.

    Returns
    -------
    DataFrame with two rows per series (rise, silence), in series order, with the columns of `detect_signals` but
    `weeks_running`, and

    - `week_observed`, `week_expected`, `week_lower`, `week_upper`: of the newest week by itself;
    - `signal`: whether the week's control calls it one. NaN in `p_value`: not tested, see `method_reason`.
    """
    settings = settings or SignalSettings()
    evidence = _gather(counts, settings)
    rows = [_direction_rows(counts, evidence, direction, settings) for direction in ("rise", "silence")]
    judged = pd.concat(rows, ignore_index=True)
    q = q_values(judged.pop("guarded_p").to_numpy(), procedure=settings.procedure)
    judged["q_value"] = q
    judged["signal"] = q <= settings.fdr_level
    judged["fdr_level"] = settings.fdr_level
    return judged


def history(counts: WeeklyCounts, *, weeks: int, settings: SignalSettings | None = None) -> pd.DataFrame:
    """The signals of each of the newest `weeks` weeks, as if judged live at the end of that week.

    The frame is that of `detect_signals`, sorted by week and then as there. Every week sees its own past only; the
    counts themselves are those known at `counts.as_of`, so a report that came in late is already in its week.
    """
    if weeks < 1:
        raise UsageError(f"Expected at least one week to replay, got weeks={weeks}.")
    settings = settings or SignalSettings()
    n_weeks = len(counts.weeks)
    told = []
    runs: dict[_Key, int] = {}
    # Some weeks more than asked for, so that the first ones asked for know how long their signals have run.
    for row in range(max(n_weeks - weeks - _LONGEST_RUN + 1, 0), n_weeks):
        judged = assess_series(counts.until(int(counts.weeks[row])), settings=settings)
        signals = judged[judged["signal"]].copy()
        keys = _keys(signals)
        runs = {key: min(runs.get(key, 0) + 1, _LONGEST_RUN) for key in keys}
        if row >= n_weeks - weeks:
            signals["weeks_running"] = [runs[key] for key in keys]
            told.append(_told(signals, settings))
    return pd.concat(told, ignore_index=True)


def window_weeks(method: str) -> int:
    """Weeks that the figures of a stored signal are summed over, read from its `method`."""
    found = re.fullmatch(r"\w+_(\d+)w", method)
    return int(found.group(1)) if found else 1


_Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class _Evidence:
    """All judgements of the newest week, and what they rest on."""

    judgements: tuple[WindowJudgement, ...]  # the newest week by itself comes first
    methods: tuple[str, ...]  # one per judgement
    week: WindowJudgement  # the newest week by itself, by the better method a series allows
    long: Bools  # (n_series,) judged by the long past too
    weeks_of_past: Ints
    reasons: NDArray[np.str_]


def _gather(counts: WeeklyCounts, settings: SignalSettings) -> _Evidence:
    cross = _cross(counts)
    recorded = counts.recorded
    short = judge_by_short_past(counts.matrix, cross, settings.short_past, band=settings.band, recorded=recorded)
    judgements: tuple[WindowJudgement, ...] = short.windows
    methods = ["short_past"] * len(judgements)
    week = next(judgement for judgement in judgements if judgement.weeks == 1)
    long = np.zeros(counts.matrix.shape[1], dtype=bool)
    if long_enough(counts.matrix, cross, settings.long_past, recorded).any():
        by_long = judge_by_long_past(
            counts.matrix, cross, _mondays(counts), settings.long_past, band=settings.band, recorded=recorded
        )
        long = ~np.isnan(by_long.rise_p)
        week = _prefer(long, by_long, week)
        judgements, methods = (*judgements, by_long), [*methods, "long_past"]
    reasons = _reasons(counts, long, short.baseline_weeks, settings)
    return _Evidence(judgements, tuple(methods), week, long, short.baseline_weeks, reasons)


def _cross(counts: WeeklyCounts) -> Cross:
    codes = (pd.factorize(counts.series[name], sort=True)[0] for name in ("area", "category"))
    area, category = (code.astype(np.int64) for code in codes)
    return Cross(area, category)


def _mondays(counts: WeeklyCounts) -> Dates:
    local = pd.to_datetime(counts.weeks, unit="s", utc=True).tz_convert(counts.time_zone)
    return local.tz_localize(None).normalize().to_numpy().astype("datetime64[D]")


def _prefer(where: Bools, first: WindowJudgement, second: WindowJudgement) -> WindowJudgement:
    names = ("observed", "expected", "lower", "upper", "rise_p", "silence_p", "zero_p")
    return WindowJudgement(1, *(np.where(where, getattr(first, n), getattr(second, n)) for n in names))


def _reasons(counts: WeeklyCounts, long: Bools, weeks_of_past: Ints, settings: SignalSettings) -> NDArray[np.str_]:
    years = settings.long_past.least_years * 52
    short = weeks_of_past < settings.short_past.least_baseline_weeks
    n_weeks = len(counts.weeks)
    thin = len(counts.weeks) > years + settings.long_past.regression.half_window
    reason = np.where(long, "years_of_past", "thin_counts" if thin else "months_of_past")
    if counts.recorded is None:
        return np.where(short, "too_short", reason)
    reference = settings.short_past.baseline_weeks + max(settings.short_past.windows)
    partly = ~counts.recorded[max(n_weeks - reference, 0) :].all(axis=0) & ~long
    reason = np.where(partly, "partly_recorded", reason)
    return np.where(counts.recorded[-1], np.where(short, "too_short", reason), "not_recorded")


def _direction_rows(
    counts: WeeklyCounts, evidence: _Evidence, direction: Direction, settings: SignalSettings
) -> pd.DataFrame:
    raw = np.stack([_raw_p(judgement, direction) for judgement in evidence.judgements])
    guarded = np.stack([_guarded_p(j, evidence.week, direction, settings) for j in evidence.judgements])
    # Bonferroni over the judgements a series has. It holds although they overlap.
    n_looks = np.maximum((~np.isnan(guarded)).sum(axis=0), 1)
    # The window shown is the clearest of those that may be told, or else the clearest of all.
    missing = np.isnan(guarded)
    choice = np.lexsort((np.where(missing, 2.0, raw), np.where(missing, 2.0, guarded)), axis=0)[0]
    columns = np.arange(raw.shape[1])
    picked = {
        name: np.stack([getattr(j, name) for j in evidence.judgements])[choice, columns]
        for name in ("observed", "expected", "lower", "upper")
    }
    windows = np.array([j.weeks for j in evidence.judgements])[choice]
    methods = np.array(evidence.methods)[choice]
    untested = np.isnan(raw[choice, columns])
    names = [
        str(reason) if reason in _UNJUDGED else f"{method}_{weeks}w"
        for reason, method, weeks in zip(evidence.reasons, methods, windows, strict=True)
    ]
    return pd.DataFrame(
        {
            "week": counts.newest(),
            "area": counts.series["area"],
            "category": counts.series["category"],
            "direction": pd.Series(direction, index=counts.series.index, dtype="str"),
            **picked,
            "p_value": np.where(untested, np.nan, np.minimum(raw[choice, columns] * n_looks, 1.0)),
            "guarded_p": np.minimum(guarded[choice, columns] * n_looks, 1.0),
            "method": pd.Series(names, dtype="str"),
            "window_weeks": windows,
            "method_reason": pd.Series(evidence.reasons, dtype="str"),
            "weeks_of_past": evidence.weeks_of_past,
            "week_observed": evidence.week.observed,
            "week_expected": evidence.week.expected,
            "week_lower": evidence.week.lower,
            "week_upper": evidence.week.upper,
        }
    )


def _raw_p(judgement: WindowJudgement, direction: Direction) -> Floats:
    if direction == "rise":
        return judgement.rise_p
    return np.where(judgement.zero_p <= _SILENCE_POSSIBLE, judgement.silence_p, np.nan)


def _guarded_p(
    judgement: WindowJudgement, week: WindowJudgement, direction: Direction, settings: SignalSettings
) -> Floats:
    """The p-value, raised to 1 where the signal would not be worth telling; raising keeps a p-value valid."""
    if direction == "rise":
        few = judgement.observed < settings.minimum_count
        over = week.observed < week.expected
    else:
        few = judgement.expected < settings.minimum_count
        over = week.observed > week.expected
    raw = _raw_p(judgement, direction)
    # A rise of the last four weeks that has gone in the newest is no news any more.
    return np.where(np.isnan(raw), np.nan, np.where(few | over, 1.0, raw))


def _weeks_running(counts: WeeklyCounts, signals: pd.DataFrame, settings: SignalSettings) -> list[int]:
    """For how many weeks in a row each signal has been one, by replaying the weeks before."""
    keys = _keys(signals)
    runs = dict.fromkeys(keys, 1)
    running = set(keys)
    for week in counts.weeks[-2 : -_LONGEST_RUN - 1 : -1]:
        if not running:
            break
        judged = assess_series(counts.until(int(week)), settings=settings)
        running &= set(_keys(judged[judged["signal"]]))
        for key in running:
            runs[key] += 1
    return [runs[key] for key in keys]


def _keys(signals: pd.DataFrame) -> list[_Key]:
    return list(zip(signals["area"], signals["category"], signals["direction"], strict=True))


def _told(signals: pd.DataFrame, settings: SignalSettings) -> pd.DataFrame:
    told = signals[signals["weeks_running"] >= settings.least_weeks_running]
    told = told.sort_values(["q_value", "p_value", "area", "category"], kind="stable", ignore_index=True)
    whole = {"week": "int64", "observed": "int64", "weeks_running": "int64", "window_weeks": "int64"}
    return told[[*SIGNAL_COLUMNS, *EXTRA_COLUMNS]].astype(whole)
