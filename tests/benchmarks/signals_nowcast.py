"""Nowcasts against the figures of R, their coverage, and what reporting delay costs detection.

`python -m tests.benchmarks.signals_nowcast` prints

- agreement by file and setting with surveillance's `nowcast` and with baselinenowcast;
- coverage of the final counts of weeks whose reports come in late, with delays that differ by area and weekday and
  drift slowly;
- planted rises found, and false alarms and silences, with complete data, with the newest weeks as they stand, and with
  their completeness taken into account.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.signals import assess_series, weekly_counts
from models.signals.counts import WeeklyCounts
from models.signals.nowcast import Completeness, chain_ladder, completeness, delay_law, lawless, nowcast, read_reports
from tests.support.late_reports import late_world, monday_six

FOLDER = Path(__file__).parents[2].parent / "shared" / "reference" / "weak_signals" / "nowcast"
TOLERANCE: Final = 1e-6


@dataclass(frozen=True)
class Agreement:
    """How one setting of one file agrees: values compared, the worst relative difference, values that differ."""

    file: str
    setting: str
    values: int
    worst: float
    off: int


def agreements() -> Iterator[Agreement]:
    """Every figure of both files."""
    yield from _lawless_agreements()
    yield from _ladder_agreements()


def _lawless_agreements() -> Iterator[Agreement]:
    theirs = pd.read_csv(FOLDER / "surveillance_nowcast_hus.csv", parse_dates=["event_date"])
    for now, rows in theirs.groupby("now"):
        triangle = read_reports(FOLDER / "hus_reported_counts.csv", now=str(now), longest=14)["all"]
        ours = lawless(triangle, alpha=0.05, compatible=True).set_index("date").loc[rows["event_date"]]
        for name in ("reported", "nowcast", "lower", "upper"):
            a, b = ours[name].to_numpy(float), rows[name].to_numpy(float)
            # R looks for its upper limit up to a largest count only, and writes 0 where it lies beyond that.
            use = (b > 0) | (rows["reported"].to_numpy() == 0) if name == "upper" else np.ones(len(b), dtype=bool)
            yield _compared("surveillance_nowcast_hus.csv", f"now {now}, {name}", a[use], b[use])


def _ladder_agreements() -> Iterator[Agreement]:
    theirs = pd.read_csv(FOLDER / "baselinenowcast_salmonella.csv")
    dates = pd.read_csv(FOLDER / "salmonella_reporting_triangle.csv")["reference_date"]
    for (row, n), rows in theirs.groupby(["now_row", "n_reference"]):
        whole = read_reports(FOLDER / "salmonella_reporting_triangle.csv", now=dates[int(row) - 1])["all"]
        triangle = whole.newest(int(n))
        ours = chain_ladder(triangle)
        found = {"delay_pmf": delay_law(triangle).pmf, "reported": ours["reported"], "nowcast": ours["nowcast"]}
        for kind, values in found.items():
            known = rows[rows["kind"] == kind].sort_values("index")["value"].to_numpy(float)
            yield _compared(
                "baselinenowcast_salmonella.csv", f"row {row}, last {n}, {kind}", np.asarray(values, dtype=float), known
            )


def _compared(file: str, setting: str, ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> Agreement:
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.where(ours == theirs, 0.0, np.abs(ours - theirs) / np.abs(theirs))
    relative = np.where(np.isnan(relative), np.inf, relative)
    worst = float(relative.max(initial=0.0))
    return Agreement(file, setting, len(theirs), worst, int((relative > TOLERANCE).sum()))


def coverage(
    *, seeds: range, drift: float = 0.3, level: float = 4.0, stated: float = 0.9, weeks: range = range(56, 79, 6)
) -> pd.DataFrame:
    """How often the final count lies within its stated limits, by age of the week.

    Returns
    -------
    DataFrame by age (0: the newest week): `inside` and its Monte-Carlo `error` (cities taken as independent), `below`,
    `above`, `known` (share of reports known), `bias` (expected over final, less 1) and root mean square errors of the
    nowcast and of the count as it stands.
    """
    told = []
    for seed in seeds:
        city = late_world(np.random.default_rng(seed), drift=drift, level=level)
        for week in weeks:
            as_of = monday_six(week)
            counts = weekly_counts(city.cases, as_of=as_of, time_zone="UTC")
            rows = nowcast(counts, complete_of(city.cases, counts), weeks=4, level=stated)
            ages = np.repeat([3, 2, 1, 0], len(counts.series))
            told.append(rows.assign(final=city.final[week - 3 : week + 1].ravel(), age=ages, city=seed))
    return pd.concat(told).groupby("age").apply(_covered, include_groups=False)


def _covered(rows: pd.DataFrame) -> pd.Series:
    below, above = rows["final"] < rows["lower"], rows["final"] > rows["upper"]
    by_city = (~below & ~above).groupby(rows["city"]).mean()
    return pd.Series(
        {
            "inside": by_city.mean(),
            "error": by_city.std() / np.sqrt(len(by_city)),
            "below": below.mean(),
            "above": above.mean(),
            "known": rows["known"].sum() / rows["final"].sum(),
            "bias": rows["expected"].sum() / rows["final"].sum() - 1.0,
            "rmse": np.sqrt(((rows["expected"] - rows["final"]) ** 2).mean()),
            "rmse_as_is": np.sqrt(((rows["known"] - rows["final"]) ** 2).mean()),
        }
    )


def complete_of(cases: pd.DataFrame, counts: WeeklyCounts) -> Completeness:
    """Completeness of the weeks and series of `counts`."""
    return completeness(cases, as_of=counts.as_of, time_zone=counts.time_zone, series=counts.series, weeks=counts.weeks)


# Weeks of past before the rises begin, and weeks for which each is looked for.
_PAST: Final = 60
_LOOKED_FOR: Final = 8
VARIANTS: Final = ("complete", "aware", "naive")


@dataclass
class Detection:
    """What one way of counting found, over all cities."""

    waits: list[float] = field(default_factory=list)  # weeks until found, by rise; `_LOOKED_FOR` where it was not
    rises: int = 0
    false_rises: int = 0
    false_silences: int = 0
    series_weeks: int = 0
    late: list[float] = field(default_factory=list)  # share of the newest week's reports still out

    @property
    def false_share(self) -> float:
        """Share of false alarms among the rises told."""
        return self.false_rises / max(self.rises, 1)

    @property
    def silences_per_thousand(self) -> float:
        """False silences per thousand series and weeks."""
        return 1_000 * self.false_silences / max(self.series_weeks, 1)

    def found(self) -> float:
        """Share of rises found."""
        return float((np.array(self.waits) < _LOOKED_FOR).mean())

    def slower_than(self, other: Detection) -> tuple[float, float]:
        """Mean weeks found later, and its standard error; the same rises in both."""
        later = np.array(self.waits) - np.array(other.waits)
        return float(later.mean()), float(later.std(ddof=1) / np.sqrt(len(later)))


def detection(
    *,
    seeds: range,
    areas: int = 15,
    categories: int = 12,
    level: float = 6.0,
    factor: float = 3.0,
    planted: int = 12,
    late: float = 0.27,
    spread: float = 1.5,
) -> dict[str, Detection]:
    """Look for planted rises every Monday at six, in three ways.

    `complete`: every report known when opened. `naive`: the counts as they stand. `aware`: the same counts with their
    completeness. About 30 % of a week's reports are still out on the Monday after; areas differ from hardly any to
    most, or are `late` alike. Detection is that of `assess_series` for all, at a false-discovery rate of 0.10.
    """
    told = {name: Detection() for name in VARIANTS}
    for seed in seeds:
        rng = np.random.default_rng(seed)
        n_series = areas * categories
        rising = rng.choice(n_series, planted, replace=False)
        rise = np.ones((_PAST + _LOOKED_FOR, n_series))
        rise[_PAST:, rising] = factor
        city = late_world(
            rng, areas=areas, categories=categories, weeks=len(rise), level=level, spread=spread, late=late, rise=rise
        )
        at_once = city.cases.assign(opened_known_at=city.cases["opened_at"])
        for name in VARIANTS:
            _look(told[name], at_once if name == "complete" else city.cases, rising, city.final, aware=name == "aware")
    return told


def _look(
    told: Detection, cases: pd.DataFrame, rising: NDArray[np.int64], final: NDArray[np.int64], *, aware: bool
) -> None:
    waits = np.full(final.shape[1], float(_LOOKED_FOR))
    calm = np.ones(final.shape[1], dtype=bool)
    calm[rising] = False
    for week in range(_PAST, _PAST + _LOOKED_FOR):
        counts = weekly_counts(cases, as_of=monday_six(week), time_zone="UTC")
        if aware:
            counts = counts.completed_as(complete_of(cases, counts).share)
        rises, silences = signals(counts)
        waits = np.where((waits == _LOOKED_FOR) & rises, week - _PAST, waits)
        told.rises += int(rises.sum())
        told.false_rises += int((rises & calm).sum())
        told.false_silences += int(silences.sum())
        told.series_weeks += len(calm)
        told.late.append(1.0 - counts.matrix[-1].sum() / final[week].sum())
    told.waits += waits[rising].tolist()


def signals(counts: WeeklyCounts) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which series rise and which fall silent in the newest week."""
    judged = assess_series(counts)
    told = judged["signal"].to_numpy(bool)
    rises = (judged["direction"] == "rise").to_numpy()
    return told[rises], told[~rises]


