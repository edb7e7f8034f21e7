"""`heed sync`: fetch what is new at a portal, and bring it in as one import.

Exactly once, whatever is killed when
-------------------------------------
A fetch writes page after page into the spool (`data.sources.spool`) and touches the store only to note that it began.
When all pages are there, their rows are imported in one transaction, and the watermark moves in the same transaction:
there is no moment at which the one has happened and not the other. A kill before that transaction ends leaves the
store as it was, and the spool; the next sync goes on with the spool, or with its import if all pages are there. A kill
after it, before the spool is gone, leaves a spool that was asked for at the old watermark, which the next sync finds
out and throws away. Even if a database lost the watermark and kept the rows, the rows would come again and change
nothing, because an import of what is known adds nothing.

What a finished fetch is a look at is told in `data.sources.plan`. For a fetch of all changes the import notes the
look at every case that the first fetch covered, so that a case without changes is known to stand as it stood; it
notes it also when nothing changed at all.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from data.database import file_of
from data.errors import BoundaryError, InputError
from data.import_cases import import_file
from data.import_report import ImportReport
from data.mapping import Mapping, find_mapping
from data.sources import ckan, georeport, socrata, state
from data.sources.closings import Closings, dates_closings, looked_mapping
from data.sources.definition import (
    CkanDefinition,
    Definition,
    GeoReportDefinition,
    SocrataDefinition,
    definition_of,
    effective_mapping,
)
from data.sources.ending import Ending, WithEnding
from data.sources.http import Http, Limits
from data.sources.plan import Plan, follows_changes, plan_of
from data.sources.portal import ChangedWhilePagingError, Columns, Portal, Schema, secret_of
from data.sources.spool import Spool
from data.sources.sync_report import SyncReport
from data.store import Store
from data.store_tables import Progress

# A page that was read by offset, or a whole table, is not put together with one from much later.
_STALE_SECONDS: Final = 6 * 3600
_MOST_RESTARTS: Final = 3


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What a sync needs of the world, so that tests can give another.

    `folder` is where spools lie, None: beside the store. `now` gives seconds in UTC by the clock of this machine.
    """

    folder: Path | None = None
    limits: Limits | None = None
    proxy: str | None = None
    now: Callable[[], int] = lambda: int(time.time())
    sleep: Callable[[float], None] = time.sleep


def sync_source(
    store: Store,
    mapping: Mapping | str | Path,
    *,
    since: date | None = None,
    until: date | None = None,
    drop: Collection[str] = (),
    set_aside: Collection[str] = (),
    accept_types: bool = False,
    dry_run: bool = False,
    progress: Progress | None = None,
    surroundings: Surroundings | None = None,
) -> SyncReport:
    """Fetch what is new at the portal of `mapping`, and import it: all rows or none.

    Parameters
    ----------
    store : Store
    mapping : Mapping, or the name or path of one, with [sync]
    since, until : date
        Look again at the cases opened on these local days, half-open, whatever was fetched before.
    drop : collection of str
        Columns to leave out openly, by the portal's name or the mapping's.
    set_aside : collection of str
        Codes of findings to set aside besides those of the mapping. `after_extraction` always is: a portal whose
        clock is ahead of ours shows such rows again at the next sync.
    accept_types : bool
        Go on although columns have another type than at the last sync.
    dry_run : bool
        Ask the portal for its columns and counts, and change nothing.
    progress : callable (step, done, total)
        Steps are "fetch" (rows; total 0 where it is not known) and those of the import.

    Raises
    ------
    UsageError, MappingError, PersonalDataError, FileFormatError, InputError, RowError, StoreError
        Whatever is raised, the store holds what it held, and the next sync begins where this one did, or goes on with
        what it fetched.
    """
    mapping = mapping if isinstance(mapping, Mapping) else find_mapping(mapping)
    world = surroundings or Surroundings()
    definition = definition_of(mapping)
    with Spool(spool_folder(store, world.folder), mapping.source.name) as spool:
        sync = _Sync(store, mapping, definition, spool, world, drop=drop, set_aside=set_aside)
        sync.tell = progress or sync.tell
        return sync.run(since=since, until=until, accept_types=accept_types, dry_run=dry_run)


def spool_folder(store: Store, given: Path | None = None) -> Path:
    """Where the spools of a store lie: the folder NAME.sync beside an SQLite store."""
    if given is not None:
        return given
    file = file_of(store.engine.url)
    return Path("heed.sync") if file is None else file.with_suffix(".sync")


