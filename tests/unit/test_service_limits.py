"""How much one request and one asker may take, and how it is said."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request
from hypothesis import given
from hypothesis import strategies as st

from service import limits, problems
from service.app import create_app
from service.identity import Identity, Role
from service.limits import MAX_ADDRESS, RateLimit, TokenBuckets, network_of
from service.settings import Settings
from service.strict_json import DEEPEST, StrictJsonError, check_json
from tests.support.credentials import ask
from tests.support.service_client import client_of, shared_client
from tests.support.service_store import shared_store

SECRET = "Zhang-San-13800138000"
LARGEST = 4_096


@pytest.fixture(scope="module")
def app():
    """The service with small limits, and a route that takes any body and says how large it was."""
    made = create_app(Settings(store_url=str(shared_store()), max_body_bytes=LARGEST, rate_per_minute=0))

    @made.post("/taken")
    async def taken(request: Request) -> int:
        return len(await request.body())

    @made.post("/parsed")
    def parsed(body: dict[str, Any]) -> list[str]:
        return sorted(body)

    yield made
    made.state.reads.close()


def _send(app: FastAPI, path: str, content: Any, kind: str = "application/json", **headers: str) -> httpx.Response:
    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as client:
            return await client.post(path, content=content, headers={"Content-Type": kind, **headers})

    return asyncio.run(send())


async def _raw(app: FastAPI, receive: Callable[[], Any], headers: list[tuple[bytes, bytes]]) -> list[dict[str, Any]]:
    """Ask with a body that comes as the test likes."""
    sent: list[dict[str, Any]] = []
    scope = {"type": "http", "method": "POST", "path": "/taken", "raw_path": b"/taken", "query_string": b""}
    scope |= {"root_path": "", "scheme": "http", "server": ("127.0.0.1", 80), "client": ("127.0.0.1", 1)}
    scope |= {"headers": [(b"host", b"127.0.0.1"), *headers], "http_version": "1.1", "asgi": {"version": "3.0"}}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent


def _is_problem(answer: httpx.Response, status: int, kind: str) -> dict[str, Any]:
    assert (answer.status_code, answer.headers["content-type"]) == (status, problems.MEDIA_TYPE)
    body = answer.json()
    assert (body["status"], body["type"]) == (status, f"urn:heed:problem:{kind}")
    assert SECRET not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"
    return body


# ---- bodies ----


@pytest.mark.parametrize("size", [0, 1, LARGEST])
def test_a_body_up_to_the_limit_is_taken_whole(app, size):
    """With a length told and in pieces of unknown number."""

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(size):
            yield b"x"

    assert _send(app, "/taken", b"x" * size, "text/plain").json() == size
    assert _send(app, "/taken", pieces(), "text/plain").json() == size


def test_a_body_that_says_it_is_too_large_is_refused_before_it_is_read(app):
    """Nobody should have to send four gigabytes to learn that."""

    async def never() -> dict[str, Any]:
        raise AssertionError("the body was read")

    sent = asyncio.run(_raw(app, never, [(b"content-length", str(LARGEST + 1).encode())]))
    assert sent[0]["status"] == 413
    assert (b"connection", b"close") in sent[0]["headers"]


def test_a_body_that_does_not_say_is_counted_as_it_comes(app):
    """It is refused at the first byte too many, and no more of it is read."""
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        while True:
            read += 1024
            yield b"x" * 1024

    body = _is_problem(_send(app, "/taken", endless(), "text/plain"), 413, "too-large")
    assert body["detail"] == "The body of the request is larger than is taken. Send it in several parts."
    assert read <= LARGEST + 2 * 1024


def test_a_length_that_lies_is_no_way_around(app):
    """What counts is what comes."""

    async def more() -> dict[str, Any]:
        return {"type": "http.request", "body": b"x" * (LARGEST + 1), "more_body": False}

    assert asyncio.run(_raw(app, more, [(b"content-length", b"5")]))[0]["status"] == 413


def test_a_body_that_does_not_come_is_waited_for_only_so_long(app, monkeypatch):
    """Neither for its next part nor, in whatever small parts, for its last."""

    async def nothing() -> dict[str, Any]:
        await asyncio.Event().wait()
        raise AssertionError

    async def crumbs() -> dict[str, Any]:
        await asyncio.sleep(0.005)
        return {"type": "http.request", "body": b"x", "more_body": True}

    monkeypatch.setattr(limits, "PART_SECONDS", 0.02)
    assert asyncio.run(_raw(app, nothing, [(b"content-length", b"5")]))[0]["status"] == 408
    monkeypatch.setattr(limits, "PART_SECONDS", 5.0)
    monkeypatch.setattr(limits, "BODY_SECONDS", 0.05)
    assert asyncio.run(_raw(app, crumbs, [(b"transfer-encoding", b"chunked")]))[0]["status"] == 408


def test_a_part_that_is_there_is_taken_without_a_timer(app, monkeypatch):
    """A part that is not is waited for with one, and comes whole."""
    timers = []
    timeout = asyncio.timeout
    monkeypatch.setattr(limits.asyncio, "timeout", lambda seconds: timers.append(seconds) or timeout(seconds))

    async def there() -> dict[str, Any]:
        return {"type": "http.request", "body": b"x" * 5, "more_body": False}

    async def later() -> dict[str, Any]:
        await asyncio.sleep(0)
        await asyncio.sleep(0.001)
        return await there()

    assert asyncio.run(_raw(app, there, [(b"content-length", b"5")]))[0]["status"] == 200
    assert not timers
    assert asyncio.run(_raw(app, later, [(b"content-length", b"5")]))[0]["status"] == 200
    assert len(timers) == 1


def test_who_waits_for_a_part_hears_of_the_end(app):
    """A request that is cancelled, and an error of the server's, reach what is waited in, and go on from there."""
    ended = []

    async def never() -> dict[str, Any]:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise
        raise AssertionError

    async def cancelled() -> None:
        asking = asyncio.ensure_future(_raw(app, never, [(b"content-length", b"5")]))
        await asyncio.sleep(0.01)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking

    asyncio.run(cancelled())
    assert ended == ["cancelled"]

    async def breaks() -> dict[str, Any]:
        await asyncio.sleep(0)
        raise ConnectionError

    assert asyncio.run(_raw(app, breaks, [(b"content-length", b"5")]))[0]["status"] == 500


