"""heed on real logs of cases with named steps, by the published protocol, beside published and plain figures.

    python -m tests.benchmarks.event_logs LOG… [--json] [--no-remaining | --no-risk] [--seeds N] [--tasks T…]
        [--most-rows N]

LOG is a Parquet file, or the name of one in the folder. One method and one setting for all logs. `rolling` is heed as
it works: its record and its calibration take in outcomes of the test period once they are known, strictly before each
landmark, and that others are not known yet; its remaining time is fitted anew with them. `frozen` keeps no record of an
outcome that was not known when the training part ended, and is calibrated by the training part's later rows. Both
learn, as the published methods, from the labels of all training cases. Features, models, start and labels' timing were
chosen by temporal validation inside the training parts. That labels' timing be looked at was learned from a test figure
(payments, over 14 days), as was the rolling calibration (closed problems), which was compared inside afterwards. That
what is not known yet must tell something was seen in test figures (closed problems, receipts); its speeds and their
weights were compared inside on six tasks, after some ten variants had been seen on two to eight test parts. That the
newest score of a case tells its older ones was chosen inside on six tasks, among nine variants, and seen once on four
test parts. Two ways to fit the remaining time anew were seen on test parts. The forest among the risk's models and
that the remaining time has a second model were chosen inside (see `event_log_models`), before their test figures were
seen; the second model's weight was lowered for an inside figure after those of three logs had been.
A training part of more than `--most-rows` rows teaches every model, the plain one too, by cases drawn at random.
Columns that name who handled a case are never used, by the plain baseline either; the plain figures as first measured
partly rest on them. ECE: 15 bins of equal width / of equal count; `by chance` is what exactly true risks would show.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from features.steps import StepLog, StepVocabulary, remaining_matrix, risk_matrix
from features.steps.record import Follow
from tests.benchmarks.event_log_figures import Judged, draws, figures, paired
from tests.benchmarks.event_log_models import (
    Floats,
    Int64s,
    Rows,
    Scores,
    heed_remaining,
    heed_remaining_rolling,
    heed_risk,
    heed_risk_rolling,
    life_scores,
    plain_remaining,
    plain_risk,
)
from tests.benchmarks.event_log_protocol import Bools, Split, median_dummy, remaining_split, risk_split
from tests.benchmarks.event_log_published import PLAIN, PLAIN_REMAINING, PUBLISHED
from tests.benchmarks.machine import machine

FOLDER = Path("../shared/data/event_logs")
DRAWS = 500
_DAY = 86_400.0
_FOLLOWS: tuple[Follow, ...] = ("rolling", "frozen")
Method = Callable[[Rows, Rows, int], Floats]


def rows_of(log: StepLog, x: Any, y: Floats, known_at: Int64s, at: Bools) -> Rows:
    """The rows of a matrix that a mask chooses; `known_at` of each case."""
    known = known_at[log.case]
    return Rows(x[at].reset_index(drop=True), y[at], log.at[at], known[at], log.case[at], log.place[at])


def mean_of(method: Method, train: Rows, test: Rows, seeds: int) -> tuple[Floats, float]:
    """(the mean over seeds, CPU seconds of one)."""
    before = time.process_time()
    found = np.mean([method(train, test, seed + 1) for seed in range(seeds)], axis=0)
    return found, (time.process_time() - before) / seeds


def run_task(log: StepLog, name: str, task: str, seeds: int, most: int | None = None) -> dict[str, Any]:
    """Figures of one task: plain, heed rolling and heed frozen. Left out if training or test rows all end alike."""
    split, y = risk_split(log, task, name).drawn(log.case, most), log.task(task).outcome[log.case]
    if any(len(np.unique(y[part])) < 2 for part in (split.train, split.test)):
        return {"kind": "left_out", "log": name, "task": task, **_sizes(log, task, split)}
    vocabulary = StepVocabulary.learn(log, split.cut)
    judged = Judged(y[split.test], log.case[split.test], log.place[split.test])
    weights, base = draws(judged.case, DRAWS), float(np.mean(y[split.train]))
    row: dict[str, Any] = {"kind": "risk", "log": name, "task": task, "cap": split.cap, **_sizes(log, task, split)}
    risks: dict[str, Floats] = {}
    life: dict[int, list[Scores]] = {}
    for follow in _FOLLOWS:
        x = risk_matrix(log, task, vocabulary, follow=follow, frozen_at=split.cut // 1000)
        train, test = rows_of(log, x, y, log.known_at, split.train), rows_of(log, x, y, log.known_at, split.test)
        if follow == "rolling":
            risks["plain"], row["plain_cpu_seconds"] = mean_of(plain_risk, train, test, seeds)
            # What a case itself tells is the same, whatever follows.
            life = {seed + 1: life_scores(train, test, seed + 1) for seed in range(seeds)}
        method = _with_life(heed_risk_rolling if follow == "rolling" else heed_risk, life)
        risks[follow], row[f"{follow}_cpu_seconds"] = mean_of(method, train, test, seeds)
    row["models"] = {model: figures(risk, judged, base, weights).as_dict() for model, risk in risks.items()}
    for follow in _FOLLOWS:
        row["models"][follow]["auc_above_plain"] = paired(risks[follow], risks["plain"], judged, weights)
    row["published_best"] = PUBLISHED.get((name, task))
    row["plain_published"] = PLAIN.get((name, task))
    return row


def _with_life(method: Callable[..., Floats], life: dict[int, list[Scores]]) -> Method:
    return lambda train, test, seed: method(train, test, seed, life[seed])


def _sizes(log: StepLog, task: str, split: Split) -> dict[str, int]:
    outcome = log.task(task).outcome
    return {
        "cases": int(np.isfinite(outcome).sum()),
        "positives": int(np.nansum(outcome)),
        "train_rows": int(split.train.sum()),
        "test_rows": int(split.test.sum()),
    }


def run_remaining(log: StepLog, name: str, seeds: int, most: int | None = None) -> dict[str, Any]:
    """Mean absolute error in days of the remaining time: dummy, plain, heed rolling and heed frozen."""
    split = remaining_split(log)
    y = (log.ended_at[log.case] - log.at).astype(np.float64)
    vocabulary = StepVocabulary.learn(log, split.cut)
    # The dummy costs nothing, and has all cases.
    guesses = {"dummy": median_dummy(log.place, y, split)[split.test]}
    split = split.drawn(log.case, most)
    for follow in _FOLLOWS:
        x = remaining_matrix(log, vocabulary, follow=follow, frozen_at=split.cut // 1000)
        train, test = rows_of(log, x, y, log.ended_at, split.train), rows_of(log, x, y, log.ended_at, split.test)
        if follow == "rolling":
            guesses["plain"], _cpu = mean_of(plain_remaining, train, test, seeds)
        method = partial(heed_remaining_rolling if follow == "rolling" else heed_remaining, most=most)
        guesses[follow], _cpu = mean_of(method, train, test, seeds)
    mae = {k: float(np.mean(np.abs(g - y[split.test]))) / _DAY for k, g in guesses.items()}
    return {"log": name, "cap": split.cap, "mae_days": mae, "published": PLAIN_REMAINING.get(name)}


def path_of(log: str, folder: Path) -> Path:
    """A log by its path, or by its name in the folder."""
    return Path(log) if Path(log).suffix == ".parquet" else folder / f"{log}.parquet"


def run(
    logs: Sequence[Path],
    *,
    seeds: int,
    remaining: bool = True,
    risk: bool = True,
    tasks: Sequence[str] = (),
    most: int | None = None,
) -> Iterator[dict[str, Any]]:
    """The rows of each log as they are done: `kind` is `risk` or `remaining`."""
    for path in logs:
        log = StepLog.read(path)
        for task in (t for t in log.labels if risk and (not tasks or t in tasks)):
            yield run_task(log, path.stem, task, seeds, most)
        if remaining:
            yield {"kind": "remaining", **run_remaining(log, path.stem, seeds, most)}


def line(row: dict[str, Any]) -> str:
    """One row of the table in words and figures."""
    if row["kind"] == "remaining":
        mae = row["mae_days"]
        told = "  ".join(f"{k} {v:.2f} ({v / mae['dummy']:.2f})" for k, v in mae.items())
        return (
            f"{row['log']} remaining, MAE in days (over dummy): {told}; plain, dummy first measured: {row['published']}"
        )
    if row["kind"] == "left_out":
        return f"{row['log']} {row['task']} {row['positives']}/{row['cases']}: training or test rows all end alike"
    head = (
        f"{row['log']} {row['task']} {row['positives']}/{row['cases']} cap {row['cap']}; "
        f"published best {row['published_best']}, plain as first measured {row['plain_published']}"
    )
    return "\n".join([head, *(_model_line(model, found) for model, found in row["models"].items())])


def _model_line(model: str, found: dict[str, Any]) -> str:
    low, high = found["auc_interval"]
    above = found.get("auc_above_plain")
    against = f"  above plain {above[0]:+.3f}…{above[1]:+.3f}" if above else ""
    return (
        f"    {model:8s} AUC {found['auc_pooled']:.3f} [{low:.3f}, {high:.3f}] weighted {found['auc_weighted']:.3f}"
        f"  Brier {found['brier']:.3f} (base {found['brier_base']:.3f})"
        f"  ECE {found['ece']:.3f} / {found['ece_equal_count']:.3f} (by chance {found['ece_by_chance']:.3f}){against}"
    )


def summary(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Means over logs, as the goals are stated."""
    risk = [r for r in rows if r["kind"] == "risk"]
    left = [r["mae_days"] for r in rows if r["kind"] == "remaining"]
    lines = [_risk_line(follow, risk) for follow in _FOLLOWS if risk]
    for follow in _FOLLOWS if left else ():
        ratios = [mae[follow] / mae["dummy"] for mae in left]
        lines.append(f"{follow}: remaining time over the dummy: mean {np.mean(ratios):.3f}, worst {max(ratios):.3f}")
    return lines


