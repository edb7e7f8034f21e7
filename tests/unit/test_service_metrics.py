"""Figures about the service, none of them about anyone."""

from __future__ import annotations

import json

import pytest
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import insert

from data import tables
from data.audit_log import Act, append
from data.store import Store
from service.metrics import Metrics
from tests.support.exports import fresh_schema
from tests.support.service_client import client_of, shared_client
from tests.support.service_store import AS_OF, fill, shared_store, small_store

CANARY = "Zhang-San-13800138000"


def _samples(client) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    families = text_string_to_metric_families(answer.text)
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for family in families for s in family.samples}


def _requests(samples) -> dict[tuple[str, str, str], float]:
    return {
        (dict(labels)["route"], dict(labels)["method"], dict(labels)["status"]): value
        for (name, labels), value in samples.items()
        if name == "heed_requests_total"
    }


@pytest.fixture
def client():
    """A service with counters that begin at zero, on a store that is only read."""
    made = client_of(shared_store())
    yield made
    made.close()


def test_requests_are_counted_by_template_method_and_class_of_status(client):
    """Also by how long they took."""
    for address in ("/v1/areas/A-02", "/v1/areas/A-03", "/v1/areas/nowhere"):
        client.get(address)
    client.request("HEAD", "/v1/areas/A-02")
    samples = _samples(client)
    route = "/v1/areas/{area}"
    assert _requests(samples) == {(route, "GET", "2xx"): 2, (route, "GET", "4xx"): 1, (route, "HEAD", "2xx"): 1}
    assert samples["heed_request_seconds_count", (("route", route),)] == 4
    assert samples["heed_requests_in_progress", ()] == 1  # the one that asks
    assert samples["heed_problems_total", (("type", "not-found"),)] == 1


def test_requests_are_told_as_the_library_would_tell_them():
    """The same families, labels, bounds and figures as of its own counter and histogram."""
    ours, theirs = Metrics(), CollectorRegistry()
    counter = Counter("heed_requests", "Requests answered.", ["route", "method", "status"], registry=theirs)
    told = "Time from the first byte of a request in the app to the last of its answer."
    bounds = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
    histogram = Histogram("heed_request_seconds", told, ["route"], buckets=bounds, registry=theirs)
    for number, seconds in enumerate([0.0, *bounds, 0.0011, 3.0, 99.0]):
        route, status = f"/{number % 2}", (200, 404, 0)[number % 3]
        ours.answered(route, "GET", status, seconds)
        counter.labels(route, "GET", f"{status // 100}xx" if status else "none").inc()
        histogram.labels(route).observe(seconds)

    def families(text: bytes) -> dict[str, tuple[str, str, frozenset[tuple[str, str, float]]]]:
        return {
            family.name: (
                family.type,
                family.documentation,
                frozenset((s.name, str(sorted(s.labels.items())), s.value) for s in family.samples),
            )
            for family in text_string_to_metric_families(text.decode())
            if family.name in ("heed_requests", "heed_request_seconds")
        }

    found = families(ours.text())
    assert found == families(generate_latest(theirs))
    assert len(found) == 2


def test_nothing_that_an_asker_sends_becomes_a_label(client):
    """Unknown addresses and methods are one each, however many there are."""
    for number in range(5):
        client.get(f"/{CANARY}-{number}?{CANARY}={number}", user_agent=CANARY, x_request_id=CANARY)
        client.request(f"{CANARY.replace('-', '')}{number}", "/v1/cases")
        client.get(f"/v1/cases/{CANARY}")
        client.get(f"/static/{CANARY}{number}")
    assert CANARY not in client.get("/metrics").text
    assert CANARY.replace("-", "") not in client.get("/metrics").text
    counted = _requests(_samples(client))
    assert counted["none", "GET", "4xx"] == 5
    assert counted["/v1/cases", "other", "4xx"] == 5
    assert counted["/v1/cases/{case_id}", "GET", "4xx"] == 5
    assert counted["/static", "GET", "4xx"] == 5


def test_apps_count_apart(client):
    """A test, or a second app of a process, starts at zero."""
    client.get("/v1/areas")
    other = client_of(shared_store())
    assert ("/v1/areas", "GET", "2xx") not in _requests(_samples(other))
    other.close()


