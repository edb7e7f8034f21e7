"""Signing in to the pages: a session that no script reads, no other site uses, and that ends with its key."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import httpx
import jwt
import pytest

from data.store import Store
from service.app import create_app
from service.auth import sessions
from service.auth.attempts import PER_MINUTE, Attempts
from service.auth.key_ring import KeyRing
from service.auth.keys import add_key, revoke_key
from service.dashboard.sign_in import _local
from service.identity import Role
from service.settings import Settings
from tests.support.credentials import ORIGIN, ask, bearer
from tests.support.service_store import small_store

FORM = ("Content-Type", "application/x-www-form-urlencoded")
OURS = ("Sec-Fetch-Site", "same-origin")
PAGE = ("Accept", "text/html")
OTHER_ORIGINS = (
    "https://evil.example",
    "http://127.0.0.1",
    "http://127.0.0.1:8001",
    "https://127.0.0.1:8000",
    "null",
    "x",
    "",
)


class Desk:
    """A store, a service that requires authentication, and one key."""

    def __init__(self, folder, **settings) -> None:
        self.path = small_store(folder)
        with Store.open(str(self.path)) as store:
            self.key, self.made = add_key(store, Role.ADMIN, offices=[], purpose="desk", days=365)
        given = {"auth": "required", "recheck_seconds": 0, "rate_per_minute": 0, **settings}
        self.settings = Settings(store_url=str(self.path), **given)
        self.app = create_app(self.settings)

    def sign_in(self, key: str | None = None, address: str = "/sign-in", headers=(OURS,)):
        """Send the form."""
        content = f"key={self.key if key is None else key}".encode()
        return ask(self.app, "POST", address, [FORM, *headers], content)

    def cookie(self) -> str:
        """The cookie of a session, as a browser sends it."""
        return self.sign_in().headers["set-cookie"].partition(";")[0]

    def get(self, address: str, *headers: tuple[str, str]):
        return ask(self.app, "GET", address, headers)


@pytest.fixture(scope="module")
def one_desk(tmp_path_factory):
    """One desk on plain loopback, whose key stays good."""
    return Desk(tmp_path_factory.mktemp("desk"))


@pytest.fixture
def desk(one_desk):
    """It, with no wrong attempt so far."""
    one_desk.app.state.attempts = Attempts()
    return one_desk


def test_a_reader_signs_in_and_reads(desk):
    """From a page, by way of the form, to that page; and the cookie alone opens the API as well."""
    led = desk.get("/cases?order=due", PAGE)
    assert (led.status_code, led.headers["location"]) == (303, "/sign-in?next=%2Fcases%3Forder%3Ddue")
    assert led.headers["cache-control"] == "no-store"
    form = desk.get(led.headers["location"], PAGE)
    assert form.status_code == 200
    assert 'action="/sign-in?next=%2Fcases%3Forder%3Ddue"' in form.text
    assert form.headers["referrer-policy"] == "same-origin"
    answer = desk.sign_in(address=led.headers["location"])
    assert (answer.status_code, answer.headers["location"]) == (303, "/cases?order=due")
    session = ("Cookie", answer.headers["set-cookie"].partition(";")[0])
    page = desk.get("/cases?order=due", PAGE, session)
    assert page.status_code == 200
    assert 'action="/sign-out"' in page.text
    assert desk.get("/v1/cases", session).status_code == 200


@pytest.mark.parametrize(
    ("settings", "name", "secure"),
    [
        ({}, "heed", False),
        ({"behind_proxy": True, "allowed_hosts": ("heed.example",)}, "__Host-heed", True),
        ({"tls_certificate": "c.pem", "tls_key": "k.pem"}, "__Host-heed", True),
    ],
)
def test_the_cookie_is_kept_from_scripts_other_sites_and_plain_http(tmp_path, settings, name, secure):
    """Its name says so too, over TLS: a browser takes no such cookie from a neighbouring name."""
    desk = Desk(tmp_path, session_hours=2, **settings)
    set_cookie = desk.sign_in().headers["set-cookie"]
    parts = [part.strip().lower() for part in set_cookie.split(";")]
    assert set_cookie.startswith(f"{name}=")
    assert {"httponly", "samesite=strict", "path=/", "max-age=7200"} <= set(parts)
    assert ("secure" in parts) == secure
    assert not any(part.startswith("domain") for part in parts)
    assert desk.key not in set_cookie
    assert desk.key.split("_", 2)[2] not in set_cookie
    session = set_cookie.partition(";")[0]
    assert desk.get("/v1/areas", ("Cookie", session)).status_code == 200
    other = session.replace(name, "heed" if secure else "__Host-heed", 1)
    assert desk.get("/v1/areas", ("Cookie", other)).status_code == 401


def test_a_session_ends_with_its_key_its_time_and_its_secret(tmp_path):
    """And one that was made up never begins."""
    desk = Desk(tmp_path)
    cookie = desk.cookie()
    assert desk.get("/v1/areas", ("Cookie", cookie)).status_code == 200
    with closing(KeyRing(desk.settings)) as ring:
        ring.refresh()
        secret = ring.session_secret
    assert secret is not None
    key_id, now = desk.made.key_id, time.time()
    good = sessions.sealed(secret, key_id, hours=1)
    claims = {"sub": key_id, "iat": int(now), "exp": int(now) + 60, "aud": "heed:session"}
    wrong = {
        "expired": sessions.sealed(secret, key_id, hours=1, now=now - 3_601),
        "of another secret": sessions.sealed(b"x" * 32, key_id, hours=1),
        "of no key": sessions.sealed(secret, "0" * 12, hours=1),
        "for something else": jwt.encode({**claims, "aud": "else"}, secret, algorithm="HS256"),
        "without an end": jwt.encode({name: claims[name] for name in ("sub", "iat", "aud")}, secret, algorithm="HS256"),
        "of another hash": jwt.encode(claims, secret * 2, algorithm="HS512"),
        "cut": good[:-4],
        "empty": "",
        "long": good + "A" * 9_000,
        "nested": f"{good.split('.')[0]}.{'W1tb' * 1_500}.x",
    }
    assert desk.get("/v1/areas", ("Cookie", f"heed={good}")).status_code == 200
    for fault, text in wrong.items():
        assert desk.get("/v1/areas", ("Cookie", f"heed={text}")).status_code == 401, fault
    with Store.open(str(desk.path)) as store:
        revoke_key(store, key_id)
    assert desk.get("/v1/areas", ("Cookie", cookie)).status_code == 401
    assert desk.get("/areas", PAGE, ("Cookie", cookie)).status_code == 303


def test_a_header_that_does_not_hold_is_not_made_good_by_a_cookie(desk):
    """Who sends two credentials means the first."""
    cookie = ("Cookie", desk.cookie())
    assert desk.get("/v1/areas", cookie, *bearer("heed_x")).status_code == 401
    assert desk.get("/v1/areas", cookie, ("Authorization", "Basic eDp5")).status_code == 401
    twice = desk.get("/v1/areas", *bearer(desk.key), *bearer(desk.key))
    assert twice.status_code == 400
    assert "one header Authorization" in twice.json()["detail"]


@pytest.mark.parametrize("key", ["", "heed_", "heed_0123456789ab_" + "x" * 43, "%00%ff", "a&key=b", "\xe9"])
def test_a_wrong_key_opens_nothing_and_is_not_repeated(desk, key):
    """The form comes again with a sentence, and without what was typed."""
    answer = desk.sign_in(key)
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers
    assert answer.headers["www-authenticate"] == 'Bearer realm="heed", error="invalid_token"'
    assert 'role="alert"' in answer.text
    assert "Check that all of it was copied" in answer.text
    assert len(key) < 9 or key not in answer.text


def test_what_is_no_form_is_refused(desk):
    """Another kind of body, or one that is too long to hold a key."""
    assert ask(desk.app, "POST", "/sign-in", [OURS], b"key=x").status_code == 415
    assert ask(desk.app, "POST", "/sign-in", [OURS, ("Content-Type", "application/json")], b"{}").status_code == 415
    assert desk.sign_in("x" * 5_000).status_code == 413
    assert desk.sign_in("&".join(f"a{n}=1" for n in range(20))).status_code == 401


@pytest.mark.parametrize(
    ("headers", "ours"),
    [
        ([OURS], True),
        ([OURS, ("Origin", "null")], True),
        ([("Origin", ORIGIN)], True),
        ([], False),
        ([("Sec-Fetch-Site", "none")], False),
        ([("Sec-Fetch-Site", "same-site"), ("Origin", ORIGIN)], False),
        ([("Sec-Fetch-Site", "cross-site"), ("Origin", ORIGIN)], False),
        *(([("Origin", origin)], False) for origin in OTHER_ORIGINS),
    ],
)
def test_only_pages_of_heed_may_write_with_the_cookie(desk, headers, ours):
    """Signing in and out, and every write; reading needs no such word, and a key in a header neither."""
    cookie = ("Cookie", desk.cookie())
    assert desk.sign_in(headers=headers).status_code == (303 if ours else 403)
    assert ask(desk.app, "POST", "/sign-out", [cookie, *headers]).status_code == (303 if ours else 403)
    signal = desk.get("/v1/signals", cookie).json()["signals"][0]["id"]
    write = ("PATCH", f"/v1/signals/{signal}")
    assert (ask(desk.app, *write, [cookie, *headers], b"{}").status_code == 403) == (not ours)
    assert ask(desk.app, *write, [*bearer(desk.key), *headers], b"{}").status_code not in (401, 403)
    assert desk.get("/v1/areas", cookie, *headers).status_code == 200


def test_signing_out_makes_the_browser_forget(desk):
    """The cookie is replaced by one that is over."""
    answer = ask(desk.app, "POST", "/sign-out?lang=zh", [OURS, ("Cookie", desk.cookie())])
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?lang=zh")
    assert 'heed=""' in answer.headers["set-cookie"]
    assert "Max-Age=0" in answer.headers["set-cookie"]


@pytest.mark.parametrize("address", ["/", "/cases", "/areas/A-02?lang=zh", "/cases?area=Allston%20%2F%20Brighton"])
def test_a_page_of_ours_is_gone_on_to(address):
    """As it was asked for."""
    assert _local(address) == address


@pytest.mark.parametrize(
    "address",
    [
        *(None, "", "cases", "//evil.example", "/\\evil.example", "\\/evil.example", "https://evil.example", "/%"[:0]),
        *("/\t/evil.example", "/\n/evil.example", "/a\\b", "/a b", "/é", "/\x00", "javascript:alert(1)"),
        *("/sign-in", "/sign-in?next=/sign-in", "/sign-out", " /cases", "/cases\r\nSet-Cookie: a=b"),
    ],
)
def test_another_site_is_not_gone_on_to(desk, address):
    """Nor is a line of a header."""
    assert _local(address) == "/"
    if address is not None and address.isascii():
        from urllib.parse import quote

        answer = desk.sign_in(address=f"/sign-in?next={quote(address, safe='')}")
        assert answer.headers["location"] == "/"


@pytest.mark.parametrize("letters", [1_900, 3_000, 8_000])
def test_whoever_asked_for_a_long_address_can_sign_in(desk, letters):
    """One that the form would refuse is not gone on to."""
    asked = f"/cases?area={'x' * letters}"
    led = desk.get(asked, PAGE).headers["location"]
    assert desk.get(led, PAGE).status_code == 200
    assert desk.sign_in(address=led).headers["location"] == (asked if letters < 1_990 else "/")


def test_the_first_sign_in_of_a_store_keeps_nobody_out(desk, monkeypatch):
    """While it waits for another writer of the store, the keys of everybody else are read as ever."""
    with closing(KeyRing(desk.settings)) as ring, ThreadPoolExecutor() as pool:
        began, go_on, real = threading.Event(), threading.Event(), KeyRing._make_secret

        def waiting(ring: KeyRing, store: Store) -> bytes:
            began.set()
            assert go_on.wait(20)
            return real(ring, store)

        monkeypatch.setattr(KeyRing, "_make_secret", waiting)
        beginning = pool.submit(ring.begin_sessions)
        try:
            assert began.wait(20)
            pool.submit(ring.refresh).result(timeout=10)
        finally:
            go_on.set()
        assert beginning.result() == ring.session_secret


def test_addresses_of_one_subscriber_are_slowed_down_together(desk):
    """Whoever has a million million addresses has no more attempts for it."""

    async def send(number: int) -> int:
        transport = httpx.ASGITransport(app=desk.app, client=(f"2001:db8:0:1::{number:x}", 1))
        async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as client:
            answer = await client.post("/sign-in", content="key=heed_x", headers=dict([FORM, OURS]))
            return answer.status_code

    assert [asyncio.run(send(number)) for number in range(PER_MINUTE + 1)] == [401] * PER_MINUTE + [429]


def test_wrong_keys_from_one_address_are_slowed_down(desk):
    """After ten in a minute it has to wait, with the right one too; another page says how long."""
    assert {desk.sign_in("heed_x").status_code for _ in range(PER_MINUTE)} == {401}
    answer = desk.sign_in()
    assert answer.status_code == 429
    assert 1 <= int(answer.headers["retry-after"]) <= 60 // PER_MINUTE + 1


def test_attempts_come_back_with_time_and_are_counted_per_address():
    """One in six seconds; and what is remembered has an end."""
    now = [100.0]
    attempts = Attempts(clock=lambda: now[0])
    for _ in range(PER_MINUTE):
        assert attempts.wait("a") == 0
        attempts.failed("a")
    assert (attempts.wait("a"), attempts.wait("b")) == (7, 0)
    now[0] += 6
    assert attempts.wait("a") == 0
    attempts.failed("a")
    assert attempts.wait("a") > 0
    for number in range(1_500):
        attempts.failed(f"x{number}")
    assert len(attempts._left) == 1_000
    assert attempts.wait("a") == 0


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_form_can_be_read_and_filled_in_without_a_script(desk, language):
    """One field with its label, one button, in the language of the reader, who can change it."""
    page = desk.get(f"/sign-in?lang={language}&next=/areas", PAGE)
    assert page.headers["content-language"] == language
    assert f'lang="{"zh-Hans" if language == "zh" else "en"}"' in page.text
    assert '<label for="key">' in page.text
    assert f'action="/sign-in?next=%2Fareas&amp;lang={language}"' in page.text
    assert "<script" not in page.text
    assert "/sign-out" not in page.text


def test_pages_lead_to_the_form_and_programs_are_told(desk):
    """A page for readers of pages; a problem for the API, for charts and for whoever asks for no page."""
    assert (
        desk.get("/areas/A-02?lang=zh", PAGE).headers["location"] == "/sign-in?lang=zh&next=%2Fareas%2FA-02%3Flang%3Dzh"
    )
    assert ask(desk.app, "HEAD", "/areas", [PAGE]).status_code == 303
    assert desk.get("/nothing", PAGE).status_code == 404
    for address in ("/v1/areas", "/charts/areas/A-02/signals.svg", "/v1/openapi.json"):
        answer = desk.get(address, PAGE)
        assert answer.status_code == 401, address
        assert answer.headers["www-authenticate"] == 'Bearer realm="heed"'
        assert answer.json()["type"] == "urn:heed:problem:unauthorised"
    assert desk.get("/areas").status_code == 401


def test_where_nobody_has_to_sign_in_there_is_no_form(tmp_path):
    """On one's own machine the pages are open, and say nothing of signing out."""
    app = create_app(Settings(store_url=str(small_store(tmp_path)), recheck_seconds=0, rate_per_minute=0))
    assert ask(app, "GET", "/sign-in?next=/areas", [PAGE]).headers["location"] == "/areas"
    page = ask(app, "GET", "/areas", [PAGE])
    assert page.status_code == 200
    assert "/sign-out" not in page.text


