"""Our detectors against the figures of the R package surveillance.

`python -m tests.benchmarks.signals_reference` prints a table by file and setting: points compared, the worst relative
difference, values and alarms that differ. The guarantee of the same name asks that there be none.

With `--behaviours [WEEKS]`: what our corrected mode, the default, changes on the newest weeks (30) of the same series
and settings, by each behaviour of R that reads like a defect or needs knowing.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from models.signals.detectors import Detector, make_detector
from models.signals.reference_weeks import reference_weeks

REFERENCE = Path(__file__).parents[2].parent / "shared" / "reference" / "weak_signals"
FOLDER = REFERENCE / "r_surveillance"
# Differences of two nearly equal numbers; below this they are rounding.
NOTHING = 1e-10
TOLERANCE = 1e-6
# R's estimate for counts that vary less than Poisson is a sum of rounding errors where its steps were cut short: one
# series of two cases in two years differs by 3e-6.
TOLERANCES = {"alphaNB": 1e-5}
# Charts begin with this week and add up from there, on to the end of the series.
CHARTS_BEGIN = {"cusum.csv": 104, "glrnb.csv": 104}


@dataclass(frozen=True)
class Agreement:
    """How one setting of one file agrees."""

    file: str
    setting: str
    points: int = 0
    values: int = 0
    worst: float = 0.0
    values_off: int = 0
    alarms_off: int = 0

    def plus(self, other: Agreement) -> Agreement:
        return replace(
            self,
            points=self.points + other.points,
            values=self.values + other.values,
            worst=max(self.worst, other.worst),
            values_off=self.values_off + other.values_off,
            alarms_off=self.alarms_off + other.alarms_off,
        )


@cache
def _file(name: str) -> pd.DataFrame:
    return pd.read_csv(FOLDER / name)


def settings() -> dict[str, dict[str, object]]:
    """R's function, file and control list by setting."""
    return json.loads((FOLDER / "settings.json").read_text(encoding="utf-8"))


def agreements(setting: str, series: set[str] | None = None) -> Agreement:
    """Judge every point that R judged with this setting (of these series), and compare."""
    about = settings()[setting]
    results = _file(str(about["file"]))
    results = results[results["setting"] == setting]
    if series is not None:
        results = results[results["series"].isin(series)]
    total = Agreement(str(about["file"]), setting)
    for names, counts, population, period, first in tables(results):
        detector = make_detector(
            str(about["function"]),
            {**about["control"], "period": period},
            compatible=True,  # type: ignore[dict-item]
        )
        first_judged = CHARTS_BEGIN.get(total.file, first)
        found = detector.detect(counts, last=len(counts) - first_judged + 1, population=population)
        for name in names:
            theirs = results[results["series"] == name].sort_values("k")
            ours = found[found["series"] == name].reset_index(drop=True)
            ours = ours.iloc[theirs["k"].to_numpy() - first_judged]
            total = total.plus(compare(total, detector, ours, theirs))
    return total


def tables(
    results: pd.DataFrame,
) -> Iterator[tuple[list[str], pd.DataFrame, pd.DataFrame, int, int]]:
    """Series of one length, year and calendar together, as one table of weeks x series, to be judged at once."""
    about, counts = _file("series.csv").set_index("series"), _file("counts.csv")
    spans = results.groupby("series")["k"].min().rename("first").to_frame().join(about)
    # Dates are those of the series itself; two dated series share a table where these agree.
    spans["begins"] = counts[counts["k"] == 1].set_index("series")["date"].fillna("")
    for (length, freq, dated, _, first), part in spans.groupby(["length", "freq", "dated", "begins", "first"]):
        names = list(part.index)
        rows = counts[counts["series"].isin(names)].assign(population=lambda f: f["population"].fillna(1.0))
        index = pd.RangeIndex(1, length + 1)
        wide = {name: rows.pivot_table(index="k", columns="series", values=name, dropna=False) for name in _VALUES}
        wide = {name: table.reindex(index=index, columns=names) for name, table in wide.items()}
        if dated:
            dates = pd.DatetimeIndex(rows[rows["series"] == names[0]].sort_values("k")["date"])
            wide = {name: table.set_axis(dates, axis=0) for name, table in wide.items()}
        yield names, wide["count"], wide["population"], int(freq), int(first)


