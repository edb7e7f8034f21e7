"""Our compatible mode against the installed R package surveillance, on made-up series with drawn control lists.

    python -m tests.benchmarks.signals_fuzz_r [--cases 300] [--seed 1] [--only farringtonFlexible] [--command]

Every case is one series (weekly, monthly or daily; dated or numbered; thin, thick, flat, short, with missing values,
outbreaks, or no case at all) and one control list of one function; whatever the draw leaves out is left to R's
defaults. R's whole output is compared: numbers to 1e-6 relative, alarms exactly, and where R stops with an error, what
we do instead is told. Skips, and says so, where there is no Rscript or no package.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
import pandas as pd

from data.errors import HeedError, InputError
from models.signals.detectors import make_detector
from service import cli

TOLERANCE: Final = 1e-6
# Differences of two nearly equal numbers; below this they are rounding.
NOTHING: Final = 1e-9
# R's estimate of a dispersion below Poisson's is where its steps were cut short: a sum of rounding errors.
TOLERANCES: Final = {"alphaNB": 1e-4}

_ON_STS: Final = {"farringtonFlexible", "farrington", "earsC"}
_PRELUDE: Final = r"""
options(warn = -1); suppressMessages(library(surveillance))
cells <- function(case, column, values) data.frame(case = case, column = column, row = seq_along(values),
  value = formatC(as.numeric(values), digits = 17))