@pytest.mark.parametrize(
    ("headers", "refused"),
    [
        ([], False),
        ([OURS], False),
        ([("Origin", ORIGIN)], False),
        ([("Sec-Fetch-Site", "cross-site")], True),
        ([("Sec-Fetch-Site", "none")], True),
        ([("Origin", "https://evil.example")], True),
        ([("Origin", "null")], True),
    ],
)
def test_on_ones_own_machine_programs_may_write_and_pages_of_others_may_not(tmp_path, headers, refused):
    """Without authentication the browser on that machine must not lend its place to a page on the internet."""
    app = create_app(Settings(store_url=str(small_store(tmp_path)), recheck_seconds=0, rate_per_minute=0))
    for method, address in (("PATCH", "/v1/signals/none"), ("POST", "/v1/events")):
        answer = ask(app, method, address, [*headers, ("Content-Type", "application/json")], b"{}")
        assert (answer.status_code == 403) == refused, (method, answer.text)
    assert ask(app, "GET", "/v1/areas", headers).status_code == 200


def test_the_first_page_is_one_that_its_reader_may_read(tmp_path):
    """Cases for those who read cases, areas for the others."""
    path = small_store(tmp_path)
    with Store.open(str(path)) as store:
        keys = {role: add_key(store, role, offices=[], purpose="x", days=1)[0] for role in (Role.ADMIN, Role.DASHBOARD)}
    app = create_app(Settings(store_url=str(path), auth="required", rate_per_minute=0))
    assert ask(app, "GET", "/", bearer(keys[Role.ADMIN])).headers["location"] == "/cases"
    assert ask(app, "GET", "/?lang=zh", bearer(keys[Role.DASHBOARD])).headers["location"] == "/areas?lang=zh"
    refused = ask(app, "GET", "/cases", [*bearer(keys[Role.DASHBOARD]), PAGE])
    assert refused.status_code == 403
    assert "does not allow this" in refused.text
    assert refused.headers["www-authenticate"].endswith('error="insufficient_scope", scope="cases:read"')


def test_only_the_names_that_were_given_are_answered_to(tmp_path):
    """A name on the internet that leads here must not let its pages read ours."""
    path = small_store(tmp_path)
    app = create_app(Settings(store_url=str(path), auth="required", allowed_hosts=("Heed.Example",), rate_per_minute=0))
    for host in ("heed.example", "HEED.example:8443", "127.0.0.1:8000", "localhost", "[::1]:8000"):
        assert ask(app, "GET", "/health/live", [("Host", host)]).status_code == 200, host
    for host in ("evil.example", "heed.example.evil.example", "xheed.example", "heed.example:x", ""):
        assert ask(app, "GET", "/health/live", [("Host", host)]).status_code == 421, host
