"""Hand-worked tables for the disclosure function. The minimum is 10 unless a test says otherwise."""

from __future__ import annotations

import pandas as pd
import pytest

from data.errors import UsageError
from service.disclosure import (
    ESTIMATED,
    MINIMUM,
    SIGNAL_FIGURES,
    Flow,
    PartOf,
    Rules,
    disclose,
    disclose_pressure,
    disclose_signals,
)

OPEN = Rules(counts=("open",))
DAY = 86_400
NOW = 1_000 * DAY


def read(text: str) -> pd.DataFrame:
    """Read a table drawn as `unit | parent | count ...`; a dash is a withheld figure or no parent."""
    lines = [[cell.strip() for cell in line.split("|")] for line in text.strip().splitlines()]
    frame = pd.DataFrame(lines[1:], columns=lines[0])
    for column in frame.columns.difference(["unit", "parent"]):
        frame[column] = pd.array([None if cell == "-" else int(cell) for cell in frame[column]], dtype="Int64")
    return frame


def parents(frame: pd.DataFrame) -> dict[str, str | None]:
    return {unit: None if above == "-" else above for unit, above in zip(frame["unit"], frame["parent"], strict=True)}


def check(text: str, expect: str, rules: Rules = OPEN, **options: object) -> None:
    """Disclose one drawn table and compare it with another. The rows are in order of size, smallest first."""
    frame, expected = read(text), read(expect)
    options.setdefault("size", {unit: float(place) for place, unit in enumerate(frame["unit"])})
    shown = disclose(frame.drop(columns="parent"), rules, parent=parents(frame), **options)
    counts = list(rules.counts)
    pd.testing.assert_frame_equal(shown[["unit", *counts]], expected[["unit", *counts]])
    for count in counts:
        assert shown[f"{count}_suppressed"].tolist() == shown[count].isna().tolist()


def test_a_small_area_takes_the_two_smallest_with_it():
    """The sum of all areas is known, so one withheld figure alone would be given back by subtraction."""
    check(
        """
        unit | parent | open
        dock | -      | 31
        hill | -      | 44
        lake | -      | 4
        mill | -      | 90
        """,
        expect="""
        unit | parent | open
        dock | -      | -
        hill | -      | -
        lake | -      | -
        mill | -      | 90
        """,
    )


def test_nothing_is_withheld_where_nothing_is_small():
    """Ten cases are enough."""
    text = """
        unit | parent | open
        dock | -      | 10
        hill | -      | 44
        """
    check(text, expect=text)


def test_zero_is_a_small_count():
    """A shown zero would say that every withheld figure is at least one."""
    check(
        """
        unit | parent | open
        dock | -      | 0
        hill | -      | 20
        lake | -      | 30
        """,
        expect="""
        unit | parent | open
        dock | -      | -
        hill | -      | -
        lake | -      | 30
        """,
    )


def test_two_withheld_areas_that_hold_too_little_take_a_third_with_them():
    """Together 5: both would be known to be at most 5, which is tighter than "fewer than 10"."""
    check(
        """
        unit | parent | open
        dock | -      | 2
        hill | -      | 3
        lake | -      | 30
        mill | -      | 90
        """,
        expect="""
        unit | parent | open
        dock | -      | -
        hill | -      | -
        lake | -      | -
        mill | -      | 90
        """,
    )


def test_a_village_is_protected_under_the_figure_of_its_town():
    """East is shown, so two of its villages are withheld; west has nothing to hide and loses nothing."""
    check(
        """
        unit | parent | open
        e1   | east   | 6
        e2   | east   | 15
        e3   | east   | 40
        w1   | west   | 12
        w2   | west   | 13
        east | city   | 61
        west | city   | 25
        city | -      | 86
        """,
        expect="""
        unit | parent | open
        e1   | east   | -
        e2   | east   | -
        e3   | east   | 40
        w1   | west   | 12
        w2   | west   | 13
        east | city   | 61
        west | city   | 25
        city | -      | 86
        """,
    )


