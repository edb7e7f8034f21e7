"""Weak signals of a week: which series rise, or fall silent, beyond what their past explains.

Every area and category is judged by the method its past allows; all rises and silences of the week then form one family
whose false-discovery rate is controlled, so that one promise covers the whole list: at most about a tenth of it (with
the default level) is false alarm. Conditions that make a signal worth telling, such as a least number of cases, enter
before that control, as a p-value of 1. Striking signals off afterwards would spoil the promise.

Where areas lie in each other, or categories belong to groups, their sums are judged too, in the same family, and the
same rise is not told twice; see `models.signals.selection`.
"""

from __future__ import annotations

import re
from typing import Final

import pandas as pd

from data.errors import UsageError
from models.signals.budget import told_first
from models.signals.counts import WeeklyCounts
from models.signals.evidence import DIRECTIONS, direction_rows, family_steps, gather
from models.signals.fdr import discrete_q_values, q_values
from models.signals.hierarchy import Groups, Hierarchy, Parents, hierarchy_of
from models.signals.settings import SignalSettings
from models.signals.sums import assess_with_sums, plain_columns, tested_in

__all__ = [
    "EXTRA_COLUMNS",
    "SIGNAL_COLUMNS",
    "SignalSettings",
    "assess_series",
    "detect_signals",
    "history",
    "window_weeks",
]

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
# What a sum is made of; of a series, the same columns say that it is one.
_SUM_COLUMNS: Final = ("level", "usual", "part_kind", "n_parts", "parts_left_out", "parts_rising", "parts_told")
EXTRA_COLUMNS: Final = ("window_weeks", "method_reason", "weeks_of_past", *_SUM_COLUMNS, "told")

# Weeks in a row are counted back so far and no further.
_LONGEST_RUN: Final = 12


def detect_signals(
    counts: WeeklyCounts,
    *,
    settings: SignalSettings | None = None,
    parents: Parents | None = None,
    groups: Groups | None = None,
) -> pd.DataFrame:
    """Weak signals of the newest complete week.

    Weeks that `counts.recorded` leaves out are no past to compare with, and a series whose newest week is left out
    raises no signal: that a recording stopped is one finding (`data.quality.recording`), and not many silences.

    Parameters
    ----------
    parents : from an area to the one that it lies in: sums over areas are judged too, up to the whole city. Where not
        all areas lie in one and the same, that is called `ALL` ("*").
    groups : from a category to its group: sums over the categories of a group are judged too, in areas of all levels.

    Returns
    -------
    DataFrame sorted by q-value (then p-value, area, category), one row per signal, with the columns `SIGNAL_COLUMNS`
    and `EXTRA_COLUMNS`.

    - `observed`, `expected`, `lower`, `upper` are sums over the newest `window_weeks` weeks: the window in which the
      signal is clearest. `method` ends in it too, as in "short_past_4w".
    - `week`: start of the newest week, UTC seconds.
    - `p_value`: before, `q_value`: after the control over all series and sums of the week.
    - `weeks_running`: for so many weeks in a row, this one included, a signal; counted up to 12.
    - `method_reason`: why this method, as a code; `models.signals.sentence.reason_sentence` says it in words.
    - `level`: "series", or "sum" over areas or categories. Of a sum, `n_parts` counts the areas in it (the categories,
      where it is of one area; see `part_kind`), `parts_rising` those above their share of what is expected of the sum
      (below it, for a silence), `parts_told` the signals told within it, `parts_left_out` the parts it is made without,
      because they were not recorded throughout the last year. A sum is told only where what remains of it without the
      signals of finer sums and series is one too; its numbers are those of the whole sum.
    - `usual`: what the weeks of the past alone make usual in that window, whatever else moved this week. Over the
      parts of a sum it adds up to the sum's, from village to city. (`expected` cannot: it knows how the problem moves
      outside the series or the sum in question, which is another outside for each.) NaN without `parents` and `groups`.
    - `told`: within the limits `most_per_area` and `most_per_week`.

    No signal gives an empty frame with the same columns; so does a record too short to judge anything.

    Raises
    ------
    UsageError
        If areas lie in each other in a circle, or a group is called like a category.
    """
    settings = settings or SignalSettings()
    hierarchy = _hierarchy(counts, parents, groups)
    judged = _assess(counts, settings, hierarchy)
    signals = judged[judged["signal"]].copy()
    signals["weeks_running"] = _weeks_running(counts, signals, settings, hierarchy)
    return _told(signals, settings)


