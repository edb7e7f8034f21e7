"""An export of a small town in good order, some years long, into which a test plants one thing that is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from data.mapping import Mapping
from data.quality.check import CODES, FINDERS
from data.quality.check_finding import CheckFinding
from data.quality.check_subject import Subject, subject_of_file
from tests.support.exports import town

KINDS = ("Street light", "Blocked drain", "Litter", "Road")
VILLAGES = ("North", "South", "East", "West")
PROMISED = {"Street light": 7, "Blocked drain": 3, "Litter": 2, "Road": 14}
START, YEARS = pd.Timestamp("2021-01-04"), 3


@cache
def _healthy(cases: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    day = np.sort(rng.integers(0, 365 * YEARS, cases))
    # Most people call by day, a few at night: about three nobody does.
    minute = np.clip(rng.normal(13 * 60, 200, cases), 30, 1410).astype(int)
    night = rng.random(cases) < 0.06
    minute = np.where(night, rng.choice([30, 1380, 1320, 60, 360, 400], cases) + rng.integers(0, 25, cases), minute)
    second = rng.integers(1, 60, cases)
    opened = START + pd.to_timedelta(day, "D") + pd.to_timedelta(minute, "m") + pd.to_timedelta(second, "s")
    kind = rng.choice(KINDS, cases)
    promised = pd.to_timedelta(np.array([PROMISED[name] for name in kind]), "D")
    took = promised * rng.gamma(4, 0.18, cases) + pd.to_timedelta(rng.integers(601, 9000, cases), "s")
    return pd.DataFrame(
        {
            "number": [f"A{place:06d}" for place in range(cases)],
            "opened": opened.floor("s"),
            "due": (opened + promised).floor("s"),
            "closed": (opened + took).floor("s"),
            "kind": kind,
            "village": rng.choice(VILLAGES, cases),
            "via": rng.choice(["Call", "Site"], cases),
            "unit": np.where(np.isin(kind, KINDS[:2]), "Works", "Cleaning"),
        }
    )


def healthy(cases: int = 3000, seed: int = 5) -> pd.DataFrame:
    """A fresh copy of the export."""
    return _healthy(cases, seed).copy()


def subject_of(
    frame: pd.DataFrame, folder: Path, mapping: Mapping | None = None, *, drop: Sequence[str] = ()
) -> Subject:
    """The frame written to a file and read as a check reads it."""
    path = folder / "export.csv"
    frame.to_csv(path, index=False)
    return subject_of_file(path, mapping or town(), drop=drop)


def found_in(subject: Subject) -> dict[str, list[CheckFinding]]:
    """What every family but that of labels finds, by code."""
    found: dict[str, list[CheckFinding]] = {}
    for find in FINDERS:
        for one in find(subject):
            assert one.code in CODES
            found.setdefault(one.code, []).append(one)
    return found