def test_a_small_town_takes_another_town_and_two_of_its_villages_with_it():
    """A withheld town whose villages were all shown would be given back by adding them up."""
    check(
        """
        unit | parent | open
        e1   | east   | 3
        e2   | east   | 4
        w1   | west   | 20
        w2   | west   | 25
        w3   | west   | 35
        s1   | south  | 50
        s2   | south  | 60
        east | city   | 7
        west | city   | 80
        south | city  | 110
        city | -      | 197
        """,
        expect="""
        unit | parent | open
        e1   | east   | -
        e2   | east   | -
        w1   | west   | -
        w2   | west   | -
        w3   | west   | 35
        s1   | south  | 50
        s2   | south  | 60
        east | city   | -
        west | city   | -
        south | city  | 110
        city | -      | 197
        """,
    )


def test_a_town_with_one_village_cannot_protect_it_and_is_withheld_with_it():
    """Village and town are the same figure: the town falls too, and its parent's group protects both."""
    check(
        """
        unit | parent | open
        e1   | east   | 4
        east | city   | 4
        west | city   | 30
        south | city  | 40
        city | -      | 74
        """,
        expect="""
        unit | parent | open
        e1   | east   | -
        east | city   | -
        west | city   | -
        south | city  | 40
        city | -      | 74
        """,
    )


def test_towns_without_a_row_cost_nothing_but_are_not_given_away():
    """Withheld together, e1 and e2 would show their town to hold 19; one of each town stands in instead."""
    check(
        """
        unit | parent | open
        e1   | east   | 4
        e2   | east   | 15
        w1   | west   | 30
        w2   | west   | 40
        city | -      | 89
        """,
        expect="""
        unit | parent | open
        e1   | east   | -
        e2   | east   | 15
        w1   | west   | -
        w2   | west   | 40
        city | -      | 89
        """,
    )


def test_a_missing_village_counts_as_withheld_and_not_as_zero():
    """East less its one listed village would give the missing one: the listed one is withheld as well."""
    frame = pd.DataFrame({"unit": ["e1", "east"], "open": [57, 60]})
    shown = disclose(frame, OPEN, parent={"e1": "east", "e2": "east", "east": None})
    assert shown["open"].isna().tolist() == [True, False]


def test_without_sizes_the_codes_decide_who_stands_in():
    """The order must be fixed, whatever the day's figures are."""
    frame = pd.DataFrame({"unit": ["d", "c", "b", "a"], "open": [3, 11, 70, 80]})
    shown = disclose(frame, OPEN, parent={})
    assert shown.loc[shown["open_suppressed"], "unit"].tolist() == ["d", "b", "a"]


def test_who_stands_in_does_not_change_with_the_figures():
    """Between two polls the sizes of the day swap places; the withheld areas stay the same."""
    size = {"a": 1.0, "b": 2.0, "c": 3.0, "d": 4.0}
    today = pd.DataFrame({"unit": list("abcd"), "open": [40, 30, 20, 5]})
    tomorrow = pd.DataFrame({"unit": list("abcd"), "open": [20, 35, 60, 4]})
    withheld = [disclose(f, OPEN, parent={}, size=size)["open_suppressed"].tolist() for f in (today, tomorrow)]
    assert withheld == [[True, True, False, True]] * 2


# -- columns that bound each other -------------------------------------------------------------------------

LATE = Rules(counts=("open", "late"), relations=(PartOf("late", "open"),))


def test_a_part_falls_with_its_whole():
    """Shown, 14 late cases would say that a withheld backlog holds at least 14."""
    check(
        """
        unit | parent | open | late
        a    | -      | 30   | 14
        b    | -      | 40   | 20
        c    | -      | 9    | 0
        d    | -      | 80   | 30
        """,
        expect="""
        unit | parent | open | late
        a    | -      | -    | -
        b    | -      | -    | -
        c    | -      | -    | -
        d    | -      | 80   | 30
        """,
        rules=LATE,
    )


def test_what_is_left_of_the_whole_is_a_small_figure_too():
    """80 open and 77 late cases: the 3 that are not late would be shown by subtraction."""
    check(
        """
        unit | parent | open | late
        a    | -      | 30   | 14
        b    | -      | 40   | 20
        c    | -      | 50   | 25
        d    | -      | 80   | 77
        """,
        expect="""
        unit | parent | open | late
        a    | -      | 30   | -
        b    | -      | 40   | -
        c    | -      | 50   | 25
        d    | -      | 80   | -
        """,
        rules=LATE,
    )


