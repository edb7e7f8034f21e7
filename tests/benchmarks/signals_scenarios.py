"""False alarms and outbreaks found over the 42 scenarios of Noufaily et al. (2013), beside the methods they compared.

`python -m tests.benchmarks.signals_scenarios [REPLICATES] [SEED]` draws replicates of its own and prints, by scenario,
the share of weeks without an outbreak that are alarms at 0.005 (with and without outbreaks in the past) and the share
of outbreaks found: an alarm in a week with outbreak cases. Then both at one threshold for all scenarios: the largest
mid-p at which the false alarms, averaged over the scenarios with past outbreaks, are at most 0.5 % of weeks. The same
is asked of the series that lie beside the repository, where they do.
"""

from __future__ import annotations

import csv
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.signals.detectors import Seasonal
from tests.benchmarks.signals_reference import REFERENCE
from tests.support.scenarios import FIRST_JUDGED, WEEKS, Scenario, replicates, scenarios
from tests.support.weekly import show

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

FOLDER = REFERENCE / "noufaily42"
JUDGED = WEEKS - FIRST_JUDGED + 1
LEVEL = 0.005
BAND = (0.0025, 0.0070)
SEED = 2013
OTHERS = ("original_1996", "noufaily_nb", "corrected_nb")


@dataclass(frozen=True)
class Found:
    """Mid-p of the judged weeks of one scenario, (n_weeks, n_replicates); 1 where no alarm is possible."""

    number: int
    calm: Floats | None  # without any outbreak
    past: Floats  # with outbreaks in the past
    current: Floats  # with those and the current one
    cases: Bools  # weeks with cases of the current outbreak

    def false_alarms(self, kind: str, threshold: float = LEVEL) -> tuple[float, float]:
        """Share of weeks, and its standard error over replicates: the weeks of one are not independent."""
        values = self.calm if kind == "calm" else self.past
        assert values is not None
        shares = (values <= threshold).mean(axis=0)
        return float(shares.mean()), float(shares.std(ddof=1) / np.sqrt(len(shares)))

    def detected(self, threshold: float = LEVEL) -> float:
        """Share of outbreaks found."""
        return float(((self.current <= threshold) & self.cases).any(axis=0).mean())


def judge(counts: NDArray[np.int64] | Floats) -> Floats:
    """Mid-p of the last 49 of 624 weeks; (49, n_series)."""
    result = Seasonal(alpha=LEVEL).detect(pd.DataFrame(np.asarray(counts, dtype=float)), last=JUDGED)
    mid = result["mid_p"].to_numpy().reshape(counts.shape[1], JUDGED).T
    few = (result["why"] == "few_cases").fillna(value=False).to_numpy(dtype=bool).reshape(counts.shape[1], JUDGED).T
    alarm = result["alarm"].to_numpy(dtype=bool).reshape(counts.shape[1], JUDGED).T
    values = np.where(few, 1.0, mid)
    assert ((values <= LEVEL) == alarm).all()
    return values


def own(n: int, seed: int, numbers: Iterable[int] = range(1, 43)) -> list[Found]:
    """Judge `n` replicates drawn here of each scenario."""
    return [_judged(one, n, np.random.default_rng([seed, one.number])) for one in scenarios() if one.number in numbers]


def _judged(scenario: Scenario, n: int, rng: np.random.Generator) -> Found:
    drawn = replicates(scenario, n, rng)
    past = drawn.calm + drawn.past
    whole = judge(np.concatenate([drawn.calm, past, past + drawn.current], axis=1))
    calm, with_past, current = np.split(whole, 3, axis=1)
    return Found(scenario.number, calm, with_past, current, drawn.current[FIRST_JUDGED - 1 :] > 0)