def main() -> None:
    """Print the three tables."""
    if FOLDER.exists():
        sys.stdout.write(f"{'file':32} {'setting':32} {'values':>6} {'worst':>8} {'off':>4}\n")
        for one in agreements():
            sys.stdout.write(f"{one.file:32} {one.setting:32} {one.values:6} {one.worst:8.1e} {one.off:4}\n")
    else:
        sys.stdout.write("The reference figures are not on this machine; agreement is not shown.\n")
    for level, drift in ((4.0, 0.0), (4.0, 0.3), (4.0, -0.3), (0.5, 0.3)):
        sys.stdout.write(
            f"\n90 % limits of final counts; {level:g} reports a week, paper share drifting by {drift:+.0%}\n"
        )
        sys.stdout.write(f"{coverage(seeds=range(12), drift=drift, level=level).round(3).to_string()}\n")
    _print_detection(detection(seeds=range(16)))
    sys.stdout.write("\nThe same with all areas alike late:")
    _print_detection(detection(seeds=range(16), late=0.28, spread=np.inf))


def _print_detection(told: dict[str, Detection]) -> None:
    rises = len(told["complete"].waits)
    sys.stdout.write(
        f"\n{rises} planted rises, {np.mean(told['naive'].late):.0%} of the newest week's reports still out\n"
        f"{'counts':10} {'wait':>6} {'later':>7} {'error':>6} {'found':>6} {'false rises':>12} {'silences/1000':>14}\n"
    )
    for name, one in told.items():
        later, error = one.slower_than(told["complete"])
        sys.stdout.write(
            f"{name:10} {np.mean(one.waits):6.2f} {later:+7.2f} {error:6.2f} {one.found():6.0%} "
            f"{one.false_share:12.1%} {one.silences_per_thousand:14.2f}\n"
        )


if __name__ == "__main__":
    main()
