"""Every figure about an area or an office that leaves the service, disclosed. There is no other way out.

Routes and pages know `Published` and never the tables behind it: a figure that is withheld here has no
value and says so, and whatever could be worked back to it is withheld with it (see `service.disclosure`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd

from data.errors import StoreError, UsageError
from service.disclosure import AREA_PRESSURE, SIGNAL_FIGURES, disclose, disclose_pressure, disclose_signals
from service.places import Places

PRESSURE_FIGURES: Final = (
    *("backlog", "inflow_28d", "outflow_28d", "overdue"),
    *("expected_late", "usual_backlog", "usual_low", "usual_high"),
)


_ORDER: Final = ["area", "category", "week", "direction"]


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure as it may be shown: a value, or withheld, or neither where there is none to show."""

    value: float | None
    withheld: bool = False


@dataclass(frozen=True, slots=True)
class Pressure:
    """The load of one area or office against its own past. `level` is None where it is withheld."""

    unit: str
    level: str | None
    backlog: Figure
    inflow_28d: Figure
    outflow_28d: Figure
    overdue: Figure
    expected_late: Figure
    usual_backlog: Figure
    usual_low: Figure
    usual_high: Figure


@dataclass(frozen=True, slots=True)
class Signal:
    """A problem type in an area beyond what its past explains. `week`: the local Monday it begins, seconds
    in UTC.
    """

    signal_id: str
    week: int
    area: str
    category: str
    direction: str
    observed: Figure
    expected: Figure
    lower: Figure
    upper: Figure
    p_value: Figure
    q_value: Figure
    fdr_level: float
    weeks_running: int
    method: str


@dataclass(frozen=True, slots=True)
class Published:
    """All disclosed figures of one moment, sorted by code. `as_of` is None when none were computed yet."""

    minimum: int
    as_of: int | None
    areas: Mapping[str, Pressure]
    offices: Mapping[str, Pressure]
    signals: tuple[Signal, ...]

    def signals_of(self, area: str) -> tuple[Signal, ...]:
        """The signals of one area."""
        return tuple(signal for signal in self.signals if signal.area == area)


def publish(pressure: pd.DataFrame, signals: pd.DataFrame | None, places: Places, *, minimum: int) -> Published:
    """Disclose what the store computed about areas and offices.

    Parameters
    ----------
    pressure, signals : DataFrame with the columns of `data.tables`
        Of the same as-of, or without rows; signals None where none were asked for.
    places : Places
        Its tree of areas says which figures add up to which, its populations which areas stand in first.
    minimum : int
        Smaller counts are withheld, and others with them.

    Raises
    ------
    StoreError
        If the stored figures contradict each other, so that nothing can be said about what they would give
        away.
    """
    if pressure.empty:
        return Published(minimum, None, {}, {}, ())
    try:
        areas = disclose_pressure(
            pressure[pressure["unit_kind"] == "area"],
            parent=places.parents,
            size=places.populations,
            minimum=minimum,
        )
        offices = _disclosed_offices(pressure[pressure["unit_kind"] == "office"], minimum)
        found = None if signals is None else disclose_signals(signals, areas, parent=places.parents, minimum=minimum)
    except UsageError as error:
        raise StoreError(
            f"The figures of areas cannot be published: {error} Compute them again with `heed signals`."
        ) from None
    return Published(
        minimum=minimum,
        as_of=int(pressure["as_of"].iloc[0]),
        areas=_pressures(areas),
        offices=_pressures(offices),
        signals=() if found is None else tuple(map(_signal, _rows(found.sort_values(_ORDER)))),
    )


def _disclosed_offices(offices: pd.DataFrame, minimum: int) -> pd.DataFrame:
    """Office figures pass as well: an office may serve one area only. They stand side by side and not in a
    tree, because a county office's own work is not the sum of its towns'.
    """
    return disclose(offices, AREA_PRESSURE, parent={}, minimum=minimum)


def _pressures(shown: pd.DataFrame) -> dict[str, Pressure]:
    return {
        row["unit"]: Pressure(row["unit"], _text(row["level"]), **_figures(row, PRESSURE_FIGURES))
        for row in _rows(shown.sort_values("unit"))
    }


def _signal(row: Mapping[str, Any]) -> Signal:
    return Signal(
        signal_id=row["signal_id"],
        week=int(row["week"]),
        area=row["area"],
        category=row["category"],
        direction=row["direction"],
        fdr_level=float(row["fdr_level"]),
        weeks_running=int(row["weeks_running"]),
        method=row["method"],
        **_figures(row, SIGNAL_FIGURES),
    )


def _rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def _text(value: Any) -> str | None:
    return None if pd.isna(value) else str(value)


def _figures(row: Mapping[str, Any], names: Iterable[str]) -> dict[str, Figure]:
    return {
        name: _figure(row[name], withheld=bool(row[f"{name}_suppressed"]), digits=_DIGITS.get(name, 1))
        for name in names
    }


# An expectation of 25.3 is as much as anyone can use; all its digits would identify the case mix behind it.
# A chance gets two significant digits instead: a small one rounded to nothing would claim certainty.
_DIGITS: Final = {"p_value": None, "q_value": None}


def _figure(value: Any, *, withheld: bool, digits: int | None) -> Figure:
    if withheld or pd.isna(value):
        return Figure(None, withheld)
    number = float(f"{float(value):.2g}") if digits is None else round(float(value), digits)
    return Figure(int(number) if number.is_integer() else number)
