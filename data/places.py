"""Areas, offices with their capacities, and categories: read from files, checked together, stored all or none.

The boundary of an area is a public shape. It is stored; a point, or a shape so small that it is a house, is an exact
place and is refused.
"""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from sqlalchemy import Connection, select

from data import tables
from data.boundary import CONDUCT, Violation, forbidden_reason, refuse
from data.capacity_file import CapacityReport, KnownWhen, checked_capacity, settle
from data.errors import FileFormatError, Finding, PersonalDataError, RowError, UsageError
from data.findings import BadRows, as_findings, bad_rows
from data.personal import looks_personal
from data.place_shapes import neighbours_by_touch, read_shapes, shape_findings
from data.read import open_file
from data.schema import Tier
from data.store import Store
from data.value_scan import BOUNDARY, ValueScan

# What a file of each kind may hold; anything else is refused, as at every door.
COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    "areas": ("area", "parent", "name_zh", "name_en", "population", "neighbours"),
    "offices": ("office", "parent", "tier", "name_zh", "name_en", "capacity_per_day"),
    "categories": ("category", "name_zh", "name_en"),
    "capacity": ("office", "from", "known", "capacity_per_day"),
}
CODES: Final = {"areas": "area", "offices": "office", "categories": "category", "capacity": "office"}
# What no row can do without, besides its code.
_NEEDED: Final = {"capacity": ("from", "capacity_per_day")}
# Columns of numbers, times and lists: they are read as such or refused, and are no codes to be looked at.
_READ: Final = frozenset({"shape", "population", "capacity_per_day", "neighbours", "from", "known"})
_REMEDY: Final = "Mend the file; nothing of any of the files was stored."


