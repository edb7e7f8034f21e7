"""How long a plan takes: `python -m tests.benchmarks.signals_planner`. CPU seconds; the goal is 2 at most."""

from __future__ import annotations

import sys
import time

import numpy as np
import pandas as pd

from models.signals.count_process import draw_counts
from models.signals.planner import PlanSettings, plan

GOAL = 2.0
SERIES = {
    "5 years, 5 a week": ("7D", 290, 5.0, 2.0),
    "2 years, 5 a week": ("7D", 120, 5.0, 2.0),
    "5 years, 0.3 a week": ("7D", 290, 0.3, 1.5),
    "a year, 2 a week": ("7D", 52, 2.0, 1.5),
    "a year, 20 a week": ("7D", 52, 20.0, 3.0),
    "5 years, 3 a day": ("D", 1826, 3.0, 1.5),
    "5 years, 30 a day": ("D", 1826, 30.0, 3.0),
    "2 years, 2 a day": ("D", 700, 2.0, 1.5),
}


def main() -> None:
    """Time every kind of series and two horizons."""
    for name, (step, past, mean, dispersion) in SERIES.items():
        drawn = draw_counts(np.full(past, mean), dispersion, np.random.default_rng(1))
        counts = pd.Series(drawn, index=pd.date_range("2018-01-01", periods=past, freq=step))
        for weeks in (4, 8):
            begin = time.process_time()
            answer = plan(counts, PlanSettings(weeks=weeks))
            took = time.process_time() - begin
            steps = "weeks" if step == "7D" else "days"
            sys.stdout.write(
                f"{name:22} {weeks} {steps:5}, {answer.method:20} {took:5.2f} CPU s = {took / GOAL:4.2f} of the goal; "
                f"Monte-Carlo error at most {answer.error:.3f}\n"
            )


if __name__ == "__main__":
    main()
