"""Every figure about an area or an office that leaves the service, disclosed. There is no other way out.

Routes and pages know `Published` and never the tables behind it: a figure that is withheld here has no
value and says so, and whatever could be worked back to it is withheld with it (see `service.disclosure`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import pandas as pd

from data.errors import StoreError, UsageError
from models.signals.afterwards import Lasted
from models.signals.related import related
from models.signals.reviews import TurnedOut
from service._disclosed_weeks import disclose_weeks
from service._disclosure_rules import suppressed
from service.disclosure import (
    AREA_PRESSURE,
    ESTIMATED,
    SIGNAL_FIGURES,
    disclose,
    disclose_pressure,
    disclose_signals,
    without_few_due,
)
from service.places import Places
from service.signal_record import NO_RECORD, SignalRecord

PRESSURE_FIGURES: Final = (
    *("backlog", "inflow_28d", "outflow_28d", "overdue"),
    *("expected_late", "usual_backlog", "usual_low", "usual_high"),
    *(f"{name}{end}" for name in ESTIMATED for end in ("", "_low", "_high", "_usual_low", "_usual_high")),
)


# No code of an area ends like this: codes hold no control characters.
_WHOLE: Final = "\x1fwhole"
_ORDER: Final = ["area", "category", "week", "direction"]
# An office with cases of so many of all areas serves the whole city.
_NEARLY_ALL: Final = 0.9


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
    backlog_days: Figure
    backlog_days_low: Figure
    backlog_days_high: Figure
    backlog_days_usual_low: Figure
    backlog_days_usual_high: Figure
    flow_ratio: Figure
    flow_ratio_low: Figure
    flow_ratio_high: Figure
    flow_ratio_usual_low: Figure
    flow_ratio_usual_high: Figure
    late_14d: Figure
    late_14d_low: Figure
    late_14d_high: Figure
    late_14d_usual_low: Figure
    late_14d_usual_high: Figure


@dataclass(frozen=True, slots=True)
class Parts:
    """What a sum is made of: so many areas, or categories (`kind`), `rising` of which move with it, and `told` signals
    within it.
    """

    kind: str
    number: int
    rising: int
    told: int


@dataclass(frozen=True, slots=True)
class SignalWeek:
    """One week behind a signal. `week`: the local Monday, seconds in UTC. `state`: shown, withheld or not_recorded.
    `alarm`: rise or silence where the week was flagged.
    """

    week: int
    state: str
    alarm: str | None
    observed: Figure
    expected: Figure
    lower: Figure
    upper: Figure


@dataclass(frozen=True, slots=True)
class Signal:
    """A problem type in an area beyond what its past explains. `week`: the local Monday it begins, seconds
    in UTC. `status`: what became of it. `parts`: of a sum over areas or categories; None for a single one.
    `told`: False for one of the rest where the detection had limits for how many are told first; never of one whose
    figures are withheld, for how clear it is would be told with it.
    `method_reason`, `weeks_of_past`: why it was judged as it was, see `models.signals.reason_sentence`. `held`,
    `lasted`: how earlier signals of its kind turned out; None where too few did. `weeks`: those behind it, oldest
    first.
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
    status: str = "new"
    parts: Parts | None = None
    told: bool = True
    method_reason: str | None = None
    weeks_of_past: int | None = None
    held: TurnedOut | None = None
    lasted: Lasted | None = None
    weeks: tuple[SignalWeek, ...] = ()


@dataclass(frozen=True, slots=True)
class Published:
    """All disclosed figures of one moment, sorted by code. `as_of` is None when none were computed yet."""

    minimum: int
    as_of: int | None
    areas: Mapping[str, Pressure]
    offices: Mapping[str, Pressure]
    signals: tuple[Signal, ...]
    relations: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # from a signal's id to those of others

    def signals_of(self, area: str) -> tuple[Signal, ...]:
        """The signals of one area."""
        return tuple(signal for signal in self.signals if signal.area == area)

    def told_first(self) -> tuple[Signal, ...]:
        """The signals within the limits of the detection; all where it had none."""
        return tuple(signal for signal in self.signals if signal.told)

    def rest(self) -> tuple[Signal, ...]:
        """The signals beyond those limits."""
        return tuple(signal for signal in self.signals if not signal.told)

    def signal(self, signal_id: str) -> Signal | None:
        """The signal of that id; None where there is none."""
        return next((signal for signal in self.signals if signal.signal_id == signal_id), None)

    def related(self, signal: Signal) -> tuple[Signal, ...]:
        """Signals that belong to this one: the same problem above, below and beside, and its kin in the area."""
        others = self.relations.get(signal.signal_id, ())
        return tuple(other for other in self.signals if other.signal_id in others)


