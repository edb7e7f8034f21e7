"""`POST /v1/risk`: cases are scored as they are posted, what is wrong is told by place, and nothing is stored."""

from __future__ import annotations

import asyncio
import json
import threading
from datetime import UTC, datetime

import httpx
import pytest

from service.app import create_app
from service.dependencies import identify
from service.identity import SCOPES, Identity, Role
from service.online.scorer import Scorer
from tests.support.online_city import shared_city

SECRET = "Zhang San"
DAY = 86_400


@pytest.fixture(scope="module")
def city():
    return shared_city()


@pytest.fixture(scope="module")
def app(city):
    made = create_app(city.settings)
    made.state.models.wait()
    yield made
    for close in reversed(made.state.closers):
        close()


@pytest.fixture(scope="module")
def stored(city):
    """The case of the list with the highest risk that is not certain, and one that is."""
    return city.risks()


@pytest.fixture(scope="module")
def posted(city):
    return city.posted()


def ask(app, body: object, path: str = "/v1/risk", **headers: str) -> httpx.Response:
    content = body if isinstance(body, (str, bytes)) else json.dumps(body)

    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000", timeout=60) as client:
            sent = {"Content-Type": "application/json", **{n.replace("_", "-"): v for n, v in headers.items()}}
            return await client.post(path, content=content, headers=sent)

    return asyncio.run(send())


def as_handler(app, *offices: str):
    identity = Identity("key:test", Role.HANDLER, frozenset(offices), SCOPES[Role.HANDLER])
    app.dependency_overrides[identify] = lambda: identity
    return identity


@pytest.fixture
def handler(app):
    yield lambda *offices: as_handler(app, *offices)
    app.dependency_overrides.clear()


def moment(ts: int) -> str:
    return datetime.fromtimestamp(ts, UTC).isoformat()


def opened(city, **said) -> dict:
    return {"events": [{"kind": "opened", "at": moment(city.as_of - DAY), **said}]}


def test_a_stored_case_is_answered_as_the_store_has_it(app, city, stored, posted):
    """Figures as `GET /v1/cases/{id}` rounds them, the version, the moment and the status; no copy is kept."""
    late = stored[(stored["outcome"] == "late") & (stored["probability"] < 1)]
    case_id = late.sort_values("probability")["case_id"].iloc[-1]
    answer = ask(app, {"cases": [posted[case_id]]})
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    told = answer.json()
    assert told["model_version"] == city.versions[0]
    assert datetime.fromisoformat(told["as_of"]).timestamp() == city.as_of
    assert told["city_known_until"] == told["as_of"]
    assert told["cases"][0]["status"] == "open"
    of_case = stored[stored["case_id"] == case_id].set_index("outcome")
    risks = {risk["outcome"]: risk for risk in told["cases"][0]["risks"]}
    assert set(risks) == set(of_case.index)
    for outcome, risk in risks.items():
        row = of_case.loc[outcome]
        for name in ("probability", "lower", "upper"):
            assert risk[name] == round(row[name], 4)
        assert risk["band"] == row["band"]
        assert risk["per_100"] == round(100 * row["probability"])
        assert risk["reasons"] is None


def test_reasons_add_up_to_the_risk_in_tenths(app, stored, posted):
    """In percentage points, with where all cases start; in the language of the asker."""
    case_id = stored.sort_values("probability")["case_id"].iloc[0]
    asked = {"cases": [posted[case_id]], "reasons": True, "remaining_time": True}
    english, chinese = ask(app, asked), ask(app, asked, accept_language="zh")
    for risk in english.json()["cases"][0]["risks"]:
        total = risk["base_points"] + sum(reason["points"] for reason in risk["reasons"])
        assert total == pytest.approx(100 * risk["probability"], abs=0.051)
        assert risk["reasons"]
    remaining = english.json()["cases"][0]["remaining_time"]
    assert remaining["lower_80_hours"] <= remaining["median_hours"]
    assert chinese.headers["content-language"] == "zh"
    labels = [risk["reasons"][0]["label"] for risk in chinese.json()["cases"][0]["risks"]]
    assert all(any("\u4e00" <= letter <= "\u9fff" for letter in label) for label in labels)


def test_many_are_answered_in_their_order(app, stored, posted):
    """More than a few go another way, and are told the same; repeated cases get the same answer."""
    ids = list(dict.fromkeys(stored["case_id"]))[:12]
    together = ask(app, {"cases": [posted[i] for i in [*ids, *reversed(ids)]]}).json()["cases"]
    alone = [ask(app, {"cases": [posted[i]]}).json()["cases"][0] for i in ids]
    assert together == [*alone, *reversed(alone)]


def test_only_the_outcomes_that_were_asked_for_are_told(app, city):
    """And an outcome that no model tells is refused."""
    body = {"cases": [opened(city, due_at=moment(city.as_of + DAY))], "outcomes": ["late"]}
    assert [risk["outcome"] for risk in ask(app, body).json()["cases"][0]["risks"]] == ["late"]
    answer = ask(app, {**body, "outcomes": ["arrested"]})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["name"] == "outcomes[0]"


