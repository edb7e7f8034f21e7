"""From a file and its mapping to rows in heed's own words and times, with everything that did not fit."""

from __future__ import annotations

from collections.abc import Collection, Generator
from contextlib import closing
from dataclasses import dataclass, replace
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from data.errors import MappingError
from data.event_log import NEVER
from data.findings import BadRows, found_only, looked_at
from data.mapping import Column, Mapping, allowed_values
from data.moments import Mask, Moments, Seconds, next_midnight, parse_moments
from data.privacy import check_columns
from data.read import SourceFile, as_text
from data.row_extras import RowExtras, next_month, scaled
from data.schema import EventKind
from data.schema import Field as CaseField
from data.value_scan import ValueScan


@dataclass(frozen=True)
class Rows:
    """The rows of a file, or of a part of it, in our own words.

    `frame` has `row` (1-based number in the file) and one column per field of the shape: text as `str`, null
    where nothing is said; times as int64 seconds in UTC, NEVER where there is none, and for each of them a
    twin `…_known`, the moment at which it can be known; and `falls`, "withdrawn" or "duplicate" where the
    source's word for the closing says so. `…_unread` marks what could not be read, and `found` reports it.
    """

    frame: pd.DataFrame
    found: list[BadRows]
    ambiguous_times: int
    skipped_times: int


def read_rows(file: SourceFile, mapping: Mapping, drop: Collection[str] = ()) -> Rows:
    """Read the mapped columns of `file`, through the privacy door; all rows at once.

    Raises
    ------
    PersonalDataError
        See `data.privacy`.
    MappingError
        If the file lacks a mapped column, or no time zone is declared and no time is naive either.
    FileFormatError
        If a column cannot be decoded.
    """
    reader = RowReader(file, mapping, drop)
    rows = reader.read(file.read(reader.wanted))
    reader.finish()
    return replace(rows, found=found_only(rows.found))


class RowReader:
    """The rows of a file in our own words, part after part.

    What the door and the mapping say of the file as a whole is said at its end: see `finish`. `Rows.found` of a part
    holds also what was looked for and not found.

    Raises
    ------
    PersonalDataError
        When made, if a column is neither mapped nor left out; see `data.privacy`.
    MappingError
        When made, if the file lacks a mapped column.
    """

    def __init__(
        self, file: SourceFile, mapping: Mapping, drop: Collection[str] = (), areas: pd.DataFrame | None = None
    ) -> None:
        check_columns(file.name, file.columns, mapping, drop)
        present = {name for name in file.columns if name not in drop}
        _check_present(file, mapping, present)
        # Coordinates go in here and come out as areas; see `data.location`. `areas` are those of the store.
        self._extras = RowExtras(file, mapping, present, areas)
        self.wanted = (present & mapping.columns.keys()) | self._extras.columns
        self.notes: tuple[str, ...] = ()
        self._file, self._mapping = file, mapping
        self._scan = ValueScan(file.name)
        self._naive = False

    def parts(self, size: int) -> Generator[Rows, None, None]:
        """At most `size` rows at a time, to the end of the file; raises then what `finish` raises.

        So nothing of a part may be stored before the last one came.
        """
        with closing(self._file.chunks(self.wanted, size)) as chunks:
            for raw in chunks:
                yield self.read(raw)
        self.finish()

    def read(self, raw: pd.DataFrame) -> Rows:
        """One part, as `SourceFile.chunks` gives it."""
        first = int(raw.index[0]) + 1 if len(raw) else 1
        raw = raw.reset_index(drop=True)
        places, raw = raw[list(self._extras.columns)], raw.drop(columns=list(self._extras.columns))
        for name in raw.columns:
            missing = self._mapping.columns[name].missing
            if self._mapping.fields[self._mapping.columns[name].field].type != "time":
                # A column of times that is mapped to a code is read as it is written.
                raw[name] = as_text(raw[name])
            if missing:
                raw[name] = raw[name].mask(raw[name].isin(missing))
        numbers = np.arange(first, first + len(raw))
        self._look_at_values(raw, numbers)
        rows = _translate(self._mapping, raw, numbers)
        rows.found.extend(self._extras.fill(rows.frame, places))
        self._naive = self._naive or any(bad.finding.code == "naive_time" for bad in found_only(rows.found))
        return rows

    def finish(self) -> None:
        """Judge the file as a whole, when all parts were read.

        Raises
        ------
        PersonalDataError
            If values look personal; with columns, rows and kinds.
        MappingError
            If no time zone is declared and no time is naive either, or if no location lies in any area.
        """
        self._scan.refuse()
        if not self._naive:
            _check_zone(self._mapping)
        self.notes = tuple(self._extras.notes())

    def judge_cases(self, cases: int) -> None:
        """Judge the file's codes beside its number of cases, once that is known. Raises PersonalDataError."""
        self._scan.refuse_own_to_cases(cases)

    def _look_at_values(self, raw: pd.DataFrame, numbers: Seconds) -> None:
        for name in raw.columns:
            kind = self._mapping.fields[self._mapping.columns[name].field].type
            if self._mapping.columns[name].field in _SUBJECTS:
                self._scan.look_at_subjects(str(name), raw[name], numbers)
            if kind in ("code", "vocabulary"):
                self._scan.look_at_codes(str(name), raw[name], numbers)
            elif kind == "reference":
                self._scan.look_at_references(str(name), raw[name], numbers)


