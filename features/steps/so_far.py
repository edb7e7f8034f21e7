"""The case so far: its steps, its times, its attributes and what was known when it opened."""

from __future__ import annotations

import numpy as np
import pandas as pd

from features.steps.columns import kind
from features.steps.log import StepLog
from features.steps.runs import Floats, Int64s, count_so_far, last_row_where, moments_so_far
from features.steps.vocabulary import OTHER, StepVocabulary, coded, counted_levels

HOUR = 3600.0
DAY = 86400.0
Columns = dict[str, "Floats | pd.Series"]


def steps_so_far(log: StepLog, vocabulary: StepVocabulary) -> Columns:
    """Which steps the case has had, how often and in which order."""
    start, names = log.start, np.asarray(log.steps, dtype=object)
    columns: Columns = {"events": log.place.astype(float)}
    columns.update(_last_steps(log, vocabulary))
    places = {name: place for place, name in enumerate(log.steps)}
    rest = np.ones(len(log.case), dtype=bool)
    for name in vocabulary.counted:
        hit = log.step == places.get(name, -1)
        rest &= ~hit
        columns[f"count {name}"] = count_so_far(hit, start).astype(float)
    columns[f"count {OTHER}"] = count_so_far(rest, start).astype(float)
    new = ~pd.DataFrame({"c": log.case, "s": names[log.step]}).duplicated().to_numpy()
    distinct = count_so_far(new, start).astype(float)
    columns["steps_distinct"], columns["steps_repeated"] = distinct, log.place - distinct
    columns["step_is_repeat"] = (~new).astype(float)
    same = (log.step == np.roll(log.step, 1)) & (log.place > 1)
    columns["step_run"] = (np.arange(len(same)) - np.maximum(last_row_where(~same, start), 0) + 1).astype(float)
    return columns


def _last_steps(log: StepLog, vocabulary: StepVocabulary) -> Columns:
    """Tell this step and the two before it."""
    names = np.asarray([*log.steps, None], dtype=object)
    columns: Columns = {}
    for back, title in enumerate(("step_now", "step_before", "step_before_that")):
        row = np.arange(len(log.step)) - back
        code = np.where(log.place > back, log.step[np.maximum(row, 0)], len(log.steps))
        columns[title] = coded(pd.Series(names[code], dtype=object), vocabulary.counted)
    return columns


def times_so_far(log: StepLog, vocabulary: StepVocabulary) -> Columns:
    """How long the case has lasted, the gaps between its events, the clock, and the age of its commonest steps."""
    at, start = log.at, log.start
    gap = np.where(log.place > 1, at - np.roll(at, 1), 0).astype(float)
    elapsed = (at - at[start]).astype(float)
    columns: Columns = {"elapsed_days": elapsed / DAY, "gap_days": np.where(log.place > 1, gap / DAY, np.nan)}
    figures = moments_so_far(np.where(log.place > 1, gap / DAY, np.nan), log.case, start)
    columns.update({f"gap_{name}": figures[name] for name in ("mean", "std", "max")})
    columns["gap_share"] = np.where(elapsed > 0, gap / np.maximum(elapsed, 1), np.nan)
    columns["events_per_day"] = log.place / (elapsed / DAY + 1)
    columns["same_moment"] = count_so_far((np.roll(at, 1) == at) & (log.place > 1), start).astype(float)
    columns["clock_hour"] = (at % 86400) / HOUR
    columns["clock_weekday"] = ((at // 86400 + 3) % 7).astype(float)
    month = log.moment.astype("datetime64[ms]").astype("datetime64[M]").astype(np.int64) % 12
    columns["clock_month"] = month.astype(float)
    columns["opened_weekday"] = columns["clock_weekday"][start]
    columns["opened_hour"] = columns["clock_hour"][start]
    places = {name: place for place, name in enumerate(log.steps)}
    for name in vocabulary.timed:
        hit = log.step == places.get(name, -1)
        row = last_row_where(hit, start)
        columns[f"since {name}"] = np.where(row >= 0, (at - at[np.maximum(row, 0)]) / DAY, np.nan)
    return columns


def attributes_so_far(log: StepLog, vocabulary: StepVocabulary) -> Columns:
    """Attributes as they stand, how often they changed, and what they were before."""
    start, at = log.start, log.at
    columns: Columns = {}
    for name in map(str, log.attributes.columns):
        held = log.attributes[name]
        if name in log.moments:
            columns[f"{name} ahead"] = (held.to_numpy(np.float64) - at) / DAY
        elif kind(held) == "category":
            columns.update(_category(name, held, log, vocabulary))
        else:
            values = held.to_numpy(np.float64)
            columns[name] = values
            columns[f"{name} changes"] = _changes(values, log)
            figures = moments_so_far(values, log.case, start)
            columns.update({f"{name} {figure}": found for figure, found in figures.items()})
            columns[f"{name} since start"] = values - values[start]
    return columns


def _category(name: str, held: pd.Series, log: StepLog, vocabulary: StepVocabulary) -> Columns:
    levels = vocabulary.levels.get(name, ())
    columns: Columns = {name: coded(held, levels)}
    codes = np.asarray(pd.factorize(held.to_numpy(), use_na_sentinel=True)[0], dtype=np.float64)
    columns[f"{name} changes"] = _changes(codes, log)
    for level in counted_levels(levels):
        columns[f"{name} is {level}"] = count_so_far((held == level).to_numpy(dtype=bool), log.start).astype(float)
    return columns


def _changes(values: Floats, log: StepLog) -> Floats:
    before = np.roll(values, 1)
    changed = (values != before) & ~(np.isnan(values) & np.isnan(before)) & (log.place > 1)
    return count_so_far(changed, log.start).astype(float)


def static_of(log: StepLog, vocabulary: StepVocabulary) -> Columns:
    """What was known when the case opened; a moment ahead of the opening is a deadline, with what is left of it."""
    columns: Columns = {}
    opened = log.opened_at.astype(float)
    for name in map(str, log.static.columns):
        held = log.static[name]
        if name in log.moments:
            columns.update(_deadline(name, held.to_numpy(np.float64), opened, log))
        elif kind(held) == "category":
            columns[name] = coded(held, vocabulary.levels.get(name, ())).iloc[log.case].reset_index(drop=True)
            columns.update(_lists(name, held, log.case, vocabulary))
        else:
            columns[name] = held.to_numpy(np.float64)[log.case]
    return columns


def _lists(name: str, held: pd.Series, case: Int64s, vocabulary: StepVocabulary) -> Columns:
    """One column for each member of a list, and how many members it has."""
    members = vocabulary.several.get(name, ())
    if not members:
        return {}
    parts = held.fillna("").map(lambda text: frozenset(text.split(",")))
    columns: Columns = {f"{name} has {m}": parts.map(lambda p, m=m: m in p).to_numpy(float)[case] for m in members}
    columns[f"{name} members"] = parts.map(len).to_numpy(float)[case]
    return columns


def _deadline(name: str, due: Floats, opened: Floats, log: StepLog) -> Columns:
    given = due - opened
    if not np.nanmax(np.append(given, -1.0)) > DAY:
        return {f"{name} before opening": -given[log.case] / DAY}
    left = due[log.case] - log.at
    span = np.where(given > 0, given, np.nan)[log.case]
    return {
        f"{name} given": given[log.case] / DAY,
        f"{name} left": left / DAY,
        f"{name} passed": 1 - left / span,
    }