def test_stand_ins_that_are_full_take_another_with_them():
    """Late in a, b and d: 149. Of these a and b can hold 144, so that at least 5 would be late in d."""
    check(
        """
        unit | parent | open | late
        a    | -      | 72   | 70
        b    | -      | 72   | 70
        c    | -      | 90   | 30
        d    | -      | 80   | 9
        """,
        expect="""
        unit | parent | open | late
        a    | -      | 72   | -
        b    | -      | 72   | -
        c    | -      | 90   | -
        d    | -      | 80   | -
        """,
        rules=LATE,
    )


def test_the_late_cases_of_a_town_without_a_row_are_protected_like_those_of_one_with_a_row():
    """Of 36 late in w1, e1 and e2, w1 can hold 30: 6 or more of east's 8 would be known. So s1 joins them."""
    check(
        """
        unit | parent | open | late
        w1   | west   | 30   | 28
        e1   | east   | 20   | 4
        e2   | east   | 25   | 4
        s1   | south  | 44   | 20
        s2   | south  | 50   | 25
        """,
        expect="""
        unit | parent | open | late
        w1   | west   | 30   | -
        e1   | east   | 20   | -
        e2   | east   | 25   | -
        s1   | south  | 44   | -
        s2   | south  | 50   | 25
        """,
        rules=LATE,
    )


def test_stand_ins_that_are_empty_take_another_with_them():
    """Late in a and b: 78, and a has 80 open. Two or more of those would be known not to be late."""
    check(
        """
        unit | parent | open | late
        a    | -      | 80   | 77
        b    | -      | 40   | 1
        c    | -      | 90   | 30
        d    | -      | 95   | 40
        """,
        expect="""
        unit | parent | open | late
        a    | -      | 80   | -
        b    | -      | 40   | -
        c    | -      | 90   | -
        d    | -      | 95   | 40
        """,
        rules=LATE,
    )


def test_a_part_whose_group_leaves_no_room_takes_its_parent_with_it():
    """In east 12 of 12 and 9 of 50 are late: 21 of 62 late in the town would mean exactly 9 of those 50."""
    check(
        """
        unit | parent | open | late
        e1   | east   | 12   | 12
        e2   | east   | 50   | 9
        west | city   | 90   | 30
        south | city  | 95   | 35
        east | city   | 62   | 21
        city | -      | 247  | 86
        """,
        expect="""
        unit | parent | open | late
        e1   | east   | 12   | -
        e2   | east   | 50   | -
        west | city   | 90   | -
        south | city  | 95   | -
        east | city   | 62   | -
        city | -      | 247  | 86
        """,
        rules=LATE,
    )


FLOWS = Rules(counts=("open", "came", "left"), relations=(Flow("open", "came", "left"),))


def test_inflow_and_outflow_fall_together():
    """With the backlogs of today and of 28 days ago, one of the two gives the other."""
    check(
        """
        unit | parent | open | came | left
        a    | -      | 30   | 25   | 22
        b    | -      | 40   | 35   | 33
        c    | -      | 50   | 45   | 40
        d    | -      | 60   | 55   | 3
        """,
        expect="""
        unit | parent | open | came | left
        a    | -      | 30   | -    | -
        b    | -      | 40   | -    | -
        c    | -      | 50   | 45   | 40
        d    | -      | 60   | -    | -
        """,
        rules=FLOWS,
    )


def test_a_small_backlog_28_days_ago_withholds_the_flows_and_not_the_backlog():
    """60 now, 65 came and 12 left: 7 were open before. It may be said that 60 are, not how many were."""
    check(
        """
        unit | parent | open | came | left
        a    | -      | 30   | 25   | 22
        b    | -      | 40   | 35   | 33
        c    | -      | 50   | 45   | 40
        d    | -      | 60   | 65   | 12
        """,
        expect="""
        unit | parent | open | came | left
        a    | -      | 30   | -    | -
        b    | -      | 40   | -    | -
        c    | -      | 50   | 45   | 40
        d    | -      | 60   | -    | -
        """,
        rules=FLOWS,
    )


# -- the frame ---------------------------------------------------------------------------------------------


def test_attached_figures_fall_with_their_count_and_stay_with_it():
    """What was computed from withheld cases goes; a null that was never a figure is not called withheld."""
    frame = pd.DataFrame({"unit": ["a", "b", "c"], "open": [4, 20, 30], "expected": [1.5, 7.5, None]})
    shown = disclose(frame, Rules(counts=("open",), attached={"open": ("expected",)}), parent={})
    assert shown["expected"].isna().tolist() == [True, True, True]
    assert shown["expected_suppressed"].tolist() == [True, True, False]


