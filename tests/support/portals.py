"""Portals on this machine that speak the published protocols, and break them in the ways that portals do.

Each is an HTTP server of the standard library over a table of rows that a test may change at any time, also between
two pages of one fetch. Queries are run by SQLite, so that an order or a condition that is wrong gives wrong rows.
"""

from __future__ import annotations

import gzip
import json
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import escape

from data.mapping import Mapping, parse_mapping

TYPES = "application/json; charset=utf-8"


@dataclass
class Reply:
    status: int
    body: bytes
    headers: dict[str, str]


Fault = Callable[[BaseHTTPRequestHandler, Reply], None]


@dataclass
class Portal:
    """A server over `rows`. `faults` are used up one per request; None lets one pass. `before` is called with the
    number of each request before it is answered, from 1.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    faults: deque[Fault | None] = field(default_factory=deque)
    always: Fault | None = None
    before: Callable[[int], None] | None = None
    asked: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    url: str = ""

    def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> Reply:
        raise NotImplementedError

    def handle(self, handler: BaseHTTPRequestHandler, method: str) -> None:
        length = int(handler.headers.get("Content-Length") or 0)
        body = json.loads(handler.rfile.read(length)) if length else None
        parts = urlsplit(handler.path)
        query = {name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        self.asked.append(handler.path if body is None else f"{handler.path} {json.dumps(body)}")
        self.headers.append({name.lower(): value for name, value in handler.headers.items()})
        if self.before is not None:
            self.before(len(self.asked))
        reply = self.answer(method, parts.path, query, body)
        fault = self.faults.popleft() if self.faults else self.always
        (fault or send)(handler, reply)

    @contextmanager
    def serving(self):
        portal = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                portal.handle(self, "GET")

            def do_POST(self) -> None:
                portal.handle(self, "POST")

            def log_message(self, *_: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: Any) -> None:
                pass  # a client that hangs up is part of some tests

        server = Server(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        self.url = f"http://127.0.0.1:{server.server_address[1]}"
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


def send(handler: BaseHTTPRequestHandler, reply: Reply) -> None:
    body = reply.body
    if "gzip" in handler.headers.get("Accept-Encoding", "") and reply.status == 200:
        body = gzip.compress(body, 1)
        reply.headers["Content-Encoding"] = "gzip"
    write(handler, reply.status, reply.headers, body, len(body))


def write(handler: BaseHTTPRequestHandler, status: int, headers: dict[str, str], body: bytes, length: int) -> None:
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.send_header("Content-Length", str(length))
    handler.end_headers()
    try:
        handler.wfile.write(body)
        handler.wfile.flush()
    except OSError:
        handler.close_connection = True


def as_json(value: Any, status: int = 200) -> Reply:
    return Reply(status, json.dumps(value, ensure_ascii=False).encode(), {"Content-Type": TYPES})


# ---- faults ----


def half(handler: BaseHTTPRequestHandler, reply: Reply) -> None:
    """The connection is cut in the middle of the body."""
    write(handler, 200, reply.headers, reply.body[: len(reply.body) // 2], len(reply.body))
    handler.close_connection = True


def half_that_claims_to_be_whole(handler: BaseHTTPRequestHandler, reply: Reply) -> None:
    """The Content-Length is that of half of the body: what comes looks complete and is not."""
    body = reply.body[: len(reply.body) // 2]
    write(handler, 200, reply.headers, body, len(body))


def longer_than_it_is(handler: BaseHTTPRequestHandler, reply: Reply) -> None:
    """The Content-Length promises more than ever comes."""
    write(handler, 200, reply.headers, reply.body, len(reply.body) + 1000)
    handler.close_connection = True


def status(code: int, **headers: str) -> Fault:
    def fault(handler: BaseHTTPRequestHandler, _reply: Reply) -> None:
        body = b"<html>secret row content</html>"
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        write(handler, code, {"Content-Type": "text/html", **named}, body, len(body))

    return fault


def page_of_html(handler: BaseHTTPRequestHandler, _reply: Reply) -> None:
    """A web page that says that something went wrong, with status 200."""
    body = b"<!doctype html><html><body>We are down for maintenance: secret row content</body></html>"
    write(handler, 200, {"Content-Type": "text/html; charset=utf-8"}, body, len(body))


def wrong_charset(handler: BaseHTTPRequestHandler, reply: Reply) -> None:
    """Declared as UTF-8, written in another encoding."""
    body = reply.body.decode().replace("Street", "Stra\u00dfe").encode("latin-1")
    write(handler, 200, {"Content-Type": TYPES}, body, len(body))


def unknown_charset(handler: BaseHTTPRequestHandler, reply: Reply) -> None:
    write(handler, 200, {"Content-Type": "application/json; charset=klingon"}, reply.body, len(reply.body))


def drip(handler: BaseHTTPRequestHandler, reply: Reply) -> None:
    """A byte now and then: no single wait is long, and it never ends."""
    handler.send_response(200)
    handler.send_header("Content-Type", TYPES)
    handler.send_header("Content-Length", "100000")
    handler.end_headers()
    try:
        for _ in range(200):
            handler.wfile.write(b" ")
            handler.wfile.flush()
            time.sleep(0.01)
    except OSError:
        pass
    handler.close_connection = True


def drip_of_headers(handler: BaseHTTPRequestHandler, _reply: Reply) -> None:
    """The headers themselves come a byte at a time."""
    try:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
        for _ in range(200):
            handler.wfile.write(b"a")
            handler.wfile.flush()
            time.sleep(0.01)
    except OSError:
        pass
    handler.close_connection = True


def silence(handler: BaseHTTPRequestHandler, _reply: Reply) -> None:
    """No answer at all."""
    time.sleep(0.6)
    handler.close_connection = True


@cache
def _bomb() -> bytes:
    return gzip.compress(b"[" + b" " * 50_000_000, 6)


def gzip_bomb(handler: BaseHTTPRequestHandler, _reply: Reply) -> None:
    """Some kilobytes that unpack to fifty megabytes."""
    body = _bomb()
    write(handler, 200, {"Content-Type": TYPES, "Content-Encoding": "gzip"}, body, len(body))


def xml_bomb(handler: BaseHTTPRequestHandler, _reply: Reply) -> None:
    """Entities of entities: a billion laughs."""
    entities = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    inside = "<service_requests><request>&l9;</request></service_requests>"
    body = f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY l0 "ha">{entities}]>{inside}'
    write(handler, 200, {"Content-Type": "text/xml"}, body.encode(), len(body))


def redirect(location: str, code: int = 302) -> Fault:
    def fault(handler: BaseHTTPRequestHandler, _reply: Reply) -> None:
        write(handler, code, {"Location": location}, b"", 0)

    return fault


# ---- Socrata ----


@dataclass
class SocrataPortal(Portal):
    """SODA 2 and 3 over `rows`, each with `:id` and `:updated_at`. `columns` is what the description says."""

    columns: dict[str, str] = field(default_factory=dict)
    most: int = 50_000
    token: str | None = None

    def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> Reply:
        if path == "/api/views/abcd-1234.json":
            described = [{"fieldName": name, "dataTypeName": kind} for name, kind in self.columns.items()]
            return as_json({"id": "abcd-1234", "columns": [*described, {"fieldName": ":@computed_region_1"}]})
        if self.token is not None and self.headers[-1].get("x-app-token") != self.token:
            return as_json({"error": True}, 403)
        try:
            if (method, path) == ("GET", "/resource/abcd-1234.json"):
                limit = min(int(query.get("$limit", "1000")), self.most)
                return as_json(self._query(query["$select"], query.get("$where"), query.get("$order"), limit))
            if (method, path) == ("POST", "/api/v3/views/abcd-1234/query.json"):
                select, _, rest = body["query"].removeprefix("SELECT ").partition(" WHERE ")
                if not rest:
                    select, _, order = select.partition(" ORDER BY ")
                    where = ""
                else:
                    where, _, order = rest.partition(" ORDER BY ")
                page, size = body["page"]["pageNumber"], body["page"]["pageSize"]
                return as_json(self._query(select, where, order, size, (page - 1) * size))
        except sqlite3.OperationalError as error:
            return as_json({"errorCode": "query.soql.no-such-column", "message": str(error)}, 400)
        return as_json({"error": True}, 404)

    def _query(self, select: str, where: str | None, order: str | None, limit: int, offset: int = 0) -> list[Any]:
        names = [*self.columns, ":id", ":updated_at"]
        with table_of(self.rows, names) as database:
            sql = f"SELECT {_own(select)} FROM t"  # noqa: S608
            sql += f" WHERE {_own(where)}" if where else ""
            sql += f" ORDER BY {_own(order)}" if order else ""
            found = database.execute(f"{sql} LIMIT {limit} OFFSET {offset}")
            named = [item[0].replace("sys_", ":") for item in found.description]
            # Socrata leaves nulls out, and gives counts as text.
            return [
                {name: str(value) for name, value in zip(named, row, strict=True) if value is not None} for row in found
            ]


def _own(soql: str) -> str:
    for name in ("id", "updated_at"):
        soql = soql.replace(f":{name}", f"sys_{name}")
    return soql


@contextmanager
def table_of(rows: list[dict[str, Any]], names: list[str]):
    database = sqlite3.connect(":memory:")
    try:
        columns = ", ".join(f'"{name.replace(":", "sys_")}"' for name in names)
        database.execute(f"CREATE TABLE t ({columns})")
        insert = f"INSERT INTO t VALUES ({', '.join('?' for _ in names)})"  # noqa: S608
        database.executemany(insert, [[row.get(name) for name in names] for row in list(rows)])
        yield database
    finally:
        database.close()


# ---- CKAN ----


@dataclass
class CkanPortal(Portal):
    """`datastore_search` and `datastore_search_sql` over `rows`, each with `_id`."""

    columns: dict[str, str] = field(default_factory=dict)
    most: int = 32_000
    sql_allowed: bool = True
    lie_about_total: int = 0
    other: list[dict[str, Any]] = field(default_factory=list)  # the rows of a second table, "res-2"

    def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> Reply:
        fields = [{"id": "_id", "type": "int"}, *({"id": name, "type": kind} for name, kind in self.columns.items())]
        if path == "/api/3/action/datastore_search":
            tables = {"res-1": self.rows, "res-2": self.other}
            if query["resource_id"] not in tables:
                return as_json({"success": False, "error": {"__type": "Not Found Error"}}, 404)
            rows = sorted(tables[query["resource_id"]], key=lambda row: row["_id"])
            for name, value in json.loads(query.get("filters", "{}")).items():
                rows = [row for row in rows if row.get(name) == value]
            wanted = query.get("fields", ",".join(field["id"] for field in fields)).split(",")
            if not set(wanted) <= {field["id"] for field in fields}:
                return as_json({"success": False, "error": {"__type": "Validation Error"}}, 409)
            offset, limit = int(query.get("offset", "0")), min(int(query.get("limit", "100")), self.most)
            records = [{name: row.get(name) for name in wanted} for row in rows[offset : offset + limit]]
            total = len(rows) + self.lie_about_total
            shown = [field for field in fields if field["id"] in wanted]
            return as_json({"success": True, "result": {"fields": shown, "records": records, "total": total}})
        if path == "/api/3/action/datastore_search_sql" and self.sql_allowed:
            try:
                with table_of(self.rows, ["_id", *self.columns]) as database:
                    found = database.execute(query["sql"].replace('"res-1"', "t"))
                    named = [item[0] for item in found.description]
                    records = [dict(zip(named, row, strict=True)) for row in found.fetchall()[: self.most]]
            except sqlite3.OperationalError:
                return as_json({"success": False, "error": {"__type": "Validation Error"}}, 409)
            shown = [{"id": name, "type": "text"} for name in named]
            return as_json({"success": True, "result": {"fields": shown, "records": records}})
        return as_json({"success": False, "error": {"__type": "Authorization Error"}}, 403)


# ---- Open311 ----


@dataclass
class GeoReportPortal(Portal):
    """GeoReport v2 over `rows`: 90 days at most, `cap` rows at most, pages only where `paged`."""

    cap: int = 1000
    paged: bool = False
    own_page_size: int = 10_000
    heeds_dates: bool = True
    jurisdiction: str | None = None
    services: dict[str, str] = field(default_factory=lambda: {"1": "Street light", "2": "Drain"})

    def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> Reply:
        name, _, kind = path.removeprefix("/").partition(".")
        if self.jurisdiction is not None and query.get("jurisdiction_id") != self.jurisdiction:
            return as_json([{"code": 404, "description": "jurisdiction_id not found"}], 404)
        if name == "services":
            items = [{"service_code": code, "service_name": title} for code, title in self.services.items()]
            return _items(items, kind, "services", "service")
        if name != "requests":
            return as_json([{"code": 404}], 404)
        start, end = (datetime.fromisoformat(query[key]) for key in ("start_date", "end_date"))
        if end - start > timedelta(days=90):
            return as_json([{"code": 400, "description": "may not span more than 90 days"}], 400)
        rows = [
            row
            for row in self.rows
            if not self.heeds_dates or start <= datetime.fromisoformat(row["requested_datetime"]) <= end
        ]
        rows = [row for row in rows if query.get("status") in (None, row["status"])]
        rows = sorted(rows, key=lambda row: (row["requested_datetime"], row["service_request_id"]), reverse=True)
        if self.paged:
            size = min(int(query.get("page_size", "50")), self.own_page_size)
            first = (int(query.get("page", "1")) - 1) * size
            rows = rows[first : first + size]
        return _items(rows[: self.cap], kind, "service_requests", "request")


def _items(items: list[dict[str, Any]], kind: str, root: str, tag: str) -> Reply:
    if kind == "json":
        return as_json(items)
    inner = "".join(
        f"<{tag}>{''.join(_element(name, value) for name, value in item.items())}</{tag}>" for item in items
    )
    body = f'<?xml version="1.0" encoding="utf-8"?><{root}>{inner}</{root}>'.encode()
    return Reply(200, body, {"Content-Type": "text/xml; charset=utf-8"})


def _element(name: str, value: Any) -> str:
    return f"<{name}/>" if value is None else f"<{name}>{escape(str(value))}</{name}>"


# ---- a small town with a portal ----

TABLE = """
[source]
name = "town"
shape = "cases"
time_zone = "America/New_York"