_VALUES = ("count", "population")


def compare(about: Agreement, detector: Detector, ours: pd.DataFrame, theirs: pd.DataFrame) -> Agreement:
    """Compare every column that R wrote, where its README says that it means something."""
    columns = {r: own for r, own in detector.r_columns.items() if r in theirs.columns and r != "alarm"}
    parameters = detector.get_params()
    sound = np.ones(len(theirs), dtype=bool)
    if parameters.get("threshold") == "delta":
        del columns["mu0"]
    if parameters.get("threshold") == "muan":
        sound = (theirs["mu0"] < 1e7).to_numpy()
    values, off, worst = 0, 0, 0.0
    for r, own in columns.items():
        a, b = ours[own].to_numpy(dtype=float), theirs[r].to_numpy(dtype=float)
        use = sound if r in {"upperbound", "expected", "score", "pvalue", "mu0"} else np.ones(len(b), dtype=bool)
        with np.errstate(divide="ignore", invalid="ignore"):
            same = (np.isnan(a) & np.isnan(b)) | (a == b) | (np.abs(a - b) <= NOTHING)
            relative = np.where(same, 0.0, np.abs(a - b) / np.abs(b))
        relative = np.where(np.isnan(relative), np.inf, relative)[use]
        values, off = values + int(use.sum()), off + int((relative > TOLERANCES.get(r, TOLERANCE)).sum())
        worst = max(worst, float(relative.max(initial=0.0)))
    alarm = ours["alarm"].astype("Float64").to_numpy(dtype=float, na_value=np.nan)
    known = theirs["alarm"].to_numpy(dtype=float)
    alarms_off = int((~((alarm == known) | (np.isnan(alarm) & np.isnan(known)))).sum())
    return replace(about, points=len(theirs), values=values, worst=worst, values_off=off, alarms_off=alarms_off)


# The two settings of the simulated scenarios, as the README of the figures gives them.
_SCENARIOS: dict[str, dict[str, object]] = {
    "original": {"weightsThreshold": 1, "pastWeeksNotIncluded": 3, "thresholdMethod": "delta"},
    "noufaily": {"noPeriods": 10, "pastWeeksNotIncluded": 26, "pThresholdTrend": 1, "thresholdMethod": "nbPlugin"},
}
_LAST_WEEK = 624
_WEEKS = 49


def scenario_agreements(weeks: int = _WEEKS, replicates: int = 10) -> Iterator[Agreement]:
    """Compare bounds and alarms of the 42 scenarios of Noufaily et al., all series of a kind as one table."""
    folder = REFERENCE / "noufaily42"
    bounds = pd.read_csv(folder / "r_bounds.csv", dtype={"alarm_weeks": str})
    simulated = pd.read_csv(folder / "simulated_series.csv", dtype={"outbreak_cases_week:cases": str})
    for (setting, kind), rows in bounds[bounds["replicate"] <= replicates].groupby(["setting", "series"]):
        chosen = rows.merge(simulated, on=["scenario", "replicate"])
        counts = np.array([text.split() for text in chosen["counts_without_current_outbreak"]], dtype=float).T
        if kind == "with_current_outbreak":
            for column, cases in enumerate(chosen["outbreak_cases_week:cases"].fillna("")):
                for week, extra in (pair.split(":") for pair in cases.split()):
                    counts[int(week) - 1, column] += int(extra)
        control = {**_SCENARIOS[str(setting)], "alpha": 0.005, "limit54": (0, 4)}
        detector = make_detector("farringtonFlexible", control, compatible=True)
        found = detector.detect(pd.DataFrame(counts[:_LAST_WEEK]), last=weeks)
        theirs = np.array([text.split()[-weeks:] for text in chosen["upperbound_weeks_576_624"]], dtype=float)
        alarms = [{int(week) for week in text.split()} for text in chosen["alarm_weeks"].fillna("")]
        known = [[week in one for week in range(_LAST_WEEK - weeks + 1, _LAST_WEEK + 1)] for one in alarms]
        ours = found["upper"].to_numpy().reshape(theirs.shape)
        # Bounds are whole numbers or far above zero, but a bound of zero is met by zero only.
        relative = np.abs(ours - theirs) / np.maximum(np.abs(theirs), NOTHING)
        differ = found["alarm"].to_numpy(dtype=bool).reshape(theirs.shape) != np.array(known)
        off = int((~(relative <= TOLERANCE)).sum())
        name = f"{setting}, {'with' if kind == 'with_current_outbreak' else 'without'}"
        yield Agreement("noufaily42", name, theirs.size, theirs.size, float(relative.max()), off, int(differ.sum()))


