"""Open311 GeoReport v2: `GET /requests.json` or `.xml`, window by window of the time of opening."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from data.errors import FileFormatError
from data.sources.answers import Answer, BrokenAnswerError, json_of, xml_of
from data.sources.definition import GeoReportDefinition
from data.sources.http import Http
from data.sources.plan import DAY, Plan, midnight, utc_text
from data.sources.portal import Columns, Page, Row, Schema, name_of, stamps_of

# A key is not needed to read, but some servers count requests by it.
TOKEN_HEADER: Final = "Api-Key"  # noqa: S105 — the name of the header
ID: Final = "service_request_id"
OPENED: Final = "requested_datetime"
LOOKED: Final = "heed_looked_at"
# A window is never split further than this; more requests in one minute than fit an answer is no 311.
_SHORTEST: Final = 60
# Servers of offices are careless with offsets: a row this far outside of what was asked for is still one of it.
_SLACK: Final = DAY
_MOST_PAGES: Final = 10_000


@dataclass
class GeoReport:
    """A client for one server. Every window is looked at by itself, see `data.sources.plan`."""

    http: Http
    definition: GeoReportDefinition
    columns: Columns
    started_at: int
    now: Callable[[], int] = lambda: int(time.time())
    _services: dict[str, str] | None = field(default=None, init=False)

    def schema(self) -> Schema | None:
        """None: only the rows show what a server gives. Asks for the list of services, to see that there is one."""
        self.services()
        return None

    def services(self) -> dict[str, str]:
        """Code of a service -> its name."""
        if self._services is None:
            found = self.http.get(f"/services.{self.definition.format}", self._services_of, self._common())
            self._services = {str(row["service_code"]): str(row.get("service_name") or "") for row in found}
        return self._services

    def count(self, plan: Plan) -> int | None:
        """None: the protocol does not count."""
        del plan
        return None

    def pages(self, plan: Plan, cursor: dict[str, Any] | None) -> Iterator[Page]:
        """One page per window, oldest first. The last window ends with the second of asking."""
        zone = self.columns.mapping.zone
        if zone is None or plan.opened_from is None:
            raise FileFormatError(f"{self.columns.place}: a fetch by windows needs a first day and a time zone.")
        start = midnight(plan.opened_from, zone) if cursor is None else int(cursor["next"])
        while True:
            end = self.now() if plan.opened_to is None else min(midnight(plan.opened_to, zone), self.now())
            if start >= end:
                return
            stop = min(start + self.definition.window_days * DAY, end)
            found = self._window(start, stop)
            seen_at = self.now()
            rows = [self._row(row, number, seen_at) for number, row in enumerate(found.values(), 1)]
            yield Page(rows=rows, cursor={"next": stop}, seen_at=seen_at)
            if stop == end:
                return
            start = stop

    def _row(self, row: dict[str, Any], number: int, seen_at: int) -> Row:
        row = dict(row)
        if not row.get("service_name") and row.get("service_code") is not None:
            row["service_name"] = self.services().get(str(row["service_code"])) or None
        return Row(name_of(str(row[ID])), False, {**self.columns.values(row, number), LOOKED: utc_text(seen_at)})

    # ---- one window ----

    def _window(self, start: int, end: int) -> dict[str, dict[str, Any]]:
        """The requests opened from `start` to `end`, by number; halved until no answer is cut off.

        Both ends are asked for, as servers differ in whether the last second belongs to it.
        """
        found: dict[str, dict[str, Any]] = {}
        # Closed after open: one that is closed in between is in both, and its last state counts.
        for status in self.definition.status or ("",):
            rows, whole = self._all_pages(start, end, status)
            if not whole:
                return self._halves(start, end)
            found |= rows
        return found

    def _halves(self, start: int, end: int) -> dict[str, dict[str, Any]]:
        if end - start <= _SHORTEST:
            raise FileFormatError(
                f"{self.columns.place}: one minute of requests fills a whole answer, so the server cuts answers off or "
                "does not heed start_date and end_date. Set page_size in [sync] if the server knows pages, or a "
                "higher cap if it gives more rows at once."
            )
        middle = start + (end - start) // 2
        return self._window(start, middle) | self._window(middle, end)

    def _all_pages(self, start: int, end: int, status: str) -> tuple[dict[str, dict[str, Any]], bool]:
        """The rows of a window, and whether they are all of it."""
        size = self.definition.page_size
        found: dict[str, dict[str, Any]] = {}
        for page in range(1, _MOST_PAGES):
            rows = self._ask(start, end, status, page)
            new = {str(row[ID]): row for row in rows}
            ended = not new.keys() - found.keys()
            found |= new
            if size is None:
                return found, len(rows) < self.definition.cap
            if ended:
                # An empty page is the end. The first page once more means that the server knows no pages.
                return found, not rows or page > 2 or len(rows) < min(size, self.definition.cap)
        raise FileFormatError(f"{self.columns.place}: the server gives pages without end.")

    def _ask(self, start: int, end: int, status: str, page: int) -> list[dict[str, Any]]:
        params = {**self._common(), "start_date": utc_text(start), "end_date": utc_text(end)}
        if self.definition.service_code:
            params["service_code"] = ",".join(self.definition.service_code)
        if status:
            params["status"] = status
        if self.definition.page_size is not None:
            params |= {"page": str(page), "page_size": str(self.definition.page_size)}
        rows = self.http.get(f"/requests.{self.definition.format}", self._requests_of, params)
        opened = stamps_of([row.get(OPENED) for row in rows], self.columns.mapping)
        if any(at is not None and not start - _SLACK <= at <= end + _SLACK for at in opened):
            raise FileFormatError(
                f"{self.columns.place}: the server answers with requests opened outside of the days that were asked "
                "for. It does not heed start_date and end_date, so a fetch could never be complete."
            )
        return rows

    def _common(self) -> dict[str, str]:
        jurisdiction = self.definition.jurisdiction_id
        return {} if jurisdiction is None else {"jurisdiction_id": jurisdiction}

    # ---- what comes back ----

    def _requests_of(self, answer: Answer) -> list[dict[str, Any]]:
        rows = self._items(answer, "service_requests")
        if any(row.get(ID) in (None, "") for row in rows):
            # Still being made: it has a token and no number yet. It comes again when it has one.
            return [row for row in rows if row.get(ID) not in (None, "")]
        return rows

    def _services_of(self, answer: Answer) -> list[dict[str, Any]]:
        rows = self._items(answer, "services")
        if any(row.get("service_code") in (None, "") for row in rows):
            raise BrokenAnswerError("a service has no 'service_code'")
        return rows

    def _items(self, answer: Answer, root: str) -> list[dict[str, Any]]:
        if self.definition.format == "xml":
            return _elements(xml_of(answer), root)
        found = json_of(answer)
        if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
            raise BrokenAnswerError("it is not a list of requests or services")
        return found


def _elements(root: Any, expected: str) -> list[dict[str, Any]]:
    if _tag(root) != expected:
        raise BrokenAnswerError(f"its root is not <{expected}>")
    return [{_tag(child): _value(child) for child in item} for item in root]


def _tag(element: Any) -> str:
    return str(element.tag).rpartition("}")[2]


def _value(element: Any) -> Any:
    if len(element):
        return {_tag(child): None for child in element}  # a structure; only its being one matters
    text = (element.text or "").strip()
    return text or None
