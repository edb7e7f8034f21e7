"""How long a check takes."""

from __future__ import annotations

import time

import pytest

from data.quality.check import check_file
from service.check_report.page import page_of
from service.check_report.told import Report
from service.check_verdict import verdicts
from tests.support.check_exports import healthy
from tests.support.exports import town


@pytest.mark.benchmark
def test_sixty_thousand_rows_are_checked_in_a_quarter_of_a_minute(tmp_path):
    """Reading, every family, the verdicts and the page, in processor time: other work on the machine does not count."""
    path = tmp_path / "export.csv"
    healthy(60_000).to_csv(path, index=False)
    start = time.process_time()
    checked = (check_file(path, town()),)
    page_of(Report.of(checked, verdicts(checked)), "zh")
    taken = time.process_time() - start
    assert taken < 15, f"{taken:.1f} s"