def test_counts_of_other_weeks_are_small_by_themselves():
    """A usual backlog of 6 is the backlog of some week: it is withheld where the present one is shown."""
    frame = pd.DataFrame({"unit": ["a"], "open": [40], "usual": [6.0], "high": [12.0]})
    rules = Rules(counts=("open",), attached={"open": ("usual", "high")}, past_counts=("usual", "high"))
    shown = disclose(frame, rules, parent={})
    assert shown[["open", "high"]].iloc[0].tolist() == [40, 12.0]
    assert shown["usual"].isna().all()
    assert shown["usual_suppressed"].all()


def test_a_withheld_figure_leaves_no_trace_in_the_frame():
    """A masked array must not carry the value under its mask."""
    shown = disclose(pd.DataFrame({"unit": ["a"], "open": [7]}), OPEN, parent={})
    assert shown["open"].array._data.tolist() == [0]


def test_an_empty_frame_stays_empty():
    """Before the first import there is nothing to withhold."""
    frame = pd.DataFrame({"unit": pd.Series(dtype="str"), "open": pd.Series(dtype="int64")})
    assert len(disclose(frame, OPEN, parent={})) == 0


def test_the_frame_that_came_in_is_not_changed():
    """A caller may go on with its own figures."""
    frame = pd.DataFrame({"unit": ["a", "b"], "open": [3, 30]})
    before = frame.copy()
    disclose(frame, OPEN, parent={})
    pd.testing.assert_frame_equal(frame, before)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"unit": ["a"]}, "the table has no column open"),
        ({"unit": ["a"], "open": [5], "cases_today": [2]}, "nothing is said about the columns cases_today"),
        (
            {"unit": ["a", "a"], "open": [5, 6]},
            "column 'unit' must name each unit once; it holds 0 nulls and 1 repeats",
        ),
        ({"unit": ["a", None], "open": [5, 6]}, "it holds 1 nulls and 0 repeats"),
        ({"unit": ["a"], "open": [5.5]}, "column 'open' must hold whole numbers; it has the type float64"),
        (
            {"unit": ["a", "b"], "open": [5, -1]},
            r"counts of 0 or more; 1 are null or negative \(first in row 2\)",
        ),
        (
            {"unit": ["a", "t"], "open": [50, 60]},
            "column 'open', row 2: the children of this unit do not add up",
        ),
    ],
)
def test_a_table_that_cannot_be_protected_is_refused(columns, message):
    """What the function cannot vouch for does not leave; the message names a column and no figure."""
    with pytest.raises(UsageError, match=message):
        disclose(pd.DataFrame(columns), OPEN, parent={"a": "t"})


def test_a_null_count_is_refused_unless_it_was_withheld_before():
    """A gap in the figures is not a withheld figure."""
    frame = pd.DataFrame({"unit": ["a", "b"], "open": pd.array([None, 12], dtype="Int64")})
    with pytest.raises(UsageError, match=r"1 are null or negative \(first in row 1\)"):
        disclose(frame, OPEN, parent={})
    shown = disclose(frame.assign(open_suppressed=[True, False]), OPEN, parent={})
    assert shown["open"].isna().tolist() == [True, False]


@pytest.mark.parametrize("parent", [{"a": "b", "b": "a"}, {"a": "x", "x": "y", "y": "x"}])
def test_parents_in_a_circle_are_refused(parent):
    """Sums over a circle mean nothing."""
    with pytest.raises(UsageError, match="lead back to it"):
        disclose(pd.DataFrame({"unit": ["a", "b"], "open": [12, 12]}), OPEN, parent=parent)


def test_the_minimum_must_be_at_least_one():
    """A minimum of 0 would switch the function off."""
    with pytest.raises(UsageError, match="the minimum is 0; it must be at least 1"):
        disclose(pd.DataFrame({"unit": ["a"], "open": [3]}), OPEN, parent={}, minimum=0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"attached": {"late": ("x",)}}, "late: not among the counts open, came, left"),
        ({"relations": (PartOf("late", "open"),)}, "late: not among the counts"),
        ({"past_counts": ("usual",)}, "past_counts names usual, which no count has attached"),
        (
            {"relations": (PartOf("came", "open"), Flow("open", "came", "left"))},
            "came: a part or a flow once",
        ),
        ({"relations": (PartOf("came", "open"), PartOf("left", "came"))}, "came: a part or a flow once"),
    ],
)
def test_rules_that_contradict_themselves_are_refused(arguments, message):
    """A relation that names nothing would protect nothing."""
    with pytest.raises(UsageError, match=message):
        Rules(counts=("open", "came", "left"), **arguments)