@dataclass(frozen=True)
class Places:
    """What was read and found right; None where no file was given. The columns are those of `data.tables`; those of
    `capacity` are those of `data.capacity_file.checked_capacity`.
    """

    areas: pd.DataFrame | None = None
    offices: pd.DataFrame | None = None
    categories: pd.DataFrame | None = None
    capacity: pd.DataFrame | None = None

    def frames(self) -> dict[str, pd.DataFrame]:
        """Those that there are of what is put in place of what the store holds, by kind."""
        listed = {"areas": self.areas, "offices": self.offices, "categories": self.categories}
        return {kind: frame for kind, frame in listed.items() if frame is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacesReport:
    """What an import of places did: how many of each kind, and how many codes of cases are in none of them.

    `capacity` says what became of a file of capacities; None where none was given.
    """

    counts: dict[str, int]
    with_boundary: int
    neighbours_derived: bool
    unknown_codes: dict[str, int]
    capacity: CapacityReport | None = None

    def to_dict(self) -> dict[str, Any]:
        """The report as plain values."""
        return {
            "counts": self.counts,
            "with_boundary": self.with_boundary,
            "neighbours_derived": self.neighbours_derived,
            "unknown_codes": self.unknown_codes,
            "capacity": None if self.capacity is None else self.capacity.to_dict(),
        }

    def warnings(self) -> list[str]:
        """One sentence for each kind of which cases name codes that the file does not have, and those of capacities."""
        unknown = [
            f"Cases name {count:,} {kind} that the file does not have; they are shown by their code."
            for kind, count in self.unknown_codes.items()
            if count
        ]
        return unknown + ([] if self.capacity is None else self.capacity.warnings())


def import_places(
    store: Store,
    areas: str | Path | None = None,
    offices: str | Path | None = None,
    categories: str | Path | None = None,
    *,
    capacity: str | Path | None = None,
    capacity_known: KnownWhen = "import",
    drop: Collection[str] = (),
    imported_at: int | None = None,
) -> PlacesReport:
    """Check the files given and put them in place of what the store holds of each kind, all or none.

    Capacities are added to those that the store has, and replace none: see `data.capacity`.

    Parameters
    ----------
    store : Store
    areas : path
        A table with the columns of `COLUMNS` (only the code is needed; `neighbours` holds codes with ";" between), or
        GeoJSON: a FeatureCollection whose properties are those columns and whose geometries are the boundaries.
    offices, categories : path, tables
    capacity : path, a table
        `office`, `from` (a day or a time; without an offset, in the time zone of the store), `capacity_per_day` (cases
        per working day) and, if it is known, `known` (since when).
    capacity_known : since when the capacities were known of which the file does not say it
        "import": from now on. "from": since each began, or from now on if that is yet to come; whoever says so vouches
        that no figure was worked out afterwards.
    drop : collection of str
        Columns to leave out openly.
    imported_at : seconds in UTC; None: now

    Raises
    ------
    UsageError
        If no file is given, or there is none at a path.
    PersonalDataError, FileFormatError, MappingError, RowError, BoundaryError
        Nothing was stored.
    """
    now = int(time.time()) if imported_at is None else imported_at
    places = read_places(areas, offices, categories, capacity=capacity, zone=zone_of(store), imported_at=now, drop=drop)
    with store.writing() as connection:
        store.write_places(**places.frames(), connection=connection)
        told = None
        if places.capacity is not None:
            file = Path(str(capacity)).name
            told = _add_capacity(store, connection, file, places.capacity, known=capacity_known, imported_at=now)
    return _report(store, places, told, derived=areas is not None and _is_derived(places.areas, areas))


def read_places(
    areas: str | Path | None = None,
    offices: str | Path | None = None,
    categories: str | Path | None = None,
    *,
    capacity: str | Path | None = None,
    zone: ZoneInfo | None = None,
    imported_at: int | None = None,
    drop: Collection[str] = (),
) -> Places:
    """Read and check the files; raises as `import_places` does, and touches no store.

    `zone` is the time zone of moments without an offset, and nothing may have been known later than `imported_at`
    (seconds in UTC; None: now); both matter to capacities only.
    """
    given = {"areas": areas, "offices": offices, "categories": categories, "capacity": capacity}
    found = {kind: _read(kind, Path(path), drop) for kind, path in given.items() if path is not None}
    if not found:
        raise UsageError("Expected at least one file: --areas, --offices, --categories or --capacity.")
    now = int(time.time()) if imported_at is None else imported_at
    checked = {}
    for kind, frame in found.items():
        file = Path(str(given[kind])).name
        if kind == "capacity":
            checked[kind] = checked_capacity(file, frame, zone=zone, imported_at=now, remedy=_REMEDY)
        else:
            checked[kind] = _checked(kind, file, frame)
    return Places(**checked)


def zone_of(store: Store) -> ZoneInfo | None:
    """The time zone of the store; None before anything was imported, or where its sources are of several."""
    zones = set(store.sources()["time_zone"])
    return ZoneInfo(zones.pop()) if len(zones) == 1 else None


def _add_capacity(
    store: Store, connection: Connection, file: str, told: pd.DataFrame, *, known: KnownWhen, imported_at: int
) -> CapacityReport:
    """Store what is new, in the transaction of `connection`, in which the offices are those of this import."""
    stored = store.read_capacity(connection=connection)
    settled = settle(file, told, stored, known=known, imported_at=imported_at)
    store.write_places(capacities=settled.rows, connection=connection)
    offices = set(store.read_offices(connection=connection)["office"])
    return CapacityReport(
        stored=len(settled.rows),
        known_already=settled.known_already,
        corrections=settled.corrections,
        known_from_import=settled.known_from_import,
        unknown_offices=len(set(told["office"]) - offices - _codes_of_cases(connection, "office")),
    )


def _is_derived(areas: pd.DataFrame | None, path: str | Path) -> bool:
    return areas is not None and "boundary" in areas and _is_shapes(Path(path)) and bool(areas["derived"].any())


def _is_shapes(path: Path) -> bool:
    return path.suffix.lower() in (".geojson", ".json")


def _read(kind: str, path: Path, drop: Collection[str]) -> pd.DataFrame:
    """The rows of a file as text, with `row`; and `shape` where the file holds boundaries."""
    if not path.is_file():
        raise UsageError(f"There is no file {path}. Check the path.")
    code = CODES[kind]
    if kind == "areas" and _is_shapes(path):
        raw = read_shapes(path, code)
    else:
        file = open_file(path)
        raw = file.read([name for name in file.columns if name not in drop])
    raw = raw.drop(columns=[name for name in drop if name in raw])
    _check_columns(path.name, kind, [str(name) for name in raw.columns if name != "shape"])
    if code not in raw:
        raise FileFormatError(f"{path.name}: expected a column '{code}' with the code of each row.")
    missing = [name for name in _NEEDED.get(kind, ()) if name not in raw]
    if missing:
        raise FileFormatError(f"{path.name}: expected a column '{missing[0]}'.")
    scan = ValueScan(path.name)
    numbers = np.arange(1, len(raw) + 1)
    for name in set(raw.columns) - _READ:
        scan.look_at_codes(str(name), raw[name].astype("str"), numbers)
    scan.refuse()
    frame = raw.assign(row=numbers)
    for name in COLUMNS[kind]:
        if name not in frame:
            frame[name] = pd.Series(None, index=frame.index, dtype="str")
    return frame.reset_index(drop=True)


def _check_columns(file: str, kind: str, columns: Sequence[str]) -> None:
    extra = [name for name in columns if name not in COLUMNS[kind]]
    if not extra:
        return
    findings = [
        Finding("unknown_column", name, 0, (), _looks(name), "Leave it out with `--drop COLUMN`.") for name in extra
    ]
    lines = "\n".join(f"  - '{finding.column}': {finding.expected}" for finding in findings)
    raise PersonalDataError(
        f"{file}: a file of {kind} holds {', '.join(COLUMNS[kind])} and nothing else, so nothing was read:\n{lines}\n"
        f"{BOUNDARY} Leave out openly what is not needed, with `--drop COLUMN`.",
        findings,
    )


def _looks(name: str) -> str:
    kind = looks_personal(name)
    return "not one of them." if kind is None or name.startswith("name") else f"looks like {kind}, by its name."


def _checked(kind: str, file: str, frame: pd.DataFrame) -> pd.DataFrame:
    """The frame as the table has it, if everything in it is right."""
    check = _Check(kind, file, frame)
    check.codes()
    if "parent" in frame:
        check.parents()
    if kind == "areas":
        check.numbers("population", whole=True)
        check.neighbours()
        check.shapes()
    elif kind == "offices":
        check.tiers()
        check.numbers("capacity_per_day", whole=False)
    else:
        check.categories()
    if check.found:
        raise RowError(file, as_findings(check.found))
    return check.table()


class _Check:
    """What is wrong with one file of places."""

    def __init__(self, kind: str, file: str, frame: pd.DataFrame) -> None:
        self.kind, self.file, self.frame = kind, file, frame.copy()
        self.code = CODES[kind]
        self.found: list[BadRows] = []

    def add(self, code: str, column: str, mask: pd.Series | np.ndarray, expected: str) -> None:
        self.found += bad_rows(code, column, mask, self.frame["row"], expected=expected, remedy=_REMEDY)

    def codes(self) -> None:
        codes = self.frame[self.code]
        self.add("missing_value", self.code, codes.isna(), "every row needs its code.")
        self.add(
            "duplicate_code", self.code, codes.notna() & codes.duplicated(), "the code stands in an earlier row too."
        )

    def parents(self) -> None:
        parents, codes = self.frame["parent"], set(self.frame[self.code].dropna())
        unknown = parents.notna() & ~parents.isin(codes)
        self.add("unknown_parent", "parent", unknown, "the parent is not a code of this file.")
        above = dict(zip(self.frame[self.code].tolist(), parents.tolist(), strict=True))
        looped = [not _reaches_top(code, above) for code in self.frame[self.code].tolist()]
        self.add("cycle", "parent", np.array(looped, dtype=bool), "going from parent to parent never comes to a top.")

    def numbers(self, column: str, *, whole: bool) -> None:
        given = self.frame[column]
        numbers = pd.to_numeric(given, errors="coerce")
        wrong = given.notna() & ~(numbers >= 0)
        if whole:
            wrong |= given.notna() & (numbers % 1 != 0)
        wrong |= numbers.abs() > 1e15
        self.add("bad_number", column, wrong, f"expected a {'whole ' if whole else ''}number, 0 or more.")
        self.frame[column] = numbers.where(~wrong).astype("Int64" if whole else "float64")

    def tiers(self) -> None:
        tiers = [tier.value for tier in Tier]
        wrong = self.frame["tier"].notna() & ~self.frame["tier"].isin(tiers)
        self.add("unknown_value", "tier", wrong, f"expected one of {', '.join(tiers)}.")

    def categories(self) -> None:
        for name in COLUMNS["categories"]:
            values = self.frame[name].dropna().unique().tolist()
            bad = [value for value in values if forbidden_reason(value) == CONDUCT]
            rows = self.frame.loc[self.frame[name].isin(bad), "row"].tolist()
            # Rows and not names: a list of what is forbidden is no use to anyone.
            refuse([Violation(f"{self.file}, column '{name}'", f"row {row}", CONDUCT) for row in rows[:5]])

    def neighbours(self) -> None:
        listed = [_listed(value) for value in self.frame["neighbours"].tolist()]
        codes = self.frame[self.code].tolist()
        known = set(codes)
        beside = {code: set(others) for code, others in zip(codes, listed, strict=True)}
        unknown = np.array([bool(set(others) - known) for others in listed], dtype=bool)
        self.add("unknown_neighbour", "neighbours", unknown, "a neighbour is not a code of this file.")
        itself = np.array([code in others for code, others in zip(codes, listed, strict=True)], dtype=bool)
        self.add("own_neighbour", "neighbours", itself, "an area is not its own neighbour.")
        one_way = [
            any(code not in beside.get(other, {code}) for other in others)
            for code, others in zip(codes, listed, strict=True)
        ]
        self.add(
            "one_way_neighbour",
            "neighbours",
            np.array(one_way, dtype=bool) & ~itself,
            "a neighbour does not name this area as its own neighbour.",
        )
        self.frame["neighbours"] = pd.Series(listed, index=self.frame.index, dtype="object")

    def shapes(self) -> None:
        self.frame["derived"] = False
        if "shape" not in self.frame:
            return
        shapes = self.frame["shape"].tolist()
        self.found += shape_findings(self.file, shapes, self.frame["row"], _REMEDY)
        if self.found:
            return
        if not any(self.frame["neighbours"].map(len)):
            beside = neighbours_by_touch(shapes, self._depths())
            codes = self.frame[self.code].tolist()
            named = [sorted(codes[place] for place in places) for places in beside]
            self.frame["neighbours"] = pd.Series(named, index=self.frame.index, dtype="object")
            self.frame["derived"] = True
        self.frame["boundary"] = pd.Series([_geojson(shape) for shape in shapes], index=self.frame.index, dtype="str")

    def _depths(self) -> list[int]:
        above = dict(zip(self.frame[self.code].tolist(), self.frame["parent"].tolist(), strict=True))
        return [len(_line(code, above)) for code in self.frame[self.code].tolist()]

    def table(self) -> pd.DataFrame:
        """The columns that the store has, and `derived`."""
        own = [name for name in (*COLUMNS[self.kind], "boundary", "derived") if name in self.frame]
        return self.frame[own]


def _line(code: str, above: dict[str, Any]) -> list[str]:
    """The codes from `code` up; ends where it would come to one of them again."""
    line: list[str] = []
    here: Any = code
    while isinstance(here, str) and here not in line:
        line.append(here)
        here = above.get(here)
    return line


def _reaches_top(code: Any, above: dict[str, Any]) -> bool:
    if not isinstance(code, str):
        return True
    top = above.get(_line(code, above)[-1])
    return not isinstance(top, str) or top not in above


def _listed(value: Any) -> list[str]:
    """Codes with ";" or "|" between them, or a JSON list, as a list."""
    if not isinstance(value, str):
        return []
    if value.startswith("["):
        try:
            return [str(one) for one in json.loads(value)]
        except ValueError:
            return [value]
    return [part.strip() for part in value.replace("|", ";").split(";") if part.strip()]


def _geojson(shape: Any) -> str:
    from shapely import set_precision  # noqa: PLC0415  (only files with boundaries need it)
    from shapely.geometry import mapping  # noqa: PLC0415

    # Six decimals are ten centimetres.
    return json.dumps(mapping(set_precision(shape, 1e-6)), separators=(",", ":"))


def _report(store: Store, places: Places, capacity: CapacityReport | None, *, derived: bool) -> PlacesReport:
    frames = places.frames()
    areas = frames.get("areas")
    with store.reading() as connection:
        unknown = {
            kind: len(_codes_of_cases(connection, CODES[kind]) - set(frame[CODES[kind]]))
            for kind, frame in frames.items()
        }
    return PlacesReport(
        counts={kind: len(frame) for kind, frame in frames.items()},
        with_boundary=0 if areas is None or "boundary" not in areas else int(areas["boundary"].notna().sum()),
        neighbours_derived=derived,
        unknown_codes=unknown,
        capacity=capacity,
    )


def _codes_of_cases(connection: Connection, name: str) -> set[str]:
    column = tables.event.c[name]
    return set(connection.execute(select(column).where(column.is_not(None)).distinct()).scalars())
