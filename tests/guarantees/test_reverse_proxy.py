"""The proxy of the examples in front of the service, as it is documented: only ports and paths are others."""

from __future__ import annotations

import datetime as dt
import gzip
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.support.live_service import LiveService, command, free_port, live_service
from tests.support.service_store import small_store

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed: the proxy's file is not tried"),
]

EXAMPLES = Path(__file__).parents[2] / "examples"
NAME = "heed.example"
RATE = 40
_MAIN = """\
{user}
pid {folder}/nginx.pid;
error_log {folder}/main.log;
daemon off;
worker_processes 1;
events {{ worker_connections 128; }}
http {{
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/heed.conf;
}}
"""


@dataclass
class Town:
    """A service behind its proxy, and the key of an administrator."""

    service: LiveService
    port: int
    key: str
    folder: Path

    def client(self, came_from: str = "127.0.0.1", **headers: str) -> httpx.Client:
        """Someone at an address of this machine who asks through the proxy."""
        # The certificate was made a moment ago, by us.
        transport = httpx.HTTPTransport(verify=False, local_address=came_from)
        address = f"https://127.0.0.1:{self.port}"
        return httpx.Client(base_url=address, headers={"host": NAME, **headers}, transport=transport, timeout=120)

    def known(self) -> httpx.Client:
        """The administrator."""
        return self.client(authorization=f"Bearer {self.key}")


def _certificate(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)]), dt.datetime.now(dt.UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    made = made.not_valid_before(now).not_valid_after(now + dt.timedelta(days=1))
    (folder / "cert.pem").write_bytes(made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    form = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "key.pem").write_bytes(key.private_bytes(serialization.Encoding.PEM, *form))


def _documented(folder: Path, heed: int, port: int) -> None:
    """The files of the examples with other ports and paths."""
    text = (EXAMPLES / "nginx.conf").read_text("utf-8")
    for old, new in {
        "server 127.0.0.1:8000;": f"server 127.0.0.1:{heed};",
        "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
        "listen [::]:443 ssl": f"listen [::1]:{port} ssl",
        "/etc/ssl/heed.example.pem": f"{folder}/cert.pem",
        "/etc/ssl/private/heed.example.key": f"{folder}/key.pem",
        "/etc/heed/proxy.conf": str(EXAMPLES / "proxy.conf"),
        "/var/log/nginx/heed.log": f"{folder}/heed.log",
        "proxy_pass http://127.0.0.1:8000/metrics;": f"proxy_pass http://127.0.0.1:{heed}/metrics;",
    }.items():
        assert old in text, old
        text = text.replace(old, new)
    (folder / "heed.conf").write_text(text)
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(_MAIN.format(folder=folder, user=user))


@pytest.fixture(scope="module")
def town(tmp_path_factory) -> Iterator[Town]:
    """The service, and nginx with the files of the examples."""
    folder = tmp_path_factory.mktemp("proxy")
    store, heed, port = str(small_store(folder)), free_port(), free_port()
    added = command("--store", store, "keys", "add", "--role", "admin", "--purpose", "proxy", "--json")
    _certificate(folder)
    _documented(folder, heed, port)
    given = {"HEED_AUTH": "required", "HEED_BEHIND_PROXY": "true", "HEED_ALLOWED_HOSTS": NAME}
    with live_service(
        store, folder / "log", environment={**given, "HEED_RATE_PER_MINUTE": str(RATE)}, port=heed
    ) as service:
        words = ["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf")]
        tried = subprocess.run([*words, "-t"], capture_output=True, text=True, check=False)
        assert tried.returncode == 0, tried.stderr
        proxy = subprocess.Popen(words)
        found = Town(service, port, str(json.loads(added.stdout)["key"]), folder)
        try:
            _wait_for(found)
            yield found
        finally:
            proxy.terminate()
            proxy.wait(30)


def _wait_for(town: Town) -> None:
    until = time.monotonic() + 120
    with town.client() as client:
        while time.monotonic() < until:
            try:
                if client.get("/health/ready").status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.2)
    raise AssertionError((town.folder / "main.log").read_text())