def test_an_asker_who_goes_away_is_not_an_error_of_the_limits(app):
    """The routes learn it as they would without."""
    messages = iter([{"type": "http.request", "body": b"x", "more_body": True}, {"type": "http.disconnect"}])

    async def gone() -> dict[str, Any]:
        return next(messages)

    sent = asyncio.run(_raw(app, gone, [(b"content-length", b"5")]))
    assert all(message.get("status") != 408 for message in sent)


# ---- JSON ----


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", None),
        (b"{}", None),
        (b'{"a": [1, -2.5e10, true, null, "\\ud83d\\ude00 \\" [[{{"]}', None),
        (b"[" * DEEPEST + b"]" * DEEPEST, None),
        (b'{"a":' * DEEPEST + b"1" + b"}" * DEEPEST, None),
        (b'"' + b"[" * 500 + b'"', None),
        (b"[" * (DEEPEST + 1) + b"]" * (DEEPEST + 1), "nests no deeper"),
        (b'{"a":' * (DEEPEST + 1) + b"1" + b"}" * (DEEPEST + 1), "nests no deeper"),
        (b"[" * 4000, "nests no deeper"),
        (b'{"a":' * 800, "nests no deeper"),
        (b"{", "JSON"),
        (b"{} {}", "JSON"),
        (b"{'a': 1}", "JSON"),
        (b"\xef\xbb\xbf{}", "JSON"),
        ('{"a": "b"}'.encode("utf-16-le"), "JSON"),
        ('{"a": "ä"}'.encode("utf-16-le"), "text in UTF-8"),
        (b'{"a": "\xff"}', "text in UTF-8"),
        (b'{"a": "\xed\xa0\x80"}', "text in UTF-8"),
        (b'{"a": "\\ud800"}', "whole characters"),
        (b'{"a\\u0000": 1}', "without zero bytes"),
        (b'[["x", {"b": "\\u0000"}]]', "without zero bytes"),
        (b'{"a": 1, "a": 2}', "every name once"),
        (b'[{"b": {"a": 1, "\\u0061": 2}}]', "every name once"),
        (b'{"a": NaN}', "finite numbers"),
        (b"[-Infinity]", "finite numbers"),
        (b"[1e999]", "finite numbers"),
        (b"[-1E+0400]", "finite numbers"),
        (b"9" * 20, "at most 19 digits"),
        (b"9" * 4000, "at most 19 digits"),
    ],
)
def test_json_is_taken_only_where_every_reader_reads_the_same(app, body, expected):
    """What is refused is 422 with what was expected, never 500, and never quotes."""
    answer = _send(app, "/taken", body)
    if expected is None:
        assert answer.json() == len(body)
        return
    problem = _is_problem(answer, 422, "invalid-request")
    assert expected in problem["errors"][0]["expected"]
    assert problem["errors"][0]["in"] == "body"
    assert problem["detail"] == f"body: {problem['errors'][0]['expected']}"


