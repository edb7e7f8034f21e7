"""Writes through the service survive anything: killed at every point and repeated, or sent by many at once."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from data.store import Store
from tests.support.service_writes import filled_store, left_in, moved, opened, writer_of

REPOSITORY = Path(__file__).parents[2]

pytestmark = pytest.mark.slow


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    """A filled store on each engine."""
    with filled_store(request.param, tmp_path, lambda: request.getfixturevalue("postgres_url")) as address:
        yield address


@pytest.mark.parametrize(("what", "least"), [("events", 10), ("reviews", 6), ("marks", 6), ("promotions", 10)])
def test_a_write_that_is_killed_and_repeated_is_done_once(url, tmp_path, what, least):
    """Killed at each writing statement, commit and change of the disk in turn: all of it is there, or nothing, and
    after the repetition once; the answer that was stored is given again.
    """
    found = _found(url, tmp_path, what)
    assert found["wrong"] == []
    assert found["killed"] >= least
    assert found["replayed"] >= 1


def test_of_two_processes_that_promote_at_once_one_wins(url, tmp_path):
    """Each time, and the other is told that it decided on what is no more."""
    assert _found(url, tmp_path, "at_once") == {"killed": 10, "replayed": 0, "wrong": []}


def _found(url: str, folder: Path, what: str) -> dict:
    command = [sys.executable, "-m", "tests.support.service_kills", url, str(folder / "models"), what]
    ended = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=900, check=False)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout.splitlines()[-1])


def test_eight_at_once_with_one_key_have_one_effect(url):
    """Of eight threads that post the same with the same key one is done; the others are told to wait, or given its
    answer; and so again and again.
    """
    writer = writer_of(url)
    with Store.open(url) as store:
        for number in range(1, 6):
            before = left_in(store)
            answers = _at_once(8, lambda n=number: writer.post_events(opened(n), moved(n), key=f"k{n}"))
            first = [answer for answer in answers if answer.status_code == 201 and _is_first(answer)]
            assert len(first) == 1
            for answer in answers:
                # 503 where another test holds the lock that all writers of a server share.
                assert answer.status_code in (409, 503) or answer.content == first[0].content
            after = left_in(store)
            assert {name: after[name] - before[name] for name in after} == {
                "event": 2, "import_run": 1, "audit_entry": 1, "idempotent_request": 1, "signal_review": 0,
                "case_mark": 0,
            }  # fmt: skip
    writer.close()


def _is_first(answer) -> bool:
    return "idempotency-replayed" not in answer.headers


def _at_once(number: int, ask) -> list:
    answers: list = []
    ready = threading.Barrier(number)

    def run() -> None:
        ready.wait(10)
        answers.append(ask())

    threads = [threading.Thread(target=run) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    return answers
