"""Since when, and until when, a type of problem is recorded at all, and where.

A week without reports says that nothing happened only where reports would have been recorded. A run of empty weeks that
the weeks beside it make all but impossible is a start, a stop or a gap of the record: its probability is that of a
gamma-Poisson law with the rate of the adjacent weeks, over-dispersed as the series is. The rate is taken from the weeks
next to the run, and from a longer stretch, and the lower one counts: what fades with the season is no stop. Findings
are controlled at a false-discovery rate of 1 % (Benjamini and Hochberg) over all runs looked at.

Series that are looked at: each category, and each area, channel and office, all categories together; then the
categories within each area and channel. A category that stops everywhere is told once and not for every area.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.quality.label_trust_nulls import q_values
from data.quality.recording_mix import Mix, same_mix
from data.quality.recording_runs import SHORTEST_RUN, Code, Run, Weeks, empty_runs
from data.quality.recording_words import sentences

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

COLUMNS: Final = (
    "code",
    "unit",
    "category",
    "area",
    "channel",
    "office",
    "other",
    "first_week",
    "last_week",
    "weeks",
    "reports",
    "usual_per_week",
    "p_value",
    "q_value",
    "similarity",
    "zh",
    "en",
)
UNITS: Final[dict[str, tuple[str, ...]]] = {
    "category": ("category",),
    "area": ("area",),
    "channel": ("channel",),
    "office": ("office",),
    "category_area": ("category", "area"),
    "category_channel": ("category", "channel"),
}
LEVEL: Final = 0.01
WEEK: Final = 7 * 86_400

# From two on, units that join are a roll-out; a rename is looked for within two weeks.
_FEWEST_UNITS: Final = 2
_RENAME_WEEKS: Final = 2
_FEWEST_PARTS: Final = 3
_SAME_FORTNIGHT: Final = 2
_VOLUME: Final = (0.5, 2.0)
_SAME_MIX: Final = 0.8


def recording(cases: pd.DataFrame, as_of: int, time_zone: str) -> pd.DataFrame:
    """Starts, stops, gaps, roll-outs and rename candidates of a record as known before `as_of`.

    Parameters
    ----------
    cases : DataFrame as `data.event_log.fold_cases` gives it, of the events known before `as_of`
    as_of : int64 seconds in UTC; the newest week looked at is the last one that ended by then
    time_zone : IANA name; weeks begin there on Monday 00:00

    Returns
    -------
    DataFrame with `COLUMNS`, one row per finding, in order of code, unit and names

    - `code`: "start" (not recorded before), "stop" (no longer recorded), "gap" (not recorded in between), "roll_out"
      (areas, channels or offices that join the record one after the other), "rename" (one name stops as another
      starts);
    - `unit`: which series it is, a key of `UNITS`; `category`, `area`, `channel`, `office` name it, null elsewhere;
      `other`: of a rename, the new name;
    - `first_week`, `last_week`: local Mondays 00:00 as UTC seconds. Of a start the first week that is wholly recorded
      and the newest week; of a stop the first and the last empty week; of a gap likewise; of a roll-out the first weeks
      of the earliest and of the latest to join; of a rename the last week of the old and the first of the new name;
    - `weeks`: length of the empty run, or of the roll-out; `reports`: reports on the recorded side (of a roll-out:
      units that joined); `usual_per_week`: the rate beside the run;
    - `p_value`, `q_value`: NaN for roll-outs and renames, which are made of runs; `similarity`: of a rename, how alike
      the mixes of areas and channels are, in [0, 1], 1 where they differ no more than chance makes them;
    - `zh`, `en`: the finding in words.

    Without a complete week, an empty frame.
    """
    starts = week_starts(cases, as_of, time_zone)
    if len(starts) < 2 + SHORTEST_RUN:
        return _frame([])
    known = _known(cases, starts, as_of)
    units = {name: _count(known, name, keys, len(starts) - 1) for name, keys in UNITS.items()}
    runs = _significant([run for weeks in units.values() for run in empty_runs(weeks)])
    told = _once(runs)
    rows = [_run_row(run, q, units[run.unit], starts) for run, q in told]
    rows += _roll_outs(told, starts)
    for unit in ("category", "office"):
        rows += _renames([run for run, _q in told if run.unit == unit], units[unit], known, starts)
    return _frame(rows)


def week_starts(cases: pd.DataFrame, as_of: int, time_zone: str) -> Ints:
    """Starts of the complete weeks from the first opening on, and the end of the last; (n_weeks + 1,) UTC seconds."""
    opened = cases.loc[cases["opened_at"] < as_of, "opened_at"]
    if opened.empty:
        return np.empty(0, dtype=np.int64)
    first = pd.Timestamp(int(opened.min()), unit="s", tz="UTC").tz_convert(time_zone).tz_localize(None).normalize()
    last = pd.Timestamp(as_of, unit="s", tz="UTC").tz_convert(time_zone).tz_localize(None)
    monday = first + pd.Timedelta(days=-first.weekday() % 7)
    days = pd.date_range(monday, last, freq="7D")
    there = days.tz_localize(time_zone, nonexistent="shift_forward", ambiguous=np.ones(len(days), dtype=bool))
    starts = there.tz_convert("UTC").as_unit("s").asi8
    return np.asarray(starts[starts <= as_of], dtype=np.int64)


def _known(cases: pd.DataFrame, starts: Ints, as_of: int) -> pd.DataFrame:
    """The reports of the weeks, with `week`; withdrawn ones stay, for they were recorded.

    The office is the one that the opening names, if openings name any: who has a case now says when it was opened.
    """
    week = np.searchsorted(starts, cases["opened_at"].to_numpy("int64"), side="right") - 1
    inside = (week >= 0) & (week < len(starts) - 1) & (cases["opened_known_at"].to_numpy("int64") < as_of)
    office = "office_at_opening" if cases["office_at_opening"].notna().any() else "office"
    known = cases.loc[inside, ["category", "area", "channel", office]].rename(columns={office: "office"})
    return known.assign(week=week[inside])


def _count(known: pd.DataFrame, unit: str, keys: tuple[str, ...], n_weeks: int) -> Weeks:
    rows = known.dropna(subset=list(keys))
    groups = rows.groupby(list(keys), sort=True)
    names = groups.size().reset_index()[list(keys)]
    code = groups.ngroup().to_numpy("int64")
    cells = np.bincount(code * n_weeks + rows["week"].to_numpy("int64"), minlength=len(names) * n_weeks)
    return Weeks(unit, cells.reshape(-1, n_weeks).astype(np.int64), names)


def _significant(runs: list[Run]) -> list[tuple[Run, float]]:
    q = q_values(np.array([run.p for run in runs], dtype=np.float64))
    return [(run, float(value)) for run, value in zip(runs, q, strict=True) if value <= LEVEL]


def _once(runs: list[tuple[Run, float]]) -> list[tuple[Run, float]]:
    """Without the runs of a part that its whole explains: a category that stops, stops in every area."""
    wholes: dict[tuple[str, str, Code], list[Run]] = {}
    for run, _q in runs:
        if len(run.key) == 1:
            ((name, value),) = run.key.items()
            wholes.setdefault((name, value, run.kind), []).append(run)
    told = []
    for run, q in runs:
        explained = len(run.key) > 1 and any(
            _mostly(run, whole) for name, value in run.key.items() for whole in wholes.get((name, value, run.kind), [])
        )
        if not explained:
            told.append((run, q))
    return _together(told)


def _together(runs: list[tuple[Run, float]]) -> list[tuple[Run, float]]:
    """Parts of a category that start or stop in the same fortnight, three and more, told as one of the category.

    A trickle that goes on somewhere hides from the category that it has stopped everywhere else.
    """
    told: list[tuple[Run, float]] = []
    groups: dict[tuple[str, str, Code], list[tuple[int, Run, float]]] = {}
    for run, q in runs:
        if len(run.key) == 2 and run.kind != "gap":
            edge = run.end if run.kind == "start" else run.first
            groups.setdefault((run.unit, run.key["category"], run.kind), []).append((edge, run, q))
        else:
            told.append((run, q))
    for (_unit, category, kind), members in groups.items():
        middle = float(np.median([edge for edge, _run, _q in members]))
        near = [(run, q) for edge, run, q in members if abs(edge - middle) <= _SAME_FORTNIGHT]
        if len(near) < _FEWEST_PARTS:
            told += [(run, q) for _edge, run, q in members]
            continue
        told += [(run, q) for edge, run, q in members if abs(edge - middle) > _SAME_FORTNIGHT]
        largest, q = max(near, key=lambda one: one[0].reports)
        told.append(
            (
                replace(
                    largest,
                    unit="category",
                    key={"category": category},
                    first=min(run.first for run, _q in near) if kind == "stop" else 0,
                    end=largest.end if kind == "stop" else max(run.end for run, _q in near),
                    usual=sum(run.usual for run, _q in near),
                    reports=sum(run.reports for run, _q in near),
                ),
                q,
            )
        )
    return told


def _mostly(run: Run, whole: Run) -> bool:
    """Whether the run of a part lies, but for a month at most, in that of its whole."""
    return min(run.end, whole.end) - max(run.first, whole.first) >= (run.end - run.first) - 4


def _run_row(run: Run, q: float, weeks: Weeks, starts: Ints) -> dict[str, Any]:
    n_weeks = weeks.counts.shape[1]
    # The week in which a series appears is seldom whole.
    first, last = {"start": (min(run.end + 1, n_weeks - 1), n_weeks - 1)}.get(run.kind, (run.first, run.end - 1))
    return {
        "code": run.kind,
        "unit": run.unit,
        **run.key,
        "first_week": int(starts[first]),
        "last_week": int(starts[last]),
        "weeks": run.end - run.first,
        "reports": run.reports,
        "usual_per_week": run.usual,
        "p_value": run.p,
        "q_value": q,
    }


def _roll_outs(runs: list[tuple[Run, float]], starts: Ints) -> list[dict[str, Any]]:
    """Areas, channels or offices that join a record in different weeks, in all or for one category."""
    rows = []
    groups: dict[tuple[str, str | None, str], list[Run]] = {}
    for run, _q in runs:
        if run.kind != "start" or run.unit == "category":
            continue
        joining = next(str(name) for name in run.key if name != "category")
        groups.setdefault((run.unit, run.key.get("category"), joining), []).append(run)
    for (unit, category, joining), joined in sorted(groups.items(), key=lambda one: (one[0][0], one[0][1] or "")):
        ends = sorted(run.end for run in joined)
        if len(joined) < _FEWEST_UNITS or ends[-1] == ends[0]:
            continue
        rows.append(
            {
                "code": "roll_out",
                "unit": unit,
                **({"category": category} if category else {}),
                "other": joining,
                "first_week": int(starts[ends[0]]),
                "last_week": int(starts[ends[-1]]),
                "weeks": ends[-1] - ends[0],
                "reports": len(joined),
                "usual_per_week": float(sum(run.usual for run in joined)),
            }
        )
    return rows


def _renames(runs: list[Run], weeks: Weeks, known: pd.DataFrame, starts: Ints) -> list[dict[str, Any]]:
    """Pairs of a stop and a start in about the same week, of about the same volume and the same mix."""
    rows = []
    name = weeks.unit
    mix = Mix(known, name)
    for stop in (run for run in runs if run.kind == "stop"):
        for start in (run for run in runs if run.kind == "start" and run.row != stop.row):
            close = abs(start.end - stop.first) <= _RENAME_WEEKS
            if not close or not _VOLUME[0] <= start.usual / max(stop.usual, 1e-9) <= _VOLUME[1]:
                continue
            alike = same_mix(mix.of(stop.key[name], before=stop.first), mix.of(start.key[name], since=start.end))
            if alike < _SAME_MIX:
                continue
            rows.append(
                {
                    "code": "rename",
                    "unit": name,
                    **stop.key,
                    "other": start.key[name],
                    "first_week": int(starts[stop.first - 1]),
                    "last_week": int(starts[start.end]),
                    "weeks": abs(start.end - stop.first),
                    "reports": stop.reports + start.reports,
                    "usual_per_week": stop.usual,
                    "similarity": alike,
                }
            )
    return rows


def _frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=[name for name in COLUMNS if name not in ("zh", "en")])
    for name in ("first_week", "last_week", "weeks", "reports"):
        frame[name] = frame[name].astype("int64")
    for name in ("usual_per_week", "p_value", "q_value", "similarity"):
        frame[name] = frame[name].astype("float64")
    for name in ("code", "unit", "category", "area", "channel", "office", "other"):
        frame[name] = frame[name].astype("str").where(frame[name].notna())
    frame = frame.sort_values(["code", "unit", "category", "area", "channel", "office"], ignore_index=True)
    said = [sentences({str(name): value for name, value in row.items()}) for row in frame.to_dict("records")]
    frame["zh"] = pd.Series([zh for zh, _en in said], dtype="str")
    frame["en"] = pd.Series([en for _zh, en in said], dtype="str")
    return frame


__all__ = ["COLUMNS", "LEVEL", "UNITS", "WEEK", "recording", "week_starts"]
