"""Cells of files that a spreadsheet will open."""

from __future__ import annotations

import re
from typing import Final

# What a spreadsheet takes for a formula at the beginning of a cell, also in the full width of Chinese letters.
_FORMULA: Final = re.compile(r"[=+\-@＝＋－＠\t\r\n]")
_NUMBER: Final = re.compile(r"-?\d+(\.\d+)?")


def safe_cell(value: str) -> str:
    """The value as no spreadsheet takes it for a formula; numbers stay as they are."""
    if _NUMBER.fullmatch(value) or not _FORMULA.match(value.lstrip(" \u3000")):
        return value
    return f"'{value}"
