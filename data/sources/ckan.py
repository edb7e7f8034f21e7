"""CKAN: `datastore_search`, which reads tables whole, and `datastore_search_sql`, which can ask for changes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from data.errors import MappingError
from data.sources.answers import Answer, BrokenAnswerError, json_of
from data.sources.definition import CkanDefinition
from data.sources.http import Http
from data.sources.plan import Plan, local_day
from data.sources.portal import (
    ChangedWhilePagingError,
    Columns,
    Page,
    Row,
    Schema,
    latest,
    moved_on,
    name_of,
    stamps_of,
)

TOKEN_HEADER: Final = "Authorization"  # noqa: S105 — the name of the header
# The row number, and the index of the full-text search: CKAN adds them to every table.
_OWN: Final = ("_id", "_full_text")


@dataclass
class Ckan:
    """A client for one table of a data store, or several of the same columns."""

    http: Http
    definition: CkanDefinition
    columns: Columns
    started_at: int
    now: Callable[[], int] = lambda: int(time.time())

    def schema(self) -> Schema:
        """The columns that the tables have in common.

        Raises
        ------
        MappingError
            If a table lacks a mapped column that the first has, or has one that the first lacks.
        """
        found: list[Schema] = []
        for table in self.definition.dataset:
            result = self._search(table, {"limit": "0"})
            found.append(
                {field["id"]: str(field.get("type", "")) for field in result["fields"] if field["id"] not in _OWN}
            )
            if self.columns.mapped.keys() & found[-1].keys() != self.columns.mapped.keys() & found[0].keys():
                raise MappingError(
                    f"{self.columns.place}: table {len(found)} of dataset in [sync] has other columns than the first. "
                    "Fetch it with a mapping of its own."
                )
        return {name: kind for schema in found for name, kind in schema.items()}

    def count(self, plan: Plan) -> int | None:
        """The count of the rows that the plan asks for; None where the portal only estimates it."""
        counts = [self._count(table, plan) for table in self.definition.dataset]
        return None if None in counts else sum(count for count in counts if count is not None)

    def _count(self, table: str, plan: Plan) -> int | None:
        if self.definition.sql:
            counted = f'SELECT count(*) AS counted FROM "{table}"{_where(self._conditions(plan))}'  # noqa: S608
            return self.http.get("/api/3/action/datastore_search_sql", _counted, {"sql": counted})
        return _total(self._search(table, {**self._filters(), "limit": "0"}))

    def pages(self, plan: Plan, cursor: dict[str, Any] | None) -> Iterator[Page]:
        """Pages of one table after the other; with SQL in the order of the changes, see `data.sources.plan`."""
        place = 0 if cursor is None else int(cursor["table"])
        last = cursor
        for number, table in enumerate(self.definition.dataset):
            if number < place:
                continue
            begun = last if last is not None and int(last["table"]) == number else None
            pages = (
                self._keyset(table, number, plan, begun) if self.definition.sql else self._offsets(table, number, begun)
            )
            for page in pages:
                last = page.cursor
                yield page
        yield Page(rows=[], cursor=last or {"table": 0}, seen_at=self.now(), expected=self.count(plan))

    # ---- by SQL ----

    def _keyset(self, table: str, number: int, plan: Plan, cursor: dict[str, Any] | None) -> Iterator[Page]:
        stamp = self.definition.updated_field
        wanted = list(dict.fromkeys(["_id", *self.columns.mapped, *([stamp] if stamp else [])]))
        listed = ", ".join(f'"{name}"' for name in wanted)
        order = f'"{stamp}", "_id"' if stamp else '"_id"'
        while True:
            conditions = self._conditions(plan)
            if cursor is not None and "id" in cursor:
                conditions.append(_after(stamp, cursor))
            # Only names and days of the definition and what the portal itself gave, quoted: it runs over there.
            sql = f'SELECT {listed} FROM "{table}"{_where(conditions)} ORDER BY {order}'  # noqa: S608
            found = self._select(f"{sql} LIMIT {self.definition.page_size}")
            if not found:
                return
            seen_at = self.now()
            stamps = stamps_of([row.get(stamp) if stamp else None for row in found], self.columns.mapping)
            last = {"table": number, "id": int(found[-1]["_id"]), "stamp": found[-1].get(stamp) if stamp else None}
            cursor = moved_on(self.columns.place, cursor, last)
            rows = self._rows(found, table, stamps)
            yield Page(rows=rows, cursor=cursor, seen_at=seen_at, stamp=latest(stamps, seen_at))

    def _conditions(self, plan: Plan) -> list[str]:
        opened, stamp, zone = self.columns.theirs("opened_at"), self.definition.updated_field, self.columns.mapping.zone
        found = []
        # Days and not moments: they compare rightly with times and with text, whatever stands between day and hour.
        if plan.opened_from is not None:
            found.append(f"\"{opened}\" >= '{plan.opened_from}'")
        if plan.opened_to is not None:
            found.append(f"\"{opened}\" < '{plan.opened_to}'")
        if plan.changed_from is not None and stamp is not None and zone is not None:
            found.append(f"\"{stamp}\" >= '{local_day(plan.changed_from, zone)}'")
        return found

    def _select(self, sql: str) -> list[dict[str, Any]]:
        result = self.http.get("/api/3/action/datastore_search_sql", _result, {"sql": sql})
        return list(result["records"])

    # ---- by offset ----

    def _offsets(self, table: str, number: int, cursor: dict[str, Any] | None) -> Iterator[Page]:
        """Pages by offset; each begins with the last row of the one before, so that a row that moved is noticed."""
        wanted = ["_id", *self.columns.mapped]
        done = 0 if cursor is None else int(cursor["done"])
        last_id = None if cursor is None else cursor["id"]
        total = None if cursor is None else cursor["total"]
        while True:
            again = 1 if done else 0
            result = self._search(
                table,
                {
                    **self._filters(),
                    "fields": ",".join(wanted),
                    "sort": "_id asc",
                    "limit": str(self.definition.page_size + again),
                    "offset": str(done - again),
                },
            )
            found, count = list(result["records"]), _total(result)
            seen_at = self.now()
            moved = again and (not found or found[0].get("_id") != last_id)
            if moved or (done and count != total) or (count is not None and not found[again:] and done != count):
                raise ChangedWhilePagingError
            found = found[again:]
            if not found:
                return
            done, last_id, total = done + len(found), found[-1]["_id"], count
            cursor = {"table": number, "done": done, "id": last_id, "total": total}
            yield Page(rows=self._rows(found, table, [None] * len(found)), cursor=cursor, seen_at=seen_at)
            if total is not None and done >= total:
                return

    def _filters(self) -> dict[str, str]:
        return {"filters": json.dumps(self.definition.filters)} if self.definition.filters else {}

    def _search(self, table: str, params: dict[str, str]) -> dict[str, Any]:
        return self.http.get("/api/3/action/datastore_search", _result, {"resource_id": table, **params})

    def _rows(self, found: list[dict[str, Any]], table: str, stamps: list[int | None]) -> list[Row]:
        rows = []
        for number, (row, changed) in enumerate(zip(found, stamps, strict=True), 1):
            own = {name: value for name, value in row.items() if name in self.columns.mapped or not self._added(name)}
            late = changed is not None and changed >= self.started_at
            rows.append(Row(name_of(table, str(row["_id"])), late, self.columns.values(own, number)))
        return rows

    def _added(self, name: str) -> bool:
        return name in _OWN or name == self.definition.updated_field


def _after(stamp: str | None, cursor: dict[str, Any]) -> str:
    row = f'"_id" > {int(cursor["id"])}'
    if stamp is None:
        return row
    at = "'" + str(cursor["stamp"]).replace("'", "''") + "'"
    return f'("{stamp}" > {at} OR ("{stamp}" = {at} AND {row}))'


def _where(conditions: list[str]) -> str:
    return f" WHERE {' AND '.join(conditions)}" if conditions else ""


def _total(result: dict[str, Any]) -> int | None:
    total = result.get("total")
    return int(total) if isinstance(total, int) and not result.get("total_was_estimated") else None


def _counted(answer: Answer) -> int:
    records = _result(answer)["records"]
    if len(records) != 1 or not str(records[0].get("counted")).isdecimal():
        raise BrokenAnswerError("it holds no count")
    return int(records[0]["counted"])


def _result(answer: Answer) -> dict[str, Any]:
    said = json_of(answer)
    result = said.get("result") if isinstance(said, dict) else None
    if not isinstance(said, dict) or said.get("success") is not True or not isinstance(result, dict):
        raise BrokenAnswerError("the portal says that it could not do it")
    records, fields = result.get("records"), result.get("fields")
    if not isinstance(records, list) or not isinstance(fields, list):
        raise BrokenAnswerError("it holds no records or no list of columns")
    named = all(isinstance(field, dict) and isinstance(field.get("id"), str) for field in fields)
    if not named or not all(isinstance(row, dict) for row in records):
        raise BrokenAnswerError("its records are not rows")
    if any(field["id"] == "_id" for field in fields) and any(row.get("_id") is None for row in records):
        raise BrokenAnswerError("a row has no '_id'")
    return result
