"""What the types of a mapping cannot say: parts that contradict each other, one sentence each, and leaks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from pydantic import BaseModel

from data.errors import LeakError
from data.mapping_parts import (
    STATUSES,
    Closing,
    Column,
    Location,
    Mapping,
    Rules,
    Scale,
    Source,
    Vocabulary,
)
from data.personal import kinds_of
from data.schema import Field as CaseField
from data.schema import Severity

_REQUIRED: Final = {
    "cases": ("reference", "opened_at"),
    "events": ("reference", "kind", "at"),
    "inspections": ("at", "area", "asset_kind", "severity"),
}
# Fields whose value differs from row to row by what they are.
_NEVER_CONSTANT: Final = ("reference", "asset", "kind", "status", "closing_reason")

_PARTS: Final[dict[str, type[BaseModel]]] = {
    "source": Source,
    "columns": Column,
    "location": Location,
    "vocabulary": Vocabulary,
    "scale": Scale,
    "closing": Closing,
    "rules": Rules,
}


def explained(item: Any) -> str:
    """One mistake that pydantic found, as a sentence with its place and what is allowed there."""
    where = [str(part) for part in item["loc"]]
    place = f"[{'.'.join(where[:-1])}] {where[-1]}" if len(where) > 1 else f"[{where[0]}]"
    if item["type"] == "extra_forbidden":
        return f"{place}: there is no such setting. {_allowed(where)}"
    if item["type"] == "missing":
        return f"{place}: is required."
    said = str(item["msg"]).removeprefix("Value error, ")
    return f"{place}: {said[:1].lower()}{said[1:]}."


def _allowed(where: list[str]) -> str:
    model = _PARTS.get(where[0], Mapping) if len(where) > 1 else Mapping
    return f"Allowed: {', '.join(name for name in model.model_fields if name not in ('sha256', 'folder'))}."


def problems(mapping: Mapping) -> Iterator[str]:
    """What the types cannot say, one sentence each."""
    shape = mapping.source.shape
    for field in _REQUIRED[shape]:
        if not mapping.gives(field):
            other = "" if field in ("reference", "at", "opened_at", "kind") else ", and [constants] does not give it"
            yield f"[columns]: no column has field = '{field}'{other}, which every file of shape '{shape}' needs."
    taken: dict[str, str] = {}
    for name, column in mapping.columns.items():
        yield from _column_problems(mapping, name, column)
        if column.field in taken:
            yield f"[columns.{name}] field: column '{taken[column.field]}' gives '{column.field}' already."
        taken.setdefault(column.field, name)
    for name in mapping.leave_out.keys() & mapping.columns.keys():
        yield f"[leave_out] '{name}': the column is mapped in [columns.{name}] as well; keep one of the two."
    if (mapping.closing.withdrawn or mapping.closing.duplicate) and not (
        {"closing_reason", "status"} & mapping.column_of.keys()
    ):
        yield "[closing]: no column has field = 'closing_reason' or 'status' that could hold these values."
    yield from _location_problems(mapping)
    yield from _visit_problems(mapping)
    for field, value in mapping.constants.items():
        yield from _constant_problems(mapping, field, value)


def _location_problems(mapping: Mapping) -> Iterator[str]:
    for name in mapping.location_columns:
        if name in mapping.columns:
            yield f"[location] '{name}': the column is mapped in [columns.{name}] as well; a place is never stored."
        if name in mapping.leave_out:
            yield f"[location] '{name}': the column is left out in [leave_out] as well; keep one of the two."
    if mapping.location is not None and "area" in mapping.constants:
        yield "[location]: [constants] gives every row the same area already; keep one of the two."


def _visit_problems(mapping: Mapping) -> Iterator[str]:
    visit = mapping.source.visit
    if visit and mapping.source.shape != "inspections":
        yield "[source] visit: only for shape = 'inspections'."
    if visit and "reference" in mapping.column_of:
        yield "[source] visit: a column has field = 'reference' already, which names the visit; keep one of the two."
    for name in visit:
        if name not in mapping.columns:
            yield f"[source] visit: '{name}' is not mapped in [columns]."


def _constant_problems(mapping: Mapping, field: str, value: str) -> Iterator[str]:
    place = f"[constants] {field}"
    known = mapping.fields.get(field)
    if known is None or known.type == "time" or field in _NEVER_CONSTANT:
        listed = ", ".join(
            name for name, one in mapping.fields.items() if one.type != "time" and name not in _NEVER_CONSTANT
        )
        yield f"{place}: no field that can be the same for every row. Allowed: {listed}."
        return
    if field in mapping.column_of:
        yield f"{place}: column '{mapping.column_of[field]}' gives '{field}' already."
    allowed = allowed_values(known)
    if allowed and value not in allowed:
        yield f"{place}: expected one of {', '.join(allowed)}."
    kind = kinds_of([value])[0]
    if kind is not None:
        yield f"{place}: looks like {kind}; expected a code or the name of an area, an office or a type of problem."


def _column_problems(mapping: Mapping, name: str, column: Column) -> Iterator[str]:
    place = f"[columns.{name}]"
    field = mapping.fields.get(column.field)
    if field is None:
        yield (
            f"{place} field: '{column.field}' is no field of heed. Allowed: {', '.join(mapping.fields)}. "
            "A column that fits none of them belongs in [leave_out], with the reason."
        )
        return
    if mapping.source.shape == "cases" and column.at is None:
        yield f"{place} at: is required. Say when the column became known: 'opened' or 'end'."
    if column.end_of_day and field.name != "due_at":
        yield f"{place} end_of_day: only for field = 'due_at'. Use resolution = 'day' for other times."
    if column.resolution != "second" and field.type != "time":
        yield f"{place} resolution: only for times, and '{field.name}' is none."
    if column.resolution == "month" and mapping.source.shape != "inspections":
        yield f"{place} resolution: 'month' is only for inspections; the time of a case needs its day."
    if column.forced is not None and not (field.mutable and column.at == "opened"):
        yield f"{place} forced: only for a column that at = 'opened' would refuse; take it out."
    yield from _scale_problems(mapping, place, column, field)
    yield from _vocabulary_problems(mapping, place, column, field)


def _scale_problems(mapping: Mapping, place: str, column: Column, field: CaseField) -> Iterator[str]:
    if column.scale is None:
        return
    if field.name != "severity":
        yield f"{place} scale: only for field = 'severity'; take it out."
    elif column.vocabulary is not None:
        yield f"{place} scale: [vocabulary.{column.vocabulary}] translates the column already; keep one of the two."
    elif column.scale not in mapping.scale:
        yield f"{place} scale: there is no [scale.{column.scale}] in this mapping."


def _vocabulary_problems(mapping: Mapping, place: str, column: Column, field: CaseField) -> Iterator[str]:
    if column.vocabulary is None:
        if field.name == "status":
            yield f"{place} vocabulary: is required, with the values {' and '.join(STATUSES)}."
        return
    vocabulary = mapping.vocabulary.get(column.vocabulary)
    if vocabulary is None:
        yield f"{place} vocabulary: there is no [vocabulary.{column.vocabulary}] in this mapping."
        return
    if field.type not in ("vocabulary", "code"):
        yield f"{place} vocabulary: '{field.name}' has no words to translate; take it out."
        return
    allowed = allowed_values(field)
    targets = {*vocabulary.values.values(), *({vocabulary.other} if vocabulary.other is not None else ())}
    for target in sorted(targets - set(allowed)) if allowed else ():
        yield (
            f"[vocabulary.{column.vocabulary}]: '{target}' is no value of '{field.name}'. "
            f"Allowed: {', '.join(allowed)}."
        )
    if not allowed and any(kinds_of(sorted(targets))):
        # Not which: a mapping that holds personal data should not be read out to a terminal either.
        yield f"[vocabulary.{column.vocabulary}]: one of its values looks like personal data; expected codes."


def allowed_values(field: CaseField) -> tuple[str, ...]:
    """The values that `field` may have; empty if any code will do."""
    if field.name == "status":
        return STATUSES
    return () if field.vocabulary is None else tuple(item.value for item in field.vocabulary)


def severity_number(word: str) -> int:
    """The place of a severity in its list, as a store keeps it: 0 none, 1 minor, 2 serious, 3 dangerous."""
    return list(Severity).index(Severity(word))


def refuse_leaks(mapping: Mapping, file: str) -> None:
    """Refuse a column called known at the opening that the source shows only as it ended.

    Raises
    ------
    LeakError
        Naming the column and its field.
    """
    if mapping.source.shape != "cases":
        return
    for name, column in mapping.columns.items():
        if mapping.fields[column.field].mutable and column.at == "opened" and column.forced is None:
            raise LeakError(_LEAK.format(file=file, column=name, field=column.field))


_LEAK: Final = (
    "{file}: [columns.{column}] says at = 'opened', but this export keeps only the last state of a case, and "
    "'{field}' changes during its life: the column shows how the case ended, not how it began. Cases that "
    "never left the intake queue still show that queue and are late far more often, while at intake every "
    "case stands in it: a model given this column looks far better than it would be. Say at = 'end'; or map "
    "a column that was frozen at intake; or, to show the leak in an experiment, add forced = 'the reason'."
)