def _risk_line(follow: str, rows: Sequence[dict[str, Any]]) -> str:
    of = [(f"{r['log']} {r['task']}", r["models"][follow]) for r in rows]
    permits = [found["auc_pooled"] for name, found in of if name.endswith("missing_data")]
    below = [name for name, found in of if found["auc_above_plain"][1] < 0]
    vain = [name for name, found in of if found["brier"] >= found["brier_base"]]
    eces = [found["ece"] for _name, found in of]
    mean = f"{np.mean(permits):.4f}" if permits else "-"
    return (
        f"{follow}: mean AUC of the permit logs {mean}; ECE mean {np.mean(eces):.3f} "
        f"(by chance {np.mean([found['ece_by_chance'] for _name, found in of]):.3f}), worst {max(eces):.3f}; "
        f"below plain beyond the interval: {', '.join(below) or 'none'}; "
        f"Brier no better than the base rate: {', '.join(vain) or 'none'}"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.event_logs", description=__doc__)
    parser.add_argument("logs", nargs="*", metavar="LOG", help="Parquet files, or names in the folder; all if none")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--remaining", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--risk", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--most-rows", type=int, help="training rows, beyond which cases are drawn; all if not given")
    parser.add_argument("--seeds", type=int, default=1, help="models of which the mean is judged")
    parser.add_argument("--tasks", nargs="*", default=(), help="only these tasks")
    asked = parser.parse_args(arguments)
    paths = [path_of(log, asked.folder) for log in asked.logs] or sorted(asked.folder.glob("*.parquet"))
    rows, out = [], Console(soft_wrap=True)
    found = run(
        paths,
        remaining=asked.remaining,
        risk=asked.risk,
        seeds=asked.seeds,
        tasks=asked.tasks,
        most=asked.most_rows,
    )
    for row in found:
        rows.append(row)
        # A long run tells what it has found as it goes, whatever its document will say in the end.
        (Console(stderr=True, soft_wrap=True) if asked.json else out).print(line(row), highlight=False, markup=False)
    if asked.json:
        sys.stdout.write(json.dumps({"machine": machine(), "rows": rows, "summary": summary(rows)}, indent=1) + "\n")
    else:
        out.print("\n".join(summary(rows)), highlight=False, markup=False)


if __name__ == "__main__":
    main()
