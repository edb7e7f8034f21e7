"""The weeks that an echo board is about: twelve local weeks, and four more to see what became of its cases."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final, Self
from zoneinfo import ZoneInfo

WEEKS: Final = 12
FOLLOWED_WEEKS: Final = 4
# A Monday; the blocks are counted from it.
_ORIGIN: Final = date(1970, 1, 5)
_WEEK: Final = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Block:
    """Local Mondays 00:00, seconds in UTC: where each of the weeks begins, where the last ends, and where the following
    up ends.
    """

    weeks: tuple[int, ...]
    until: int
    counted_at: int

    @property
    def since(self) -> int:
        """Where the first week begins."""
        return self.weeks[0]

    @classmethod
    def newest(cls, as_of: int, time_zone: str) -> Self:
        """The newest block whose cases have been followed up at `as_of` (seconds in UTC)."""
        number = (datetime.fromtimestamp(as_of, ZoneInfo(time_zone)).date() - _ORIGIN) // (WEEKS * _WEEK)
        while (found := cls._of(number, time_zone)).counted_at > as_of:
            number -= 1
        return found

    @classmethod
    def since_week(cls, since: int, time_zone: str) -> Self:
        """The block that begins then."""
        return cls._of(
            (datetime.fromtimestamp(since, ZoneInfo(time_zone)).date() - _ORIGIN) // (WEEKS * _WEEK), time_zone
        )

    @classmethod
    def _of(cls, number: int, time_zone: str) -> Self:
        zone = ZoneInfo(time_zone)
        first = _ORIGIN + number * WEEKS * _WEEK
        starts = [_midnight(first + week * _WEEK, zone) for week in range(WEEKS + FOLLOWED_WEEKS + 1)]
        return cls(tuple(starts[:WEEKS]), starts[WEEKS], starts[-1])


def _midnight(day: date, zone: ZoneInfo) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC).timestamp())
