"""Pages go packed to whoever takes them so, and say the same."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest

import service.dashboard
from service.packing import lean_style, packed
from tests.support.service_client import shared_client

PAGE = {"accept": "text/html"}


@pytest.mark.parametrize("address", ["/cases", "/areas", "/signals", "/areas/A-02"])
def test_a_page_says_the_same_packed_and_plain(address):
    """And a fraction of its size; the tag of the packed one is weak, and either is known again."""
    client = shared_client()
    plain = client.get(address, accept_encoding="identity", **PAGE)
    small = client.get(address, accept_encoding="br;q=1, gzip;q=0.5", **PAGE)
    assert "content-encoding" not in plain.headers
    assert small.headers["content-encoding"] == "gzip"
    assert small.content == plain.content
    assert int(small.headers["content-length"]) < len(plain.content) / 2.5
    assert small.headers["etag"] == f"W/{plain.headers['etag']}"
    assert "Accept-Encoding" in small.headers["vary"]
    assert "Accept-Encoding" in plain.headers["vary"]
    for tag in (plain.headers["etag"], small.headers["etag"]):
        assert client.get(address, if_none_match=tag, accept_encoding="gzip", **PAGE).status_code == 304


REFUSALS = [
    "",
    "identity",
    "br",
    "gzip;q=0",
    "gzip; q=0.0, br",
    "GZIP;Q=0.000",
    "gzip ; q = 0;x=1",
    "gzip;q=0, *",
    "*;q=0",
]


@pytest.mark.parametrize("address", ["/boundary", "/static/heed.css"])
@pytest.mark.parametrize("accepted", REFUSALS)
def test_whoever_does_not_take_it_packed_gets_it_plain(accepted, address):
    """A refusal by weight is one, for pages and for their files; what is named counts before the star."""
    answer = shared_client().get(address, accept_encoding=accepted, **PAGE)
    assert answer.status_code == 200
    assert "content-encoding" not in answer.headers
    assert "Accept-Encoding" in answer.headers["vary"]


@pytest.mark.parametrize(
    "accepted", ["gzip", "x-gzip", "br, gzip;q=0.001", "*", "br;q=1, *;q=0.1", "identity;q=0, gzip"]
)
def test_whoever_takes_it_packed_gets_it_so(accepted):
    """However little they like it."""
    answer = shared_client().get("/static/heed.css", accept_encoding=accepted)
    assert answer.headers["content-encoding"] == "gzip"


def test_files_of_the_pages_say_the_same_in_fewer_letters():
    """A style sheet has its rules and no comments; a script its statements; either is known again by its tag."""
    client = shared_client()
    written = Path(service.dashboard.__file__).parent / "static"
    for name in ("heed.css", "keys.js"):
        answer = client.get(f"/static/{name}", accept_encoding="identity")
        text = (written / name).read_text("utf-8")
        assert len(answer.content) < 0.9 * len(text.encode())
        bare = re.sub(r"^\s*//.*$", "", re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL), flags=re.MULTILINE)
        assert answer.text.count("{") == bare.count("{") > 10
        assert "/*" not in answer.text
        assert client.get(f"/static/{name}", if_none_match=answer.headers["etag"]).status_code == 304
        head = client.request("HEAD", f"/static/{name}", accept_encoding="identity")
        assert (head.content, head.headers["content-length"]) == (b"", str(len(answer.content)))


def test_a_lean_style_sheet_means_what_it_meant():
    """Blanks that separate stay: those of selectors, of sums and of strings."""
    rules = """/* told */ .a > b , .c :is(d) {\n  width: calc(1px + 2px) ;\n  content: "← " / "" ;\n}
    @media (min-width: 2rem) and (hover) { .a { color: red; } }"""
    assert lean_style(rules) == (
        '.a > b,.c :is(d){width:calc(1px + 2px);content:"← " / ""}@media (min-width:2rem) and (hover){.a{color:red}}'
    )


def test_the_answers_of_the_api_stay_as_they_are():
    """They are polled, under a strong tag."""
    answer = shared_client().get("/v1/areas", accept_encoding="gzip")
    assert "content-encoding" not in answer.headers
    assert answer.headers["etag"].startswith('"')
    assert "Accept-Encoding" not in answer.headers["vary"]


def test_the_style_sheet_goes_packed_and_is_the_same_bytes():
    """As every file of the pages."""
    client = shared_client()
    plain, small = (client.get("/static/heed.css", accept_encoding=each) for each in ("identity", "gzip"))
    assert small.headers["content-encoding"] == "gzip"
    assert small.content == plain.content
    assert packed(plain.content) == packed(plain.content)
    assert gzip.decompress(packed(plain.content)) == plain.content
