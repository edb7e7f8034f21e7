"""Reviewing a signal on its page, without a script."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import select

from data import tables
from data.store import Store
from service import idempotency
from tests.support.service_client import Client, client_of
from tests.support.service_store import small_store

FORM = {"content-type": "application/x-www-form-urlencoded", "sec-fetch-site": "same-origin"}


@pytest.fixture
def store(tmp_path):
    """A store of its own: these tests write."""
    return small_store(tmp_path)


@pytest.fixture
def client(store):
    """The service on that store."""
    opened = client_of(store)
    yield opened
    opened.close()


def _signal(client: Client) -> str:
    return str(client.json("/v1/signals")["signals"][0]["id"])


def _state(client: Client, signal: str) -> str:
    found = re.search(r'name="state" value="([^"]+)"', client.get(f"/signals/{signal}?lang=en").text)
    assert found is not None
    return found[1].replace("&#34;", "%22")


def _send(client: Client, signal: str, body: str, **headers: str):
    return client.request("POST", f"/signals/{signal}/review?lang=en", content=body, **{**FORM, **headers})


def test_a_step_is_written_down_and_the_page_shows_it(client, store):
    """As the command and the API do; and the trail tells of it."""
    signal = _signal(client)
    answer = _send(client, signal, f"status=confirmed&reason=season&state={_state(client, signal)}")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/signals/{signal}?lang=en")
    assert '<span class="status confirmed">Confirmed</span>' in client.get(f"/signals/{signal}?lang=en").text
    assert client.json(f"/v1/signals/{signal}")["status"] == "confirmed"
    with Store.open(str(store)) as opened:
        steps = opened.read_reviews()
        assert steps[["signal_id", "status"]].to_numpy().tolist() == [[signal, "confirmed"]]
        assert steps["reason"].isna().all()
        with opened.reading() as connection:
            entry = tables.audit_entry.c
            told = connection.execute(select(entry.action, entry.target, entry.actor)).fetchall()
    assert ("signal.review", signal, "local") in [tuple(row) for row in told]


def test_a_dismissal_takes_its_reason(client):
    """In both languages the page offers the same ones."""
    signal = _signal(client)
    answer = _send(client, signal, f"status=dismissed&reason=season&state={_state(client, signal)}")
    assert answer.status_code == 303
    assert client.json(f"/v1/signals/{signal}")["status"] == "dismissed"
    assert "正常的季节变化" in client.get(f"/signals/{signal}?lang=zh").text


def test_of_two_decisions_on_the_same_page_the_second_is_told(client):
    """Nothing is written over that somebody else has decided meanwhile."""
    signal = _signal(client)
    state = _state(client, signal)
    assert _send(client, signal, f"status=confirmed&state={state}").status_code == 303
    second = _send(client, signal, f"status=dismissed&reason=season&state={state}")
    assert second.status_code == 412
    assert "Somebody has reviewed this signal since the page was opened." in second.text
    assert client.json(f"/v1/signals/{signal}")["status"] == "confirmed"


def test_while_another_writes_it_says_when_to_come_back(client, store, monkeypatch):
    """It waits as the API does, and not for a minute; and nothing is stored."""
    monkeypatch.setattr(idempotency, "PATIENCE_SECONDS", 0)
    signal = _signal(client)
    state = _state(client, signal)
    with Store.open(str(store)) as other, other.writing():
        answer = _send(client, signal, f"status=confirmed&state={state}")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "0")
    assert "Another writer holds the store." in answer.text
    assert client.json(f"/v1/signals/{signal}")["status"] == "new"


@pytest.mark.parametrize("body", ["", "status=new", "status=dismissed", "status=dismissed&reason=other", "x" * 5_000])
def test_what_is_no_step_is_refused(client, body):
    """Whatever a browser may send."""
    signal = _signal(client)
    answer = _send(client, signal, body)
    assert answer.status_code == (413 if len(body) > 4_096 else 400)
    assert client.json(f"/v1/signals/{signal}")["status"] == "new"


@pytest.mark.parametrize(
    "headers", [{"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"}, {"sec-fetch-site": "none"}]
)
def test_no_other_site_sends_the_form(client, headers):
    """Also where nobody has to sign in: any page open on this machine could send it."""
    signal = _signal(client)
    answer = _send(client, signal, f"status=confirmed&state={_state(client, signal)}", **headers)
    assert answer.status_code == 403
    assert client.json(f"/v1/signals/{signal}")["status"] == "new"