# -- the pressure table ------------------------------------------------------------------------------------


def pressure(**changes: object) -> pd.DataFrame:
    frame = pd.DataFrame(
        {
            "as_of": NOW,
            "unit_kind": "area",
            "unit": ["dock", "hill", "lake", "mill"],
            "backlog": [52, 60, 75, 90],
            "inflow_28d": [41, 50, 60, 80],
            "outflow_28d": [40, 45, 55, 70],
            "overdue": [11, 22, 4, 30],
            "expected_late": [9.25, 14.5, 20.0, 31.0],
            "usual_backlog": [50.0, 55.0, None, 60.0],
            "usual_low": [8.0, 40.0, None, 50.0],
            "usual_high": [60.0, 70.0, None, 70.0],
            "level": ["usual", "usual", "unknown", "high"],
            "due_14d": [10, 20, 30, 9],
        }
    )
    ends = ("", "_low", "_high", "_usual_low", "_usual_high")
    estimates = {f"{name}{end}": [12.0, 13.5, 14.0, 20.0] for name in ESTIMATED for end in ends}
    return frame.assign(**{**estimates, **changes})


def test_what_is_expected_of_few_cases_due_soon_is_withheld():
    """Mill has 9 cases due within two weeks: how many become late is withheld, and how many are due shown nowhere."""
    shown = disclose_pressure(pressure(overdue=[30, 30, 30, 30]), parent={}).set_index("unit")
    assert "due_14d" not in shown.columns
    assert shown["late_14d"].isna().tolist() == [False, False, False, True]
    assert shown["late_14d_high_suppressed"].tolist() == [False, False, False, True]
    assert shown["backlog_days"].notna().all()


def test_a_ratio_falls_with_either_of_its_counts():
    """With the inflow and the ratio of both the outflow could be worked out."""
    frame = pressure(inflow_28d=[41, 50, 60, 80], outflow_28d=[40, 45, 55, 5])
    shown = disclose_pressure(frame, parent={}).set_index("unit")
    withheld = shown["outflow_28d"].isna() | shown["inflow_28d"].isna()
    assert withheld.any()
    assert shown["flow_ratio"].isna().tolist() == withheld.tolist()
    assert shown["backlog_days"].isna().tolist() == (shown["outflow_28d"].isna() | shown["backlog"].isna()).tolist()


def test_a_small_usual_number_of_late_cases_is_withheld_by_itself():
    """It is a count of another fortnight."""
    frame = pressure(late_14d_usual_low=[4.0, 13.0, 14.0, 20.0], overdue=[30] * 4, due_14d=[30] * 4)
    shown = disclose_pressure(frame, parent={}).set_index("unit")
    assert shown["late_14d_usual_low"].isna().tolist() == [True, False, False, False]
    assert shown["late_14d"].notna().all()


def test_a_small_number_of_overdue_cases_withholds_what_bounds_it_and_nothing_else():
    """Lake has 4 overdue cases; dock and hill stand in by code. Overdue cases are part of the expectation."""
    shown = disclose_pressure(pressure(), parent={}).set_index("unit")
    assert shown["overdue"].isna().tolist() == [True, True, True, False]
    assert shown["expected_late"].isna().tolist() == [True, True, True, False]
    assert shown[["backlog", "inflow_28d", "outflow_28d", "level"]].notna().all(axis=None)


def test_a_small_backlog_withholds_the_whole_row():
    """Flows, overdue cases, expectation, usual range and level all speak of the backlog."""
    shown = disclose_pressure(pressure(backlog=[52, 60, 75, 9]), parent={}).set_index("unit")
    figures = shown.columns.difference(["as_of", "unit_kind"])
    assert shown.loc["mill", [name for name in figures if not name.endswith("_suppressed")]].isna().all()
    assert shown.loc["mill", [name for name in figures if name.endswith("_suppressed")]].all()


