"""Figures and moments in words, the same on every page and in every answer that speaks to people."""

from __future__ import annotations

import math
from datetime import datetime
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_datetime, format_time
from babel.numbers import format_decimal

from models.wording import outcome_of
from service.language import Words, marked
from service.places import Kind, Name, Places
from service.published import Figure

_MINUTE: Final = 60
_HOUR: Final = 3600
_DAY: Final = 86_400
# Of a hundredth: what floats are off by makes no interval wider.
_HAIR: Final = 1e-9

BANDS: Final = {"high": marked("High"), "medium": marked("Medium"), "low": marked("Low")}
LEVELS: Final = {
    "high": marked("Far above usual"),
    "raised": marked("Above usual"),
    "usual": marked("As usual"),
    "unknown": marked("Past too short"),
}
CHANNELS: Final = {
    "phone": marked("Telephone"),
    "web": marked("Website"),
    "app": marked("App"),
    "counter": marked("Counter"),
    "mail": marked("Mail"),
    "social": marked("Social media"),
    "staff": marked("Staff"),
    "sensor": marked("Sensor"),
    "other": marked("Other"),
}
EVENTS: Final = {
    "opened": marked("Opened"),
    "assigned": marked("Assigned"),
    "transferred": marked("Transferred"),
    "handed_up": marked("Handed up a tier"),
    "replied": marked("Replied"),
    "paused": marked("Paused"),
    "resumed": marked("Resumed"),
    "closed": marked("Closed"),
    "reopened": marked("Reopened"),
    "withdrawn": marked("Withdrawn"),
    "duplicate": marked("Found to be a duplicate"),
    "amended": marked("Corrected"),
}
# As what the office does or leaves undone.
OUTCOMES: Final = {
    "late": marked("answered late"),
    "unresolved": marked("closed without being solved"),
    "reopened": marked("taken up again"),
    "handed_up": marked("handed up a tier"),
    "any_failure": marked("failed in any of these ways"),
}
DIRECTIONS: Final = {"rise": marked("Rising"), "silence": marked("Fallen silent")}
STATUSES: Final = {
    "new": marked("Not looked at yet"),
    "checked": marked("Being checked"),
    "confirmed": marked("Confirmed"),
    "dismissed": marked("Dismissed"),
    "acted": marked("Acted on"),
}


def per_100(probability: float) -> int:
    """A probability as cases of 100."""
    return round(100 * probability)


def frequency(words: Words, probability: float) -> str:
    """A probability as a natural frequency: people read "62 of 100" more surely than "0.62"."""
    if 0 < probability < 0.005:
        return words.gettext("fewer than 1 of 100 like this")
    if 0.995 <= probability < 1:
        return words.gettext("more than 99 of 100 like this")
    return words.gettext("about %(n)d of 100 like this", n=per_100(probability))


def interval(lower: float, upper: float) -> str:
    """An interval of probabilities as cases of 100, rounded outwards from the four decimals of the API: "58–66"."""
    low, high = math.floor(100 * round(lower, 4) + _HAIR), math.ceil(100 * round(upper, 4) - _HAIR)
    return f"{low}–{high}"


