"""What `heed config` tells, and that the examples of how to run heed are true."""

from __future__ import annotations

import configparser
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from data.errors import UsageError
from service import cli
from service.jobs.schedule_file import ScheduleFile
from service.server import FINISH_SECONDS
from service.settings import Settings
from service.settings_told import HIDDEN, _shown, store_shown, told, unknown_variables, warnings_of

EXAMPLES = Path(__file__).parents[2] / "examples"
UNITS = sorted(EXAMPLES.glob("*.service"))


@pytest.fixture(autouse=True)
def no_settings(monkeypatch):
    """None of the machine that the tests run on."""
    for name in list(os.environ):
        if name.startswith("HEED_"):
            monkeypatch.delenv(name)


def run(monkeypatch, capsys, *arguments: str) -> tuple[int, str, str]:
    """Run `heed` in this process; exit code, stdout, stderr."""
    monkeypatch.setattr(sys, "argv", ["heed", *arguments])
    try:
        cli.main()
        code = 0
    except SystemExit as stopped:
        code = int(stopped.code or 0)
    shown = capsys.readouterr()
    return code, shown.out, shown.err


def test_every_setting_is_told_with_its_value_and_origin(monkeypatch, capsys):
    """Where a surprising value comes from is the first question."""
    monkeypatch.setenv("HEED_PORT", "8123")
    code, text, _ = run(monkeypatch, capsys, "--store", "city.db", "config", "show", "--json")
    assert code == 0
    listed = {each["name"]: each for each in json.loads(text)["settings"]}
    assert set(listed) == set(Settings.model_fields)
    assert listed["port"] == {"name": "port", "variable": "HEED_PORT", "value": 8123, "origin": "environment"}
    assert (listed["store_url"]["value"], listed["store_url"]["origin"]) == ("city.db", "command line")
    assert (listed["minimum_cell"]["value"], listed["minimum_cell"]["origin"]) == (10, "default")
    assert listed["oidc_algorithms"]["value"] == ["RS256", "ES256", "EdDSA"]


def test_a_store_of_the_environment_comes_from_the_environment(monkeypatch, capsys):
    """The option --store reads the variable as well."""
    monkeypatch.setenv("HEED_STORE_URL", "city.db")
    _, text, _ = run(monkeypatch, capsys, "config", "show", "--json")
    assert json.loads(text)["settings"][0]["origin"] == "environment"


def test_people_get_a_table(monkeypatch, capsys):
    """A row for each, warnings apart."""
    monkeypatch.setenv("HEED_LOG_LEVEL", "debug")
    code, text, errors = run(monkeypatch, capsys, "config", "show")
    assert code == 0
    assert re.search(r"HEED_MINIMUM_CELL +10 +default", text)
    assert re.search(r"HEED_LOG_LEVEL +debug +environment", text)
    assert "warning: HEED_LOG_LEVEL" in errors


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("postgresql://heed:geheim@db/heed", "postgresql+psycopg://heed:***@db/heed"),
        ("postgresql+psycopg://db/heed?user=heed&password=geheim", "postgresql+psycopg://db/heed?"),
        ("postgresql://db/heed?sslpassword=geheim&sslmode=require", "postgresql+psycopg://db/heed"),
        ("sqlite:///heed.db", "sqlite:///heed.db"),
        ("/var/lib/heed/heed.db", "/var/lib/heed/heed.db"),
        ("mysql://heed:geheim@db/heed", HIDDEN),
        ("geheim://", HIDDEN),
    ],
)
def test_the_password_of_a_store_is_hidden_wherever_it_stands(monkeypatch, capsys, address, shown):
    """In the address, in its options, and where the address cannot be read at all."""
    assert store_shown(address).startswith(shown)
    assert "geheim" not in store_shown(address)
    assert "geheim" not in json.dumps([str(each) for each in told(Settings(store_url=address))])


