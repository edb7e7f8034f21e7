"""The settings as they are: each value, where it comes from, and what in them deserves a second look.

Secrets are never told: of the address of a store the password, and the whole of what its name calls a secret.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from data.database import parse_url
from data.errors import UsageError
from service.settings import Settings, is_loopback

PREFIX: Final = "HEED_"
HIDDEN: Final = "***"
# Read where they are needed, and no settings of the service.
OTHERS: Final = frozenset(
    {
        "HEED_CKAN_TOKEN",
        "HEED_MODEL_SIGNING_KEY",
        "HEED_MODEL_TRUSTED_KEYS",
        "HEED_OPEN311_KEY",
        "HEED_SOCRATA_TOKEN",
        "HEED_SYNC_FOLDER",
        "HEED_SYNC_PROXY",
        "HEED_TEST_POSTGRES_URL",
    }
)
_SECRET_WORDS: Final = ("secret", "password", "token")


@dataclass(frozen=True, slots=True)
class Told:
    """One setting. `origin`: default, environment or command line."""

    name: str
    variable: str
    value: Any
    origin: str


def told(settings: Settings, *, given: Sequence[str] = (), environment: Mapping[str, str] | None = None) -> list[Told]:
    """Every setting in the order of the class, secrets hidden.

    Parameters
    ----------
    settings : as they count
    given : names of those that the command line gave
    environment : None: that of this process
    """
    present = {name.upper() for name in (os.environ if environment is None else environment)}
    listed = []
    for name in Settings.model_fields:
        variable = variable_of(name)
        origin = "command line" if name in given else "environment" if variable in present else "default"
        listed.append(Told(name, variable, _shown(name, getattr(settings, name)), origin))
    return listed


def variable_of(name: str) -> str:
    """The environment variable of a setting."""
    return f"{PREFIX}{name.upper()}"


def _shown(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name == "store_url":
        return store_shown(str(value))
    if any(word in name for word in _SECRET_WORDS):
        return HIDDEN
    if isinstance(value, tuple):
        return list(value)
    return value if isinstance(value, bool | int | float) else str(value)


def store_shown(address: str) -> str:
    """The address of a store without its password, wherever in it that stands."""
    try:
        url = parse_url(address)
    except UsageError:
        return HIDDEN
    if "://" not in address:
        return address
    hidden = {name: HIDDEN for name in url.query if any(word in name.lower() for word in _SECRET_WORDS)}
    return url.update_query_dict(hidden).render_as_string(hide_password=True)


def unknown_variables(environment: Mapping[str, str] | None = None) -> list[str]:
    """A warning for each variable that begins like ours and is none: most likely one that is misspelt."""
    known = {variable_of(name) for name in Settings.model_fields} | OTHERS
    warnings = []
    for name in sorted(os.environ if environment is None else environment):
        if name.upper().startswith(PREFIX) and name.upper() not in known:
            near = difflib.get_close_matches(name.upper(), sorted(known), n=1)
            hint = f" Is {near[0]} meant?" if near else ""
            warnings.append(f"{name}: no setting is called so; the service does not read it.{hint}")
    return warnings


def warnings_of(settings: Settings, environment: Mapping[str, str] | None = None) -> list[str]:
    """What is allowed, and still worth a second look."""
    return [*unknown_variables(environment), *(text for holds, text in _looked_at(settings) if holds)]


def _looked_at(settings: Settings) -> list[tuple[bool, str]]:
    open_to_others = settings.auth == "required"
    sqlite = parse_url(settings.store_url).get_backend_name() == "sqlite"
    password = not sqlite and parse_url(settings.store_url).password is not None
    return [
        (
            settings.minimum_cell < Settings.model_fields["minimum_cell"].default,
            "HEED_MINIMUM_CELL: below 10, so figures of very small groups are shown.",
        ),
        (
            open_to_others and settings.rate_per_minute == 0,
            "HEED_RATE_PER_MINUTE: 0, so one asker may take the whole service.",
        ),
        (
            settings.behind_proxy and settings.tls_certificate is not None,
            "HEED_BEHIND_PROXY: with a certificate of its own; who connects directly can claim to come from anywhere.",
        ),
        (
            settings.behind_proxy
            and not is_loopback(settings.host)
            and "proxy_addresses" not in settings.model_fields_set,
            "HEED_PROXY_ADDRESSES: only this machine; of a proxy elsewhere, all who come through it count as one asker "
            "until they have signed in.",
        ),
        (
            open_to_others and settings.session_hours > 24,
            "HEED_SESSION_HOURS: more than a day; a desk that is left stays signed in.",
        ),
        (
            settings.log_level == "debug",
            "HEED_LOG_LEVEL: debug; a line for every look at /health and /metrics as well.",
        ),
        (
            settings.recheck_seconds > 60,
            "HEED_RECHECK_SECONDS: more than a minute; a key that was revoked works for as long.",
        ),
        (
            settings.retain_audit_days < settings.retain_risks_days,
            "HEED_RETAIN_AUDIT_DAYS: less than HEED_RETAIN_RISKS_DAYS; who read a risk is forgotten before the risk.",
        ),
        (
            password,
            "HEED_STORE_URL: holds a password, which other programs of this machine may see in the environment. "
            "A file ~/.pgpass keeps it better.",
        ),
    ]
