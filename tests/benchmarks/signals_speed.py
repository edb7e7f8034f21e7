"""CPU seconds of Farrington flexible beside R's, in one run on one machine.

    python -m tests.benchmarks.signals_speed [--series 100000] [--r-series 150] [--json]

Series of 300 weeks of history with seasons, trends and past outbreaks, thin and thick; 1,000 series x 1 week, 1,000 x
52 weeks, and 100,000 x 1 week. Ours is `FarringtonFlexible.detect` from a table to the tidy result, in the corrected
mode (the default) and in the compatible mode with R's settings. R's is `farringtonFlexible(sts, control)`, without
reading files or starting up, on a sample of the same series; its time for the whole is *scaled up from that sample*,
per series and week. Both run on one thread; seconds are user and system time of the process. Skips R, and says so,
where there is no Rscript or no package.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
import pandas as pd

from models.signals.detectors import Detector, FarringtonFlexible, make_detector
from tests.benchmarks.machine import machine
from tests.benchmarks.signals_fuzz_r import missing

PAST: Final = 300
GOAL: Final = 150.0
GOAL_SECONDS: Final = 5.0
# R's settings; the second are those of Noufaily et al. 300 weeks hold the five years back and half a window.
SETTINGS: Final[dict[str, dict[str, str]]] = {
    "R's defaults": {},
    "Noufaily": {
        "noPeriods": "10",
        "weightsThreshold": "2.58",
        "pastWeeksNotIncluded": "26",
        "thresholdMethod": '"nbPlugin"',
        "alpha": "0.005",
        "limit54": "c(0,4)",
    },
}


def draw(n_series: int, n_weeks: int) -> pd.DataFrame:
    """Over-dispersed counts: a level of e on the median, a season, a trend in half of them, some outbreaks."""
    rng = np.random.default_rng(1)
    t = np.arange(n_weeks)[:, None]
    level = rng.normal(1.0, 1.0, n_series)
    season = rng.uniform(0.0, 0.8, n_series) * np.cos(2 * np.pi * (t / 52 + rng.random(n_series)))
    trend = np.where(rng.random(n_series) < 0.5, rng.normal(0.0, 0.1, n_series), 0.0) * t / 52
    mean = np.exp(level + season + trend)
    counts = rng.negative_binomial(mean / 0.6, 1 / 1.6).astype(float)
    for _ in range(3):
        begin = rng.integers(0, n_weeks, n_series)
        counts += np.where((t >= begin) & (t < begin + 4), np.ceil(3.0 * np.sqrt(mean)), 0.0)
    return pd.DataFrame(counts, columns=[f"s{n}" for n in range(n_series)])


def seconds(detector: Detector, counts: pd.DataFrame, weeks: int) -> float:
    """CPU seconds of one call."""
    begin = time.process_time()
    detector.detect(counts, last=weeks)
    return time.process_time() - begin


def seconds_of_r(counts: pd.DataFrame, weeks: int, control: dict[str, str]) -> float:
    """CPU seconds of R's function on all series of the table, around the call alone."""
    with TemporaryDirectory() as folder:
        table = Path(folder) / "counts.csv"
        counts.to_csv(table, index=False)
        n = len(counts)
        told = "".join(f", {name} = {value}" for name, value in control.items())
        script = f"""
suppressMessages(library(surveillance)); options(warn = -1)
x <- sts(as.matrix(read.csv("{table}")), frequency = 52, start = c(2015, 1))
begin <- proc.time()
found <- farringtonFlexible(x, control = list(range = {n - weeks + 1}:{n}, verbose = FALSE, glmWarnings = FALSE{told}))
cat(sum((proc.time() - begin)[1:2]))"""
        run = subprocess.run(["Rscript", "-e", script], capture_output=True, text=True, check=False)
        if run.returncode:
            sys.exit(f"R stopped: {run.stderr[-2000:]}")
        return float(run.stdout)


def measure(many: int, sample: int, why: str | None) -> Iterator[dict[str, Any]]:
    """All sizes and settings; seconds, microseconds per series and week, and how many times as fast as R."""
    for n_series, weeks in ((1000, 1), (1000, 52), (many, 1)):
        counts = draw(n_series, PAST + weeks)
        for name, control in SETTINGS.items():
            r_each = None
            if why is None:
                few = max(sample if weeks == 1 else sample // 20, 3)
                r_each = seconds_of_r(counts.iloc[:, :few], weeks, control) / (few * weeks)
            kinds: dict[str, Detector] = {"compatible": make_detector("farringtonFlexible", control, compatible=True)}
            if name == "Noufaily":
                kinds = {"corrected": FarringtonFlexible(), **kinds}
            for mode, detector in kinds.items():
                ours = min(seconds(detector, counts, weeks) for _ in range(2))
                each = ours / (n_series * weeks)
                yield {
                    "series": n_series,
                    "weeks": weeks,
                    "settings": name,
                    "mode": mode,
                    "seconds": ours,
                    "microseconds_each": each * 1e6,
                    "r_microseconds_each": None if r_each is None else r_each * 1e6,
                    "r_seconds_scaled": None if r_each is None else r_each * n_series * weeks,
                    "times_as_fast": None if r_each is None else r_each / each,
                }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--series", type=int, default=100_000)
    parser.add_argument("--r-series", type=int, default=150)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    if os.environ.get("OPENBLAS_NUM_THREADS") != "1":
        sys.stdout.write("Set OPENBLAS_NUM_THREADS=1: the seconds of idle threads would count.\n")
    why = missing()
    found = measure(asked.series, asked.r_series, why)
    if asked.json:
        told = {"rows": list(found), "r_skipped": why, "r_sample": asked.r_series, "machine": machine()}
        sys.stdout.write(json.dumps(told, indent=2) + "\n")
        return
    sample = f"R timed on {asked.r_series} series (a twentieth of them over 52 weeks) and scaled up."
    sys.stdout.write(f"{f'R skipped: {why}.' if why else sample}\n")
    sys.stdout.write(
        f"{'series':>8} {'weeks':>5} {'settings':14} {'mode':11} {'CPU s':>8} {'us each':>8} {'R us':>8} {'R s':>8} "
        f"{'x':>8}\n"
    )
    for row in found:
        r = [row["r_microseconds_each"], row["r_seconds_scaled"], row["times_as_fast"]]
        cells = " ".join(f"{'-' if one is None else f'{one:,.0f}':>8}" for one in r)
        sys.stdout.write(
            f"{row['series']:8,} {row['weeks']:5} {row['settings']:14} {row['mode']:11} {row['seconds']:8.2f} "
            f"{row['microseconds_each']:8.1f} {cells}\n"
        )
        sys.stdout.flush()
    sys.stdout.write(
        f"Goals: {GOAL:.0f} times as fast, {asked.series:,} series x 1 week within {GOAL_SECONDS:.0f} CPU s.\n"
    )
    sys.stdout.write(f"{json.dumps(machine())}\n")


if __name__ == "__main__":
    main()
