"""What an import did, for people and for machines: counts, names of columns and row numbers, no contents."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from data.errors import Finding
from data.findings import EFFECTS


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One state of the source that was looked at: when, and which cases by their time of opening (seconds in
    UTC).

    Kept with the import. A closing that a later export adds was not there to see at this look, if the case
    belongs to it.
    """

    seen_at: int
    opened_from: int
    opened_to: int
    cases: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """What an import did.

    Times are seconds since 1970 in UTC. `rows` counts the data rows of the file, `cases` the distinct cases
    among those that stayed. `set_aside` holds what was wrong with the others. `near_instant` counts cases
    closed within the seconds that the mapping calls near-instant: records of work already done, which no
    risk is learnt from. `import_id` is None when the same file had been imported before, and nothing
    changed.
    """

    source: str
    file: str
    import_id: int | None
    rows: int
    cases: int
    events_added: int
    events_known_already: int
    set_aside: tuple[Finding, ...]
    dropped: tuple[str, ...]
    left_out: tuple[str, ...]
    forced: dict[str, str]
    known_at_opening: tuple[str, ...]
    near_instant: int
    ambiguous_times: int
    skipped_times: int
    extracted_at: int
    snapshots: tuple[Snapshot, ...]
    file_sha256: str
    mapping_sha256: str
    notes: tuple[str, ...] = ()

    def warnings(self) -> list[str]:
        """One sentence for each thing that was set aside or should be looked at."""
        lines = [_set_aside(finding) for finding in self.set_aside]
        if self.forced:
            listed = ", ".join(f"'{column}' ({reason})" for column, reason in self.forced.items())
            lines.append(
                f"Called known at opening by force: {listed}. Figures from this store show a leak, not a forecast."
            )
        if self.skipped_times:
            lines.append(
                f"{self.skipped_times:,} local times fall into the hour that the clock skips in spring, "
                "and were "
                "moved to its end: does the source write another time zone than the mapping says?"
            )
        return [*lines, *self.notes]

    def to_dict(self) -> dict[str, Any]:
        """The report as plain values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, told: dict[str, Any]) -> Self:
        """The report that `to_dict` gave, also by way of JSON."""
        lists = {name: tuple(value) for name, value in told.items() if isinstance(value, list)}
        lists["set_aside"] = tuple(Finding(**{**item, "rows": tuple(item["rows"])}) for item in told["set_aside"])
        lists["snapshots"] = tuple(Snapshot(**item) for item in told["snapshots"])
        return cls(**{**told, **lists})

    def to_json(self) -> str:
        """The report as one JSON object."""
        return json.dumps(self.to_dict(), ensure_ascii=False)


def report_fields() -> list[str]:
    """What a report of this heed holds."""
    return [item.name for kind in (ImportReport, Snapshot, Finding) for item in fields(kind)]


def _set_aside(finding: Finding) -> str:
    done = {"row": "left out", "field": "imported without it"}.get(EFFECTS[finding.code], "imported as they are")
    first = ", ".join(str(row) for row in finding.rows)
    more = ", …" if finding.count > len(finding.rows) else ""
    rows = "1 row" if finding.count == 1 else f"{finding.count:,} rows"
    return f"column '{finding.column}': {rows} {done} (row {first}{more}): {finding.expected}"