def test_a_setting_that_is_named_like_a_secret_would_be_hidden():
    """There is none now; whoever adds one does not have to think of this."""
    assert _shown("client_secret", "geheim") == HIDDEN
    assert _shown("proxy_password", "geheim") == HIDDEN
    assert _shown("client_secret", None) is None


def test_a_misspelt_variable_is_told_with_the_one_that_is_meant():
    """It would silently do nothing."""
    given = {
        "HEED_MINIMUM_CEL": "20",
        "HEED_STORE_URL": "x",
        "HEED_SOCRATA_TOKEN": "t",
        "PATH": "/bin",
        "heed_port": "",
    }
    assert unknown_variables(given) == [
        "HEED_MINIMUM_CEL: no setting is called so; the service does not read it. Is HEED_MINIMUM_CELL meant?"
    ]
    assert unknown_variables({"HEED_ZZZ": "1"}) == ["HEED_ZZZ: no setting is called so; the service does not read it."]


@pytest.mark.parametrize(
    ("given", "variable"),
    [
        ({"minimum_cell": 5}, "HEED_MINIMUM_CELL"),
        ({"auth": "required", "rate_per_minute": 0}, "HEED_RATE_PER_MINUTE"),
        ({"auth": "required", "session_hours": 48}, "HEED_SESSION_HOURS"),
        ({"recheck_seconds": 600}, "HEED_RECHECK_SECONDS"),
        ({"retain_audit_days": 30, "retain_risks_days": 90}, "HEED_RETAIN_AUDIT_DAYS"),
        ({"store_url": "postgresql://heed:geheim@db/heed"}, "HEED_STORE_URL"),
        ({"log_level": "debug"}, "HEED_LOG_LEVEL"),
        ({"behind_proxy": True, "tls_certificate": "c.pem", "tls_key": "k.pem"}, "HEED_BEHIND_PROXY"),
        ({"behind_proxy": True, "host": "10.0.0.9"}, "HEED_PROXY_ADDRESSES"),
    ],
)
def test_what_is_allowed_and_unwise_is_a_warning(given, variable):
    """Each for itself; the defaults have none."""
    warnings = warnings_of(Settings(**given), {})
    assert [warning.partition(":")[0] for warning in warnings] == [variable]
    assert "geheim" not in str(warnings)
    assert warnings_of(Settings(), {}) == []


def test_the_check_says_whether_the_service_would_start(monkeypatch, capsys):
    """Exit code 2 is wrong use, as everywhere."""
    code, text, _ = run(monkeypatch, capsys, "config", "check")
    assert (code, text) == (0, "The settings can be used.\n")
    monkeypatch.setenv("HEED_RATE", "60")
    code, text, errors = run(monkeypatch, capsys, "config", "check", "--json")
    assert (code, json.loads(text)["ok"], len(json.loads(text)["warnings"])) == (0, True, 1)
    code, text, errors = run(monkeypatch, capsys, "config", "check", "--strict")
    assert (code, text) == (2, "")
    assert "HEED_RATE: no setting is called so" in errors
    monkeypatch.setenv("HEED_HOST", "0.0.0.0")  # noqa: S104  refused here
    code, _, errors = run(monkeypatch, capsys, "config", "check")
    assert code == 2
    assert "HEED_AUTH" in errors


# ---- the examples ----


def _variables(text: str) -> set[str]:
    return set(re.findall(r"\bHEED_[A-Z0-9_]+[A-Z0-9]\b", text))


@pytest.mark.parametrize("path", sorted(EXAMPLES.iterdir()), ids=lambda path: path.name)
def test_every_variable_that_an_example_names_is_a_setting(path):
    """A renamed setting would leave an example that does nothing."""
    assert unknown_variables(dict.fromkeys(_variables(path.read_text("utf-8")) - {"HEED_RETAIN"}, "")) == []


def test_the_settings_of_the_examples_would_start(monkeypatch):
    """Also together: safe behind a proxy, and without a warning."""
    lines = (EXAMPLES / "heed.env").read_text("utf-8").splitlines()
    given = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    settings = Settings.read()
    assert (settings.auth, settings.behind_proxy, settings.allowed_hosts) == ("required", True, ("heed.example",))
    assert warnings_of(settings) == []


