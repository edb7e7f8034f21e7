"""A handler reads the cases of its own offices: not one more, and nothing that tells of the others."""

from __future__ import annotations

import re
from contextlib import contextmanager

import pytest

from data.store import Store
from service.app import create_app
from service.auth.keys import add_key
from service.identity import Role
from service.reads import Snapshot
from service.settings import Settings
from tests.support.credentials import ask, bearer
from tests.support.service_store import small_store

OWN = ("O-1", "O-3")


class City:
    """A service on a small store, a handler of two offices, and an administrator."""

    def __init__(self, folder) -> None:
        path = small_store(folder)
        with Store.open(str(path)) as store:
            self.handler = add_key(store, Role.HANDLER, offices=OWN, purpose="desk", days=1)[0]
            self.neighbour = add_key(store, Role.HANDLER, offices=["O-2"], purpose="desk", days=1)[0]
            self.admin = add_key(store, Role.ADMIN, offices=[], purpose="admin", days=1)[0]
        settings = Settings(store_url=str(path), auth="required", recheck_seconds=0, rate_per_minute=0)
        self.app = create_app(settings)

    def get(self, address: str, key: str | None = None, *headers: tuple[str, str]):
        return ask(self.app, "GET", address, [*bearer(key or self.handler), *headers])

    @property
    def snapshot(self) -> Snapshot:
        return self.app.state.reads.current()

    def case(self, *, own: bool) -> str:
        """The id of a case of one of the handler's offices, or of another."""
        return next(case.case_id for case in self.snapshot.cases if (case.office in OWN) == own)


@pytest.fixture(scope="module")
def city(tmp_path_factory):
    """A city with cases of its own offices and of others."""
    found = City(tmp_path_factory.mktemp("city"))
    counts = {case.office for case in found.snapshot.cases}
    assert set(OWN) < counts
    return found


def _walk(city: City, key: str, query: str = "") -> tuple[list[dict], set[int]]:
    """Every case of every page of the list, and the totals that the pages gave."""
    cases, totals, address = [], set(), f"/v1/cases?limit=3{query}"
    while address:
        body = city.get(address, key).json()
        cases += body["cases"]
        totals.add(body["total"])
        address = body["next"]
    return cases, totals


@pytest.mark.parametrize(
    "query", ["", "&order=due", "&deadline=passed", "&band=high", "&office=O-3", "&office=O-2", "&area=T-1"]
)
def test_the_list_is_what_an_administrator_would_see_of_these_offices(city, query):
    """Page by page, in the same order, with a total of its own."""
    mine, totals = _walk(city, city.handler, query)
    every, _ = _walk(city, city.admin, query)
    expected = [case for case in every if case["office"] is not None and case["office"]["code"] in OWN]
    assert [case["id"] for case in mine] == [case["id"] for case in expected]
    assert totals == {len(expected)}
    assert query or 0 < len(mine) < len(every)


@contextmanager
def _page(city: City, key: str, address: str = "/cases?deadline=all&lang=en"):
    answer = city.get(address, key, ("Accept", "text/html"))
    assert answer.status_code == 200
    yield answer.text


def _tally(html: str) -> dict[str, int]:
    return {
        name: int(count)
        for count, name in re.findall(r'<span class="count">(\d+)</span>\s*(?:<[^>]*>)*\s*([^<]+)', html)
    }


def test_the_page_counts_and_offers_only_what_its_reader_may_see(city):
    """The tally, the filters and the head line; whoever asked before."""
    for _ in range(2):
        with _page(city, city.admin) as every, _page(city, city.handler) as mine:
            assert {code for code in ("O-1", "O-2", "O-3", "O-4") if f'<option value="{code}"' in mine} == set(OWN)
            assert '<option value="O-2"' in every
            own = [case for case in city.snapshot.cases if case.office in OWN]
            assert f"{len(own)} open cases" in mine
            assert f"{len(city.snapshot.cases)} open cases" in every
            assert sum(_numbers(mine)[:3]) == len(own)
            assert sum(_numbers(every)[:3]) == len(city.snapshot.cases)
            passed = sum(city.snapshot._side(case) == "passed" for case in own)
            assert _numbers(mine)[4] == passed


