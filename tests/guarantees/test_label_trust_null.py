"""How often label trust finds what is not there, and how often it finds what is: repeated experiments."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd
import pytest

from data.event_log import fold_cases
from data.quality.label_trust import trust
from data.quality.label_trust_shifts import ShiftRule, shifts
from data.quality.label_trust_symptoms import LEVEL
from data.quality.recording import recording
from tests.support.quality import (
    DAY,
    HOUR,
    ZONE,
    clean_city,
    clean_plan,
    folded,
    plant_heap,
    plant_import,
    plant_mass_closing,
)
from tests.support.weekly import show

# Facts about a record, and what crews note when it is already done: true of a clean city as well.
PLAIN = {"duplicates", "followed_short", "pace_by_year", "quick_closing"}


def false_findings(seeds: range, cases: int) -> Counter[str]:
    """In how many clean cities each symptom is told though nothing is the matter."""
    told: Counter[str] = Counter()
    with pytest.MonkeyPatch.context() as patch:
        for seed in seeds:
            events, as_of = clean_city(seed, patch, clean_plan(cases))
            known, log = folded(events, as_of)
            found = trust(known, log, as_of, ZONE)
            told.update({finding.code for finding in found.findings} - PLAIN)
            told.update({f"recording {code}" for code in recording(known, as_of, ZONE)["code"]})
    return told


def bound(level: float, n: int) -> float:
    """The level, plus two standard errors of an experiment of n cities."""
    return level + 2 * np.sqrt(level * (1 - level) / n)


def test_hardly_any_clean_city_has_a_finding():
    """Three small cities: where nothing is the matter, every finding is false, and none is expected in most."""
    told = false_findings(range(200, 203), 4000)
    assert max(told.values(), default=0) <= 1


@pytest.mark.slow
def test_false_findings_stay_under_their_level():
    """Over 200 clean cities, each symptom is told in at most 5 % of them, plus the error of the experiment."""
    n = 200
    told = false_findings(range(n), 4000)
    show(f"\nfalse findings in {n} clean cities of 4,000 cases: {dict(told)}")
    for code, count in told.items():
        assert count / n <= bound(LEVEL, n), code


@pytest.mark.slow
def test_larger_cities_are_no_worse():
    """Thicker cells test more, and the level holds: thirty cities of 30,000 cases."""
    n = 30
    told = false_findings(range(1000, 1000 + n), 30_000)
    show(f"\nfalse findings in {n} clean cities of 30,000 cases: {dict(told)}")
    for code, count in told.items():
        assert count / n <= bound(LEVEL, n), code


def found_of(code: str, events: pd.DataFrame, as_of: int, **where: str) -> bool:
    findings = trust(*folded(events, as_of), as_of, ZONE).findings
    return any(one.code == code and all(getattr(one, k) == v for k, v in where.items()) for one in findings)


@pytest.mark.slow
def test_planted_symptoms_are_found():
    """In cities of 12,000 cases: an hour's mass closing, half of the late booked in time, fifteen imported at once."""
    n, hits = 30, Counter()
    with pytest.MonkeyPatch.context() as patch:
        for seed in range(n):
            events, as_of = clean_city(seed, patch, clean_plan(12_000))
            office = str(fold_cases(events)["office"].value_counts().index[0])
            at = as_of - 40 * DAY
            at += 15 * HOUR - (at + 8 * HOUR) % DAY
            batch, _count = plant_mass_closing(events, office, at)
            heap, _moved = plant_heap(events, office, 0.5, np.random.default_rng(seed))
            hits["mass_closing"] += found_of("mass_closing", batch, as_of, office=office)
            hits["deadline_heap"] += found_of("deadline_heap", heap, as_of, office=office)
            hits["import_spike"] += found_of("import_spike", plant_import(events, "pothole", at, 15), as_of)
    show(f"\nfound of {n}: {dict(hits)}")
    assert hits["mass_closing"] >= 0.7 * n
    assert hits["deadline_heap"] >= 0.8 * n
    assert hits["import_spike"] == n


def monthly(rng: np.random.Generator, series: int, months: int, serial: float) -> pd.DataFrame:
    """Monthly shares about 0.4 whose logits hang together from month to month."""
    rows = []
    for key in range(series):
        state = rng.normal(0, 0.3)
        for month in range(months):
            state = serial * state + rng.normal(0, 0.3 * np.sqrt(1 - serial**2))
            whole = int(rng.integers(60, 120))
            part = rng.binomial(whole, 1 / (1 + np.exp(0.4 - state)))
            rows.append({"key": f"c{key}", "month": 24_000 + month, "part": part, "whole": whole})
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("serial", "runs"), [(0.0, 10), *(pytest.param(*one, marks=pytest.mark.slow) for one in ((0.0, 40), (0.6, 200)))]
)
def test_months_that_hang_together_are_no_shift(serial, runs):
    """Twenty series of four years without a change: a shift is told in at most 5 % of such records."""
    rng = np.random.default_rng(11)
    rule = ShiftRule(0.15, LEVEL, fewest_months=18, serial=True)
    told = np.mean([bool(shifts(monthly(rng, 20, 48, serial), rule)[0]) for _run in range(runs)])
    show(f"\nrecords with a false shift, serial correlation {serial}: {told:.3f} of {runs}")
    assert told <= bound(LEVEL, runs)


@pytest.mark.parametrize("change", [0.25, -0.25])
def test_a_planted_shift_is_dated(change):
    """A share that changes by a quarter from one month to the next is found within two months of it, in 20 of 20."""
    rng = np.random.default_rng(12)
    for _run in range(20):
        table = monthly(rng, 8, 48, 0.0)
        moved = (table["key"] == "c3") & (table["month"] >= 24_030)
        share = np.clip(table["part"] / table["whole"] + np.where(moved, change, 0.0), 0, 1)
        table["part"] = np.round(share * table["whole"])
        found, _tested = shifts(table, ShiftRule(0.15, LEVEL, serial=True))
        assert [one.key for one in found] == ["c3"]
        assert abs(found[0].month - 24_030) <= 2
        assert found[0].after - found[0].before == pytest.approx(change, abs=0.06)
