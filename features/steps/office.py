"""The office at the moment of a landmark: its load, what waits at the same step, and its pace."""

from __future__ import annotations

from typing import Final

import numpy as np

from features.steps.columns import kind
from features.steps.known import KnownFacts, codes_of, shrunken
from features.steps.log import StepLog
from features.steps.record import Target
from features.steps.runs import Floats, Int64s

_WINDOWS: Final = (7, 28, 91)
_DAY: Final = 86400.0
_STRENGTH: Final = 10.0


def load(log: StepLog) -> dict[str, Floats]:
    """The office's load against its own past year, strictly before each landmark.

    Ratios, not counts: a count of a growing office tells a model the date, and nothing that will hold later.
    """
    at, one = log.at, np.ones(len(log.case), dtype=np.int64)
    cases = np.ones(len(log.case_ids), dtype=np.int64)
    opened, ended = KnownFacts.of(cases, log.opened_at), KnownFacts.of(cases, log.ended_at, keep=log.closed)
    events = KnownFacts.of(one, at)
    still = (opened.count(one, at) - ended.count(one, at)).astype(float)
    columns = {}
    for name, facts in (("opened", opened), ("closed", ended), ("events", events)):
        usual = _per_day(facts, one, at, 365, log)
        for days in _WINDOWS:
            columns[f"load_{name}_{days}d"] = _ratio(facts.count(one, at, days) / days, usual)
    columns.update(_worked(events, one, log))
    columns["load_backlog_days"] = np.log1p(still / (_per_day(ended, one, at, 91, log) + 0.01))
    columns["load_balance_28d"] = _ratio(opened.count(one, at, 28) / 28.0, ended.count(one, at, 28) / 28.0)
    columns.update(_at_step(log))
    return columns


def _worked(events: KnownFacts, one: Int64s, log: StepLog) -> dict[str, Floats]:
    """The office's own working time since the opening and since the case's event before, in usual days of it.

    Told by what the office did in between: nights, weekends and holidays pass without work, and a promise in working
    hours is missed by work that was not done. Compared by temporal validation inside the training parts of incidents
    and fines (a sample, bare trees, two cuts each): mean AUC .803 with these and the opening's hour of the week, which
    was not kept, .800 without.
    """
    at, start = log.at, log.start
    usual = _per_day(events, one, at, 365, log) + 0.01
    done = events.count(one, at).astype(float)
    before = np.where(log.place > 1, np.arange(len(at)) - 1, np.arange(len(at)))
    return {
        "load_since_opening": (done - events.count(one, at[start])) / usual,
        "load_since_event": (done - events.count(one, at[before])) / usual,
    }


def _per_day(facts: KnownFacts, codes: Int64s, at: Int64s, days: int, log: StepLog) -> Floats:
    """How many a day in a window, which is shorter at the beginning of the log."""
    length = np.clip((at - int(log.opened_at.min())) / _DAY, 1.0, days)
    return facts.count(codes, at, days) / length


def _at_step(log: StepLog) -> dict[str, Floats]:
    """How many cases wait at this step for each that leaves it in a day, how many came to it of late against the past
    quarter, and how long ago the office last took it: offices work in batches.
    """
    at, step = log.at, log.step + 1
    left_at = np.append(at[1:], 0)
    left_at[log.last_rows] = log.ended_at
    gone = np.ones(len(step), dtype=bool)
    gone[log.last_rows] = log.closed
    came, went = KnownFacts.of(step, at), KnownFacts.of(step, left_at, keep=gone)
    waiting = (came.count(step, at) - went.count(step, at)).astype(float)
    usual = _per_day(came, step, at, 91, log)
    columns = {"step_wait_days": np.log1p(waiting / (_per_day(went, step, at, 28, log) + 0.01))}
    for days in (1, 7, 28):
        columns[f"step_taken_{days}d"] = _ratio(came.count(step, at, days) / days, usual)
    columns["step_last_taken"] = np.log1p(came.since(step, at) * usual)
    return columns


def _ratio(now: Floats, usual: Floats) -> Floats:
    return np.asarray(np.log((now + 0.05) / (usual + 0.05)))


def pace(log: StepLog, target: Target) -> dict[str, Floats]:
    """Mean log days from opening to end of the cases that ended of late, and how the case stands against others.

    By all, by the step now (from that step to the end) and by each static category. A case that is slow at a step for
    its office has an `elapsed_against_step` above 0.
    """
    at, one = log.at, np.ones(len(log.case), dtype=np.int64)
    asked = target.asked(at)
    lasted = np.log1p((log.ended_at - log.opened_at) / _DAY)
    known_at = np.maximum(target.known_at[log.last_rows], log.ended_at)
    keep = target.known(known_at) & log.closed
    whole = KnownFacts.of(np.ones(len(lasted), dtype=np.int64), known_at, lasted, keep)
    ever = _mean(*whole.sums(one, asked))
    year = shrunken(*whole.sums(one, asked, 365), ever, _STRENGTH)
    columns = {f"pace_{d}d": shrunken(*whole.sums(one, asked, d), year, _STRENGTH) - year for d in (28, 91)}
    columns["pace_year"] = year - ever
    for name in (str(n) for n in log.static.columns if kind(log.static[n]) == "category"):
        code = codes_of(log.static[name])
        facts = KnownFacts.of(code, known_at, lasted, keep)
        columns[f"pace {name}"] = shrunken(*facts.sums(code[log.case], asked, 365), year, _STRENGTH) - year
    columns.update(_against_step(log, asked, target))
    return columns


def _against_step(log: StepLog, asked: Int64s, target: Target) -> dict[str, Floats]:
    at, step = log.at, log.step + 1
    elapsed = np.log1p((at - at[log.start]) / _DAY)
    usual = KnownFacts.of(step, at, elapsed)
    ended = log.ended_at[log.case]
    remaining = np.log1p((ended - at) / _DAY)
    keep = target.known(target.known_at) & log.closed[log.case]
    to_go = KnownFacts.of(step, target.known_at, remaining, keep)
    ever = _mean(*to_go.sums(step, asked))
    return {
        "elapsed_against_step": elapsed - _mean(*usual.sums(step, at, 365)),
        "pace_step": ever,
        "pace_step_365d": shrunken(*to_go.sums(step, asked, 365), ever, _STRENGTH) - ever,
        "pace_step_91d": shrunken(*to_go.sums(step, asked, 91), ever, _STRENGTH) - ever,
    }


def _mean(n: Floats, total: Floats) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        return total / n
