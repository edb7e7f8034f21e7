"""The end of a sync, written in the transaction of its import: the watermark, and what the fetch was a look at."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from sqlalchemy import Connection, select, update

from data.event_log import NEVER, empty_events
from data.mapping import KEYS, Mapping
from data.sources import state
from data.sources.plan import Plan
from data.sources.portal import Schema
from data.store import ImportRun, Store
from data.tables import import_run


@dataclass(kw_only=True)
class Ending:
    """What is known of a finished fetch of `source` before its rows, in `file`, are imported.

    `looked_at` is when the portal was looked at, `now` the moment of the import, both in seconds in UTC; `before` is
    the state that the fetch began with, `first`, `watermark` and `schema` what it reached.
    """

    store: Store
    source: str
    file: str
    plan: Plan
    looked_at: int
    before: state.SyncState
    first: date | None
    watermark: int | None
    schema: Schema
    now: int
    written: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        imports = self.store.imports(source=self.source)
        self._last_import = int(imports["import_id"].max()) if len(imports) else 0

    def with_rows(self, connection: Connection) -> None:
        """Write it to the import that has just been made on this connection; nothing if there is none."""
        runs = select(import_run.c.import_id, import_run.c.report).where(
            import_run.c.source == self.source,
            import_run.c.import_id > self._last_import,
            import_run.c.file_name == self.file,
        )
        run = connection.execute(runs).first()
        if run is None:
            return
        report = json.loads(run.report)
        looks = report["snapshots"]
        if self.plan.mode == "changes":
            # Instead of the span of what changed: a row of long ago that changed today is no look at its year.
            report["snapshots"] = [self._whole_look(int(report["cases"]))]
            noted = update(import_run).where(import_run.c.import_id == run.import_id)
            connection.execute(noted.values(report=json.dumps(report, ensure_ascii=False)))
        self._end(connection, [int(look["opened_from"]) for look in looks])

    def without_rows(self, connection: Connection, mapping: Mapping) -> None:
        """Write it to an import of its own, which adds no event."""
        if self.plan.mode == "changes" and self.before.opened_from is not None:
            run = ImportRun(
                source=self.source,
                time_zone=str(mapping.source.time_zone),
                known_at_opening=[key for key in KEYS if mapping.known(key) == "opened"],
                file_name=self.file,
                file_sha256="",
                mapping_sha256=mapping.sha256,
                extracted_at=self.looked_at,
                report={"source": self.source, "rows": 0, "cases": 0, "snapshots": [self._whole_look(0)]},
            )
            self.store.add_events(run, empty_events(), connection=connection)
        self._end(connection, [])

    def _whole_look(self, cases: int) -> dict[str, int]:
        """A look at every case that the first fetch covered; at none if that is not known."""
        covered = self.before.opened_from
        return {
            "seen_at": self.looked_at,
            "opened_from": NEVER if covered is None else covered,
            "opened_to": NEVER,
            "cases": cases,
        }

    def _end(self, connection: Connection, opened_from: list[int]) -> None:
        begun = self.plan.moves and self.plan.mode != "changes"
        starts = [*opened_from, *([] if self.before.opened_from is None else [self.before.opened_from])]
        reached = state.SyncState(
            watermark=self.watermark,
            first=self.first if begun else self.before.first,
            opened_from=min(starts, default=None) if begun else self.before.opened_from,
            schema=self.schema,
            updated_at=self.now,
        )
        state.end(connection, self.source, reached)
        self.written = True


class WithEnding(Store):
    """The same store, which writes an ending into the transaction that has made an import."""

    def __init__(self, store: Store, ending: Ending) -> None:
        super().__init__(store.engine)
        self._ending = ending
        self._key = store.case_key()

    @contextmanager
    def writing(self, **options: Any) -> Iterator[Connection]:
        """As that of the store, and the ending before its transaction ends."""
        with super().writing(**options) as connection:
            yield connection
            if not self._ending.written:
                self._ending.with_rows(connection)

    def case_key(self) -> bytes:
        """The key of the store."""
        return self._key
