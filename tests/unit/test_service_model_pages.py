"""The pages of models: what there is, one beside the champion, and putting one to use without a script."""

from __future__ import annotations

import re

import pytest

from models.registry import Registry
from service.dashboard.models_page import ALIASES, STATES, WHY
from service.language import read_catalogue
from tests.support.judgements import judge_all
from tests.support.service_client import Client, client_of
from tests.support.service_store import small_store
from tests.unit.test_cli_models import bundle

FORM = {"content-type": "application/x-www-form-urlencoded", "sec-fetch-site": "same-origin"}


@pytest.fixture
def registry(tmp_path):
    """Three versions, the first in use."""
    found = Registry(tmp_path / "models")
    versions = [found.save("failures", bundle(number)) for number in range(3)]
    found.promote("failures", versions[0])
    judge_all(found, versions[1:], beside=versions[0])
    return found


@pytest.fixture
def client(tmp_path, registry):
    """A service on those."""
    opened = client_of(small_store(tmp_path), model_dir=registry.folder)
    yield opened
    opened.close()


def _versions(registry: Registry) -> tuple[str, list[str]]:
    champion = registry.champion("failures")
    assert champion is not None
    return champion, [version for version in registry.versions() if version != champion]


def _state(client: Client, version: str) -> str:
    found = re.search(r'name="state" value="([^"]+)"', client.get(f"/models/{version}/promote?alias=champion").text)
    assert found is not None
    return found[1].replace("&#34;", "%22")


def _send(client: Client, path: str, body: str, **headers: str):
    return client.request("POST", f"{path}?lang=en", content=body, **{**FORM, **headers})


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_list_tells_what_its_twin_tells(client, registry, language):
    """Every version, what it is in use as and whether it can be used, in both languages."""
    champion, others = _versions(registry)
    text = client.get(f"/models?lang={language}").text
    zh = {message.id: message.string for message in read_catalogue("zh")}
    said = {code: word if language == "en" else zh[word] for code, word in {**STATES, **ALIASES}.items()}
    for item in client.json("/v1/models")["models"]:
        assert f'href="/models/{item["version"]}?lang={language}"' in text
        assert said[item["state"]] in text
    assert said["champion"] in text
    assert text.index(champion) < min(text.index(other) for other in others)


def test_one_version_stands_beside_the_champion(client, registry):
    """Both figures, those of the twin."""
    _champion, (other, _third) = _versions(registry)
    told = client.json(f"/v1/models/{other}")["comparison"]["figures"]
    text = client.get(f"/models/{other}?lang=en").text
    for name, (before, here) in told.items():
        cells = (rf"<td class=\"num\"[^>]*>{re.escape(f'{value:.4g}')}</td>" for value in (before, here))
        row = rf"<code>{re.escape(name)}</code></th>{''.join(cells)}"
        assert re.search(row, text), name


def test_a_version_is_put_to_use_and_taken_back(client, registry):
    """By forms, each decided on the list that its page was made of."""
    champion, (other, _third) = _versions(registry)
    body = f"alias=champion&reason=newer-data&looked=yes&state={_state(client, other)}"
    answer = _send(client, f"/models/{other}/promote", body)
    assert (answer.status_code, answer.headers["location"]) == (303, "/models?lang=en")
    assert registry.champion("failures") == other
    answer = _send(client, "/models/rollback", f"model=failures&looked=yes&state={_state(client, other)}")
    assert answer.status_code == 303
    assert registry.champion("failures") == champion
    assert [entry.reason.split(" (")[0] for entry in registry.history()[-2:]] == ["newer-data", "worse-in-use"]


def test_of_two_promotions_decided_on_the_same_list_the_second_is_told(client, registry):
    """What somebody else put to use meanwhile stays."""
    _champion, (other, third) = _versions(registry)
    state = _state(client, other)
    body = f"alias=champion&reason=trial&looked=yes&state={state}"
    assert _send(client, f"/models/{other}/promote", body).status_code == 303
    second = _send(client, f"/models/{third}/promote", body)
    assert second.status_code == 412
    assert "Another model has been put to use meanwhile." in second.text
    assert registry.champion("failures") == other


@pytest.mark.parametrize(
    "body",
    [
        "alias=champion&reason=trial",  # nobody says that they looked
        "alias=previous&reason=trial&looked=yes",
        "alias=champion&reason=because&looked=yes",
    ],
)
def test_a_form_that_does_not_say_all_is_refused(client, registry, body):
    """A promotion takes a look at both, and a reason."""
    champion, (other, _third) = _versions(registry)
    answer = _send(client, f"/models/{other}/promote", f"{body}&state={_state(client, other)}")
    assert answer.status_code == 400
    assert "Look at what will change first" in answer.text
    assert registry.champion("failures") == champion


def test_no_other_site_puts_a_model_to_use(client, registry):
    """Any page that is open in a browser of this machine could send the form."""
    champion, (other, _third) = _versions(registry)
    body = f"alias=champion&reason=trial&looked=yes&state={_state(client, other)}"
    assert _send(client, f"/models/{other}/promote", body, sec_fetch_site="cross-site").status_code == 403
    assert registry.champion("failures") == champion


def test_every_reason_of_the_form_fits_the_history():
    """The API takes the same short codes."""
    assert all(re.fullmatch(r"[a-z0-9][a-z0-9-]{0,39}", code) for code in WHY)
