"""Signing in with a real browser: it keeps the cookie as it is meant to, and other sites get nowhere with it."""

from __future__ import annotations

import datetime as dt
import http.server
import ipaddress
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from playwright.sync_api import BrowserContext

from data.store import Store
from service.app import create_app
from service.auth.keys import add_key
from service.identity import Role
from service.settings import Settings
from tests.support.chromium import NEEDS_CHROMIUM
from tests.support.service_store import small_store

pytestmark = NEEDS_CHROMIUM


@contextmanager
def _served(path: Path, **settings) -> Iterator[str]:
    """The service on a port of its own, with authentication; the address that it answers at."""
    chosen = Settings(store_url=str(path), auth="required", port=0, recheck_seconds=0, rate_per_minute=0, **settings)
    app = create_app(chosen)
    tls = {"ssl_certfile": chosen.tls_certificate, "ssl_keyfile": chosen.tls_key}
    given = {name: value for name, value in tls.items() if value is not None}
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", lifespan="off", **given))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"{'https' if given else 'http'}://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(timeout=10)
    app.state.stopping.set()
    for close in reversed(app.state.closers):
        close()


@contextmanager
def _page_elsewhere(html: str, host: str) -> Iterator[str]:
    """A page of another origin: same machine, another port, and perhaps another name."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            """Answer with the page."""
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(html.encode())

        def log_message(self, *_) -> None:
            """Keep quiet."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield f"http://{host}:{server.server_address[1]}/"
    server.shutdown()
    server.server_close()


def _certificate(folder: Path) -> dict[str, Path]:
    """A certificate of this machine's own, for 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    paths = {"tls_certificate": folder / "c.pem", "tls_key": folder / "k.pem"}
    paths["tls_certificate"].write_bytes(certificate.public_bytes(pem))
    paths["tls_key"].write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    return paths


@pytest.fixture
def context(browser) -> Iterator[BrowserContext]:
    """A reader without a script, who trusts the certificate."""
    context = browser.new_context(java_script_enabled=False, ignore_https_errors=True, locale="en-GB")
    yield context
    context.close()


@pytest.fixture
def desk(tmp_path) -> tuple[Path, str]:
    """A store, and the key of a handler."""
    path = small_store(tmp_path)
    with Store.open(str(path)) as store:
        return path, add_key(store, Role.HANDLER, offices=["O-3"], purpose="counter", days=1)[0]


@pytest.mark.parametrize("tls", [False, True])
def test_a_reader_signs_in_by_keyboard_reads_and_signs_out(context, desk, tmp_path, tls):
    """Without a script, over plain loopback and over TLS; a wrong key first."""
    path, key = desk
    with _served(path, **(_certificate(tmp_path) if tls else {})) as origin:
        page = context.new_page()
        page.goto(f"{origin}/areas?lang=en")
        assert page.url == f"{origin}/sign-in?lang=en&next=%2Fareas%3Flang%3Den"
        page.get_by_label("Key").press_sequentially("heed_wrong")
        page.keyboard.press("Enter")
        page.get_by_role("alert").wait_for()
        assert context.cookies() == []
        page.get_by_label("Key").fill(key)
        page.keyboard.press("Enter")
        page.wait_for_url(f"{origin}/areas?lang=en")
        (cookie,) = context.cookies()
        assert cookie["name"] == ("__Host-heed" if tls else "heed")
        assert (cookie["httpOnly"], cookie["sameSite"], cookie["secure"]) == (True, "Strict", tls)
        page.get_by_role("link", name="Cases").click()
        page.wait_for_url(re.compile(r".*/cases\?lang=en$"))
        assert page.locator(".case").count() > 0
        page.get_by_role("button", name="Sign out").click()
        page.wait_for_url(f"{origin}/sign-in?lang=en")
        assert context.cookies() == []
        page.goto(f"{origin}/cases")
        assert "/sign-in" in page.url


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_a_page_of_another_site_cannot_use_the_session(browser, desk, host):
    """Neither by a form that sends itself nor by a script; and it cannot sign a reader in with a key of its own. A
    page of the same name and another port is of the same site for cookies: it is refused all the same.
    """
    path, key = desk
    context = browser.new_context()
    with _served(path) as origin:
        page = context.new_page()
        page.goto(f"{origin}/sign-in")
        page.get_by_label("Key").fill(key)
        page.keyboard.press("Enter")
        page.wait_for_url("**/cases")
        (before,) = context.cookies()
        forms = "".join(
            f'<form id="{name}" method="post" action="{origin}/{name}"><input name="key" value="{key}"></form>'
            for name in ("sign-out", "sign-in")
        )
        with _page_elsewhere(forms, host) as evil:
            for name in ("sign-out", "sign-in"):
                page.goto(evil)
                with page.expect_response(f"{origin}/{name}") as sent:
                    page.evaluate("name => setTimeout(() => document.getElementById(name).submit())", name)
                assert sent.value.status == 403
                page.wait_for_url(f"{origin}/{name}")
            page.goto(evil)
            told = page.evaluate(
                "url => fetch(url, {credentials: 'include'}).then(a => a.text()).catch(e => String(e))",
                f"{origin}/v1/cases",
            )
        assert "Failed to fetch" in told
        assert context.cookies() == [before]
    context.close()
