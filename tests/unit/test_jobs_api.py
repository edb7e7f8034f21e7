"""Jobs over the API: added, watched, cancelled; and a wrong request is told what was expected, never what came."""

from __future__ import annotations

from datetime import datetime

import pytest
from jsonschema.validators import Draft202012Validator

from data.errors import UsageError
from data.store import Store
from service.job_payloads import ScoreArguments
from service.jobs.claims import Claims
from service.jobs.kinds import checked
from service.jobs.work import Kind, Outcome
from service.jobs.worker import Worker
from tests.support.job_runs import acts, settings_of
from tests.support.service_store import small_store
from tests.support.service_writes import writer_of

MOMENT = "2026-03-02T08:30:00+08:00"


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A store that holds a scoring."""
    return small_store(tmp_path_factory.mktemp("jobs"))


@pytest.fixture(scope="module")
def writer(path):
    """A service on it."""
    made = writer_of(str(path))
    yield made
    made.close()


@pytest.fixture
def store(path):
    """The store itself."""
    with Store.open(str(path)) as opened:
        yield opened


def add(writer, kind: str = "score", **more):
    answer = writer.ask("POST", "/v1/jobs", {"kind": kind, **more})
    assert answer.status_code == 202, answer.text
    return answer


def fits(writer, name: str, body) -> None:
    """The answer is of the type that the description has for it."""
    described = writer.app.openapi()
    schema = {"$ref": f"#/components/schemas/{name}", "components": described["components"]}
    Draft202012Validator(schema).validate(body)


def test_a_job_is_added_watched_and_done(writer, store, path):
    """202 and where to look; Retry-After while it has not ended; another ETag with every change."""
    answer = add(writer, arguments={"as_of": MOMENT})
    job, address = answer.json(), answer.headers["location"]
    fits(writer, "JobItem", job)
    assert address == f"/v1/jobs/{job['id']}"
    assert answer.headers["retry-after"] == "2"
    assert (job["state"], job["attempts"], job["problem"]) == ("queued", 0, None)
    assert datetime.fromisoformat(job["as_of"]) == datetime.fromisoformat(MOMENT)
    waiting = writer.ask("GET", address)
    assert waiting.json() == job
    assert (waiting.headers["retry-after"], waiting.headers["cache-control"]) == ("2", "no-store")
    tag = waiting.headers["etag"]
    assert not tag.startswith("W/")
    again = writer.ask("GET", address, if_none_match=tag)
    assert (again.status_code, again.headers["retry-after"]) == (304, "2")
    kinds = {"score": Kind(ScoreArguments, lambda _work: Outcome({"open_cases": 3}))}
    Worker(store, settings_of(str(path)), kinds).run(once=True)
    ended = writer.ask("GET", address, if_none_match=tag)
    assert ended.status_code == 200
    assert "retry-after" not in ended.headers
    assert (ended.json()["state"], ended.json()["result"]) == ("done", {"open_cases": 3})
    fits(writer, "JobItem", ended.json())
    assert [one for one in acts(store) if one[1] == job["id"]] == [("job.add", job["id"]), ("job.done", job["id"])]


def test_progress_and_problems_are_told(writer, store):
    """While it runs, how far it is; once it failed, why, in the language of the asker."""
    job = add(writer, "detect").json()
    lease = Claims(store, seconds=60, kinds=["detect"]).claim()
    lease.beat(("signals", 1, 0))
    address = f"/v1/jobs/{job['id']}"
    running = writer.ask("GET", address).json()
    assert (running["state"], running["attempts"]) == ("running", 1)
    assert running["progress"] == {"step": "signals", "done": 1, "total": None}
    lease.failed({"type": "urn:heed:problem:x", "title": "Something went wrong inside", "detail": "d"})
    failed = writer.ask("GET", address, accept_language="zh")
    fits(writer, "JobItem", failed.json())
    assert failed.json()["progress"] is None
    assert failed.json()["problem"]["title"] == "内部出错"
    assert failed.headers["content-language"] == "zh"


def test_the_same_key_adds_one_job(writer, store):
    """Sent again, the answer is the same and says so; another request with the key is refused."""
    first = writer.ask("POST", "/v1/jobs", {"kind": "retain"}, idempotency_key="key-1")
    again = writer.ask("POST", "/v1/jobs", {"kind": "retain"}, idempotency_key="key-1")
    assert again.json() == first.json()
    assert again.headers["location"] == first.headers["location"]
    assert again.headers["idempotency-replayed"] == "true"
    assert writer.ask("POST", "/v1/jobs", {"kind": "backup"}, idempotency_key="key-1").status_code == 422
    assert acts(store).count(("job.add", first.json()["id"])) == 1


def test_a_queued_job_is_cancelled_at_once_and_a_running_one_is_asked(writer, store):
    """202 either way; one that has ended stays as it is."""
    queued = add(writer, "report").headers["location"]
    assert writer.ask("POST", f"{queued}/cancel").json()["state"] == "cancelled"
    again = writer.ask("POST", f"{queued}/cancel")
    assert (again.status_code, again.json()["state"]) == (202, "cancelled")
    running = add(writer, "report").headers["location"]
    lease = Claims(store, seconds=60, kinds=["report"]).claim()
    asked = writer.ask("POST", f"{running}/cancel")
    assert (asked.status_code, asked.json()["state"], asked.json()["cancel_asked"]) == (202, "running", True)
    assert asked.headers["location"] == running
    lease.cancelled()
    assert writer.ask("GET", running).json()["state"] == "cancelled"


def test_pages_lead_to_one_another(writer):
    """By a link and a cursor, newest first, filtered as asked."""
    added = [add(writer, "backtest").json()["id"] for _ in range(5)]
    address, seen = "/v1/jobs?kind=backtest&state=queued&limit=2", []
    while address is not None:
        answer = writer.ask("GET", address)
        body = answer.json()
        fits(writer, "JobList", body)
        seen += [job["id"] for job in body["jobs"]]
        assert (body["next"] is None) == ("link" not in answer.headers)
        address = None if body["next"] is None else answer.headers["link"].split(">")[0][1:]
    assert sorted(seen) == sorted(added)
    tag = writer.ask("GET", "/v1/jobs?kind=backtest").headers["etag"]
    assert writer.ask("GET", "/v1/jobs?kind=backtest", if_none_match=tag).status_code == 304
    add(writer, "backtest")
    assert writer.ask("GET", "/v1/jobs?kind=backtest", if_none_match=tag).status_code == 200


@pytest.mark.parametrize("kind", ["score", "detect", "train", "report"])
def test_no_job_speaks_of_a_moment_to_come(writer, kind):
    """What it stored would be the newest for all the time until then, whatever came after it."""
    answer = writer.ask("POST", "/v1/jobs", {"kind": kind, "arguments": {"as_of": "2199-01-01T00:00:00+08:00"}})
    assert answer.status_code == 422, answer.text
    told = [(error["name"].rpartition(".")[2], error["expected"]) for error in answer.json()["errors"]]
    assert ("as_of", "a moment no later than now") in told
    with pytest.raises(UsageError, match="as_of: expected a moment no later than now"):
        checked(kind, {"as_of": "2199-01-01T00:00:00+08:00"}, writer.app.state.settings)


_HALF_A_CHARACTER = "WzEsICJcdWQ4MDAiXQ=="


@pytest.mark.parametrize("cursor", ["x", "W10=", "WzEsIDJd", "WyIxIiwgIjIiXQ==", "WzFlOTksICIyIl0=", _HALF_A_CHARACTER])
def test_a_cursor_that_is_none_of_ours_is_refused(writer, cursor):
    """With the way out, and without what came."""
    answer = writer.ask("GET", f"/v1/jobs?cursor={cursor}")
    assert answer.status_code == 400
    assert "Start again without a cursor" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("body", "place", "expected"),
    [
        ({"kind": "CANARY"}, None, "'sync', 'score'"),
        ({}, None, "as this address describes it"),
        ({"kind": "score", "CANARY": 1}, "score", "only parameters that this address knows"),
        ({"kind": "score", "arguments": {"CANARY": 1}}, "score.arguments", "only parameters that this address knows"),
        ({"kind": "score", "arguments": {"as_of": "CANARY"}}, "score.arguments.as_of", "a moment with its offset"),
        ({"kind": "score", "arguments": {"as_of": 5}}, "score.arguments.as_of", "a moment with its offset"),
        ({"kind": "score", "arguments": {"as_of": "9999-01-01T00:00:00Z"}}, "score.arguments.as_of", "a moment"),
        ({"kind": "score", "not_before": "2026-03-02"}, "score.not_before", "a moment with its offset"),
        ({"kind": "sync"}, "sync.arguments", "a value"),
        ({"kind": "sync", "arguments": {"name": "../CANARY"}}, "sync.arguments.name", "as this address describes it"),
        ({"kind": "backtest", "arguments": {"folds": 99}}, "backtest.arguments.folds", "at most 24"),
        ({"kind": "backup", "arguments": {"output": "/CANARY"}}, "backup.arguments", "only parameters"),
    ],
)
def test_a_wrong_request_is_told_what_was_expected(writer, store, body, place, expected):
    """Where, and what would have been right; nothing of what came, and nothing is added."""
    before = len(acts(store))
    answer = writer.ask("POST", "/v1/jobs", body)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert "CANARY" not in answer.text
    assert answer.json()["errors"][0]["name"] == place
    assert expected in answer.json()["errors"][0]["expected"]
    assert len(acts(store)) == before


def test_a_name_that_no_portal_has_is_refused_when_it_is_asked_for(writer):
    """And not an hour later, when a worker comes to it."""
    answer = writer.ask("POST", "/v1/jobs", {"kind": "sync", "arguments": {"name": "canary"}})
    assert answer.status_code == 400
    assert "expected a mapping with [sync]" in answer.json()["detail"]
    assert "canary" not in answer.text


def test_a_job_that_is_not_there_is_not_found(writer):
    """To be read, and to be cancelled."""
    assert writer.ask("GET", "/v1/jobs/none").status_code == 404
    assert writer.ask("POST", "/v1/jobs/none/cancel").status_code == 404


def test_another_kind_of_body_is_refused(writer):
    """What is no JSON is not guessed at."""
    answer = writer.ask("POST", "/v1/jobs", content=b"kind=score", content_type="application/x-www-form-urlencoded")
    assert answer.status_code in (415, 422)


def test_the_description_tells_all_of_it(writer):
    """Statuses, headers and who may."""
    paths = writer.app.openapi()["paths"]
    add_, list_ = paths["/v1/jobs"]["post"], paths["/v1/jobs"]["get"]
    get_, cancel_ = paths["/v1/jobs/{job_id}"]["get"], paths["/v1/jobs/{job_id}/cancel"]["post"]
    assert [one["operationId"] for one in (add_, list_, get_, cancel_)] == ["addJob", "listJobs", "getJob", "cancelJob"]
    assert {"202", "400", "409", "415", "422"} <= set(add_["responses"])
    assert {"Location", "Retry-After"} <= set(add_["responses"]["202"]["headers"])
    assert {"200", "304", "404"} <= set(get_["responses"])
    assert "404" in cancel_["responses"]
    assert "304" in list_["responses"]
