"""The echo board in the service: kept once, answered in both languages, as a table, on a page, and to whom."""

from __future__ import annotations

import asyncio
import csv
import io
import re
import shutil
from pathlib import Path

import httpx
import pandas as pd
import pytest

from data.store import Store
from service.app import create_app
from service.auth.keys import add_key
from service.identity import Role
from service.published_board import publish_board
from service.settings import Settings
from service.spreadsheet import safe_cell
from tests.support.service_client import client_of, shared_client
from tests.support.service_store import AS_OF, DAY, SMALL_AREA, shared_store, simulated_board

PATHS = ["/board", "/v1/board", "/v1/board.csv", "/v1/board/schema.json", "/charts/board.svg"]


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


@pytest.fixture(scope="module")
def copied(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("board") / "city.db"
    shutil.copy(shared_store(), path)
    return path


def test_a_board_is_kept_once_and_what_was_told_stands(tmp_path):
    """A later count of the same block, however different, changes nothing."""
    with Store.open(str(tmp_path / "x.db"), create=True) as store:
        first = simulated_board(AS_OF)
        assert store.add_board_counts(first)
        assert not store.add_board_counts(first.assign(raised=first["raised"] + 1))
        pd.testing.assert_frame_equal(
            store.read_board_counts(), first.sort_values(["area", "category"], ignore_index=True), check_dtype=False
        )
        assert store.has_board(int(first["as_of"].iloc[0]))


def test_a_board_made_with_a_smaller_minimum_stays_back():
    """Whoever raises the minimum sees no count that is under it."""
    with Store.open(str(shared_store())) as store:
        signals, reviews = store.read_all_signals(), store.read_reviews()
    board = simulated_board(AS_OF)
    assert publish_board(board, signals, reviews, minimum=10, time_zone="Asia/Shanghai") is not None
    assert publish_board(board, signals, reviews, minimum=20, time_zone="Asia/Shanghai") is None


def test_what_was_acted_on_is_told_of_those_weeks_and_only_with_as_many_cases_as_the_minimum():
    """A signal of few cases would tell of a small count by being there."""
    board = simulated_board(AS_OF)
    inside = int(board["since"].iloc[0]) + 14 * DAY
    signals = pd.DataFrame(
        {
            "signal_id": ["a", "b", "c", "d"],
            "week": [inside, inside, inside, inside + 200 * DAY],
            "area": ["A-01", "A-02", "A-03", "A-04"],
            "category": "drain",
            "direction": "rise",
            "observed": [30, 6, 30, 30],
        }
    )
    reviews = pd.DataFrame(
        {"signal_id": ["a", "b", "c", "c", "d"], "status": ["acted", "acted", "acted", "checked", "acted"]}
    )
    told = publish_board(board, signals, reviews, minimum=10, time_zone="Asia/Shanghai")
    assert told is not None
    assert [one.area for one in told.acted] == ["A-01"]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_table_and_page_show_the_figures_of_the_answer_and_no_other(language):
    """A withheld figure is an empty cell that says so, never a zero."""
    client = shared_client()
    board = client.get("/v1/board", accept_language=language).json()
    rows = rows_of(client.get("/v1/board.csv", accept_language=language).content.decode("utf-8"))
    told = {(row["area"], row["category"]): row for row in rows}
    assert len(told) == len(rows) == (len(board["areas"]) + 1) * (len(board["city"]["types"]) + 1)
    for place in [board["city"], *board["areas"]]:
        for code, counts in [("*", place["total"]), *((one["category"]["code"], one) for one in place["types"])]:
            row = told[place["area"]["code"], code]
            for name in ("raised", "solved", "still_open"):
                figure = counts[name]
                assert row[name] == ("" if figure["value"] is None else str(figure["value"]))
                state = "withheld" if figure["withheld"] else "shown"
                assert row[f"{name}_status"] == state
    assert told[SMALL_AREA, "*"]["raised_status"] == "withheld"
    page = client.get(f"/board?lang={language}", accept="text/html").text
    for place in board["areas"]:
        unfolded = client.get(f"/board?lang={language}&area={place['area']['code']}", accept="text/html").text
        body = re.sub(r"<[^>]+>", " ", unfolded[unfolded.index('id="places"') :])
        for one in place["types"]:
            if one["raised"]["value"] is not None:
                assert f"{one['raised']['value']:,}" in body
    assert f"{board['city']['total']['raised']['value']:,}" in page
    assert len(page.encode()) < 60_000


def test_the_schema_names_the_columns_of_the_table_in_order():
    """Frictionless Table Schema: what an empty cell means, and which columns are counts."""
    client = shared_client()
    schema = client.json("/v1/board/schema.json")
    header = client.get("/v1/board.csv").text.splitlines()[0].split(",")
    assert [field["name"] for field in schema["fields"]] == header
    assert schema["missingValues"] == [""]
    assert {field["name"] for field in schema["fields"] if field["type"] == "integer"} == {
        "raised",
        "solved",
        "still_open",
    }
    assert all(field["title"] and field["description"] for field in schema["fields"])


@pytest.mark.parametrize("path", PATHS)
def test_what_has_not_changed_costs_nothing_but_the_question(path):
    """A strong ETag for each, and 304."""
    client = shared_client()
    first = client.get(path)
    assert first.status_code == 200
    assert client.get(path, if_none_match=first.headers["etag"]).status_code == 304


@pytest.mark.parametrize("text", ["=1+1", "+x", "-x", "@x", "\tx", "＝1", " =1", "\u3000=1"])
def test_no_text_of_the_table_is_a_formula(text):
    """A spreadsheet runs nothing that an area is called."""
    assert safe_cell(text) == f"'{text}"
    assert safe_cell("Dock, north") == "Dock, north"


@pytest.mark.parametrize("path", PATHS)
def test_the_board_is_open_to_anyone_only_where_the_settings_say_so(path, copied):
    """And nothing else is opened with it."""
    closed = client_of(copied, auth="required")
    opened = client_of(copied, auth="required", public_board=True)
    assert closed.get(path).status_code == 401
    assert opened.get(path).status_code == 200
    assert opened.get(path, authorization="Bearer heed_x").status_code == 401
    assert opened.request("POST", path, content="{}").status_code in (401, 403, 405)
    for other in ("/v1/areas", "/v1/signals", "/v1/cases", "/areas", "/v1/board/", "/v1/openapi.json"):
        assert opened.get(other).status_code in (401, 404)


def test_strangers_share_no_limit(copied):
    """A cookie of another service on the same name is no credential: who asks too often is one address."""
    app = create_app(Settings(store_url=str(copied), auth="required", public_board=True, rate_per_minute=6))

    def asked(address: str, times: int) -> list[int]:
        async def ask() -> list[int]:
            transport = httpx.ASGITransport(app=app, client=(address, 1))
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
                return [(await client.get("/board", headers={"Cookie": "theirs=1"})).status_code for _ in range(times)]

        return asyncio.run(ask())

    assert 429 in asked("10.0.0.1", 12)
    assert asked("10.0.0.2", 4) == [200] * 4


def test_whoever_reads_the_open_board_is_led_nowhere_else(copied):
    """No link to a page that asks for a key, and nothing to sign out of."""
    page = client_of(copied, auth="required", public_board=True).get("/board", accept="text/html").text
    assert 'href="/areas"' not in page
    assert 'href="/boundary"' not in page
    refused = client_of(copied, auth="required", public_board=True).get("/board?x=1", accept="text/html")
    assert refused.status_code == 422
    assert 'href="/cases"' not in refused.text
    assert "/sign-out" not in page
    with Store.open(str(copied)) as store:
        key, _ = add_key(store, Role.DASHBOARD, offices=(), purpose="wall", days=1)
    signed = client_of(copied, auth="required", public_board=True).get(
        "/board", accept="text/html", authorization=f"Bearer {key}"
    )
    assert 'href="/areas"' in signed.text


def test_without_a_board_the_page_says_when_there_will_be_one(tmp_path):
    """The API answers 404, and says the same."""
    path = tmp_path / "city.db"
    shutil.copy(shared_store(), path)
    with Store.open(str(path)) as store, store.writing() as connection:
        connection.exec_driver_sql("DELETE FROM board_count")
    client = client_of(path)
    assert "There is no echo board yet" in client.get("/board", accept="text/html").text
    answer = client.get("/v1/board")
    assert answer.status_code == 404
    assert "There is no echo board yet" in answer.json()["detail"]