[columns.number]
field = "reference"
at = "opened"
[columns.opened]
field = "opened_at"
at = "opened"
[columns.closed]
field = "closed_at"
at = "end"
[columns.kind]
field = "category"
at = "opened"
[columns.village]
field = "area"
at = "opened"
[columns.unit]
field = "office"
at = "end"

[leave_out]
zip = "Finer than an area."

[sync]
url = "URL"
"""
SOCRATA = 'kind = "socrata"\ndataset = "abcd-1234"\npage_size = 3\n'
CKAN = 'kind = "ckan"\ndataset = "res-1"\npage_size = 3\n'
CKAN_SQL = CKAN + 'sql = true\nupdated_field = "changed"\n'
TOWN_COLUMNS = {
    "number": "text",
    "opened": "calendar_date",
    "closed": "calendar_date",
    "kind": "text",
    "village": "text",
    "unit": "text",
    "zip": "text",
}

GEOREPORT = """
[source]
name = "open_town"
shape = "cases"
time_zone = "America/New_York"

[columns.service_request_id]
field = "reference"
at = "opened"
[columns.requested_datetime]
field = "opened_at"
at = "opened"
[columns.status]
field = "status"
at = "end"
vocabulary = "status"
[columns.service_name]
field = "category"
at = "opened"
[columns.agency_responsible]
field = "office"
at = "end"