def given(numbers: Iterable[int] = range(1, 43)) -> list[Found]:
    """Judge the series that lie beside the repository."""
    with (FOLDER / "simulated_series.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    found = []
    for number in numbers:
        own_rows = [row for row in rows if int(row["scenario"]) == number]
        past = np.array([row["counts_without_current_outbreak"].split() for row in own_rows], dtype=float).T
        current = np.zeros_like(past)
        for series, row in enumerate(own_rows):
            for part in row["outbreak_cases_week:cases"].split():
                week, cases = part.split(":")
                current[int(week) - 1, series] = float(cases)
        judged = judge(np.concatenate([past, past + current], axis=1))
        found.append(Found(number, None, *np.split(judged, 2, axis=1), current[FIRST_JUDGED - 1 :] > 0))
    return found


def equal_threshold(found: list[Found], kind: str = "past", rate: float = LEVEL) -> float:
    """Largest mid-p at which false alarms, averaged over the scenarios, come at this rate or more seldom."""
    values = np.sort(np.concatenate([(one.calm if kind == "calm" else one.past).ravel() for one in found]))  # type: ignore[union-attr]
    allowed = int(rate * len(values))
    # Mid-p values can be tied: all of a value are in or out.
    while allowed > 0 and values[allowed - 1] == values[allowed]:
        allowed -= 1
    return float(values[allowed - 1])


def in_band(rate: float, error: float = 0.0) -> bool:
    """Whether a rate lies in the band, give or take so much."""
    return BAND[0] - error <= rate <= BAND[1] + error


def others() -> dict[tuple[str, int], dict[str, float]]:
    """Rates of the methods compared there, by method and scenario; empty where the file is not there."""
    file = FOLDER / "fpr_pod_100_replicates.csv"
    if not file.exists():
        return {}
    rows = csv.DictReader(file.read_text(encoding="utf-8").splitlines())
    return {
        (row["method"], int(row["scenario"])): {name: float(row[name]) for name in ("fpr_no_past", "fpr_past", "pod")}
        for row in rows
    }


def table(found: list[Found]) -> None:
    """Print the rates by scenario, and beside them those of the others, as false alarms with past outbreaks / found."""
    known = others()
    show(f"{'':10}{'false alarms, %':^32}{'found':>7}   " + "".join(f"{name:>18}" for name in OTHERS if known))
    show(f"{'scenario':10}{'no past':>12}{'with past':>16}")
    for one in found:
        line = f"{one.number:<10}"
        for kind in ("calm", "past"):
            if kind == "calm" and one.calm is None:
                line += f"{'':16}"
                continue
            rate, error = one.false_alarms(kind)
            line += f"{100 * rate:8.3f} ±{100 * error:.3f}{' ' if in_band(rate) else '*'}"
        line += f"{one.detected():8.2f}   "
        for name in OTHERS if known else ():
            other = known[name, one.number]
            line += f"{100 * other['fpr_past']:11.3f} /{other['pod']:5.2f}"
        show(line)
    summary(found)


def summary(found: list[Found]) -> None:
    """Print how many scenarios lie in the band, and detection at one threshold."""
    for kind, name in (("calm", "no past outbreaks"), ("past", "with past outbreaks")):
        if kind == "calm" and found[0].calm is None:
            continue
        rates = [one.false_alarms(kind) for one in found]
        inside = sum(in_band(rate) for rate, _ in rates)
        near = sum(in_band(rate, 2.0 * error) for rate, error in rates)
        shares = [rate for rate, _ in rates]
        threshold = equal_threshold(found, kind)
        pods = np.array([one.detected(threshold) for one in found])
        n = found[0].past.shape[1]
        error = np.sqrt((pods * (1.0 - pods)).sum() / n) / len(pods)
        show(
            f"{name}: {inside} of {len(found)} in the band, {near} within two standard errors of it; "
            f"{100 * min(shares):.3f} to {100 * max(shares):.3f} %, mean {100 * np.mean(shares):.3f} %\n"
            f"  at mid-p <= {threshold:.5f}, where this mean is 0.5 %: found {pods.mean():.3f} ± {error:.3f}"
        )
    show(f"  at mid-p <= {LEVEL}: found {np.mean([one.detected() for one in found]):.3f}")


def main() -> None:
    """Print both tables."""
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else SEED
    before = time.process_time()
    found = own(n, seed)
    spent = time.process_time() - before
    show(f"{n} own replicates of each scenario, seed {seed}; * outside the band")
    table(found)
    show(f"{1000 * spent / (3 * n * len(found) * JUDGED):.3f} CPU ms a series and week, drawing included\n")
    if FOLDER.exists():
        show("the 20 replicates beside the repository; * outside the band")
        table(given())


if __name__ == "__main__":
    main()