def _numbers(html: str) -> list[int]:
    return [int(count) for count in re.findall(r'<span class="count">(\d+)</span>', html)]


@pytest.mark.parametrize("address", ["/v1/cases/{}", "/cases/{}", "/charts/cases/{}/reasons.svg"])
def test_a_case_of_another_office_is_answered_as_one_that_is_not_there(city, address):
    """To the letter, except for the number of the problem: whether it exists is not told."""
    own, other = city.case(own=True), city.case(own=False)
    assert city.get(address.format(own)).status_code == 200
    assert city.get(address.format(other), city.admin).status_code == 200
    answers = [city.get(address.format(case), None, ("Accept", "text/html")) for case in (other, "0" * len(other))]
    assert [answer.status_code for answer in answers] == [404, 404]
    told = [re.sub(r"urn:uuid:[0-9a-f-]{36}", "", answer.text).replace(other, "0" * len(other)) for answer in answers]
    assert told[0] == told[1]
    volatile = ("x-request-id", "date", "content-length")
    heads = [{name: value for name, value in answer.headers.items() if name not in volatile} for answer in answers]
    assert heads[0] == heads[1]


def test_a_tag_is_no_way_to_ask_whether_a_case_is_there(city):
    """If-None-Match with anything, even with the tag that an administrator was given."""
    other = city.case(own=False)
    tag = city.get(f"/v1/cases/{other}", city.admin).headers["etag"]
    for held in ("*", tag):
        assert city.get(f"/v1/cases/{other}", None, ("If-None-Match", held)).status_code == 404


def test_a_cursor_at_a_case_of_another_office_is_none_of_ours(city):
    """A made-up cursor tells nothing of whether its case is there; one of an administrator gives nothing either."""
    import base64
    import json

    def cursor(case_id: str) -> str:
        return base64.urlsafe_b64encode(json.dumps(["risk", city.snapshot.version, case_id]).encode()).decode()

    assert city.get(f"/v1/cases?cursor={cursor(city.case(own=True))}").status_code == 200
    answers = [city.get(f"/v1/cases?cursor={cursor(case)}") for case in (city.case(own=False), "no-case")]
    assert [answer.status_code for answer in answers] == [400, 400]
    assert answers[0].json()["detail"] == answers[1].json()["detail"]


def test_answers_that_differ_by_asker_are_kept_by_nobody(city):
    """Cases are not stored at all; and what is shared is the same to the byte, whose office it may be that asks."""
    answer = city.get("/v1/cases")
    assert answer.headers["cache-control"] == "no-store"
    assert {"Authorization", "Cookie"} <= set(answer.headers["vary"].replace(" ", "").split(","))
    for address in ("/v1/areas", "/v1/offices", "/v1/signals", "/areas", "/areas/A-02", "/signals"):
        others = (city.neighbour, city.admin) if address.startswith("/v1/") else (city.neighbour,)
        mine = city.get(address)
        for other in (city.get(address, key) for key in others):
            assert (mine.content, mine.headers["etag"]) == (other.content, other.headers["etag"])
        assert {"Authorization", "Cookie"} <= set(mine.headers["vary"].replace(" ", "").split(","))


def test_nothing_of_a_handlers_answer_is_remembered_for_others(tmp_path):
    """What a snapshot keeps between requests holds no list, page or choice of one office."""
    city = City(tmp_path)
    handler_first = city.get("/cases?deadline=all", city.handler).text
    every = city.get("/cases?deadline=all", city.admin).text
    assert handler_first != every
    assert city.get("/cases?deadline=all", city.handler).text == handler_first
    kept = city.snapshot.memo
    assert all(key[0] in ("view", "risks", "choices", "tally") for key in kept)
    # What stands beside the filters is remembered of the list of all offices, and told to nobody else.
    (tally,) = (each for key, each in kept.items() if key[0] == "tally")
    assert sum(tally[band] for band in ("high", "medium", "low")) == len(city.snapshot.cases)
    assert city.get("/cases?deadline=all", city.admin).text == every
    assert {code for code, _ in kept["choices", "en"]["office"]} == {case.office for case in city.snapshot.cases} - {
        None
    }