def test_a_small_end_of_the_usual_range_is_withheld_by_itself():
    """Dock was usually between 8 and 60: the 8 is a backlog of the past."""
    shown = disclose_pressure(pressure(), parent={}).set_index("unit")
    assert shown["usual_low_suppressed"].tolist() == [True, False, False, False]
    assert shown["usual_high_suppressed"].tolist() == [False] * 4


def test_rows_about_offices_are_refused():
    """Offices are not in the tree of areas."""
    with pytest.raises(UsageError, match="unit_kind 'area' only"):
        disclose_pressure(pressure(unit_kind="office"), parent={})


def test_rows_of_two_moments_are_refused():
    """One release is protected as a whole; two in one frame are not one."""
    with pytest.raises(UsageError, match="the pressure is of 2 as-ofs; select one first"):
        disclose_pressure(pressure(as_of=[NOW, NOW, NOW, NOW + 1]), parent={})


# -- weak signals ------------------------------------------------------------------------------------------


def signals(**changes: object) -> pd.DataFrame:
    frame = pd.DataFrame(
        {
            "signal_id": ["s1", "s2", "s3"],
            "week": NOW - 8 * DAY,
            "area": ["dock", "hill", "lake"],
            "category": ["drain", "drain", "lift"],
            "direction": ["rise", "rise", "rise"],
            "observed": [14, 7, 25],
            "expected": [4.0, 2.0, 9.5],
            "lower": [1.0, 0.0, 4.0],
            "upper": [8.0, 5.0, 15.0],
            "p_value": [0.001, 0.002, 0.0001],
            "q_value": [0.05, 0.05, 0.01],
            "weeks_running": [1, 2, 1],
        }
    )
    return frame.assign(**changes)


def test_a_small_signal_says_that_it_rose_and_not_how_much():
    """Hill saw 7 cases: the signal stays, its figures go, the p-value among them."""
    shown = disclose_signals(signals(), disclose_pressure(pressure(), parent={}), parent={}).set_index("area")
    assert shown.loc["hill", list(SIGNAL_FIGURES)].isna().all()
    assert shown.loc["hill", ["direction", "weeks_running"]].tolist() == ["rise", 2]
    assert shown["observed"].dropna().tolist() == [14, 25]
    assert shown["observed_suppressed"].tolist() == [False, True, False]


def test_a_signal_that_leaves_a_small_rest_of_the_inflow_shows_no_figures():
    """41 came to dock in 28 days; 32 of one type would leave 9 for all the others."""
    areas = disclose_pressure(pressure(), parent={})
    at_rest_10 = disclose_signals(signals(observed=[31, 7, 25]), areas, parent={})
    at_rest_9 = disclose_signals(signals(observed=[32, 7, 25]), areas, parent={})
    assert at_rest_10["observed_suppressed"].tolist() == [False, True, False]
    assert at_rest_9["observed_suppressed"].tolist() == [True, True, False]


def test_two_signals_of_one_area_leave_a_rest_together():
    """20 and 15 of 41 leave 6: neither is shown. From before the 28 days, the 20 are no part of the 41."""
    areas = disclose_pressure(pressure(), parent={})
    both = signals(area="dock", category=["drain", "lift", "road"], observed=[20, 15, 4])
    assert disclose_signals(both, areas, parent={})["observed_suppressed"].tolist() == [True, True, True]
    long_ago = both.assign(week=[NOW - 36 * DAY, NOW - 8 * DAY, NOW - 8 * DAY])
    assert disclose_signals(long_ago, areas, parent={})["observed_suppressed"].tolist() == [
        False,
        False,
        True,
    ]


def test_one_week_flagged_twice_is_counted_once():
    """The same 20 cases under two as-ofs leave 21 of 41, not 1."""
    twice = signals(area="dock", category="drain", observed=20)
    shown = disclose_signals(twice, disclose_pressure(pressure(), parent={}), parent={})
    assert not shown["observed_suppressed"].any()


def test_a_signal_falls_with_the_inflow_of_its_area():
    """14 cases of one type would bound a withheld inflow from below."""
    areas = disclose_pressure(pressure(inflow_28d=[41, 50, 60, 8], outflow_28d=[40, 45, 55, 5]), parent={})
    shown = disclose_signals(signals(), areas, parent={})
    assert areas["inflow_28d_suppressed"].tolist() == [True, True, False, True]
    assert shown["observed_suppressed"].tolist() == [True, True, False]