def test_a_refused_body_reaches_no_route_that_parses_it_itself(app):
    """The framework's own parser would have taken the last of two, and answered a broken one with 400."""
    assert _send(app, "/parsed", b'{"b": 1, "a": 2}').json() == ["a", "b"]
    _is_problem(_send(app, "/parsed", f'{{"{SECRET}": 1, "{SECRET}": 2}}'.encode()), 422, "invalid-request")
    _is_problem(_send(app, "/parsed", b"{"), 422, "invalid-request")
    _is_problem(_send(app, "/parsed", b"[" * 2000, "application/vnd.heed+json; charset=utf-8"), 422, "invalid-request")


@pytest.mark.parametrize(
    "kinds", [("application/json", "text/plain"), ("text/plain", "application/json"), ("application/json", "")]
)
def test_a_second_kind_is_no_way_around(app, kinds):
    """Routes go by the first header, others may go by the last: one that says JSON is enough to be looked through."""
    headers = [("Content-Type", kind) for kind in kinds]
    answer = ask(app, "POST", "/parsed", headers, f'{{"{SECRET}": 1, "{SECRET}": 2}}'.encode())
    assert "every name once in an object" in _is_problem(answer, 422, "invalid-request")["detail"]


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/octet-stream"])
def test_a_route_that_reads_json_itself_takes_no_other_kind(app, kind):
    """What does not say that it is JSON was not looked through."""
    _is_problem(_send(app, "/v1/risk", f'{{"{SECRET}": 1, "{SECRET}": 2}}'.encode(), kind), 415, "media-type")


_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**18), 10**18)
    | st.floats(allow_nan=False, allow_infinity=False)
    # Zero bytes and halves of characters are refused.
    | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc"), inner, max_size=4),
    max_leaves=12,
)


@given(_values, st.booleans())
def test_whatever_a_proper_writer_writes_is_taken(value, ascii_only):
    """The door is not narrower than JSON, but for what two readers could read differently."""
    check_json(json.dumps(value, ensure_ascii=ascii_only).encode())


@given(st.binary(max_size=60))
def test_any_bytes_are_taken_or_refused_and_never_an_accident(body):
    """What is taken, the standard library reads as well."""
    try:
        check_json(body)
    except StrictJsonError as error:
        assert str(error)  # noqa: PT017  one of two right outcomes
    else:
        json.loads(body)


def test_a_large_body_of_json_is_looked_through_beside_the_loop(app, monkeypatch):
    """A second of looking must not be a second in which nobody is answered."""
    threads: list[str] = []

    async def noted(function: Any, *args: Any) -> Any:
        threads.append(function.__name__)
        return function(*args)

    monkeypatch.setattr(limits.anyio.to_thread, "run_sync", noted)
    monkeypatch.setattr(limits, "_LARGE_JSON", 100)
    _send(app, "/taken", b"[" + b"1," * 20 + b"1]")
    assert threads == []
    _send(app, "/taken", b"[" + b"1," * 200 + b"1]")
    assert threads == ["check_json"]


# ---- addresses and methods ----


def test_an_address_is_only_so_long(app):
    """Path and query together; well before the server gives up on the head."""
    client = shared_client()
    assert client.get("/" + "x" * (MAX_ADDRESS - 1)).status_code == 404
    _is_problem(client.get("/" + "x" * MAX_ADDRESS), 414, "address-too-long")
    _is_problem(client.get("/v1/cases?office=" + "x" * MAX_ADDRESS), 414, "address-too-long")


def test_headers_are_only_so_large(app):
    """All of them together, those that come again included."""
    client = shared_client()
    many = {f"x_{n}": "x" * 1_000 for n in range(30)}
    assert client.get("/v1/areas", **many).status_code == 200
    refused = client.get("/v1/areas", **many, x_last="x" * 3_000)
    _is_problem(refused, 431, "head-too-large")
    assert refused.headers["connection"] == "close"

    async def never() -> dict[str, Any]:
        raise AssertionError("the body was read")

    assert asyncio.run(_raw(app, never, [(b"x-again", b"x" * 1_000)] * 33))[0]["status"] == 431