# What says what a case or an inspection is about.
_SUBJECTS = ("category", "category_group", "related_category", "asset_kind")


def _check_present(file: SourceFile, mapping: Mapping, present: set[str]) -> None:
    absent = [
        name
        for name, column in mapping.columns.items()
        if name not in present and (not column.optional or column.field in _NEEDED)
    ]
    fields = {name: f"field {column.field}" for name, column in mapping.columns.items()}
    if mapping.location is not None and not mapping.location.optional:
        absent += [name for name in mapping.location_columns if name not in present]
        fields |= dict.fromkeys(mapping.location_columns, "[location]")
    if absent:
        listed = ", ".join(f"'{name}' ({fields[name]})" for name in absent)
        raise MappingError(
            f"{file.name}: the mapping '{mapping.source.name}' expects {listed}, "
            f"{_why_absent(file, absent)}. "
            f"Its columns: {', '.join(file.columns)}. Rename the column in the mapping or the file, or set "
            "optional = true if the source does not always give it."
        )


def _why_absent(file: SourceFile, absent: list[str]) -> str:
    return "dropped with --drop" if set(absent) <= set(file.columns) else "which the file does not have"


_NEEDED = ("reference", "opened_at", "kind", "at")


def _translate(mapping: Mapping, raw: pd.DataFrame, numbers: Seconds) -> Rows:
    frame = pd.DataFrame({"row": numbers})
    found: list[BadRows] = []
    moments: list[Moments] = []
    frame["falls"] = pd.Series(None, index=frame.index, dtype="str")
    for field in mapping.fields.values():
        name = mapping.column_of.get(field.name)
        column = None if name is None else mapping.columns[name]
        if name is None or column is None or name not in raw.columns:
            _add_empty(frame, field)
        elif field.type == "time":
            moments.append(_add_times(frame, field, raw[name], column, mapping))
            found += _time_findings(name, moments[-1], frame["row"])
        elif column.scale is not None:
            scale = mapping.scale[column.scale]
            frame[field.name], outside = scaled(raw[name], scale, column.scale, name, frame["row"])
            frame[f"{field.name}_unread"] = outside.mask
            found.append(outside)
        elif field.type == "vocabulary" or column.vocabulary is not None:
            found.append(_add_words(frame, field, raw[name], column, mapping))
        else:
            frame[field.name] = raw[name]
    return Rows(
        frame,
        found,
        sum(int(item.ambiguous.sum()) for item in moments),
        sum(int(item.skipped.sum()) for item in moments),
    )


def _add_empty(frame: pd.DataFrame, field: CaseField) -> None:
    if field.type == "time":
        frame[field.name] = frame[f"{field.name}_known"] = np.int64(NEVER)
    else:
        frame[field.name] = pd.Series(None, index=frame.index, dtype="str")


def _add_times(frame: pd.DataFrame, field: CaseField, values: pd.Series, column: Column, mapping: Mapping) -> Moments:
    moments = parse_moments(values, mapping.zone, mapping.source.time_format)
    at = known = moments.seconds
    zone = mapping.zone
    if zone is not None:
        at, known = _whole_days(field, column, moments, zone)
    frame[field.name], frame[f"{field.name}_known"] = at, known
    frame[f"{field.name}_unread"] = moments.unreadable | moments.naive
    return moments