def test_a_signal_of_an_area_with_parts_or_without_pressure_shows_no_figures():
    """A town's count beside its villages' is a sum; an area without pressure has no inflow to check by."""
    areas = disclose_pressure(pressure(), parent={})
    assert disclose_signals(signals(), areas, parent={"pier": "dock"})["observed_suppressed"].iloc[0]
    assert disclose_signals(signals(area="pond"), areas, parent={})["observed_suppressed"].all()


TOWN = {"dock": "bay", "hill": "bay", "lake": "bay", "mill": "vale"}


def sums(**changes: object) -> pd.DataFrame:
    """A signal of the town of bay and one of the whole city."""
    frame = signals(area=["bay", "*", "mill"], category=["drain", "drain", "lift"], observed=[40, 90, 12])
    return frame.assign(**{"category_group": None, **changes})


def test_a_town_shows_its_figures_where_no_village_within_does():
    """151 came to bay, 60 of them to lake: up to 91 could all be elsewhere. The city stands beside bay and does not."""
    areas = disclose_pressure(pressure(), parent={})
    shown = disclose_signals(sums(), areas, parent=TOWN)
    assert shown["observed_suppressed"].tolist() == [False, True, False]
    village = disclose_signals(sums(area=["bay", "*", "hill"], category="drain"), areas, parent=TOWN)
    assert village["observed_suppressed"].tolist() == [True, True, False]


def test_a_town_shows_no_figure_that_one_village_must_have_a_part_of():
    """Of 92 at least one came to lake, wherever the others came to; of 91 perhaps none did."""
    areas = disclose_pressure(pressure(), parent={})
    for observed, withheld in ((91, False), (92, True)):
        shown = disclose_signals(sums(observed=[observed, 90, 12]), areas, parent=TOWN)
        assert shown["observed_suppressed"].iloc[0] == withheld


def test_what_is_shown_within_a_town_takes_room_from_it():
    """With 20 drains shown in dock, 71 lifts are left room for elsewhere than in lake, and 72 are not."""
    areas = disclose_pressure(pressure(), parent={})
    for observed, withheld in ((71, False), (72, True)):
        both = sums(area=["bay", "dock", "mill"], category=["lift", "drain", "lift"], observed=[observed, 20, 12])
        assert disclose_signals(both, areas, parent=TOWN)["observed_suppressed"].tolist() == [withheld, False, False]


def test_a_group_of_types_never_stands_beside_one_of_them():
    """Neither in the same village nor in the town above it."""
    areas = disclose_pressure(pressure(), parent={})
    grouped = {"category": ["drain", "water", "water"], "category_group": ["water", None, None]}
    same = sums(area=["dock", "dock", "bay"], observed=[14, 20, 40], **grouped)
    assert disclose_signals(same, areas, parent=TOWN)["observed_suppressed"].tolist() == [False, True, True]


def test_the_whole_city_shows_its_figures_where_nothing_within_does():
    """It has no parent to be found by: every area lies in it."""
    areas = disclose_pressure(pressure(), parent={})
    shown = disclose_signals(sums(area=["*", "pond", "pond"]), areas, parent={})
    assert shown["observed_suppressed"].tolist() == [False, True, True]


def test_signals_without_rows_or_without_pressure_pass():
    """Before the first detection there is nothing to withhold."""
    areas = disclose_pressure(pressure(), parent={})
    assert disclose_signals(signals().iloc[:0], areas, parent={}).empty
    assert disclose_signals(signals(), areas.iloc[:0], parent={})["observed_suppressed"].all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s, p: (s.drop(columns="observed"), p), "the signals have no column observed"),
        (lambda s, p: (s, p.drop(columns="inflow_28d_suppressed")), "has not passed disclose_pressure"),
        (lambda s, p: (s, p.assign(as_of=[NOW, NOW, NOW, NOW + 1])), "the pressure is of 2 as-ofs"),
        (lambda s, p: (s.assign(observed=[14, -7, 25]), p), r"null or negative \(first in row 2\)"),
    ],
)
def test_signals_that_cannot_be_protected_are_refused(change, message):
    """What the function cannot vouch for does not leave."""
    with pytest.raises(UsageError, match=message):
        disclose_signals(*change(signals(), disclose_pressure(pressure(), parent={})), parent={})


def test_the_default_minimum_is_ten():
    """DESIGN says so, and so do the pages."""
    assert MINIMUM == 10