def test_headers_come_through_and_the_proxy_says_little_of_itself(town):
    """Those of the service, and the one that only who ends TLS may give."""
    with town.client() as client:
        answer = client.get("/sign-in")
    assert answer.status_code == 200
    assert answer.headers["strict-transport-security"].startswith("max-age=")
    assert answer.headers["content-security-policy"].startswith("default-src 'self'")
    assert len(answer.headers["x-request-id"]) == 32
    assert answer.headers["server"] == "nginx"


def test_a_copy_that_holds_is_not_sent_again(town):
    """Of data, and of a page that goes packed."""
    with town.known() as client:
        for path, accepted in (("/v1/areas", "identity"), ("/areas", "gzip")):
            with client.stream("GET", path, headers={"accept-encoding": accepted, "accept": "*/*"}) as first:
                body = b"".join(first.iter_raw())
            assert first.status_code == 200
            assert (first.headers.get("content-encoding") == "gzip") == (path == "/areas")
            assert len(gzip.decompress(body) if path == "/areas" else body) > 1_000
            again = client.get(path, headers={"accept-encoding": accepted, "if-none-match": first.headers["etag"]})
            assert (again.status_code, again.content) == (304, b"")


def test_what_is_too_large_is_said_by_the_service_where_it_can(town):
    """A problem that a program can read; only far above that the proxy answers in its own words."""
    with town.known() as client:
        kind = {"content-type": "application/json"}
        just = client.post("/v1/risk", content=b" " * 4_500_000, headers=kind)
        assert (just.status_code, just.json()["type"]) == (413, "urn:heed:problem:too-large")
        assert client.post("/v1/risk", content=b" " * 6_000_000, headers=kind).status_code == 413


def test_a_long_token_and_a_long_address_reach_the_service(town):
    """As long as the service takes them."""
    with town.client() as client:
        for size in (8_000, 8_192):
            assert client.get("/v1/areas", headers={"authorization": f"Bearer {'a' * size}"}).status_code == 401
        too_long = client.get(f"/v1/areas?x={'a' * 9_000}")
    assert (too_long.status_code, too_long.json()["type"]) == (414, "urn:heed:problem:address-too-long")


def test_other_names_and_the_figures_are_not_for_all(town):
    """A name that is none of ours is refused; figures are for the machine that scrapes, from each process apart."""
    with town.known() as client:
        assert client.get("/v1/areas", headers={"host": "other.example"}).status_code == 421
        assert client.get("/metrics").status_code == 404
        assert client.get("/metrics/8000").status_code == 403


def test_strangers_are_told_apart_by_the_address_they_come_from(town):
    """Not by what they say they come from, and not all as one."""

    def asked(came_from: str, claimed: str | None = None) -> int:
        with town.client(came_from) as client:
            headers = {} if claimed is None else {"x-forwarded-for": claimed}
            return client.get("/v1/areas", headers=headers).status_code

    statuses = [asked("127.0.0.2") for _ in range(RATE + 2)]
    assert (statuses[0], statuses[-1]) == (401, 429)
    assert asked("127.0.0.2", "127.0.0.3") == 429
    assert asked("127.0.0.3") == 401


def test_a_session_of_the_pages_is_kept_from_all_others(town):
    """Over TLS for the browser, in the clear between proxy and service."""
    with town.client() as client:
        headers = {"origin": f"https://{NAME}"}
        answer = client.post("/sign-in", data={"key": town.key}, headers=headers)
        assert answer.status_code == 303
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith("__Host-heed=")
        assert all(word in cookie for word in ("Secure", "HttpOnly", "SameSite=strict"))
        page = client.get("/cases", headers={"cookie": cookie.partition(";")[0]})
        assert page.status_code == 200


def test_an_error_of_the_proxy_leaves_no_address_behind(town):
    """The last one, for it ends the service: an address holds the id of a case."""
    town.service.stop()
    with town.known() as client:
        assert client.get("/v1/cases/0123456789abcdef").status_code == 502
    logs = [town.folder / "heed.log", town.folder / "main.log"]
    assert all("0123456789abcdef" not in log.read_text() for log in logs if log.exists())
