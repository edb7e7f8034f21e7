"""Every error as a problem of RFC 9457 that says what was expected and repeats nothing."""

from __future__ import annotations

import logging
import re

import pytest

from data.errors import BoundaryError, HeedError, NotEnoughDataError
from service.routers import cases
from tests.support.page_tree import page_tree
from tests.support.service_client import client_of, shared_client
from tests.support.service_store import small_store

SECRET = "Zhang-San-13800138000"


@pytest.fixture
def client():
    """The service on a store that only reads."""
    return shared_client()


def _problem(answer) -> dict:
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert {"type", "title", "status", "detail", "instance"} <= set(body)
    assert body["status"] == answer.status_code
    assert body["type"].startswith("urn:heed:problem:")
    assert body["instance"].startswith("urn:uuid:")
    assert SECRET not in answer.text
    return body


@pytest.mark.parametrize(
    ("method", "address", "status", "type_"),
    [
        ("GET", f"/v1/{SECRET}", 404, "not-found"),
        ("GET", f"/{SECRET}", 404, "not-found"),
        ("GET", f"/v1/cases/{SECRET}", 404, "not-found"),
        ("GET", f"/v1/areas/{SECRET}", 404, "not-found"),
        ("GET", f"/charts/areas/{SECRET}/signals.svg", 404, "not-found"),
        ("GET", f"/static/{SECRET}.css", 404, "not-found"),
        ("GET", "/static/../app.py", 404, "not-found"),
        ("GET", "/v1/cases/", 404, "not-found"),
        ("POST", "/v1/cases", 405, "method-not-allowed"),
        ("DELETE", f"/v1/areas/{SECRET}", 405, "method-not-allowed"),
        ("GET", f"/v1/cases?limit={SECRET}", 422, "invalid-request"),
        ("GET", f"/v1/cases?band={SECRET}", 422, "invalid-request"),
        ("GET", f"/v1/cases?{SECRET}=1", 422, "invalid-request"),
        ("GET", f"/v1/areas?lang={SECRET}", 422, "invalid-request"),
        ("GET", f"/v1/cases?cursor={SECRET}", 400, "usage"),
        ("GET", f"/v1/cases/{'x' * 99}", 422, "invalid-request"),
    ],
)
def test_every_kind_of_error_is_a_problem_without_a_value_of_the_request(client, method, address, status, type_):
    """The router's, the validation's and our own errors have one shape, and none of them quotes."""
    answer = client.request(method, address)
    assert answer.status_code == status
    assert _problem(answer)["type"] == f"urn:heed:problem:{type_}"


def test_a_method_that_is_not_taken_is_answered_with_those_that_are(client):
    """RFC 9110 asks for the header Allow with 405."""
    assert client.request("PUT", "/v1/areas").headers["allow"] == "GET, HEAD, OPTIONS"


@pytest.mark.parametrize(
    ("query", "name", "expected"),
    [
        ("limit=x", "limit", "a whole number"),
        ("limit=0", "limit", "at least 1"),
        ("limit=201", "limit", "at most 200"),
        ("band=red", "band", "one of 'low', 'medium', 'high'"),
        ("order=place", "order", "one of 'risk', 'due'"),
        (f"office={'x' * 161}", "office", "at most 160 characters"),
        ("colour=red", None, "only parameters that this address knows; its description lists them"),
    ],
)
def test_a_wrong_parameter_is_named_with_what_was_expected(client, query, name, expected):
    """The caller learns which parameter to mend, and how."""
    problem = _problem(client.get(f"/v1/cases?{query}"))
    assert problem["errors"] == [{"in": "query", "name": name, "expected": expected}]
    assert problem["detail"] == f"{name or 'unknown parameter'}: {expected}"


def test_problems_speak_the_language_asked_for(client):
    """An error is read by the same people as the rest."""
    problem = _problem(client.get("/v1/cases?limit=0", accept_language="zh"))
    assert problem["title"] == "请求不符合要求"
    assert problem["errors"][0]["expected"] == "不小于1"


