"""Rows put down as they come and taken up case by case."""

from __future__ import annotations

import secrets
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.import_spool import Spool


def parts(sizes: list[int], cases: int) -> list[pd.DataFrame]:
    """Frames of so many rows of a few cases, numbered through."""
    rng = np.random.default_rng(3)
    names = [secrets.token_hex(16) for _ in range(cases)]
    made, first = [], 1
    for size in sizes:
        frame = pd.DataFrame({"row": np.arange(first, first + size), "stays": rng.random(size) < 0.5})
        frame["case_id"] = pd.Series([names[place] for place in rng.integers(0, cases, size)], dtype="str")
        frame["area"] = pd.Series([None if place % 3 else "北街" for place in range(size)], dtype="str")
        frame["office"] = pd.Series([None] * size, dtype="str")
        made.append(frame)
        first += size
    return made


@pytest.mark.parametrize(("at_once", "buckets"), [(1000, 256), (100, 256), (7, 256), (1, 16), (30, 1)])
def test_every_row_comes_back_once_and_every_case_in_one_piece(at_once, buckets):
    """Whatever goes to disk, the groups hold all rows, their types and the order of the file."""
    given = parts([50, 1, 0, 80, 200], cases=40)
    with Spool(at_once, buckets) as spool:
        for part in given:
            spool.add(part)
        assert spool.rows == 331
        groups = list(spool.groups())
        again = list(spool.groups())
    whole = pd.concat(given, ignore_index=True)
    assert whole.dtypes.equals(groups[0].dtypes)
    back = pd.concat(groups, ignore_index=True).sort_values("row", ignore_index=True)
    pd.testing.assert_frame_equal(back, whole)
    for one, other in zip(groups, again, strict=True):
        pd.testing.assert_frame_equal(one, other)
        assert one["row"].is_monotonic_increasing
    ends = [(group["case_id"].min(), group["case_id"].max()) for group in groups]
    assert all(before[1] < after[0] for before, after in pairwise(ends))
    assert len(groups) == 1 or at_once < 331


def test_more_rows_may_come_after_reading():
    """Reading and adding may alternate."""
    first, second = parts([60, 70], cases=9)
    with Spool(10) as spool:
        spool.add(first)
        assert sum(map(len, spool.groups())) == 60
        spool.add(second)
        assert sum(map(len, spool.groups())) == 130


def test_an_empty_spool_has_no_groups():
    """Nothing in, nothing out."""
    with Spool() as spool:
        assert list(spool.groups()) == []


def test_the_file_on_disk_has_no_name(tmp_path, monkeypatch):
    """While rows lie on disk, no folder lists them."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with Spool(10) as spool:
        spool.add(parts([500], cases=20)[0])
        spool.add(parts([500], cases=20)[0])
        assert spool._file is not None
        assert list(Path(tmp_path).iterdir()) == []