def test_a_closed_case_has_no_risks_and_an_overdue_one_is_late(app, city):
    """One without a promise cannot be late; one reopened after its promise is not overdue again."""
    at = city.as_of
    closed = opened(city, due_at=moment(at + DAY))
    closed["events"].append({"kind": "closed", "at": moment(at - 60)})
    gone = opened(city)
    gone["events"].append({"kind": "withdrawn", "at": moment(at - 60)})
    overdue = opened(city, due_at=moment(at - 60))
    reopened = opened(city, due_at=moment(at - 7_200))
    reopened["events"] += [{"kind": "closed", "at": moment(at - 6_000)}, {"kind": "reopened", "at": moment(at - 60)}]
    found = ask(app, {"cases": [closed, gone, overdue, opened(city), reopened]}).json()["cases"]
    assert [case["status"] for case in found] == ["closed", "closed", "overdue", "open", "open"]
    assert found[0]["risks"] == found[1]["risks"] == []
    certain = {risk["outcome"]: risk["probability"] for risk in found[2]["risks"]}
    assert certain["late"] == certain["any_failure"] == 1.0
    for case in found[3:]:
        assert "late" not in {risk["outcome"] for risk in case["risks"]}
        assert "any_failure" in {risk["outcome"] for risk in case["risks"]}


def test_what_was_known_later_is_not_used(app, city):
    """A closing that became known after the moment is as if it were not posted."""
    case = opened(city)
    later = opened(city)
    later["events"].append({"kind": "closed", "at": moment(city.as_of - 60), "known_at": moment(city.as_of)})
    assert ask(app, {"cases": [case]}).content == ask(app, {"cases": [later]}).content


def test_a_moment_too_far_from_the_index_is_refused(app, city):
    """Too late: nobody knows here what offices did since. Too early: the models know how it ended."""
    within = ask(app, {"cases": [opened(city)], "as_of": moment(city.as_of + DAY)})
    assert within.status_code == 200
    assert within.json()["city_known_until"] != within.json()["as_of"]
    late = ask(app, {"cases": [opened(city)], "as_of": moment(city.as_of + DAY + 1)})
    assert (late.status_code, late.json()["type"]) == (409, "urn:heed:problem:conflict")
    assert "heed score" in late.json()["detail"]
    early = ask(app, {"cases": [opened(city)], "as_of": moment(city.as_of - 1)})
    assert early.status_code == 400
    assert "learned from outcomes known up to" in early.json()["detail"]


@pytest.mark.parametrize(
    ("change", "place", "expected"),
    [
        ({"kind": SECRET}, "cases[1].events[0].kind", "one of 'opened'"),
        ({"at": SECRET}, "cases[1].events[0].at", "a moment with its offset"),
        ({"at": 1_700_000_000}, "cases[1].events[0].at", "a moment with its offset"),
        ({"category": ""}, "cases[1].events[0].category", "a value as this address describes it"),
        ({"category": SECRET * 40}, "cases[1].events[0].category", "at most 160 characters"),
        ({SECRET: 1}, "cases[1].events[0]", "only parameters that this address knows"),
        ({"reference": SECRET}, "cases[1].events[0]", "only parameters that this address knows"),
        ({"channel": SECRET}, "cases[1].events[0].channel", "one of 'phone'"),
        ({"known_at": "2001-01-01T00:00:00Z"}, "cases[1].events[0].known_at", "no earlier than `at`"),
        ({"kind": "replied"}, "cases[1].events", "an event 'opened' that was known before"),
    ],
)
def test_what_is_wrong_is_told_by_place_and_never_by_content(app, city, change, place, expected, caplog):
    """In the answer and in the log."""
    wrong = opened(city)
    wrong["events"][0] |= change
    answer = ask(app, {"cases": [opened(city), wrong]})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    error = answer.json()["errors"][0]
    assert (error["in"], error["name"]) == ("body", place)
    assert expected in error["expected"]
    assert SECRET not in answer.text
    assert SECRET not in caplog.text


def test_no_more_cases_than_are_taken(city, app):
    """As many as the service is set to, and at least one."""
    most = app.state.settings.max_rows
    answer = ask(app, {"cases": [opened(city)] * (most + 1)})
    assert answer.status_code == 422
    assert answer.json()["errors"] == [
        {"in": "body", "name": "cases", "expected": "at most 1,000 cases; send the rest in a call of its own"}
    ]
    assert ask(app, {"cases": []}).json()["errors"][0]["name"] == "cases"
    assert ask(app, "{").status_code == 422


