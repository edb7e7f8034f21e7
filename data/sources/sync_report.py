"""What a sync did, for people and for machines: counts and names, no contents."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from data.import_report import ImportReport


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncReport:
    """What a sync did.

    `rows` were fetched and `pages` asked for, those of an earlier unfinished fetch among them (`resumed`).
    `looked_at` (seconds in UTC) is when the portal was looked at last, `watermark` up to when all is fetched.
    `expected` is the count of rows that the portal told, None where it does not. `imported` is None where there was
    nothing to import, and in a dry run.
    """

    source: str
    kind: str
    plan: dict[str, Any]
    dry_run: bool
    resumed: bool
    pages: int
    rows: int
    expected: int | None
    looked_at: int
    watermark: int | None
    imported: ImportReport | None
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The report as plain values."""
        imported = None if self.imported is None else self.imported.to_dict()
        return {**asdict(replace(self, imported=None)), "imported": imported}
