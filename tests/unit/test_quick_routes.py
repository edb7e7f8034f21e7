"""Quick routes answer as the described ones do, and what makes them quick changes no number and no byte."""

from __future__ import annotations

import asyncio
import json

import httpx
import numpy as np
import pytest
from pydantic_core import to_json

from models.one_risk import _Lines
from service.app import create_app
from service.language import words_of
from service.online.scorer import CaseTold, OneTold
from service.routers.risk import _case, plain_case
from service.server import _Together
from tests.support.online_city import shared_city

WORDS = words_of("en")


@pytest.fixture(scope="module")
def app():
    made = create_app(shared_city().settings)
    made.state.models.wait()
    yield made
    for close in reversed(made.state.closers):
        close()


def ask(app, method: str, path: str, content: bytes | None = None, **headers: str) -> httpx.Response:
    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000", timeout=60) as client:
            return await client.request(method, path, content=content, headers=headers)

    return asyncio.run(send())


def told_of(answer: httpx.Response) -> tuple[int, dict[str, str], object]:
    """What both ways must agree on: not the number of the request and of the problem."""
    headers = {name: value for name, value in answer.headers.items() if name != "x-request-id"}
    body = answer.json() if answer.content else None
    if isinstance(body, dict) and body.pop("instance", None):
        headers.pop("content-length")
    return answer.status_code, headers, body


def body_of(city) -> bytes:
    case = next(iter(city.posted().values()))
    return json.dumps({"cases": [case]}).encode()


@pytest.mark.parametrize("path", ["/v1/areas", "/v1/offices", "/v1/signals"])
def test_what_is_polled_is_the_same_both_ways(app, path):
    quick, described = ask(app, "GET", path), ask(app, "GET", f"{path}?lang=en")
    assert told_of(quick) == told_of(described)
    assert quick.status_code == 200
    again = [ask(app, "GET", way, **{"If-None-Match": quick.headers["etag"]}) for way in (path, f"{path}?lang=en")]
    assert [answer.status_code for answer in again] == [304, 304]


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (None, "application/json", 200),
        (b'{"cases": []}', "application/json", 422),
        (b'{"cases": [{"events": [{"kind": "closed", "at": "2026-03-02T10:15:00+08:00"}]}]}', "application/json", 422),
        (b'{"cases": 1, "cases": 2}', "application/json", 422),
        (b"{}", "text/plain", 415),
    ],
)
def test_a_posted_case_is_answered_the_same_both_ways(app, content, kind, status):
    """Errors too: the same problem, of the same places."""
    content = body_of(shared_city()) if content is None else content
    ways = [ask(app, "POST", f"/v1/risk{query}", content, **{"Content-Type": kind}) for query in ("", "?lang=en")]
    assert told_of(ways[0]) == told_of(ways[1])
    assert ways[0].status_code == status


def test_an_error_of_another_kind_is_told_as_a_problem(app, monkeypatch):
    """As everywhere: without its message, which may quote a case."""

    def fails(*_given):
        raise ValueError("Zhang San")

    monkeypatch.setattr("service.routers.risk.read", fails)
    answer = ask(app, "POST", "/v1/risk", body_of(shared_city()), **{"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["type"]) == (500, "urn:heed:problem:internal")
    assert "Zhang" not in answer.text


def test_the_short_way_to_json_writes_the_same_bytes():
    """For every probability that can be told, and for a case that has none."""
    shares = [number / 10_000 for number in range(10_001)] + np.random.default_rng(0).random(2_000).tolist()
    shares += [5e-5, 0.00015, 0.12345, 1 - 1e-17, 1e-300]
    # Around the middle between two numbers of four decimals, on both sides by a bit and by a little more.
    middles = (np.arange(10_000) + 0.5) / 10_000
    shares += [*np.nextafter(middles, 0).tolist(), *middles.tolist(), *np.nextafter(middles, 1).tolist()]
    shares += [*(middles - 1e-7).tolist(), *(middles + 1e-7).tolist()]
    for share in shares:
        case = CaseTold("open", (OneTold("late", share, share / 3, min(1.0, 2 * share), "low"),))
        assert plain_case(case) == to_json(_case(case, WORDS))
    assert plain_case(CaseTold("closed", ())) == to_json(_case(CaseTold("closed", ()), WORDS))


@pytest.mark.parametrize("seed", range(5))
def test_a_line_is_read_as_numpy_reads_it(seed):
    rng = np.random.default_rng(seed)
    grid, values = np.sort(rng.normal(0, 4, 60)), rng.normal(0, 2, 60)
    other = rng.normal(0, 2, 60)
    lines = _Lines(grid, values, other)
    places = [*grid.tolist(), *rng.uniform(grid[0], grid[-1], 2_000).tolist()]
    for number, line in enumerate((values, other)):
        assert [lines.at(place)[number] for place in places] == [float(np.interp(at, grid, line)) for at in places]
    assert np.isnan(lines.at(float("nan"))).all()
    assert _Lines(grid[:1], values[:1], other[:1]).at(float(grid[0])) == (values[0], other[0])


class Wire:
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        assert not self.closed
        self.written.append(data)

    def close(self) -> None:
        self.closed = True

    def get_extra_info(self, name: str) -> str:
        return name


def test_a_head_goes_with_the_first_part_of_its_body():
    wire = Wire()
    sent = _Together(wire)
    for part in (b"HTTP/1.1 200 OK\r\n\r\n", b"body", b"more", b"HTTP/1.1 304 Not Modified\r\n\r\n", b""):
        sent.write(part)
    assert sent.get_extra_info("peername") == "peername"
    assert wire.written == [b"HTTP/1.1 200 OK\r\n\r\nbody", b"more", b"HTTP/1.1 304 Not Modified\r\n\r\n"]


def test_no_head_is_kept_beyond_the_end_or_before_the_body_was_asked_for():
    wire = Wire()
    sent = _Together(wire)
    sent.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert wire.written == [b"HTTP/1.1 100 Continue\r\n\r\n"]
    sent.write(b"HTTP/1.1 200 OK\r\n\r\n")
    sent.close()
    assert (wire.written[1:], wire.closed) == ([b"HTTP/1.1 200 OK\r\n\r\n"], True)


def test_which_routes_have_a_quick_way(app):
    names = {route.described.operation_id for route in app.state.quick.values()}
    assert names == {"listAreas", "listOffices", "listSignals", "scoreRisk"}
