"""Writes through the service in processes of their own, killed at every writing statement and change of the disk.

`python -m tests.support.service_kills URL MODELS WHAT` forks them from one process that has loaded everything already,
and prints what it found as JSON. Killed means SIGKILL: nothing is tidied up. A call that was killed is repeated with
its key, when its claim has run out.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event, update

from data import tables
from data.store import Store
from data.store_audit import verify
from models.registry import Registry
from tests.support.service_writes import Writer, acts, left_in, moved, opened, writer_of
from tests.unit.test_cli_models import bundle

DISK = ("fsync", "rename", "replace", "unlink", "truncate")
# More steps than any write has.
MOST = 400
# How often a call comes again to a store that is being written to; it waits for ten seconds each time.
PATIENCE = 12

Answer = dict[str, Any]
Ask = Callable[[Writer], Any]


def forked(work: Callable[[], None]) -> int:
    """Run work in a child; its exit code, or -9 where it was killed."""
    child = os.fork()
    if child == 0:
        code = 70
        try:
            work()
            code = 0
        except BaseException:  # a child of a fork must not go on as its parent
            traceback.print_exc()
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def dying_at(step: int) -> Callable[[], None]:
    """Make this process kill itself at its n-th writing statement, commit or change of the disk; the result counts one
    more.
    """
    left = [step]

    def count(*_given: Any, **_named: Any) -> None:
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def watched(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any, **named: Any) -> Any:
            count()
            return real(*given, **named)

        return call

    for name in DISK:
        setattr(os, name, watched(getattr(os, name)))

    wrote: set[int] = set()

    def writes(connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        # To die before something is read is to die after what was written before.
        if not statement.lstrip().upper().startswith(("SELECT", "PRAGMA", "BEGIN", "SHOW")):
            wrote.add(id(connection))
            count()

    def commits(connection: Any) -> None:
        if id(connection) in wrote:
            wrote.discard(id(connection))
            count()

    event.listen(Engine, "before_cursor_execute", writes)
    event.listen(Engine, "commit", commits)
    return count


class Kills:
    """One kind of write, killed again and again, and what was wrong after any of it."""

    def __init__(self, url: str, models: Path) -> None:
        self.url, self.models = url, models
        self.writer = writer_of(url, model_dir=models)
        self.folder = Path(tempfile.mkdtemp(prefix="heed-kills-"))
        self.wrong: list[str] = []
        self.killed = self.replayed = 0
        # What the newest repetition was answered.
        self.answer: Answer = {}

    def asked(self, ask: Ask, step: int = 0, kill_after: float = 0.0) -> Answer | None:
        """Ask in a child, killed at a step or after some seconds; its answer, None where it was killed."""
        told = self.folder / "answer.json"
        told.unlink(missing_ok=True)

        def child() -> None:
            count = dying_at(step) if step else None
            if kill_after:
                signal.signal(signal.SIGALRM, signal.SIG_DFL)
                signal.setitimer(signal.ITIMER_REAL, kill_after)
            answer = ask(self.writer)
            if count is not None:
                # Killed when all is done, and before anybody is told.
                count()
            result = {"status": answer.status_code, "headers": dict(answer.headers), "text": answer.text}
            told.write_text(json.dumps(result))

        code = forked(child)
        if code == 0:
            answer: Answer = json.loads(told.read_text())
            return answer
        if code not in (-signal.SIGKILL, -signal.SIGALRM):
            self.wrong.append(f"a child ended with {code}")
        return None

    def repeat(self, ask: Ask) -> Answer:
        """The call again, when its claim has run out; and again where the store is being written to, as all who share a
        PostgreSQL server wait for each other.
        """
        with Store.open(self.url) as store, store.writing() as connection:
            row = tables.idempotent_request
            connection.execute(update(row).where(row.c.status.is_(None)).values(lease_until=0))
        answer = None
        for _ in range(PATIENCE):
            answer = self.asked(ask)
            if answer is None or answer["status"] != 503:
                break
        return {"status": 0, "headers": {}, "text": "killed"} if answer is None else answer

    def left(self) -> dict[str, int]:
        """Rows of the store."""
        with Store.open(self.url) as store:
            return left_in(store)

    def one(self, name: str, ask: Ask, expected: dict[str, int], **way: Any) -> bool:
        """Kill a call once and repeat it; whether it had come to its end before."""
        before = self.left()
        first = self.asked(ask, **way)
        if first is None:
            self.killed += 1
            halfway = {table: rows - before[table] for table, rows in self.left().items()}
            if any(halfway[table] not in (0, rows) for table, rows in expected.items()):
                self.wrong.append(f"{name}: half of it was stored: {halfway}")
        answer = self.answer = self.repeat(ask)
        if answer["status"] not in (200, 201):
            self.wrong.append(f"{name}: the repetition was answered {answer['status']}: {answer['text']}")
        self.replayed += "idempotency-replayed" in answer["headers"]
        if first is not None and (first["text"], first["status"]) != (answer["text"], answer["status"]):
            self.wrong.append(f"{name}: the repetition was answered otherwise")
        after = {table: rows - before[table] for table, rows in self.left().items()}
        if any(after[table] != rows for table, rows in expected.items()):
            self.wrong.append(f"{name}: expected {expected}, and it left {after}")
        return first is not None

    def result(self) -> dict[str, Any]:
        """What is printed."""
        return {"killed": self.killed, "replayed": self.replayed, "wrong": self.wrong[:5]}


EVENTS = {"event": 2, "import_run": 1, "audit_entry": 1, "idempotent_request": 1}
# These versions were judged by nobody, so an administrator says why they are put to use all the same.
UNJUDGED = {"override": "agreed-trial"}
MARK = {"case_mark": 1, "audit_entry": 1, "idempotent_request": 1}
REVIEW = {"signal_review": 1, "audit_entry": 1, "idempotent_request": 1}


def events(kills: Kills) -> None:
    """A post of two events, killed at its first statement, its second, … until it gets through; then at random."""
    number = 0

    def ask_for(number: int) -> Ask:
        return lambda writer: writer.post_events(opened(number), moved(number), key=f"k{number}")

    for step in range(1, MOST):
        number += 1
        if kills.one(f"events {step}", ask_for(number), EVENTS, step=step):
            break
    chance = random.Random(number)  # noqa: S311 — moments of kills, no secret
    for _ in range(10):
        number += 1
        kills.one("events at random", ask_for(number), EVENTS, kill_after=chance.uniform(0.02, 0.6))


def reviews(kills: Kills) -> None:
    """A step of a review, likewise; each is decided on the state that the one before left."""
    listed = kills.asked(lambda writer: writer.ask("GET", "/v1/signals"))
    assert listed is not None
    signal_id = json.loads(listed["text"])["signals"][0]["id"]
    read = kills.asked(lambda writer: writer.ask("GET", f"/v1/signals/{signal_id}"))
    assert read is not None
    etag = read["headers"]["etag"]
    for step in range(1, MOST):
        sent = {"if_match": etag, "idempotency_key": f"r{step}"}
        body = {"status": "checked" if step % 2 else "confirmed"}

        def ask(writer: Writer, sent: dict[str, str] = sent, body: dict[str, str] = body) -> Any:
            return writer.ask("PATCH", f"/v1/signals/{signal_id}", body, **sent)

        ended = kills.one(f"review {step}", ask, REVIEW, step=step)
        etag = kills.answer["headers"].get("etag", "")
        if ended:
            break


def marks(kills: Kills) -> None:
    """A step on a case, likewise, set and taken back in turn; the trail is whole after all, and the marks are what was
    answered last.
    """
    listed = kills.asked(lambda writer: writer.ask("GET", "/v1/cases?limit=1"))
    assert listed is not None
    address = f"/v1/cases/{json.loads(listed['text'])['cases'][0]['id']}/marks"
    read = kills.asked(lambda writer: writer.ask("GET", address))
    assert read is not None
    etag = read["headers"]["etag"]
    for step in range(1, MOST):
        sent = {"if_match": etag, "idempotency_key": f"n{step}"}
        body = {"mark": "seen", "set": step % 2 == 1}

        def ask(writer: Writer, sent: dict[str, str] = sent, body: dict[str, Any] = body) -> Any:
            return writer.ask("PATCH", address, body, **sent)

        ended = kills.one(f"mark {step}", ask, MARK, step=step)
        etag = kills.answer["headers"].get("etag", "")
        shown = kills.asked(lambda writer: writer.ask("GET", address))
        if shown is None or shown["text"] != kills.answer["text"]:
            kills.wrong.append(f"mark {step}: another state is shown than was acknowledged")
        if ended:
            break
    with Store.open(kills.url) as store:
        if (fault := verify(store).fault) is not None:
            kills.wrong.append(f"the trail is not whole: {fault}")


def promotions(kills: Kills) -> None:
    """A promotion, likewise; the trail tells of every change, and of each end once."""
    registry = Registry(kills.models)
    versions = [registry.save("failures", bundle(number)) for number in range(2)]
    for step in range(1, MOST):
        listed = kills.asked(lambda writer: writer.ask("GET", "/v1/models"))
        assert listed is not None
        version = versions[step % 2]
        sent = {"if_match": listed["headers"]["etag"], "idempotency_key": f"m{step}"}

        def ask(writer: Writer, version: str = version, sent: dict[str, str] = sent) -> Any:
            return writer.ask("POST", f"/v1/models/{version}/promote", UNJUDGED, **sent)

        ended = kills.one(f"promotion {step}", ask, {"idempotent_request": 1}, step=step)
        if registry.champion("failures") != version:
            kills.wrong.append(f"promotion {step}: another version is in use")
        promoted = [entry for entry in registry.history() if entry.action == "promoted"]
        with Store.open(kills.url) as store:
            told = acts(store, "model.promote")
        done = [one["begun"] for one in told if one["stage"] == "done"]
        if len(promoted) != step or len(done) != step:
            kills.wrong.append(f"promotion {step}: {len(promoted)} were made, and {len(done)} told as done")
        if [f"(audit {number})" for number in done] != [entry.reason for entry in promoted]:
            kills.wrong.append(f"promotion {step}: the trail tells of other promotions than were made")
        if ended:
            break


def at_once(kills: Kills) -> None:
    """Two processes promote another version each, decided on the same list: one wins."""
    registry = Registry(kills.models)
    versions = [registry.save("failures", bundle(number)) for number in range(3)]
    registry.promote("failures", versions[2])
    for _ in range(10):
        listed = kills.asked(lambda writer: writer.ask("GET", "/v1/models"))
        assert listed is not None
        etag, start = listed["headers"]["etag"], time.monotonic() + 0.3
        others = [version for version in versions if version != registry.champion("failures")]
        children = []
        for version in others:
            child = os.fork()
            if child == 0:
                time.sleep(max(start - time.monotonic(), 0))
                answer = kills.writer.ask("POST", f"/v1/models/{version}/promote", UNJUDGED, if_match=etag)
                os._exit(answer.status_code - 200 if answer.status_code < 420 else 255)
            children.append(child)
        codes = sorted(200 + os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children)
        if codes != [200, 412]:
            kills.wrong.append(f"two at once were answered {codes}")
        kills.killed += 1


def main() -> None:
    """Do one kind of write, and print what was found."""
    url, models, what = sys.argv[1:4]
    kills = Kills(url, Path(models))
    {"events": events, "reviews": reviews, "marks": marks, "promotions": promotions, "at_once": at_once}[what](kills)
    sys.stdout.write(json.dumps(kills.result()) + "\n")


if __name__ == "__main__":
    main()
