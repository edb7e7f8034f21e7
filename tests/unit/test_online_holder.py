"""Models and index are exchanged while requests are answered: each by one version, and what is unfit is refused."""

from __future__ import annotations

import asyncio
import json
import shutil

import httpx
import pytest

from service.app import create_app
from service.online.holder import RETRY_SECONDS, ModelHolder, NotScoredError
from service.online.saved_index import newest_index
from service.training import FAILURES
from tests.support.online_city import OnlineCity, online_city


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def city(tmp_path) -> OnlineCity:
    return online_city(tmp_path / "city")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def holder(city, clock):
    settings = city.settings
    made = ModelHolder(city.registry(), settings.index_folder(), recheck_seconds=5, clock=clock)
    yield made
    made.close()


def test_what_is_in_use_is_loaded_once(city, holder):
    """Nothing before somebody waits for it; the same object for all afterwards."""
    assert holder.ready() is None
    assert holder.status().version is None
    first = holder.wait()
    assert holder.wait() is holder.ready() is first
    status = holder.status()
    assert (status.version, status.as_of, status.champion) == (city.versions[0], city.as_of, city.versions[0])
    assert status.refused is None


def test_a_promotion_and_a_rollback_are_found(city, holder):
    """Who holds the old one keeps it; the next who asks gets the new one."""
    old = holder.wait()
    city.registry().promote(FAILURES, city.versions[1])
    assert holder.look().version == city.versions[1]
    assert old.version == city.versions[0]
    assert holder.wait().version == city.versions[1]
    # Of the index nothing changed, so it is not opened again.
    assert holder.wait().saved is old.saved
    city.registry().rollback(FAILURES)
    assert holder.look().version == city.versions[0]


def test_looking_takes_place_beside_and_not_too_often(city, holder, clock):
    """Who asks is answered by what there is."""
    holder.wait()
    city.registry().promote(FAILURES, city.versions[1])
    assert holder.ready().version == city.versions[0]
    clock.now += 5
    assert holder.ready().version == city.versions[0]
    holder._thread.join(30)
    assert holder.ready().version == city.versions[1]


def spoil(city: OnlineCity, version: str) -> None:
    """Change one digit of a model file."""
    file = city.settings.models_folder() / version / "late" / "model.json"
    text = file.read_text()
    file.write_text(text.replace('"n_train": ', '"n_train": 1', 1))


def test_a_damaged_champion_is_refused_and_the_old_one_stays(city, holder, clock):
    """The status says which and why; mended, it is put to use."""
    holder.wait()
    city.registry().promote(FAILURES, city.versions[1])
    whole = city.folder / "whole"
    home = city.settings.models_folder() / city.versions[1]
    shutil.copytree(home, whole)
    spoil(city, city.versions[1])
    status = holder.look()
    assert (status.version, status.champion) == city.versions
    assert status.refused.version == city.versions[1]
    assert "not what" in status.refused.why or "hash" in status.refused.why or "damaged" in status.refused.why
    assert holder.wait().version == city.versions[0]
    shutil.rmtree(home)
    shutil.copytree(whole, home)
    assert holder.look().refused is not None  # not tried again at once
    clock.now += RETRY_SECONDS
    assert holder.look().version == city.versions[1]
    assert holder.status().refused is None


def test_a_damaged_index_is_refused_and_the_old_one_stays(city, holder):
    """A new scoring that was cut short by a full disk, or restored by half."""
    before = holder.wait()
    folder = city.settings.index_folder()
    later = folder / f"{city.as_of + 1}-0123456789abcdef"
    shutil.copytree(folder / str(newest_index(folder)), later)
    status = holder.look()
    assert holder.wait() is before
    assert status.refused.index == later.name
    assert "damaged" in status.refused.why
    shutil.rmtree(later)
    assert holder.look().refused is None


def test_aliases_that_cannot_be_read_change_nothing(city, holder):
    """The file of aliases is damaged: what is in use goes on."""
    before = holder.wait()
    for file in city.settings.models_folder().iterdir():
        if file.is_file():
            file.write_text("{")
    assert holder.look().refused is not None
    assert holder.wait() is before


