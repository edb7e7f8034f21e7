"""Laws of the disclosure function that hold for every table."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from service.disclosure import AREA_PRESSURE, ESTIMATED, MINIMUM, Rules, disclose, disclose_pressure, disclose_signals
from tests.support.attacker import COUNTS, IMPLIED, Table, random_table

RULES = Rules(
    counts=COUNTS,
    attached={"backlog": ("expected_late",), "overdue": ("expected_late",)},
    relations=AREA_PRESSURE.relations,
)
WEEK = 7 * 86_400
NOW = 200 * WEEK

# Each example is a whole table; the audit in tests/guarantees sees many more.
few = settings(max_examples=30)
tables = st.builds(lambda seed: random_table(np.random.default_rng(seed)), st.integers(0, 2**32 - 1))


def released(table: Table, frame: pd.DataFrame | None = None, minimum: int = MINIMUM) -> pd.DataFrame:
    return disclose(
        table.frame if frame is None else frame, RULES, parent=table.parent, size=table.size, minimum=minimum
    )


@few
@given(table=tables, minimum=st.integers(1, 40))
def test_no_count_below_the_minimum_is_shown_nor_given_by_subtraction(table, minimum):
    """Neither a column nor what two or three columns give together falls below the minimum."""
    shown = released(table, minimum=minimum)
    for terms in [*({column: 1} for column in COUNTS), *IMPLIED.values()]:
        implied = sum(sign * shown[column] for column, sign in terms.items())
        assert (implied.dropna() >= minimum).all()


@few
@given(table=tables)
def test_what_is_shown_is_the_truth(table):
    """A figure is shown as it is or not at all."""
    frame, shown = table.frame, released(table)
    for column in COUNTS:
        kept = shown[column].notna()
        assert shown.loc[kept, column].tolist() == frame.loc[kept, column].tolist()
        assert shown[f"{column}_suppressed"].tolist() == (~kept).tolist()


@few
@given(table=tables)
def test_to_disclose_again_changes_nothing(table):
    """What has passed the door passes it again as it is."""
    once = released(table)
    pd.testing.assert_frame_equal(released(table, once), once)


@few
@given(table=tables, data=st.data())
def test_the_order_of_the_rows_changes_nothing(table, data):
    """Two queries that return the same areas in another order show the same figures."""
    order = data.draw(st.permutations(range(len(table.listed))))
    frame = table.frame
    shuffled = released(table, frame.iloc[order])
    pd.testing.assert_frame_equal(shuffled, released(table).iloc[order])


@few
@given(table=tables, factor=st.integers(2, 9))
def test_who_stands_in_does_not_depend_on_how_large_it_is(table, factor):
    """Where the same cells are small and as much is unseen, larger shown areas change nothing."""
    column = Rules(counts=("backlog",))
    flat = table.frame[table.frame["unit"].isin(table.bottom())][["unit", "backlog"]]
    first = disclose(flat, column, parent={}, size=table.size)
    larger = flat.assign(backlog=flat["backlog"].where(flat["backlog"] < MINIMUM, flat["backlog"] * factor))
    again = disclose(larger, column, parent={}, size=table.size)
    assert again["backlog_suppressed"].tolist() == first["backlog_suppressed"].tolist()


def as_pressure(table: Table) -> pd.DataFrame:
    frame = table.frame
    return frame.assign(
        as_of=NOW,
        unit_kind="area",
        usual_backlog=frame["backlog"] * 0.9,
        usual_low=frame["backlog"] * 0.5,
        usual_high=frame["backlog"] * 1.5,
        level="usual",
        **{f"{name}{end}": 3.0 for name in ESTIMATED for end in ("", "_low", "_high", "_usual_low", "_usual_high")},
    )


@few
@given(table=tables, seed=st.integers(0, 2**32 - 1))
def test_signals_shown_beside_the_pressure_leave_no_small_rest(table, seed):
    """The inflow of an area less its shown signals is never small, and no signal shows without that inflow."""
    rng = np.random.default_rng(seed)
    areas = disclose_pressure(as_pressure(table), parent=table.parent, size=table.size)
    inflow = {unit: table.truth[unit]["inflow_28d"] for unit in table.parent}
    rows = [
        {"area": area, "category": f"c{k}", "week": NOW - int(rng.integers(1, 6)) * WEEK, "observed": share}
        for area in rng.choice(list(table.parent), size=8)
        for k, share in enumerate(rng.multinomial(inflow[area], [0.3, 0.3, 0.4]))
    ]
    signals = pd.DataFrame(rows).drop_duplicates(["area", "category", "week"])
    signals = signals.assign(expected=1.0, lower=0.0, upper=2.0, p_value=0.01, q_value=0.05)
    shown = disclose_signals(signals, areas, parent=table.parent).dropna(subset="observed")
    assert (shown["observed"] >= MINIMUM).all()
    recent = shown[shown["week"] + WEEK > NOW - 4 * WEEK].groupby("area")["observed"].sum()
    bottom = set(table.bottom())
    single = recent[recent.index.isin(bottom)]
    rest = areas.set_index("unit")["inflow_28d"].reindex(single.index) - single
    assert (rest >= MINIMUM).all()
    for area, category in shown.loc[~shown["area"].isin(bottom), ["area", "category"]].itertuples(index=False):
        inside = [one for one in table.bottom(area) if one != area]
        claimed = shown[shown["area"].isin([*inside, area])]["observed"].sum()
        counts = [inflow[one] for one in inside]
        # Wherever the largest of its parts is left out, the others could have had all of it.
        assert claimed <= sum(counts) - max(counts)
        assert not (shown["area"].isin(inside) & shown["category"].eq(category)).any()
