"""The clock engine on cases worked out by hand; every expected moment is derived in the comment beside it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from data.errors import UsageError
from data.event_log import NEVER, empty_events
from data.service_clock import DUE_COLUMNS, ServiceClock, find_clock, shipped_clocks
from data.synthetic.catalogue import CATEGORIES
from tests.support.clocks import OFFICES, moment, story

NEW_YORK = "America/New_York"
LATER = moment("2026-01-01T00:00")


def one(clock: ServiceClock, events: pd.DataFrame, which: str = "resolve", as_of: int = LATER) -> pd.Series:
    found = clock.due(events, OFFICES, as_of=as_of)
    return found[found["clock"] == which].iloc[0]


def promise(text: str, *, zone: str = "Asia/Shanghai", country: str = "CN", clocks: str = "") -> ServiceClock:
    """A clock with one promise of the resolve clock, given as TOML lines."""
    return ServiceClock.parse(f"""
        [about]
        name = "test"
        [calendars.desk]
        time_zone = "{zone}"
        first_year = 2024
        last_year = 2025
        [calendars.desk.weekly]
        monday-friday = ["09:00-12:00", "13:30-17:30"]
        [calendars.desk.holidays]
        country = "{country}"
        {clocks}
        [[standards]]
        {text}
    """)


@pytest.mark.parametrize(
    ("text", "opened", "due"),
    [
        # Spring Festival 2024: off from Sat 10 to Sat 17 February; Sun 4 and Sun 18 February are worked.
        # Opened Fri 2 Feb. 1: Sun 4; 2 to 6: Mon 5 to Fri 9; then 10 to 17 off; 7: Sun 18; 8: Mon 19.
        ("amount = 6\nunit = 'working_days'", "2024-02-02T10:00", "2024-02-09T17:30"),
        ("amount = 7\nunit = 'working_days'", "2024-02-02T10:00", "2024-02-18T17:30"),
        ("amount = 8\nunit = 'working_days'", "2024-02-02T10:00", "2024-02-19T17:30"),
        # Spring Festival 2025: off from Tue 28 January to Tue 4 February; Sun 26 January and Sat 8 February are worked.
        # Opened Fri 24 Jan at 16:30, 10 hours: 1 on Friday; 7 on Sun 26 (8); 2 on Mon 27, 09:00 to 11:00.
        ("amount = 10\nunit = 'working_hours'", "2025-01-24T16:30", "2025-01-27T11:00"),
        # The same, 15 hours: 1 + 7 + 7 fill Monday 27 to its closing, the last before the festival.
        ("amount = 15\nunit = 'working_hours'", "2025-01-24T16:30", "2025-01-27T17:30"),
        # The same, 16 hours: the first hour after the festival, Wed 5 February 09:00 to 10:00.
        ("amount = 16\nunit = 'working_hours'", "2025-01-24T16:30", "2025-02-05T10:00"),
        # National Day 2024: off from 1 to 7 October; Sun 29 September and Sat 12 October are worked.
        # Opened Fri 27 Sep. 1: Sun 29; 2: Mon 30; 3 to 6: Tue 8 to Fri 11; 7: Sat 12; 8: Mon 14.
        ("amount = 2\nunit = 'working_days'", "2024-09-27T10:00", "2024-09-30T17:30"),
        ("amount = 3\nunit = 'working_days'", "2024-09-27T10:00", "2024-10-08T17:30"),
        ("amount = 7\nunit = 'working_days'", "2024-09-27T10:00", "2024-10-12T17:30"),
        ("amount = 8\nunit = 'working_days'", "2024-09-27T10:00", "2024-10-14T17:30"),
        # National Day and Mid-Autumn 2025: off from 1 to 8 October; Sun 28 September and Sat 11 October are worked.
        # Opened Sun 28 Sep (a working day, which does not count). 1: Mon 29; 2: Tue 30; 3: Thu 9 October.
        ("amount = 3\nunit = 'working_days'", "2025-09-28T10:00", "2025-10-09T17:30"),
        # Five days from Fri 26 Sep: Sun 28, Mon 29, Tue 30, Thu 9, Fri 10; the sixth is Sat 11.
        ("amount = 6\nunit = 'working_days'", "2025-09-26T10:00", "2025-10-11T17:30"),
        # Calendar days do not care: opened 27 September, 5 days later is 2 October, over at midnight.
        ("amount = 5\nunit = 'calendar_days'", "2024-09-27T10:00", "2024-10-03T00:00"),
        # ... unless the last day may not be one of rest: 2 October is, and so are the days to the 7th. 8 October is
        # over at midnight, or when the office closes.
        ("amount = 5\nunit = 'calendar_days'\nlast_day = 'working'", "2024-09-27T10:00", "2024-10-09T00:00"),
        (
            "amount = 5\nunit = 'calendar_days'\nlast_day = 'working'\nends = 'closing'",
            "2024-09-27T10:00",
            "2024-10-08T17:30",
        ),
        # The day is over at midnight also for working days, if the standard says so.
        ("amount = 2\nunit = 'working_days'\nends = 'midnight'", "2024-09-27T10:00", "2024-10-01T00:00"),
        # Hours of the clock on the wall.
        ("amount = 36\nunit = 'hours'", "2024-09-27T10:00", "2024-09-28T22:00"),
    ],
)
def test_promises_in_china(text, opened, due):
    """Around the festivals of 2024 and 2025 every promise ends where the decrees put it."""
    found = one(promise(text), story(("opened", opened, {"category": "x"})))
    assert found["due_at"] == moment(due)


@pytest.mark.parametrize(
    ("text", "opened", "due"),
    [
        # Thanksgiving 2025 is Thursday 27 November; the Friday after it is no federal holiday.
        # Opened Tue 25. 1: Wed 26; 2: Fri 28; 3: Mon 1 December.
        ("amount = 1\nunit = 'working_days'", "2025-11-25T12:00", "2025-11-26T17:30"),
        ("amount = 2\nunit = 'working_days'", "2025-11-25T12:00", "2025-11-28T17:30"),
        ("amount = 3\nunit = 'working_days'", "2025-11-25T12:00", "2025-12-01T17:30"),
        # 8 hours from Wed 26 at 16:30: 1 on Wednesday, 7 on Friday.
        ("amount = 8\nunit = 'working_hours'", "2025-11-26T16:30", "2025-11-28T17:30"),
        # Sunday 9 March 2025 has 23 hours: 24 hours from Saturday 12:00 end on Sunday at 13:00 by the wall clock.
        ("amount = 24\nunit = 'hours'", "2025-03-08T12:00", "2025-03-09T13:00"),
        # Sunday 2 November 2025 has 25: they end at 11:00.
        ("amount = 24\nunit = 'hours'", "2025-11-01T12:00", "2025-11-02T11:00"),
        # Days are days, however long: the day after Saturday 8 March is over when Sunday is.
        ("amount = 1\nunit = 'calendar_days'", "2025-03-08T12:00", "2025-03-10T00:00"),
        # Working hours of Friday and Monday do not see the night in which the clock leaps.
        ("amount = 2\nunit = 'working_hours'", "2025-03-07T16:30", "2025-03-10T10:00"),
    ],
)
def test_promises_in_the_united_states(text, opened, due):
    """Thanksgiving and both weekends on which the clock changes."""
    clock = promise(text, zone=NEW_YORK, country="US")
    found = one(clock, story(("opened", opened, {"category": "x"}), zone=NEW_YORK))
    assert found["due_at"] == moment(due, NEW_YORK)


@pytest.mark.parametrize(
    ("text", "begin", "end", "due"),
    [
        # 5 working days from Mon 10 March 2025 are Tue 11 to Mon 17. Paused over one closing, Wed 12: one day more.
        ("amount = 5\nunit = 'working_days'", "2025-03-12T10:00", "2025-03-13T10:00", "2025-03-18T17:30"),
        # Paused within a day: it counts, the clock runs when the office closes.
        ("amount = 5\nunit = 'working_days'", "2025-03-12T09:00", "2025-03-12T17:00", "2025-03-17T17:30"),
        # Paused from closing to opening: nothing happened.
        ("amount = 5\nunit = 'working_days'", "2025-03-12T17:30", "2025-03-13T09:00", "2025-03-17T17:30"),
        # Paused on the opening day: it does not count anyway.
        ("amount = 5\nunit = 'working_days'", "2025-03-10T12:00", "2025-03-11T09:00", "2025-03-17T17:30"),
        # Paused from the last afternoon, Mon 17, to Thu 20: the closings of the 17th to the 19th do not count.
        ("amount = 5\nunit = 'working_days'", "2025-03-17T17:00", "2025-03-20T08:00", "2025-03-20T17:30"),
        # 16 hours from Mon 10 at 10:00: Monday 6, Tuesday 7, Wednesday 3, to 12:00. Paused Tue 14:30 to Wed 10:00: 3
        # hours on Tuesday and 1 on Wednesday are added: Wed 13:30 to 17:30.
        ("amount = 16\nunit = 'working_hours'", "2025-03-11T14:30", "2025-03-12T10:00", "2025-03-12T17:30"),
        # Calendar days: 3 from Mon 10 are over at the end of Thu 13; two midnights lie in the pause.
        ("amount = 3\nunit = 'calendar_days'", "2025-03-11T23:59", "2025-03-13T00:00", "2025-03-16T00:00"),
        # Hours: what was paused is added.
        ("amount = 24\nunit = 'hours'", "2025-03-10T22:00", "2025-03-11T01:15", "2025-03-11T13:15"),
    ],
)
def test_a_pause_moves_a_promise_by_what_it_takes_out(text, begin, end, due):
    """Days whose end lies in the pause, or the hours of the pause itself."""
    events = story(("opened", "2025-03-10T10:00", {"category": "x"}), ("paused", begin), ("resumed", end))
    assert one(promise(text), events)["due_at"] == moment(due)


def test_a_pause_that_goes_on_moves_the_deadline_with_the_as_of():
    """Still paused, a case falls due as if it were resumed now, and is never missed meanwhile."""
    clock = promise("amount = 2\nunit = 'working_days'")
    events = story(("opened", "2025-03-10T10:00"), ("paused", "2025-03-11T10:00"))
    found = one(clock, events, as_of=moment("2025-03-20T10:00"))
    assert found["state"] == "paused"
    # Closings of Tue 11 to Wed 19 are lost; Thu 20 and Fri 21 count.
    assert found["due_at"] == moment("2025-03-21T17:30")


def test_pauses_do_not_count_where_the_clock_runs_through_them():
    """while_paused = 'runs' leaves the deadline alone, and a pause is no state."""
    clock = promise("amount = 2\nunit = 'working_days'", clocks=_resolve("runs", "goes_on"))
    events = story(("opened", "2025-03-10T10:00"), ("paused", "2025-03-11T10:00"))
    found = one(clock, events, as_of=moment("2025-03-12T10:00"))
    assert (found["state"], found["due_at"]) == ("running", moment("2025-03-12T17:30"))


def _resolve(paused: str, hand_over: str) -> str:
    return f"""
        [clocks.resolve]
        starts = ["opened", "reopened"]
        stops = ["closed"]
        while_paused = "{paused}"
        hand_over = "{hand_over}"
    """


def _tiers(hand_over: str) -> ServiceClock:
    return promise(
        "amount = 5\nunit = 'working_days'\n[[standards]]\ntier = 'city'\namount = 8\nunit = 'working_days'",
        clocks=_resolve("stands", hand_over),
    )


@pytest.mark.parametrize(
    ("hand_over", "due", "run", "standard"),
    [
        # Five days after Mon 10 March; eight days after it; eight days after the hand-over of Wed 12.
        ("goes_on", "2025-03-17T17:30", 1, 1),
        ("takes_tier", "2025-03-20T17:30", 1, 2),
        ("restarts", "2025-03-24T17:30", 2, 2),
    ],
)
def test_a_hand_over_does_what_the_file_says(hand_over, due, run, standard):
    """It changes nothing, takes the standard of the new tier, or starts the clock anew with it."""
    events = story(
        ("opened", "2025-03-10T10:00", {"office": "T-1"}), ("handed_up", "2025-03-12T10:00", {"office": "C-1"})
    )
    found = one(_tiers(hand_over), events)
    assert (found["due_at"], found["run"], found["standard"]) == (moment(due), run, standard)


def test_a_hand_over_does_not_mend_a_broken_promise():
    """Handed up after the deadline the case stays missed, and a restart remembers it."""
    events = story(
        ("opened", "2025-03-10T10:00", {"office": "T-1"}), ("handed_up", "2025-03-18T10:00", {"office": "C-1"})
    )
    as_of = moment("2025-03-19T10:00")
    taken = one(_tiers("takes_tier"), events, as_of=as_of)
    assert (taken["state"], taken["due_at"], taken["standard"]) == ("missed", moment("2025-03-17T17:30"), 1)
    anew = one(_tiers("restarts"), events, as_of=as_of)
    assert (anew["state"], anew["run"], anew["missed_before"]) == ("running", 2, 1)


def test_an_opening_without_an_office_takes_the_tier_of_the_first_one_named():
    """Until somebody is assigned only standards for any tier can hold."""
    events = story(("opened", "2025-03-10T10:00"), ("assigned", "2025-03-11T10:00", {"office": "C-1"}))
    early = one(_tiers("goes_on"), events, as_of=moment("2025-03-11T10:00"))
    assert (early["standard"], early["due_at"]) == (1, moment("2025-03-17T17:30"))
    assert one(_tiers("goes_on"), events)["standard"] == 2


@pytest.mark.parametrize(
    ("events", "state", "stopped"),
    [
        ([("closed", "2025-03-12T17:30")], "met", "2025-03-12T17:30"),  # at the very second of the deadline
        ([("closed", "2025-03-12T17:31")], "missed", "2025-03-12T17:31"),
        ([("withdrawn", "2025-03-11T10:00")], "fallen_away", "2025-03-11T10:00"),
        ([("withdrawn", "2025-03-13T10:00")], "missed", "2025-03-13T10:00"),
        ([("duplicate", "2025-03-11T10:00")], "fallen_away", "2025-03-11T10:00"),
        ([("replied", "2025-03-11T10:00")], "missed", None),
    ],
)
def test_how_a_run_ends(events, state, stopped):
    """Met up to and with the deadline, missed after it, fallen away when there was nothing left to do."""
    told = story(("opened", "2025-03-10T10:00"), *events)
    found = one(promise("amount = 2\nunit = 'working_days'"), told, as_of=moment("2025-03-20T00:00"))
    assert found["state"] == state
    assert found["stopped_at"] == (NEVER if stopped is None else moment(stopped))


def test_a_reopened_case_is_promised_anew():
    """The second run counts from the reopening; that the first was missed stays known."""
    events = story(
        ("opened", "2025-03-10T10:00"),
        ("closed", "2025-03-14T10:00"),
        ("reopened", "2025-03-17T10:00"),
        ("closed", "2025-03-18T10:00"),
    )
    found = one(promise("amount = 2\nunit = 'working_days'"), events)
    assert (found["run"], found["state"], found["missed_before"]) == (2, "met", 1)
    assert (found["started_at"], found["due_at"]) == (moment("2025-03-17T10:00"), moment("2025-03-19T17:30"))


def test_what_is_used_and_what_is_left_make_the_promise():
    """Seven working hours a day: of 16 promised 6 are gone on Monday evening, and a pause takes none."""
    clock = promise("amount = 16\nunit = 'working_hours'")
    events = story(("opened", "2025-03-10T10:00"), ("paused", "2025-03-11T09:00"), ("resumed", "2025-03-11T12:00"))
    found = one(clock, events, as_of=moment("2025-03-11T14:30"))
    assert (found["used_seconds"], found["left_seconds"]) == (7 * 3600, 9 * 3600)
    late = one(clock, events, as_of=moment("2025-03-13T10:00"))
    # 6 on Monday, 4 on Tuesday after the pause, 6 on Wednesday: due at 16:30. An hour of Wednesday and one of Thursday.
    assert late["due_at"] == moment("2025-03-12T16:30")
    assert (late["used_seconds"], late["left_seconds"]) == (18 * 3600, -2 * 3600)


def test_nothing_is_promised_and_not_started_are_told_apart():
    """Unit "none" and a category without a standard are not promised; without a start there is no clock."""
    clock = promise(
        "category = 'x'\nunit = 'none'\n[[standards]]\nclock = 'first_reply'\namount = 2\nunit = 'hours'",
        clocks='[clocks.first_reply]\nstarts = ["assigned"]\nstops = ["replied"]',
    )
    for category in ("x", "y"):
        events = story(("opened", "2025-03-10T10:00", {"category": category}))
        found = one(clock, events)
        assert (found["state"], found["due_at"]) == ("not_promised", NEVER)
        assert pd.isna(found["left_seconds"])
        assert one(clock, events, "first_reply")["state"] == "not_started"


def test_a_deadline_beyond_the_calendar_is_not_guessed():
    """The last days of 2025 run into a year that the calendar does not know."""
    found = one(promise("amount = 5\nunit = 'working_days'"), story(("opened", "2025-12-29T10:00")))
    assert (found["state"], found["due_at"]) == ("not_known", NEVER)
    # A start that the calendar does not know is no better.
    early = one(promise("amount = 5\nunit = 'working_days'"), story(("opened", "2023-12-29T10:00")))
    assert early["state"] == "not_known"


def test_category_goes_before_tier_before_channel():
    """The more specific standard holds, and it is said by what it was chosen."""
    clock = promise(
        "category = 'x'\namount = 1\nunit = 'hours'\n"
        "[[standards]]\ntier = 'city'\nchannel = 'web'\namount = 2\nunit = 'hours'\n"
        "[[standards]]\ntier = 'city'\namount = 3\nunit = 'hours'\n"
        "[[standards]]\nchannel = 'web'\namount = 4\nunit = 'hours'"
    )
    asked = [("x", "city", "web"), ("y", "city", "web"), ("y", "city", None), ("y", "town", "web"), (None, None, None)]
    found = [clock.find("resolve", *key) for key in asked]
    assert [None if one is None else one.amount for one, _ in found] == [1, 2, 3, 4, None]
    assert [by for _, by in found] == [("category",), ("tier", "channel"), ("tier",), ("channel",), ()]


def test_the_simulated_city_promises_what_its_log_says(small_city):
    """On every event of the demo that names a deadline, the engine finds the very second."""
    events = _as_imported(small_city.events)
    clock = find_clock("demo")
    openings = events[events["kind"] == "opened"]
    found = clock.due(openings.assign(due_at=pd.NA), small_city.offices, as_of=small_city.end)
    named = openings.set_index("case_id")["due_at"].astype("int64").reindex(found["case_id"])
    assert len(found) > 3500
    assert (found["due_at"].to_numpy() == named.to_numpy()).all()
    # With all events: a reopened case is promised anew.
    found = clock.due(events, small_city.offices, as_of=small_city.end).set_index("case_id")
    newest = events[events["due_at"].notna()].sort_values("at").drop_duplicates("case_id", keep="last")
    newest = newest.set_index("case_id")["due_at"].astype("int64").reindex(found.index)
    assert (found["run"] > 1).sum() > 50
    assert (found["due_at"] == newest).all()


def _as_imported(events: pd.DataFrame) -> pd.DataFrame:
    log = events.rename(columns={"reference": "case_id"})
    for name in ("at", "known_at", "due_at"):
        utc = log[name].dt.tz_localize("Asia/Shanghai").dt.tz_convert("UTC").dt.tz_localize(None)
        log[name] = utc.to_numpy().astype("datetime64[s]").astype(np.int64)
        if name == "due_at":
            log[name] = log[name].astype("Int64").mask(utc.isna())
    return log


def test_the_demos_standards_name_every_category_once():
    """A category added to the simulated city without a promise in the file would be found here."""
    clock = find_clock("demo")
    promised = {
        category: (promise.amount, promise.unit) for promise in clock.promises for category in promise.standard.category
    }
    units = {"hours": "working_hours", "working_days": "working_days"}
    assert promised == {spec.code: (spec.amount, units[spec.unit]) for spec in CATEGORIES}


@pytest.mark.parametrize("name", ["demo", "hotline_12345", "us_311"])
def test_shipped_standards_work(name):
    """Every shipped file can be read, and promises something to a case of no special kind or of its first category."""
    assert name in shipped_clocks()
    clock = find_clock(name)
    category = clock.promises[0].standard.category
    events = story(("opened", "2025-03-10T10:00", {"category": category[0] if category else "x"}))
    found = clock.due(events, OFFICES, as_of=moment("2025-03-10T10:01"))
    assert found["clock"].tolist() == list(clock.clocks)
    assert "running" in set(found["state"])


def test_the_window_for_mediation_is_thirty_days_where_it_is_promised():
    """30 calendar days, over at the end of a working day: 9 April 2025 is one."""
    clock = find_clock("hotline_12345")
    events = story(("opened", "2025-03-10T10:00", {"category": "property_fee_dispute"}))
    assert one(clock, events, "pre_mediation")["due_at"] == moment("2025-04-10T00:00")
    other = story(("opened", "2025-03-10T10:00", {"category": "pothole"}))
    assert one(clock, other, "pre_mediation")["state"] == "not_promised"


def test_no_events_give_no_rows():
    """An empty log has the columns of a full one."""
    found = find_clock("demo").due(empty_events(), OFFICES, as_of=LATER)
    assert found.empty
    assert list(found.columns) == list(DUE_COLUMNS)


def test_an_unknown_name_lists_what_there_is():
    """Neither shipped nor a file."""
    with pytest.raises(UsageError, match="Shipped with heed: demo, hotline_12345, us_311"):
        find_clock("nowhere")