answer <- function(case, sts, judge) {
  told <- tryCatch(judge(sts), error = function(e) conditionMessage(e))
  if (is.character(told)) return(data.frame(case = case, column = "error", row = 1, value = gsub("[,\"\n]", " ", told)))
  if (is(told, "sts")) {
    control <- told@control
    columns <- list(alarm = told@alarm, upperbound = told@upperbound)
    names <- c(score = "score", pvalue = "pvalue", expected = "expected", mu0 = "mu0Vector", phi = "phiVector",
               trendCoef = "trendVector")
    for (one in names(names)) if (!is.null(control[[names[one]]])) columns[[one]] <- control[[names[one]]]
    if (!is.null(control$pd)) { columns$quantile <- control$pd[, 1]; columns$median <- control$pd[, 2] }
  } else {
    columns <- list(alarm = told$alarm, upperbound = told$upperbound)
    if (!is.null(told$cusum)) columns$cusum <- told$cusum
    if (!is.null(told$cusum) && is.numeric(told$control$m))
      columns$m <- rep_len(told$control$m, length(told$alarm))
    if (!is.null(told$control$mu0) && is.numeric(told$control$mu0)) columns$mu0 <- told$control$mu0
    if (is.numeric(told$control$alpha) && !is.null(told$control$c.ARL))
      columns$alphaNB <- rep_len(told$control$alpha, length(told$alarm))
  }
  do.call(rbind, Map(function(name, values) cells(case, name, as.vector(values)), names(columns), columns))
}
"""


@dataclass(frozen=True)
class Case:
    """One series, one function, one control list; `last` weeks are judged."""

    function: str
    control: dict[str, str]  # as R reads it
    counts: np.ndarray[Any, np.dtype[np.float64]]
    population: np.ndarray[Any, np.dtype[np.float64]] | None
    freq: int
    dates: pd.DatetimeIndex | None
    last: int

    @property
    def text(self) -> str:
        """The control list."""
        return ", ".join(f"{name} = {value}" for name, value in self.control.items())

    def as_r(self, number: int) -> str:
        """The call."""
        n = len(self.counts)
        epoch = (
            f'epoch = as.Date("{self.dates[0]:%Y-%m-%d}") + c({_numbers(self._days())}), '
            if self.dates is not None
            else ""
        )
        people = "" if self.population is None else f", population = matrix(c({_numbers(self.population)}))"
        sts = f"sts(c({_numbers(self.counts)}), {epoch}frequency = {self.freq}, start = c(2001, 1){people})"
        quiet = ", glmWarnings = FALSE" if self.function == "farringtonFlexible" else ""
        control = f"c(list(range = {n - self.last + 1}:{n}{quiet}), list({self.text}))"
        data = "x" if self.function in _ON_STS else "sts2disProg(x)"
        return f"out[[{number}]] <- answer({number}, {sts}, function(x) {self.function}({data}, control = {control}))"

    def _days(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        assert self.dates is not None
        return (self.dates - self.dates[0]).days.to_numpy(dtype=float)

    def ours(self) -> pd.DataFrame:
        """The same by R's names, with R's columns."""
        detector = make_detector(self.function, {**self.control, "freq": self.freq}, compatible=True)
        index = self.dates if self.dates is not None else pd.RangeIndex(1, len(self.counts) + 1)
        people = None if self.population is None else pd.DataFrame({"s": self.population}, index=index)
        found = detector.detect(pd.DataFrame({"s": self.counts}, index=index), last=self.last, population=people)
        found["alarm"] = found["alarm"].astype("Float64").to_numpy(dtype=float, na_value=np.nan)
        return found.rename(columns={own: r for r, own in detector.r_columns.items()})

    def by_command(self) -> pd.DataFrame:
        """The same as the command line tells it, from a file of counts."""
        first = (
            {"k": range(1, len(self.counts) + 1)} if self.dates is None else {"date": self.dates.strftime("%Y-%m-%d")}
        )
        table = pd.DataFrame({**first, "series": "s", "n": self.counts})
        if self.population is not None:
            table["population"] = self.population
        with TemporaryDirectory() as folder:
            path = Path(folder) / "counts.csv"
            table.to_csv(path, index=False, float_format="%.17g")
            params = [f"--param={name}={value}" for name, value in {**self.control, "freq": self.freq}.items()]
            params.append("--json")
            last = ["--last", str(self.last)]
            told = command(["signals", "detect", str(path), "--method", self.function, "--compatible", *last, *params])
        found = pd.DataFrame(json.loads(told)["points"]).rename(
            columns={own: r for r, own in make_detector(self.function).r_columns.items() if r != "alarm"}
        )
        found = found.loc[:, ~found.columns.duplicated()]
        numbers = [name for name in found if name not in {"series", "week", "method", "why"}]
        # Infinities are told as words.
        for name in numbers:
            found[name] = pd.to_numeric(found[name], errors="coerce").astype(float)
        return found


def command(arguments: list[str]) -> str:
    """What `heed` prints on stdout; where it refuses, what it says is the error."""
    before, sys.argv = sys.argv, ["heed", *arguments]
    told, refused = io.StringIO(), io.StringIO()
    try:
        with contextlib.redirect_stdout(told), contextlib.redirect_stderr(refused):
            cli.main()
    except SystemExit as stopped:
        if stopped.code:
            raise InputError(refused.getvalue() or told.getvalue()) from stopped
    finally:
        sys.argv = before
    return told.getvalue()


def _numbers(values: Any) -> str:
    return ", ".join("NA" if np.isnan(value) else repr(float(value)) for value in values)


class Draw:
    """Series and control lists by chance."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def one_of(self, *values: str) -> str:
        return values[int(self.rng.integers(len(values)))]

    def some(self, **options: list[str]) -> dict[str, str]:
        """Every option with a value by chance, or left out (four times in ten)."""
        return {
            name.replace("__", "."): self.one_of(*values) for name, values in options.items() if self.rng.random() < 0.6
        }

    def case(self, only: str | None) -> Case:
        function = only or self.one_of(*CONTROLS)
        freq = int(self.one_of("52", "52", "52", "12", "12", "365"))
        most = 9.0 if freq < 365 else 4.0
        years = float(
            self.rng.uniform(0.6, 0.6 * most) if self.rng.random() < 0.3 else self.rng.uniform(0.6, 1.0) * most
        )
        n = max(int(years * freq), 20)
        last = int(self.rng.integers(2, min(15, n // 2)))
        control = CONTROLS[function](self, freq)
        population = None
        if "populationOffset" in control or self.rng.random() < 0.1:
            population = np.round(np.exp(self.rng.normal(8, 0.3, n)))
        dates = self._dates(n, freq) if self.rng.random() < 0.5 else None
        return Case(function, control, self._counts(n, freq), population, freq, dates, last)

    def _counts(self, n: int, freq: int) -> np.ndarray[Any, np.dtype[np.float64]]:
        rng, t = self.rng, np.arange(n)
        level = float(np.exp(rng.normal(1.0, 1.8)))
        season = np.exp(rng.uniform(0, 1) * np.cos(2 * np.pi * (t / freq + rng.random())))
        mean = level * season * np.exp(rng.normal(0, 0.15) * t / freq)
        spread = float(rng.exponential(1.0))
        y = rng.negative_binomial(mean / spread, 1 / (1 + spread)) if rng.random() < 0.7 else rng.poisson(mean)
        y = y.astype(float)
        for begin in rng.integers(0, n, int(rng.integers(0, 4))):
            y[begin : begin + int(rng.integers(1, 6))] += np.round(rng.exponential(10 * level + 3))
        kind = rng.random()
        if kind < 0.04:
            y[:] = 0.0
        elif kind < 0.08:
            y[:] = np.where(t == rng.integers(n), 3.0, 0.0)
        elif kind < 0.12:
            y[:] = np.round(level) + 1.0
        if rng.random() < 0.25:
            y[rng.random(n) < rng.uniform(0.01, 0.1)] = np.nan
        return y

    def _dates(self, n: int, freq: int) -> pd.DatetimeIndex:
        first = pd.Timestamp("2009-01-05") + pd.Timedelta(days=7 * int(self.rng.integers(0, 200)))
        if freq == 52:
            return pd.date_range(first, periods=n, freq="7D")
        if freq == 365:
            return pd.date_range(first, periods=n, freq="D")
        return pd.date_range(first.replace(day=1), periods=n, freq="MS")


def _farrington(draw: Draw, freq: int, **more: list[str]) -> dict[str, str]:
    small = freq == 12
    years = ["1", "2", "3", "4", "5"] if freq < 365 else ["1", "2", "3"]
    return draw.some(
        b=years,
        w=["1", "2", "0"] if small else ["3", "2", "4", "1"],
        reweight=["TRUE", "FALSE"],
        alpha=["0.05", "0.01", "0.005", "0.001"],
        trend=["TRUE", "FALSE"],
        limit54=["c(5,4)", "c(0,4)", "c(3,2)", "c(10,6)"],
        powertrans=['"2/3"', '"1/2"', '"none"'],
        **more,
    )


def _flexible(draw: Draw, freq: int) -> dict[str, str]:
    return _farrington(
        draw,
        freq,
        weightsThreshold=["2.58", "1", "1.5", "2"],
        pThresholdTrend=["0.05", "1", "0.2", "0.01"],
        noPeriods=["1", "2", "4", "10"] if freq > 12 else ["1", "2", "4"],
        pastWeeksNotIncluded=["NULL", "26", "3", "10"] if freq > 12 else ["NULL", "6", "3"],
        thresholdMethod=['"delta"', '"nbPlugin"', '"muan"'],
        populationOffset=["TRUE", "FALSE"],
        fitFun=['"algo.farrington.fitGLM.flexible"'],
    )


def _farrington_1996(draw: Draw, freq: int) -> dict[str, str]:
    return _farrington(
        draw,
        freq,
        fitFun=['"algo.farrington.fitGLM.fast"', '"algo.farrington.fitGLM"'],
    )


def _ears(draw: Draw, freq: int) -> dict[str, str]:
    return draw.some(
        method=['"C1"', '"C2"', '"C3"'],
        baseline=["7", "14", "5", "3", "28"],
        minSigma=["0", "0.5", "1", "2"],
        alpha=["0.001", "0.01", "0.05", "0.025"],
    )


def _cusum(draw: Draw, freq: int) -> dict[str, str]:
    return draw.some(
        k=["1.04", "0.5", "0.25", "2"],
        h=["2.26", "4", "1", "8"],
        m=["NULL", '"glm"', "4", "2.5"],
        trans=[
            '"standard"',
            '"rossi"',
            '"anscombe"',
            '"anscombe2nd"',
            '"pearsonNegBin"',
            '"anscombeNegBin"',
            '"none"',
        ],
        alpha=["0.1", "0.5", "0.02"],
    )


def _glrnb(draw: Draw, freq: int) -> dict[str, str]:
    control = draw.some(
        c__ARL=["5", "3", "8"],
        mu0=[
            "list(S = 1, trend = TRUE)",
            "list(S = 2, trend = FALSE)",
            "list(S = 1)",
            "list(trend = TRUE)",
            "4",
            "NULL",
        ],
        alpha=["0", "0.2", "NULL", "1"],
        Mtilde=["1", "2", "4"],
        M=["-1", "5", "20"],
        change=['"intercept"', '"intercept"', '"epi"'],
        ret=['"value"', '"cases"'],
        dir=['"inc"', '"inc"', '"dec"'],
        xMax=["10000", "200"],
    )
    if draw.rng.random() < 0.3:
        down = control.get("dir") == '"dec"' and control.get("change") != '"epi"'
        control["theta"] = draw.one_of("-0.5", "-0.6931472") if down else draw.one_of("0.5", "0.6931472", "1.2")
    return control


def _outbreak(draw: Draw, freq: int) -> dict[str, str]:
    return draw.some(k=["100", "10", "1000"], ret=['"value"', '"cases"'], maxUpperboundCases=["10000", "50"])


def _windows(draw: Draw, freq: int) -> dict[str, str]:
    return draw.some(
        b=["0", "1", "2", "3"], w=["6", "4", "2", "10"] if freq > 12 else ["2", "3"], actY=["TRUE", "FALSE"]
    )


def _bayes(draw: Draw, freq: int) -> dict[str, str]:
    return {**_windows(draw, freq), **draw.some(alpha=["0.05", "0.01", "0.001"])}


def _cdc(draw: Draw, freq: int) -> dict[str, str]:
    return draw.some(b=["1", "2", "5", "3"], m=["1", "2", "0"], alpha=["0.025", "0.05", "0.001"])


CONTROLS: Final = {
    "farringtonFlexible": _flexible,
    "farrington": _farrington_1996,
    "earsC": _ears,
    "algo.cusum": _cusum,
    "algo.glrnb": _glrnb,
    "algo.outbreakP": _outbreak,
    "algo.bayes": _bayes,
    "algo.rki": _windows,
    "algo.cdc": _cdc,
}


def missing() -> str | None:
    """Why R cannot be asked, or None."""
    if shutil.which("Rscript") is None:
        return "there is no Rscript"
    asked = subprocess.run(
        ["Rscript", "-e", 'if (!requireNamespace("surveillance", quietly = TRUE)) quit(status = 1)'],
        capture_output=True,
        check=False,
    )
    return "the R package surveillance is not installed" if asked.returncode else None


def by_r(cases: list[Case]) -> dict[int, pd.DataFrame]:
    """What R says, by number of the case: columns column, row, value."""
    with TemporaryDirectory() as folder:
        script, result = Path(folder) / "cases.R", Path(folder) / "result.csv"
        lines = [case.as_r(number) for number, case in enumerate(cases, 1)]
        end = f'write.csv(do.call(rbind, out), "{result}", row.names = FALSE)'
        script.write_text("\n".join([_PRELUDE, "out <- list()", *lines, end]), encoding="utf-8")
        run = subprocess.run(["Rscript", str(script)], capture_output=True, text=True, check=False)
        if run.returncode:
            sys.exit(f"R stopped: {run.stderr[-2000:]}")
        frame = pd.read_csv(result, dtype={"value": str}, keep_default_na=False)
    return {int(number) - 1: part for number, part in frame.groupby("case")}


def difference(case: Case, theirs: pd.DataFrame, *, through_command: bool = False) -> str | None:
    """The first column that differs and how, or None; an error of R is no difference."""
    if theirs["column"].iloc[0] == "error":
        return None
    try:
        ours = case.by_command() if through_command else case.ours()
    except HeedError as error:
        return f"refused: {error}"
    sound = np.ones(case.last, dtype=bool)
    told = {name: part["value"].map(_read).to_numpy(dtype=float) for name, part in theirs.groupby("column")}
    delta = case.control.get("thresholdMethod", '"delta"') == '"delta"'
    if "mu0" in told and case.function == "farringtonFlexible":
        if delta:
            told.pop("mu0")  # the exponential of a quantile of counts; it has no use
        else:
            sound = told["mu0"] < 1e7  # a level without cases under "muan": Inf, or not a number, in R
    for name, given in told.items():
        if name not in ours:
            return f"{name}: not among our columns"
        mine = ours[name].to_numpy(dtype=float)
        # R hands a single given mean back as it was given.
        values = np.repeat(given, len(mine)) if len(given) == 1 else given
        if len(values) != len(mine):
            return f"{name}: {len(values)} values of R"
        use = sound if name in {"upperbound", "expected", "score", "pvalue", "mu0"} else np.ones(case.last, dtype=bool)
        with np.errstate(divide="ignore", invalid="ignore"):
            same = (np.isnan(mine) & np.isnan(values)) | (mine == values) | (np.abs(mine - values) <= NOTHING)
            same |= np.abs(mine - values) <= TOLERANCES.get(name, TOLERANCE) * np.abs(values)
        if not same[use].all():
            at = int(np.flatnonzero(use & ~same)[0])
            return f"{name}[{at}]: {mine[at]!r}, R {values[at]!r} ({int((use & ~same).sum())} of {len(mine)})"
    return None


def _read(text: str) -> float:
    plain = text.strip()
    return float("nan") if plain in {"NA", "NaN", ""} else float(plain)


def main() -> None:
    """Draw, ask both, tell."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--cases", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=sorted(CONTROLS))
    parser.add_argument("--show", type=int, default=20)
    parser.add_argument("--command", action="store_true")
    asked = parser.parse_args()
    why = missing()
    if why is not None:
        sys.stdout.write(f"Skipped: {why}.\n")
        return
    draw = Draw(asked.seed)
    cases = [draw.case(asked.only) for _ in range(asked.cases)]
    theirs = by_r(cases)
    counts: Counter[tuple[str, str]] = Counter()
    shown = 0
    for number, case in enumerate(cases):
        stopped = theirs[number]["column"].iloc[0] == "error"
        found = difference(case, theirs[number], through_command=asked.command)
        outcome = "R stops" if stopped else "differ" if found else "agree"
        counts[case.function, outcome] += 1
        counts[case.function, "points"] += 0 if stopped else case.last
        if found and shown < asked.show:
            shown += 1
            kind = f"freq {case.freq}, {len(case.counts)} {'dated' if case.dates is not None else 'numbered'}"
            sys.stdout.write(f"case {number}: {case.function}({case.text}); {kind}: {found}\n")
        if stopped and shown < asked.show:
            sys.stdout.write(
                f"  R stops, case {number}: {case.function}({case.text}): {theirs[number]['value'].iloc[0]}\n"
            )
    sys.stdout.write(f"{'function':20} {'cases':>6} {'agree':>6} {'differ':>6} {'R stops':>8} {'points':>8}\n")
    for function in CONTROLS:
        agree, differ, stops = (counts[function, outcome] for outcome in ("agree", "differ", "R stops"))
        if agree + differ + stops:
            sys.stdout.write(
                f"{function:20} {agree + differ + stops:6} {agree:6} {differ:6} {stops:8} "
                f"{counts[function, 'points']:8,}\n"
            )


if __name__ == "__main__":
    main()
