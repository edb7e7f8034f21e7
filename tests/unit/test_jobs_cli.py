"""`heed jobs` and `heed worker`, as a user meets them."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from data.store import Store
from service import cli
from service.jobs.claims import Claims
from tests.support.job_runs import acts

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def heed(monkeypatch, capsys, tmp_path):
    """Run `heed` on an empty store; exit code, stdout, stderr."""
    # It would take the log lines of all later tests along.
    monkeypatch.setattr("service.logs.configure", lambda _settings: None)

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["heed", "--store", str(tmp_path / "heed.db"), *arguments])
        try:
            cli.main()
            code = 0
        except SystemExit as stopped:
            code = int(stopped.code or 0)
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


def test_a_job_is_added_shown_and_cancelled(heed, tmp_path):
    """In words and in JSON; the beginning of an id is enough."""
    code, text, _ = heed("jobs", "add", "train", "--argument", "promote=false", "--json")
    job = json.loads(text)
    assert (code, job["state"], job["arguments"]["promote"]) == (0, "queued", False)
    _, text, _ = heed("jobs", "add", "score", "--at", "2030-01-01T06:30+08:00")
    assert "What becomes of it: heed jobs show" in text
    _, text, _ = heed("jobs", "list")
    assert "train" in text
    assert "2 " not in text.splitlines()[0]
    _, text, _ = heed("jobs", "list", "--state", "queued", "--kind", "score", "--json")
    assert [one["not_before"] for one in json.loads(text)["jobs"]] == ["2029-12-31T22:30:00Z"]
    _, text, _ = heed("jobs", "show", job["id"][:6])
    assert f"{job['id']}: train, queued" in text
    _, text, _ = heed("jobs", "cancel", job["id"])
    assert "cancelled" in text
    with Store.open(str(tmp_path / "heed.db")) as store:
        assert ("job.cancel", job["id"]) in acts(store)


def test_a_running_job_is_asked_to_stop(heed, tmp_path):
    """And shown with how far it is."""
    _, text, _ = heed("jobs", "add", "score", "--json")
    job = json.loads(text)["id"]
    with Store.open(str(tmp_path / "heed.db")) as store:
        Claims(store, seconds=60).claim().beat(("score", 1, 3))
    assert "score 1 of 3" in heed("jobs", "show", job)[1]
    assert "asked to stop" in heed("jobs", "cancel", job)[1]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("add", "dance"), "Expected one of sync, score, detect"),
        (("add", "train", "--argument", "promote"), "--argument: expected NAME=VALUE"),
        (
            ("add", "train", "--argument", "promote=perhaps"),
            "Arguments of train: promote: input should be a valid bool",
        ),
        (("add", "score", "--at", "tomorrow"), "--at: expected a moment"),
        (("add", "sync", "--argument", "name=nowhere"), "expected a mapping with [sync]"),
        (("list", "--state", "sleeping"), "--state: expected one of queued, running"),
        (("show", "abc"), "Expected an id that one job begins with; none does."),
    ],
)
def test_a_wrong_call_is_told_what_was_expected(heed, arguments, told):
    """Exit code 2, and what to do."""
    heed("jobs", "add", "score")
    code, _, err = heed("jobs", *arguments)
    assert code == 2
    assert told in err


def test_the_worker_does_what_is_due_and_ends(heed):
    """A scoring of an empty store fails with a problem, not with the worker."""
    heed("jobs", "add", "score")
    code, _, _ = heed("worker", "--once")
    assert code == 0
    assert "Not enough data" in heed("jobs", "list")[1]


def test_a_bad_timetable_is_refused_before_anything_is_done(heed, tmp_path):
    """Exit code 2; no store is made for it."""
    bad = tmp_path / "schedules.toml"
    bad.write_text("[[schedule]]\nname = 'a'\nkind = 'score'\nat = '25:00'")
    code, _, err = heed("worker", "--once", "--schedules", str(bad))
    assert code == 2
    assert "schedule 'a': at: expected a time of day such as 06:30" in err
    assert not (tmp_path / "heed.db").exists()


def test_a_worker_that_is_told_to_stop_ends_well(tmp_path):
    """Exit code 0, and its last line says so."""
    command = [sys.executable, "-c", "from service.cli import main; main()", "--store", str(tmp_path / "heed.db")]
    with subprocess.Popen([*command, "worker"], cwd=REPOSITORY, stderr=subprocess.PIPE, text=True) as process:
        try:
            first = process.stderr.readline()
            assert "worker started" in first, first
            process.send_signal(signal.SIGTERM)
            rest = process.stderr.read()
        finally:
            process.kill()
    assert process.returncode == 0, rest
    assert "worker stopped, 0 jobs taken up" in rest
