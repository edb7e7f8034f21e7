"""Pages go packed to whoever takes them so, and say the same."""

from __future__ import annotations

import gzip

import pytest

from service.packing import packed
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


@pytest.mark.parametrize("accepted", ["", "identity", "br", "gzip;q=0", "gzip; q=0.0, br"])
def test_whoever_does_not_take_it_packed_gets_it_plain(accepted):
    """A refusal by weight is one."""
    assert "content-encoding" not in shared_client().get("/areas", accept_encoding=accepted, **PAGE).headers


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
