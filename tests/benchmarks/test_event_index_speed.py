"""What the 65 plain window features cost by the event index, beside pandas and Polars on the same files."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from features.windows import WINDOW_KEYS
from tests.benchmarks.event_index import benchmark, city_in, ratio, show, usual
from tests.benchmarks.event_index_online import online

pytestmark = pytest.mark.benchmark
CASES = int(os.environ.get("HEED_BENCH_CASES", "1000000"))
LARGE = 10 * CASES
# In smaller cities the second that every process takes to start is most of it: then only the bits are compared.
IN_FULL = CASES >= 1_000_000
KEY_SETS = list(WINDOW_KEYS)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """Where the cities are; kept between runs if `HEED_BENCH_DATA` says where."""
    kept = os.environ.get("HEED_BENCH_DATA")
    return Path(kept) if kept else tmp_path_factory.mktemp("window_city")


def test_a_fraction_of_what_pandas_and_polars_take(data, capsys):
    """At a million cases an eighth of the processor time of pandas at most and half of that of Polars, same bits."""
    pytest.importorskip("polars", reason="Polars is not installed: `make engines`")
    sizes = [CASES // 10, CASES]
    runs, agreements = benchmark(sizes, ["heed", "pandas", "polars"], KEY_SETS, data=data)
    with capsys.disabled():
        sys.stdout.write("\n")
        show(runs, agreements, KEY_SETS, 1)
    assert all(one.differ == 0 for one in agreements)
    if IN_FULL:
        assert (ratio(runs, CASES, "pandas") or 1) <= 1 / 8
        assert (ratio(runs, CASES, "polars") or 1) <= 1 / 2


def test_ten_million_cases_on_one_machine(data, capsys):
    """Below 100 seconds of processor time and 6 GB; 200 landmarks as by brute force."""
    runs, agreements = benchmark([LARGE], ["heed"], KEY_SETS, data=data, oracle=200)
    with capsys.disabled():
        sys.stdout.write("\n")
        show(runs, agreements, KEY_SETS, 1)
    taken = usual(runs, "heed", LARGE)
    assert taken is not None
    assert agreements[0].differ == 0
    if IN_FULL:
        assert taken.cpu < 1e-5 * LARGE
        assert taken.peak_mb < 6e-4 * LARGE


def test_one_case_of_ten_million_at_a_time(data, capsys):
    """Half of the cases in 0.3 ms, 150 MB for one more worker, one more day in 50 ms; the same bits as anew."""
    found = online(city_in(data, LARGE))
    with capsys.disabled():
        sys.stdout.write("\n" + "\n".join(f"{step}: {figures}" for step, figures in found.items()) + "\n")
    assert all(told.endswith(" 0 differ") for told in found["agreement"].values())
    assert found["worker"]["p50_ms"] <= 0.3
    assert found["worker"]["private_mb"] <= 150
    # Of its processor: on the clock it waits for others.
    assert found["day"]["add_cpu_ms"] <= 50
