"""`heed check`: everything an analyst should know of an export, or of a store, before believing a figure from it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from data.mapping import Mapping
from data.quality import (
    check_closings,
    check_dates,
    check_duplicates,
    check_inspections,
    check_labels,
    check_leak,
    check_places,
    check_promises,
    check_rows_found,
    check_schema,
    check_snapshots,
    check_vocabulary,
    check_zone,
)
from data.quality.check_finding import LEVELS, Both, CheckFinding, Code, order
from data.quality.check_labels import label_trust_of, timeliness_of, worst_cells
from data.quality.check_subject import Subject, subject_of_file, subjects_of_store
from data.quality.label_trust import LabelTrust
from data.store import Store

Progress = Callable[[str, int, int], None]

_FAMILIES: Final[tuple[tuple[Callable[[Subject], Iterator[CheckFinding]], tuple[Code, ...]], ...]] = (
    (check_rows_found.find, check_rows_found.CODES),
    (check_schema.find, check_schema.CODES),
    (check_leak.find, check_leak.CODES),
    (check_dates.find, check_dates.CODES),
    (check_zone.find, check_zone.CODES),
    (check_duplicates.find, check_duplicates.CODES),
    (check_vocabulary.find, check_vocabulary.CODES),
    (check_places.find, check_places.CODES),
    (check_snapshots.find, check_snapshots.CODES),
    (check_promises.find, check_promises.CODES),
    (check_closings.find, check_closings.CODES),
    (check_inspections.find, check_inspections.CODES),
)

# Every family but that of labels, whose modules judge all of a subject at once.
FINDERS: Final = tuple(find for find, _ in _FAMILIES)

# Every code there is, by name: the catalogue.
CODES: Final[dict[str, Code]] = {
    code.code: code for codes in (*(codes for _, codes in _FAMILIES), check_labels.CODES) for code in codes
}

FAMILIES: Final[dict[str, Both]] = {
    "schema": Both("列", "Columns"),
    "leak": Both("泄漏", "Leaks"),
    "dates": Both("时刻", "Times"),
    "duplicates": Both("重复", "Duplicates"),
    "vocabulary": Both("用词", "Words"),
    "places": Both("地点", "Places"),
    "snapshots": Both("快照", "Snapshots"),
    "promises": Both("承诺", "Promises"),
    "closings": Both("办结", "Closings"),
    "inspections": Both("巡查", "Inspections"),
    "labels": Both("标签", "Labels"),
}


@dataclass(frozen=True)
class Checked:
    """What a check found of one file, or of one source of a store.

    Attributes
    ----------
    findings : the most important first
    timeliness : `data.quality.timeliness` in one row; None where there is no case
    labels : label trust, `grades` the cases by grade and `worst` the cells most in doubt; None, None and none where
        nothing could be judged
    """

    subject: Subject
    findings: tuple[CheckFinding, ...]
    timeliness: dict[str, float | int | None] | None
    labels: LabelTrust | None
    grades: dict[str, int] | None
    worst: tuple[dict[str, Any], ...]

    def count(self, level: str) -> int:
        """How many findings have that level."""
        return sum(one.level == level for one in self.findings)

    @property
    def stops(self) -> bool:
        """Whether anything stops an import, training or detection."""
        return self.count(LEVELS[0]) > 0


def check_file(
    path: str | Path,
    mapping: Mapping | str | Path,
    *,
    drop: Collection[str] = (),
    as_of: int | None = None,
    progress: Progress | None = None,
) -> Checked:
    """Check a file before it is imported; nothing is stored.

    Parameters
    ----------
    mapping : Mapping, or the name or path of one
    drop : columns to leave out and not to read
    as_of : seconds in UTC; only what was known before it. None: all of the file

    Raises
    ------
    UsageError, PersonalDataError, LeakError, FileFormatError, MappingError
        If the file cannot be read, or the door refuses it.
    """
    tell = progress or _silent
    tell("read", 0, 1)
    subject = subject_of_file(path, mapping, drop=drop, as_of=as_of)
    tell("read", 1, 1)
    return check_subject(subject, progress=tell)


def check_store(
    store: Store, *, source: str | None = None, as_of: int | None = None, progress: Progress | None = None
) -> tuple[Checked, ...]:
    """Check what a store holds, source by source.

    Raises
    ------
    StoreError, NotEnoughDataError
        If nothing has been imported.
    UsageError
        If there is no such source.
    """
    tell = progress or _silent
    tell("read", 0, 1)
    subjects = subjects_of_store(store, source=source, as_of=as_of)
    tell("read", 1, 1)
    return tuple(check_subject(subject, progress=tell) for subject in subjects)


def check_subject(subject: Subject, *, progress: Progress | None = None) -> Checked:
    """Run every family over one subject."""
    tell = progress or _silent
    found: list[CheckFinding] = []
    steps = len(_FAMILIES) + 1
    for done, (find, _codes) in enumerate(_FAMILIES):
        tell("check", done, steps)
        found += find(subject)
    tell("check", steps - 1, steps)
    labels = label_trust_of(subject)
    times = timeliness_of(subject) if len(subject.cases) else None
    if times is not None:
        found += check_labels.find(subject, labels, times)
    tell("check", steps, steps)
    return Checked(
        subject=subject,
        findings=order(found),
        timeliness=times,
        labels=labels,
        grades=None if labels is None else labels.grade_counts(subject.cases),
        worst=() if labels is None else tuple(worst_cells(labels)),
    )


def _silent(_step: str, _done: int, _total: int) -> None:
    pass