class _Sync:
    """One sync, from the question to the import."""

    def __init__(
        self,
        store: Store,
        mapping: Mapping,
        definition: Definition,
        spool: Spool,
        world: Surroundings,
        *,
        drop: Collection[str],
        set_aside: Collection[str],
    ) -> None:
        self.store, self.mapping, self.definition = store, mapping, definition
        self.spool, self.world = spool, world
        self.source = mapping.source.name
        self.columns = Columns.of(mapping, definition, drop)
        self.drop = drop
        self.set_aside = {"after_extraction", *set_aside}
        self.before = state.read_state(store, self.source)
        self.notes: list[str] = []
        self.tell: Progress = lambda _step, _done, _total: None

    def run(self, *, since: date | None, until: date | None, accept_types: bool, dry_run: bool) -> SyncReport:
        before = self.before
        zone = self.mapping.zone or ZoneInfo("UTC")
        plan = plan_of(
            self.definition,
            zone,
            watermark=before.watermark,
            covered_from=before.first,
            now=self.world.now(),
            since=since,
            until=until,
        )
        with self._http() as http:
            client = self._client(http, self.world.now())
            schema = client.schema()
            if schema is not None:
                self.columns.check_schema(schema, before.schema, accept=accept_types)
            if dry_run:
                return self._dry(client, plan)
            resumed = self._fetched(http, plan)
        return self._imported(plan, schema or {}, resumed=resumed)

    # ---- fetching ----

    def _http(self) -> Http:
        headers = {"socrata": socrata.TOKEN_HEADER, "ckan": ckan.TOKEN_HEADER, "georeport": georeport.TOKEN_HEADER}
        return Http(
            self.definition.url,
            secret=secret_of(self.definition, headers[self.definition.kind]),
            secret_env=self.definition.token_env,
            limits=self.world.limits,
            proxy=self.world.proxy,
            sleep=self.world.sleep,
        )

    def _client(self, http: Http, started_at: int) -> Portal:
        now = self.world.now
        if isinstance(self.definition, SocrataDefinition):
            return socrata.Socrata(http, self.definition, self.columns, started_at, now)
        if isinstance(self.definition, CkanDefinition):
            return ckan.Ckan(http, self.definition, self.columns, started_at, now)
        return georeport.GeoReport(http, self.definition, self.columns, started_at, now)

    def _dry(self, client: Portal, plan: Plan) -> SyncReport:
        return self._report(plan, self.world.now(), None, resumed=False, dry_run=True, expected=client.count(plan))

    def _fetched(self, http: Http, plan: Plan) -> bool:
        """Fetch until the spool holds all pages; whether an earlier fetch went on."""
        resumed = False
        for _attempt in range(_MOST_RESTARTS):
            began = self._begin(plan)
            resumed = resumed or self.spool.progress.pages > 0
            try:
                if self._all_pages(self._client(http, int(began["started_at"])), plan):
                    return resumed
            except ChangedWhilePagingError:
                pass
            except BoundaryError:
                # What was refused does not lie about.
                self.spool.discard()
                raise
            self.spool.discard()
        raise InputError(
            f"{self.columns.place}: the table changed under every one of {_MOST_RESTARTS} fetches, or gave fewer rows "
            "than it counts, so that rows would be missing. Nothing was imported. Run it again at an hour at which the "
            "portal is not being loaded; if it stays so, look whether rows leave updated_field of [sync] empty."
        )

    def _begin(self, plan: Plan) -> dict[str, Any]:
        now = self.world.now()
        head = self.spool.begin({**self._question(plan), "started_at": now})
        if self._goes_stale() and now - int(head["started_at"]) > _STALE_SECONDS:
            self.spool.discard()
            head = self.spool.begin({**self._question(plan), "started_at": now})
        state.begin(self.store, self.source, head, now)
        return head

    def _goes_stale(self) -> bool:
        """Whether pages of different hours do not make one look: see `data.sources.plan`."""
        if isinstance(self.definition, CkanDefinition):
            return not follows_changes(self.definition) or len(self.definition.dataset) > 1
        return False

    def _question(self, plan: Plan) -> dict[str, Any]:
        """What a fetch was asked for; one that was asked for otherwise cannot go on."""
        return {
            "mapping": self.mapping.sha256,
            "sync": json.dumps(self.mapping.sync, sort_keys=True, default=str),
            "plan": json.dumps(asdict(plan), default=str),
            "watermark": self.before.watermark,
            "drop": sorted(self.drop),
        }

    def _all_pages(self, client: Portal, plan: Plan) -> bool:
        """Fetch what is missing; False if, by the portal's own count, rows were skipped."""
        spool = self.spool
        for _again in range(2):
            if not spool.progress.done:
                for page in client.pages(plan, spool.progress.cursor):
                    self.columns.check_values(page.rows, spool.progress.rows + 1)
                    spool.add(page)
                    expected = spool.progress.expected or 0
                    self.tell("fetch", spool.progress.rows, expected)
                spool.finish()
            if spool.progress.expected is None or spool.distinct() >= spool.progress.expected:
                return True
            # Perhaps they came between the last page and the count.
            spool.reopen()
        return False

    # ---- importing ----

    def _imported(self, plan: Plan, schema: Schema, *, resumed: bool) -> SyncReport:
        mapping, closings = self._mapping_of_table()
        looked_at = self.spool.progress.seen_at or self.world.now()
        reference = mapping.column_of["reference"]
        rows = self.spool.write_table(reference, closings.turn if closings is not None else _as_they_are)
        if closings is not None and closings.left_out:
            self.notes.append(
                f"{closings.left_out:,} requests were closed before they were first looked at, and the portal does not "
                "say when: they were left out, as nobody can tell how long they took."
            )
        ending = Ending(
            store=self.store,
            source=self.source,
            file=self.spool.table.name,
            plan=plan,
            looked_at=looked_at,
            before=self.before,
            first=self.definition.first,
            watermark=self.watermark(plan, looked_at),
            schema=schema or self.before.schema,
            now=self.world.now(),
        )
        try:
            report = self._import(mapping, ending, rows, looked_at)
        except (InputError, BoundaryError):
            # The same rows would be refused again; the next sync fetches them anew from the same watermark.
            self.spool.discard()
            raise
        made = self._report(
            plan, looked_at, report, resumed=resumed, dry_run=False, expected=self.spool.progress.expected
        )
        self.spool.discard()
        return made

    def _mapping_of_table(self) -> tuple[Mapping, Closings | None]:
        fit = effective_mapping(self.mapping, self.definition)
        columns = {name: column for name, column in fit.columns.items() if name in self.columns.mapped.values()}
        if not isinstance(self.definition, GeoReportDefinition):
            return effective_mapping(self.mapping, self.definition, columns=columns), None
        dated = dates_closings(fit)
        mapping = effective_mapping(self.mapping, self.definition, columns=looked_mapping(columns, dated=dated))
        return mapping, Closings.of(self.store, mapping, self.before.watermark) if dated else None

    def _import(self, mapping: Mapping, ending: Ending, rows: int, looked_at: int) -> ImportReport | None:
        report = None
        if rows:
            report = import_file(
                WithEnding(self.store, ending),
                self.spool.table,
                mapping,
                set_aside=tuple(self.set_aside),
                extracted_at=looked_at,
                progress=self.tell,
            )
        if not ending.written:
            # Nothing changed, or nothing that was not known: the look is noted all the same.
            with self.store.writing() as connection:
                ending.without_rows(connection, mapping)
        return None if report is None else replace(report, notes=(*report.notes, *self.notes))

    def _report(
        self,
        plan: Plan,
        looked_at: int,
        imported: ImportReport | None,
        *,
        resumed: bool,
        dry_run: bool,
        expected: int | None,
    ) -> SyncReport:
        return SyncReport(
            source=self.source,
            kind=self.definition.kind,
            plan={name: value if value is None else str(value) for name, value in asdict(plan).items()},
            dry_run=dry_run,
            resumed=resumed,
            pages=self.spool.progress.pages,
            rows=self.spool.progress.rows,
            expected=expected,
            looked_at=looked_at,
            watermark=self.before.watermark if dry_run else self.watermark(plan, looked_at),
            imported=imported,
            notes=tuple(self.notes),
        )

    def watermark(self, plan: Plan, looked_at: int) -> int | None:
        """Up to when all is fetched, once the rows of this fetch are in the store."""
        before = self.before.watermark
        if not plan.moves:
            return before
        # Where rows tell when they changed, by the portal's clock and its own delay; otherwise by ours.
        reached = self.spool.progress.stamp if follows_changes(self.definition) else looked_at
        return max((moment for moment in (before, reached) if moment is not None), default=None)


def _as_they_are(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return rows
