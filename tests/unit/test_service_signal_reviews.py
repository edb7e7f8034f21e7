"""A signal is reviewed through the service: decided on what was read, appended, seen at once, and nobody is named."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import get_args

import pytest
from sqlalchemy import select

from data import tables
from data.store import Store
from models.signals.reviews import REASONS, STATUSES
from service.review_payloads import DismissalReason, ReviewStatus
from tests.support.service_writes import Writer, acts, filled_store, left_in, writer_of


@contextmanager
def serving(engine: str, folder: Path, postgres_url) -> Iterator[tuple[Writer, Store, str]]:
    """A filled store, and a service on it."""
    with filled_store(engine, folder, postgres_url) as url:
        writer = writer_of(url)
        with Store.open(url) as store:
            yield writer, store, url
        writer.close()


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """A filled store, for all that does not depend on the database."""
    with serving("sqlite", tmp_path_factory.mktemp("reviews"), None) as kept:
        yield kept


@pytest.fixture
def kept(filled):
    """The same, without a review."""
    writer, store, _ = filled
    with store.writing() as connection:
        connection.execute(tables.signal_review.delete())
    return writer, store


@pytest.fixture(params=["sqlite", "postgresql"])
def on_both(request, tmp_path):
    """A filled store on each engine, for what transactions decide."""
    with serving(request.param, tmp_path, lambda: request.getfixturevalue("postgres_url")) as kept:
        yield kept[:2]


def ids(writer) -> list[str]:
    """The ids of the signals, as the list gives them."""
    return [signal["id"] for signal in writer.ask("GET", "/v1/signals").json()["signals"]]


def read(writer, signal: str, **headers: str):
    """One signal."""
    answer = writer.ask("GET", f"/v1/signals/{signal}", **headers)
    assert answer.status_code == 200, answer.text
    return answer


def review(writer, signal: str, etag: str | None, status: str = "confirmed", reason: str | None = None, **headers: str):
    """Send a step."""
    sent = headers if etag is None else {**headers, "if_match": etag}
    return writer.ask("PATCH", f"/v1/signals/{signal}", {"status": status, "reason": reason}, **sent)


def test_a_step_is_appended_and_seen_at_once(on_both):
    """The answer is the signal as it is read afterwards, with its new ETag; the list says it too."""
    writer, store = on_both
    signal = ids(writer)[0]
    first = read(writer, signal)
    before = left_in(store)
    answer = review(writer, signal, first.headers["etag"])
    assert answer.status_code == 200, answer.text
    assert answer.json()["status"] == "confirmed"
    after = read(writer, signal)
    assert (after.content, after.headers["etag"]) == (answer.content, answer.headers["etag"])
    assert answer.headers["etag"] != first.headers["etag"]
    told = {one["id"]: one["status"] for one in writer.ask("GET", "/v1/signals").json()["signals"]}
    assert told[signal] == "confirmed"
    assert {name: after_ - before[name] for name, after_ in left_in(store).items()} == {
        "event": 0, "import_run": 0, "audit_entry": 1, "idempotent_request": 0, "signal_review": 1, "case_mark": 0
    }  # fmt: skip
    assert acts(store, "signal.review")[-1] == {"before": "new", "reason": None, "status": "confirmed"}


def test_earlier_steps_stay(kept):
    """Each step says what it was decided on; nobody is named in any."""
    writer, store = kept
    signal = ids(writer)[0]
    etag = read(writer, signal).headers["etag"]
    steps = [("checked", None), ("dismissed", "season"), ("acted", None)]
    for status, reason in steps:
        answer = review(writer, signal, etag, status, reason)
        assert answer.status_code == 200, answer.text
        etag = answer.headers["etag"]
    with store.reading() as connection:
        rows = (
            connection.execute(select(tables.signal_review).order_by(tables.signal_review.c.review_id)).mappings().all()
        )
    assert [(row["status"], row["reason"]) for row in rows] == steps
    assert not any("actor" in name or "by" in name for name in rows[0])
    assert [one["before"] for one in acts(store, "signal.review")[-3:]] == ["new", "checked", "dismissed"]


def test_a_newer_step_counts_whatever_the_clock_says(kept, monkeypatch):
    """A clock that was set back puts no step before an older one."""
    writer, _ = kept
    signal = ids(writer)[0]
    etag = review(writer, signal, read(writer, signal).headers["etag"], "checked").headers["etag"]
    monkeypatch.setattr("service.signal_reviews.time.time", lambda: 1_000_000)
    assert review(writer, signal, etag, "acted").json()["status"] == "acted"
    assert read(writer, signal).json()["status"] == "acted"


def test_other_signals_are_told_how_it_turned_out(kept):
    """What `held` says of a kind changes with reviews of its earlier signals: the answer is still what is read."""
    writer, store = kept
    signal = ids(writer)[0]
    found = store.read_all_signals().set_index("signal_id").loc[signal]
    with store.writing() as connection:
        for number in range(5):
            row = {"signal_id": f"{number:032x}", "week": int(found["week"]) - 1, "area": "A-01"}
            row |= {"category": found["category"], "direction": found["direction"], "status": "confirmed"}
            connection.execute(tables.signal_review.insert().values(**row, reason=None, recorded_at=1))
    first = read(writer, signal)
    assert "5" in str(first.json()["held"] if "held" in first.json() else first.json())
    answer = review(writer, signal, first.headers["etag"])
    assert answer.content == read(writer, signal).content


def test_it_has_to_be_decided_on_a_state(kept):
    """428 without If-Match, or with one that names no state; nothing is written."""
    writer, store = kept
    signal = ids(writer)[0]
    before = left_in(store)
    for etag in (None, "*", ""):
        answer = review(writer, signal, etag)
        assert answer.status_code == 428
        assert "needs the header If-Match" in answer.json()["detail"]
    assert left_in(store) == before


def test_a_changed_state_is_not_written_over(kept):
    """412 for a tag of another state, of another language, or a weak one; nothing is written."""
    writer, store = kept
    signal = ids(writer)[0]
    etag = read(writer, signal).headers["etag"]
    chinese = read(writer, signal, accept_language="zh").headers["etag"]
    assert review(writer, signal, etag).status_code == 200
    before = left_in(store)
    for wrong in (etag, chinese, f"W/{read(writer, signal).headers['etag']}", '"other"'):
        answer = review(writer, signal, wrong, "acted")
        assert answer.status_code == 412
        assert "Read it again" in answer.json()["detail"]
    assert left_in(store) == before
    good = read(writer, signal).headers["etag"]
    assert review(writer, signal, f'"other", {good}', "acted").status_code == 200


def test_the_tag_of_the_language_that_was_read_counts(kept):
    """Who reads and writes Chinese gets Chinese back."""
    writer, _ = kept
    signal = ids(writer)[0]
    etag = read(writer, signal, accept_language="zh").headers["etag"]
    answer = review(writer, signal, etag, accept_language="zh")
    assert answer.status_code == 200
    assert answer.headers["content-language"] == "zh"
    assert answer.content == read(writer, signal, accept_language="zh").content


@pytest.mark.parametrize(
    ("body", "name", "expected"),
    [
        ({"status": "new"}, "status", "one of 'checked', 'confirmed', 'dismissed', 'acted'"),
        ({"status": "dismissed"}, "reason", "a reason for a dismissal"),
        ({"status": "confirmed", "reason": "season"}, "reason", "none for anything else"),
        ({"status": "dismissed", "reason": "Mr Wang said so"}, "reason", "one of 'known_event'"),
        ({"status": "confirmed", "by": "Wang"}, None, "only parameters that this address knows"),
        ({}, "status", "a value"),
    ],
)
def test_a_step_that_is_none_is_refused(kept, body, name, expected):
    """With what was expected, and never with what came."""
    writer, store = kept
    signal = ids(writer)[0]
    answer = writer.ask("PATCH", f"/v1/signals/{signal}", body, if_match=read(writer, signal).headers["etag"])
    assert answer.status_code == 422, answer.text
    error = answer.json()["errors"][0]
    assert (error["name"], expected in error["expected"]) == (name, True)
    assert "Wang" not in answer.text
    assert left_in(store)["signal_review"] == 0


def test_a_signal_that_is_not_there_is_not_found(kept):
    """404 for an id of none."""
    writer, _ = kept
    answer = review(writer, "0" * 32, '"a"')
    assert answer.status_code == 404
    assert "no signal with this id" in answer.json()["detail"]


def test_a_repeated_step_with_a_key_is_one_step(on_both):
    """The answer is given again, though the state has changed by it."""
    writer, store = on_both
    signal = ids(writer)[0]
    etag = read(writer, signal).headers["etag"]
    first, again = (review(writer, signal, etag, idempotency_key="k") for _ in range(2))
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.headers["idempotency-replayed"] == "true"
    assert (again.content, again.headers["etag"]) == (first.content, first.headers["etag"])
    assert left_in(store)["signal_review"] == 1


def test_of_two_at_once_one_wins(on_both):
    """The other decided on a state that is gone."""
    writer, store = on_both
    signal = ids(writer)[0]
    etag = read(writer, signal).headers["etag"]
    answers = []
    ready = threading.Barrier(4)

    def send(status: str) -> None:
        ready.wait(10)
        answers.append(review(writer, signal, etag, status))

    threads = [threading.Thread(target=send, args=(status,)) for status in ("checked", "confirmed", "acted", "checked")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(answer.status_code for answer in answers) == [200, 412, 412, 412]
    won = next(answer for answer in answers if answer.status_code == 200)
    assert read(writer, signal).json()["status"] == won.json()["status"]
    assert left_in(store)["signal_review"] == 1


def test_another_process_sees_it_and_is_not_deceived(filled, kept):
    """A second service that has read the signal before is told of the step, and refuses to go on from the old state."""
    writer, _ = kept
    signal = ids(writer)[0]
    other = writer_of(filled[2])
    old = read(other, signal).headers["etag"]
    new = review(writer, signal, old).headers["etag"]
    # Also where it may give out for a while what it has read already.
    assert review(other, signal, old, "acted").status_code == 412
    assert read(other, signal).headers["etag"] == new
    other.close()


def test_the_service_takes_the_words_that_reviews_have():
    """A status or reason that is added there and not here is seen."""
    assert get_args(ReviewStatus) == STATUSES[1:]
    assert set(get_args(DismissalReason)) == set(REASONS)
