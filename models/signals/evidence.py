"""Judging every series of one table of counts, by the method its past allows: the evidence before any choice."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.signals.attainable import NullSteps, null_steps, silence_steps, together
from models.signals.counts import WeeklyCounts
from models.signals.long_past import judge_by_long_past, long_enough
from models.signals.reference_weeks import Dates
from models.signals.settings import SignalSettings
from models.signals.short_past import WindowJudgement, judge_by_short_past
from models.signals.siblings import Cross
from models.signals.whole_city import judge_whole_city

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

Direction = Literal["rise", "silence"]
DIRECTIONS: Final[tuple[Direction, ...]] = ("rise", "silence")

# A silence is looked for only where nothing at all would be as improbable as this; elsewhere it could never become a
# signal among many series. That depends on the expectation and not on the week's count, so leaving the others out of
# the family is fair.
_SILENCE_POSSIBLE: Final = 0.001
# Why a series may have no judgement at all: its past is too short, or its newest week was not recorded.
_UNJUDGED: Final = ("too_short", "not_recorded")


@dataclass(frozen=True, slots=True)
class Evidence:
    """All judgements of the newest week, and what they rest on."""

    judgements: tuple[WindowJudgement, ...]  # the newest week by itself comes first
    methods: tuple[str, ...]  # one per judgement
    week: WindowJudgement  # the newest week by itself, by the better method a series allows
    long: Bools  # (n_series,) judged by the long past too
    weeks_of_past: Ints
    reasons: NDArray[np.str_]


def gather(counts: WeeklyCounts, settings: SignalSettings, *, whole: bool = False) -> Evidence:
    """Judge the newest weeks of every series of `counts`.

    `whole`: every series is a sum over all areas. It has no siblings, and is judged by its own past alone.
    """
    evidence = _gather_whole(counts, settings) if whole else _gather_crossed(counts, settings)
    if counts.settled is None:
        return evidence
    # A rise that is there only through a channel just introduced is none: it has to show without it too.
    without = gather(replace(counts, matrix=counts.settled, settled=None), settings, whole=whole)
    return replace(evidence, judgements=_both_ways(evidence, without))


def _both_ways(evidence: Evidence, without: Evidence) -> tuple[WindowJudgement, ...]:
    """The judgements, with the larger of the two p-values of a rise."""
    names = [(one.weeks, name) for one, name in zip(without.judgements, without.methods, strict=True)]
    judged = []
    for one, name in zip(evidence.judgements, evidence.methods, strict=True):
        # Too thin for the regression without the channel: then the newest week by the short past has to show it.
        key = (one.weeks, name)
        other = without.judgements[names.index(key)] if key in names else without.week
        rise = np.where(np.isnan(other.rise_p), without.week.rise_p, other.rise_p)
        judged.append(replace(one, rise_p=np.maximum(one.rise_p, rise)))
    return tuple(judged)


def _gather_crossed(counts: WeeklyCounts, settings: SignalSettings) -> Evidence:
    cross = _cross(counts)
    recorded, complete = counts.recorded, counts.complete
    short = judge_by_short_past(
        counts.matrix, cross, settings.short_past, band=settings.band, recorded=recorded, complete=complete
    )
    judgements: tuple[WindowJudgement, ...] = short.windows
    methods = ["short_past"] * len(judgements)
    week = next(judgement for judgement in judgements if judgement.weeks == 1)
    long = np.zeros(counts.matrix.shape[1], dtype=bool)
    if long_enough(counts.matrix, cross, settings.long_past, recorded).any():
        by_long = judge_by_long_past(
            counts.matrix,
            cross,
            _mondays(counts),
            settings.long_past,
            band=settings.band,
            recorded=recorded,
            complete=complete,
        )
        long = ~np.isnan(by_long.rise_p)
        week = _prefer(long, by_long, week)
        judgements, methods = (*judgements, by_long), [*methods, "long_past"]
    reasons = _reasons(counts, long, short.baseline_weeks, settings)
    return Evidence(judgements, tuple(methods), week, long, short.baseline_weeks, reasons)


def _gather_whole(counts: WeeklyCounts, settings: SignalSettings) -> Evidence:
    judged = judge_whole_city(
        counts.matrix,
        _mondays(counts),
        settings.short_past,
        settings.long_past,
        band=settings.band,
        recorded=counts.recorded,
        complete=counts.complete,
    )
    long = ~np.isnan(judged.seasonal.rise_p)
    newest = next(judgement for judgement in judged.windows if judgement.weeks == 1)
    week = _prefer(long, judged.seasonal, newest)
    said = long | ~np.isnan(newest.rise_p)
    reasons = np.where(long, "whole_years", np.where(said, "whole_months", "too_short"))
    if counts.recorded is not None:
        reasons = np.where(counts.recorded[-1], reasons, "not_recorded")
    methods = ("own_past",) * len(judged.windows) + ("own_years",)
    return Evidence((*judged.windows, judged.seasonal), methods, week, long, judged.weeks_of_past, reasons)


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
    reference = settings.short_past.baseline_weeks + max(settings.short_past.looked_at())
    partly = ~counts.recorded[max(n_weeks - reference, 0) :].all(axis=0) & ~long
    reason = np.where(partly, "partly_recorded", reason)
    return np.where(counts.recorded[-1], np.where(short, "too_short", reason), "not_recorded")


def direction_rows(
    counts: WeeklyCounts, evidence: Evidence, direction: Direction, settings: SignalSettings
) -> pd.DataFrame:
    """One row per series: the clearest of its judgements in that direction, corrected for having looked at several."""
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
            "tested_p": np.minimum(guarded[choice, columns] * n_looks, 1.0),
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


def family_steps(evidence: Evidence, tested: tuple[Bools, Bools], settings: SignalSettings) -> NullSteps:
    """What the rises and silences of one table can take, for the procedure "discrete".

    `tested`: which series belong to the family, for each direction.
    """
    rises = null_steps(evidence.judgements, least_count=settings.minimum_count, tested=tested[0])
    possible = np.stack([_raw_p(judgement, "silence") for judgement in evidence.judgements])
    looks = np.maximum((~np.isnan(possible)).sum(axis=0), 1)
    least = np.min([np.where(np.isnan(j.zero_p), 1.0, j.zero_p) for j in evidence.judgements], axis=0)
    return together([rises, silence_steps(np.where(tested[1], least * looks, np.nan))])


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