def _whole_days(field: CaseField, column: Column, moments: Moments, zone: ZoneInfo) -> tuple[np.ndarray, np.ndarray]:
    """What a day without a time of day means: (the moment, the moment at which it is known)."""
    at = moments.seconds
    if column.end_of_day or (field.name == "snapshot_at" and column.resolution == "day"):
        # A promise for the 15th is kept on the 15th, and a snapshot of the 15th knows the 15th.
        end = next_midnight(at, zone)
        return end, end
    if column.resolution == "day":
        return at, next_midnight(at, zone)
    if column.resolution == "month":
        return at, next_month(at, zone)
    return at, at


def _time_findings(name: str, moments: Moments, rows: pd.Series) -> list[BadRows]:
    return [
        looked_at(
            "unreadable_time",
            name,
            moments.unreadable,
            rows,
            expected="expected a time such as 2024-03-15 08:30:00, not before 1970.",
            remedy="Set time_format in [source] if the source writes times in another way, or mend the rows.",
        ),
        looked_at(
            "naive_time",
            name,
            moments.naive,
            rows,
            expected="the times carry no offset, and the mapping declares no time zone to read them in.",
            remedy="Set time_zone in [source] of the mapping, such as 'Asia/Shanghai' or 'America/New_York'.",
        ),
    ]


def _add_words(frame: pd.DataFrame, field: CaseField, values: pd.Series, column: Column, mapping: Mapping) -> BadRows:
    """Translate a column by its vocabulary and note what it says about cases that fell away."""
    if field.name in ("closing_reason", "status"):
        fallen = dict.fromkeys(mapping.closing.withdrawn, EventKind.WITHDRAWN.value)
        fallen |= dict.fromkeys(mapping.closing.duplicate, EventKind.DUPLICATE.value)
        frame["falls"] = frame["falls"].where(frame["falls"].notna(), values.map(fallen).astype("str"))
        explained: Mask = values.isin(fallen).to_numpy(dtype=bool)
    else:
        explained = np.zeros(len(values), dtype=bool)
    allowed = allowed_values(field)
    vocabulary = None if column.vocabulary is None else mapping.vocabulary[column.vocabulary]
    words = {word: word for word in allowed} if vocabulary is None else vocabulary.values
    translated = values.map(words).astype("str")
    unknown = (values.notna() & translated.isna()).to_numpy(dtype=bool) & ~explained
    other = None if vocabulary is None else vocabulary.other
    if other is not None:
        translated = translated.mask(unknown, other)
    frame[field.name], frame[f"{field.name}_unread"] = translated, unknown & (other is None)
    expected = _expected_words(column, allowed)
    return looked_at(
        "unknown_value" if other is None else "read_as_other",
        mapping.column_of[field.name],
        unknown,
        frame["row"],
        expected=expected if other is None else f"{expected[:-1]}, and reads as '{other}'.",
        remedy=_vocabulary_remedy(column, allowed, other),
    )


def _expected_words(column: Column, allowed: tuple[str, ...]) -> str:
    if column.vocabulary is None:
        return f"expected one of {', '.join(allowed)}."
    return f"the value is not in [vocabulary.{column.vocabulary}] of the mapping."


def _vocabulary_remedy(column: Column, allowed: tuple[str, ...], set_other: str | None) -> str:
    if column.vocabulary is None:
        return "Translate the source's own words with a vocabulary in the mapping."
    if set_other is not None:
        return f"Add it to [vocabulary.{column.vocabulary}.values] in the mapping if it deserves a word."
    other = "other" if "other" in allowed or not allowed else allowed[0]
    return (
        f'Add it to [vocabulary.{column.vocabulary}.values] in the mapping, or set other = "{other}" in '
        f"[vocabulary.{column.vocabulary}]."
    )


def _check_zone(mapping: Mapping) -> None:
    """Offsets make the moments clear; the days of an office need its zone all the same."""
    if mapping.source.time_zone is None:
        raise MappingError(
            f"The mapping '{mapping.source.name}' declares no time zone. The offsets of this file say when "
            "things "
            "happened, but days and weeks are cut on the wall clock of the offices: set time_zone in "
            "[source], "
            "such as 'Asia/Shanghai' or 'America/New_York'."
        )
