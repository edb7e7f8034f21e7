"""Open cases by risk over the API: order, filters, pages, and one case with all its reasons."""

from __future__ import annotations

import base64
import json

import pytest

from data.store import Store
from service.earlier import read_earlier
from tests.support.service_client import client_of, shared_client
from tests.support.service_store import AREAS, AS_OF, DAY, score, shared_store, small_store


@pytest.fixture
def client():
    """The service on a store of 400 open cases."""
    return shared_client()


def _all(client, query: str = "") -> list[dict]:
    """Every case of a list, walked page by page."""
    found, following = [], f"/v1/cases?limit=150{query}"
    while following:
        page = client.json(following)
        found += page["cases"]
        following = page["next"]
    return found


def test_cases_come_by_risk_the_highest_first(client):
    """The list begins with what most needs attention."""
    body = client.json("/v1/cases?limit=200")
    risks = [case["risk"]["probability"] for case in body["cases"]]
    assert risks == sorted(risks, reverse=True)
    assert (body["total"], body["order"], body["as_of"]) == (400, "risk", "2025-11-21T08:00:00+08:00")
    assert body["note"] == "A low risk is no reason to wait: the order by deadline takes no account of it."


def test_a_case_of_the_list_says_what_by_when_how_likely_and_why(client):
    """One row carries all that an officer needs to choose."""
    case = client.json("/v1/cases?limit=1")["cases"][0]
    facts = {"id", "category", "office", "area", "channel", "opened_at", "due_at"}
    assert set(case) == facts | {"risk", "also", "earlier", "reasons", "marks"}
    shown = {"outcome", "probability", "lower", "upper", "band", "per_100", "model_version"}
    assert set(case["risk"]) == shown
    assert case["risk"]["lower"] <= case["risk"]["probability"] <= case["risk"]["upper"]
    assert case["risk"]["per_100"] == round(100 * case["risk"]["probability"])
    assert case["opened_at"].endswith("+08:00")
    assert len(case["reasons"]) == 3
    sizes = [abs(reason["points"]) for reason in case["reasons"]]
    assert sizes == sorted(sizes, reverse=True)


@pytest.mark.parametrize(
    ("language", "late", "any_failure", "wait"),
    [
        ("en", "the office answers after its deadline.", "the office fails its duty in at least one way.", "answered"),
        ("zh", "办理单位超过时限才答复。", "办理单位至少有一项职责没有尽到。", "办结"),
    ],
)
def test_one_case_says_every_way_in_which_it_may_be_failed_and_how_long_it_will_wait(
    client, language, late, any_failure, wait
):
    """Lateness first, each as cases of a hundred in the language asked for; the wait as an interval."""
    case_id = client.json("/v1/cases?limit=1")["cases"][0]["id"]
    case = client.json(f"/v1/cases/{case_id}?lang={language}")
    assert [risk["outcome"] for risk in case["risks"]] == ["late", "any_failure"]
    assert {name: case["risks"][0][name] for name in case["risk"]} == case["risk"]
    assert case["risks"][0]["sentence"].endswith(late)
    assert case["risks"][1]["sentence"].endswith(any_failure)
    assert case["risks"][1]["probability"] >= case["risks"][0]["probability"]
    assert [len(risk["reasons"]) for risk in case["risks"]] == [3, 3]
    assert case["risks"][0]["reasons"] == case["reasons"][:3]
    remaining = case["remaining"]
    ends = [remaining[f"{end}_hours"] for end in ("lower_95", "lower_80", "median", "upper_80", "upper_95")]
    assert ends == sorted(ends)
    assert wait in remaining["sentence"]


