"""The list of cases: by the risk of any outcome, as saved views, as a file, with what an office can answer."""

from __future__ import annotations

import csv
import io
import json
import time

import pandas as pd
import pytest
from sqlalchemy import select

from data import tables
from data.service_clock import find_clock
from data.service_clock_store import set_clock
from data.store import Store
from service import case_file
from service.auth.keys import add_key
from service.identity import Role
from service.spreadsheet import safe_cell
from tests.support.service_store import small_store
from tests.support.service_writes import Writer, acts, writer_of

FORM = {"content-type": "application/x-www-form-urlencoded", "sec-fetch-site": "same-origin"}


@pytest.fixture
def path(tmp_path):
    """A store of its own, with a second outcome that some cases have."""
    found = small_store(tmp_path)
    with Store.open(str(found)) as store:
        risks = store.read_risks()
        late = risks[risks["outcome"] == "late"].iloc[::2]
        up = late.assign(outcome="handed_up_28d", probability=1 - late["probability"])
        band = ["high" if p >= 0.5 else "medium" if p >= 0.2 else "low" for p in up["probability"]]
        up = up.assign(band=band, lower=0.9 * up["probability"], upper=up["probability"])
        store.write_risks(pd.concat([risks, up], ignore_index=True))
    return found


@pytest.fixture
def writer(path):
    """A service on that store."""
    opened = writer_of(str(path))
    yield opened
    opened.close()


def _json(writer: Writer, address: str, **headers: str) -> dict:
    answer = writer.ask("GET", address, **headers)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_the_list_goes_by_the_risk_that_is_asked_for(writer):
    """Sorted by it, its bands counted, its reasons shown; a case of which it is not told is left out."""
    told = _json(writer, "/v1/cases?outcome=handed_up&limit=200")
    assert {case["risk"]["outcome"] for case in told["cases"]} == {"handed_up_28d"}
    risks = [case["risk"]["probability"] for case in told["cases"]]
    assert risks == sorted(risks, reverse=True)
    assert told["total"] == len(risks) == _json(writer, "/v1/cases")["total"] / 2
    assert all(case["earlier"] is None for case in told["cases"])
    assert {"late"} < {each["outcome"] for case in told["cases"] for each in (*case["also"], {"outcome": "x"})}
    high = _json(writer, "/v1/cases?outcome=handed_up&band=high&limit=200")
    assert [case["id"] for case in high["cases"]] == [
        case["id"] for case in told["cases"] if case["risk"]["band"] == "high"
    ]
    page = writer.ask("GET", "/cases?outcome=handed_up&deadline=all&lang=en").text
    assert "The risk shown here is that of: handed up a tier." in page
    assert f'<span class="count">{high["total"]}</span>' in page


def test_a_walk_by_another_risk_meets_every_case_once(writer):
    """Page by page, as by lateness."""
    met, address = [], "/v1/cases?outcome=handed_up&limit=7"
    while address:
        told = _json(writer, address)
        met += [case["id"] for case in told["cases"]]
        address = told["next"]
    assert met == [case["id"] for case in _json(writer, "/v1/cases?outcome=handed_up&limit=200")["cases"]]


