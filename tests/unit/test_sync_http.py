"""Requests to a portal: every wait is bounded, nothing broken is believed, nothing secret is said."""

from __future__ import annotations

import gzip
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from data.errors import FileFormatError, InputError, MappingError
from data.sources.answers import BrokenAnswerError, json_of, unpack
from data.sources.http import Http, Limits, retry_after
from tests.support import portals
from tests.support.portals import SocrataPortal, row, status
from tests.support.sync_runs import HASTY, QUICK

PATH = "/api/views/abcd-1234.json"


@pytest.fixture
def portal():
    server = SocrataPortal(rows=[row(1)], columns={"number": "text"})
    with server.serving():
        yield server


def ask(portal: SocrataPortal, *, limits: Limits = QUICK, waits: list[float] | None = None, **options):
    waited = [] if waits is None else waits
    with Http(portal.url, limits=limits, sleep=waited.append, **options) as http:
        return http.get(PATH, json_of)


def test_what_is_whole_is_read_packed_or_not(portal):
    """JSON comes through, with heed's own name in the request."""
    assert ask(portal)["id"] == "abcd-1234"
    assert portal.headers[-1]["user-agent"].startswith("heed")


@pytest.mark.parametrize(
    "fault",
    [
        portals.half,
        portals.half_that_claims_to_be_whole,
        portals.longer_than_it_is,
        portals.page_of_html,
        portals.unknown_charset,
        portals.silence,
        status(500),
        status(503),
        status(202),
        status(429),
    ],
)
def test_one_fault_is_survived(portal, fault):
    """What can pass is tried again, and the second answer is the right one."""
    portal.faults.append(fault)
    waits: list[float] = []
    limits = replace(QUICK, read=0.3) if fault is portals.silence else QUICK
    assert ask(portal, waits=waits, limits=limits)["id"] == "abcd-1234"
    assert len(waits) == 1
    assert len(portal.asked) == 2


@pytest.mark.parametrize(
    ("fault", "kind", "said"),
    [
        (
            portals.half,
            InputError,
            "the connection broke in the middle of the answer, after 3 tries and 0 s of waiting",
        ),
        (portals.half_that_claims_to_be_whole, FileFormatError, "its JSON does not end or is damaged"),
        (portals.longer_than_it_is, InputError, "the connection broke in the middle"),
        (portals.page_of_html, FileFormatError, "it is a web page or XML, where JSON was expected"),
        (portals.unknown_charset, FileFormatError, "it declares an encoding that no portal should use"),
        (portals.silence, InputError, "the portal did not answer in time"),
        (portals.drip, InputError, "the answer came too slowly"),
        (portals.drip_of_headers, InputError, "the answer came too slowly"),
        (portals.gzip_bomb, FileFormatError, "it is larger than 2 MB"),
        (status(503), InputError, "the portal answers HTTP 503, after 3 tries"),
        (status(429, Retry_After="1"), InputError, "the portal answers HTTP 429"),
    ],
)
def test_a_fault_without_end_is_bounded(portal, fault, kind, said):
    """After the last try the message says what came and what to do, and nothing of the content."""
    portal.always = fault
    limits = HASTY if fault in (portals.silence, portals.drip, portals.drip_of_headers) else QUICK
    with pytest.raises(kind) as info:
        ask(portal, limits=limits)
    message = str(info.value)
    assert said in message
    assert message.startswith("127.0.0.1/api/views/abcd-1234.json: ")
    assert "secret row content" not in message
    assert len(portal.asked) == limits.attempts


def test_a_charset_that_does_not_hold_is_no_text(portal):
    """Bytes that are not in the declared encoding are not read as another."""
    portal.columns = {"Street": "text"}
    portal.always = portals.wrong_charset
    with pytest.raises(FileFormatError, match="its text is not in utf-8"):
        ask(portal)


def test_retry_after_is_heeded_in_seconds_and_as_a_date_and_capped(portal):
    """The portal's own wish comes first, up to the longest wait."""
    soon = datetime.now(UTC) + timedelta(seconds=4)
    portal.faults.extend(
        [
            status(429, Retry_After="3"),
            status(503, Retry_After=soon.strftime("%a, %d %b %Y %H:%M:%S GMT")),
            status(429, Retry_After="86400"),
        ]
    )
    waits: list[float] = []
    limits = Limits(attempts=5, budget=100, first_wait=0.01, longest_wait=5)
    ask(portal, limits=limits, waits=waits)
    assert 3 <= waits[0] < 3.5
    assert 2 <= waits[1] <= 4.5
    assert waits[2] == 5


def test_the_budget_of_waiting_is_kept(portal):
    """A wait that would exceed the budget of the whole sync ends the tries."""
    portal.always = status(429, Retry_After="4")
    waits: list[float] = []
    with pytest.raises(InputError, match="after 3 tries"):
        ask(portal, limits=Limits(attempts=50, budget=10, first_wait=0.01, longest_wait=5), waits=waits)
    assert sum(waits) <= 10


