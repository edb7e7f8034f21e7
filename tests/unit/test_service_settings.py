"""What the service accepts before it starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from data.errors import UsageError
from service.app import create_app
from service.settings import Settings


def test_the_defaults_listen_on_this_machine_only():
    """Nothing has to be set for a service that only this machine can reach."""
    settings = Settings.read()
    assert (settings.host, settings.port, settings.minimum_cell) == ("127.0.0.1", 8000, 10)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "heed.example"])  # noqa: S104  refused here
def test_any_other_address_is_refused_because_there_is_no_authentication(host):
    """A service without authentication does not start where another machine could reach it."""
    with pytest.raises(UsageError, match="There is no authentication yet"):
        create_app(Settings(host=host))


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
