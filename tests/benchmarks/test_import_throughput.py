"""How fast a million cases come in, with every check, beside what one would write without any."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import pytest

from tests.support.big_files import write_big
from tests.support.exports import fresh_schema
from tests.support.import_worker import run

pytestmark = pytest.mark.benchmark
CASES = int(os.environ.get("HEED_BENCH_CASES", "1000000"))


@pytest.fixture(params=["sqlite", "postgresql"])
def urls(request, tmp_path) -> Iterator[tuple[str, str]]:
    """Addresses of two empty databases of an engine, one for each."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'heed.db'}", f"sqlite:///{tmp_path / 'rival.db'}"
        for path in tmp_path.iterdir():
            path.unlink()
        return
    url = request.getfixturevalue("postgres_url")
    with fresh_schema(url) as ours, fresh_schema(url) as theirs:
        yield ours, theirs


@pytest.fixture(scope="module", params=["cases", "events"])
def big_file(request, tmp_path_factory) -> Iterator[tuple[str, object]]:
    path = write_big(tmp_path_factory.mktemp("big") / "big.csv", request.param, CASES)
    yield request.param, path
    path.unlink()


def test_a_million_cases(big_file, urls, capsys):
    """Cases a second on the clock; the rival reads the same file with pandas and writes it with `to_sql`, unchecked."""
    shape, path = big_file
    ours = run("heed", urls[0], path, shape)
    theirs = run("pandas", urls[1], path, shape)
    engine = urls[0].split(":", 1)[0].split("+", 1)[0]
    told = [f"\n{engine}, shape {shape}, {CASES:,} cases, {path.stat().st_size / 1e6:,.0f} MB of CSV"]
    told += [
        f"  {name:14s} {CASES / taken.seconds:>9,.0f} cases/s  {taken.seconds:7.1f} s  CPU {taken.cpu:7.1f} s  "
        f"peak {taken.peak_mb:7,.0f} MB  {taken.rows:>10,} rows"
        for name, taken in (("heed import", ours), ("pandas to_sql", theirs))
    ]
    # The rival stores a row as it stands; heed turns the row of a case into the events that it tells of.
    ratio = (ours.seconds / ours.rows) / (theirs.seconds / theirs.rows)
    with capsys.disabled():
        sys.stdout.write("\n".join([*told, f"  time per stored row, heed to rival: {ratio:.2f}\n"]))
    # Half of what a quiet machine with two old cores does, so that only a real loss is found.
    assert CASES / ours.seconds > 7_500
    assert ratio < 2.5