@pytest.mark.parametrize(
    ("missing", "said"), [("models", "There are no models in use yet"), ("index", "Run `heed score` first")]
)
def test_without_models_or_index_it_says_what_to_run(city, holder, missing, said):
    """And once they are there, it finds them without a restart."""
    folder = {"models": city.settings.models_folder(), "index": city.settings.index_folder()}[missing]
    folder.rename(folder.with_suffix(".away"))
    with pytest.raises(NotScoredError, match=said):
        holder.wait()
    folder.with_suffix(".away").rename(folder)
    assert holder.wait().version == city.versions[0]


def test_a_model_that_cannot_be_used_from_the_start_is_told(city, holder):
    """There is no old one to stay."""
    spoil(city, city.versions[0])
    with pytest.raises(NotScoredError, match="cannot be used"):
        holder.wait()


def test_promotions_under_load_fail_no_request(city):
    """Two promotions and a rollback while cases are posted, alone and in batches with reasons: every answer is whole,
    and its figures are those of the version that it names.
    """
    every, late = city.posted(), city.risks().query("outcome == 'late' and probability < 1")
    opened = [every[case_id] for case_id in late["case_id"].iloc[:12]]
    expected = expected_of(city, opened)
    assert expected[city.versions[0]] != expected[city.versions[1]]
    answers = asyncio.run(under_load(city, opened))
    assert len(answers) > 20
    assert {version for version, _place, _found in answers} == set(city.versions)
    for version, place, found in answers:
        assert found == (expected[version] if place is None else [expected[version][place]])


def figures_of(answer: httpx.Response) -> list[list[tuple[str, float, float, float]]]:
    return [
        [(risk["outcome"], risk["probability"], risk["lower"], risk["upper"]) for risk in case["risks"]]
        for case in answer.json()["cases"]
    ]


def expected_of(city: OnlineCity, cases: list) -> dict[str, list]:
    """What each version tells, by a service that has no other."""
    found = {}
    for version in city.versions:
        city.registry().promote(FAILURES, version)
        found[version] = figures_of(asyncio.run(one_answer(city, cases)))
    city.registry().promote(FAILURES, city.versions[0])
    return found


async def one_answer(city: OnlineCity, cases: list) -> httpx.Response:
    app = create_app(city.settings)
    try:
        async with client_of(app) as client:
            return await post(client, cases)
    finally:
        closed(app)


async def under_load(city: OnlineCity, cases: list) -> list[tuple[str, int | None, list]]:
    app = create_app(city.settings)
    answers: list[tuple[str, int | None, list]] = []
    done = asyncio.Event()

    async def ask(client: httpx.AsyncClient, place: int | None) -> None:
        while not done.is_set():
            answer = await post(client, cases if place is None else [cases[place]], reasons=place is None)
            assert answer.status_code == 200, answer.text
            answers.append((answer.json()["model_version"], place, figures_of(answer)))
            await asyncio.sleep(0)

    async def exchange() -> None:
        registry = city.registry()
        try:
            for act in (
                lambda: registry.promote(FAILURES, city.versions[1]),
                lambda: registry.promote(FAILURES, city.versions[0]),
                lambda: registry.rollback(FAILURES),
            ):
                await asyncio.to_thread(act)
                wanted = await asyncio.to_thread(registry.champion, FAILURES)
                for _ in range(600):
                    if answers and answers[-1][0] == wanted:
                        break
                    await asyncio.sleep(0.05)
                assert answers[-1][0] == wanted
        finally:
            done.set()

    try:
        async with client_of(app) as client:
            await post(client, cases[:1])
            await asyncio.gather(exchange(), ask(client, 0), ask(client, 1), ask(client, None))
    finally:
        closed(app)
    return answers


def client_of(app) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000", timeout=60)


async def post(client: httpx.AsyncClient, cases: list, **asked) -> httpx.Response:
    content = json.dumps({"cases": cases, **asked})
    return await client.post("/v1/risk", content=content, headers={"Content-Type": "application/json"})


def closed(app) -> None:
    for close in reversed(app.state.closers):
        close()


def test_nothing_is_left_open(city):
    """Closing waits for whoever looks."""
    app = create_app(city.settings)
    app.state.models.begin()
    closed(app)
    assert app.state.models.status().version == city.versions[0]
    assert not app.state.models._thread.is_alive()
    app.state.models.begin()
    assert not app.state.models._thread.is_alive()