[leave_out]
service_code = "The category says it."
description = "Free text."
address = "A street address."
lat = "An exact place."
long = "An exact place."
updated_datetime = "Moves with every comment; no time of closing."

[vocabulary.status.values]
open = "open"
closed = "closed"

[rules]
set_aside = ["duplicate_reference"]

[sync]
kind = "georeport"
url = "URL"
first = 2024-01-01
"""


def table_mapping(portal: Portal, kind: str = SOCRATA, *, more: str = "", text: str = TABLE) -> Mapping:
    """The town's mapping with this portal as its source."""
    return parse_mapping((text.replace("URL", portal.url) + kind + more).encode(), "town.toml")


def georeport_mapping(portal: Portal, more: str = "", *changes: tuple[str, str]) -> Mapping:
    content = GEOREPORT.replace("URL", portal.url) + more
    for old, new in changes:
        assert old in content, old
        content = content.replace(old, new)
    return parse_mapping(content.encode(), "open_town.toml")


def stamp(seconds: int) -> str:
    """As Socrata writes fixed timestamps."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def row(number: int, *, opened: str = "2024-03-01T09:00:00", changed: int = 0, **values: Any) -> dict[str, Any]:
    """A row of the town's table; `changed` is when the portal stamped it, seconds in UTC."""
    return {
        "number": f"C-{number}",
        "opened": opened,
        "closed": None,
        "kind": "Street light",
        "village": "North",
        "unit": "Works",
        "zip": "02118",
        ":id": f"row-{number:04d}",
        ":updated_at": stamp(changed),
        "_id": number,
        "changed": datetime.fromtimestamp(changed, UTC).strftime("%Y-%m-%d %H:%M:%S"),
        **values,
    }


def request(number: int, *, opened: str = "2024-03-01T09:00:00-05:00", **values: Any) -> dict[str, Any]:
    """A request of the open town."""
    return {
        "service_request_id": f"R-{number}",
        "requested_datetime": opened,
        "updated_datetime": "2024-03-02T10:00:00-05:00",
        "status": "open",
        "service_name": "Street light",
        "service_code": "1",
        "agency_responsible": "Works",
        "description": "The lamp opposite my house is out, call me.",
        "address": "12 Elm Street",
        "lat": 42.1,
        "long": -71.2,
        **values,
    }
