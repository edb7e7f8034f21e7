"""Which weeks of a series of area and category count: not those in which it was not recorded, nor a bulk import's."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.quality.label_trust_cases import Ledger
from data.quality.label_trust_openings import import_spike, typed_in

Ints = NDArray[np.int64]

# An import in bulk with so much of one area, or of one category, is that one's.
_NEARLY_ALL: Final = 0.8


def recorded_weeks(found: pd.DataFrame, series: pd.DataFrame, weeks: Ints) -> NDArray[np.bool_]:
    """In which weeks each series of area and category was recorded, as `data.quality.recording` found it.

    Starts, stops and gaps of a whole category, or of a whole area, count, and the starts of a category in areas that
    join one after the other. A category that starts or stops in a single area does not: that may be the very rise or
    silence that is looked for. Nor does a channel or an office: the problem could still be reported.

    Parameters
    ----------
    found : as `data.quality.recording.recording` gives it
    series : DataFrame with `area` and `category`, n rows
    weeks : (m,) starts of weeks, UTC seconds

    Returns
    -------
    (m, n) bool, for `models.signals.WeeklyCounts.recorded_as`.
    """
    there = np.ones((len(weeks), len(series)), dtype=bool)
    rolled_out = found.loc[(found["code"] == "roll_out") & (found["unit"] == "category_area"), "category"]
    joined = (found["unit"] == "category_area") & (found["code"] == "start") & found["category"].isin(rolled_out)
    whole = found["code"].isin(("start", "stop", "gap")) & found["unit"].isin(("category", "area"))
    rows = found[whole | joined]
    for row in rows.to_dict("records"):
        concerned = np.ones(len(series), dtype=bool)
        for column in ("category", "area"):
            if isinstance(row[column], str):
                concerned &= (series[column] == row[column]).to_numpy()
        if row["code"] == "start":
            empty = weeks < row["first_week"]
        elif row["code"] == "stop":
            empty = weeks >= row["first_week"]
        else:
            empty = (weeks >= row["first_week"]) & (weeks <= row["last_week"])
        there[np.ix_(empty, concerned)] = False
    return there


def without_spikes(
    cases: pd.DataFrame, series: pd.DataFrame, weeks: Ints, as_of: int, time_zone: str
) -> NDArray[np.bool_]:
    """False for the weeks into which an import in bulk fell; (m, n) as in `recorded_weeks`.

    What came in with the import of a category is spread over all its areas, so all of them leave the week out. Where
    one area typed in a heap of cases of all kinds, the area does; where all came from one area and one category, that
    series.
    """
    ledger = Ledger.read(cases, as_of, time_zone)
    there = np.ones((len(weeks), len(series)), dtype=bool)
    if len(ledger) == 0 or len(weeks) == 0:
        return there
    typed = typed_in(ledger)
    by_area = _bulk(ledger.rows[typed], "area", "category", weeks)
    # The heap of one area makes no heap of its categories everywhere.
    rest = replace(ledger, rows=ledger.rows[~typed].reset_index(drop=True))
    by_category = _bulk(rest.rows[import_spike(rest).flagged], "category", "area", weeks) if len(rest) else []
    for found, names in ((by_category, ("category", "area")), (by_area, ("area", "category"))):
        for number, *values in found:
            concerned = np.ones(len(series), dtype=bool)
            for name, value in zip(names, values, strict=True):
                concerned &= True if value is None else (series[name] == value).to_numpy()
            there[number, concerned] = False
    return there


def _bulk(rows: pd.DataFrame, by: str, across: str, weeks: Ints) -> list[tuple[int, str, str | None]]:
    """Weeks and groups of flagged rows, and what nearly all of the group's rows have in common across, or None."""
    week = np.searchsorted(weeks, rows["opened"].to_numpy("int64"), side="right") - 1
    found: list[tuple[int, str, str | None]] = []
    for number in np.unique(week[week >= 0]).tolist():
        for value, own in rows[week == number].groupby(by):
            most = own[across].value_counts(normalize=True)
            found.append((number, str(value), str(most.index[0]) if most.iloc[0] >= _NEARLY_ALL else None))
    return found