@pytest.mark.parametrize("order", ["risk", "due"])
@pytest.mark.parametrize("limit", [1, 7, 200])
def test_a_walk_through_the_pages_visits_every_case_once(client, order, limit):
    """No case is missed or told twice, whatever the size of a page."""
    seen, pages = [], 0
    following = f"/v1/cases?order={order}&limit={limit}&band=high"
    while following:
        answer = client.get(following)
        body = answer.json()
        seen += [case["id"] for case in body["cases"]]
        following = body["next"]
        assert answer.headers.get("link") == (f'<{following}>; rel="next"' if following else None)
        pages += 1
    assert len(seen) == len(set(seen)) == body["total"]
    assert pages == -(-body["total"] // limit)


def test_no_risk_changes_the_place_that_a_deadline_gives(client):
    """By deadline the order is that of the promises alone, with unpromised cases last."""
    due = [case["due_at"] for case in _all(client, "&order=due")]
    promised = [moment for moment in due if moment is not None]
    assert due == sorted(promised) + [None] * (len(due) - len(promised))


@pytest.mark.parametrize(
    ("query", "holds"),
    [
        ("office=O-2", lambda case: case["office"]["code"] == "O-2"),
        ("category=drain", lambda case: case["category"]["code"] == "drain"),
        ("area=A-03", lambda case: case["area"]["code"] == "A-03"),
        ("band=medium", lambda case: case["risk"]["band"] == "medium"),
        ("deadline=passed", lambda case: (case["due_at"] or "9") < "2025-11-21T08:00:00+08:00"),
        ("deadline=ahead", lambda case: case["due_at"] is None or case["due_at"] >= "2025-11-21T08:00:00+08:00"),
    ],
)
def test_a_filter_keeps_exactly_what_it_says(client, query, holds):
    """A filtered list holds the cases of the whole list that fit, in the same order."""
    fitting = [case["id"] for case in _all(client) if case["area"] is not None or "area" not in query]
    wanted = {case["id"] for case in _all(client) if (case["area"] or "area" not in query) and holds(case)}
    assert [case["id"] for case in _all(client, f"&{query}")] == [id_ for id_ in fitting if id_ in wanted]
    assert wanted


def test_an_area_holds_the_areas_within_it(client):
    """Asking for a town finds the cases of its villages."""
    villages = {code for code, parent, *_ in AREAS if parent == "T-1"}
    found = {case["area"]["code"] for case in _all(client, "&area=T-1")}
    assert found == villages


def test_empty_parameters_count_as_not_given(client):
    """A form sends its empty fields too."""
    assert client.json("/v1/cases?office=&category=&area=&band=&cursor=")["total"] == 400


@pytest.mark.parametrize(
    "cursor",
    [
        "nonsense",
        "%FF%FE",
        base64.urlsafe_b64encode(b'{"a": 1}').decode(),
        base64.urlsafe_b64encode(json.dumps(["due", "v", "c"]).encode()).decode(),
        base64.urlsafe_b64encode(json.dumps(["risk", 1, None]).encode()).decode(),
        base64.urlsafe_b64encode(b"1").decode(),
    ],
)
def test_a_cursor_that_is_not_ours_is_refused(client, cursor):
    """A damaged cursor is an error and never the first page again."""
    answer = client.get(f"/v1/cases?cursor={cursor}")
    assert answer.status_code == 400
    assert "Start again without a cursor" in answer.json()["detail"]


def test_a_case_says_what_its_risk_was_the_morning_before(client):
    """From the scoring of that morning; a case that came in since has none."""
    with Store.open(str(shared_store())) as store:
        risks = store.read_risks(AS_OF - DAY)
        late = risks[risks["outcome"] == "late"].set_index("case_id")["probability"]
    cases = client.json("/v1/cases?limit=200")["cases"]
    assert {case["earlier"]["as_of"] for case in cases} == {"2025-11-20T08:00:00+08:00"}
    for case in cases:
        before = late.get(case["id"])
        told = case["earlier"]["probability"], case["earlier"]["per_100"]
        assert told == ((None, None) if before is None else (round(before, 4), round(100 * before)))
    assert any(case["earlier"]["probability"] is None for case in cases)


def test_without_a_scoring_of_the_days_before_nothing_is_said_of_change(tmp_path):
    """One of the same morning, or of long ago, is none."""
    path = small_store(tmp_path)
    with Store.open(str(path)) as store:
        assert read_earlier(store, AS_OF + 5 * DAY, "late").as_of == AS_OF
        assert read_earlier(store, AS_OF + 20 * DAY, "late") is None
        assert read_earlier(store, AS_OF + 3_600, "late").as_of == AS_OF - DAY


def test_a_walk_ends_in_the_scoring_it_began_in_or_is_told_that_it_cannot(tmp_path):
    """A new scoring between two pages neither hides a case nor shows one twice."""
    path = small_store(tmp_path)
    client = client_of(path)
    first = client.json("/v1/cases?limit=20")
    with Store.open(str(path)) as store:
        score(store, as_of=AS_OF + DAY, seed=5)
    second = client.json(first["next"])
    assert second["as_of"] == first["as_of"]
    ids = [case["id"] for case in [*first["cases"], *second["cases"]]]
    assert len(ids) == len(set(ids)) == 40
    with Store.open(str(path)) as store:
        score(store, as_of=AS_OF + 2 * DAY, seed=6)
    client.json("/v1/cases")
    gone = client.get(first["next"])
    assert gone.status_code == 410
    assert gone.json()["detail"] == "The cases were scored anew since that page. Start again without a cursor."
    client.close()


def test_one_case_has_all_reasons_and_they_add_up(client):
    """Base and reasons give the probability, to the tenth of a point that is shown."""
    for listed in client.json("/v1/cases?limit=25")["cases"]:
        case = client.json(f"/v1/cases/{listed['id']}")
        tenths = [round(10 * reason["points"]) for reason in case["reasons"]]
        assert round(10 * case["base_points"]) + sum(tenths) == round(10 * case["total_points"])
        assert case["total_points"] == pytest.approx(100 * case["risk"]["probability"], abs=0.06)
        assert case["reasons"][:3] == listed["reasons"]


def test_the_timeline_is_about_what_offices_did(client):
    """It begins with the opening, and names an office and two moments for each act."""
    listed = client.json("/v1/cases?limit=1")["cases"][0]
    timeline = client.json(f"/v1/cases/{listed['id']}")["timeline"]
    assert timeline[0]["kind"] == "opened"
    assert timeline[0]["at"] == listed["opened_at"]
    offices = {"office", "tier", "from_office", "from_tier"}
    promise = {"due_at", "due_before", "clock_stopped_until", "clock_stopped_hours", "clock_stands"}
    assert all(set(event) == {"kind", "at", "known_at", "told"} | offices | promise for event in timeline)
    assert all(event["at"] <= event["known_at"] for event in timeline)


def test_names_and_reasons_are_in_the_language_asked_for(client):
    """The same case in both languages, with the same figures."""
    english = client.get("/v1/cases?limit=1", accept_language="en")
    chinese = client.get("/v1/cases?limit=1", accept_language="zh-CN,zh;q=0.9")
    assert (english.headers["content-language"], chinese.headers["content-language"]) == ("en", "zh")
    one, other = english.json()["cases"][0], chinese.json()["cases"][0]
    assert one["risk"] == other["risk"]
    assert one["category"]["code"] == other["category"]["code"]
    assert one["category"]["name"] != other["category"]["name"]
    assert [reason["points"] for reason in one["reasons"]] == [reason["points"] for reason in other["reasons"]]
    assert [reason["text"] for reason in one["reasons"]] != [reason["text"] for reason in other["reasons"]]


def test_a_list_that_has_not_changed_answers_304_and_leaves_no_copy(client):
    """A reader who polls the list sends its tag; nothing of a case is left on a disk on the way."""
    first = client.get("/v1/cases?limit=5")
    assert first.headers["cache-control"] == "no-store"
    again = client.get("/v1/cases?limit=5", if_none_match=first.headers["etag"])
    assert (again.status_code, again.content) == (304, b"")


def test_a_service_is_alive_without_a_store_and_ready_only_with_a_scoring(tmp_path):
    """Liveness is about the process, readiness about having something to say."""
    without = client_of(tmp_path / "none.db")
    assert without.get("/health/live").json() == {"status": "ok"}
    assert without.get("/health/ready").status_code == 503
    Store.open(str(tmp_path / "empty.db"), create=True).close()
    empty = client_of(tmp_path / "empty.db")
    assert empty.get("/health/ready").status_code == 503
    empty.close()
    assert client_of(shared_store()).get("/health/ready").json()["status"] == "ok"


def test_the_life_of_a_case_ends_with_what_the_newest_scoring_said(client):
    """Oldest first, each with its interval; a case that came in since yesterday has one scoring only."""
    lengths = set()
    for case in client.json("/v1/cases?limit=40&deadline=ahead")["cases"]:
        told = client.json(f"/v1/cases/{case['id']}")
        life = told["life"]
        lengths.add(len(life))
        last = {name: life[-1][name] for name in ("probability", "lower", "upper", "per_100")}
        assert last == {name: told["risk"][name] for name in last}
        assert life[-1]["as_of"] == told["as_of"]
        if len(life) > 1:
            assert (life[0]["as_of"], life[0]["probability"]) == (
                case["earlier"]["as_of"],
                case["earlier"]["probability"],
            )
    assert lengths == {1, 2}