def test_the_settings_of_the_container_need_more_before_they_start(monkeypatch):
    """It listens on every address of the container, so it does not start without authentication."""
    text = (EXAMPLES / "Containerfile").read_text("utf-8")
    command = json.loads(re.findall(r"^CMD (\[.*\])", text, re.MULTILINE)[-1])
    assert command[:3] == ["serve", "--host", "0.0.0.0"]  # noqa: S104  of the container
    with pytest.raises(UsageError, match="HEED_AUTH: expected required"):
        Settings.read(host=command[2])
    assert re.search(r"^USER 10001$", text, re.MULTILINE)


def test_the_timetable_of_the_examples_loads():
    """With every kind and length of time in it."""
    timetable = ScheduleFile.read(EXAMPLES / "schedules.toml", Settings())
    names = [row["name"] for row in tomllib.loads((EXAMPLES / "schedules.toml").read_text("utf-8"))["schedule"]]
    assert [schedule.name for schedule in timetable.schedules] == names
    assert {"score", "detect", "retain"} <= {schedule.kind for schedule in timetable.schedules}


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_the_units_are_units_and_hardened(path, monkeypatch, capsys):
    """Read as systemd reads them, as far as that is the format of an INI file."""
    parser = configparser.RawConfigParser(strict=False, comment_prefixes=("#",))
    parser.optionxform = str
    parser.read(path, "utf-8")
    service = dict(parser["Service"])
    for name in ("ProtectHome", "PrivateTmp", "PrivateDevices", "NoNewPrivileges", "DynamicUser"):
        assert service[name] == "yes"
    assert (service["ProtectSystem"], service["CapabilityBoundingSet"], service["UMask"]) == ("strict", "", "0077")
    assert service["EnvironmentFile"] == "/etc/heed/heed.env"
    command = service["ExecStart"].split()
    assert command[0].endswith("/bin/heed")
    assert command[1] in {"serve", "worker"}
    _, known, _ = run(monkeypatch, capsys, command[1], "--help")
    assert all(option in known for option in command if option.startswith("--"))


def test_a_unit_waits_longer_for_the_end_than_the_service_takes():
    """It would be killed in the middle of what was begun."""
    parser = configparser.RawConfigParser(strict=False)
    parser.read(EXAMPLES / "heed-serve.service", "utf-8")
    drain = int(re.findall(r"--drain (\d+)", parser["Service"]["ExecStart"])[0])
    assert int(parser["Service"]["TimeoutStopSec"]) > drain + FINISH_SECONDS


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_systemd_itself_finds_nothing_wrong_with_the_units(path):
    """Where it is installed. That the program is not at its place on this machine is no fault of the unit."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not on this machine")
    made = subprocess.run(["systemd-analyze", "verify", str(path)], capture_output=True, text=True, check=False)
    said = [line for line in made.stderr.splitlines() if line.startswith(path.name)]
    assert [line for line in said if "is not executable" not in line] == []


def test_the_proxy_takes_larger_bodies_than_the_service():
    """Else the proxy answers first, and not with a problem."""
    text = (EXAMPLES / "nginx.conf").read_text("utf-8")
    assert "client_max_body_size 5m;" in text
    assert Settings().max_body_bytes == 4 * 1024 * 1024
    assert "X-Forwarded-For $remote_addr" in (EXAMPLES / "proxy.conf").read_text("utf-8")


def test_every_variable_that_the_code_reads_is_known():
    """One that is read beside the settings would be called a mistake."""
    named: set[str] = set()
    for folder in ("data", "features", "models", "service"):
        for path in (EXAMPLES.parent / folder).rglob("*.py"):
            named |= _variables(path.read_text("utf-8"))
    assert "HEED_SOCRATA_TOKEN" in named
    assert unknown_variables(dict.fromkeys(named, "")) == []