@dataclass(frozen=True)
class Change:
    """What the corrected mode changes at the points that one of R's behaviours touches."""

    number: int
    behaviour: str
    points: int  # touched by it
    differ: int  # of them: the figure named in `column` differs by more than TOLERANCE, or is known in one mode alone
    column: str
    largest: float  # relative difference of that figure, where both modes have one
    bound: float  # the same of the upper limit
    alarms: int
    trends: int


def both_modes(setting: str, weeks: int) -> pd.DataFrame:
    """The newest points of a setting, judged in both modes: columns of the result, `_r` for the compatible mode."""
    about = settings()[setting]
    results = _file(str(about["file"]))
    results = results[results["setting"] == setting]
    control: dict[str, object] = about["control"]  # type: ignore[assignment]
    parts = []
    for _, counts, population, period, first in tables(results):
        found = {}
        for compatible in (False, True):
            detector = make_detector(str(about["function"]), {**control, "period": period}, compatible=True)
            detector.set_params(compatible=compatible)
            last = min(len(counts) - first + 1, weeks)
            found[compatible] = detector.detect(counts, last=last, population=population)
        theirs = found[True].drop(columns=["series", "week", "method"]).add_suffix("_r")
        part = pd.concat([found[False], theirs], axis=1)
        if "dispersion" in part:
            part["shifted"] = _first_missing(control, counts, period, part)
        parts.append(part)
    return pd.concat(parts, ignore_index=True).assign(setting=setting)


def _first_missing(control: dict[str, object], counts: pd.DataFrame, period: int, part: pd.DataFrame) -> pd.Series:
    """Where the first reference week of a dated series has no count."""
    dated = isinstance(counts.index, pd.DatetimeIndex)
    dates = counts.index.to_numpy().astype("datetime64[D]") if dated else None
    shifted = {}
    for at in np.flatnonzero(counts.index.isin(part["week"].unique())) if dated else ():
        left_out = control.get("pastWeeksNotIncluded")
        rows = reference_weeks(
            int(at),
            years_back=int(str(control["b"])),
            half_window=int(str(control["w"])),
            seasons=int(str(control.get("noPeriods", 1))),
            weeks_left_out=int(str(control["w"] if left_out is None else left_out)),
            dates=dates,
            period=period,
        ).rows
        for name, value in counts.iloc[rows[0]].items():
            shifted[name, counts.index[at]] = bool(np.isnan(value))
    return pd.Series([shifted.get(key, False) for key in zip(part["series"], part["week"], strict=True)])


