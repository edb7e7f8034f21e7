"""What the service needs to know before it starts, from the environment (`HEED_…`) and the command line."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from data.database import file_of, parse_url
from data.errors import UsageError

Language = Literal["en", "zh"]

# Signatures that a public key checks. With a symmetric one, whoever can check a token can also make it.
ASYMMETRIC: Final = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
)
_HOST_NAME: Final = re.compile(r"(?!-)[a-z0-9-]{1,63}(?:\.(?!-)[a-z0-9-]{1,63})*|\[[0-9a-f:.]+\]")


def _separated(value: Any) -> Any:
    # In the environment a list is written as words between commas.
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def _host_names(names: tuple[str, ...]) -> tuple[str, ...]:
    lowered = tuple(name.lower() for name in names)
    if not all(_HOST_NAME.fullmatch(name) for name in lowered):
        raise ValueError("expected names such as heed.example, without scheme, port or *, separated by commas")
    return lowered


def _machines(addresses: tuple[str, ...]) -> tuple[str, ...]:
    try:
        found = [ipaddress.ip_network(address) for address in addresses]
    except ValueError:
        found = []
    if not found or any(network.prefixlen == 0 for network in found):
        raise ValueError(
            "expected addresses of machines such as 10.0.0.4, or networks such as 10.0.0.0/29, separated by commas, "
            "and not all there are"
        )
    return addresses


def _asymmetric(names: tuple[str, ...]) -> tuple[str, ...]:
    if not names or not ASYMMETRIC.issuperset(names):
        raise ValueError(f"expected some of {', '.join(sorted(ASYMMETRIC))}")
    return names


def _address(url: str | None) -> str | None:
    if url is None:
        return None
    try:
        parts = urlsplit(url)
        sound = bool(parts.hostname) and not parts.username and not parts.fragment and parts.port != 0
    except ValueError:
        sound = False
    if not sound or not (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(str(parts.hostname)))):
        raise ValueError("expected an address that begins with https:// (http:// only on this machine)")
    return url


def is_loopback(host: str) -> bool:
    """Whether a name or address is one of this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


_Address = Annotated[str | None, AfterValidator(_address)]
_Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_separated)]


