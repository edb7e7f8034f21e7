"""Memory does not grow with the file."""

from __future__ import annotations

import sys

import pytest

from tests.support.big_files import write_big
from tests.support.import_worker import run

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("shape", ["cases", "events"])
def test_ten_times_the_file_takes_no_more_memory(tmp_path, shape):
    """A million cases may take a tenth more at the peak than a hundred thousand, not ten times as much."""
    peaks = []
    for cases in (100_000, 1_000_000):
        path = write_big(tmp_path / f"{cases}.csv", shape, cases)
        url = f"sqlite:///{tmp_path / f'{cases}.db'}"
        peaks.append(run("heed", url, path, shape).peak_mb)
        # pytest keeps the folders of its last runs.
        for left in tmp_path.iterdir():
            left.unlink()
    sys.stdout.write(f"\n{shape}: {peaks[0]:,.0f} MB for 100,000 cases, {peaks[1]:,.0f} MB for 1,000,000\n")
    assert peaks[1] < 1.25 * peaks[0]