def age(words: Words, opened_at: int, as_of: int) -> str:
    """How long a case has been open at the scoring."""
    open_for = max(as_of - opened_at, 0)
    if open_for < 2 * _DAY:
        return words.ngettext("open for %(n)d hour", "open for %(n)d hours", open_for // _HOUR)
    return words.ngettext("open for %(n)d day", "open for %(n)d days", open_for // _DAY)


def deadline(words: Words, due_at: int | None, as_of: int) -> str:
    """The time left until a deadline, or since it, as of the scoring."""
    if due_at is None:
        return words.gettext("no deadline")
    left = due_at - as_of
    if abs(left) < _HOUR:
        return words.gettext("due within the hour") if left >= 0 else words.gettext("just overdue")
    amount, days = (abs(left) // _DAY, True) if abs(left) >= 2 * _DAY else (abs(left) // _HOUR, False)
    if left >= 0 and days:
        return words.ngettext("in %(n)d day", "in %(n)d days", amount)
    if left >= 0:
        return words.ngettext("in %(n)d hour", "in %(n)d hours", amount)
    if days:
        return words.ngettext("%(n)d day overdue", "%(n)d days overdue", amount)
    return words.ngettext("%(n)d hour overdue", "%(n)d hours overdue", amount)


def figure(words: Words, shown: Figure, minimum: int) -> str:
    """A disclosed figure; one that is withheld is never shown as nothing."""
    if shown.withheld:
        return withheld(words, minimum)
    return words.gettext("not known") if shown.value is None else number(words, shown.value)


def withheld(words: Words, minimum: int) -> str:
    """What stands in place of a withheld figure. The same words for a small one and for one that guards it,
    since a reader who can tell them apart knows more than either should say.
    """
    return words.gettext("fewer than %(minimum)d, or withheld", minimum=minimum)


def number(words: Words, value: float) -> str:
    """A number with the separators of the language, at most one decimal."""
    return format_decimal(value, format="#,##0.#", locale=words.locale)


def two_decimals(words: Words, value: float) -> str:
    """A number with at most two decimals."""
    return format_decimal(value, format="#,##0.##", locale=words.locale)


def four_decimals(words: Words, value: float) -> str:
    """A number with at most four decimals."""
    return format_decimal(value, format="#,##0.####", locale=words.locale)


@lru_cache(maxsize=4096)  # a page formats a hundred of some two thousand possible figures
def one_decimal(words: Words, tenths: int) -> str:
    """A figure given in tenths, always with its decimal."""
    return format_decimal(tenths / 10, format="0.0", locale=words.locale)


def points(words: Words, tenths: int) -> str:
    """Percentage points, given in tenths, with a sign."""
    sign = "+" if tenths > 0 else "−" if tenths < 0 else "±"
    return sign + one_decimal(words, abs(tenths))


def signed(words: Words, change: int) -> str:
    """A change, always with its sign."""
    sign = "+" if change > 0 else "−" if change < 0 else "±"
    return sign + number(words, abs(change))


def local(ts: int, time_zone: ZoneInfo) -> datetime:
    """A moment (seconds in UTC) on the clock of the city."""
    return datetime.fromtimestamp(ts, time_zone)


def moment(words: Words, ts: int, time_zone: ZoneInfo) -> str:
    """Date and time, on the clock of the city."""
    pattern = "y年M月d日 HH:mm" if words.language == "zh" else "d MMM y, HH:mm"
    return format_datetime(local(ts, time_zone), pattern, locale=words.locale)


def day(words: Words, ts: int, time_zone: ZoneInfo) -> str:
    """The date, on the calendar of the city."""
    pattern = "y年M月d日" if words.language == "zh" else "d MMM y"
    return format_date(local(ts, time_zone).date(), pattern, locale=words.locale)


def short_day(words: Words, ts: int, time_zone: ZoneInfo) -> str:
    """The date without its year."""
    pattern = "M月d日" if words.language == "zh" else "d MMM"
    return format_date(local(ts, time_zone).date(), pattern, locale=words.locale)


def weekday_time(words: Words, ts: int, time_zone: ZoneInfo) -> str:
    """Weekday, date without year, and time: enough for what is a few days away."""
    pattern = "M月d日 EEE HH:mm" if words.language == "zh" else "EEE d MMM, HH:mm"
    return format_datetime(local(ts, time_zone), pattern, locale=words.locale)


def clock(words: Words, ts: int, time_zone: ZoneInfo) -> str:
    """Hours and minutes."""
    return format_time(local(ts, time_zone), "HH:mm", locale=words.locale)


def place(words: Words, places: Places, kind: Kind, code: str | None) -> str:
    """The name of an area, an office or a category; in words where it is not known."""
    if code is None:
        return words.gettext("not given")
    return named(words, places.name(kind, code))


def outcome(words: Words, code: str) -> str:
    """An outcome, by its code with or without its horizon (`reopened_28d`), as what the office does or leaves."""
    return word(words, OUTCOMES, outcome_of(code))


def named(words: Words, name: Name) -> str:
    """A name in this language."""
    return words.pick(zh=name.zh, en=name.en, code=name.code)


def word(words: Words, table: dict[str, str], code: str | None) -> str:
    """A code of one of the tables above in words; an unknown one stays as it is."""
    if code is None:
        return words.gettext("not given")
    return words.gettext(table.get(code, code))
