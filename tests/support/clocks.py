"""Service standards and case histories for the tests of the clock engine."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from zoneinfo import ZoneInfo

import pandas as pd
from hypothesis import strategies as st

from data.service_clock import ServiceClock
from tests.support.logs import event_frame

OFFICES = pd.DataFrame({"office": ["T-1", "K-1", "C-1", "X-1"], "tier": ["town", "county", "city", None]})

_FILE = """
[about]
name = "random"

[calendars.desk]
time_zone = "{zone}"
first_year = 2025
last_year = 2025

[calendars.desk.weekly]
monday-friday = ["09:00-12:00", "13:30-17:30"]
saturday = ["09:00-11:00"]

[calendars.desk.override.holidays]
"2025-03-12" = "a holiday"
"2025-10-31" = "another"

[calendars.desk.override.working_days]
"2025-03-16" = {{ name = "made up", hours = ["10:00-15:00"] }}

[clocks.first_reply]
starts = ["opened", "reopened"]
stops = ["replied", "closed"]
while_paused = "{paused}"
hand_over = "{hand_over}"

[clocks.resolve]
starts = ["opened", "reopened"]
stops = ["closed"]
while_paused = "{paused}"
hand_over = "{hand_over}"

[[standards]]
clock = "first_reply"
amount = 30
unit = "hours"

[[standards]]
clock = "first_reply"
tier = "county"
amount = 2
unit = "working_days"
ends = "midnight"

[[standards]]
category = "drain"
amount = 3
unit = "working_days"

[[standards]]
category = "drain"
tier = ["county", "city"]
amount = 9
unit = "working_hours"

[[standards]]
category = "light"
amount = 4
unit = "calendar_days"
last_day = "working"

[[standards]]
category = "light"
tier = "town"
channel = "phone"
amount = 5
unit = "calendar_days"
ends = "closing"

[[standards]]
tier = "city"
unit = "none"

[[standards]]
category = "far"
amount = 400
unit = "working_days"
"""


@cache
def random_clock(zone: str, paused: str, hand_over: str) -> ServiceClock:
    """A clock with every unit, whose promises differ by category, tier and channel."""
    return ServiceClock.parse(_FILE.format(zone=zone, paused=paused, hand_over=hand_over))


clocks = st.builds(
    random_clock,
    st.sampled_from(["America/New_York", "Asia/Shanghai", "Australia/Lord_Howe"]),
    st.sampled_from(["stands", "runs"]),
    st.sampled_from(["goes_on", "restarts", "takes_tier"]),
)

# Spring and autumn, when clocks leap.
_BEGINS = (1_741_150_000, 1_761_700_000)
_LATER = ("paused", "resumed", "transferred", "handed_up", "replied", "closed", "reopened", "withdrawn", "duplicate")
_WEIGHED = ("paused", "resumed", "paused", "resumed", *_LATER, "assigned", "amended")


@st.composite
def histories(draw: st.DrawFn, cases: int = 3) -> pd.DataFrame:
    """Some cases with events in any order that an office's system could let through."""
    rows: list[dict[str, object]] = []
    for number in range(draw(st.integers(1, cases))):
        at = draw(st.sampled_from(_BEGINS)) + draw(st.integers(0, 10 * 86_400))
        kinds = ["opened", *draw(st.lists(st.sampled_from(_WEIGHED), max_size=8))]
        for kind in kinds:
            office = draw(st.sampled_from(["T-1", "K-1", "C-1", "X-1", None]))
            names = kind in ("opened", "transferred", "handed_up", "assigned")
            tells = kind in ("opened", "amended")
            rows.append(
                {
                    "case_id": f"c{number}",
                    "kind": kind,
                    "at": at,
                    "known_at": at + draw(st.sampled_from([0, 0, 0, 3600, 3 * 86_400])),
                    "office": office if names else None,
                    "category": draw(st.sampled_from(["drain", "light", "other", "far", None])) if tells else None,
                    "channel": draw(st.sampled_from(["phone", "web", None])) if tells else None,
                }
            )
            at += draw(st.sampled_from([0, 60, 7_000, 86_400, 3 * 86_400])) + draw(st.integers(0, 50_000))
    return event_frame(rows)


def moment(text: str, zone: str = "Asia/Shanghai") -> int:
    """A local time as seconds in UTC."""
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp())


def story(*told: tuple[str, str] | tuple[str, str, dict[str, object]], zone: str = "Asia/Shanghai") -> pd.DataFrame:
    """The events of one case from (kind, local time[, what it says]); known as they happen."""
    rows = []
    for kind, text, *said in told:
        at = moment(text, zone)
        rows.append({"case_id": "c1", "kind": kind, "at": at, "known_at": at, **(said[0] if said else {})})
    return event_frame(rows)