def _rows(writer: Writer, query: str = "", **headers: str) -> tuple[list[str], list[list[str]]]:
    answer = writer.ask("GET", f"/v1/cases.csv{query}", **headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/csv; charset=utf-8; header=present"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.content.startswith(b"\xef\xbb\xbf")
    heading, *rows = csv.reader(io.StringIO(answer.content.decode("utf-8-sig"), newline=""))
    return heading, rows


def test_the_file_holds_the_list_in_its_order_and_nothing_else(writer):
    """The cases of the same filters, what the list shows of each; named by the day, recorded before it leaves."""
    told = _json(writer, "/v1/cases?band=high&order=due&limit=200")["cases"]
    heading, rows = _rows(writer, "?band=high&order=due", accept_language="en")
    assert [row[0] for row in rows] == [case["id"] for case in told]
    first = dict(zip(heading, rows[0], strict=True))
    assert first["Type of problem"] == told[0]["category"]["name"]
    assert first["Of 100 like this"] == str(told[0]["risk"]["per_100"])
    assert first["Deadline"] == told[0]["due_at"][:16].replace("T", " ")
    assert first["First reason"].startswith(told[0]["reasons"][0]["text"])
    answer = writer.ask("GET", "/v1/cases.csv")
    assert answer.headers["content-disposition"] == 'attachment; filename="heed-cases-2025-11-21.csv"'
    with writer.app.state.reads.store().reading() as connection:
        entry = tables.audit_entry.c
        detail = connection.execute(
            select(entry.detail).where(entry.action == "case.list").order_by(entry.seq.desc()).offset(1).limit(1)
        ).scalar_one()
    assert json.loads(detail) | {"as_of": 0} == {
        "part": "file",
        "cases": len(rows),
        "as_of": 0,
        "filters": {"band": "high"},
        "deadline": "all",
        "order": "due",
    }


def test_no_cell_is_a_formula(path):
    """Names come from the store, and may begin as a formula does, also in full width."""
    with Store.open(str(path)) as store:
        hostile = ["=HYPERLINK(1)", "+1+1", "-2+3", "@SUM(1)", "＝1", "\t=1", " =1"]
        categories = store.read_categories()
        store.write_places(categories=categories.assign(name_en=hostile))
    writer = writer_of(str(path))
    _, rows = _rows(writer, accept_language="en")
    writer.close()
    cells = {row[1] for row in rows}
    assert len(cells) == 7
    assert all(cell.startswith("'") for cell in cells)
    assert [safe_cell(cell) for cell in ("12", "-5", "3.5", "", "road")] == ["12", "-5", "3.5", "", "road"]


def test_a_list_that_is_too_long_is_refused_and_not_cut(writer, monkeypatch):
    """Nobody would see what is missing; the page says so instead of a link."""
    monkeypatch.setattr(case_file, "MOST_ROWS", 10)
    monkeypatch.setattr("service.dashboard.cases_page.MOST_ROWS", 10)
    answer = writer.ask("GET", "/v1/cases.csv", accept_language="en")
    assert answer.status_code == 400
    assert "this one is longer. Filter it first." in answer.json()["detail"]
    page = writer.ask("GET", "/cases?lang=en&deadline=all").text
    assert "/v1/cases.csv" not in page
    assert "can be taken as a file: filter it first." in page


def test_nothing_is_given_that_cannot_be_recorded(writer, monkeypatch):
    """503, and no row of the file."""
    writer.app.state.audit.close()
    answer = writer.ask("GET", "/v1/cases.csv", accept_language="en")
    assert answer.status_code == 503
    assert "Nothing was given out." in answer.json()["detail"]


def test_a_view_is_kept_named_and_let_go(writer):
    """By what it filters, in the language of whoever reads; the same one once; nothing of anybody's in it."""
    first = writer.ask("POST", "/v1/views", {"category": "drain", "band": "high"}, accept_language="en")
    again = writer.ask("POST", "/v1/views", {"band": "high", "category": "drain"}, accept_language="zh")
    assert (first.status_code, again.status_code) == (201, 201)
    assert (first.json()["name"], again.json()["name"]) == (
        "High · Blocked drain · with any deadline",
        "高 · 下水道堵塞 · 不限时限",
    )
    (kept,) = _json(writer, "/v1/views")["views"]
    assert kept["id"] == first.json()["id"]
    assert writer.ask("DELETE", f"/v1/views/{kept['id']}").status_code == 204
    assert writer.ask("DELETE", f"/v1/views/{kept['id']}").status_code == 404
    assert _json(writer, "/v1/views")["views"] == []
    with Store.open(writer.app.state.settings.store_url) as store:
        assert acts(store, "view.delete") == [{"filters": {"band": "high", "category": "drain", "deadline": "all"}}]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"category": "Mrs Li, 5 East Street"}, 400),
        ({"office": "O-9"}, 400),
        ({"area": "nowhere"}, 400),
        ({"band": "purple"}, 422),
        ({"name": "my cases"}, 422),
        ({"limit": 5}, 422),
    ],
)
def test_only_known_codes_are_kept(writer, body, status):
    """No text that somebody typed gets into the store, and none comes back."""
    answer = writer.ask("POST", "/v1/views", body)
    assert answer.status_code == status
    assert "Mrs Li" not in answer.text
    assert _json(writer, "/v1/views")["views"] == []


def test_twenty_views_and_no_more(writer):
    """409 for one more; one that is there may be saved again."""
    areas = [f"A-{n:02d}" for n in range(1, 12)]
    bodies = [{"area": area, "order": order} for order in ("risk", "due") for area in areas]
    found = [writer.ask("POST", "/v1/views", body).status_code for body in bodies]
    full = writer.ask("POST", "/v1/views", {"band": "low"}, accept_language="en")
    assert found.count(201) == 20
    assert full.status_code == 409
    assert "There are 20 saved views, and no more are kept." in full.json()["detail"]
    assert writer.ask("POST", "/v1/views", bodies[0]).status_code == 201


