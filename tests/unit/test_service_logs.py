"""One line per request, and in no line anything of a case or of an asker."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import sys

import httpx
import pytest
from pydantic import BaseModel

from service import logs
from service.app import create_app
from service.logs import configure, request_id
from service.routers import areas, cases
from service.settings import Settings
from tests.support.service_client import shared_client
from tests.support.service_store import shared_store

CANARY = "Zhang-San-13800138000"


@pytest.fixture
def log():
    """All that is logged, as JSON from the lowest level on; everything is as it was afterwards."""
    root, access = logging.getLogger(), logging.getLogger("uvicorn.access")
    before = (root.handlers[:], root.level, access.disabled)
    current, level = logs._Handler.current, logging.getLogger("uvicorn").level
    flags = (logging.logThreads, logging.logProcesses, logging.logMultiprocessing)
    stream = io.StringIO()
    configure(Settings(log_format="json", log_level="debug"), stream)
    yield stream
    root.handlers[:], access.disabled = before[0], before[2]
    root.setLevel(before[1])
    logs._Handler.current = current
    logging.getLogger("uvicorn").setLevel(level)
    logging.logThreads, logging.logProcesses, logging.logMultiprocessing = flags


def _lines(stream: io.StringIO, logger: str = "heed.request") -> list[dict]:
    return [line for line in map(json.loads, stream.getvalue().splitlines()) if line["logger"] == logger]


def test_a_request_is_one_line_that_tells_the_route_and_not_the_address(log):
    """Addresses hold ids of cases."""
    client = shared_client()
    case_id = client.json("/v1/cases?limit=1")["cases"][0]["id"]
    answer = client.get(f"/v1/cases/{case_id}?lang=zh")
    line = _lines(log)[-1]
    assert (line["method"], line["route"], line["status"]) == ("GET", "/v1/cases/{case_id}", 200)
    assert line["bytes"] == len(answer.content)
    assert line["role"] == "admin"
    assert line["ms"] > 0
    assert line["request_id"] == answer.headers["x-request-id"]
    assert len(_lines(log)) == 2
    assert case_id not in log.getvalue()


def test_nothing_that_an_asker_sends_is_ever_logged(log):
    """A canary in the path, the query, every header, the method and the body, with answers of every class."""
    client = shared_client()
    headers = dict.fromkeys(
        ["user_agent", "referer", "authorization", "cookie", "x_forwarded_for", "accept_language", "x_request_id"],
        f"{CANARY} {CANARY}",
    )
    asked = [
        ("GET", f"/v1/cases/{CANARY}"),
        ("GET", f"/v1/cases?office={CANARY}&band={CANARY}"),
        ("GET", f"/{CANARY}/{CANARY}?{CANARY}={CANARY}"),
        ("GET", f"/static/{CANARY}"),
        ("GET", f"/v1/areas/{CANARY}"),
        ("GET", f"/cases/{CANARY}"),
        (CANARY.replace("-", ""), "/v1/cases"),
        ("DELETE", f"/v1/cases/{CANARY}"),
        ("OPTIONS", f"/v1/cases/{CANARY}"),
        ("HEAD", f"/v1/cases/{CANARY}"),
    ]
    for method, address in asked:
        client.request(method, address, **headers)
    client.get("/v1/areas", host=CANARY)
    assert len(_lines(log)) == len(asked) + 1
    assert {line["status"] // 100 for line in _lines(log)} == {2, 4}
    assert CANARY not in log.getvalue()
    assert CANARY.replace("-", "") not in log.getvalue()


def test_a_body_is_never_logged_however_wrong_it_is(log):
    """A body that is no JSON, one with an unknown field, one that is too large."""

    class Posted(BaseModel, extra="forbid"):
        number: int

    app = create_app(Settings(store_url=str(shared_store()), max_body_bytes=2048))

    @app.post("/posted")
    def posted(body: Posted) -> int:
        return body.number

    async def post(body: str) -> int:
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as client:
            answer = await client.post("/posted", content=body, headers={"Content-Type": "application/json"})
            assert CANARY not in answer.text
            return answer.status_code

    bodies = [f'{{"{CANARY}": 1}}', f'{{"number": "{CANARY}"}}', f"{CANARY}", f'{{"a": "{CANARY}", "a": 1}}']
    assert [asyncio.run(post(body)) for body in bodies] == [422] * 4
    assert asyncio.run(post(json.dumps({"number": CANARY * 200}))) == 413
    assert len(_lines(log)) == 5
    assert CANARY not in log.getvalue()
    app.state.reads.close()


def test_an_unforeseen_error_is_logged_by_its_kind_and_its_place(log, monkeypatch):
    """Its message may hold anything; the line of the request bears the same number as the answer."""

    def fail(*_args: object, **_kwargs: object) -> None:
        raise KeyError(CANARY)

    monkeypatch.setattr(cases, "page_of_cases", fail)
    answer = shared_client().get("/v1/cases")
    assert answer.status_code == 500
    request = _lines(log)[-1]
    assert (request["problem"], request["instance"]) == ("urn:heed:problem:internal", answer.json()["instance"])
    error = _lines(log, "heed.service")[-1]
    assert "KeyError at" in error["event"]
    assert error["request_id"] == request["request_id"]
    assert CANARY not in log.getvalue()


def test_words_of_libraries_are_left_out_and_ours_are_kept(log):
    """A database driver may quote a row in its message, and an exception in its text."""
    try:
        raise ValueError(CANARY)
    except ValueError:
        logging.getLogger("sqlalchemy.engine").exception("row %s", CANARY)
        logging.getLogger("asyncio").error(f"Task exception was never retrieved: {CANARY}", exc_info=sys.exc_info())
        logging.getLogger("heed.worker").exception("the job failed")
    logging.getLogger("sqlalchemy.engine").info(CANARY)
    told = [json.loads(line) for line in log.getvalue().splitlines()]
    assert [line["event"] for line in told] == ["a library has said something"] * 2 + ["the job failed"]
    assert [line["error"] for line in told] == ["ValueError"] * 3
    assert all("test_service_logs.py:" in line["places"] for line in told)
    assert CANARY not in log.getvalue()


def test_a_line_that_is_written_during_a_request_bears_its_id(log, monkeypatch):
    """Also from the thread that a plain function runs in."""
    found = areas.found

    def noted(*args: object) -> object:
        logging.getLogger("heed.test").info("noted")
        return found(*args)

    monkeypatch.setattr(areas, "found", noted)
    shared_client().get("/v1/areas/A-02", x_request_id="from-the-desk.7_b")
    assert _lines(log, "heed.test")[-1]["request_id"] == "from-the-desk.7_b"
    logging.getLogger("heed.test").info("afterwards")
    assert "request_id" not in _lines(log, "heed.test")[-1]


@pytest.mark.parametrize("came", ["", "a b", "x" * 65, "é", "a\tb", "{id}", "a/b"])
def test_an_id_that_could_carry_anything_is_replaced(came):
    """Only short words of letters, digits, dots, dashes and underscores are taken over."""
    made = request_id(came.encode())
    assert made != came
    assert request_id(made.encode()) == made


def test_ids_are_taken_over_echoed_and_differ():
    """A proxy's id can be followed through; without one every request has its own."""
    client = shared_client()
    assert client.get("/health/live", x_request_id="proxy-1").headers["x-request-id"] == "proxy-1"
    made = {client.get("/health/live").headers["x-request-id"] for _ in range(3)}
    assert len(made) == 3


