"""The door looks at a file part by part, and says the same however it is cut."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from data import value_scan
from data.errors import PersonalDataError
from data.value_scan import ValueScan


def refusal(values: list[str | None], size: int, *, references: bool = False) -> str:
    """What is said of a column that comes in parts of `size`; empty if nothing."""
    scan = ValueScan("cases.csv")
    column = pd.Series(values, dtype="str")
    rows = np.arange(1, len(values) + 1)
    for start in range(0, len(values), size):
        look = scan.look_at_references if references else scan.look_at_codes
        look("village", column.iloc[start : start + size], rows[start : start + size])
    try:
        scan.refuse()
    except PersonalDataError as error:
        return str(error)
    return ""


VILLAGES = [f"Village {number % 12}" for number in range(600)]


@pytest.mark.parametrize("size", [1, 7, 100, 1000])
def test_rows_and_counts_are_those_of_the_file(size):
    """A value that looks personal is named with the count and the first rows of the whole file."""
    values = list(VILLAGES)
    for place in (599, 3, 250, 251, 40, 500):
        values[place] = "jane@example.org"
    message = refusal(values, size)
    assert "column 'village', 6 rows: 4, 41, 251, 252, 501, …: looks like an e-mail address" in message
    assert message == refusal(values, 10_000)
    assert "jane" not in message


@pytest.mark.parametrize("size", [5, 150, 1000])
def test_values_of_their_own_are_seen_across_parts(size):
    """No part has enough rows to judge, and the file has: most rows have a value of their own."""
    values = [f"Q{number:03d}" for number in range(300)]
    assert "300 rows: 1, 2, 3, 4, 5, …: looks like names, numbers or texts and not codes" in refusal(values, size)


@pytest.mark.parametrize("size", [5, 150, 1000])
def test_few_values_in_every_part_are_codes(size):
    """Each part by itself may hold little but new values; the file repeats them."""
    values = [f"Q{number:03d}" for number in [*range(150)] * 4]
    assert refusal(values, size) == ""


def test_more_values_than_are_remembered_are_all_looked_at(monkeypatch):
    """Where a column has more values than are kept in memory, none goes by unseen."""
    monkeypatch.setattr(value_scan, "_DISTINCT_AT_ONCE", 4)
    values = [*VILLAGES, "jane@example.org", *VILLAGES]
    assert "row 601: looks like an e-mail address" in refusal(values, 50)


@pytest.mark.parametrize("size", [1, 33, 500])
def test_numbers_of_cases_are_judged_in_the_same_lots(size, monkeypatch):
    """Which numbers are judged together depends on the file and not on its parts."""
    monkeypatch.setattr(value_scan, "_REFERENCES_AT_ONCE", 100)
    numbers: list[str | None] = [f"C-{number:05d}" for number in range(400)]
    numbers[150], numbers[399] = "jane@example.org", None
    message = refusal(numbers, size, references=True)
    assert "column 'village', row 151: looks like an e-mail address" in message
    assert message == refusal(numbers, 10_000, references=True)
    assert refusal([number for number in numbers if number != "jane@example.org"], size, references=True) == ""
