"""What the service accepts before it starts."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import uvicorn

from data.errors import UsageError
from service.app import create_app
from service.server import _options
from service.settings import Settings


def test_the_defaults_listen_on_this_machine_only():
    """Nothing has to be set for a service that only this machine can reach."""
    settings = Settings.read()
    assert (settings.host, settings.port, settings.minimum_cell) == ("127.0.0.1", 8000, 10)


SAFE = {"auth": "required", "behind_proxy": True, "allowed_hosts": ("heed.example",)}
TLS = {"tls_certificate": Path("c.pem"), "tls_key": Path("k.pem")}
OPEN = ("0.0.0.0", "::", "192.168.1.5", "heed.example")  # noqa: S104  refused here
MISSING = {
    "auth": "HEED_AUTH: expected required, got none",
    "behind_proxy": "HEED_BEHIND_PROXY=true where a proxy in front ends TLS: expected one of the two, got neither",
    "allowed_hosts": "HEED_ALLOWED_HOSTS: expected the names that others address the service by, got none",
}


@pytest.mark.parametrize("host", OPEN)
def test_another_address_is_refused_without_authentication_tls_and_names(host):
    """A service that lacks them does not start where another machine could reach it, and says all that is missing."""
    with pytest.raises(UsageError, match="does not start") as caught:
        create_app(Settings(host=host))
    assert all(text in str(caught.value) for text in MISSING.values())
    Settings.read(host=host, **SAFE)
    Settings.read(host=host, **{**SAFE, "behind_proxy": False}, **TLS)


@pytest.mark.parametrize("name", MISSING)
def test_what_is_missing_is_named_and_what_is_there_is_not(name):
    """One thing missing is enough to refuse."""
    given = {key: value for key, value in SAFE.items() if key != name}
    with pytest.raises(UsageError, match=MISSING[name]) as caught:
        Settings.read(host="192.168.1.5", **given)
    assert [text for text in MISSING.values() if text in str(caught.value)] == [MISSING[name]]


@pytest.mark.parametrize("addresses", ["*", "10.0.0.4, proxy.example", "0.0.0.0/0", "::/0", "10.0.0.4/29", ""])
def test_who_the_proxy_is_is_said_by_address(addresses, monkeypatch):
    """Whoever may say where a request came from can ask without limit: nobody is let in by a name, nor everybody."""
    monkeypatch.setenv("HEED_PROXY_ADDRESSES", addresses)
    with pytest.raises(UsageError, match=r"HEED_PROXY_ADDRESSES: .*expected addresses of machines"):
        Settings.read()


def test_only_the_proxy_says_where_a_request_came_from(monkeypatch):
    """By our own setting, and not by a variable of the server's."""
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "*")
    monkeypatch.setenv("HEED_PROXY_ADDRESSES", "10.0.0.4,10.1.0.0/16")
    settings = Settings.read(auth="required", behind_proxy=True, allowed_hosts=("heed.example",))
    assert _seen(settings, "10.0.0.4", "203.0.113.9") == _seen(settings, "10.1.7.7", "203.0.113.9") == "203.0.113.9"
    assert _seen(settings, "10.0.0.5", "203.0.113.9") == "10.0.0.5"
    # What a client wrote itself, before the proxy added what it saw.
    assert _seen(settings, "10.0.0.4", "198.51.100.1, 203.0.113.9") == "203.0.113.9"


def _seen(settings: Settings, came_from: str, forwarded: str) -> str:
    """Where the app believes a request came from."""
    seen: list[str] = []

    async def app(scope, _receive, _send) -> None:
        seen.append(scope["client"][0])

    config = uvicorn.Config(app, **_options(settings))
    config.load()
    headers = [(b"x-forwarded-for", forwarded.encode())]
    scope = {"type": "http", "client": (came_from, 1), "headers": headers, "scheme": "http"}
    asyncio.run(config.loaded_app(scope, None, None))
    return seen[0]


@pytest.mark.parametrize(
    "given", [{"behind_proxy": True, "allowed_hosts": ("a.example",)}, {"allowed_hosts": ("a.example",)}]
)
def test_a_proxy_or_a_name_for_others_makes_a_loopback_service_one_for_others(given):
    """What a proxy on this machine passes on comes from loopback, and is from anywhere."""
    with pytest.raises(UsageError, match="HEED_AUTH: expected required, got none"):
        Settings.read(**given)
    Settings.read(auth="required", **given)
    with pytest.raises(UsageError, match="HEED_ALLOWED_HOSTS: expected the names"):
        Settings.read(auth="required", behind_proxy=True)


