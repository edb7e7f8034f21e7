"""Socrata: SODA 2 (`GET /resource/ID.json`) and SODA 3 (`POST /api/v3/views/ID/query.json`)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from data.sources.answers import Answer, BrokenAnswerError, json_of
from data.sources.definition import SocrataDefinition
from data.sources.http import Http
from data.sources.plan import Plan, local_day, utc_text
from data.sources.portal import Columns, Page, Row, Schema, latest, moved_on, name_of, stamps_of

TOKEN_HEADER: Final = "X-App-Token"  # noqa: S105 — the name of the header
_SYSTEM: Final = ":"  # how the names of the portal's own columns begin


@dataclass
class Socrata:
    """A client for one data set. Only the mapped columns are ever asked for."""

    http: Http
    definition: SocrataDefinition
    columns: Columns
    started_at: int
    now: Callable[[], int] = lambda: int(time.time())

    def schema(self) -> Schema:
        """The columns of the data set and their types, by the description that SODA 2 and 3 share."""
        described = self.http.get(f"/api/views/{self.definition.dataset}.json", _description)
        return {
            str(column["fieldName"]): str(column.get("dataTypeName", ""))
            for column in described
            if not str(column["fieldName"]).startswith(_SYSTEM)
        }

    def count(self, plan: Plan) -> int:
        """The count of the rows that the plan asks for, as the portal counts them now."""
        (row,) = self._rows("count(*) AS counted", self._conditions(plan), "", 1)
        return int(row["counted"])

    def pages(self, plan: Plan, cursor: dict[str, Any] | None) -> Iterator[Page]:
        """Pages in the order of the changes, until one is empty; see `data.sources.plan`."""
        stamp = self.definition.updated_field
        # What goes into the order must come back with the rows; the mapping may have it already.
        wanted = list(dict.fromkeys([*self.columns.mapped, ":id", stamp]))
        while True:
            conditions = self._conditions(plan)
            if cursor is not None:
                at, row_id = _quoted(cursor["stamp"]), _quoted(cursor["id"])
                conditions.append(f"({stamp} > {at} OR ({stamp} = {at} AND :id > {row_id}))")
            found = self._rows(", ".join(wanted), conditions, f"{stamp}, :id", self.definition.page_size)
            seen_at = self.now()
            if not found:
                yield Page(rows=[], cursor=cursor or {}, seen_at=seen_at, expected=self.count(plan))
                return
            stamps = stamps_of([row.get(stamp) for row in found], self.columns.mapping)
            rows = [
                self._row(row, changed, number)
                for number, (row, changed) in enumerate(zip(found, stamps, strict=True), 1)
            ]
            last = {"stamp": str(found[-1][stamp]), "id": str(found[-1][":id"])}
            cursor = moved_on(self.columns.place, cursor, last)
            yield Page(rows=rows, cursor=cursor, seen_at=seen_at, stamp=latest(stamps, seen_at))

    def _row(self, row: dict[str, Any], changed: int | None, number: int) -> Row:
        own = {name: value for name, value in row.items() if name in self.columns.mapped or not self._added(name)}
        late = changed is not None and changed >= self.started_at
        return Row(name_of(str(row[":id"])), late, self.columns.values(own, number))

    def _added(self, name: str) -> bool:
        return name in (":id", self.definition.updated_field)

    def _conditions(self, plan: Plan) -> list[str]:
        opened = self.columns.theirs("opened_at")
        found = []
        if plan.opened_from is not None:
            found.append(f"{opened} >= '{plan.opened_from}T00:00:00.000'")
        if plan.opened_to is not None:
            found.append(f"{opened} < '{plan.opened_to}T00:00:00.000'")
        if plan.changed_from is not None:
            found.append(f"{self.definition.updated_field} >= {self._moment(plan.changed_from)}")
        return found

    def _moment(self, seconds: int) -> str:
        if self.definition.updated_field.startswith(_SYSTEM):
            return f"'{utc_text(seconds).removesuffix('Z')}.000Z'"
        # A column of the portal's own is in local time, mostly; from the midnight before it cannot be too late.
        zone = self.columns.mapping.zone
        return f"'{local_day(seconds, zone) if zone else utc_text(seconds)[:10]}T00:00:00.000'"

    def _rows(self, select: str, conditions: list[str], order: str, limit: int) -> list[dict[str, Any]]:
        where = " AND ".join(conditions)
        if self.definition.api == 3:
            query = f"SELECT {select}" + (f" WHERE {where}" if where else "") + (f" ORDER BY {order}" if order else "")
            # Always the first page, of what comes after the last row: later pages are slow, and move under changes.
            body = {"query": query, "page": {"pageNumber": 1, "pageSize": limit}, "includeSynthetic": False}
            return self.http.post(f"/api/v3/views/{self.definition.dataset}/query.json", self._list, body)
        asked = {"$select": select, "$where": where, "$order": order, "$limit": str(limit)}
        given = {name: value for name, value in asked.items() if value}
        return self.http.get(f"/resource/{self.definition.dataset}.json", self._list, given)

    def _list(self, answer: Answer) -> list[dict[str, Any]]:
        rows = json_of(answer)
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise BrokenAnswerError("it is not a list of rows")
        if len(rows) == 1 and str(rows[0].get("counted")).isdecimal():
            return rows
        if any(row.get(":id") is None or row.get(self.definition.updated_field) is None for row in rows):
            raise BrokenAnswerError(f"a row has no ':id' or no '{self.definition.updated_field}'")
        return rows


def _description(answer: Answer) -> list[dict[str, Any]]:
    described = json_of(answer)
    columns = described.get("columns") if isinstance(described, dict) else None
    if (
        not isinstance(columns, list)
        or not columns
        or not all(isinstance(c, dict) and "fieldName" in c for c in columns)
    ):
        raise BrokenAnswerError("it does not describe the columns of a data set")
    return columns


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