def test_looks_at_the_health_are_only_logged_for_those_who_want_every_line(log):
    """They come every few seconds and would hide the rest."""
    client = shared_client()
    client.get("/health/live")
    assert _lines(log)[-1]["level"] == "debug"
    client.get("/health/nothing")
    assert _lines(log)[-1]["level"] == "info"


def test_the_servers_own_access_log_is_silent_and_its_errors_are_not(log):
    """Its access lines hold addresses."""
    logging.getLogger("uvicorn.access").info("%s", CANARY)
    logging.getLogger("uvicorn.error").info("Started server process")
    assert [line["event"] for line in map(json.loads, log.getvalue().splitlines())] == ["Started server process"]


def test_a_level_that_an_earlier_server_left_does_not_hide_lines(log):
    """One in the same process may have asked for warnings only."""
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    configure(Settings(log_level="debug"))
    assert logging.getLogger("uvicorn.error").isEnabledFor(logging.INFO)


def test_a_reader_of_the_log_that_has_gone_is_no_reason_to_answer_nobody(log):
    """A pipe that nobody reads breaks with the next line."""

    class Broken(io.StringIO):
        def write(self, _text: str) -> int:
            raise BrokenPipeError

    configure(Settings(), Broken())
    assert shared_client().get("/v1/areas").status_code == 200


def test_without_a_configured_log_nothing_is_written(log, capsys):
    """Tests and commands that only look into the service are not told of requests."""
    logs._Handler.current = None
    assert shared_client().get("/v1/areas").status_code == 200
    assert capsys.readouterr() == ("", "")
    assert _lines(log) == []


def test_the_console_format_is_for_people(log):
    """One readable line, with the same fields."""
    stream = io.StringIO()
    configure(Settings(log_format="console", log_level="info"), stream)
    shared_client().get("/v1/areas/A-02")
    assert "route=/v1/areas/{area}" in stream.getvalue()
    assert "\x1b" not in stream.getvalue()
    logging.getLogger("heed.test").debug("too quiet")
    assert "too quiet" not in stream.getvalue()
