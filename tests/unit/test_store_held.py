"""Another program holds the store for long, as an import does: figures go on; who writes is told to come again, and is
heard once then.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from data.store import Store
from data.store_audit import verify
from service import idempotency
from service.audit import AuditWriter
from tests.support.service_store import small_store
from tests.support.service_writes import Writer, left_in, opened, writer_of

FIGURES = ("/v1/areas", "/v1/offices", "/v1/signals", "/v1/models", "/v1/jobs", "/areas", "/signals", "/health/ready")


@pytest.fixture
def town(tmp_path, monkeypatch) -> Iterator[tuple[Writer, Store]]:
    """A service that waits for other writers no longer than a moment, and its store."""
    monkeypatch.setattr(idempotency, "PATIENCE_SECONDS", 0)
    url = str(small_store(tmp_path))
    writer = writer_of(url)
    state = writer.app.state
    state.audit.close()
    state.audit = AuditWriter(state.settings, patience=1.0)
    with Store.open(url) as store:
        yield writer, store
    state.audit.close()
    writer.close()


def writes(writer: Writer) -> list[tuple[str, str, Any, dict[str, str]]]:
    """One of each kind: its method, address, body and headers, decided on what is there."""
    case = writer.ask("GET", "/v1/cases?limit=1").json()["cases"][0]["id"]
    signal = writer.ask("GET", "/v1/signals").json()["signals"][0]["id"]
    marks, found = f"/v1/cases/{case}/marks", f"/v1/signals/{signal}"

    def state(address: str) -> dict[str, str]:
        return {"if_match": writer.ask("GET", address).headers["etag"]}

    return [
        ("POST", "/v1/events", {"source": "simulated", "events": [opened()]}, {}),
        ("POST", "/v1/jobs", {"kind": "score"}, {}),
        ("POST", "/v1/views", {"band": "high"}, {}),
        ("PATCH", marks, {"mark": "seen"}, state(marks)),
        ("PATCH", found, {"status": "confirmed"}, state(found)),
    ]


def test_who_writes_is_told_to_come_again_and_it_is_done_once_then(town):
    """503 with Retry-After for every kind of write; its key is free, and nothing of it was stored."""
    writer, store = town
    asked = [(*one, f"k{number}") for number, one in enumerate(writes(writer))]
    # What is left of the reads above is one entry each.
    before = left_in(store)
    with store.writing():
        for method, address, body, headers, key in asked:
            answer = writer.ask(method, address, body, idempotency_key=key, **headers)
            assert (answer.status_code, answer.json()["type"]) == (503, "urn:heed:problem:busy"), address
            assert answer.headers["retry-after"].isdigit()
            assert "heed.db" not in answer.text
    assert left_in(store) == before
    for method, address, body, headers, key in asked:
        answers = [writer.ask(method, address, body, idempotency_key=key, **headers) for _ in range(2)]
        assert {answer.status_code for answer in answers} <= {200, 201, 202}, address
        assert answers[1].headers["idempotency-replayed"] == "true"
    after = left_in(store)
    assert after["idempotent_request"] - before["idempotent_request"] == len(asked)
    assert {name: after[name] - before[name] for name in ("event", "case_mark", "signal_review")} == {
        "event": 1, "case_mark": 1, "signal_review": 1
    }  # fmt: skip
    assert verify(store).fault is None


def test_figures_do_not_wait_for_a_writer(town):
    """They leave no entry in the trail; a case does, and is not given without."""
    writer, store = town
    with store.writing():
        statuses = {address: writer.ask("GET", address, accept="text/html").status_code for address in FIGURES}
        refused = writer.ask("GET", "/v1/cases?limit=1")
    assert {address: status for address, status in statuses.items() if status not in (200, 503)} == {}
    # The store has a scoring of long ago, and no model: readiness warns of it, and of the writer.
    assert statuses.pop("/health/ready") == 200
    assert set(statuses.values()) == {200}
    assert (refused.status_code, refused.headers["retry-after"].isdigit()) == (503, True)