def publish(
    pressure: pd.DataFrame,
    signals: pd.DataFrame | None,
    places: Places,
    *,
    minimum: int,
    record: SignalRecord = NO_RECORD,
) -> Published:
    """Disclose what the store computed about areas and offices.

    Parameters
    ----------
    pressure, signals : DataFrame with the columns of `data.tables`
        Of the same as-of, or without rows; signals None where none were asked for.
    places : Places
        Its tree of areas says which figures add up to which, its populations which areas stand in first.
    minimum : int
        Smaller counts are withheld, and others with them.
    record : SignalRecord
        What stands behind the signals.

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
            parent=_beside_own_rows(places.parents),
            size=places.populations,
            minimum=minimum,
        )
        offices = _disclosed_offices(pressure[pressure["unit_kind"] == "office"], areas, places.served, minimum)
        told = () if signals is None else _signals(signals, areas, places, minimum, record)
    except UsageError as error:
        raise StoreError(
            f"The figures of areas cannot be published: {error} Compute them again with `heed signals`."
        ) from None
    return Published(
        minimum=minimum,
        as_of=int(pressure["as_of"].iloc[0]),
        areas=_pressures(areas),
        offices=_pressures(offices),
        signals=told,
        relations={} if signals is None else _relations(signals, places),
    )


def publish_office_records(records: pd.DataFrame, *, minimum: int) -> list[dict[str, Any]]:
    """The record of each office against its own past, as it may leave: an office may serve one area only.

    A share of broken promises gives their number back. It is withheld (None, and named in `withheld`) where fewer than
    `minimum` were broken, or kept; so is what was computed from it. That an office fell behind is always said.
    """
    told = []
    for row in records.to_dict("records"):
        withheld = []
        for side in ("before", "recent"):
            broken = round(row[f"n_{side}"] * row[f"late_{side}"])
            if min(broken, row[f"n_{side}"] - broken) < minimum:
                withheld.append(f"late_{side}")
        if withheld:
            withheld += ["p_value", "q_value"]
        told.append({**{str(k): None if k in withheld else v for k, v in row.items()}, "withheld": withheld})
    return told


def _beside_own_rows(parents: Mapping[str, str]) -> dict[str, str]:
    """The same tree, in which the row of an area with others in it is one part of it among the others.

    The pressure of such an area is that of the cases placed on it itself, such as those of a town whose village is
    not known; the town as a whole has no row.
    """
    inner = set(parents.values())
    whole = {area: f"{area}{_WHOLE}" for area in inner}
    tree = {area: whole[above] for area, above in parents.items() if area not in inner}
    tree |= {area: whole[area] for area in inner}
    return tree | {whole[area]: whole[parents[area]] for area in inner if area in parents}


def _disclosed_offices(
    offices: pd.DataFrame, areas: pd.DataFrame, served: Mapping[str, frozenset[str]], minimum: int
) -> pd.DataFrame:
    """Office figures pass as well. They stand side by side and not in a tree, because a county office's own work is not
    the sum of its towns'.

    The figures of an office that serves one village are those of that village, and those of a town's office bound its
    villages: what is withheld of an area is withheld of every office that serves it and not nearly all areas. Offices
    that serve few areas stand in first; of those that serve nearly all, nothing follows for a single one.
    """
    return disclose(
        without_few_due(offices, minimum=minimum),
        AREA_PRESSURE,
        parent={},
        size={office: float(len(areas_)) for office, areas_ in served.items()},
        minimum=minimum,
        also=_local(offices["unit"].tolist(), areas, served),
    )


def _local(offices: list[str], areas: pd.DataFrame, served: Mapping[str, frozenset[str]]) -> dict[str, set[str]]:
    """By count, the offices that serve an area of which it is withheld, but for those that serve nearly all areas.

    All offices where it is withheld of every area: their sum is that of all areas, which must not be known then.
    """
    every = frozenset(areas["unit"])
    reach = {office: served.get(office, frozenset()) & every for office in offices}
    local = {office for office, own in reach.items() if len(own) < _NEARLY_ALL * len(every)}
    found = {}
    for count in AREA_PRESSURE.counts:
        withheld = frozenset(areas.loc[areas[suppressed(count)], "unit"])
        found[count] = set(offices) if withheld == every else {one for one in local if reach[one] & withheld}
    return found


def _pressures(shown: pd.DataFrame) -> dict[str, Pressure]:
    return {
        row["unit"]: Pressure(row["unit"], _text(row["level"]), **_figures(row, PRESSURE_FIGURES))
        for row in _rows(shown.sort_values("unit"))
    }


def _signals(
    signals: pd.DataFrame, areas: pd.DataFrame, places: Places, minimum: int, record: SignalRecord
) -> tuple[Signal, ...]:
    found = disclose_signals(
        signals, areas, parent=places.parents, minimum=minimum, earlier=record.earlier, weeks=record.weeks
    )
    weeks = disclose_weeks(record.weeks, found, parent=places.parents, minimum=minimum, earlier=record.earlier)
    behind: dict[tuple[str, str], list[SignalWeek]] = {}
    for row in _rows(weeks.sort_values("week")):
        behind.setdefault((row["area"], row["category"]), []).append(_week(row))
    statuses = record.statuses()
    return tuple(_signal(row, behind, statuses, record) for row in _rows(found.sort_values(_ORDER)))


def _relations(signals: pd.DataFrame, places: Places) -> dict[str, tuple[str, ...]]:
    rows = signals.set_index("signal_id")
    groups = dict(zip(rows["category"], rows["category_group"], strict=True))
    pairs = related(rows, parents=places.parents, neighbours=places.neighbours, groups=groups)
    return {str(one): tuple(rows["other"]) for one, rows in pairs.groupby("signal", sort=False)}


def _signal(
    row: Mapping[str, Any],
    behind: Mapping[tuple[str, str], list[SignalWeek]],
    statuses: Mapping[str, str],
    record: SignalRecord,
) -> Signal:
    return Signal(
        signal_id=row["signal_id"],
        week=int(row["week"]),
        area=row["area"],
        category=row["category"],
        direction=row["direction"],
        fdr_level=float(row["fdr_level"]),
        weeks_running=int(row["weeks_running"]),
        method=row["method"],
        status=statuses.get(row["signal_id"], "new"),
        parts=_parts(row),
        told=_is_told(row),
        method_reason=_text(row["method_reason"]),
        weeks_of_past=None if pd.isna(row["weeks_of_past"]) else int(row["weeks_of_past"]),
        held=record.held(row["category"], row["direction"], int(row["week"])),
        lasted=record.lasted(row["direction"], int(row["as_of"])),
        weeks=tuple(behind.get((row["area"], row["category"]), ())),
        **_figures(row, SIGNAL_FIGURES),
    )


def _parts(row: Mapping[str, Any]) -> Parts | None:
    if _text(row["level"]) != "sum":
        return None
    return Parts(str(row["part_kind"]), int(row["n_parts"]), int(row["parts_rising"]), int(row["parts_told"]))


def _is_told(row: Mapping[str, Any]) -> bool:
    told = row["told"]
    return bool(row["observed_suppressed"]) or pd.isna(told) or bool(told)


def _week(row: Mapping[str, Any]) -> SignalWeek:
    withheld = row["state"] == "withheld"
    figures = {
        name: _figure(row[name], withheld=withheld, digits=0) for name in ("observed", "expected", "lower", "upper")
    }
    return SignalWeek(week=int(row["week"]), state=row["state"], alarm=_text(row["alarm"]), **figures)


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
_RATIOS: Final = dict.fromkeys((f"flow_ratio{end}" for end in ("", "_low", "_high", "_usual_low", "_usual_high")), 2)
_DIGITS: Final[dict[str, int | None]] = {"p_value": None, "q_value": None, **_RATIOS}


def _figure(value: Any, *, withheld: bool, digits: int | None) -> Figure:
    if withheld or pd.isna(value):
        return Figure(None, withheld)
    number = float(f"{float(value):.2g}") if digits is None else round(float(value), digits)
    return Figure(int(number) if number.is_integer() else number)