def test_views_are_of_the_one_who_saved_them(path):
    """Another key of the same office sees none of them, and deletes none."""
    with Store.open(str(path)) as store:
        keys = [
            add_key(store, Role.HANDLER, offices=["O-1"], purpose="desk", days=1, now=int(time.time()))[0]
            for _ in range(2)
        ]
    writer = writer_of(str(path), auth="required")
    mine, other = ({"authorization": f"Bearer {key}"} for key in keys)
    saved = writer.ask("POST", "/v1/views", {"band": "low"}, **mine).json()
    assert _json(writer, "/v1/views", **other)["views"] == []
    assert writer.ask("DELETE", f"/v1/views/{saved['id']}", **other).status_code == 404
    assert len(_json(writer, "/v1/views", **mine)["views"]) == 1
    # Of an office that is not its own, a handler keeps no filter.
    assert writer.ask("POST", "/v1/views", {"office": "O-2"}, **mine).status_code == 400
    writer.close()


def _send(writer: Writer, body: str):
    return writer.ask("POST", "/views?lang=en", content=body.encode(), **FORM)


def test_the_forms_of_the_page_save_a_view_and_delete_it(writer):
    """Above the filters, with a link that shows it; the page that opens cannot be saved, nor one that is."""
    assert "Save this view" not in writer.ask("GET", "/cases?lang=en").text
    assert "Save this view" in writer.ask("GET", "/cases?lang=en&band=high").text
    answer = _send(writer, "back=band%3Dhigh%26lang%3Den")
    assert (answer.status_code, answer.headers["location"]) == (303, "/cases?band=high&lang=en")
    page = writer.ask("GET", "/cases?lang=en&band=high").text
    assert '<a href="/cases?band=high&amp;deadline=ahead&amp;lang=en" aria-current="true">High</a>' in page
    assert "Save this view" not in page
    view_id = _json(writer, "/v1/views")["views"][0]["id"]
    assert _send(writer, f"delete={view_id}&back=").headers["location"] == "/cases?lang=en"
    assert _json(writer, "/v1/views")["views"] == []
    refused = _send(writer, "back=band%3Dpurple")
    assert refused.status_code == 400
    assert "Expected the filters of the list of cases." in refused.text


def test_the_list_of_one_office_says_what_it_can_answer(path):
    """Of the office of the filter, or of the only one that whoever reads may see; of no other list."""
    with Store.open(str(path)) as store:
        offices = store.read_offices()
        store.write_places(offices=offices.assign(capacity_per_day=[20.4, 8.0, None, None]))
        key = add_key(store, Role.HANDLER, offices=["O-1"], purpose="desk", days=1, now=int(time.time()))[0]
    writer = writer_of(str(path))
    said = "This office can answer about 20 cases on a working day."
    assert _json(writer, "/v1/cases?office=O-1")["capacity"] == 20
    assert said in writer.ask("GET", "/cases?lang=en&office=O-1").text
    assert _json(writer, "/v1/cases")["capacity"] is None
    assert _json(writer, "/v1/cases?office=O-3")["capacity"] is None
    writer.close()
    desk = writer_of(str(path), auth="required")
    assert said in desk.ask("GET", "/cases?lang=en", authorization=f"Bearer {key}").text
    desk.close()


def test_a_case_tells_how_its_deadline_came_about(path):
    """Where the standards of its source are kept; and where they lead elsewhere, that the record holds."""
    writer = writer_of(str(path))
    case_id = next(case["id"] for case in _json(writer, "/v1/cases?limit=50")["cases"] if case["due_at"])
    assert _json(writer, f"/v1/cases/{case_id}")["deadline"] is None
    assert "How this deadline came about" not in writer.ask("GET", f"/cases/{case_id}?lang=en").text
    with Store.open(str(path)) as store:
        set_clock(store, "simulated", find_clock("demo").text.encode(), file="demo")
    told = _json(writer, f"/v1/cases/{case_id}", accept_language="en")["deadline"]
    assert len(told["steps"]) >= 2
    page = writer.ask("GET", f"/cases/{case_id}?lang=en").text
    assert "How this deadline came about" in page
    assert ("The record names another deadline" in page) is not told["agrees"]
    writer.close()
