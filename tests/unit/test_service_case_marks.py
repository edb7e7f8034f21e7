"""What an office notes on a case: kept step by step, seen at once, about the case and nobody, and never a reason to
put the case off.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import get_args

import pytest
from sqlalchemy import select

from data import tables
from data.errors import UsageError
from data.store import Store
from service.auth.keys import add_key
from service.identity import Role
from service.mark_payloads import MarkAction, MarkName, MarkReason, MarkView
from service.marks import ACTIONS, MARKS, OVERRIDE_REASONS, OVERRIDES, OVERRIDES_IN_SHORT, Step
from tests.support.service_store import small_store
from tests.support.service_writes import Writer, acts, counted, filled_store, writer_of

FORM = {"content-type": "application/x-www-form-urlencoded", "sec-fetch-site": "same-origin"}


@pytest.fixture(params=["sqlite", "postgresql"])
def kept(request, tmp_path):
    """A service and its store, on either engine."""
    with ExitStack() as stack:
        url = stack.enter_context(
            filled_store(request.param, tmp_path, lambda: request.getfixturevalue("postgres_url"))
        )
        writer = writer_of(url)
        stack.callback(writer.close)
        yield writer, stack.enter_context(Store.open(url))


@pytest.fixture
def writer(tmp_path):
    """A service on a store of its own."""
    opened = writer_of(str(small_store(tmp_path)))
    yield opened
    opened.close()


def cases(writer: Writer, query: str = "limit=200") -> list[dict]:
    """The list of cases."""
    answer = writer.ask("GET", f"/v1/cases?{query}")
    assert answer.status_code == 200, answer.text
    return list(answer.json()["cases"])


def mark(writer: Writer, case_id: str, step: dict, etag: str | None = None, **headers: str):
    """Take a step, on the newest state or on that of a tag."""
    address = f"/v1/cases/{case_id}/marks"
    if etag is None:
        etag = writer.ask("GET", address, **headers).headers["etag"]
    return writer.ask("PATCH", address, step, if_match=etag, **headers)


def test_the_codes_are_the_same_everywhere():
    """What the API takes is what the pages say."""
    assert [*get_args(MarkName)] == [*MARKS]
    assert [*get_args(MarkAction)] == [*ACTIONS]
    assert [*get_args(MarkView)] == [*OVERRIDES] == [*OVERRIDES_IN_SHORT]
    assert [*get_args(MarkReason)] == [*OVERRIDE_REASONS]


def test_a_step_is_kept_seen_at_once_and_told_to_the_trail(kept):
    """In the list, on the case and at its own address; one row, one entry, nobody named."""
    writer, store = kept
    case_id = cases(writer)[3]["id"]
    before = [writer.ask("GET", address).headers["etag"] for address in ("/v1/cases", f"/v1/cases/{case_id}")]
    answer = mark(writer, case_id, {"mark": "acted", "choice": "visited"})
    assert answer.status_code == 200, answer.text
    (told,) = answer.json()["marks"]
    assert (told["mark"], told["choice"], told["reason"]) == ("acted", "visited", None)
    again = writer.ask("GET", f"/v1/cases/{case_id}/marks")
    assert (again.content, again.headers["etag"]) == (answer.content, answer.headers["etag"])
    assert cases(writer)[3]["marks"] == writer.ask("GET", f"/v1/cases/{case_id}").json()["marks"] == [told]
    after = [writer.ask("GET", address).headers["etag"] for address in ("/v1/cases", f"/v1/cases/{case_id}")]
    assert all(one != other for one, other in zip(before, after, strict=True))
    with store.reading() as connection:
        (row,) = connection.execute(select(tables.case_mark)).mappings().all()
    assert (row["case_id"], row["is_set"], row["office"]) == (case_id, 1, cases(writer)[3]["office"]["code"])
    assert not any("actor" in name or "by" in name for name in row)
    assert acts(store, "case.mark") == [{"mark": "acted", "set": True, "choice": "visited", "reason": None}]


def test_the_newest_step_of_a_mark_counts_and_earlier_ones_stay(kept, monkeypatch):
    """Also when the clock was set back; the marks of a case do not disturb each other."""
    writer, store = kept
    case_id = cases(writer)[0]["id"]
    steps = [
        {"mark": "seen"},
        {"mark": "shortlisted"},
        {"mark": "overridden", "choice": "higher", "reason": "known_on_site"},
        {"mark": "seen", "set": False},
        {"mark": "overridden", "choice": "lower", "reason": "record_wrong"},
    ]
    for step in steps:
        answer = mark(writer, case_id, step)
        assert answer.status_code == 200, answer.text
    monkeypatch.setattr("service.marks.time.time", lambda: 1_000_000)
    answer = mark(writer, case_id, {"mark": "acted", "choice": "answered"})
    now = [(one["mark"], one["choice"], one["reason"]) for one in answer.json()["marks"]]
    assert now == [("shortlisted", None, None), ("acted", "answered", None), ("overridden", "lower", "record_wrong")]
    with store.reading() as connection:
        rows = connection.execute(select(tables.case_mark.c.recorded_at).order_by(tables.case_mark.c.mark_id)).scalars()
        moments = [*rows]
    assert len(moments) == 6
    assert moments == sorted(moments)


@pytest.mark.parametrize(
    ("step", "status"),
    [
        ({"mark": "liked"}, 422),
        ({"mark": "acted"}, 400),
        ({"mark": "acted", "choice": "higher"}, 400),
        ({"mark": "acted", "choice": "slept"}, 422),
        ({"mark": "seen", "choice": "answered"}, 400),
        ({"mark": "overridden", "choice": "higher"}, 400),
        ({"mark": "overridden", "reason": "record_wrong"}, 400),
        ({"mark": "acted", "choice": "visited", "reason": "record_wrong"}, 400),
        ({"mark": "acted", "set": False, "choice": "visited"}, 400),
        ({"mark": "seen", "note": "Mrs Li called"}, 422),
        ({"mark": "seen", "by": "counter-2"}, 422),
    ],
)
def test_what_is_no_step_is_refused(writer, step, status):
    """No text of anyone, and no code where it does not belong; nothing is stored."""
    answer = mark(writer, cases(writer)[0]["id"], step)
    assert answer.status_code == status
    assert "Mrs Li" not in answer.text
    with writer.app.state.reads.connection() as connection:
        assert counted(connection, tables.case_mark) == 0


def test_the_refusal_says_what_was_expected():
    """Of a mark that there is not, and of a choice that does not belong."""
    with pytest.raises(UsageError, match="Expected one of the marks"):
        Step("liked").check()
    with pytest.raises(UsageError, match="with nothing else a choice or a reason"):
        Step("seen", reason="record_wrong").check()


def test_it_is_decided_on_a_state(writer):
    """428 without If-Match, 412 on a state that has changed since; the tag is the same in both languages."""
    case_id = cases(writer)[0]["id"]
    address = f"/v1/cases/{case_id}/marks"
    etag = writer.ask("GET", address, accept_language="en").headers["etag"]
    assert writer.ask("GET", address, accept_language="zh").headers["etag"] == etag
    assert writer.ask("PATCH", address, {"mark": "seen"}).status_code == 428
    assert mark(writer, case_id, {"mark": "seen"}, etag).status_code == 200
    stale = mark(writer, case_id, {"mark": "shortlisted"}, etag)
    assert stale.status_code == 412
    assert [one["mark"] for one in writer.ask("GET", address).json()["marks"]] == ["seen"]


def test_a_repeated_write_is_done_once(kept):
    """The same key gives the same answer, and one row."""
    writer, store = kept
    case_id = cases(writer)[0]["id"]
    etag = writer.ask("GET", f"/v1/cases/{case_id}/marks").headers["etag"]
    sent = {"idempotency_key": "k1"}
    first = mark(writer, case_id, {"mark": "seen"}, etag, **sent)
    second = mark(writer, case_id, {"mark": "seen"}, etag, **sent)
    assert (first.status_code, second.status_code) == (200, 200)
    assert (second.content, second.headers["idempotency-replayed"]) == (first.content, "true")
    with store.reading() as connection:
        assert counted(connection, tables.case_mark) == 1


def test_a_mark_of_one_office_is_no_others_to_make_and_passes_on_with_the_case(tmp_path):
    """404 for a case of another office, as if there were none; when the case moves there, the mark comes with it."""
    path = small_store(tmp_path)
    with Store.open(str(path)) as store:
        keys = {
            office: add_key(store, Role.HANDLER, offices=[office], purpose="desk", days=1, now=int(time.time()))[0]
            for office in ("O-1", "O-3")
        }
    writer = writer_of(str(path), auth="required")
    sent = {office: {"authorization": f"Bearer {key}"} for office, key in keys.items()}
    own = writer.ask("GET", "/v1/cases?limit=1", **sent["O-1"]).json()["cases"][0]["id"]
    assert mark(writer, own, {"mark": "shortlisted"}, **sent["O-1"]).status_code == 200
    other = writer.ask("PATCH", f"/v1/cases/{own}/marks", {"mark": "seen"}, if_match='"x"', **sent["O-3"])
    assert (other.status_code, writer.ask("GET", f"/v1/cases/{own}/marks", **sent["O-3"]).status_code) == (404, 404)
    assert writer.ask("GET", "/v1/cases?mark=shortlisted", **sent["O-3"]).json()["total"] == 0
    with Store.open(str(path)) as store, store.writing() as connection:
        event = tables.event
        connection.execute(event.update().where(event.c.case_id == own).values(office="O-3"))
    found = writer.ask("GET", "/v1/cases?mark=shortlisted", **sent["O-3"]).json()["cases"]
    assert [(case["id"], [one["mark"] for one in case["marks"]]) for case in found] == [(own, ["shortlisted"])]
    writer.close()


def test_the_list_is_filtered_by_marks_and_none_means_nothing_noted(writer):
    """Together they are all cases, each once; taking a mark back puts a case back."""
    every = [case["id"] for case in cases(writer)]
    for case_id, step in (
        (every[1], {"mark": "seen"}),
        (every[2], {"mark": "acted", "choice": "answered"}),
        (every[2], {"mark": "seen"}),
        (every[5], {"mark": "shortlisted"}),
        (every[5], {"mark": "shortlisted", "set": False}),
    ):
        assert mark(writer, case_id, step).status_code == 200
    ids = {name: [case["id"] for case in cases(writer, f"limit=200&mark={name}")] for name in (*MARKS, "none")}
    assert ids["seen"] == [every[1], every[2]]
    assert ids["acted"] == [every[2]]
    assert ids["shortlisted"] == ids["overridden"] == []
    assert ids["none"] == [case_id for case_id in every if case_id not in {every[1], every[2]}]
    assert [case["id"] for case in cases(writer)] == every


def test_what_an_office_calls_more_urgent_is_shown_in_front_as_well(writer):
    """Whatever its band, within the other filters, on the first page only; lower and other views lift nothing."""
    every = cases(writer)
    low = next(case for case in reversed(every) if case["risk"]["band"] == "low")
    higher = {"mark": "overridden", "choice": "higher", "reason": "known_on_site"}
    lower = {"mark": "overridden", "choice": "lower", "reason": "known_on_site"}
    assert mark(writer, low["id"], higher).status_code == 200
    assert mark(writer, every[0]["id"], lower).status_code == 200
    told = writer.ask("GET", "/v1/cases?band=high&limit=2").json()
    assert ([case["id"] for case in told["lifted"]], told["lifted_total"]) == ([low["id"]], 1)
    assert told["cases"][0]["id"] == every[0]["id"]
    assert writer.ask("GET", told["next"]).json()["lifted"] == []
    elsewhere = next(case["category"]["code"] for case in every if case["category"] != low["category"])
    assert writer.ask("GET", f"/v1/cases?category={elsewhere}").json()["lifted"] == []
    page = writer.ask("GET", "/cases?lang=en&deadline=all").text
    # Its own place is on the next page.
    assert page.count(f'href="/cases/{low["id"]}?lang=en"') == 1
    assert "Office: more urgent" in page
    assert "1 case that its office calls more urgent" in page


def _form(writer: Writer, case_id: str, body: str, **headers: str):
    return writer.ask("POST", f"/cases/{case_id}/marks?lang=en", content=body.encode(), **{**FORM, **headers})


def test_the_forms_of_the_list_lead_back_to_the_same_place(writer):
    """The row of the case, with every filter; an address of elsewhere leads nowhere."""
    case_id = cases(writer)[0]["id"]
    answer = _form(writer, case_id, "set=seen&list=1&back=band%3Dhigh%26order%3Ddue%26lang%3Den")
    assert answer.status_code == 303
    assert answer.headers["location"] == f"/cases?band=high&order=due&lang=en#c-{case_id[:12]}"
    for hostile in ("//evil.example", "band=purple", "next=https%3A//evil.example", "%00", "a=1&" * 40):
        answer = _form(writer, case_id, "set=seen&list=1&back=" + hostile.replace("&", "%26").replace("=", "%3D"))
        assert (answer.status_code, answer.headers["location"]) == (303, f"/cases?lang=en#c-{case_id[:12]}")
    # The list as it opens has no query; of a case its page is the place.
    assert _form(writer, case_id, "set=seen&list=1&back=").headers["location"] == f"/cases?lang=en#c-{case_id[:12]}"
    assert _form(writer, case_id, "set=seen").headers["location"] == f"/cases/{case_id}?lang=en#noted"
    with writer.app.state.reads.connection() as connection:
        # Seen is seen, however often somebody says so.
        assert counted(connection, tables.case_mark) == 1


def test_the_form_of_a_case_is_decided_on_what_it_showed(writer):
    """What was done, how the case is seen: 412 where something was noted since; no state, no step."""
    case_id = cases(writer)[0]["id"]
    state = writer.ask("GET", f"/v1/cases/{case_id}/marks").headers["etag"].replace('"', "%22")
    assert state.strip("%2") in writer.ask("GET", f"/cases/{case_id}?lang=en").text
    answer = _form(writer, case_id, f"set=acted&choice=visited&state={state}")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/cases/{case_id}?lang=en#noted")
    for body in (f"set=overridden&choice=higher&reason=record_wrong&state={state}", "set=acted&choice=answered"):
        answer = _form(writer, case_id, body)
        assert answer.status_code == 412
        assert "Something was noted on this case since the page was opened." in answer.text
    page = writer.ask("GET", f"/cases/{case_id}?lang=zh").text
    assert "已处置：已到现场查看" in page


@pytest.mark.parametrize("body", ["", "set=liked", "unset=", "set=acted", "set=acted&choice=slept", "x" * 5_000])
def test_a_form_that_is_no_step_is_refused(writer, body):
    """Whatever a browser may send."""
    answer = _form(writer, cases(writer)[0]["id"], body)
    assert answer.status_code == (413 if len(body) > 4_096 else 400)


def test_no_other_site_sends_the_form(writer):
    """Also where nobody has to sign in."""
    answer = _form(writer, cases(writer)[0]["id"], "set=seen", **{"sec-fetch-site": "cross-site"})
    assert answer.status_code == 403


def test_marks_make_no_reader_read_the_scoring_anew(writer):
    """They are read live; what is kept of a scoring stays kept."""
    before = writer.app.state.reads.current()
    assert mark(writer, cases(writer)[0]["id"], {"mark": "seen"}).status_code == 200
    assert writer.app.state.reads.current() is before
