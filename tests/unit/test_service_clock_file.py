from __future__ import annotations

import pytest

from data.errors import InputError
from data.service_clock import SHIPPED, ServiceClock
from data.service_clock_file import parse_standards

HEAD = """
[about]
name = "test"
[calendars.desk]
time_zone = "Asia/Shanghai"
first_year = 2025
last_year = 2025
[calendars.desk.weekly]
monday-friday = ["09:00-17:00"]
"""
ONE = """
[[standards]]
amount = 5
unit = "working_days"
"""


def refused(text: str) -> str:
    with pytest.raises(InputError) as caught:
        parse_standards(text.encode(), "mine.toml")
    return str(caught.value)


def test_a_small_file_is_enough():
    """One calendar and one standard; clocks that are not described follow the usual rules."""
    file = parse_standards((HEAD + ONE).encode())
    assert file.standards[0].settled() == (5, "working_days")
    assert file.rules("resolve").starts == ("opened", "reopened")
    assert file.rules("resolve").while_paused == "stands"
    assert len(file.sha256) == 64


def test_the_mediation_window_is_thirty_calendar_days_by_default():
    """Amount and unit may be left out for this clock only."""
    file = parse_standards((HEAD + '[[standards]]\nclock = "pre_mediation"\n').encode())
    assert file.standards[0].settled() == (30, "calendar_days")
    assert "amount and unit are required" in refused(HEAD + '[[standards]]\nclock = "resolve"\n')


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("\x00", "mine.toml: this is not TOML"),
        (HEAD, "[standards]: is required."),
        (
            HEAD + ONE + "hours = 3\n",
            "[[standards]] number 1 hours: there is no such setting. Allowed: clock, category",
        ),
        (HEAD + ONE + ONE.replace("5", "6"), "number 2: promises what number 1 promises already (clock resolve, categ"),
        (HEAD + ONE + 'ends = "noon"\n', "number 1 ends: input should be 'closing' or 'midnight'."),
        (HEAD + ONE + 'tier = "parish"\n', "number 1 tier: input should be 'village', 'town', 'county' or 'city'."),
        (HEAD + ONE.replace("5", "0"), "number 1 amount: input should be greater than or equal to 1."),
        (HEAD + ONE + 'last_day = "working"\n', "last_day: only for unit = 'calendar_days'. Take it out."),
        (HEAD + ONE.replace("working_days", "hours") + 'ends = "closing"\n', "ends: only for days"),
        (HEAD + ONE + 'calendar = "duty"\n', "calendar: there is no [calendars.duty]. Allowed: desk."),
        (
            HEAD + ONE.replace('unit = "working_days"', 'unit = "none"'),
            "amount: nothing is promised with unit = 'none'",
        ),
        (
            HEAD + '[clocks.mediate]\nstarts = ["opened"]\nstops = ["closed"]\n' + ONE,
            "[clocks] mediate: input should be 'first_reply', 'resolve' or 'pre_mediation'.",
        ),
        (
            HEAD + '[clocks.resolve]\nstarts = ["closed"]\nstops = ["closed"]\n' + ONE,
            "[clocks.resolve] starts: 'closed' is not allowed. Allowed: opened, assigned, reopened.",
        ),
        (
            HEAD + '[clocks.resolve]\nstarts = ["assigned"]\nstops = ["assigned"]\n' + ONE,
            "[clocks.resolve]: 'assigned' starts the clock and stops it; keep one of the two.",
        ),
        (
            HEAD + '[clocks.first_reply]\nstarts = ["opened"]\nstops = ["replied"]\n' + ONE,
            "[clocks.first_reply]: no [[standards]] has clock = 'first_reply', so it promises nothing",
        ),
        (
            HEAD + '[clocks.resolve]\nstarts = ["opened"]\nstops = ["closed"]\nhand_over = "stops"\n' + ONE,
            "[clocks.resolve] hand_over: input should be 'goes_on', 'restarts' or 'takes_tier'.",
        ),
        (HEAD.replace("2025\nlast", "2025\nlost = 1\nlast") + ONE, "[calendars.desk] lost: there is no such setting."),
        (HEAD.replace("09:00-17:00", "17:00-09:00") + ONE, "[calendars.desk] weekly: expected opening hours such as"),
        (
            HEAD + '[calendars.desk.override.holidays]\n"2025-13-01" = "x"\n' + ONE,
            "[calendars.desk.override.holidays] 2025-13-01: ",
        ),
        (
            HEAD + '[calendars.desk.override.working_days]\n"2025-02-01" = { name = "x", opens = 9 }\n' + ONE,
            "2025-02-01] opens: there is no such setting. Allowed: name, name_en, hours.",
        ),
        (
            HEAD + '[calendars.duty]\ntime_zone = "UTC"\nfirst_year = 2025\nlast_year = 2025\n'
            '[calendars.duty.weekly]\nmonday = ["09:00-10:00"]\n' + ONE,
            "calendar: is required where there are several. Allowed: desk, duty.",
        ),
        (HEAD.replace('"test"', '"Test 1"') + ONE, "[about] name: string should match pattern"),
    ],
)
def test_a_slip_is_named_with_its_place_and_what_is_allowed(text, told):
    """Nothing is skipped in silence, and the message leads to the line."""
    message = refused(text)
    assert message.startswith("mine.toml: ")
    assert told in message


def test_a_file_in_another_encoding_is_refused():
    """UTF-8, with or without a byte order mark."""
    with pytest.raises(InputError, match="Save the file as UTF-8"):
        parse_standards('[about]\nname = "市"'.encode("gbk"), "mine.toml")
    clock = ServiceClock.parse(b"\xef\xbb\xbf" + (HEAD + ONE).encode())
    assert clock.name == "test"


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.toml")), ids=lambda path: path.stem)
def test_shipped_files_are_named_after_themselves(path):
    """The name inside is the name one asks for."""
    assert parse_standards(path.read_bytes()).about.name == path.stem