@pytest.mark.parametrize(
    "address", ["/v1/areas", "/v1/cases", "/cases", "/areas", "/health/live", "/static/heed.css", "/v1/areas/A-02"]
)
def test_head_is_answered_as_get_without_the_body(address):
    """RFC 9110, section 9.3.2: the same headers."""
    client = shared_client()
    get, head = client.get(address), client.request("HEAD", address)
    assert head.status_code == get.status_code == 200
    assert head.content == b""
    for name in ("content-type", "content-length", "etag", "cache-control"):
        assert head.headers.get(name) == get.headers.get(name)


def test_head_of_what_is_not_there_has_no_body_either():
    """And an ETag that still holds is 304."""
    client = shared_client()
    assert (client.request("HEAD", "/v1/none").status_code, client.request("HEAD", "/v1/none").content) == (404, b"")
    etag = client.get("/v1/areas").headers["etag"]
    assert client.request("HEAD", "/v1/areas", if_none_match=etag).status_code == 304


def test_the_body_of_head_is_withheld_whatever_the_server_does(app):
    """Not every server drops it."""
    sent = []

    async def run() -> None:
        scope = {"type": "http", "method": "HEAD", "path": "/health/live", "raw_path": b"/health/live"}
        scope |= {"query_string": b"", "root_path": "", "scheme": "http", "headers": [(b"host", b"localhost")]}
        scope |= {"http_version": "1.1", "client": None, "server": None, "asgi": {"version": "3.0"}}

        async def send(message: Any) -> None:
            sent.append(message)

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        await app(scope, receive, send)
        assert scope["method"] == "HEAD"

    asyncio.run(run())
    assert b"".join(message.get("body", b"") for message in sent) == b""


@pytest.mark.parametrize(
    ("address", "allow"),
    [
        ("/v1/areas", "GET, HEAD, OPTIONS"),
        ("/v1/areas/A/02", "GET, HEAD, OPTIONS"),
        ("/cases", "GET, HEAD, OPTIONS"),
        ("/static/heed.css", "GET, HEAD, OPTIONS"),
        ("/metrics", "GET, HEAD, OPTIONS"),
        ("/taken", "OPTIONS, POST"),
        ("/both", "GET, HEAD, OPTIONS, PATCH"),
    ],
)
def test_every_address_says_which_methods_it_takes(app, address, allow):
    """All of them, also where several routes share the address; with 405, and when OPTIONS asks."""
    if address == "/both" and not any(getattr(route, "path", "") == "/both" for route in app.routes):
        app.add_api_route("/both", lambda: 1, methods=["GET"])
        app.add_api_route("/both", lambda: 2, methods=["PATCH"])

    async def ask(method: str) -> httpx.Response:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as client:
            return await client.request(method, address)

    refused = asyncio.run(ask("DELETE"))
    _is_problem(refused, 405, "method-not-allowed")
    told = asyncio.run(ask("OPTIONS"))
    assert (told.status_code, told.content) == (204, b"")
    assert refused.headers["allow"] == told.headers["allow"] == allow
    assert not any(name.startswith("access-control") for name in told.headers)


def test_options_of_nothing_is_nothing():
    """404 as with any method."""
    _is_problem(shared_client().request("OPTIONS", "/v1/none"), 404, "not-found")


# ---- the rate ----


class _Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def test_a_minute_is_there_at_once_and_comes_back_evenly():
    """Six in a minute: six now, and one every ten seconds."""
    clock = _Clock()
    buckets = TokenBuckets(6, clock)
    taken = [buckets.take(b"a") for _ in range(7)]
    assert [each.allowed for each in taken] == [True] * 6 + [False]
    assert [each.remaining for each in taken] == [5, 4, 3, 2, 1, 0, 0]
    assert taken[-1].seconds == 10
    clock.now += 9.9
    assert not buckets.take(b"a").allowed
    clock.now += 0.2
    assert buckets.take(b"a").allowed
    assert not buckets.take(b"a").allowed
    clock.now += 3_600
    assert [buckets.take(b"a").allowed for _ in range(7)] == [True] * 6 + [False]


def test_askers_do_not_share():
    """One who asks too much takes nothing from another."""
    buckets = TokenBuckets(1, _Clock())
    assert [buckets.take(asker).allowed for asker in (b"a", b"a", b"b")] == [True, False, True]


@given(st.lists(st.floats(0, 30), min_size=1, max_size=60), st.integers(1, 20))
def test_never_more_than_two_minutes_worth_within_one(gaps, per_minute):
    """What is there at once, and what comes back meanwhile; and who keeps to the rate is never refused."""
    clock = _Clock()
    buckets = TokenBuckets(per_minute, clock)
    allowed = []
    for gap in gaps:
        clock.now += gap
        if buckets.take(b"a").allowed:
            allowed.append(clock.now)
    for start in allowed:
        assert sum(start <= moment < start + 60 for moment in allowed) <= 2 * per_minute
    patient = TokenBuckets(per_minute, clock)
    for _ in gaps:
        assert patient.take(b"b").allowed
        clock.now += 60 / per_minute