def test_a_handler_posts_cases_of_its_own_offices(app, city, handler):
    """By the office that is responsible at the moment asked about; one of another office refuses the whole post."""
    handler("O-1")
    own = opened(city, office="O-1")
    assert ask(app, {"cases": [own]}).status_code == 200
    for other in (opened(city, office="O-2"), opened(city)):
        answer = ask(app, {"cases": [own, other]})
        assert answer.status_code == 403
        assert "your own offices only" in answer.json()["detail"]
    passed_on = opened(city, office="O-2")
    passed_on["events"].append({"kind": "transferred", "at": moment(city.as_of - 60), "office": "O-1"})
    assert ask(app, {"cases": [passed_on]}).status_code == 200


def test_nothing_of_what_is_posted_is_kept(app, city):
    """The store is the same to the byte, but for what others write there on their own."""
    from data.store import Store

    def contents() -> tuple:
        with Store.open(f"sqlite:///{city.folder / 'city.db'}") as store:
            return len(store.read_events()), len(store.read_risks())

    before = contents()
    assert ask(app, {"cases": [opened(city, category="unheard of")] * 6, "reasons": True}).status_code == 200
    assert contents() == before


def test_beyond_its_places_it_says_come_back(city, monkeypatch):
    """One works, none waits: the next is told at once, and small posts are answered all the same."""
    app = create_app(city.settings.model_copy(update={"scoring_threads": 1, "scoring_queue": 0}))
    app.state.models.wait()
    begun, go_on = threading.Event(), threading.Event()
    many = Scorer.many

    def slowly(self, *given, **named):
        begun.set()
        assert go_on.wait(20)
        return many(self, *given, **named)

    monkeypatch.setattr(Scorer, "many", slowly)
    body = json.dumps({"cases": [opened(city)] * 6})

    async def run() -> None:
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        headers = {"Content-Type": "application/json"}
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", timeout=60) as client:
            first = asyncio.ensure_future(client.post("/v1/risk", content=body, headers=headers))
            assert await asyncio.to_thread(begun.wait, 20)
            refused = await client.post("/v1/risk", content=body, headers=headers)
            assert refused.status_code == 503
            assert int(refused.headers["retry-after"]) >= 1
            assert refused.json()["type"] == "urn:heed:problem:busy"
            small = json.dumps({"cases": [opened(city)]})
            assert (await client.post("/v1/risk", content=small, headers=headers)).status_code == 200
            go_on.set()
            assert (await first).status_code == 200
            assert (await client.post("/v1/risk", content=body, headers=headers)).status_code == 200

    asyncio.run(run())
    for close in reversed(app.state.closers):
        close()


def test_who_leaves_gives_his_place_back(city, app, monkeypatch):
    """The work notices at its next look, and nothing is logged as an error."""
    begun, go_on, stopped = threading.Event(), threading.Event(), []

    def slowly(self, *given, stopped=None, **named):
        begun.set()
        assert go_on.wait(20)
        found.append(stopped())
        return []

    found = stopped
    monkeypatch.setattr(Scorer, "many", slowly)
    body = json.dumps({"cases": [opened(city)] * 6}).encode()
    messages = [{"type": "http.request", "body": body, "more_body": False}, {"type": "http.disconnect"}]

    async def run() -> None:
        left = asyncio.Event()

        async def receive() -> dict:
            if len(messages) == 1:
                await left.wait()
                return messages[0]
            return messages.pop(0)

        async def send(_message: dict) -> None:
            """Nobody reads it."""

        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "path": "/v1/risk",
            "raw_path": b"/v1/risk",
            "root_path": "",
            "scheme": "http",
            "query_string": b"",
            "headers": [(b"host", b"127.0.0.1"), (b"content-type", b"application/json")],
            "client": ("127.0.0.1", 50_000),
            "server": ("127.0.0.1", 8_000),
        }
        asked = asyncio.ensure_future(app(scope, receive, send))
        assert await asyncio.to_thread(begun.wait, 20)
        left.set()
        await asked
        go_on.set()
        for _ in range(200):
            if app.state.scoring.taken == 0:
                break
            await asyncio.sleep(0.02)

    asyncio.run(run())
    assert found == [True]
    assert app.state.scoring.taken == 0


def test_without_a_scoring_it_says_what_to_run(tmp_path):
    """503, as readiness would."""
    app = create_app(shared_city().settings.model_copy(update={"index_dir": tmp_path, "recheck_seconds": 0}))
    answer = ask(app, {"cases": [opened(shared_city())]})
    assert answer.status_code == 503
    assert "Run `heed score` first" in answer.json()["detail"]
    for close in reversed(app.state.closers):
        close()


def test_the_description_has_the_body(app):
    """Inlined, since the body is read before the framework would."""
    operation = app.openapi()["paths"]["/v1/risk"]["post"]
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    assert set(schema["properties"]) == {"as_of", "outcomes", "reasons", "remaining_time", "cases"}
    assert "$ref" not in json.dumps(schema)
    assert {"200", "400", "403", "409", "422", "503"} <= set(operation["responses"])
