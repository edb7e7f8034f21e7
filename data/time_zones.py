"""The time zones that there are."""

from __future__ import annotations

from functools import cache
from zoneinfo import available_timezones


@cache
def time_zones() -> frozenset[str]:
    """The names of all, such as Asia/Shanghai."""
    # Once: it reads a folder of hundreds of files.
    return frozenset(available_timezones())