def test_waits_grow_and_differ(portal):
    """Without a wish of the portal the waits grow, and no two callers wait alike."""
    portal.always = status(503)
    limits = Limits(attempts=6, budget=1000, first_wait=1, longest_wait=100)
    first, second = [], []
    for waits in (first, second):
        with pytest.raises(InputError):
            ask(portal, limits=limits, waits=waits)
    assert all(later > earlier for earlier, later in zip(first, first[2:], strict=False))
    assert first != second


@pytest.mark.parametrize(
    ("code", "kind", "said"),
    [
        (400, MappingError, "a column may be gone or have another name"),
        (401, InputError, "it may want a key. None was given: set HEED_TOKEN in the environment"),
        (403, InputError, "it may want a key"),
        (404, InputError, "Mend url and dataset in \\[sync\\]"),
        (451, InputError, "the portal refuses"),
    ],
)
def test_a_refusal_is_not_tried_again(portal, code, kind, said):
    """What will not pass is told at once, with what to do."""
    portal.always = status(code)
    with pytest.raises(kind, match=said):
        ask(portal, secret_env="HEED_TOKEN")
    assert len(portal.asked) == 1


def test_a_redirect_on_the_same_host_is_followed(portal):
    """A portal may move things about on its own host."""
    portal.faults.append(portals.redirect(PATH + "?again=1"))
    assert ask(portal)["id"] == "abcd-1234"
    assert portal.asked[-1].endswith("?again=1")


def test_a_redirect_elsewhere_without_https_is_refused(portal):
    """Nothing is sent to another host in the clear, the key least of all."""
    other = SocrataPortal(columns={"number": "text"})
    with other.serving():
        portal.always = portals.redirect(other.url.replace("127.0.0.1", "localhost") + PATH)
        with pytest.raises(InputError, match="redirects to an address that is neither https nor on the same host"):
            ask(portal, secret=("X-App-Token", "very-secret"))
        assert other.asked == []


def test_the_key_goes_to_the_portal_only(portal):
    """A redirect to another port of the same host is another portal: it gets no key."""
    other = SocrataPortal(columns={"number": "text"})
    with other.serving():
        portal.faults.append(portals.redirect(other.url + PATH))
        ask(portal, secret=("X-App-Token", "very-secret"))
        assert portal.headers[-1]["x-app-token"] == "very-secret"
        assert "x-app-token" not in other.headers[-1]


def test_a_portal_that_was_too_slow_once_is_asked_again(portal):
    """Hanging up on it does not end the sync."""
    portal.faults.append(portals.drip_of_headers)
    assert ask(portal, limits=replace(QUICK, answer=0.3))["id"] == "abcd-1234"


def test_redirects_end(portal):
    """A circle of redirects is noticed."""
    portal.always = portals.redirect(PATH)
    with pytest.raises(InputError, match="redirects without end"):
        ask(portal)


def test_no_message_shows_the_key_or_the_query(portal):
    """Neither the secret nor what was asked for reaches a message."""
    portal.always = status(403)
    with (
        Http(portal.url, secret=("X-App-Token", "very-secret"), limits=QUICK) as http,
        pytest.raises(InputError) as info,
    ):
        http.get(PATH, json_of, {"$where": "village = 'North'"})
    assert "very-secret" not in str(info.value)
    assert "North" not in str(info.value)
    assert "The one given is not accepted" in str(info.value)


def test_nobody_there(portal):
    """A port on which nothing listens is told as such."""
    url = portal.url
    with (
        Http(url.rsplit(":", 1)[0] + ":1", limits=QUICK, sleep=lambda _s: None) as http,
        pytest.raises(InputError, match="the portal cannot be reached"),
    ):
        http.get(PATH, json_of)


def test_a_proxy_of_the_settings_is_used(portal):
    """The request goes to the proxy, which sees the whole address."""
    proxy = SocrataPortal(columns={"number": "text"})
    with proxy.serving():
        with Http("http://portal.invalid", limits=QUICK, proxy=proxy.url, sleep=lambda _s: None) as http:
            http.get(PATH, lambda answer: answer.content)
        assert proxy.asked == [f"http://portal.invalid{PATH}"]


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("120", 120.0),
        ("Fri, 15 Mar 2024 00:01:00 GMT", 60.0),
        ("Thu, 14 Mar 2024 00:00:00 GMT", 0.0),
        ("soon", None),
        ("-5", None),
    ],
)
def test_retry_after_in_every_form(header, seconds):
    """Seconds, a date, one in the past, and nonsense."""
    assert retry_after(header, datetime(2024, 3, 15, tzinfo=UTC)) == seconds


def test_damaged_packing_is_no_content():
    """Bytes that are not gzip, and gzip that is cut off."""
    with pytest.raises(BrokenAnswerError, match="damaged"):
        unpack(iter([b"not gzip at all"]), "gzip", 1000, lambda: None)
    with pytest.raises(BrokenAnswerError, match="cut off"):
        unpack(iter([gzip.compress(b"a" * 1000)[:-9]]), "gzip", 2000, lambda: None)
    with pytest.raises(BrokenAnswerError, match="not asked for"):
        unpack(iter([b""]), "br", 1000, lambda: None)