def test_what_is_shown_is_told_with_its_age_and_its_model(client):
    """An alarm can be set on a scoring that has not come."""
    samples = _samples(client)
    assert samples["heed_store_readable", ()] == 1
    assert samples["heed_model_info", (("version", "failures-0123456789ab"),)] == 1
    age = samples["heed_scoring_age_seconds", ()]
    assert age > 0
    assert abs(age + AS_OF - samples["process_start_time_seconds", ()]) < 7 * 86_400


def _job(number: int, state: str) -> dict[str, object]:
    begun = {"created_at": 1, "created_by": "local", "not_before": 1, "attempts": 0, "cancel_asked": 0}
    return {"job_id": f"{number:032d}", "kind": "score", "arguments": "{}", "state": state, **begun}


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_jobs_and_the_audit_trail_are_counted_in_the_store(engine, tmp_path, request):
    """Of all processes together: whichever is scraped tells the same."""
    if engine == "sqlite":
        _check_counts(str(small_store(tmp_path)))
    else:
        with fresh_schema(request.getfixturevalue("postgres_url")) as url:
            with Store.open(url, create=True) as store:
                fill(store, cases=5)
            _check_counts(url)


def _check_counts(url: str) -> None:
    with Store.open(url) as store, store.writing() as connection:
        rows = [_job(n, state) for n, state in enumerate(["queued", "queued", "failed"])]
        connection.execute(insert(tables.job), rows)
        append(connection, [Act("local", "admin", "case.read")] * 3)
    client = client_of(url)
    samples = _samples(client)
    jobs = {dict(labels)["state"]: value for (name, labels), value in samples.items() if name == "heed_jobs"}
    assert jobs == {"queued": 2, "running": 0, "done": 0, "failed": 1, "cancelled": 0}
    assert samples["heed_audit_entries_total", ()] == 3
    client.close()


def test_a_store_that_cannot_be_read_is_a_figure_and_no_failed_scrape(tmp_path):
    """The figures of the process matter most when the store is gone."""
    client = client_of(tmp_path / "none.db")
    assert client.get("/v1/areas").status_code == 503
    samples = _samples(client)
    assert samples["heed_store_readable", ()] == 0
    assert samples["heed_problems_total", (("type", "store"),)] == 1
    assert not any(name == "heed_jobs" for name, _ in samples)
    client.close()


def test_refusals_are_counted_by_limit():
    """All limits are there from the start, so that a rate of them can be taken."""
    client = client_of(shared_store(), rate_per_minute=3)
    assert [client.get("/v1/areas").status_code for _ in range(5)] == [200, 200, 200, 429, 429]
    text = client.app.state.metrics.text().decode()
    assert 'heed_refused_total{limit="rate"} 2.0' in text
    assert 'heed_refused_total{limit="body"} 0.0' in text
    client.close()


def test_a_queue_can_be_watched():
    """Whoever has a queue tells its length when it is asked for, and not before."""
    metrics, waiting = Metrics(), [1, 2]
    metrics.watch("heed_scoring_queue", "Requests that wait to be scored.", lambda: len(waiting))
    assert b"heed_scoring_queue 2.0" in metrics.text()
    waiting.clear()
    assert b"heed_scoring_queue 0.0" in metrics.text()


def test_methods_without_end_take_no_memory_without_end():
    """A method is the asker's word; only the known ones are remembered apart."""
    metrics = Metrics()
    for number in range(50):
        metrics.answered("/v1/cases", f"M{number}", 405, 0.001)
    assert b'heed_requests_total{method="other",route="/v1/cases",status="4xx"} 50.0' in metrics.text()
    assert len(metrics._answered._requests) == 1


def test_whoever_needs_a_sign_in_needs_it_for_the_figures_too(tmp_path):
    """How busy an office is shows in them."""
    client = client_of(small_store(tmp_path), auth="required")
    answer = client.get("/metrics")
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    client.close()


def test_the_figures_are_described_as_text():
    """The description of the API must not promise JSON."""
    described = shared_client().app.openapi()["paths"]["/metrics"]["get"]
    assert list(described["responses"]["200"]["content"]) == ["text/plain"]
    assert json.dumps(described)
