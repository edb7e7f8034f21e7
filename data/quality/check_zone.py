"""Is the time zone right? People keep their hours on the wall clock, winter and summer; a wrong zone moves them.

Where clocks change, times that were written in UTC and read as local lie an hour earlier in summer than in winter, and
times that the source converted twice an hour later. Both show as a shift of the whole day's profile by exactly an hour
around the changes of the clock. Where clocks do not change, only the hours at which the city sleeps can tell.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import pandas as pd

from data.quality.check_dates import times_of
from data.quality.check_finding import Both, Chart, CheckFinding, Code, Point, Where
from data.quality.check_measures import BINS, Floats, clock_shift, day_profiles, quietest_hour
from data.quality.check_subject import Subject

_MEND: Final = Both(
    "改正映射的 time_zone，或请来源导出未换算的时刻；改好之前不要训练，时限与钟点都错了。",
    "Mend time_zone in the mapping, or have the source export times that are not converted. Do not train before: "
    "deadlines and hours are wrong.",
)
CODES: Final = (
    Code(
        "zone_utc_as_local",
        "dates",
        Both(
            "钟点随夏令时整整提前一小时：UTC多半被当作当地时间。",
            "The times of day move an hour earlier with daylight saving: most likely UTC read as local time.",
        ),
        Both(
            "列“{column}”的钟点在夏令时期间整体提前{minutes:n}分钟：像是UTC被当作当地时间。",
            "In column '{column}' the whole day runs {minutes:n} minutes earlier in summer than in winter: the "
            "times look "
            "like UTC read as local time.",
        ),
        _MEND,
    ),
    Code(
        "zone_converted_twice",
        "dates",
        Both(
            "钟点随夏令时整整推后一小时：来源多半把时刻换算了两次。",
            "The times of day move an hour later with daylight saving: most likely the source converted them twice.",
        ),
        Both(
            "列“{column}”的钟点在夏令时期间整体推后{minutes:n}分钟：像是来源换算了两次，所有时刻都偏早。",
            "In column '{column}' the whole day runs {minutes:n} minutes later in summer than in winter: the "
            "source seems "
            "to have converted the times twice, and all of them are hours too early.",
        ),
        _MEND,
    ),
    Code(
        "zone_quiet",
        "dates",
        Both(
            "全城“睡觉”的钟点不在后半夜：时区可能写错。",
            "The city seems to sleep by day: the time zone may be wrong.",
        ),
        Both(
            "列“{column}”一天中最清静的五小时以{quiet:x}点为中心，而通常在凌晨3点前后。",
            "In column '{column}' the quietest five hours of the day lie about {quiet:x} o'clock; usual is about 3 "
            "at night.",
        ),
        Both(
            "核对映射的 time_zone：来源写的或许是UTC。若受理只在夜间进行，可不管。",
            "Check time_zone in the mapping: the source may write UTC. Nothing to do if cases really come in at night.",
        ),
    ),
)

_FIELDS: Final = ("opened_at", "due_at", "closed_at")
_FEWEST: Final = 2000
_FEWEST_DAYS: Final = 30
# Days about a change of the clock: near enough that the season is the same on either side.
_NEAR: Final = 45
# Log-likelihood gained per hundred times, and share of resampled days that agree. Real records of three cities stay
# under 0.1; the same records shifted gain 4 and more.
_GAIN: Final = 2.0
_SURE: Final = 0.9
_NIGHT: Final = (22.5, 7.0)
_SUMMER: Final = Both("夏令时", "summer time")
_WINTER: Final = Both("冬令时", "winter time")


def find(subject: Subject) -> Iterator[CheckFinding]:
    """One finding per column whose times of day move with daylight saving, and one for nights in the daytime."""
    for field in _FIELDS:
        if subject.day_only(field):
            continue
        times = times_of(subject, field)
        local = subject.local(times)
        timed = local[(local != local.dt.normalize())]
        if len(timed) < _FEWEST or len(timed) < 0.5 * len(local):
            continue
        minute = (timed.dt.hour * 60 + timed.dt.minute).to_numpy("int64")
        day = timed.to_numpy().astype("datetime64[D]").astype("int64")
        shifted = _shift(subject, field, minute, day)
        if shifted is not None:
            yield shifted
        elif field == "opened_at":
            yield from _quiet(subject, field, minute)


def _shift(subject: Subject, field: str, minute: np.ndarray, day: np.ndarray) -> CheckFinding | None:
    profiles, days = day_profiles(minute, day)
    offset = _offsets(subject, days)
    if len(np.unique(offset)) < 2:
        return None
    near = np.zeros(len(days), dtype=bool)
    for change in np.flatnonzero(np.diff(offset)):
        near |= np.abs(days - days[change]) <= _NEAR
    winter, summer = profiles[near & (offset == offset.min())], profiles[near & (offset == offset.max())]
    if min(len(winter), len(summer)) < _FEWEST_DAYS:
        return None
    found = clock_shift(winter, summer)
    if not 45 <= abs(found.minutes) <= 75 or found.margin < _GAIN or found.sure < _SURE:
        return None
    return CheckFinding(
        code="zone_utc_as_local" if found.minutes < 0 else "zone_converted_twice",
        level="stop",
        weight=1.0,
        figures={"minutes": abs(found.minutes), "gain": round(found.margin, 1), "sure": found.sure},
        where=Where(column=subject.column(field)),
        chart=_profiles_chart(winter, summer),
    )


def _offsets(subject: Subject, days: np.ndarray) -> np.ndarray:
    """Minutes between the offices' clock and UTC at noon of each day."""
    noon = pd.Series(days.astype("datetime64[D]").astype("datetime64[s]")) + pd.Timedelta(hours=12)
    local = noon.dt.tz_localize(subject.zone, ambiguous=np.ones(len(days), dtype=bool), nonexistent="shift_forward")
    return ((noon - local.dt.tz_convert("UTC").dt.tz_localize(None)).dt.total_seconds() / 60).to_numpy()


def _profiles_chart(winter: Floats, summer: Floats) -> Chart:
    points = []
    for name, profiles in ((_WINTER, winter), (_SUMMER, summer)):
        hours = profiles.sum(axis=0).reshape(24, BINS // 24).sum(axis=1)
        points += [Point(str(hour), float(value), name) for hour, value in enumerate(hours / max(hours.sum(), 1.0))]
    return Chart(
        "clock", "share", Both("钟点", "hour of the day"), Both("时刻份额", "share of the times"), tuple(points)
    )


def _quiet(subject: Subject, field: str, minute: np.ndarray) -> Iterator[CheckFinding]:
    quiet = quietest_hour(minute)
    late, early = _NIGHT
    if quiet >= late or quiet <= early:
        return
    hours = np.bincount(minute // 60, minlength=24) / len(minute)
    yield CheckFinding(
        code="zone_quiet",
        level="warn",
        weight=0.6,
        figures={"quiet": quiet, "n": len(minute)},
        where=Where(column=subject.column(field)),
        chart=Chart(
            "clock", "share", Both("钟点", "hour of the day"), Both("时刻份额", "share of the times"),
            tuple(Point(str(hour), float(hours[hour])) for hour in range(24)), mark=str(int(quiet)),
        ),
    )  # fmt: skip