def behaviours(weeks: int = 30) -> Iterator[Change]:
    """The nine behaviours, each on the settings and points that it touches, among the newest weeks of every series."""
    names = {name for name, about in settings().items() if about["file"] == "farringtonFlexible.csv"}
    old = {name for name, about in settings().items() if about["file"] == "farrington.csv"}
    points = pd.concat([both_modes(name, weeks) for name in sorted(names)], ignore_index=True)
    controls = {name: dict(settings()[name]["control"]) for name in names}  # type: ignore[call-overload]
    method = points["setting"].map(lambda name: controls[name]["thresholdMethod"])
    weighted = points["setting"].map(lambda name: controls[name]["reweight"]).astype(bool)
    fitted, same = points["dispersion_r"].notna(), points["trend"] == points["trend_r"]
    empty = (method == "muan") & ~(points["mean_used_r"] < 1e7) & fitted
    plain = fitted & same & ~empty & ~points["shifted"]
    yield _change(1, "1996: limit two-sided in R", pd.concat([both_modes(n, weeks) for n in sorted(old)]), "upper")
    yield _change(2, "dispersion of kept trends from prior weights", points[weighted & fitted & ~empty], "upper")
    yield _change(3, "errors from the last step but one", points[plain & ~weighted], "standard_error")
    logs = plain & method.isin(["nbPlugin", "muan"]) & _close(points["upper"], points["upper_r"])
    yield _change(4, "score from the logarithm of the mean", points[logs], "score")
    yield _change(5, "mu0 of delta without use: none in ours", points[(method == "delta") & fitted], "mean_used")
    yield _change(6, "few cases: limit hidden", points[fitted & points["upper_r"].isna() & ~empty], "upper")
    yield _change(7, "level without cases under muan", points[empty], "upper")
    yield _change(8, "first reference week missing", points[points["shifted"] & fitted & same], "expected")
    yield _change(9, "no case in all the past", points[~fitted], "expected")


def _close(a: pd.Series, b: pd.Series) -> pd.Series:
    return (a - b).abs() <= TOLERANCE * b.abs()


def _change(number: int, behaviour: str, points: pd.DataFrame, column: str) -> Change:
    ours, theirs = points[column], points[f"{column}_r"]
    same = _close(ours, theirs) | (ours.isna() & theirs.isna()) | (ours == theirs)
    alarms = points["alarm"].fillna(False) != points["alarm_r"].fillna(False)
    kept = points["trend"].fillna(-1.0) != points["trend_r"].fillna(-1.0)
    return Change(
        number,
        behaviour,
        len(points),
        int((~same).sum()),
        column,
        _largest(ours, theirs),
        _largest(points["upper"], points["upper_r"]),
        int(alarms.sum()),
        int(kept.sum()),
    )


def _largest(ours: pd.Series, theirs: pd.Series) -> float:
    """Largest relative difference where both are known; NaN where neither ever is."""
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = ((ours - theirs).abs() / theirs.abs()).replace(np.inf, np.nan)
    return float(relative.max()) if relative.notna().any() else float("nan")


def tell_behaviours(weeks: int) -> None:
    """Print the nine."""
    sys.stdout.write(
        f"{'':2} {'behaviour':46} {'points':>7} {'differ':>7} {'of':15} {'largest':>9} {'in bound':>9} "
        f"{'alarms':>7} {'trends':>7}\n"
    )
    for one in behaviours(weeks):
        sys.stdout.write(
            f"{one.number:2} {one.behaviour:46} {one.points:7,} {one.differ:7,} {one.column:15} {one.largest:9.1e} "
            f"{one.bound:9.1e} {one.alarms:7,} {one.trends:7,}\n"
        )
        sys.stdout.flush()


def main() -> None:
    """Print the table."""
    if not FOLDER.exists():
        sys.exit("The reference figures of the R package are not on this machine.")
    if "--behaviours" in sys.argv[1:]:
        weeks = [int(word) for word in sys.argv[1:] if word.isdigit()]
        tell_behaviours(weeks[0] if weeks else 30)
        return
    sys.stdout.write(f"{'file':24} {'setting':18} {'points':>7} {'values':>8} {'worst':>9} {'off':>5} {'alarms':>6}\n")
    for one in (*(agreements(setting) for setting in settings()), *scenario_agreements()):
        sys.stdout.write(
            f"{one.file:24} {one.setting:18} {one.points:7,} {one.values:8,} {one.worst:9.1e} {one.values_off:5} "
            f"{one.alarms_off:6}\n"
        )


if __name__ == "__main__":
    main()