@pytest.mark.parametrize(
    ("error", "status", "type_"),
    [
        (HeedError("a message"), 500, "heed"),
        (NotEnoughDataError("a message"), 409, "not-enough-data"),
        (BoundaryError("a message"), 403, "boundary"),
    ],
)
def test_an_error_of_ours_keeps_its_status_and_its_message(client, monkeypatch, error, status, type_):
    """The error tree says once how each error is told to a program."""
    monkeypatch.setattr(cases, "page_of_cases", _raising(error))
    answer = client.get("/v1/cases")
    assert answer.status_code == status
    problem = _problem(answer)
    assert (problem["type"], problem["detail"]) == (f"urn:heed:problem:{type_}", "a message")


def _raising(error: Exception):
    def fail(*_args: object, **_kwargs: object) -> None:
        raise error

    return fail


def test_an_unforeseen_error_tells_its_place_to_the_log_and_its_message_to_nobody(client, monkeypatch, caplog):
    """The message of an unforeseen error may hold anything, a value from a case included."""
    monkeypatch.setattr(cases, "page_of_cases", _raising(KeyError(SECRET)))
    with caplog.at_level(logging.ERROR, logger="heed.service"):
        problem = _problem(client.get("/v1/cases"))
    assert problem["status"] == 500
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert problem["instance"] in caplog.text
    assert "KeyError at" in caplog.text
    assert SECRET not in caplog.text


def test_what_is_wrong_with_a_store_is_for_whoever_sits_at_the_machine(tmp_path, caplog):
    """The log says which file it is and what to do; an answer names no file and repeats no word of the database."""
    path = small_store(tmp_path)
    path.write_bytes(b"this is no database at all" * 100)
    client = client_of(path)
    problem = _problem(client.get("/v1/cases"))
    assert problem["status"] == 503
    assert problem["detail"] == "It cannot be read or written just now. The log of the service says why."
    assert "The file is not a store of heed, or is damaged" in caplog.text
    client.close()


def test_a_reader_of_pages_gets_a_page_and_a_program_gets_json(client):
    """The API never answers with HTML; a page that is not there is a page."""
    page = client.get("/cases/none?lang=zh", accept="text/html,*/*")
    assert page.status_code == 404
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "最近一次评估中没有此编号的在办案件。" in page.text
    assert page.headers["cache-control"] == "no-store"
    _problem(client.get("/v1/cases/none", accept="text/html,*/*"))
    _problem(client.get("/cases/none"))


def test_a_page_of_a_problem_leads_on(client, tmp_path):
    """Told when to come again instead of which header says so; to the same page where that may help; and, whatever the
    address asked for, to no other host.
    """
    busy = client_of(small_store(tmp_path), rate_per_minute=1)
    busy.get("/boundary")
    page = page_tree(busy.get("/boundary?lang=en", accept="text/html").text).find("main")
    # A minute, less what the first page took.
    assert re.fullmatch(r"Wait (60|[1-5]\d) seconds, then open the page again\.", page.all("p")[1].text)
    assert "Retry-After" not in page.text
    assert [link.attributes["href"] for link in page.all("a")][:2] == ["", "/cases?lang=en"]
    busy.close()
    page = page_tree(client.get("//heed.example/x?lang=en", accept="text/html").text)
    links = [link.attributes["href"] for link in page.all("a")]
    assert links
    assert "" not in links
    assert [link for link in links if link.startswith("//") or "heed.example" in link] == []


@pytest.mark.parametrize("host", ["heed.example", "127.0.0.1.heed.example", "heed.example:8000", ""])
def test_a_name_that_someone_else_pointed_at_this_machine_is_not_answered(client, host):
    """A page on the internet must not read cases through a name of its own."""
    answer = client.get("/v1/cases", host=host)
    assert answer.status_code == 421
    assert _problem(answer)["type"] == "urn:heed:problem:misdirected-request"


@pytest.mark.parametrize("host", ["localhost", "localhost:8123", "127.0.0.1:1", "[::1]:8000", "[::1]", "LOCALHOST"])
def test_the_names_of_this_machine_are_answered(client, host):
    """A tunnel brings another port with it."""
    assert client.get("/health/live", host=host).status_code == 200


@pytest.mark.parametrize("address", ["/v1/areas", "/cases", "/static/heed.css", "/nothing", "/v1/cases?limit=0"])
def test_every_answer_has_the_safe_headers(client, address):
    """Pages, data, files and errors alike."""
    headers = client.get(address).headers
    assert headers["content-security-policy"].startswith("default-src 'self';")
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-resource-policy"] == "same-origin"