ISSUER = {"oidc_issuer": "https://id.example/realm"}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"tls_key": Path("k.pem")}, "HEED_TLS_CERTIFICATE and HEED_TLS_KEY: expected both or neither"),
        ({"tls_certificate": Path("c.pem")}, "HEED_TLS_CERTIFICATE and HEED_TLS_KEY: expected both or neither"),
        ({**ISSUER}, "HEED_OIDC_ISSUER and HEED_OIDC_AUDIENCE: expected both or neither"),
        ({"oidc_audience": "heed"}, "HEED_OIDC_ISSUER and HEED_OIDC_AUDIENCE: expected both or neither"),
        ({"oidc_jwks_url": "https://id.example/keys"}, "HEED_OIDC_JWKS_URL: expected HEED_OIDC_ISSUER"),
        ({**ISSUER, "oidc_audience": "heed", "auth": "none"}, "HEED_AUTH: expected required, because an identity"),
    ],
)
def test_what_is_configured_by_half_is_refused(given, expected):
    """It would look as if it were in force."""
    with pytest.raises(UsageError, match=expected):
        Settings.read(**{"auth": "required", **given})


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        *(
            (name, url, "an address that begins with https://")
            for name in ("OIDC_ISSUER", "OIDC_JWKS_URL")
            for url in (
                "http://id.example",
                "id.example",
                "ftp://id.example",
                "https://",
                "https://[",
                "https://a@b.c",
                "",
            )
        ),
        *(
            ("OIDC_ALGORITHMS", text, "expected some of ES256")
            for text in ("HS256", "RS256,none", "RS256,HS512", "", "rs256")
        ),
        *(
            ("ALLOWED_HOSTS", text, "expected names such as")
            for text in ("*", "*.example", "https://a", "a:8000", "a b", "a,-b")
        ),
    ],
)
def test_what_would_weaken_authentication_is_refused_by_name(monkeypatch, name, text, expected):
    """Symmetric signatures, keys over plain HTTP, and any name at all."""
    monkeypatch.setenv(f"HEED_{name}", text)
    with pytest.raises(UsageError, match=f"HEED_{name}: Value error, expected"):
        Settings.read()
    with pytest.raises(UsageError, match=expected):
        Settings.read()


def test_lists_are_written_with_commas(monkeypatch):
    """As one writes them in an environment file; a name is of either case."""
    monkeypatch.setenv("HEED_AUTH", "required")
    monkeypatch.setenv("HEED_ALLOWED_HOSTS", "Heed.example, 10.0.0.7,[fd00::7]")
    monkeypatch.setenv("HEED_OIDC_ALGORITHMS", "ES384")
    monkeypatch.setenv("HEED_OIDC_ISSUER", "http://127.0.0.1:9000")
    monkeypatch.setenv("HEED_OIDC_AUDIENCE", "heed")
    settings = Settings.read()
    assert settings.allowed_hosts == ("heed.example", "10.0.0.7", "[fd00::7]")
    assert settings.oidc_algorithms == ("ES384",)
    assert settings.oidc_issuer == "http://127.0.0.1:9000"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_every_loopback_address_is_accepted(host):
    """Loopback has more names than one."""
    Settings.read(host=host)


def test_a_wrong_variable_is_named_and_its_value_is_not(monkeypatch):
    """A setting of the wrong kind is an error of ours that names the variable, not a stack trace."""
    monkeypatch.setenv("HEED_PORT", "secret-port")
    with pytest.raises(UsageError, match="HEED_PORT: Input should be a valid integer") as caught:
        Settings.read()
    assert "secret-port" not in str(caught.value)


def test_the_minimum_cell_cannot_be_switched_off(monkeypatch):
    """Disclosure control can be made stricter, and not be turned off by a setting."""
    monkeypatch.setenv("HEED_MINIMUM_CELL", "1")
    with pytest.raises(UsageError, match="HEED_MINIMUM_CELL: Input should be greater than or equal to 5"):
        Settings.read()


def test_models_lie_beside_their_store_unless_said_otherwise():
    """The folder of models follows the store, so that two stores do not share a champion."""
    assert Settings(store_url="sqlite:////var/lib/heed/city.db").models_folder() == Path("/var/lib/heed/city.models")
    assert Settings(store_url="postgresql+psycopg://db/heed").models_folder() == Path("heed.models")
    assert Settings(model_dir=Path("m")).models_folder() == Path("m")