def test_only_so_many_askers_are_remembered(monkeypatch):
    """The one who has asked longest ago is forgotten first."""
    monkeypatch.setattr(limits, "_ASKERS", 10)  # of each kind
    buckets = TokenBuckets(1, _Clock())
    for number in range(100):
        buckets.take(b"busy")
        buckets.take(str(number).encode())
    assert len(buckets) == 10
    rate = RateLimit(1_000)
    for number in range(100):
        _, unknown = rate.take(str(number).encode(), "10.0.0.1")
        rate.accepted(unknown, str(number))
    assert len(rate._accepted) == 10


def test_made_up_credentials_count_for_the_address_they_come_from():
    """A new one for each request is no way around the limit; a good one counts for itself, wherever it is used."""
    rate = RateLimit(3, _Clock())
    _, unknown = rate.take(b"good", "10.0.0.1")
    rate.accepted(unknown, "key:1")
    allowed = [rate.take(f"made-up-{n}".encode(), "10.0.0.1")[0].allowed for n in range(4)]
    assert allowed == [True, True, False, False]
    assert [rate.take(b"good", f"10.0.0.{n}")[0].allowed for n in range(4)] == [True, True, True, False]
    assert rate.take(b"good", "10.0.0.1")[1] is None


def test_two_credentials_of_one_actor_are_one_asker():
    """A token is renewed every few minutes; its bearer stays the same."""
    rate = RateLimit(2, _Clock())
    for credential in (b"first", b"second"):
        _, unknown = rate.take(credential, "10.0.0.1")
        rate.accepted(unknown, "token:1")
    assert [rate.take(each, "x")[0].allowed for each in (b"first", b"second", b"first")] == [True, True, False]


def test_an_address_is_the_network_that_one_subscriber_has():
    """Who has one IPv6 address has 2^64 of them."""
    assert network_of("10.0.0.1") == "10.0.0.1"
    assert network_of("2001:db8::1") == network_of("2001:db8::ffff:2") != network_of("2001:db8:0:1::1")
    assert network_of("fe80::1%eth0") == "fe80::/64"
    assert network_of("not:an:address") == "not:an:address"


def test_who_asks_too_often_is_told_when_to_come_back():
    """429 as a problem, with Retry-After and the RateLimit fields; health and style sheets are still told."""
    client = client_of(shared_store(), rate_per_minute=2)
    assert "ratelimit" not in client.get("/v1/areas").headers  # half is left
    second = client.get("/v1/areas")
    assert second.headers["ratelimit-policy"] == '"asker";q=2;w=60'
    assert re.fullmatch('"asker";r=[01];t=[0-9]+', second.headers["ratelimit"])
    refused = client.get("/v1/areas", accept_language="zh")
    _is_problem(refused, 429, "too-many-requests")
    assert refused.headers["ratelimit"].startswith('"asker";r=0;t=')
    assert 1 <= int(refused.headers["retry-after"]) <= 31
    assert client.get("/health/live").status_code == 200
    assert "ratelimit" not in client.get("/health/live").headers
    page = client.get("/areas", accept="text/html")
    assert page.status_code == 429
    sheets = re.findall(r'href="(/static/[^"]+\.css[^"]*)"', page.text)
    assert sheets, "the refusal has its style"
    assert [client.get(sheet).status_code for sheet in sheets] == [200] * len(sheets)
    client.close()


def test_no_limit_is_no_header():
    """`rate_per_minute=0` is any number."""
    assert "ratelimit" not in shared_client().get("/v1/areas").headers


def test_a_credential_counts_for_itself_from_the_first_good_answer_on(monkeypatch):
    """Through the whole service, whoever it is that tells who asks."""
    client = client_of(shared_store(), rate_per_minute=2)
    identity = Identity("key:abc", Role.DASHBOARD, None, frozenset())

    @client.app.get("/who")
    def who(request: Request) -> str:
        if request.headers["authorization"] == "Bearer good":
            request.state.identity = identity
        return "x"

    assert client.get("/who", authorization="Bearer good").status_code == 200  # counts for the address
    assert [client.get("/who", authorization=f"Bearer bad{n}").status_code for n in range(3)] == [200, 429, 429]
    assert [client.get("/who", authorization="Bearer good").status_code for _ in range(3)] == [200, 200, 429]
    client.close()
