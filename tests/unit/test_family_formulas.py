"""The formulas of the families, on counts that are given, against values worked out by hand."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pytest

from data.event_log import NEVER
from features.catalogue import CATALOGUE, FORMULAS
from features.event_index import EventIndex, IndexTerms, Queries
from features.facts import KEY_COLUMNS, Facts
from features.failures import FAILURES, shrunken_share
from features.formula import Asked
from features.records import Records
from features.terms import LAST_AT, Term

DAY = 86_400
START = 1_704_067_200  # 2024-01-01T00:00Z, a Monday


@dataclass
class Given:
    """Answers terms with what is given, and with nothing otherwise."""

    counts: dict[Term, int]
    size: int = 1
    asked: list[Term] = field(default_factory=list)

    def __len__(self) -> int:
        return self.size

    def term(self, term: Term) -> np.ndarray:
        self.asked.append(term)
        nothing = -1 if term.measure == LAST_AT else 0
        return np.full(self.size, self.counts.get(term, nothing), dtype=np.int64)


def landmark(at: int = START, **columns: object) -> pd.DataFrame:
    """One landmark, an opening unless told otherwise, with a promise of four days."""
    row = {"landmark_at": at, "opened_at": at, "due_at": at + 4 * DAY, **dict.fromkeys(KEY_COLUMNS), **columns}
    return pd.DataFrame([row])


def value(
    name: str, counts: dict[Term, int] | None = None, frame: pd.DataFrame | None = None, zone: str = "UTC"
) -> float:
    found = FORMULAS[name](Asked(Given(counts or {}), landmark() if frame is None else frame, zone))
    assert found.shape == (1,)
    assert found.dtype == np.float64
    return float(found[0])


def over(table: str, measure: str, keys: tuple[str, ...], days: int | None = None) -> Term:
    return Term(table, measure, keys, None if days is None else days * DAY)


OFFICE, AREA, PAIR = ("office",), ("area",), ("category", "area")


def test_a_mean_time_to_close_is_one_division_of_two_integers():
    """Three closings of ln-hours 2.0, 2.5 and 3.001 have the mean 7501 / 3 / 1000; none has no mean."""
    terms = {over("closures", "log_hours", OFFICE, 91): 7501, over("closures", "n", OFFICE, 91): 3}
    assert value("log_time_to_close_91d_office", terms) == 7501 / 3 / 1000
    assert np.isnan(value("log_time_to_close_91d_office"))


def test_hours_since_the_last_arrival_are_from_its_moment_to_the_landmark():
    """Ninety minutes are one and a half hours; where none ever came there is nothing to say."""
    assert value("hours_since_arrival_area", {Term("arrivals", LAST_AT, AREA): START - 5400}) == 1.5
    assert np.isnan(value("hours_since_arrival_area"))


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: failure.name)
def test_a_share_of_failures_is_shrunken_towards_the_key_above(failure):
    """City (1 + 4p)/(6 + 4); category (1 + 20·city)/(5 + 20); pair (1 + 20·category)/(1 + 20)."""
    counts = {}
    for keys, failed, judged in (((), 1, 6), (("category",), 1, 5), (PAIR, 1, 1)):
        counts |= {over(failure.table, failure.failed, keys, 91): failed}
        counts |= {over(failure.table, failure.judged, keys, 91): judged}
    city = (1 + 4 * failure.prior) / 10
    category = (1 + 20 * city) / 25
    assert value(f"{failure.name}_share_91d_category", counts) == category
    assert value(f"{failure.name}_share_91d_category_area", counts) == (1 + 20 * category) / 21


def test_a_thin_cell_says_little_and_a_thick_one_speaks_for_itself():
    """One reopening of one closing is no office where everything is reopened; nine hundred of a thousand are."""
    reopened = next(failure for failure in FAILURES if failure.name == "reopened")
    shares = []
    for failed, judged in ((1, 1), (900, 1000)):
        given = Given({over("held", "reopened", OFFICE): failed, over("held", "n", OFFICE): judged})
        shares.append(float(shrunken_share(given, reopened, "office", None)[0]))
    assert shares[0] == pytest.approx((1 + 20 * 0.05) / 21)
    assert 0.88 < shares[1] < 0.9


def test_without_history_a_share_is_what_a_city_is_taken_to_have():
    """An unseen key has the value of the key above it, up to the prior of the city."""
    for failure in FAILURES:
        assert value(f"{failure.name}_share_office") == pytest.approx(failure.prior)


@pytest.mark.parametrize("own", ["backlog", "inflow_7d", "clearance_28d", "overdue", "arrivals_28d"])
@pytest.mark.parametrize(("key", "keys"), [("area", AREA), ("category_area", PAIR)])
def test_the_load_next_door_is_worked_out_as_the_load_at_home(own, key, keys):
    """The same formula on the tables of neighbours, which hold the same measures under the adjacent area."""
    counts = {
        over("arrivals", "n", keys, 7): 6, over("arrivals", "n", keys, 28): 11, over("balance", "open", keys): 23,
        over("closures", "n", keys, 28): 9, over("overdue", "overdue", keys): 4,
    }  # fmt: skip
    near = {Term(f"near_{term.table}", term.measure, term.keys, term.window): n for term, n in counts.items()}
    assert value(f"near_{own}_{key}", near) == value(f"{own}_{key}", counts) != 0
    assert value(f"near_{own}_{key}", counts) == 0


def test_backlog_in_days_is_open_cases_over_the_capacity_in_force():
    """Thirty open cases at 2.5 a working day take twelve days; without capacity there is no saying."""
    counts = {over("balance", "open", OFFICE): 30, over("capacity", "capacity", OFFICE): 2500}
    assert value("backlog_days_office", counts) == 12.0
    assert np.isnan(value("backlog_days_office", {over("balance", "open", OFFICE): 30}))
    nobody_left = {over("capacity", "capacity", OFFICE): 0, over("balance", "open", OFFICE): 3}
    assert np.isnan(value("backlog_days_office", nobody_left))


def test_demand_is_what_came_in_against_what_can_be_closed():
    """Over 28 days, twenty working days: 59 came in where 29 can be closed, twice as many (with the ones)."""
    counts = {over("arrivals", "n", OFFICE, 28): 59, over("capacity", "capacity", OFFICE): 1450}
    assert value("demand_28d_office", counts) == pytest.approx(np.log(2))


def test_a_change_of_capacity_is_told_against_what_it_was():
    """From 4 to 3 is a quarter less; an office that had none before cannot have changed."""
    counts = {over("capacity", "capacity", OFFICE): 3000, over("capacity", "capacity", OFFICE, 28): -1000}
    assert value("capacity_change_28d_office", counts) == -0.25
    new = {over("capacity", "capacity", OFFICE): 3000, over("capacity", "capacity", OFFICE, 28): 3000}
    assert np.isnan(value("capacity_change_28d_office", new))


def test_findings_of_a_related_kind_are_counted_and_weighed():
    """Eight findings, two of them serious: a quarter. Without findings there is no share and no last one."""
    counts = {over("findings", "n", PAIR, 91): 8, over("findings", "serious", PAIR, 91): 2}
    assert value("findings_91d_category_area", counts) == 8
    assert value("serious_share_91d_category_area", counts) == 0.25
    assert value("findings_28d_category_area") == 0
    assert np.isnan(value("serious_share_91d_category_area"))
    assert np.isnan(value("hours_since_finding_category_area"))


@pytest.mark.parametrize(
    ("hours", "to_weekend", "to_month_end"),
    [
        (0, 120, 30),
        (4 * 24 + 23.5, 0.5, 26),
        (5 * 24, 0, 25),
        (6 * 24 + 23, 0, 24),
        (7 * 24, 120, 23),
        (30 * 24, 72, 0),
    ],
)
def test_the_calendar_at_a_landmark(hours, to_weekend, to_month_end):
    """January 2024 begins on a Monday and has 31 days; on a weekend none is left to wait for."""
    frame = landmark(START + round(hours * 3600))
    assert value("hours_to_weekend", frame=frame) == to_weekend
    assert value("days_to_month_end", frame=frame) == to_month_end
    assert value("landmark_month", frame=frame) == 1


def test_the_calendar_is_read_on_the_local_clock():
    """At 17:00 in UTC it is one in the morning of the next day in Shanghai: Saturday, and February."""
    frame = landmark(START + 31 * DAY - 7 * 3600, kind="event")
    assert value("landmark_month", frame=frame, zone="Asia/Shanghai") == 2
    assert value("landmark_hour", frame=frame, zone="Asia/Shanghai") == 1
    assert value("landmark_weekday", frame=frame, zone="Asia/Shanghai") == 3


def test_the_hour_of_the_opening_stays_what_it_was():
    """Later landmarks of a case tell when it was opened, not when they are."""
    opened = START + 9 * 3600
    at_opening = landmark(opened)
    later = landmark(opened + 30 * 3600, kind="morning", opened_at=opened - 60, opened_known_at=opened)
    assert value("opened_hour", frame=later) == value("opened_hour", frame=at_opening) == 9
    assert value("opened_weekday", frame=later) == 0
    unnamed = later.drop(columns="opened_known_at").assign(opened_at=opened)
    assert value("opened_hour", frame=unnamed) == 9


def test_time_waited_is_the_share_of_the_promise_that_has_passed():
    """A day of four is a quarter, after the promise it is all of it, and without a promise there is no share."""
    promise = {"opened_at": START, "due_at": START + 4 * DAY}
    shares = [value("time_waited", frame=landmark(START + days * DAY, **promise)) for days in (0, 1, 4, 9)]
    assert shares == [0, 0.25, 1, 1]
    assert np.isnan(value("time_waited", frame=landmark(due_at=NEVER)))


def test_without_a_promise_nothing_is_said_of_it():
    """No length, no hour at which it falls due, nothing to compare."""
    for name in ("promised_hours", "promised_against_usual", "due_hour", "due_weekday", "time_to_close_91d_office"):
        assert np.isnan(value(name, frame=landmark(due_at=NEVER))), name
        assert "promise" in CATALOGUE[name].null


def test_the_newest_thirty_are_whole_moments():
    """Of forty promises due in one second and five after it, all forty-five count: none of the forty was last."""
    at = np.concatenate([np.full(40, START), START + np.arange(1, 6)]).astype(np.int64)
    late = np.concatenate([np.ones(40), np.zeros(5)]).astype(np.int64)
    keys = pd.DataFrame({name: ["drain" if name == "category" else None] * 45 for name in KEY_COLUMNS})
    matured = Facts(at, keys.astype("str").where(keys.notna()), {"n": np.ones(45, dtype=np.int64), "late": late})
    empty = {"n": np.zeros(0, dtype=np.int64), "closed": np.zeros(0, dtype=np.int64)}
    stages = {f"stage_{j}": Facts(at[:0], matured.keys.iloc[:0], empty) for j in range(8)}
    ask = Queries(np.array([START + DAY]), matured.keys.iloc[:1])
    records = Records(IndexTerms(EventIndex.build({"matured": matured, **stages}), ask))
    prior = records.matured("category", None)[0]
    share = (40 + 5 * prior) / (45 + 5)
    assert records.recent("category")[0] == pytest.approx(np.log(share / (1 - share)))
