"""The boundary as a page: what was checked here, what was found, for every role and in both languages."""

from __future__ import annotations

import json

import pytest

from data.boundary import FORBIDDEN_KINDS, Violation
from models.registry import Registry
from service import boundary_report as report_module
from service.app import create_app
from service.boundary import checked_parts
from service.boundary_report import KINDS, PARTS, boundary_report
from service.dependencies import identify
from service.identity import SCOPES, Identity, Role
from service.language import words_of
from service.settings import Settings
from tests.support.page_figures import differences
from tests.support.page_tree import page_tree
from tests.support.service_client import Client, client_of
from tests.support.service_store import small_store
from tests.unit.test_cli_models import bundle


@pytest.fixture
def registry(tmp_path) -> Registry:
    """A champion and the version before it."""
    registry = Registry(tmp_path / "heed.models")
    for number in range(2):
        registry.promote("failures", registry.save("failures", bundle(number)))
    return registry


@pytest.fixture
def client(tmp_path, registry):
    client = client_of(small_store(tmp_path), model_dir=registry.folder)
    yield client
    client.close()


def test_it_says_what_the_command_says(registry):
    """The same parts with as many names, and every version in use."""
    report = boundary_report(registry, words_of("en"))
    assert report.holds
    assert {part.part: part.names for part in report.parts} == checked_parts()
    assert [sorted(model.used_as) for model in report.models if "champion" in model.used_as] == [["champion"]]
    assert {model.verdict for model in report.models} == {"holds"}
    assert report.checked == sum(part.names for part in report.parts) + sum(model.names for model in report.models)


def test_every_kind_and_part_has_its_words():
    """A kind that the boundary gets is told in both languages, or this fails."""
    assert set(KINDS) == set(FORBIDDEN_KINDS)
    assert set(PARTS) == set(checked_parts())


def test_what_is_refused_is_named(registry, monkeypatch):
    """A build that broke the boundary would not say that it holds."""
    report_module._found.cache_clear()
    monkeypatch.setattr(
        report_module, "catalogue_violations", lambda: [Violation("feature x", "caller_age", "a person")]
    )
    try:
        report = boundary_report(registry, words_of("en"))
    finally:
        report_module._found.cache_clear()
    assert not report.holds
    assert [part.violations for part in report.parts if part.part == "features"] == [
        ["feature x: 'caller_age' looks like a person"]
    ]


def test_a_version_that_cannot_be_read_is_no_proof(registry):
    """A damaged champion is told as such."""
    version = registry.champion("failures")
    description = registry.folder / version / "description.json"
    file = description if description.exists() else next((registry.folder / version).rglob("*.json"))
    file.write_text(json.dumps({"other": 1}))
    report = boundary_report(registry, words_of("en"))
    assert not report.holds
    (model,) = [model for model in report.models if model.version == version]
    assert (model.verdict, model.names) == ("unreadable", None)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_page_says_what_its_twin_does(client, language):
    """Every figure, every sentence; and it is the same answer until something changes."""
    page = client.get(f"/boundary?lang={language}", accept="text/html")
    assert page.status_code == 200
    main = page_tree(page.text).find("main")
    twin = client.json(f"/v1/boundary?lang={language}")
    assert differences(main, twin, client.json, minimum=10) == []
    for part in twin["parts"]:
        assert part["name"] in main.text
    assert ("已守住" if language == "zh" else "It holds") in main.text
    again = client.get(f"/boundary?lang={language}", accept="text/html", if_none_match=page.headers["etag"])
    assert again.status_code == 304


@pytest.mark.parametrize("role", list(Role))
def test_every_role_may_read_it(client, role):
    """Also who may see disclosed figures and nothing else."""
    identity = Identity("key:test", role, None, SCOPES[role])
    client.app.dependency_overrides[identify] = lambda: identity
    try:
        assert client.get("/boundary", accept="text/html").status_code == 200
        assert client.json("/v1/boundary")["holds"]
    finally:
        client.app.dependency_overrides.clear()


def test_it_can_be_read_before_anything_is_scored(tmp_path):
    """It needs neither a store nor a model."""
    client = Client(create_app(Settings(store_url=f"sqlite:///{tmp_path / 'none.db'}", rate_per_minute=0)))
    told = client.json("/v1/boundary")
    assert told["holds"]
    assert told["models"] == []
    assert "No model is in use yet." in client.get("/boundary", accept="text/html").text


def test_the_page_of_a_case_leads_to_it(client):
    """Beside what was not used."""
    case = client.json("/v1/cases?limit=1")["cases"][0]["id"]
    links = page_tree(client.get(f"/cases/{case}?lang=en", accept="text/html").text).find("main").all("a")
    assert [link.text for link in links if link.attributes["href"].startswith("/boundary")] == [
        "What the check found here"
    ]
