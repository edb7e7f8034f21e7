"""Times as a source writes them, turned into seconds since 1970 in UTC."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from data.errors import MappingError
from data.event_log import NEVER

Seconds = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

# Stricter than pandas, which reads "2011-07-01 05:0", the end of a file that was cut off, as five o'clock.
_DAY: Final = r"(?:\d{4}-\d{2}-\d{2}|\d{8})"
_TIME: Final = r"[T ]\d{2}:?\d{2}(?::?\d{2}(?:[.,]\d+)?)?"
_OFFSET: Final = r" ?(?:[Zz]|[+-]\d{2}(?::?\d{2})?)"
_LOCAL: Final = f"^{_DAY}(?:{_TIME})?$"
_AWARE: Final = f"^{_DAY}{_TIME}{_OFFSET}$"

# Between these days every zone has rules and no arithmetic runs over; nothing before or after them is told apart.
_FIRST_DAY: Final = pd.Timestamp("1900-01-01")
_LAST_DAY: Final = pd.Timestamp("2600-01-01")


@dataclass(frozen=True)
class Moments:
    """A column of times.

    `seconds` is NEVER where there is none; what lies after the year 2514 is pulled back to the second before
    NEVER. The masks mark rows: `unreadable` is no time, or a time before 1970; `naive` carries no offset
    while no zone is declared; `ambiguous` is a local time that the clock showed twice (the earlier is taken)
    and `skipped` one that it never showed (the first second after the gap is taken).
    """

    seconds: Seconds
    unreadable: Mask
    naive: Mask
    ambiguous: Mask
    skipped: Mask


def parse_moments(values: pd.Series, zone: ZoneInfo | None, time_format: str | None = None) -> Moments:
    """Read a column of times: text (ISO 8601, or `time_format` in the notation of strftime) or datetime64.

    A time that carries an offset is taken by it; any other is local time in `zone`. Raises `MappingError` if
    `time_format` is no such format.
    """
    # Every distinct value once: days and whole hours repeat a lot.
    codes, distinct = pd.factorize(values)
    written = pd.Series(distinct)
    if isinstance(written.dtype, pd.DatetimeTZDtype):
        found = _checked(_utc_seconds(written), _none(len(written)), _none(len(written)), _none(len(written)))
    elif pd.api.types.is_datetime64_dtype(written.dtype):
        found = _local(written, zone)
    else:
        found = _text(written, zone, time_format)
    # One more place at the end, which the code of a null, -1, points to.
    return Moments(
        np.append(found.seconds, NEVER)[codes],
        *(np.append(mask, False)[codes] for mask in (found.unreadable, found.naive, found.ambiguous, found.skipped)),
    )


def next_midnight(seconds: Seconds, zone: ZoneInfo) -> Seconds:
    """The local midnight after the day that each moment lies in; NEVER stays NEVER.

    Days are counted on the wall clock: where the clocks change, the day has 23 or 25 hours.
    """
    distinct, places = np.unique(seconds, return_inverse=True)
    there = distinct != NEVER
    utc = pd.Series(pd.to_datetime(distinct[there], unit="s", utc=True))
    day = utc.dt.tz_convert(zone).dt.tz_localize(None).dt.normalize() + pd.Timedelta(days=1)
    found = distinct.copy()
    found[there] = _utc_seconds(_with_zone(day, zone))
    return np.asarray(found[places], dtype=np.int64)


def _text(written: pd.Series, zone: ZoneInfo | None, time_format: str | None) -> Moments:
    if time_format is None:
        aware = _matches(written, _AWARE)
        readable = aware | _matches(written, _LOCAL)
    else:
        readable, aware = ~_none(len(written)), np.full(len(written), "%z" in time_format)
    style = time_format or "ISO8601"
    local = pd.Series(pd.NaT, index=written.index, dtype="datetime64[us]")
    plain = readable & ~aware
    local[plain] = _parsed(written[plain], style, utc=False).astype("datetime64[us]")
    found = _local(local, zone)
    with_offset = readable & aware
    found.seconds[with_offset] = _utc_seconds(_parsed(written[with_offset], style, utc=True))
    return _checked(found.seconds, found.naive, found.ambiguous, found.skipped)


def _matches(written: pd.Series, pattern: str) -> Mask:
    found = pc.match_substring_regex(pa.array(written, pa.large_string()), pattern)
    return np.asarray(found.to_numpy(zero_copy_only=False), dtype=bool)


def _parsed(written: pd.Series, style: str, *, utc: bool) -> pd.Series:
    try:
        parsed: pd.Series = pd.to_datetime(written, format=style, errors="coerce", utc=utc)
    except ValueError:
        # Whatever was written is coerced: only the format itself can be wrong.
        raise MappingError(
            "[source] time_format: expected the notation of strftime, such as '%d/%m/%Y %H:%M', got another. Mend it "
            "in the mapping."
        ) from None
    return parsed


def _local(local: pd.Series, zone: ZoneInfo | None) -> Moments:
    """Local times, null where there is none."""
    there = local.notna().to_numpy(dtype=bool)
    local = local.mask(local > _LAST_DAY, _LAST_DAY).mask(local < _FIRST_DAY)
    if zone is None:
        return _checked(np.full(len(local), NEVER, dtype=np.int64), there, _none(len(local)), _none(len(local)))
    twice = local.dt.tz_localize(zone, ambiguous="NaT", nonexistent="shift_forward").isna()
    never = local.dt.tz_localize(zone, ambiguous=_earlier(local), nonexistent="NaT").isna()
    seconds = _utc_seconds(_with_zone(local, zone))
    return _checked(seconds, _none(len(local)), twice.to_numpy() & there, never.to_numpy() & there)


def _checked(seconds: Seconds, naive: Mask, ambiguous: Mask, skipped: Mask) -> Moments:
    """Distinct written values, none of them null: what gave no second is unreadable."""
    unreadable = ~naive & ((seconds == NEVER) | (seconds < 0))
    return Moments(np.where(unreadable, NEVER, seconds), unreadable, naive, ambiguous, skipped)


def _with_zone(local: pd.Series, zone: ZoneInfo) -> pd.Series:
    aware: pd.Series = local.dt.tz_localize(zone, ambiguous=_earlier(local), nonexistent="shift_forward")
    return aware


def _earlier(local: pd.Series) -> Mask:
    """For pandas: of a time that the clock shows twice, take the first, still in daylight saving time."""
    return np.ones(len(local), dtype=bool)


def _utc_seconds(aware: pd.Series) -> Seconds:
    there = aware.notna().to_numpy(dtype=bool)
    seconds = np.full(len(aware), NEVER, dtype=np.int64)
    utc = aware[there].dt.tz_convert("UTC").dt.tz_localize(None)
    whole = utc.to_numpy().astype("datetime64[s]").astype(np.int64)
    seconds[there] = np.minimum(whole, NEVER - 1)
    return seconds


def _none(size: int) -> Mask:
    return np.zeros(size, dtype=bool)