class Settings(BaseSettings):
    """Settings of one heed service; each can be given as an environment variable with the prefix `HEED_`.

    Attributes
    ----------
    store_url : str
        `sqlite:///x.db`, a bare path, or `postgresql+psycopg://…`.
    model_dir : Path or None
        Folder of trained models; None: beside the store (see `models_folder`).
    language : "en" or "zh"
        Spoken to those who ask for neither.
    minimum_cell : int
        Figures about an area below this are suppressed. It can be raised, and lowered no further than 5.
    host, port
        Where to listen. Beyond loopback only with `auth` required and with TLS, here or in front.
    allowed_hosts : tuple of str
        Names that requests may address it by, beside those of this machine; in the environment with commas between.
    tls_certificate, tls_key : Path or None
        PEM files; with both, it speaks HTTPS itself.
    behind_proxy : bool
        A proxy in front ends TLS; only then are plain requests from another machine answered.
    proxy_addresses : tuple of str
        Addresses or networks that the proxy speaks from; of others, what they say in X-Forwarded-For does not count.
    auth : "none" or "required"
        Who may ask: everybody on this machine, or those with a key or a token.
    public_board : bool
        Whether the echo board, and nothing else, is open to anyone where `auth` is required.
    oidc_issuer, oidc_audience : str or None
        The identity provider and the name it knows this service by; both or neither.
    oidc_jwks_url : str or None
        Where its keys are; None: as its discovery document says.
    oidc_algorithms : tuple of str
        Signatures that count. Symmetric ones and "none" are refused.
    oidc_role_claim, oidc_offices_claim : str
        Claims that hold the role and the list of offices.
    oidc_leeway_seconds : int
        How far clocks may differ.
    session_hours : float
        How long a sign-in on the pages lasts.
    recheck_seconds : float
        How long an answer may be given without looking whether the store has changed.
    max_body_bytes, max_rows : int
        Largest body of a request, and most cases or events in one.
    rate_per_minute : int
        Requests of one asker in a minute, those for health and for style sheets aside; 0: any number.
    scoring_threads, scoring_queue : int
        Threads that score posted cases, and requests that may wait for them; one more is told to come back.
    idempotency_hours : float
        How long a repeated write is recognised.
    index_dir : Path or None
        Folder of saved event indexes; None: beside the store.
    schedules_file : Path or None
        TOML of what the worker does when; None: nothing on its own.
    job_lease_seconds : float
        How long a job may go without a sign of life before another worker takes it up.
    retain_risks_days, retain_jobs_days, retain_audit_days : int
        How long risks of closed cases, finished jobs and the audit trail are kept.
    drain_seconds : float
        How long it goes on answering after SIGTERM, saying at `/health/ready` that it is not ready.
    log_format : "json" or "console"
        How log lines are written.
    log_level : str
        From which level on.
    """

    model_config = SettingsConfigDict(env_prefix="HEED_", frozen=True, extra="ignore")

    store_url: str = "heed.db"
    model_dir: Path | None = None
    language: Language = "en"
    minimum_cell: int = Field(default=10, ge=5)
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    allowed_hosts: Annotated[_Names, AfterValidator(_host_names)] = ()
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    behind_proxy: bool = False
    proxy_addresses: Annotated[_Names, AfterValidator(_machines)] = ("127.0.0.1", "::1")
    auth: Literal["none", "required"] = "none"
    public_board: bool = False
    oidc_issuer: _Address = None
    oidc_audience: str | None = None
    oidc_jwks_url: _Address = None
    oidc_algorithms: Annotated[_Names, AfterValidator(_asymmetric)] = ("RS256", "ES256", "EdDSA")
    oidc_role_claim: str = "heed_role"
    oidc_offices_claim: str = "heed_offices"
    oidc_leeway_seconds: int = Field(default=30, ge=0, le=300)
    session_hours: float = Field(default=12, gt=0, le=168)
    recheck_seconds: float = Field(default=1.0, ge=0)
    max_body_bytes: int = Field(default=4_194_304, ge=1_024)
    max_rows: int = Field(default=1_000, ge=1, le=100_000)
    rate_per_minute: int = Field(default=6_000, ge=0)
    scoring_threads: int = Field(default=1, ge=1, le=64)
    scoring_queue: int = Field(default=16, ge=0)
    idempotency_hours: float = Field(default=24, gt=0)
    index_dir: Path | None = None
    schedules_file: Path | None = None
    job_lease_seconds: float = Field(default=60, gt=0)
    retain_risks_days: int = Field(default=90, ge=1)
    retain_jobs_days: int = Field(default=90, ge=1)
    retain_audit_days: int = Field(default=1_095, ge=30)
    drain_seconds: float = Field(default=0, ge=0, le=600)
    log_format: Literal["json", "console"] = "json"
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @classmethod
    def read(cls, **given: Any) -> Self:
        """The settings of the environment, with what is given on top.

        Raises
        ------
        UsageError
            If a value is not of its kind, naming the variable and what was expected, or if the address to
            listen on is not of this machine.
        """
        try:
            settings = cls(**given)
        except ValidationError as error:
            lines = "\n".join(
                f"  - HEED_{str(item['loc'][0]).upper()}: {item['msg']}" for item in error.errors(include_input=False)
            )
            raise UsageError(f"Settings that cannot be used:\n{lines}") from None
        settings.refuse_unsafe()
        return settings

    def models_folder(self) -> Path:
        """Where the models of this store are: `model_dir`, or the folder `NAME.models` beside an SQLite
        store.
        """
        if self.model_dir is not None:
            return self.model_dir
        file = file_of(parse_url(self.store_url))
        return Path("heed.models") if file is None else file.with_suffix(".models")

    def index_folder(self) -> Path:
        """Where the saved event indexes of this store are: `index_dir`, or `NAME.index` beside an SQLite store."""
        if self.index_dir is not None:
            return self.index_dir
        file = file_of(parse_url(self.store_url))
        return Path("heed.index") if file is None else file.with_suffix(".index")

    def refuse_unsafe(self) -> None:
        """Refuse to be reached from another machine without authentication, TLS and the names it is known by; and
        refuse what is configured by half.

        Raises
        ------
        UsageError
            Naming every setting that is missing.
        """
        missing = [*self._half_configured(), *self._open_to_others()]
        if missing:
            lines = "\n".join(f"  - {line}" for line in missing)
            raise UsageError(f"The service would not be safe, so it does not start:\n{lines}\n{_STAY_HOME}")

    def _half_configured(self) -> list[str]:
        missing = []
        if (self.tls_certificate is None) != (self.tls_key is None):
            missing.append("HEED_TLS_CERTIFICATE and HEED_TLS_KEY: expected both or neither, got one.")
        if (self.oidc_issuer is None) != (self.oidc_audience is None):
            missing.append("HEED_OIDC_ISSUER and HEED_OIDC_AUDIENCE: expected both or neither, got one.")
        if self.oidc_jwks_url is not None and self.oidc_issuer is None:
            missing.append("HEED_OIDC_JWKS_URL: expected HEED_OIDC_ISSUER and HEED_OIDC_AUDIENCE with it.")
        if self.oidc_issuer is not None and self.auth == "none":
            missing.append("HEED_AUTH: expected required, because an identity provider is given; got none.")
        return missing

    def _open_to_others(self) -> list[str]:
        listens = not is_loopback(self.host)
        # A proxy on this machine speaks from loopback, and so does a tunnel that others reach by a name.
        if not (listens or self.behind_proxy or self.allowed_hosts):
            return []
        missing = []
        if self.auth == "none":
            missing.append("HEED_AUTH: expected required, got none: whoever reaches the service would read every case.")
        if not self.allowed_hosts and (listens or self.behind_proxy):
            missing.append("HEED_ALLOWED_HOSTS: expected the names that others address the service by, got none.")
        if listens and self.tls_certificate is None and not self.behind_proxy:
            missing.append(
                "HEED_TLS_CERTIFICATE and HEED_TLS_KEY, or HEED_BEHIND_PROXY=true where a proxy in front ends TLS: "
                "expected one of the two, got neither: keys would travel in the clear."
            )
        return missing


_STAY_HOME: Final = (
    "Or keep it on this machine (HEED_HOST=127.0.0.1, and none of these set), and reach it from another one through a "
    "tunnel, such as `ssh -L 8000:127.0.0.1:8000`."
)