def assess_series(
    counts: WeeklyCounts,
    *,
    settings: SignalSettings | None = None,
    parents: Parents | None = None,
    groups: Groups | None = None,
) -> pd.DataFrame:
    """Judge every series and sum of the newest week, signal or not: for charts, for checks, to see why there is none.

    Returns
    -------
    DataFrame with two rows per series (rise, silence), in series order, then two per sum, with the columns of
    `detect_signals` but `weeks_running` and `told`, and

    - `week_observed`, `week_expected`, `week_lower`, `week_upper`: of the newest week by itself;
    - `signal`: whether the week's control calls it one. NaN in `p_value`: not tested, see `method_reason`;
    - `tested_p`: the p-value as it enters that control: 1 where a signal would not be worth telling.
    - `covered`, with `parents` or `groups`: a sum that would be a signal but for finer ones, which explain it.

    Where an area has others in it, reports placed on that area itself are a part of its sum and no series of their own.
    """
    return _assess(counts, settings or SignalSettings(), _hierarchy(counts, parents, groups))


def history(
    counts: WeeklyCounts,
    *,
    weeks: int,
    settings: SignalSettings | None = None,
    parents: Parents | None = None,
    groups: Groups | None = None,
) -> pd.DataFrame:
    """The signals of each of the newest `weeks` weeks, as if judged live at the end of that week.

    The frame is that of `detect_signals`, sorted by week and then as there. Every week sees its own past only; the
    counts themselves are those known at `counts.as_of`, so a report that came in late is already in its week, and what
    `counts.recorded` and `counts.settled` say of a week may have become clear later. Only counts made ready anew at
    each moment (`models.signals.traps`) are those of that moment.
    """
    if weeks < 1:
        raise UsageError(f"Expected at least one week to replay, got weeks={weeks}.")
    settings = settings or SignalSettings()
    hierarchy = _hierarchy(counts, parents, groups)
    n_weeks = len(counts.weeks)
    told = []
    runs: dict[_Key, int] = {}
    # Some weeks more than asked for, so that the first ones asked for know how long their signals have run.
    for row in range(max(n_weeks - weeks - _LONGEST_RUN + 1, 0), n_weeks):
        judged = _assess(counts.until(int(counts.weeks[row])), settings, hierarchy)
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


def _hierarchy(counts: WeeklyCounts, parents: Parents | None, groups: Groups | None) -> Hierarchy | None:
    return None if parents is None and groups is None else hierarchy_of(counts.series, parents, groups)


def _assess(counts: WeeklyCounts, settings: SignalSettings, hierarchy: Hierarchy | None) -> pd.DataFrame:
    evidence = gather(counts, settings)
    rows = [direction_rows(counts, evidence, direction, settings) for direction in DIRECTIONS]
    if hierarchy is not None:
        return assess_with_sums(counts, evidence, rows, hierarchy, settings).assign(fdr_level=settings.fdr_level)
    judged = plain_columns(pd.concat(rows, ignore_index=True))
    p = judged["tested_p"].to_numpy(dtype=float)
    if settings.procedure == "discrete":
        q = discrete_q_values(p, family_steps(evidence, tested_in(p.reshape(2, -1)), settings))
    else:
        q = q_values(p, procedure=settings.procedure)
    judged["q_value"] = q
    judged["signal"] = q <= settings.fdr_level
    judged["fdr_level"] = settings.fdr_level
    return judged


def _weeks_running(
    counts: WeeklyCounts, signals: pd.DataFrame, settings: SignalSettings, hierarchy: Hierarchy | None
) -> list[int]:
    """For how many weeks in a row each signal has been one, by replaying the weeks before."""
    keys = _keys(signals)
    runs = dict.fromkeys(keys, 1)
    running = set(keys)
    for week in counts.weeks[-2 : -_LONGEST_RUN - 1 : -1]:
        if not running:
            break
        judged = _assess(counts.until(int(week)), settings, hierarchy)
        running &= set(_keys(judged[judged["signal"]]))
        for key in running:
            runs[key] += 1
    return [runs[key] for key in keys]


def _keys(signals: pd.DataFrame) -> list[_Key]:
    return list(zip(signals["area"], signals["category"], signals["direction"], strict=True))


def _told(signals: pd.DataFrame, settings: SignalSettings) -> pd.DataFrame:
    told = signals[signals["weeks_running"] >= settings.least_weeks_running]
    first = told_first(told, most_per_area=settings.most_per_area, most_per_week=settings.most_per_week)
    told = told.assign(told=first)
    told = told.sort_values(["q_value", "p_value", "area", "category"], kind="stable", ignore_index=True)
    whole = {"week": "int64", "observed": "int64", "weeks_running": "int64", "window_weeks": "int64"}
    return told[[*SIGNAL_COLUMNS, *EXTRA_COLUMNS]].astype(whole)
