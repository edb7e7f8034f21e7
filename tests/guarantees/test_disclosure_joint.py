"""The guarantee of disclosure for everything that is published together, and for the pages of several weeks.

The attack is that of `tests.support.joint_attacker`: areas in a tree, offices, signals, weeks behind signals, all in
one linear programme. `python -m tests.benchmarks.disclosure_audit 10000 7` is the same with many more cities.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from data.store import Store
from service._disclosed_before import kept_apart, told_by_kin
from service._disclosed_signals import Tree
from service._suppression import build_tree, with_total, withhold
from service.places import Places, read_places
from service.published import publish
from tests.benchmarks.disclosure_audit import audit
from tests.support.disclosure_days import attack as attack_days
from tests.support.disclosure_days import figures_of_signals, random_story
from tests.support.disclosure_days import released as released_over_time
from tests.support.disclosure_utility import fewest, full_table
from tests.support.joint_attacker import attack, random_joint_city, released
from tests.support.service_store import shared_store
from tests.support.weakened_disclosure import ENGINES

SEED = 11
WEEK = 7 * 86_400


def city(place: int):
    return random_joint_city(np.random.default_rng([SEED, place]))


def test_in_8_cities_no_small_figure_can_be_bounded_more_tightly_than_the_minimum_bounds_it():
    """Areas, offices, signals and weeks together leave every small figure anything from 0 to 9."""
    told = audit(8, 7, say=lambda _text: None)
    assert told["found"] == []
    assert told["small"] > 400
    assert told["stand_ins"] > 20
    assert told["signals_shown"] + told["weeks_shown"] > 4


@pytest.mark.slow
def test_in_300_cities_no_small_figure_can_be_bounded_more_tightly_than_the_minimum_bounds_it():
    """The quick audit holds in other cities, also for a reader who uses that counts are whole numbers."""
    told = audit(300, 8, say=lambda _text: None)
    assert told["found"] == []
    assert told["small"] > 20_000
    assert told["asked_exactly"] > 20
    assert told["narrowest_asked"] >= 9


# Engines with one part left out, and a city that gives them away; no earlier one does.
CAUGHT = {
    "primary_only": 0,
    "areas_primary_only": 0,
    "signals_primary_only": 0,
    "off_by_one": 2,
    "zeros_are_shown": 2,
    "without_parents": 6,
    "smallest_sibling": 8,
    "unseen_may_be_small": 16,
    "without_relations": 0,
    "expectation_beside_overdue": 0,
    "offices_by_themselves": 9,
    "small_rest": 51,
    "sums_beside_parts": 28,
    "without_neighbouring_weeks": 49,
}


@pytest.mark.parametrize(("name", "place"), CAUGHT.items())
def test_the_same_attack_catches_an_engine_with_one_part_left_out(name, place):
    """Each part is needed: without it some small figure is known too closely, and with it none in the same city."""
    one = city(place)
    assert attack(one, ENGINES[name](one)).found
    assert attack(one, released(one)).found == []


# -- several weeks


def test_who_keeps_the_pages_of_three_weeks_has_no_small_count_of_signals_back():
    """From the figures of signals and their weeks, of three weeks one after the other."""
    shown = 0
    for place in (3, 16, 20):
        story = random_story(np.random.default_rng([5, place]))
        told = released_over_time(story)
        shown += figures_of_signals(told)
        assert attack_days(story, told, pressure=False)[1] == []
    assert shown >= 10


def test_without_memory_of_earlier_signals_a_week_would_be_given_away():
    """Each of the three releases is safe by itself; together they give away that five cases came in one week."""
    story = random_story(np.random.default_rng([5, 16]))
    _, found = attack_days(story, released_over_time(story, remembers=False), pressure=False)
    assert any(one.exact and one.truth == 5 for _, one in found)


@pytest.mark.slow
def test_who_keeps_the_pages_of_three_weeks_has_no_small_count_of_signals_back_in_153_cities():
    """The quick test holds in other cities."""
    for place in (8, 19, 21, *range(100, 250)):
        story = random_story(np.random.default_rng([5, place]))
        assert attack_days(story, released_over_time(story), pressure=False)[1] == []


NOW = 200 * WEEK


def flagged(area: str, week: int, weeks: int, observed: int, category: str = "lamp") -> pd.DataFrame:
    """A signal whose window ends so many weeks from now."""
    return pd.DataFrame(
        {
            "area": [area],
            "category": [category],
            "week": [NOW + week * WEEK],
            "method": [f"short_past_{weeks}w"],
            "observed": [observed],
        }
    )


def counts(area: str, *newest: int, category: str = "lamp") -> pd.DataFrame:
    weeks = [NOW + (number - len(newest) + 1) * WEEK for number in range(len(newest))]
    return pd.DataFrame({"area": area, "category": category, "week": weeks, "observed": newest})


TREE = Tree({"v": "town", "u": "town"})


@pytest.mark.parametrize(
    ("now", "before", "weeks", "kept"),
    [
        # A window again, with the same count; with one more, which came in late; with ten more.
        ((0, 4, 40), (0, 4, 40), (10, 10, 10, 10), True),
        ((0, 4, 41), (0, 4, 40), (10, 10, 10, 11), False),
        ((0, 4, 50), (0, 4, 40), (10, 10, 10, 20), True),
        # A week later: what is in one window alone must not be small, nor what is in both.
        ((0, 4, 41), (-1, 4, 41), (11, 10, 10, 10, 11), True),
        ((0, 4, 39), (-1, 4, 40), (11, 10, 10, 10, 9), False),
        ((0, 2, 30), (-1, 2, 24), (20, 4, 26), False),
        # Weeks that a page of last week could show, and one new small one that their window would give back.
        ((0, 2, 25), (-1, 1, 20), (20, 5), False),
        ((0, 2, 35), (-1, 1, 20), (20, 15), True),
        # What was flagged with a small count showed no figure, but its weeks before could be seen.
        ((0, 4, 27), (-1, 1, 4), (10, 10, 4, 3), False),
        ((0, 4, 34), (-1, 1, 4), (10, 10, 4, 10), True),
        # Far enough apart to have no week in common.
        ((0, 1, 12), (-3, 2, 30), (15, 15, 0, 0, 12), True),
    ],
)
def test_a_window_is_shown_beside_earlier_ones_if_nothing_small_is_left_over(now, before, weeks, kept):
    """Differences of windows, and of a window and its weeks, are no small counts."""
    signals, earlier = (flagged("v", week, length, observed) for week, length, observed in (now, before))
    assert kept_apart(signals, earlier, counts("v", *weeks), TREE, 10).tolist() == [kept]


def test_a_town_is_not_shown_after_its_village_where_they_have_a_week_in_common():
    """Not in the same week at a later look; in a week after it they are."""
    late = flagged("town", 0, 1, 40)
    assert kept_apart(late, flagged("v", 0, 1, 20), counts("town", 40), TREE, 10).tolist() == [False]
    assert kept_apart(late, flagged("v", -1, 1, 20), counts("town", 40), TREE, 10).tolist() == [True]
    assert kept_apart(late, flagged("v", 0, 1, 20, "drain"), counts("town", 40), TREE, 10).tolist() == [True]


def test_weeks_of_a_town_that_its_village_could_have_shown_before_are_withheld():
    """Up to the week in which the village was flagged, and no further."""
    told = told_by_kin(counts("town", 40, 40, 40), flagged("v", -1, 1, 20), TREE)
    assert told.tolist() == [True, True, False]
    assert not told_by_kin(counts("v", 40, 40, 40), flagged("v", -1, 1, 20), TREE).any()


# -- offices beside the areas that they serve


def pressure(rows: dict[tuple[str, str], int]) -> pd.DataFrame:
    """Rows of the pressure by kind and unit, alike in all but the backlog."""
    ends = ("", "_low", "_high", "_usual_low", "_usual_high")
    names = [f"{name}{end}" for name in ("backlog_days", "flow_ratio", "late_14d") for end in ends]
    same = {"inflow_28d": 50, "outflow_28d": 50, "overdue": 0, "expected_late": 5.0, "level": "usual", "as_of": NOW}
    same |= dict.fromkeys(("usual_backlog", "usual_low", "usual_high", *names), 50.0)
    same["due_14d"] = 50
    return pd.DataFrame(
        [{"unit_kind": kind, "unit": unit, "backlog": backlog, **same} for (kind, unit), backlog in rows.items()]
    )


def shown(rows: dict[tuple[str, str], int], served: dict[str, frozenset[str]]) -> dict[str, float | None]:
    areas = sorted({unit for kind, unit in rows if kind == "area"})
    told = publish(pressure(rows), None, Places({}, {}, {}, {}, dict.fromkeys(areas, 1), served=served), minimum=10)
    return {office: one.backlog.value for office, one in told.offices.items()}


VILLAGES = {("area", "dock"): 4, ("area", "hill"): 60, ("area", "lake"): 70, ("area", "mill"): 80}


def test_the_office_of_an_area_that_stands_in_for_a_small_one_is_withheld_with_it():
    """The office of hill has the figures of hill, with which those of dock could be worked out."""
    offices = {("office", f"of {area}"): count for (_, area), count in VILLAGES.items()}
    served = {f"of {area}": frozenset([area]) for _, area in VILLAGES}
    told = shown({**VILLAGES, **offices}, served)
    assert told == {"of dock": None, "of hill": None, "of lake": 70, "of mill": 80}


def test_an_office_for_the_whole_city_is_shown_beside_withheld_areas():
    """Nothing follows from its figures for a single area."""
    every = frozenset(area for _, area in VILLAGES)
    rows = {**VILLAGES, ("office", "roads"): 100, ("office", "water"): 114}
    assert shown(rows, {"roads": every, "water": every}) == {"roads": 100, "water": 114}


def test_no_office_is_shown_where_all_areas_are_withheld():
    """The offices together have the cases of all areas, whose sum must not be known then."""
    rows = {("area", "dock"): 4, ("area", "hill"): 60, ("office", "roads"): 30, ("office", "water"): 34}
    every = frozenset(["dock", "hill"])
    assert shown(rows, {"roads": every, "water": every}) == {"roads": None, "water": None}


def test_which_areas_an_office_serves_is_read_from_its_cases():
    """Every office of the store's cases, with all areas of which it ever had one."""
    with Store.open(str(shared_store())) as store:
        served = read_places(store).served
        areas = set(store.read_areas()["area"])
    assert served
    assert set().union(*served.values()) <= areas


# -- what it costs


def test_hardly_more_is_withheld_than_the_fewest_cells_that_would_do():
    """Over random trees the engine withholds at most a fifth more than a mixed integer programme finds necessary."""
    rng = np.random.default_rng(3)
    own = best = 0
    for _ in range(40):
        table = full_table(rng)
        units = [*table.parent]
        tree = build_tree(units, table.parent, table.size)
        figures = with_total(tree, [int(table.truth[unit]["backlog"]) for unit in units])
        here, there = sum(withhold(tree, figures, 10)[:-1]), fewest(tree, figures)
        assert here >= there
        own, best = own + here, best + there
    assert best < own < 1.2 * best
